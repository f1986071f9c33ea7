//! The commands that have a running server do something, as a test script gives them.

use crate::support::client::until;
use crate::support::process::{Running, credentials, printed, program, refused, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/elastic.json");

/// A server with a service of one VM that is to say READY, and its state directory.
struct Lab {
    server: Running,
    directory: tempfile::TempDir,
}

fn lab(options: &[&str]) -> Lab {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().to_str().unwrap();
    let mut all = vec!["--cloud", SCENARIO, "--state", state];
    all.extend(["--flow-interval", "50ms"]);
    all.extend(options);
    if !options.contains(&"--vm-step") {
        all.extend(["--vm-step", "5ms"]);
    }
    let server = Running::start(&all);
    Lab { server, directory }
}

impl Lab {
    fn state(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    /// What a command prints, which must succeed.
    fn ok(&self, line: &str) -> String {
        printed(&self.words(line))
    }

    /// The exit code and the message of a command that must fail.
    fn fails(&self, line: &str) -> (i32, String) {
        refused(&self.words(line))
    }

    fn words<'a>(&'a self, line: &'a str) -> Vec<&'a str> {
        let words = line.split_whitespace();
        words.chain(["--state", self.state()]).collect()
    }

    fn ask(&self, vm: &str, line: &str, body: &str) -> u16 {
        let token = self.ok(&format!("token {vm}"));
        let fields = credentials(vm, token.trim_end());
        self.server.send(line, &fields, body.as_bytes()).status
    }

    fn events(&self) -> String {
        self.ok("events")
    }
}

#[test]
fn a_service_is_brought_up_broken_and_recovered_from_a_script() {
    let lab = lab(&[]);
    lab.ok("wait vm 0 STATE=RUNNING");
    assert_eq!(lab.ok("vm set 0 READY=YES"), "VM 0: READY set\n");
    assert_eq!(
        lab.ok("wait service 1 STATE=RUNNING web.RUNNING=1"),
        "service 1: STATE=RUNNING web.RUNNING=1\n"
    );
    assert_eq!(lab.ok("vm poweroff 0"), "VM 0 is POWEROFF\n");
    lab.ok("wait service 1 STATE=WARNING");
    let (code, why) = lab.fails("vm fail 0");
    assert_eq!(code, 1);
    assert!(
        why.contains("VM 0 is POWEROFF: only one that starts, runs or ends can fail"),
        "{why}"
    );
    let resume = r#"{"action": {"perform": "resume"}}"#;
    assert_eq!(lab.ask("0", "POST /vms/0/action", resume), 204);
    lab.ok("wait service 1 STATE=RUNNING");
    lab.ok("wait vm 0 STATE=RUNNING");
    assert_eq!(lab.ok("vm lose 0"), "VM 0 is UNKNOWN\n");
    assert_eq!(lab.ask("0", "POST /vms/0/action", resume), 204);
    lab.ok("wait vm 0 STATE=RUNNING READY=YES");
    assert_eq!(lab.ok("vm fail 0"), "VM 0 is BOOT_FAILURE\n");
    let (code, why) = lab.fails("service recover 1");
    assert!(
        code == 1 && why.contains("cannot be recovered in state: WARNING"),
        "{why}"
    );

    let made = lab.ok("vm create --like 0");
    assert_eq!(made, "1\n");
    lab.ok("wait vm 1 STATE=RUNNING READY!=YES");
    assert_eq!(lab.ask("1", "GET /vm", ""), 200);

    let events = lab.events();
    for line in [
        "vm        service 1  web  VM 0  new: web_0_(service_1), PENDING",
        "update    VM 0  operator: sets READY",
        "vm        service 1  web  VM 0  RUNNING -> POWEROFF",
        "service   service 1  RUNNING -> WARNING",
        "action    VM 0  resume",
    ] {
        assert!(events.contains(line), "{line} in\n{events}");
    }
    // The cause comes first.
    for (cause, effect) in [
        ("operator: power off", "RUNNING -> POWEROFF"),
        ("operator: lose", "RUNNING -> UNKNOWN"),
        ("operator: fail", "RUNNING -> BOOT_FAILURE"),
    ] {
        let at = |text| {
            events
                .find(text)
                .unwrap_or_else(|| panic!("{text} in\n{events}"))
        };
        assert!(
            at(cause) < at(effect),
            "{cause} after {effect} in\n{events}"
        );
    }
}

#[test]
fn a_deployment_that_fails_is_recovered_while_the_server_runs() {
    // Each step takes long, so that there is time for it to fail.
    let lab = lab(&["--vm-step", "400ms"]);
    lab.ok("wait vm 0 STATE=BOOT");
    assert_eq!(lab.ok("vm fail 0"), "VM 0 is BOOT_FAILURE\n");
    lab.ok("wait service 1 STATE=FAILED_DEPLOYING");
    assert_eq!(lab.ok("service recover 1"), "Service 1 is DEPLOYING\n");
    lab.ok("wait vm 0 STATE=RUNNING");
}

#[test]
fn guests_meet_a_gate_that_is_slow_down_or_lossy_and_the_operator_does_not() {
    let lab = lab(&[]);
    lab.ok("wait vm 0 STATE=RUNNING");
    let lost = |count: usize| {
        let token = lab.ok("token 0");
        let fields = credentials("0", token.trim_end()).join("\r\n");
        let request = format!("GET /vm HTTP/1.1\r\nHost: gate\r\n{fields}\r\n\r\n");
        let lost = (0..count).filter(|_| {
            let mut client = crate::support::client::connect(lab.server.address.parse().unwrap());
            client.send(request.as_bytes());
            let mut byte = [0];
            std::io::Read::read(&mut client.stream, &mut byte).unwrap_or(0) == 0
        });
        lost.count()
    };
    assert_eq!(lost(3), 0);
    assert_eq!(lab.ok("gate drop 25%"), "gate loses 25% of the requests\n");
    assert_eq!(lost(8), 2);
    assert_eq!(lab.ok("gate down"), "gate down\n");
    assert_eq!(lost(2), 2);
    let watchdog = b"GET / HTTP/1.1\r\nHost: watchdog\r\nConnection: close\r\n\r\n";
    assert_eq!(lab.server.raw(watchdog).status, 401);
    lab.ok("vm set 0 SEEN=YES");
    lab.ok("gate down 1ms");
    until("the gate is up again", || lost(1) == 0);
    lab.ok("gate slow 300ms");
    let began = Instant::now();
    assert_eq!(lost(1), 0);
    let slow = began.elapsed();
    assert!(slow >= Duration::from_millis(300), "{slow:?}");
    assert_eq!(lab.ok("gate ok"), "gate answers as usual\n");
    assert_eq!(lost(2), 0);
}

#[test]
fn the_clock_is_put_past_a_cooldown_and_a_schedule() {
    let lab = lab(&["--cooldown", "1h"]);
    lab.ok("wait vm 0 STATE=RUNNING");
    lab.ok("vm set 0 READY=YES CPU_USED_PERC=90");
    lab.ok("wait service 1 STATE=SCALING");
    lab.ok("wait vm 1 STATE=RUNNING");
    lab.ok("vm set 1 READY=YES");
    lab.ok("wait service 1 STATE=COOLDOWN");
    // The role's own is two seconds: an hour is more than enough.
    let said = lab.ok("clock +1h");
    assert!(
        said.contains(", 3600 s ahead of the system's clock"),
        "{said}"
    );
    lab.ok("wait service 1 STATE!=COOLDOWN");
    let said = lab.ok("clock");
    assert!(said.contains(", 3600 s ahead"), "{said}");
    let show = lab.ok("service show 1 --json");
    let show: Value = serde_json::from_str(&show).unwrap();
    assert_eq!(show["roles"][0]["cardinality"], 2);
    // Working days begin at eight: within four days one does.
    lab.ok("vm set 0 CPU_USED_PERC=50");
    lab.ok("vm set 1 CPU_USED_PERC=50");
    lab.ok("clock +96h");
    until("the schedule came due", || lab.events().contains("due at "));
}

#[test]
fn events_are_followed_as_json_without_a_value_or_a_token() {
    let lab = lab(&[]);
    lab.ok("wait vm 0 STATE=RUNNING");
    let mut follower = program()
        .args(lab.words("events --follow --json"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(lab.ask("0", "PUT /vm", "PASSWORD=hunter2"), 200);
    assert_eq!(lab.ask("0", "PUT /vm", "SERVICE_ID=7"), 403);
    let mut seen = Vec::new();
    while !seen.iter().any(|event: &Value| event["kind"] == "refusal") {
        let line = lines.next().unwrap().unwrap();
        assert!(!line.contains("hunter2"), "{line}");
        seen.push(serde_json::from_str(&line).unwrap());
    }
    let numbers: Vec<u64> = seen.iter().map(|e| e["event"].as_u64().unwrap()).collect();
    let all: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, all);
    let update = seen.iter().find(|e| e["kind"] == "update").unwrap();
    assert_eq!(update["keys"], serde_json::json!(["PASSWORD"]));
    assert_eq!((&update["vm"], &update["by"]), (&0.into(), &0.into()));
    let refusal = seen.last().unwrap();
    let why = refusal["text"].as_str().unwrap();
    assert!(
        why.contains("403 Attribute (SERVICE_ID) cannot be modified"),
        "{why}"
    );
    // The server's end is the follower's.
    lab.server.stop();
    assert!(follower.wait().unwrap().success());
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let lab = lab(&[]);
    for (line, code, why) in [
        ("vm set 77 A=1", 1, "there is no VM 77 in this cloud"),
        ("vm fail 77", 1, "there is no VM 77 in this cloud"),
        ("vm create --like 77", 1, "there is no VM 77 in this cloud"),
        (
            "service recover 77",
            1,
            "there is no service 77 in this cloud",
        ),
        (
            "wait vm 77 A=1 --timeout 10ms",
            124,
            "VM 77: it is not in this cloud, after",
        ),
        (
            "wait service 1 db.STATE=RUNNING",
            1,
            "the service has no role 'db'",
        ),
        (
            "wait service 1 COLOUR=red",
            1,
            "expected STATE, NAME, ROLE.STATE",
        ),
        (
            "wait vm 0 COLOUR=red --timeout 10ms",
            124,
            "VM 0: COLOUR is absent, not red (STATE is RUNNING), after 0.01 s",
        ),
    ] {
        let (exit, said) = lab.fails(line);
        assert_eq!(exit, code, "{line}: {said}");
        assert!(said.contains(why), "{line}: {said}");
    }
    let socket = lab.directory.path().join("control");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let directory = lab.directory.path().to_owned();
    lab.server.stop();
    let words = ["events", "--state", directory.to_str().unwrap()];
    let (code, why) = refused(&words);
    assert!(
        code == 1 && why.contains("no server runs with --state"),
        "{why}"
    );
    let nowhere = "/nonexistent/state";
    for (line, expected, words) in [
        ("clock", 1, "no server runs with --state /nonexistent/state"),
        (
            "wait vm 0 STATE=RUNNING --timeout 10ms",
            124,
            "no server runs with --state /nonexistent/state, after 0.01 s: look at what 'serve' printed",
        ),
        (
            "token 0",
            1,
            "/nonexistent/state holds no state yet: start a server with --state /nonexistent/state",
        ),
    ] {
        let words_of = line.split(' ').chain(["--state", nowhere]);
        let (code, why) = refused(&words_of.collect::<Vec<_>>());
        assert!(code == expected && why.contains(words), "{code}: {why}");
    }
}

#[test]
fn commands_that_wait_are_as_many_as_may_be_and_go_with_whoever_gave_them() {
    let lab = lab(&[]);
    lab.ok("wait vm 0 STATE=RUNNING");
    let follow = |_| {
        let mut command = program();
        command
            .args(lab.words("events --follow"))
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        (child, lines)
    };
    let mut followers: Vec<_> = (0..64).map(follow).collect();
    let (code, why) = lab.fails("clock");
    assert!(
        code == 1 && why.contains("64 commands run already"),
        "{why}"
    );
    for (child, _) in &mut followers {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // Nothing happens that could be written to them: they are missed all the same.
    until("they are gone", || {
        run(&lab.words("clock")).status.success()
    });
}

#[test]
fn times_are_in_the_time_zone_of_whoever_asks() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().to_str().unwrap();
    let mut tokyo = program();
    tokyo.env("TZ", "JST-9");
    let server = Running::with(tokyo, &["--cloud", SCENARIO, "--state", state]);
    let lab = Lab { server, directory };
    lab.ok("wait vm 0 STATE=RUNNING");
    let asked = |line: &str, zone: &str| {
        let output = program().env("TZ", zone).args(lab.words(line)).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let json = asked("events --json", "EST5");
    let times: Vec<String> = json
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["time"].to_string())
        .collect();
    for (zone, hours) in [("UTC0", 0), ("EST5", -5), ("JST-9", 9)] {
        for (line, time) in asked("events", zone).lines().zip(&times) {
            // Three digits whatever they are, so that it sorts as text.
            assert_eq!(time.len(), "\"2026-01-01T00:00:00.000Z\"".len(), "{time}");
            let time: jiff::Timestamp = time.trim_matches('"').parse().unwrap();
            let there = time.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(hours)));
            let begin = there.strftime("%T%.3f  ").to_string();
            assert!(line.starts_with(&begin), "{zone}: {line}: {begin}");
        }
    }
    let clock = |zone| {
        let said = asked("clock", zone);
        let (now, _) = said
            .split_once(", 0 s ahead of the system's clock")
            .unwrap();
        now.replace(' ', "T")
            .parse::<jiff::civil::DateTime>()
            .unwrap()
    };
    let apart = clock("JST-9").duration_since(clock("EST5"));
    assert_eq!(apart.as_secs() / 3600, 14);
}

#[test]
fn the_environment_names_the_server() {
    let lab = lab(&[]);
    let output = program()
        .env("ONEGATE_STATE", lab.state())
        .args(["wait", "vm", "0", "STATE=RUNNING"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "VM 0: STATE=RUNNING\n"
    );
    assert!(!run(&["clock"]).status.success());
}
