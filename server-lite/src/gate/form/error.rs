//! What can be wrong with a request's parameters; guests read it (a 400).

use crate::gate::reply::Failure;
use crate::objects::json::JsonError;
use crate::objects::template::{NameError, TemplateError};
use thiserror::Error;

/// Why an update, or a parameter, cannot be read from a request.
#[derive(Debug, Error)]
pub enum FormError {
    /// The body says that it is a form with parts.
    #[error("malformed multipart/form-data: {0}")]
    Multipart(#[from] MultipartError),
    /// The body says that it is JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// This parameter is there twice in one place, or is a list (`data[]=`).
    #[error("the parameter '{0}' must come once and be no list")]
    NotOnce(String),
    /// This parameter has no text as its value.
    #[error("the parameter '{0}' {1}")]
    Value(String, NotText),
    /// The body, which is the template, is no text from this byte on.
    #[error("the body is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// The attributes to set.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The attribute to erase.
    #[error("nothing erased: {0} (one name, as in type=2&data=READY)")]
    Name(#[from] NameError),
    /// A `type` that does not exist.
    #[error("type is 1 (set these attributes) or 2 (erase the one named), nothing else")]
    Type,
}

impl From<FormError> for Failure {
    fn from(error: FormError) -> Self {
        Self::new(400, error.to_string())
    }
}

/// Why a parameter's value is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotText {
    /// A stray `%`.
    #[error("has a '%' without two hexadecimal digits after it")]
    Percent,
    /// From this byte on.
    #[error("is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// In JSON, null, a list or an object.
    #[error("is neither text nor a number")]
    Other,
}

/// What is wrong with a body of the type `multipart/form-data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// No `boundary=` in the Content-Type.
    #[error("the Content-Type names no boundary")]
    NoBoundary,
    /// It is empty or too long.
    #[error("a boundary has 1 to 70 characters")]
    BoundaryLength,
    /// The body has no parts.
    #[error("the boundary does not occur in the body")]
    NoPart,
    /// Something else stands in a boundary's line.
    #[error("a boundary is not followed by a line end")]
    NoLineEnd,
    /// A part without an empty line.
    #[error("a part's head does not end")]
    OpenHead,
    /// A part that nothing ends.
    #[error("the last boundary is missing")]
    OpenPart,
}
