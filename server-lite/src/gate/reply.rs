//! What goes back to a guest: an answer typed as the real server types it, or why there is none.

use crate::http::Response;
use crate::objects::message;
use crate::objects::refusal::Refusal;

/// The most characters of a message for the guest.
const SHOWN: usize = 500;

/// An answer as the real server types them all, texts too. (docs/protocol.md, "Headers")
pub fn respond(status: u16, body: Vec<u8>) -> Response {
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
}

impl Failure {
    /// An answer with these words.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
        }
    }

    /// Nothing behind us answers, or nothing can be stored: 503, to which the connection adds Retry-After.
    pub fn unavailable(cause: String) -> Self {
        let message = "The cloud behind this server can't answer at the moment: try again".into();
        Self {
            status: 503,
            message,
            cause: Some(cause),
        }
    }

    /// What a cloud's refusal comes to; `absent` is the answer where the object is not there, or not to be seen.
    pub fn refused(refusal: Refusal, absent: impl FnOnce() -> String) -> Self {
        match refusal {
            Refusal::NotFound => Self::new(404, absent()),
            Refusal::NotAllowed(cause) => Self {
                status: 404,
                message: absent(),
                cause: Some(cause),
            },
            Refusal::Invalid(reason) => Self::new(400, reason),
            Refusal::Failed(reason) => Self::new(500, reason),
            Refusal::Unavailable(cause) => Self::unavailable(cause),
        }
    }
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        // Some messages repeat what was sent.
        let message = message::shown(&failure.message, SHOWN);
        respond(failure.status, message.into_bytes())
    }
}
