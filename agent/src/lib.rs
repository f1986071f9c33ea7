//! `onegate`: the client of OpenNebula's OneGate for use inside a VM.
//!
//! A command line is parsed ([`cli`]), the function in the command's table row is run ([`commands`]), and the result
//! becomes the exit code ([`error`]). A command finds the credentials ([`context`]), sends requests ([`client`]) and
//! prints what [`objects`] makes of the responses. Imports point downwards only: commands, cli, error, client, context,
//! objects, then mountinfo, replace, files, privileges, trace,
//! world and limits.

#![cfg_attr(test, allow(clippy::disallowed_methods))] // Tests make and read files of their own.

pub mod cli;
pub mod client;
pub mod commands;
pub mod context;
pub mod error;
pub mod fault;
pub mod files;
pub mod limits;
pub mod mountinfo;
pub mod objects;
pub mod privileges;
pub mod replace;
pub mod trace;
pub mod world;

use cli::options::TRACE;
use cli::session::Session;
use cli::{Invocation, Parsed};
use commands::COMMANDS;
use commands::watch::child;
use error::Error;
use std::ffi::OsString;
use world::World;

/// Does what the command line says; the result is the exit code. `args` is without the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>, world: &mut World<'_>) -> u8 {
    let mut args = args.into_iter().peekable();
    if args.next_if(|word| word == child::START).is_some() {
        let (code, why) = child::become_program(args);
        world.say(&format!("onegate: {why}"));
        return code;
    }
    let outcome = cli::parse(COMMANDS, args).and_then(|parsed| match parsed {
        Parsed::Print(text) => world.print(&text).map_err(Error::Output),
        Parsed::Run(invocation) => carry_out(invocation, world),
    });
    match outcome {
        Ok(()) => error::OK,
        Err(error) => {
            let words = error.to_string();
            if !words.is_empty() {
                world.say(&words);
            }
            error.exit_code()
        }
    }
}

fn carry_out(invocation: Invocation, world: &mut World<'_>) -> Result<(), Error> {
    let variable = world.variable("ONEGATE_TRACE").unwrap_or_default();
    if invocation.options.has(&TRACE) || !matches!(variable.as_str(), "" | "0") {
        trace::start();
    }
    if let Some(warning) = &invocation.warning {
        world.warn(warning);
    }
    let mut session = Session {
        command: invocation.command,
        operands: invocation.operands,
        options: invocation.options,
        world,
    };
    (session.command.run)(&mut session)
}
