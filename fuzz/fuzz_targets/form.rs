//! Any body and query as an update: form, multipart, JSON or the template itself. The first byte chooses which.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate_server_lite::gate::form::{Parameters, Update};
use onegate_server_lite::http::Request;

const TYPES: [&str; 4] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json",
    "text/plain",
];

fuzz_target!(|input: (u8, String, Vec<u8>)| {
    let (choice, query, body) = input;
    let content_type = TYPES[usize::from(choice) % TYPES.len()];
    let request = Request {
        method: "PUT".to_string(),
        path: "/vm".to_string(),
        query,
        headers: vec![("content-type".to_string(), content_type.to_string())],
        body,
    };
    let _ = Update::read(&request);
    if let Ok(parameters) = Parameters::read(&request) {
        let _ = parameters.get("data");
        let _ = parameters.get("data[");
    }
});
