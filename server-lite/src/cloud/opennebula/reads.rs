//! Records as oned last told them: each is asked for only as often as its age demands, and by one call at a time.
//!
//! Every read says how old its answer may be. One that is young enough is answered from memory; one that somebody is
//! asking oned for already is shared, unless that call was sent too early; else oned is asked. A record that was
//! changed through this server is never answered as it was before.

use super::clock::Clock;
use crate::objects::document::{Document, Id};
use crate::objects::refusal::Refusal;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// More records than this are not remembered at once: a record takes some 20 kB.
const MAX_KEPT: usize = 4096;
/// For how long it is remembered that a record was changed: longer than any call may take.
const LONGEST_CALL: Duration = Duration::from_secs(120);

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A VM, perhaps as a pool shows it: without what is monitored and most of its history.
    Vm,
    /// A VM with everything.
    WholeVm,
    /// A user.
    User,
    /// A service: a document to oned.
    Service,
    /// A virtual router.
    Vrouter,
    /// A virtual network.
    Vnet,
}

impl RecordKind {
    /// The call that reads one, and the outermost element of its answer.
    pub fn call(self) -> (&'static str, &'static str) {
        match self {
            RecordKind::Vm | RecordKind::WholeVm => ("one.vm.info", "VM"),
            RecordKind::User => ("one.user.info", "USER"),
            RecordKind::Service => ("one.document.info", "DOCUMENT"),
            RecordKind::Vrouter => ("one.vrouter.info", "VROUTER"),
            RecordKind::Vnet => ("one.vn.info", "VNET"),
        }
    }
}

/// Which record, and as whom it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// What it is.
    pub kind: RecordKind,
    /// Its id.
    pub id: Id,
    /// The user in whose name it is read; `None` for the server's own.
    pub user: Option<Id>,
}

impl Key {
    /// The record as the server itself sees it.
    pub fn of(kind: RecordKind, id: Id) -> Self {
        Key {
            kind,
            id,
            user: None,
        }
    }
}

/// What oned told, and what it is being asked for.
#[derive(Debug)]
pub struct Reads {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<Key, Kept>,
    flights: HashMap<Key, Arc<Flight>>,
    /// When a record was changed through this server.
    changed: HashMap<(RecordKind, Id), Instant>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Kept {
    /// When oned was asked for it.
    asked: Instant,
    /// How old it may be, as far as anybody wanted to know.
    max_age: Duration,
    document: Document,
}

/// How a shared call ended.
#[derive(Debug, Clone)]
pub enum Landing {
    /// So for all who share it.
    Read(Result<Document, Refusal>),
    /// It says nothing about this record: it is to be read by a call of its own.
    Alone,
}

/// A call that several may wait for.
#[derive(Debug, Default)]
pub struct Flight {
    state: Mutex<FlightState>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct FlightState {
    sent: Option<Instant>,
    outcome: Option<Landing>,
}

/// Where a read finds its answer.
#[derive(Debug)]
pub enum Place {
    /// Here.
    Kept(Document),
    /// With a call that another one makes.
    Shared(Arc<Flight>),
    /// With a call that it must make itself.
    Own(Own),
}

/// The duty to make a call for all who share it. Dropped undone, it sends them to oned themselves.
#[derive(Debug)]
pub struct Own {
    reads: Arc<Reads>,
    key: Key,
    max_age: Duration,
    flight: Arc<Flight>,
}

impl Reads {
    /// Nothing read yet.
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Reads {
            clock,
            state: Mutex::default(),
        })
    }

    /// A record that is at most this old, if it is here.
    pub fn kept(&self, key: Key, max_age: Duration) -> Option<Document> {
        lock(&self.state).kept(key, self.clock.now(), max_age)
    }

    /// Where to find a record that is at most this old.
    pub fn place(self: &Arc<Self>, key: Key, max_age: Duration) -> Place {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        if let Some(document) = state.kept(key, now, max_age) {
            return Place::Kept(document);
        }
        let good = state.good_for(key, now, max_age);
        if let Some(flight) = state.flights.get(&key)
            && lock(&flight.state).sent.is_none_or(good)
        {
            return Place::Shared(Arc::clone(flight));
        }
        let flight = Arc::<Flight>::default();
        state.flights.insert(key, Arc::clone(&flight));
        Place::Own(Own {
            reads: Arc::clone(self),
            key,
            max_age,
            flight,
        })
    }

    /// A record that is at most this old; `ask` asks oned for it.
    pub fn read(
        self: &Arc<Self>,
        key: Key,
        max_age: Duration,
        ask: impl Fn(Option<&Own>) -> Result<Document, Refusal>,
    ) -> Result<Document, Refusal> {
        match self.place(key, max_age) {
            Place::Kept(document) => Ok(document),
            Place::Shared(flight) => match flight.wait() {
                Landing::Read(result) => result,
                Landing::Alone => ask(None),
            },
            Place::Own(own) => {
                let result = ask(Some(&own));
                own.land(Landing::Read(result.clone()));
                result
            }
        }
    }

