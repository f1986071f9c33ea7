//! `onegate-server-lite check`: looks at everything that `serve` with the same options would use, one line for each,
//! and changes nothing. A server may run meanwhile.

use super::certificate::{Term, term};
use super::log::Log;
use super::log::format::LogFormat;
use super::options::CommandOptions;
use super::{CommandError, machines, setup};
use crate::cloud::embedded::{Scenario, problems};
use crate::cloud::opennebula::OpenNebula;
use crate::cloud::{Cloud, User};
use crate::commands::config::{Config, LogLevel};
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::store::database::Store;
use jiff::Timestamp;
use rustix::fs::{Access, access};
use std::path::Path;
use std::sync::Arc;

/// What came of a step: what was found, why there is nothing to look at, or what is wrong and what to do.
enum Checked {
    Ok(String),
    Skipped(String),
    Failed(String),
}

/// Prints the steps.
#[derive(Default)]
struct Report {
    failed: usize,
}

impl Report {
    fn add(&mut self, name: &str, checked: &Checked) -> Result<(), CommandError> {
        let (word, text) = match checked {
            Checked::Ok(text) => ("ok", text),
            Checked::Skipped(text) => ("-", text),
            Checked::Failed(text) => {
                self.failed += 1;
                ("FAILED", text)
            }
        };
        super::print(&format!("{word:<7} {name}: {text}"))
    }
}

/// Runs the command.
///
/// # Errors
/// Something would keep the server from starting, or from answering.
pub fn run(options: &CommandOptions) -> Result<(), CommandError> {
    let mut report = Report::default();
    let config = setup::configuration(options);
    report.add("configuration", &configuration(options, &config))?;
    report.add("certificate", &certificate(options))?;
    let config = config.unwrap_or_default();
    match options.opennebula {
        true => {
            let log = Log::start(LogLevel::Error, LogFormat::Text).map_err(CommandError::failed)?;
            let cloud = setup::opennebula(options, &config, &Arc::new(log));
            let checked = match &cloud {
                Ok(_) => Checked::Ok("can be read".to_owned()),
                Err(error) => Checked::Failed(error.to_string()),
            };
            report.add("auth file", &checked)?;
            let cloud = cloud.ok();
            report.add("oned", &oned(cloud.as_deref(), &config))?;
            report.add("OneFlow", &oneflow(cloud.as_deref(), &config))?;
        }
        false => {
            report.add("scenario", &scenario(options))?;
            report.add("state", &state(options.state.as_deref()))?;
            report.add("VMs", &command_of_vms(options))?;
        }
    }
    let guests = setup::address(options, &config);
    report.add("address", &address(&guests))?;
    let admin = match &options.admin {
        Some(admin) => other_address(admin, &[(&guests, "guests are answered")]),
        None => Checked::Skipped("no --admin: no /healthz, /readyz and /metrics".to_owned()),
    };
    report.add("admin address", &admin)?;
    let page = match &options.page {
        Some(page) => {
            let admin = options.admin.as_deref().unwrap_or_default();
            let taken = [
                (guests.as_str(), "guests are answered"),
                (admin, "--admin is"),
            ];
            other_address(&setup::page_address(page), &taken)
        }
        None => Checked::Skipped("no --page: nothing to watch the cloud on".to_owned()),
    };
    report.add("page address", &page)?;
    match report.failed {
        0 => Ok(()),
        1 => Err(CommandError::Failed("one check failed".to_owned())),
        failed => Err(CommandError::Failed(format!("{failed} checks failed"))),
    }
}

fn command_of_vms(options: &CommandOptions) -> Checked {
    match machines::command(options) {
        Ok(Some(command)) => Checked::Ok(format!("{} can be run", command.program.display())),
        Ok(None) => Checked::Skipped("no --vm-exec: they are RUNNING on paper".to_owned()),
        Err(error) => Checked::Failed(error.to_string()),
    }
}

fn configuration(options: &CommandOptions, config: &Result<Config, CommandError>) -> Checked {
    let config = match config {
        Ok(config) => config,
        Err(error) => return Checked::Failed(error.to_string()),
    };
    let text = match (&options.config, options.opennebula) {
        (Some(file), _) => format!("{} is good", file.display()),
        (None, true) => "OpenNebula's onegate-server.conf is good".to_owned(),
        (None, false) => return Checked::Skipped("no --config: the defaults".to_owned()),
    };
    with_warnings(text, &config.warnings)
}

