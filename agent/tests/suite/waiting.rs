//! `vm wait` and `service wait` against the real server: met, not met, and through a restart.

use crate::support::server::{Server, token};
use crate::support::{Listener, as_vm, closed_port, run_as, stderr, stdout};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Stdio};

/// The agent, waiting, and what it says.
fn wait(url: &str, vm: u32, args: &[&str]) -> (Child, BufReader<ChildStderr>) {
    let mut child = as_vm(url, &vm.to_string(), &token(vm))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    (child, said)
}

/// Blocks until it has asked once and found that it must wait.
fn waits(said: &mut BufReader<ChildStderr>, goal: &str) {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, format!("onegate: waiting up to 60 s for {goal}\n"));
}

#[test]
fn ends_when_a_peer_has_said_it() {
    let server = Server::start();
    let (mut child, mut said) = wait(
        server.url(),
        9,
        &[
            "vm",
            "wait",
            "--timeout",
            "60",
            "GREETING=a, b",
            "STATE=RUNNING",
        ],
    );
    waits(&mut said, "GREETING=a, b STATE=RUNNING");
    assert!(
        server
            .onegate(8, &["vm", "update", "9", "GREETING=a, b"])
            .status
            .success()
    );
    assert!(child.wait().unwrap().success());
}

#[test]
fn waits_for_a_service_and_its_roles() {
    let server = Server::start();
    let scale = ["service", "scale", "--role", "slave", "--cardinality", "2"];
    assert!(server.onegate(8, &scale).status.success());
    let role = [
        "service",
        "wait",
        "--timeout",
        "60",
        "--role",
        "slave",
        "--count",
        "2",
        "STATE=RUNNING",
    ];
    assert!(server.onegate(8, &role).status.success());
    assert!(
        server
            .onegate(8, &["service", "wait", "--timeout", "60", "STATE=RUNNING"])
            .status
            .success()
    );
    assert_eq!(
        stdout(&server.onegate(8, &["service", "peers", "-r", "slave"]))
            .lines()
            .count(),
        2
    );
}

#[test]
fn says_what_is_still_missing_when_the_time_is_over() {
    let server = Server::start();
    for (args, missing) in [
        (
            &["vm", "wait", "--timeout", "0", "READY=YES"][..],
            "READY=YES (READY is not set)",
        ),
        (
            &["vm", "wait", "9", "--timeout", "1", "STATE=POWEROFF"],
            "STATE=POWEROFF (STATE is RUNNING)",
        ),
        (
            &[
                "service",
                "wait",
                "--timeout",
                "0",
                "--role",
                "slave",
                "READY",
            ],
            "role slave: 0 of 1 VMs\n  VM 9: READY (READY is not set)",
        ),
    ] {
        let output = server.onegate(8, args);
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(124), String::new()),
            "{args:?}"
        );
        assert!(
            stderr(&output).contains("timed out after") && stderr(&output).contains(missing),
            "{args:?}: {}",
            stderr(&output)
        );
    }
    let nobody = format!("http://127.0.0.1:{}", closed_port());
    let output = run_as(&nobody, "8", "AAAA", ["vm", "wait", "--timeout", "1", "A"]);
    assert_eq!(output.status.code(), Some(124));
    assert!(
        stderr(&output).contains("connection refused"),
        "{}",
        stderr(&output)
    );
}

/// What waiting can't mend ends at once.
#[test]
fn refusals_end_it() {
    let server = Server::start();
    for args in [
        &["vm", "wait", "1", "A"][..],
        &["service", "wait", "--role", "nobody", "A"],
        &["vm", "wait", "A<1"],
    ] {
        let output = server.onegate(8, args);
        assert_eq!(
            output.status.code(),
            Some(255),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn outlives_the_servers_restart() {
    let state = tempfile::tempdir().unwrap();
    let state = ["--state", state.path().to_str().unwrap()];
    let server = Server::with(&state);
    let address = format!("127.0.0.1:{}", server.port());
    let url = server.url().to_owned();
    let (mut child, mut said) = wait(&url, 8, &["vm", "wait", "--timeout", "60", "BACK=YES"]);
    waits(&mut said, "BACK=YES");
    drop(server);
    let server = Server::on(&address, &state);
    assert!(
        server
            .onegate(8, &["vm", "update", "BACK=YES"])
            .status
            .success()
    );
    assert!(child.wait().unwrap().success());
}

/// A server that asks for a pause is left alone: asked at the beginning and at the end, not in between.
#[test]
fn what_the_server_asks_for_is_waited_for() {
    let trouble = b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 4\r\n\r\nbusy".to_vec();
    let listener = Listener::new(Box::new(move |_, _| trouble.clone()));
    let args = ["vm", "wait", "A", "--timeout", "2"];
    let output = run_as(&listener.url(), "8", &token(8), args);
    assert_eq!(output.status.code(), Some(124), "{}", stderr(&output));
    assert_eq!(listener.received().len(), 2);
}
