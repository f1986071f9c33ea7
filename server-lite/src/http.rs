//! HTTP/1.1, hand-rolled: bytes in, a [`Request`] out; a [`Response`] in, bytes out.
//!
//! [`parse`] and [`response`] are pure; [`connection`] drives them over one stream; [`server`] has the threads.

pub mod connection;
pub mod limits;
pub mod parse;
pub mod request;
pub mod response;
pub mod server;
mod socket;
mod syntax;
pub mod tls;
pub mod validity;

pub use limits::{Limits, Rejection};
pub use request::Request;
pub use response::{Body, Response};
pub use server::{Bell, Budget, LONGEST_HOLD, Load, PendingAnswer, Server};

use std::net::IpAddr;
use std::time::Duration;

/// Something whose change a held request waits for; the handler gives the numbers their meaning.
pub type Topic = u64;

/// What a handler says of a request.
pub enum Reply {
    /// The answer.
    Now(Response),
    /// Nothing new yet: to be handled again when something changed.
    Held(Hold),
    /// Not yet: this is told where the answer goes once there is one.
    Later(Box<dyn FnOnce(PendingAnswer) + Send>),
    /// None: the connection ends without an answer, as if the request had been lost.
    Lost,
}

/// What a held request waits for.
pub struct Hold {
    /// Any of these changes.
    pub topics: Vec<Topic>,
    /// How long.
    pub wait: Duration,
    /// What is said when the time is over; not held again.
    pub unchanged: Box<dyn FnOnce() -> Reply + Send>,
}

/// What answers requests. Called by several threads at once; it may block.
pub trait Handler: Send + Sync {
    /// Answers one whole request.
    fn handle(&self, request: &Request) -> Response;

    /// The same, or holds the request until something changes.
    fn handle_or_hold(&self, request: &Request) -> Reply {
        Reply::Now(self.handle(request))
    }

    /// Whether handling this request may take long, or wait for another server. Where it does not, the thread that read
    /// the request goes on watching the connections after it, and no other has to be woken for that.
    fn may_wait(&self, _request: &Request) -> bool {
        true
    }

    /// A request that the HTTP layer refused by itself, for the log: it was malformed, too large, too slow or too many.
    fn refused(&self, _client: Option<IpAddr>, _refusal: &Rejection) {}
}

impl<F: Fn(&Request) -> Response + Send + Sync> Handler for F {
    fn handle(&self, request: &Request) -> Response {
        self(request)
    }
}
