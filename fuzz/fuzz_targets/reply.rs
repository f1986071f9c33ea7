//! Any bytes as a server's answer: every output prints something harmless, and `--json` prints the same document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate::objects::document::Document;
use onegate::objects::json::pretty;
use onegate::commands::show::text::{Style, service, vm, vnet, vrouter};

fuzz_target!(|data: &[u8]| {
    let Ok(document) = Document::new(data.to_vec()) else {
        return;
    };
    let root = document.root();
    for text in [
        vm(root, Style::Plain),
        service(root, true, Style::Plain),
        service(root, false, Style::Plain),
        vrouter(root, Style::Plain),
        vnet(root, Style::Plain),
    ] {
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
    }
    let printed = pretty(root);
    assert!(
        !printed.chars().any(|c| c.is_control() && c != '\n'),
        "{printed:?}"
    );
    // Numbers as they came: compared as text, without the white space between.
    let again = Document::new(printed.clone().into_bytes()).expect("what is printed is JSON");
    assert_eq!(pretty(again.root()), printed);
    // A float that serde_json cannot hold (1e999) is printed as it came, and cannot be compared as a value.
    if let (Ok(before), Ok(after)) = (
        serde_json::from_slice::<serde_json::Value>(data),
        serde_json::from_str::<serde_json::Value>(&printed),
    ) {
        assert_eq!(before, after);
    }
});
