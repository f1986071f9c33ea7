//! The service engine over documents in memory and a clock that only tests move.

pub mod recorded;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
pub use onegate_server_lite::flow::{Engine, Timings};
use onegate_server_lite::objects::document::Id;
pub use onegate_server_lite::store::state::{Draft, Kind, Objects, Writes};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A cloud whose time stands still until it is moved.
pub struct Bench {
    objects: Objects,
    options: Timings,
    engine: Engine,
    pub now: Timestamp,
}

/// Quick VMs, and no poll by itself but the first: [`Bench::poll`] makes the others.
pub fn options() -> Timings {
    Timings {
        vm_step: Duration::from_millis(100),
        cooldown: Duration::from_secs(10),
        interval: Duration::from_secs(1_000_000),
    }
}

impl Bench {
    pub fn new(options: Timings, documents: Vec<(Kind, Value)>) -> Self {
        let mut objects = Objects::default();
        for (kind, document) in documents {
            let id = onegate_server_lite::objects::document::id(document.get("ID")).expect("an ID");
            objects.set(kind, id, Some(Arc::new(document)));
        }
        let engine = Engine::new(options).in_zone(TimeZone::UTC);
        Self {
            objects,
            options,
            engine,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    pub fn change<T>(
        &mut self,
        with: impl FnOnce(&mut Engine, &mut Draft<'_>, Timestamp) -> T,
    ) -> T {
        let none = Writes::new();
        let mut draft = Draft::new(&self.objects, &none);
        let answer = with(&mut self.engine, &mut draft, self.now);
        for ((kind, id), document) in draft.into_writes() {
            self.objects.set(kind, id, document);
        }
        answer
    }

    /// A poll now: a new engine polls when it is first called.
    pub fn poll(&mut self) -> Timestamp {
        self.engine = Engine::new(self.options).in_zone(TimeZone::UTC);
        self.advance()
    }

    pub fn advance(&mut self) -> Timestamp {
        self.change(|engine, draft, now| engine.advance(draft, now))
    }

    /// Lets time pass up to a moment, calling the engine whenever it asked for it; `seen` looks after each call.
    pub fn pass(
        &mut self,
        to: Timestamp,
        mut due: Timestamp,
        mut seen: impl FnMut(&Self),
    ) -> Timestamp {
        while due <= to {
            self.now = due;
            due = self.advance();
            seen(self);
        }
        self.now = to;
        due
    }

    pub fn get(&self, kind: Kind, id: Id) -> &Value {
        self.objects
            .get(kind, id)
            .unwrap_or_else(|| panic!("{kind:?} {id}"))
    }

    pub fn set(&mut self, vm: Id, name: &str, value: Option<&str>) {
        self.change(|_, draft, _| {
            let template = &mut draft.get_mut(Kind::Vm, vm).expect("the VM")["USER_TEMPLATE"];
            match value {
                Some(value) => template[name] = value.into(),
                None => {
                    template
                        .as_object_mut()
                        .expect("an object")
                        .shift_remove(name);
                }
            }
        });
    }

    pub fn report(&mut self, service: Id) -> Value {
        self.change(|engine, draft, now| engine.report(draft, service, now))
            .expect("a report")
    }
}

/// Seconds after a moment, as recordings give them.
pub fn after(start: Timestamp, seconds: f64) -> Timestamp {
    start + SignedDuration::from_millis((seconds * 1000.0).round() as i64)
}

/// A VM that runs and has nothing.
pub fn vm(id: Id) -> (Kind, Value) {
    let record = json!({"ID": id.to_string(), "UID": "2", "GID": "1", "UNAME": "alice", "GNAME": "users",
        "NAME": format!("vm {id}"), "STATE": "3", "LCM_STATE": "3", "STIME": "1", "ETIME": "0", "RESCHED": "0",
        "MONITORING": {}, "TEMPLATE": {"CREATED_BY": "2", "TEMPLATE_ID": "7", "VMID": id.to_string()},
        "USER_TEMPLATE": {}});
    (Kind::Vm, record)
}

/// Service 1, RUNNING, with these roles.
pub fn service(roles: Value) -> (Kind, Value) {
    let body = json!({"name": "s", "deployment": "none", "state": 2, "roles": roles});
    (
        Kind::Service,
        json!({"ID": "1", "UID": "2", "GID": "1", "UNAME": "alice", "GNAME": "users", "NAME": "s",
        "TEMPLATE": {"BODY": body}}),
    )
}

/// A role as given, RUNNING, with these nodes.
pub fn role(given: &Value, nodes: &[Id]) -> Value {
    let mut role = given.clone();
    role["type"] = "vm".into();
    role["template_id"] = 7.into();
    role["state"] = 2.into();
    role["nodes"] = nodes.iter().map(|id| json!({"deploy_id": id})).collect();
    role
}

pub fn name(state: &Value) -> &'static str {
    match state.as_i64() {
        Some(0) => "PENDING",
        Some(1) => "DEPLOYING",
        Some(2) => "RUNNING",
        Some(4) => "WARNING",
        Some(8) => "SCALING",
        Some(10) => "COOLDOWN",
        _ => "?",
    }
}
