//! What changed since the page's thread looked last: ids alone, so that marking costs next to nothing.

use super::limits::{IDLE_LOOK, LOOK};
use crate::objects::document::Id;
use crate::store::commit::Changed;
use crate::store::state::Kind;
use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What changed, and who watches.
#[derive(Debug, Default)]
pub(super) struct Marks {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    marked: Marked,
    viewers: usize,
    over: bool,
}

/// What changed.
#[derive(Debug, Default)]
pub(super) struct Marked {
    /// Services, or what the engine remembers of them.
    pub(super) services: BTreeSet<Id>,
    /// VMs.
    pub(super) vms: BTreeSet<Id>,
}

impl Marked {
    fn extend(&mut self, more: Self) {
        self.services.extend(more.services);
        self.vms.extend(more.vms);
    }

    fn is_empty(&self) -> bool {
        self.services.is_empty() && self.vms.is_empty()
    }
}

/// A viewer, for as long as it watches.
#[derive(Debug)]
pub(super) struct Watching<'m>(&'m Marks);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.lock().viewers -= 1;
    }
}

impl Marks {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks what changed.
    pub(super) fn changed(&self, changed: &[Changed]) {
        let mut marked = Marked::default();
        for one in changed {
            match one.kind {
                Kind::Vm => marked.vms.insert(one.id),
                Kind::Service | Kind::ServiceClock => marked.services.insert(one.id),
                _ => continue,
            };
        }
        if !marked.is_empty() {
            self.mark(marked);
        }
    }

    /// Marks these.
    pub(super) fn mark(&self, more: Marked) {
        let mut state = self.lock();
        let was_empty = state.marked.is_empty();
        state.marked.extend(more);
        drop(state);
        // Where something is marked already, nobody waits for a mark.
        if was_empty {
            self.bell.notify_one();
        }
    }

    /// Counts a viewer, unless there are so many already.
    pub(super) fn watch(&self, most: usize) -> Option<Watching<'_>> {
        let mut state = self.lock();
        if state.viewers >= most {
            return None;
        }
        state.viewers += 1;
        drop(state);
        self.bell.notify_one();
        Some(Watching(self))
    }

    /// Ends the waiting.
    pub(super) fn end(&self) {
        self.lock().over = true;
        self.bell.notify_one();
    }

    /// Waits until it is time to look again after the last time: soon where somebody watches, and otherwise once
    /// something changed, or something is left to do. What changed, and whether somebody watches; `None` at the end.
    pub(super) fn take(&self, last: Option<Instant>, is_left: bool) -> Option<(Marked, bool)> {
        let mut state = self.lock();
        loop {
            if state.over {
                return None;
            }
            let watched = state.viewers > 0;
            let each = if watched { LOOK } else { IDLE_LOOK };
            let due = last.and_then(|last| (last + each).checked_duration_since(Instant::now()));
            let due = due.filter(|due| !due.is_zero());
            state = match due {
                Some(due) => {
                    let waited = self.bell.wait_timeout(state, due);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None if watched || is_left || !state.marked.is_empty() => {
                    return Some((std::mem::take(&mut state.marked), watched));
                }
                None => {
                    let waited = self.bell.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}
