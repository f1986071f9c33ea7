//! Paths, split for the table of routes.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The segments of a path, decoded. As with the real server `//vm`, `/./vm` and `/x/../vm` are `/vm`, but `/vm/` is
/// not: its last segment is empty. An encoded slash separates nothing.
pub(super) fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut segments = Vec::with_capacity(4);
    let mut rest = path.strip_prefix('/')?.split('/').peekable();
    while let Some(raw) = rest.next() {
        let last = rest.peek().is_none();
        let segment = decode(raw);
        match segment.as_ref() {
            "" | "." | ".." => {
                if segment == ".." {
                    segments.pop();
                }
                if last && !segments.is_empty() {
                    segments.push(Cow::Borrowed(""));
                }
            }
            _ => segments.push(segment),
        }
    }
    Some(segments)
}

/// Decodes `%41`; what is not UTF-8 becomes U+FFFD, which no route and no id has.
fn decode(raw: &str) -> Cow<'_, str> {
    percent_decode_str(raw).decode_utf8_lossy()
}
