//! `vm wait` and `service wait`: ask until the conditions hold or the time is over.

use super::show::require;
use crate::cli::command::{Command, Surplus};
use crate::cli::duration;
use crate::cli::options::{Opt, Options, ROLE};
use crate::cli::session::{self, Session};
use crate::client::request::{self, Request};
use crate::commands::condition::Condition;
use crate::commands::watch::poll::{Poll, Trouble, WAIT};
use crate::commands::watch::{self, INTERVAL};
use crate::error::Error;
use crate::objects::document::{Document, Node};
use crate::objects::record::node_id;
use crate::objects::state;
use crate::world::{World, sanitize};
use std::time::{Duration, Instant};

static COUNT: Opt<u32> = Opt::number("count", 0, u32::MAX, "At least this many VMs");

/// In place of the timeout of one attempt.
static TIMEOUT: Opt<Duration> = Opt::duration(
    "timeout",
    Duration::ZERO,
    "How long to wait in all (default 300)",
);

/// `vm wait`
pub(super) const VM: Command = Command {
    words: "vm wait",
    operands: "[ID] CONDITION...",
    surplus: Surplus::Refused,
    options: &[&TIMEOUT.entry, &INTERVAL.entry],
    online: true,
    summary: "Wait until a VM's record says what CONDITIONs say",
    detail: "\
A CONDITION is KEY (the attribute is there), KEY=VALUE, or KEY!=VALUE (it is not there, or differs), where KEY is an \
attribute as 'vm update' sets it, or STATE with a state's name. All of them must hold.
A server that can (onegate-server-lite) keeps its answer back until the record changes. Any other is asked often at \
first, then less and less, up to once in --interval (default 30 seconds). Restarts of the server are outlived. --timeout is that of the whole (default 300 seconds); when it is over the exit code is 124, and stderr says \
what was still missing.",
    examples: &["onegate vm wait 9 STATE=RUNNING READY!=NO --timeout 60"],
    run: vm,
};

/// `service wait`
pub(super) const SERVICE: Command = Command {
    words: "service wait",
    operands: "[CONDITION]...",
    surplus: Surplus::Refused,
    options: &[&ROLE.entry, &COUNT.entry, &TIMEOUT.entry, &INTERVAL.entry],
    online: true,
    summary: "Wait until the service, or the VMs of a role, are as CONDITIONs say",
    detail: "\
Conditions are those of 'vm wait'. Without --role, STATE is that of the service, and any other KEY must hold for every \
VM of the service. With --role all is about the VMs of that role: as many as the role shall have, or with --count at \
least N of them.",
    examples: &[
        "onegate service wait STATE=RUNNING",
        "onegate service wait --role slave --count 1 STATE=RUNNING",
    ],
    run: service,
};

fn vm(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let words = &session.operands;
    // No attribute's name begins with a digit.
    let (id, words) = match words.split_first() {
        Some((first, rest))
            if first.is_empty() || first.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            (session::id(first, "VM")?, rest)
        }
        _ => (None, words.as_slice()),
    };
    let goal = Goal::of_vm(words, &session.options)?;
    let request = request::vm(id);
    wait(&goal, request, session)
}

fn service(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let goal = Goal::of_service(&session.operands, &session.options)?;
    let request = request::service(goal.needs_vms());
    wait(&goal, request, session)
}

/// How long to wait, unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// What is waited for.
#[derive(Debug)]
struct Goal {
    conditions: Vec<Condition>,
    subject: Subject,
    timeout: Duration,
}

#[derive(Debug)]
enum Subject {
    Vm,
    Service,
    Role { name: String, count: Option<u32> },
}

impl Goal {
    /// Of `vm wait`: `words` are its conditions.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no condition, or none that can be understood.
    fn of_vm(words: &[String], options: &Options) -> Result<Goal, Error> {
        let conditions = Condition::parse_all(words)?;
        if conditions.is_empty() {
            return Err(Error::Usage(
                "'vm wait' needs a CONDITION: KEY, KEY=VALUE, KEY!=VALUE".to_owned(),
            ));
        }
        Ok(Goal {
            conditions,
            subject: Subject::Vm,
            timeout: timeout(options),
        })
    }

