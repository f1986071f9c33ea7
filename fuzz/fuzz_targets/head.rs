//! Any bytes as requests: no panic, the same requests however the bytes are cut, and only what a handler may see.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate_server_lite::http::limits::{BODY, HEADER_BYTES, HEADER_FIELDS, REQUEST_LINE, Rejection};
use onegate_server_lite::http::parse::{Parsed, Parser, Progress};
use onegate_server_lite::http::request::METHODS;

fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Parsed>, Rejection> {
    let (mut parser, mut input, mut requests) = (Parser::default(), Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let (used, progress) = parser.advance(&input)?;
            input.drain(..used);
            // What is not used is never more than one line.
            assert!(!matches!(progress, Progress::More) || input.len() <= HEADER_BYTES.max + 2);
            match progress {
                Progress::Whole(parsed) => requests.push(parsed),
                Progress::Continue => {}
                Progress::More => break,
            }
        }
    }
    Ok(requests)
}

fuzz_target!(|data: &[u8]| {
    let whole = parse([data].into_iter());
    assert_eq!(whole, parse(data.chunks(1)));
    let cut = data.first().map_or(0, |&b| usize::from(b)).min(data.len());
    assert_eq!(whole, parse([&data[..cut], &data[cut..]].into_iter()));
    for Parsed { request, .. } in whole.unwrap_or_default() {
        assert!(METHODS.contains(&request.method.as_str()));
        assert!(
            request.path.starts_with('/') || (request.path == "*" && request.method == "OPTIONS")
        );
        assert!(request.path.len() + request.query.len() <= REQUEST_LINE.max);
        assert!(
            (request.path + &request.query)
                .bytes()
                .all(|b| b.is_ascii_graphic())
        );
        assert!(request.headers.len() <= HEADER_FIELDS.max && request.body.len() <= BODY.max);
        for (name, value) in &request.headers {
            assert!(
                !name.is_empty()
                    && !name
                        .bytes()
                        .any(|b| b.is_ascii_uppercase() || !b.is_ascii_graphic())
            );
            assert!(!value.chars().any(|c| c.is_ascii_control() && c != '\t'));
        }
    }
});
