//! Every limit of the HTTP layer, beside the status and the words it causes.
//!
//! Sizes are fixed: no honest client comes near them, and a hostile one gains nothing by knowing them.
//! Counts and times are in [`Limits`], because a deployment or a test has its own.

use std::time::Duration;

/// Why a request was refused by the HTTP layer: it never reached a [`Handler`](super::Handler).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// The status that the client gets.
    pub status: u16,
    /// What was wrong, for the client and for the log. Fixed words: nothing a client sent stands in it.
    pub reason: &'static str,
}

impl Rejection {
    /// A request that breaks HTTP's grammar: 400.
    pub const fn malformed(reason: &'static str) -> Rejection {
        Rejection {
            status: 400,
            reason,
        }
    }
}

/// A size that a request may not exceed.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The largest size accepted.
    pub max: usize,
    /// What happens beyond.
    pub refusal: Rejection,
}

const fn limit(max: usize, status: u16, reason: &'static str) -> Limit {
    Limit {
        max,
        refusal: Rejection { status, reason },
    }
}

/// Empty lines before a request line (RFC 9112, 2.2 asks for one; old clients send one after a body).
pub const LEADING_EMPTY_LINES: Limit =
    limit(4, 400, "more than 4 empty lines before the request line");
/// Bytes of a request line, without its CRLF.
pub const REQUEST_LINE: Limit = limit(8 * 1024, 414, "the request line is longer than 8192 bytes");
/// Bytes of all header fields (or all trailer fields), line ends included.
pub const HEADER_BYTES: Limit = limit(
    16 * 1024,
    431,
    "the header fields take more than 16384 bytes",
);
/// Header fields (or trailer fields).
pub const HEADER_FIELDS: Limit = limit(64, 431, "there are more than 64 header fields");
/// Bytes of a decoded body. A 70 kB attribute as XML references in a form is 700 kB.
pub const BODY: Limit = limit(
    2 * 1024 * 1024,
    413,
    "the body is longer than 2097152 bytes",
);
/// Bytes of a chunk's size line: its size and its extensions.
pub const CHUNK_LINE: Limit = limit(256, 400, "a chunk's size line is longer than 256 bytes");
/// Bytes of a chunked body's framing (size lines, extensions, line ends) beyond the bytes of the body itself.
pub const FRAMING: Limit = limit(
    16 * 1024,
    400,
    "the chunks' framing takes over 16384 bytes more than the body: send larger chunks",
);
/// Bytes held for all connections together: unfinished heads and bodies, requests that wait for a handler, responses
/// that are not taken. One client may hold [`MEMORY_SHARE`] of what the others leave.
pub const MEMORY: Limit = limit(
    64 * 1024 * 1024,
    503,
    "the requests and responses held for this address take too much memory: read the responses and try again",
);
/// One client may hold one part in so many of the [`MEMORY`] that the others leave: 16 MiB when it is alone. However
/// many clients hold all that they may, there is something left for the next.
pub const MEMORY_SHARE: usize = 4;
/// Responses up to this many bytes are sent whatever is held: they say that a change was made, or what went wrong.
pub const SMALL_RESPONSE: usize = 4 * 1024;
/// Bytes of a response's body.
pub const RESPONSE: Limit = limit(
    8 * 1024 * 1024,
    500,
    "the response would be longer than 8388608 bytes: ask for its parts",
);
/// Bytes read from one connection, or written to it, before the others have their turn.
pub const SLICE: usize = 64 * 1024;
/// Bytes that a closing connection still takes, so that a client which sends a request too large to accept gets to
/// read why.
pub const LINGER: usize = 32 * 1024 * 1024;
/// One part in so many of all connection slots is kept for clients with up to [`RESERVED_EACH`] connections.
pub const RESERVE: usize = 8;
/// Connections that a client may have open and still be given a reserved slot.
pub const RESERVED_EACH: usize = 8;

/// The head did not arrive within [`Limits::head`].
pub const HEAD_TIME: Rejection = Rejection {
    status: 408,
    reason: "the request's head did not arrive in time",
};
/// The body did not arrive within [`Limits::body`].
pub const BODY_TIME: Rejection = Rejection {
    status: 408,
    reason: "the request's body did not arrive in time",
};
/// More than [`Limits::queue`] requests wait, or this one waited longer than [`Limits::wait`].
pub const BUSY: Rejection = Rejection {
    status: 503,
    reason: "too many requests are waiting: try again",
};
/// More than [`Limits::connections`] are open and none of them is idle; or all but the reserve are, and this client has
/// its part.
pub const TOO_MANY_CONNECTIONS: Rejection = Rejection {
    status: 503,
    reason: "too many connections are open: try again",
};
/// One client has more than [`Limits::per_client`] connections open, and none of them is idle.
pub const TOO_MANY_OF_ONE_CLIENT: Rejection = Rejection {
    status: 503,
    reason: "too many connections are open from this address: try again",
};
/// No file descriptor is left.
pub const NO_DESCRIPTOR: Rejection = Rejection {
    status: 503,
    reason: "the server has no file descriptor left: try again",
};
/// The handler panicked.
pub const FAULT: Rejection = Rejection {
    status: 500,
    reason: "the server has a fault: its log says where",
};
/// What Retry-After says beside every 503, in seconds.
pub const RETRY_AFTER: &str = "1";

/// Counts and times.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests that are handled at once: threads that may block on a disk or on oned.
    pub handlers: usize,
    /// Requests whose answer may be pending, so that the next ones wait for a handler: their changes are being stored.
    pub pending: usize,
    /// Requests that wait for a handler, each client in its turn; one more gets [`BUSY`], and so does one more from a
    /// client that has a quarter of them.
    pub queue: usize,
    /// How long a request waits for a handler before it gets [`BUSY`].
    pub wait: Duration,
    /// Connections open at once (fewer if the process may not open so many files).
    pub connections: usize,
    /// Connections open at once from one client: an IPv4 address, or the /64 of an IPv6 address. One more takes the
    /// place of the client's longest-idle connection.
    pub per_client: usize,
    /// How long a connection must have been idle to be closed for the sake of a new one.
    pub evict: Duration,
    /// From a request's first byte (on a new connection, from its opening, TLS handshake included) to its head's end.
    pub head: Duration,
    /// From the head's end to the body's.
    pub body: Duration,
    /// Between an answer and the next request's first byte.
    pub idle: Duration,
    /// From an answer's first byte to its last.
    pub write: Duration,
    /// How long a closing connection is still read, so that the answer is not lost with it.
    pub linger: Duration,
    /// How long a stopping server waits for the requests that run.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handlers: 32,
            pending: 128,
            queue: 1024,
            wait: Duration::from_secs(10),
            connections: 8192,
            per_client: 512,
            evict: Duration::from_secs(1),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(60),
            linger: Duration::from_secs(5),
            stop: Duration::from_secs(10),
        }
    }
}