    /// Of `service wait`.
    ///
    /// # Errors
    /// The same; and `--count` without a role or a number.
    fn of_service(words: &[String], options: &Options) -> Result<Goal, Error> {
        let conditions = Condition::parse_all(words)?;
        let count = options.get(&COUNT).copied();
        let subject = match options.get(&ROLE) {
            Some(role) => Subject::Role {
                name: role.clone(),
                count,
            },
            None if count.is_some() => return Err(Error::Usage("--count needs --role".to_owned())),
            None => Subject::Service,
        };
        if conditions.is_empty() && !matches!(subject, Subject::Role { .. }) {
            let what = "'service wait' needs a CONDITION, as in STATE=RUNNING, or a --role";
            return Err(Error::Usage(what.to_owned()));
        }
        Ok(Goal {
            conditions,
            subject,
            timeout: timeout(options),
        })
    }

    /// Must the service be asked for all that it knows of its VMs?
    fn needs_vms(&self) -> bool {
        match self.subject {
            Subject::Vm => false,
            Subject::Service => self
                .conditions
                .iter()
                .any(|condition| !condition.is_of_state()),
            Subject::Role { .. } => !self.conditions.is_empty(),
        }
    }

    /// What the document is about.
    fn record(&self) -> &'static str {
        match self.subject {
            Subject::Vm => "VM",
            Subject::Service | Subject::Role { .. } => "SERVICE",
        }
    }

    /// What is missing in a new document; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`Goal::missing`]; and if it is not about what was asked for.
    fn after(&self, document: Option<Document>) -> Result<Option<Vec<String>>, Error> {
        let Some(document) = document else {
            return Ok(None);
        };
        require(document.root(), self.record())?;
        self.missing(document.root()).map(Some)
    }

    /// What is missing in this document, a line each; nothing when the goal is reached.
    ///
    /// # Errors
    /// Where it can never be reached: there is no such role.
    fn missing(&self, root: Node<'_>) -> Result<Vec<String>, Error> {
        let service = root.get("SERVICE");
        match &self.subject {
            Subject::Vm => Ok(self.missing_in_vm(root.get("VM"))),
            Subject::Service => {
                let state = service.get("state").text();
                let (of_service, of_vms): (Vec<_>, Vec<_>) =
                    self.conditions.iter().partition(|c| c.is_of_state());
                let mut missing: Vec<String> = of_service
                    .iter()
                    .filter_map(|c| c.missing_in_state(&state::service(&state), &state))
                    .collect();
                for node in service
                    .get("roles")
                    .each()
                    .flat_map(|role| role.get("nodes").each())
                {
                    let vm = node.get("vm_info").get("VM");
                    missing.extend(
                        of_vms
                            .iter()
                            .filter_map(|c| c.missing_in_vm(vm))
                            .map(|what| format!("VM {}: {what}", node_id(node))),
                    );
                }
                Ok(missing)
            }
            Subject::Role { name, count } => self.missing_in_role(service, name, *count),
        }
    }

    fn missing_in_vm(&self, vm: Node<'_>) -> Vec<String> {
        self.conditions
            .iter()
            .filter_map(|condition| condition.missing_in_vm(vm))
            .collect()
    }

    fn missing_in_role(
        &self,
        service: Node<'_>,
        name: &str,
        count: Option<u32>,
    ) -> Result<Vec<String>, Error> {
        let Some(role) = service
            .get("roles")
            .each()
            .find(|role| role.get("name").text() == name)
        else {
            let names: Vec<String> = service
                .get("roles")
                .each()
                .map(|role| role.get("name").text())
                .collect();
            return Err(Error::Usage(format!(
                "the service has no role '{name}'; its roles are {}",
                names.join(", ")
            )));
        };
        let nodes: Vec<Node<'_>> = role.get("nodes").each().collect();
        let wanted = count.map(|count| count as usize).unwrap_or_else(|| {
            role.get("cardinality")
                .text()
                .parse()
                .unwrap_or(0)
                .max(nodes.len())
        });
        let mut missing = Vec::new();
        for node in &nodes {
            let in_vm = self.missing_in_vm(node.get("vm_info").get("VM"));
            if !in_vm.is_empty() {
                missing.push(format!("VM {}: {}", node_id(*node), in_vm.join(", ")));
            }
        }
        let met = nodes.len() - missing.len();
        if met >= wanted {
            return Ok(Vec::new());
        }
        missing.insert(0, format!("role {name}: {met} of {wanted} VMs"));
        Ok(missing)
    }

    /// The goal in one line, for a log.
    fn in_a_line(&self) -> String {
        let conditions: Vec<String> = self.conditions.iter().map(ToString::to_string).collect();
        let whom = match &self.subject {
            Subject::Vm | Subject::Service => String::new(),
            Subject::Role {
                name,
                count: Some(count),
            } => format!("{count} VMs of role {name} "),
            Subject::Role { name, count: None } => format!("role {name} "),
        };
        format!("{whom}{}", conditions.join(" "))
            .trim_end()
            .to_owned()
    }
}

