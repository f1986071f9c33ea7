//! What the parser accepts: whole, cut in two at every byte, byte by byte.

use crate::support::http;
use crate::support::http::parse_every_way;
use onegate_server_lite::http::Request;
use onegate_server_lite::http::parse::{Parsed, Parser, Progress};

fn all(bytes: &[u8]) -> Vec<Parsed> {
    parse_every_way(bytes).unwrap_or_else(|refusal| panic!("{refusal:?}: {}", bytes.escape_ascii()))
}

fn one(bytes: &[u8]) -> Parsed {
    let mut requests = all(bytes);
    assert_eq!(requests.len(), 1, "{}", bytes.escape_ascii());
    requests.remove(0)
}

fn request(
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Request {
    Request {
        method: method.to_string(),
        path: path.to_string(),
        query: query.to_string(),
        headers: headers
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect(),
        body: body.to_vec(),
    }
}

#[test]
fn a_plain_get() {
    let got = one(b"GET /vm HTTP/1.1\r\nHost: gate:5030\r\nX-ONEGATE-VMID: 8\r\n\r\n");
    let headers = [("host", "gate:5030"), ("x-onegate-vmid", "8")];
    assert_eq!(
        got,
        Parsed {
            request: request("GET", "/vm", "", &headers, b""),
            keep_alive: true
        }
    );
}

#[test]
fn targets() {
    let cases = [
        ("GET /", ("/", "")),
        ("GET /?", ("/", "")),
        ("GET /?a=1?b=2", ("/", "a=1?b=2")),
        ("GET //vm", ("//vm", "")),
        ("GET /../vm/./x", ("/../vm/./x", "")),
        ("GET /vms/%ff%2F", ("/vms/%ff%2F", "")),
        ("GET /vm;x", ("/vm;x", "")),
        ("GET /a-._~:/[]@!$&'()*+,;=", ("/a-._~:/[]@!$&'()*+,;=", "")),
        ("GET http://gate/vm?x=1", ("/vm", "x=1")),
        ("GET HTTP://GATE/vm", ("/vm", "")),
        ("GET https://gate", ("/", "")),
        ("GET http://gate?x", ("/", "x")),
        ("OPTIONS *", ("*", "")),
        ("OPTIONS /vm", ("/vm", "")),
        ("TRACE /vm", ("/vm", "")),
    ];
    for (line, (path, query)) in cases {
        let got = one(format!("{line} HTTP/1.1\r\nHost: gate\r\n\r\n").as_bytes()).request;
        assert_eq!(
            (got.path.as_str(), got.query.as_str()),
            (path, query),
            "{line}"
        );
    }
}

#[test]
fn hosts() {
    for host in [
        "gate",
        "192.168.122.1:5030",
        "[fe80::1]:5030",
        "[fe80::1%25eth0]",
        "a.b-c_d",
        "GATE",
    ] {
        let got = one(format!("GET / HTTP/1.1\r\nHOST: {host}\r\n\r\n").as_bytes());
        assert_eq!(got.request.header("host"), Some(host));
    }
    // HTTP/1.0 knew no Host.
    assert_eq!(one(b"GET / HTTP/1.0\r\n\r\n").request.header("host"), None);
    assert_eq!(one(b"GET http://gate/ HTTP/1.0\r\n\r\n").request.path, "/");
}

#[test]
fn field_values() {
    let cases: [(&[u8], &str); 8] = [
        (b"A:1", "1"),
        (b"A: \t 1 2\t \t", "1 2"),
        (b"A:", ""),
        (b"A: ", ""),
        (b"A: a:b: c", "a:b: c"),
        (b"A: \"x,y\";q=\\", "\"x,y\";q=\\"),
        ("A: \u{e4}\u{20ac}".as_bytes(), "\u{e4}\u{20ac}"),
        (b"A: \xff", "\u{fffd}"),
    ];
    for (field, value) in cases {
        let bytes = [b"GET / HTTP/1.1\r\nHost: gate\r\n", field, b"\r\n\r\n"].concat();
        assert_eq!(
            one(&bytes).request.header("a"),
            Some(value),
            "{}",
            field.escape_ascii()
        );
    }
}

#[test]
fn token_characters_in_a_name() {
    let got = one(b"GET / HTTP/1.1\r\nHost: gate\r\nX!#$%&'*+-.^_`|~9: 1\r\n\r\n");
    assert_eq!(got.request.header("x!#$%&'*+-.^_`|~9"), Some("1"));
}

#[test]
fn repeated_fields_keep_their_order() {
    let got = one(b"GET / HTTP/1.1\r\nHost: gate\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\n");
    let headers = [("host", "gate"), ("a", "1"), ("b", "2"), ("a", "3")];
    assert_eq!(got.request, request("GET", "/", "", &headers, b""));
}

#[test]
fn keep_alive() {
    let cases = [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Close\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: x, close\r\n",
            false,
        ),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: Keep-Alive, x\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ];
    for (version, fields, keep_alive) in cases {
        let got = one(format!("GET / HTTP/{version}\r\nHost: gate\r\n{fields}\r\n").as_bytes());
        assert_eq!(got.keep_alive, keep_alive, "{version} {fields}");
    }
}

