//! What makes the embedded cloud a place to test in: a timeline of what happens in it, faults on demand, VMs that run,
//! a page to watch.
//!
//! The OneGate protocol's code knows nothing of it: it watches what is committed and what requests came to, and acts on
//! the cloud as an operator does.

pub mod condition;
pub mod control;
pub mod error;
pub mod event;
pub mod faults;
pub mod machines;
pub mod observer;
pub mod page;
pub mod pulse;
pub mod timeline;

use crate::cloud::embedded::Embedded;
use crate::store::commit::Changed;
use faults::GateFaults;
use machines::{MachineOptions, Machines};
use page::Page;
use pulse::Pulse;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
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
    machines: OnceLock<Machines>,
    page: OnceLock<Page>,
}

impl Lab {
    /// A lab of this cloud. Whoever makes it calls [`Lab::changed`] after each change.
    pub fn new(cloud: Arc<Embedded>) -> Self {
        Self {
            cloud,
            timeline: Arc::default(),
            faults: Arc::default(),
            pulse: Pulse::default(),
            machines: OnceLock::new(),
            page: OnceLock::new(),
        }
    }

    /// Has a process run for each VM that is ACTIVE. To be called before the clock starts.
    ///
    /// # Errors
    /// The VMs' directory can't be used, or the system can't watch processes.
    pub fn run_machines(&self, options: MachineOptions) -> io::Result<()> {
        let machines = Machines::start(&self.cloud, &self.timeline, options)?;
        let machines = self.machines.get_or_init(|| machines);
        // What changed before it could be told.
        machines.look_at(self.cloud.all_vms());
        Ok(())
    }

    /// Shows what there is, and how it changes, on a page at this address.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn show_page(&self, listener: TcpListener) -> io::Result<()> {
        let page = Page::start(Arc::clone(&self.cloud), &self.timeline, listener)?;
        self.page.get_or_init(|| page).all_changed(&self.cloud);
        Ok(())
    }

    /// Puts the cloud's clock ahead.
    pub fn put_clock_ahead(&self, by: Duration) {
        self.cloud.put_clock_ahead(by);
        // What is left of each time is less.
        if let Some(page) = self.page.get() {
            page.all_changed(&self.cloud);
        }
    }

    /// These documents changed, and readers see it already.
    pub fn changed(&self, changed: &[Changed]) {
        for event in observer::events(changed) {
            self.timeline.push(event);
        }
        self.pulse.beat();
        if let Some(machines) = self.machines.get() {
            machines.changed(changed);
        }
        if let Some(page) = self.page.get() {
            page.changed(changed);
        }
    }

    /// Ends the processes of all VMs, and all waiting: the server ends.
    pub fn end(&self) {
        if let Some(machines) = self.machines.get() {
            machines.stop();
        }
        self.timeline.end();
        self.pulse.beat();
        if let Some(page) = self.page.get() {
            page.end();
        }
    }
}
