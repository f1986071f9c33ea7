//! A service's document as the engine works on it: read once into a [`Service`], edited, and written once.

use super::clock::{RoleClock, ServiceClock};
use super::policy::{Elasticity, PolicyReader, Scheduled, listed};
use crate::objects::document::{Id, id, list_mut};
use crate::store::state::{Draft, Kind};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// How many lines a service's log keeps.
const LOG_LINES: usize = 100;

/// The state of a service or a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// Not started yet.
    Pending,
    /// Its VMs are being made, or start.
    Deploying,
    /// All of its VMs run.
    Running,
    /// A VM is off, lost or failed.
    Warning,
    /// Its VMs could not be made, or one failed to start.
    FailedDeploying,
    /// VMs are being made or removed.
    Scaling,
    /// A VM that a scaling made failed to start.
    FailedScaling,
    /// Waits after a scaling.
    Cooldown,
    /// Before [`ServiceState::Deploying`], while OneFlow makes networks.
    DeployingNets,
    /// Any other of OneFlow's states, by its name: the engine shows it and leaves it alone.
    Other(&'static str),
}

use ServiceState::{
    Cooldown, Deploying, DeployingNets, FailedDeploying, FailedScaling, Other, Pending, Running,
    Scaling, Warning,
};

/// The states of a service at OneFlow's numbers. A role has no more than the first eleven, and HOLD.
const STATES: [ServiceState; 16] = [
    Pending,
    Deploying,
    Running,
    Other("UNDEPLOYING"),
    Warning,
    Other("DONE"),
    Other("FAILED_UNDEPLOYING"),
    FailedDeploying,
    Scaling,
    FailedScaling,
    Cooldown,
    DeployingNets,
    Other("UNDEPLOYING_NETS"),
    Other("FAILED_DEPLOYING_NETS"),
    Other("FAILED_UNDEPLOYING_NETS"),
    Other("HOLD"),
];

impl ServiceState {
    /// The state in a service's body; one without any is yet to be started. `None`: no state that OneFlow has.
    fn read(value: Option<&Value>) -> Option<Self> {
        match value {
            None | Some(Value::Null) => Some(Pending),
            value => STATES.get(usize::try_from(integer(value)?).ok()?).copied(),
        }
    }

    /// The same in a role, where 11 is HOLD.
    fn of_role(value: Option<&Value>) -> Option<Self> {
        Self::read(value).and_then(|state| match state {
            DeployingNets => Some(Other("HOLD")),
            Other(name) if name.ends_with("_NETS") || name == "HOLD" => None,
            state => Some(state),
        })
    }

    /// OneFlow's number.
    fn number(self) -> usize {
        STATES.iter().position(|state| *state == self).unwrap_or(0)
    }

    /// The name as OneFlow writes it to its log.
    pub fn name(self) -> &'static str {
        match self {
            Pending => "PENDING",
            Deploying => "DEPLOYING",
            Running => "RUNNING",
            Warning => "WARNING",
            FailedDeploying => "FAILED_DEPLOYING",
            Scaling => "SCALING",
            FailedScaling => "FAILED_SCALING",
            Cooldown => "COOLDOWN",
            DeployingNets => "DEPLOYING_NETS",
            Other(name) => name,
        }
    }
}

/// A service, as far as the engine cares, with what the engine remembers of it.
#[derive(Debug)]
pub struct Service {
    /// Its id.
    pub id: Id,
    /// `None`: a state in which the engine leaves the service alone.
    pub state: Option<ServiceState>,
    /// `ready_status_gate`: a new node counts as running only once it says READY=YES.
    pub ready_gate: bool,
    /// The roles, in the document's order.
    pub roles: Vec<Role>,
    /// What is remembered of the service; its roles have their own meanwhile.
    pub clock: ServiceClock,
    /// Lines that its log is to get.
    lines: Vec<Value>,
    changed: bool,
}

