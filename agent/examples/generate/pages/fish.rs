//! The completion for fish.

use super::{actions, options_of, resources};
use onegate::cli::options::{Kind, OptionEntry};
use onegate::commands::COMMANDS;
use std::fmt::Write as _;

pub(crate) fn completion() -> String {
    let mut out = String::from(
        r#"# fish completion for onegate; generated from its tables of commands and options.

function __onegate_is
    set -l words (string match -v -- '-*' (commandline -opc))
    test "$words[2..]" = "$argv"
end

function __onegate_runs
    set -l words (string match -v -- '-*' (commandline -opc))
    test "$words[2..$(math 1 + (count $argv))]" = "$argv"
end

complete -c onegate -f
complete -c onegate -n '__onegate_is' -l help -s h -d 'Show help'
complete -c onegate -n '__onegate_is' -l version -d 'Print the version'
"#,
    );
    for resource in resources() {
        let _ = writeln!(out, "complete -c onegate -n '__onegate_is' -a {resource}");
        for command in actions(resource) {
            let _ = writeln!(
                out,
                "complete -c onegate -n '__onegate_is {resource}' -a {} -d {}",
                command.action(),
                quoted(command.summary)
            );
        }
    }
    for command in COMMANDS {
        for option in options_of(command) {
            let _ = writeln!(
                out,
                "complete -c onegate -n '__onegate_runs {}' {}",
                command.words,
                specification(option)
            );
        }
    }
    out
}

fn specification(option: &OptionEntry) -> String {
    let short = option
        .short
        .map(|letter| format!(" -s {letter}"))
        .unwrap_or_default();
    let value = match option.kind {
        Kind::Switch => "",
        Kind::Path("DIR") => " -x -a '(__fish_complete_directories)'",
        Kind::Path(_) => " -r -F",
        _ => " -x",
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
