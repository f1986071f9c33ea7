//! `--trace`: each step on stderr as it is taken, with the milliseconds since the start. No token is among them.

use crate::world::sanitize;
use std::fmt::Arguments;
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Instant;

static START: OnceLock<Instant> = OnceLock::new();

/// From here on steps are shown.
pub fn start() {
    START.get_or_init(Instant::now);
}

/// A step, as `format_args!` has it: nothing is formatted unless steps are shown.
pub fn step(what: Arguments<'_>) {
    if let Some(start) = START.get() {
        let (time, what) = (start.elapsed().as_millis(), what.to_string());
        // If stderr can't be written, there is nowhere left to say so.
        let _ = writeln!(
            std::io::stderr(),
            "trace: {time:>6} ms  {}",
            sanitize(&what)
        );
    }
}
