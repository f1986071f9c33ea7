# bash completion for onegate-server-lite; generated from its tables of commands and options.

_onegate_server_lite() {
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
            --listen|--cloud|--state|--config|--tls-cert|--tls-key|--auth-file|--vm-step|--cooldown|--flow-interval|--vm-exec|--vm-grace|--endpoint|--admin|--page|--log|--out|--like|--timeout) ((i++)) ;;
            -*) ;;
            *) bare+=("${words[i]}") ;;
        esac
    done
    local option= start= flags= kinds=
    if [[ $word == --*=* ]]; then
        before=${word%%=*} start=${word%%=*}= word=${word#*=}
    fi
    case $before in
        --listen|--vm-step|--cooldown|--flow-interval|--vm-exec|--vm-grace|--endpoint|--admin|--page|--log|--like|--timeout) option=anything ;;
        --cloud|--config|--tls-cert|--tls-key|--auth-file) option=files ;;
        --state|--out) option=directories ;;
    esac
    local command="${bare[0]-} ${bare[1]-}"
    case $command in
        "serve "*) flags="--listen --cloud --state --config --tls-cert --tls-key --opennebula --auth-file --vm-step --cooldown --flow-interval --vm-exec --vm-grace --endpoint --admin --page --log" ;;
        "check "*) flags="--listen --cloud --state --config --tls-cert --tls-key --opennebula --auth-file --vm-step --cooldown --flow-interval --vm-exec --vm-grace --endpoint --admin --page --log" ;;
        "token "*) flags="--cloud --state" ;;
        "context "*) flags="--cloud --state --out --export --endpoint" ;;
        "service show") flags="--state --json" ;;
        "service recover") flags="--state" ;;
        "state export") flags="--state --salvage" ;;
        "state import") flags="--cloud --state" ;;
        "vm set") flags="--state" ;;
        "vm fail") flags="--state" ;;
        "vm poweroff") flags="--state" ;;
        "vm lose") flags="--state" ;;
        "vm create") flags="--state --like" ;;
        "gate "*) flags="--state" ;;
        "clock "*) flags="--state" ;;
        "events "*) flags="--state --json --follow" ;;
        "wait vm") flags="--state --timeout" ;;
        "wait service") flags="--state --timeout" ;;
        "service "*) flags="show recover --state" ;;
        "state "*) flags="export import --state" ;;
        "vm "*) flags="set fail poweroff lose create --state" ;;
        "wait "*) flags="vm service --state" ;;
        *) flags="serve check token context service state vm gate clock events wait --state" ;;
    esac
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

complete -F _onegate_server_lite onegate-server-lite
