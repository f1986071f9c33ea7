//! The embedded cloud: OpenNebula's documents in memory, so that an appliance can be developed and tested with no
//! cloud at hand.
//!
//! Documents come from a [`scenario`] or from a [`store`](crate::store); [`state`](crate::store::state) holds them and
//! [`commit`](crate::store::commit) changes them; [`rights`] says who may; [`flow`] is what time does to
//! them. Refusals are in oned's words.

pub mod copy;
pub mod export;
pub mod open;
pub mod operator;
pub mod rights;
pub mod scenario;
pub mod time;
mod warnings;

pub use open::OpenError;
pub use scenario::{Scenario, ScenarioError};
pub use warnings::problems;

use crate::cloud::{Cloud, User};
use crate::flow::{self, Engine, ScaleRequest};
use crate::objects::action;
use crate::objects::action::{Argument, VmAction};
use crate::objects::document::{Document, Id, id};
use crate::objects::refusal::Refusal;
use crate::objects::template::Attribute;
use crate::objects::user_template::{self, Changes};
use crate::store::commit::{Changed, Commits, Pending};
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use rights::Right;
use serde_json::Value;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, OnceLock};

/// Attributes that oned's default configuration restricts (VM_RESTRICTED_ATTR), as far as a USER_TEMPLATE can hold
/// them: server-lite/tests/fixtures/put.jsonl, case `core_restricted_attr`.
const RESTRICTED_BY_ONED: [&str; 3] = ["CPU_COST", "MEMORY_COST", "DISK_COST"];

/// A cloud of its own, in memory or in a state directory.
#[derive(Debug)]
pub struct Embedded {
    commits: Commits,
    engine: Mutex<Engine>,
    alarm: Arc<time::Alarm>,
    /// How far the cloud's clock is ahead of the system's, in milliseconds.
    ahead: AtomicI64,
    acted: OnceLock<Acted>,
}

/// What is told which action was performed on which VM.
struct Acted(Box<dyn Fn(Id, &'static str) + Send + Sync>);

impl std::fmt::Debug for Acted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acted")
    }
}

impl Embedded {
    fn new(commits: Commits, options: flow::Timings) -> Self {
        Self {
            commits,
            engine: Mutex::new(Engine::new(options)),
            alarm: Arc::default(),
            ahead: AtomicI64::default(),
            acted: OnceLock::new(),
        }
    }

    /// Tells `listener` which action, in oned's words, was performed on which VM, from now on: a state does not say
    /// whether it was a hard one, nor that there was a reboot. The first one given stays.
    pub fn on_action(&self, listener: impl Fn(Id, &'static str) + Send + Sync + 'static) {
        let _ = self.acted.set(Acted(Box::new(listener)));
    }

    /// Tells `listener` which documents changed, after each change from now on.
    pub fn on_change(&self, listener: impl Fn(&[Changed]) + Send + Sync + 'static) {
        self.commits.on_change(listener);
    }

    /// A document, with the operator's rights.
    ///
    /// # Errors
    /// There is none.
    pub fn document(&self, kind: Kind, id: Id) -> Result<Document, Refusal> {
        self.commits
            .read(|objects| objects.get(kind, id).cloned())
            .ok_or(Refusal::NotFound)
    }

    /// A document that the user may see.
    fn visible(&self, user: &User, kind: Kind, access: &Access<'_>) -> Result<Document, Refusal> {
        self.commits.read(|objects| {
            let document = objects.get(kind, access.id).ok_or(Refusal::NotFound)?;
            let person = objects.get(Kind::User, user.id).map(Arc::as_ref);
            access.check(user, person, document)?;
            Ok(Arc::clone(document))
        })
    }

    /// Changes a VM that the user may manage.
    fn manage(
        &self,
        user: &User,
        vm: Id,
        call: &str,
        change: impl FnOnce(&mut Draft) -> Result<(), Refusal>,
    ) -> Result<Pending, Refusal> {
        let ((), pending) = self.commits.draft(|draft| {
            let document = draft.get(Kind::Vm, vm).ok_or(Refusal::NotFound)?;
            let person = draft.get(Kind::User, user.id);
            Access::new(Right::Manage, call, "VM", vm).check(user, person, document)?;
            change(draft)
        })?;
        Ok(pending)
    }

    /// Has the engine do something, what follows from it, and the clock look when something is due next.
    fn engage<T>(
        &self,
        change: impl FnOnce(&mut Engine, &mut Draft, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let answer = self.with_engine(|engine, draft, now| {
            let answer = change(engine, draft, now)?;
            engine.advance(draft, now);
            Ok(answer)
        })?;
        self.alarm.ring();
        Ok(answer)
    }
}

/// What a user wants to do to an object: with which right, and in oned's words by which call to what.
struct Access<'a> {
    right: Right,
    call: &'a str,
    noun: &'static str,
    id: Id,
}

impl<'a> Access<'a> {
    fn new(right: Right, call: &'a str, noun: &'static str, id: Id) -> Self {
        Self {
            right,
            call,
            noun,
            id,
        }
    }

