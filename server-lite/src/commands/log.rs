//! The log, on standard error: one line for each request, and for everything else worth knowing.
//!
//! `2026-11-22T13:30:01.123Z vm=8 method=GET path=/vm status=200 ms=0.41`
//!
//! `vm` is the VM, if its token was right; if not, `claims` is the VM that the request named.
//!
//! No line has a token. Only what is known to be harmless is written: of the path, the route's own words and ids; of a
//! cause, text without what could be a token. Writing never keeps a request waiting ([`writer`]).

mod file;
pub mod format;
pub mod writer;

use super::metrics::RequestCounts;
use crate::commands::config::LogLevel;
use crate::gate::conditional;
use crate::gate::routes::{Gate, Outcome, Route};
use crate::http::{self, Handler, Hold, Reply, Request, Response};
use crate::lab::timeline::Timeline;
use crate::objects::document::parse_id;
use crate::objects::message;
use file::LogFile;
use format::LogFormat;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use writer::Writer;

/// The most characters of a cause.
const SHOWN: usize = 200;
/// How long the server waits at its end for its last lines to be read.
const FLUSH: Duration = Duration::from_secs(1);

/// The log.
#[derive(Debug)]
pub struct Log {
    level: LogLevel,
    format: LogFormat,
    file: Option<LogFile>,
    writer: Writer,
}

impl Log {
    /// A log that writes what is at least as severe as this level.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(level: LogLevel, format: LogFormat) -> io::Result<Self> {
        let note = move |dropped| {
            message_line(
                format,
                LogLevel::Warning,
                &format!(
                    "{dropped} lines of this log were dropped, because standard error did not take them"
                ),
            )
        };
        Ok(Self {
            level,
            format,
            file: LogFile::of_standard_error(),
            writer: Writer::start(io::stderr(), note)?,
        })
    }

    /// Writes a line, if the level is high enough.
    pub fn write(&self, level: LogLevel, message: &str) {
        if level <= self.level {
            self.writer.push(&message_line(self.format, level, message));
        }
    }

    /// Goes on in a new file, if the log's was renamed.
    pub fn follow_rotation(&self) {
        match self.file.as_ref().map(LogFile::follow) {
            Some(Ok(true)) => self.write(LogLevel::Info, "the log's file was rotated"),
            Some(Err(error)) => self.write(
                LogLevel::Error,
                &format!(
                    "cannot open the log's new file, so the log stays in the old one: {error}"
                ),
            ),
            Some(Ok(false)) | None => {}
        }
    }

    /// Waits until all is written, a second at most.
    pub fn flush(&self) {
        self.writer.flush(FLUSH);
    }

    fn request(&self, request: &Request, outcome: &Outcome, took: Duration) {
        let status = outcome.response.status;
        let level = match status {
            500.. => LogLevel::Error,
            _ if outcome.cause.is_some() => LogLevel::Warning,
            _ => LogLevel::Info,
        };
        if level <= self.level {
            let text = || request_line(request, outcome, took);
            let fields = || request_fields(request, outcome, took);
            self.writer.push(&self.format.line(level, text, fields));
        }
    }
}

/// A line that is not about a request.
fn message_line(format: LogFormat, level: LogLevel, message: &str) -> String {
    let text = || format!("{}: {message}", format::word(level));
    let fields = || Map::from_iter([("message".to_owned(), message.into())]);
    format.line(level, text, fields)
}