/// One of its roles.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its state; `None` as for the service's.
    pub state: Option<ServiceState>,
    /// How many nodes it is to have.
    pub cardinality: u32,
    /// `min_vms`
    pub min_vms: Option<u32>,
    /// `max_vms`
    pub max_vms: Option<u32>,
    /// `cooldown`
    pub cooldown: Option<Duration>,
    /// Roles that have to be RUNNING before this one starts; none unless the deployment is straight.
    pub parents: Vec<String>,
    /// Its nodes, oldest first.
    pub nodes: Vec<Node>,
    /// Whether its type is `vr`: its VMs are those of one virtual router, and their number is fixed.
    pub is_vrouter: bool,
    /// `template_id`
    pub template_id: Option<Id>,
    /// Its `template_contents`: what its VMs have beside their template.
    pub contents: Map<String, Value>,
    /// `last_vmname`: the number of the next node's name.
    pub next_name: u64,
    /// `elasticity_policies`
    pub elasticity: Vec<Elasticity>,
    /// `scheduled_policies`
    pub scheduled: Vec<Scheduled>,
    /// What is remembered of it.
    pub clock: RoleClock,
    /// `vrouter_id`
    pub vrouter_id: Option<Id>,
    /// `vrouter_ips` of a virtual router that was just made.
    pub vrouter_ips: Value,
    changed: bool,
    nodes_changed: bool,
}

/// One node of a role.
#[derive(Debug)]
pub struct Node {
    /// The VM.
    pub vm: Id,
    /// Whether a scaling takes it out.
    pub disposed: bool,
    /// What OneFlow keeps of its VM, where the document does not have the node yet.
    info: Option<Value>,
}

impl Service {
    /// Reads a service; `None` where there is none, or its document has no roles.
    pub fn open(draft: &Draft<'_>, reader: &mut PolicyReader, id: Id) -> Option<Self> {
        let body = body(draft.get(Kind::Service, id)?)?;
        let straight = body.get("deployment").and_then(Value::as_str) == Some("straight");
        let mut clock = ServiceClock::read(draft, id);
        let roles = body.get("roles")?.as_array()?.iter();
        Some(Self {
            id,
            state: ServiceState::read(body.get("state")),
            ready_gate: has_gate(body),
            roles: roles
                .map(|role| Role::read(role, straight, reader, &mut clock))
                .collect(),
            clock,
            lines: Vec::new(),
            changed: false,
        })
    }

    /// The place of the role of this name.
    pub fn role(&self, name: &str) -> Option<usize> {
        self.roles.iter().position(|role| role.name == name)
    }

    /// Sets the service's state, with a line in its log.
    pub fn set_state(&mut self, state: ServiceState, now: i64) {
        self.state = Some(state);
        self.log(format!("New state: {}", state.name()), now);
    }

    /// Adds a line to the service's log, as OneFlow writes them. `now` is in seconds.
    pub fn log(&mut self, message: String, now: i64) {
        let line = json!({"timestamp": now, "severity": "I", "message": message});
        self.lines.push(line);
        self.changed = true;
    }

    /// Has what a service that is yet to be deployed leaves out written: its state and nodes, and its roles'.
    pub fn complete(&mut self) {
        for role in &mut self.roles {
            role.changed |= role.state == Some(Pending);
            self.changed |= role.changed;
        }
    }

