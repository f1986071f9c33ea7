//! What the configuration says about OpenNebula.

use super::clock::Clock;
use super::session::{Lifetime, ServerAuth};
use super::upstream::Patience;
use std::time::Duration;

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
