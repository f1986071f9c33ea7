//! Who am I, and whom do I ask? The endpoint, the VM's id and its token, each from the first source that has it.
//!
//! [`SOURCES`] is the order of the look-up and [`VARIABLES`] the names that count; both also feed the man page. The
//! look-up ends the moment all three are known: no later source is touched. (docs/protocol.md, "Context" and
//! "Where scripts look for a context")

mod cdrom;
mod endpoint;
mod files;
mod given;
mod mount;
mod mounted;
mod search;
pub mod shell;
mod vmware;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use crate::fault::Fault;
use crate::files::Located;
use crate::trace;
use base64::Engine;
pub use endpoint::{Endpoint, urls};
use search::Search;

/// A place to look, in the order of the table: the first that has a field wins.
pub struct Source {
    /// What it is called in the man page: the options, the variables, a path.
    pub name: &'static str,
    /// What is there and who put it there.
    pub about: &'static str,
    /// Looking costs nothing, so it is done even when all three are known: there may be TLS settings too.
    free: bool,
    look: fn(&mut Search<'_>),
}

/// Where to look, in order.
pub static SOURCES: &[Source] = &[
    Source {
        name: "--endpoint, --vmid, --token-file",
        about: "The options of this command line.",
        free: true,
        look: given::options,
    },
    Source {
        name: "ONEGATE_ENDPOINT, VMID, TOKENTXT, ONEGATE_TOKEN",
        about: "The environment. It wins over one_env, and with a warning over --root: what the caller exports counts.",
        free: true,
        look: given::environment,
    },
    Source {
        name: files::ONE_ENV,
        about: "What OpenNebula's context scripts found at boot. Read as data, never run. Only root may read it.",
        free: false,
        look: files::one_env,
    },
    Source {
        name: "/var/run/one-context/context.sh.{network,online,local}",
        about: "The copies of context.sh that the context scripts keep; the newest first.",
        free: false,
        look: files::copies,
    },
    Source {
        name: files::DIRECTORY,
        about: "context.sh and token.txt where the host put them in place, as OpenNebula does for LXC.",
        free: false,
        look: files::directory,
    },
    Source {
        name: "/proc/self/mountinfo",
        about: "A context CD-ROM (ISO9660, label CONTEXT) that is already mounted somewhere.",
        free: false,
        look: mounted::look,
    },
    Source {
        name: "/dev/sr0 and other block devices",
        about: "The context CD-ROM itself, mounted for a moment, read-only and unseen by other processes; needs root.",
        free: false,
        look: cdrom::look,
    },
    Source {
        name: "vmtoolsd",
        about: "VMware's guestinfo.opennebula.context, where open-vm-tools is installed.",
        free: false,
        look: vmware::look,
    },
];

/// What a variable tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The endpoint's URL.
    Endpoint,
    /// The VM's id.
    Vmid,
    /// The token.
    Token,
    /// A file of certificate authorities.
    CaFile,
    /// A certificate authority itself.
    CaCert,
    /// Whether to skip verification.
    Insecure,
}

/// A name that counts in the environment, in `one_env` and in a `context.sh` alike.
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// What it sets.
    pub field: Field,
    /// What it means, for the man page.
    pub about: &'static str,
}

/// The names that count; of two for one field the first wins.
pub static VARIABLES: &[Variable] = &[
    Variable {
        name: "ONEGATE_ENDPOINT",
        field: Field::Endpoint,
        about: "URL of the OneGate server.",
    },
    Variable {
        name: "VMID",
        field: Field::Vmid,
        about: "This VM's id.",
    },
    Variable {
        name: "TOKENTXT",
        field: Field::Token,
        about: "This VM's token.",
    },
    Variable {
        name: "ONEGATE_TOKEN",
        field: Field::Token,
        about: "The token again, or the path of a file that holds it; in a context.sh it beats token.txt.",
    },
    Variable {
        name: "ONEGATE_CA_FILE",
        field: Field::CaFile,
        about: "PEM file of the certificate authorities to trust.",
    },
    Variable {
        name: "ONEGATE_CA_CERT",
        field: Field::CaCert,
        about: "The same, inline: base64 of the PEM text.",
    },
    Variable {
        name: "ONEGATE_INSECURE",
        field: Field::Insecure,
        about: "YES: don't verify the server's certificate.",
    },
];

/// What the caller knows before anything is looked up.
pub struct Lookup<'a> {
    /// `--endpoint URL`, as given.
    pub endpoint: Option<&'a str>,
    /// `--vmid ID`, as given.
    pub vmid: Option<&'a str>,
    /// `--token-file FILE`, as given: a path of the caller's own, never under `root`.
    pub token_file: Option<&'a Path>,
    /// The process environment, or a test's: a variable's name to its value.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// `--root DIR`: where the guest's files are; `/` unless told otherwise.
    pub root: &'a Path,
}

/// A value and the place it was found, in words: `/var/run/one-context/one_env`, `option --vmid`.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// What was found.
    pub value: T,
    /// Where.
    pub place: String,
}

/// The VM's token. Neither `Debug` nor any message shows it: only [`Token::reveal`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token itself, for the `X-ONEGATE-TOKEN` header and `context env`, for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "present, {} characters", self.0.len())
    }
}

