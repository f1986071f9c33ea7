//! What a guest may ask of a VM with `POST /vms/ID/action`: [`ACTIONS`] is the only list of names, aliases,
//! restrictions, calls and state changes. (docs/protocol.md, "Actions")

use crate::objects::vm_state::*;
use serde_json::Value;
use thiserror::Error;

/// An action on a VM in oned's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmAction {
    /// What one.vm.action is told (`poweroff-hard`, `resched`, …), or for the actions that are calls of their own
    /// the call's name after `one.vm.` (`attach`, `attachnic`, `migrate`, `rename`, `snapshotcreate`, …).
    pub name: &'static str,
    /// What such a call takes; [`Argument::None`] for one.vm.action.
    pub argument: Argument,
}

/// What an action takes beside the VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// An id or an operation: a disk, a NIC, a snapshot, a host.
    Number(i64),
    /// A name, or a template.
    Text(String),
}

/// One action by the name that clients send.
#[derive(Debug)]
pub struct Action {
    /// The name, exactly as it has to be sent: the real server takes neither `HOLD` nor `hold `.
    pub name: &'static str,
    /// Whether a server whose configuration does not say otherwise refuses it with 403.
    pub restricted: bool,
    /// Whether it takes ADMIN rights on the VM, which an owner does not have by default, instead of MANAGE.
    pub admin: bool,
    /// What oned is asked to do.
    pub call: Call,
    /// From which state it leads to which. It is refused from all others.
    pub moves: &'static [(VmState, VmState)],
}

/// A call to oned.
#[derive(Debug)]
pub enum Call {
    /// one.vm.action with the first word, or with the second where `params` says hard.
    Action(&'static str, &'static str),
    /// `one.vm.` and this name, with an argument of its own.
    Own(&'static str, Takes),
}

/// What a call of its own takes, and what stands for it where `params` is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A number; 0 where absent, as Ruby's nil.to_i.
    Number,
    /// A number that must be there.
    SomeNumber,
    /// A text; empty where absent.
    Text,
}

const fn plain(name: &'static str, call: Call, moves: &'static [(VmState, VmState)]) -> Action {
    Action {
        name,
        restricted: false,
        admin: false,
        call,
        moves,
    }
}

const fn admin(name: &'static str, call: Call, moves: &'static [(VmState, VmState)]) -> Action {
    Action {
        name,
        restricted: false,
        admin: true,
        call,
        moves,
    }
}

/// Leads nowhere: allowed in these states, which stay.
const STAYS_RUNNING: &[(VmState, VmState)] = &[(RUNNING, RUNNING)];
const STAYS: &[(VmState, VmState)] = &[(RUNNING, RUNNING), (POWEROFF, POWEROFF)];
const RESCHED_FROM: &[(VmState, VmState)] = &[
    (RUNNING, RUNNING),
    (UNKNOWN, UNKNOWN),
    (POWEROFF, POWEROFF),
    (SUSPENDED, SUSPENDED),
];
/// `terminate` from a state in which nothing runs goes straight to the end.
const TERMINATE: &[(VmState, VmState)] = &[
    (RUNNING, SHUTDOWN),
    (UNKNOWN, SHUTDOWN),
    (BOOT_FAILURE, EPILOG),
    (PENDING, DONE),
    (HOLD, DONE),
    (STOPPED, EPILOG),
    (SUSPENDED, EPILOG),
    (POWEROFF, EPILOG),
    (UNDEPLOYED, EPILOG),
];

