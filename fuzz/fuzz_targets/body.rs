//! Any bytes behind a good head: no panic, the same body however the bytes are cut, and what is chunked again comes
//! back as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate_server_lite::http::limits::Rejection;
use onegate_server_lite::http::parse::{Parser, Progress};

const HEAD: &[u8] = b"PUT /vm HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The body, and how many bytes it took on the wire; none if it has no end.
fn body<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<(Vec<u8>, usize)>, Rejection> {
    let mut parser = Parser::default();
    parser.advance(HEAD)?;
    let (mut input, mut total) = (Vec::new(), 0);
    for piece in pieces {
        input.extend_from_slice(piece);
        let (used, progress) = parser.advance(&input)?;
        input.drain(..used);
        total += used;
        if let Progress::Whole(parsed) = progress {
            return Ok(Some((parsed.request.body, total)));
        }
    }
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let whole = body([data].into_iter());
    assert_eq!(whole, body(data.chunks(1)));
    assert_eq!(whole, body(data.chunks(7)));
    if let Ok(Some((content, used))) = whole {
        assert!(content.len() <= used && used <= data.len());
    }
    let mut chunked = Vec::new();
    // Not so small that the framing takes more than the content.
    for chunk in data.chunks(16 + data.first().map_or(0, |&b| usize::from(b))) {
        chunked.extend_from_slice(format!("{:x};x\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nA: b\r\n\r\n");
    assert_eq!(
        body([&chunked[..]].into_iter()),
        Ok(Some((data.to_vec(), chunked.len())))
    );
});
