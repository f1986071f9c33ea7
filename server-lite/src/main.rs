//! The binary: the world in, the exit code out.

use onegate_server_lite::commands::cli::{self, Invocation, PROGRAM, STATE};
use onegate_server_lite::commands::{CommandError, complain, print};
use std::process::ExitCode;

/// musl's own allocator takes one lock for all threads, and a request allocates dozens of times.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The command failed.
const FAILED: u8 = 1;
/// The command line is not understood.
const USAGE: u8 = 2;
/// What was waited for did not happen in time: as of timeout(1), and of the agent's `wait`.
const LATE: u8 = 124;
/// What the command was given can't be used (EX_CONFIG of sysexits.h): to try again is no use.
const CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    let (error, code) = match cli::parse(std::env::args_os().skip(1), std::env::var_os(STATE)) {
        Ok(invocation) => match run(invocation) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(CommandError::Failed(error)) => (error, FAILED),
            Err(CommandError::Late(error)) => (error, LATE),
            Err(CommandError::Configuration(error)) => (error, CONFIGURATION),
        },
        Err(error) => (error.to_string(), USAGE),
    };
    complain(&format!("{PROGRAM}: {error}"));
    ExitCode::from(code)
}

fn run(invocation: Invocation) -> Result<(), CommandError> {
    match invocation {
        Invocation::Help(text) => Ok(print(&text)?),
        Invocation::Version => Ok(print(&format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")))?),
        Invocation::Run(command, options) => command.run(&options),
    }
}
