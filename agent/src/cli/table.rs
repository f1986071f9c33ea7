//! Every command and every option, once: parsing, help, man page and completions all read these tables.

mod commands;
mod options;

pub use commands::COMMANDS;
pub use options::OPTIONS;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `vm show`
    VmShow,
    /// `vm update`
    VmUpdate,
    /// `vm wait`
    VmWait,
    /// `vm resume`, `vm stop`, …: the second word is the action's name.
    VmAct,
    /// `service show`
    ServiceShow,
    /// `service scale`
    ServiceScale,
    /// `service peers`
    ServicePeers,
    /// `service wait`
    ServiceWait,
    /// `vrouter show`
    VrouterShow,
    /// `vnet show`
    VnetShow,
    /// `metrics`
    Metrics,
    /// `doctor`
    Doctor,
    /// `context show`
    ContextShow,
    /// `context env`
    ContextEnv,
}

/// One command.
#[derive(Debug)]
pub struct CommandEntry {
    /// What it does.
    pub command: Command,
    /// Its words: `vm show`.
    pub words: &'static str,
    /// What may follow them, as in a synopsis: `[ID]`.
    pub operands: &'static str,
    /// The options of its own; [`COMMON`] comes on top.
    pub options: &'static [Opt],
    /// One line.
    pub summary: &'static str,
    /// Does it speak to a server? Then [`ONLINE`] goes with it.
    pub online: bool,
    /// What else there is to know, a paragraph a line; may be empty.
    pub detail: &'static str,
    /// Command lines to learn from, as typed into a shell.
    pub examples: &'static [&'static str],
}

impl CommandEntry {
    /// `vm`
    pub fn resource(&self) -> &'static str {
        self.words
            .split_once(' ')
            .map_or(self.words, |(resource, _)| resource)
    }

    /// `show`
    pub fn action(&self) -> &'static str {
        self.words.split_once(' ').map_or("", |(_, action)| action)
    }
}

/// An option's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // [`OPTIONS`] says what each one is.
pub enum Opt {
    Data,
    Erase,
    Role,
    Cardinality,
    Json,
    Extended,
    Hard,
    Base64,
    Get,
    Count,
    Push,
    Every,
    Timeout,
    ConnectTimeout,
    Retry,
    CaCert,
    Insecure,
    Help,
    Version,
    Endpoint,
    Vmid,
    TokenFile,
    Root,
}

/// One option.
#[derive(Debug)]
pub struct OptionEntry {
    /// Which one.
    pub opt: Opt,
    /// Without its dashes.
    pub long: &'static str,
    /// Its one-letter form.
    pub short: Option<char>,
    /// What it takes: `FILE`; `None` for a switch.
    pub value: Option<&'static str>,
    /// The Ruby client has it: it is taken, and passed over where it means nothing, with every command.
    pub classic: bool,
    /// One or two lines.
    pub help: &'static str,
}

/// The options that go with every command that speaks to a server.
pub const ONLINE: &[Opt] = &[
    Opt::Timeout,
    Opt::ConnectTimeout,
    Opt::Retry,
    Opt::CaCert,
    Opt::Insecure,
];

/// The options that go with every command.
pub const COMMON: &[Opt] = &[
    Opt::Endpoint,
    Opt::Vmid,
    Opt::TokenFile,
    Opt::Root,
    Opt::Help,
    Opt::Version,
];

/// What is said once, for all commands: a heading and its paragraphs, a line each.
pub const TOPICS: &[(&str, &str)] = &[
    (
        "Paths",
        "\
--get takes a subset of JSONPath (RFC 9535): names (.NAME, ['NAME']), indices ([0], [-1]), wildcards (.*, [*]), \
several of them ([0,1]), and filters: [?@.name=='slave'], [?@.state!=2], [?@.READY]. No slices, no '..', no functions.
A path begins at the document's root with $, otherwise at the record itself: USER_TEMPLATE.ACTIVE of 'vm show' is \
$.VM.USER_TEMPLATE.ACTIVE.",
    ),
    (
        "Credentials",
        "\
The endpoint, the VM's id and its token are each taken from the first source that has it; nothing further is touched \
once all three are known. The environment wins over what the context scripts wrote (the Ruby client's wrapper did the \
reverse). Several endpoints, with blanks between, are tried in turn when one can't be reached.",
    ),
    (
        "Certificates",
        "\
An https endpoint must have a certificate from an authority that the system trusts, or from those in --cacert, \
ONEGATE_CA_FILE or ONEGATE_CA_CERT, and from those alone. A cloud can set ONEGATE_CA_CERT for all its VMs in their \
context.",
    ),
];

/// Variables that count besides [`crate::context::VARIABLES`]: a name and what it is for.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "http_proxy, https_proxy",
        "The proxy on the way to an http or https endpoint. Lower case alone counts.",
    ),
    (
        "no_proxy",
        "Hosts that are reached without it: names, addresses, networks such as 10.0.0.0/8, or *.",
    ),
    ("NO_COLOR", "Not empty: nothing bold or underlined."),
];

/// The entry of an option.
pub fn entry(opt: Opt) -> &'static OptionEntry {
    // Every identity has its entry (a test sees to it), so the fallback is never taken.
    OPTIONS
        .iter()
        .find(|entry| entry.opt == opt)
        .unwrap_or(&OPTIONS[0])
}
