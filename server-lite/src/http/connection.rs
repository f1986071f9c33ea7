//! One connection: the parser and the answers, driven over a non-blocking stream.
//!
//! [`Connection::advance`] goes on as far as it can and says what it needs next; it neither waits nor calls a
//! handler. Buffers live only while something stands in them, so that an idle connection costs next to nothing.

use std::io::{self, ErrorKind, Read, Write};

use super::limits::{BODY_TIME, HEAD_TIME, LINGER, Rejection, SLICE};
use super::parse::{Parsed, Parser, Progress};
use super::request::Request;
use super::response::{Framing, Outgoing, Response};

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
    /// Bytes that the stream itself holds, received or to be sent.
    fn held(&self) -> usize {
        0
    }
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

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One connection.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    parser: Parser,
    phase: Phase,
    /// Received and not used yet: an unfinished line, or requests that came behind the one in hand.
    input: Vec<u8>,
    /// How much of `input` was used since.
    used: usize,
    output: Outgoing,
    /// Bytes read in this turn.
    turn: usize,
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
            used: 0,
            output: Outgoing::default(),
            turn: 0,
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

    /// Whether the client sends nothing more: it may be gone.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes held for this connection: received and not used, unfinished requests, responses that are not taken.
    pub fn held(&self) -> usize {
        self.input.capacity() + self.parser.held() + self.output.held() + self.stream.held()
    }

    /// Whether a request is being read, so that a refusal can still be its answer.
    pub fn is_reading(&self) -> bool {
        self.phase == Phase::Reading
    }

    /// Whether only the client's next bytes are waited for, so that no answer is lost if it is closed.
    pub fn is_idle(&self) -> bool {
        match self.timer().1 {
            Timer::Head | Timer::Idle | Timer::Linger => self.output.is_empty(),
            Timer::None | Timer::Body | Timer::Write => false,
        }
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

    /// Goes on as far as possible without waiting, through one request and one [`SLICE`] of bytes at most. `scratch` is
    /// only used during the call.
    pub fn advance(&mut self, scratch: &mut [u8]) -> Step {
        self.turn = 0;
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
                if !self.flush()? {
                    return Ok(Step::Again);
                }
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
                self.forget_input();
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
        if !self.input.is_empty()
            && let Some(step) = self.feed_input()
        {
            return Ok(step);
        }
        while self.readable && self.phase == Phase::Reading {
            if self.turn >= SLICE {
                return Ok(Step::Again);
            }
            let count = self.read(scratch)?;
            if count == 0 {
                return Ok(Step::Close);
            }
            let received = &scratch[..count];
            let step = if self.input.is_empty() {
                match self.feed(received) {
                    Ok((used, step)) => {
                        self.input = received[used..].to_vec();
                        step
                    }
                    Err(refusal) => {
                        self.refuse(refusal);
                        None
                    }
                }
            } else {
                self.input.extend_from_slice(received);
                self.feed_input()
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

    /// Gives the parser what is held of the input.
    fn feed_input(&mut self) -> Option<Step> {
        let input = std::mem::take(&mut self.input);
        match self.feed(&input[self.used..]) {
            Ok((used, step)) => {
                self.input = input;
                self.used += used;
                if self.used == self.input.len() {
                    self.forget_input();
                } else if self.used > self.input.len() / 2 {
                    // No byte is moved more often than once for each byte used.
                    self.input.drain(..self.used);
                    self.used = 0;
                }
                step
            }
            Err(refusal) => {
                self.refuse(refusal);
                None
            }
        }
    }

    fn forget_input(&mut self) {
        self.input = Vec::new();
        self.used = 0;
    }

    /// Gives bytes to the parser. How many it used, and what that came to.
    fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<Step>), Rejection> {
        let (used, progress) = self.parser.advance(bytes)?;
        let step = match progress {
            Progress::More => None,
            Progress::Continue => {
                self.output.push(CONTINUE);
                match self.flush() {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => Some(Step::Close),
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
        };
        Ok((used, step))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Ok(count) => {
                    self.turn += count;
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
    pub fn respond(&mut self, response: Response, close: bool) {
        self.keep_alive &= !close;
        let framing = Framing {
            head: self.head,
            keep_alive: self.keep_alive,
        };
        self.output.push_response(response, framing);
        self.phase = Phase::Writing;
    }

    /// Ends the connection without an answer. [`Connection::advance`] must be called to end it.
    pub fn hang_up(&mut self) {
        self.keep_alive = false;
        self.phase = Phase::Writing;
    }

    /// Answers with a refusal and ends the connection. [`Connection::advance`] must be called to send it.
    pub fn refuse(&mut self, refusal: Rejection) {
        self.refuse_for(refusal, None);
    }

    /// The same, with the seconds after which to try again.
    pub fn refuse_for(&mut self, refusal: Rejection, seconds: Option<u64>) {
        self.parser = Parser::default();
        self.forget_input();
        self.refusal = Some(refusal);
        // Of a request that is not whole, the method does not count.
        self.head &= self.phase == Phase::Handling;
        let mut response = Response::from(&refusal);
        if let Some(seconds) = seconds {
            response
                .headers
                .push(("Retry-After", seconds.to_string().into()));
        }
        self.respond(response, true);
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

    /// Writes what waits, a [`SLICE`] at most: false if more is left.
    fn flush(&mut self) -> io::Result<bool> {
        let begun = self.output.sent();
        while !self.output.is_empty() {
            match self.output.write(&mut self.stream) {
                Ok(true) => break,
                Ok(false) if self.output.sent() - begun >= SLICE => return Ok(false),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.stream.flush()?;
        Ok(true)
    }

    /// Reads and drops what the client still sends: closing with unread bytes would reset the connection, and the
    /// client could lose the answer (RFC 9112, 9.6).
    fn linger(&mut self, scratch: &mut [u8]) -> io::Result<Step> {
        while self.readable {
            if self.turn >= SLICE {
                return Ok(Step::Again);
            }
            let count = self.read(scratch)?;
            self.lingered += count;
            if count == 0 || self.lingered > LINGER {
                return Ok(Step::Close);
            }
        }
        Ok(Step::Wait)
    }
}
