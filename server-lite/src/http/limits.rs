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
/// Bytes of unfinished bodies held for all connections together.
pub const UNFINISHED_BODIES: Limit = limit(
    64 * 1024 * 1024,
    503,
    "too many large requests at once: try again",
);

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
/// More than [`Limits::connections`] are open.
pub const TOO_MANY_CONNECTIONS: Rejection = Rejection {
    status: 503,
    reason: "too many connections are open: try again",
};
/// One address has more than [`Limits::per_client`] connections open.
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
    /// Requests that wait for a handler, each client in its turn; one more gets [`BUSY`], and so does one more from a
    /// client that has a quarter of them.
    pub queue: usize,
    /// How long a request waits for a handler before it gets [`BUSY`].
    pub wait: Duration,
    /// Connections open at once (fewer if the process may not open so many files).
    pub connections: usize,
    /// Connections open at once from one address (an IPv6 address counts by its /64).
    pub per_client: usize,
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
            handlers: 16,
            queue: 1024,
            wait: Duration::from_secs(10),
            connections: 8192,
            per_client: 4096,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(60),
            linger: Duration::from_secs(2),
            stop: Duration::from_secs(10),
        }
    }
}