/// How to trust an `https` endpoint, where a source that was consulted anyway says so.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// `ONEGATE_CA_FILE`: a PEM file of certificate authorities.
    pub ca_file: Option<Found<Located>>,
    /// `ONEGATE_CA_CERT`, as it stands: [`Tls::ca_pem`] decodes it.
    pub ca_cert: Option<Found<Vec<u8>>>,
    /// `ONEGATE_INSECURE`: `YES` in any case means don't verify the server, anything else that it is verified.
    pub insecure: Option<Found<bool>>,
}

impl Tls {
    /// The PEM text of `ONEGATE_CA_CERT`, decoded.
    ///
    /// # Errors
    /// It isn't base64.
    pub fn ca_pem(&self) -> Result<Option<Vec<u8>>, Fault> {
        let Some(found) = &self.ca_cert else {
            return Ok(None);
        };
        let pem = decode(&found.value).map(Some);
        pem.ok_or_else(|| {
            Fault::of(
                "ONEGATE_CA_CERT ({}) is not base64 of a PEM text",
                &found.place,
            )
        })
    }
}

/// Base64 with any white space in it; `None` if it isn't.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// Everything needed to speak to OneGate.
#[derive(Debug, Clone)]
pub struct Context {
    /// The servers, in the order in which they are tried; at least one.
    pub endpoint: Found<Vec<Endpoint>>,
    /// Decimal digits.
    pub vmid: Found<String>,
    /// Visible ASCII, one line.
    pub token: Found<Token>,
    /// Optional TLS settings.
    pub tls: Tls,
}

/// A place that was looked at and what was wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A file, a device, an option, a variable.
    pub place: String,
    /// `absent`, `not permitted: run as root`, `malformed at line 3: …`.
    pub what: String,
}

/// What was found when not everything was. Its `Display` says which field is missing and everything that was tried.
#[derive(Debug, Clone, Default)]
pub struct Missing {
    /// The endpoint, if found.
    pub endpoint: Option<Found<Vec<Endpoint>>>,
    /// The VM's id, if found.
    pub vmid: Option<Found<String>>,
    /// The token, if found.
    pub token: Option<Found<Token>>,
    /// TLS settings seen on the way.
    pub tls: Tls,
    /// Every place looked at, in order.
    pub problems: Vec<Problem>,
    /// The look-up ended at a value that the caller had given.
    pub refused: bool,
}

impl Missing {
    /// The fields that were not found, in words.
    pub fn fields(&self) -> Vec<&'static str> {
        let mut fields = Vec::new();
        if self.endpoint.is_none() {
            fields.push("endpoint");
        }
        if self.vmid.is_none() {
            fields.push("VM id");
        }
        if self.token.is_none() {
            fields.push("token");
        }
        fields
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.refused {
            f.write_str("What was given can't be used:")?;
        } else {
            let fields = self.fields().join(", no usable ");
            write!(
                f,
                "This VM's credentials are incomplete: no usable {fields}.\nLooked in:"
            )?;
        }
        for problem in &self.problems {
            write!(f, "\n  {}: {}", problem.place, problem.what)?;
        }
        if self.refused {
            return Ok(());
        }
        if self.problems.iter().any(|it| it.what == search::NEEDS_ROOT) {
            f.write_str("\nOnly root can read some of these: run onegate as root.")?;
        } else if self.token.is_none() && self.endpoint.is_some() && self.vmid.is_some() {
            f.write_str(
                "\nA VM gets a token only if its template says CONTEXT = [ TOKEN = \"YES\", … ].",
            )?;
        } else if self.endpoint.is_none() && self.token.is_some() {
            f.write_str("\nA VM gets the endpoint only if ONEGATE_ENDPOINT is set in oned.conf on the front-end.")?;
        }
        Ok(())
    }
}

impl std::error::Error for Missing {}

/// Looks for the three fields, source after source, and stops at the first moment all are known.
///
/// # Errors
/// [`Missing`], when a field was found nowhere, or at once when an option or the environment gives an unusable value:
/// to go on and speak as somebody else would not be what was asked for.
pub fn find(lookup: &Lookup<'_>) -> Result<Context, Box<Missing>> {
    let mut search = Search::new(lookup)?;
    for source in SOURCES {
        if search.is_refused() || (search.is_complete() && !source.free) {
            break;
        }
        trace::step(format_args!("looking at {}", source.name));
        (source.look)(&mut search);
    }
    let result = search.result();
    match &result {
        Ok(found) => {
            let (endpoint, vmid, token) = (&found.endpoint, &found.vmid, &found.token);
            let urls = urls(&endpoint.value);
            trace::step(format_args!("endpoint {urls} from {}", endpoint.place));
            trace::step(format_args!("VM id {} from {}", vmid.value, vmid.place));
            trace::step(format_args!("token from {}", token.place));
        }
        Err(missing) => {
            let fields = missing.fields().join(", ");
            trace::step(format_args!("found no {fields}"));
        }
    }
    result
}

/// The variables of the environment whose values are used though the files under a root have others.
pub fn overriding<'c>(used: &'c Context, root: &Path) -> Vec<&'c str> {
    let lookup = Lookup {
        endpoint: None,
        vmid: None,
        token_file: None,
        environment: &|_| None,
        root,
    };
    let Ok(mut search) = Search::new(&lookup) else {
        return Vec::new();
    };
    for look in [files::one_env, files::copies, files::directory] {
        if !search.is_complete() {
            look(&mut search);
        }
    }
    search.overridden_by(used)
}
