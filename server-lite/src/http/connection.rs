//! One connection: the parser and the answers, driven over a non-blocking stream.
//!
//! [`Connection::advance`] goes on as far as it can and says what it needs next; it never waits and never calls a
//! handler. Buffers live only while something stands in them, so that an idle connection costs next to nothing.

use std::io::{self, ErrorKind, Read, Write};

use super::limits::{BODY_TIME, HEAD_TIME, Rejection};
use super::parse::{Parsed, Parser, Progress};
use super::request::Request;
use super::response::{Framing, Response};

/// A non-blocking byte stream.
pub trait Stream: Read + Write {
    /// Whether a read that did not fill its buffer has taken all there was (so that an edge-triggered poll will tell of
    /// more).
    fn short_read_is_all(&self) -> bool;
    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// Those of the socket; the connection is then of no use.
    fn finish_writing(&mut self) -> io::Result<()>;
}

/// What a connection needs next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// An event on its stream.
    Wait,
    /// Another call of [`Connection::advance`], after others had their turn.
    Again,
    /// An answer to this request, by [`Connection::respond`].
    Request(Request),
    /// To be closed.
    Close,
}

/// Which deadline runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// None: the request is being handled.
    None,
    /// For a head to be whole.
    Head,
    /// For a body to be whole.
    Body,
    /// For the next request to begin.
    Idle,
    /// For an answer to be taken.
    Write,
    /// For the client to close its side.
    Linger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reading,
    Handling,
    Writing,
    Lingering,
}

/// Bytes that a closing connection still takes before it gives up on its client.
const LINGER_BYTES: usize = 256 * 1024;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One connection.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    parser: Parser,
    phase: Phase,
    /// Received and not used yet: an unfinished line, or requests that came behind the one in hand.
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    /// Set by an event, cleared when a read has taken all there was.
    readable: bool,
    ended: bool,
    head: bool,
    keep_alive: bool,
    requests: u64,
    lingered: usize,
    refusal: Option<Rejection>,
}

impl<S: Stream> Connection<S> {
    /// A connection just accepted.
    pub fn new(stream: S) -> Connection<S> {
        Connection {
            stream,
            parser: Parser::default(),
            phase: Phase::Reading,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            readable: true,
            ended: false,
            head: false,
            keep_alive: true,
            requests: 0,
            lingered: 0,
            refusal: None,
        }
    }

