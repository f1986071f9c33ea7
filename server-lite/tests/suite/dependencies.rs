//! `docs/dependencies.md` has a row for each direct dependency of the two crates, and for nothing else.

use std::collections::BTreeMap;
use std::path::Path;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

/// The names under `[dependencies]` of a manifest, those of one target included.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = read(manifest);
    let sections = text.split("\n[").filter(|section| {
        let heading = section.lines().next().unwrap_or_default();
        heading == "dependencies]" || heading.ends_with(".dependencies]")
    });
    sections
        .flat_map(|section| section.lines().skip(1))
        .filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()))
        .collect()
}

#[test]
fn every_dependency_has_its_reason() {
    let mut expected: BTreeMap<String, &str> = BTreeMap::new();
    for (manifest, crate_name) in [
        ("agent/Cargo.toml", "agent"),
        ("server-lite/Cargo.toml", "server"),
    ] {
        for name in dependencies(manifest) {
            expected
                .entry(name)
                .and_modify(|users| *users = "both")
                .or_insert(crate_name);
        }
    }
    let table = read("docs/dependencies.md");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let found: BTreeMap<String, &str> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert!(cells[3].len() > 10, "no reason: {row}");
            (cells[1].to_owned(), cells[2])
        })
        .collect();
    assert!(expected.len() > 10);
    assert_eq!(found, expected);
}
