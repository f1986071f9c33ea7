//! `onegate-server-lite state export` and `state import`: a state as a scenario, while its server runs or not.

use super::CommandError;
use super::control;
use super::options::CommandOptions;
use crate::cloud::embedded::{Embedded, Scenario, export};
use crate::store::database::Store;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Prints the state as a scenario.
///
/// # Errors
/// The state can't be read, or not all of it.
pub fn export(options: &CommandOptions) -> Result<(), CommandError> {
    let directory = directory(options);
    let (objects, lost) = match options.salvage {
        true => Store::salvage(directory).map_err(CommandError::failed)?,
        false => {
            let stored = Store::read(directory).map_err(CommandError::failed)?;
            (stored.objects, Vec::new())
        }
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    export::write(&objects, &mut out).map_err(super::unprinted)?;
    for what in &lost {
        let _ = writeln!(std::io::stderr(), "{}: {what}", super::cli::PROGRAM);
    }
    match lost.len() {
        0 => Ok(()),
        number => Err(CommandError::Failed(format!(
            "{number} parts of the state are lost; what was printed is all that can be read: look through it before \
             you import it"
        ))),
    }
}

/// Replaces the state by a scenario: by way of its server where one runs.
///
/// # Errors
/// The scenario is wrong, or can't be stored; the state is as it was.
pub fn import(options: &CommandOptions) -> Result<(), CommandError> {
    let directory = directory(options);
    let file = options.cloud.as_deref().unwrap_or(Path::new("/dev/stdin"));
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the scenario {}: {error}", file.display()))?;
    // Checked here first, for a message with the file's name.
    let scenario =
        Scenario::parse(&text, &file.display().to_string()).map_err(CommandError::failed)?;
    for warning in &scenario.warnings {
        let _ = writeln!(
            std::io::stderr(),
            "{}: warning: {warning}",
            super::cli::PROGRAM
        );
    }
    if control::send_scenario(directory, &text)?.is_some() {
        return super::print("imported, by the server that runs");
    }
    Embedded::import_into(directory, &scenario).map_err(CommandError::failed)?;
    super::print("imported")
}

fn directory(options: &CommandOptions) -> &Path {
    options.state.as_deref().unwrap_or(Path::new("."))
}
