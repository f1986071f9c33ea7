//! The HTTP connections to oned and OneFlow: few, kept alive, with a time-out for every phase and a cap on every
//! answer; and the log's one line when one of them stops answering, and when it answers again.
//!
//! An outage is what concerns every caller: nothing answers, or something else does. What can be one guest's doing
//! (an answer too large, a record that cannot be read, too many calls) fails that guest's call alone.

use super::settings::SettingsError;
use super::turns::{NoTurn, Share, Turn, Turns};
use crate::objects::refusal::Refusal;
use std::fmt;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::http::Request;

/// Connections kept while nothing is asked.
pub const MAX_IDLE: usize = 6;
/// How long they are kept: less than the 15 s (KEEPALIVE_TIMEOUT) after which oned closes them.
const MAX_IDLE_AGE: Duration = Duration::from_secs(10);
/// The largest answer taken: a pool of some hundred VMs is a few megabytes.
pub const MAX_ANSWER: u64 = 32 << 20;

/// How long each phase of a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one of the [`MAX_CALLS`](super::turns::MAX_CALLS) to end.
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

/// Why a call brought no answer, or none of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing answers, or not what should: every call would fail. The cause, for the log.
    Outage(String),
    /// It answers, but this answer is of no use; other calls are not concerned. The cause, for the log.
    Answer(String),
    /// There was no turn for this call within a sensible time: seconds after which to try again.
    Busy(u32),
}

impl From<NoTurn> for Trouble {
    fn from(none: NoTurn) -> Self {
        match none {
            NoTurn::Hopeless(cause) => Self::Outage(cause),
            NoTurn::Busy(seconds) => Self::Busy(seconds),
        }
    }
}

/// oned or OneFlow.
pub struct Upstream {
    /// `oned` or `OneFlow`, for the log.
    name: &'static str,
    url: String,
    kept: Agent,
    fresh: Agent,
    patience: Patience,
    turns: Turns,
    outage: Mutex<Option<Outage>>,
    counts: Mutex<CallCounts>,
    log: LogSink,
}

/// What came of the calls to an upstream since the start, and what it has to do now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CallCounts {
    /// Calls that were answered, be it with a refusal.
    pub answered: u64,
    /// Calls whose answer was of no use.
    pub unusable: u64,
    /// Calls that were not made, as there was no turn for them.
    pub no_turn: u64,
    /// Calls that nothing answered, or something else did.
    pub failed: u64,
    /// How many calls were sent.
    pub sent: u64,
    /// How long these took together, in seconds.
    pub seconds: f64,
    /// Calls being made now, of [`MAX_CALLS`](super::turns::MAX_CALLS).
    pub in_progress: usize,
    /// Calls that wait for a turn now.
    pub waiting: usize,
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

/// One call to an upstream: always a POST.
pub struct HttpCall<'c> {
    /// Appended to the upstream's URL.
    pub path: &'c str,
    /// Added to Content-Type and Content-Length.
    pub headers: &'c [(&'c str, &'c str)],
    /// The body.
    pub body: &'c str,
    /// Whether it may be made twice.
    pub repeat: Repeat,
}

impl Upstream {
    /// An upstream at this URL, which must be plain HTTP, as OpenNebula's daemons speak it.
    pub fn new(
        name: &'static str,
        url: &str,
        patience: Patience,
        log: LogSink,
    ) -> Result<Self, SettingsError> {
        let uri: ureq::http::Uri = url
            .parse()
            .map_err(|error| SettingsError::NoUrl(url.to_string(), name, error))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => {}
            (Some("https"), _) => return Err(SettingsError::Https(url.to_string(), name)),
            _ => return Err(SettingsError::NoHttp(url.to_string(), name)),
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
            turns: Turns::new(patience.turn, patience.between_tries),
            outage: Mutex::new(None),
            counts: Mutex::default(),
            log,
        })
    }

    /// Says at once where a call would be in vain.
    pub fn check(&self) -> Result<(), Trouble> {
        Ok(self.turns.check()?)
    }

    /// Waits for a turn to make a call.
    pub fn turn(&self, share: Share) -> Result<Turn<'_>, Trouble> {
        Ok(self.turns.take(share)?)
    }

    /// Its name, and its counts.
    pub fn counts(&self) -> (&'static str, CallCounts) {
        let (in_progress, waiting) = self.turns.in_use();
        let counts = *lock(&self.counts);
        (
            self.name,
            CallCounts {
                in_progress,
                waiting,
                ..counts
            },
        )
    }

    /// Makes one call.
    pub fn send(&self, _turn: &Turn, call: &HttpCall<'_>) -> Result<HttpAnswer, Trouble> {
        let began = Instant::now();
        let sent = self.exchange(call);
        let mut counts = lock(&self.counts);
        counts.sent += 1;
        counts.seconds += began.elapsed().as_secs_f64();
        sent
    }

    fn exchange(&self, call: &HttpCall<'_>) -> Result<HttpAnswer, Trouble> {
        let request = || {
            let mut request = Request::builder()
                .method("POST")
                .uri(format!("{}{}", self.url, call.path));
            for (name, value) in call.headers {
                request = request.header(*name, *value);
            }
            request
                .body(call.body.to_string())
                .map_err(|e| Trouble::Answer(format!("a call that can't be made: {e}")))
        };
        if call.repeat == Repeat::Harmless {
            match run(&self.kept, request()?) {
                Ok(answer) => return Ok(answer),
                Err(error) if !was_closed(&error) => return Err(self.trouble(&error)),
                Err(_) => {}
            }
        }
        run(&self.fresh, request()?).map_err(|error| self.trouble(&error))
    }

    /// What a call came to, an outage logged where it begins, with the cause, and where it ends. The cause is logged
    /// here alone: each request of an outage names only who failed it.
    pub fn judged<T>(&self, ended: Result<T, Trouble>) -> Result<T, Refusal> {
        {
            let mut counts = lock(&self.counts);
            *match &ended {
                Ok(_) => &mut counts.answered,
                Err(Trouble::Answer(_)) => &mut counts.unusable,
                Err(Trouble::Busy(_)) => &mut counts.no_turn,
                Err(Trouble::Outage(_)) => &mut counts.failed,
            } += 1;
        }
        match ended {
            Ok(answer) => {
                self.answered();
                Ok(answer)
            }
            Err(Trouble::Answer(cause)) => {
                self.answered();
                Err(Refusal::Unavailable(format!("{}: {cause}", self.name)))
            }
            Err(Trouble::Busy(seconds)) => Err(Refusal::Busy(seconds)),
            Err(Trouble::Outage(cause)) => {
                self.failed(&cause);
                Err(Refusal::Unavailable(format!(
                    "{} is out of order",
                    self.name
                )))
            }
        }
    }

    fn failed(&self, cause: &str) {
        self.turns.ended(false);
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
        self.turns.ended(true);
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

    fn trouble(&self, error: &ureq::Error) -> Trouble {
        let words = self.words(error);
        match error {
            ureq::Error::BodyExceedsLimit(_) => Trouble::Answer(words),
            _ => Trouble::Outage(words),
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
