//! What the configuration says about OpenNebula.

use super::clock::Clock;
use super::session::{Lifetime, ServerAuth};
use super::upstream::Patience;
use std::io;
use std::time::Duration;
use thiserror::Error;
use ureq::http::uri::InvalidUri;

/// Where OpenNebula is, and who calls it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `:one_xmlrpc`, as `http://localhost:2633/RPC2`.
    pub one_xmlrpc: String,
    /// `:oneflow_server`, as `http://localhost:2474`.
    pub oneflow_server: String,
    /// The content of `onegate_auth`.
    pub auth: ServerAuth,
    /// `:expire_delta` and `:expire_margin`.
    pub lifetime: Lifetime,
    /// How long calls may take.
    pub patience: Patience,
    /// How old answers may be.
    pub ages: Ages,
    /// What time it is.
    pub clock: Clock,
}

/// Why OpenNebula can't be called with these settings.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A daemon's address is no URL: the address, the daemon, and why.
    #[error("{0:?}, where {1} listens, is no URL: {2}")]
    NoUrl(String, &'static str, InvalidUri),
    /// A daemon's address wants TLS, which OpenNebula's daemons don't speak: the address and the daemon.
    #[error("{0}: {1} is spoken to over plain http; give its own address, not a proxy's")]
    Https(String, &'static str),
    /// A daemon's address is no HTTP URL: the address and the daemon.
    #[error("{0:?}, where {1} listens, must be http://HOST:PORT/…")]
    NoHttp(String, &'static str),
    /// The system refuses a thread.
    #[error("cannot start a thread to renew sessions: {0}")]
    NoThread(io::Error),
}

/// How old what oned told may be when a guest is answered with it; zero turns remembering off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// `:record_max_age`, of VMs, services, virtual routers and networks. One that was changed through this server
    /// is asked for anew whatever its age.
    pub record: Duration,
    /// `:token_password_max_age`, of users' TOKEN_PASSWORDs.
    pub token_password: Duration,
}

impl Default for Ages {
    /// 1 and 5 seconds.
    fn default() -> Self {
        Ages {
            record: Duration::from_secs(1),
            token_password: Duration::from_secs(5),
        }
    }
}
