//! What grows no faster than the input: each command and each parser of the agent, up to the limit of what it reads. The
//! instructions are counted, not the time. Alone in its program, because it is the process that is measured.
//!
//! A new case is a row of one of the tables.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test may panic, and makes files of its own"
)]

#[path = "../../../server-lite/tests/support/cost.rs"]
mod cost;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod support;

mod answers;
mod bench;
mod files;
mod words;

use cost::Case;

fn cases() -> Vec<&'static Case> {
    let tables = [answers::CASES, files::CASES, words::CASES];
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
