//! What the person at 3 a.m. reads: everything that can go wrong between the agent and a server, with the real binary
//! and a real socket. Nothing goes to stdout, the exit code is 255, the words say what to look at, and the token
//! stands in none of them.

use crate::support::{Listener, answer, as_vm, closed_port, run_as, stderr, stdout};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Output, Stdio};

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

/// A 200 from a captive portal or a proxy is no success: OneGate confirms a change with an empty body, and answers a
/// question with a record.
#[test]
fn answers_that_are_not_onegates() {
    let portal = |status: &str, kind: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let changes = [
        &["vm", "update", "READY=YES"][..],
        &["vm", "update", "--data", "READY=YES"],
        &["vm", "update", "--erase", "READY"],
        &["vm", "update", "9", "READY=YES"],
        &["vm", "poweroff", "6"],
        &["service", "scale", "--role", "a", "--cardinality", "1"],
        &["metrics", "--push"],
    ];
    let questions = [
        &["vm", "show"][..],
        &["vm", "show", "--json"],
        &["vm", "show", "--get", "$"],
        &["service", "show", "--json"],
        &["vrouter", "show", "--json"],
        &["vnet", "show", "0", "--json"],
        &["service", "peers"],
        &["vm", "wait", "READY=YES"],
    ];
    let html = portal("200 OK", "text/html", "<html>Log in</html>");
    let empty_html = portal("200 OK", "text/html; charset=utf-8", "");
    let json = portal("200 OK", "application/json", r#"{"login":"http://portal"}"#);
    let typeless = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned();
    let (created, accepted) = (
        portal("201 Created", "application/json", ""),
        portal("202 Accepted", "application/json", ""),
    );
    let partial = portal("206 Partial Content", "application/json", VM);
    let transformed = portal("203 Non-Authoritative Information", "application/json", VM);
    let nothing = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://portal/\r\nContent-Length: 0\r\n\r\n";
    let redirect = redirect.to_owned();
    for (commands, answers) in [
        (
            &changes[..],
            vec![
                &html,
                &empty_html,
                &json,
                &typeless,
                &created,
                &accepted,
                &redirect,
            ],
        ),
        (
            &questions,
            vec![
                &html,
                &empty_html,
                &json,
                &typeless,
                &partial,
                &transformed,
                &nothing,
                &redirect,
            ],
        ),
    ] {
        for bytes in answers {
            for args in commands {
                let answer = bytes.clone().into_bytes();
                let listener = Listener::new(Box::new(move |_, _| answer.clone()));
                let output = run_as(&listener.url(), "6", TOKEN, *args);
                let what = format!("{args:?} answered with {bytes:?}");
                assert_eq!(output.status.code(), Some(255), "{what}");
                assert_eq!(stdout(&output), "", "{what}");
                let said = stderr(&output);
                assert!(said.contains("The server"), "{what}: {said}");
                let change = commands.len() == changes.len();
                let doubt = said.contains("Nothing shows that what was asked for was done");
                assert_eq!(doubt, change && *bytes != redirect, "{what}: {said}");
            }
        }
    }
    // What OneGate does answer.
    for bytes in [
        portal("200 OK", "application/json;charset=utf-8", ""),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
        nothing,
    ] {
        for args in changes {
            let answer = bytes.clone().into_bytes();
            let listener = Listener::new(Box::new(move |_, _| answer.clone()));
            let output = run_as(&listener.url(), "6", TOKEN, args);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{args:?} {}",
                stderr(&output)
            );
        }
    }
}

