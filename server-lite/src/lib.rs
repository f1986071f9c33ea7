//! `onegate-server-lite`: a minimal OneGate server.

pub mod action;
pub mod cloud;
pub mod config;
pub mod form;
pub mod http;
pub mod template;
pub mod token;
pub mod vm_state;
