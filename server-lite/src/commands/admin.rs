//! The `--admin` address: `/healthz`, `/readyz` and `/metrics`, for whoever watches over the server. Guests' address
//! answers none of them.

use super::metrics::RequestCounts;
use crate::cloud::opennebula::OpenNebula;
use crate::cloud::{Cloud, User};
use crate::http::{Bell, Limits, Request, Response, Server};
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::sync::Arc;

/// Whether what the server needs is there; if not, what is missing.
pub type Readiness = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the address tells of.
pub struct Admin {
    /// Counts of requests.
    pub counts: Arc<RequestCounts>,
    /// The server that guests use.
    pub server: Bell,
    /// What it needs.
    pub ready: Readiness,
}

/// An id that no object has: what is asked for it needs the other server, and finds nothing.
const NOBODY: Id = Id::MAX;

/// Whether oned and OneFlow answer.
pub fn opennebula_is_ready(cloud: &OpenNebula) -> Result<(), String> {
    let user = User {
        id: 0,
        name: "oneadmin".to_owned(),
    };
    let answers = |name: &str, answer: Result<(), Refusal>| match answer {
        Ok(()) | Err(Refusal::NotFound) => Ok(()),
        Err(refusal) => Err(format!("{name}: {}", refusal.cause())),
    };
    answers("oned", cloud.vm_to_authenticate(NOBODY).map(drop))?;
    answers("OneFlow", cloud.service(&user, NOBODY).map(drop))
}

/// Serves the address.
///
/// # Errors
/// The system refuses a thread.
pub fn serve(listener: TcpListener, admin: Admin) -> std::io::Result<Server> {
    let limits = Limits {
        handlers: 2,
        connections: 64,
        ..Limits::default()
    };
    let handler = move |request: &Request| admin.answer(request);
    Server::start(vec![listener], None, Arc::new(handler), limits)
}

impl Admin {
    fn answer(&self, request: &Request) -> Response {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/healthz") => text(200, "ok\n".to_owned()),
            ("GET" | "HEAD", "/readyz") => match (self.ready)() {
                Ok(()) => text(200, "ok\n".to_owned()),
                Err(missing) => text(503, format!("{missing}\n")),
            },
            ("GET" | "HEAD", "/metrics") => text(200, self.metrics()),
            _ => text(404, "here are /healthz, /readyz and /metrics\n".to_owned()),
        }
    }

    fn metrics(&self) -> String {
        let mut out = String::new();
        self.counts.write(&mut out);
        let load = self.server.load();
        for (name, help, value) in [
            ("connections", "Open connections.", load.connections),
            (
                "queued_requests",
                "Requests that wait for a handler.",
                load.waiting,
            ),
            (
                "held_bytes",
                "Bytes held for all clients, of the budget in docs/server.md.",
                load.bytes,
            ),
        ] {
            let _ = writeln!(
                out,
                "# HELP onegate_{name} {help}\n# TYPE onegate_{name} gauge\nonegate_{name} {value}"
            );
        }
        out
    }
}

fn text(status: u16, body: String) -> Response {
    Response {
        status,
        headers: vec![(
            "Content-Type",
            Cow::Borrowed("text/plain; version=0.0.4; charset=utf-8"),
        )],
        body: body.into_bytes().into(),
    }
}
