//! The parts of a request's head as the grammar of RFC 9110, 9112 and 3986 has them: a field, a length, a coding, a
//! chunk's size, a target.

use super::limits::{BODY, Rejection};

/// `name: value`, the value without the white space around.
pub(super) fn split_field(line: &[u8]) -> Result<(&str, &[u8]), Rejection> {
    if matches!(line[0], b' ' | b'\t') {
        return Err(Rejection::malformed(
            "a header field that goes on over a second line",
        ));
    }
    let Some(colon) = line.iter().position(|&b| b == b':') else {
        return Err(Rejection::malformed("a header field without a colon"));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() {
        return Err(Rejection::malformed("a header field without a name"));
    }
    if name.ends_with(b" ") || name.ends_with(b"\t") {
        return Err(Rejection::malformed(
            "white space between a header field's name and its colon",
        ));
    }
    match std::str::from_utf8(name) {
        Ok(text) if name.iter().all(|&b| is_token(b)) => Ok((text, value.trim_ascii())),
        _ => Err(Rejection::malformed("a header field's name is not a token")),
    }
}

/// Digits and nothing else: `+1`, `1,1` and an empty value have meant different things to different servers.
pub(super) fn content_length(value: &[u8]) -> Result<usize, Rejection> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Rejection::malformed("Content-Length is not a number"));
    }
    let too_long = |length: &usize| *length > BODY.max;
    let length = value.iter().try_fold(0usize, |n, &d| {
        n.checked_mul(10)?.checked_add(usize::from(d - b'0'))
    });
    length.filter(|n| !too_long(n)).ok_or(BODY.refusal)
}

/// Only `chunked`, alone.
pub(super) fn transfer_encoding(value: &[u8]) -> Result<(), Rejection> {
    let codings: Vec<&[u8]> = value
        .split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
        .collect();
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match codings.as_slice() {
        [only] if chunked(only) => Ok(()),
        [others @ .., last]
            if chunked(last) && !others.iter().any(|o| chunked(o) || o.is_empty()) =>
        {
            Err(Rejection {
                status: 501,
                reason: "the only transfer coding known here is chunked",
            })
        }
        _ => Err(Rejection::malformed(
            "Transfer-Encoding is not one final chunked",
        )),
    }
}

/// `1a` or `1a;name=value`: the size. Extensions are bounded by `CHUNK_LINE` and mean nothing here.
pub(super) fn chunk_size(line: &[u8]) -> Result<usize, Rejection> {
    let digits = line
        .iter()
        .position(|&b| b == b';')
        .map_or(line, |at| &line[..at]);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Rejection::malformed(
            "a chunk's size is not a hexadecimal number",
        ));
    }
    let text = std::str::from_utf8(digits).unwrap_or_default();
    usize::from_str_radix(text, 16).map_err(|_| BODY.refusal)
}

/// The target as text, if each byte may stand in a URI (RFC 3986) and each `%` has its two digits.
pub(super) fn uri_text(target: &[u8]) -> Result<&str, Rejection> {
    let mut bytes = target.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next(), bytes.next()];
            if !digits.iter().all(|d| d.is_some_and(u8::is_ascii_hexdigit)) {
                return Err(Rejection::malformed(
                    "a % in the request target is not followed by two hexadecimal digits",
                ));
            }
        } else if !is_uri(byte) {
            return Err(Rejection::malformed(
                "a character in the request target must be percent-encoded",
            ));
        }
    }
    std::str::from_utf8(target).map_err(|_| Rejection::malformed("the request target is not text"))
}

pub(super) fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

/// `tchar` of RFC 9110, 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Unreserved and reserved characters of RFC 3986 without `#`: a fragment is not for a server.
fn is_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=".contains(&byte)
}

/// A host name or address, and a port; the characters that real ones have.
pub(super) fn is_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte)
}
