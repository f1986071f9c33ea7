//! argv -> [`Invocation`], with lexopt, over the tables of commands and options.
//!
//! What the Ruby client's OptionParser takes is taken: options anywhere in the line, `-dA=1`, `--data=A=1`, `--js` for
//! `--json`, `--`, an empty id. (docs/protocol.md, "The Ruby client") Help and version are a third outcome of parsing, neither success nor failure.

pub mod command;
pub mod duration;
pub mod help;
mod nearest;
pub mod options;
pub mod session;

use crate::error::Error;
use command::{Command, Surplus};
use lexopt::Arg;
use options::{BETWEEN, COMMON, HELP, Kind, ONLINE, OptionEntry, Options, VERSION};
use std::ffi::OsString;
use std::fmt::Write as _;

/// A command line, understood.
#[derive(Debug)]
pub struct Invocation {
    /// The command.
    pub command: &'static Command,
    /// What followed the command's words.
    pub operands: Vec<String>,
    /// Its options.
    pub options: Options,
    /// What the caller should know before it is carried out.
    pub warning: Option<String>,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Parsed {
    /// To do something.
    Run(Invocation),
    /// This text, on stdout.
    Print(String),
}

/// A table of commands: what the words of a command line are looked up in.
pub type Commands = &'static [Command];

/// Reads a command line, without the program's name.
///
/// # Errors
/// [`Error::Option`] for an option that is unknown, ambiguous, out of place or lacks its value; [`Error::Usage`] for
/// anything else that isn't understood.
pub fn parse(
    commands: Commands,
    args: impl IntoIterator<Item = OsString>,
) -> Result<Parsed, Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut words = Vec::new();
    let mut given: Vec<(&'static OptionEntry, String)> = Vec::new();
    let mut help = false;
    loop {
        let entry = match parser.next().map_err(|e| misread(commands, &e))? {
            None => break,
            Some(Arg::Value(word)) => {
                words.push(text(word, "an argument")?);
                continue;
            }
            Some(Arg::Short(letter)) => short(commands, letter)?,
            Some(Arg::Long(name)) => long(commands, name)?,
        };
        if entry.long == VERSION.entry.long {
            return Ok(Parsed::Print(format!(
                "onegate {}\n",
                env!("CARGO_PKG_VERSION")
            )));
        }
        if entry.long == HELP.entry.long {
            // As in the Ruby client: what follows isn't looked at. But the command's words may follow.
            help = true;
            words.extend(rest(&mut parser));
            break;
        }
        let what = format!("the value of --{}", entry.long);
        let mut value = match entry.value() {
            None => String::new(),
            Some(_) => text(parser.value().map_err(|e| misread(commands, &e))?, &what)?,
        };
        if let Kind::Rest(_) = entry.kind {
            for word in parser.raw_args().map_err(|e| misread(commands, &e))? {
                value.push(BETWEEN);
                value += &text(word, &what)?;
            }
        }
        given.push((entry, value));
    }
    if help || words.iter().take(2).any(|word| word == "help") {
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "help")
            .collect();
        return Ok(Parsed::Print(help::of(commands, &words)));
    }
    let command = command(commands, &words)?;
    let options = typed(commands, command, given)?;
    let operands = words.split_off(command.words.split(' ').count());
    let warning = surplus(command, &operands)?;
    Ok(Parsed::Run(Invocation {
        command,
        operands,
        options,
        warning,
    }))
}

