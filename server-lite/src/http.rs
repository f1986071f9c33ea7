//! HTTP/1.1, hand-rolled: bytes in, a [`Request`] out; a [`Response`] in, bytes out.

/// One request, whole: its head parsed, its body read and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method as sent: `GET`, `PUT`, … or any other token.
    pub method: String,
    /// The path as sent, percent-encoded, without the query: `/vms/6/action`.
    pub path: String,
    /// What follows the first `?`, as sent; empty without one.
    pub query: String,
    /// Header fields in the order sent; names in lower case, values without the white space around.
    pub headers: Vec<(String, String)>,
    /// The decoded body; empty without one.
    pub body: Vec<u8>,
}

impl Request {
    /// The first field of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// One answer. The connection adds Content-Length, Connection and Date; a HEAD's body is measured but not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 204, 400, …
    pub status: u16,
    /// Extra header fields, Content-Type among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body; must be empty for 204.
    pub body: Vec<u8>,
}
