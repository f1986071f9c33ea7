//! The HTTP connections to oned and OneFlow: few, kept alive, with a time-out for every phase and a cap on every
//! answer; and the log's one line when one of them stops answering, and when it answers again.

use crate::objects::refusal::Refusal;
use std::fmt;
use std::io::ErrorKind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::http::Request;

/// Calls at once, and so connections in use: oned serves 15 by default (MAX_CONN), and has other clients.
pub const MAX_CALLS: usize = 8;
/// Connections kept while nothing is asked.
pub const MAX_IDLE: usize = 6;
/// How long they are kept: less than the 15 s (KEEPALIVE_TIMEOUT) after which oned closes them.
const MAX_IDLE_AGE: Duration = Duration::from_secs(10);
/// After so many failures with no answer between them a call now and then finds out whether the upstream is back; the
/// others are given up at once, so that nobody waits for what hangs.
const HOPELESS: u32 = 3;
/// The largest answer taken: a pool of some hundred VMs is a few megabytes.
const MAX_ANSWER: u64 = 32 << 20;

/// How long each phase of a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one of the [`MAX_CALLS`] to end.
    pub turn: Duration,
    /// To connect.
    pub connect: Duration,
    /// To send the call, and to receive each of the answer's head and body.
    pub answer: Duration,
    /// Between two calls that find out whether it is back.
    pub between_tries: Duration,
    /// An outage is over at the first answer this long after its last failure.
    pub quiet: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            turn: Duration::from_secs(5),
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(15),
            between_tries: Duration::from_secs(1),
            quiet: Duration::from_secs(3),
        }
    }
}

/// Where the log's lines go.
pub type LogSink = Arc<dyn Fn(&str) + Send + Sync>;

/// Whether a call may be made twice where its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or sets what it sets again: it goes over a kept connection, and once more over a new one where that
    /// one turns out to be closed.
    Harmless,
    /// It must not be carried out twice: it goes over a new connection, once.
    Never,
}

/// An answer: its status and its body.
pub type HttpAnswer = (u16, Vec<u8>);

/// oned or OneFlow.
pub struct Upstream {
    /// `oned` or `OneFlow`, for the log.
    name: &'static str,
    url: String,
    kept: Agent,
    fresh: Agent,
    patience: Patience,
    calls: Mutex<Calls>,
    ended: Condvar,
    outage: Mutex<Option<Outage>>,
    log: LogSink,
}

#[derive(Default)]
struct Calls {
    in_hand: usize,
    /// Failures since the last answer.
    failed: u32,
    /// When the last call began.
    began: Option<Instant>,
}

struct Outage {
    began: Instant,
    last: Instant,
    failures: u64,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Upstream({} at {})", self.name, self.url)
    }
}

