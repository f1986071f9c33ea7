//! `onegate-server-lite`: a minimal OneGate server.

pub mod access;
pub mod action;
pub mod auth;
pub mod cli;
pub mod cloud;
pub mod config;
pub mod context;
pub mod form;
pub mod http;
pub mod json;
pub mod log;
pub mod message;
pub mod reply;
pub mod routes;
pub mod serve;
pub mod service_show;
pub mod template;
pub mod token;
pub mod view;
pub mod vm_state;
