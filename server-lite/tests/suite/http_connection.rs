//! One connection over a stream in memory that gives and takes as few bytes as it likes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use onegate_server_lite::http::connection::{Connection, Step, Stream, Timer};
use onegate_server_lite::http::limits::{LINGER, MEMORY, SLICE};
use onegate_server_lite::http::{Request, Response};

/// What the client sends, piece by piece (an empty piece: nothing has come yet), and how much it takes at a time.
#[derive(Default)]
struct Wire {
    sends: VecDeque<Vec<u8>>,
    at_end: bool,
    takes: VecDeque<usize>,
    taken: Vec<u8>,
    finished: bool,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.sends.pop_front() {
            Some(piece) if piece.is_empty() => Err(ErrorKind::WouldBlock.into()),
            Some(mut piece) => {
                let count = piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece[..count]);
                if piece.len() > count {
                    self.sends.push_front(piece.split_off(count));
                }
                Ok(count)
            }
            None if self.at_end => Ok(0),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.finished, "written after the end");
        match self.takes.pop_front() {
            Some(0) => Err(ErrorKind::WouldBlock.into()),
            limit => {
                let count = bytes.len().min(limit.unwrap_or(usize::MAX));
                self.taken.extend_from_slice(&bytes[..count]);
                Ok(count)
            }
        }
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
        self.finished = true;
        Ok(())
    }
}

/// Drives a connection to its end, or until nothing happens any more; each request is answered with its path and body.
fn drive(wire: Wire) -> (Connection<Wire>, Vec<u8>, bool) {
    let mut connection = Connection::new(wire);
    let mut scratch = [0; 64];
    let mut quiet = 0;
    while quiet < 3 {
        match connection.advance(&mut scratch) {
            Step::Request(request) => connection.respond(answer(&request), false),
            Step::Again => {}
            Step::Close => {
                let taken = connection.stream().taken.clone();
                return (connection, taken, true);
            }
            Step::Wait => {
                let stream = connection.stream();
                quiet = if stream.sends.is_empty() && stream.takes.is_empty() {
                    quiet + 1
                } else {
                    0
                };
                connection.woken(false);
            }
        }
    }
    let taken = connection.stream().taken.clone();
    (connection, taken, false)
}

fn answer(request: &Request) -> Response {
    let body = [request.path.as_bytes(), b" ", &request.body].concat();
    Response {
        status: 200,
        headers: Vec::new(),
        body: body.into(),
    }
}

/// The answers without their Date, which may change from one to the next.
fn without_date(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Date: "))
        .collect()
}

const TWO: &[u8] =
    b"PUT /a HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
    HEAD /b HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n";
const TWO_ANSWERS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: keep-alive\r\n\r\n/a abc\
    HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";

fn wire(pieces: impl IntoIterator<Item = Vec<u8>>) -> Wire {
    // Between any two pieces the connection has to wait.
    let sends = pieces
        .into_iter()
        .flat_map(|piece| [piece, Vec::new()])
        .collect();
    Wire {
        sends,
        at_end: true,
        ..Wire::default()
    }
}

#[test]
fn sent_in_two_pieces_cut_at_every_byte() {
    for cut in 0..=TWO.len() {
        let (connection, taken, closed) = drive(wire([TWO[..cut].to_vec(), TWO[cut..].to_vec()]));
        assert_eq!(without_date(&taken), TWO_ANSWERS, "cut at {cut}");
        assert!(closed && connection.stream().finished);
    }
}

#[test]
fn taken_a_few_bytes_at_a_time() {
    for size in [1, 2, 7, 100] {
        let mut wire = wire([TWO.to_vec()]);
        wire.takes = [size, 0].repeat(300).into();
        let (_, taken, _) = drive(wire);
        assert_eq!(without_date(&taken), TWO_ANSWERS, "{size} at a time");
    }
}