/// The options with their values read. One that the Ruby client takes with every command, and that means nothing to
/// this one, is left out unread.
fn typed(
    commands: Commands,
    command: &'static Command,
    given: Vec<(&'static OptionEntry, String)>,
) -> Result<Options, Error> {
    let mut options = Options::default();
    for (entry, text) in given {
        let own = command.all_options().find(|other| other.long == entry.long);
        let entry = match own {
            Some(own) => own,
            None if entry.classic && entry.value().is_some() => continue,
            None if entry.classic => entry,
            None => return Err(misplaced(commands, command, entry)),
        };
        let value = entry.read(text)?;
        options.0.push((entry, value));
    }
    Ok(options)
}

fn misplaced(commands: Commands, command: &Command, entry: &OptionEntry) -> Error {
    let mut message = format!(
        "--{} means nothing to '{}'. It goes with:",
        entry.long, command.words
    );
    let takes = |other: &&Command| other.all_options().any(|option| option.long == entry.long);
    for other in commands.iter().filter(takes) {
        let _ = write!(message, " '{}'", other.words);
    }
    Error::Option(message)
}

/// Operands that the command has no use for: a warning, or an error.
fn surplus(command: &Command, operands: &[String]) -> Result<Option<String>, Error> {
    if operands.is_empty() {
        return Ok(None);
    }
    let Some(odd) = operands.get(command.most_operands()) else {
        return Ok(None);
    };
    let synopsis = help::synopsis(command);
    match command.surplus {
        Surplus::Ignored => Ok(Some(format!(
            "'{odd}' is ignored. Usage: onegate {synopsis}"
        ))),
        Surplus::Refused => Err(Error::Usage(format!(
            "'{odd}' is one operand too many. Nothing was done. Usage: onegate {synopsis}"
        ))),
    }
}

/// Every option, as often as commands have it.
fn every(commands: Commands) -> impl Iterator<Item = &'static OptionEntry> {
    let own = commands.iter().flat_map(|command| command.options);
    own.chain(ONLINE).chain(COMMON).copied()
}

/// Every option once, by its name: those of single commands, then those that they share.
pub fn all_options(commands: Commands) -> Vec<&'static OptionEntry> {
    let mut all: Vec<&OptionEntry> = Vec::with_capacity(32);
    let shared = || ONLINE.iter().chain(COMMON);
    for entry in commands.iter().flat_map(|command| command.options) {
        let known = |other: &&&OptionEntry| other.long == entry.long;
        if !all.iter().chain(shared()).any(|other| known(&other)) {
            all.push(entry);
        }
    }
    all.extend(shared());
    all
}

fn rest(parser: &mut lexopt::Parser) -> Vec<String> {
    let words = parser.try_raw_args().map(|rest| {
        rest.filter_map(|word| word.into_string().ok())
            .collect::<Vec<_>>()
    });
    words
        .unwrap_or_default()
        .into_iter()
        .filter(|word| !word.starts_with('-'))
        .collect()
}

fn text(word: OsString, what: &str) -> Result<String, Error> {
    word.into_string()
        .map_err(|word| Error::Usage(format!("{what} is not UTF-8: {}", word.display())))
}

fn misread(commands: Commands, error: &lexopt::Error) -> Error {
    match error {
        lexopt::Error::MissingValue {
            option: Some(option),
        } => {
            let value = match option.strip_prefix("--") {
                Some(name) => long(commands, name).ok(),
                None => option
                    .chars()
                    .nth(1)
                    .and_then(|letter| short(commands, letter).ok()),
            };
            let value = value.and_then(OptionEntry::value).unwrap_or("value");
            Error::Option(format!("option {option} needs its {value}"))
        }
        lexopt::Error::UnexpectedValue { option, .. } => {
            Error::Option(format!("option {option} takes no value"))
        }
        other => Error::Option(other.to_string()),
    }
}

fn short(commands: Commands, letter: char) -> Result<&'static OptionEntry, Error> {
    let known = every(commands).find(|entry| entry.short == Some(letter));
    known.ok_or_else(|| Error::Option(format!("unknown option -{letter}")))
}

