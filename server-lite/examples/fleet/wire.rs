//! One request on a connection of its own, without waiting: the event loop says when to go on.

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};

/// An exchange under way.
pub(crate) struct Exchange {
    stream: TcpStream,
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
}

/// How an exchange went on.
pub(crate) enum Progress {
    /// Wait until it can be read, or written if there is more to send.
    Wait,
    /// The answer's status, and its Retry-After in seconds.
    Answered(u16, Option<u64>),
    /// Refused, reset, cut: why.
    Broken(String),
}

impl Exchange {
    /// Begins to connect. To a loopback server guest N comes from an address of its own, 127.1.0.0 + N: as in a real
    /// cloud, no two share one.
    pub(crate) fn begin(to: SocketAddr, guest: u32, request: Vec<u8>) -> Result<Self, Errno> {
        let family = if to.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        if to.is_ipv4() && to.ip().is_loopback() {
            let first = u32::from(Ipv4Addr::new(127, 1, 0, 0));
            bind(
                &socket,
                &SocketAddrV4::new(
                    Ipv4Addr::from(first + (guest & 0x00ff_ffff) % 0x00fe_0000),
                    0,
                ),
            )?;
        }
        match connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(Self {
            stream: TcpStream::from(socket),
            request,
            sent: 0,
            answer: Vec::new(),
        })
    }

    pub(crate) fn socket(&self) -> impl AsFd {
        &self.stream
    }

    pub(crate) fn has_more_to_send(&self) -> bool {
        self.sent < self.request.len()
    }

    /// Sends and reads what it can.
    pub(crate) fn go_on(&mut self) -> Progress {
        while self.has_more_to_send() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Wait,
                // The server may have refused without reading: its answer is still there.
                Err(error) if error.kind() == ErrorKind::NotConnected => return Progress::Wait,
                Err(error) => return self.ended(Some(&error)),
            }
        }
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.ended(None),
                Ok(read) => self.answer.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Wait,
                Err(error) => return self.ended(Some(&error)),
            }
        }
    }

    fn ended(&mut self, error: Option<&std::io::Error>) -> Progress {
        if error.is_some() {
            let mut rest = Vec::new();
            let _ = self.stream.read_to_end(&mut rest);
            self.answer.extend(rest);
        }
        let _ = self.stream.shutdown(Shutdown::Both);
        match read_answer(&self.answer) {
            Some((status, retry)) => Progress::Answered(status, retry),
            None => {
                Progress::Broken(error.map_or("cut".to_string(), |error| error.kind().to_string()))
            }
        }
    }
}

/// The status and Retry-After of a whole answer.
fn read_answer(bytes: &[u8]) -> Option<(u16, Option<u64>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.lines();
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let field = |name: &str| {
        lines.clone().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let length: usize = field("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    if bytes.len() - end - 4 < length {
        return None;
    }
    Some((
        status,
        field("retry-after").and_then(|text| text.parse().ok()),
    ))
}
