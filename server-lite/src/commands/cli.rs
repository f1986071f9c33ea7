//! The command line: argv becomes an [`Invocation`].
//!
//! `COMMANDS` and `OPTIONS` are the one list of what is understood; parsing and help are read from them.

use crate::objects::document::{Id, parse_id};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What the program is called in messages.
pub const PROGRAM: &str = "onegate-server-lite";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Print this help.
    Help(String),
    /// Print the version.
    Version,
    /// Run a command.
    Run(Command, Box<CommandOptions>),
}

/// The commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Serve a cloud.
    Serve,
    /// Print a VM's token.
    Token,
    /// Write a VM's context.
    Context,
    /// Show what a service's engine is about.
    ServiceShow,
}

/// The options of all commands; what was not given is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandOptions {
    /// The argument: the VM of `token` and `context`, the service of `service show`.
    pub id: Id,
    /// `--listen`, as given.
    pub listen: Option<String>,
    /// `--cloud`
    pub cloud: Option<PathBuf>,
    /// `--state`
    pub state: Option<PathBuf>,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--tls-cert`
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`
    pub tls_key: Option<PathBuf>,
    /// `--opennebula`
    pub opennebula: bool,
    /// `--auth-file`
    pub auth_file: Option<PathBuf>,
    /// `--vm-step`
    pub vm_step: Option<Duration>,
    /// `--cooldown`
    pub cooldown: Option<Duration>,
    /// `--flow-interval`
    pub flow_interval: Option<Duration>,
    /// `--out`
    pub out: Option<PathBuf>,
    /// `--endpoint`
    pub endpoint: Option<String>,
    /// `--json`
    pub json: bool,
}

struct CommandEntry {
    command: Command,
    name: &'static str,
    argument: Option<&'static str>,
    help: &'static str,
}

const COMMANDS: &[CommandEntry] = &[
    CommandEntry {
        command: Command::Serve,
        name: "serve",
        argument: None,
        help: "Serves a cloud to its VMs until SIGTERM or SIGINT",
    },
    CommandEntry {
        command: Command::Token,
        name: "token",
        argument: Some("VMID"),
        help: "Prints the token of a VM",
    },
    CommandEntry {
        command: Command::Context,
        name: "context",
        argument: Some("VMID"),
        help: "Writes a VM's context.sh and token.txt, as its context CD-ROM has them",
    },
    CommandEntry {
        command: Command::ServiceShow,
        name: "service show",
        argument: Some("ID"),
        help: "Shows a service's nodes, policies and last decisions, with their reasons",
    },
];

struct OptionEntry {
    name: &'static str,
    /// What its value is called in the help; a flag has none.
    value: Option<&'static str>,
    commands: &'static [Command],
    help: &'static str,
    /// Takes the value (empty for a flag), or says what is expected of it.
    set: fn(&mut CommandOptions, OsString) -> Result<(), String>,
}

use Command::{Context, Serve, ServiceShow, Token};

const OPTIONS: &[OptionEntry] = &[
    OptionEntry {
        name: "listen",
        value: Some("ADDRESS:PORT"),
        commands: &[Serve],
        help: "Where to listen [127.0.0.1:5030, or :host and :port of --config]; port 0 picks one",
        set: |options, value| text(&mut options.listen, value),
    },
    OptionEntry {
        name: "cloud",
        value: Some("FILE"),
        commands: &[Serve, Token, Context],
        help: "The cloud, as JSON: {users, vms, vrouters, vnets, services} [the documentation's PANACEA service]",
        set: |options, value| path(&mut options.cloud, value),
    },
    OptionEntry {
        name: "state",
        value: Some("DIR"),
        commands: &[Serve, Token, Context, ServiceShow],
        help: "Where every change is kept, and read from at the next start [memory]",
        set: |options, value| path(&mut options.state, value),
    },
    OptionEntry {
        name: "config",
        value: Some("FILE"),
        commands: &[Serve],
        help: "OpenNebula's onegate-server.conf: permissions, restricted attributes and actions, …",
        set: |options, value| path(&mut options.config, value),
    },
    OptionEntry {
        name: "tls-cert",
        value: Some("FILE"),
        commands: &[Serve],
        help: "Serve TLS with this certificate chain (PEM); read again on SIGHUP",
        set: |options, value| path(&mut options.tls_cert, value),
    },
    OptionEntry {
        name: "tls-key",
        value: Some("FILE"),
        commands: &[Serve],
        help: "The certificate's private key (PEM)",
        set: |options, value| path(&mut options.tls_key, value),
    },
    OptionEntry {
        name: "opennebula",
        value: None,
        commands: &[Serve],
        help: "Stand in front of a real OpenNebula, in place of --cloud and --state",
        set: |options, _| {
            options.opennebula = true;
            Ok(())
        },
    },
    OptionEntry {
        name: "auth-file",
        value: Some("FILE"),
        commands: &[Serve],
        help: "serveradmin's name and password, with --opennebula [/var/lib/one/.one/onegate_auth]",
        set: |options, value| path(&mut options.auth_file, value),
    },
    OptionEntry {
        name: "vm-step",
        value: Some("TIME"),
        commands: &[Serve],
        help: "How long a VM takes for each step from one state to the next [300ms]",
        set: |options, value| duration(&mut options.vm_step, value),
    },
    OptionEntry {
        name: "cooldown",
        value: Some("TIME"),
        commands: &[Serve],
        help: "A service's cooldown after scaling, where its roles and policies say nothing [2s]",
        set: |options, value| duration(&mut options.cooldown, value),
    },
    OptionEntry {
        name: "flow-interval",
        value: Some("TIME"),
        commands: &[Serve],
        help: "How often elasticity policies are evaluated [10s]",
        set: |options, value| duration(&mut options.flow_interval, value),
    },
    OptionEntry {
        name: "out",
        value: Some("DIR"),
        commands: &[Context],
        help: "Where to write the two files; made if it is missing",
        set: |options, value| path(&mut options.out, value),
    },
    OptionEntry {
        name: "endpoint",
        value: Some("URL"),
        commands: &[Context],
        help: "ONEGATE_ENDPOINT, in place of the one in the VM's record",
        set: |options, value| text(&mut options.endpoint, value),
    },
    OptionEntry {
        name: "json",
        value: None,
        commands: &[ServiceShow],
        help: "Print JSON, with times in seconds",
        set: |options, _| {
            options.json = true;
            Ok(())
        },
    },
];