    fn to_see(call: &'a str, noun: &'static str, id: Id) -> Self {
        Self::new(Right::Use, call, noun, id)
    }

    fn check(&self, user: &User, person: Option<&Value>, document: &Value) -> Result<(), Refusal> {
        match rights::may(user.id, person, self.right, document) {
            true => Ok(()),
            false => Err(self.refused(user)),
        }
    }

    fn refused(&self, user: &User) -> Refusal {
        let (call, user, right) = (self.call, user.id, self.right.word());
        Refusal::NotAllowed(format!(
            "[{call}] User [{user}] : Not authorized to perform {right} {} [{}].",
            self.noun, self.id
        ))
    }
}

impl Cloud for Embedded {
    fn updates_wait(&self) -> bool {
        self.commits.is_busy()
    }

    fn vm_to_authenticate(&self, vm: Id) -> Result<Document, Refusal> {
        self.document(Kind::Vm, vm)
    }

    fn token_password(&self, user: Id) -> Result<Option<String>, Refusal> {
        let user = self.document(Kind::User, user)?;
        let password = user.get("TEMPLATE").and_then(|t| t.get("TOKEN_PASSWORD"));
        Ok(password.and_then(Value::as_str).map(str::to_string))
    }

    fn vm(&self, user: &User, vm: Id) -> Result<Document, Refusal> {
        self.visible(user, Kind::Vm, &Access::to_see("one.vm.info", "VM", vm))
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
        let access = Access::to_see("one.document.info", "DOCUMENT", service);
        self.visible(user, Kind::Service, &access)
    }

    fn vrouter(&self, user: &User, vrouter: Id) -> Result<Document, Refusal> {
        let access = Access::to_see("one.vrouter.info", "VROUTER", vrouter);
        self.visible(user, Kind::Vrouter, &access)
    }

    fn vnet(&self, user: &User, vnet: Id) -> Result<Document, Refusal> {
        self.commits.read(|objects| {
            let document = objects.get(Kind::Vnet, vnet).ok_or(Refusal::NotFound)?;
            let person = objects.get(Kind::User, user.id).map(Arc::as_ref);
            if !rights::may_use_vnet(user.id, person, document) {
                return Err(Access::to_see("one.vn.info", "NET", vnet).refused(user));
            }
            Ok(rights::with_visible_leases(
                Arc::clone(document),
                user,
                objects,
            ))
        })
    }

    fn update(&self, user: &User, vm: Id, attributes: &[Attribute]) -> Result<Pending, Refusal> {
        if let Some(attribute) = attributes
            .iter()
            .find(|a| RESTRICTED_BY_ONED.contains(&a.name.as_str()))
        {
            return Err(Refusal::Failed(format!(
                "[one.vm.update] Cannot update template. User Template includes a restricted attribute {}",
                attribute.name
            )));
        }
        let changes = Changes::of(attributes);
        self.manage(user, vm, "one.vm.update", |draft| {
            if !attributes.is_empty() {
                let document = draft.get(Kind::Vm, vm).ok_or(Refusal::NotFound)?;
                changes.fit(document)?;
                changes.merge(draft.get_mut(Kind::Vm, vm).ok_or(Refusal::NotFound)?);
            }
            Ok(())
        })
    }

    fn erase(&self, user: &User, vm: Id, name: &str) -> Result<Pending, Refusal> {
        self.manage(user, vm, "one.vm.update", |draft| {
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
        self.engage(|engine, draft, now| {
            let document = draft.get(Kind::Vm, vm).ok_or(Refusal::NotFound)?;
            let person = draft.get(Kind::User, user.id);
            Access::new(right, &call, "VM", vm).check(user, person, document)?;
            engine.act(draft, vm, action, now)
        })?;
        if let Some(Acted(tell)) = self.acted.get() {
            tell(vm, action.name);
        }
        Ok(())
    }

    fn scale(&self, user: &User, service: Id, role: &str, cardinality: u32) -> Result<(), Refusal> {
        self.engage(|engine, draft, now| {
            let document = draft.get(Kind::Service, service).ok_or(Refusal::NotFound)?;
            let person = draft.get(Kind::User, user.id);
            let access = Access::new(Right::Manage, "one.document.update", "DOCUMENT", service);
            access.check(user, person, document)?;
            let wanted = ScaleRequest {
                service,
                role,
                cardinality,
            };
            Ok(engine.scale(draft, &wanted, now)?)
        })
    }
}
