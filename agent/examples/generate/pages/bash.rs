//! The completion for bash. It needs nothing of bash-completion.

use super::{Entry, Kind, Program, Value, choices};
use std::fmt::Write as _;

/// Splits the line into words as the shell will see them: bash itself cuts them at `=`, `:` and `@`, too. Then sorts
/// them into those of the command and those that say which server to ask.
const READ: &str = r#"    local words=() bare=() server=() line=$COMP_LINE i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        [[ $i -gt 0 && $line != [[:blank:]]* ]] || words+=("")
        line=${line#"${line%%[![:blank:]]*}"}
        words[-1]+=${COMP_WORDS[i]}
        line=${line#"${COMP_WORDS[i]}"}
    done
    local word=${words[-1]} before=${words[-2]-}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
"#;

/// `word` is what is completed, `start` what of it stays before a choice.
const OPTION: &str = r#"    local option= start= flags= kinds=
    if [[ $word == --*=* ]]; then
        before=${word%%=*} start=${word%%=*}= word=${word#*=}
    fi
    case $before in
"#;

/// What can be without asking the server, kind by kind.
const CHOOSE: &str = r#"    local kind choice choices=() found cut
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
"#;

/// What the server says. An id is a command's first operand.
const ASK: &str = r#"            vms/* | networks/*)
                [[ -z $option && -n ${bare[2]-} ]] || mapfile -t found < <(ask "$kind") ;;
            attributes/* | conditions/*)
                mapfile -t found < <(ask "$kind")
                found=("${found[@]/%/=}")
                [[ $kind != conditions ]] || found+=(STATE=) ;;
            *) mapfile -t found < <(ask "$kind") ;;
"#;

/// bash replaces the part of the word behind the last character that it cuts words at, or from an `@` on.
const REPLY: &str = r#"        esac
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
"#;

pub(super) fn completion(program: &Program) -> String {
    let name = program.name;
    let function = name.replace('-', "_");
    let asks = choices::any(program);
    let mut out = format!(
        "# bash completion for {name}; generated from its tables of commands and options.\n\n"
    );
    if asks {
        let script = choices::script();
        let _ = writeln!(
            out,
            "_{function}_ask() {{ # KIND COMMAND ID OPTION...\n    sh -c {script} {name} \"$@\"\n}}\n"
        );
    }
    let _ = write!(out, "_{function}() {{\n    COMPREPLY=()\n{READ}");
    let spelled = |wanted: &dyn Fn(Value) -> bool| program.spellings(wanted).join("|");
    if asks {
        let rest = spelled(&|value| value.kind() == Some(Kind::CommandLine));
        let _ = writeln!(
            out,
            "            --endpoint|--vmid|--token-file|--root|--cacert) server+=(\"${{words[i]}}\" \"${{words[++i]}}\") ;;\n            \
             --endpoint=*|--vmid=*|--token-file=*|--root=*|--cacert=*|--insecure) server+=(\"${{words[i]}}\") ;;\n            \
             {rest}) ((i + 2 < ${{#words[@]}})) || break\n                compopt -o filenames 2>/dev/null\n                \
             mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;"
        );
    }
    let _ = write!(
        out,
        r#"            {}) ((i++)) ;;
            -*) ;;
            *) bare+=("${{words[i]}}") ;;
        esac
    done
{OPTION}"#,
        spelled(&|value| value != Value::Nothing),
    );
    for kind in program.kinds() {
        let names = spelled(&|value| value.kind() == Some(kind));
        let _ = writeln!(out, "        {names}) option={} ;;", kind.word());
    }
    out.push_str("    esac\n    local command=\"${bare[0]-} ${bare[1]-}\"\n    case $command in\n");
    for command in &program.commands {
        let pattern = match command.action() {
            "" => format!("\"{} \"*", command.words),
            _ => format!("\"{}\"", command.words),
        };
        let operands: Vec<&str> = command.operands.iter().map(|kind| kind.word()).collect();
        let operands = match operands[..] {
            [] => String::new(),
            _ => format!(" kinds=\"{}\"", operands.join(" ")),
        };
        let _ = writeln!(
            out,
            "        {pattern}) flags=\"{}\"{operands} ;;",
            flags(command)
        );
    }
    let common = program.common();
    let common: Vec<String> = common
        .iter()
        .map(|option| format!("--{}", option.long))
        .collect();
    let common = common.join(" ");
    let resources = program.resources();
    for resource in resources
        .iter()
        .filter(|resource| !program.stands_alone(resource))
    {
        let names: Vec<&str> = program.actions(resource).map(Entry::action).collect();
        let _ = writeln!(
            out,
            "        \"{resource} \"*) flags=\"{} {common}\" ;;",
            names.join(" ")
        );
    }
    let _ = writeln!(
        out,
        "        *) flags=\"{} {common}\" ;;\n    esac",
        resources.join(" ")
    );
    if asks {
        let [vm, service] = choices::states();
        let _ = write!(
            out,
            r#"    local id= states="{vm}"
    [[ ${{bare[2]-}} != [0-9]* ]] || id=${{bare[2]}}
    if [[ $command == "service wait" && " ${{words[*]}} " != *" --role"* && " ${{words[*]}} " != *" -r "* ]]; then
        states="{service}"
    fi
"#
        );
    }
    out.push_str("    [[ $word != -* ]] || kinds=\n    [[ -z $option ]] || kinds=$option\n");
    out.push_str(CHOOSE);
    if asks {
        let ask = format!(r#"_{function}_ask "$kind" "$command" "$id" "${{server[@]}}""#);
        out.push_str(&ASK.replace(r#"ask "$kind""#, &ask));
    }
    out.push_str(REPLY);
    let _ = write!(out, "\ncomplete -F _{function} {name}\n");
    out
}

fn flags(command: &Entry) -> String {
    command
        .options
        .iter()
        .map(|option| format!("--{}", option.long))
        .collect::<Vec<_>>()
        .join(" ")
}
