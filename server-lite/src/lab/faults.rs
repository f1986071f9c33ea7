//! A gate that is slow, down or loses requests, as long as somebody wants to see what guests make of it. Nothing but
//! the address where guests are answered is touched.

use super::error::{LabError, NoDuration};
use crate::http::{Handler, Hold, LONGEST_HOLD, Rejection, Reply, Request, Response};
use crate::objects::message::shown;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What guests experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateFault {
    /// Nothing unusual.
    None,
    /// Each request is answered so much later.
    Slow(Duration),
    /// Each connection ends without an answer, for so long; without a time until it is told otherwise.
    Down(Option<Duration>),
    /// So many of a hundred requests are lost, evenly spread.
    Drop(u8),
}

impl GateFault {
    /// What is understood.
    pub const FORMS: &str = "slow TIME, down [TIME], drop PERCENT or ok";

    /// Reads the words of `gate`: `slow 2s`, `down`, `down 30s`, `drop 10%`, `ok`.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(words: &[String]) -> Result<Self, LabError> {
        let given = || shown(&words.join(" "), 100);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["ok"] => Ok(Self::None),
            ["slow", text] => match duration(text)? {
                time if time > LONGEST_HOLD => Err(LabError::TooSlow(given())),
                time => Ok(Self::Slow(time)),
            },
            ["down"] => Ok(Self::Down(None)),
            ["down", text] => Ok(Self::Down(Some(duration(text)?))),
            ["drop", text] => {
                let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
                let percent = number.filter(|number| *number <= 100);
                percent
                    .map(Self::Drop)
                    .ok_or_else(|| LabError::NoPercentage(given()))
            }
            _ => Err(LabError::NoFault(given())),
        }
    }

    /// In words, for the timeline and for whoever asked.
    pub fn describe(self) -> String {
        match self {
            Self::None => "gate answers as usual".to_owned(),
            Self::Slow(time) => format!("gate answers {} s late", time.as_secs_f64()),
            Self::Down(None) => "gate down".to_owned(),
            Self::Down(Some(time)) => format!("gate down for {} s", time.as_secs_f64()),
            Self::Drop(percent) => format!("gate loses {percent}% of the requests"),
        }
    }
}

/// `300ms`, `2s`, `5m`, `1h`, or plain seconds.
///
/// # Errors
/// What is expected.
pub fn duration(text: &str) -> Result<Duration, NoDuration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let number = if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse::<u32>().ok()
    } else {
        None
    };
    let duration = number.and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(number.into())),
        "" | "s" => Some(Duration::from_secs(number.into())),
        "m" => Some(Duration::from_secs(u64::from(number) * 60)),
        "h" => Some(Duration::from_secs(u64::from(number) * 3600)),
        _ => None,
    });
    duration.ok_or_else(|| NoDuration(shown(text, 200)))
}

/// The fault that there is now.
#[derive(Debug)]
pub struct GateFaults {
    /// Whether there is any: all that a request costs without one.
    active: AtomicBool,
    now: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    fault: GateFault,
    since: Instant,
    /// Of the requests under [`GateFault::Drop`], how many hundredths of one are yet to be lost.
    due: u32,
}

/// What becomes of a request.
enum Fate {
    Answered,
    Late(Duration),
    Lost,
}

impl Default for GateFaults {
    fn default() -> Self {
        Self {
            active: AtomicBool::new(false),
            now: Mutex::new(Current {
                fault: GateFault::None,
                since: Instant::now(),
                due: 0,
            }),
        }
    }
}

