//! Scaling: what is asked for is checked, nodes are made or ended, and what failed is tried again
//! (docs/elasticity.md, "Scaling" and "Recovering").

use super::obstacle::Obstacle;
use super::service::{Role, Service, ServiceState};
use super::{ScaleRequest, Tick, new_vm, vms, vrouter};
use crate::objects::action;
use crate::objects::document::Id;
use crate::objects::message::shown;
use crate::objects::vm_state::PENDING;
use crate::store::state::Kind;
use serde_json::{Value, json};
use std::time::Duration;

/// How many nodes a scaling may make at once: a guest may ask for any number.
const LARGEST_STEP: u32 = 1000;
/// How many nodes a deployment may make at once: whoever writes the scenario may want a fleet.
const LARGEST_ROLE: u32 = 100_000;
/// How much of an unknown role's name a message repeats.
const SHOWN: usize = 60;

/// Sets a role's cardinality because somebody asked.
pub(super) fn scale_by_hand(
    tick: &mut Tick<'_, '_>,
    wanted: &ScaleRequest<'_>,
) -> Result<(), Obstacle> {
    let ScaleRequest {
        service,
        role,
        cardinality,
    } = *wanted;
    let mut service = tick.open(service).ok_or(Obstacle::NoService)?;
    if service.state != Some(ServiceState::Running) {
        return Err(Obstacle::InState("scaled", service.state));
    }
    let index = service
        .role(role)
        .ok_or_else(|| Obstacle::NoRole(shown(role, SHOWN)))?;
    let before = check(&service.roles[index], cardinality)?;
    scale(tick, &mut service, index, cardinality, None)?;
    let text = format!("{before} -> {cardinality}: asked for");
    service.clock.decide(tick.now, role, text);
    service.write(tick.draft);
    Ok(())
}

/// Whether a role may be set to this cardinality; gives the one it has.
fn check(role: &Role, cardinality: u32) -> Result<u32, Obstacle> {
    if role.is_vrouter {
        return Err(Obstacle::RouterRole(role.name.clone()));
    }
    if cardinality == role.cardinality {
        return Err(Obstacle::AlreadyAt(role.name.clone(), cardinality));
    }
    if let Some(min) = role.min_vms.filter(|min| cardinality < *min) {
        return Err(Obstacle::BelowMinimum(min));
    }
    if let Some(max) = role.max_vms.filter(|max| cardinality > *max) {
        return Err(Obstacle::AboveMaximum(max));
    }
    Ok(role.cardinality)
}

/// Starts a scaling: makes the new nodes, or starts the end of the oldest. Without a cooldown of the policy's it is
/// the role's. The caller writes the service.
pub(super) fn scale(
    tick: &mut Tick<'_, '_>,
    service: &mut Service,
    index: usize,
    cardinality: u32,
    cooldown: Option<Duration>,
) -> Result<(), Obstacle> {
    let role = &service.roles[index];
    let before = role.cardinality;
    let cooldown = cooldown.unwrap_or_else(|| tick.timings.cooldown_of(role));
    let mut awaited = Vec::new();
    let direction = if cardinality > before {
        let count = cardinality - before;
        if count > LARGEST_STEP {
            return Err(Obstacle::TooMany(count, LARGEST_STEP));
        }
        awaited = add_nodes(tick, service, index, count)?;
        "up"
    } else {
        let count = before - cardinality;
        for vm in service.roles[index].dispose(count as usize) {
            vms::terminate(tick, vm);
        }
        "down"
    };
    let role = &mut service.roles[index];
    role.set_cardinality(cardinality);
    role.set_state(ServiceState::Scaling);
    role.clock.begin_scaling(awaited, cooldown);
    let line = format!(
        "Role {} scaling {direction} from {before} to {cardinality} nodes",
        role.name
    );
    let now = tick.now.as_second();
    service.log(line, now);
    service.set_state(ServiceState::Scaling, now);
    Ok(())
}

/// Makes the nodes that a role lacks. The caller writes the service, whose log has the reason of a failure.
pub(super) fn deploy(
    tick: &mut Tick<'_, '_>,
    service: &mut Service,
    index: usize,
) -> Result<(), Obstacle> {
    let role = &service.roles[index];
    let count = role.cardinality.saturating_sub(role.nodes.len() as u32);
    let made = if count > LARGEST_ROLE {
        Err(Obstacle::TooMany(count, LARGEST_ROLE))
    } else {
        add_nodes(tick, service, index, count)
    };
    let name = service.roles[index].name.clone();
    let state = match &made {
        Ok(_) => ServiceState::Deploying,
        Err(why) => {
            let text = format!("cannot be deployed: {why}");
            service.log(format!("Role {name} {text}"), tick.now.as_second());
            service.clock.decide(tick.now, &name, text);
            ServiceState::FailedDeploying
        }
    };
    service.roles[index].set_state(state);
    made.map(drop)
}

