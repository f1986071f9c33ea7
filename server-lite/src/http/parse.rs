//! The request parser: a state machine that is fed bytes, in pieces of any size, and does no I/O.
//!
//! It is strict where leniency has let requests be smuggled past a proxy (RFC 9112, 11.2): one way to end a line, one
//! way to frame a body, one Host. Each refusal is a constant of fixed words, so that no token can stand in a message.

use super::limits::{
    BODY, CHUNK_LINE, FRAMING, HEADER_BYTES, HEADER_FIELDS, LEADING_EMPTY_LINES, Limit,
    REQUEST_LINE, Rejection,
};
use super::request::{METHODS, Request};
use super::syntax::{
    chunk_size, content_length, is_authority, is_token, split_field, strip_scheme,
    transfer_encoding, uri_text,
};

/// Memory that a line of the head takes beyond its own bytes: two strings, and the allocator's share of each.
const LINE_HELD: usize = 96;

/// How far [`Parser::advance`] came.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// All that could be used was used; more bytes are needed.
    More,
    /// The client waits for `100 Continue` before it sends the body. Said once.
    Continue,
    /// A whole request; the parser is ready for the next.
    Whole(Parsed),
}

/// A whole request, and what its connection must know of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The request.
    pub request: Request,
    /// Whether the client wants to go on with this connection.
    pub keep_alive: bool,
}

/// One connection's parser.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// Bytes of the unfinished line that were already looked at.
    scanned: usize,
    /// Bytes of the fields (or trailer fields) so far, and their number.
    field_bytes: usize,
    fields: usize,
    /// Bytes of the chunks' framing so far.
    framing: usize,
    /// About what the head so far takes in memory.
    head_held: usize,
    empty_lines: usize,
    request: Request,
    facts: Facts,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    RequestLine,
    Fields,
    /// The rest of a body whose length is known.
    Body(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailers,
}

/// What the head said about the connection and the body.
#[derive(Debug, Default)]
struct Facts {
    http11: bool,
    /// The authority of an absolute-form target.
    authority: Option<String>,
    host: Option<String>,
    length: Option<usize>,
    chunked: bool,
    expect: bool,
    close: bool,
    keep_alive: bool,
}

impl Parser {
    /// Whether a request has begun: the bytes so far belong to one that is not whole.
    pub fn in_request(&self) -> bool {
        self.state != State::RequestLine || self.scanned > 0
    }

    /// Whether the head is whole and the body is not.
    pub fn in_body(&self) -> bool {
        !matches!(self.state, State::RequestLine | State::Fields)
    }

    /// Bytes held of the unfinished request, about.
    pub fn held(&self) -> usize {
        self.head_held + self.request.body.capacity()
    }

