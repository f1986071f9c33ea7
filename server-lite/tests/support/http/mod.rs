//! What the tests of the HTTP layer share: a real server on loopback, and a client that writes bytes as they are.

pub mod tls;

use super::client::{Client, connect};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use onegate_server_lite::http::parse::{Parsed, Parser, Progress};
use onegate_server_lite::http::tls::Tls;
use onegate_server_lite::http::{Handler, Limits, Rejection, Request, Response, Server};

/// Answers with what it got: method, target, then each field, then the body.
#[derive(Default)]
pub struct Echo {
    pub refusals: Mutex<Vec<Rejection>>,
}

impl Handler for Echo {
    fn handle(&self, request: &Request) -> Response {
        let Request {
            method,
            path,
            query,
            headers,
            body,
        } = request;
        let mut text = format!("{method} {path} {query}\n");
        for (name, value) in headers {
            text += &format!("{name}={value}\n");
        }
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        Response {
            status: 200,
            headers: vec![("Content-Type", "text/plain".into())],
            body: bytes.into(),
        }
    }

    fn refused(&self, _client: Option<IpAddr>, refusal: &Rejection) {
        self.refusals.lock().unwrap().push(*refusal);
    }
}

pub fn start(handler: Arc<dyn Handler>, limits: Limits) -> (Server, SocketAddr) {
    start_with(handler, limits, None)
}

pub fn start_with(
    handler: Arc<dyn Handler>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (
        Server::start(vec![listener], tls, handler, limits).unwrap(),
        address,
    )
}

/// Feeds the parser these pieces as a connection does: what is not used comes again, with what follows.
/// The requests that became whole, or the refusal.
pub fn parse_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Parsed>, Rejection> {
    let mut parser = Parser::default();
    let (mut input, mut requests) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let (used, progress) = parser.advance(&input)?;
            input.drain(..used);
            match progress {
                Progress::Whole(parsed) => requests.push(parsed),
                Progress::Continue => {}
                Progress::More => break,
            }
            if input.is_empty() {
                break;
            }
        }
    }
    Ok(requests)
}

/// Parses whole, cut in two at every byte, and byte by byte: all must agree.
pub fn parse_every_way(bytes: &[u8]) -> Result<Vec<Parsed>, Rejection> {
    let whole = parse_pieces([bytes]);
    for cut in 1..bytes.len().min(2000) {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(parse_pieces([a, b]), whole, "cut at {cut}");
    }
    assert_eq!(parse_pieces(bytes.chunks(1)), whole, "byte by byte");
    whole
}
