//! Paths as the table of routes sees them.

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

/// Decodes `%41`; what is no UTF-8 becomes U+FFFD, which no route and no id has.
fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}