    /// Uses bytes from the start of `input`, up to the end of one request. Returns how many; the caller keeps the rest
    /// and gives it again, with what came after it.
    ///
    /// # Errors
    /// The refusal to answer with; the connection cannot go on.
    pub fn advance(&mut self, input: &[u8]) -> Result<(usize, Progress), Rejection> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            match self.state {
                State::RequestLine => {
                    let Some(line) = self.line(rest, REQUEST_LINE)? else {
                        break;
                    };
                    used += line.len() + 2;
                    if line.is_empty() {
                        self.empty_lines += 1;
                        if self.empty_lines > LEADING_EMPTY_LINES.max {
                            return Err(LEADING_EMPTY_LINES.refusal);
                        }
                    } else {
                        self.request_line(line)?;
                        self.state = State::Fields;
                    }
                }
                State::Fields => {
                    let Some(line) = self.field_line(rest)? else {
                        break;
                    };
                    used += line.len() + 2;
                    if !line.is_empty() {
                        self.field(line)?;
                        continue;
                    }
                    self.end_of_head()?;
                    if self.state == State::RequestLine {
                        return Ok((used, Progress::Whole(self.finish())));
                    }
                    if self.facts.expect && used == input.len() {
                        return Ok((used, Progress::Continue));
                    }
                }
                State::Body(left) => {
                    let piece = &rest[..left.min(rest.len())];
                    self.request.body.extend_from_slice(piece);
                    used += piece.len();
                    if piece.len() == left {
                        return Ok((used, Progress::Whole(self.finish())));
                    }
                    self.state = State::Body(left - piece.len());
                    break;
                }
                State::ChunkSize => {
                    let Some(line) = self.line(rest, CHUNK_LINE)? else {
                        break;
                    };
                    used += line.len() + 2;
                    self.frame(line.len() + 2)?;
                    let size = chunk_size(line)?;
                    if size > BODY.max - self.request.body.len() {
                        return Err(BODY.refusal);
                    }
                    self.state = if size == 0 {
                        State::Trailers
                    } else {
                        State::Chunk(size)
                    };
                }
                State::Chunk(left) => {
                    let piece = &rest[..left.min(rest.len())];
                    if piece.is_empty() {
                        break;
                    }
                    self.request.body.extend_from_slice(piece);
                    used += piece.len();
                    self.state = if piece.len() == left {
                        State::ChunkEnd
                    } else {
                        State::Chunk(left - piece.len())
                    };
                }
                State::ChunkEnd => {
                    let (Some(cr), lf) = (rest.first(), rest.get(1)) else {
                        break;
                    };
                    if *cr != b'\r' || lf.is_some_and(|lf| *lf != b'\n') {
                        return Err(Rejection::malformed("a chunk is longer than its size says"));
                    }
                    if lf.is_none() {
                        break;
                    }
                    used += 2;
                    self.frame(2)?;
                    self.state = State::ChunkSize;
                }
                State::Trailers => {
                    let Some(line) = self.field_line(rest)? else {
                        break;
                    };
                    used += line.len() + 2;
                    if line.is_empty() {
                        return Ok((used, Progress::Whole(self.finish())));
                    }
                    // Checked, counted and dropped: nothing here has a use for them (RFC 9110, 6.5.1).
                    split_field(line)?;
                }
            }
        }
        Ok((used, Progress::More))
    }

    /// Counts bytes of framing.
    fn frame(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.framing += bytes;
        if self.framing > FRAMING.max + self.request.body.len() {
            return Err(FRAMING.refusal);
        }
        Ok(())
    }

    /// The line at the start of `input`, without its CRLF; none if it is not whole.
    fn line<'a>(&mut self, input: &'a [u8], limit: Limit) -> Result<Option<&'a [u8]>, Rejection> {
        let mut at = self.scanned;
        loop {
            // First, so that the refusal does not depend on how the line was cut on its way.
            if at > limit.max {
                return Err(limit.refusal);
            }
            match input.get(at) {
                Some(b'\t' | b' '..=b'~' | 0x80..) => at += 1,
                Some(b'\r') => match input.get(at + 1) {
                    Some(b'\n') => {
                        self.scanned = 0;
                        return Ok(Some(&input[..at]));
                    }
                    Some(_) => return Err(Rejection::malformed("a CR without its LF")),
                    None => break,
                },
                Some(b'\n') => return Err(Rejection::malformed("a LF without its CR")),
                Some(_) => return Err(Rejection::malformed("a control character in the head")),
                None => break,
            }
        }
        self.scanned = at;
        Ok(None)
    }

    /// A line of the fields or of the trailer fields, counted.
    fn field_line<'a>(&mut self, input: &'a [u8]) -> Result<Option<&'a [u8]>, Rejection> {
        let left = Limit {
            max: HEADER_BYTES.max.saturating_sub(self.field_bytes),
            ..HEADER_BYTES
        };
        let line = self.line(input, left)?;
        if let Some(line) = line {
            self.field_bytes += line.len() + 2;
            if !line.is_empty() {
                self.fields += 1;
            }
            if self.fields > HEADER_FIELDS.max {
                return Err(HEADER_FIELDS.refusal);
            }
        }
        Ok(line)
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Rejection> {
        let mut words = line.split(|&b| b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Rejection::malformed(
                "the request line is not three words with one blank between them",
            ));
        };
        if method.is_empty() || !method.iter().all(|&b| is_token(b)) {
            return Err(Rejection::malformed("the method is not a token"));
        }
        self.facts.http11 = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Rejection {
                    status: 505,
                    reason: "only HTTP/1.0 and HTTP/1.1 are spoken here",
                });
            }
            _ => {
                return Err(Rejection::malformed(
                    "the request line does not end in an HTTP version",
                ));
            }
        };
        let Some(method) = METHODS.iter().find(|m| m.as_bytes() == method) else {
            return Err(Rejection {
                status: 501,
                reason: "the method is not one this server knows",
            });
        };
        self.head_held += line.len() + LINE_HELD;
        self.request.method = (*method).to_string();
        self.target(target)
    }

    fn target(&mut self, target: &[u8]) -> Result<(), Rejection> {
        let target = uri_text(target)?;
        let asterisk = target == "*" && self.request.method == "OPTIONS";
        let path_and_query = if target.starts_with('/') || asterisk {
            target
        } else if let Some(rest) = strip_scheme(target) {
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            if authority.is_empty() || !authority.bytes().all(is_authority) {
                return Err(Rejection::malformed(
                    "the request target's URL has no plain host name or address",
                ));
            }
            self.facts.authority = Some(authority.to_string());
            path
        } else {
            return Err(Rejection::malformed(
                "the request target is neither a path nor an http URL",
            ));
        };
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        self.request.path = if path.is_empty() { "/" } else { path }.to_string();
        self.request.query = query.to_string();
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Rejection> {
        let (name, value) = split_field(line)?;
        self.head_held += line.len() + LINE_HELD;
        let name = name.to_ascii_lowercase();
        let facts = &mut self.facts;
        match name.as_str() {
            "host" => {
                if facts.host.is_some() {
                    return Err(Rejection::malformed("there is more than one Host"));
                }
                let host = std::str::from_utf8(value)
                    .ok()
                    .filter(|host| host.bytes().all(is_authority));
                let Some(host) = host else {
                    return Err(Rejection::malformed(
                        "Host is not a host name or address with an optional port",
                    ));
                };
                facts.host = Some(host.to_string());
            }
            "content-length" => {
                if facts.length.is_some() {
                    return Err(Rejection::malformed(
                        "there is more than one Content-Length",
                    ));
                }
                facts.length = Some(content_length(value)?);
            }
            "transfer-encoding" => {
                if facts.chunked {
                    return Err(Rejection::malformed(
                        "there is more than one Transfer-Encoding",
                    ));
                }
                transfer_encoding(value)?;
                facts.chunked = true;
            }
            "connection" => {
                for option in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                    facts.close |= option.eq_ignore_ascii_case(b"close");
                    facts.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            "expect" => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Rejection {
                        status: 417,
                        reason: "the only expectation met here is 100-continue",
                    });
                }
                facts.expect = true;
            }
            _ => {}
        }
        self.request
            .headers
            .push((name, String::from_utf8_lossy(value).into_owned()));
        Ok(())
    }

    /// Judges the head as a whole and moves to the body, or back to [`State::RequestLine`] when there is none.
    fn end_of_head(&mut self) -> Result<(), Rejection> {
        let facts = &mut self.facts;
        match &facts.host {
            None if facts.http11 => return Err(Rejection::malformed("there is no Host")),
            Some(host) if host.is_empty() && facts.http11 => {
                return Err(Rejection::malformed("Host is empty"));
            }
            host => {
                if let (Some(authority), Some(host)) = (&facts.authority, host)
                    && !host.eq_ignore_ascii_case(authority)
                {
                    return Err(Rejection::malformed(
                        "the request target is a URL of another host than Host",
                    ));
                }
            }
        }
        // An HTTP/1.0 client waits for no 100 (RFC 9110, 10.1.1).
        facts.expect &= facts.http11;
        self.state = match (facts.length, facts.chunked) {
            (Some(_), true) => {
                return Err(Rejection::malformed(
                    "there are both Content-Length and Transfer-Encoding",
                ));
            }
            (None, true) if !facts.http11 => {
                return Err(Rejection::malformed(
                    "Transfer-Encoding in an HTTP/1.0 request",
                ));
            }
            (None, true) => State::ChunkSize,
            (None | Some(0), false) => State::RequestLine,
            (Some(length), false) => {
                // Memory is taken as bytes come, not as they are promised.
                self.request.body.reserve_exact(length.min(16 * 1024));
                State::Body(length)
            }
        };
        self.field_bytes = 0;
        self.fields = 0;
        Ok(())
    }

    fn finish(&mut self) -> Parsed {
        let done = std::mem::take(self);
        let facts = done.facts;
        Parsed {
            request: done.request,
            keep_alive: !facts.close && (facts.http11 || facts.keep_alive),
        }
    }
}
