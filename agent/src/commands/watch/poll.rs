//! Asking for a document again and again.
//!
//! A request says which document is known already (`If-None-Match`) and that the server may keep the answer back until
//! the document differs (`Prefer: wait`). A server that does is asked again at once; one that ignores both, as the Ruby
//! server does, is asked after pauses that grow.

use crate::cli::session::accept;
use crate::client::Client;
use crate::client::request::{Known, Request};
use crate::commands::show::document;
use crate::error::Error;
use crate::objects::document::Document;
use crate::world::sanitize;
use std::time::{Duration, Instant};

/// How long a server may keep an answer back, in seconds: shorter than what firewalls forget a connection after.
pub(in crate::commands) const WAIT: u32 = 30;
/// Between the first two requests, where the server does not keep answers back.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Between two requests, at most, unless `--interval` says otherwise: a thousand VMs are then some 45 requests a second.
pub(in crate::commands) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two requests, at most, while the document changes all the time.
const LONGEST_GAP: Duration = Duration::from_millis(100);
/// The first gap of that kind.
const FIRST_GAP: Duration = Duration::from_millis(10);
/// A document that was the same for so long does not change all the time.
const QUIET: Duration = Duration::from_secs(1);

/// Why there is no document.
#[derive(Debug)]
pub(in crate::commands) enum Trouble {
    /// May pass: no connection, a server in trouble.
    Passing(String),
    /// Does not pass by itself: the server refuses, or something else listens there.
    Lasting(Error),
}

/// One document, asked for again and again.
#[derive(Debug)]
pub(in crate::commands) struct Poll {
    request: Request,
    tag: Option<String>,
    pauses: Pauses,
}

/// How long to pause before the next request.
#[derive(Debug)]
struct Pauses {
    longest: Duration,
    /// The next one, where the server does not keep answers back.
    pause: Duration,
    /// The next one, where it does but the document changes all the time.
    gap: Duration,
    /// Did the last answer look like one of a server that keeps answers back?
    held: bool,
}

impl Poll {
    /// Pauses are at most `longest`.
    pub(in crate::commands) fn new(request: Request, longest: Duration) -> Poll {
        Poll {
            request,
            tag: None,
            pauses: Pauses {
                longest,
                pause: FIRST_PAUSE.min(longest),
                gap: Duration::ZERO,
                held: false,
            },
        }
    }

    /// The request, without conditions unless it has been sent with them.
    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    /// Asks once, no longer than `until`; the server may keep its answer back for `wait` seconds. `None` if the document
    /// is the same as last time.
    ///
    /// # Errors
    /// [`Trouble`]
    pub(in crate::commands) fn ask(
        &mut self,
        client: &Client,
        wait: u32,
        until: Option<Instant>,
    ) -> Result<Option<Document>, Trouble> {
        let start = Instant::now();
        self.pauses.held = false;
        self.request.known = self.tag.clone().map(|tag| Known { tag, wait });
        let answer = client
            .send(&self.request, until)
            .map_err(|failure| Trouble::Passing(failure.in_a_line()))?;
        let took = start.elapsed();
        let conditional = self.request.known.is_some();
        if answer.status == 304 && conditional {
            self.pauses.same(took, wait);
            return Ok(None);
        }
        if matches!(answer.status, 401 | 408 | 429 | 500..) {
            let words = String::from_utf8_lossy(&answer.body);
            let first = sanitize(words.lines().next().unwrap_or_default()).into_owned();
            return Err(Trouble::Passing(format!(
                "the server answers {}: {first}",
                answer.status
            )));
        }
        let tag = answer.tag.clone();
        let body = accept(answer, &self.request).map_err(Trouble::Lasting)?;
        let document = document(body).map_err(Trouble::Lasting)?;
        self.tag = tag;
        self.pauses.other(took, self.tag.is_some(), conditional);
        Ok(Some(document))
    }

    /// Asks for the whole document next time, as this one could not be used.
    pub(in crate::commands) fn forget(&mut self) {
        self.tag = None;
        self.pauses.held = false;
    }

    /// How long to pause before the next request.
    pub(in crate::commands) fn pause(&mut self, client: &Client) -> Duration {
        self.pauses.next(|pause| client.wait(pause))
    }

    /// What was waited for has come: the next change may follow soon.
    pub(in crate::commands) fn hurry(&mut self) {
        self.pauses.pause = FIRST_PAUSE.min(self.pauses.longest);
    }
}

impl Pauses {
    /// After 304, which took so long to come.
    fn same(&mut self, took: Duration, wait: u32) {
        self.held = wait > 0 && took * 2 >= Duration::from_secs(wait.into());
        self.gap = Duration::ZERO;
    }

    /// After a document. With an entity tag there is something that the server can wait for.
    fn other(&mut self, took: Duration, tagged: bool, conditional: bool) {
        self.held = tagged;
        self.gap = if !conditional || took >= QUIET {
            Duration::ZERO
        } else {
            (self.gap * 2).clamp(FIRST_GAP, LONGEST_GAP)
        };
    }

    fn next(&mut self, wait: impl Fn(Duration) -> Duration) -> Duration {
        if self.held {
            return self.gap.min(self.longest);
        }
        let pause = wait(self.pause);
        self.pause = (self.pause * 3 / 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::jitter;

    fn pauses() -> Pauses {
        Pauses {
            longest: Duration::from_secs(5),
            pause: FIRST_PAUSE,
            gap: Duration::ZERO,
            held: false,
        }
    }

    #[test]
    fn a_server_that_keeps_answers_back_is_asked_again_at_once() {
        let mut pauses = pauses();
        pauses.other(Duration::ZERO, true, false);
        assert_eq!(pauses.next(jitter::spread), Duration::ZERO);
        pauses.same(Duration::from_secs(30), 30);
        assert_eq!(pauses.next(jitter::spread), Duration::ZERO);
        pauses.other(Duration::from_secs(7), true, true);
        assert_eq!(pauses.next(jitter::spread), Duration::ZERO);
        // Changes all the time.
        let gaps: Vec<_> = (0..6)
            .map(|_| {
                pauses.other(Duration::ZERO, true, true);
                pauses.next(jitter::spread).as_millis()
            })
            .collect();
        assert_eq!(gaps, [10, 20, 40, 80, 100, 100]);
    }

    #[test]
    fn another_is_asked_after_pauses_that_grow_up_to_the_longest() {
        for answer in [
            // The Ruby server; one that has tags, but answers at once.
            |pauses: &mut Pauses| pauses.other(Duration::ZERO, false, false),
            |pauses: &mut Pauses| pauses.same(Duration::from_millis(5), 30),
        ] {
            let mut pauses = pauses();
            let mut before = Duration::ZERO;
            for _ in 0..20 {
                answer(&mut pauses);
                let full = pauses.pause;
                let next = pauses.next(jitter::spread);
                assert!((full / 2..=full).contains(&next), "{next:?} of {full:?}");
                assert!(full >= before, "{full:?} after {before:?}");
                before = full;
            }
            assert_eq!(before, Duration::from_secs(5));
        }
    }
}
