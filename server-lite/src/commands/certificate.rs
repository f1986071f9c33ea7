//! How long the server's certificate is valid, in words for `check` and the log.

use crate::http::validity::Validity;
use jiff::{SignedDuration, Timestamp};

/// A certificate that ends sooner than this should have been renewed by now.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What is to be said of a certificate's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// It is valid, and will be.
    Good(String),
    /// It is valid, but not for long.
    Soon(String),
    /// Clients refuse it now.
    Refused(String),
}

/// Of a certificate, at this moment.
pub fn term(validity: Validity, now: Timestamp) -> Term {
    let day = |time: Timestamp| time.strftime("%F %T UTC");
    let Validity { from, until } = validity;
    if now < from {
        return Term::Refused(format!(
            "the certificate is not valid before {}, and clients refuse it until then: is this machine's clock right?",
            day(from)
        ));
    }
    if now > until {
        return Term::Refused(format!(
            "the certificate expired at {}, and clients refuse it: renew it, then reload the server",
            day(until)
        ));
    }
    let left = until.duration_since(now);
    if left > SOON {
        return Term::Good(format!("valid until {}", day(until)));
    }
    Term::Soon(format!(
        "the certificate expires in {} days, at {}: renew it, then reload the server",
        left.as_hours() / 24,
        day(until)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_follow_the_time() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let validity = Validity {
            from: time("2026-01-01T00:00:00Z"),
            until: time("2026-03-01T12:00:00Z"),
        };
        for (now, good, words) in [
            (
                "2025-12-31T23:59:59Z",
                None,
                "not valid before 2026-01-01 00:00:00 UTC",
            ),
            (
                "2026-02-01T00:00:00Z",
                Some(true),
                "valid until 2026-03-01 12:00:00 UTC",
            ),
            (
                "2026-02-15T12:00:00Z",
                Some(false),
                "expires in 14 days, at 2026-03-01 12:00:00 UTC",
            ),
            ("2026-03-01T12:00:00Z", Some(false), "expires in 0 days"),
            (
                "2026-03-01T12:00:01Z",
                None,
                "expired at 2026-03-01 12:00:00 UTC",
            ),
        ] {
            let (found, text) = match term(validity, time(now)) {
                Term::Good(text) => (Some(true), text),
                Term::Soon(text) => (Some(false), text),
                Term::Refused(text) => (None, text),
            };
            assert!(found == good && text.contains(words), "{now}: {text}");
        }
    }
}
