//! The command line: argv becomes an [`Invocation`].
//!
//! `COMMANDS` and [`OPTIONS`](super::options) are the one list of what is understood; parsing, help and what is run are
//! read from them.

use super::CommandError;
use super::options::{CommandOptions, OPTIONS};
use super::{check, context, lab, serve, service_recover, service_show, state, token};
use crate::objects::document::parse_id;
use std::ffi::OsString;
use std::fmt;

/// What the program is called in messages.
pub const PROGRAM: &str = "onegate-server-lite";

/// The environment variable that stands for `--state` where that is not given.
pub const STATE: &str = "ONEGATE_STATE";

/// What the program's exit codes mean.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "done"),
    (1, "failed"),
    (2, "not understood"),
    (
        78,
        "what serve was given can't be used: configuration, certificate, scenario, state",
    ),
    (124, "what was waited for did not happen in time"),
];

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Print this help.
    Help(String),
    /// Print the version.
    Version,
    /// Run a command.
    Run(&'static CommandEntry, Box<CommandOptions>),
}

/// One command, as its row in [`COMMANDS`] has it.
#[derive(Debug)]
pub struct CommandEntry {
    /// Its words, as typed.
    pub name: &'static str,
    /// What its argument is called in the help.
    pub argument: Option<&'static str>,
    /// What its further words are called in the help.
    pub words: Option<&'static str>,
    /// One line.
    pub help: &'static str,
    run: fn(&CommandOptions) -> Result<(), CommandError>,
}

/// Every command.
pub const COMMANDS: &[CommandEntry] = &[
    CommandEntry {
        name: "serve",
        argument: None,
        words: None,
        help: "Serves a cloud to its VMs until SIGTERM or SIGINT",
        run: serve::serve,
    },
    CommandEntry {
        name: "check",
        argument: None,
        words: None,
        help: "Looks at what 'serve' with the same options would use, and says what is wrong",
        run: check::run,
    },
    CommandEntry {
        name: "token",
        argument: Some("VMID"),
        words: None,
        help: "Prints the token of a VM",
        run: token::run,
    },
    CommandEntry {
        name: "context",
        argument: Some("VMID"),
        words: None,
        help: "Writes a VM's context.sh and token.txt, as its context CD-ROM has them, or prints it for a shell",
        run: context::run,
    },
    CommandEntry {
        name: "service show",
        argument: Some("ID"),
        words: None,
        help: "Shows a service's nodes, policies and last decisions, with their reasons",
        run: service_show::run,
    },
    CommandEntry {
        name: "service recover",
        argument: Some("ID"),
        words: None,
        help: "Tries again what failed in a service, as 'oneflow recover' does; its server may run",
        run: service_recover::run,
    },
    CommandEntry {
        name: "state export",
        argument: None,
        words: None,
        help: "Prints the state as a scenario, for a backup; its server may run",
        run: state::export,
    },
    CommandEntry {
        name: "state import",
        argument: None,
        words: None,
        help: "Replaces the state by a scenario, such as a backup; its server may run",
        run: state::import,
    },
    CommandEntry {
        name: "vm set",
        argument: Some("ID"),
        words: Some("KEY=VALUE…"),
        help: "Sets attributes of a VM, as if its owner did",
        run: |options| lab::run("vm set", options),
    },
    CommandEntry {
        name: "vm fail",
        argument: Some("ID"),
        words: None,
        help: "Makes a VM fail, on its way to another state or while it runs",
        run: |options| lab::run("vm fail", options),
    },
    CommandEntry {
        name: "vm poweroff",
        argument: Some("ID"),
        words: None,
        help: "Powers a VM off, as if its guest had shut down",
        run: |options| lab::run("vm poweroff", options),
    },
    CommandEntry {
        name: "vm lose",
        argument: Some("ID"),
        words: None,
        help: "Makes a VM UNKNOWN, as if its host had lost it; its guest may go on",
        run: |options| lab::run("vm lose", options),
    },
    CommandEntry {
        name: "vm create",
        argument: None,
        words: None,
        help: "Makes a VM like another one, in no service, and prints its id",
        run: |options| lab::run("vm create", options),
    },
    CommandEntry {
        name: "gate",
        argument: None,
        words: Some("FAULT"),
        help: "Disturbs OneGate for guests: slow TIME, down [TIME], drop PERCENT; ok ends it",
        run: |options| lab::run("gate", options),
    },
    CommandEntry {
        name: "clock",
        argument: None,
        words: Some("[+TIME]"),
        help: "Puts the cloud's clock ahead, for cooldowns and schedules; says what time it is there",
        run: |options| lab::run("clock", options),
    },
    CommandEntry {
        name: "events",
        argument: None,
        words: None,
        help: "Prints what happened: updates and who made them, actions, scaling, refusals, states",
        run: |options| lab::run("events", options),
    },
    CommandEntry {
        name: "wait vm",
        argument: Some("ID"),
        words: Some("CONDITION…"),
        help: "Waits until a VM meets the conditions: STATE=RUNNING, READY!=NO",
        run: |options| lab::run("wait vm", options),
    },
    CommandEntry {
        name: "wait service",
        argument: Some("ID"),
        words: Some("CONDITION…"),
        help: "Waits until a service meets the conditions: STATE=RUNNING, web.CARDINALITY=3, web.RUNNING=3",
        run: |options| lab::run("wait service", options),
    },
];

