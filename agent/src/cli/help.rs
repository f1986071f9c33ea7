//! `--help`, rendered from the tables.

use super::table::{self, COMMANDS, COMMON, CommandEntry, ONLINE, OPTIONS, OptionEntry};
use crate::error::EXIT_CODES;
use std::fmt::Write as _;

/// Help for the command, or the group of commands, that `words` name; for all where they name none.
pub fn of(words: &[&str]) -> String {
    let exact = COMMANDS
        .iter()
        .find(|entry| words.len() > 1 && words[..2] == [entry.resource(), entry.action()]);
    if let Some(entry) = exact {
        return command(entry);
    }
    match words.first() {
        Some(resource) if COMMANDS.iter().any(|entry| entry.resource() == *resource) => {
            commands(|entry| entry.resource() == *resource)
        }
        _ => whole(),
    }
}

/// The list of the commands that `wanted` picks, and how to learn more.
pub fn commands(wanted: impl Fn(&CommandEntry) -> bool) -> String {
    let mut out = String::from("Usage: onegate COMMAND [OPTION]...\n\nCommands:\n");
    for entry in COMMANDS.iter().filter(|entry| wanted(entry)) {
        let synopsis = format!("{} {}", entry.words, entry.operands);
        row(&mut out, synopsis.trim_end(), entry.summary);
    }
    out.push_str(
        "\n'onegate COMMAND --help' says more about one of them, 'onegate --help' all about all.\n",
    );
    out
}

fn whole() -> String {
    let mut out = String::from(
        "onegate: what this VM knows of itself and its service, and what it tells them (OpenNebula's OneGate)\n\n",
    );
    out.push_str(&commands(|_| true));
    out.push_str("\nOptions, anywhere in the line:\n");
    for entry in OPTIONS {
        option(&mut out, entry);
    }
    exit_codes(&mut out);
    out
}

fn command(entry: &CommandEntry) -> String {
    let mut out = format!("{}\n\nUsage: onegate {}", entry.summary, synopsis(entry));
    out.push_str("\n\nOptions:\n");
    let online = if entry.online { ONLINE } else { &[] };
    for opt in entry.options.iter().chain(online).chain(COMMON) {
        option(&mut out, table::entry(*opt));
    }
    if !entry.detail.is_empty() {
        let _ = write!(out, "\n{}\n", entry.detail);
    }
    exit_codes(&mut out);
    out
}

/// `vm update [ID] [--data DATA] [--erase KEY]`
pub fn synopsis(entry: &CommandEntry) -> String {
    let mut out = entry.words.to_owned();
    if !entry.operands.is_empty() {
        let _ = write!(out, " {}", entry.operands);
    }
    for opt in entry.options {
        let option = table::entry(*opt);
        let value = option
            .value
            .map(|value| format!(" {value}"))
            .unwrap_or_default();
        let _ = write!(out, " [--{}{value}]", option.long);
    }
    out
}

fn option(out: &mut String, entry: &OptionEntry) {
    let short = entry
        .short
        .map(|letter| format!("-{letter}, "))
        .unwrap_or_default();
    let value = entry
        .value
        .map(|value| format!(" {value}"))
        .unwrap_or_default();
    row(out, &format!("{short}--{}{value}", entry.long), entry.help);
}

fn exit_codes(out: &mut String) {
    out.push_str("\nExit codes:\n");
    for (code, meaning) in EXIT_CODES {
        row(out, &code.to_string(), meaning);
    }
}

fn row(out: &mut String, left: &str, right: &str) {
    let _ = if left.len() > 25 {
        writeln!(out, "  {left}\n{:29}{right}", "")
    } else {
        writeln!(out, "  {left:<25}  {right}")
    };
}