/// Every action. The first block is what the documentation promises and the Ruby client has commands for, the
/// second what 4.x called them, the third what the real server also accepts.
pub const ACTIONS: &[Action] = &[
    plain(
        "resume",
        Call::Action("resume", "resume"),
        &[
            (POWEROFF, BOOT_POWEROFF),
            (SUSPENDED, BOOT_SUSPENDED),
            (STOPPED, PENDING),
            (UNDEPLOYED, PENDING),
            (UNKNOWN, BOOT_UNKNOWN),
        ],
    ),
    plain(
        "stop",
        Call::Action("stop", "stop"),
        &[(RUNNING, SAVE_STOP), (SUSPENDED, EPILOG_STOP)],
    ),
    plain(
        "suspend",
        Call::Action("suspend", "suspend"),
        &[(RUNNING, SAVE_SUSPEND)],
    ),
    plain(
        "terminate",
        Call::Action("terminate", "terminate-hard"),
        TERMINATE,
    ),
    Action {
        name: "reboot",
        restricted: true,
        admin: false,
        call: Call::Action("reboot", "reboot-hard"),
        moves: STAYS_RUNNING,
    },
    plain(
        "poweroff",
        Call::Action("poweroff", "poweroff-hard"),
        &[(RUNNING, SHUTDOWN_POWEROFF), (UNKNOWN, SHUTDOWN_POWEROFF)],
    ),
    admin("resched", Call::Action("resched", "resched"), RESCHED_FROM),
    admin(
        "unresched",
        Call::Action("unresched", "unresched"),
        RESCHED_FROM,
    ),
    plain("hold", Call::Action("hold", "hold"), &[(PENDING, HOLD)]),
    plain(
        "release",
        Call::Action("release", "release"),
        &[(HOLD, PENDING)],
    ),
    plain(
        "delete",
        Call::Action("terminate-hard", "terminate-hard"),
        TERMINATE,
    ),
    plain(
        "shutdown",
        Call::Action("terminate", "terminate-hard"),
        TERMINATE,
    ),
    plain(
        "undeploy",
        Call::Action("undeploy", "undeploy-hard"),
        &[
            (RUNNING, SHUTDOWN_UNDEPLOY),
            (UNKNOWN, SHUTDOWN_UNDEPLOY),
            (POWEROFF, EPILOG_UNDEPLOY),
        ],
    ),
    plain("rename", Call::Own("rename", Takes::Text), STAYS),
    plain("attachdisk", Call::Own("attach", Takes::Text), STAYS),
    plain("detachdisk", Call::Own("detach", Takes::Number), STAYS),
    plain("attachnic", Call::Own("attachnic", Takes::Text), STAYS),
    plain("detachnic", Call::Own("detachnic", Takes::Number), STAYS),
    plain(
        "snapshot_create",
        Call::Own("snapshotcreate", Takes::Text),
        STAYS_RUNNING,
    ),
    plain(
        "snapshot_revert",
        Call::Own("snapshotrevert", Takes::Number),
        STAYS_RUNNING,
    ),
    plain(
        "snapshot_delete",
        Call::Own("snapshotdelete", Takes::Number),
        STAYS_RUNNING,
    ),
    admin(
        "deploy",
        Call::Own("deploy", Takes::Number),
        &[(PENDING, PROLOG), (HOLD, PROLOG)],
    ),
    admin("migrate", Call::Own("migrate", Takes::Number), STAYS),
    admin(
        "livemigrate",
        Call::Own("livemigrate", Takes::Number),
        STAYS_RUNNING,
    ),
    admin("recover", Call::Own("recover", Takes::SomeNumber), STAYS),
];

/// Names that the real server knows and we refuse like any unknown word, and why.
pub const REFUSED: &[(&str, &str)] = &[
    (
        "chmod",
        "who may see a VM is not for a guest to change: the real server locked itself out of its VM",
    ),
    (
        "chown",
        "never worked: the real server passes one argument of two",
    ),
    (
        "resize",
        "no recording shows how its template is to be sent",
    ),
];

/// The action of this name.
pub fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// The action whose call oned knows by this name: what a cloud is told ([`VmAction::name`]).
pub fn called(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.calls(name))
}

/// What 7.0.x answers, with 500, to a word that is no action (two blanks, as it writes them).
pub fn unknown(name: &str) -> String {
    format!("{name} action not  available for this resource")
}

/// `params` that an action cannot take: the action, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} takes {1} as params")]
pub struct WrongParams(&'static str, &'static str);

/// What oned answers where the VM's state does not allow an action.
pub fn not_in_state(action: &VmAction, state: VmState) -> String {
    format!(
        "[one.vm.action] Error performing action \"{}\": This action is not available for state {}",
        action.name,
        state.name()
    )
}

impl Action {
    /// Whether a name as sent is this action's, in any case: how restrictions are looked up, so that `REBOOT` is no
    /// way around one on `reboot`.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether oned knows its call, soft or hard, by this name.
    pub fn calls(&self, name: &str) -> bool {
        match self.call {
            Call::Action(soft, hard) => soft == name || hard == name,
            Call::Own(own, _) => own == name,
        }
    }

    /// The call for `params`, where anything but null and false means hard: `"false"`, 0 and `{}` do. A call of its
    /// own takes its argument from there.
    pub fn call(&self, params: &Value) -> Result<VmAction, WrongParams> {
        match self.call {
            Call::Action(soft, hard) => {
                let name = if is_truthy(params) { hard } else { soft };
                Ok(VmAction {
                    name,
                    argument: Argument::None,
                })
            }
            Call::Own(name, takes) => {
                let argument = takes
                    .read(params)
                    .ok_or_else(|| WrongParams(self.name, takes.describe()))?;
                Ok(VmAction { name, argument })
            }
        }
    }

    /// Where it leads from this state; `None` where it is not allowed.
    pub fn target(&self, from: VmState) -> Option<VmState> {
        self.moves
            .iter()
            .find(|(state, _)| *state == from)
            .map(|(_, to)| *to)
    }
}

impl Takes {
    fn read(self, params: &Value) -> Option<Argument> {
        match (self, params) {
            (Self::Number, Value::Null) => Some(Argument::Number(0)),
            (Self::Text, Value::Null) => Some(Argument::Text(String::new())),
            (Self::Number | Self::SomeNumber, Value::Number(number)) => {
                number.as_i64().map(Argument::Number)
            }
            (Self::Number | Self::SomeNumber, Value::String(text)) => {
                text.parse().ok().map(Argument::Number)
            }
            (Self::Text, Value::String(text)) => Some(Argument::Text(text.clone())),
            _ => None,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Number | Self::SomeNumber => "a number",
            Self::Text => "a text",
        }
    }
}

/// Ruby's idea of true.
fn is_truthy(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

#[cfg(test)]
mod tests;