#[test]
fn the_next_request_waits_until_the_answer_is_taken() {
    let mut connection = Connection::new(Wire {
        takes: [10, 0].into(),
        ..wire([TWO.to_vec()])
    });
    let mut scratch = [0; 4096];
    let Step::Request(first) = connection.advance(&mut scratch) else {
        panic!("no request")
    };
    connection.respond(answer(&first), false);
    assert_eq!(connection.advance(&mut scratch), Step::Wait);
    assert_eq!(connection.timer(), (1, Timer::Write));
    assert!(connection.wants_write());
    // Taken now; the second request goes behind the other connections first.
    assert_eq!(connection.advance(&mut scratch), Step::Again);
    assert!(
        matches!(connection.advance(&mut scratch), Step::Request(second) if second.path == "/b")
    );
}

#[test]
fn continue_before_the_body() {
    let head =
        b"PUT /a HTTP/1.1\r\nHost: gate\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let (_, taken, _) = drive(wire([head.to_vec(), b"abc".to_vec()]));
    let text = without_date(&taken);
    assert!(
        text.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"),
        "{text}"
    );
    // Taken slowly, the two do not mix.
    let mut slow = wire([head.to_vec(), b"abc".to_vec()]);
    slow.takes = [1, 0].repeat(200).into();
    assert_eq!(without_date(&drive(slow).1), text);
}

