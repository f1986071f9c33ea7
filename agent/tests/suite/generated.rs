//! The man page and the completions: as the tables have them, fit for man, and complete in their real shells.

#[path = "../../examples/generate/pages/mod.rs"]
mod pages;
use crate::support::server::Server;
use crate::support::{skipped, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/generated")
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        skipped(program);
    }
    found
}

#[test]
fn nothing_is_stale() {
    for (name, text) in pages::all() {
        let committed = std::fs::read_to_string(directory().join(&name)).unwrap_or_default();
        assert!(
            committed == text,
            "{name} is stale: cargo run --package onegate --example generate"
        );
    }
}

#[test]
fn the_pages_are_fit_for_man() {
    let agent = [
        "--connect-timeout DURATION",
        "onegate vm update 9 ACTIVE=YES MOTD='a, \"b\" = [c]'",
        "EXIT STATUS",
    ];
    is_fit_for_man("onegate.1", &agent);
    let server = [
        "onegate-server-lite service show ID",
        "--listen ADDRESS:PORT",
        "EXIT STATUS",
    ];
    is_fit_for_man("onegate-server-lite.1", &server);
}

fn is_fit_for_man(name: &str, words: &[&str]) {
    let page = directory().join(name);
    if is_installed("man") {
        let output = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(&page)
            .env("MANWIDTH", "80")
            .output()
            .unwrap();
        assert_eq!(
            (output.status.success(), stderr(&output)),
            (true, String::new())
        );
        let text = stdout(&output);
        for word in words {
            assert!(text.contains(word), "no {word} in\n{text}");
        }
    }
    if is_installed("mandoc") {
        let output = Command::new("mandoc")
            .args(["-T", "lint", "-W", "warning"])
            .arg(&page)
            .output()
            .unwrap();
        assert_eq!(
            (output.status.success(), stdout(&output)),
            (true, String::new())
        );
    }
}

/// What is typed, and what must be among the choices, and what must not.
const LINES: &[(&str, &[&str], &[&str])] = &[
    (
        "onegate ",
        &["vm", "service", "context"],
        &["show", "--hard"],
    ),
    ("onegate v", &["vm", "vrouter", "vnet"], &["service"]),
    (
        "onegate vm ",
        &["show", "update", "poweroff"],
        &["scale", "vrouter"],
    ),
    ("onegate service s", &["show", "scale"], &["peers"]),
    (
        "onegate vm poweroff --h",
        &["--hard", "--help"],
        &["--json"],
    ),
    (
        "onegate vm update --",
        &["--erase", "--base64", "--timeout"],
        &["--cardinality"],
    ),
    (
        "onegate metrics --",
        &["--push", "--every", "--help"],
        &["--hard"],
    ),
    (
        "onegate doctor --t",
        &["--timeout", "--token-file"],
        &["--push"],
    ),
    (
        "onegate-server-lite ",
        &["serve", "context", "service"],
        &["vm", "show"],
    ),
    ("onegate-server-lite service ", &["show"], &["serve"]),
    (
        "onegate-server-lite serve --t",
        &["--tls-cert", "--tls-key"],
        &["--out"],
    ),
];

/// Both programs' files of a shell, as commands that read them.
fn source(before: &str, after: &str) -> String {
    ["onegate", "onegate-server-lite"]
        .map(|program| {
            let file = directory().join(format!("{before}{program}{after}"));
            format!("source '{}'\n", file.display())
        })
        .concat()
}

/// Runs a script that prints the choices for each of [`LINES`], a line each, as `LINE<TAB>CHOICE`.
fn assert_completes(shell: &str, args: &[&str], script: &str) {
    let output = Command::new(shell)
        .args(args)
        .arg(script)
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = stdout(&output);
    assert_eq!(stderr(&output), "", "{shell}");
    for (line, expected, others) in LINES {
        let choices: Vec<&str> = printed
            .lines()
            .filter_map(|row| row.strip_prefix(&format!("{line}\t")))
            .collect();
        for word in *expected {
            assert!(
                choices.contains(word),
                "{shell}: '{line}' does not offer {word}, but {choices:?}"
            );
        }
        for word in *others {
            assert!(!choices.contains(word), "{shell}: '{line}' offers {word}");
        }
    }
}

#[test]
fn bash_completes() {
    if !is_installed("bash") {
        return;
    }
    let mut script = source("", ".bash");
    for (line, ..) in LINES {
        let program = line.split(' ').next().unwrap().replace('-', "_");
        // What bash itself does before it calls the function.
        script += &format!(
            "line='{line}'; read -ra COMP_WORDS <<<\"$line\"; [[ $line == *' ' ]] && COMP_WORDS+=(''); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _{program}; \
             for choice in \"${{COMPREPLY[@]}}\"; do printf '%s\\t%s\\n' \"$line\" \"$choice\"; done\n"
        );
    }
    assert_completes("bash", &["--norc", "-c"], &script);
}

#[test]
fn fish_completes() {
    if !is_installed("fish") {
        return;
    }
    let mut script = source("", ".fish");
    for (line, ..) in LINES {
        script += &format!(
            "for row in (complete -C '{line}'); printf '%s\\t%s\\n' '{line}' (string split -f 1 \\t -- $row); end\n"
        );
    }
    assert_completes("fish", &["--no-config", "-c"], &script);
}

/// zsh completes on a terminal alone: in a pseudo-terminal (zsh/zpty) the line is typed, and compadd, which takes the
/// choices, tells them. Nothing is typed before the prompt is there: until then the terminal itself would take ^U, and
/// the line with it.
#[test]
fn zsh_completes() {
    if !is_installed("zsh") {
        return;
    }
    let mut script = format!(
        r#"zmodload zsh/zpty || exit 1
zpty z zsh -f -i
zpty -w z "PS1=; setopt NO_BEEP; autoload -Uz compinit; compinit -D -u; {}"
zpty -w z 'compadd() {{ local -a hits; builtin compadd -O hits "$@"; print -rl -- "CHOICE="$^hits; builtin compadd "$@"; }}'
zpty -w z "PS1=PROM''PT"
"#,
        source("_", "").trim_end().replace('\n', "; ")
    );
    for (line, ..) in LINES {
        script += &format!(
            r#"zpty -r z out '*PROMPT*'
zpty -w -n z '{line}'$'\t'
zpty -w z $'\x15'"print -r EN''D"
zpty -r z out '*END*'
for row in ${{(f)out}}; do [[ $row == *CHOICE=* ]] && printf '%s\t%s\n' '{line}' "${{${{row##*CHOICE=}}%%$'\r'*}}"; done
"#
        );
    }
    script += "exit 0\n";
    assert_completes("zsh", &["-f", "-c"], &script);
}

/// Every example in help and man page runs, against the real server.
#[test]
fn every_example_runs() {
    use onegate::commands::COMMANDS;
    let server = Server::start();
    let path = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
    let mut count = 0;
    for example in COMMANDS.iter().flat_map(|command| command.examples) {
        // VM 1 belongs to the virtual router, VM 8 to the service.
        let vm = if example.contains("vrouter") || example.contains("vnet") {
            1
        } else {
            8
        };
        let output = Command::new("sh")
            .args(["-euc", example])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", path.display()))
            .env("ONEGATE_ENDPOINT", server.url())
            .env("VMID", vm.to_string())
            .env("TOKENTXT", crate::support::server::token(vm))
            .output()
            .unwrap();
        assert!(output.status.success(), "{example}: {}", stderr(&output));
        count += 1;
    }
    assert!(count >= 20, "{count} examples");
    println!("{count} examples ran");
}
