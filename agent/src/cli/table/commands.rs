//! The commands.

use super::{Command, CommandEntry, Opt};

const fn act(words: &'static str, options: &'static [Opt], summary: &'static str) -> CommandEntry {
    CommandEntry {
        command: Command::VmAct,
        words,
        operands: "ID",
        options,
        online: true,
        summary,
        detail: "The ID is required: acting on oneself must be said, as in 'onegate vm poweroff $VMID'.",
        examples: &[],
    }
}

/// Every command, in the order in which help lists them.
pub const COMMANDS: &[CommandEntry] = &[
    CommandEntry {
        command: Command::VmShow,
        words: "vm show",
        operands: "[ID]",
        options: &[Opt::Json, Opt::Get],
        online: true,
        summary: "Show this VM, or a VM of the same service or virtual router",
        detail: "An empty ID, as in 'vm show \"\"', means this VM.",
        examples: &["onegate vm show", "onegate vm show 9 --json", "onegate vm show --get NAME"],
    },
    CommandEntry {
        command: Command::VmUpdate,
        words: "vm update",
        operands: "[ID] [KEY=VALUE]...",
        options: &[Opt::Erase, Opt::Base64, Opt::Data],
        online: true,
        summary: "Add, change or remove attributes of a VM's record (USER_TEMPLATE)",
        detail: "\
Any VALUE is stored as it is given, commas, quotes, brackets, backslashes and newlines included. KEY=@FILE takes the \
value from a file, without the newline at its end, and KEY=@- from standard input; KEY=@@TEXT is a value that begins \
with '@' itself. A KEY is stored in upper case; given twice, it becomes a list.
What OpenNebula can't store exactly is refused before anything is sent: blanks and newlines at either end, CR and \
other control characters, ']]>', and characters beyond U+FFFF. With --base64 these can be stored too.
--data is sent as given, for scripts written for the Ruby client: OpenNebula refuses or damages what a comma, a quote, \
a bracket or a backslash is part of. Of --data and --erase the last one counts; several --erase count all.",
        examples: &[
            "onegate vm update READY=YES",
            "onegate vm update 9 ACTIVE=YES MOTD='a, \"b\" = [c]'",
            "onegate vm update HOSTS=@/etc/hosts --base64",
            "uname -a | onegate vm update KERNEL=@-",
            "onegate vm update --erase READY --erase KERNEL",
            "onegate vm update --data 'ACTIVE=YES\\nLEADER=NO'",
        ],
    },
    CommandEntry {
        command: Command::VmWait,
        words: "vm wait",
        operands: "[ID] CONDITION...",
        options: &[],
        online: true,
        summary: "Wait until a VM's record says what CONDITIONs say",
        detail: "\
A CONDITION is KEY (the attribute is there), KEY=VALUE, or KEY!=VALUE (it is not there, or differs), where KEY is an \
attribute as 'vm update' sets it, or STATE with a state's name. All of them must hold.
It asks the server often at first, then less and less, each VM at a pace of its own, and outlives the server's \
restarts. --timeout is that of the whole (default 300 seconds); when it is over the exit code is 124, and stderr says \
what was still missing.",
        examples: &["onegate vm wait 9 STATE=RUNNING READY!=NO --timeout 60"],
    },
    act("vm resume", &[], "Resume a VM that is stopped, suspended or powered off"),
    act("vm stop", &[], "Save a VM's state and release its host"),
    act("vm suspend", &[], "Save a VM's state on its host"),
    act("vm terminate", &[Opt::Hard], "End a VM for good"),
    act("vm reboot", &[Opt::Hard], "Reboot a VM"),
    act("vm poweroff", &[Opt::Hard], "Power a VM off"),
    act("vm resched", &[], "Ask the scheduler for another host"),
    act("vm unresched", &[], "Withdraw 'resched'"),
    act("vm hold", &[], "Keep a pending VM from being deployed"),
    act("vm release", &[], "Let a held VM be deployed"),
    act("vm delete", &[], "OpenNebula 4's word for 'terminate --hard'"),
    act("vm shutdown", &[Opt::Hard], "OpenNebula 4's word for 'terminate'"),
    CommandEntry {
        command: Command::ServiceShow,
        words: "service show",
        operands: "",
        options: &[Opt::Json, Opt::Extended, Opt::Get],
        online: true,
        summary: "Show the service of this VM, its roles and their VMs",
        detail: "",
        examples: &[
            "onegate service show --extended",
            "onegate service show --get 'roles[?@.name==\"slave\"].nodes[*].deploy_id'",
        ],
    },
    CommandEntry {
        command: Command::ServiceScale,
        words: "service scale",
        operands: "",
        options: &[Opt::Role, Opt::Cardinality],
        online: true,
        summary: "Set the number of VMs of a role",
        detail: "Both options are required. The service passes through SCALING and COOLDOWN to RUNNING.",
        examples: &["onegate service scale --role slave --cardinality 2"],
    },
    CommandEntry {
        command: Command::ServicePeers,
        words: "service peers",
        operands: "",
        options: &[Opt::Role, Opt::Json],
        online: true,
        summary: "List the VMs of the service: ID, role, name, state and addresses, a line each",
        detail: "Aligned on a terminal; elsewhere without a heading and separated by tabs.",
        examples: &["onegate service peers --role slave | cut -f5"],
    },
    CommandEntry {
        command: Command::ServiceWait,
        words: "service wait",
        operands: "[CONDITION]...",
        options: &[Opt::Role, Opt::Count],
        online: true,
        summary: "Wait until the service, or the VMs of a role, are as CONDITIONs say",
        detail: "\
Conditions are those of 'vm wait'. Without --role, STATE is that of the service, and any other KEY must hold for every \
VM of the service. With --role all is about the VMs of that role: as many as the role shall have, or with --count at \
least N of them.",
        examples: &[
            "onegate service wait STATE=RUNNING",
            "onegate service wait --role slave --count 1 STATE=RUNNING",
        ],
    },
    CommandEntry {
        command: Command::VrouterShow,
        words: "vrouter show",
        operands: "",
        options: &[Opt::Json, Opt::Extended, Opt::Get],
        online: true,
        summary: "Show the virtual router of this VM",
        detail: "",
        examples: &["onegate vrouter show"],
    },
    CommandEntry {
        command: Command::VnetShow,
        words: "vnet show",
        operands: "ID",
        options: &[Opt::Json, Opt::Extended, Opt::Get],
        online: true,
        summary: "Show a virtual network, from a VM of a virtual router attached to it",
        detail: "",
        examples: &["onegate vnet show 0 --json"],
    },
    CommandEntry {
        command: Command::Metrics,
        words: "metrics",
        operands: "",
        options: &[Opt::Push, Opt::Every],
        online: true,
        summary: "Print how busy this VM is, or push it into its record",
        detail: "\
MEM_USED_PERC, SWAP_USED_PERC, DISK_USED_PERC_<device> for each mounted disk, CPU_USED_PERC (over one second, or since \
the report before) and LOAD_1: what a role's elasticity policies can be about. With --every it goes on until it is \
stopped, over one connection, and past any outage.",
        examples: &["onegate metrics", "onegate metrics --push"],
    },
    CommandEntry {
        command: Command::Doctor,
        words: "doctor",
        operands: "",
        options: &[],
        online: true,
        summary: "Check the way from the context to an authorised answer, step by step",
        detail: "\
One line for each step: endpoint, VM id, token, name, connection, TLS, answer, identity, clock. The first that fails is \
explained, with what to do. Send its output along when you ask for help: no token is in it.",
        examples: &["onegate doctor"],
    },
    CommandEntry {
        command: Command::ContextShow,
        words: "context show",
        operands: "",
        options: &[],
        online: false,
        summary: "Show which endpoint, VM id and token are used, and where each was found",
        detail: "The token itself is never shown.",
        examples: &["onegate context show"],
    },
    CommandEntry {
        command: Command::ContextEnv,
        words: "context env",
        operands: "",
        options: &[],
        online: false,
        summary: "Print ONEGATE_ENDPOINT, VMID and TOKENTXT as shell assignments",
        detail: "For scripts that speak to the server by themselves.",
        examples: &["eval \"$(onegate context env)\""],
    },
];