/// Makes nodes for a role, all or none.
fn add_nodes(
    tick: &mut Tick<'_, '_>,
    service: &mut Service,
    index: usize,
    count: u32,
) -> Result<Vec<Id>, Obstacle> {
    let mut router = None;
    if service.roles[index].is_vrouter && count > 0 {
        router = Some(vrouter::of_role(tick, service, index)?);
    }
    let role = &mut service.roles[index];
    // oned numbers a virtual router's VMs itself, and OneFlow does not count them.
    let first = match router {
        None => role.next_name,
        Some(_) => role.nodes.len() as u64,
    };
    let mut made = Vec::new();
    for number in (first..=u64::MAX).take(count as usize) {
        let name = format!("{}_{number}_(service_{})", role.name, service.id);
        match new_vm::create(tick, service.id, role, &name, router.map(|(id, _)| id)) {
            Ok(vm) => made.push(vm),
            Err(why) => {
                for vm in made {
                    new_vm::undo(tick.draft, vm);
                }
                if let Some((router, true)) = router {
                    vrouter::remove(tick.draft, router);
                    role.vrouter_id = None;
                }
                return Err(why);
            }
        }
    }
    if router.is_none() {
        role.next_name = role.next_name.saturating_add(count.into());
    }
    for vm in &made {
        role.add_node(*vm, vm_info(tick, *vm));
        vms::enter(tick, *vm, PENDING);
    }
    Ok(made)
}

/// What OneFlow keeps of a node's VM.
fn vm_info(tick: &Tick<'_, '_>, vm: Id) -> Value {
    let mut info = json!({});
    for key in ["ID", "UID", "GID", "UNAME", "GNAME", "NAME"] {
        if let Some(value) = tick
            .draft
            .get(Kind::Vm, vm)
            .and_then(|record| record.get(key))
        {
            info[key] = value.clone();
        }
    }
    info
}

/// Tries again what did not work, as OneFlow's `recover` does: VMs that failed are started again, those that are off
/// are resumed, nodes that are missing are made, and a scaling down ends its nodes again. A cooldown is over at once.
/// In every other state there is nothing to recover, and that is an error.
pub(super) fn recover(tick: &mut Tick<'_, '_>, id: Id) -> Result<(), Obstacle> {
    use ServiceState::{
        Cooldown, Deploying, DeployingNets, FailedDeploying, FailedScaling, Pending, Running,
        Scaling,
    };
    let mut service = tick.open(id).ok_or(Obstacle::NoService)?;
    let now = tick.now.as_second();
    match service.state {
        Some(Pending | DeployingNets | Deploying | FailedDeploying) => {
            service.set_state(Deploying, now);
            for index in 0..service.roles.len() {
                if matches!(
                    service.roles[index].state,
                    Some(Deploying | FailedDeploying)
                ) {
                    retry_nodes(tick, &service.roles[index]);
                    deploy(tick, &mut service, index)?;
                }
            }
        }
        Some(Scaling | FailedScaling) => {
            for index in 0..service.roles.len() {
                if matches!(service.roles[index].state, Some(Scaling | FailedScaling)) {
                    recover_scaling(tick, &mut service, index)?;
                }
            }
            service.set_state(Scaling, now);
        }
        Some(Cooldown) => {
            for role in &mut service.roles {
                role.set_state(Running);
                (role.clock.cooldown, role.clock.cooldown_until) = (None, None);
            }
            service.set_state(Running, now);
        }
        state => return Err(Obstacle::InState("recovered", state)),
    }
    service.write(tick.draft);
    Ok(())
}

/// Which way it went is seen in the nodes: a scaling down keeps them until they are gone.
fn recover_scaling(
    tick: &mut Tick<'_, '_>,
    service: &mut Service,
    index: usize,
) -> Result<(), Obstacle> {
    let role = &mut service.roles[index];
    let surplus = role.nodes.len().saturating_sub(role.cardinality as usize);
    if surplus > 0 {
        for vm in role.dispose(surplus) {
            vms::terminate(tick, vm);
        }
    } else {
        retry_nodes(tick, role);
        role.clock.awaited = role.nodes.iter().map(|node| node.vm).collect();
        let count = role.cardinality.saturating_sub(role.nodes.len() as u32);
        let made = add_nodes(tick, service, index, count)?;
        service.roles[index].clock.awaited.extend(made);
    }
    service.roles[index].set_state(ServiceState::Scaling);
    Ok(())
}

/// Starts VMs of a role again that do not run.
fn retry_nodes(tick: &mut Tick<'_, '_>, role: &Role) {
    for node in &role.nodes {
        let Some(state) = vms::state(tick.draft, node.vm) else {
            continue;
        };
        let resume = || action::called("resume").and_then(|action| action.target(state));
        if let Some(next) = state.retried().or_else(resume) {
            vms::enter(tick, node.vm, next);
        }
    }
}
