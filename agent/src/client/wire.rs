//! The connection to the server: name look-up, TCP, a proxy, TLS; what ureq calls resolver, connector and transport.
//!
//! These are our own and not ureq's for five reasons: each stage reports its own errors; a proxy for plain http gets
//! the request in absolute form, as proxies that only let port 5030 through expect; looking up a name ends with the
//! deadline, and an address needs no thread; a refusal is read even if the request was not sent to its end; and rustls comes with
//! few cipher suites, which saves bytes.

use super::authorities::Trust;
use super::buffer::Buffer;
use super::failure::{Broken, NOT_ONEGATE, Phase};
use super::names::{self, Names};
use super::proxy::Proxy;
use super::tls;
use crate::context::Endpoint;
use crate::trace;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// The server, the way to it, and the deadline.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    pub(super) proxy: Option<Proxy>,
    trust: Arc<Trust>,
    /// How long a connection may take.
    connect: Duration,
    /// When the attempt that is under way ends.
    deadline: Mutex<Instant>,
}

impl Route {
    pub(super) fn new(
        endpoint: Endpoint,
        proxy: Option<Proxy>,
        trust: Arc<Trust>,
        connect: Duration,
    ) -> Route {
        Route {
            endpoint,
            proxy,
            trust,
            connect,
            deadline: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn is_unverified(&self) -> bool {
        self.endpoint.https && self.trust.insecure
    }

    pub(super) fn set_deadline(&self, deadline: Instant) {
        // Nothing panics while it holds the lock; even then the deadline would be valid.
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    pub(super) fn deadline(&self) -> Deadline {
        Deadline(*self.deadline.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When a connection that is begun now must be established.
    fn connect_deadline(&self) -> Deadline {
        self.deadline().or(self.connect)
    }

    /// Whom to connect to.
    fn next_hop(&self) -> &Endpoint {
        self.proxy
            .as_ref()
            .map_or(&self.endpoint, |proxy| &proxy.address)
    }
}

/// ureq wants an address before it connects. [`Connect`] finds it out itself: names are looked up while it connects.
#[derive(Debug)]
pub(super) struct Unresolved;

impl Resolver for Unresolved {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut nowhere = self.empty();
        nowhere.push(SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok(nowhere)
    }
}

/// Opens connections.
#[derive(Debug)]
pub(super) struct Connect(Arc<Route>);

impl Connect {
    pub(super) fn new(route: &Arc<Route>) -> Connect {
        Connect(route.clone())
    }
}

impl Connector for Connect {
    type Out = Wire;

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<Wire>, ureq::Error> {
        let route = &*self.0;
        let deadline = route.connect_deadline();
        let mut socket = Socket {
            stream: reach(route.next_hop(), deadline)?,
            deadline,
        };
        let mut absolute = None;
        let stream = if route.endpoint.https {
            if let Some(proxy) = &route.proxy {
                tunnel(&mut socket, &route.endpoint, proxy)?;
            }
            let mut connection = tls::connection(&route.trust, &route.endpoint.host)?;
            while connection.is_handshaking() {
                connection
                    .complete_io(&mut socket)
                    .map_err(|e| tls::broken(&e))?;
            }
            tls::trace(&connection);
            Stream::Tls(Box::new(StreamOwned::new(connection, socket)))
        } else {
            absolute = route
                .proxy
                .as_ref()
                .map(|proxy| Absolute::new(&route.endpoint, proxy));
            Stream::Plain(socket)
        };
        Ok(Some(Wire {
            stream,
            buffer: Buffer::new(),
            absolute,
            at_head: true,
            cut: None,
            route: self.0.clone(),
        }))
    }
}

/// When to give up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

impl Deadline {
    pub(super) fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }

    /// In that time, if it is sooner.
    pub(super) fn or(self, time: Duration) -> Deadline {
        Deadline(self.0.min(Instant::now() + time))
    }
}

/// Connects to the first address of a host that lets us.
fn reach(hop: &Endpoint, deadline: Deadline) -> Result<TcpStream, Broken> {
    // An address needs no look-up, and no thread.
    if let Ok(address) = hop.to_string().parse() {
        return tcp(&[address], false, deadline);
    }
    if hop.host.contains(':') {
        return tcp(&names::scoped(hop)?, false, deadline);
    }
    let mut names = Names::look_up(hop)?;
    let mut outcome = tcp(&names.next(deadline)?, names.is_open(), deadline);
    while outcome.is_err() && names.is_open() {
        let more = names.next(deadline)?;
        if more.is_empty() {
            break;
        }
        outcome = tcp(&more, names.is_open(), deadline);
    }
    outcome
}

/// Tries each address. While others are left, or may still come, each gets half of the time that is left.
fn tcp(addresses: &[SocketAddr], more: bool, deadline: Deadline) -> Result<TcpStream, Broken> {
    let mut last = None;
    for (at, address) in addresses.iter().enumerate() {
        let others = more || addresses.len() - at > 1;
        trace::step(format_args!("connecting to {address}"));
        let attempt = deadline.left().and_then(|left| {
            TcpStream::connect_timeout(address, if others { left / 2 } else { left })
        });
        match attempt {
            Ok(stream) => {
                trace::step(format_args!("connected"));
                stream
                    .set_nodelay(true)
                    .map_err(|e| Broken::io(Phase::Connect, &e))?;
                return Ok(stream);
            }
            Err(e) => {
                trace::step(format_args!("{address}: {e}"));
                last = Some(e);
            }
        }
    }
    Err(last.map_or_else(
        || Broken::new(Phase::Connect, "no address"),
        |e| Broken::io(Phase::Connect, &e),
    ))
}

/// Asks a proxy for a way through to the server (CONNECT).
fn tunnel(socket: &mut Socket, endpoint: &Endpoint, proxy: &Proxy) -> Result<(), Broken> {
    let broken = |e: io::Error| {
        let broken = Broken::io(Phase::Tunnel, &e);
        Broken {
            why: format!("{}: {}", proxy.address, broken.why),
            ..broken
        }
    };
    let authorization = authorization(proxy);
    let request = format!("CONNECT {endpoint} HTTP/1.1\r\nHost: {endpoint}\r\n{authorization}\r\n");
    socket.write_all(request.as_bytes()).map_err(broken)?;
    // Byte by byte: what follows the head belongs to TLS.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).map_err(broken)?;
        head.push(byte[0]);
        if head.len() > MAX_TUNNEL_HEAD {
            return Err(Broken::new(
                Phase::Tunnel,
                format!("{}: its answer has no end", proxy.address),
            ));
        }
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    trace::step(format_args!("tunnel through {}: {line}", proxy.address));
    match line.split(' ').nth(1) {
        Some(status)
            if line.starts_with("HTTP/1.") && status.len() == 3 && status.starts_with('2') =>
        {
            Ok(())
        }
        _ => Err(Broken::new(
            Phase::Tunnel,
            format!("{} answered: {line}", proxy.address),
        )),
    }
}

const MAX_TUNNEL_HEAD: usize = 8 << 10;

fn authorization(proxy: &Proxy) -> String {
    let value = proxy.authorization.as_deref();
    value
        .map(|value| format!("Proxy-Authorization: {value}\r\n"))
        .unwrap_or_default()
}

/// What turns `GET /vm HTTP/1.1` into `GET http://HOST:PORT/vm HTTP/1.1`.
#[derive(Debug)]
struct Absolute {
    server: String,
    authorization: String,
}

impl Absolute {
    fn new(endpoint: &Endpoint, proxy: &Proxy) -> Absolute {
        Absolute {
            server: endpoint.url(),
            authorization: authorization(proxy),
        }
    }

    /// Rewrites the first bytes of a request; ureq hands over the whole request line at once.
    fn rewrite(&self, head: &[u8]) -> Vec<u8> {
        let end_of_method = head.iter().position(|b| *b == b' ').map_or(0, |at| at + 1);
        let end_of_line = head
            .iter()
            .position(|b| *b == b'\n')
            .map_or(head.len(), |at| at + 1);
        let (method, target) = head[..end_of_line].split_at(end_of_method);
        [
            method,
            self.server.as_bytes(),
            target,
            self.authorization.as_bytes(),
            &head[end_of_line..],
        ]
        .concat()
    }
}

/// A connection to the server.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    buffer: Buffer,
    absolute: Option<Absolute>,
    /// Is what is sent next the beginning of a request, what is read next that of an answer?
    at_head: bool,
    /// Why sending ended early. An answer that the server sent by then is still read.
    cut: Option<io::Error>,
    route: Arc<Route>,
}

#[derive(Debug)]
enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut stream.sock,
        }
    }
}

