//! What makes the embedded cloud a place to test in: a timeline of what happens in it, faults on demand, VMs that run.
//!
//! The OneGate protocol's code knows nothing of it: it watches what is committed and what requests came to, and acts on
//! the cloud as an operator does.

pub mod condition;
pub mod control;
pub mod error;
pub mod event;
pub mod faults;
pub mod observer;
pub mod pulse;
pub mod timeline;

use crate::cloud::embedded::Embedded;
use crate::store::commit::Changed;
use faults::GateFaults;
use pulse::Pulse;
use std::sync::Arc;
use timeline::Timeline;

/// A cloud, and what is made of it to test with.
#[derive(Debug)]
pub struct Lab {
    /// The cloud.
    pub cloud: Arc<Embedded>,
    /// What happens in it.
    pub timeline: Arc<Timeline>,
    /// What guests experience of the server.
    pub faults: Arc<GateFaults>,
    pulse: Pulse,
}

impl Lab {
    /// A lab of this cloud. Whoever makes it calls [`Lab::changed`] after each change.
    pub fn new(cloud: Arc<Embedded>) -> Self {
        Self {
            cloud,
            timeline: Arc::default(),
            faults: Arc::default(),
            pulse: Pulse::default(),
        }
    }

    /// These documents changed, and readers see it already.
    pub fn changed(&self, changed: &[Changed]) {
        for event in observer::events(changed) {
            self.timeline.push(event);
        }
        self.pulse.beat();
    }

    /// Ends all waiting: the server ends.
    pub fn end(&self) {
        self.timeline.end();
        self.pulse.beat();
    }
}
