//! One answer, and its bytes.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, IoSlice, Write};
use std::ops::Deref;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::limits::{RETRY_AFTER, Rejection};

/// One answer. The connection adds Content-Length, Connection and Date, and Retry-After to a 503 without one; a HEAD's
/// body is measured but not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 204, 400, …
    pub status: u16,
    /// Extra header fields, Content-Type among them.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body; must be empty for 204.
    pub body: Body,
}

/// A response's body: bytes of its own, or bytes that other responses have too.
#[derive(Debug, Clone)]
pub enum Body {
    /// Made for this response.
    Owned(Vec<u8>),
    /// Made once, for each response that says the same.
    Shared(Arc<[u8]>),
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Body::Owned(bytes) => bytes,
            Body::Shared(bytes) => bytes,
        }
    }
}

impl Default for Body {
    fn default() -> Body {
        Body::Owned(Vec::new())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::Owned(bytes)
    }
}

impl From<Arc<[u8]>> for Body {
    fn from(bytes: Arc<[u8]>) -> Body {
        Body::Shared(bytes)
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        **self == **other
    }
}

impl Eq for Body {}

/// Bodies up to this many bytes are copied behind their head, to go out in one piece.
const COPIED: usize = 8 * 1024;

/// What waits to be written: heads with small bodies, then at most one large body.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    body: Body,
    sent: usize,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes held until all is written.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + self.body.len()
    }

    /// Puts bytes behind those that wait.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts a response behind the bytes that wait.
    pub(super) fn push_response(&mut self, response: Response, framing: Framing) {
        response.write_head(&mut self.bytes, framing);
        if framing.head || response.status == 204 {
            return;
        }
        if response.body.len() <= COPIED {
            self.bytes.extend_from_slice(&response.body);
        } else {
            self.body = response.body;
        }
    }

    /// Writes once. True when nothing is left, and then the memory is given back.
    pub(super) fn write(&mut self, stream: &mut impl Write) -> io::Result<bool> {
        let count = match self.bytes.get(self.sent..) {
            Some(head) if !head.is_empty() && self.body.is_empty() => stream.write(head)?,
            Some(head) if !head.is_empty() => {
                stream.write_vectored(&[IoSlice::new(head), IoSlice::new(&self.body)])?
            }
            _ => stream.write(&self.body[self.sent - self.bytes.len()..])?,
        };
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.sent += count;
        let done = self.sent == self.bytes.len() + self.body.len();
        if done {
            *self = Outgoing::default();
        }
        Ok(done)
    }

    /// Bytes written of what waits.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }
}

impl From<&Rejection> for Response {
    /// The answer to a request that the HTTP layer refuses: the reason as a line of text.
    fn from(refusal: &Rejection) -> Response {
        Response {
            status: refusal.status,
            headers: vec![
                ("Content-Type", "text/plain;charset=utf-8".into()),
                ("X-Content-Type-Options", "nosniff".into()),
            ],
            body: format!("{}: {}\n", reason_phrase(refusal.status), refusal.reason)
                .into_bytes()
                .into(),
        }
    }
}

/// What the connection knows of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Framing {
    /// The answer is to a HEAD: its body is measured but not sent.
    pub head: bool,
    /// The connection goes on after it.
    pub keep_alive: bool,
}

impl Response {
    /// Appends the head as it goes over the wire, its empty line included.
    pub fn write_head(&self, out: &mut Vec<u8>, framing: Framing) {
        out.reserve(
            256 + if self.body.len() <= COPIED {
                self.body.len()
            } else {
                0
            },
        );
        out.extend_from_slice(b"HTTP/1.1 ");
        write_number(out, usize::from(self.status));
        out.push(b' ');
        out.extend_from_slice(reason_phrase(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.headers {
            field(out, name, value);
        }
        write_date(out);
        let says_when = || self.headers.iter().any(|(name, _)| *name == "Retry-After");
        if self.status == 503 && !says_when() {
            field(out, "Retry-After", RETRY_AFTER);
        }
        // 204 has no body and no length; the length of 304 would be that of the 200 (RFC 9110, 8.6).
        if !matches!(self.status, 204 | 304) {
            out.extend_from_slice(b"Content-Length: ");
            write_number(out, self.body.len());
            out.extend_from_slice(b"\r\n");
        }
        field(
            out,
            "Connection",
            if framing.keep_alive {
                "keep-alive"
            } else {
                "close"
            },
        );
        out.extend_from_slice(b"\r\n");
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    // A line end in a value would begin another field, or the body.
    out.extend(
        value
            .bytes()
            .map(|b| if b.is_ascii_control() { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
}

fn write_number(out: &mut Vec<u8>, number: usize) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

thread_local! {
    /// The Date field as last written, and its second: it is the same for thousands of answers.
    static DATE: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
}

fn write_date(out: &mut Vec<u8>) {
    let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else {
        return;
    };
    DATE.with_borrow_mut(|(second, line)| {
        if *second != now.as_secs() {
            line.clear();
            let text = jiff::Timestamp::from_second(now.as_secs().try_into().unwrap_or(i64::MAX))
                .and_then(|time| {
                    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time)
                });
            // A clock beyond the year 9999 gives no date.
            if let Ok(text) = text {
                field(line, "Date", &text);
            }
            *second = now.as_secs();
        }
        out.extend_from_slice(line);
    });
}

/// The words beside a status (RFC 9110, 15).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
