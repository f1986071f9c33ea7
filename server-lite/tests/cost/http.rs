//! HTTP: heads, bodies and responses, over a connection in memory that gives and takes as little as it likes.

use std::io::{self, ErrorKind, Read, Write};

use crate::TEXT;
use crate::support::cost::{Case, Work, case, work};
use onegate_server_lite::http::Response;
use onegate_server_lite::http::connection::{Connection, Step, Stream};

/// As long as a body may be, for what takes a few instructions a byte.
const BYTES: usize = 2_000_000;
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("head: fields, in pieces of a byte",          60,       |n| sent(1, put(&(field(200).repeat(n) + "\r\n")))),
    case("head: fields of a byte",                     60,       |n| sent(4096, put(&(field(1).repeat(n) + "\r\n")))),
    case("head: a long field, in pieces of a byte",    12_000,   |n| sent(1, put(&(field(n) + "\r\n")))),
    case("head: blanks around a value",                12_000,   |n| sent(4096, put(&format!("A:{0}x{0}\r\n\r\n", " ".repeat(n / 2))))),
    case("head: a long path",                          8_000,    |n| sent(1, get(&"a/".repeat(n / 2)))),
    case("head: a path with escapes",                  8_000,    |n| sent(4096, get(&"%41".repeat(n / 3)))),
    case("head: a long query",                         8_000,    |n| sent(4096, get(&format!("vm?{}", "a=b&".repeat(n / 4))))),
    case("body: as long as it says",                   BYTES,    |n| sent(4096, put(&sized(n)))),
    case("body: as long as it says, in small pieces",  TEXT,     |n| sent(7, put(&sized(n)))),
    case("body: chunks, in pieces of a byte",          TEXT / 4, |n| sent(1, put(&chunks(n / 32, 32, "")))),
    case("body: chunks, in small pieces",              TEXT,     |n| sent(11, put(&chunks(n / 32, 32, "")))),
    case("body: chunks of a byte",                     3_000,    |n| sent(4096, put(&chunks(n, 1, "")))),
    case("body: extensions",                           120,      |n| sent(4096, put(&chunks(n, 64, &";x".repeat(60))))),
    case("body: trailers",                             60,       |n| sent(1, put(&format!("{CHUNKED}0\r\n{}\r\n", field(200).repeat(n))))),
    case("body: refused, and read on",                 BYTES,    |n| sent(4096, put(&sized(4 * BYTES)).replace(&"x".repeat(4 * BYTES), &"x".repeat(n)))),
    case("requests, one behind the other",             2_000,    |n| sent(4096, get("").repeat(n))),
    case("requests, in small pieces",                  2_000,    |n| sent(7, get("").repeat(n))),
    case("requests with bodies",                       2_000,    |n| sent(64, put(&sized(100)).repeat(n))),
    case("response: taken at once",                    BYTES,    |n| answered(n, 1 << 20)),
    case("response: taken in small pieces",            TEXT,     |n| answered(n, 7)),
];

fn get(path: &str) -> String {
    format!("GET /{path} HTTP/1.1\r\nHost: gate\r\n\r\n")
}

fn put(rest: &str) -> String {
    format!("PUT /vm HTTP/1.1\r\nHost: gate\r\n{rest}")
}

fn field(length: usize) -> String {
    format!("A: {}\r\n", "x".repeat(length))
}

fn sized(length: usize) -> String {
    format!("Content-Length: {length}\r\n\r\n{}", "x".repeat(length))
}

fn chunks(count: usize, length: usize, extension: &str) -> String {
    let chunk = format!("{length:x}{extension}\r\n{}\r\n", "x".repeat(length));
    format!("{CHUNKED}{}0\r\n\r\n", chunk.repeat(count))
}

/// Requests, arriving so many bytes at a time.
fn sent(piece: usize, requests: String) -> Work {
    exchange(Wire::new(requests, piece, 4096), 1)
}

/// A response of so many bytes, taken so many at a time.
fn answered(length: usize, piece: usize) -> Work {
    exchange(Wire::new(get(""), 4096, piece), length)
}

fn exchange(wire: Wire, length: usize) -> Work {
    let body = vec![b'x'; length];
    work(move || {
        let mut connection = Connection::new(wire);
        let mut scratch = vec![0; 64 << 10];
        loop {
            match connection.advance(&mut scratch) {
                Step::Request(_) => connection.respond(
                    Response {
                        status: 200,
                        headers: Vec::new(),
                        body: body.clone().into(),
                    },
                    false,
                ),
                Step::Again => {}
                Step::Wait => connection.woken(false),
                Step::Close => break,
            }
        }
        assert!(connection.stream().taken > 0);
        assert_eq!(connection.stream().at, connection.stream().sends.len());
    })
}

/// Gives pieces of what the client sends and takes pieces of what it is sent; after each the connection has to wait.
struct Wire {
    sends: String,
    at: usize,
    piece: usize,
    takes: usize,
    taken: usize,
    is_pause: bool,
}

impl Wire {
    fn new(sends: String, piece: usize, takes: usize) -> Wire {
        Wire {
            sends,
            at: 0,
            piece,
            takes,
            taken: 0,
            is_pause: false,
        }
    }

    fn pause(&mut self) -> io::Result<()> {
        self.is_pause = !self.is_pause;
        match self.is_pause {
            true => Err(ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pause()?;
        let left = &self.sends.as_bytes()[self.at..];
        let count = left.len().min(self.piece).min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pause()?;
        let count = bytes.len().min(self.takes);
        self.taken += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Wire {
    fn short_read_is_all(&self) -> bool {
        false
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        Ok(())
    }
}
