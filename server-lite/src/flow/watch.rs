//! Services and roles through their states: what OneFlow's watch dog sees in the VMs, and what a scaling starts.
//! (server-lite/tests/fixtures/elasticity.jsonl, cases `timeline_*`, `warning_*`, `min_vms_enforced_*` and
//! `ready_gate_*`)

use super::clock::{Millis, RoleClock, ServiceClock};
use super::service::{self, Node, Role, Service, State, Writer};
use super::{Options, later, new_vm, vms};
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::objects::vm_state::{DONE, PENDING, RUNNING};
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// How many nodes a scaling may make at once: a guest may ask for any number.
const LARGEST_STEP: u32 = 1000;
/// How often a node is looked at that has yet to say READY=YES.
const READY_LOOK: Duration = Duration::from_millis(250);

/// Brings services up to date with their VMs and their clocks: `all`, or only those that wait for something else than
/// their VMs. Whether any changed.
pub(super) fn advance(draft: &mut Draft<'_>, all: bool, options: &Options, now: Timestamp) -> bool {
    let mut changed = false;
    for service in draft.ids(Kind::Service) {
        if all || !matches!(service::state(draft, service), None | Some(State::Running)) {
            changed |= watch(draft, service, options, now);
        }
    }
    changed
}

/// When a service has to be looked at again though no VM moves: the end of a cooldown, a wait for READY.
pub(super) fn due(draft: &Draft<'_>, now: Timestamp) -> Option<Timestamp> {
    let mut due: Option<Timestamp> = None;
    for id in draft.ids(Kind::Service) {
        let at = match service::state(draft, id) {
            Some(State::Cooldown) => {
                let clock = ServiceClock::read(draft, id);
                let ends = clock.roles.values().filter_map(|role| role.cooldown_until);
                ends.min()
                    .and_then(|end| Timestamp::from_millisecond(end).ok())
            }
            Some(State::Deploying | State::Scaling) if service::has_ready_gate(draft, id) => {
                Some(later(now, READY_LOOK))
            }
            _ => None,
        };
        due = [due, at].into_iter().flatten().min();
    }
    due
}

/// Sets a role's cardinality because somebody asked.
pub(super) fn scale_by_hand(
    draft: &mut Draft<'_>,
    id: Id,
    role: &str,
    cardinality: u32,
    options: &Options,
    now: Timestamp,
) -> Result<(), Refusal> {
    let service = Service::read(draft, id).ok_or(Refusal::NotFound)?;
    let refuse = |why: String| Err(Refusal::Failed(why));
    let Some(index) = service.role(role) else {
        return refuse(format!("Role {role} not found in service {id}"));
    };
    let role = &service.roles[index];
    if service.state != Some(State::Running) {
        let state = service.state.map_or("another state", State::name);
        return refuse(format!(
            "Service {id} cannot be scaled in {state}, only in RUNNING"
        ));
    }
    if role.is_vrouter {
        return refuse(format!(
            "Role {} is a virtual router, which has a fixed size",
            role.name
        ));
    }
    if cardinality == role.cardinality {
        return refuse(format!(
            "Role {} has {cardinality} nodes already",
            role.name
        ));
    }
    if let Some(min) = role.min_vms.filter(|min| cardinality < *min) {
        return refuse(format!(
            "Minimum cardinality of role {} is {min}",
            role.name
        ));
    }
    if let Some(max) = role.max_vms.filter(|max| cardinality > *max) {
        return refuse(format!(
            "Maximum cardinality of role {} is {max}",
            role.name
        ));
    }
    let cooldown = options.cooldown_of(role);
    let mut clock = ServiceClock::read(draft, id);
    scale(
        draft,
        id,
        role,
        index,
        cardinality,
        cooldown,
        &mut clock,
        options,
        now,
    )
    .or_else(refuse)?;
    let text = format!("{} -> {cardinality}: asked for", role.cardinality);
    clock.decide(now, &role.name, text);
    clock.write(draft, id);
    Ok(())
}

