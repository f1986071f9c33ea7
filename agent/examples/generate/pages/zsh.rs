//! The completion for zsh.

use super::{Choice, Program, Value};
use std::fmt::Write as _;

pub(super) fn completion(program: &Program) -> String {
    let name = program.name;
    let mut out = format!(
        "#compdef {name}\n# zsh completion for {name}; generated from its tables of commands and options.\n\n\
         _{name}() {{\n    local -a commands\n    if ((CURRENT == 2)); then\n",
    );
    let _ = writeln!(
        out,
        "        compadd -- {} --help --version\n        return\n    fi",
        program.resources().join(" ")
    );
    let (alone, others): (Vec<_>, Vec<_>) = program
        .resources()
        .into_iter()
        .partition(|resource| program.stands_alone(resource));
    let _ = writeln!(
        out,
        "    if ((CURRENT == 3)) && [[ $words[2] != ({}) ]]; then\n        case $words[2] in",
        alone.join("|")
    );
    for resource in others {
        let _ = writeln!(out, "            {resource})\n                commands=(");
        for command in program.actions(resource) {
            let _ = writeln!(
                out,
                "                    {}",
                quoted(&format!(
                    "{}:{}",
                    command.action(),
                    command.summary.replace(':', "\\:")
                ))
            );
        }
        let _ = writeln!(
            out,
            "                )\n                _describe command commands ;;"
        );
    }
    out.push_str("        esac\n        return\n    fi\n    case \"$words[2] $words[3]\" in\n");
    for command in &program.commands {
        let any = if command.action().is_empty() {
            "\\ *"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "        {}{any})\n            _arguments -S \\",
            quoted(command.words)
        );
        for option in &command.options {
            let _ = writeln!(out, "                {} \\", specification(option));
        }
        let _ = writeln!(out, "                '*: :_default' ;;");
    }
    // As an autoloaded function it is run at once; sourced, it is registered.
    let _ = write!(
        out,
        "    esac\n}}\n\nif [[ $funcstack[1] == _{name} ]]; then\n    _{name} \"$@\"\nelse\n    compdef _{name} {name}\nfi\n"
    );
    out
}

/// `'(-d --data)'{-d,--data}'[help]:DATA:'`
fn specification(option: &Choice) -> String {
    let long = format!("--{}", option.long);
    let names = match option.short {
        Some(letter) => format!("'(-{letter} {long})'{{-{letter},{long}}}"),
        None => long,
    };
    let value = match option.value {
        Value::Directory => ":DIR:_files -/".to_owned(),
        Value::File(name) => format!(":{name}:_files"),
        Value::Word(name) => format!(":{name}: "),
        Value::Nothing => String::new(),
    };
    let help = option
        .help
        .replace('\\', "\\\\")
        .replace('[', "\\[")
        .replace(']', "\\]")
        .replace(':', "\\:");
    format!("{names}{}", quoted(&format!("[{help}]{value}")))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
