# bash completion for onegate; generated from its tables of commands and options.

_onegate() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=() i
    COMPREPLY=()
    case $before in
        --output|--cacert|--token-file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --root) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --get|--interval|--mode|--check|--exec|--timeout|--connect-timeout|--retry|--endpoint|--vmid|-e|--erase|-d|--data|-r|--role|-c|--cardinality|--where|--format|--count|--every) return ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --get|--interval|--output|--mode|--check|--exec|--timeout|--connect-timeout|--retry|--cacert|--endpoint|--vmid|--token-file|--root|-e|--erase|-d|--data|-r|--role|-c|--cardinality|--where|--format|--count|--every) ((i++)) ;;
            -*) ;;
            *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    local choices
    case "${words[0]-} ${words[1]-}" in
        "vm show") choices="--json --get --decode --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm update") choices="--erase --base64 --data --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm wait") choices="--timeout --interval --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm resume") choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm stop") choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm suspend") choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm terminate") choices="--hard --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm reboot") choices="--hard --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm poweroff") choices="--hard --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm resched") choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm unresched") choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm hold") choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm release") choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm delete") choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm shutdown") choices="--hard --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "service show") choices="--json --extended --get --decode --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "service scale") choices="--role --cardinality --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "service peers") choices="--role --where --format --strict --get --leader --json --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "service wait") choices="--role --count --timeout --interval --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vrouter show") choices="--json --extended --get --decode --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vrouter peers") choices="--where --format --strict --get --leader --json --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vnet show") choices="--json --extended --get --decode --watch --once --interval --output --mode --check --exec --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "metrics "*) choices="--push --every --timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "doctor "*) choices="--timeout --connect-timeout --retry --cacert --insecure --endpoint --vmid --token-file --root --trace --help --version" ;;
        "context show") choices="--endpoint --vmid --token-file --root --trace --help --version" ;;
        "context env") choices="--export --endpoint --vmid --token-file --root --trace --help --version" ;;
        "vm "*) choices="show update wait resume stop suspend terminate reboot poweroff resched unresched hold release delete shutdown --help" ;;
        "service "*) choices="show scale peers wait --help" ;;
        "vrouter "*) choices="show peers --help" ;;
        "vnet "*) choices="show --help" ;;
        "context "*) choices="show env --help" ;;
        *) choices="vm service vrouter vnet metrics doctor context --help --version" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _onegate onegate
