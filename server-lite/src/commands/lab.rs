//! The commands that have a running server do something, through its control socket: `vm`, `gate`, `clock`, `events`,
//! `wait`. What they do is in [`crate::lab::control`].

use super::options::CommandOptions;
use super::{CommandError, control};
use crate::lab::control::{Order, WAIT};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often `wait` looks whether a server runs by now.
const LOOK: Duration = Duration::from_millis(50);

/// Gives the order of this name to the server that has the state directory. `wait` waits for the server too.
///
/// # Errors
/// No server has it, or it refuses.
pub fn run(command: &str, options: &CommandOptions) -> Result<(), CommandError> {
    let directory = options.state.as_deref().unwrap_or(Path::new("."));
    let mut order = order(command, options);
    let waits = command.starts_with("wait ");
    let patience = order.timeout.unwrap_or(WAIT);
    let until = Instant::now() + patience;
    let shown = directory.display();
    while control::give(directory, &order, &mut io::stdout())?.is_none() {
        let left = until.saturating_duration_since(Instant::now());
        match (waits, left.is_zero()) {
            (false, _) => {
                return Err(CommandError::Failed(format!(
                    "no server runs with --state {shown}: start one, or name the directory of the one that runs"
                )));
            }
            (true, true) => {
                return Err(CommandError::Late(format!(
                    "no server runs with --state {shown}, after {} s: look at what 'serve' printed, or name the \
                     directory of the one that runs",
                    patience.as_secs_f64()
                )));
            }
            (true, false) => {
                std::thread::sleep(LOOK.min(left));
                order.timeout = Some(until.saturating_duration_since(Instant::now()));
            }
        }
    }
    Ok(())
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
