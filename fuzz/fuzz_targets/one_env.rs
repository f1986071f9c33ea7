//! Any bytes as a one_env: no panic; and the three credentials at its top are read whatever the values below hold.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate::context::shell::one_env;

fuzz_target!(|data: &[u8]| {
    let found = one_env(data);
    assert!(found.malformed.is_none_or(|m| m.line <= data.len() + 1));

    let mut written =
        b"export TOKENTXT=\"o7Y9bRvAiQmfUZzJo5eZTA==\"\nexport VMID=\"6\"\nexport ONEGATE_ENDPOINT=\"http://gate:5030\"\n"
            .to_vec();
    for (number, value) in data.split(|&b| b == 0).enumerate() {
        written.extend_from_slice(format!("export V{number}=\"").as_bytes());
        written.extend_from_slice(value);
        written.extend_from_slice(b"\"\n");
    }
    let read = one_env(&written);
    assert_eq!(read.get("TOKENTXT"), Some(&b"o7Y9bRvAiQmfUZzJo5eZTA=="[..]));
    assert_eq!(read.get("VMID"), Some(&b"6"[..]));
    assert_eq!(read.get("ONEGATE_ENDPOINT"), Some(&b"http://gate:5030"[..]));
});