impl Upstream {
    /// An upstream at this URL, which must be plain HTTP, as OpenNebula's daemons speak it.
    pub fn new(
        name: &'static str,
        url: &str,
        patience: Patience,
        log: LogSink,
    ) -> Result<Self, String> {
        let uri: ureq::http::Uri = url
            .parse()
            .map_err(|e| format!("{url:?}, where {name} listens, is no URL: {e}"))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => {}
            (Some("https"), _) => {
                return Err(format!(
                    "{url}: {name} is spoken to over plain http; give its own address, not a proxy's"
                ));
            }
            _ => {
                return Err(format!(
                    "{url:?}, where {name} listens, must be http://HOST:PORT/…"
                ));
            }
        }
        let agent = |idle| {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(None)
                .user_agent(concat!(
                    "OpenNebula onegate-server-lite/",
                    env!("CARGO_PKG_VERSION")
                ))
                .max_idle_connections(idle)
                .max_idle_connections_per_host(idle)
                .max_idle_age(MAX_IDLE_AGE)
                .input_buffer_size(16 << 10)
                .output_buffer_size(16 << 10)
                .timeout_connect(Some(patience.connect))
                .timeout_send_request(Some(patience.answer))
                .timeout_send_body(Some(patience.answer))
                .timeout_recv_response(Some(patience.answer))
                .timeout_recv_body(Some(patience.answer))
                .build()
                .new_agent()
        };
        Ok(Upstream {
            name,
            url: url.trim_end_matches('/').to_string(),
            kept: agent(MAX_IDLE),
            fresh: agent(0),
            patience,
            calls: Mutex::default(),
            ended: Condvar::new(),
            outage: Mutex::new(None),
            log,
        })
    }

    /// Makes one call; the error is the cause in words, for the log.
    ///
    /// `path` is appended to the upstream's URL; `headers` are added to Content-Type and Content-Length.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
        repeat: Repeat,
    ) -> Result<HttpAnswer, String> {
        let _turn = self.turn()?;
        let request = || {
            let mut request = Request::builder()
                .method(method)
                .uri(format!("{}{path}", self.url));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request
                .body(body.to_string())
                .map_err(|e| format!("a call that can't be made: {e}"))
        };
        if repeat == Repeat::Harmless {
            match run(&self.kept, request()?) {
                Ok(answer) => return Ok(answer),
                Err(error) if !was_closed(&error) => return Err(self.words(&error)),
                Err(_) => {}
            }
        }
        run(&self.fresh, request()?).map_err(|error| self.words(&error))
    }

    /// Passes on how a call ended, and logs it where it begins an outage, with the cause, or ends one. The cause is
    /// logged here alone: each request of an outage names only who failed it.
    pub fn judged<T>(&self, ended: Result<T, Refusal>) -> Result<T, Refusal> {
        match ended {
            Err(Refusal::Unavailable(cause)) => {
                self.failed(&cause);
                Err(Refusal::Unavailable(format!(
                    "{} is out of order",
                    self.name
                )))
            }
            ended => {
                self.answered();
                ended
            }
        }
    }

    fn failed(&self, cause: &str) {
        let hopeless = {
            let mut calls = lock(&self.calls);
            calls.failed = calls.failed.saturating_add(1);
            calls.failed >= HOPELESS
        };
        if hopeless {
            self.ended.notify_all();
        }
        let now = Instant::now();
        let mut outage = lock(&self.outage);
        match outage.as_mut() {
            Some(outage) => {
                outage.last = now;
                outage.failures += 1;
            }
            None => {
                *outage = Some(Outage {
                    began: now,
                    last: now,
                    failures: 1,
                });
                (self.log)(&format!(
                    "{} at {}: {cause}; guests are told to try again",
                    self.name, self.url
                ));
            }
        }
    }

    fn answered(&self) {
        lock(&self.calls).failed = 0;
        let mut outage = lock(&self.outage);
        if let Some(past) = outage.as_ref()
            && past.last.elapsed() >= self.patience.quiet
        {
            (self.log)(&format!(
                "{} at {} answers again; {} calls had failed in {} s",
                self.name,
                self.url,
                past.failures,
                past.began.elapsed().as_secs()
            ));
            *outage = None;
        }
    }

    fn words(&self, error: &ureq::Error) -> String {
        use ureq::{Error, Timeout};
        let Patience {
            connect, answer, ..
        } = self.patience;
        match error {
            Error::Timeout(Timeout::Connect) => {
                format!("no connection within {} s", connect.as_secs())
            }
            Error::Timeout(_) => format!("no answer within {} s", answer.as_secs()),
            Error::HostNotFound => "its host's name is not known".to_string(),
            Error::BodyExceedsLimit(_) => {
                format!("its answer is larger than {} MiB", MAX_ANSWER >> 20)
            }
            Error::Io(e) if e.kind() == ErrorKind::ConnectionRefused => {
                "nothing listens there: is it running?".to_string()
            }
            other => format!("the call failed: {other}"),
        }
    }

    /// Waits for one of the calls in hand to end, if there are too many.
    fn turn(&self) -> Result<Turn<'_>, String> {
        let (mut calls, _) = self
            .ended
            .wait_timeout_while(lock(&self.calls), self.patience.turn, |calls| {
                calls.in_hand >= MAX_CALLS && calls.failed < HOPELESS
            })
            .unwrap_or_else(PoisonError::into_inner);
        let just_began = calls
            .began
            .is_some_and(|began| began.elapsed() < self.patience.between_tries);
        if calls.failed >= HOPELESS && calls.in_hand > 0 && just_began {
            return Err(format!(
                "the last {} calls failed, and another one is trying",
                calls.failed
            ));
        }
        if calls.in_hand >= MAX_CALLS {
            let waited = self.patience.turn.as_secs();
            return Err(format!(
                "{MAX_CALLS} calls were still waiting for it after {waited} s"
            ));
        }
        calls.in_hand += 1;
        calls.began = Some(Instant::now());
        Ok(Turn(self))
    }
}

/// One of the calls in hand.
struct Turn<'a>(&'a Upstream);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.calls).in_hand -= 1;
        self.0.ended.notify_one();
    }
}

/// What these locks guard is whole between any two statements, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(agent: &Agent, request: Request<String>) -> Result<HttpAnswer, ureq::Error> {
    let (parts, body) = request.into_parts();
    let mut response = match body.is_empty() {
        true => agent.run(Request::from_parts(parts, ()))?,
        false => agent.run(Request::from_parts(parts, body))?,
    };
    let status = response.status().as_u16();
    if response
        .body()
        .content_length()
        .is_some_and(|length| length > MAX_ANSWER)
    {
        return Err(ureq::Error::BodyExceedsLimit(MAX_ANSWER));
    }
    let body = response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_vec()?;
    Ok((status, body))
}

/// Whether the connection broke, as a kept one does when the other side has closed it meanwhile.
fn was_closed(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(e) => {
            !matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::TimedOut)
        }
        ureq::Error::Protocol(_) => true,
        _ => false,
    }
}
