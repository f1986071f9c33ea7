//! What grows no faster than the input: each parser and each route, in each form of its input, up to its limit. The
//! instructions are counted ([`support::cost`]), not the time. Alone in its program, because it is the process that is
//! measured.
//!
//! A new case is a row of one of the tables.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod engine;
mod files;
mod http;
mod opennebula;
mod requests;
mod show;
mod update;

use support::cost::{self, Case};

/// As many as a USER_TEMPLATE may have, less what the scenario's VM has.
const ATTRIBUTES: usize = 8000;
/// As long as a text may be, for what takes some instructions a byte; the body's limit is five times as much.
const TEXT: usize = 400_000;

fn cases() -> Vec<&'static Case> {
    let tables = [
        http::CASES,
        update::CASES,
        show::CASES,
        opennebula::CASES,
        files::CASES,
        engine::CASES,
    ];
    tables.into_iter().flatten().collect()
}

/// Nothing by itself: the other test starts it, with something to count its instructions.
#[test]
fn one_share() {
    cost::run_share(&cases());
}

#[test]
fn each_case_does_what_it_says() {
    cost::try_each(&cases());
}

#[test]
#[ignore = "it needs valgrind and minutes: make cost"]
fn no_cost_grows_faster_than_its_input() {
    if std::process::Command::new("valgrind")
        .arg("--version")
        .output()
        .is_err()
    {
        return support::skipped("valgrind");
    }
    cost::check(&cases(), "one_share");
}

/// `N0=1`, `N1=1`, …, a line each.
fn lines(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|n| format!("N{n}=1\n")).collect()
}

/// The same as elements.
fn elements(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|n| format!("<N{n}>1</N{n}>")).collect()
}
