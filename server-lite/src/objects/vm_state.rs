//! The states of a VM: STATE and LCM_STATE by oned's numbers, their names, and which of them pass by themselves.

use serde_json::Value;

/// STATE and, where that is ACTIVE, LCM_STATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VmState {
    /// STATE
    pub state: u8,
    /// LCM_STATE: 0 unless STATE is 3, ACTIVE.
    pub lcm: u8,
}

const fn at(state: u8) -> VmState {
    VmState { state, lcm: 0 }
}

const fn active(lcm: u8) -> VmState {
    VmState { state: 3, lcm }
}

/// Waits for the scheduler to give it a host.
pub const PENDING: VmState = at(1);
/// Waits for `release`.
pub const HOLD: VmState = at(2);
/// Saved and off its host.
pub const STOPPED: VmState = at(4);
/// Saved on its host.
pub const SUSPENDED: VmState = at(5);
/// Gone: only its record is left.
pub const DONE: VmState = at(6);
/// Off, on its host.
pub const POWEROFF: VmState = at(8);
/// Off, and off its host.
pub const UNDEPLOYED: VmState = at(9);
/// Given a host, its disks on the way.
pub const PROLOG: VmState = active(1);
/// Starts.
pub const BOOT: VmState = active(2);
/// Runs: the only state in which a node counts for elasticity.
pub const RUNNING: VmState = active(3);
/// Being saved, to be STOPPED.
pub const SAVE_STOP: VmState = active(5);
/// Being saved, to be SUSPENDED.
pub const SAVE_SUSPEND: VmState = active(6);
/// Restored from STOPPED.
pub const PROLOG_RESUME: VmState = active(9);
/// Its disks leave the host, to be STOPPED.
pub const EPILOG_STOP: VmState = active(10);
/// Its disks leave the host for good.
pub const EPILOG: VmState = active(11);
/// Being shut down for good.
pub const SHUTDOWN: VmState = active(12);
/// Its host cannot find it.
pub const UNKNOWN: VmState = active(16);
/// Being shut down, to be POWEROFF.
pub const SHUTDOWN_POWEROFF: VmState = active(18);
/// Starts again after UNKNOWN.
pub const BOOT_UNKNOWN: VmState = active(19);
/// Starts after POWEROFF.
pub const BOOT_POWEROFF: VmState = active(20);
/// Starts after SUSPENDED.
pub const BOOT_SUSPENDED: VmState = active(21);
/// Starts after STOPPED.
pub const BOOT_STOPPED: VmState = active(22);
/// Being shut down, to be UNDEPLOYED.
pub const SHUTDOWN_UNDEPLOY: VmState = active(29);
/// Its disks leave the host, to be UNDEPLOYED.
pub const EPILOG_UNDEPLOY: VmState = active(30);
/// Its disks come back after UNDEPLOYED.
pub const PROLOG_UNDEPLOY: VmState = active(31);
/// Starts after UNDEPLOYED.
pub const BOOT_UNDEPLOY: VmState = active(32);
/// Did not start.
pub const BOOT_FAILURE: VmState = active(36);

/// Names of STATE, at their numbers.
pub const STATES: [&str; 12] = [
    "INIT",
    "PENDING",
    "HOLD",
    "ACTIVE",
    "STOPPED",
    "SUSPENDED",
    "DONE",
    "FAILED",
    "POWEROFF",
    "UNDEPLOYED",
    "CLONING",
    "CLONING_FAILURE",
];