/// Starts a scaling: makes the new nodes, or starts the end of the oldest. The error says why nothing was done.
#[allow(clippy::too_many_arguments)] // One step of one algorithm: a struct would only rename the list.
pub(super) fn scale(
    draft: &mut Draft<'_>,
    id: Id,
    role: &Role,
    index: usize,
    cardinality: u32,
    cooldown: Duration,
    clock: &mut ServiceClock,
    options: &Options,
    now: Timestamp,
) -> Result<(), String> {
    let direction = if cardinality > role.cardinality {
        "up"
    } else {
        "down"
    };
    let mut awaited = Vec::new();
    if cardinality > role.cardinality {
        let count = cardinality - role.cardinality;
        if count > LARGEST_STEP {
            return Err(format!(
                "{count} nodes at once are more than {LARGEST_STEP}"
            ));
        }
        awaited = add_nodes(draft, id, role, index, count, options, now)?;
    } else {
        let count = (role.cardinality - cardinality) as usize;
        let oldest: Vec<Id> = role.nodes.iter().take(count).map(|node| node.vm).collect();
        for vm in &oldest {
            vms::terminate(draft, *vm, options, now);
        }
        if let Some(mut writer) = Writer::new(draft, id) {
            writer.dispose(index, &oldest);
        }
    }
    if let Some(mut writer) = Writer::new(draft, id) {
        writer.set_cardinality(index, cardinality);
        writer.set_role_state(index, State::Scaling);
        let (from, second) = (role.cardinality, now.as_second());
        let name = &role.name;
        writer.log(
            &format!("Role {name} scaling {direction} from {from} to {cardinality} nodes"),
            second,
        );
        writer.set_state(State::Scaling, second);
    }
    let clock = clock.role(&role.name);
    clock.awaited = awaited;
    clock.cooldown = Some(millis(cooldown));
    for policy in clock.elasticity.iter_mut().chain(&mut clock.scheduled) {
        policy.true_evals = None;
    }
    Ok(())
}

/// Makes nodes for a role, all or none.
fn add_nodes(
    draft: &mut Draft<'_>,
    id: Id,
    role: &Role,
    index: usize,
    count: u32,
    options: &Options,
    now: Timestamp,
) -> Result<Vec<Id>, String> {
    let mut made = Vec::new();
    for number in role.next_name..role.next_name.saturating_add(count.into()) {
        let name = format!("{}_{number}_(service_{id})", role.name);
        match new_vm::create(draft, id, role, &name, now.as_second()) {
            Ok(vm) => made.push(vm),
            Err(why) => {
                for vm in made {
                    new_vm::undo(draft, vm);
                }
                return Err(why);
            }
        }
    }
    let infos: Vec<(Id, Value)> = made.iter().map(|vm| (*vm, vm_info(draft, *vm))).collect();
    for vm in &made {
        vms::enter(draft, *vm, PENDING, options, now);
    }
    if let Some(mut writer) = Writer::new(draft, id) {
        for (next, (vm, info)) in (role.next_name.saturating_add(1)..).zip(infos) {
            writer.add_node(index, vm, info, next);
        }
    }
    Ok(made)
}

/// What OneFlow keeps of a node's VM.
fn vm_info(draft: &Draft<'_>, vm: Id) -> Value {
    let mut info = json!({});
    for key in ["ID", "UID", "GID", "UNAME", "GNAME", "NAME"] {
        if let Some(value) = draft.get(Kind::Vm, vm).and_then(|record| record.get(key)) {
            info[key] = value.clone();
        }
    }
    info
}

/// One look at one service. Whether anything changed.
fn watch(draft: &mut Draft<'_>, id: Id, options: &Options, now: Timestamp) -> bool {
    let Some(service) = Service::read(draft, id) else {
        return false;
    };
    let Some(before) = service
        .state
        .filter(|state| *state != State::FailedDeploying)
    else {
        return false;
    };
    let stored = ServiceClock::read(draft, id);
    let mut clock = stored.clone();
    let mut changed = false;
    for index in 0..service.roles.len() {
        changed |= watch_role(draft, id, &service, index, &mut clock, options, now);
    }
    if clock != stored {
        clock.write(draft, id);
        changed = true;
    }
    if changed || before == State::Pending || before == State::DeployingNets {
        let after = Service::read(draft, id).map(|service| overall(&service.roles));
        if let Some(after) = after.filter(|after| *after != before)
            && let Some(mut writer) = Writer::new(draft, id)
        {
            writer.set_state(after, now.as_second());
            changed = true;
        }
    }
    changed
}

/// A service's state from its roles'.
fn overall(roles: &[Role]) -> State {
    let any = |state| roles.iter().any(|role| role.state == Some(state));
    let first = [
        State::FailedDeploying,
        State::Deploying,
        State::Pending,
        State::Scaling,
    ]
    .into_iter()
    .chain([State::Cooldown, State::Warning])
    .find(|state| any(*state));
    match first {
        Some(State::Pending) => State::Deploying,
        Some(state) => state,
        None => State::Running,
    }
}

