use super::options::{HARD, JSON, OptionEntry};
use super::{Invocation, Parsed, all_options, parse};
use crate::commands::COMMANDS;
use crate::error::Error;

fn line(words: &[&str]) -> Result<Parsed, Error> {
    parse(COMMANDS, words.iter().map(|word| (*word).into()))
}

fn run(words: &[&str]) -> Invocation {
    match line(words) {
        Ok(Parsed::Run(invocation)) => invocation,
        other => panic!("{words:?}: {other:?}"),
    }
}

/// The values of an option as they were read.
fn values(invocation: &Invocation, long: &str) -> Vec<String> {
    let given = invocation.options.0.iter();
    given
        .filter(|(entry, _)| entry.long == long)
        .map(|(_, value)| format!("{value:?}"))
        .collect()
}

#[test]
fn the_tables_are_whole() {
    for (at, command) in COMMANDS.iter().enumerate() {
        assert!(
            (1..=2).contains(&command.words.split(' ').count()),
            "{}",
            command.words
        );
        assert!(
            !command.summary.is_empty(),
            "{} is not documented",
            command.words
        );
        assert!(
            COMMANDS[..at]
                .iter()
                .all(|other| other.words != command.words),
            "{} twice",
            command.words
        );
        let options: Vec<&OptionEntry> = command.all_options().collect();
        for (at, option) in options.iter().enumerate() {
            let twice = options[..at].iter().any(|other| other.long == option.long);
            assert!(!twice, "{}: --{} twice", command.words, option.long);
        }
    }
    let all = all_options(COMMANDS);
    for (at, option) in all.iter().enumerate() {
        assert!(
            !option.help.is_empty(),
            "--{} is not documented",
            option.long
        );
        assert!(
            all[..at].iter().all(|other| other.long != option.long),
            "--{} twice",
            option.long
        );
        let shorts = all
            .iter()
            .filter(|other| option.short.is_some() && other.short == option.short);
        assert!(shorts.count() <= 1, "-{:?} twice", option.short);
    }
    // Options of one name are read before the command is known: whether there is a value must not depend on it.
    for entry in COMMANDS.iter().flat_map(|command| command.options) {
        let first = all.iter().find(|first| first.long == entry.long);
        let first = first.expect("all options have it");
        let same = (first.short, first.value(), first.classic)
            == (entry.short, entry.value(), entry.classic);
        assert!(same, "two kinds of --{}", entry.long);
    }
}

/// Every form that the Ruby client takes.
#[test]
fn forms_of_options() {
    for words in [
        &["vm", "update", "--data", "A=1"][..],
        &["vm", "update", "--data=A=1"],
        &["vm", "update", "-d", "A=1"],
        &["vm", "update", "-dA=1"],
        &["vm", "update", "--dat", "A=1"],
        &["vm", "update", "--d=A=1"],
        &["-dA=1", "vm", "update"],
        &["vm", "--data", "A=1", "update"],
        &["--data", "A=1", "--", "vm", "update"],
        &["vm", "update", "--data", "B=2", "--data", "A=1"],
    ] {
        let invocation = run(words);
        assert_eq!(invocation.command.words, "vm update", "{words:?}");
        assert_eq!(
            values(&invocation, "data").last().map(String::as_str),
            Some("Text(\"A=1\")"),
            "{words:?}"
        );
        assert!(invocation.operands.is_empty(), "{words:?}");
    }
    for words in [
        &["vm", "poweroff", "6", "-jf"][..],
        &["-f", "-j", "vm", "poweroff", "6"],
    ] {
        let invocation = run(words);
        assert!(
            invocation.options.has(&HARD) && invocation.options.has(&JSON),
            "{words:?}"
        );
        assert_eq!(invocation.operands, ["6"], "{words:?}");
    }
    assert_eq!(run(&["vm", "show", ""]).operands, [""]);
    for (value, read) in [("--json", "Text(\"--json\")"), ("", "Text(\"\")")] {
        let invocation = run(&["vm", "update", "--data", value]);
        assert_eq!(values(&invocation, "data"), [read]);
    }
}

