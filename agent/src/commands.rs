//! The commands. Each has its file, with its options, its help and the function that runs it, and its row in
//! [`COMMANDS`].

mod act;
mod condition;
pub mod context;
mod doctor;
mod metrics;
mod peers;
mod scale;
pub mod show;
mod update;
mod wait;
pub(crate) mod watch;

use crate::cli::command::Command;
use act::{FORCED, act};

/// Every command, in the order in which help lists them.
pub static COMMANDS: &[Command] = &[
    show::VM,
    update::UPDATE,
    wait::VM,
    act(
        "vm resume",
        &[],
        "Resume a VM that is stopped, suspended or powered off",
    ),
    act("vm stop", &[], "Save a VM's state and release its host"),
    act("vm suspend", &[], "Save a VM's state on its host"),
    act("vm terminate", FORCED, "End a VM for good"),
    act("vm reboot", FORCED, "Reboot a VM"),
    act("vm poweroff", FORCED, "Power a VM off"),
    act("vm resched", &[], "Ask the scheduler for another host"),
    act("vm unresched", &[], "Withdraw 'resched'"),
    act("vm hold", &[], "Keep a pending VM from being deployed"),
    act("vm release", &[], "Let a held VM be deployed"),
    act(
        "vm delete",
        &[],
        "OpenNebula 4's word for 'terminate --hard'",
    ),
    act("vm shutdown", FORCED, "OpenNebula 4's word for 'terminate'"),
    show::SERVICE,
    scale::SCALE,
    peers::SERVICE,
    wait::SERVICE,
    show::VROUTER,
    peers::VROUTER,
    show::VNET,
    metrics::METRICS,
    doctor::DOCTOR,
    context::SHOW,
    context::ENV,
];
