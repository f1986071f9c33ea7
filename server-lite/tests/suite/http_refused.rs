//! What the parser refuses: one named test each, whole, cut at every byte, and over a real socket.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use crate::support::client::connect;
use crate::support::http::{parse_every_way, start};
use onegate_server_lite::http::{Limits, Request, Response};

fn server() -> SocketAddr {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    *SERVER.get_or_init(|| {
        // What is refused reaches no handler: this one would answer 500.
        let handler = |request: &Request| -> Response { panic!("handled: {request:?}") };
        let (server, address) = start(Arc::new(handler), Limits::default());
        // It serves as long as this process lives.
        std::mem::forget(server);
        address
    })
}

fn refused(bytes: &[u8], status: u16) {
    let refusal = parse_every_way(bytes).expect_err("accepted");
    assert_eq!(refusal.status, status, "{}", refusal.reason);

    let mut client = connect(server());
    let answer = client.send(bytes).answer();
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("Connection"), Some("close"));
    assert!(answer.text().contains(refusal.reason), "{}", answer.text());
    // After the answer a clean end, not a reset: the answer could be read.
    assert!(client.closed());
}

macro_rules! refused {
    ($($name:ident: $status:literal, $bytes:expr;)*) => {
        $(#[test] fn $name() { refused(&Vec::from($bytes), $status); })*
    };
}

const HEAD: &str = "PUT /vm HTTP/1.1\r\nHost: gate\r\n";

fn with(fields: &str) -> String {
    format!("{HEAD}{fields}\r\n\r\n")
}

fn chunks(text: &str) -> String {
    format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{text}")
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: gate\r\n\r\n")
}

// The framing of the body.
refused! {
    content_length_with_transfer_encoding: 400, with("Content-Length: 3\r\nTransfer-Encoding: chunked") + "abc";
    transfer_encoding_with_content_length: 400, with("Transfer-Encoding: chunked\r\nContent-Length: 3") + "abc";
    content_length_repeated: 400, with("Content-Length: 3\r\nContent-Length: 3") + "abc";
    content_length_differing: 400, with("Content-Length: 3\r\nContent-Length: 4") + "abc";
    content_length_list: 400, with("Content-Length: 3, 3") + "abc";
    content_length_plus: 400, with("Content-Length: +3") + "abc";
    content_length_minus: 400, with("Content-Length: -3") + "abc";
    content_length_empty: 400, with("Content-Length:");
    content_length_hexadecimal: 400, with("Content-Length: 0x3") + "abc";
    content_length_inner_blank: 400, with("Content-Length: 1 2") + "abc";
    content_length_fraction: 400, with("Content-Length: 3.0") + "abc";
    content_length_other_digits: 400, with("Content-Length: \u{663}") + "abc";
    content_length_one_more_than_the_limit: 413, with("Content-Length: 2097153");
    content_length_beyond_64_bits: 413, with("Content-Length: 18446744073709551617");
    transfer_encoding_gzip: 400, with("Transfer-Encoding: gzip");
    transfer_encoding_identity: 400, with("Transfer-Encoding: identity");
    transfer_encoding_empty: 400, with("Transfer-Encoding:");
    transfer_encoding_gzip_then_chunked: 501, with("Transfer-Encoding: gzip, chunked");
    transfer_encoding_chunked_then_gzip: 400, with("Transfer-Encoding: chunked, gzip");
    transfer_encoding_chunked_twice: 400, with("Transfer-Encoding: chunked, chunked");
    transfer_encoding_repeated: 400, with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked");
    transfer_encoding_empty_element: 400, with("Transfer-Encoding: , chunked");
    transfer_encoding_parameter: 400, with("Transfer-Encoding: chunked;q=1");
    transfer_encoding_vertical_tab: 400, with("Transfer-Encoding: \x0bchunked");
    transfer_encoding_in_1_0: 400, "PUT /vm HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
}

// Chunks.
refused! {
    chunk_size_missing: 400, chunks("\r\nabc\r\n0\r\n\r\n");
    chunk_size_not_hexadecimal: 400, chunks("g\r\nabc\r\n0\r\n\r\n");
    chunk_size_signed: 400, chunks("+3\r\nabc\r\n0\r\n\r\n");
    chunk_size_prefixed: 400, chunks("0x3\r\nabc\r\n0\r\n\r\n");
    chunk_size_underscore: 400, chunks("1_0\r\nabc\r\n0\r\n\r\n");
    chunk_size_blank_before: 400, chunks(" 3\r\nabc\r\n0\r\n\r\n");
    chunk_size_blank_after: 400, chunks("3 \r\nabc\r\n0\r\n\r\n");
    chunk_size_bare_lf: 400, chunks("3\nabc\r\n0\r\n\r\n");
    chunk_size_bare_cr: 400, chunks("3\rabc\r\n0\r\n\r\n");
    chunk_size_beyond_the_limit: 413, chunks("200001\r\n");
    chunk_size_beyond_64_bits: 413, chunks("10000000000000003\r\nabc\r\n0\r\n\r\n");
    chunk_data_longer_than_its_size: 400, chunks("3\r\nabcd\r\n0\r\n\r\n");
    chunk_data_ends_in_lf: 400, chunks("3\r\nabc\n0\r\n\r\n");
    chunk_data_ends_in_cr: 400, chunks("3\r\nabc\rX0\r\n\r\n");
    chunk_extension_nul: 400, chunks("3;a=\0\r\nabc\r\n0\r\n\r\n");
    chunk_extension_beyond_the_limit: 400, chunks(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(255)));
    chunks_beyond_the_limit: 413, chunks("1\r\na\r\n200000\r\n");
    trailer_without_colon: 400, chunks("0\r\nnonsense\r\n\r\n");
    trailer_folded: 400, chunks("0\r\nA: 1\r\n 2\r\n\r\n");
    trailer_blank_before_colon: 400, chunks("0\r\nA : 1\r\n\r\n");
    trailers_too_many: 431, chunks(&format!("0\r\n{}\r\n", "A: 1\r\n".repeat(65)));
    trailers_too_long: 431, chunks(&format!("0\r\nA: {}\r\n\r\n", "x".repeat(16 * 1024)));
}

