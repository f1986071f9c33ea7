//! VMs through their states: what an action starts, and what then passes by itself.

use super::clock::VmClock;
use super::lease::list_mut;
use super::{Options, later, new_vm};
use crate::objects::action::{self, Call};
use crate::objects::action::{Argument, VmAction};
use crate::objects::document::{Id, id};
use crate::objects::refusal::Refusal;
use crate::objects::vm_state::{DONE, EPILOG, RUNNING, VmState};
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;

/// How many records of VMs that are gone are kept.
const REMEMBERED: usize = 1000;

/// Moves every VM on whose time has come. Whether any was.
pub(super) fn advance(draft: &mut Draft<'_>, options: &Options, now: Timestamp) -> bool {
    let mut moved = false;
    // One that is due later than a step from now is from before the clock was set back.
    let steps = now.as_millisecond()..later(now, options.vm_step).as_millisecond();
    for vm in draft.ids(Kind::VmClock) {
        let waits = VmClock::read(draft, vm)
            .is_some_and(|clock| clock.due > steps.start && clock.due <= steps.end);
        if waits {
            continue;
        }
        moved = true;
        match following(draft, vm) {
            Some(next) => enter(draft, vm, next, options, now),
            None => draft.remove(Kind::VmClock, vm),
        }
    }
    moved
}

/// When the next VM moves on.
pub(super) fn due(draft: &Draft<'_>) -> Option<Timestamp> {
    let clocks = draft
        .ids(Kind::VmClock)
        .into_iter()
        .filter_map(|vm| VmClock::read(draft, vm));
    clocks
        .filter_map(|clock| Timestamp::from_millisecond(clock.due).ok())
        .min()
}

/// Gives a VM a clock if its state passes by itself and it has none: one that a scenario brought.
pub(super) fn keep_moving(draft: &mut Draft<'_>, vm: Id, options: &Options, now: Timestamp) {
    if following(draft, vm).is_some() && draft.get(Kind::VmClock, vm).is_none() {
        set_clock(draft, vm, options, now);
    }
}

/// The VM's state; `None` where it has no record, or none with a state.
pub(super) fn state(draft: &Draft<'_>, vm: Id) -> Option<VmState> {
    draft.get(Kind::Vm, vm).and_then(VmState::of)
}

/// Puts a VM into a state, with what follows from it: its clock, and in DONE the end of its leases.
pub(super) fn enter(
    draft: &mut Draft<'_>,
    vm: Id,
    state: VmState,
    options: &Options,
    now: Timestamp,
) {
    let Some(record) = draft.get_mut(Kind::Vm, vm) else {
        return;
    };
    state.write(record);
    if state == RUNNING {
        record["DEPLOY_ID"] = format!("one-{vm}").into();
    }
    if state == DONE {
        record["ETIME"] = now.as_second().to_string().into();
        new_vm::release(draft, vm);
        leave_vrouter(draft, vm);
    }
    if following(draft, vm).is_some() {
        set_clock(draft, vm, options, now);
    } else if draft.get(Kind::VmClock, vm).is_some() {
        draft.remove(Kind::VmClock, vm);
    }
}

/// Takes a VM that is gone out of its virtual router.
fn leave_vrouter(draft: &mut Draft<'_>, vm: Id) {
    let template = draft
        .get(Kind::Vm, vm)
        .and_then(|record| record.get("TEMPLATE"));
    let Some(vrouter) = template.and_then(|template| id(template.get("VROUTER_ID"))) else {
        return;
    };
    if let Some(vms) = draft
        .get_mut(Kind::Vrouter, vrouter)
        .and_then(|document| document.get_mut("VMS"))
    {
        list_mut(&mut vms["ID"]).retain(|other| id(Some(other)) != Some(vm));
    }
}

/// Removes the oldest records of VMs that are gone, if there are too many: guests may scale up and down for ever.
pub(super) fn forget(draft: &mut Draft<'_>) {
    let gone: Vec<Id> = draft
        .ids(Kind::Vm)
        .into_iter()
        .filter(|vm| state(draft, *vm) == Some(DONE))
        .collect();
    for vm in gone.iter().take(gone.len().saturating_sub(REMEMBERED)) {
        draft.remove(Kind::Vm, *vm);
    }
}

/// Starts the end of a VM, in whatever state it is.
pub(super) fn terminate(draft: &mut Draft<'_>, vm: Id, options: &Options, now: Timestamp) {
    let Some(from) = state(draft, vm) else { return };
    if !from.is_leaving() {
        let to = action::called("terminate").and_then(|action| action.target(from));
        enter(draft, vm, to.unwrap_or(EPILOG), options, now);
    }
}

/// Performs an action.
pub(super) fn act(
    draft: &mut Draft<'_>,
    vm: Id,
    action: &VmAction,
    options: &Options,
    now: Timestamp,
) -> Result<(), Refusal> {
    let from = state(draft, vm).ok_or(Refusal::NotFound)?;
    let known =
        action::called(action.name).ok_or_else(|| Refusal::Failed(action::unknown(action.name)))?;
    let to = known
        .target(from)
        .ok_or_else(|| Refusal::Failed(action::not_in_state(action, from)))?;
    match (&known.call, &action.argument) {
        (Call::Own("rename", _), Argument::Text(name)) => rename(draft, vm, name),
        // A host has been chosen: the same as when the scheduler chooses one.
        (Call::Own("deploy", _), _) => {
            enter(draft, vm, to, options, now);
            Ok(())
        }
        (Call::Own(call, _), _) => Err(Refusal::Failed(format!(
            "[one.vm.{call}] The embedded cloud has no hosts, images or snapshots, and its NICs come with the scenario"
        ))),
        (Call::Action(..), _) => {
            let flag = match action.name {
                "resched" => Some("1"),
                "unresched" => Some("0"),
                _ => None,
            };
            match (flag, draft.get_mut(Kind::Vm, vm)) {
                (Some(flag), Some(record)) => record["RESCHED"] = flag.into(),
                _ if to != from => enter(draft, vm, to, options, now),
                // A reboot leaves nothing behind.
                _ => {}
            }
            Ok(())
        }
    }
}

/// The characters that oned allows in no name of a VM, and the longest name (bytes).
const NOT_IN_NAMES: &[char] = &['&', '<', '>', '"', '\''];
const LONGEST_NAME: usize = 128;

fn rename(draft: &mut Draft<'_>, vm: Id, name: &str) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::Failed(format!("[one.vm.rename] {why}")));
    if name.is_empty() {
        return refuse("Invalid name, it cannot be empty.");
    }
    if name.len() > LONGEST_NAME {
        return refuse("Invalid name, it is longer than 128 characters.");
    }
    if name.contains(NOT_IN_NAMES) || name.chars().any(char::is_control) {
        return refuse("Invalid name, it contains an invalid character.");
    }
    match draft.get_mut(Kind::Vm, vm) {
        Some(record) => record["NAME"] = name.into(),
        None => return Err(Refusal::NotFound),
    }
    Ok(())
}

fn following(draft: &Draft<'_>, vm: Id) -> Option<VmState> {
    let record = draft.get(Kind::Vm, vm)?;
    VmState::of(record)?.next(record)
}

fn set_clock(draft: &mut Draft<'_>, vm: Id, options: &Options, now: Timestamp) {
    let due = later(now, options.vm_step).as_millisecond();
    VmClock { due }.write(draft, vm);
}