/// A command line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(pub(super) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Reads a command line (without the program's name); `state` is what [`STATE`] holds.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    state: Option<OsString>,
) -> Result<Invocation, UsageError> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut command: Option<&'static CommandEntry> = None;
    // The first of a command's two words.
    let mut first = None;
    let mut id = None;
    let mut options = CommandOptions::default();
    let mut given = Vec::new();
    while let Some(argument) = parser
        .next()
        .map_err(|error| UsageError(error.to_string()))?
    {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                return Ok(Invocation::Help(help(command)));
            }
            lexopt::Arg::Short('V') | lexopt::Arg::Long("version") => {
                return Ok(Invocation::Version);
            }
            lexopt::Arg::Short(letter) => return Err(unknown(&format!("-{letter}"), command)),
            lexopt::Arg::Long(name) => {
                let Some(entry) = OPTIONS.iter().find(|entry| entry.name == name) else {
                    return Err(unknown(&format!("--{name}"), command));
                };
                if given.contains(&entry.name) {
                    return Err(UsageError(format!("--{} is given twice", entry.name)));
                }
                given.push(entry.name);
                let value = match entry.value {
                    None => OsString::new(),
                    Some(placeholder) => parser.value().map_err(|_| {
                        UsageError(format!("--{} needs a value: {placeholder}", entry.name))
                    })?,
                };
                (entry.set)(&mut options, value)
                    .map_err(|expected| UsageError(format!("--{}: {expected}", entry.name)))?;
            }
            lexopt::Arg::Value(word) => {
                let word = word.to_string_lossy().into_owned();
                match command {
                    None => {
                        let words = first
                            .take()
                            .map_or(word.clone(), |first| format!("{first} {word}"));
                        match find_command(&words)? {
                            Some(entry) => command = Some(entry),
                            None => first = Some(words),
                        }
                    }
                    Some(entry) if id.is_none() && entry.argument.is_some() => {
                        let number = parse_id(&word).ok_or_else(|| {
                            UsageError(format!(
                                "'{}' is not {}, which is a number",
                                shown(&word),
                                entry.argument_name()
                            ))
                        })?;
                        id = Some(number);
                    }
                    Some(entry) if entry.words.is_some() => options.words.push(word),
                    Some(entry) => {
                        return Err(UsageError(format!(
                            "{} takes no argument '{}'",
                            entry.name,
                            shown(&word)
                        )));
                    }
                }
            }
        }
    }
    let Some(entry) = command else {
        let what = first.map_or("no command given".to_owned(), |first| {
            format!("{first} needs another word")
        });
        return Err(UsageError(format!("{what}: {}", command_names())));
    };
    if let Some(stranger) = OPTIONS
        .iter()
        .find(|o| given.contains(&o.name) && !o.commands.contains(&entry.name))
    {
        return Err(unknown(&format!("--{}", stranger.name), command));
    }
    match (entry.argument, id) {
        (Some(argument), None) => {
            return Err(UsageError(format!(
                "{} needs {}: {argument}",
                entry.name,
                entry.argument_name()
            )));
        }
        (_, id) => options.id = id.unwrap_or_default(),
    }
    options.default_state(entry, state);
    options.agree(entry)?;
    Ok(Invocation::Run(entry, Box::new(options)))
}

