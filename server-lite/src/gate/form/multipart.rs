//! Bodies of the type `multipart/form-data` (RFC 7578): each part is a parameter, a file's content its value
//! (`curl -X PUT -F type=1 -F data=@attributes.txt`).

use super::{KEPT, MultipartError, Parameter, is_known, utf8};

/// The parts of a body, by name.
pub(super) fn parts(content_type: &str, body: &[u8]) -> Result<Vec<Parameter>, MultipartError> {
    let boundary = header_parameter(content_type, "boundary").ok_or(MultipartError::NoBoundary)?;
    if boundary.is_empty() || boundary.len() > 70 {
        return Err(MultipartError::BoundaryLength);
    }
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter begins the body or follows a preamble.
    let first = delimiter.trim_start();
    let mut rest = match body.strip_prefix(first.as_bytes()) {
        Some(after) => after,
        None => {
            split_at(body, delimiter.as_bytes())
                .ok_or(MultipartError::NoPart)?
                .1
        }
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let head_and_more =
            split_at(rest, b"\r\n").filter(|(padding, _)| padding.trim_ascii().is_empty());
        let (_, after) = head_and_more.ok_or(MultipartError::NoLineEnd)?;
        // A part without a head begins with an empty line.
        let (head, content) = match after.strip_prefix(b"\r\n") {
            Some(content) => (&[] as &[u8], content),
            None => split_at(after, b"\r\n\r\n").ok_or(MultipartError::OpenHead)?,
        };
        let (content, after) =
            split_at(content, delimiter.as_bytes()).ok_or(MultipartError::OpenPart)?;
        if let Some(name) = name(head).filter(|name| is_known(name))
            && parts.len() < KEPT
        {
            parts.push((name, utf8(content.to_vec())));
        }
        rest = after;
    }
    Ok(parts)
}

/// What stands before and after the first occurrence of a separator.
fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}

/// The name in a part's Content-Disposition.
fn name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        let is_disposition = field.trim().eq_ignore_ascii_case("content-disposition");
        is_disposition
            .then(|| header_parameter(value, "name"))
            .flatten()
    })
}

/// A parameter of a header field: `form-data; name="data"; filename="a;b"`.
fn header_parameter(field: &str, name: &str) -> Option<String> {
    let mut quoted = false;
    let segments = field.split(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    segments.skip(1).find_map(|segment| {
        let (key, value) = segment.split_once('=')?;
        let is_it = key.trim().eq_ignore_ascii_case(name);
        is_it.then(|| value.trim().trim_matches('"').to_owned())
    })
}