fn watch_role(
    draft: &mut Draft<'_>,
    id: Id,
    service: &Service,
    index: usize,
    clock: &mut ServiceClock,
    options: &Options,
    now: Timestamp,
) -> bool {
    let role = &service.roles[index];
    let Some(state) = role.state else {
        return false;
    };
    if state == State::Pending {
        return deploy(draft, id, service, index, clock, options, now);
    }
    let (gone, left): (Vec<Node>, Vec<Node>) = role
        .nodes
        .iter()
        .partition(|node| vms::state(draft, node.vm) == Some(DONE));
    let clock = clock.role(&role.name);
    if !gone.is_empty() {
        remove(draft, id, index, role, &gone, clock);
    }
    let runs = |vm: Id| runs(draft, service, vm);
    let next = match state {
        State::Deploying | State::DeployingNets => left
            .iter()
            .all(|node| runs(node.vm))
            .then_some(State::Running),
        State::Running | State::Warning => {
            let warns = |node: &Node| vms::state(draft, node.vm).is_some_and(|s| s.is_warning());
            Some(if left.iter().any(warns) {
                State::Warning
            } else {
                State::Running
            })
        }
        State::Scaling => {
            let done =
                left.iter().all(|node| !node.disposed) && clock.awaited.iter().all(|vm| runs(*vm));
            done.then(|| after_scaling(role, clock, options, now))
        }
        State::Cooldown => {
            let length = *clock
                .cooldown
                .get_or_insert_with(|| millis(options.cooldown_of(role)));
            let now = now.as_millisecond();
            let latest = now.saturating_add(length);
            // One that ends later than it lasts is from before the clock was set back.
            let until = clock
                .cooldown_until
                .map_or(latest, |until| until.min(latest));
            clock.cooldown_until = Some(until);
            (until <= now).then(|| {
                (clock.cooldown, clock.cooldown_until) = (None, None);
                State::Running
            })
        }
        State::Pending | State::FailedDeploying => None,
    };
    let next = next.filter(|next| *next != state);
    if let Some(next) = next
        && let Some(mut writer) = Writer::new(draft, id)
    {
        writer.set_role_state(index, next);
    }
    next.is_some() || !gone.is_empty()
}

/// Starts a role whose parents run.
fn deploy(
    draft: &mut Draft<'_>,
    id: Id,
    service: &Service,
    index: usize,
    clock: &mut ServiceClock,
    options: &Options,
    now: Timestamp,
) -> bool {
    let role = &service.roles[index];
    let parent_runs = |parent: &String| {
        service
            .role(parent)
            .is_none_or(|i| service.roles[i].state == Some(State::Running))
    };
    if !role.parents.iter().all(parent_runs) {
        return false;
    }
    let count = role.cardinality.saturating_sub(role.nodes.len() as u32);
    let made = add_nodes(draft, id, role, index, count, options, now);
    let failed = made.err().map(|why| format!("cannot be deployed: {why}"));
    if let Some(mut writer) = Writer::new(draft, id) {
        let state = match &failed {
            None => State::Deploying,
            Some(why) => {
                writer.log(&format!("Role {} {why}", role.name), now.as_second());
                State::FailedDeploying
            }
        };
        writer.set_role_state(index, state);
    }
    if let Some(why) = failed {
        clock.decide(now, &role.name, why);
    }
    true
}

/// Takes nodes out whose VM is gone. One that no scaling took out lowers the cardinality.
fn remove(
    draft: &mut Draft<'_>,
    id: Id,
    index: usize,
    role: &Role,
    gone: &[Node],
    clock: &mut RoleClock,
) {
    let vms: Vec<Id> = gone.iter().map(|node| node.vm).collect();
    let lost = gone.iter().filter(|node| !node.disposed).count() as u32;
    clock.awaited.retain(|vm| !vms.contains(vm));
    if let Some(mut writer) = Writer::new(draft, id) {
        writer.remove_nodes(index, &vms);
        if lost > 0 {
            writer.set_cardinality(index, role.cardinality.saturating_sub(lost));
        }
    }
}

/// Whether a node runs, as the service's gate sees it.
fn runs(draft: &Draft<'_>, service: &Service, vm: Id) -> bool {
    vms::state(draft, vm) == Some(RUNNING)
        && (!service.ready_gate || draft.get(Kind::Vm, vm).is_some_and(is_ready))
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

fn after_scaling(role: &Role, clock: &mut RoleClock, options: &Options, now: Timestamp) -> State {
    let length = *clock
        .cooldown
        .get_or_insert_with(|| millis(options.cooldown_of(role)));
    clock.awaited.clear();
    if length == 0 {
        clock.cooldown = None;
        return State::Running;
    }
    clock.cooldown_until = Some(now.as_millisecond().saturating_add(length));
    State::Cooldown
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
