//! Any text as a template: no panic, and what is accepted comes back from what is rendered of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate_server_lite::objects::template::{as_xml, parse};

fuzz_target!(|text: &str| {
    if let Ok(attributes) = parse(text) {
        assert_eq!(parse(&as_xml(&attributes)).as_ref(), Ok(&attributes));
        for attribute in &attributes {
            assert!(
                attribute
                    .name
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            );
        }
    }
});
