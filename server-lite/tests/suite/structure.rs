//! The structure that ARCHITECTURE.md describes, held to what the files say: imports point downwards, and a public
//! type's name is used once, and no file is too long. Each test names the offenders.

use crate::support::source::{
    imports, shared_names, sources, too_long, worded_errors, worded_results,
};

/// The layers, from the top: a file imports from its own layer and from those after it.
const LAYERS: &[&str] = &[
    "commands", "lab", "gate", "cloud", "flow", "store", "objects",
];

/// The HTTP layer imports nothing of the crate.
const HTTP: &str = "http";

/// The layers that may use the HTTP layer.
const USE_HTTP: &[&str] = &["commands", "lab", "gate"];

/// Whether a file of this layer may import from that one.
fn may(layer: &str, from: &str) -> bool {
    let place = |layer| LAYERS.iter().position(|known| *known == layer);
    match (layer == HTTP, from == HTTP) {
        (true, inside) => inside,
        (false, true) => USE_HTTP.contains(&layer),
        (false, false) => match (place(layer), place(from)) {
            (Some(layer), Some(from)) => layer <= from,
            _ => false,
        },
    }
}

#[test]
fn imports_point_downwards() {
    let mut offenders = Vec::new();
    for (file, text) in sources("server-lite/src") {
        if ["lib.rs", "main.rs"].contains(&file.as_str()) {
            continue;
        }
        let layer = file.split(['/', '.']).next().unwrap_or_default();
        for from in imports(&file, &text) {
            if !may(layer, &from) {
                offenders.push(format!("server-lite/src/{file} imports from {from}"));
            }
        }
    }
    assert!(
        offenders.is_empty(),
        "the order is {} (and {HTTP}, which knows none of them):\n{}",
        LAYERS.join(" -> "),
        offenders.join("\n")
    );
}

#[test]
fn imports_are_found_in_every_form() {
    for (file, text, found) in [
        ("gate/view.rs", "use crate::cloud::Cloud;", vec!["cloud"]),
        (
            "gate/view.rs",
            "use crate::{http::{Request, Response}, store,\n    flow::Engine};",
            vec!["http", "store", "flow"],
        ),
        (
            "gate/view.rs",
            "fn f() { crate::commands::cli::PROGRAM }",
            vec!["commands"],
        ),
        (
            "gate/view.rs",
            "use super::super::commands::cli;",
            vec!["commands"],
        ),
        ("gate/view.rs", "use super::access;", vec![]),
        ("gate.rs", "use super::commands;", vec!["commands"]),
        (
            "gate/view.rs",
            "/// [`crate::commands`]\n// crate::flow",
            vec![],
        ),
        ("gate/view.rs", "use onegate_crate::flow;", vec![]),
    ] {
        assert_eq!(imports(file, text), found, "{file}: {text}");
    }
}

#[test]
fn an_error_has_a_type_until_it_is_shown() {
    let worded = worded_errors("server-lite/src");
    assert!(worded.is_empty(), "no text:\n{}", worded.join("\n"));
}

#[test]
fn errors_in_words_are_found_in_every_form() {
    for (code, found) in [
        (
            "fn f() -> Result<(), String> {",
            Some((1, "Result<(), String>")),
        ),
        (
            "\npub fn f(\n) -> Result<\n    Vec<(u8, String)>,\n    String,\n> {",
            Some((3, "Result<Vec<(u8, String)>, String>")),
        ),
        (
            "set: fn(&str) -> Result<Box<dyn Fn() -> [u8; 2]>, String>,",
            Some((1, "Result<Box<dyn Fn() -> [u8; 2]>, String>")),
        ),
        ("fn f() -> Result<String, Error> {", None),
        ("fn f() -> Result<(u8, String), Error> {", None),
        ("fn f() -> io::Result<String> {", None),
        ("Result<", None),
    ] {
        let found = found.map(|(line, result)| (line, result.to_owned()));
        assert_eq!(worded_results(code), Vec::from_iter(found), "{code}");
    }
}

#[test]
fn a_public_type_has_a_name_of_its_own() {
    let shared = shared_names("server-lite/src");
    assert!(
        shared.is_empty(),
        "names used twice:\n{}",
        shared.join("\n")
    );
}

#[test]
fn a_file_can_be_read_at_one_sitting() {
    let long = too_long("server-lite");
    assert!(long.is_empty(), "split:\n{}", long.join("\n"));
}
