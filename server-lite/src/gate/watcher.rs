//! Looks for changes of the documents that held requests wait for, where the cloud does not tell of them: one look for
//! all who wait for the same document, however many they are. What each may see is judged when its request goes on.

use crate::gate::conditional;
use crate::http::{Bell, Topic};
use crate::objects::document::{Document, Id};
use crate::store::state::Kind;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

/// What was seen of the documents that are waited for.
#[derive(Debug, Default)]
pub struct Watcher {
    seen: HashMap<Topic, u64>,
}

impl Watcher {
    /// Reads what is waited for now and rings for what is not as it was. `read` leaves out what cannot be read at the
    /// moment: that is no change.
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
            // One that is seen for the first time may have changed since the request was held.
            if self.seen.insert(topic, hasher.finish()) != Some(hasher.finish()) {
                changed.push(topic);
            }
        }
        if !changed.is_empty() {
            bell.ring(&changed);
        }
    }
}