/// `--timeout`, or else the default.
fn timeout(options: &Options) -> Duration {
    options.get(&TIMEOUT).copied().unwrap_or(DEFAULT_TIMEOUT)
}

/// Asks until the goal is reached. Faults that may pass (no connection, a server in trouble) don't end it: 401 is
/// among them, which OneGate also answers while oned is down.
///
/// # Errors
/// [`Error::TimedOut`] when the time is over, any other where waiting longer is of no use.
fn wait(goal: &Goal, request: Request, session: &mut Session<'_, '_>) -> Result<(), Error> {
    let client = session.client()?;
    let mut poll = Poll::new(request, watch::interval(&session.options));
    let world = &mut *session.world;
    let start = Instant::now();
    let end = start + goal.timeout;
    let mut progress = Progress { shown: 0, start };
    let mut missing = Vec::new();
    loop {
        // At the very end there is time for one more answer.
        let until = end.max(Instant::now() + LAST_ANSWER);
        let left = end.saturating_duration_since(Instant::now()).as_secs();
        let wait = u32::try_from(left).unwrap_or(WAIT).min(WAIT);
        let answer = poll.ask(&client, wait, Some(until));
        match answer.and_then(|document| goal.after(document).map_err(Trouble::Lasting)) {
            Ok(Some(now)) if now.is_empty() => {
                progress.clear(world);
                return Ok(());
            }
            Ok(Some(now)) => missing = now,
            // The same document: the same is missing.
            Ok(None) => {}
            Err(Trouble::Passing(what)) => {
                // What was missing before may be there when it is over.
                poll.forget();
                missing = vec![what];
            }
            Err(Trouble::Lasting(error)) => {
                progress.clear(world);
                return Err(error);
            }
        }
        progress.show(goal, &missing, world);
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            progress.clear(world);
            let (goal, after) = (goal.in_a_line(), duration::shown(goal.timeout));
            return Err(Error::TimedOut(format!(
                "timed out after {after} waiting for {goal}:\n  {}",
                missing.join("\n  ")
            )));
        }
        std::thread::sleep(poll.pause(&client).min(left));
    }
}

/// Time for the last answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// On a terminal a line that is written over, elsewhere one line in all, on stderr.
struct Progress {
    shown: usize,
    start: Instant,
}

impl Progress {
    fn show(&mut self, goal: &Goal, missing: &[String], world: &mut World<'_>) {
        // Nowhere is left to say that stderr can't be written.
        let _ = if world.err_terminal {
            let what: String = sanitize(&missing.join("; ")).chars().take(60).collect();
            let seconds = self.start.elapsed().as_secs();
            write!(world.err, "\r\x1b[Kwaiting, {seconds} s: {what}")
                .and_then(|()| world.err.flush())
        } else if self.shown == 0 {
            let (goal, time) = (goal.in_a_line(), duration::shown(goal.timeout));
            writeln!(
                world.err,
                "onegate: waiting up to {time} for {}",
                sanitize(&goal)
            )
        } else {
            Ok(())
        };
        self.shown += 1;
    }

    fn clear(&self, world: &mut World<'_>) {
        if world.err_terminal && self.shown > 0 {
            let _ = write!(world.err, "\r\x1b[K").and_then(|()| world.err.flush());
        }
    }
}

#[cfg(test)]
mod tests;
