//! The command line and what each command does.

pub mod cli;
pub mod config;
pub mod context;
pub mod log;
pub mod serve;
pub mod service_show;
