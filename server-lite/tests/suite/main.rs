//! The tests of the whole server: one program, because linking each file by itself takes longer than running it.
//!
//! A new file is a module here. Only a test that measures or limits its own process (descriptors, threads) is a program
//! of its own, beside this directory. What tests share is in `support`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod admin;
mod attacks_identity;
mod attacks_input;
mod charts;
mod command_line;
mod conditional;
mod dependencies;
mod elasticity;
mod elasticity_actions;
mod elasticity_cases;
mod elasticity_properties;
mod elasticity_server;
mod http_accepted;
mod http_budgets;
mod http_chaos;
mod http_connection;
mod http_httparse;
mod http_pending;
mod http_refused;
mod http_server;
mod http_tls;
mod kill;
mod lab_control;
mod lab_examples;
mod lab_machines;
mod limits_documented;
mod log;
mod mutations;
mod opennebula_binary;
mod opennebula_calls;
mod opennebula_client;
mod opennebula_protocol;
mod opennebula_recordings;
mod opennebula_refusals;
mod opennebula_sessions;
mod opennebula_shared;
mod opennebula_updates;
mod opennebula_watching;
mod operations;
mod operations_guide;
mod page_in_browser;
mod page_readers;
mod page_requests;
mod page_stream;
mod recordings;
mod references;
mod scenario;
mod scenario_warnings;
mod slow;
mod snapshot;
mod state;
mod state_damaged;
mod state_export;
mod structure;
mod text_files;
