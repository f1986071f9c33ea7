//! The tests of the whole agent: one program, because linking each file by itself takes longer than running it.
//!
//! A new file is a module here. What tests share is in `support`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test may panic, and reads files of its own"
)]

#[path = "../support/mod.rs"]
mod support;

mod any_value;
mod client_recordings;
mod completions;
mod context;
mod context_commands;
mod context_shell;
mod contrib;
mod doctor;
mod end_to_end;
mod failures;
mod files;
mod generated;
mod limits;
mod metrics;
mod names;
mod networks;
mod output_files;
mod peers;
mod privileges;
mod readme;
mod recording;
mod requests;
mod shop;
mod structure;
mod terminal;
mod text_files;
mod tls;
mod waiting;
mod watching;
