//! The commands that have a running server do something, through its control socket: `vm`, `gate`, `clock`, `events`,
//! `wait`. What they do is in [`crate::lab::control`].

use super::options::CommandOptions;
use super::{CommandError, control};
use crate::lab::control::Order;
use std::io;
use std::path::Path;

/// Gives the order of this name to the server that has the state directory.
///
/// # Errors
/// No server has it, or it refuses.
pub fn run(command: &str, options: &CommandOptions) -> Result<(), CommandError> {
    let directory = options.state.as_deref().unwrap_or(Path::new("."));
    match control::give(directory, &order(command, options), &mut io::stdout())? {
        Some(()) => Ok(()),
        None => Err(CommandError::Failed(format!(
            "no server runs with --state {}: start one, or name the directory of the one that runs",
            directory.display()
        ))),
    }
}

/// An order of the command's, with its options.
pub fn order(command: &str, options: &CommandOptions) -> Order {
    Order {
        command: command.to_owned(),
        id: options.like.unwrap_or(options.id),
        words: options.words.clone(),
        json: options.json,
        follow: options.follow,
        timeout: options.timeout,
    }
}
