//! The service engine: what oned's and OneFlow's own clocks do to the embedded cloud's documents.
//!
//! VMs pass through their states, services are deployed, scaled and cooled down, and the roles' policies are
//! evaluated at each poll. All of it is functions over a [`Draft`] and the time, which the caller passes in: nothing
//! here waits, looks at a clock or starts a thread. What has to be remembered lies beside the documents
//! ([`clock`]), so that it is stored and forgotten with them.

pub mod clock;
pub mod expression;
mod lease;
mod lifecycle;
mod measure;
mod misspelt;
mod new_vm;
pub mod obstacle;
pub mod policy;
mod poll;
mod report;
mod scaling;
pub mod schedule;
pub mod service;
mod vms;
mod vrouter;

use crate::objects::action::VmAction;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::objects::vm_state::{PENDING, VmState};
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use obstacle::Obstacle;
use policy::PolicyReader;
use serde_json::Value;
use service::{Role, Service};
use std::time::Duration;

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// How long a VM stays in each state that passes by itself.
    pub vm_step: Duration,
    /// The cooldown after a scaling where neither the policy nor the role has one.
    pub cooldown: Duration,
    /// How often the policies are looked at.
    pub interval: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            vm_step: Duration::from_millis(300),
            cooldown: Duration::from_secs(2),
            interval: Duration::from_secs(10),
        }
    }
}

impl Timings {
    /// The cooldown after a scaling of this role that no policy sets.
    fn cooldown_of(&self, role: &Role) -> Duration {
        role.cooldown.unwrap_or(self.cooldown)
    }
}

/// What somebody asks for: this role of this service with so many nodes.
#[derive(Debug, Clone, Copy)]
pub struct ScaleRequest<'r> {
    /// The service.
    pub service: Id,
    /// The name of its role.
    pub role: &'r str,
    /// How many nodes the role is to have.
    pub cardinality: u32,
}

/// What can happen to a VM without anybody asking it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmFault {
    /// It fails: on its way to another state, or while it runs (BOOT_FAILURE).
    Fail,
    /// It powers itself off.
    Poweroff,
    /// Its host no longer finds it (UNKNOWN).
    Lose,
}

/// One step of the engine: the documents it works on, and what it takes to do so.
struct Tick<'t, 'd> {
    draft: &'t mut Draft<'d>,
    reader: &'t mut PolicyReader,
    timings: Timings,
    decisions: &'t mut DecisionCounts,
    now: Timestamp,
    have_processes: bool,
    /// What is taken of the networks, as far as it was looked at.
    taken: lease::TakenLeases,
}

impl Tick<'_, '_> {
    fn open(&mut self, service: Id) -> Option<Service> {
        Service::open(self.draft, self.reader, service)
    }
}

/// The engine: its timings and what it keeps at hand. It may be dropped and made again at any time.
#[derive(Debug)]
pub struct Engine {
    timings: Timings,
    next_poll: Option<Timestamp>,
    /// VMs changed their states since the services were last compared with all of theirs.
    vms_changed: bool,
    /// Something changed since records of VMs that are gone were last counted.
    to_tidy: bool,
    /// VMs start and end when their processes do ([`Engine::with_processes`]).
    have_processes: bool,
    reader: PolicyReader,
    decisions: DecisionCounts,
}

/// What came of the policies' wishes since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    /// The role was scaled.
    pub scaled: u64,
    /// The role stayed as it is: it is at its limit.
    pub at_limit: u64,
    /// The role could not be scaled, for want of addresses for example.
    pub refused: u64,
}

impl Engine {
    /// An engine that polls at its first [`Engine::advance`].
    pub fn new(timings: Timings) -> Self {
        Self {
            timings,
            next_poll: None,
            vms_changed: true,
            to_tidy: true,
            have_processes: false,
            reader: PolicyReader::new(TimeZone::system()),
            decisions: DecisionCounts::default(),
        }
    }

    /// What came of the policies' wishes so far.
    pub fn decisions(&self) -> DecisionCounts {
        self.decisions
    }

    /// The same engine, reading dates and cron in this zone instead of the system's.
    pub fn in_zone(self, zone: TimeZone) -> Self {
        let reader = PolicyReader::new(zone);
        Self { reader, ..self }
    }

    fn tick<'t, 'd>(&'t mut self, draft: &'t mut Draft<'d>, now: Timestamp) -> Tick<'t, 'd> {
        Tick {
            draft,
            reader: &mut self.reader,
            timings: self.timings,
            decisions: &mut self.decisions,
            now,
            have_processes: self.have_processes,
            taken: lease::TakenLeases::default(),
        }
    }

    /// From now on VMs have processes: one that starts or ends does not pass to its next state by itself, but when the
    /// caller says so ([`Engine::moved`]).
    pub fn with_processes(&mut self) {
        self.have_processes = true;
    }