/// Names of LCM_STATE with their numbers, as oned 7 has them (13, 14 and 58 are no longer used).
const LCM_STATES: [(u8, &str); 69] = [
    (0, "LCM_INIT"),
    (1, "PROLOG"),
    (2, "BOOT"),
    (3, "RUNNING"),
    (4, "MIGRATE"),
    (5, "SAVE_STOP"),
    (6, "SAVE_SUSPEND"),
    (7, "SAVE_MIGRATE"),
    (8, "PROLOG_MIGRATE"),
    (9, "PROLOG_RESUME"),
    (10, "EPILOG_STOP"),
    (11, "EPILOG"),
    (12, "SHUTDOWN"),
    (15, "CLEANUP_RESUBMIT"),
    (16, "UNKNOWN"),
    (17, "HOTPLUG"),
    (18, "SHUTDOWN_POWEROFF"),
    (19, "BOOT_UNKNOWN"),
    (20, "BOOT_POWEROFF"),
    (21, "BOOT_SUSPENDED"),
    (22, "BOOT_STOPPED"),
    (23, "CLEANUP_DELETE"),
    (24, "HOTPLUG_SNAPSHOT"),
    (25, "HOTPLUG_NIC"),
    (26, "HOTPLUG_SAVEAS"),
    (27, "HOTPLUG_SAVEAS_POWEROFF"),
    (28, "HOTPLUG_SAVEAS_SUSPENDED"),
    (29, "SHUTDOWN_UNDEPLOY"),
    (30, "EPILOG_UNDEPLOY"),
    (31, "PROLOG_UNDEPLOY"),
    (32, "BOOT_UNDEPLOY"),
    (33, "HOTPLUG_PROLOG_POWEROFF"),
    (34, "HOTPLUG_EPILOG_POWEROFF"),
    (35, "BOOT_MIGRATE"),
    (36, "BOOT_FAILURE"),
    (37, "BOOT_MIGRATE_FAILURE"),
    (38, "PROLOG_MIGRATE_FAILURE"),
    (39, "PROLOG_FAILURE"),
    (40, "EPILOG_FAILURE"),
    (41, "EPILOG_STOP_FAILURE"),
    (42, "EPILOG_UNDEPLOY_FAILURE"),
    (43, "PROLOG_MIGRATE_POWEROFF"),
    (44, "PROLOG_MIGRATE_POWEROFF_FAILURE"),
    (45, "PROLOG_MIGRATE_SUSPEND"),
    (46, "PROLOG_MIGRATE_SUSPEND_FAILURE"),
    (47, "BOOT_UNDEPLOY_FAILURE"),
    (48, "BOOT_STOPPED_FAILURE"),
    (49, "PROLOG_RESUME_FAILURE"),
    (50, "PROLOG_UNDEPLOY_FAILURE"),
    (51, "DISK_SNAPSHOT_POWEROFF"),
    (52, "DISK_SNAPSHOT_REVERT_POWEROFF"),
    (53, "DISK_SNAPSHOT_DELETE_POWEROFF"),
    (54, "DISK_SNAPSHOT_SUSPENDED"),
    (55, "DISK_SNAPSHOT_REVERT_SUSPENDED"),
    (56, "DISK_SNAPSHOT_DELETE_SUSPENDED"),
    (57, "DISK_SNAPSHOT"),
    (59, "DISK_SNAPSHOT_DELETE"),
    (60, "PROLOG_MIGRATE_UNKNOWN"),
    (61, "PROLOG_MIGRATE_UNKNOWN_FAILURE"),
    (62, "DISK_RESIZE"),
    (63, "DISK_RESIZE_POWEROFF"),
    (64, "DISK_RESIZE_UNDEPLOYED"),
    (65, "HOTPLUG_NIC_POWEROFF"),
    (66, "HOTPLUG_RESIZE"),
    (67, "HOTPLUG_SAVEAS_UNDEPLOYED"),
    (68, "HOTPLUG_SAVEAS_STOPPED"),
    (69, "BACKUP"),
    (70, "BACKUP_POWEROFF"),
    (71, "RESTORE"),
];

