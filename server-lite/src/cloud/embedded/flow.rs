//! The service engine: what oned's and OneFlow's own clocks do to the embedded cloud's documents.
//!
//! VMs pass through their states, services are deployed, scaled and cooled down, and the roles' policies are
//! evaluated at each poll. All of it is functions over a [`Draft`] and the time, which the caller passes in: nothing
//! here waits, looks at a clock or starts a thread. What has to be remembered lies beside the documents
//! ([`clock`]), so that it is stored and forgotten with them.

pub mod clock;
mod lease;
mod new_vm;
pub mod service;
mod vms;
mod watch;

use super::state::{Draft, Kind};
use crate::cloud::{Id, Refusal, VmAction};
use jiff::Timestamp;
use std::time::Duration;

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a VM stays in each state that passes by itself.
    pub vm_step: Duration,
    /// The cooldown after a scaling where neither the policy nor the role has one.
    pub cooldown: Duration,
    /// How often the policies are looked at.
    pub interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vm_step: Duration::from_millis(300),
            cooldown: Duration::from_secs(2),
            interval: Duration::from_secs(10),
        }
    }
}

/// The engine: its options and what it keeps at hand. It may be dropped and made again at any time.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    next_poll: Option<Timestamp>,
}

impl Engine {
    /// An engine that polls at its first [`Engine::advance`].
    pub fn new(options: Options) -> Self {
        Self {
            options,
            next_poll: None,
        }
    }

    /// Takes up what a scenario or a stop left halfway: VMs in a passing state, services yet to be deployed. To be
    /// called once, before anything else.
    pub fn start(&mut self, draft: &mut Draft<'_>, now: Timestamp) {
        for vm in draft.ids(Kind::Vm) {
            vms::keep_moving(draft, vm, &self.options, now);
        }
        for service in draft.ids(Kind::Service) {
            service::complete(draft, service);
        }
    }

    /// Does all that is due, and says when to call again. Call it after [`Engine::act`] and [`Engine::scale`] too.
    pub fn advance(&mut self, draft: &mut Draft<'_>, now: Timestamp) -> Timestamp {
        loop {
            let moved = vms::advance(draft, &self.options, now);
            let watched = watch::advance(draft, &self.options, now);
            if !moved && !watched {
                break;
            }
        }
        let next_poll = match self.next_poll {
            Some(next) if next > now => next,
            _ => later(now, self.options.interval),
        };
        self.next_poll = Some(next_poll);
        let due = [vms::due(draft), watch::due(draft, now)];
        due.into_iter().flatten().fold(next_poll, Timestamp::min)
    }

    /// Performs an action on a VM, from the states in which oned allows it. The user's rights are the caller's to
    /// check ([`action::Action::admin`]).
    pub fn act(
        &mut self,
        draft: &mut Draft<'_>,
        vm: Id,
        action: &VmAction,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        vms::act(draft, vm, action, &self.options, now)
    }

    /// Sets the cardinality of a role. The reason of a refusal is for the log: OneGate's guests only hear
    /// `Error performing action on service N role R`.
    pub fn scale(
        &mut self,
        draft: &mut Draft<'_>,
        service: Id,
        role: &str,
        cardinality: u32,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        watch::scale_by_hand(draft, service, role, cardinality, &self.options, now)
    }
}

/// A moment later; at the end of time rather than past it.
fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "flow/tests.rs"]
mod tests;