    /// Writes what changed. Whether anything did.
    pub fn write(mut self, draft: &mut Draft<'_>) -> bool {
        let mut changed = self.changed;
        for role in &mut self.roles {
            changed |= role.changed;
            if role.clock != RoleClock::default() {
                let clock = std::mem::take(&mut role.clock);
                self.clock.roles.insert(role.name.clone(), clock);
            }
        }
        let remembered = self.clock.write(draft, self.id);
        if !changed {
            return remembered;
        }
        let document = draft.get_mut(Kind::Service, self.id);
        let body = document.and_then(|document| document.get_mut("TEMPLATE")?.get_mut("BODY"));
        let Some(body) = body else { return remembered };
        if let Some(Value::Array(roles)) = body.get_mut("roles") {
            for (role, document) in self.roles.iter_mut().zip(roles) {
                if role.changed {
                    role.write(document);
                }
            }
        }
        if let (true, Some(state)) = (self.changed, self.state) {
            body["state"] = state.number().into();
        }
        if !self.lines.is_empty() {
            let log = list_mut(&mut body["log"]);
            log.append(&mut self.lines);
            let over = log.len().saturating_sub(LOG_LINES);
            log.drain(..over);
        }
        true
    }
}

impl Role {
    fn read(
        role: &Value,
        straight: bool,
        reader: &mut PolicyReader,
        clock: &mut ServiceClock,
    ) -> Self {
        let nodes: Vec<Node> = array(role, "nodes")
            .filter_map(|node| {
                Some(Node {
                    vm: id(node.get("deploy_id"))?,
                    disposed: node.get("disposed").is_some_and(is_yes),
                    info: None,
                })
            })
            .collect();
        let count = |key| natural(role.get(key)).and_then(|number| u32::try_from(number).ok());
        let text = |key| role.get(key).and_then(Value::as_str);
        let name = text("name").unwrap_or_default().to_string();
        let parents = array(role, "parents").filter_map(Value::as_str);
        let contents = role.get("template_contents").and_then(Value::as_object);
        let elasticity: Vec<_> = listed(role, "elasticity_policies")
            .iter()
            .map(|policy| reader.elasticity(policy))
            .collect();
        let scheduled: Vec<_> = listed(role, "scheduled_policies")
            .iter()
            .map(|policy| reader.scheduled(policy))
            .collect();
        let mut clock = clock.roles.remove(&name).unwrap_or_default();
        clock.seed(role);
        Self {
            state: ServiceState::of_role(role.get("state")),
            cardinality: count("cardinality").unwrap_or(nodes.len() as u32),
            min_vms: count("min_vms"),
            max_vms: count("max_vms"),
            cooldown: natural(role.get("cooldown")).map(Duration::from_secs),
            parents: parents.filter(|_| straight).map(str::to_string).collect(),
            is_vrouter: text("type") == Some("vr"),
            template_id: id(role.get("template_id")),
            contents: contents.cloned().unwrap_or_default(),
            next_name: natural(role.get("last_vmname")).unwrap_or(nodes.len() as u64),
            vrouter_id: id(role.get("vrouter_id")),
            vrouter_ips: Value::Null,
            changed: false,
            nodes_changed: false,
            name,
            nodes,
            elasticity,
            scheduled,
            clock,
        }
    }

    /// Sets the role's state.
    pub fn set_state(&mut self, state: ServiceState) {
        self.changed |= self.state != Some(state);
        self.state = Some(state);
    }

    /// Sets its cardinality.
    pub fn set_cardinality(&mut self, cardinality: u32) {
        self.cardinality = cardinality;
        self.changed = true;
    }

    /// Adds a node; `info` is what OneFlow keeps of its VM.
    pub fn add_node(&mut self, vm: Id, info: Value) {
        self.nodes.push(Node {
            vm,
            disposed: false,
            info: Some(info),
        });
        (self.changed, self.nodes_changed) = (true, true);
    }

    /// Marks the oldest nodes to be taken out, and gives their VMs.
    pub fn dispose(&mut self, count: usize) -> Vec<Id> {
        (self.changed, self.nodes_changed) = (true, true);
        let oldest = self.nodes.iter_mut().take(count);
        oldest
            .map(|node| {
                node.disposed = true;
                node.vm
            })
            .collect()
    }

