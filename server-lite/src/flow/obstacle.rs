//! Why the engine did not do what was asked. Guests read it, in OneFlow's own words where OneFlow has some.

use super::service::ServiceState;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use thiserror::Error;

/// Why a service was not scaled, deployed or recovered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Obstacle {
    /// There is no such service, or it has no roles.
    #[error("there is no such service")]
    NoService,
    /// The service has no role of this name.
    #[error("Role {0} not found")]
    NoRole(String),
    /// The service's state does not allow it: what was wanted (`scaled`), and the state, where it has a name.
    #[error("Service cannot be {0} in state: {name}", name = .1.map_or("unknown", ServiceState::name))]
    InState(&'static str, Option<ServiceState>),
    /// The role is a virtual router, which OneFlow does not scale.
    #[error("Virtual Router role {0} does not support cardinality update")]
    RouterRole(String),
    /// The role has this cardinality already.
    #[error("Cardinality of {0} is already at {1}")]
    AlreadyAt(String, u32),
    /// Below the role's `min_vms`.
    #[error("Minimum cardinality is {0}")]
    BelowMinimum(u32),
    /// Above the role's `max_vms`.
    #[error("Maximum cardinality is {0}")]
    AboveMaximum(u32),
    /// So many new nodes at once are more than this limit.
    #[error("{0} nodes at once are more than {1}")]
    TooMany(u32, u32),
    /// There is no such virtual network in this cloud.
    #[error("virtual network {0} is not in this cloud")]
    NoNetwork(Id),
    /// A NIC's NETWORK_ID is none: its value.
    #[error("a NIC has NETWORK_ID {0}, which is no ID")]
    NoNetworkId(String),
    /// The virtual network has no free address.
    #[error("virtual network {0} has no free lease")]
    NoLease(Id),
    /// A key of one of the network's address ranges cannot be read: the network, AR_ID, the key and its value.
    #[error("virtual network {0} has no free lease: address range {1} has {2} {3}")]
    BadRange(Id, String, &'static str, String),
    /// Every id of this kind of object is used up.
    #[error("there is no {0} ID left")]
    NoId(&'static str),
}

impl From<Obstacle> for Refusal {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::NoService => Self::NotFound,
            other => Self::Failed(other.to_string()),
        }
    }
}
