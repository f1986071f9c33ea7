//! `onegate-server-lite`: a minimal OneGate server.

pub mod cloud;
pub mod http;