#[test]
fn bodies() {
    let cases: [(&str, &[u8]); 9] = [
        ("Content-Length: 0\r\n\r\n", b""),
        ("Content-Length: 3\r\n\r\nabc", b"abc"),
        ("Content-Length: 003\r\n\r\nabc", b"abc"),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (
            "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n000\r\n\r\n",
            b"abc",
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\nB;x=\"y;z\"\r\nabcdefghijk\r\n0;e\r\n\r\n",
            b"0123456789abcdefghijk",
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n",
            b"\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n1\r\na\r\n0\r\nA: 1\r\nContent-Length: 9\r\n\r\n",
            b"a",
        ),
        (
            "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc",
            b"abc",
        ),
    ];
    for method in ["PUT", "GET", "HEAD", "DELETE"] {
        for (fields, body) in cases {
            let got =
                one(format!("{method} / HTTP/1.1\r\nHost: gate\r\n{fields}").as_bytes()).request;
            assert_eq!(got.body, body, "{method} {fields:?}");
            // What comes as a trailer is not a header field.
            assert_eq!(got.header("a"), None);
        }
    }
}

#[test]
fn a_body_without_a_length_is_the_next_request() {
    let got = all(b"PUT /a HTTP/1.1\r\nHost: gate\r\n\r\nGET /b HTTP/1.1\r\nHost: gate\r\n\r\n");
    assert_eq!(
        got.iter()
            .map(|p| p.request.path.as_str())
            .collect::<Vec<_>>(),
        ["/a", "/b"]
    );
}

#[test]
fn pipelined() {
    let got = all(b"\r\nGET /a HTTP/1.1\r\nHost: gate\r\n\r\n\
        PUT /b HTTP/1.1\r\nHost: gate\r\nContent-Length: 3\r\n\r\nabc\
        \r\n\r\nPUT /c HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n\
        GET /d HTTP/1.0\r\n\r\n");
    let short: Vec<_> = got
        .iter()
        .map(|p| (p.request.path.as_str(), p.request.body.as_slice()))
        .collect();
    let expected: [(&str, &[u8]); 4] = [("/a", b""), ("/b", b"abc"), ("/c", b"x"), ("/d", b"")];
    assert_eq!(short, expected);
}

#[test]
fn up_to_the_limits() {
    let host = "Host: gate\r\n";
    let line = format!(
        "GET /{} HTTP/1.1\r\n{host}\r\n",
        "x".repeat(8192 - "GET / HTTP/1.1".len())
    );
    let fields = format!("GET / HTTP/1.1\r\n{host}{}\r\n", "A: 1\r\n".repeat(63));
    // The empty line at the end counts.
    let bytes = 16 * 1024 - host.len() - "A: \r\n".len() - "\r\n".len();
    let long = format!("GET / HTTP/1.1\r\n{host}A: {}\r\n\r\n", "x".repeat(bytes));
    let empty = format!("{}GET / HTTP/1.1\r\n{host}\r\n", "\r\n".repeat(4));
    for text in [line, fields, long, empty] {
        assert_eq!(http::parse_pieces([text.as_bytes()]).unwrap().len(), 1);
        assert_eq!(
            http::parse_pieces(text.as_bytes().chunks(1)).unwrap().len(),
            1
        );
    }
    let mut body = format!("PUT / HTTP/1.1\r\n{host}Content-Length: 2097152\r\n\r\n").into_bytes();
    body.resize(body.len() + 2_097_152, b'x');
    assert_eq!(
        http::parse_pieces(body.chunks(65_536)).unwrap()[0]
            .request
            .body
            .len(),
        2_097_152
    );
}

#[test]
fn continue_is_asked_for_once_and_only_when_the_body_is_waited_for() {
    let ask = |version: &str, fields: &str, body: &str| {
        let head = format!(
            "PUT / HTTP/{version}\r\nHost: gate\r\nExpect: 100-continue\r\n{fields}\r\n{body}"
        );
        let mut parser = Parser::default();
        let (used, progress) = parser.advance(head.as_bytes()).unwrap();
        assert_eq!(used, head.len());
        (
            progress == Progress::Continue,
            parser.advance(b"a").unwrap().1 == Progress::Continue,
        )
    };
    assert_eq!(ask("1.1", "Content-Length: 3\r\n", ""), (true, false));
    assert_eq!(
        ask("1.1", "Transfer-Encoding: chunked\r\n", ""),
        (true, false)
    );
    assert_eq!(ask("1.1", "Content-Length: 3\r\n", "a"), (false, false));
    assert_eq!(ask("1.0", "Content-Length: 3\r\n", ""), (false, false));
    assert_eq!(ask("1.1", "", ""), (false, false));
}

#[test]
fn a_promised_length_takes_no_memory() {
    let mut parser = Parser::default();
    parser
        .advance(b"PUT / HTTP/1.1\r\nHost: gate\r\nContent-Length: 2097152\r\n\r\nabc")
        .unwrap();
    assert!(parser.in_body());
    assert!(parser.held() <= 17 * 1024, "{}", parser.held());
}
