//! The commands of the control socket: what the operator has a running server do. [`CONTROLS`] is the one list.

use super::Lab;
use super::condition::{self, Condition};
use super::error::LabError;
use super::event::{Actor, Event, EventKind};
use super::faults::{GateFault, duration};
use super::timeline::update;
use crate::flow::VmFault;
use crate::objects::document::Id;
use crate::objects::message::shown;
use crate::objects::refusal::Refusal;
use crate::objects::template::{self, Attribute};
use crate::objects::vm_state::VmState;
use crate::store::state::Kind;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

/// How long `wait` waits where nothing else is said.
pub const WAIT: Duration = Duration::from_secs(60);
/// How often `events --follow` looks whether its reader is still there.
const LOOK: Duration = Duration::from_secs(5);

/// A command as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// Its name: one of [`CONTROLS`].
    pub command: String,
    /// The VM or service that it is about.
    pub id: Id,
    /// Its further words.
    pub words: Vec<String>,
    /// `--follow`
    pub follow: bool,
    /// `--timeout`
    pub timeout: Option<Duration>,
}

impl Order {
    /// As one line.
    pub fn line(&self) -> String {
        let timeout = self
            .timeout
            .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        json!({"command": self.command, "id": self.id, "words": self.words,
            "follow": self.follow, "timeout": timeout})
        .to_string()
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is no order.
    pub fn read(line: &str) -> Result<Self, LabError> {
        let read: Map<String, Value> = serde_json::from_str(line)?;
        let flag = |name| read.get(name) == Some(&Value::Bool(true));
        let words = read.get("words").and_then(Value::as_array);
        let words = words.into_iter().flatten().filter_map(Value::as_str);
        let command = read.get("command").and_then(Value::as_str);
        Ok(Self {
            command: command.unwrap_or_default().to_owned(),
            id: crate::objects::document::id(read.get("id")).unwrap_or_default(),
            words: words.map(str::to_owned).collect(),
            follow: flag("follow"),
            timeout: read
                .get("timeout")
                .and_then(Value::as_u64)
                .map(Duration::from_millis),
        })
    }
}

/// Whoever gave an order, and reads what it prints.
pub trait OrderOutput: Write {
    /// Whether nobody reads any more.
    fn is_gone(&self) -> bool;
}

type Run = fn(&Lab, &Order, &mut dyn OrderOutput) -> Result<(), LabError>;

/// Every command, by its name.
pub const CONTROLS: &[(&str, Run)] = &[
    ("vm set", set),
    ("vm fail", |lab, order, out| {
        fault(lab, order.id, VmFault::Fail, out)
    }),
    ("vm poweroff", |lab, order, out| {
        fault(lab, order.id, VmFault::Poweroff, out)
    }),
    ("vm lose", |lab, order, out| {
        fault(lab, order.id, VmFault::Lose, out)
    }),
    ("vm create", create),
    ("service recover", recover),
    ("service show", show),
    ("gate", gate),
    ("clock", clock),
    ("events", events),
    ("wait vm", wait),
    ("wait service", wait),
];

/// Carries an order out; what it prints goes to `out`.
///
/// # Errors
/// It can't be carried out.
pub fn run(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let known = CONTROLS.iter().find(|(name, _)| *name == order.command);
    match known {
        Some((_, run)) => run(lab, order, out),
        None => Err(LabError::NoCommand(shown(&order.command, 100))),
    }
}

/// Reads the words of `vm set`, each KEY=VALUE.
///
/// # Errors
/// What is wrong, and with which of them.
pub fn attributes(words: &[String]) -> Result<Vec<Attribute>, LabError> {
    let mut all = Vec::new();
    for word in words {
        let read = template::parse(word);
        all.extend(read.map_err(|why| LabError::NoAttribute(shown(word, 100), why))?);
    }
    match all.is_empty() {
        true => Err(LabError::NothingToSet),
        false => Ok(all),
    }
}

/// Reads the words of `clock`: none, or `+TIME`.
///
/// # Errors
/// What is expected.
pub fn step(words: &[String]) -> Result<Duration, LabError> {
    let Some(word) = words.first() else {
        return Ok(Duration::ZERO);
    };
    match word.strip_prefix('+') {
        Some(time) if words.len() == 1 => Ok(duration(time)?),
        _ => Err(LabError::NoStep(shown(&words.join(" "), 100))),
    }
}

/// Tells of what the operator does.
fn tell(lab: &Lab, event: Event) {
    lab.timeline.push(event.by(Some(Actor::Operator)));
}

fn set(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let attributes = attributes(&order.words)?;
    let names: Vec<String> = attributes.iter().map(|one| one.name.clone()).collect();
    let text = format!("VM {}: {} set", order.id, names.join(" "));
    lab.cloud
        .set(order.id, &attributes, || {
            tell(lab, update(order.id, names));
        })
        .map_err(refused("VM", order.id))?;
    lab.pulse.beat();
    Ok(writeln!(out, "{text}")?)
}

fn fault(lab: &Lab, vm: Id, fault: VmFault, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let what = match fault {
        VmFault::Fail => "fail",
        VmFault::Poweroff => "power off",
        VmFault::Lose => "lose",
    };
    let event = Event::new(EventKind::Fault, what).of_vm(vm);
    let state = lab.cloud.fault(vm, fault, || tell(lab, event));
    let state = state.map_err(refused("VM", vm))?;
    Ok(writeln!(out, "VM {vm} is {}", state.name())?)
}

fn create(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let made = lab
        .cloud
        .create_like(order.id)
        .map_err(refused("VM", order.id))?;
    // The id alone, for scripts.
    Ok(writeln!(out, "{made}")?)
}

fn recover(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let event = Event::new(EventKind::Service, "recover").of_service(Some(order.id));
    lab.cloud
        .recover(order.id, || tell(lab, event))
        .map_err(refused("service", order.id))?;
    let report = report(lab, order.id)?;
    let state = report["state"].as_str().unwrap_or("in an unknown state");
    Ok(writeln!(out, "Service {} is {state}", order.id)?)
}

fn show(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    Ok(writeln!(out, "{}", report(lab, order.id)?)?)
}

fn report(lab: &Lab, service: Id) -> Result<Value, LabError> {
    let report = lab.cloud.report(service);
    report.ok_or(LabError::Nothing("service", service))
}

fn gate(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let fault = GateFault::parse(&order.words)?;
    let text = fault.describe();
    tell(lab, Event::new(EventKind::Fault, text.as_str()));
    lab.faults.set(fault);
    Ok(writeln!(out, "{text}")?)
}

fn clock(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let by = step(&order.words)?;
    let ahead = lab.cloud.ahead().saturating_add(by);
    let now = lab.cloud.now().saturating_add(by);
    let now = now.unwrap_or(Timestamp::MAX);
    if !by.is_zero() {
        let told = format!("clock put to {} s ahead of the system's", ahead.as_secs());
        tell(lab, Event::new(EventKind::Server, told));
        lab.put_clock_ahead(by);
    }
    let said = json!({"now": format!("{now:.3}"), "ahead": ahead.as_secs()});
    Ok(writeln!(out, "{said}")?)
}

fn events(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let mut last = 0;
    let mut events = lab.timeline.since(0);
    loop {
        for event in &events {
            writeln!(out, "{}", event.json())?;
            last = event.number;
        }
        out.flush()?;
        if !order.follow || lab.timeline.is_over() {
            return Ok(());
        }
        events = lab.timeline.wait(last, LOOK);
        if events.is_empty() && out.is_gone() {
            return Ok(());
        }
    }
}

fn wait(lab: &Lab, order: &Order, out: &mut dyn OrderOutput) -> Result<(), LabError> {
    let conditions = Condition::parse_all(&order.words)?;
    let patience = order.timeout.unwrap_or(WAIT);
    let until = Instant::now() + patience;
    let noun = order.command.strip_prefix("wait ").unwrap_or_default();
    let of_vm = noun == "vm";
    loop {
        let seen = lab.pulse.count();
        let unmet = match of_vm {
            true => unmet_of_vm(lab, order.id, &conditions),
            false => unmet_of_service(lab, order.id, &conditions)?,
        };
        let noun = if of_vm { "VM" } else { "service" };
        let Some(unmet) = unmet else {
            return Ok(writeln!(
                out,
                "{noun} {}: {}",
                order.id,
                order.words.join(" ")
            )?);
        };
        if lab.timeline.is_over() {
            return Err(LabError::Ending);
        }
        if Instant::now() >= until {
            let what = format!("{noun} {}", order.id);
            let state = match conditions
                .iter()
                .any(|condition| condition.key() == "STATE")
            {
                true => None,
                false if of_vm => lab.cloud.vm_state(order.id).map(VmState::name),
                false => condition::of_service(&report(lab, order.id)?, "STATE")?,
            };
            let state = state.map_or_else(String::new, |state| format!(" (STATE is {state})"));
            let unmet = unmet + &state;
            return Err(LabError::Late(what, unmet, patience.as_secs_f64()));
        }
        lab.pulse.wait(seen, until);
    }
}

/// The condition that does not hold yet; `None` if all do.
fn unmet_of_vm(lab: &Lab, vm: Id, conditions: &[Condition]) -> Option<String> {
    // One that is yet to be made is waited for: a scaling makes it.
    let Ok(record) = lab.cloud.document(Kind::Vm, vm) else {
        return Some("it is not in this cloud".to_owned());
    };
    conditions.iter().find_map(|condition| {
        let actual = condition::of_vm(&record, condition.key());
        let actual = actual.as_deref();
        (!condition.holds(actual)).then(|| condition.unmet(actual))
    })
}

fn unmet_of_service(
    lab: &Lab,
    service: Id,
    conditions: &[Condition],
) -> Result<Option<String>, LabError> {
    let report = report(lab, service)?;
    for condition in conditions {
        let actual = condition::of_service(&report, condition.key())?;
        if !condition.holds(actual.as_deref()) {
            return Ok(Some(condition.unmet(actual.as_deref())));
        }
    }
    Ok(None)
}

/// A refusal of what the operator asked for.
fn refused(noun: &'static str, id: Id) -> impl Fn(Refusal) -> LabError {
    move |refusal| match refusal {
        Refusal::NotFound => LabError::Nothing(noun, id),
        refusal => LabError::Refused(refusal),
    }
}
