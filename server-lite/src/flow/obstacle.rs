//! Why the engine did not do what was asked. Guests read it, in OneFlow's own words where OneFlow has some.

use super::service::ServiceState;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use std::fmt;

/// Why a service was not scaled, deployed or recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no such service, or it has no roles.
    NoService,
    /// The service has no role of this name.
    NoRole(String),
    /// The service's state does not allow it: what was wanted (`scaled`), and the state, where it has a name.
    InState(&'static str, Option<ServiceState>),
    /// The role is a virtual router, which OneFlow does not scale.
    RouterRole(String),
    /// The role has this cardinality already.
    AlreadyAt(String, u32),
    /// Below the role's `min_vms`.
    BelowMinimum(u32),
    /// Above the role's `max_vms`.
    AboveMaximum(u32),
    /// So many new nodes at once are more than this limit.
    TooMany(u32, u32),
    /// There is no such virtual network in this cloud.
    NoNetwork(Id),
    /// A NIC's NETWORK_ID is none: its value.
    NoNetworkId(String),
    /// The virtual network has no free address.
    NoLease(Id),
    /// A key of one of the network's address ranges cannot be read: the network, AR_ID, the key and its value.
    BadRange(Id, String, &'static str, String),
    /// Every id of this kind of object is used up.
    NoId(&'static str),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoService => write!(f, "there is no such service"),
            Self::NoRole(role) => write!(f, "Role {role} not found"),
            Self::InState(wanted, state) => {
                let state = state.map_or("unknown", ServiceState::name);
                write!(f, "Service cannot be {wanted} in state: {state}")
            }
            Self::RouterRole(role) => {
                write!(
                    f,
                    "Virtual Router role {role} does not support cardinality update"
                )
            }
            Self::AlreadyAt(role, cardinality) => {
                write!(f, "Cardinality of {role} is already at {cardinality}")
            }
            Self::BelowMinimum(min) => write!(f, "Minimum cardinality is {min}"),
            Self::AboveMaximum(max) => write!(f, "Maximum cardinality is {max}"),
            Self::TooMany(count, most) => {
                write!(f, "{count} nodes at once are more than {most}")
            }
            Self::NoNetwork(id) => write!(f, "virtual network {id} is not in this cloud"),
            Self::NoNetworkId(value) => write!(f, "a NIC has NETWORK_ID {value}, which is no ID"),
            Self::NoLease(id) => write!(f, "virtual network {id} has no free lease"),
            Self::BadRange(id, range, key, value) => write!(
                f,
                "virtual network {id} has no free lease: address range {range} has {key} {value}"
            ),
            Self::NoId(kind) => write!(f, "there is no {kind} ID left"),
        }
    }
}

impl std::error::Error for Obstacle {}

impl From<Obstacle> for Refusal {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::NoService => Self::NotFound,
            other => Self::Failed(other.to_string()),
        }
    }
}
