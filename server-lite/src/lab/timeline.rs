//! The timeline: the latest events, within a budget. Whoever wants to know what comes next waits without polling, and
//! pushing costs the same whether anybody waits or not.

use super::event::{Actor, Event, EventKind};
use crate::gate::routes::{Deed, Outcome};
use crate::objects::document::Id;
use crate::objects::message::shown;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many events are kept of what guests do, and how many of all else: no guest can push a decision out.
const KEPT: usize = 2048;
/// How many bytes each of the two halves takes at most.
const BYTES: usize = 512 * 1024;
/// The most characters of an event's text.
const TEXT: usize = 300;
/// How often a request without a valid token is told of: anybody can send as many as they like.
const ANONYMOUS: Duration = Duration::from_secs(1);

/// The latest events, oldest first.
#[derive(Debug, Default)]
pub struct Timeline {
    kept: Mutex<Kept>,
    pushed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    guests: Half,
    rest: Half,
    /// When a request without a valid token was told of, and how many came since.
    anonymous: Option<(Instant, u64)>,
    /// Nothing is waited for any more.
    over: bool,
}

#[derive(Debug, Default)]
struct Half {
    events: VecDeque<Event>,
    bytes: usize,
}

impl Half {
    fn push(&mut self, event: Event) {
        self.bytes += event.size();
        self.events.push_back(event);
        while self.events.len() > KEPT || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.size();
        }
    }

    /// Those after this number.
    fn since(&self, after: u64) -> impl Iterator<Item = &Event> {
        let first = self.events.partition_point(|event| event.number <= after);
        self.events.range(first..)
    }
}

impl Timeline {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event, with the next number.
    pub fn push(&self, mut event: Event) {
        event.text = shown(&event.text, TEXT);
        let mut kept = self.lock();
        kept.last += 1;
        event.number = kept.last;
        match event.kind.is_of_guests() {
            true => kept.guests.push(event),
            false => kept.rest.push(event),
        }
        drop(kept);
        self.pushed.notify_all();
    }

    /// Tells what a request came to, unless it only read. `why` is what the log says of a refusal.
    pub fn request(&self, outcome: &Outcome, why: &str) {
        let by = outcome.vm.map(Actor::Vm);
        let status = outcome.response.status;
        let is_refused = status >= 400;
        let Some(deed) = &outcome.deed else {
            if is_refused {
                self.refused(by, format!("{status} {why}"));
            }
            return;
        };
        let (kind, mut text) = (kind_of(deed), in_words(deed));
        if is_refused {
            let _ = write!(text, ": {status} {why}");
        }
        let kind = if is_refused { EventKind::Refusal } else { kind };
        let mut event = Event::new(kind, text).by(by);
        match deed {
            Deed::Update { vm, names, .. } => {
                event.vm = Some(*vm);
                event.keys.clone_from(names);
            }
            Deed::Act { vm, .. } => event.vm = Some(*vm),
            Deed::Scale { service, .. } => {
                event.service = Some(*service);
                event.role.clone_from(&outcome.parameter);
            }
        }
        self.push(event);
    }

    /// A request that was refused before it was known what was to be done.
    fn refused(&self, by: Option<Actor>, mut text: String) {
        if by.is_none() {
            let mut kept = self.lock();
            let now = Instant::now();
            match &mut kept.anonymous {
                Some((told, more)) if now < *told + ANONYMOUS => {
                    *more += 1;
                    return;
                }
                told => {
                    let more = told.take().map_or(0, |(_, more)| more);
                    if more > 0 {
                        let _ = write!(text, " (and {more} more before it)");
                    }
                    *told = Some((now, 0));
                }
            }
        }
        self.push(Event::new(EventKind::Refusal, text).by(by));
    }

    /// The number of the last event; 0 where there is none yet.
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// The events after this number that are still there, oldest first.
    pub fn since(&self, after: u64) -> Vec<Event> {
        self.lock().since(after)
    }

    /// The same, but at most so many: the latest of each half. Beside them, how many that are after this number are not
    /// among them.
    pub fn latest(&self, after: u64, at_most: usize) -> (Vec<Event>, u64) {
        let kept = self.lock();
        let latest = |half: &Half| {
            let events = half.events.iter().rev().take(at_most / 2);
            let after = events.take_while(|event| event.number > after);
            after.cloned().collect::<Vec<Event>>()
        };
        let mut events = latest(&kept.guests);
        events.extend(latest(&kept.rest));
        let all = kept.last.saturating_sub(after);
        drop(kept);
        events.sort_unstable_by_key(|event| event.number);
        let left_out = all.saturating_sub(events.len() as u64);
        (events, left_out)
    }

    /// The same as [`Timeline::since`], but waits so long for one if there is none. Empty when the time is over, or the server ends
    /// ([`Timeline::is_over`]).
    pub fn wait(&self, after: u64, at_most: Duration) -> Vec<Event> {
        let none = |kept: &mut Kept| kept.last <= after && !kept.over;
        let waited = self.pushed.wait_timeout_while(self.lock(), at_most, none);
        let (kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        kept.since(after)
    }

    /// Ends all waiting: the server ends.
    pub fn end(&self) {
        self.lock().over = true;
        self.pushed.notify_all();
    }

    /// Whether the server ends.
    pub fn is_over(&self) -> bool {
        self.lock().over
    }
}

impl Kept {
    fn since(&self, after: u64) -> Vec<Event> {
        let (guests, rest) = (self.guests.since(after), self.rest.since(after));
        let mut events: Vec<Event> = guests.chain(rest).cloned().collect();
        events.sort_unstable_by_key(|event| event.number);
        events
    }
}

fn kind_of(deed: &Deed) -> EventKind {
    match deed {
        Deed::Update { .. } => EventKind::Update,
        Deed::Act { .. } => EventKind::Action,
        Deed::Scale { .. } => EventKind::Scale,
    }
}

fn in_words(deed: &Deed) -> String {
    match deed {
        Deed::Update { names, erased, .. } => {
            let verb = if *erased { "erases" } else { "sets" };
            format!("{verb} {}", names.join(" "))
        }
        Deed::Act { action, .. } => (*action).to_owned(),
        Deed::Scale { cardinality, .. } => format!("cardinality {cardinality} asked for"),
    }
}

/// The event of an update of these attributes.
pub fn update(vm: Id, names: Vec<String>) -> Event {
    let event = Event::new(EventKind::Update, format!("sets {}", names.join(" ")));
    Event {
        keys: names,
        ..event.of_vm(vm)
    }
}

#[cfg(test)]
mod tests;
