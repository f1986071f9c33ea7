//! The options: [`OPTIONS`] is the one list of them. A row says which commands take it, and holds the function that
//! checks its value while the command line is read.

use super::cli::{CommandEntry, STATE, UsageError, shown};
use super::log::format::LogFormat;
use crate::lab::condition::Condition;
use crate::lab::control;
use crate::lab::error::LabError;
use crate::lab::faults::{self, GateFault};
use crate::objects::document::{Id, parse_id};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// The options of all commands; what was not given is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandOptions {
    /// The argument: the VM of `token` and `context`, the service of `service show` and `service recover`.
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
    /// `--export`
    pub export: bool,
    /// `--endpoint`
    pub endpoint: Option<String>,
    /// `--json`
    pub json: bool,
    /// `--admin`, as given.
    pub admin: Option<String>,
    /// `--page`, as given.
    pub page: Option<String>,
    /// `--log`; `None` is text
    pub log: Option<LogFormat>,
    /// `--salvage`
    pub salvage: bool,
    /// `--vm-exec`
    pub vm_exec: Option<String>,
    /// `--vm-grace`
    pub vm_grace: Option<Duration>,
    /// The further words of a command.
    pub words: Vec<String>,
    /// `--like`
    pub like: Option<Id>,
    /// `--follow`
    pub follow: bool,
    /// `--timeout`
    pub timeout: Option<Duration>,
}

/// One option.
pub struct OptionEntry {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// What its value is called in the help; a flag has none.
    pub value: Option<&'static str>,
    /// The commands that take it.
    pub commands: &'static [&'static str],
    /// One line.
    pub help: &'static str,
    /// Takes the value (empty for a flag), or says what is expected of it.
    pub(super) set: fn(&mut CommandOptions, OsString) -> Result<(), Expected>,
}

/// What an option's value should have been.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Expected {
    #[error("expected a path")]
    Path,
    #[error("expected a text")]
    Text,
    #[error("expected text or json")]
    LogFormat,
    #[error("expected a VM's id, which is a number")]
    Vm,
    /// In place of this.
    #[error("expected a duration such as 30, 300ms, 2s, 5m or 1h, not '{0}'")]
    Duration(String),
}

