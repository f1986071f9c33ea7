//! Who am I, and whom do I ask? The endpoint, the VM's id and its token, each from the first source that has it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

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

/// A value and the place it was found, in words: `/run/one-context/one_env`, `option --vmid`.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// `ONEGATE_CA_FILE`: a PEM file of certificate authorities, its path as it can be opened.
    pub ca_file: Option<Found<PathBuf>>,
    /// `ONEGATE_CA_CERT`: the PEM text itself, decoded from base64.
    pub ca_cert: Option<Found<Vec<u8>>>,
    /// `ONEGATE_INSECURE=YES`: don't verify the server.
    pub insecure: Option<Found<bool>>,
}

/// Everything needed to speak to OneGate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The URL as found: `http://` or `https://`, without white space around it.
    pub endpoint: Found<String>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// The endpoint, if found.
    pub endpoint: Option<Found<String>>,
    /// The VM's id, if found.
    pub vmid: Option<Found<String>>,
    /// The token, if found.
    pub token: Option<Found<Token>>,
    /// TLS settings seen on the way.
    pub tls: Tls,
    /// Every place looked at, in order.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no credentials")
    }
}

impl std::error::Error for Missing {}

/// Looks for the three fields, source after source, and stops at the first moment all are known.
///
/// # Errors
/// [`Missing`], when a field was found nowhere or a value given on the command line or in the environment is bad.
pub fn find(_lookup: &Lookup<'_>) -> Result<Context, Missing> {
    Err(Missing::default())
}