/// Values are read while parsing; the message names option, value and what was expected.
#[test]
fn values_are_typed() {
    for (words, option, read) in [
        (
            &["vm", "show", "--timeout", "30"][..],
            "timeout",
            "Duration(30s)",
        ),
        (
            &["vm", "show", "--timeout=300ms"],
            "timeout",
            "Duration(300ms)",
        ),
        (
            &["vm", "wait", "A", "--timeout", "0"],
            "timeout",
            "Duration(0ns)",
        ),
        (&["metrics", "--every", "1h"], "every", "Duration(3600s)"),
        (&["vm", "show", "--retry", "3"], "retry", "Number(3)"),
        (&["vm", "show", "--root", "/x"], "root", "Path(\"/x\")"),
        (
            &["service", "scale", "-c", "007"],
            "cardinality",
            "Number(7)",
        ),
    ] {
        assert_eq!(values(&run(words), option), [read], "{words:?}");
    }
    // The Ruby client takes these with every command and doesn't look at them.
    assert!(values(&run(&["vm", "show", "-c", "x"]), "cardinality").is_empty());
    for (words, named) in [
        (
            &["vm", "show", "--retry", "-1"][..],
            "--retry '-1': expected a whole number from 0 to 1000000",
        ),
        (&["vm", "show", "--retry", "1000001"], "from 0 to 1000000"),
        (&["vm", "show", "--retry", ""], "--retry ''"),
        (&["vm", "show", "--retry", "+1"], "--retry '+1'"),
        (
            &["vm", "show", "--timeout", "0"],
            "--timeout '0': expected a duration of 1 ms or more",
        ),
        (
            &["vm", "show", "--connect-timeout", "soon"],
            "--connect-timeout 'soon': expected a duration, such as 30 (seconds), 300ms, 5m or 1h",
        ),
        (&["vm", "show", "--timeout", "8761h"], "a year or less"),
        (&["vm", "wait", "A", "--timeout", "-1"], "--timeout '-1'"),
        (
            &["metrics", "--every", "999ms"],
            "a duration of 1 s or more",
        ),
        (&["service", "wait", "--count", "1.5"], "--count '1.5'"),
        (
            &["service", "scale", "-r", "a", "-c", "x"],
            "--cardinality 'x'",
        ),
        (
            &["vm", "show", "--get", "a...b"],
            "--get 'a...b': a name expected",
        ),
        (&["doctor", "--every", "1"], "It goes with: 'metrics'"),
    ] {
        let error = line(words).expect_err("misuse").to_string();
        assert!(error.contains(named), "{words:?}: {error}");
    }
}

/// What a command has no use for is ignored with a warning, or refused.
#[test]
fn surplus_operands() {
    for (words, warning) in [
        (&["vm", "show", "8"][..], None),
        (
            &["vm", "show", "8", "9"],
            Some("'9' is ignored. Usage: onegate vm show [ID]"),
        ),
        (&["service", "show", "1"], Some("'1' is ignored")),
        (&["vrouter", "show", "1"], Some("'1' is ignored")),
        (&["vnet", "show", "1", "2", "3"], Some("'2' is ignored")),
        (&["vm", "wait", "8", "A", "B", "C"], None),
    ] {
        let warned = run(words).warning;
        assert_eq!(warned.is_some(), warning.is_some(), "{words:?}: {warned:?}");
        assert!(
            warned
                .unwrap_or_default()
                .contains(warning.unwrap_or_default())
        );
    }
    for words in [
        &["metrics", "extra"][..],
        &["doctor", "extra"],
        &["context", "show", "extra"],
        &["context", "env", "extra"],
        &["service", "peers", "extra"],
        &["service", "scale", "extra"],
        &["vm", "terminate", "9", "extra"],
        &["vm", "hold", "9", "extra", "more"],
    ] {
        let error = line(words).expect_err("surplus");
        let named = error
            .to_string()
            .contains("'extra' is one operand too many");
        assert!(named, "{words:?}: {error}");
        assert_eq!(error.exit_code(), 255, "{words:?}");
    }
}

