//! Why an answer of oned's cannot be read, as XML-RPC or as the document in it.

use thiserror::Error;

/// What is wrong with an answer.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// The bytes are no text.
    #[error("it isn't UTF-8")]
    NotUtf8,
    /// The text is no XML.
    #[error("not well-formed XML: {0}")]
    NotWellFormed(#[from] quick_xml::Error),
    /// A reference that XML does not define.
    #[error("an unknown reference, &{0};")]
    Reference(String),
    /// Deeper than anything that oned sends.
    #[error("nested too deeply")]
    TooDeep,
    /// An end tag too many.
    #[error("an end without a start")]
    NoStart,
    /// It was cut off.
    #[error("it ends in the middle")]
    Cut,
    /// The document's outermost element, and the one that was asked for.
    #[error("<{0}> where <{1}> was expected")]
    Root(String, String),
    /// The BODY of one of OneFlow's documents.
    #[error("its BODY is not JSON: {0}")]
    Body(serde_json::Error),
    /// The outermost element is this, not a methodResponse.
    #[error("not an XML-RPC answer: <{0}>")]
    NotXmlRpc(String),
    /// `<methodResponse/>`
    #[error("an empty answer")]
    Empty,
    /// A methodResponse with neither parameter nor fault.
    #[error("no value in it")]
    NoValue,
    /// A parameter of another type than oned's.
    #[error("neither a result nor a fault: {0}")]
    NoResult(serde_json::Value),
    /// An array of other values than oned's.
    #[error("not the three values that oned answers with")]
    Values,
    /// The text of an `i4`.
    #[error("{0:?} is not a number")]
    Number(String),
    /// The text of a `boolean`.
    #[error("{0:?} is not a boolean")]
    Boolean(String),
}