/// An option by its name, or by the beginning of it. A beginning that was enough for the Ruby client still is: what
/// is new never makes it ambiguous.
fn long(commands: Commands, name: &str) -> Result<&'static OptionEntry, Error> {
    if let Some(exact) = every(commands).find(|entry| entry.long == name) {
        return Ok(exact);
    }
    let all = all_options(commands);
    for classic in [true, false] {
        let begun: Vec<_> = all
            .iter()
            .filter(|entry| entry.classic == classic && entry.long.starts_with(name))
            .collect();
        match begun[..] {
            [] => {}
            [one] => return Ok(one),
            [..] => {
                let names: Vec<String> = begun
                    .iter()
                    .map(|entry| format!("--{}", entry.long))
                    .collect();
                return Err(Error::Option(format!(
                    "--{name} is ambiguous: {}",
                    names.join(" or ")
                )));
            }
        }
    }
    let names = all.iter().map(|entry| entry.long);
    let hint = nearest::to(name, names)
        .map(|near| format!("; did you mean --{near}?"))
        .unwrap_or_default();
    Err(Error::Option(format!("unknown option --{name}{hint}")))
}

fn command(commands: Commands, words: &[String]) -> Result<&'static Command, Error> {
    let (resource, action) = match words {
        [] => {
            return Err(Error::Usage(format!(
                "no command given\n\n{}",
                help::list(commands, |_| true)
            )));
        }
        [resource] => (resource, ""),
        [resource, action, ..] => (resource, action.as_str()),
    };
    let named = |entry: &&Command| {
        entry.resource() == resource && (entry.action() == action || entry.action().is_empty())
    };
    if let Some(entry) = commands.iter().find(named) {
        return Ok(entry);
    }
    if action.is_empty() && commands.iter().any(|entry| entry.resource() == resource) {
        let choice = help::list(commands, |entry| entry.resource() == resource);
        return Err(Error::Usage(format!(
            "'{resource}' needs a subcommand\n\n{choice}"
        )));
    }
    let typed = format!("{resource} {action}");
    let typed = typed.trim_end();
    let hint = match meant(commands, resource, typed)[..] {
        [] => "; see 'onegate --help'".to_owned(),
        [ref all @ .., last] if !all.is_empty() => {
            format!("; did you mean {} or '{last}'?", quoted(all))
        }
        [only, ..] => format!("; did you mean '{only}'?"),
    };
    Err(Error::Usage(format!("'{typed}' is not a command{hint}")))
}

/// What other programs call an action, and its name here.
const OTHER_WORDS: &[(&[&str], &str)] = &[
    (
        &["list", "ls", "ps", "info", "get", "describe", "status"],
        "show",
    ),
    (&["list", "ls", "ps"], "peers"),
    (&["set", "put", "edit", "write"], "update"),
    (&["start", "unpause"], "resume"),
    (&["kill", "destroy", "rm"], "terminate"),
    (&["restart"], "reboot"),
    (&["pause"], "suspend"),
    (&["resize"], "scale"),
];

/// The commands of which the first word is the action, as in `onegate show`; else the nearest one.
fn meant(commands: Commands, first: &str, typed: &str) -> Vec<&'static str> {
    let of_action = commands
        .iter()
        .filter(|entry| entry.action() == first)
        .map(|entry| entry.words);
    let meant: Vec<&str> = of_action.collect();
    if !meant.is_empty() {
        return meant;
    }
    let (resource, action) = typed.split_once(' ').unwrap_or(("", typed));
    let other_words = OTHER_WORDS
        .iter()
        .filter(|(other, _)| other.contains(&action));
    let meant: Vec<&str> = other_words
        .flat_map(|(_, action)| {
            let does: Vec<&Command> = commands.iter().filter(|e| e.action() == *action).collect();
            let own = |entry: &&&Command| entry.resource() == resource;
            let any = !does.iter().any(|entry| own(&entry));
            let found = does.iter().filter(|entry| any || own(entry));
            found.map(|entry| entry.words).collect::<Vec<_>>()
        })
        .collect();
    if !meant.is_empty() {
        return meant;
    }
    let words = commands
        .iter()
        .flat_map(|entry| [entry.words, entry.resource()]);
    nearest::to(typed, words).into_iter().collect()
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests;
