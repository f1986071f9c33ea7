//! The command line and what each command does: one file and one row of `COMMANDS` ([`cli`]) for each.

pub mod admin;
pub mod certificate;
pub mod check;
pub mod cli;
pub mod config;
pub mod context;
pub mod control;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod options;
pub mod serve;
pub mod service_recover;
pub mod service_show;
pub mod setup;
pub mod state;
pub mod token;

use crate::cloud::embedded::Embedded;
use options::CommandOptions;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fmt;
use std::io::Write as _;

/// Why a command failed; in words for whoever typed it.
#[derive(Debug)]
pub enum CommandError {
    /// What it was given can't be used: it fails again until somebody mends that.
    Configuration(String),
    /// Anything else.
    Failed(String),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(words) | Self::Failed(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<String> for CommandError {
    fn from(words: String) -> Self {
        Self::Failed(words)
    }
}

/// The cloud that the options name: a server may have it open, nothing is changed.
fn read(options: &CommandOptions) -> Result<Embedded, String> {
    Embedded::read(options.cloud.as_deref(), options.state.as_deref())
        .map_err(|error| error.to_string())
}

/// Prints a line on standard output.
///
/// # Errors
/// It cannot be written; in words.
pub fn print(text: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{text}")
        .map_err(|error| format!("cannot write to standard output: {error}"))
}

/// Prints a line on standard error, unless nobody takes it: a program whose errors are not read must end all the same.
pub fn complain(line: &str) {
    let stderr = std::io::stderr();
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    let writable = poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&second));
    if writable != Ok(0) {
        let _ = writeln!(stderr.lock(), "{line}");
    }
}
