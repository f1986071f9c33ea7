//! What the tests of the HTTP layer share: a real server on loopback, and a client that writes bytes as they are.

pub mod tls;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use onegate_server_lite::http::parse::{Parsed, Parser, Progress};
use onegate_server_lite::http::tls::Tls;
use onegate_server_lite::http::{Handler, Limits, Rejection, Request, Response, Server};

/// No wait in these tests is longer than this; none of them measures time.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Answers with what it got: method, target, then each field, then the body.
#[derive(Default)]
pub struct Echo {
    pub refusals: Mutex<Vec<Rejection>>,
}

impl Handler for Echo {
    fn handle(&self, request: &Request) -> Response {
        let Request {
            method,
            path,
            query,
            headers,
            body,
        } = request;
        let mut text = format!("{method} {path} {query}\n");
        for (name, value) in headers {
            text += &format!("{name}={value}\n");
        }
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        Response {
            status: 200,
            headers: vec![("Content-Type", "text/plain".to_string())],
            body: bytes.into(),
        }
    }

    fn refused(&self, _client: Option<IpAddr>, refusal: &Rejection) {
        self.refusals.lock().unwrap().push(*refusal);
    }
}

pub fn start(handler: Arc<dyn Handler>, limits: Limits) -> (Server, SocketAddr) {
    start_with(handler, limits, None)
}

pub fn start_with(
    handler: Arc<dyn Handler>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (
        Server::start(vec![listener], tls, handler, limits).unwrap(),
        address,
    )
}

/// Waits until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        fields
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A client over any stream; plain TCP unless said otherwise.
pub struct Client<S = TcpStream> {
    pub stream: S,
    received: Vec<u8>,
}

pub fn connect(address: SocketAddr) -> Client {
    client(TcpStream::connect(address).unwrap())
}

/// A client with an address of its own: the whole of 127/8 is this machine.
pub fn connect_from(own: [u8; 4], address: SocketAddr) -> Client {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&stream, &SocketAddr::from((own, 0))).unwrap();
    connect(&stream, &address).unwrap();
    client(TcpStream::from(stream))
}

fn client(stream: TcpStream) -> Client {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    Client::over(stream)
}

impl<S: Read + Write> Client<S> {
    pub fn over(stream: S) -> Client<S> {
        Client {
            stream,
            received: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.stream.write_all(bytes).unwrap();
        self
    }

    fn receive(&mut self) -> usize {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            Err(error) => panic!(
                "no answer: {error}; so far {:?}",
                String::from_utf8_lossy(&self.received)
            ),
        }
    }

    /// The next answer's head, up to its empty line.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = self.received.split_off(end + 4);
                return String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap();
            }
            assert_ne!(
                self.receive(),
                0,
                "closed in the head: {:?}",
                String::from_utf8_lossy(&self.received)
            );
        }
    }

    /// The next answer, with a body of the length it says.
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        let length = answer
            .field("Content-Length")
            .map_or(0, |n| n.parse().unwrap());
        while self.received.len() < length {
            assert_ne!(self.receive(), 0, "closed in the body");
        }
        let rest = self.received.split_off(length);
        answer.body = std::mem::replace(&mut self.received, rest);
        answer
    }

    /// True if the server closes, cleanly and without another byte.
    pub fn closed(&mut self) -> bool {
        self.received.is_empty() && self.receive() == 0
    }
}

/// Feeds the parser these pieces as a connection does: what is not used comes again, with what follows.
/// The requests that became whole, or the refusal.
pub fn parse_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Parsed>, Rejection> {
    let mut parser = Parser::default();
    let (mut input, mut requests) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let (used, progress) = parser.advance(&input)?;
            input.drain(..used);
            match progress {
                Progress::Whole(parsed) => requests.push(parsed),
                Progress::Continue => {}
                Progress::More => break,
            }
            if input.is_empty() {
                break;
            }
        }
    }
    Ok(requests)
}

/// Parses whole, cut in two at every byte, and byte by byte: all must agree.
pub fn parse_every_way(bytes: &[u8]) -> Result<Vec<Parsed>, Rejection> {
    let whole = parse_pieces([bytes]);
    for cut in 1..bytes.len().min(2000) {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(parse_pieces([a, b]), whole, "cut at {cut}");
    }
    assert_eq!(parse_pieces(bytes.chunks(1)), whole, "byte by byte");
    whole
}
