//! Where events wait for the main thread. (std's channels would cost the binary 20 KB more.)

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// A queue that several threads put into; each clone is the same queue.
#[derive(Debug)]
pub(super) struct Inbox<T>(Arc<(Mutex<VecDeque<T>>, Condvar)>);

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Inbox<T> {
        Inbox(Arc::clone(&self.0))
    }
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Inbox<T> {
        Inbox(Arc::default())
    }

    pub(super) fn send(&self, event: T) {
        let (queue, bell) = &*self.0;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(event);
        bell.notify_one();
    }

    /// The next event; `None` if there is none until then. Without a time it is waited for.
    pub(super) fn take(&self, until: Option<Instant>) -> Option<T> {
        let (queue, bell) = &*self.0;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(event) = queue.pop_front() {
                return Some(event);
            }
            queue = match until {
                None => bell.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = bell.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