/// Every option.
pub const OPTIONS: &[OptionEntry] = &[
    OptionEntry {
        name: "listen",
        value: Some("ADDRESS:PORT"),
        commands: &["serve", "check"],
        help: "Where to listen [127.0.0.1:5030, or :host and :port of --config]; port 0 picks one",
        set: |options, value| text(&mut options.listen, value),
    },
    OptionEntry {
        name: "cloud",
        value: Some("FILE"),
        commands: &["serve", "check", "token", "context", "state import"],
        help: "The cloud, as JSON: {users, vms, vrouters, vnets, services} [the documentation's PANACEA service]",
        set: |options, value| path(&mut options.cloud, value),
    },
    OptionEntry {
        name: "state",
        value: Some("DIR"),
        commands: &[
            "serve",
            "check",
            "token",
            "context",
            "service show",
            "service recover",
            "state export",
            "state import",
            "vm set",
            "vm fail",
            "vm poweroff",
            "vm lose",
            "vm create",
            "gate",
            "clock",
            "events",
            "wait vm",
            "wait service",
        ],
        help: "Where every change is kept, and read from at the next start [memory]",
        set: |options, value| path(&mut options.state, value),
    },
    OptionEntry {
        name: "config",
        value: Some("FILE"),
        commands: &["serve", "check"],
        help: "OpenNebula's onegate-server.conf: permissions, restricted attributes and actions, …",
        set: |options, value| path(&mut options.config, value),
    },
    OptionEntry {
        name: "tls-cert",
        value: Some("FILE"),
        commands: &["serve", "check"],
        help: "Serve TLS with this certificate chain (PEM); read again on SIGHUP",
        set: |options, value| path(&mut options.tls_cert, value),
    },
    OptionEntry {
        name: "tls-key",
        value: Some("FILE"),
        commands: &["serve", "check"],
        help: "The certificate's private key (PEM)",
        set: |options, value| path(&mut options.tls_key, value),
    },
    OptionEntry {
        name: "opennebula",
        value: None,
        commands: &["serve", "check"],
        help: "Stand in front of a real OpenNebula, in place of --cloud and --state",
        set: |options, _| flag(&mut options.opennebula),
    },
    OptionEntry {
        name: "auth-file",
        value: Some("FILE"),
        commands: &["serve", "check"],
        help: "serveradmin's name and password, with --opennebula [/var/lib/one/.one/onegate_auth]",
        set: |options, value| path(&mut options.auth_file, value),
    },
    OptionEntry {
        name: "vm-step",
        value: Some("TIME"),
        commands: &["serve", "check"],
        help: "How long a VM takes for each step from one state to the next [300ms]",
        set: |options, value| duration(&mut options.vm_step, value),
    },
    OptionEntry {
        name: "cooldown",
        value: Some("TIME"),
        commands: &["serve", "check"],
        help: "A service's cooldown after scaling, where its roles and policies say nothing [2s]",
        set: |options, value| duration(&mut options.cooldown, value),
    },
    OptionEntry {
        name: "flow-interval",
        value: Some("TIME"),
        commands: &["serve", "check"],
        help: "How often elasticity policies are evaluated [10s]",
        set: |options, value| duration(&mut options.flow_interval, value),
    },
    OptionEntry {
        name: "vm-exec",
        value: Some("COMMAND"),
        commands: &["serve", "check"],
        help: "Run this, with its arguments, for each VM that is ACTIVE, in DIR/vms/ID of --state",
        set: |options, value| text(&mut options.vm_exec, value),
    },
    OptionEntry {
        name: "vm-grace",
        value: Some("TIME"),
        commands: &["serve", "check"],
        help: "How long a VM's process has to end after SIGTERM, before SIGKILL [10s]",
        set: |options, value| duration(&mut options.vm_grace, value),
    },
    OptionEntry {
        name: "out",
        value: Some("DIR"),
        commands: &["context"],
        help: "Where to write the two files; made if it is missing",
        set: |options, value| path(&mut options.out, value),
    },
    OptionEntry {
        name: "export",
        value: None,
        commands: &["context"],
        help: "Print the lines by which a shell exports the endpoint, the VM's id and its token",
        set: |options, _| flag(&mut options.export),
    },
    OptionEntry {
        name: "endpoint",
        value: Some("URL"),
        commands: &["context", "serve", "check"],
        help: "ONEGATE_ENDPOINT of a context [the VM's record's; in serve what is listened on, and port 0 is its port]",
        set: |options, value| text(&mut options.endpoint, value),
    },
    OptionEntry {
        name: "json",
        value: None,
        commands: &["service show", "events"],
        help: "Print JSON: of a service with times in seconds, of events one object a line",
        set: |options, _| flag(&mut options.json),
    },
    OptionEntry {
        name: "admin",
        value: Some("ADDRESS:PORT"),
        commands: &["serve", "check"],
        help: "Where to answer /healthz, /readyz and /metrics; not where guests are answered [nowhere]",
        set: |options, value| text(&mut options.admin, value),
    },
    OptionEntry {
        name: "page",
        value: Some("[ADDRESS:]PORT"),
        commands: &["serve", "check"],
        help: "Where to show a page to watch the cloud on; a port alone is on 127.0.0.1 [nowhere]",
        set: |options, value| text(&mut options.page, value),
    },
    OptionEntry {
        name: "log",
        value: Some("FORMAT"),
        commands: &["serve", "check"],
        help: "How log lines are written: text or json [text; with priorities for systemd's journal]",
        set: |options, value| {
            options.log = match value.to_str() {
                Some("text") => None,
                Some("json") => Some(LogFormat::Json),
                _ => return Err(Expected::LogFormat),
            };
            Ok(())
        },
    },
    OptionEntry {
        name: "salvage",
        value: None,
        commands: &["state export"],
        help: "Print what can still be read of a damaged state, and say what is lost",
        set: |options, _| flag(&mut options.salvage),
    },
    OptionEntry {
        name: "like",
        value: Some("ID"),
        commands: &["vm create"],
        help: "The VM that the new one is to be like",
        set: |options, value| {
            let id = value.to_str().and_then(parse_id);
            options.like = Some(id.ok_or(Expected::Vm)?);
            Ok(())
        },
    },
    OptionEntry {
        name: "follow",
        value: None,
        commands: &["events"],
        help: "Go on with what happens from now on, until the server ends",
        set: |options, _| flag(&mut options.follow),
    },
    OptionEntry {
        name: "timeout",
        value: Some("TIME"),
        commands: &["wait vm", "wait service"],
        help: "How long to wait; when it is over the exit code is 124 [60s]",
        set: |options, value| duration(&mut options.timeout, value),
    },
];

