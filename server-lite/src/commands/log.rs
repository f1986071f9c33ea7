//! The log, on standard error: one line a request, one line for everything else worth knowing.
//!
//! `2026-11-22T13:30:01.123Z vm=8 method=GET path=/vm status=200 ms=0.41`
//!
//! `vm` is the VM whose token was right; where none was, `claims` is the one that the request named.
//!
//! No line ever has a token: a query is not logged, and a token that stands in the path is cut out. What a guest
//! or a back end sent is shortened, and its control characters never reach a terminal raw.

use crate::commands::config::LogLevel;
use crate::gate::conditional;
use crate::gate::routes::{Gate, Outcome};
use crate::http::{self, Handler, Hold, Reply, Request, Response};
use crate::objects::document::parse_id;
use crate::objects::message;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most characters of anything that was sent to us.
const SHOWN: usize = 200;

/// The log.
#[derive(Debug)]
pub struct Log {
    level: LogLevel,
}

impl Log {
    /// A log that writes what is at least as grave as this level.
    pub fn new(level: LogLevel) -> Self {
        Self { level }
    }

    /// Writes a line, if the level is high enough.
    pub fn write(&self, level: LogLevel, message: &str) {
        if level > self.level {
            return;
        }
        let word = match level {
            LogLevel::Error => "error",
            LogLevel::Warning => "warning",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        };
        self.line(&format!("{word}: {message}"));
    }

    fn line(&self, line: &str) {
        // One write, so that lines of several threads don't mix. Nobody is there to be told of a failure.
        let _ = std::io::stderr().write_all(format!("{:.3} {line}\n", Timestamp::now()).as_bytes());
    }

    fn request(&self, request: &Request, answer: &Outcome, took: Duration) {
        let status = answer.response.status;
        let level = match status {
            500.. => LogLevel::Error,
            _ if answer.cause.is_some() => LogLevel::Warning,
            _ => LogLevel::Info,
        };
        if level <= self.level {
            self.line(&request_line(request, answer, took));
        }
    }
}

/// The line for a request.
fn request_line(request: &Request, answer: &Outcome, took: Duration) -> String {
    let claimed = || request.header("x-onegate-vmid").and_then(parse_id);
    let vm = match (answer.vm, claimed()) {
        (Some(vm), _) => vm.to_string(),
        (None, Some(claimed)) => format!("- claims={claimed}"),
        (None, None) => "-".to_owned(),
    };
    let path = match request.header("x-onegate-token") {
        Some(token) if !token.is_empty() => request.path.replace(token, "(token)"),
        _ => request.path.clone(),
    };
    let mut line = format!(
        "vm={vm} method={} path={} status={} ms={:.2}",
        shown(&request.method),
        shown(&path),
        answer.response.status,
        took.as_secs_f64() * 1000.0
    );
    if let Some(cause) = &answer.cause {
        let _ = write!(line, " cause={:?}", shown(cause));
    }
    line
}

/// A text that was sent to us, fit for a log.
fn shown(text: &str) -> String {
    message::shown(text, SHOWN)
}

/// A gate whose every answer is logged.
pub struct Logged {
    /// What answers.
    pub gate: Gate,
    /// Where it is logged.
    pub log: Arc<Log>,
    /// Whether reading may wait, because the cloud is another server; changing always may.
    pub reads_wait: bool,
}

impl Handler for Logged {
    fn handle(&self, request: &Request) -> Response {
        let start = Instant::now();
        let answer = self.gate.answer(request);
        self.log.request(request, &answer, start.elapsed());
        answer.response
    }

    fn handle_or_hold(&self, request: &Request) -> Reply {
        let start = Instant::now();
        let mut outcome = self.gate.answer(request);
        let Some(wait) = conditional::wait(request, &outcome) else {
            self.log.request(request, &outcome, start.elapsed());
            return Reply::Now(outcome.response);
        };
        let log = Arc::clone(&self.log);
        let request = request.clone();
        Reply::Held(Hold {
            topics: std::mem::take(&mut outcome.topics),
            wait,
            unchanged: Box::new(move || {
                log.request(&request, &outcome, start.elapsed());
                outcome.response
            }),
        })
    }

    fn may_wait(&self, request: &Request) -> bool {
        self.reads_wait || !matches!(request.method.as_str(), "GET" | "HEAD")
    }

    fn refused(&self, client: Option<IpAddr>, refusal: &http::Rejection) {
        let client = client.map_or_else(|| "-".to_owned(), |address| address.to_string());
        self.log.write(
            LogLevel::Info,
            &format!(
                "client={client} status={} refused: {}",
                refusal.status, refusal.reason
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(method: &str, path: &str, vm: Option<u32>, status: u16, cause: Option<&str>) -> String {
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: "token=o7Y9bRvAiQmfUZzJo5eZTA==".into(),
            headers: vec![
                ("x-onegate-token".into(), "o7Y9bRvAiQmfUZzJo5eZTA==".into()),
                ("x-onegate-vmid".into(), "6".into()),
            ],
            body: b"SECRET=1".to_vec(),
        };
        let response = Response {
            status,
            headers: Vec::new(),
            body: b"body".to_vec().into(),
        };
        let answer = Outcome {
            response,
            vm,
            cause: cause.map(str::to_owned),
            topics: Vec::new(),
        };
        request_line(&request, &answer, Duration::from_micros(1234))
    }

    #[test]
    fn a_line_says_what_is_worth_knowing_and_nothing_secret() {
        assert_eq!(
            line("GET", "/vm", Some(8), 200, None),
            "vm=8 method=GET path=/vm status=200 ms=1.23"
        );
        assert_eq!(
            line(
                "PUT",
                "/service/role/x",
                None,
                503,
                Some("oned: \"gone\"\n\x1b[31m")
            ),
            "vm=- claims=6 method=PUT path=/service/role/x status=503 ms=1.23 cause=\"oned: \\\"gone\\\"\u{fffd}\u{fffd}[31m\""
        );
        assert_eq!(
            line("GET", "/o7Y9bRvAiQmfUZzJo5eZTA==", None, 400, None),
            "vm=- claims=6 method=GET path=/(token) status=400 ms=1.23"
        );
        let long = line("GET", &format!("/{}", "x".repeat(9000)), None, 400, None);
        assert!(long.len() < 300 && long.contains("x… status=400"), "{long}");
    }
}
