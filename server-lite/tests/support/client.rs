//! The one HTTP client of the tests: it writes bytes as they are, and takes answers apart.

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An address where nobody listens yet.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Its status line and header fields.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header field's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1);
        fields.find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
        })
    }

    /// Its body, which is text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// Sends a request on a connection of its own and reads the answer.
pub fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut client = connect(address);
    // A request that is refused early may not be read to its end.
    let _ = client.stream.write_all(request);
    client.last_answer()
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
            Err(error) if error.kind() == ErrorKind::Interrupted => self.receive(),
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
            .header("Content-Length")
            .map_or(0, |n| n.parse().unwrap());
        while self.received.len() < length {
            assert_ne!(self.receive(), 0, "closed in the body");
        }
        let rest = self.received.split_off(length);
        answer.body = std::mem::replace(&mut self.received, rest);
        answer
    }

    /// The answer after which the server closes: all that comes after its head, whatever length it says.
    pub fn last_answer(&mut self) -> Answer {
        let mut head = self.head();
        // 100 Continue goes before the answer.
        if head.starts_with("HTTP/1.1 100") {
            head = self.head();
        }
        while self.receive() > 0 {}
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: std::mem::take(&mut self.received),
        }
    }

    /// True if the server closes, cleanly and without another byte.
    pub fn closed(&mut self) -> bool {
        self.received.is_empty() && self.receive() == 0
    }
}
