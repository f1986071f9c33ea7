//! The structure that ARCHITECTURE.md describes: imports point downwards, a public type's name is used
//! once, and no file is too long.

#[path = "../../../server-lite/tests/support/source.rs"]
#[allow(dead_code, reason = "the server is held to more")]
mod source;

use source::{imports, shared_names, sources, too_long, worded_errors};

/// The layers, from the top: a file imports from its own layer and from those after it.
const LAYERS: &[&str] = &[
    "commands",
    "cli",
    "error",
    "client",
    "context",
    "objects",
    "mountinfo",
    "replace",
    "files",
    "privileges",
    "trace",
    "fault",
    "world",
    "limits",
];

#[test]
fn imports_point_downwards() {
    let place = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    let mut offenders = Vec::new();
    for (file, text) in sources("agent/src") {
        if ["lib.rs", "main.rs"].contains(&file.as_str()) || file.ends_with("/tests.rs") {
            continue;
        }
        // A module's tests may use all that is above it.
        let text = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        let layer = file.split(['/', '.']).next().unwrap_or_default();
        for from in imports(&file, text) {
            if place(layer).is_none() || place(&from).is_none() || place(&from) < place(layer) {
                offenders.push(format!("agent/src/{file} imports from {from}"));
            }
        }
    }
    assert!(
        offenders.is_empty(),
        "the order is {}:\n{}",
        LAYERS.join(" -> "),
        offenders.join("\n")
    );
}

#[test]
fn only_the_client_knows_ureq_and_rustls() {
    for (file, text) in sources("agent/src") {
        let knows = ["ureq::", "rustls::", "webpki::"]
            .iter()
            .any(|name| text.contains(name));
        assert!(!knows || file.starts_with("client"), "agent/src/{file}");
    }
}

#[test]
fn an_error_has_a_type_until_it_is_shown() {
    let worded = worded_errors("agent/src");
    assert!(worded.is_empty(), "no text:\n{}", worded.join("\n"));
}

#[test]
fn a_public_type_has_a_name_of_its_own() {
    let shared = shared_names("agent/src");
    assert!(
        shared.is_empty(),
        "names used twice:\n{}",
        shared.join("\n")
    );
}

#[test]
fn a_file_can_be_read_at_one_sitting() {
    let long = too_long("agent");
    assert!(long.is_empty(), "split:\n{}", long.join("\n"));
}
