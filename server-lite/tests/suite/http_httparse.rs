//! Our head parser beside httparse: every single-byte change of some heads, and where the two disagree, why we are
//! right. A disagreement that is not in the table fails, and so does a row that nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};

use onegate_server_lite::http::Request;
use onegate_server_lite::http::parse::{Parser, Progress};

/// What one parser made of some bytes.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The head: method, target, fields.
    Head(String, String, Vec<(String, String)>),
    Partial,
    /// With our reason; httparse's are its own.
    Refused(&'static str),
}

/// Our reason, and why we refuse what httparse takes. (There is nothing that we take and it refuses.)
const WE_REFUSE: &[(&str, &str)] = &[
    (
        "a LF without its CR",
        "RFC 9112, 2.2 lets a recipient take a bare LF, but a proxy that does not sees other requests",
    ),
    (
        "more than 4 empty lines before the request line",
        "RFC 9112, 2.2 asks for at least one; httparse takes any number",
    ),
    (
        "the method is not one this server knows",
        "semantics: httparse leaves them to its caller",
    ),
    (
        "the request target is neither a path nor an http URL",
        "RFC 9112, 3.2: four forms; httparse takes any visible text",
    ),
    (
        "the request target's URL has no plain host name or address",
        "the same",
    ),
    (
        "the request target is a URL of another host than Host",
        "semantics: httparse leaves them to its caller",
    ),
    (
        "a % in the request target is not followed by two hexadecimal digits",
        "RFC 3986, 2.1; httparse does not look",
    ),
    (
        "a character in the request target must be percent-encoded",
        "RFC 3986, 2; httparse takes quotes, braces and bytes beyond ASCII",
    ),
    (
        "there is no Host",
        "RFC 9112, 3.2: 400; httparse leaves it to its caller",
    ),
    ("Host is empty", "the same"),
    ("there is more than one Host", "the same"),
    (
        "Host is not a host name or address with an optional port",
        "the same",
    ),
    (
        "there is more than one Content-Length",
        "RFC 9112, 6.3; httparse leaves framing to its caller",
    ),
    ("Content-Length is not a number", "the same"),
    ("the body is longer than 2097152 bytes", "the same"),
    (
        "there are both Content-Length and Transfer-Encoding",
        "the same",
    ),
    ("there is more than one Transfer-Encoding", "the same"),
    ("Transfer-Encoding is not one final chunked", "the same"),
    ("the only transfer coding known here is chunked", "the same"),
    (
        "Transfer-Encoding in an HTTP/1.0 request",
        "RFC 9112, 6.1: a sign of smuggling",
    ),
    (
        "the only expectation met here is 100-continue",
        "RFC 9110, 10.1.1: 417",
    ),
];

/// Heads of every kind; each is tried with every change of one byte.
const HEADS: &[&str] = &[
    "GET /vm HTTP/1.1\r\nHost: gate\r\nX-ONEGATE-TOKEN: o7Y9=\r\n\r\n",
    "PUT /vms/6?a=%20 HTTP/1.1\r\nHost: gate:80\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
    "\r\nPOST http://gate/vm HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\nA:\r\nB: \t1 2 \r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: [::1]:5030\r\nConnection: close\r\n\r\n",
];

/// Heads with more than one byte changed.
const MORE: &[&str] = &[
    "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: gate\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: gate\r\nhost: gate\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: gate\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: gate\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: gate\r\nContent-Length: 99999999\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: gate\r\nA: 1\r\n 2\r\n\r\n",
];

fn ours(bytes: &[u8]) -> Verdict {
    let mut parser = Parser::default();
    match parser.advance(bytes) {
        Err(refusal) => Verdict::Refused(refusal.reason),
        Ok((_, Progress::Whole(parsed))) => {
            let Request {
                method,
                path,
                query,
                headers,
                ..
            } = parsed.request;
            Verdict::Head(method, format!("{path}?{query}"), headers)
        }
        // The head is whole, the body is not: its fields are seen when the body is there.
        Ok((used, _)) if parser.in_body() => match end_body(parser, &bytes[used..]) {
            Some(verdict) => verdict,
            None => Verdict::Partial,
        },
        Ok(_) => Verdict::Partial,
    }
}

