//! Every command and every option, once: parsing, help, man page and completions all read these tables.

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
    /// What else there is to know; may be empty.
    pub detail: &'static str,
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

const ACT: &[Opt] = &[];
const ACT_HARD: &[Opt] = &[Opt::Hard];
const ACT_DETAIL: &str =
    "The ID is required: acting on oneself must be said, as in 'onegate vm poweroff $VMID'.";

const fn act(words: &'static str, options: &'static [Opt], summary: &'static str) -> CommandEntry {
    CommandEntry {
        command: Command::VmAct,
        words,
        operands: "ID",
        options,
        online: true,
        summary,
        detail: ACT_DETAIL,
    }
}

const WAIT_DETAIL: &str = "\
A CONDITION is KEY (the attribute is there), KEY=VALUE, or KEY!=VALUE (it is not there, or differs),
where KEY is an attribute as 'vm update' sets it, or STATE with a state's name: STATE=RUNNING. All
of them must hold. It asks the server often at first, then less and less, each VM at a pace of its
own, and outlives the server's restarts. --timeout is that of the whole (default 300 seconds); when
it is over the exit code is 124, and stderr says what was still missing.";
const SERVICE_WAIT_DETAIL: &str = "\
Conditions are those of 'vm wait'. Without --role, STATE is that of the service, and any other KEY
must hold for every VM of the service. With --role all is about the VMs of that role: as many as the
role shall have, or with --count at least N of them.";

const METRICS_DETAIL: &str = "\
MEM_USED_PERC, SWAP_USED_PERC, DISK_USED_PERC_<device> for each mounted disk, CPU_USED_PERC (over one
second, or since the report before) and LOAD_1: what a role's elasticity policies can be about.
With --every it goes on until it is stopped, over one connection, and past any outage.";

