//! What the completions ask the server: one script for sh, which the completions of all shells run.

use super::Program;
use onegate::objects::state;

/// Prints the words of a kind, a line each: `KIND COMMAND ID OPTION...`, where ID is the VM or network that the command
/// line names, or empty, and OPTIONs say which server to ask. It has a second, and where anything fails it says nothing.
///
/// Words that a shell would take for more than a word are left out: whatever a peer calls its attributes, completing
/// them runs nothing.
pub(super) const SCRIPT: &str = r##"kind=$1 command=$2 id=$3
shift 3
ask() { timeout 1 onegate "$@" </dev/null 2>/dev/null; }
# The names in objects of that name, as --json prints them: a line each, two columns further in.
names() {
    awk -v objects="$1" '
        { column = match($0, /[^ ]/); for (known in inside) if (known + 0 >= column) delete inside[known] }
        (column - 2) in inside { split($0, part, "\""); print part[2] }
        $0 ~ "\"(" objects ")\": [{]$" { inside[column] }'
}
record() {
    case $command in
    *peers | "service wait") ask service show --extended --json "$@" ;;
    "vnet "*) ask vnet show "$id" --json "$@" ;;
    "service "* | "vrouter "*) ask ${command% *} show --json "$@" ;;
    *) ask vm show "$id" --json "$@" ;;
    esac
}
{
    case $kind in
    roles) ask service show --get 'roles[*].name' "$@" ;;
    vms) ask service peers "$@" | cut -f 1 ;;
    networks) ask vrouter show --get 'TEMPLATE.NIC[*].NETWORK_ID' "$@" ;;
    paths) record "$@" | names 'VM|USER_TEMPLATE|SERVICE|VROUTER|VNET' ;;
    *) record "$@" | names USER_TEMPLATE ;;
    esac
} | grep -xE '[A-Za-z0-9_.-]+' | sort -u"##;

/// [`SCRIPT`], quoted for any shell of ours.
pub(super) fn script() -> String {
    quoted(SCRIPT)
}

/// The states that can follow `STATE=`: of VMs, and of services.
pub(super) fn states() -> [String; 2] {
    let join = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.dedup();
        names.join(" ")
    };
    [
        join(state::vm_names().collect()),
        join(state::service_names().collect()),
    ]
}

/// Does anything of this program come from the server?
pub(super) fn any(program: &Program) -> bool {
    program
        .commands
        .iter()
        .any(|command| !command.operands.is_empty())
}

/// For bash, zsh and sh.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