/// The first bytes of a TLS alert, which a TLS port sends when it gets plain http.
const TLS_ALERT: &[u8] = &[0x15, 0x03];

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffer
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if self.cut.is_some() {
            return Ok(());
        }
        self.stream.socket().deadline = self.route.deadline();
        let output = &self.buffer.output()[..amount];
        let rewritten = self
            .absolute
            .as_ref()
            .filter(|_| self.at_head)
            .map(|absolute| absolute.rewrite(output));
        let output = rewritten.as_deref().unwrap_or(output);
        let sent = match &mut self.stream {
            Stream::Plain(socket) if self.at_head => socket.write_all(output),
            Stream::Plain(socket) => socket.write_unless_answered(output),
            Stream::Tls(stream) => stream.write_all(output).and_then(|()| stream.flush()),
        };
        self.at_head = false;
        match sent {
            Err(e)
                if !matches!(
                    e.kind(),
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
                ) =>
            {
                self.cut = Some(e);
                Ok(())
            }
            other => Ok(other.map_err(|e| Broken::io(Phase::Send, &e))?),
        }
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.socket().deadline = self.route.deadline();
        let first = !self.at_head;
        self.at_head = true;
        let input = self.buffer.input_append_buf();
        if input.is_empty() {
            // ureq takes in a header whole, so it is a header that fills the buffer.
            let broken = Broken::new(Phase::Receive, "its header is too large");
            return Err(broken.advising(NOT_ONEGATE).into());
        }
        let read = match &mut self.stream {
            Stream::Plain(socket) => socket.read(input),
            Stream::Tls(stream) => stream.read(input),
        };
        if let Some(why) = self.cut.as_ref().filter(|_| first) {
            // The answer to a request that did not arrive whole can only be a refusal.
            match read {
                Ok(amount) if is_refusal(&input[..amount]) => {}
                _ => return Err(Broken::io(Phase::Send, why).into()),
            }
        }
        let amount = match read {
            Ok(amount) => amount,
            // Many servers close without a TLS close_notify. If that cuts an answer short, HTTP notices.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(e)
                if matches!(self.stream, Stream::Tls(_))
                    && e.kind() == io::ErrorKind::InvalidData =>
            {
                return Err(tls::broken(&e).into());
            }
            Err(e) => return Err(Broken::io(Phase::Receive, &e).into()),
        };
        if first && !self.route.endpoint.https && input[..amount].starts_with(TLS_ALERT) {
            let broken = Broken::new(Phase::Receive, "it speaks TLS");
            return Err(broken
                .advising("The endpoint must begin with https://, or name another port.")
                .into());
        }
        self.buffer.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // A silent connection is open; one with something to read was closed, or can't be trusted.
        if self.cut.is_some() {
            return false;
        }
        let stream = &self.stream.socket().stream;
        let silent = stream.set_nonblocking(true).is_ok()
            && matches!(stream.peek(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).is_ok() && silent
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

/// The beginning of an answer of the given class: 1 for 1xx, and so on.
fn begins_with_class(answer: &[u8]) -> Option<u8> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    rest.get(2).filter(|_| rest[1] == b' ').copied()
}

fn is_refusal(answer: &[u8]) -> bool {
    matches!(begins_with_class(answer), Some(b'4' | b'5'))
}

/// A TCP stream whose every read and write ends by the deadline.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    deadline: Deadline,
}

impl Socket {
    /// Sends more of a request, unless there is an answer already, or the server has hung up: a server that refuses a
    /// request need not read the rest of it.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionAborted`] where that is so.
    fn write_unless_answered(&mut self, output: &[u8]) -> io::Result<()> {
        let mut event = [PollFd::new(&self.stream, PollFlags::IN | PollFlags::OUT)];
        let left = Timespec::try_from(self.deadline.left()?).ok();
        poll(&mut event, left.as_ref())?;
        if event[0].revents().contains(PollFlags::IN) {
            let mut head = [0; 10];
            let amount = self.stream.peek(&mut head)?;
            if begins_with_class(&head[..amount]) != Some(b'1') {
                let why = "the server stopped reading it";
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
            }
        }
        self.write_all(output)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(self.deadline.left()?))?;
            match self.stream.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.deadline.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
