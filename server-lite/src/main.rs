//! The binary: the world in, the exit code out.

use onegate_server_lite::cloud::embedded::Embedded;
use onegate_server_lite::commands::cli::{self, Command, CommandOptions, Invocation, PROGRAM};
use onegate_server_lite::commands::context;
use onegate_server_lite::commands::serve;
use onegate_server_lite::commands::service_show;
use std::io::Write as _;
use std::process::ExitCode;

/// The command failed.
const FAILED: u8 = 1;
/// The command line is not understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let (error, code) = match cli::parse(std::env::args_os().skip(1)) {
        Ok(invocation) => match run(invocation) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error, FAILED),
        },
        Err(error) => (error.to_string(), USAGE),
    };
    let _ = writeln!(std::io::stderr(), "{PROGRAM}: {error}");
    ExitCode::from(code)
}

fn run(invocation: Invocation) -> Result<(), String> {
    match invocation {
        Invocation::Help(text) => print(&text),
        Invocation::Version => print(&format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION"))),
        Invocation::Run(Command::Serve, options) => serve::serve(&options),
        Invocation::Run(Command::Token, options) => {
            print(&context::token(&read(&options)?, options.id)?)
        }
        Invocation::Run(Command::Context, options) => write_context(&options),
        Invocation::Run(Command::ServiceShow, options) => print(&service_show::text(
            &read(&options)?,
            options.id,
            options.json,
        )?),
    }
}

fn write_context(options: &CommandOptions) -> Result<(), String> {
    let out = options.out.as_deref().unwrap_or(std::path::Path::new("."));
    let with_token = context::write(
        &read(options)?,
        options.id,
        options.endpoint.as_deref(),
        out,
    )?;
    if !with_token {
        let _ = writeln!(
            std::io::stderr(),
            "{PROGRAM}: VM {} has no TOKEN=YES in its CONTEXT: no token.txt, and no OneGate for it",
            options.id
        );
    }
    Ok(())
}

/// The cloud to look at: a server may have it open, nothing is changed.
fn read(options: &CommandOptions) -> Result<Embedded, String> {
    Embedded::read(options.cloud.as_deref(), options.state.as_deref())
        .map_err(|error| error.to_string())
}

fn print(text: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{text}")
        .map_err(|error| format!("cannot write to standard output: {error}"))
}
