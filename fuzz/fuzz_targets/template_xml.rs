//! Any text as a template's XML: as in `template_text`, behind the start tag that makes it XML.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate_server_lite::objects::template::{as_xml, parse};

fuzz_target!(|text: &str| {
    for xml in [text.to_string(), format!("<TEMPLATE>{text}</TEMPLATE>")] {
        if xml.trim_start().starts_with('<')
            && let Ok(attributes) = parse(&xml)
        {
            assert_eq!(
                parse(&as_xml(&attributes)).as_ref(),
                Ok(&attributes),
                "{xml}"
            );
        }
    }
});
