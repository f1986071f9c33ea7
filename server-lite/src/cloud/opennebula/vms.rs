//! VMs' records, as the server itself sees them: read one by one while oned keeps up, and many by one call where
//! reads have to wait for their turn.
//!
//! What a pool shows of a VM (one.vmpool.infoset, extended) is what one.vm.info shows but for MONITORING and all but
//! the last of HISTORY_RECORDS: enough to authenticate a guest and for all that GET /vm shows.

use super::document;
use super::oned::{Oned, OnedCall, Ready};
use super::reads::{Key, Landing, Own, Place, Reads, RecordKind};
use super::turns::Share;
use super::unreadable::Unreadable;
use super::upstream::Repeat;
use crate::objects::document::{Document, Id, id, list};
use crate::objects::refusal::Refusal;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// VMs of which it is remembered that no pool can be read with them in it.
const MAX_SPOILERS: usize = 256;

/// The VMs that oned is asked for.
#[derive(Debug)]
pub struct Vms {
    oned: Arc<Oned>,
    reads: Arc<Reads>,
    /// Reads that wait for their turn; the first of them waits for it, the others for that one.
    waiting: Mutex<Vec<Own>>,
    /// VMs whose record makes a whole pool unreadable, the last found at the end.
    spoilers: Mutex<VecDeque<Id>>,
}

impl Vms {
    /// VMs read from this oned.
    pub fn new(oned: Arc<Oned>, reads: Arc<Reads>) -> Self {
        Vms {
            oned,
            reads,
            waiting: Mutex::default(),
            spoilers: Mutex::default(),
        }
    }

    /// Reads that wait for their turn.
    pub fn waiting(&self) -> usize {
        lock(&self.waiting).len()
    }

    /// A VM's record that is at most this old, perhaps without what a pool leaves out.
    pub fn read(&self, vm: Id, max_age: Duration) -> Result<Document, Refusal> {
        let flight = match self.reads.place(Key::of(RecordKind::Vm, vm), max_age) {
            Place::Kept(document) => return Ok(document),
            Place::Shared(flight) => flight,
            Place::Own(own) => {
                let flight = own.flight();
                self.ask(own);
                flight
            }
        };
        match flight.wait() {
            Landing::Read(result) => result,
            Landing::Alone => self.alone(vm),
        }
    }

    /// A VM's whole record that is at most this old.
    pub fn read_whole(&self, share: Share, vm: Id, max_age: Duration) -> Result<Document, Refusal> {
        match self.reads.place(Key::of(RecordKind::WholeVm, vm), max_age) {
            Place::Kept(document) => Ok(document),
            Place::Shared(flight) => match flight.wait() {
                Landing::Read(result) => result,
                Landing::Alone => self.alone(vm),
            },
            Place::Own(own) => {
                let result = self.oned.when_sent(share, None, |ready| {
                    own.sent();
                    self.one(ready, vm)
                });
                own.land_whole(result.clone());
                result
            }
        }
    }

    /// The records of these VMs, by one call for those that are not known already; those that are gone are left out.
    pub fn read_all(
        &self,
        share: Share,
        vms: &BTreeSet<Id>,
        max_age: Duration,
    ) -> Result<Vec<Document>, Refusal> {
        let mut records = Vec::new();
        let mut unknown = Vec::new();
        for &vm in vms {
            match self.reads.kept(Key::of(RecordKind::Vm, vm), max_age) {
                Some(record) => records.push(record),
                None => unknown.push(vm),
            }
        }
        if !unknown.is_empty() {
            let asked = self.reads.now();
            let read = self
                .oned
                .when_sent(share, None, |ready| self.pool(ready, &unknown))?;
            let read = read.ok_or_else(|| {
                Refusal::Unavailable(
                    "oned's answer to one.vmpool.infoset can't be read".to_string(),
                )
            })?;
            for (vm, record) in read {
                self.reads
                    .keep(Key::of(RecordKind::Vm, vm), max_age, asked, &record);
                records.push(record);
            }
        }
        Ok(records)
    }

