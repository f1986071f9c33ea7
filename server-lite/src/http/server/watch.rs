//! Who watches the epoll set: as many workers at a time as there are processors. The kernel wakes one thread for each
//! event; if all of them waited, a busy server would spend its time changing from thread to thread.

use std::sync::{Condvar, Mutex};
use std::thread;

use super::lock;

/// The places of those who watch.
#[derive(Debug)]
pub(super) struct Watch {
    free: Mutex<Places>,
    changed: Condvar,
}

#[derive(Debug)]
struct Places {
    free: usize,
    /// Nobody watches any more.
    over: bool,
}

impl Watch {
    pub(super) fn new() -> Watch {
        let free = thread::available_parallelism().map_or(1, usize::from);
        Watch {
            free: Mutex::new(Places { free, over: false }),
            changed: Condvar::new(),
        }
    }

    /// Waits for a place and takes it; false when there is nothing more to watch.
    pub(super) fn take(&self) -> bool {
        let places = lock(&self.free);
        let places = self
            .changed
            .wait_while(places, |places| places.free == 0 && !places.over);
        let mut places = places.unwrap_or_else(std::sync::PoisonError::into_inner);
        places.free = places.free.saturating_sub(1);
        !places.over
    }

    /// Gives the place to the next who waits for one.
    pub(super) fn give(&self) {
        lock(&self.free).free += 1;
        self.changed.notify_one();
    }

    /// Sends everybody home.
    pub(super) fn end(&self) {
        lock(&self.free).over = true;
        self.changed.notify_all();
    }
}