impl OptionEntry {
    /// The option's line of the help.
    pub(super) fn line(&self) -> String {
        let left = format!("--{} {}", self.name, self.value.unwrap_or(""));
        format!("  {left:<24} {}", self.help)
    }
}

impl CommandOptions {
    /// Takes the state directory from the environment where it is not given, and nothing else says what cloud is meant.
    pub(super) fn default_state(&mut self, entry: &CommandEntry, state: Option<OsString>) {
        let takes = OPTIONS
            .iter()
            .any(|option| option.name == "state" && option.commands.contains(&entry.name));
        let other =
            self.opennebula || matches!(entry.name, "token" | "context") && self.cloud.is_some();
        if takes && !other && self.state.is_none() {
            self.state = state.filter(|state| !state.is_empty()).map(PathBuf::from);
        }
    }

    /// Refuses what makes no sense together, rather than let an option do nothing.
    pub(super) fn agree(&self, entry: &CommandEntry) -> Result<(), UsageError> {
        let command = entry.name;
        let embedded_only = [
            ("cloud", self.cloud.is_some()),
            ("state", self.state.is_some()),
            ("vm-step", self.vm_step.is_some()),
            ("cooldown", self.cooldown.is_some()),
            ("flow-interval", self.flow_interval.is_some()),
            ("vm-exec", self.vm_exec.is_some()),
            ("page", self.page.is_some()),
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
        if self.vm_exec.is_some() && self.state.is_none() {
            return Err(UsageError(
                "--vm-exec needs --state DIR: the VMs' directories are in it".to_owned(),
            ));
        }
        let of_vm_exec = [
            ("vm-grace", self.vm_grace.is_some()),
            ("endpoint", self.endpoint.is_some() && command != "context"),
        ];
        if self.vm_exec.is_none()
            && let Some((name, _)) = of_vm_exec.iter().find(|(_, given)| *given)
        {
            return Err(UsageError(format!("--{name} is for --vm-exec")));
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return Err(UsageError("--tls-cert needs --tls-key".to_owned())),
            (None, Some(_)) => return Err(UsageError("--tls-key needs --tls-cert".to_owned())),
            _ => {}
        }
        if command == "context" && self.out.is_some() == self.export {
            return Err(UsageError(
                "context needs either --out DIR, where to write context.sh and token.txt, or --export, to print what \
                 eval \"$(onegate-server-lite context VMID --export)\" takes"
                    .to_owned(),
            ));
        }
        let needs_none = matches!(command, "serve" | "check" | "token" | "context");
        if !needs_none && self.state.is_none() {
            return Err(UsageError(format!(
                "{} needs --state DIR: the directory that the server was started with (or set {STATE}; a server \
                 without --state can't be reached this way)",
                entry.name
            )));
        }
        self.words_make_sense(command)
            .map_err(|why| UsageError(format!("{}: {why}", entry.name)))?;
        if command == "state import" && self.cloud.is_none() {
            return Err(UsageError(
                "state import needs --cloud FILE: the scenario to import, such as what 'state export' printed"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Looks at a command's words as the server will, so that a wrong one is told apart from a server's refusal.
    fn words_make_sense(&self, command: &str) -> Result<(), LabError> {
        match command {
            "vm set" => control::attributes(&self.words).map(drop),
            "vm create" if self.like.is_none() => Err(LabError::NoPattern),
            "gate" => GateFault::parse(&self.words).map(drop),
            "clock" => control::step(&self.words).map(drop),
            "wait vm" | "wait service" => Condition::parse_all(&self.words).map(drop),
            _ => Ok(()),
        }
    }
}

fn flag(setting: &mut bool) -> Result<(), Expected> {
    *setting = true;
    Ok(())
}

fn path(setting: &mut Option<PathBuf>, value: OsString) -> Result<(), Expected> {
    if value.is_empty() {
        return Err(Expected::Path);
    }
    *setting = Some(PathBuf::from(value));
    Ok(())
}

fn text(setting: &mut Option<String>, value: OsString) -> Result<(), Expected> {
    match value.into_string() {
        Ok(text) if !text.is_empty() => *setting = Some(text),
        _ => return Err(Expected::Text),
    }
    Ok(())
}

fn duration(setting: &mut Option<Duration>, value: OsString) -> Result<(), Expected> {
    let text = value.to_string_lossy();
    let read = faults::duration(&text).map_err(|_| Expected::Duration(shown(&text)));
    *setting = Some(read?);
    Ok(())
}