/// A command line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Reads a command line (without the program's name).
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut command: Option<&CommandEntry> = None;
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
        .find(|o| given.contains(&o.name) && !o.commands.contains(&entry.command))
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
    options.agree(entry.command)?;
    Ok(Invocation::Run(entry.command, Box::new(options)))
}

impl CommandOptions {
    /// Refuses what makes no sense together, rather than let an option do nothing.
    fn agree(&self, command: Command) -> Result<(), UsageError> {
        let embedded_only = [
            ("cloud", self.cloud.is_some()),
            ("state", self.state.is_some()),
            ("vm-step", self.vm_step.is_some()),
            ("cooldown", self.cooldown.is_some()),
            ("flow-interval", self.flow_interval.is_some()),
        ];
        if self.opennebula
            && let Some((name, _)) = embedded_only.iter().find(|(_, given)| *given)
        {
            return Err(UsageError(format!(
                "--{name} is for a cloud of our own, not for --opennebula"
            )));
        }
        if !self.opennebula && self.auth_file.is_some() {
            return Err(UsageError("--auth-file is for --opennebula".to_owned()));
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return Err(UsageError("--tls-cert needs --tls-key".to_owned())),
            (None, Some(_)) => return Err(UsageError("--tls-key needs --tls-cert".to_owned())),
            _ => {}
        }
        if command == Context && self.out.is_none() {
            return Err(UsageError(
                "context needs --out DIR: where to write context.sh and token.txt".to_owned(),
            ));
        }
        if command == ServiceShow && self.state.is_none() {
            return Err(UsageError(
                "service show needs --state DIR: the directory that the server was started with"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl CommandEntry {
    fn argument_name(&self) -> &'static str {
        match self.command {
            ServiceShow => "a service's id",
            _ => "a VM's id",
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
fn shown(word: &str) -> String {
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
            let argument = entry.argument.map(|a| format!(" {a}")).unwrap_or_default();
            lines.push(format!(
                "\nUsage: {PROGRAM} {}{argument} [OPTION]…",
                entry.name
            ));
        }
    }
    for entry in COMMANDS {
        let shown = command.is_none_or(|one| one.command == entry.command);
        if command.is_none() {
            lines.push(format!(
                "  {:<24} {}",
                format!("{} {}", entry.name, entry.argument.unwrap_or("")),
                entry.help
            ));
        }
        if command.is_some() && shown {
            lines.push("\nOptions:".to_owned());
            lines.extend(
                OPTIONS
                    .iter()
                    .filter(|o| o.commands.contains(&entry.command))
                    .map(option_line),
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
        lines.push("\nExit codes: 0 done, 1 failed, 2 not understood".to_owned());
    }
    lines.join("\n")
}

fn option_line(entry: &OptionEntry) -> String {
    let left = format!("--{} {}", entry.name, entry.value.unwrap_or(""));
    format!("  {left:<24} {}", entry.help)
}

fn path(setting: &mut Option<PathBuf>, value: OsString) -> Result<(), String> {
    if value.is_empty() {
        return Err("expected a path".to_owned());
    }
    *setting = Some(PathBuf::from(value));
    Ok(())
}

fn text(setting: &mut Option<String>, value: OsString) -> Result<(), String> {
    match value.into_string() {
        Ok(text) if !text.is_empty() => *setting = Some(text),
        _ => return Err("expected a text".to_owned()),
    }
    Ok(())
}

/// `300ms`, `2s`, `5m`, or plain seconds.
fn duration(setting: &mut Option<Duration>, value: OsString) -> Result<(), String> {
    let text = value.to_string_lossy();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let number = if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse::<u32>().ok()
    } else {
        None
    };
    let duration = number.and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(number.into())),
        "" | "s" => Some(Duration::from_secs(number.into())),
        "m" => Some(Duration::from_secs(u64::from(number) * 60)),
        _ => None,
    });
    *setting = Some(duration.ok_or_else(|| {
        format!(
            "expected a time such as 300ms, 2s or 5m, not '{}'",
            shown(&text)
        )
    })?);
    Ok(())
}

#[cfg(test)]
mod tests;
