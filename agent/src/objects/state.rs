//! The states of OpenNebula's VMs and OneFlow's services, each with its explicit number.
//!
//! Numbers and names are oned's (`VirtualMachine.h`) and OneFlow's (`service.rb`); the Ruby client's tables are
//! positions in a list, and end at LCM state 68.

/// The VM state in which the LCM state says what happens.
const ACTIVE: u64 = 3;

/// STATE of a VM.
const VM_STATES: &[(u64, &str)] = &[
    (0, "INIT"),
    (1, "PENDING"),
    (2, "HOLD"),
    (3, "ACTIVE"),
    (4, "STOPPED"),
    (5, "SUSPENDED"),
    (6, "DONE"),
    (7, "FAILED"),
    (8, "POWEROFF"),
    (9, "UNDEPLOYED"),
    (10, "CLONING"),
    (11, "CLONING_FAILURE"),
];

/// LCM_STATE of a VM that is ACTIVE.
const LCM_STATES: &[(u64, &str)] = &[
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
    (13, "CANCEL"),
    (14, "FAILURE"),
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
    (58, "DISK_SNAPSHOT_REVERT"),
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

/// `state` of a OneFlow service or role.
const SERVICE_STATES: &[(u64, &str)] = &[
    (0, "PENDING"),
    (1, "DEPLOYING"),
    (2, "RUNNING"),
    (3, "UNDEPLOYING"),
    (4, "WARNING"),
    (5, "DONE"),
    (6, "FAILED_UNDEPLOYING"),
    (7, "FAILED_DEPLOYING"),
    (8, "SCALING"),
    (9, "FAILED_SCALING"),
    (10, "COOLDOWN"),
    (11, "DEPLOYING_NETS"),
    (12, "UNDEPLOYING_NETS"),
    (13, "FAILED_DEPLOYING_NETS"),
    (14, "FAILED_UNDEPLOYING_NETS"),
    (15, "HOLD"),
];

/// A VM's state in one word: the LCM state's name while it is ACTIVE. Takes STATE and LCM_STATE as the server wrote
/// them; what isn't in the tables comes back as it is.
pub fn vm(state: &str, lcm_state: &str) -> String {
    if state.parse() == Ok(ACTIVE) && !lcm_state.is_empty() {
        name(LCM_STATES, lcm_state)
    } else {
        name(VM_STATES, state)
    }
}

/// The names that [`vm`] knows, of both tables.
pub fn vm_names() -> impl Iterator<Item = &'static str> {
    LCM_STATES.iter().chain(VM_STATES).map(|(_, name)| *name)
}

/// The names that [`service`] knows.
pub fn service_names() -> impl Iterator<Item = &'static str> {
    SERVICE_STATES.iter().map(|(_, name)| *name)
}

/// Is it the name or the number of a state, whoever's?
pub fn exists(state: &str) -> bool {
    let mut names = vm_names().chain(service_names());
    names.any(|name| name.eq_ignore_ascii_case(state)) || state.parse::<u64>().is_ok()
}

/// The state of a service or of a role, in one word.
pub fn service(state: &str) -> String {
    name(SERVICE_STATES, state)
}

fn name(table: &[(u64, &str)], number: &str) -> String {
    let known = number
        .parse()
        .ok()
        .and_then(|n: u64| table.iter().find(|(i, _)| *i == n));
    known.map_or(number, |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_and_every_name_stands_once() {
        for table in [VM_STATES, LCM_STATES, SERVICE_STATES] {
            for (position, (number, name)) in table.iter().enumerate() {
                assert_eq!(position as u64, *number, "{name} is out of order");
                assert_eq!(
                    table.iter().filter(|(_, n)| n == name).count(),
                    1,
                    "{name} twice"
                );
            }
        }
    }

    #[test]
    fn states_in_a_word() {
        for (state, lcm, word) in [
            ("3", "3", "RUNNING"),
            ("3", "71", "RESTORE"),
            ("3", "72", "72"),
            ("3", "", "ACTIVE"),
            ("8", "0", "POWEROFF"),
            ("1", "", "PENDING"),
            ("12", "3", "12"),
            ("", "", ""),
        ] {
            assert_eq!(vm(state, lcm), word, "STATE {state}, LCM_STATE {lcm}");
        }
        assert_eq!(service("8"), "SCALING");
        assert_eq!(service("16"), "16");
    }
}
