//! Tells threads that something changed: they look, wait for the next change, and look again.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// How often something changed.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: Mutex<u64>,
    beat: Condvar,
}

impl Pulse {
    /// Something changed, and readers see it already.
    pub fn beat(&self) {
        *self.beats.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.beat.notify_all();
    }

    /// How often something changed so far.
    pub fn count(&self) -> u64 {
        *self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there were more changes than these, or until this moment.
    pub fn wait(&self, seen: u64, until: Instant) {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let waited = self
            .beat
            .wait_timeout_while(beats, left, |beats| *beats <= seen);
        drop(waited);
    }
}
