//! The page's stream, read as a browser does.

use super::client::{Answer, PATIENCE, send};
use super::process::Running;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// Where the page of a server is.
pub fn address(server: &Running) -> SocketAddr {
    server.page.as_ref().unwrap().parse().unwrap()
}

/// Asks for something of the page with these header lines, Host among them, and reads the answer.
pub fn ask(server: &Running, line: &str, fields: &[&str]) -> Answer {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    send(
        address(server),
        format!("{line} HTTP/1.1\r\n{fields}\r\n").as_bytes(),
    )
}

/// A stream that is open.
pub struct Stream {
    reader: BufReader<TcpStream>,
    /// Its status line and header fields.
    pub head: String,
    /// All that came after it so far.
    pub text: String,
    seen: Vec<(String, Value)>,
}

impl Stream {
    /// Opens one.
    pub fn open(server: &Running) -> Self {
        Self::over(TcpStream::connect(address(server)).unwrap())
    }

    /// Opens one over a connection.
    pub fn over(mut stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = stream.peer_addr().unwrap();
        let request =
            format!("GET /events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        Self {
            reader,
            head,
            text: String::new(),
            seen: Vec::new(),
        }
    }

    /// The next event and its data; `None` once the stream has ended.
    pub fn next(&mut self) -> Option<(String, Value)> {
        let mut event = String::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < deadline,
                "nothing comes:\n{:.9999}",
                self.text
            );
            let mut line = String::new();
            let count = self.reader.read_line(&mut line).unwrap_or(0);
            self.text += &line;
            // An event that was cut off is none.
            if count == 0 || !line.ends_with('\n') {
                return None;
            }
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.trim_end().to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let read = serde_json::from_str(data);
                let data: Value = read.unwrap_or_else(|e| panic!("{e}: {line}"));
                self.seen.push((event.clone(), data.clone()));
                return Some((event, data));
            }
        }
    }

    /// The data of the first event of this name for which `so` is true, whether it has come already or not.
    pub fn told(&mut self, event: &str, so: impl Fn(&Value) -> bool) -> Value {
        let mut seen = self.seen.iter();
        match seen.find(|(name, data)| name == event && so(data)) {
            Some((_, data)) => data.clone(),
            None => self.until(event, so),
        }
    }

    /// The data of the next event of this name for which `so` is true.
    pub fn until(&mut self, event: &str, so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < deadline,
                "no such {event}:\n{:.9999}",
                self.text
            );
            let (name, data) = self.next().expect("the stream ended");
            if name == event && so(&data) {
                return data;
            }
        }
    }
}
