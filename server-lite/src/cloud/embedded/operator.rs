//! What only the operator of the embedded cloud does, and no guest may ask for: faults, new VMs, the clock.
//!
//! Where there is an `accepted`, it is called once nothing but the disk can refuse any more, and before anybody sees what
//! comes of it: so a timeline can have the cause first.

use super::Embedded;
use crate::flow::VmFault;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::objects::template::Attribute;
use crate::objects::user_template::Changes;
use crate::objects::vm_state::VmState;
use crate::store::state::Kind;
use jiff::Timestamp;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

impl Embedded {
    /// Tries again what failed in a service ([`Engine::recover`](crate::flow::Engine::recover)).
    ///
    /// # Errors
    /// There is no such service, or nothing to recover in its state.
    pub fn recover(&self, service: Id, accepted: impl FnOnce()) -> Result<(), Refusal> {
        self.with_engine(|engine, draft, now| {
            engine.recover(draft, service, now)?;
            accepted();
            Ok(())
        })?;
        self.alarm.ring();
        Ok(())
    }

    /// Sets attributes of a VM's USER_TEMPLATE, whoever owns it and whatever is restricted.
    ///
    /// # Errors
    /// There is no such VM, or it would hold too much.
    pub fn set(
        &self,
        vm: Id,
        attributes: &[Attribute],
        accepted: impl FnOnce(),
    ) -> Result<(), Refusal> {
        let changes = Changes::of(attributes);
        self.commits.change(|draft| {
            let record = draft.get_mut(Kind::Vm, vm).ok_or(Refusal::NotFound)?;
            changes.fit(record)?;
            changes.merge(record);
            accepted();
            Ok(())
        })
    }

    /// Has something happen to a VM; gives the state that it is in then.
    ///
    /// # Errors
    /// There is no such VM, or its state does not allow it.
    pub fn fault(
        &self,
        vm: Id,
        fault: VmFault,
        accepted: impl FnOnce(),
    ) -> Result<VmState, Refusal> {
        self.engage(|engine, draft, now| {
            let state = engine.fault(draft, vm, fault, now)?;
            accepted();
            Ok(state)
        })
    }

    /// Makes a VM like another one, which belongs to no service, and starts it; gives its id.
    ///
    /// # Errors
    /// There is no VM to make it like, or no address for it.
    pub fn create_like(&self, like: Id) -> Result<Id, Refusal> {
        self.engage(|engine, draft, now| engine.create_like(draft, like, now))
    }

    /// From now on VMs have processes, and pass on when [`Embedded::moved`] says so.
    pub fn with_processes(&self) {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.with_processes();
    }

    /// Puts a VM from one state into another because of what was seen of it. Whether it was in the first.
    ///
    /// # Errors
    /// It can't be stored.
    pub fn moved(&self, vm: Id, step: (VmState, VmState)) -> Result<bool, Refusal> {
        self.engage(|engine, draft, now| Ok(engine.moved(draft, vm, step, now)))
    }

    /// The state of a VM; `None` where there is no such VM.
    pub fn vm_state(&self, vm: Id) -> Option<VmState> {
        VmState::of(self.document(Kind::Vm, vm).ok()?.as_ref())
    }

    /// The ids of all VMs, in no order.
    pub fn all_vms(&self) -> Vec<Id> {
        let ids = |objects: &crate::store::state::Objects| {
            objects.all(Kind::Vm).map(|(id, _)| id).collect()
        };
        self.commits.read(ids)
    }

    /// What time it is in this cloud.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
            .saturating_add(self.ahead())
            .unwrap_or(Timestamp::MAX)
    }

    /// How far the cloud's clock is ahead of the system's.
    pub fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead.load(SeqCst).unsigned_abs())
    }

    /// Puts the cloud's clock ahead, until the process ends.
    pub fn put_clock_ahead(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let sum = |ahead: i64| Some(ahead.saturating_add(by));
        // It is never refused.
        let _ = self.ahead.fetch_update(SeqCst, SeqCst, sum);
        self.alarm.ring();
    }
}
