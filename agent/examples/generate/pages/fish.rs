//! The completion for fish.

use super::{Choice, Kind, Program, Value, choices};
use std::fmt::Write as _;

/// The words before the cursor that are neither options nor their values, and whether they are, or begin with, a
/// command. OPTIONS stands for the options that take a value.
const WORDS: &str = r#"
function __NAME_words
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case OPTIONS
                set -e words[1]
            case '-*'
            case '*'
                echo $words[1]
        end
        set -e words[1]
    end
end

function __NAME_is
    set -l words (__NAME_words)
    test "$words" = "$argv"
end

function __NAME_runs
    set -l words (__NAME_words)
    test "$words[1..$(count $argv)]" = "$argv"; and not __NAME_has_program
end

# Has the program that --exec runs been typed?
function __NAME_has_program
    set -l words (commandline -opc)
    set -l at (contains -i -- --exec $words); and test $at -lt (count $words)
end
"#;

/// What the server says, and what follows from what has been typed of a word. An id is a command's first operand.
const CHOOSE: &str = r#"
function __NAME_ask # KIND
    set -l line (commandline -opc)
    set -l words (__NAME_words)
    set -l id (string match -r '^[0-9]+$' -- $words[3])
    set -l server (string match -r -- '^--(?:insecure$|(?:endpoint|vmid|token-file|root|cacert)=).*' $line)
    for option in --endpoint --vmid --token-file --root --cacert
        if set -l at (contains -i -- $option $line)
            set -a server $option $line[(math $at + 1)]
        end
    end
    sh -c SCRIPT NAME $argv[1] "$words[1..2]" "$id" $server
end

function __NAME_operand # KIND
    set -l words (__NAME_words)
    set -l word (commandline -ct)
    switch $argv[1]/$word
        case 'attributes/*=@*'
            set -l start (string replace -r '=@.*' '=@' -- $word)
            string replace -r '^' $start -- (__fish_complete_path (string replace -r '^.*?=@' '' -- $word))
        case 'conditions/STATE=*' 'conditions/STATE!=*'
            set -l states VM_STATES
            if test "$words[1..2]" = 'service wait'; and not string match -qr -- '^(-r|--role)' (commandline -opc)
                set states SERVICE_STATES
            end
            string replace -r '^' (string replace -r '=.*' '=' -- $word) -- $states
        case 'attributes/*=*' 'conditions/*=*'
        case 'attributes/*' 'conditions/*'
            string replace -r '$' '=' -- (__NAME_ask $argv[1])
            test $argv[1] = conditions; and echo STATE=
        case '*'
            set -q words[3]; or __NAME_ask $argv[1]
    end
end
"#;

pub(super) fn completion(program: &Program) -> String {
    let name = program.name;
    let function = name.replace('-', "_");
    let options = program.spellings(|value| value != Value::Nothing);
    let mut out = format!(
        "# fish completion for {name}; generated from its tables of commands and options.\n"
    );
    out += &WORDS
        .replace("NAME", &function)
        .replace("OPTIONS", &options.join(" "));
    let asks = choices::any(program);
    if asks {
        let [vm, service] = choices::states();
        out += &CHOOSE
            .replace("VM_STATES", &vm)
            .replace("SERVICE_STATES", &service)
            .replace("NAME", &function)
            .replace("SCRIPT", &quoted(choices::SCRIPT));
    }
    let _ = writeln!(out, "\ncomplete -c {name} -f");
    for option in program.common() {
        let _ = writeln!(
            out,
            "complete -c {name} -n '__{function}_is' {}",
            specification(option, &function)
        );
    }
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
        let runs = format!(
            "complete -c {name} -n '__{function}_runs {}'",
            command.words
        );
        for option in &command.options {
            let _ = writeln!(out, "{runs} {}", specification(option, &function));
        }
        for kind in &command.operands {
            let kind = kind.word();
            let _ = writeln!(out, "{runs} -a '(__{function}_operand {kind})'");
        }
    }
    if asks {
        let _ = writeln!(out, "complete -c {name} -n __{function}_has_program -F");
    }
    out
}

fn specification(option: &Choice, function: &str) -> String {
    let short = option
        .short
        .map(|letter| format!(" -s {letter}"))
        .unwrap_or_default();
    let value = match option.value.kind() {
        None => String::new(),
        Some(Kind::Anything) => " -x".to_owned(),
        Some(Kind::Files) => " -r -F".to_owned(),
        Some(Kind::Directories) => " -x -a '(__fish_complete_directories)'".to_owned(),
        Some(Kind::CommandLine) => " -x -a '(__fish_complete_command)'".to_owned(),
        Some(kind @ Kind::Conditions) => {
            format!(" -x -a '(__{function}_operand {})'", kind.word())
        }
        Some(kind) => format!(" -x -a '(__{function}_ask {})'", kind.word()),
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
