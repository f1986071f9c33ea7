//! What the page's address answers to whom, and that nobody can take its places for long.

use crate::support::client::{Client, connect, until};
use crate::support::page::{Stream, address, ask};
use crate::support::process::{Running, program, refused};
use onegate_server_lite::lab::page::limits::{REQUESTS, VIEWERS};
use std::io::Write;
use std::net::Shutdown;

fn server() -> Running {
    Running::start(&["--page", "0"])
}

/// The header fields that each answer has.
const FIELDS: &[(&str, &str)] = &[
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
];

#[test]
fn each_request_gets_what_is_its_own() {
    let server = server();
    let port = address(&server).port();
    let ours = format!("Host: 127.0.0.1:{port}");
    let local = format!("Host: LocalHost:{port}");
    let origin = format!("Origin: http://127.0.0.1:{port}");
    let own = ours.as_str();
    let evil = format!("Host: evil.example:{port}");
    let other_port = format!("Host: 127.0.0.1:{}", port ^ 1);
    let link = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    let cross = "Sec-Fetch-Site: cross-site";
    let cases: &[(&str, &[&str], u16, &str)] = &[
        ("GET /", &[own], 200, "<!DOCTYPE html>"),
        ("GET /?a=b", &[own], 200, "<!DOCTYPE html>"),
        ("GET /page.js", &[own], 200, "import"),
        ("GET /page.css", &[own], 200, "{"),
        ("HEAD /", &[own], 200, ""),
        ("HEAD /events", &[own], 200, ""),
        ("GET /", &[&local], 200, "<!DOCTYPE html>"),
        ("GET /page.js", &[own, &origin], 200, "import"),
        // Another name for this address.
        (
            "GET /",
            &[&evil],
            421,
            "answers at an IP address or localhost",
        ),
        ("GET /events", &[&evil], 421, "ssh -L"),
        ("GET /", &[&other_port], 421, "with its own port"),
        ("GET /", &["Host: 127.0.0.1"], 421, "with its own port"),
        ("GET /", &["Host: <b>"], 400, "Host is not a host name"),
        ("GET /", &[], 400, "no Host"),
        ("GET /", &[own, own], 400, "more than one Host"),
        // Another site.
        (
            "GET /events",
            &[own, "Origin: http://evil.example"],
            403,
            "another site",
        ),
        ("GET /events", &[own, "Origin: null"], 403, "another site"),
        (
            "GET /events",
            &[own, &origin, "Origin: http://evil.example"],
            403,
            "another site",
        ),
        (
            "GET /events",
            &[own, "Sec-Fetch-Site: same-origin", cross],
            403,
            "another site",
        ),
        (
            "GET /events",
            &[own, "Origin: http://127.0.0.1"],
            403,
            "another site",
        ),
        (
            "GET /",
            &[own, "Origin: http://evil.example"],
            403,
            "another site",
        ),
        ("GET /events", &[own, cross], 403, "another site"),
        (
            "GET /page.js",
            &[own, "Sec-Fetch-Site: same-site"],
            403,
            "another site",
        ),
        (
            "GET /events",
            &[own, cross, link[0], link[1]],
            403,
            "another site",
        ),
        (
            "GET /",
            &[own, cross, "Sec-Fetch-Mode: no-cors"],
            403,
            "another site",
        ),
        (
            "GET /",
            &[own, cross, link[0], "Sec-Fetch-Dest: iframe"],
            403,
            "another site",
        ),
        (
            "GET /",
            &[own, cross, link[0], link[1]],
            200,
            "<!DOCTYPE html>",
        ),
        (
            "GET /",
            &[own, "Sec-Fetch-Site: none"],
            200,
            "<!DOCTYPE html>",
        ),
        (
            "GET /page.js",
            &[own, "Sec-Fetch-Site: same-origin"],
            200,
            "import",
        ),
        // What is not there, and what can't be done.
        ("GET /vm", &[own], 404, "the page is at /"),
        (
            "GET /..%2f..%2fetc%2fpasswd",
            &[own],
            404,
            "the page is at /",
        ),
        ("GET /page.js/", &[own], 404, "the page is at /"),
        (
            "POST /vm",
            &[own, "Content-Length: 0"],
            404,
            "the page is at /",
        ),
        ("POST /", &[own], 405, "GET and HEAD"),
        ("PUT /events", &[own], 405, "GET and HEAD"),
        ("OPTIONS /", &[own], 405, "GET and HEAD"),
        ("GET /", &[own, "Content-Length: 9"], 413, "no body"),
        (
            "GET /",
            &[own, "Transfer-Encoding: chunked"],
            413,
            "no body",
        ),
        (
            "POST /",
            &[own, "Content-Length: 5", "Expect: 100-continue"],
            413,
            "no body",
        ),
        ("BREW /", &[own], 501, "method"),
        ("GET", &[own], 400, "three words"),
        ("GET / x", &[own], 400, "three words"),
        ("GET http://evil.example/", &[own], 400, "another host"),
    ];
    for (line, fields, status, words) in cases {
        let answer = ask(&server, line, fields);
        let what = format!("{line} {fields:?}: {answer:?}");
        assert_eq!(answer.status, *status, "{what}");
        assert!(answer.text().contains(words), "{what}");
        for (name, value) in FIELDS {
            assert_eq!(answer.header(name), Some(*value), "{name}: {what}");
        }
        if *status == 405 {
            assert_eq!(answer.header("Allow"), Some("GET, HEAD"), "{what}");
        }
        let kind = answer.header("Content-Type").unwrap();
        assert_eq!(*status == 200, !kind.starts_with("text/plain"), "{what}");
        if line.starts_with("HEAD") {
            assert!(answer.body.is_empty(), "{what}");
        }
    }
    let events = Stream::open(&server);
    for (name, value) in FIELDS {
        assert!(
            events.head.contains(&format!("{name}: {value}\r\n")),
            "{name}"
        );
    }
    assert!(events.head.contains("Content-Type: text/event-stream\r\n"));
    // Guests are not shown the page, nor is the page's address theirs.
    assert_ne!(server.send("GET /page.js", &[], b"").status, 200);
}

