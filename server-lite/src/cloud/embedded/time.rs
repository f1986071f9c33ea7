//! Time in the embedded cloud: a thread that asks the service engine what is due, and everything else that the engine
//! has a part in.

use super::Embedded;
use crate::flow::{DecisionCounts, Engine};
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::store::state::{Draft, Kind, Writes};
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the clock waits after a change of its own could not be stored.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// Wakes the clock when something has become due sooner than it knows.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    rung: Mutex<bool>,
    bell: Condvar,
    /// The clock is to end.
    over: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Embedded {
    /// Lets time pass: a thread that moves VMs and services on when they are due, until [`Embedded::stop_clock`] or
    /// until the cloud is dropped.
    /// `report` is told when a change of its own could not be stored, and when it can be again.
    pub fn start_clock(
        self: &Arc<Self>,
        report: impl Fn(&str) + Send + 'static,
    ) -> std::io::Result<()> {
        let cloud = Arc::downgrade(self);
        let alarm = Arc::clone(&self.alarm);
        let thread = std::thread::Builder::new()
            .name("clock".into())
            .spawn(move || {
                let mut first = true;
                let mut failing = false;
                while !alarm.over.load(SeqCst)
                    && let Some(cloud) = cloud.upgrade()
                {
                    let wait = match cloud.advance(first) {
                        Ok(due) => {
                            if std::mem::take(&mut failing) {
                                report("what time does is stored again");
                            }
                            first = false;
                            Duration::try_from(due - cloud.now()).unwrap_or_default()
                        }
                        Err(refusal) => {
                            // Once is enough: it is tried again until it can be stored.
                            if !std::mem::replace(&mut failing, true) {
                                report(&format!(
                                    "what time does cannot be stored: {}",
                                    refusal.cause()
                                ));
                            }
                            AFTER_A_FAILURE
                        }
                    };
                    drop(cloud);
                    alarm.wait(wait);
                }
            })?;
        *self.alarm.thread() = Some(thread);
        Ok(())
    }

    /// Ends the clock's thread and waits for it: a process that ended while it holds the cloud would leave the store
    /// as if it had been killed.
    pub fn stop_clock(&self) {
        let thread = self.alarm.thread().take();
        if let Some(thread) = thread {
            self.alarm.over.store(true, SeqCst);
            self.alarm.ring();
            // A fault in it was reported when it happened.
            let _ = thread.join();
        }
    }

    /// Does what is due, and says when to come again.
    fn advance(&self, first: bool) -> Result<Timestamp, Refusal> {
        self.with_engine(|engine, draft, now| {
            if first {
                engine.start(draft, now);
            }
            Ok(engine.advance(draft, now))
        })
    }

    /// A change that the engine makes or has to know of.
    pub(super) fn with_engine<T>(
        &self,
        change: impl FnOnce(&mut Engine, &mut Draft, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.commits.change(|draft| {
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut engine, draft, self.now())
        })
    }

    /// What came of the policies' wishes since the start.
    pub fn decisions(&self) -> DecisionCounts {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.decisions()
    }

    /// The services' ids, in order.
    pub fn services(&self) -> Vec<Id> {
        let none = Writes::new();
        self.commits
            .read(|objects| Draft::new(objects, &none).ids(Kind::Service))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.alarm.ring();
    }
}

impl Alarm {
    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }

    /// Waits so long, or until it rings.
    fn wait(&self, at_most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self
            .bell
            .wait_timeout_while(rung, at_most, |rung| !*rung)
            .unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}
