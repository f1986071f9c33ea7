//! The page's address: a thread for each connection, of which there are few, and one request on each.

use super::admission::{Admitted, NotAdmitted, admit};
use super::limits::{HEAD, HEAD_TIME, PIECE, REQUESTS, VIEWERS, WRITE_TIME};
use super::viewer::{self, Audience};
use crate::http::parse::{Parser, Progress};
use crate::http::response::Framing;
use crate::http::{Rejection, Request, Response};
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// For how long, and how many bytes, a connection is read after its answer: closed with unread bytes, it would lose the
/// answer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 * 1024;
/// How long a connection without a place may take to say what it wants.
const NO_PLACE: Duration = Duration::from_millis(50);
/// How long to wait after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(50);

/// What every answer has.
pub(super) const FIELDS: [(&str, &str); 5] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
];

/// Why there is no request.
enum NoRequest {
    /// It is refused.
    Refused(Rejection),
    /// The connection has ended, or nothing came.
    Gone,
}

/// Takes connections for as long as the process lasts.
///
/// # Errors
/// The system refuses a thread.
pub(super) fn start(listener: TcpListener, audience: Audience) -> io::Result<()> {
    let audience = Arc::new(audience);
    let open = Arc::<AtomicUsize>::default();
    let accept = move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                std::thread::sleep(PAUSE);
                continue;
            };
            let place = Place::take(&open);
            let audience = Arc::clone(&audience);
            let Some(place) = place else {
                // Read first: closed with unread bytes, the connection would lose the answer.
                let _ = stream
                    .set_read_timeout(Some(NO_PLACE))
                    .and_then(|()| (&stream).read(&mut [0; HEAD]))
                    .and_then(|_| refuse(&stream, &NotAdmitted::TooMany(REQUESTS), false));
                continue;
            };
            let answer = move || {
                // Whoever asked may be gone.
                let _ = answer(&stream, &audience, place);
            };
            let thread = std::thread::Builder::new().name("viewer".to_owned());
            // Without a thread the connection ends.
            let _ = thread.spawn(answer);
        }
    };
    let thread = std::thread::Builder::new().name("page-listener".to_owned());
    thread.spawn(accept).map(drop)
}

/// One of the places for requests that are being answered.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(open));
        (open.fetch_add(1, SeqCst) < REQUESTS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Answers the one request of a connection.
fn answer(stream: &TcpStream, audience: &Audience, place: Place) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let request = match read(stream) {
        Ok(request) => request,
        Err(NoRequest::Gone) => return Ok(()),
        Err(NoRequest::Refused(why)) => {
            respond(stream, Response::from(&why), false)?;
            return linger(stream);
        }
    };
    let head = request.method == "HEAD";
    match admit(&request, stream.local_addr()?) {
        Ok(Admitted::File(file)) => {
            let response = Response {
                status: 200,
                headers: vec![("Content-Type", Cow::Borrowed(file.kind))],
                body: file.bytes.to_vec().into(),
            };
            respond(stream, response, head)?;
            linger(stream)
        }
        Ok(Admitted::Events) => match audience.marks.watch(VIEWERS) {
            Some(_watching) => {
                drop(place);
                viewer::send(stream, head, audience)
            }
            None => refuse(stream, &NotAdmitted::TooMany(VIEWERS), head),
        },
        Err(why) => refuse(stream, &why, head).and_then(|()| linger(stream)),
    }
}

/// Reads a request.
fn read(mut stream: &TcpStream) -> Result<Request, NoRequest> {
    let until = Instant::now() + HEAD_TIME;
    let mut parser = Parser::default();
    let mut unread = Vec::new();
    let mut left = HEAD;
    loop {
        let mut bytes = [0; 1024];
        let room = left.min(bytes.len());
        if room == 0 {
            return Err(NoRequest::Refused(Rejection {
                status: 431,
                reason: "the request's head is longer than 8192 bytes",
            }));
        }
        let time = until.saturating_duration_since(Instant::now());
        let late = match left {
            HEAD => NoRequest::Gone,
            _ => NoRequest::Refused(crate::http::limits::HEAD_TIME),
        };
        if time.is_zero() || stream.set_read_timeout(Some(time)).is_err() {
            return Err(late);
        }
        let count = match stream.read(&mut bytes[..room]) {
            Ok(0) => return Err(NoRequest::Gone),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_late(&error) => return Err(late),
            Err(_) => return Err(NoRequest::Gone),
        };
        left -= count;
        unread.extend_from_slice(&bytes[..count]);
        match parser.advance(&unread) {
            Ok((_, Progress::Whole(parsed))) => return Ok(parsed.request),
            Ok(_) if parser.in_body() => {
                return Err(NoRequest::Refused(Rejection {
                    status: NotAdmitted::Body.status(),
                    reason: "a request for the page has no body",
                }));
            }
            Ok((used, _)) => drop(unread.drain(..used)),
            Err(why) => return Err(NoRequest::Refused(why)),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn refuse(stream: &TcpStream, why: &NotAdmitted, head: bool) -> io::Result<()> {
    let kind = ("Content-Type", Cow::Borrowed("text/plain; charset=utf-8"));
    let mut headers = vec![kind];
    headers.extend(
        why.field()
            .map(|(name, value)| (name, Cow::Borrowed(value))),
    );
    let response = Response {
        status: why.status(),
        headers,
        body: format!("{why}\n").into_bytes().into(),
    };
    respond(stream, response, head)
}

fn respond(stream: &TcpStream, mut response: Response, head: bool) -> io::Result<()> {
    response
        .headers
        .retain(|(name, _)| !FIELDS.iter().any(|(ours, _)| ours == name));
    let ours = FIELDS.iter();
    let ours = ours.map(|(name, value)| (*name, Cow::Borrowed(*value)));
    response.headers.extend(ours);
    let mut bytes = Vec::new();
    let framing = Framing {
        head,
        keep_alive: false,
    };
    response.write_head(&mut bytes, framing);
    if !head {
        bytes.extend_from_slice(&response.body);
    }
    write(stream, &bytes)
}

/// Writes all, to a reader who takes it in time.
pub(super) fn write(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(PIECE) {
        let until = Instant::now() + WRITE_TIME;
        let mut rest = piece;
        while !rest.is_empty() {
            let time = until.saturating_duration_since(Instant::now());
            if time.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_write_timeout(Some(time))?;
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Ends a connection so that its answer arrives, whatever else the client sent.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let until = Instant::now() + LINGER;
    let mut left = LINGER_BYTES;
    let mut bytes = [0; 4096];
    while left > 0 {
        let time = until.saturating_duration_since(Instant::now());
        if time.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(time))?;
        match stream.read(&mut bytes)? {
            0 => break,
            count => left = left.saturating_sub(count),
        }
    }
    Ok(())
}
