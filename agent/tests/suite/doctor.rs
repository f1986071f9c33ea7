//! `onegate doctor` against servers in health and sickness.

use crate::support::server::{Server, token};
use crate::support::{Listener, answer, closed_port, onegate, run_as, stderr, stdout};

const STEPS: [&str; 9] = [
    "endpoint",
    "VM id",
    "token",
    "name",
    "connection",
    "TLS",
    "answer",
    "identity",
    "clock",
];

/// The mark of each step, in order.
fn marks(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), STEPS.len(), "{text}");
    lines
        .iter()
        .zip(STEPS)
        .map(|(line, step)| {
            assert!(line[8..].starts_with(step), "{step}: {line}");
            line[..8].trim()
        })
        .collect()
}

#[test]
fn a_healthy_vm() {
    let server = Server::start();
    let output = server.onegate(8, &["doctor"]);
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
    let text = stdout(&output);
    assert_eq!(
        marks(&text),
        ["ok", "ok", "ok", "ok", "ok", "-", "ok", "ok", "ok"]
    );
    assert!(
        text.contains("accepted: VM 8, master_0_(service_1)"),
        "{text}"
    );
    assert!(!text.contains(&token(8)), "{text}");
}

/// How a sick VM looks: the marks of its steps, and words of the explanation.
struct Case {
    endpoint: String,
    marks: [&'static str; 9],
    words: &'static str,
}

#[test]
fn the_first_step_that_fails_is_explained() {
    let server = Server::start();
    let date = |time: &str| {
        let answer = answer("200 OK", r#"{"VM":{"ID":"8","NAME":"x"}}"#);
        let text = String::from_utf8(answer).unwrap();
        let text = text.replacen("\r\n", &format!("\r\nDate: {time}\r\n"), 1);
        Listener::new(Box::new(move |_, _| text.clone().into_bytes()))
    };
    let (late, odd) = (date("Sun, 06 Nov 1994 08:49:37 GMT"), date("yesterday"));
    let refusing = Listener::answering("401 Unauthorized", "Not authorized");
    let hosts = Listener::answering("403 Forbidden", "Host not permitted");
    let permissions = Listener::answering(
        "403 Forbidden",
        "Action (show) on resource (vm) not supported",
    );
    let other = Listener::answering("200 OK", "<html>");
    let silent = Listener::new(Box::new(|_, _| Vec::new()));
    for case in [
        Case {
            endpoint: format!("http://127.0.0.1:{}", closed_port()),
            marks: ["ok", "ok", "ok", "ok", "FAILED", "-", "-", "-", "-"],
            words: "Is this VM's network up",
        },
        Case {
            endpoint: "http://nowhere.invalid".to_owned(),
            marks: ["ok", "ok", "ok", "FAILED", "-", "-", "-", "-", "-"],
            words: "/etc/resolv.conf",
        },
        Case {
            endpoint: server.url().replace("http://", "https://"),
            marks: ["ok", "ok", "ok", "ok", "ok", "FAILED", "-", "-", "-"],
            words: "Is http:// meant?",
        },
        Case {
            endpoint: silent.url(),
            marks: ["ok", "ok", "ok", "ok", "ok", "-", "FAILED", "-", "-"],
            words: "closed the connection",
        },
        Case {
            endpoint: refusing.url(),
            marks: ["ok", "ok", "ok", "ok", "ok", "-", "ok", "FAILED", "-"],
            words: "TOKEN_PASSWORD",
        },
        Case {
            endpoint: hosts.url(),
            marks: ["ok", "ok", "ok", "ok", "ok", "-", "ok", "FAILED", "-"],
            words: "set :host_authorization",
        },
        Case {
            endpoint: permissions.url(),
            marks: ["ok", "ok", "ok", "ok", "ok", "-", "ok", "FAILED", "-"],
            words: ":permissions in onegate-server.conf",
        },
        Case {
            endpoint: other.url(),
            marks: ["ok", "ok", "ok", "ok", "ok", "-", "ok", "FAILED", "-"],
            words: "something else than OneGate",
        },
        Case {
            endpoint: late.url(),
            marks: ["ok", "ok", "ok", "ok", "ok", "-", "ok", "ok", "odd"],
            words: "",
        },
        Case {
            endpoint: odd.url(),
            marks: ["ok", "ok", "ok", "ok", "ok", "-", "ok", "ok", "odd"],
            words: "",
        },
    ] {
        let output = run_as(&case.endpoint, "8", &token(8), ["doctor"]);
        let text = stdout(&output);
        assert_eq!(marks(&text), case.marks, "{text}");
        let explained = stderr(&output);
        let sick = case.marks.contains(&"FAILED");
        assert_eq!(
            output.status.code(),
            Some(if sick { 255 } else { 0 }),
            "{text}"
        );
        assert!(explained.contains(case.words), "{explained}");
        assert_eq!(explained.is_empty(), !sick, "{explained}");
        assert!(!text.contains(&token(8)) && !explained.contains(&token(8)));
    }
}

#[test]
fn without_a_context_all_places_are_named() {
    let nowhere = tempfile::tempdir().unwrap();
    let output = onegate(nowhere.path()).arg("doctor").output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stdout(&output).starts_with("FAILED  context     no usable endpoint"),
        "{}",
        stdout(&output)
    );
    assert!(
        stderr(&output).contains("/var/run/one-context/one_env"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_cannot_be_checked_and_what_spoils_a_record_is_said() {
    let clock = "-       clock       cannot be checked: the server does not say what time it is (no Date header)\n";
    let spoilt = |names: &str| format!("odd     record      {names} ends in a backslash: until");
    for (attributes, record) in [
        (r#"{"A":"1","B":"C:\\new"}"#, None),
        (r#"{"A":"1","DIR":"C:\\new\\"}"#, Some("DIR")),
        (r#"{"L":["1","x\\"],"V":{"B":"y\\"},"E":{}}"#, Some("L, V")),
    ] {
        let body = format!(r#"{{"VM":{{"ID":"8","NAME":"x","USER_TEMPLATE":{attributes}}}}}"#);
        // As the real server: without a Date.
        let server = Listener::answering("200 OK", &body);
        let output = run_as(&server.url(), "8", &token(8), ["doctor"]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(clock), "{text}");
        assert_eq!(text.contains("record"), record.is_some(), "{text}");
        assert!(
            record.is_none_or(|names| text.contains(&spoilt(names))),
            "{text}"
        );
    }
}
