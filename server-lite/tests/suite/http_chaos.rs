//! Clients that do anything at any moment: whatever they do, every whole request is answered, nobody is forgotten, and
//! in the end no connection is left.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::support::client::{Client, connect, until};
use crate::support::http::start_with;
use crate::support::http::tls::{Files, connect_tls};
use onegate_server_lite::http::{Handler, Limits, Request, Response};

/// Waits for as many milliseconds as the query says, or not at all.
struct Moody;

impl Handler for Moody {
    fn handle(&self, request: &Request) -> Response {
        if let Ok(wait) = request.query.parse() {
            thread::sleep(Duration::from_millis(wait));
        }
        Response {
            status: 200,
            headers: Vec::new(),
            body: request.path.repeat(1000).into_bytes().into(),
        }
    }

    fn may_wait(&self, request: &Request) -> bool {
        !request.query.is_empty()
    }
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn request(dice: &mut Dice) -> String {
    let query = if dice.below(3) == 0 {
        format!("?{}", dice.below(4))
    } else {
        String::new()
    };
    match dice.below(3) {
        0 => format!("GET /{} HTTP/1.1\r\nHost: gate\r\n\r\n", query),
        1 => format!(
            "PUT /a{query} HTTP/1.1\r\nHost: gate\r\nContent-Length: 20000\r\n\r\n{}",
            "x".repeat(20_000)
        ),
        _ => format!(
            "PUT /b{query} HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        ),
    }
}

/// True if the connection goes on: the answers are there, as many as there should be.
fn answers<S: std::io::Read + Write>(client: &mut Client<S>, count: u64) -> bool {
    (0..count).all(|_| {
        let answer = client.answer();
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        answer.header("Connection") == Some("keep-alive")
    })
}

fn one_client(address: SocketAddr, dice: &mut Dice) {
    let mut client = connect(address);
    for _ in 0..dice.below(6) {
        let text = request(dice);
        match dice.below(8) {
            // Gone in the middle.
            0 => return drop(client.stream.write_all(&text.as_bytes()[..text.len() / 2])),
            // Gone without waiting for the answer.
            1 => return drop(client.stream.write_all(text.as_bytes())),
            // Nothing more, but an answer is wanted.
            2 => {
                client.send(text.as_bytes());
                let _ = client.stream.shutdown(Shutdown::Write);
                answers(&mut client, 1);
                return;
            }
            // In pieces.
            3 => {
                for piece in text.as_bytes().chunks(1 + dice.below(5000) as usize) {
                    client.send(piece);
                }
                if !answers(&mut client, 1) {
                    return;
                }
            }
            // Several at once. A 503 ends the connection, so the others may remain without an answer.
            4 => {
                let short = "GET / HTTP/1.1\r\nHost: gate\r\n\r\n".repeat(5);
                client.send(short.as_bytes());
                if !answers(&mut client, 5) {
                    return;
                }
            }
            _ => {
                client.send(text.as_bytes());
                if !answers(&mut client, 1) {
                    return;
                }
            }
        }
    }
}

#[test]
fn clients_that_do_anything() {
    let limits = Limits {
        handlers: 3,
        queue: 16,
        ..Limits::default()
    };
    let (server, address) = start_with(Arc::new(Moody), limits, None);
    let threads: Vec<_> = (1..=12)
        .map(|seed| {
            thread::spawn(move || {
                let mut dice = Dice(seed * 0x9e37_79b9_7f4a);
                (0..150).for_each(|_| one_client(address, &mut dice));
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    until("all are gone", || {
        server.connections() == 0 && server.waiting() == 0
    });
    let mut client = connect(address);
    assert!(answers(
        client.send(b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n"),
        1
    ));
    drop(client);
    assert_eq!(server.stop(), 0);
}

#[test]
fn clients_that_do_anything_over_tls() {
    let files = Arc::new(Files::new());
    let limits = Limits {
        handlers: 3,
        queue: 16,
        ..Limits::default()
    };
    let (server, address) = start_with(Arc::new(Moody), limits, Some(files.load()));
    let threads: Vec<_> = (1..=6)
        .map(|seed| {
            let files = Arc::clone(&files);
            thread::spawn(move || {
                let mut dice = Dice(seed * 0x9e37_79b9_7f4a);
                for _ in 0..20 {
                    let mut client = connect_tls(address, &files);
                    for _ in 0..dice.below(6) {
                        client.send(request(&mut dice).as_bytes());
                        if dice.below(5) == 0 || !answers(&mut client, 1) {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    until("all are gone", || {
        server.connections() == 0 && server.waiting() == 0
    });
    assert_eq!(server.stop(), 0);
}
