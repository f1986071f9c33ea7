//! The completion for zsh.

use super::choices::{self, quoted};
use super::{Choice, Kind, Program, Value};
use std::fmt::Write as _;

/// What the server says, and what follows from what has been typed of a word. An id is a command's first operand. zsh
/// sees the values of `_NAME` in what it calls.
const CHOOSE: &str = r#"_NAME_ask() { # KIND
    local id=
    [[ $bare[3] != [0-9]* ]] || id=$bare[3]
    reply=(${(f)"$(sh -c SCRIPT NAME $1 "$bare[1] $bare[2]" "$id" $server)"})
}

_NAME_choose() { # KIND
    local -a reply
    case $1 in
        attributes|conditions)
            if [[ $1 == attributes ]] && compset -P '*=@'; then
                _files
            elif [[ $1 == conditions && $PREFIX == STATE(|!)=* ]]; then
                compset -P '*='
                compadd -- $states
            elif [[ $PREFIX != *=* ]]; then
                _NAME_ask $1
                [[ $1 == attributes ]] || reply+=(STATE)
                compadd -q -S = -- $reply
            fi ;;
        *)
            _NAME_ask $1
            compadd -- $reply ;;
    esac
}
"#;

/// The words before the cursor that are neither options nor their values.
const WORDS: &str = r#"_NAME() {
    local -a bare actions server states kinds
    local i
    for ((i = 2; i < CURRENT; i++)); do
        case $words[i] in
SERVER            (OPTIONS) ((i++)) ;;
            (-*) ;;
            (*) bare+=("$words[i]") ;;
        esac
    done
"#;

const SERVER: &str = r#"            (--endpoint|--vmid|--token-file|--root|--cacert) server+=($words[i] $words[++i]) ;;
            (--endpoint=*|--vmid=*|--token-file=*|--root=*|--cacert=*|--insecure) server+=($words[i]) ;;
"#;

pub(super) fn completion(program: &Program) -> String {
    let name = program.name;
    let mut out = format!(
        "#compdef {name}\n# zsh completion for {name}; generated from its tables of commands and options.\n\n",
    );
    let asks = choices::any(program);
    let options = program.spellings(|value| value != Value::Nothing).join("|");
    if asks {
        out += &CHOOSE
            .replace("SCRIPT", &quoted(choices::SCRIPT))
            .replace("NAME", name);
        out.push('\n');
    }
    out += &operand(program);
    out += &WORDS
        .replace("SERVER", if asks { SERVER } else { "" })
        .replace("NAME", name)
        .replace("OPTIONS", &options);
    if asks {
        let [vm, service] = choices::states();
        let _ = write!(
            out,
            "    states=({vm})\n    if [[ \"$bare[1] $bare[2]\" == 'service wait' && -z ${{words[(r)(-r|--role*)]}} ]]; then\n        \
             states=({service})\n    fi\n"
        );
    }
    out.push_str("    case \"$bare[1] $bare[2]\" in\n");
    for command in &program.commands {
        let any = if command.action().is_empty() {
            "\\ *"
        } else {
            ""
        };
        let kinds: Vec<&str> = command.operands.iter().map(|kind| kind.word()).collect();
        let _ = writeln!(
            out,
            "        {}{any})\n            kinds=({})\n            _arguments -S \\",
            quoted(command.words),
            kinds.join(" ")
        );
        for option in &command.options {
            let _ = writeln!(out, "                {} \\", specification(option, name));
        }
        let _ = writeln!(out, "                '*: :_{name}_operand' ;;");
    }
    out.push_str("        *)\n            _arguments -S \\\n");
    for option in program.common() {
        let _ = writeln!(out, "                {} \\", specification(option, name));
    }
    let _ = writeln!(out, "                '*: :_{name}_operand' ;;");
    // As an autoloaded function it is run at once; sourced, it is registered.
    let _ = write!(
        out,
        "    esac\n}}\n\nif [[ $funcstack[1] == _{name} ]]; then\n    _{name} \"$@\"\nelse\n    compdef _{name} {name}\nfi\n"
    );
    out
}

/// The function that completes a word which is neither an option nor its value.
fn operand(program: &Program) -> String {
    let name = program.name;
    let (alone, others): (Vec<_>, Vec<_>) = program
        .resources()
        .into_iter()
        .partition(|resource| program.stands_alone(resource));
    let mut out = format!(
        "_{name}_operand() {{\n    if (($#bare == 0)); then\n        compadd -- {}\n        return\n    fi\n",
        program.resources().join(" ")
    );
    let _ = writeln!(
        out,
        "    if (($#bare == 1)) && [[ $bare[1] != ({}) ]]; then\n        case $bare[1] in",
        alone.join("|")
    );
    for resource in others {
        let _ = writeln!(out, "            {resource})\n                actions=(");
        for command in program.actions(resource) {
            let summary = command.summary.replace(':', "\\:");
            let described = quoted(&format!("{}:{summary}", command.action()));
            let _ = writeln!(out, "                    {described}");
        }
        let _ = writeln!(
            out,
            "                )\n                _describe command actions ;;"
        );
    }
    out.push_str("        esac\n        return\n    fi\n");
    if choices::any(program) {
        let _ = write!(
            out,
            "    local kind\n    for kind in $kinds; do\n        \
             [[ $kind == (vms|networks) && $#bare -gt 2 ]] || _{name}_choose $kind\n    done\n"
        );
    }
    out.push_str("}\n\n");
    out
}

/// `'(-d --data)'{-d,--data=}'[help]:DATA:'`; with `=` the value may follow in the same word.
fn specification(option: &Choice, program: &str) -> String {
    let long = format!("--{}", option.long);
    let equals = match option.value.kind() {
        None | Some(Kind::CommandLine) => "",
        Some(_) => "=",
    };
    let names = match option.short {
        Some(letter) => format!("'(-{letter} {long})'{{-{letter},{long}{equals}}}"),
        None => format!("{long}{equals}"),
    };
    let value = match option.value {
        Value::Nothing => String::new(),
        Value::Word(name, kind) => match kind {
            Kind::Anything => format!(":{name}: "),
            Kind::Files => format!(":{name}:_files"),
            Kind::Directories => format!(":{name}:_files -/"),
            Kind::CommandLine => format!(":*::{name}: _normal"),
            kind => format!(":{name}: _{program}_choose {}", kind.word()),
        },
    };
    let help = option
        .help
        .replace('\\', "\\\\")
        .replace('[', "\\[")
        .replace(']', "\\]")
        .replace(':', "\\:");
    format!("{names}{}", quoted(&format!("[{help}]{value}")))
}
