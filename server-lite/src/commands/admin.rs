//! The `--admin` address: `/healthz`, `/readyz` and `/metrics`, for whoever watches over the server. Guests' address
//! answers none of them.

use super::metrics::{self, RequestCounts};
use crate::cloud::embedded::Embedded;
use crate::cloud::opennebula::OpenNebula;
use crate::cloud::{Cloud, User};
use crate::http::tls::Tls;
use crate::http::{Bell, Limits, Request, Response, Server};
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::store::error::StoreError;
use std::borrow::Cow;
use std::net::TcpListener;
use std::sync::Arc;
use thiserror::Error;

/// What the address tells of.
pub struct Admin {
    /// Counts of requests.
    pub counts: Arc<RequestCounts>,
    /// The server that guests use.
    pub server: Bell,
    /// What it needs.
    pub backend: Backend,
    /// Its certificate.
    pub tls: Option<Arc<Tls>>,
}

/// What keeps requests from being answered.
#[derive(Debug, Error)]
enum NotReady {
    /// The embedded cloud's state directory.
    #[error(transparent)]
    State(#[from] StoreError),
    /// One of OpenNebula's daemons, and why it does not answer.
    #[error("{0}: {cause}", cause = .1.cause())]
    Daemon(&'static str, Refusal),
}

/// The cloud behind the gate.
#[derive(Clone)]
pub enum Backend {
    /// One of our own.
    Embedded(Arc<Embedded>),
    /// A real one.
    OpenNebula(Arc<OpenNebula>),
}

impl Backend {
    /// The cloud.
    pub fn cloud(&self) -> Arc<dyn Cloud> {
        match self {
            Self::Embedded(cloud) => Arc::clone(cloud) as _,
            Self::OpenNebula(cloud) => Arc::clone(cloud) as _,
        }
    }

    /// Whether what the server needs is there; if not, what is missing.
    fn ready(&self) -> Result<(), NotReady> {
        match self {
            Self::Embedded(cloud) => Ok(cloud.ready()?),
            Self::OpenNebula(cloud) => opennebula_is_ready(cloud),
        }
    }
}

/// An id that no object has: to read it needs an answer from the other server, which finds nothing.
const NOBODY: Id = Id::MAX;

/// Whether oned and OneFlow answer.
fn opennebula_is_ready(cloud: &OpenNebula) -> Result<(), NotReady> {
    let user = User {
        id: 0,
        name: "oneadmin".to_owned(),
    };
    let answers = |name, answer: Result<(), Refusal>| match answer {
        Ok(()) | Err(Refusal::NotFound) => Ok(()),
        Err(refusal) => Err(NotReady::Daemon(name, refusal)),
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
            ("GET" | "HEAD", "/readyz") => match self.backend.ready() {
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
        metrics::write_load(&mut out, &self.server.load());
        match &self.backend {
            Backend::Embedded(cloud) => metrics::write_decisions(&mut out, cloud.decisions()),
            Backend::OpenNebula(cloud) => metrics::write_calls(&mut out, &cloud.calls()),
        }
        if let Some(validity) = self.tls.as_ref().and_then(|tls| tls.validity()) {
            metrics::write_expiry(&mut out, validity.until.as_second());
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