/// Every command, in the order in which help lists them.
pub const COMMANDS: &[CommandEntry] = &[
    CommandEntry {
        command: Command::VmShow,
        words: "vm show",
        operands: "[ID]",
        options: &[Opt::Json, Opt::Get],
        online: true,
        summary: "Show this VM, or a VM of the same service or virtual router",
        detail: "An empty ID, as in 'vm show \"\"', means this VM.",
    },
    CommandEntry {
        command: Command::VmUpdate,
        words: "vm update",
        operands: "[ID] [KEY=VALUE]...",
        options: &[Opt::Erase, Opt::Base64, Opt::Data],
        online: true,
        summary: "Add, change or remove attributes of a VM's record (USER_TEMPLATE)",
        detail: "\
Any VALUE is stored as it is given, commas, quotes, brackets, backslashes and newlines included.
KEY=@FILE takes the value from a file, without the newline at its end, and KEY=@- from standard
input; KEY=@@TEXT is a value that begins with '@' itself. What OpenNebula can't store exactly is
refused before anything is sent: blanks and newlines at either end, CR and other control
characters, ']]>', and characters beyond U+FFFF. With --base64 these can be stored too.
A KEY is stored in upper case; given twice, it becomes a list.
--data is sent as given, for scripts written for the Ruby client: OpenNebula refuses or damages
what a comma, a quote, a bracket or a backslash is part of. Of --data and --erase the last one
counts; several --erase count all.",
    },
    CommandEntry {
        command: Command::VmWait,
        words: "vm wait",
        operands: "[ID] CONDITION...",
        options: &[],
        online: true,
        summary: "Wait until a VM's record says what CONDITIONs say",
        detail: WAIT_DETAIL,
    },
    act(
        "vm resume",
        ACT,
        "Resume a VM that is stopped, suspended or powered off",
    ),
    act("vm stop", ACT, "Save a VM's state and release its host"),
    act("vm suspend", ACT, "Save a VM's state on its host"),
    act("vm terminate", ACT_HARD, "End a VM for good"),
    act("vm reboot", ACT_HARD, "Reboot a VM"),
    act("vm poweroff", ACT_HARD, "Power a VM off"),
    act("vm resched", ACT, "Ask the scheduler for another host"),
    act("vm unresched", ACT, "Withdraw 'resched'"),
    act("vm hold", ACT, "Keep a pending VM from being deployed"),
    act("vm release", ACT, "Let a held VM be deployed"),
    act(
        "vm delete",
        ACT,
        "OpenNebula 4's word for 'terminate --hard'",
    ),
    act(
        "vm shutdown",
        ACT_HARD,
        "OpenNebula 4's word for 'terminate'",
    ),
    CommandEntry {
        command: Command::ServiceShow,
        words: "service show",
        operands: "",
        options: &[Opt::Json, Opt::Extended, Opt::Get],
        online: true,
        summary: "Show the service of this VM, its roles and their VMs",
        detail: "",
    },
    CommandEntry {
        command: Command::ServiceScale,
        words: "service scale",
        operands: "",
        options: &[Opt::Role, Opt::Cardinality],
        online: true,
        summary: "Set the number of VMs of a role",
        detail: "Both options are required. The service passes through SCALING and COOLDOWN to RUNNING.",
    },
    CommandEntry {
        command: Command::ServicePeers,
        words: "service peers",
        operands: "",
        options: &[Opt::Role, Opt::Json],
        online: true,
        summary: "List the VMs of the service: ID, role, name, state and addresses, a line each",
        detail: "Aligned on a terminal; elsewhere without a heading and separated by tabs.",
    },
    CommandEntry {
        command: Command::ServiceWait,
        words: "service wait",
        operands: "[CONDITION]...",
        options: &[Opt::Role, Opt::Count],
        online: true,
        summary: "Wait until the service, or the VMs of a role, are as CONDITIONs say",
        detail: SERVICE_WAIT_DETAIL,
    },
    CommandEntry {
        command: Command::VrouterShow,
        words: "vrouter show",
        operands: "",
        options: &[Opt::Json, Opt::Extended, Opt::Get],
        online: true,
        summary: "Show the virtual router of this VM",
        detail: "",
    },
    CommandEntry {
        command: Command::VnetShow,
        words: "vnet show",
        operands: "ID",
        options: &[Opt::Json, Opt::Extended, Opt::Get],
        online: true,
        summary: "Show a virtual network, from a VM of a virtual router attached to it",
        detail: "",
    },
    CommandEntry {
        command: Command::Metrics,
        words: "metrics",
        operands: "",
        options: &[Opt::Push, Opt::Every],
        online: true,
        summary: "Print how busy this VM is, or push it into its record",
        detail: METRICS_DETAIL,
    },
    CommandEntry {
        command: Command::Doctor,
        words: "doctor",
        operands: "",
        options: &[],
        online: true,
        summary: "Check the way from the context to an authorised answer, step by step",
        detail: "\
One line for each step: endpoint, VM id, token, name, connection, TLS, answer, identity, clock. The first that fails is
explained, with what to do. Send its output along when you ask for help: no token is in it.",
    },
    CommandEntry {
        command: Command::ContextShow,
        words: "context show",
        operands: "",
        options: &[],
        online: false,
        summary: "Show which endpoint, VM id and token are used, and where each was found",
        detail: "The token itself is never shown.",
    },
    CommandEntry {
        command: Command::ContextEnv,
        words: "context env",
        operands: "",
        options: &[],
        online: false,
        summary: "Print ONEGATE_ENDPOINT, VMID and TOKENTXT as shell assignments",
        detail: "For scripts that use curl: eval \"$(onegate context env)\"",
    },
];

const fn classic(
    opt: Opt,
    long: &'static str,
    short: Option<char>,
    help: &'static str,
) -> OptionEntry {
    OptionEntry {
        opt,
        long,
        short,
        value: None,
        classic: true,
        help,
    }
}

const fn switch(opt: Opt, long: &'static str, help: &'static str) -> OptionEntry {
    OptionEntry {
        opt,
        long,
        short: None,
        value: None,
        classic: false,
        help,
    }
}

