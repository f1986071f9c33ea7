//! The commands that have a running server do something, through its control socket: `vm`, `gate`, `clock`, `events`,
//! `wait`. What they do is in [`crate::lab::control`].

use super::options::CommandOptions;
use super::{CommandError, control};
use crate::lab::control::{Order, WAIT};
use crate::lab::event;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::io::{self, Write as _};
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
    let zone = TimeZone::system();
    let mut print = |line: &[u8]| match words(line, command, options.json, &zone) {
        Some(words) => print_line(format!("{words}\n").as_bytes()),
        None => print_line(line),
    };
    while control::give(directory, &order, &mut print)?.is_none() {
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

/// Writes a line to standard output at once: what is followed is seen when it happens.
pub fn print_line(line: &[u8]) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(line).and_then(|()| out.flush())
}

/// For people, what the server says as JSON because it has a time in it: theirs is the time zone that counts, not the
/// server's.
fn words(line: &[u8], command: &str, json: bool, zone: &TimeZone) -> Option<String> {
    let said = || serde_json::from_slice(line).ok();
    match command {
        "events" if !json => Some(event::line(&said()?, zone)),
        "clock" => Some(clock(&said()?, zone)),
        _ => None,
    }
}

/// What time it is in the cloud.
fn clock(said: &Value, zone: &TimeZone) -> String {
    let now = event::time(said.get("now")).to_zoned(zone.clone());
    let ahead = said.get("ahead").and_then(Value::as_u64).unwrap_or(0);
    format!(
        "{}, {ahead} s ahead of the system's clock",
        now.strftime("%F %T")
    )
}

/// An order of the command's, with its options.
pub fn order(command: &str, options: &CommandOptions) -> Order {
    Order {
        command: command.to_owned(),
        id: options.like.unwrap_or(options.id),
        words: options.words.clone(),
        follow: options.follow,
        timeout: options.timeout,
    }
}
