//! Any text as a path (up to the first newline) into any document: no panic, and what it leads to is JSON that stands
//! in the document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate::objects::document::Document;
use onegate::objects::path::{Budget, JsonPath};

/// `[*,*][*,*]…` grows with each part: that much its user may ask for, but not the fuzzer.
const LONGEST: usize = 48;

fuzz_target!(|text: &str| {
    let (path, document) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(path) = JsonPath::parse(path.get(..LONGEST).unwrap_or(path)) else {
        return;
    };
    let Ok(document) = Document::new(document.as_bytes().to_vec()) else {
        return;
    };
    let whole = document.root().json().as_bytes().as_ptr_range();
    // An error when it finds too much.
    for node in path.select(document.root(), "VM", &mut Budget::default()).unwrap_or_default() {
        let found = node.json().as_bytes().as_ptr_range();
        assert!(node.is_null() || (whole.start <= found.start && found.end <= whole.end));
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(node.json()).is_ok());
    }
});