/// Gives the body whatever it wants.
fn end_body(mut parser: Parser, rest: &[u8]) -> Option<Verdict> {
    assert!(rest.is_empty());
    for _ in 0..2_100_000 {
        let (_, progress) = parser.advance(b"0\r\n\r\n").ok()?;
        if let Progress::Whole(parsed) = progress {
            let Request {
                method,
                path,
                query,
                headers,
                ..
            } = parsed.request;
            return Some(Verdict::Head(method, format!("{path}?{query}"), headers));
        }
    }
    None
}

/// With how many bytes it looked at.
fn theirs(bytes: &[u8]) -> (Verdict, usize) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut fields);
    match head.parse(bytes) {
        Err(_) => (Verdict::Refused(""), bytes.len()),
        Ok(httparse::Status::Partial) => (Verdict::Partial, bytes.len()),
        Ok(httparse::Status::Complete(length)) => {
            let target = head.path.unwrap();
            let target = ["http://gate", "https://gate"]
                .iter()
                .find(|start| {
                    target
                        .get(..start.len())
                        .is_some_and(|t| t.eq_ignore_ascii_case(start))
                })
                .map_or(target, |start| &target[start.len()..]);
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let path = if path.is_empty() { "/" } else { path };
            let fields = head.headers.iter();
            let verdict = Verdict::Head(
                head.method.unwrap().to_string(),
                format!("{path}?{query}"),
                fields
                    .map(|f| {
                        (
                            f.name.to_lowercase(),
                            String::from_utf8_lossy(f.value.trim_ascii()).into_owned(),
                        )
                    })
                    .collect(),
            );
            (verdict, length)
        }
    }
}

/// Every replacement, insertion and deletion of one byte, and every cut.
fn changes(head: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..=head.len()).flat_map(move |at| {
        let replaced = (0..=255u8).filter_map(move |byte| {
            let mut bytes = head.to_vec();
            *bytes.get_mut(at)? = byte;
            Some(bytes)
        });
        let inserted = (0..=255u8).map(move |byte| [&head[..at], &[byte], &head[at..]].concat());
        let deleted = (at < head.len()).then(|| [&head[..at], &head[at + 1..]].concat());
        replaced
            .chain(inserted)
            .chain(deleted)
            .chain([head[..at].to_vec()])
    })
}

#[test]
fn we_agree_with_httparse_or_say_why_not() {
    let table: BTreeMap<&str, &str> = WE_REFUSE.iter().copied().collect();
    assert_eq!(table.len(), WE_REFUSE.len(), "a reason stands twice");
    let mut used = BTreeSet::new();
    let mut tried = 0;
    let inputs = HEADS
        .iter()
        .flat_map(|head| changes(head.as_bytes()))
        .chain(MORE.iter().map(|s| s.as_bytes().to_vec()));
    for bytes in inputs {
        tried += 1;
        let (theirs, length) = theirs(&bytes);
        // What follows the head is not what is compared here.
        let ours = ours(&bytes[..length]);
        match (&ours, &theirs) {
            (Verdict::Refused(_), Verdict::Refused(_)) => {}
            (Verdict::Refused(reason), _) => {
                assert!(
                    table.contains_key(reason),
                    "{reason}, but httparse: {theirs:?}\n{}",
                    bytes.escape_ascii()
                );
                used.insert(*reason);
            }
            _ => assert_eq!(ours, theirs, "{}", bytes.escape_ascii()),
        }
    }
    let unused: Vec<_> = table
        .keys()
        .filter(|reason| !used.contains(*reason))
        .collect();
    assert!(unused.is_empty(), "no input needs these rows: {unused:?}");
    println!("{tried} heads, {} reasons to differ", used.len());
}
