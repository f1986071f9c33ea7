//! One request to OneGate, less the server's address and the credentials: what [`crate::api`] makes and
//! [`crate::client`] sends.

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes.
    Put,
    /// Acts.
    Post,
}

/// A request's body and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Content-Type.
    pub content_type: &'static str,
    /// The body.
    pub text: String,
}

/// One request, less the server's address and the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The body, if any; a GET has one too, with `extended`.
    pub body: Option<Body>,
    /// May it be sent again where it may have arrived already? Not an action, nor a scale.
    pub repeatable: bool,
}
