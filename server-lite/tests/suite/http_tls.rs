//! TLS: the same server, the same refusals; certificates read again; what does not fit together is said.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::support::client::{Client, connect, until};
use crate::support::http::tls::{Files, connect_tls, connect_version, session};
use crate::support::http::{Echo, start_with};
use onegate_server_lite::http::tls::Tls;
use onegate_server_lite::http::{Limits, Request, Response};
use rustls::StreamOwned;

const GET: &[u8] = b"GET /vm HTTP/1.1\r\nHost: gate\r\n\r\n";

#[test]
fn requests_over_tls_1_2_and_1_3() {
    let files = Files::new();
    let (server, address) = start_with(
        Arc::new(Echo::default()),
        Limits::default(),
        Some(files.load()),
    );
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client = connect_version(address, &files, version);
        for _ in 0..3 {
            assert_eq!(client.send(GET).answer().status, 200);
        }
        // Two at once, in one record.
        client.send(&[GET, GET].concat());
        assert_eq!((client.answer().status, client.answer().status), (200, 200));
        assert_eq!(client.send(b"nonsense\r\n").answer().status, 400);
        assert!(client.closed());
    }
    until("all are gone", || server.connections() == 0);
}

#[test]
fn large_both_ways() {
    let files = Files::new();
    let handler = |request: &Request| Response {
        status: 200,
        headers: Vec::new(),
        body: request.body.repeat(3).into(),
    };
    let (_server, address) = start_with(Arc::new(handler), Limits::default(), Some(files.load()));
    let mut client = connect_tls(address, &files);
    let body: Vec<u8> = (0..2_000_000u32).map(|n| (n / 7) as u8).collect();
    client.send(
        format!(
            "PUT / HTTP/1.1\r\nHost: gate\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .as_bytes(),
    );
    assert!(client.send(&body).answer().body == body.repeat(3));
}

#[test]
fn handshake_cut_at_every_byte() {
    let files = Files::new();
    let (_server, address) = start_with(
        Arc::new(Echo::default()),
        Limits::default(),
        Some(files.load()),
    );
    let mut session = session(&files, &rustls::version::TLS13);
    let mut socket = connect(address).stream;
    while session.is_handshaking() {
        let mut flight = Vec::new();
        session.write_tls(&mut flight).unwrap();
        for byte in flight {
            socket.write_all(&[byte]).unwrap();
        }
        if session.wants_read() {
            session.read_tls(&mut socket).unwrap();
            session.process_new_packets().unwrap();
        }
    }
    assert_eq!(
        Client::over(StreamOwned::new(session, socket))
            .send(GET)
            .answer()
            .status,
        200
    );
}

#[test]
fn a_handshake_that_does_not_come() {
    let files = Files::new();
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let (_server, address) = start_with(Arc::new(Echo::default()), limits, Some(files.load()));
    assert!(connect(address).closed());
    let mut half = connect(address);
    assert!(half.send(b"\x16\x03\x01\x00").closed());
}

#[test]
fn plain_http_on_a_tls_port_ends_with_an_alert() {
    let files = Files::new();
    let (server, address) = start_with(
        Arc::new(Echo::default()),
        Limits::default(),
        Some(files.load()),
    );
    let mut socket = connect(address).stream;
    socket.write_all(GET).unwrap();
    let mut said = Vec::new();
    // It may end in a reset: there is nobody who speaks the protocol.
    let _ = socket.read_to_end(&mut said);
    assert_eq!(said.first(), Some(&21), "an alert record");
    until("it is gone", || server.connections() == 0);
}

#[test]
fn over_the_limit_503_over_tls_too() {
    let files = Files::new();
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let (server, address) = start_with(Arc::new(Echo::default()), limits, Some(files.load()));
    let _idle = [connect(address), connect(address)];
    until("two are open", || server.connections() == 2);
    let mut extra = connect_tls(address, &files);
    let answer = extra.answer();
    assert_eq!(
        (answer.status, answer.header("Retry-After")),
        (503, Some("1"))
    );
    assert!(extra.closed());
}

#[test]
fn read_again() {
    let files = Files::new();
    let tls = files.load();
    let (_server, address) = start_with(
        Arc::new(Echo::default()),
        Limits::default(),
        Some(tls.clone()),
    );
    let mut before = connect_tls(address, &files);
    assert_eq!(before.send(GET).answer().status, 200);

    let renewed = files.renew();
    tls.reload().unwrap();
    let mut after = connect_tls(address, &files);
    assert_eq!(after.send(GET).answer().status, 200);
    assert_eq!(
        after.stream.conn.peer_certificates().unwrap()[0].as_ref(),
        renewed
    );
    // The connection that was open goes on.
    assert_eq!(before.send(GET).answer().status, 200);

    // A bad file changes nothing.
    let certificate = fs::read(&files.certificate).unwrap();
    fs::write(&files.certificate, "nonsense").unwrap();
    tls.reload().unwrap_err();
    fs::write(&files.certificate, certificate).unwrap();
    assert_eq!(connect_tls(address, &files).send(GET).answer().status, 200);
}

#[test]
fn what_is_wrong_with_the_files() {
    let (files, other) = (Files::new(), Files::new());
    let pem = |text: &str| {
        let path = other.certificate.with_file_name("other.pem");
        fs::write(&path, text).unwrap();
        path
    };
    let error = |certificate: &PathBuf, key: &PathBuf| {
        let said = Tls::load(certificate, key).unwrap_err().to_string();
        // Nothing of a key, whatever is wrong.
        for file in [&files.key, &other.key] {
            let secret = fs::read_to_string(file).unwrap();
            let mut lines = secret.lines().filter(|line| line.len() > 10);
            assert!(lines.all(|line| !said.contains(line)), "{said}");
        }
        said
    };
    let missing = files.key.with_file_name("missing.pem");
    let said = error(&missing, &files.key);
    assert!(said.contains("missing.pem: No such file"), "{said}");
    let said = error(&files.certificate, &missing);
    assert!(said.contains("missing.pem: No such file"), "{said}");
    let said = error(&files.key, &files.key);
    assert!(
        said.contains("key.pem: there is no certificate in it"),
        "{said}"
    );
    let said = error(&files.certificate, &files.certificate);
    assert!(
        said.contains("cert.pem: there is no private key in it"),
        "{said}"
    );
    let said = error(&files.certificate, &other.key);
    assert!(
        said.contains("this key does not belong to the certificate in"),
        "{said}"
    );
    let said = error(
        &pem("-----BEGIN CERTIFICATE-----\nSECRET*\n-----END CERTIFICATE-----\n"),
        &files.key,
    );
    assert!(
        said.contains("not well-formed PEM") && !said.contains("SECRET"),
        "{said}"
    );
    assert!(!format!("{:?}", files.load()).contains("PRIVATE"));
}
