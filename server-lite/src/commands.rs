//! The command line and what each command does: one file and one row of `COMMANDS` ([`cli`]) for each.

pub mod admin;
pub mod certificate;
pub mod check;
pub mod cli;
pub mod config;
pub mod context;
pub mod control;
pub mod lab;
pub mod log;
pub mod machines;
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
use std::io::{self, Write as _};
use thiserror::Error;

/// Why a command failed; in words for whoever typed it.
#[derive(Debug, Error)]
pub enum CommandError {
    /// What it was given can't be used: it fails again until somebody mends that.
    #[error("{0}")]
    Configuration(String),
    /// What was waited for did not happen in time.
    #[error("{0}")]
    Late(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl CommandError {
    /// What can't be used.
    fn configuration(error: impl fmt::Display) -> Self {
        Self::Configuration(error.to_string())
    }

    /// What went wrong.
    fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<String> for CommandError {
    fn from(words: String) -> Self {
        Self::Failed(words)
    }
}

/// The cloud that the options name: a server may have it open, nothing is changed.
fn read(options: &CommandOptions) -> Result<Embedded, CommandError> {
    Embedded::read(options.cloud.as_deref(), options.state.as_deref()).map_err(CommandError::failed)
}

/// Prints a line on standard output.
///
/// # Errors
/// It cannot be written.
pub fn print(text: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout(), "{text}").map_err(unprinted)
}

/// Why there is no output.
fn unprinted(error: io::Error) -> CommandError {
    CommandError::Failed(format!("cannot write to standard output: {error}"))
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