/// What the line for a request says, for JSON.
fn request_fields(request: &Request, outcome: &Outcome, took: Duration) -> Map<String, Value> {
    let claims = || request.header("x-onegate-vmid").and_then(parse_id);
    let path = path(outcome.route, outcome.parameter.as_deref());
    let milliseconds = (took.as_secs_f64() * 100_000.0).round() / 100.0;
    let fields = [
        ("vm", outcome.vm.map(Value::from)),
        (
            "claims",
            outcome.vm.is_none().then(claims).flatten().map(Value::from),
        ),
        ("method", Some(request.method.as_str().into())),
        ("path", Some(path.into())),
        ("status", Some(outcome.response.status.into())),
        ("ms", Some(milliseconds.into())),
        (
            "cause",
            outcome.cause.as_deref().map(|cause| harmless(cause).into()),
        ),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The line for a request.
fn request_line(request: &Request, outcome: &Outcome, took: Duration) -> String {
    let claimed = || request.header("x-onegate-vmid").and_then(parse_id);
    let vm = match (outcome.vm, claimed()) {
        (Some(vm), _) => vm.to_string(),
        (None, Some(claimed)) => format!("- claims={claimed}"),
        (None, None) => "-".to_owned(),
    };
    let mut line = format!(
        "vm={vm} method={} path={} status={} ms={:.2}",
        request.method,
        path(outcome.route, outcome.parameter.as_deref()),
        outcome.response.status,
        took.as_secs_f64() * 1000.0
    );
    if let Some(cause) = &outcome.cause {
        let _ = write!(line, " cause={:?}", harmless(cause));
    }
    line
}

/// A route's path, with its parameter where that is known to be an id or a role's name; `-` without a route.
fn path(route: Option<&Route>, parameter: Option<&str>) -> String {
    let Some(route) = route else {
        return "-".to_owned();
    };
    let mut path = String::with_capacity(24);
    for segment in route.path {
        path.push('/');
        path.push_str(match parameter {
            Some(parameter) if segment.starts_with(':') => parameter,
            _ => segment,
        });
    }
    if path.is_empty() {
        "/".to_owned()
    } else {
        path
    }
}

/// Why a request was refused, for the timeline: what the guest was told, or the cause.
fn why_not(outcome: &Outcome) -> String {
    if outcome.response.status < 400 {
        return String::new();
    }
    let told = || String::from_utf8_lossy(&outcome.response.body).into_owned();
    harmless(&outcome.cause.clone().unwrap_or_else(told))
}

/// A cause, cut, and without anything that could be a token.
fn harmless(cause: &str) -> String {
    message::shown(&message::without_tokens(cause), SHOWN)
}

/// A gate whose every answer is logged.
pub struct Logged {
    gate: RwLock<Arc<Gate>>,
    reads_wait: bool,
    listeners: Arc<Listeners>,
}

/// Who is told of every answer.
pub struct Listeners {
    /// The log.
    pub log: Arc<Log>,
    /// Where requests are counted, if they are.
    pub counts: Option<Arc<RequestCounts>>,
    /// Where it is told what guests do, if it is.
    pub timeline: Option<Arc<Timeline>>,
}

impl Listeners {
    fn tell(&self, request: &Request, outcome: &Outcome, took: Duration) {
        if let Some(timeline) = &self.timeline {
            timeline.request(outcome, &why_not(outcome));
        }
        if let Some(counts) = &self.counts {
            counts.add(outcome, took);
        }
        self.log.request(request, outcome, took);
    }
}

impl Logged {
    /// Answers with this gate. `reads_wait`: reading may wait, because the cloud is another server.
    pub fn new(gate: Gate, listeners: Listeners, reads_wait: bool) -> Self {
        Self {
            gate: RwLock::new(Arc::new(gate)),
            reads_wait,
            listeners: Arc::new(listeners),
        }
    }

    /// Answers with another gate from now on.
    pub fn replace(&self, gate: Gate) {
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(gate);
    }

    fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Handler for Logged {
    fn handle(&self, request: &Request) -> Response {
        let start = Instant::now();
        let outcome = self.gate().answer(request);
        self.listeners.tell(request, &outcome, start.elapsed());
        outcome.response
    }

    fn handle_or_hold(&self, request: &Request) -> Reply {
        let start = Instant::now();
        let mut outcome = self.gate().begin(request);
        let pending = outcome.pending.take();
        let wait = conditional::wait(request, &outcome);
        if pending.is_none() && wait.is_none() {
            self.listeners.tell(request, &outcome, start.elapsed());
            return Reply::Now(outcome.response);
        }
        let listeners = Arc::clone(&self.listeners);
        if let Some(pending) = pending {
            // Who asked is known: of the request only the method is logged.
            let request = Request {
                method: request.method.clone(),
                ..Request::default()
            };
            return Reply::Later(Box::new(move |answer| {
                pending.then(move |stored| {
                    outcome.stored(stored);
                    listeners.tell(&request, &outcome, start.elapsed());
                    answer.with(outcome.response);
                });
            }));
        }
        let request = request.clone();
        Reply::Held(Hold {
            topics: std::mem::take(&mut outcome.topics),
            wait: wait.unwrap_or_default(),
            unchanged: Box::new(move || {
                if let Some(counts) = &listeners.counts {
                    counts.add(&outcome, start.elapsed());
                }
                listeners.log.request(&request, &outcome, start.elapsed());
                Reply::Now(outcome.response)
            }),
        })
    }

    fn may_wait(&self, request: &Request) -> bool {
        match request.method.as_str() {
            "GET" | "HEAD" => self.reads_wait,
            _ => self.gate().may_wait(request),
        }
    }

    fn refused(&self, client: Option<IpAddr>, refusal: &http::Rejection) {
        if let Some(counts) = &self.listeners.counts {
            counts.add_refused(refusal.status);
        }
        let client = client.map_or_else(|| "-".to_owned(), |address| address.to_string());
        self.listeners.log.write(
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
    use crate::gate::routes::ROUTES;

    const TOKEN: &str = "o7Y9bRvAiQmfUZzJo5eZTA==";

    fn line(method: &str, path: &[&str], parameter: Option<&str>, cause: Option<&str>) -> String {
        let request = Request {
            method: method.into(),
            path: format!("/anything/{TOKEN}"),
            query: format!("token={TOKEN}"),
            headers: vec![
                ("x-onegate-token".into(), TOKEN.into()),
                ("x-onegate-vmid".into(), "6".into()),
            ],
            body: b"SECRET=1".to_vec(),
        };
        let response = Response {
            status: 200,
            headers: Vec::new(),
            body: b"body".to_vec().into(),
        };
        let outcome = Outcome {
            response,
            route: ROUTES
                .iter()
                .find(|route| route.method == method && route.path == path),
            parameter: parameter.map(str::to_owned),
            vm: None,
            cause: cause.map(str::to_owned),
            topics: Vec::new(),
            deed: None,
            pending: None,
        };
        request_line(&request, &outcome, Duration::from_micros(1234))
    }

    #[test]
    fn a_line_says_what_is_worth_knowing() {
        for (method, route, parameter, path) in [
            ("GET", [].as_slice(), None, "/"),
            ("GET", &["vm"], None, "/vm"),
            ("PUT", &["vms", ":id"], Some("8"), "/vms/8"),
            ("PUT", &["vms", ":id"], None, "/vms/:id"),
            (
                "POST",
                &["vms", ":id", "action"],
                Some("8"),
                "/vms/8/action",
            ),
            (
                "PUT",
                &["service", "role", ":role"],
                Some("web"),
                "/service/role/web",
            ),
            ("GET", &["nowhere"], None, "-"),
        ] {
            assert_eq!(
                line(method, route, parameter, None),
                format!("vm=- claims=6 method={method} path={path} status=200 ms=1.23")
            );
        }
        assert!(
            line("GET", &["vm"], None, Some("oned: \"gone\"\n\x1b[31m"))
                .ends_with(" status=200 ms=1.23 cause=\"oned: \\\"gone\\\"\u{fffd}\u{fffd}[31m\"")
        );
    }

    #[test]
    fn a_cause_keeps_its_words_and_no_token() {
        for harmless_one in [
            "oned at http://localhost:2633/RPC2: connection refused",
            "[one.vm.update] User [2] : Not authorized to perform MANAGE VM [8].",
            "cp /proc/21988/fd/9 /tmp/.tmp8lFQ0V/journal",
            "attribute SCHED_REQUIREMENTS of role web-server-0 in /var/lib/one/.one/onegate_auth",
        ] {
            assert_eq!(harmless(harmless_one), harmless_one);
        }
        let written = [
            TOKEN.to_owned(),
            TOKEN.replace('=', "%3D"),
            TOKEN.replace('=', "%253d"),
            "%6f7Y9bRvAiQmfUZz%4Ao5eZTA%3d%3d".to_owned(),
            "o7Y9bRvAiQm\\/UZzJo5eZTA==".to_owned(),
            "TOKEN=o7Y9bRvAiQmfUZzJo5eZTA".to_owned(),
        ];
        for token in written {
            for cause in [
                format!("no role {token}"),
                format!("\u{202e}<{token}>: not found"),
            ] {
                let kept = harmless(&cause);
                assert!(kept.contains("(removed)"), "{kept}");
                assert!(
                    !kept.contains("UZz") && !kept.contains('\u{202e}'),
                    "{kept}"
                );
            }
        }
    }
}
