//! The completion for bash. It needs nothing of bash-completion.

use super::{Choice, Entry, Program, Value};
use std::fmt::Write as _;

pub(super) fn completion(program: &Program) -> String {
    let name = program.name;
    let function = name.replace('-', "_");
    let mut out = format!(
        r#"# bash completion for {name}; generated from its tables of commands and options.

_{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=() i
    COMPREPLY=()
    case $before in
"#,
    );
    let options = program.options();
    let spelled = |wanted: fn(Value) -> bool| {
        let mut names: Vec<String> = Vec::new();
        for option in options.iter().filter(|option| wanted(option.value)) {
            if !names.contains(&spellings(option)) {
                names.push(spellings(option));
            }
        }
        names.join("|")
    };
    let files = spelled(|value| matches!(value, Value::File(_)));
    let directories = spelled(|value| value == Value::Directory);
    let words = spelled(|value| matches!(value, Value::Word(_)));
    let _ = writeln!(
        out,
        "        {files}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n        \
         {directories}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$word\"); return ;;\n        \
         {words}) return ;;\n    esac"
    );
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
        spelled(|value| value != Value::Nothing),
    );
    for command in &program.commands {
        let pattern = match command.action() {
            "" => format!("\"{} \"*", command.words),
            _ => format!("\"{}\"", command.words),
        };
        let _ = writeln!(out, "        {pattern}) choices=\"{}\" ;;", flags(command));
    }
    for resource in program
        .resources()
        .into_iter()
        .filter(|resource| !program.stands_alone(resource))
    {
        let names: Vec<&str> = program.actions(resource).map(Entry::action).collect();
        let _ = writeln!(
            out,
            "        \"{resource} \"*) choices=\"{} --help\" ;;",
            names.join(" ")
        );
    }
    let _ = writeln!(
        out,
        "        *) choices=\"{} --help --version\" ;;",
        program.resources().join(" ")
    );
    let _ = write!(
        out,
        r#"    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}}

complete -F _{function} {name}
"#
    );
    out
}

/// `-d|--data`
fn spellings(option: &Choice) -> String {
    let short = option
        .short
        .map(|letter| format!("-{letter}|"))
        .unwrap_or_default();
    format!("{short}--{}", option.long)
}

fn flags(command: &Entry) -> String {
    command
        .options
        .iter()
        .map(|option| format!("--{}", option.long))
        .collect::<Vec<_>>()
        .join(" ")
}
