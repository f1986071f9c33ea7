//! A service's document as the engine reads it, and how it writes what changed.

use super::lease::list_mut;
use crate::objects::document::{Id, id};
use crate::store::state::{Draft, Kind};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How many lines a service's log keeps.
const LOG_LINES: usize = 100;

/// The state of a service or a role, by OneFlow's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Not started yet.
    Pending = 0,
    /// Its VMs are being made, or start.
    Deploying = 1,
    /// All of its VMs run.
    Running = 2,
    /// A VM is off, lost or failed.
    Warning = 4,
    /// Its VMs could not be made.
    FailedDeploying = 7,
    /// VMs are being made or removed.
    Scaling = 8,
    /// Waits after a scaling.
    Cooldown = 10,
    /// Before [`State::Deploying`], while OneFlow makes networks.
    DeployingNets = 11,
}

impl State {
    /// The states that the engine knows how to leave, and the one it may end in. Others (a service being removed,
    /// one that failed on a real cloud) are shown as they are and left alone.
    const ALL: [Self; 8] = [
        Self::Pending,
        Self::Deploying,
        Self::Running,
        Self::Warning,
        Self::FailedDeploying,
        Self::Scaling,
        Self::Cooldown,
        Self::DeployingNets,
    ];

    /// The state in a document; one without any is yet to be started.
    fn read(value: Option<&Value>) -> Option<Self> {
        match value {
            None | Some(Value::Null) => Some(Self::Pending),
            Some(value) => {
                let number = integer(Some(value))?;
                Self::ALL.into_iter().find(|state| *state as i64 == number)
            }
        }
    }

    /// The name as OneFlow writes it to its log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Deploying => "DEPLOYING",
            Self::Running => "RUNNING",
            Self::Warning => "WARNING",
            Self::FailedDeploying => "FAILED_DEPLOYING",
            Self::Scaling => "SCALING",
            Self::Cooldown => "COOLDOWN",
            Self::DeployingNets => "DEPLOYING_NETS",
        }
    }
}

/// A service, as far as the engine cares.
#[derive(Debug, Clone)]
pub struct Service {
    /// `None`: a state in which the engine leaves the service alone.
    pub state: Option<State>,
    /// `ready_status_gate`: a new node counts as running only once it says READY=YES.
    pub ready_gate: bool,
    /// The roles, in the document's order.
    pub roles: Vec<Role>,
}

/// One of its roles.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its state; `None` as for the service's.
    pub state: Option<State>,
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
    /// Whether its VMs are those of a virtual router, which cannot be scaled here.
    pub is_vrouter: bool,
    /// `template_id`
    pub template_id: Option<Id>,
    /// Its `template_contents`: what its VMs have beside their template.
    pub contents: Map<String, Value>,
    /// `last_vmname`: the number of the next node's name.
    pub next_name: u64,
}

/// One node of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The VM.
    pub vm: Id,
    /// Whether a scaling takes it out.
    pub disposed: bool,
}

impl Service {
    /// Reads a service; `None` where there is none, or its document has no roles.
    pub fn read(draft: &Draft<'_>, service: Id) -> Option<Self> {
        let body = body(draft.get(Kind::Service, service)?)?;
        let straight = body.get("deployment").and_then(Value::as_str) == Some("straight");
        let roles = body.get("roles")?.as_array()?;
        Some(Self {
            state: State::read(body.get("state")),
            ready_gate: has_gate(body),
            roles: roles
                .iter()
                .map(|role| Role::read(role, straight))
                .collect(),
        })
    }

    /// The place of the role of this name.
    pub fn role(&self, name: &str) -> Option<usize> {
        self.roles.iter().position(|role| role.name == name)
    }
}