impl PartialEq for CommandEntry {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CommandEntry {}

impl CommandEntry {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong.
    pub fn run(&self, options: &CommandOptions) -> Result<(), CommandError> {
        (self.run)(options)
    }

    /// The command and its words, as the help has them.
    pub fn usage(&self) -> String {
        let words = [Some(self.name), self.argument, self.words];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn argument_name(&self) -> &'static str {
        match self.name.contains("service") {
            true => "a service's id",
            false => "a VM's id",
        }
    }
}

/// The command of this name; `None` for the first word of one of two.
fn find_command(words: &str) -> Result<Option<&'static CommandEntry>, UsageError> {
    if let Some(entry) = COMMANDS.iter().find(|entry| entry.name == words) {
        return Ok(Some(entry));
    }
    let begins = |entry: &CommandEntry| {
        entry
            .name
            .split_once(' ')
            .is_some_and(|(first, _)| first == words)
    };
    if COMMANDS.iter().any(begins) {
        return Ok(None);
    }
    Err(UsageError(format!(
        "unknown command '{}': {}",
        shown(words),
        command_names()
    )))
}

fn command_names() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|entry| entry.name).collect();
    format!("the commands are {}", names.join(", "))
}

fn unknown(option: &str, command: Option<&CommandEntry>) -> UsageError {
    let option = shown(option);
    match command {
        Some(entry) => UsageError(format!(
            "{} has no option {option}: see {PROGRAM} {} --help",
            entry.name, entry.name
        )),
        None => UsageError(format!("unknown option {option}: see {PROGRAM} --help")),
    }
}

/// A word of the user's, as a message repeats it.
pub(super) fn shown(word: &str) -> String {
    crate::objects::message::shown(word, 200)
}

/// The help for one command, or for the whole.
fn help(command: Option<&CommandEntry>) -> String {
    let mut lines = Vec::new();
    match command {
        None => {
            lines.push("A minimal OneGate server: an appliance author's cloud on a laptop, or the front of a real OpenNebula".to_owned());
            lines.push(format!("\nUsage: {PROGRAM} COMMAND [OPTION]…\n\nCommands:"));
        }
        Some(entry) => {
            lines.push(entry.help.to_owned());
            lines.push(format!("\nUsage: {PROGRAM} {} [OPTION]…", entry.usage()));
        }
    }
    for entry in COMMANDS {
        let shown = command.is_none_or(|one| one == entry);
        if command.is_none() {
            lines.push(format!("  {:<28} {}", entry.usage(), entry.help));
        }
        if command.is_some() && shown {
            lines.push("\nOptions:".to_owned());
            lines.extend(
                OPTIONS
                    .iter()
                    .filter(|o| o.commands.contains(&entry.name))
                    .map(|option| option.line()),
            );
        }
    }
    if command.is_none() {
        lines.push("\nOptions:".to_owned());
        lines.push(format!(
            "  {:<24} Print this help, or with a command that command's options",
            "-h, --help"
        ));
        lines.push(format!("  {:<24} Print the version", "-V, --version"));
        lines.push(format!(
            "\n{STATE} stands for --state where that is an option and not given"
        ));
        let codes: Vec<String> = EXIT_CODES
            .iter()
            .map(|(code, meaning)| format!("{code} {meaning}"))
            .collect();
        lines.push(format!("\nExit codes: {}", codes.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