impl GateFaults {
    /// From now on this, in place of what was before.
    pub fn set(&self, fault: GateFault) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Current {
            fault,
            since: Instant::now(),
            due: 0,
        };
        self.active.store(fault != GateFault::None, SeqCst);
    }

    /// Decides about the next request.
    fn next(&self) -> Fate {
        if !self.active.load(SeqCst) {
            return Fate::Answered;
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        match now.fault {
            GateFault::None => Fate::Answered,
            GateFault::Slow(time) => Fate::Late(time),
            GateFault::Down(time) => {
                if time.is_some_and(|time| now.since.elapsed() >= time) {
                    now.fault = GateFault::None;
                    self.active.store(false, SeqCst);
                    return Fate::Answered;
                }
                Fate::Lost
            }
            GateFault::Drop(percent) => {
                now.due += u32::from(percent);
                if now.due < 100 {
                    return Fate::Answered;
                }
                now.due -= 100;
                Fate::Lost
            }
        }
    }
}

/// A handler whose requests may be late or lost.
pub struct FaultyHandler<H> {
    handler: Arc<H>,
    faults: Arc<GateFaults>,
}

impl<H> FaultyHandler<H> {
    /// The handler, with these faults.
    pub fn new(handler: Arc<H>, faults: Arc<GateFaults>) -> Self {
        Self { handler, faults }
    }
}

impl<H: Handler + 'static> Handler for FaultyHandler<H> {
    fn handle(&self, request: &Request) -> Response {
        self.handler.handle(request)
    }

    fn handle_or_hold(&self, request: &Request) -> Reply {
        // The server's own look whether it answers (`commands::notify`): systemd must not end it for a fault made here.
        if request.header("host") == Some("watchdog") {
            return self.handler.handle_or_hold(request);
        }
        match self.faults.next() {
            Fate::Answered => self.handler.handle_or_hold(request),
            Fate::Lost => Reply::Lost,
            // Held like any other: no thread sleeps for it.
            Fate::Late(wait) => {
                let (handler, request) = (Arc::clone(&self.handler), request.clone());
                Reply::Held(Hold {
                    topics: Vec::new(),
                    wait,
                    unchanged: Box::new(move || handler.handle_or_hold(&request)),
                })
            }
        }
    }

    fn may_wait(&self, request: &Request) -> bool {
        self.handler.may_wait(request)
    }

    fn refused(&self, client: Option<IpAddr>, refusal: &Rejection) {
        self.handler.refused(client, refusal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn faults_are_read_or_what_is_expected_is_said() {
        for (line, fault) in [
            ("ok", GateFault::None),
            ("slow 2s", GateFault::Slow(Duration::from_secs(2))),
            ("down", GateFault::Down(None)),
            ("down 30s", GateFault::Down(Some(Duration::from_secs(30)))),
            ("drop 10%", GateFault::Drop(10)),
            ("drop 100", GateFault::Drop(100)),
        ] {
            assert_eq!(GateFault::parse(&words(line)).expect(line), fault);
        }
        for (line, why) in [
            ("", "'gate ': expected slow TIME"),
            ("slow", "'gate slow': expected slow TIME"),
            ("slow soon", "not 'soon'"),
            ("slow 2m", "60 s at most"),
            ("drop 101%", "from 0% to 100%"),
            ("drop -1", "from 0% to 100%"),
            ("ok then", "expected slow TIME"),
        ] {
            let error = GateFault::parse(&words(line)).expect_err(line).to_string();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn so_many_of_a_hundred_are_lost() {
        for percent in [0, 1, 10, 33, 100] {
            let faults = GateFaults::default();
            faults.set(GateFault::Drop(percent));
            let lost = (0..200).filter(|_| matches!(faults.next(), Fate::Lost));
            assert_eq!(lost.count(), 2 * usize::from(percent));
        }
    }

    #[test]
    fn down_ends_by_itself_where_it_has_a_time() {
        let faults = GateFaults::default();
        faults.set(GateFault::Down(None));
        assert!(matches!(faults.next(), Fate::Lost));
        faults.set(GateFault::Down(Some(Duration::from_secs(3600))));
        assert!(matches!(faults.next(), Fate::Lost));
        faults.set(GateFault::Down(Some(Duration::ZERO)));
        assert!(matches!(faults.next(), Fate::Answered));
        assert!(!faults.active.load(SeqCst));
    }
}