#[test]
fn http_1_0_without_a_host_and_heads_that_are_none_are_refused() {
    let server = server();
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000));
    let fields = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(2000));
    let own = format!("GET / HTTP/1.1\r\nHost: {}\r\n", address(&server));
    for (head, status) in [
        ("GET / HTTP/1.0\r\n\r\n", Some(421)),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\n", Some(400)),
        ("\0\0\0\0", Some(400)),
        ("GET / HTTP/1.1\n\n", Some(400)),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(505)),
        (&long, Some(414)),
        (&fields, Some(431)),
        (&format!("{own}A: {}\r\n\r\n", "b".repeat(9000)), Some(431)),
        ("", None),
        ("GET / HT", None),
    ] {
        let mut client = connect(address(&server));
        let _ = client.stream.write_all(head.as_bytes());
        let _ = client.stream.shutdown(Shutdown::Write);
        match status {
            Some(status) => {
                let answer = client.last_answer();
                let allowed = [status, 431];
                assert!(allowed.contains(&answer.status), "{head:.40?}: {answer:?}");
            }
            None => assert!(client.closed(), "{head:?}"),
        }
    }
    assert_eq!(
        ask(&server, "GET /", &[&format!("Host: {}", address(&server))]).status,
        200
    );
}

#[test]
fn there_are_places_for_so_many_viewers_and_one_that_leaves_makes_room() {
    let server = server();
    let mut viewers: Vec<Stream> = (0..VIEWERS).map(|_| Stream::open(&server)).collect();
    let host = format!("Host: {}", address(&server));
    let mut one_more = connect(address(&server));
    one_more.send(format!("GET /events HTTP/1.1\r\n{host}\r\n\r\n").as_bytes());
    let answer = one_more.answer();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("Retry-After"), Some("5"));
    let words = "16 of them are open already";
    assert!(answer.text().contains(words), "{answer:?}");
    // The page itself is still there.
    assert_eq!(ask(&server, "GET /", &[&host]).status, 200);
    for viewer in &mut viewers {
        viewer.until("service", |_| true);
    }
    viewers.pop();
    until("a viewer's place is free", || {
        ask(&server, "HEAD /events", &[&host]).status == 200
    });
    Stream::open(&server).until("service", |_| true);
}

#[test]
fn heads_that_never_end_take_places_for_a_few_seconds_only() {
    let server = server();
    let mut watching = Stream::open(&server);
    watching.until("service", |_| true);
    let mut slow: Vec<Client> = (0..REQUESTS).map(|_| connect(address(&server))).collect();
    for client in &mut slow {
        client.send(b"GET / HTTP/1.1\r\n");
    }
    let host = format!("Host: {}", address(&server));
    // All places are taken once the last of them is seen.
    until("all places are taken", || {
        ask(&server, "GET /", &[&host]).status == 503
    });
    // Who watches already goes on, and so do guests.
    assert_eq!(server.send("GET /", &[], b"").status, 401);
    for client in &mut slow {
        // Some more of the head at a time does not help.
        let _ = client.stream.write_all(b"A: b\r\n");
        assert_eq!(client.last_answer().status, 408);
    }
    until("the places are free", || {
        ask(&server, "GET /", &[&host]).status == 200
    });
}

#[test]
fn where_the_page_is_can_be_said_and_is_looked_at() {
    for (options, words) in [
        (&["--page", "99999"][..], "it has no valid port"),
        (&["--page", "127.0.0.1"], "it has no valid port"),
        (&["--page", "300.0.0.1:1"], "cannot listen on 300.0.0.1:1"),
        (&["--page", ""], "--page: expected a text"),
        (
            &["--page", "0", "--opennebula"],
            "--page is for a cloud of our own",
        ),
    ] {
        let all = [&["serve", "--listen", "127.0.0.1:0"], options].concat();
        let (_, why) = refused(&all);
        assert!(why.contains(words), "{options:?}: {why}");
    }
    let one = "127.0.0.1:5999";
    for (options, words) in [
        (["--listen", one, "--page", "5999"], "guests are answered"),
        (["--listen", one, "--admin", one], "guests are answered"),
        (["--admin", one, "--page", one], "--admin is"),
    ] {
        let (status, why) = refused(&[&["serve"], &options[..]].concat());
        let words = format!("cannot listen on {one}: it is where {words}: choose another");
        assert!(status == 78 && why.contains(&words), "{options:?}: {why}");
    }
    let server = Running::start(&["--page", "0.0.0.0:0"]);
    let (status, log) = server.stop();
    assert!(
        status.success() && log.contains("sees on the page what guests wrote"),
        "{log}"
    );
    let server = self::server();
    assert!(address(&server).ip().is_loopback());
    let (_, log) = server.stop();
    assert!(!log.contains("page"), "{log}");

    let check = |page: &str| {
        let all = ["check", "--listen", "127.0.0.1:5999", "--page", page];
        let output = program().args(all).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(check("0").contains("ok      page address: 127.0.0.1:0 is free"));
    let same = check("5999");
    assert!(
        same.contains("FAILED  page address: 127.0.0.1:5999 is where guests are"),
        "{same}"
    );
}
