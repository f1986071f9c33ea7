//! argv -> [`Invocation`], with lexopt, over the tables of commands and options.
//!
//! What the Ruby client's OptionParser takes is taken (contract §3): options anywhere in the line, `-dA=1`,
//! `--data=A=1`, `--js` for `--json`, `--`, an empty id. Help and version are a third outcome of parsing, neither
//! success nor failure.

pub mod help;
mod nearest;
pub mod table;

use crate::error::Error;
use lexopt::Arg;
use std::ffi::OsString;
use std::fmt::Write as _;
use table::{COMMANDS, COMMON, CommandEntry, ONLINE, OPTIONS, Opt, OptionEntry};

/// A command line, understood.
#[derive(Debug)]
pub struct Invocation {
    /// The command.
    pub command: &'static CommandEntry,
    /// What followed the command's words.
    pub operands: Vec<String>,
    /// Its options.
    pub options: Options,
}

/// The options given, in the order given; a switch has an empty value.
#[derive(Debug, Default)]
pub struct Options(Vec<(Opt, String)>);

impl Options {
    /// Was it given?
    pub fn has(&self, opt: Opt) -> bool {
        self.last(opt).is_some()
    }

    /// Its value; the last one where it was given several times.
    pub fn last(&self, opt: Opt) -> Option<&str> {
        self.all(opt).next_back()
    }

    /// All its values.
    pub fn all(&self, opt: Opt) -> impl DoubleEndedIterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(given, _)| *given == opt)
            .map(|(_, value)| value.as_str())
    }

    /// Every option given, with its value.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Opt, &str)> {
        self.0.iter().map(|(opt, value)| (*opt, value.as_str()))
    }
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Parsed {
    /// To do something.
    Run(Invocation),
    /// This text, on stdout.
    Print(String),
}

/// Reads a command line, without the program's name.
///
/// # Errors
/// [`Error::Option`] for an option that is unknown, ambiguous, out of place or lacks its value; [`Error::Usage`] for
/// anything else that isn't understood.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut words = Vec::new();
    let mut options = Options::default();
    let mut help = false;
    loop {
        let entry = match parser.next().map_err(|e| misread(&e))? {
            None => break,
            Some(Arg::Value(word)) => {
                words.push(text(word, "an argument")?);
                continue;
            }
            Some(Arg::Short(letter)) => short(letter)?,
            Some(Arg::Long(name)) => long(name)?,
        };
        match entry.opt {
            Opt::Version => {
                return Ok(Parsed::Print(format!(
                    "onegate {}\n",
                    env!("CARGO_PKG_VERSION")
                )));
            }
            Opt::Help => {
                // As in the Ruby client: what follows isn't looked at. But the command's words may follow.
                help = true;
                words.extend(rest(&mut parser));
                break;
            }
            _ => {}
        }
        let value = match entry.value {
            None => String::new(),
            Some(_) => text(
                parser.value().map_err(|e| misread(&e))?,
                &format!("the value of --{}", entry.long),
            )?,
        };
        options.0.push((entry.opt, value));
    }
    if help || words.first().is_some_and(|word| word == "help") {
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "help")
            .collect();
        return Ok(Parsed::Print(help::of(&words)));
    }
    let command = command(&words)?;
    if let Some((opt, _)) = options.iter().find(|(opt, _)| !takes(command, *opt)) {
        let mut message = format!(
            "--{} means nothing to '{}'. It goes with:",
            table::entry(opt).long,
            command.words
        );
        for other in COMMANDS.iter().filter(|other| other.options.contains(&opt)) {
            let _ = write!(message, " '{}'", other.words);
        }
        return Err(Error::Option(message));
    }
    Ok(Parsed::Run(Invocation {
        command,
        operands: words.split_off(command.words.split(' ').count()),
        options,
    }))
}

/// Does a command take an option, be it only to pass over it as the Ruby client does?
fn takes(command: &CommandEntry, opt: Opt) -> bool {
    COMMON.contains(&opt)
        || (command.online && ONLINE.contains(&opt))
        || table::entry(opt).classic
        || command.options.contains(&opt)
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

fn misread(error: &lexopt::Error) -> Error {
    match error {
        lexopt::Error::MissingValue {
            option: Some(option),
        } => {
            let value = match option.strip_prefix("--") {
                Some(name) => long(name).ok(),
                None => option.chars().nth(1).and_then(|letter| short(letter).ok()),
            };
            let value = value.and_then(|entry| entry.value).unwrap_or("value");
            Error::Option(format!("option {option} needs its {value}"))
        }
        lexopt::Error::UnexpectedValue { option, .. } => {
            Error::Option(format!("option {option} takes no value"))
        }
        other => Error::Option(other.to_string()),
    }
}

fn short(letter: char) -> Result<&'static OptionEntry, Error> {
    let known = OPTIONS.iter().find(|entry| entry.short == Some(letter));
    known.ok_or_else(|| Error::Option(format!("unknown option -{letter}")))
}

/// An option by its name, or by the beginning of it. A beginning that was enough for the Ruby client still is: what
/// is new never makes it ambiguous.
fn long(name: &str) -> Result<&'static OptionEntry, Error> {
    if let Some(exact) = OPTIONS.iter().find(|entry| entry.long == name) {
        return Ok(exact);
    }
    for classic in [true, false] {
        let begun: Vec<_> = OPTIONS
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
    let names = OPTIONS.iter().map(|entry| entry.long);
    let hint = nearest::to(name, names)
        .map(|near| format!("; did you mean --{near}?"))
        .unwrap_or_default();
    Err(Error::Option(format!("unknown option --{name}{hint}")))
}

fn command(words: &[String]) -> Result<&'static CommandEntry, Error> {
    let (resource, action) = match words {
        [] => {
            return Err(Error::Usage(format!(
                "no command given\n\n{}",
                help::commands(|_| true)
            )));
        }
        [resource] => (resource, ""),
        [resource, action, ..] => (resource, action.as_str()),
    };
    let named = |entry: &&CommandEntry| {
        entry.resource() == resource && (entry.action() == action || entry.action().is_empty())
    };
    if let Some(entry) = COMMANDS.iter().find(named) {
        return Ok(entry);
    }
    if action.is_empty() && COMMANDS.iter().any(|entry| entry.resource() == resource) {
        let choice = help::commands(|entry| entry.resource() == resource);
        return Err(Error::Usage(format!("'{resource}' what?\n\n{choice}")));
    }
    let typed = format!("{resource} {action}");
    let typed = typed.trim_end();
    let hint = match meant(resource, typed)[..] {
        [] => String::new(),
        [ref all @ .., last] if !all.is_empty() => {
            format!("; did you mean {} or '{last}'?", quoted(all))
        }
        [only, ..] => format!("; did you mean '{only}'?"),
    };
    Err(Error::Usage(format!("'{typed}' is not a command{hint}")))
}

/// The commands of which the first word is the action, as in `onegate show`; else the nearest one.
fn meant(first: &str, typed: &str) -> Vec<&'static str> {
    let of_action = COMMANDS
        .iter()
        .filter(|entry| entry.action() == first)
        .map(|entry| entry.words);
    let meant: Vec<&str> = of_action.collect();
    if !meant.is_empty() {
        return meant;
    }
    let words = COMMANDS
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
