//! One request, whole.

/// One request, whole: its head parsed, its body read and decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The method as sent: one of [`METHODS`].
    pub method: String,
    /// The path as sent, percent-encoded, without the query: `/vms/6/action`. `*` for `OPTIONS *`.
    pub path: String,
    /// What follows the first `?`, as sent; empty without one.
    pub query: String,
    /// Header fields in the order sent; names in lower case, values without the white space around.
    /// A value that is not UTF-8 has U+FFFD where it is not.
    pub headers: Vec<(String, String)>,
    /// The decoded body; empty without one.
    pub body: Vec<u8>,
}

/// The methods that a handler gets to see; any other is answered 501.
pub const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE",
];

impl Request {
    /// Bytes that it takes in memory, about.
    pub fn held(&self) -> usize {
        let fields = self.headers.iter().map(|(n, v)| n.len() + v.len() + 96);
        self.path.len() + self.query.len() + fields.sum::<usize>() + self.body.capacity()
    }

    /// The first field of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}