impl Role {
    fn read(role: &Value, straight: bool) -> Self {
        let nodes = role.get("nodes").and_then(Value::as_array);
        let nodes: Vec<Node> = nodes
            .into_iter()
            .flatten()
            .filter_map(|node| {
                let vm = id(node.get("deploy_id"))?;
                Some(Node {
                    vm,
                    disposed: node.get("disposed").is_some_and(is_yes),
                })
            })
            .collect();
        let texts = |key: &str| -> Vec<String> {
            let values = role.get(key).and_then(Value::as_array);
            values
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_string)
                .collect()
        };
        let count = |key: &str| id_like(role.get(key));
        let contents = role.get("template_contents");
        Self {
            name: role
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_string(),
            state: State::read(role.get("state")),
            cardinality: count("cardinality").unwrap_or(nodes.len() as u32),
            min_vms: count("min_vms"),
            max_vms: count("max_vms"),
            cooldown: natural(role.get("cooldown")).map(Duration::from_secs),
            parents: if straight {
                texts("parents")
            } else {
                Vec::new()
            },
            is_vrouter: role.get("type").and_then(Value::as_str) == Some("vr"),
            template_id: id(role.get("template_id")),
            contents: contents
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            next_name: natural(role.get("last_vmname")).unwrap_or(nodes.len() as u64),
            nodes,
        }
    }
}

/// A service's state without the rest; `None` as in [`Service::state`], or where there is no service.
pub fn state(draft: &Draft<'_>, service: Id) -> Option<State> {
    State::read(body(draft.get(Kind::Service, service)?)?.get("state"))
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

fn id_like(value: Option<&Value>) -> Option<u32> {
    integer(value).and_then(|n| u32::try_from(n).ok())
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

/// Writes out what a service that is yet to be deployed leaves out: its state and nodes, and its roles'.
pub fn complete(draft: &mut Draft<'_>, service: Id) {
    let Some(read) = Service::read(draft, service) else {
        return;
    };
    let unstarted: Vec<usize> = (0..read.roles.len())
        .filter(|role| read.roles[*role].state == Some(State::Pending))
        .collect();
    if unstarted.is_empty() {
        return;
    }
    if let Some(writer) = Writer::new(draft, service) {
        for role in unstarted {
            writer.body["roles"][role]["state"] = (State::Pending as u8).into();
            list_mut(&mut writer.body["roles"][role]["nodes"]);
        }
        if read.state == Some(State::Pending) {
            writer.body["state"] = (State::Pending as u8).into();
        }
    }
}

/// The document being changed.
pub struct Writer<'w> {
    body: &'w mut Value,
}

impl<'w> Writer<'w> {
    /// The body of a service that [`Service::read`] has read.
    pub fn new(draft: &'w mut Draft<'_>, service: Id) -> Option<Self> {
        let body = draft
            .get_mut(Kind::Service, service)?
            .get_mut("TEMPLATE")?
            .get_mut("BODY")?;
        body.get("roles")?.as_array()?;
        Some(Self { body })
    }

    /// Sets the service's state, with a line in its log.
    pub fn set_state(&mut self, state: State, now: i64) {
        self.body["state"] = (state as u8).into();
        self.log(&format!("New state: {}", state.name()), now);
    }

    /// Adds a line to the service's log, as OneFlow writes them. `now` is in seconds.
    pub fn log(&mut self, message: &str, now: i64) {
        let log = list_mut(&mut self.body["log"]);
        log.push(json!({"timestamp": now, "severity": "I", "message": message}));
        let over = log.len().saturating_sub(LOG_LINES);
        log.drain(..over);
    }

    /// Sets a role's state.
    pub fn set_role_state(&mut self, role: usize, state: State) {
        self.body["roles"][role]["state"] = (state as u8).into();
    }

    /// Sets a role's cardinality.
    pub fn set_cardinality(&mut self, role: usize, cardinality: u32) {
        self.body["roles"][role]["cardinality"] = cardinality.into();
    }

    /// Adds a node, and counts its name.
    pub fn add_node(&mut self, role: usize, vm: Id, vm_info: Value, next_name: u64) {
        let role = &mut self.body["roles"][role];
        list_mut(&mut role["nodes"]).push(json!({"deploy_id": vm, "vm_info": {"VM": vm_info}}));
        role["last_vmname"] = next_name.into();
    }

    /// Marks nodes to be taken out.
    pub fn dispose(&mut self, role: usize, vms: &[Id]) {
        for node in list_mut(&mut self.body["roles"][role]["nodes"]) {
            if id(node.get("deploy_id")).is_some_and(|vm| vms.contains(&vm)) {
                node["disposed"] = true.into();
            }
        }
    }

    /// Takes nodes out.
    pub fn remove_nodes(&mut self, role: usize, vms: &[Id]) {
        list_mut(&mut self.body["roles"][role]["nodes"])
            .retain(|node| id(node.get("deploy_id")).is_none_or(|vm| !vms.contains(&vm)));
    }
}