    /// Takes the nodes out of which this is true. One that no scaling took out lowers the cardinality. Whether there
    /// were any.
    pub fn remove_nodes(&mut self, gone: impl Fn(Id) -> bool) -> bool {
        let before = self.nodes.len();
        let mut lost = 0;
        self.nodes.retain(|node| {
            let gone = gone(node.vm);
            lost += u32::from(gone && !node.disposed);
            !gone
        });
        let any = self.nodes.len() < before;
        if any {
            self.nodes_changed = true;
            self.clock.awaited.retain(|vm| !gone(*vm));
            self.set_cardinality(self.cardinality.saturating_sub(lost));
        }
        any
    }

    fn write(&mut self, document: &mut Value) {
        if self.nodes_changed || document.get("nodes").is_none() {
            self.write_nodes(document);
        }
        if let (Some(id), false) = (self.vrouter_id, self.vrouter_ips.is_null()) {
            document["vrouter_id"] = id.into();
            document["vrouter_ips"] = self.vrouter_ips.take();
        }
        document["cardinality"] = self.cardinality.into();
        if let Some(state) = self.state {
            let hold = STATES.len() - 1;
            let number = state.number();
            document["state"] = if number == hold { 11 } else { number }.into();
        }
    }

    fn write_nodes(&mut self, document: &mut Value) {
        let kept: HashMap<Id, bool> = self.nodes.iter().map(|n| (n.vm, n.disposed)).collect();
        let nodes = list_mut(&mut document["nodes"]);
        nodes.retain_mut(|node| {
            let Some(vm) = id(node.get("deploy_id")) else {
                return true;
            };
            if kept.get(&vm) == Some(&true) {
                node["disposed"] = true.into();
            }
            kept.contains_key(&vm)
        });
        let mut added = self
            .nodes
            .iter_mut()
            .filter_map(|n| Some((n.vm, n.info.take()?)))
            .peekable();
        if added.peek().is_none() {
            return;
        }
        nodes.extend(added.map(|(vm, info)| json!({"deploy_id": vm, "vm_info": {"VM": info}})));
        document["last_vmname"] = self.next_name.into();
    }
}

/// A service's state without the rest; `None` as in [`Service::state`], or where there is no service.
pub fn state(draft: &Draft<'_>, service: Id) -> Option<ServiceState> {
    ServiceState::read(body(draft.get(Kind::Service, service)?)?.get("state"))
}

/// The name of the state that a service's body, or a role, has; `unknown` where OneFlow has none such.
pub fn state_name(body: Option<&Value>) -> &'static str {
    let state = body.and_then(|body| ServiceState::read(body.get("state")));
    state.map_or("unknown", ServiceState::name)
}

/// Whether a service has a ready gate ([`Service::ready_gate`]).
pub fn has_ready_gate(draft: &Draft<'_>, service: Id) -> bool {
    draft
        .get(Kind::Service, service)
        .and_then(body)
        .is_some_and(has_gate)
}

fn has_gate(body: &Value) -> bool {
    body.get("ready_status_gate").is_some_and(is_yes)
}

/// OneFlow's body within the document.
pub fn body(service: &Value) -> Option<&Value> {
    service.get("TEMPLATE")?.get("BODY")
}

/// The VMs of a service's nodes, role by role.
pub fn vms(service: &Value) -> impl Iterator<Item = Id> {
    let roles = body(service).into_iter();
    let nodes = roles.flat_map(|body| array(body, "roles").flat_map(|role| array(role, "nodes")));
    nodes.filter_map(|node| id(node.get("deploy_id")))
}

fn array<'v>(object: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    object
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// An integer as OneFlow takes it: a number (a fraction is cut off) or digits.
pub fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().filter(|n| n.abs() < 1e15).map(|n| n as i64)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// An integer that is not negative.
pub fn natural(value: Option<&Value>) -> Option<u64> {
    integer(value).and_then(|number| u64::try_from(number).ok())
}

fn is_yes(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::String(text) => {
            text.eq_ignore_ascii_case("yes") || text.eq_ignore_ascii_case("true")
        }
        _ => false,
    }
}