// Header fields.
refused! {
    obs_fold: 400, with("A: 1\r\n 2");
    obs_fold_tab: 400, with("A: 1\r\n\t2");
    obs_fold_of_the_first_line: 400, "GET /vm HTTP/1.1\r\n Host: gate\r\n\r\n";
    blank_before_colon: 400, with("A : 1");
    tab_before_colon: 400, with("A\t: 1");
    blank_in_name: 400, with("A B: 1");
    name_empty: 400, with(": 1");
    name_not_ascii: 400, with("\u{e4}: 1");
    name_with_bracket: 400, with("A[]: 1");
    colon_missing: 400, with("A 1");
    bare_cr_in_value: 400, with("A: 1\r2");
    bare_lf_between_fields: 400, with("A: 1\nB: 2");
    bare_lf_at_the_end: 400, "GET /vm HTTP/1.1\r\nHost: gate\r\n\n";
    bare_cr_at_the_end: 400, "GET /vm HTTP/1.1\r\nHost: gate\r\n\rX";
    nul_in_value: 400, with("A: \0");
    nul_in_name: 400, with("A\0: 1");
    control_character_in_value: 400, with("A: \x01");
    escape_in_value: 400, with("A: \x1b[2J");
    delete_in_value: 400, with("A: \x7f");
    fields_too_many: 431, with(&"A: 1\r\n".repeat(64)) ;
    fields_too_long: 431, with(&format!("A: {}", "x".repeat(16 * 1024)));
    fields_too_long_together: 431, with(&format!("A: {}\r\n", "x".repeat(1000)).repeat(17));
    field_too_long_without_an_end: 431, format!("{HEAD}{}", "x".repeat(16 * 1024 + 1));
    expectation_unknown: 417, with("Expect: 200-ok");
}

// Host.
refused! {
    host_missing: 400, "GET /vm HTTP/1.1\r\nA: 1\r\n\r\n";
    host_empty: 400, "GET /vm HTTP/1.1\r\nHost:\r\n\r\n";
    host_blank: 400, "GET /vm HTTP/1.1\r\nHost: \t \r\n\r\n";
    host_repeated: 400, "GET /vm HTTP/1.1\r\nHost: gate\r\nHost: gate\r\n\r\n";
    host_repeated_in_1_0: 400, "GET /vm HTTP/1.0\r\nHost: gate\r\nHost: gate\r\n\r\n";
    host_list: 400, "GET /vm HTTP/1.1\r\nHost: gate, gate\r\n\r\n";
    host_with_user: 400, "GET /vm HTTP/1.1\r\nHost: me@gate\r\n\r\n";
    host_with_path: 400, "GET /vm HTTP/1.1\r\nHost: gate/x\r\n\r\n";
    host_with_quote: 400, "GET /vm HTTP/1.1\r\nHost: gate\"\r\n\r\n";
    host_not_ascii: 400, "GET /vm HTTP/1.1\r\nHost: g\u{e4}te\r\n\r\n";
}

