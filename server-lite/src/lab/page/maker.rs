//! The page's thread: it makes what is shown of all that changed, a few times a second and a part at a time. It works on
//! copies, so that nobody who changes something waits for it.

use super::board::Board;
use super::document::{nodes, of_outside, of_service};
use super::limits::{BYTES, DOCUMENTS, OUTSIDE, SERIES, SERVICES};
use super::marks::{Marked, Marks};
use crate::cloud::embedded::Embedded;
use crate::flow::clock::Millis;
use crate::flow::{Engine, Timings};
use crate::lab::timeline::Timeline;
use crate::objects::document::{Id, id};
use crate::objects::vm_state::{DONE, VmState};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// What makes it.
#[derive(Debug)]
pub(super) struct Maker {
    cloud: Arc<Embedded>,
    board: Arc<Board>,
    /// Reads policies; it is not the cloud's own, which changes wait for.
    engine: Engine,
    /// Services that changed, the longest ago first.
    queue: VecDeque<Id>,
    queued: HashSet<Id>,
    /// VMs that changed and are in no service.
    vms: BTreeSet<Id>,
    /// The service of each node, and the nodes of each service.
    service_of: HashMap<Id, Id>,
    nodes_of: HashMap<Id, Vec<Id>>,
    /// The VMs in no service.
    outside: BTreeSet<Id>,
    outside_changed: bool,
    /// Services with averages that changed too soon after their last points.
    unsampled: BTreeSet<Id>,
    watched: bool,
    /// How many documents were made so far: of services, and of the VMs outside of all.
    made: u64,
}

impl Maker {
    pub(super) fn new(cloud: Arc<Embedded>, board: Arc<Board>) -> Self {
        Self {
            cloud,
            board,
            engine: Engine::new(Timings::default()),
            queue: VecDeque::new(),
            queued: HashSet::new(),
            vms: BTreeSet::new(),
            service_of: HashMap::new(),
            nodes_of: HashMap::new(),
            outside: BTreeSet::new(),
            outside_changed: false,
            unsampled: BTreeSet::new(),
            watched: false,
            made: 0,
        }
    }

    /// Works until the end.
    pub(super) fn run(&mut self, marks: &Marks, timeline: &Timeline) {
        let (mut last, mut told) = (None, 0);
        while let Some((marked, watched)) = marks.take(last, self.is_left()) {
            last = Some(Instant::now());
            let changed = self.pass(marked, watched, Timestamp::now().as_millisecond());
            let newest = timeline.last();
            if changed || newest != told {
                told = newest;
                self.board.pulse.beat();
            }
        }
    }

    /// Whether something is left to do, whether something changes or not.
    fn is_left(&self) -> bool {
        !(self.queue.is_empty() && self.vms.is_empty() && self.unsampled.is_empty())
    }

    /// Makes what is shown of these, and of what is left from before, as far as one pass goes. Whether viewers have
    /// something new to see.
    fn pass(&mut self, marked: Marked, watched: bool, at: Millis) -> bool {
        marked.services.into_iter().for_each(|id| self.enqueue(id));
        for vm in marked.vms {
            match self.service_of.get(&vm) {
                Some(service) => self.enqueue(*service),
                None => drop(self.vms.insert(vm)),
            }
        }
        if watched && !std::mem::replace(&mut self.watched, watched) {
            // What was not made while nobody watched.
            let blank = self.board.lock().blank();
            blank.into_iter().for_each(|id| self.enqueue(id));
            self.outside_changed = true;
        }
        self.watched = watched;
        let before = self.board.lock().version();
        let mut budget = DOCUMENTS;
        while budget > 0
            && let Some(service) = self.queue.pop_front()
        {
            self.queued.remove(&service);
            budget = budget.saturating_sub(1 + self.look_at(service, at));
        }
        self.sample(at);
        self.look_at_vms();
        if watched && std::mem::take(&mut self.outside_changed) {
            self.make_outside();
        }
        self.board.lock().version() > before
    }

    fn enqueue(&mut self, service: Id) {
        if self.queued.insert(service) {
            self.queue.push_back(service);
        }
    }

    /// Makes what is shown of a service; gives how many nodes it has.
    fn look_at(&mut self, service: Id, at: Millis) -> usize {
        let copy = self.cloud.copy(service);
        let Some(report) = copy.report(&mut self.engine) else {
            self.remember(service, None);
            self.board.lock().end(service);
            self.made += 1;
            return 0;
        };
        let nodes = nodes(&report);
        let count = nodes.len();
        self.remember(service, Some(nodes));
        let mut shown = self.board.lock();
        if !shown.has(service) && shown.len() >= SERVICES {
            return count;
        }
        shown.measure(service, &report, SERIES);
        let short = shown.bytes() > BYTES;
        drop(shown);
        let document = self.watched.then(|| of_service(report, &copy, short));
        self.made += u64::from(document.is_some());
        let mut shown = self.board.lock();
        shown.show(service, document);
        if shown.sample(service, at) {
            self.unsampled.insert(service);
        }
        count
    }

    /// Remembers the nodes of a service.
    fn remember(&mut self, service: Id, nodes: Option<Vec<Id>>) {
        let before = match &nodes {
            Some(nodes) => self.nodes_of.insert(service, nodes.clone()),
            None => self.nodes_of.remove(&service),
        };
        for vm in before.unwrap_or_default() {
            if self.service_of.get(&vm) == Some(&service) {
                self.service_of.remove(&vm);
                self.vms.insert(vm);
            }
        }
        for vm in nodes.unwrap_or_default() {
            self.service_of.insert(vm, service);
            self.vms.remove(&vm);
            self.outside_changed |= self.outside.remove(&vm);
        }
    }

    /// Looks which of the VMs that changed are outside of all services.
    fn look_at_vms(&mut self) {
        let vms: Vec<Id> = self.vms.iter().copied().take(DOCUMENTS).collect();
        let records: HashMap<Id, _> = self.cloud.copy_vms(&vms).into_iter().collect();
        for vm in vms {
            let record = records.get(&vm).map(Arc::as_ref);
            let claimed =
                record.and_then(|record| id(record.get("USER_TEMPLATE")?.get("SERVICE_ID")));
            if claimed.is_some_and(|service| self.queued.contains(&service)) {
                // That service may have it by now.
                continue;
            }
            self.vms.remove(&vm);
            let is_there = record.is_some_and(|record| VmState::of(record) != Some(DONE));
            self.outside_changed |= match is_there {
                true => self.outside.insert(vm) || self.is_shown(vm),
                false => self.outside.remove(&vm),
            };
        }
    }

    /// Whether a VM is one of those outside of all services that are shown.
    fn is_shown(&self, vm: Id) -> bool {
        self.outside.iter().take(OUTSIDE).any(|shown| *shown == vm)
    }

    fn make_outside(&mut self) {
        let first: Vec<Id> = self.outside.iter().copied().take(OUTSIDE).collect();
        let more = self.outside.len() - first.len();
        let document = of_outside(&self.cloud.copy_vms(&first), more);
        self.made += 1;
        self.board.lock().show_outside(document);
    }

    /// Takes the samples that are left.
    fn sample(&mut self, at: Millis) {
        let mut shown = self.board.lock();
        self.unsampled.retain(|service| shown.sample(*service, at));
    }
}

#[cfg(test)]
mod tests;
