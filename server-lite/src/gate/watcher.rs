//! Looks for changes of the documents that held requests wait for, where the cloud does not announce them. A document
//! is read once however many requests wait for it. What each guest may see is checked when its request goes on.

use crate::gate::conditional;
use crate::http::{Bell, Topic};
use crate::objects::document::{Document, Id};
use crate::store::state::Kind;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

/// The documents that requests wait for, as they were last seen.
#[derive(Debug, Default)]
pub struct Watcher {
    seen: HashMap<Topic, u64>,
}

impl Watcher {
    /// Reads the documents that requests wait for, and rings for those that changed. `read` leaves out what cannot be
    /// read at the moment: that does not count as a change.
    pub fn look(
        &mut self,
        bell: &Bell,
        read: impl FnOnce(&[(Kind, Id)]) -> Vec<(Kind, Id, Document)>,
    ) {
        let topics = bell.topics();
        self.seen.retain(|topic, _| topics.contains(topic));
        let waited_for: Vec<_> = topics
            .iter()
            .filter_map(|topic| conditional::document(*topic))
            .collect();
        if waited_for.is_empty() {
            return;
        }
        let mut changed = Vec::new();
        for (kind, id, document) in read(&waited_for) {
            let mut hasher = DefaultHasher::new();
            hasher.write(document.to_string().as_bytes());
            let topic = conditional::topic(kind, id);
            // A document that is seen for the first time may have changed since the request was held.
            if self.seen.insert(topic, hasher.finish()) != Some(hasher.finish()) {
                changed.push(topic);
            }
        }
        if !changed.is_empty() {
            bell.ring(&changed);
        }
    }
}
