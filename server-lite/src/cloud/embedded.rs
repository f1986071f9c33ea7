//! The embedded cloud: OpenNebula's documents in memory, so that an appliance can be developed and tested with no
//! cloud at hand.

pub mod flow;
pub mod state;
