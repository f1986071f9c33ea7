//! The completion for bash. It needs nothing of bash-completion.

use super::{actions, options_of, resources, stands_alone};
use onegate::cli::all_options;
use onegate::cli::command::Command;
use onegate::cli::options::{Kind, OptionEntry};
use onegate::commands::COMMANDS;
use std::fmt::Write as _;

pub(crate) fn completion() -> String {
    let mut out = String::from(
        r#"# bash completion for onegate; generated from its tables of commands and options.

_onegate() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=() i
    COMPREPLY=()
    case $before in
"#,
    );
    let of_kind = |kind: &str| {
        all_options(COMMANDS)
            .into_iter()
            .filter(|option| matches!(option.kind, Kind::Path(name) if name == kind))
            .map(spellings)
            .collect::<Vec<_>>()
            .join("|")
    };
    let _ = writeln!(
        out,
        "        {}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;",
        of_kind("FILE")
    );
    let _ = writeln!(
        out,
        "        {}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$word\"); return ;;",
        of_kind("DIR")
    );
    let free: Vec<String> = valued()
        .filter(|option| !matches!(option.kind, Kind::Path(_)))
        .map(spellings)
        .collect();
    let _ = writeln!(out, "        {}) return ;;\n    esac", free.join("|"));
    let _ = write!(
        out,
        r#"    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            {}) ((i++)) ;;
            -*) ;;
            *) words+=("${{COMP_WORDS[i]}}") ;;
        esac
    done
    local choices
    case "${{words[0]-}} ${{words[1]-}}" in
"#,
        valued().map(spellings).collect::<Vec<_>>().join("|"),
    );
    for command in COMMANDS {
        let pattern = match command.action() {
            "" => format!("\"{} \"*", command.words),
            _ => format!("\"{}\"", command.words),
        };
        let _ = writeln!(
            out,
            "        {pattern}) choices=\"{}\" ;;",
            options(command)
        );
    }
    for resource in resources()
        .into_iter()
        .filter(|resource| !stands_alone(resource))
    {
        let names: Vec<&str> = actions(resource).map(Command::action).collect();
        let _ = writeln!(
            out,
            "        \"{resource} \"*) choices=\"{} --help\" ;;",
            names.join(" ")
        );
    }
    let _ = writeln!(
        out,
        "        *) choices=\"{} --help --version\" ;;",
        resources().join(" ")
    );
    out.push_str(
        r#"    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _onegate onegate
"#,
    );
    out
}

fn valued() -> impl Iterator<Item = &'static OptionEntry> {
    all_options(COMMANDS)
        .into_iter()
        .filter(|option| option.value().is_some())
}

/// `-d|--data`
fn spellings(option: &OptionEntry) -> String {
    let short = option
        .short
        .map(|letter| format!("-{letter}|"))
        .unwrap_or_default();
    format!("{short}--{}", option.long)
}

fn options(command: &Command) -> String {
    options_of(command)
        .map(|option| format!("--{}", option.long))
        .collect::<Vec<_>>()
        .join(" ")
}
