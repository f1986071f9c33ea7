//! What a guest gets: an answer with the real server's Content-Type, or a failure.

use crate::http::{Body, Response};
use crate::objects::message;
use crate::objects::refusal::Refusal;

/// The most characters of a message for the guest.
const SHOWN: usize = 500;

/// An answer with the Content-Type that the real server gives to all of them, texts too. (docs/protocol.md, "Headers")
pub fn respond(status: u16, body: impl Into<Body>) -> Response {
    Response {
        status,
        headers: vec![
            ("Content-Type", "application/json;charset=utf-8".into()),
            ("X-Content-Type-Options", "nosniff".into()),
        ],
        body: body.into(),
    }
}

/// Why a request is not carried out: the answer, and what only the log may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status.
    pub status: u16,
    /// The words for the guest.
    pub message: String,
    /// The cause for the log, where it says more than the message.
    pub cause: Option<String>,
    /// After how many seconds to try again, where that is known (of a 503).
    pub retry_after: Option<u32>,
}

impl Failure {
    /// An answer with these words.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
            retry_after: None,
        }
    }

    /// The same, with a cause for the log.
    pub fn because(self, cause: impl Into<String>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..self
        }
    }

    /// The cloud does not answer, or nothing can be stored: 503, to which the connection adds Retry-After.
    pub fn unavailable(cause: String) -> Self {
        let message = "The cloud behind this server can't answer at the moment: try again";
        Self::new(503, message).because(cause)
    }

    /// Whether a refusal only means that the cloud cannot be asked now.
    pub fn is_passing(refusal: &Refusal) -> bool {
        matches!(refusal, Refusal::Unavailable(_) | Refusal::Busy(_))
    }

    /// The failure for a cloud's refusal; `absent` words it if there is no such object, or the guest may not see it.
    pub fn refused(refusal: Refusal, absent: impl FnOnce() -> String) -> Self {
        match refusal {
            Refusal::NotFound => Self::new(404, absent()),
            Refusal::NotAllowed(cause) => Self::new(404, absent()).because(cause),
            Refusal::Invalid(reason) => Self::new(400, reason),
            Refusal::TooLarge(reason) => Self::new(413, reason),
            Refusal::Failed(reason) => Self::new(500, reason),
            Refusal::Unavailable(cause) => Self::unavailable(cause),
            Refusal::Busy(seconds) => Self {
                retry_after: Some(seconds),
                ..Self::new(
                    503,
                    format!("The cloud behind this server is busy: try again in {seconds} s"),
                )
                .because(refusal.cause())
            },
        }
    }
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        // Some messages repeat what was sent.
        let message = message::shown(&failure.message, SHOWN);
        let mut response = respond(failure.status, message.into_bytes());
        if let Some(seconds) = failure.retry_after {
            response
                .headers
                .push(("Retry-After", seconds.to_string().into()));
        }
        response
    }
}
