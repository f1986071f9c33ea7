//! `vm resume`, `vm stop` and so on: the second word is the action's name.

use crate::cli::command::{Command, Surplus};
use crate::cli::options::{HARD, OptionEntry};
use crate::cli::session::{self, Session};
use crate::client::request;
use crate::error::Error;

/// One such command.
pub(super) const fn act(
    words: &'static str,
    options: &'static [&'static OptionEntry],
    summary: &'static str,
) -> Command {
    Command {
        words,
        operands: "ID",
        surplus: Surplus::Refused,
        options,
        online: true,
        summary,
        detail: "The ID is required, even for this VM: onegate vm poweroff $VMID.",
        examples: &[],
        run,
    }
}

/// The options of an action that can be forced.
pub(super) static FORCED: &[&OptionEntry] = &[&HARD.entry];

fn run(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let id = session
        .id("VM")?
        .ok_or(Error::Words("You have to provide a VM ID"))?;
    let hard = session.options.has(&HARD);
    let request = request::action(id, session.command.action(), hard);
    let client = session.client()?;
    session::send(&client, &request).map(|_| ())
}