    /// The stream had an event: there may be bytes to read, or room to write. `ended`: the client sends nothing more,
    /// so that what is read last is the end.
    pub fn woken(&mut self, ended: bool) {
        self.readable = true;
        self.ended |= ended;
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Whether bytes wait for room in the stream.
    pub fn wants_write(&self) -> bool {
        self.phase == Phase::Writing || !self.output.is_empty()
    }

    /// Bytes of unfinished body held.
    pub fn body_held(&self) -> usize {
        self.parser.body_held()
    }

    /// The deadline that runs, and how many requests were answered or begun before it: the same pair means the same
    /// deadline.
    pub fn timer(&self) -> (u64, Timer) {
        let timer = match self.phase {
            Phase::Handling => Timer::None,
            Phase::Writing => Timer::Write,
            Phase::Lingering => Timer::Linger,
            Phase::Reading if self.parser.in_body() => Timer::Body,
            Phase::Reading if self.requests == 0 || self.parser.in_request() => Timer::Head,
            Phase::Reading => Timer::Idle,
        };
        (self.requests, timer)
    }

    /// The refusal of this connection's last request, once.
    pub fn take_refusal(&mut self) -> Option<Rejection> {
        self.refusal.take()
    }

    /// Goes on as far as possible without waiting, through one request at most. `scratch` is only used during the call.
    pub fn advance(&mut self, scratch: &mut [u8]) -> Step {
        match self.try_advance(scratch) {
            Ok(step) => step,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Step::Wait,
            Err(_) => Step::Close,
        }
    }

    fn try_advance(&mut self, scratch: &mut [u8]) -> io::Result<Step> {
        match self.phase {
            Phase::Handling => Ok(Step::Wait),
            Phase::Writing => {
                self.flush()?;
                if self.keep_alive {
                    self.phase = Phase::Reading;
                    if self.readable && self.input.is_empty() {
                        let count = self.read(scratch)?;
                        if count == 0 {
                            return Ok(Step::Close);
                        }
                        self.input = scratch[..count].to_vec();
                    }
                    return Ok(if self.input.is_empty() {
                        Step::Wait
                    } else {
                        Step::Again
                    });
                }
                self.stream.finish_writing()?;
                self.phase = Phase::Lingering;
                self.input = Vec::new();
                self.linger(scratch)
            }
            Phase::Reading => {
                if !self.output.is_empty() {
                    self.flush()?;
                }
                self.read_request(scratch)
            }
            Phase::Lingering => self.linger(scratch),
        }
    }

    fn read_request(&mut self, scratch: &mut [u8]) -> io::Result<Step> {
        // What is left of the last turn comes first: it may hold a whole request.
        if !self.input.is_empty() {
            let input = std::mem::take(&mut self.input);
            if let Some(step) = self.feed(&input) {
                return Ok(step);
            }
        }
        while self.readable && self.phase == Phase::Reading {
            let count = self.read(scratch)?;
            if count == 0 {
                return Ok(Step::Close);
            }
            let received = &scratch[..count];
            let step = if self.input.is_empty() {
                self.feed(received)
            } else {
                let mut input = std::mem::take(&mut self.input);
                input.extend_from_slice(received);
                self.feed(&input)
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
        // A refusal is sent at once.
        if self.phase == Phase::Writing {
            self.try_advance(scratch)
        } else {
            Ok(Step::Wait)
        }
    }

    /// Gives bytes to the parser and keeps those that it did not use.
    fn feed(&mut self, bytes: &[u8]) -> Option<Step> {
        match self.parser.advance(bytes) {
            Ok((used, progress)) => {
                if used < bytes.len() {
                    self.input = bytes[used..].to_vec();
                }
                match progress {
                    Progress::More => None,
                    Progress::Continue => {
                        self.output.extend_from_slice(CONTINUE);
                        match self.flush() {
                            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                                Some(Step::Close)
                            }
                            _ => None,
                        }
                    }
                    Progress::Whole(Parsed {
                        request,
                        keep_alive,
                    }) => {
                        self.requests += 1;
                        self.head = request.method == "HEAD";
                        self.keep_alive = keep_alive;
                        self.phase = Phase::Handling;
                        Some(Step::Request(request))
                    }
                }
            }
            Err(refusal) => {
                self.refuse(refusal);
                None
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Ok(count) => {
                    self.readable =
                        count == buffer.len() || self.ended || !self.stream.short_read_is_all();
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.readable = false;
                    return Err(error);
                }
            }
        }
    }

    /// Answers the request in hand; with `close`, ends the connection whatever the client asked for.
    pub fn respond(&mut self, response: &Response, close: bool) {
        self.keep_alive &= !close;
        response.write_to(
            &mut self.output,
            Framing {
                head: self.head,
                keep_alive: self.keep_alive,
            },
        );
        self.phase = Phase::Writing;
    }

    /// Answers with a refusal and ends the connection. [`Connection::advance`] must be called to send it.
    pub fn refuse(&mut self, refusal: Rejection) {
        self.parser = Parser::default();
        self.refusal = Some(refusal);
        // Of a request that is not whole, the method does not count.
        self.head &= self.phase == Phase::Handling;
        self.respond(&Response::from(&refusal), true);
    }

    /// The deadline of [`Connection::timer`] is over.
    pub fn expire(&mut self, scratch: &mut [u8]) -> Step {
        match self.timer().1 {
            Timer::None => Step::Wait,
            Timer::Head if self.parser.in_request() => self.refuse_now(HEAD_TIME, scratch),
            Timer::Body => self.refuse_now(BODY_TIME, scratch),
            _ => Step::Close,
        }
    }

    fn refuse_now(&mut self, refusal: Rejection, scratch: &mut [u8]) -> Step {
        self.refuse(refusal);
        self.advance(scratch)
    }

    /// Writes what waits; the buffer goes when it is empty.
    fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.stream.flush()?;
        self.output = Vec::new();
        self.sent = 0;
        Ok(())
    }

    /// Reads and drops what the client still sends: closing with unread bytes would reset the connection, and the
    /// client could lose the answer (RFC 9112, 9.6).
    fn linger(&mut self, scratch: &mut [u8]) -> io::Result<Step> {
        while self.readable {
            let count = self.read(scratch)?;
            self.lingered += count;
            if count == 0 || self.lingered > LINGER_BYTES {
                return Ok(Step::Close);
            }
        }
        Ok(Step::Wait)
    }
}
