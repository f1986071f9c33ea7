//! The completion for zsh.

use super::{actions, options_of, resources, stands_alone};
use onegate::cli::options::{Kind, OptionEntry};
use onegate::commands::COMMANDS;
use std::fmt::Write as _;

pub(crate) fn completion() -> String {
    let mut out = String::from(
        "#compdef onegate\n# zsh completion for onegate; generated from its tables of commands and options.\n\n\
         _onegate() {\n    local -a commands\n    if ((CURRENT == 2)); then\n",
    );
    let _ = writeln!(
        out,
        "        compadd -- {} --help --version\n        return\n    fi",
        resources().join(" ")
    );
    let (alone, others): (Vec<_>, Vec<_>) = resources()
        .into_iter()
        .partition(|resource| stands_alone(resource));
    let _ = writeln!(
        out,
        "    if ((CURRENT == 3)) && [[ $words[2] != ({}) ]]; then\n        case $words[2] in",
        alone.join("|")
    );
    for resource in others {
        let _ = writeln!(out, "            {resource})\n                commands=(");
        for command in actions(resource) {
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
    for command in COMMANDS {
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
        for option in options_of(command) {
            let _ = writeln!(out, "                {} \\", specification(option));
        }
        let _ = writeln!(out, "                '*: :_default' ;;");
    }
    // As an autoloaded function it is run at once; sourced, it is registered.
    out.push_str(
        "    esac\n}\n\nif [[ $funcstack[1] == _onegate ]]; then\n    _onegate \"$@\"\nelse\n    compdef _onegate onegate\nfi\n",
    );
    out
}

/// `'(-d --data)'{-d,--data}'[help]:DATA:'`
fn specification(option: &OptionEntry) -> String {
    let long = format!("--{}", option.long);
    let names = match option.short {
        Some(letter) => format!("'(-{letter} {long})'{{-{letter},{long}}}"),
        None => long,
    };
    let value = match (option.kind, option.value()) {
        (Kind::Path("DIR"), _) => ":DIR:_files -/".to_owned(),
        (Kind::Path(name), _) => format!(":{name}:_files"),
        (_, Some(value)) => format!(":{value}: "),
        (_, None) => String::new(),
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
