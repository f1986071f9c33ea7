# bash completion for onegate-server-lite; generated from its tables of commands and options.

_onegate_server_lite() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=() i
    COMPREPLY=()
    case $before in
        --cloud|--config|--tls-cert|--tls-key|--auth-file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --state|--out) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --listen|--vm-step|--cooldown|--flow-interval|--admin|--log|--endpoint) return ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --listen|--cloud|--state|--config|--tls-cert|--tls-key|--auth-file|--vm-step|--cooldown|--flow-interval|--admin|--log|--out|--endpoint) ((i++)) ;;
            -*) ;;
            *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    local choices
    case "${words[0]-} ${words[1]-}" in
        "serve "*) choices="--listen --cloud --state --config --tls-cert --tls-key --opennebula --auth-file --vm-step --cooldown --flow-interval --admin --log" ;;
        "check "*) choices="--listen --cloud --state --config --tls-cert --tls-key --opennebula --auth-file --vm-step --cooldown --flow-interval" ;;
        "token "*) choices="--cloud --state" ;;
        "context "*) choices="--cloud --state --out --export --endpoint" ;;
        "service show") choices="--state --json" ;;
        "service recover") choices="--state" ;;
        "state export") choices="--state --salvage" ;;
        "state import") choices="--cloud --state" ;;
        "service "*) choices="show recover --help" ;;
        "state "*) choices="export import --help" ;;
        *) choices="serve check token context service state --help --version" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _onegate_server_lite onegate-server-lite