/// Heads of which two readers could make two different answers.
#[test]
fn lengths_that_are_a_matter_of_opinion() {
    let chunked = format!("{:x}\r\n{VM}\r\n0\r\n\r\n", VM.len());
    let length = VM.len();
    for (head, body) in [
        (
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
            &chunked,
        ),
        (
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
            &chunked,
        ),
        (
            format!(
                "Transfer-Encoding: chunked\r\nContent-Length: {}",
                chunked.len()
            ),
            &chunked,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".to_owned(),
            &chunked,
        ),
        ("Transfer-Encoding: gzip, chunked".to_owned(), &chunked),
        ("Transfer-Encoding: chunked, identity".to_owned(), &chunked),
        ("Transfer-Encoding: identity".to_owned(), &VM.to_owned()),
        ("Transfer-Encoding:\x0bchunked".to_owned(), &chunked),
        ("Transfer-Encoding : chunked".to_owned(), &chunked),
        ("X: a\r\n Transfer-Encoding: chunked".to_owned(), &chunked),
        (
            format!("Content-Length: {length}\r\nContent-Length: {}", length - 1),
            &VM.to_owned(),
        ),
        (
            format!("Content-Length: {length}, {}", length + 1),
            &VM.to_owned(),
        ),
        (format!("Content-Length: +{length}"), &VM.to_owned()),
        (format!("Content-Length: 0x{length:x}"), &VM.to_owned()),
        (format!("Content-Length: -{length}"), &VM.to_owned()),
        ("Content-Length: ".to_owned(), &VM.to_owned()),
        (
            "Content-Length: 99999999999999999999".to_owned(),
            &VM.to_owned(),
        ),
        (format!("Content-Length:\r\n {length}"), &VM.to_owned()),
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes();
        let listener = Listener::closing(Box::new(move |_, _| bytes.clone()), true);
        assert_failed(
            &head,
            &show(&listener.url()),
            &["Error waiting for the server's answer"],
        );
    }
    let bytes =
        format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}").into_bytes();
    let listener = Listener::closing(Box::new(move |_, _| bytes.clone()), true);
    assert_failed("HTTP/1.0", &show(&listener.url()), &["Error waiting for"]);
}

/// A server that refuses a request need not read the rest of it: its words are what counts, not that sending failed.
#[test]
fn a_refusal_before_the_request_is_sent_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large");
    std::fs::write(&file, "x".repeat(12 << 20)).unwrap();
    let value = format!("A=@{}", file.display());
    let refusal =
        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 16\r\n\r\nat most 1024 KiB".to_owned();
    let confirmation = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned();
    for (what, said, hang_up, words) in [
        (
            "hangs up at once",
            &refusal,
            true,
            "ERROR: \nat most 1024 KiB\n",
        ),
        (
            "reads no more",
            &refusal,
            false,
            "ERROR: \nat most 1024 KiB\n",
        ),
        (
            "continues",
            &format!("HTTP/1.1 100 Continue\r\n\r\n{refusal}"),
            false,
            "may or may not",
        ),
        (
            "confirms what it has not read",
            &confirmation,
            true,
            "may or may not have arrived",
        ),
        (
            "says nothing",
            &String::new(),
            true,
            "may or may not have arrived",
        ),
        (
            "speaks no HTTP",
            &"go away\r\n".to_owned(),
            true,
            "may or may not have arrived",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = said.clone();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert_ne!(stream.read(&mut [0; 1024]).unwrap(), 0);
            stream.write_all(answer.as_bytes()).unwrap();
            (!hang_up).then_some(stream)
        });
        let args = ["vm", "update", &value, "--timeout", "5"];
        let output = run_as(&url, "6", TOKEN, args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(255), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
        drop(server.join().unwrap());
    }
}

/// `--timeout` is about printing as well: nobody reads what is printed here, and more than a pipe holds.
#[test]
fn an_answer_that_nobody_reads() {
    let large = "x".repeat(1 << 20);
    let vm = format!(r#"{{"VM":{{"ID":"6","NAME":"{large}"}}}}"#);
    let service = format!(r#"{{"SERVICE":{{"roles":[{{"name":"{large}","nodes":[{vm}]}}]}}}}"#);
    for (body, args) in [
        (&vm, &["vm", "show", "--json"][..]),
        (&vm, &["vm", "show", "--get", "NAME"]),
        (&service, &["service", "peers"]),
    ] {
        let listener = Listener::answering("200 OK", body);
        let mut command = as_vm(&listener.url(), "6", TOKEN);
        command.args(args).args(["--timeout", "1"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        let stderr = child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(
            said, "onegate: timed out after 1 s while reading and printing the answer\n",
            "{args:?}"
        );
        assert_eq!(child.wait().unwrap().code(), Some(255), "{args:?}");
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