    /// What OneFlow would refuse in a service, each with its role. The engine works around all of it: a policy that
    /// cannot be read never fires.
    pub fn problems(&mut self, service: &Value) -> Vec<String> {
        let roles = service::body(service).and_then(|body| body.get("roles")?.as_array());
        let Some(roles) = roles else {
            return vec!["it has no roles".into()];
        };
        let mut problems = Vec::new();
        let keys = service::body(service).map(|body| misspelt::keys(body, misspelt::OF_SERVICE));
        problems.extend(keys.into_iter().flatten());
        let mut names = Vec::new();
        for role in roles {
            let name = role.get("name").and_then(Value::as_str).unwrap_or("?");
            let mut found = policy::problems(&mut self.reader, role);
            if names.contains(&name) {
                found.push("there is another role of this name before it".into());
            }
            names.push(name);
            found.extend(policy::orphaned(role, roles));
            problems.extend(found.into_iter().map(|why| format!("role {name}: {why}")));
        }
        problems
    }

    /// What keeps a virtual network from giving addresses to new nodes.
    pub fn network_problems(vnet: &Value) -> Vec<String> {
        lease::problems(vnet)
    }

    /// How many addresses a virtual network can still give to NICs.
    pub fn free_addresses(vnet: &Value) -> u64 {
        lease::free(vnet)
    }

    /// Takes up what a scenario or a stop left halfway: VMs in a passing state, services yet to be deployed. To be
    /// called once, before anything else.
    pub fn start(&mut self, draft: &mut Draft<'_>, now: Timestamp) {
        let mut tick = self.tick(draft, now);
        for vm in tick.draft.ids(Kind::Vm) {
            vms::keep_moving(&mut tick, vm);
        }
        for id in tick.draft.ids(Kind::Service) {
            if let Some(mut service) = tick.open(id) {
                service.complete();
                service.write(tick.draft);
            }
        }
    }

    /// Does all that is due, and says when to call again. Call it after [`Engine::act`], [`Engine::scale`] and
    /// [`Engine::recover`] too.
    pub fn advance(&mut self, draft: &mut Draft<'_>, now: Timestamp) -> Timestamp {
        self.settle(draft, now);
        let latest = later(now, self.timings.interval);
        let next_poll = match self.next_poll {
            // One too far away is from before the clock was set back.
            Some(next) if next > now && next <= latest => next,
            _ => {
                if std::mem::take(&mut self.to_tidy) {
                    vms::forget(draft);
                }
                poll::poll(&mut self.tick(draft, now));
                self.settle(draft, now);
                latest
            }
        };
        self.next_poll = Some(next_poll);
        let due = [vms::due(draft), lifecycle::due(draft, now)];
        due.into_iter().flatten().fold(next_poll, Timestamp::min)
    }

    /// Moves VMs and services on until nothing is due.
    fn settle(&mut self, draft: &mut Draft<'_>, now: Timestamp) {
        loop {
            let moved = vms::advance(&mut self.tick(draft, now));
            let all = moved || std::mem::take(&mut self.vms_changed);
            if !lifecycle::advance(&mut self.tick(draft, now), all) && !moved {
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
        vms::act(&mut self.tick(draft, now), vm, action)
    }

    /// Puts a VM into another state because of what was seen of it, unless it is no longer in the first. Whether it was.
    pub fn moved(
        &mut self,
        draft: &mut Draft<'_>,
        vm: Id,
        (from, to): (VmState, VmState),
        now: Timestamp,
    ) -> bool {
        self.vms_changed = true;
        vms::moved(&mut self.tick(draft, now), vm, from, to)
    }

    /// Has something happen to a VM; gives the state that it is in then. Refused where its state does not allow it.
    pub fn fault(
        &mut self,
        draft: &mut Draft<'_>,
        vm: Id,
        fault: VmFault,
        now: Timestamp,
    ) -> Result<VmState, Refusal> {
        self.vms_changed = true;
        vms::fault(&mut self.tick(draft, now), vm, fault)
    }

    /// Makes a VM like another one, which belongs to no service, and starts it; gives its id.
    pub fn create_like(
        &mut self,
        draft: &mut Draft<'_>,
        like: Id,
        now: Timestamp,
    ) -> Result<Id, Refusal> {
        self.vms_changed = true;
        let mut tick = self.tick(draft, now);
        let vm = new_vm::create_like(&mut tick, like)?;
        vms::enter(&mut tick, vm, PENDING);
        Ok(vm)
    }

    /// What an author wants to know of a service: states, averages, counts, what is left of times, decisions.
    pub fn report(&mut self, draft: &Draft<'_>, service: Id, now: Timestamp) -> Option<Value> {
        report::report(draft, &mut self.reader, service, now)
    }

    /// Sets the cardinality of a role.
    pub fn scale(
        &mut self,
        draft: &mut Draft<'_>,
        wanted: &ScaleRequest<'_>,
        now: Timestamp,
    ) -> Result<(), Obstacle> {
        scaling::scale_by_hand(&mut self.tick(draft, now), wanted)
    }

    /// Tries again what failed in a service, as OneFlow's `recover` does: in the states PENDING, DEPLOYING, SCALING,
    /// FAILED_DEPLOYING, FAILED_SCALING and COOLDOWN.
    pub fn recover(
        &mut self,
        draft: &mut Draft<'_>,
        service: Id,
        now: Timestamp,
    ) -> Result<(), Obstacle> {
        self.vms_changed = true;
        scaling::recover(&mut self.tick(draft, now), service)
    }
}

/// A moment later; at the end of time rather than past it.
fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
