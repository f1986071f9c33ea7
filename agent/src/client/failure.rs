//! Why there is no answer: how far it came, where, and what to look at.

use crate::context::Endpoint;
use std::fmt;
use std::io;

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Looking up the server's name.
    Resolve,
    /// Connecting, to the server or to the proxy.
    Connect,
    /// Asking the proxy for a tunnel.
    Tunnel,
    /// Agreeing on TLS.
    Tls,
    /// Sending the request. From here on it may have arrived.
    Send,
    /// Waiting for the answer, or reading it.
    Receive,
}

/// What a stage of the connection reports; travels through ureq as [`ureq::Error::Other`].
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) phase: Phase,
    pub(super) why: String,
    /// What to do, if that is known better here than from the phase.
    pub(super) advice: Option<&'static str>,
}

impl Broken {
    pub(super) fn new(phase: Phase, why: impl Into<String>) -> Broken {
        Broken {
            phase,
            why: why.into(),
            advice: None,
        }
    }

    pub(super) fn io(phase: Phase, error: &io::Error) -> Broken {
        let why = match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "it took too long".to_owned(),
            _ => plain(error),
        };
        Broken::new(phase, why)
    }

    pub(super) fn advising(self, advice: &'static str) -> Broken {
        Broken {
            advice: Some(advice),
            ..self
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Broken {}

impl From<Broken> for ureq::Error {
    fn from(broken: Broken) -> ureq::Error {
        ureq::Error::Other(Box::new(broken))
    }
}

/// An attempt that brought no answer.
#[derive(Debug)]
pub struct Failure {
    /// How far it came.
    pub phase: Phase,
    why: String,
    advice: Option<&'static str>,
    server: String,
    url: String,
    place: String,
    /// The proxy on the way to it.
    pub(super) proxy: Option<String>,
    /// Other servers that could not be reached.
    pub(super) before: Vec<String>,
}

impl Failure {
    pub(super) fn new(error: ureq::Error, endpoint: &Endpoint, place: &str) -> Box<Failure> {
        let broken = match error {
            ureq::Error::Other(other) => match other.downcast::<Broken>() {
                Ok(broken) => *broken,
                Err(other) => Broken::new(Phase::Receive, other.to_string()),
            },
            ureq::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Broken::new(Phase::Receive, "the server closed the connection")
            }
            ureq::Error::Io(e) => Broken::io(Phase::Receive, &e),
            ureq::Error::Timeout(_) => Broken::new(Phase::Receive, "it took too long"),
            ureq::Error::Protocol(e) => {
                Broken::new(Phase::Receive, format!("this is no HTTP: {e}")).advising(NOT_ONEGATE)
            }
            ureq::Error::BodyExceedsLimit(limit) => Broken::new(
                Phase::Receive,
                format!("it is larger than {} MiB", limit >> 20),
            )
            .advising(NOT_ONEGATE),
            ureq::Error::LargeResponseHeader(..) => {
                Broken::new(Phase::Receive, "its header is too large").advising(NOT_ONEGATE)
            }
            other => Broken::new(Phase::Receive, other.to_string()),
        };
        Box::new(Failure {
            phase: broken.phase,
            why: broken.why,
            advice: broken.advice,
            server: endpoint.to_string(),
            url: endpoint.url(),
            place: place.to_owned(),
            proxy: None,
            before: Vec::new(),
        })
    }

    /// Server and cause, for a list.
    pub fn in_a_line(&self) -> String {
        format!("{}: {}", self.server, self.why)
    }

    /// May the request have reached the server?
    pub fn may_have_arrived(&self) -> bool {
        self.phase >= Phase::Send
    }
}

pub(super) const NOT_ONEGATE: &str = "Does something else than OneGate listen there?";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.proxy {
            // It is the proxy that could not be reached.
            Some(_) => self.phase.max(Phase::Tunnel),
            None => self.phase,
        };
        let (what, advice) = match phase {
            Phase::Resolve => (
                "Error looking up the server's name",
                "Look at the name and at /etc/resolv.conf, or use an address in its place.",
            ),
            Phase::Connect => (
                "Error connecting to server",
                "Is this VM's network up, is there a route and no firewall between, and does OneGate listen there?",
            ),
            Phase::Tunnel => (
                "Error connecting to server through the proxy",
                "Look at http_proxy, https_proxy and no_proxy.",
            ),
            Phase::Tls => (
                "Error securing the connection to the server",
                "Does it speak TLS, or is http:// meant?",
            ),
            Phase::Send => (
                "Error sending the request to the server",
                "It may or may not have arrived.",
            ),
            Phase::Receive => (
                "Error waiting for the server's answer",
                "The request may have been carried out.",
            ),
        };
        writeln!(f, "{what} ({}).", self.why)?;
        writeln!(f, "Server: {}", self.server)?;
        if let Some(proxy) = &self.proxy {
            writeln!(f, "Proxy: {proxy}")?;
        }
        for other in &self.before {
            writeln!(f, "Before that: {other}")?;
        }
        writeln!(f, "The endpoint {} is from {}.", self.url, self.place)?;
        f.write_str(self.advice.unwrap_or(advice))
    }
}

/// An I/O error without Rust's `(os error 111)`.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
