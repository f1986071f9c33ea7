//! What can be wrong with a scenario.

use crate::objects::document::{Id, id};
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a scenario can't be used, in one line.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The file can't be read.
    #[error("cannot read the scenario {}: {error}", .file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something in it is wrong.
    #[error("{from}: {place}{flaw}")]
    Flawed {
        /// The file's name for messages.
        from: String,
        /// The object, with a colon after it; empty where the flaw is the whole scenario's.
        place: String,
        /// What is wrong.
        flaw: Flaw,
    },
}

/// What is wrong at a place of a scenario.
#[derive(Debug, Error)]
pub enum Flaw {
    /// The JSON parser's words.
    #[error("not JSON: {0}")]
    NotJson(serde_json::Error),
    /// JSON, but no object.
    #[error("a scenario is an object with the keys users, vms, vrouters, vnets, services")]
    NotAnObject,
    /// A key that a scenario does not have.
    #[error("unknown key {0:?}: a scenario has users, vms, vrouters, vnets, services")]
    UnknownKey(String),
    /// A key that the engine's part does not have.
    #[error("unknown key {0:?}")]
    UnknownMemory(String),
    /// What stands under a key, in words, and the list or object that should.
    #[error("{0} is {1}, not {2}")]
    Not(String, String, &'static str),
    /// The document itself is this.
    #[error("is {0}, not an object")]
    NoDocument(String),
    /// A key that must be there.
    #[error("{0} is missing: {wanted}", wanted = .1.wanted())]
    Missing(String, Shape),
    /// A key that has this value, in words, in place of that.
    #[error("{0} is {1}: {wanted}", wanted = .2.wanted())]
    Wrong(String, String, Shape),
    /// A document without an ID.
    #[error("has no ID")]
    NoId,
    /// Two documents with one ID: what they are, the ID, and the list.
    #[error("there is another {0} {1} in {2} before it")]
    Another(&'static str, Id, &'static str),
    /// The engine's last VM.
    #[error("last_vm is not a VM's id")]
    LastVm,
    /// What the engine remembers is of an object that is not there.
    #[error("{0}: there is no such object")]
    NoSuchObject(String),
}

impl Flaw {
    /// A value that is not the list or object it should be.
    pub(super) fn not(key: impl Into<String>, value: &Value, wanted: &'static str) -> Self {
        Self::Not(key.into(), describe(value), wanted)
    }
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Decimal digits, in a text or as a number.
    Number,
    /// A text.
    Text,
    /// An object.
    Object,
    /// A list.
    List,
}

impl Shape {
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Number => id(Some(value)).is_some(),
            Self::Text => value.is_string(),
            Self::Object => value.is_object(),
            Self::List => value.is_array(),
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Number => "it must be a number",
            Self::Text => "it must be a text",
            Self::Object => "it must be an object",
            Self::List => "it must be a list",
        }
    }
}

/// A value as a message shows it.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "true or false".into(),
        Value::Number(n) => format!("the number {n}"),
        Value::String(text) => format!("the text {text:?}"),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}
