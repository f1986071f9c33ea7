//! VMs through their states: what an action starts, and what then passes by itself.

use super::clock::VmClock;
use super::{Tick, VmFault, later, new_vm, vrouter};
use crate::objects::action::{self, Call};
use crate::objects::action::{Argument, VmAction};
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::objects::vm_state::{BOOT_FAILURE, DONE, EPILOG, POWEROFF, RUNNING, UNKNOWN, VmState};
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;

/// How many records of VMs that are gone are kept.
const REMEMBERED: usize = 1000;

/// Moves every VM on whose time has come. Whether any was.
pub(super) fn advance(tick: &mut Tick<'_, '_>) -> bool {
    let mut moved = false;
    // One that is due later than a step from now is from before the clock was set back.
    let steps = tick.now.as_millisecond()..later(tick.now, tick.timings.vm_step).as_millisecond();
    for vm in tick.draft.ids(Kind::VmClock) {
        let waits = VmClock::read(tick.draft, vm)
            .is_some_and(|clock| clock.due > steps.start && clock.due <= steps.end);
        if waits {
            continue;
        }
        moved = true;
        match following(tick, vm) {
            Some(next) => enter(tick, vm, next),
            None => tick.draft.remove(Kind::VmClock, vm),
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
pub(super) fn keep_moving(tick: &mut Tick<'_, '_>, vm: Id) {
    if following(tick, vm).is_some() && tick.draft.get(Kind::VmClock, vm).is_none() {
        set_clock(tick, vm);
    }
}

/// The VM's state; `None` where it has no record, or none with a state.
pub(super) fn state(draft: &Draft<'_>, vm: Id) -> Option<VmState> {
    draft.get(Kind::Vm, vm).and_then(VmState::of)
}

/// Puts a VM into a state, with what follows from it: its clock, and in DONE the end of its leases.
pub(super) fn enter(tick: &mut Tick<'_, '_>, vm: Id, state: VmState) {
    let Some(record) = tick.draft.get_mut(Kind::Vm, vm) else {
        return;
    };
    state.write(record);
    if state == RUNNING {
        record["DEPLOY_ID"] = format!("one-{vm}").into();
    }
    if state == DONE {
        record["ETIME"] = tick.now.as_second().to_string().into();
        new_vm::release(tick.draft, vm);
        vrouter::leave(tick.draft, vm);
    }
    if following(tick, vm).is_some() {
        set_clock(tick, vm);
    } else if tick.draft.get(Kind::VmClock, vm).is_some() {
        tick.draft.remove(Kind::VmClock, vm);
    }
}

/// Removes the oldest records of VMs that are gone, if there are too many: guests may scale up and down for ever.
pub(super) fn forget(draft: &mut Draft<'_>) {
    let gone: Vec<Id> = draft
        .ids(Kind::Vm)
        .into_iter()
        .filter(|vm| {
            let record = draft.peek(Kind::Vm, *vm);
            record.and_then(|record| VmState::of(&record)) == Some(DONE)
        })
        .collect();
    for vm in gone.iter().take(gone.len().saturating_sub(REMEMBERED)) {
        draft.remove(Kind::Vm, *vm);
    }
}

/// Starts the end of a VM, in whatever state it is.
pub(super) fn terminate(tick: &mut Tick<'_, '_>, vm: Id) {
    let Some(from) = state(tick.draft, vm) else {
        return;
    };
    if !from.is_leaving() {
        let to = action::called("terminate").and_then(|action| action.target(from));
        enter(tick, vm, to.unwrap_or(EPILOG));
    }
}

/// Performs an action.
pub(super) fn act(tick: &mut Tick<'_, '_>, vm: Id, action: &VmAction) -> Result<(), Refusal> {
    let from = state(tick.draft, vm).ok_or(Refusal::NotFound)?;
    let known =
        action::called(action.name).ok_or_else(|| Refusal::Failed(action::unknown(action.name)))?;
    let to = known
        .target(from)
        .ok_or_else(|| Refusal::Failed(action::not_in_state(action, from)))?;
    match (&known.call, &action.argument) {
        (Call::Own("rename", _), Argument::Text(name)) => rename(tick.draft, vm, name),
        // A host has been chosen: the same as when the scheduler chooses one.
        (Call::Own("deploy", _), _) => {
            enter(tick, vm, to);
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
            match (flag, tick.draft.get_mut(Kind::Vm, vm)) {
                (Some(flag), Some(record)) => record["RESCHED"] = flag.into(),
                _ if to != from => enter(tick, vm, to),
                // A reboot leaves nothing behind.
                _ => {}
            }
            Ok(())
        }
    }
}

/// Puts a VM that is in one state into another, because of what was seen of it. Whether it was in the first.
pub(super) fn moved(tick: &mut Tick<'_, '_>, vm: Id, from: VmState, to: VmState) -> bool {
    let is = state(tick.draft, vm) == Some(from);
    if is {
        enter(tick, vm, to);
    }
    is
}

/// Has something happen to a VM that nobody asked it for; the state that it is in then.
pub(super) fn fault(tick: &mut Tick<'_, '_>, vm: Id, fault: VmFault) -> Result<VmState, Refusal> {
    let from = state(tick.draft, vm).ok_or(Refusal::NotFound)?;
    let (to, only) = match fault {
        VmFault::Fail if matches!(from, RUNNING | UNKNOWN) => (Some(BOOT_FAILURE), ""),
        VmFault::Fail => (from.failed(), "that starts, runs or ends can fail"),
        VmFault::Poweroff => (
            matches!(from, RUNNING | UNKNOWN).then_some(POWEROFF),
            "that runs or is lost can power off",
        ),
        VmFault::Lose => (
            (from == RUNNING).then_some(UNKNOWN),
            "that runs can be lost",
        ),
    };
    let Some(to) = to else {
        let name = from.name();
        return Err(Refusal::Failed(format!(
            "VM {vm} is {name}: only one {only}"
        )));
    };
    enter(tick, vm, to);
    Ok(to)
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

/// The state that follows by itself. Where VMs have processes, one that waits for its process does not pass.
fn following(tick: &Tick<'_, '_>, vm: Id) -> Option<VmState> {
    let record = tick.draft.peek(Kind::Vm, vm)?;
    let state = VmState::of(&record)?;
    let waits = tick.have_processes && (state.is_starting() || state.is_ending());
    (!waits).then(|| state.next(&record))?
}

fn set_clock(tick: &mut Tick<'_, '_>, vm: Id) {
    let due = later(tick.now, tick.timings.vm_step).as_millisecond();
    VmClock { due }.write(tick.draft, vm);
}