/// What is good, with what `serve` would warn of.
fn with_warnings(mut text: String, warnings: &[String]) -> Checked {
    match warnings.len() {
        0 => {}
        1 => text += ", with 1 warning",
        many => text += &format!(", with {many} warnings"),
    }
    for warning in warnings {
        text += &format!("\n        warning: {warning}");
    }
    Checked::Ok(text)
}

fn certificate(options: &CommandOptions) -> Checked {
    match setup::certificate(options) {
        Ok(Some(tls)) => {
            let good = "can be read, and the key is its own";
            match tls
                .validity()
                .map(|validity| term(validity, Timestamp::now()))
            {
                Some(Term::Good(text)) => Checked::Ok(format!("{good}; {text}")),
                Some(Term::Soon(text)) => Checked::Ok(format!("{good}\n        warning: {text}")),
                Some(Term::Refused(text)) => Checked::Failed(text),
                None => Checked::Ok(good.to_owned()),
            }
        }
        Ok(None) => {
            Checked::Skipped("no --tls-cert: tokens cross the network in the clear".to_owned())
        }
        Err(error) => Checked::Failed(error.to_string()),
    }
}

fn scenario(options: &CommandOptions) -> Checked {
    let Some(file) = &options.cloud else {
        return Checked::Skipped("no --cloud: the documentation's PANACEA service".to_owned());
    };
    let scenario = match Scenario::load(file) {
        Ok(scenario) => scenario,
        Err(error) => return Checked::Failed(error.to_string()),
    };
    with_warnings(format!("{} is good", file.display()), &scenario.warnings)
}

fn state(directory: Option<&Path>) -> Checked {
    let Some(directory) = directory else {
        return Checked::Skipped("no --state: changes last as long as the server".to_owned());
    };
    if !directory.exists() {
        let path = directory.display();
        let above = directory.ancestors().find(|above| above.exists());
        let above = above.unwrap_or(Path::new("."));
        return match access(above, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Checked::Skipped(format!("{path} is not there yet: serve makes it")),
            Err(error) => Checked::Failed(format!(
                "{path} is not there, and cannot be made in {}: {error}: make it as the server's user",
                above.display()
            )),
        };
    }
    match Store::read_if_any(directory) {
        Ok(Some(stored)) => {
            let text = format!("{} is whole", directory.display());
            with_warnings(text, &problems(&stored.objects))
        }
        Ok(None) => Checked::Skipped(format!(
            "{} holds no state yet: serve fills it",
            directory.display()
        )),
        Err(error) => Checked::Failed(error.to_string()),
    }
}

/// An id that no object has: to read it needs an answer from the other server, which finds nothing.
const NOBODY: Id = Id::MAX;

fn oned(cloud: Option<&OpenNebula>, config: &Config) -> Checked {
    let Some(cloud) = cloud else {
        return Checked::Skipped("not asked without an auth file".to_owned());
    };
    reached(
        &config.one_xmlrpc,
        ":one_xmlrpc",
        cloud.vm_to_authenticate(NOBODY).map(drop),
    )
}

fn oneflow(cloud: Option<&OpenNebula>, config: &Config) -> Checked {
    let Some(cloud) = cloud else {
        return Checked::Skipped("not asked without an auth file".to_owned());
    };
    let user = User {
        id: 0,
        name: "oneadmin".to_owned(),
    };
    reached(
        &config.oneflow_server,
        ":oneflow_server",
        cloud.service(&user, NOBODY).map(drop),
    )
}

fn reached(url: &str, key: &str, answer: Result<(), Refusal>) -> Checked {
    match answer {
        Ok(()) | Err(Refusal::NotFound) => Checked::Ok(format!("{url} answers, and knows us")),
        Err(refusal) => Checked::Failed(format!(
            "{url}: {}: does it run there ({key})? Is the password in the auth file serveradmin's?",
            refusal.cause()
        )),
    }
}

/// An address that must be none of these.
fn other_address(given: &str, taken: &[(&str, &str)]) -> Checked {
    match setup::taken_for(given, taken) {
        Some(what) => Checked::Failed(format!("{given} is where {what}: choose another")),
        None => address(given),
    }
}

fn address(address: &str) -> Checked {
    match setup::bind(address) {
        Ok(_) => Checked::Ok(format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Checked::Skipped(format!("{address} is in use: fine if that is this server"))
        }
        Err(error) => Checked::Failed(format!(
            "cannot listen on {address}: {error}: choose another address"
        )),
    }
}
