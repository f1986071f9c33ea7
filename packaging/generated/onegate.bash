# bash completion for onegate; generated from its tables of commands and options.

_onegate_ask() { # KIND COMMAND ID OPTION...
    sh -c 'kind=$1 command=$2 id=$3
shift 3
ask() { timeout 1 onegate "$@" </dev/null 2>/dev/null; }
# The names in objects of that name, as --json prints them: a line each, two columns further in.
names() {
    awk -v objects="$1" '\''
        { column = match($0, /[^ ]/); for (known in inside) if (known + 0 >= column) delete inside[known] }
        (column - 2) in inside { split($0, part, "\""); print part[2] }
        $0 ~ "\"(" objects ")\": [{]$" { inside[column] }'\''
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
    roles) ask service show --get '\''roles[*].name'\'' "$@" ;;
    vms) ask service peers "$@" | cut -f 1 ;;
    networks) ask vrouter show --get '\''TEMPLATE.NIC[*].NETWORK_ID'\'' "$@" ;;
    paths) record "$@" | names '\''VM|USER_TEMPLATE|SERVICE|VROUTER|VNET'\'' ;;
    *) record "$@" | names USER_TEMPLATE ;;
    esac
} | grep -xE '\''[A-Za-z0-9_.-]+'\'' | sort -u' onegate "$@"
}

