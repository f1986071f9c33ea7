//! The OneGate protocol: who asks, for what, whether they may, and what they are shown.

pub mod access;
pub mod auth;
pub mod conditional;
pub mod form;
mod handlers;
mod path;
pub mod reply;
pub mod routes;
pub mod rules;
mod shown;
pub mod view;
pub mod watcher;
