//! The completion for fish.

use super::{Choice, Program, Value};
use std::fmt::Write as _;

pub(super) fn completion(program: &Program) -> String {
    let name = program.name;
    let function = name.replace('-', "_");
    let mut out = format!(
        r#"# fish completion for {name}; generated from its tables of commands and options.

function __{function}_is
    set -l words (string match -v -- '-*' (commandline -opc))
    test "$words[2..]" = "$argv"
end

function __{function}_runs
    set -l words (string match -v -- '-*' (commandline -opc))
    test "$words[2..$(math 1 + (count $argv))]" = "$argv"
end

complete -c {name} -f
complete -c {name} -n '__{function}_is' -l help -s h -d 'Show help'
complete -c {name} -n '__{function}_is' -l version -d 'Print the version'
"#,
    );
    for resource in program.resources() {
        let _ = writeln!(out, "complete -c {name} -n '__{function}_is' -a {resource}");
        for command in program.actions(resource) {
            let _ = writeln!(
                out,
                "complete -c {name} -n '__{function}_is {resource}' -a {} -d {}",
                command.action(),
                quoted(command.summary)
            );
        }
    }
    for command in &program.commands {
        for option in &command.options {
            let _ = writeln!(
                out,
                "complete -c {name} -n '__{function}_runs {}' {}",
                command.words,
                specification(option)
            );
        }
    }
    out
}

fn specification(option: &Choice) -> String {
    let short = option
        .short
        .map(|letter| format!(" -s {letter}"))
        .unwrap_or_default();
    let value = match option.value {
        Value::Nothing => "",
        Value::Directory => " -x -a '(__fish_complete_directories)'",
        Value::File(_) => " -r -F",
        Value::Word(_) => " -x",
    };
    format!(
        "-l {}{short}{value} -d {}",
        option.long,
        quoted(option.help)
    )
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
