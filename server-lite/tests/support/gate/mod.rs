//! What the tests of the whole server share: a cloud behind a real server on loopback, and a client that sends what
//! was recorded.

use super::client::{Answer, send};
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::commands::config::Config;
use onegate_server_lite::gate::routes::Gate;
use onegate_server_lite::http::{Limits, Request, Server};
use serde_json::{Map, Value};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// A server in front of a cloud, until it is dropped.
pub struct Served {
    server: Option<Server>,
    pub address: SocketAddr,
}

impl Served {
    pub fn new(cloud: Arc<dyn Cloud>, config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate::new(cloud, config.rules);
        let handler = move |request: &Request| gate.answer(request).response;
        let server =
            Server::start(vec![listener], None, Arc::new(handler), Limits::default()).unwrap();
        Self {
            server: Some(server),
            address,
        }
    }

    /// Sends a request on a connection of its own and reads the answer.
    pub fn send(&self, request: &[u8]) -> Answer {
        send(self.address, request)
    }

    /// GET, as this VM.
    pub fn get(&self, vm: u64, token: &str, path: &str) -> Answer {
        self.send_as(&format!("GET {path}"), vm, token, "")
    }

    /// A request of this VM.
    pub fn send_as(&self, line: &str, vm: u64, token: &str, body: &str) -> Answer {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-ONEGATE-VMID: {vm}\r\nX-ONEGATE-TOKEN: {token}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        self.send(request.as_bytes())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.take().map(Server::stop);
    }
}

/// The bytes of a recorded request. The recordings write an empty field as `NAME:` and bytes beyond UTF-8 as `\xff`.
pub fn recorded(request: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut line = |text: &str| bytes.extend_from_slice(format!("{text}\r\n").as_bytes());
    line(request["line"].as_str().unwrap());
    let headers: Vec<(&str, &str)> = request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| {
            (
                pair[0].as_str().unwrap().trim_end_matches(':'),
                pair[1].as_str().unwrap(),
            )
        })
        .collect();
    let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if !has("host") {
        line("Host: 127.0.0.1:5031");
    }
    if !has("connection") {
        line("Connection: close");
    }
    let body = body(request["body"].as_str().unwrap_or_default());
    for (name, value) in &headers {
        if !name.eq_ignore_ascii_case("content-length") {
            line(&format!("{name}: {value}"));
        }
    }
    let chunked = has("transfer-encoding");
    if !chunked && (request["body"].is_string() || has("content-length")) {
        line(&format!("Content-Length: {}", body.len()));
    }
    line("");
    if chunked {
        bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(b"\r\n0\r\n\r\n");
    } else {
        bytes.extend_from_slice(&body);
    }
    bytes
}

fn body(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        match rest
            .get(at + 2..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(&rest.as_bytes()[at..at + 2]),
        }
        rest = rest.get(at + 4..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// A document as it is compared: lists of one are the element, and what moves by itself is gone.
pub fn settled(value: &Value) -> Value {
    match value {
        Value::Array(items) if items.len() == 1 => settled(&items[0]),
        Value::Array(items) => items.iter().map(settled).collect(),
        Value::Object(object) => {
            let kept = object
                .iter()
                .filter(|(key, _)| !["MONITORING", "LAST_POLL"].contains(&key.as_str()));
            Value::Object(
                kept.map(|(key, value)| (key.clone(), settled(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        value => value.clone(),
    }
}
