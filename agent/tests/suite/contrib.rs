//! The scripts of contrib/ do what they promise, in every shell that a guest may have, against the real server.

use crate::support::server::{Server, token};
use crate::support::{Listener, skipped, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SHELLS: &[&[&str]] = &[
    &["dash"],
    &["bash"],
    &["bash", "--posix"],
    &["busybox", "ash"],
];

fn contrib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib")
}

/// Calls the test once for each shell that this machine has, each time with a new server whose clouds move fast.
fn in_every_shell(test: impl Fn(&dyn Fn(u32, &str, &[&str]) -> Command, &Server)) {
    for shell in SHELLS {
        if Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", ":"])
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            skipped(shell[0]);
            continue;
        }
        let server = Server::with(&["--vm-step", "50ms", "--cooldown", "100ms"]);
        let script = |vm: u32, name: &str, args: &[&str]| {
            let bin = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
            let mut command = Command::new(shell[0]);
            command
                .args(&shell[1..])
                .arg(contrib().join("shell").join(name))
                .args(args)
                .env(
                    "PATH",
                    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()),
                )
                .env("ONEGATE_ENDPOINT", server.url())
                .env("VMID", vm.to_string())
                .env("TOKENTXT", token(vm));
            command
        };
        test(&script, &server);
    }
}

#[test]
fn a_token_of_any_bytes_reaches_whoever_waits_for_it() {
    in_every_shell(|script, _| {
        let waiting = script(9, "fetch-token", &["JOIN", "master"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let published = script(
            8,
            "publish-token",
            &["JOIN", "printf", r#"join "a,b" \\ [x=1]\n\n"#],
        )
        .output()
        .unwrap();
        assert!(published.status.success(), "{}", stderr(&published));
        let fetched = waiting.wait_with_output().unwrap();
        assert_eq!(
            stdout(&fetched),
            "join \"a,b\" \\ [x=1]\n\n",
            "{}",
            stderr(&fetched)
        );
        assert!(fetched.status.success());
    });
}

#[test]
fn a_token_is_not_published_when_its_command_fails() {
    in_every_shell(|script, server| {
        let published = script(8, "publish-token", &["JOIN", "false"])
            .output()
            .unwrap();
        assert_eq!(published.status.code(), Some(1), "{}", stderr(&published));
        let shown = server.onegate(8, &["vm", "show", "--get", "USER_TEMPLATE.JOIN"]);
        assert_eq!(stdout(&shown), "");
    });
}

#[test]
fn peers_become_lines_of_etc_hosts() {
    in_every_shell(|script, _| {
        let hosts = script(8, "peers-hosts", &["slave"]).output().unwrap();
        assert_eq!(
            stdout(&hosts),
            "192.168.122.24\tslave-1 vm-9\n",
            "{}",
            stderr(&hosts)
        );
    });
}

#[test]
fn ready_is_reported_when_the_check_succeeds_and_not_before() {
    in_every_shell(|script, server| {
        let ready = || stdout(&server.onegate(8, &["vm", "show", "--get", "USER_TEMPLATE.READY"]));
        let gave_up = script(8, "report-ready", &["false"])
            .env("READY_TIMEOUT", "0")
            .output()
            .unwrap();
        assert_eq!(gave_up.status.code(), Some(1));
        assert!(
            stderr(&gave_up).contains("'false' did not succeed in 0 seconds"),
            "{}",
            stderr(&gave_up)
        );
        assert_eq!(ready(), "");

        let directory = tempfile::tempdir().unwrap();
        let second_time = format!("cd '{}' && ! mkdir tried", directory.path().display());
        let reported = script(8, "report-ready", &["sh", "-c", &second_time])
            .env("READY_PAUSE", "0")
            .output()
            .unwrap();
        assert!(reported.status.success(), "{}", stderr(&reported));
        assert_eq!(ready(), "YES\n");
    });
}

#[test]
fn a_role_grows_from_inside() {
    in_every_shell(|script, server| {
        let scaled = script(8, "scale-up", &["slave"]).output().unwrap();
        assert!(scaled.status.success(), "{}", stderr(&scaled));
        let peers = stdout(&server.onegate(8, &["service", "peers", "--role", "slave"]));
        assert_eq!(
            peers
                .lines()
                .filter(|line| line.contains("RUNNING"))
                .count(),
            2,
            "{peers}"
        );

        let unknown = script(8, "scale-up", &["nobody"]).output().unwrap();
        assert_eq!(unknown.status.code(), Some(1));
        assert!(
            stderr(&unknown).contains("has no role nobody"),
            "{}",
            stderr(&unknown)
        );
    });
}

/// What a server may put where a number is meant, if it wants a command run. `LEFT` is the file that tells.
const HOSTILE: &[&str] = &[
    "PATH[$(>LEFT)]",
    "a[$(>LEFT)0]",
    "$(>LEFT)",
    "`>LEFT`",
    "1; >LEFT",
    "1\n>LEFT",
    "$((PATH[$(>LEFT)]))",
    "*",
    "08",
    "-1",
    "1+1",
    "99999999999999999999",
    "",
];

#[test]
fn nothing_that_a_server_sends_is_run() {
    let place = tempfile::tempdir().unwrap();
    let left = place.path().join("left");
    in_every_shell(|script, _| {
        for hostile in HOSTILE {
            let hostile = hostile.replace("LEFT", left.to_str().unwrap());
            let quoted = serde_json::to_string(&hostile).unwrap();
            let vm = format!(
                r#"{{"ID":{quoted},"NAME":{quoted},"STATE":"3","LCM_STATE":"3",
                "USER_TEMPLATE":{{"JOIN":{quoted}}},"TEMPLATE":{{"NIC":[{{"IP":{quoted}}}]}}}}"#
            );
            let service = format!(
                r#"{{"SERVICE":{{"id":"1","name":"s","state":2,"roles":[{{"name":"slave","state":2,
                "cardinality":{quoted},"nodes":[{{"deploy_id":{quoted},"vm_info":{{"VM":{vm}}}}}]}}]}}}}"#
            );
            let server = Listener::new(Box::new(move |_, request| {
                let sent = match request.line.contains("/service") {
                    true => service.clone(),
                    false => format!("{{\"VM\":{vm}}}"),
                };
                crate::support::answer("200 OK", &sent)
            }));
            for (name, args) in [
                ("scale-up", &["slave"][..]),
                ("scale-up", &["slave", &hostile]),
                ("fetch-token", &["JOIN", "slave"]),
                ("peers-hosts", &["slave"]),
            ] {
                let output = script(8, name, args)
                    .env("ONEGATE_ENDPOINT", server.url())
                    .current_dir(place.path())
                    .output()
                    .unwrap();
                let said = format!("{name} {args:?}: {hostile:?}: {}", stderr(&output));
                assert!(!left.exists(), "{said}");
                // Where an id is meant, any number will do.
                let digits = hostile.bytes().all(|b| b.is_ascii_digit()) && !hostile.is_empty();
                if name == "scale-up" || !digits {
                    assert_eq!(stdout(&output), "", "{said}");
                    let refused = name != "peers-hosts";
                    assert_eq!(output.status.success(), !refused, "{said}");
                }
            }
            let scaled = |line: &str| line.starts_with("PUT");
            assert!(
                !server.received().iter().any(|r| scaled(&r.line)),
                "{hostile:?} was scaled to"
            );
        }
    });
}

