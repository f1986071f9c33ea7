//! Every failure: its words and its exit code.

use crate::client::Failure;
use crate::context::Missing;
use crate::fault::Fault;
use std::fmt;
use std::io;

/// Done.
pub const OK: u8 = 0;
/// An option isn't understood (the Ruby client dies of an exception there, which is 1), or `--get` leads nowhere.
pub const MISREAD_OR_NO_MATCH: u8 = 1;
/// What was waited for did not come in time (as timeout(1) has it).
pub const TIMED_OUT: u8 = 124;
/// Everything else that goes wrong (the Ruby client's `exit -1`).
pub const FAILED: u8 = 255;

/// The exit codes as help and man page list them.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (OK, "Done"),
    (
        MISREAD_OR_NO_MATCH,
        "--get leads nowhere; an option is unknown or lacks its value",
    ),
    (TIMED_OUT, "'wait': the time is over"),
    (
        FAILED,
        "Not a command, no credentials, no connection, or the server refused",
    ),
];

/// Why a command did not do what was asked. Its `Display` is what goes to stderr; it never contains a token.
#[derive(Debug)]
pub enum Error {
    /// An option that isn't understood.
    Option(String),
    /// A command line that isn't understood.
    Usage(String),
    /// What the Ruby client says in the same words, without a name in front.
    Words(&'static str),
    /// An endpoint, or another address, that is no URL: what it is, where it came from.
    Endpoint(String),
    /// Endpoint, VM id or token was not found.
    Missing(Box<Missing>),
    /// No answer.
    Connection(Box<Failure>),
    /// The server's own words, where it did not do what was asked.
    Refused(String),
    /// An answer that is none: not JSON, not what was asked for.
    Answer(String),
    /// What was waited for did not come.
    TimedOut(String),
    /// `--get` leads nowhere: nothing to say.
    NoMatch,
    /// A signal ends the agent, by its number.
    Signal(i32),
    /// stdout can't be written.
    Output(io::Error),
}

impl Error {
    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::TimedOut(_) => TIMED_OUT,
            Error::Option(_) | Error::NoMatch => MISREAD_OR_NO_MATCH,
            // As shells have it.
            Error::Signal(number) => u8::try_from(128 + number).unwrap_or(FAILED),
            // Whoever reads stdout has seen enough, as in `onegate --help | head -1`.
            Error::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => OK,
            Error::Usage(_)
            | Error::Words(_)
            | Error::Endpoint(_)
            | Error::Missing(_)
            | Error::Connection(_)
            | Error::Refused(_)
            | Error::Answer(_)
            | Error::Output(_) => FAILED,
        }
    }
}

impl From<Fault> for Error {
    #[inline(never)]
    fn from(fault: Fault) -> Error {
        Error::Endpoint(fault.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Error::Option(what) => format!("onegate: {what}\nSee 'onegate --help'."),
            Error::Usage(what) => format!("onegate: {what}"),
            Error::Words(what) => (*what).to_owned(),
            Error::TimedOut(what) => format!("onegate: {what}"),
            Error::Endpoint(what) => format!("onegate: {what}"),
            Error::Missing(missing) => format!("ERROR: \n{missing}"),
            Error::Connection(failure) => format!("ERROR: \n{failure}"),
            Error::Refused(words) => format!("ERROR: \n{words}"),
            Error::Answer(what) => format!("ERROR: \n{what}"),
            Error::NoMatch | Error::Signal(_) => return Ok(()),
            Error::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Error::Output(e) => format!("onegate: cannot write to standard output: {e}"),
        };
        f.write_str(text.trim_end())
    }
}
