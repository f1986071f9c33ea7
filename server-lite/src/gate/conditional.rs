//! Watching a document: entity tags, conditional requests (RFC 9110, 13.1.2), and `Prefer: wait=SECONDS` (RFC 7240),
//! with which a request is held until what it asks for is no longer what the client has.
//!
//! The Ruby server knows none of this and ignores the header fields.

use crate::gate::routes::Outcome;
use crate::http::{LONGEST_HOLD, Request, Response, Topic};
use crate::objects::document::Id;
use crate::store::commit::Changed;
use crate::store::state::Kind;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

/// The topic of a document's changes.
pub fn topic(kind: Kind, id: Id) -> Topic {
    (kind as u64) << 32 | u64::from(id)
}

/// The topics of the documents that changed.
pub fn topics(changed: &[Changed]) -> Vec<Topic> {
    let topics = changed.iter().map(|one| topic(one.kind, one.id));
    topics.collect()
}

/// The document of a topic; `None` where no [`topic`] has this number.
pub fn document(topic: Topic) -> Option<(Kind, Id)> {
    let id = Id::try_from(topic & u64::from(Id::MAX)).ok()?;
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| *kind as u64 == topic >> 32)?;
    Some((kind, id))
}

/// The entity tag of a document's view.
pub(super) fn tag_of(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}\"", hasher.finish())
}

/// Adds the entity tag to a response that shows a document, or answers 304 if the client already has it.
pub(super) fn tag(request: &Request, response: &mut Response, tag: Option<Arc<str>>) {
    let tag = tag.unwrap_or_else(|| tag_of(&response.body).into());
    let known = request
        .headers
        .iter()
        .filter(|(name, _)| name == "if-none-match");
    let mut known = known.flat_map(|(_, tags)| tags.split(','));
    if known
        .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == &*tag)
    {
        *response = Response {
            status: 304,
            headers: Vec::new(),
            body: Vec::new().into(),
        };
    }
    response.headers.push(("ETag", tag.to_string().into()));
}

/// How long to hold a request that has nothing new to show; `None` if it must be answered at once.
pub fn wait(request: &Request, outcome: &Outcome) -> Option<Duration> {
    if outcome.response.status != 304 || outcome.topics.is_empty() {
        return None;
    }
    let preferred = request.headers.iter().filter(|(name, _)| name == "prefer");
    let wait = preferred
        .flat_map(|(_, preferences)| preferences.split([',', ';']))
        .find_map(|preference| {
            let (name, value) = preference.split_once('=')?;
            let seconds = value.trim().trim_matches('"').parse().ok()?;
            name.trim()
                .eq_ignore_ascii_case("wait")
                .then_some(Duration::from_secs(seconds))
        })?;
    (!wait.is_zero()).then_some(wait.min(LONGEST_HOLD))
}