/// States that pass by themselves, each with the one that follows: `state_track` in
/// server-lite/tests/fixtures/action.jsonl.
/// PENDING is not here: where it leads depends on where it came from ([`VmState::next`]).
const PASSING: [(VmState, VmState); 18] = [
    (PROLOG, BOOT),
    (BOOT, RUNNING),
    (PROLOG_RESUME, BOOT_STOPPED),
    (BOOT_STOPPED, RUNNING),
    (PROLOG_UNDEPLOY, BOOT_UNDEPLOY),
    (BOOT_UNDEPLOY, RUNNING),
    (BOOT_POWEROFF, RUNNING),
    (BOOT_SUSPENDED, RUNNING),
    (BOOT_UNKNOWN, RUNNING),
    (SAVE_STOP, EPILOG_STOP),
    (EPILOG_STOP, STOPPED),
    (SAVE_SUSPEND, SUSPENDED),
    (SHUTDOWN_POWEROFF, POWEROFF),
    (SHUTDOWN_UNDEPLOY, EPILOG_UNDEPLOY),
    (EPILOG_UNDEPLOY, UNDEPLOYED),
    (SHUTDOWN, EPILOG),
    (EPILOG, DONE),
    (active(0), PROLOG),
];

impl VmState {
    /// The state in a VM's record, where numbers may be numbers or strings; `None` where there is none.
    pub fn of(vm: &Value) -> Option<Self> {
        let state = number(vm.get("STATE")?)?;
        let lcm = if state == 3 {
            number(vm.get("LCM_STATE")?)?
        } else {
            0
        };
        Some(Self { state, lcm })
    }

    /// Writes STATE and LCM_STATE, and what they were to PREV_STATE and PREV_LCM_STATE, as strings.
    pub fn write(self, vm: &mut Value) {
        if let Some(before) = Self::of(vm) {
            vm["PREV_STATE"] = before.state.to_string().into();
            vm["PREV_LCM_STATE"] = before.lcm.to_string().into();
        }
        vm["STATE"] = self.state.to_string().into();
        vm["LCM_STATE"] = self.lcm.to_string().into();
    }

    /// The name oned gives it in its messages: LCM_STATE's while ACTIVE, else STATE's.
    pub fn name(self) -> String {
        let name = if self.state == 3 {
            LCM_STATES
                .iter()
                .find(|(number, _)| *number == self.lcm)
                .map(|(_, name)| *name)
        } else {
            STATES.get(usize::from(self.state)).copied()
        };
        name.map_or_else(|| format!("{}/{}", self.state, self.lcm), str::to_string)
    }

    /// The state that follows by itself, for a VM in this one; `None` where it stays until told otherwise.
    pub fn next(self, vm: &Value) -> Option<Self> {
        if self == PENDING {
            return Some(match vm.get("PREV_STATE").and_then(number) {
                Some(4) => PROLOG_RESUME,
                Some(9) => PROLOG_UNDEPLOY,
                _ => PROLOG,
            });
        }
        PASSING
            .iter()
            .find(|(from, _)| *from == self)
            .map(|(_, to)| *to)
    }

    /// Whether OneFlow warns of a node in this state: off, lost or failed. A suspended or stopped one is as its
    /// owner wants it: server-lite/tests/fixtures/elasticity.jsonl, case `average_one_vm_suspended`.
    pub fn is_warning(self) -> bool {
        self == POWEROFF || self == UNKNOWN || self.is_failure()
    }

    /// Whether something went wrong on the way to another state.
    pub fn is_failure(self) -> bool {
        self.state == 3 && self.name().ends_with("_FAILURE")
    }

    /// The state in which what went wrong is tried again; `None` where nothing did, or where that takes a second host
    /// (migrations).
    pub fn retried(self) -> Option<Self> {
        let name = self.name();
        let tried = name.strip_suffix("_FAILURE").filter(|_| self.state == 3)?;
        let (lcm, _) = LCM_STATES.iter().find(|(_, known)| *known == tried)?;
        let state = active(*lcm);
        PASSING
            .iter()
            .any(|(from, _)| *from == state)
            .then_some(state)
    }