    /// Remembers a record that oned told beside others, asked for at this time.
    pub fn keep(&self, key: Key, max_age: Duration, asked: Instant, document: &Document) {
        if max_age.is_zero() {
            return;
        }
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.sweep(now, max_age);
        if state.kept.len() < MAX_KEPT || state.kept.contains_key(&key) {
            let document = Arc::clone(document);
            let kept = Kept {
                asked,
                max_age,
                document,
            };
            state.kept.insert(key, kept);
        }
    }

    /// From now on this record is not answered as it was before.
    pub fn changed(&self, kind: RecordKind, id: Id) {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.changed.insert((kind.group(), id), now);
        state.sweep(now, Duration::from_secs(1));
    }

    /// The time, as the ages of records count it.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl RecordKind {
    /// A change concerns every view of a record.
    fn group(self) -> Self {
        match self {
            RecordKind::WholeVm => RecordKind::Vm,
            kind => kind,
        }
    }
}

impl State {
    fn kept(&self, key: Key, now: Instant, max_age: Duration) -> Option<Document> {
        let kept = self.kept.get(&key).filter(|_| !max_age.is_zero())?;
        let good = self.good_for(key, now, max_age)(kept.asked);
        good.then(|| Arc::clone(&kept.document))
    }

    /// Whether what was asked for at a time is good enough: young, and younger than the last change.
    fn good_for(
        &self,
        key: Key,
        now: Instant,
        max_age: Duration,
    ) -> impl Fn(Instant) -> bool + use<> {
        let changed = self.changed.get(&(key.kind.group(), key.id)).copied();
        move |asked| {
            now.saturating_duration_since(asked) <= max_age
                && changed.is_none_or(|changed| asked > changed)
        }
    }

    /// Forgets, now and then, what nobody may be answered with any more.
    fn sweep(&mut self, now: Instant, every: Duration) {
        let due = |swept: Instant| now.saturating_duration_since(swept) >= every;
        if !self.swept.is_none_or(due) && self.kept.len() < MAX_KEPT {
            return;
        }
        self.swept = Some(now);
        let age = |since: Instant| now.saturating_duration_since(since);
        self.kept.retain(|_, kept| age(kept.asked) <= kept.max_age);
        let longest = self.kept.values().map(|kept| kept.max_age).max();
        let longest = longest.unwrap_or_default().max(LONGEST_CALL);
        self.changed.retain(|_, since| age(*since) <= longest);
    }
}

impl Flight {
    /// Waits for the call to end; whoever makes it has only so much time.
    pub fn wait(&self) -> Landing {
        let state = self
            .landed
            .wait_while(lock(&self.state), |state| state.outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.outcome.clone().unwrap_or(Landing::Alone)
    }

    fn land(&self, outcome: Landing) {
        lock(&self.state).outcome.get_or_insert(outcome);
        self.landed.notify_all();
    }
}

impl Own {
    /// Which record it is.
    pub fn id(&self) -> Id {
        self.key.id
    }

    /// The call, to wait for.
    pub fn flight(&self) -> Arc<Flight> {
        Arc::clone(&self.flight)
    }

    /// To be called when the call is sent: from then on it may be too early for others.
    pub fn sent(&self) {
        let now = self.reads.now();
        lock(&self.flight.state).sent.get_or_insert(now);
    }

    /// Hands the outcome to all who wait, and remembers what was read.
    pub fn land(self, outcome: Landing) {
        if let Landing::Read(Ok(document)) = &outcome {
            let asked = lock(&self.flight.state).sent;
            let asked = asked.unwrap_or_else(|| self.reads.now());
            self.reads.keep(self.key, self.max_age, asked, document);
        }
        self.flight.land(outcome);
    }

    /// The same for a VM that was read with everything.
    pub fn land_whole(self, result: Result<Document, Refusal>) {
        if let Ok(document) = &result {
            let asked = lock(&self.flight.state).sent;
            let asked = asked.unwrap_or_else(|| self.reads.now());
            for kind in [RecordKind::Vm, RecordKind::WholeVm] {
                let key = Key { kind, ..self.key };
                self.reads.keep(key, self.max_age, asked, document);
            }
        }
        self.flight.land(Landing::Read(result));
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut state = lock(&self.reads.state);
        if let Some(flight) = state.flights.get(&self.key)
            && Arc::ptr_eq(flight, &self.flight)
        {
            state.flights.remove(&self.key);
        }
        drop(state);
        self.flight.land(Landing::Alone);
    }
}

/// What these locks guard is whole between any two statements, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