#[test]
fn after_a_refusal_it_reads_on_until_the_client_ends() {
    let mut wire = wire([b"nonsense\r\n".to_vec(), b"x".repeat(1000)]);
    wire.at_end = false;
    let (mut connection, taken, closed) = drive(wire);
    assert!(taken.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    assert!(connection.stream().finished && !closed);
    assert_eq!(connection.timer().1, Timer::Linger);
    assert_eq!(connection.take_refusal().map(|r| r.status), Some(400));
    assert_eq!(connection.take_refusal(), None);
    assert_eq!(connection.expire(&mut [0; 64]), Step::Close);
}

#[test]
fn lingering_has_an_end() {
    let more = std::iter::repeat_n(vec![b'x'; 16 * 1024], LINGER / 16384 + 10);
    let mut wire = wire([b"nonsense\r\n".to_vec()]);
    (wire.at_end, wire.sends) = (false, wire.sends.into_iter().chain(more).collect());
    let mut connection = Connection::new(wire);
    let mut scratch = [0; 16 * 1024];
    let closed = (0..10_000).any(|_| {
        connection.woken(false);
        connection.advance(&mut scratch) == Step::Close
    });
    assert!(closed && !connection.stream().sends.is_empty());
}

#[test]
fn what_each_deadline_does() {
    let open = |bytes: &[u8]| {
        drive(Wire {
            at_end: false,
            ..wire([bytes.to_vec()])
        })
        .0
    };
    let cases: [(&[u8], Timer, Option<&str>); 5] = [
        (b"", Timer::Head, None),
        (b"GE", Timer::Head, Some("HTTP/1.1 408 Request Timeout")),
        (
            b"GET / HTTP/1.1\r\nHo",
            Timer::Head,
            Some("HTTP/1.1 408 Request Timeout"),
        ),
        (
            b"PUT / HTTP/1.1\r\nHost: gate\r\nContent-Length: 3\r\n\r\na",
            Timer::Body,
            Some("HTTP/1.1 408 Request Timeout"),
        ),
        (b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n", Timer::Idle, None),
    ];
    for (bytes, timer, answer) in cases {
        let mut connection = open(bytes);
        assert_eq!(connection.timer().1, timer, "{}", bytes.escape_ascii());
        let before = connection.stream().taken.len();
        let step = connection.expire(&mut [0; 64]);
        let said = String::from_utf8(connection.stream().taken[before..].to_vec()).unwrap();
        assert_eq!(said.lines().next(), answer, "{}", bytes.escape_ascii());
        assert_eq!(
            step,
            if answer.is_some() {
                Step::Wait
            } else {
                Step::Close
            }
        );
    }
}

#[test]
fn a_deadline_is_its_requests_own() {
    let mut connection =
        Connection::new(wire([b"GET / HTTP/1.1\r\nHost: gate\r\n\r\nGE".to_vec()]));
    let mut scratch = [0; 4096];
    let first = connection.timer();
    let Step::Request(request) = connection.advance(&mut scratch) else {
        panic!("no request")
    };
    assert_eq!(connection.timer().1, Timer::None);
    connection.respond(answer(&request), false);
    assert_eq!(connection.advance(&mut scratch), Step::Again);
    assert_eq!(connection.advance(&mut scratch), Step::Wait);
    let second = connection.timer();
    assert_eq!((first.1, second.1), (Timer::Head, Timer::Head));
    assert_ne!(first, second);
}

#[test]
fn a_refused_head_request_in_hand_has_no_body() {
    let mut connection = Connection::new(wire([b"HEAD / HTTP/1.1\r\nHost: gate\r\n\r\n".to_vec()]));
    let mut scratch = [0; 4096];
    assert!(matches!(connection.advance(&mut scratch), Step::Request(_)));
    connection.refuse(MEMORY.refusal);
    connection.advance(&mut scratch);
    let text = without_date(&connection.stream().taken);
    assert!(
        text.starts_with("HTTP/1.1 503 Service Unavailable\r\n")
            && text.contains("\r\nRetry-After: 1\r\n")
    );
    assert!(text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn a_line_end_in_a_value_does_not_go_out() {
    let mut connection = Connection::new(wire([b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n".to_vec()]));
    let mut scratch = [0; 4096];
    assert!(matches!(connection.advance(&mut scratch), Step::Request(_)));
    let headers = vec![("A", "1\r\nB: 2".into())];
    connection.respond(
        Response {
            status: 204,
            headers,
            body: Vec::new().into(),
        },
        true,
    );
    connection.advance(&mut scratch);
    assert_eq!(
        without_date(&connection.stream().taken),
        "HTTP/1.1 204 No Content\r\nA: 1  B: 2\r\nConnection: close\r\n\r\n"
    );
}

/// Calls until it no longer has more to do at once; the most bytes that went over the wire in one call.
fn greatest_turn(connection: &mut Connection<Wire>) -> usize {
    let mut scratch = [0; 16 * 1024];
    let (mut most, mut turns) = (0, 0);
    loop {
        let left = |c: &Connection<Wire>| {
            let unread: usize = c.stream().sends.iter().map(Vec::len).sum();
            (unread, c.stream().taken.len())
        };
        let before = left(connection);
        let step = connection.advance(&mut scratch);
        let after = left(connection);
        most = most.max(before.0 - after.0).max(after.1 - before.1);
        turns += 1;
        match step {
            Step::Again => {}
            Step::Request(_) => {
                let body = vec![b'x'; 1 << 20].into();
                let response = Response {
                    status: 200,
                    headers: Vec::new(),
                    body,
                };
                connection.respond(response, true);
            }
            Step::Wait | Step::Close => break,
        }
    }
    assert!(turns > 10, "{turns} turns");
    most
}

#[test]
fn no_turn_is_longer_than_a_slice() {
    let head = "PUT / HTTP/1.1\r\nHost: gate\r\n";
    let request =
        |fields: &str, body: Vec<u8>| [head.as_bytes(), fields.as_bytes(), b"\r\n", &body].concat();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let cases = [
        // A body and its answer, either framing; and what comes after a refusal.
        request("Content-Length: 1000000\r\n", vec![b'x'; 1_000_000]),
        request(
            "Transfer-Encoding: chunked\r\n",
            (chunk.repeat(250) + "0\r\n\r\n").into_bytes(),
        ),
        request("Content-Length: 9999999\r\n", vec![b'x'; 3_000_000]),
    ];
    for sent in cases {
        let mut wire = wire(sent.chunks(60_000).map(<[u8]>::to_vec));
        wire.sends.retain(|piece| !piece.is_empty());
        // As much as a socket's buffer has room for.
        wire.takes = [20_000].repeat(1000).into();
        let most = greatest_turn(&mut Connection::new(wire));
        assert!(most <= SLICE + 20_000, "{most} bytes in one turn");
    }
}