    /// Where a VM gets that fails on the way from this state to the next, as oned has it: a VM that has run before is
    /// as it was before its start, and has no state of failure. `None` where nothing passes.
    pub fn failed(self) -> Option<Self> {
        match self {
            BOOT_POWEROFF => return Some(POWEROFF),
            BOOT_SUSPENDED => return Some(SUSPENDED),
            BOOT_UNKNOWN => return Some(UNKNOWN),
            SHUTDOWN | SHUTDOWN_POWEROFF | SHUTDOWN_UNDEPLOY | SAVE_STOP | SAVE_SUSPEND => {
                return Some(RUNNING);
            }
            _ => {}
        }
        let name = format!("{}_FAILURE", self.name());
        let (lcm, _) = LCM_STATES.iter().find(|(_, known)| *known == name)?;
        (self.state == 3).then_some(active(*lcm))
    }

    /// Whether it passes once a VM's process runs.
    pub fn is_starting(self) -> bool {
        matches!(
            self,
            BOOT | BOOT_POWEROFF | BOOT_SUSPENDED | BOOT_STOPPED | BOOT_UNDEPLOY | BOOT_UNKNOWN
        )
    }

    /// Whether it passes once a VM's process has ended.
    pub fn is_ending(self) -> bool {
        matches!(
            self,
            SHUTDOWN | SHUTDOWN_POWEROFF | SHUTDOWN_UNDEPLOY | SAVE_STOP | SAVE_SUSPEND
        )
    }

    /// Whether it is on its way out, or gone.
    pub fn is_leaving(self) -> bool {
        self == DONE || self == SHUTDOWN || self == EPILOG || self == active(23)
    }
}

fn number(value: &Value) -> Option<u8> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|n| u8::try_from(n).ok()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_number_has_one_name() {
        for pair in LCM_STATES.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{pair:?}");
        }
    }

    #[test]
    fn passing_states_end_in_one_that_stays() {
        for (from, _) in PASSING {
            let mut state = from;
            for _ in 0..PASSING.len() {
                match state.next(&json!({})) {
                    Some(next) => state = next,
                    None => break,
                }
            }
            assert_eq!(state.next(&json!({})), None, "{}", from.name());
        }
    }

    #[test]
    fn what_fails_gets_where_oned_has_it() {
        for (from, to) in [
            (PROLOG, Some("PROLOG_FAILURE")),
            (BOOT, Some("BOOT_FAILURE")),
            (BOOT_STOPPED, Some("BOOT_STOPPED_FAILURE")),
            (BOOT_POWEROFF, Some("POWEROFF")),
            (EPILOG, Some("EPILOG_FAILURE")),
            (SHUTDOWN, Some("RUNNING")),
            (RUNNING, None),
            (POWEROFF, None),
            (DONE, None),
        ] {
            let failed = from.failed().map(VmState::name);
            assert_eq!(failed.as_deref(), to, "{}", from.name());
        }
    }

    #[test]
    fn pending_leads_where_the_vm_came_from() {
        for (previous, next) in [
            ("4", PROLOG_RESUME),
            ("9", PROLOG_UNDEPLOY),
            ("0", PROLOG),
            ("2", PROLOG),
        ] {
            assert_eq!(
                PENDING.next(&json!({"PREV_STATE": previous})),
                Some(next),
                "{previous}"
            );
        }
    }

    #[test]
    fn states_are_read_as_strings_or_numbers() {
        assert_eq!(
            VmState::of(&json!({"STATE": "3", "LCM_STATE": 3})),
            Some(RUNNING)
        );
        assert_eq!(
            VmState::of(&json!({"STATE": 8, "LCM_STATE": "3"})),
            Some(POWEROFF)
        );
        assert_eq!(VmState::of(&json!({"STATE": "300"})), None);
        assert_eq!(VmState::of(&json!({})), None);
        assert_eq!(RUNNING.name(), "RUNNING");
        assert_eq!(POWEROFF.name(), "POWEROFF");
        assert_eq!(VmState { state: 3, lcm: 200 }.name(), "3/200");
    }
}
