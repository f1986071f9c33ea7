//! `onegate`: a VM's own voice in an OpenNebula cloud.

pub mod context;
pub mod output;
