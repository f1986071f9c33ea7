//! `--json`: the server's text, re-indented by two blanks as Ruby's `JSON.pretty_generate` does, every number,
//! string, key and repetition as it came. An empty object takes two lines, an empty list three (recordings,
//! `client/vnet_show_json` and `client/vm_show_peer_json`).

use crate::document::Node;

/// The value over several lines, with a newline at the end.
pub fn pretty(node: Node<'_>) -> String {
    let mut out = String::with_capacity(node.json().len() * 2);
    let mut depth = 0;
    let mut in_string = false;
    let mut escaped = false;
    // Is the last thing written an opening bracket? Then what follows decides about the line.
    let mut opened = false;
    for c in node.json().chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            push_harmless(&mut out, c);
            continue;
        }
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        match c {
            '}' | ']' => {
                depth -= 1;
                if opened && c == ']' {
                    out.push('\n');
                }
                newline(&mut out, depth);
            }
            _ if opened => newline(&mut out, depth),
            _ => {}
        }
        opened = matches!(c, '{' | '[');
        depth += usize::from(opened);
        out.push(c);
        match c {
            '"' => in_string = true,
            ',' => newline(&mut out, depth),
            ':' => out.push(' '),
            _ => {}
        }
    }
    out.push('\n');
    out
}

/// The value on one line, without a newline at the end.
pub fn compact(node: Node<'_>) -> String {
    let mut in_string = false;
    let mut escaped = false;
    let mut out = String::with_capacity(node.json().len());
    for c in node.json().chars() {
        match c {
            ' ' | '\t' | '\n' | '\r' if !in_string => continue,
            '"' => in_string ^= !escaped,
            _ => {}
        }
        escaped = in_string && !escaped && c == '\\';
        push_harmless(&mut out, c);
    }
    out
}

/// The same string in JSON's eyes, but DEL and the C1 controls, which JSON lets pass raw, escaped for terminals.
fn push_harmless(out: &mut String, c: char) {
    if matches!(c, '\u{7f}'..='\u{9f}') {
        out.push_str("\\u00");
        let byte = c as u32;
        out.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit, 16).unwrap_or('0')));
    } else {
        out.push(c);
    }
}

fn newline(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::{compact, pretty};
    use crate::document::Document;

    #[test]
    fn as_ruby_prints() {
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