_onegate() {
    COMPREPLY=()
    local words=() bare=() server=() line=$COMP_LINE i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        [[ $i -gt 0 && $line != [[:blank:]]* ]] || words+=("")
        line=${line#"${line%%[![:blank:]]*}"}
        words[-1]+=${COMP_WORDS[i]}
        line=${line#"${COMP_WORDS[i]}"}
    done
    local word=${words[-1]} before=${words[-2]-}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
            --endpoint|--vmid|--token-file|--root|--cacert) server+=("${words[i]}" "${words[++i]}") ;;
            --endpoint=*|--vmid=*|--token-file=*|--root=*|--cacert=*|--insecure) server+=("${words[i]}") ;;
            --exec) ((i + 2 < ${#words[@]})) || break
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
            --get|--interval|--output|--mode|--check|--exec|--timeout|--connect-timeout|--retry|--cacert|--endpoint|--vmid|--token-file|--root|-e|--erase|-d|--data|-r|--role|-c|--cardinality|--where|--format|--count|--every) ((i++)) ;;
            -*) ;;
            *) bare+=("${words[i]}") ;;
        esac
    done
    local option= start= flags= kinds=
    if [[ $word == --*=* ]]; then
        before=${word%%=*} start=${word%%=*}= word=${word#*=}
    fi
    case $before in
        --get) option=paths ;;
        --interval|--mode|--timeout|--connect-timeout|--retry|--endpoint|-d|--data|-c|--cardinality|--format|--count|--every) option=anything ;;
        --output|--check|--cacert|--token-file) option=files ;;
        --exec) option=commands ;;
        --vmid) option=vms ;;
        --root) option=directories ;;
        -e|--erase) option=keys ;;
        -r|--role) option=roles ;;
        --where) option=conditions ;;
    esac
    local command="${bare[0]-} ${bare[1]-}"
    case $command in
        "vm show") flags="--json --get --decode --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm update") flags="--erase --base64 --data --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms attributes" ;;
        "vm wait") flags="--timeout --interval --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms conditions" ;;
        "vm resume") flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm stop") flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm suspend") flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm terminate") flags="--hard --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm reboot") flags="--hard --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm poweroff") flags="--hard --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm resched") flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm unresched") flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm hold") flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm release") flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm delete") flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "vm shutdown") flags="--hard --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="vms" ;;
        "service show") flags="--json --extended --get --decode --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "service scale") flags="--role --cardinality --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "service peers") flags="--role --where --format --strict --get --leader --json --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "service wait") flags="--role --count --timeout --interval --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="conditions" ;;
        "vrouter show") flags="--json --extended --get --decode --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vrouter peers") flags="--where --format --strict --get --leader --json --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vnet show") flags="--json --extended --get --decode --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" kinds="networks" ;;
        "metrics "*) flags="--push --every --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "doctor "*) flags="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "context show") flags="--endpoint --vmid --token-file --root --trace --help --version" ;;
        "context env") flags="--export --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm "*) flags="show update wait resume stop suspend terminate reboot poweroff resched unresched hold release delete shutdown --endpoint --vmid --token-file --root --trace --help --version" ;;
        "service "*) flags="show scale peers wait --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vrouter "*) flags="show peers --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vnet "*) flags="show --endpoint --vmid --token-file --root --trace --help --version" ;;
        "context "*) flags="show env --endpoint --vmid --token-file --root --trace --help --version" ;;
        *) flags="vm service vrouter vnet metrics doctor context --endpoint --vmid --token-file --root --trace --help --version" ;;
    esac
    local id= states="ACTIVE BACKUP BACKUP_POWEROFF BOOT BOOT_FAILURE BOOT_MIGRATE BOOT_MIGRATE_FAILURE BOOT_POWEROFF BOOT_STOPPED BOOT_STOPPED_FAILURE BOOT_SUSPENDED BOOT_UNDEPLOY BOOT_UNDEPLOY_FAILURE BOOT_UNKNOWN CANCEL CLEANUP_DELETE CLEANUP_RESUBMIT CLONING CLONING_FAILURE DISK_RESIZE DISK_RESIZE_POWEROFF DISK_RESIZE_UNDEPLOYED DISK_SNAPSHOT DISK_SNAPSHOT_DELETE DISK_SNAPSHOT_DELETE_POWEROFF DISK_SNAPSHOT_DELETE_SUSPENDED DISK_SNAPSHOT_POWEROFF DISK_SNAPSHOT_REVERT DISK_SNAPSHOT_REVERT_POWEROFF DISK_SNAPSHOT_REVERT_SUSPENDED DISK_SNAPSHOT_SUSPENDED DONE EPILOG EPILOG_FAILURE EPILOG_STOP EPILOG_STOP_FAILURE EPILOG_UNDEPLOY EPILOG_UNDEPLOY_FAILURE FAILED FAILURE HOLD HOTPLUG HOTPLUG_EPILOG_POWEROFF HOTPLUG_NIC HOTPLUG_NIC_POWEROFF HOTPLUG_PROLOG_POWEROFF HOTPLUG_RESIZE HOTPLUG_SAVEAS HOTPLUG_SAVEAS_POWEROFF HOTPLUG_SAVEAS_STOPPED HOTPLUG_SAVEAS_SUSPENDED HOTPLUG_SAVEAS_UNDEPLOYED HOTPLUG_SNAPSHOT INIT LCM_INIT MIGRATE PENDING POWEROFF PROLOG PROLOG_FAILURE PROLOG_MIGRATE PROLOG_MIGRATE_FAILURE PROLOG_MIGRATE_POWEROFF PROLOG_MIGRATE_POWEROFF_FAILURE PROLOG_MIGRATE_SUSPEND PROLOG_MIGRATE_SUSPEND_FAILURE PROLOG_MIGRATE_UNKNOWN PROLOG_MIGRATE_UNKNOWN_FAILURE PROLOG_RESUME PROLOG_RESUME_FAILURE PROLOG_UNDEPLOY PROLOG_UNDEPLOY_FAILURE RESTORE RUNNING SAVE_MIGRATE SAVE_STOP SAVE_SUSPEND SHUTDOWN SHUTDOWN_POWEROFF SHUTDOWN_UNDEPLOY STOPPED SUSPENDED UNDEPLOYED UNKNOWN"
    [[ ${bare[2]-} != [0-9]* ]] || id=${bare[2]}
    if [[ $command == "service wait" && " ${words[*]} " != *" --role"* && " ${words[*]} " != *" -r "* ]]; then
        states="COOLDOWN DEPLOYING DEPLOYING_NETS DONE FAILED_DEPLOYING FAILED_DEPLOYING_NETS FAILED_SCALING FAILED_UNDEPLOYING FAILED_UNDEPLOYING_NETS HOLD PENDING RUNNING SCALING UNDEPLOYING UNDEPLOYING_NETS WARNING"
    fi
    [[ $word != -* ]] || kinds=
    [[ -z $option ]] || kinds=$option
    local kind choice choices=() found cut
    for kind in $kinds; do
        found=()
        case $kind/$word in
            commands/*) mapfile -t found < <(compgen -c -- "$word") ;;
            attributes/*=@*)
                # With -o filenames bash would put a backslash before the @.
                start+=${word%%=@*}=@ word=${word#*=@}
                mapfile -t found < <(compgen -f -- "$word")
                for ((i = 0; i < ${#found[@]}; i++)); do
                    [[ ! -d ${found[i]} ]] || found[i]+=/
                    printf -v "found[i]" %q "${found[i]}"
                done ;;
            files/* | directories/*)
                compopt -o filenames 2>/dev/null
                mapfile -t found < <(compgen "$([[ $kind == directories ]] && echo -d || echo -f)" -- "$word") ;;
            conditions/STATE=* | conditions/STATE!=*)
                start+=${word%%=*}= word=${word#*=}
                mapfile -t found < <(compgen -W "$states" -- "$word") ;;
            anything/* | attributes/*=* | conditions/*=*) ;;
            vms/* | networks/*)
                [[ -z $option && -n ${bare[2]-} ]] || mapfile -t found < <(_onegate_ask "$kind" "$command" "$id" "${server[@]}") ;;
            attributes/* | conditions/*)
                mapfile -t found < <(_onegate_ask "$kind" "$command" "$id" "${server[@]}")
                found=("${found[@]/%/=}")
                [[ $kind != conditions ]] || found+=(STATE=) ;;
            *) mapfile -t found < <(_onegate_ask "$kind" "$command" "$id" "${server[@]}") ;;
        esac
        choices+=("${found[@]}")
    done
    [[ ${#choices[@]} -gt 0 || -n $option ]] || mapfile -t choices < <(compgen -W "$flags" -- "$word")
    cut=$start$word
    cut=${cut%"${cut##*[${COMP_WORDBREAKS//@}]}"}
    for choice in "${choices[@]}"; do
        [[ $choice == "$word"* ]] || continue
        choice=$start$choice
        COMPREPLY+=("${choice#"$cut"}")
    done
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *[=/] ]] || compopt -o nospace 2>/dev/null
}

complete -F _onegate onegate
