//! The picture of README.md shows what a session prints today.

#[path = "../../examples/recording.rs"]
mod drawing;

use crate::support::server::token;
use crate::support::skipped;
use std::path::Path;
use std::process::Command;

/// The picture as it stands at last: without what passes, and without times, as a busy machine has others.
fn still(svg: &str) -> Vec<String> {
    let lasting = svg.lines().filter(|line| !line.contains("=\"passing"));
    let untimed = lasting.map(|line| match line.split_once(" style=\"") {
        Some((start, rest)) => [start, rest.split_once('"').unwrap().1].concat(),
        None => line.to_owned(),
    });
    untimed.collect()
}

#[test]
fn the_picture_shows_what_happens() {
    if Command::new("script").arg("--version").output().is_err() {
        return skipped("script");
    }
    let token = token(8);
    let programs = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images/session.svg");
    let picture = std::fs::read_to_string(picture).unwrap();
    let drawn = drawing::draw(&drawing::record(programs).unwrap());
    assert_eq!(
        still(&picture),
        still(&drawn),
        "docs/images/session.svg is stale: make recording"
    );
    assert!(!picture.contains(&token) && picture.len() < 40_000);
}