// The request line.
refused! {
    fourth_word: 400, line("GET /vm HTTP/1.1 x");
    fourth_word_empty: 400, line("GET /vm HTTP/1.1 ");
    two_words: 400, line("GET /vm");
    one_word: 400, line("GET");
    two_blanks: 400, line("GET  /vm HTTP/1.1");
    blank_before: 400, line(" GET /vm HTTP/1.1");
    tab_between: 400, line("GET\t/vm\tHTTP/1.1");
    blank_in_target: 400, line("GET /v m HTTP/1.1");
    method_not_a_token: 400, line("G@T /vm HTTP/1.1");
    method_lower_case: 501, line("get /vm HTTP/1.1");
    method_unknown: 501, line("BREW /vm HTTP/1.1");
    method_connect: 501, line("CONNECT gate:80 HTTP/1.1");
    version_missing_slash: 400, line("GET /vm HTTP1.1");
    version_lower_case: 400, line("GET /vm http/1.1");
    version_two_digits: 400, line("GET /vm HTTP/1.10");
    version_without_minor: 400, line("GET /vm HTTP/1");
    version_0_9: 505, line("GET /vm HTTP/0.9");
    version_1_2: 505, line("GET /vm HTTP/1.2");
    version_2_0: 505, line("GET /vm HTTP/2.0");
    http_2_preface: 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    bare_lf_after_request_line: 400, "GET /vm HTTP/1.1\nHost: gate\r\n\r\n";
    bare_cr_in_request_line: 400, "GET /vm\rHTTP/1.1\r\nHost: gate\r\n\r\n";
    nul_in_target: 400, line("GET /v\0m HTTP/1.1");
    tls_hello_on_a_plain_port: 400, *b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x01\x02\x03\x04";
    leading_empty_lines_too_many: 400, format!("{}{}", "\r\n".repeat(5), line("GET /vm HTTP/1.1"));
    leading_bare_lf: 400, format!("\n{}", line("GET /vm HTTP/1.1"));
    request_line_too_long: 414, line(&format!("GET /{} HTTP/1.1", "x".repeat(8192)));
    request_line_too_long_and_malformed: 414, line(&format!("GET /{}\0 HTTP/1.1", "x".repeat(8192)));
    request_line_too_long_without_an_end: 414, format!("GET /{}", "x".repeat(8192));
}

// The target.
refused! {
    absolute_form_of_another_host: 400, line("GET http://other/vm HTTP/1.1");
    absolute_form_of_another_port: 400, line("GET http://gate:81/vm HTTP/1.1");
    absolute_form_with_user: 400, line("GET http://me@gate/vm HTTP/1.1");
    absolute_form_without_host: 400, line("GET http:///vm HTTP/1.1");
    absolute_form_of_another_scheme: 400, line("GET ftp://gate/vm HTTP/1.1");
    relative_path: 400, line("GET vm HTTP/1.1");
    asterisk_for_get: 400, line("GET * HTTP/1.1");
    asterisk_and_more: 400, line("OPTIONS *x HTTP/1.1");
    percent_without_digits: 400, line("GET /vms/% HTTP/1.1");
    percent_with_one_digit: 400, line("GET /vms/%4 HTTP/1.1");
    percent_with_other_letters: 400, line("GET /vms/%zz HTTP/1.1");
    percent_with_unicode_escape: 400, line("GET /vms/%u0041 HTTP/1.1");
    percent_in_query: 400, line("GET /vm?x=50% HTTP/1.1");
    fragment: 400, line("GET /vm#x HTTP/1.1");
    target_not_ascii: 400, line("GET /v\u{e4} HTTP/1.1");
    target_with_quote: 400, line("GET /vm\" HTTP/1.1");
    target_with_backslash: 400, line("GET /..\\vm HTTP/1.1");
}
