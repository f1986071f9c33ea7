//! The service engine: what oned's and OneFlow's own clocks do to the embedded cloud's documents.
//!
//! VMs pass through their states, services are deployed, scaled and cooled down, and the roles' policies are
//! evaluated at each poll. All of it is functions over a [`Draft`] and the time, which the caller passes in: nothing
//! here waits, looks at a clock or starts a thread. What has to be remembered lies beside the documents
//! ([`clock`]), so that it is stored and forgotten with them.

pub mod clock;
pub mod expression;
mod lease;
mod measure;
mod new_vm;
pub mod policy;
mod poll;
mod report;
pub mod schedule;
pub mod service;
mod vms;
mod watch;

use crate::objects::action::VmAction;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use policy::Texts;
use serde_json::Value;
use service::Role;
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

impl Options {
    /// The cooldown after a scaling of this role that no policy sets.
    fn cooldown_of(&self, role: &Role) -> Duration {
        role.cooldown.unwrap_or(self.cooldown)
    }
}

/// The engine: its options and what it keeps at hand. It may be dropped and made again at any time.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    next_poll: Option<Timestamp>,
    /// VMs changed their states since the services were last compared with all of theirs.
    vms_changed: bool,
    /// Something changed since records of VMs that are gone were last counted.
    to_tidy: bool,
    texts: Texts,
}

impl Engine {
    /// An engine that polls at its first [`Engine::advance`].
    pub fn new(options: Options) -> Self {
        let texts = Texts::new(TimeZone::system());
        Self {
            options,
            next_poll: None,
            vms_changed: true,
            to_tidy: true,
            texts,
        }
    }

    /// The same engine, reading dates and cron in this zone instead of the system's.
    pub fn in_zone(self, zone: TimeZone) -> Self {
        let texts = Texts::new(zone);
        Self { texts, ..self }
    }

    /// What OneFlow would refuse in a service, each with its role. The engine works around all of it: a policy that
    /// cannot be read never fires.
    pub fn problems(&mut self, service: &Value) -> Vec<String> {
        let roles = service::body(service).and_then(|body| body.get("roles")?.as_array());
        let Some(roles) = roles else {
            return vec!["it has no roles".into()];
        };
        let mut problems = Vec::new();
        for role in roles {
            let name = role.get("name").and_then(Value::as_str).unwrap_or("?");
            let found = policy::problems(&mut self.texts, role);
            problems.extend(found.into_iter().map(|why| format!("role {name}: {why}")));
        }
        problems
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
        self.settle(draft, now);
        let next_poll = match self.next_poll {
            // One too far away is from before the clock was set back.
            Some(next) if next > now && next <= later(now, self.options.interval) => next,
            _ => {
                if std::mem::take(&mut self.to_tidy) {
                    vms::forget(draft);
                }
                poll::poll(draft, &mut self.texts, &self.options, now);
                self.settle(draft, now);
                later(now, self.options.interval)
            }
        };
        self.next_poll = Some(next_poll);
        let due = [vms::due(draft), watch::due(draft, now)];
        due.into_iter().flatten().fold(next_poll, Timestamp::min)
    }

    /// Moves VMs and services on until nothing is due.
    fn settle(&mut self, draft: &mut Draft<'_>, now: Timestamp) {
        loop {
            let moved = vms::advance(draft, &self.options, now);
            let all = moved || std::mem::take(&mut self.vms_changed);
            if !watch::advance(draft, all, &self.options, now) && !moved {
                break;
            }
            self.to_tidy = true;
        }
    }

    /// Performs an action on a VM, from the states in which oned allows it. The user's rights are the caller's to
    /// check ([`crate::objects::action::Action::admin`]).
    pub fn act(
        &mut self,
        draft: &mut Draft<'_>,
        vm: Id,
        action: &VmAction,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.vms_changed = true;
        vms::act(draft, vm, action, &self.options, now)
    }

    /// What an author wants to know of a service: states, averages, counts, what is left of times, decisions.
    pub fn report(&mut self, draft: &Draft<'_>, service: Id, now: Timestamp) -> Option<Value> {
        report::report(draft, &mut self.texts, service, now)
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
mod tests;
