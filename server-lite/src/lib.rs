//! `onegate-server-lite`: a minimal OneGate server.

pub mod cloud;
pub mod config;
pub mod http;
pub mod template;
pub mod token;