const fn valued(
    opt: Opt,
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> OptionEntry {
    OptionEntry {
        opt,
        long,
        short: None,
        value: Some(value),
        classic: false,
        help,
    }
}

const fn classic_valued(
    opt: Opt,
    long: &'static str,
    short: char,
    value: &'static str,
    help: &'static str,
) -> OptionEntry {
    OptionEntry {
        opt,
        long,
        short: Some(short),
        value: Some(value),
        classic: true,
        help,
    }
}

/// Every option, in the order in which help lists them.
pub const OPTIONS: &[OptionEntry] = &[
    classic_valued(
        Opt::Data,
        "data",
        'd',
        "DATA",
        "Attributes, KEY=VALUE, with a newline or \\n between two; sent as given",
    ),
    classic_valued(
        Opt::Erase,
        "erase",
        'e',
        "KEY",
        "Remove this attribute; may be given several times",
    ),
    classic_valued(Opt::Role, "role", 'r', "ROLE", "A role of the service"),
    classic_valued(
        Opt::Cardinality,
        "cardinality",
        'c',
        "N",
        "The number of VMs that the role shall have",
    ),
    classic(
        Opt::Json,
        "json",
        Some('j'),
        "Print what the server sent, as JSON",
    ),
    classic(
        Opt::Extended,
        "extended",
        None,
        "Ask for everything that the server knows; for a service also STATE and IP of each VM",
    ),
    classic(
        Opt::Hard,
        "hard",
        Some('f'),
        "Don't wait for the guest to agree",
    ),
    valued(
        Opt::Get,
        "get",
        "PATH",
        "Print what PATH leads to, one result a line, strings raw (with --json as JSON); exit 1 if nothing",
    ),
    valued(Opt::Count, "count", "N", "At least this many VMs"),
    switch(Opt::Push, "push", "Write the metrics into this VM's record"),
    valued(
        Opt::Every,
        "every",
        "SECONDS",
        "Keep on, once in so many seconds",
    ),
    switch(
        Opt::Base64,
        "base64",
        "Store each VALUE encoded in base64, whatever bytes it holds",
    ),
    valued(
        Opt::Timeout,
        "timeout",
        "SECONDS",
        "How long one attempt may take in all (default 30), or the whole of a 'wait' (default 300)",
    ),
    valued(
        Opt::ConnectTimeout,
        "connect-timeout",
        "SECONDS",
        "How long a connection may take (default 10)",
    ),
    valued(
        Opt::Retry,
        "retry",
        "N",
        "Try again up to N times when there is no connection, or the answer is 429, 502, 503 or 504; never an action or a scale that may have arrived (default 0)",
    ),
    valued(
        Opt::CaCert,
        "cacert",
        "FILE",
        "Trust the certificate authorities in this PEM file alone",
    ),
    switch(
        Opt::Insecure,
        "insecure",
        "Don't verify the server's certificate: anybody on the way can read the token",
    ),
    valued(
        Opt::Endpoint,
        "endpoint",
        "URL",
        "The OneGate server, http://HOST:PORT",
    ),
    valued(Opt::Vmid, "vmid", "ID", "The id of this VM"),
    valued(
        Opt::TokenFile,
        "token-file",
        "FILE",
        "A file with this VM's token",
    ),
    valued(
        Opt::Root,
        "root",
        "DIR",
        "Look for the context under DIR, not under /",
    ),
    classic(
        Opt::Help,
        "help",
        Some('h'),
        "Show help, for one command or for all, and exit",
    ),
    switch(Opt::Version, "version", "Print the version and exit"),
];

/// The entry of an option.
pub fn entry(opt: Opt) -> &'static OptionEntry {
    // Every identity has its entry (a test sees to it), so the fallback is never taken.
    OPTIONS
        .iter()
        .find(|entry| entry.opt == opt)
        .unwrap_or(&OPTIONS[0])
}
