//! `--json`: the server's text, re-indented by two blanks as Ruby's `JSON.pretty_generate` does, every number,
//! string, key and repetition as it came. An empty object takes two lines, an empty list three.
//! (agent/tests/fixtures/client.jsonl, cases `vnet_show_json` and `vm_show_peer_json`)

use crate::objects::document::{Node, is_white, string_length, word_length};
use crate::world::is_printable;

/// The value over several lines, with a newline at the end.
pub fn pretty(node: Node<'_>) -> String {
    let mut rest = node.json();
    let mut out = String::with_capacity(rest.len() * 3);
    let mut depth = 0;
    // Is the last thing written an opening bracket? Then what follows decides about the line.
    let mut opened = false;
    while let Some(token) = next_token(&mut rest) {
        let first = token.as_bytes()[0];
        if first == b'}' || first == b']' {
            depth -= 1;
            if opened && first == b']' {
                out.push('\n');
            }
            newline(&mut out, depth);
        } else if opened {
            newline(&mut out, depth);
        }
        opened = first == b'{' || first == b'[';
        depth += usize::from(opened);
        push(&mut out, token);
        if first == b',' {
            newline(&mut out, depth);
        } else if first == b':' {
            out.push(' ');
        }
    }
    out.push('\n');
    out
}

/// The value on one line, without a newline at the end.
pub fn compact(node: Node<'_>) -> String {
    let mut rest = node.json();
    let mut out = String::with_capacity(rest.len());
    while let Some(token) = next_token(&mut rest) {
        push(&mut out, token);
    }
    out
}

/// Takes a string, a number, a word or a punctuation mark off a text known to be valid; white space in front goes.
fn next_token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let bytes = rest.as_bytes();
    let mut start = 0;
    while is_white(*bytes.get(start)?) {
        start += 1;
    }
    let length = match bytes[start] {
        b'{' | b'}' | b'[' | b']' | b':' | b',' => 1,
        b'"' => string_length(&bytes[start..]),
        _ => word_length(&bytes[start..]),
    };
    let (token, after) = rest[start..].split_at(length);
    *rest = after;
    Some(token)
}

/// A string in JSON's eyes the same, but what could drive a terminal or reorder its text escaped; any other token as it
/// is. JSON itself lets DEL, the C1 controls and all of Unicode pass raw.
fn push(out: &mut String, token: &str) {
    if token.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        out.push_str(token);
        return;
    }
    for c in token.chars() {
        if is_printable(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str("\\u");
            let digit = |shift: u32| char::from_digit(u32::from(*unit) >> shift & 15, 16);
            out.extend([12, 8, 4, 0].map(|shift| digit(shift).unwrap_or('0')));
        }
    }
}

fn newline(out: &mut String, depth: usize) {
    // As much of this as it takes, as often as it takes.
    const BREAK: &str = "\n                                ";
    let mut blanks = depth * 2;
    out.push_str(&BREAK[..=blanks.min(BREAK.len() - 1)]);
    while blanks > BREAK.len() - 1 {
        blanks -= BREAK.len() - 1;
        out.push_str(&BREAK[1..=blanks.min(BREAK.len() - 1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::{compact, pretty};
    use crate::objects::document::Document;

    #[test]
    fn as_ruby_prints() {
        let deep = format!("{}7{}", "[".repeat(40), "]".repeat(40));
        let line = |depth: usize, text: &str| format!("{}{text}\n", "  ".repeat(depth));
        let deep_printed: String = (0..40)
            .map(|depth| line(depth, "["))
            .chain([line(40, "7")])
            .chain((0..40).rev().map(|depth| line(depth, "]")))
            .collect();
        for (sent, printed) in [
            ("{}", "{\n}\n"),
            ("[]", "[\n\n]\n"),
            (
                r#"{"A":{},"B":[]}"#,
                "{\n  \"A\": {\n  },\n  \"B\": [\n\n  ]\n}\n",
            ),
            (
                r#"[{"a":1},{}, [] ,[1,2]]"#,
                "[\n  {\n    \"a\": 1\n  },\n  {\n  },\n  [\n\n  ],\n  [\n    1,\n    2\n  ]\n]\n",
            ),
            ("{ \"a\" :\t1.0e+2 }", "{\n  \"a\": 1.0e+2\n}\n"),
            (r#""{\"[,: ]\\""#, "\"{\\\"[,: ]\\\\\"\n"),
            (
                r#"{"a":12345678901234567890123,"a":"\u00fc\/"}"#,
                "{\n  \"a\": 12345678901234567890123,\n  \"a\": \"\\u00fc\\/\"\n}\n",
            ),
            ("\"\u{7f}\u{9b}ü\"", "\"\\u007f\\u009bü\"\n"),
            (
                "\"日本 e\u{301}\u{202e}\u{e0041}\"",
                "\"日本 e\u{301}\\u202e\\udb40\\udc41\"\n",
            ),
            ("7", "7\n"),
            (&deep, &deep_printed),
        ] {
            let document = Document::new(sent.as_bytes().to_vec()).unwrap();
            assert_eq!(pretty(document.root()), printed, "{sent}");
        }
    }

    #[test]
    fn on_one_line() {
        for (sent, printed) in [
            (
                r#" { "a" : [ 1 , "b \" , c" ] , "d":{ } } "#,
                r#"{"a":[1,"b \" , c"],"d":{}}"#,
            ),
            (r#"["\\", " \\\" "]"#, r#"["\\"," \\\" "]"#),
            ("\"\u{9b}\"", "\"\\u009b\""),
        ] {
            let document = Document::new(sent.as_bytes().to_vec()).unwrap();
            assert_eq!(compact(document.root()), printed, "{sent}");
        }
    }
}