/// What the message must name, and the exit code.
#[test]
fn misuse_is_named() {
    for (words, named, code) in [
        (&["vm", "show", "--foo"][..], "unknown option --foo", 1),
        (&["vm", "show", "--jsno"], "did you mean --json?", 1),
        (&["vm", "show", "-x"], "unknown option -x", 1),
        (
            &["vm", "show", "--h"],
            "--h is ambiguous: --hard or --help",
            1,
        ),
        (&["vm", "show", "--e"], "--e is ambiguous", 1),
        (
            &["vm", "update", "--data"],
            "option --data needs its DATA",
            1,
        ),
        (&["vm", "update", "-d"], "option -d needs its DATA", 1),
        (
            &["vm", "show", "--json=yes"],
            "option --json takes no value",
            1,
        ),
        (&[], "no command given", 255),
        (&["vm"], "'vm' needs a subcommand", 255),
        (
            &["vm", "shwo"],
            "'vm shwo' is not a command; did you mean 'vm show'?",
            255,
        ),
        (
            &["roles", "foo"],
            "'roles foo' is not a command; see 'onegate --help'",
            255,
        ),
        (&["servce", "show"], "did you mean 'service show'?", 255),
        (&["poweroff", "6"], "did you mean 'vm poweroff'?", 255),
        (
            &["show"],
            "did you mean 'vm show', 'service show', 'vrouter show', 'vnet show' or 'context show'?",
            255,
        ),
        (&["vmm"], "'vmm' is not a command; did you mean 'vm'?", 255),
        (&["docter"], "did you mean 'doctor'?", 255),
        (&["vrouter"], "vrouter show", 255),
    ] {
        let error = line(words).expect_err("misuse");
        assert!(error.to_string().contains(named), "{words:?}: {error}");
        assert_eq!(error.exit_code(), code, "{words:?}");
    }
}

#[test]
fn help_is_neither_success_nor_failure() {
    for (words, shown) in [
        (&["-h"][..], "Commands:"),
        (&["--help"], "--cardinality N"),
        (&["help"], "--cardinality N"),
        (&["--help", "vm", "update"], "Usage: onegate vm update"),
        (&["vm", "update", "-h"], "Usage: onegate vm update"),
        (&["help", "vm", "update"], "Usage: onegate vm update"),
        (
            &["vm", "update", "-h", "--nonsense"],
            "Usage: onegate vm update",
        ),
        (&["vnet", "--help"], "vnet show ID"),
        (&["doctor", "-h"], "Usage: onegate doctor"),
        (&["help", "metrics"], "Usage: onegate metrics"),
        (&["vm", "help"], "vm update [ID]"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["-V"], env!("CARGO_PKG_VERSION")),
    ] {
        match line(words) {
            Ok(Parsed::Print(text)) => assert!(text.contains(shown), "{words:?}: {text}"),
            other => panic!("{words:?}: {other:?}"),
        }
    }
    assert!(matches!(line(&["--nonsense", "-h"]), Err(Error::Option(_))));
}

/// Every sequence of three nasty words is answered, one way or the other.
#[test]
fn no_line_panics() {
    let nasty = [
        "", "-", "--", "---", "-d", "-d=", "--data", "--data=", "--=", "-jfh", "-j=1", "vm",
        "show", "help", "\u{1b}", "ü", "-ü", "--ü=ü", "--h", "6",
    ];
    for a in nasty {
        for b in nasty {
            for c in nasty {
                let _ = line(&[a, b, c]);
                let _ = line(&["vm", "update", a, b, c]);
            }
        }
    }
}

#[test]
fn what_other_programs_call_it_is_understood() {
    for (typed, meant) in [
        (
            "vm list",
            "did you mean 'vm show', 'service peers' or 'vrouter peers'?",
        ),
        (
            "service ls",
            "did you mean 'service show' or 'service peers'?",
        ),
        ("vm info", "did you mean 'vm show'?"),
        ("vnet get", "did you mean 'vnet show'?"),
        ("vm set", "did you mean 'vm update'?"),
        ("vm start", "did you mean 'vm resume'?"),
        ("service resize", "did you mean 'service scale'?"),
        ("set", "did you mean 'vm update'?"),
    ] {
        let words: Vec<&str> = typed.split(' ').collect();
        let said = line(&words).expect_err(typed).to_string();
        assert!(said.contains(meant), "{typed}: {said}");
    }
}

#[test]
fn help_for_a_command_has_its_own_exit_codes() {
    let help = |words: &[&str]| match line(words) {
        Ok(Parsed::Print(text)) => text,
        other => panic!("{words:?}: {other:?}"),
    };
    for (command, has, has_not) in [
        ("vm show", "--get leads nowhere", "the time is over"),
        (
            "vm wait",
            "Timed out: the time is over",
            "--get leads nowhere",
        ),
        ("vm update", "the server refused", "--get leads nowhere"),
        ("context env", "no credentials", "the server refused"),
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let (_, codes) = help(&words)
            .rsplit_once("Exit codes")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let codes = codes.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(codes.contains(has), "{command}: {codes}");
        assert!(!codes.contains(has_not), "{command}: {codes}");
    }
}
