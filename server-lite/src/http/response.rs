//! One answer, and its bytes.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use super::limits::{RETRY_AFTER, Rejection};

/// One answer. The connection adds Content-Length, Connection and Date, and Retry-After to a 503; a HEAD's body is
/// measured but not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 204, 400, …
    pub status: u16,
    /// Extra header fields, Content-Type among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body; must be empty for 204.
    pub body: Vec<u8>,
}

impl From<&Rejection> for Response {
    /// The answer to a request that the HTTP layer refuses: the reason as a line of text.
    fn from(refusal: &Rejection) -> Response {
        Response {
            status: refusal.status,
            headers: vec![
                ("Content-Type", "text/plain;charset=utf-8".to_string()),
                ("X-Content-Type-Options", "nosniff".to_string()),
            ],
            body: format!("{}: {}\n", reason_phrase(refusal.status), refusal.reason).into_bytes(),
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
    /// Appends the answer as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>, framing: Framing) {
        out.reserve(256 + self.body.len());
        out.extend_from_slice(b"HTTP/1.1 ");
        write_number(out, usize::from(self.status));
        out.push(b' ');
        out.extend_from_slice(reason_phrase(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.headers {
            field(out, name, value);
        }
        write_date(out);
        if self.status == 503 {
            field(out, "Retry-After", RETRY_AFTER);
        }
        // 204 has no body and no length (RFC 9110, 8.6).
        if self.status != 204 {
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
        if !framing.head && self.status != 204 {
            out.extend_from_slice(&self.body);
        }
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
