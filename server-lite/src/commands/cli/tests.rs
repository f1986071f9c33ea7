//! Command lines and what becomes of them; the tables hold what they promise.

use super::*;
use std::time::Duration;

fn read(line: &str) -> Result<Invocation, String> {
    parse(line.split_whitespace().map(OsString::from), None).map_err(|error| error.to_string())
}

fn options(line: &str) -> CommandOptions {
    match read(line) {
        Ok(Invocation::Run(_, options)) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn good_lines_are_read() {
    assert_eq!(
        read("serve"),
        Ok(Invocation::Run(&COMMANDS[0], Box::default()))
    );
    assert_eq!(
        options("--listen=[::1]:0 serve").listen.as_deref(),
        Some("[::1]:0")
    );
    assert_eq!(
        options("serve --state /s --cloud c.json").state,
        Some("/s".into())
    );
    assert_eq!(options("token 8 --state=/s").id, 8);
    assert_eq!(options("context --out d 8").out, Some("d".into()));
    let show = options("service --json show 1 --state /s");
    assert_eq!((show.id, show.json), (1, true));
    assert_eq!(
        options("serve --vm-step 5ms --cooldown 0 --flow-interval 2m").vm_step,
        Some(Duration::from_millis(5))
    );
    assert_eq!(options("serve --cooldown 0").cooldown, Some(Duration::ZERO));
    assert_eq!(
        options("serve --flow-interval 2m").flow_interval,
        Some(Duration::from_secs(120))
    );
    for (given, seconds) in [("30", 30), ("30s", 30), ("5m", 300), ("1h", 3600)] {
        let interval = options(&format!("serve --flow-interval {given}")).flow_interval;
        assert_eq!(interval, Some(Duration::from_secs(seconds)), "{given}");
    }
    assert!(options("serve --opennebula --auth-file /a").opennebula);
    assert_eq!(read("-V"), Ok(Invocation::Version));
    assert_eq!(read("serve --version"), Ok(Invocation::Version));
}

#[test]
fn bad_lines_name_the_word_and_what_is_expected() {
    let cases = [
        (
            "",
            "no command given: the commands are serve, check, token, context",
        ),
        ("start", "unknown command 'start'"),
        ("-x", "unknown option -x"),
        (
            "serve -x",
            "serve has no option -x: see onegate-server-lite serve --help",
        ),
        ("serve --out d", "serve has no option --out"),
        ("token 8 --listen 1:1", "token has no option --listen"),
        ("serve --listen", "--listen needs a value: ADDRESS:PORT"),
        ("serve --listen=", "--listen: expected a text"),
        ("serve --state=", "--state: expected a path"),
        ("serve --opennebula=yes", "unexpected argument"),
        ("serve --cloud a --cloud b", "--cloud is given twice"),
        ("serve 8", "serve takes no argument '8'"),
        ("token", "token needs a VM's id"),
        ("service", "service needs another word: the commands are"),
        ("service 1", "unknown command 'service 1'"),
        (
            "service show --state /s",
            "service show needs a service's id: ID",
        ),
        ("service show x", "'x' is not a service's id"),
        ("service show 1", "service show needs --state DIR"),
        ("service recover 1", "service recover needs --state DIR"),
        (
            "service recover --state d",
            "service recover needs a service's id: ID",
        ),
        ("token +8", "'+8' is not a VM's id"),
        ("token 8x", "'8x' is not a VM's id"),
        ("token 8 9", "token takes no argument '9'"),
        ("context 8", "context needs either --out DIR"),
        ("context 8 --out d --export", "or --export"),
        (
            "serve --opennebula --state d",
            "--state is for a cloud of our own",
        ),
        (
            "serve --opennebula --cooldown 1",
            "--cooldown is for a cloud of our own",
        ),
        ("serve --auth-file f", "--auth-file is for --opennebula"),
        ("serve --tls-cert c", "--tls-cert needs --tls-key"),
        ("serve --tls-key k", "--tls-key needs --tls-cert"),
        (
            "serve --vm-step 1d",
            "--vm-step: expected a duration such as 30, 300ms, 2s, 5m or 1h, not '1d'",
        ),
        ("serve --vm-step -1", "--vm-step: expected a duration"),
        ("serve --vm-exec true", "--vm-exec needs --state DIR"),
        ("serve --vm-grace 1s", "--vm-grace is for --vm-exec"),
        ("serve --endpoint http://h", "--endpoint is for --vm-exec"),
        (
            "serve --opennebula --vm-exec true",
            "--vm-exec is for a cloud of our own",
        ),
        ("vm set 1 A=b", "vm set needs --state DIR"),
        ("vm set 1 --state d", "what is to be set?"),
        ("vm set 1 A --state d", "'A'"),
        ("vm create --state d", "--like ID is missing"),
        ("vm create 1 --state d", "vm create takes no argument '1'"),
        ("gate slow --state d", "expected slow TIME, down [TIME]"),
        ("clock 10m --state d", "'10m': expected how far"),
        ("clock +10x --state d", "not '10x'"),
        ("wait service 1 --state d", "what is waited for?"),
        ("wait vm 1 RUNNING --state d", "'RUNNING' is no condition"),
        ("events 1 --state d", "events takes no argument '1'"),
        ("serve --vm-step ms", "--vm-step: expected a duration"),
        ("serve --vm-step 1.5", "--vm-step: expected a duration"),
    ];
    for (line, words) in cases {
        let error = read(line).expect_err(line);
        assert!(error.contains(words), "{line}: {error}");
    }
    let control = parse([OsString::from("a\x1b[31m")], None)
        .unwrap_err()
        .to_string();
    assert!(!control.contains('\x1b'), "{control:?}");
}

#[test]
fn the_environment_names_the_state_where_nothing_else_does() {
    for (line, state) in [
        ("events", Some("/env")),
        ("events --state /given", Some("/given")),
        ("serve", Some("/env")),
        ("serve --opennebula", None),
        ("token 8", Some("/env")),
        ("token 8 --cloud c", None),
    ] {
        let words = line.split_whitespace().map(OsString::from);
        let Ok(Invocation::Run(_, options)) = parse(words, Some("/env".into())) else {
            panic!("{line}");
        };
        assert_eq!(options.state, state.map(Into::into), "{line}");
    }
    let none = parse([OsString::from("events")], Some(OsString::new()));
    assert!(none.is_err(), "an empty one is none");
}

/// Whoever checks a service gives the options that it has.
#[test]
fn check_takes_every_option_of_serve() {
    for option in OPTIONS {
        let takes = |command: &str| option.commands.contains(&command);
        assert_eq!(takes("serve"), takes("check"), "{}", option.name);
    }
}

#[test]
fn the_tables_are_sound_and_the_help_has_all_of_them() {
    for (number, entry) in OPTIONS.iter().enumerate() {
        assert!(
            OPTIONS[..number]
                .iter()
                .all(|other| other.name != entry.name),
            "{}",
            entry.name
        );
        assert!(
            !entry.commands.is_empty() && !entry.help.is_empty(),
            "{}",
            entry.name
        );
        let is_one = |name: &&str| COMMANDS.iter().any(|command| command.name == *name);
        assert!(entry.commands.iter().all(is_one), "--{}", entry.name);
    }
    let Ok(Invocation::Help(whole)) = read("--help") else {
        panic!("no help");
    };
    for command in COMMANDS {
        assert!(whole.contains(command.help));
        let Ok(Invocation::Help(one)) = read(&format!("{} -h", command.name)) else {
            panic!("no help for {}", command.name);
        };
        for option in OPTIONS {
            let takes = option.commands.contains(&command.name);
            assert_eq!(
                one.contains(&format!("--{} ", option.name)),
                takes,
                "{} {}",
                command.name,
                option.name
            );
        }
    }
}

#[test]
fn every_command_and_option_is_documented_where_it_belongs() {
    let documented = include_str!("../../../../docs/server.md");
    for command in COMMANDS {
        let row = documented
            .lines()
            .find(|line| line.starts_with(&format!("| `{}", command.name)))
            .unwrap_or_else(|| panic!("{} has no row", command.name));
        for option in OPTIONS {
            let written = match option.value {
                Some(value) => format!("`--{} {value}`", option.name),
                None => format!("`--{}`", option.name),
            };
            assert_eq!(
                row.contains(&written),
                option.commands.contains(&command.name),
                "{}: {written}",
                command.name
            );
        }
    }
}
