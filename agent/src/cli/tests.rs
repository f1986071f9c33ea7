use super::table::{COMMANDS, COMMON, Command, ONLINE, OPTIONS, Opt, entry};
use super::{Invocation, Parsed, parse};
use crate::error::Error;

fn line(words: &[&str]) -> Result<Parsed, Error> {
    parse(words.iter().map(|word| (*word).into()))
}

fn run(words: &[&str]) -> Invocation {
    match line(words) {
        Ok(Parsed::Run(invocation)) => invocation,
        other => panic!("{words:?}: {other:?}"),
    }
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
    }
    for opt in COMMANDS
        .iter()
        .flat_map(|command| command.options)
        .chain(COMMON)
        .chain(ONLINE)
    {
        assert_eq!(entry(*opt).opt, *opt, "an option without its entry");
    }
    for (at, option) in OPTIONS.iter().enumerate() {
        assert!(
            !option.help.is_empty(),
            "--{} is not documented",
            option.long
        );
        assert_eq!(
            entry(option.opt).long,
            option.long,
            "--{} shares its identity",
            option.long
        );
        assert!(
            OPTIONS[..at].iter().all(|other| other.long != option.long),
            "--{} twice",
            option.long
        );
        let shorts = OPTIONS
            .iter()
            .filter(|other| option.short.is_some() && other.short == option.short);
        assert!(shorts.count() <= 1, "-{:?} twice", option.short);
        let used = COMMANDS
            .iter()
            .any(|command| command.options.contains(&option.opt));
        assert!(
            used || COMMON.contains(&option.opt) || ONLINE.contains(&option.opt),
            "--{} goes with no command",
            option.long
        );
    }
}

/// Contract §3: every form that the Ruby client takes.
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
        assert_eq!(invocation.command.command, Command::VmUpdate, "{words:?}");
        assert_eq!(invocation.options.last(Opt::Data), Some("A=1"), "{words:?}");
        assert!(invocation.operands.is_empty(), "{words:?}");
    }
    for words in [
        &["vm", "poweroff", "6", "-jf"][..],
        &["-f", "-j", "vm", "poweroff", "6"],
    ] {
        let invocation = run(words);
        assert!(
            invocation.options.has(Opt::Hard) && invocation.options.has(Opt::Json),
            "{words:?}"
        );
        assert_eq!(invocation.operands, ["6"], "{words:?}");
    }
    assert_eq!(run(&["vm", "show", ""]).operands, [""]);
    assert_eq!(
        run(&["vm", "update", "--data", "--json"])
            .options
            .last(Opt::Data),
        Some("--json")
    );
    assert_eq!(
        run(&["vm", "update", "--data", ""]).options.last(Opt::Data),
        Some("")
    );
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
        (&["vm"], "'vm' what?", 255),
        (
            &["vm", "shwo"],
            "'vm shwo' is not a command; did you mean 'vm show'?",
            255,
        ),
        (&["service", "foo"], "'service foo' is not a command", 255),
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
        (&["--version"], env!("CARGO_PKG_VERSION")),
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