    /// Has oned asked for a VM, together with others that come while it is not this one's turn.
    fn ask(&self, own: Own) {
        if lock(&self.spoilers).contains(&own.id()) {
            let result = self.oned.when_sent(Share::Server, None, |ready| {
                own.sent();
                self.one(ready, own.id())
            });
            return own.land_whole(result);
        }
        {
            let mut waiting = lock(&self.waiting);
            waiting.push(own);
            if waiting.len() > 1 {
                return;
            }
        }
        // Whatever happens here, nobody is left waiting.
        let taken = Taken(&self.waiting);
        let asked = self.oned.when_sent(Share::Server, None, |ready| {
            let mut together = taken.take();
            together.iter().for_each(Own::sent);
            match (together.pop(), together.is_empty()) {
                (Some(own), true) => {
                    let result = self.one(ready, own.id());
                    own.land_whole(result);
                }
                (Some(own), false) => {
                    together.push(own);
                    self.together(ready, together);
                }
                (None, _) => {}
            }
            Ok(())
        });
        if let Err(refusal) = asked {
            for own in taken.take() {
                own.land(Landing::Read(Err(refusal.clone())));
            }
        }
    }

    fn together(&self, ready: &mut Ready, together: Vec<Own>) {
        let ids: Vec<Id> = together.iter().map(Own::id).collect();
        let read = self.pool(ready, &ids);
        let unusable = ready.was_unusable();
        for own in together {
            let outcome = match &read {
                // What a pool leaves out may still be there, a VM that is DONE for example.
                Ok(Some(records)) => match records.get(&own.id()) {
                    Some(record) => Landing::Read(Ok(Arc::clone(record))),
                    None => Landing::Alone,
                },
                Ok(None) => Landing::Alone,
                Err(Refusal::Unavailable(_)) if unusable => Landing::Alone,
                Err(Refusal::Unavailable(cause)) => {
                    Landing::Read(Err(Refusal::Unavailable(cause.clone())))
                }
                Err(_) => Landing::Alone,
            };
            own.land(outcome);
        }
    }

    /// After a pool that was of no use: the one whose record made it so is never asked for with others again.
    fn alone(&self, vm: Id) -> Result<Document, Refusal> {
        let mut unusable = false;
        let result = self.oned.when_sent(Share::Server, None, |ready| {
            let result = self.one(ready, vm);
            unusable = ready.was_unusable();
            result
        });
        if unusable {
            let mut spoilers = lock(&self.spoilers);
            if !spoilers.contains(&vm) {
                if spoilers.len() == MAX_SPOILERS {
                    spoilers.pop_front();
                }
                spoilers.push_back(vm);
            }
        }
        result
    }

    fn one(&self, ready: &mut Ready, vm: Id) -> Result<Document, Refusal> {
        self.oned.send_info(ready, None, RecordKind::WholeVm, vm)
    }

    /// The records by id; `None` where the answer cannot be read.
    fn pool(
        &self,
        ready: &mut Ready,
        vms: &[Id],
    ) -> Result<Option<HashMap<Id, Document>>, Refusal> {
        let ids: Vec<String> = vms.iter().map(Id::to_string).collect();
        let ids = ids.join(",");
        let call = OnedCall {
            as_whom: None,
            method: "one.vmpool.infoset",
            parameters: &[ids.as_str().into(), true.into()],
            repeat: Repeat::Harmless,
        };
        self.oned.send(ready, call, |xml| Ok(pool(&xml).ok()))
    }
}

/// Reads a VM_POOL: its VMs by id.
pub fn pool(xml: &str) -> Result<HashMap<Id, Document>, Unreadable> {
    let pool = document::parse(xml, "VM_POOL")?;
    let records = list(pool.get("VM")).iter();
    Ok(records
        .filter_map(|record| Some((id(record.get("ID"))?, Arc::new(record.clone()))))
        .collect())
}

/// The reads that wait, for whoever waits for the turn; none stays behind.
struct Taken<'a>(&'a Mutex<Vec<Own>>);

impl Taken<'_> {
    fn take(&self) -> Vec<Own> {
        std::mem::take(&mut *lock(self.0))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // A new first one may be waiting by now, with those who joined it: they have their own.
        if std::thread::panicking() {
            self.take();
        }
    }
}

/// What these locks guard is whole between any two statements, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
