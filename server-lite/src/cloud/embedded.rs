//! The embedded cloud: OpenNebula's documents in memory, so that an appliance can be developed and tested with no
//! cloud at hand.
//!
//! Documents come from a [`scenario`] or from a [`store`]; [`state`] holds them and [`commit`] changes them;
//! [`rights`] says who may; [`flow`] is what time does to them. Refusals are in oned's words.

pub mod commit;
pub mod flow;
pub mod rights;
pub mod scenario;
pub mod state;
pub mod store;
pub mod user_template;

pub use scenario::{Scenario, ScenarioError};
pub use store::StoreError;

use crate::action;
use crate::cloud::{Argument, Attribute, Cloud, Document, Id, Refusal, User, VmAction, id, list};
use commit::Commits;
use flow::Engine;
use jiff::Timestamp;
use rights::Right;
use serde_json::Value;
use state::{Draft, Kind, Objects};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use store::Store;

/// Attributes that oned's default configuration restricts (VM_RESTRICTED_ATTR), as far as a USER_TEMPLATE can hold
/// them: recording `put/core_restricted_attr`.
const RESTRICTED_BY_ONED: [&str; 3] = ["CPU_COST", "MEMORY_COST", "DISK_COST"];

/// How long the clock waits after a change of its own could not be stored.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// A cloud of its own, in memory or in a state directory.
#[derive(Debug)]
pub struct Embedded {
    commits: Commits,
    engine: Mutex<Engine>,
    alarm: Arc<Alarm>,
}

/// Wakes the clock when something has become due sooner than it knows.
#[derive(Debug, Default)]
struct Alarm {
    rung: Mutex<bool>,
    bell: Condvar,
}

