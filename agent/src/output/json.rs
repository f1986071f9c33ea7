//! `--json`: the server's text, re-indented by two blanks as Ruby's `JSON.pretty_generate` does, every number,
//! string, key and repetition as it came. An empty object takes two lines, an empty list three (recordings,
//! `client/vnet_show_json` and `client/vm_show_peer_json`).

use crate::document::{Node, string_length};

/// The value over several lines, with a newline at the end.
pub fn pretty(node: Node<'_>) -> String {
    let mut out = String::with_capacity(node.json().len() * 3);
    let mut depth = 0;
    // Is the last thing written an opening bracket? Then what follows decides about the line.
    let mut opened = false;
    for token in tokens(node.json()) {
        match token {
            "}" | "]" => {
                depth -= 1;
                if opened && token == "]" {
                    out.push('\n');
                }
                newline(&mut out, depth);
            }
            _ if opened => newline(&mut out, depth),
            _ => {}
        }
        opened = matches!(token, "{" | "[");
        depth += usize::from(opened);
        push_harmless(&mut out, token);
        match token {
            "," => newline(&mut out, depth),
            ":" => out.push(' '),
            _ => {}
        }
    }
    out.push('\n');
    out
}

/// The value on one line, without a newline at the end.
pub fn compact(node: Node<'_>) -> String {
    let mut out = String::with_capacity(node.json().len());
    tokens(node.json()).for_each(|token| push_harmless(&mut out, token));
    out
}

/// Strings, numbers, words and punctuation of a text known to be valid, without the white space between.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        let start = bytes.iter().position(|b| !b" \t\n\r".contains(b))?;
        let bytes = &bytes[start..];
        let length = match bytes[0] {
            b'{' | b'}' | b'[' | b']' | b':' | b',' => 1,
            b'"' => string_length(bytes),
            _ => bytes
                .iter()
                .position(|b| b",}] \t\n\r".contains(b))
                .unwrap_or(bytes.len()),
        };
        let token = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(token)
    })
}

/// The same token in JSON's eyes, but DEL and the C1 controls, which JSON lets pass raw, escaped for terminals.
fn push_harmless(out: &mut String, token: &str) {
    // In UTF-8 a C1 control begins with C2.
    if !token.bytes().any(|b| matches!(b, 0x7f | 0xc2)) {
        out.push_str(token);
        return;
    }
    for c in token.chars() {
        if matches!(c, '\u{7f}'..='\u{9f}') {
            out.push_str("\\u00");
            let byte = c as u32;
            out.extend(
                [byte >> 4, byte & 15].map(|digit| char::from_digit(digit, 16).unwrap_or('0')),
            );
        } else {
            out.push(c);
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
    use crate::document::Document;

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