#[test]
fn scripts_check_numbers_before_they_calculate() {
    in_every_shell(|script, _| {
        for (name, value) in [("READY_TIMEOUT", "PATH[$(id)]"), ("READY_PAUSE", "5 s")] {
            let refused = script(8, "report-ready", &["false"])
                .env(name, value)
                .output()
                .unwrap();
            assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
            assert!(stderr(&refused).contains("whole numbers of seconds"));
        }
    });
}

/// In every script and every page: no `eval`, but of the two commands that print quoted assignments; and `$(( ))` only in scripts
/// that check their numbers.
#[test]
fn examples_evaluate_nothing_that_was_not_checked() {
    let mut left = vec![
        contrib(),
        contrib().join("../README.md"),
        contrib().join("../docs"),
    ];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for line in text.lines() {
            let evaluates = line.split_whitespace().next() == Some("eval");
            assert!(
                !evaluates
                    || line.contains("onegate context env")
                    || line.contains("onegate-server-lite context"),
                "{}: {line}",
                path.display()
            );
        }
        let calculates = text
            .lines()
            .any(|line| line.contains("$((") && !line.contains('`'));
        assert!(
            !calculates || text.contains("*[!0-9]*"),
            "{} calculates with unchecked numbers",
            path.display()
        );
    }
}

/// Every unit is one that systemd takes, and every OpenRC script is one that a shell takes.
#[test]
fn units_are_valid() {
    let read = |directory: &str| {
        let entries = std::fs::read_dir(contrib().join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    for script in read("openrc") {
        let checked = Command::new("sh").arg("-n").arg(&script).status();
        assert!(checked.unwrap().success(), "{}", script.display());
    }
    let units = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for unit in read("systemd") {
        let name = unit
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace('@', "@x");
        let text = std::fs::read_to_string(&unit).unwrap();
        // What it runs and where it is documented is not installed here.
        let text = text.replace("/usr/bin/onegate", "/bin/true");
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("Documentation="));
        let path = units.path().join(name);
        std::fs::write(
            &path,
            lines.map(|line| format!("{line}\n")).collect::<String>(),
        )
        .unwrap();
        names.push(path);
    }
    let Ok(verified) = Command::new("systemd-analyze")
        .arg("verify")
        .args(&names)
        .output()
    else {
        return skipped("systemd-analyze");
    };
    assert!(verified.status.success(), "{}", stderr(&verified));
    // Of a directive that it doesn't know it only speaks.
    assert!(
        !stderr(&verified).contains("onegate"),
        "{}",
        stderr(&verified)
    );
}

#[test]
fn the_binary_takes_the_ruby_clients_place_in_a_tree_of_context_packages() {
    let tree = tempfile::tempdir().unwrap();
    let bin = tree.path().join("src/usr/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in ["onegate##linux", "onegate.rb", "onesysprep"] {
        std::fs::write(bin.join(name), "before").unwrap();
    }
    std::fs::write(
        tree.path().join("generate.sh"),
        "    fpm --architecture all \\\n        --output-type \"${TYPE}\"\n",
    )
    .unwrap();
    let binary = env!("CARGO_BIN_EXE_onegate");
    let apply = || {
        Command::new("sh")
            .arg(contrib().join("one-context/apply"))
            .args([tree.path(), Path::new(binary)])
            .output()
            .unwrap()
    };
    let applied = apply();
    assert!(applied.status.success(), "{}", stderr(&applied));
    let read = |name: &str| std::fs::read(bin.join(name)).unwrap();
    assert!(read("onegate##linux") == std::fs::read(binary).unwrap());
    assert!(
        String::from_utf8(read("onegate.rb##linux"))
            .unwrap()
            .ends_with("exec '/usr/bin/onegate', *ARGV\n")
    );
    assert_eq!(read("onesysprep"), b"before");
    // BSD keeps the Ruby client.
    assert_eq!(read("onegate.rb##bsd"), b"before");

    std::fs::remove_dir_all(&bin).unwrap();
    assert_eq!(apply().status.code(), Some(1));
}
