//! Services and roles through their states: what OneFlow's watch dog sees in the VMs
//! (docs/elasticity.md, "States").

use super::clock::{ServiceClock, millis};
use super::service::{Role, Service, ServiceState, has_ready_gate, state};
use super::{Tick, Timings, later, scaling, vms};
use crate::objects::document::Id;
use crate::objects::vm_state::{DONE, RUNNING, VmState};
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

use ServiceState::{
    Cooldown, Deploying, DeployingNets, FailedDeploying, FailedScaling, Other, Pending, Running,
    Scaling, Warning,
};

/// How often a node is looked at that has yet to say READY=YES.
const READY_LOOK: Duration = Duration::from_millis(250);

/// Brings services up to date with their VMs and their clocks: `all`, or only those that wait for something else than
/// their VMs. Whether any changed.
pub(super) fn advance(tick: &mut Tick<'_, '_>, all: bool) -> bool {
    let mut changed = false;
    for id in tick.draft.ids(Kind::Service) {
        if all || !matches!(state(tick.draft, id), None | Some(Running)) {
            changed |= look(tick, id);
        }
    }
    changed
}

/// When a service has to be looked at again though no VM moves: the end of a cooldown, a wait for READY.
pub(super) fn due(draft: &Draft<'_>, now: Timestamp) -> Option<Timestamp> {
    let due = |id| match state(draft, id) {
        Some(Cooldown) => {
            let clock = ServiceClock::read(draft, id);
            let ends = clock.roles.values().filter_map(|role| role.cooldown_until);
            Timestamp::from_millisecond(ends.min()?).ok()
        }
        Some(Deploying | Scaling) if has_ready_gate(draft, id) => Some(later(now, READY_LOOK)),
        _ => None,
    };
    draft.ids(Kind::Service).into_iter().filter_map(due).min()
}

/// One look at one service. Whether anything changed.
fn look(tick: &mut Tick<'_, '_>, id: Id) -> bool {
    let Some(mut service) = tick.open(id) else {
        return false;
    };
    let Some(before) = service.state else {
        return false;
    };
    if matches!(before, FailedDeploying | FailedScaling | Other(_)) {
        return false;
    }
    let mut changed = false;
    for index in 0..service.roles.len() {
        changed |= look_at_role(tick, &mut service, index);
    }
    let after = overall(&service.roles);
    if after != before && (changed || matches!(before, Pending | DeployingNets)) {
        service.set_state(after, tick.now.as_second());
    }
    service.write(tick.draft)
}

/// A service's state from its roles'.
fn overall(roles: &[Role]) -> ServiceState {
    let any = |state: &ServiceState| roles.iter().any(|role| role.state == Some(*state));
    let first = [
        FailedDeploying,
        FailedScaling,
        Deploying,
        Pending,
        Scaling,
        Cooldown,
        Warning,
    ]
    .into_iter()
    .find(any);
    match first {
        Some(Pending) => Deploying,
        Some(state) => state,
        None => Running,
    }
}

/// One look at one role. Whether anything changed.
fn look_at_role(tick: &mut Tick<'_, '_>, service: &mut Service, index: usize) -> bool {
    let ready_gate = service.ready_gate;
    let role = &mut service.roles[index];
    let Some(before) = role.state else {
        return false;
    };
    if before == Pending {
        let parents = std::mem::take(&mut role.parents);
        let ready = parents.iter().all(|parent| {
            service
                .role(parent)
                .is_none_or(|parent| service.roles[parent].state == Some(Running))
        });
        service.roles[index].parents = parents;
        if ready {
            // What went wrong is in the service's log and decisions.
            let _ = scaling::deploy(tick, service, index);
        }
        return ready;
    }
    let draft = &*tick.draft;
    let removed = role.remove_nodes(|vm| vms::state(draft, vm) == Some(DONE));
    let runs = |vm: Id| runs(draft, ready_gate, vm);
    let fails = |vm: Id| vms::state(draft, vm).is_some_and(VmState::is_failure);
    let nodes = || role.nodes.iter().map(|node| node.vm);
    let awaited = || role.clock.awaited.iter().copied();
    let after = match before {
        Deploying | DeployingNets if nodes().any(fails) => FailedDeploying,
        Deploying | DeployingNets if nodes().all(runs) => Running,
        Running | Warning => {
            let warns = |vm| vms::state(draft, vm).is_some_and(VmState::is_warning);
            if nodes().any(warns) { Warning } else { Running }
        }
        Scaling if awaited().any(fails) => FailedScaling,
        Scaling if role.nodes.iter().all(|node| !node.disposed) && awaited().all(runs) => {
            after_scaling(role, &tick.timings, tick.now)
        }
        Cooldown => cool_down(role, &tick.timings, tick.now),
        state => state,
    };
    role.set_state(after);
    removed || after != before
}

fn after_scaling(role: &mut Role, timings: &Timings, now: Timestamp) -> ServiceState {
    let default = millis(timings.cooldown_of(role));
    let clock = &mut role.clock;
    clock.awaited.clear();
    let length = *clock.cooldown.get_or_insert(default);
    if length == 0 {
        clock.cooldown = None;
        return Running;
    }
    clock.cooldown_until = Some(now.as_millisecond().saturating_add(length));
    Cooldown
}

fn cool_down(role: &mut Role, timings: &Timings, now: Timestamp) -> ServiceState {
    let default = millis(timings.cooldown_of(role));
    let clock = &mut role.clock;
    let length = *clock.cooldown.get_or_insert(default);
    let latest = now.as_millisecond().saturating_add(length);
    // One that ends later than it lasts is from before the clock was set back.
    let until = clock
        .cooldown_until
        .map_or(latest, |until| until.min(latest));
    if until <= now.as_millisecond() {
        (clock.cooldown, clock.cooldown_until) = (None, None);
        return Running;
    }
    clock.cooldown_until = Some(until);
    Cooldown
}

/// Whether a node runs, as the service's gate sees it.
fn runs(draft: &Draft<'_>, ready_gate: bool, vm: Id) -> bool {
    vms::state(draft, vm) == Some(RUNNING)
        && (!ready_gate || draft.get(Kind::Vm, vm).is_some_and(is_ready))
}

/// READY is exactly YES, in any case. The real gate looks for `READY=YES` anywhere in the text of an update, so that
/// NOT_READY=YES and READY=YESTERDAY pass it.
fn is_ready(vm: &Value) -> bool {
    let ready = vm
        .get("USER_TEMPLATE")
        .and_then(|template| template.get("READY"));
    ready
        .and_then(Value::as_str)
        .is_some_and(|text| text.eq_ignore_ascii_case("YES"))
}
