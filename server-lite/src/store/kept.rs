//! One document as the cloud keeps it: parsed while it is in use, as text otherwise. A parsed document takes several
//! times the memory of its text, and of many VMs most are not in use.

use crate::objects::document::{Document, json_of};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// A document, parsed or not.
#[derive(Debug, Default)]
pub(super) struct KeptDocument {
    /// Its JSON; `None` if it was written since, and exists parsed only.
    text: Option<Box<str>>,
    parsed: OnceLock<Document>,
    /// About how many bytes the parsed document takes; 0 while there is none.
    weight: AtomicU32,
    /// It was wanted while it was parsed, since the last [`KeptDocument::release`].
    used: AtomicBool,
}

impl From<Document> for KeptDocument {
    fn from(document: Document) -> Self {
        Self {
            text: None,
            weight: bounded(weight(&document)).into(),
            parsed: document.into(),
            used: false.into(),
        }
    }
}

impl From<Box<str>> for KeptDocument {
    /// The text must be JSON.
    fn from(text: Box<str>) -> Self {
        Self {
            text: Some(text),
            ..Self::default()
        }
    }
}

impl KeptDocument {
    /// The document, which stays parsed. `parsed` is told its weight if it was not.
    pub(super) fn get(&self, parsed: impl FnOnce(usize)) -> &Document {
        if let Some(document) = self.parsed.get() {
            if !self.used.load(Relaxed) {
                self.used.store(true, Relaxed);
            }
            return document;
        }
        self.parsed.get_or_init(|| {
            let document = self.parse();
            let weight = bounded(weight(&document));
            self.weight.store(weight, Relaxed);
            parsed(weight as usize);
            document
        })
    }

    /// The document, which is parsed for the caller alone if it is not yet.
    pub(super) fn peek(&self) -> Document {
        let parsed = self.parsed.get().map(Arc::clone);
        parsed.unwrap_or_else(|| self.parse())
    }

    fn parse(&self) -> Document {
        let text = self.text.as_deref().unwrap_or("null");
        Arc::new(serde_json::from_str(text).unwrap_or_default())
    }

    /// Its JSON.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match (&self.text, self.parsed.get()) {
            (Some(text), _) => Cow::Borrowed(text),
            (None, document) => Cow::Owned(document.map_or_else(String::new, |d| json_of(d))),
        }
    }

    /// Keeps only its text, unless it was used since the last time, or `anyway`. The weight that this takes off.
    pub(super) fn release(&mut self, anyway: bool) -> usize {
        if std::mem::take(self.used.get_mut()) && !anyway {
            return 0;
        }
        let Some(document) = self.parsed.take() else {
            return 0;
        };
        self.text.get_or_insert_with(|| json_of(&document).into());
        std::mem::take(self.weight.get_mut()) as usize
    }

    /// The weight of what is parsed of it.
    pub(super) fn weight(&self) -> usize {
        self.weight.load(Relaxed) as usize
    }
}

fn bounded(weight: usize) -> u32 {
    u32::try_from(weight).unwrap_or(u32::MAX)
}

/// About how many bytes of memory a parsed document takes.
fn weight(value: &Value) -> usize {
    /// An allocation's own cost, and a place in an object's index.
    const OVERHEAD: usize = 16;
    let inner = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.capacity() + OVERHEAD,
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| size_of::<String>() + key.capacity() + 3 * OVERHEAD + weight(value))
            .sum(),
    };
    size_of::<Value>() + inner
}
