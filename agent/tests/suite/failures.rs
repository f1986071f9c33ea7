//! What the person at 3 a.m. reads: everything that can go wrong between the agent and a server, with the real binary
//! and a real socket. Nothing goes to stdout, the exit code is 255, the words say what to look at, and the token
//! stands in none of them.

use crate::support::{Listener, answer, as_vm, closed_port, run_as, stderr, stdout};
use std::process::Output;

const TOKEN: &str = "o7Y9bRvAiQmfUZzJo5eZTA==";
const VM: &str = r#"{"VM":{"NAME":"a","ID":"6","STATE":"3","LCM_STATE":"3"}}"#;

fn show(endpoint: &str) -> Output {
    run_as(endpoint, "6", TOKEN, ["vm", "show"])
}

fn assert_failed(what: &str, output: &Output, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(255), "{what}: {said}");
    assert_eq!(stdout(output), "", "{what}");
    assert!(said.starts_with("ERROR: \n"), "{what}: {said}");
    for word in words {
        assert!(said.contains(word), "{what}: no {word:?} in\n{said}");
    }
    assert!(!said.contains(TOKEN), "{what}: the token shows");
    assert!(
        !said.contains(|c: char| c.is_control() && c != '\n'),
        "{what}: {said:?}"
    );
}

#[test]
fn nobody_listens() {
    let port = closed_port();
    let output = show(&format!("http://127.0.0.1:{port}"));
    let server = format!("Server: 127.0.0.1:{port}");
    assert_failed(
        "refused",
        &output,
        &[
            "Error connecting to server (connection refused)",
            &server,
            "ONEGATE_ENDPOINT",
        ],
    );
}

#[test]
fn no_such_name() {
    let output = show("http://no-such-host.invalid:5030");
    assert_failed(
        "name",
        &output,
        &[
            "Error looking up the server's name (no-such-host.invalid:",
            "/etc/resolv.conf",
        ],
    );
}

/// Answers that are none.
#[test]
fn broken_answers() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"VM\"".to_vec();
    let long_header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 17)).into_bytes();
    let long_body = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
        17 << 20,
        " ".repeat(17 << 20)
    );
    let escape = "\u{1b}]0;owned\u{7}\u{9b}2J";
    for (what, bytes, words) in [
        (
            "hangs up",
            Vec::new(),
            &["Error waiting for the server's answer (the server closed the connection)"][..],
        ),
        ("cut short", cut, &["the server closed the connection"]),
        (
            "no HTTP",
            b"220 mail.example ESMTP\r\n\r\n".to_vec(),
            &["this is no HTTP", "something else than OneGate"],
        ),
        (
            "a TLS port",
            b"\x15\x03\x01\x00\x02\x02\x46".to_vec(),
            &["it speaks TLS", "https://"],
        ),
        (
            "a long header",
            long_header,
            &["something else than OneGate"],
        ),
        (
            "a long body",
            long_body.into_bytes(),
            &["larger than 16 MiB"],
        ),
        (
            "no JSON",
            answer("200 OK", "<html>"),
            &["not JSON", "something else than OneGate"],
        ),
        ("half a JSON", answer("200 OK", r#"{"VM":"#), &["not JSON"]),
        ("nothing", answer("200 OK", ""), &["not JSON"]),
        (
            "another document",
            answer("200 OK", r#"{"SERVICE":{}}"#),
            &["holds no VM"],
        ),
        (
            "a refusal in words",
            answer("403 Forbidden", "Action (show)\non resource\r\n"),
            &["ERROR: \nAction (show)\non resource\n"],
        ),
        (
            "a refusal in none",
            answer("502 Bad Gateway", ""),
            &["HTTP status 502"],
        ),
        (
            "a refusal that drives terminals",
            answer("400 Bad Request", escape),
            &["owned"],
        ),
    ] {
        let listener = Listener::closing(Box::new(move |_, _| bytes.clone()), true);
        assert_failed(what, &show(&listener.url()), words);
        assert_eq!(listener.received().len(), 1, "{what}: asked once");
    }
}

#[test]
fn no_redirect_is_followed() {
    let elsewhere = Listener::answering("200 OK", VM);
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = elsewhere.url();
        let redirect =
            format!("HTTP/1.1 {status}\r\nLocation: {location}/vm\r\nContent-Length: 0\r\n\r\n");
        let listener = Listener::new(Box::new(move |_, _| redirect.clone().into_bytes()));
        assert_failed(
            status,
            &show(&listener.url()),
            &["redirect", &location, "not followed"],
        );
    }
    assert_eq!(elsewhere.received(), [], "the token went to another server");
}

/// Answers that a lenient reader takes.
#[test]
fn odd_answers_that_are_good() {
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{VM}\r\n0\r\n\r\n",
        VM.len()
    );
    let until_close = format!("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{VM}");
    let with_mark = answer("200 OK", &format!("\u{feff}{VM}\n"));
    for (what, bytes) in [
        ("chunked", chunked.into_bytes()),
        ("until close", until_close.into_bytes()),
        ("BOM", with_mark),
    ] {
        let close = what == "until close";
        let listener = Listener::closing(Box::new(move |_, _| bytes.clone()), close);
        let output = show(&listener.url());
        assert_eq!(stderr(&output), "", "{what}");
        assert!(
            stdout(&output).starts_with("VM 6\nNAME                : a "),
            "{what}"
        );
    }
}

/// A reader that goes away is no failure, a disk that is full is one.
#[test]
fn what_becomes_of_stdout() {
    let listener = Listener::answering("200 OK", VM);
    let mut command = as_vm(&listener.url(), "6", TOKEN);
    command.args(["vm", "show"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
    match std::fs::File::options().write(true).open("/dev/full") {
        Ok(full) => {
            let output = command.stdout(full).output().unwrap();
            assert_eq!(output.status.code(), Some(255));
            assert!(
                stderr(&output).contains("cannot write to standard output"),
                "{}",
                stderr(&output)
            );
        }
        Err(e) => println!("SKIPPED: a full disk: /dev/full: {e}"),
    }
}

#[test]
fn misuse_prints_nothing_on_stdout() {
    for (args, code, words) in [
        (&["vm", "shwo"][..], 255, "did you mean 'vm show'?"),
        (&["vm", "show", "--jsno"], 1, "did you mean --json?"),
        (
            &["vm", "update", "--data"],
            1,
            "option --data needs its DATA",
        ),
        (&[], 255, "Usage: onegate"),
        (&["vm", "poweroff"], 255, "You have to provide a VM ID"),
    ] {
        let output = run_as("http://127.0.0.1:9", "6", TOKEN, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
        assert!(
            stderr(&output).contains(words),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}
