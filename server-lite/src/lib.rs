//! `onegate-server-lite`: a minimal OneGate server.
//!
//! Imports point downwards: `commands`, `lab`, `gate`, `cloud`, `flow`, `store`, `objects`; `http` knows none of them.

pub mod cloud;
pub mod commands;
pub mod flow;
pub mod gate;
pub mod http;
pub mod lab;
pub mod objects;
pub mod store;