/// Why the embedded cloud could not be opened, in words for whoever runs the server.
#[derive(Debug)]
pub enum OpenError {
    /// The scenario is wrong.
    Scenario(ScenarioError),
    /// The state directory can't be used.
    Store(StoreError),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Scenario(e) => e.fmt(f),
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<ScenarioError> for OpenError {
    fn from(error: ScenarioError) -> Self {
        Self::Scenario(error)
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Embedded {
    /// Opens the cloud to serve it: the scenario of `--cloud`, or the built-in one, kept in the directory of `--state`
    /// where there is one. A state directory that holds a cloud already is taken as it is, whatever the scenario says
    /// now. Beside the cloud: what is odd, for the log.
    pub fn open(
        scenario: Option<&Path>,
        state: Option<&Path>,
        options: flow::Options,
    ) -> Result<(Self, Vec<String>), OpenError> {
        let Some(directory) = state else {
            let scenario = load(scenario)?;
            return Ok((
                Self::in_memory(scenario.objects, options),
                scenario.warnings,
            ));
        };
        let (mut store, stored) = Store::open(directory)?;
        let (objects, warnings) = match stored {
            Some(stored) => (
                stored.objects,
                outdated(scenario, &stored.scenario, directory)?,
            ),
            None => {
                let scenario = load(scenario)?;
                store.fill(&scenario.objects, &scenario.fingerprint)?;
                (scenario.objects, scenario.warnings)
            }
        };
        Ok((
            Self::new(Commits::new(objects, Some(store)), options),
            warnings,
        ))
    }

    /// A cloud that lasts as long as the process.
    pub fn in_memory(objects: Objects, options: flow::Options) -> Self {
        Self::new(Commits::new(objects, None), options)
    }

    /// Reads the cloud to look at it, while a server may have it open: nothing is changed.
    pub fn read(scenario: Option<&Path>, state: Option<&Path>) -> Result<Self, OpenError> {
        let objects = match state {
            Some(directory) => Store::read(directory)?.objects,
            None => load(scenario)?.objects,
        };
        Ok(Self::new(
            Commits::new(objects, None),
            flow::Options::default(),
        ))
    }

    fn new(commits: Commits, options: flow::Options) -> Self {
        Self {
            commits,
            engine: Mutex::new(Engine::new(options)),
            alarm: Arc::default(),
        }
    }

    /// Lets time pass: a thread that moves VMs and services on when they are due, until the cloud is dropped.
    /// `report` is told when a change of its own could not be stored.
    pub fn start_clock(
        self: &Arc<Self>,
        report: impl Fn(&str) + Send + 'static,
    ) -> std::io::Result<()> {
        let cloud = Arc::downgrade(self);
        let alarm = Arc::clone(&self.alarm);
        std::thread::Builder::new()
            .name("clock".into())
            .spawn(move || {
                let mut first = true;
                while let Some(cloud) = cloud.upgrade() {
                    let wait = match cloud.advance(first) {
                        Ok(due) => {
                            first = false;
                            Duration::try_from(due - Timestamp::now()).unwrap_or_default()
                        }
                        Err(refusal) => {
                            report(&format!(
                                "the clock's changes could not be stored: {refusal:?}"
                            ));
                            AFTER_A_FAILURE
                        }
                    };
                    drop(cloud);
                    alarm.wait(wait);
                }
            })?;
        Ok(())
    }

    /// Does what is due, and says when to come again.
    fn advance(&self, first: bool) -> Result<Timestamp, Refusal> {
        self.with_engine(|engine, draft, now| {
            if first {
                engine.start(draft, now);
            }
            Ok(engine.advance(draft, now))
        })
    }

    /// A change that the engine makes or has to know of.
    fn with_engine<T>(
        &self,
        change: impl FnOnce(&mut Engine, &mut Draft, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.commits.change(|draft| {
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut engine, draft, Timestamp::now())
        })
    }

    /// The services' ids, in order.
    pub fn services(&self) -> Vec<Id> {
        let none = state::Writes::new();
        self.commits
            .read(|objects| Draft::new(objects, &none).ids(Kind::Service))
    }

    /// What the engine knows of a service ([`Engine::report`]); `None` where there is none.
    pub fn report(&self, service: Id) -> Option<Value> {
        let none = state::Writes::new();
        self.commits.read(|objects| {
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            engine.report(&Draft::new(objects, &none), service, Timestamp::now())
        })
    }

    /// What OneFlow would refuse in the services ([`Engine::problems`]), each with its service.
    pub fn problems(&self) -> Vec<String> {
        self.commits.read(|objects| {
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            let mut services: Vec<_> = objects.all(Kind::Service).collect();
            services.sort_by_key(|(id, _)| *id);
            let problems = |(id, document): (Id, &Document)| {
                engine
                    .problems(document)
                    .into_iter()
                    .map(move |why| format!("service {id}, {why}"))
            };
            services.into_iter().flat_map(problems).collect()
        })
    }

    fn document(&self, kind: Kind, id: Id) -> Result<Document, Refusal> {
        self.commits
            .read(|objects| objects.get(kind, id).cloned())
            .ok_or(Refusal::NotFound)
    }

    /// A document that the user may see; `call` and `noun` are for oned's words if not.
    fn visible(
        &self,
        user: &User,
        kind: Kind,
        id: Id,
        call: &str,
        noun: &str,
    ) -> Result<Document, Refusal> {
        self.commits.read(|objects| {
            let document = objects.get(kind, id).ok_or(Refusal::NotFound)?;
            let person = objects.get(Kind::User, user.id);
            allow(
                user,
                person.map(Arc::as_ref),
                Right::Use,
                document,
                call,
                noun,
                id,
            )?;
            Ok(Arc::clone(document))
        })
    }

    /// Changes a VM that the user may manage.
    fn manage(
        &self,
        user: &User,
        vm: Id,
        right: Right,
        call: &str,
        change: impl FnOnce(&mut Draft) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.commits.change(|draft| {
            let document = draft.get(Kind::Vm, vm).ok_or(Refusal::NotFound)?;
            allow(
                user,
                draft.get(Kind::User, user.id),
                right,
                document,
                call,
                "VM",
                vm,
            )?;
            change(draft)
        })
    }
}

fn load(scenario: Option<&Path>) -> Result<Scenario, ScenarioError> {
    match scenario {
        Some(file) => Scenario::load(file),
        None => Scenario::built_in(),
    }
}

/// A scenario file that is not the one the state began with is most likely an edit that is waited for in vain.
fn outdated(
    scenario: Option<&Path>,
    began_with: &str,
    directory: &Path,
) -> Result<Vec<String>, ScenarioError> {
    match scenario {
        Some(file) if Scenario::load(file)?.fingerprint != began_with => Ok(vec![format!(
            "{} is not the scenario that the state in {} began with, and is not read: the state is served as it is; \
             start with an empty --state directory to begin anew",
            file.display(),
            directory.display()
        )]),
        _ => Ok(Vec::new()),
    }
}

fn allow(
    user: &User,
    person: Option<&Value>,
    right: Right,
    document: &Value,
    call: &str,
    noun: &str,
    id: Id,
) -> Result<(), Refusal> {
    match rights::may(user.id, person, right, document) {
        true => Ok(()),
        false => Err(not_authorized(user, right, call, noun, id)),
    }
}

fn not_authorized(user: &User, right: Right, call: &str, noun: &str, id: Id) -> Refusal {
    let (user, right) = (user.id, right.word());
    Refusal::NotAllowed(format!(
        "[{call}] User [{user}] : Not authorized to perform {right} {noun} [{id}]."
    ))
}

impl Cloud for Embedded {
    fn vm_to_authenticate(&self, vm: Id) -> Result<Document, Refusal> {
        self.document(Kind::Vm, vm)
    }

    fn token_password(&self, user: Id) -> Result<Option<String>, Refusal> {
        let user = self.document(Kind::User, user)?;
        let password = user.get("TEMPLATE").and_then(|t| t.get("TOKEN_PASSWORD"));
        Ok(password.and_then(Value::as_str).map(str::to_string))
    }

    fn vm(&self, user: &User, vm: Id) -> Result<Document, Refusal> {
        self.visible(user, Kind::Vm, vm, "one.vm.info", "VM")
    }

    fn own_vm(&self, user: &User, authenticated: &Document) -> Result<Document, Refusal> {
        match id(authenticated.get("ID")) {
            // The usual owner may see it: no need to look anything up again.
            Some(_) if rights::may(user.id, None, Right::Use, authenticated) => {
                Ok(Arc::clone(authenticated))
            }
            Some(vm) => self.vm(user, vm),
            None => Err(Refusal::NotFound),
        }
    }

    fn vms(&self, user: &User, vms: &[Id]) -> Result<Vec<Document>, Refusal> {
        self.commits.read(|objects| {
            let person = objects.get(Kind::User, user.id).map(Arc::as_ref);
            let seen = vms.iter().filter_map(|vm| objects.get(Kind::Vm, *vm));
            Ok(seen
                .filter(|vm| rights::may(user.id, person, Right::Use, vm))
                .cloned()
                .collect())
        })
    }

    fn service(&self, user: &User, service: Id) -> Result<Document, Refusal> {
        self.visible(
            user,
            Kind::Service,
            service,
            "one.document.info",
            "DOCUMENT",
        )
    }

    fn vrouter(&self, user: &User, vrouter: Id) -> Result<Document, Refusal> {
        self.visible(user, Kind::Vrouter, vrouter, "one.vrouter.info", "VROUTER")
    }

    fn vnet(&self, user: &User, vnet: Id) -> Result<Document, Refusal> {
        self.commits.read(|objects| {
            let document = objects.get(Kind::Vnet, vnet).ok_or(Refusal::NotFound)?;
            let person = objects.get(Kind::User, user.id).map(Arc::as_ref);
            if !rights::may_use_vnet(user.id, person, document) {
                return Err(not_authorized(user, Right::Use, "one.vn.info", "NET", vnet));
            }
            Ok(with_visible_leases(Arc::clone(document), user, objects))
        })
    }

    fn update(&self, user: &User, vm: Id, attributes: &[Attribute]) -> Result<(), Refusal> {
        if let Some(attribute) = attributes
            .iter()
            .find(|a| RESTRICTED_BY_ONED.contains(&a.name.as_str()))
        {
            return Err(Refusal::Failed(format!(
                "[one.vm.update] Cannot update template. User Template includes a restricted attribute {}",
                attribute.name
            )));
        }
        self.manage(user, vm, Right::Manage, "one.vm.update", |draft| {
            if !attributes.is_empty() {
                user_template::merge(
                    draft.get_mut(Kind::Vm, vm).ok_or(Refusal::NotFound)?,
                    attributes,
                );
            }
            Ok(())
        })
    }

    fn erase(&self, user: &User, vm: Id, name: &str) -> Result<(), Refusal> {
        self.manage(user, vm, Right::Manage, "one.vm.update", |draft| {
            let document = draft.get_mut(Kind::Vm, vm).ok_or(Refusal::NotFound)?;
            match user_template::erase(document, name) {
                true => Ok(()),
                false => Err(Refusal::Failed("attribute not found".into())),
            }
        })
    }

    fn act(&self, user: &User, vm: Id, action: &VmAction) -> Result<(), Refusal> {
        let right = match action::called(action.name) {
            Some(action) if action.admin => Right::Admin,
            _ => Right::Manage,
        };
        let call = match (&action.argument, action.name) {
            (Argument::None, _) => "one.vm.action".to_string(),
            (_, "livemigrate") => "one.vm.migrate".to_string(),
            (_, name) => format!("one.vm.{name}"),
        };
        self.with_engine(|engine, draft, now| {
            let document = draft.get(Kind::Vm, vm).ok_or(Refusal::NotFound)?;
            let person = draft.get(Kind::User, user.id);
            allow(user, person, right, document, &call, "VM", vm)?;
            engine.act(draft, vm, action, now)?;
            engine.advance(draft, now);
            Ok(())
        })?;
        self.alarm.ring();
        Ok(())
    }

    fn scale(&self, user: &User, service: Id, role: &str, cardinality: u32) -> Result<(), Refusal> {
        self.with_engine(|engine, draft, now| {
            let document = draft.get(Kind::Service, service).ok_or(Refusal::NotFound)?;
            let person = draft.get(Kind::User, user.id);
            allow(
                user,
                person,
                Right::Manage,
                document,
                "one.document.update",
                "DOCUMENT",
                service,
            )?;
            engine.scale(draft, service, role, cardinality, now)?;
            engine.advance(draft, now);
            Ok(())
        })?;
        self.alarm.ring();
        Ok(())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.alarm.ring();
    }
}

impl Alarm {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }

    /// Waits so long, or until it rings.
    fn wait(&self, at_most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self
            .bell
            .wait_timeout_while(rung, at_most, |rung| !*rung)
            .unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

/// oned shows a user only the leases of what they may use (snapshot answers of VM 7: the leases of VM 1 and of network
/// 7 are not in network 1).
fn with_visible_leases(document: Document, user: &User, objects: &Objects) -> Document {
    let person = objects.get(Kind::User, user.id).map(Arc::as_ref);
    let sees = |lease: &Value| {
        [
            ("VM", Kind::Vm),
            ("VNET", Kind::Vnet),
            ("VROUTER", Kind::Vrouter),
        ]
        .into_iter()
        .any(|(key, kind)| {
            let object = id(lease.get(key)).and_then(|id| objects.get(kind, id));
            object.is_some_and(|object| match kind {
                Kind::Vnet => rights::may_use_vnet(user.id, person, object),
                _ => rights::may(user.id, person, Right::Use, object),
            })
        })
    };
    let leases = |ar: &Value| list(ar.get("LEASES").and_then(|l| l.get("LEASE"))).to_vec();
    let ranges = list(document.get("AR_POOL").and_then(|pool| pool.get("AR")));
    if ranges.iter().all(|ar| leases(ar).iter().all(sees)) {
        return document;
    }
    let mut ranges = ranges.to_vec();
    for range in &mut ranges {
        let seen: Vec<Value> = leases(range).into_iter().filter(sees).collect();
        range["LEASES"] = serde_json::json!({ "LEASE": seen });
    }
    let mut document = Arc::unwrap_or_clone(document);
    document["AR_POOL"]["AR"] = Value::Array(ranges);
    Arc::new(document)
}
