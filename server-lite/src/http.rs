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
pub mod tls;

pub use limits::{Limits, Rejection};
pub use request::Request;
pub use response::{Body, Response};
pub use server::Server;

use std::net::IpAddr;

/// What answers requests. Called by several threads at once; it may block.
pub trait Handler: Send + Sync {
    /// Answers one whole request.
    fn handle(&self, request: &Request) -> Response;

    /// Whether answering this request may wait for a disk or another server. Where it does not, the thread that read
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
