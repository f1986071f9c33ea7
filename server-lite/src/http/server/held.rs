//! Requests that are held until something changes: their connections cost what idle ones cost, and no thread.
//!
//! A handler that answers [`Reply::Held`] names what it waits for. When one of these topics changes the request is
//! handled again; when its time is over, or the server stops, it is answered as unchanged. A change between the
//! handler's look and the holding is not lost: [`Shared::changes`] tells that there was one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::released::Release;
use super::{Shared, lock};
use crate::http::limits::MEMORY;
use crate::http::request::Request;
use crate::http::{Hold, Reply, Topic};

/// A request that is held.
struct HeldRequest {
    request: Request,
    topics: Vec<Topic>,
    until: Instant,
    unchanged: Box<dyn FnOnce() -> Reply + Send>,
}

/// All held requests, by the number of their connection's slot.
#[derive(Default)]
pub(super) struct HeldRequests {
    requests: HashMap<usize, HeldRequest>,
    by_topic: HashMap<Topic, HashSet<usize>>,
    by_time: BTreeSet<(Instant, usize)>,
}

impl HeldRequests {
    fn insert(&mut self, slot: usize, held: HeldRequest) {
        for topic in &held.topics {
            self.by_topic.entry(*topic).or_default().insert(slot);
        }
        self.by_time.insert((held.until, slot));
        self.requests.insert(slot, held);
    }

    fn remove(&mut self, slot: usize) -> Option<HeldRequest> {
        let held = self.requests.remove(&slot)?;
        for topic in &held.topics {
            if let Some(slots) = self.by_topic.get_mut(topic) {
                slots.remove(&slot);
                if slots.is_empty() {
                    self.by_topic.remove(topic);
                }
            }
        }
        self.by_time.remove(&(held.until, slot));
        Some(held)
    }
}

impl Shared {
    /// Holds a request, unless something changed since there were `seen` changes: then it is given back.
    pub(super) fn keep(
        &self,
        slot: usize,
        request: Request,
        hold: Hold,
        seen: u64,
    ) -> Option<Request> {
        let mut held = lock(&self.held);
        held.insert(
            slot,
            HeldRequest {
                request,
                topics: hold.topics,
                until: Instant::now() + hold.wait,
                unchanged: hold.unchanged,
            },
        );
        self.held_count.store(held.requests.len(), SeqCst);
        if self.changes.load(SeqCst) == seen {
            return None;
        }
        let back = held.remove(slot);
        self.held_count.store(held.requests.len(), SeqCst);
        back.map(|held| held.request)
    }

    /// These topics changed: what waits for them goes on.
    fn changed(&self, topics: &[Topic]) {
        self.changes.fetch_add(1, SeqCst);
        if self.held_count.load(SeqCst) == 0 {
            return;
        }
        let mut held = lock(&self.held);
        for topic in topics {
            let slots = held.by_topic.get(topic).cloned().unwrap_or_default();
            for slot in slots {
                if let Some(one) = held.remove(slot) {
                    self.released.push(slot, Release::Changed(one.request));
                }
            }
        }
        self.held_count.store(held.requests.len(), SeqCst);
    }

    /// What has been held as long as it may be goes on; all of it when the server stops.
    pub(super) fn release_late(&self) {
        if self.held_count.load(SeqCst) == 0 {
            return;
        }
        let stopping = self.stopping.load(SeqCst);
        let now = Instant::now();
        let mut held = lock(&self.held);
        while let Some(&(until, slot)) = held.by_time.first() {
            if until > now && !stopping {
                break;
            }
            self.release_unchanged(&mut held, slot);
        }
    }

    /// Its client sends nothing more and may be gone: the answer tells.
    pub(super) fn release_ended(&self, slot: usize) {
        if self.held_count.load(SeqCst) > 0 {
            self.release_unchanged(&mut lock(&self.held), slot);
        }
    }

    fn release_unchanged(&self, held: &mut HeldRequests, slot: usize) {
        if let Some(one) = held.remove(slot) {
            self.released.push(slot, Release::Unchanged(one.unchanged));
        }
        self.held_count.store(held.requests.len(), SeqCst);
    }
}

/// Tells a server that something changed, and what its held requests wait for.
#[derive(Clone)]
pub struct Bell(pub(super) Arc<Shared>);

/// How much a server has to do.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections open.
    pub connections: Budget,
    /// Requests that are being handled.
    pub handling: Budget,
    /// Requests that wait for a handler.
    pub waiting: Budget,
    /// Bytes held for all clients.
    pub bytes: Budget,
    /// Requests that are held until something changes.
    pub held: usize,
}

/// What all clients share.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// How much of it is in use.
    pub used: usize,
    /// How much there is.
    pub limit: usize,
}

impl Bell {
    /// How much the server has to do now.
    pub fn load(&self) -> Load {
        let budget = |used, limit| Budget { used, limit };
        let shared = &self.0;
        let limits = &shared.limits;
        Load {
            connections: budget(shared.open.load(SeqCst), limits.connections),
            handling: budget(shared.running.load(SeqCst), limits.handlers),
            waiting: budget(shared.waiting.load(SeqCst), limits.queue),
            bytes: budget(shared.clients.memory(), MEMORY.max),
            held: self.held(),
        }
    }

    /// These topics changed, and readers see it already.
    pub fn ring(&self, topics: &[Topic]) {
        self.0.changed(topics);
    }

    /// What is waited for now.
    pub fn topics(&self) -> Vec<Topic> {
        lock(&self.0.held).by_topic.keys().copied().collect()
    }

    /// Whether the server stops, so that nothing is waited for any more.
    pub fn is_over(&self) -> bool {
        self.0.stopping.load(SeqCst)
    }

    /// How many requests are held now.
    pub fn held(&self) -> usize {
        self.0.held_count.load(SeqCst)
    }
}

/// The longest that a request is held, whatever it asks for: proxies and firewalls forget connections that are silent
/// for longer.
pub const LONGEST_HOLD: Duration = Duration::from_secs(60);
