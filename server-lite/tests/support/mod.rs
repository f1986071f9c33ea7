//! What the tests share, once each. A helper that a second test needs moves here; a test file has none of its own that
//! is here already.
//!
//! - [`browser`]: a real browser
//! - [`client`]: the HTTP client, which writes bytes as they are
//! - [`process`]: the real binary, started as a user starts it, and what it printed and logged
//! - [`fixtures`]: what was recorded
//! - [`gate`]: a cloud behind a real server in this process, and requests as they were recorded
//! - [`http`]: the HTTP layer alone
//! - [`engine`]: the service engine over documents in memory, and a clock that only tests move
//! - [`world`]: the clouds as they were when a case was recorded
//! - [`upstream`]: stand-ins for oned and OneFlow
//! - [`page`]: the page's stream, read as a browser does
//! - [`siege`]: a server under attack, and what it must never tell
//! - [`source`]: what the source files import and define
//! - [`cost`]: what something costs as its input grows
//! - [`differences`]: where this server differs from the recorded one on purpose

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses its part, and a test may panic"
)]

pub mod browser;
pub mod client;
pub mod cost;
pub mod differences;
pub mod engine;
pub mod fixtures;
pub mod gate;
pub mod http;
pub mod page;
pub mod process;
pub mod siege;
pub mod source;
pub mod upstream;
pub mod world;

/// A test that can't run here for want of a tool. With `CI` set it fails, for the tool could have been installed.
pub fn skipped(tool: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{tool} is not installed: make tools"
    );
    println!("SKIPPED: {tool} is not installed");
}
