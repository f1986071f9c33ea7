//! Lenient readers of what a server sends: an id may be a string or a number, a list of one may be the thing
//! itself, anything may be null or absent, unknown keys pass.
//!
//! A [`Document`] keeps the text as it came, so that every number, string and key comes out again unchanged, order
//! and repetitions included. serde_json judges it once; after that a [`Node`] is a slice of text known to be valid.
//!
//! What a server may send is limited here in depth and in values, and by [`crate::limits::MAX_ANSWER`] in bytes, so that
//! no reader of a document takes much memory or time, whatever is in it.

use crate::limits::{MAX_DEPTH, MAX_INDENT, MAX_VALUES};
use serde::de::IgnoredAny;
use std::fmt;

/// A JSON text, known to be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document(String);

/// Why a text is no document.
#[derive(Debug)]
pub enum NotJson {
    /// The bytes are no text.
    NotUtf8,
    /// What the JSON reader says, with line and column.
    Malformed(serde_json::Error),
    /// It is beyond this limit from this line and column on.
    Beyond(Limit, usize, usize),
}

/// What a document may have only so much of.
#[derive(Debug)]
pub enum Limit {
    /// [`MAX_DEPTH`]
    Depth,
    /// [`MAX_VALUES`]
    Values,
    /// [`MAX_INDENT`]
    Indent,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limit, line, column) = match self {
            NotJson::NotUtf8 => return f.write_str("it is not UTF-8"),
            NotJson::Malformed(error) => return error.fmt(f),
            NotJson::Beyond(limit, line, column) => (limit, line, column),
        };
        match limit {
            Limit::Depth => write!(f, "it is nested deeper than {MAX_DEPTH} levels"),
            Limit::Values => write!(f, "it has more than {MAX_VALUES} values"),
            Limit::Indent => f.write_str("it is nested too deeply for its size"),
        }?;
        write!(f, " at line {line} column {column}")
    }
}

impl Document {
    /// Takes an answer's body. A byte order mark in front is dropped.
    ///
    /// # Errors
    /// It is no document.
    pub fn new(body: Vec<u8>) -> Result<Document, NotJson> {
        let text = String::from_utf8(body).map_err(|_| NotJson::NotUtf8)?;
        let text = text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text);
        serde_json::from_str::<IgnoredAny>(&text).map_err(NotJson::Malformed)?;
        within_limits(&text)?;
        Ok(Document(text))
    }

    /// Takes JSON that was written here: of that nothing is checked or limited.
    pub(crate) fn written(text: String) -> Document {
        Document(text)
    }

    /// The whole of it.
    pub fn root(&self) -> Node<'_> {
        Node(self.0.trim_matches(WHITE))
    }
}

/// Is a text known to be valid within the limits of depth, values and indentation?
fn within_limits(text: &str) -> Result<(), NotJson> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut values, mut indent) = (0, 0, 0, 0);
    while let Some(byte) = bytes.get(at) {
        let length = match byte {
            b'"' => string_length(&bytes[at..]),
            b'{' | b'[' | b'}' | b']' => 1,
            byte if is_between(*byte) => 1,
            _ => word_length(&bytes[at..]),
        };
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if !is_between(*byte) {
            values += usize::from(!matches!(byte, b'}' | b']'));
            // One line each, at the most.
            indent += 2 * depth + 1;
        }
        let beyond = if depth > MAX_DEPTH {
            Limit::Depth
        } else if values > MAX_VALUES {
            Limit::Values
        } else if indent > MAX_INDENT {
            Limit::Indent
        } else {
            at += length;
            continue;
        };
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = at - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
        return Err(NotJson::Beyond(beyond, line, column));
    }
    Ok(())
}

const WHITE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A value inside a [`Document`]: its text, without white space around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a>(&'a str);

impl<'a> Node<'a> {
    /// What an absent value reads as.
    pub const NULL: Node<'static> = Node("null");

    /// The JSON text, as the server wrote it.
    pub fn json(self) -> &'a str {
        self.0
    }

    /// Null, or absent.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// An object, maybe empty.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// A list, maybe empty.
    pub fn is_list(self) -> bool {
        self.0.starts_with('[')
    }

    /// A string.
    pub fn is_string(self) -> bool {
        self.0.starts_with('"')
    }

    /// The member of this name, the last one where there are several.
    pub fn find(self, name: &str) -> Option<Node<'a>> {
        let found = self.members().filter(|(key, _)| key.is(name)).last();
        found.map(|(_, value)| value)
    }

    /// The same, but [`Node::NULL`] where there is none.
    pub fn get(self, name: &str) -> Node<'a> {
        self.find(name).unwrap_or(Node::NULL)
    }

    /// Names and values of an object, in the server's order; nothing for any other value.
    pub fn members(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> {
        let mut rest = Scanner::inside(self.0, '{');
        std::iter::from_fn(move || {
            let name = rest.value()?;
            Some((name, rest.value().unwrap_or(Node::NULL)))
        })
    }

    /// The values of a list, in order; nothing for any other value.
    pub fn elements(self) -> impl Iterator<Item = Node<'a>> {
        let mut rest = Scanner::inside(self.0, '[');
        std::iter::from_fn(move || rest.value())
    }

    /// The values where a list is meant: of a list its elements, of null none, of anything else itself.
    pub fn each(self) -> impl Iterator<Item = Node<'a>> {
        let one = (!self.is_list() && !self.is_null()).then_some(self);
        one.into_iter().chain(self.elements())
    }

    /// The value as a person would write it: a string without its quotes, null as nothing, the rest as JSON.
    pub fn text(self) -> String {
        if self.is_null() {
            return String::new();
        }
        match self.plain_string() {
            Some(text) => text.to_owned(),
            // A lone surrogate is valid JSON but no text: it stays as it was written.
            None if self.is_string() => {
                serde_json::from_str(self.0).unwrap_or_else(|_| self.0.to_owned())
            }
            None => self.0.to_owned(),
        }
    }

    /// Is this the string `text`?
    fn is(self, text: &str) -> bool {
        match self.plain_string() {
            Some(plain) => plain == text,
            None => self.is_string() && self.text() == text,
        }
    }

    /// A string's content, if nothing in it is escaped.
    fn plain_string(self) -> Option<&'a str> {
        let inside = self.0.strip_prefix('"')?.strip_suffix('"')?;
        (!inside.contains('\\')).then_some(inside)
    }
}

/// Walks over the values of an object or a list. It judges nothing: the text is valid.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn inside(text: &'a str, bracket: char) -> Scanner<'a> {
        Scanner(
            text.strip_prefix(bracket)
                .map_or("", |inside| &inside[..inside.len() - 1]),
        )
    }

    /// The next value, or the next name in an object.
    fn value(&mut self) -> Option<Node<'a>> {
        let bytes = self.0.as_bytes();
        let mut start = 0;
        while is_between(*bytes.get(start)?) {
            start += 1;
        }
        let (value, rest) = self.0[start..].split_at(length(&bytes[start..]));
        self.0 = rest;
        Some(Node(value))
    }
}

pub(crate) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_between(byte: u8) -> bool {
    is_white(byte) || byte == b',' || byte == b':'
}

/// How many bytes the value at the start of `text` takes.
fn length(text: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at += string_length(&text[at..]),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            byte if is_between(*byte) => at += 1,
            _ => at += word_length(&text[at..]),
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// How many bytes the number or word at the start of `text` takes.
pub(crate) fn word_length(text: &[u8]) -> usize {
    let mut at = 0;
    while text
        .get(at)
        .is_some_and(|byte| !is_between(*byte) && *byte != b'}' && *byte != b']')
    {
        at += 1;
    }
    at
}

/// How many bytes the string at the start of `text` takes, with both its quotes.
pub(crate) fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn document(text: &str) -> Document {
        Document::new(text.as_bytes().to_vec()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn values_as_a_person_would_write_them() {
        for (json, text) in [
            (r#""a""#, "a"),
            (r#""a\n\u00fc\"""#, "a\nü\""),
            (r#""\ud800""#, r#""\ud800""#),
            ("6", "6"),
            ("1.50e3", "1.50e3"),
            ("null", ""),
            ("true", "true"),
            (r#" [1, 2] "#, "[1, 2]"),
        ] {
            assert_eq!(document(json).root().text(), text, "{json}");
        }
    }

    #[test]
    fn one_or_many_or_none() {
        for (json, ids) in [
            (r#"{"NIC":{"ID":"1"}}"#, vec!["1"]),
            (r#"{"NIC":[{"ID":1},{"ID":"2"}]}"#, vec!["1", "2"]),
            (r#"{"NIC":[]}"#, vec![]),
            (r#"{"NIC":null}"#, vec![]),
            ("{}", vec![]),
            ("7", vec![]),
        ] {
            let found: Vec<String> = document(json)
                .root()
                .get("NIC")
                .each()
                .map(|nic| nic.get("ID").text())
                .collect();
            assert_eq!(found, ids, "{json}");
        }
    }

    #[test]
    fn members_keep_order_repetition_and_nesting() {
        let document =
            document(r#" { "b" : {"x":[1,{"y":"}"}]} , "a":"\"," ,"b" : -1.0e5, "c":[ ] } "#);
        let members: Vec<_> = document
            .root()
            .members()
            .map(|(k, v)| (k.text(), v.json()))
            .collect();
        let expected = [
            ("b", r#"{"x":[1,{"y":"}"}]}"#),
            ("a", r#""\",""#),
            ("b", "-1.0e5"),
            ("c", "[ ]"),
        ];
        assert_eq!(members, expected.map(|(k, v)| (k.to_owned(), v)));
        assert_eq!(document.root().get("b").json(), "-1.0e5");
        assert_eq!(document.root().get("c").elements().count(), 0);
        assert!(document.root().get("d").get("e").is_null());
    }

    #[test]
    fn depth_and_values_are_limited() {
        let nested = |open: &str, close: &str, depth: usize| {
            format!("{}7{}", open.repeat(depth), close.repeat(depth))
        };
        let hedge = |width| format!("[{}0]", (nested("[", "]", 100) + ",").repeat(width));
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 1));
        for (text, why) in [
            (nested("[", "]", MAX_DEPTH), ""),
            (nested("{\"[\":", "}", MAX_DEPTH), ""),
            (
                nested("[", "]", MAX_DEPTH + 1),
                "it is nested deeper than 128 levels at line 1 column 129",
            ),
            (
                nested("{\"a\":\n", "}", MAX_DEPTH + 1),
                "it is nested deeper than 128 levels at line 129 column 1",
            ),
            (nested("[", "]", 40_000), "line 1 column 129"),
            (list(MAX_VALUES - 1), ""),
            (list(MAX_VALUES), "it has more than 1000000 values"),
            (format!("\"{}\"", "[".repeat(200)), ""),
            (hedge(1000), ""),
            (
                hedge(2000),
                "it is nested too deeply for its size at line 1 column 3",
            ),
        ] {
            match Document::new(text.into_bytes()) {
                Ok(_) => assert_eq!(why, ""),
                Err(refused) => {
                    assert!(
                        !why.is_empty() && refused.to_string().contains(why),
                        "{refused}"
                    );
                }
            }
        }
    }

    #[test]
    fn faults_are_named() {
        for text in [
            "",
            "<html>",
            "{",
            r#"{"a":01}"#,
            "{\"a\":\"\u{1}\"}",
            "[1] x",
            &"[".repeat(200),
        ] {
            assert!(Document::new(text.as_bytes().to_vec()).is_err(), "{text}");
        }
        assert!(Document::new(vec![b'"', 0xff, b'"']).is_err());
    }

    /// Any JSON at all, with white space strewn in.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            r#"[\\"{}\[\],: ]{0,8}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(r#".{0,4}|[\\"{}:, ]{0,4}"#, inner, 0..6)
                    .prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_serde_json_writes_is_read_alike(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let document = document(&text);
            same(document.root(), &value)?;
            for printed in [crate::objects::json::pretty(document.root()), crate::objects::json::compact(document.root())] {
                prop_assert_eq!(&serde_json::from_str::<Value>(&printed).unwrap(), &value);
            }
        }
    }

    fn same(node: Node<'_>, value: &Value) -> Result<(), TestCaseError> {
        match value {
            Value::Object(members) => {
                prop_assert_eq!(node.members().count(), members.len());
                for ((name, node), (key, value)) in node.members().zip(members) {
                    prop_assert_eq!(&name.text(), key);
                    same(node, value)?;
                }
            }
            Value::Array(elements) => {
                prop_assert_eq!(node.elements().count(), elements.len());
                for (node, value) in node.elements().zip(elements) {
                    same(node, value)?;
                }
            }
            Value::String(text) => prop_assert_eq!(&node.text(), text),
            Value::Null => prop_assert!(node.is_null()),
            other => prop_assert_eq!(node.text(), other.to_string()),
        }
        Ok(())
    }
}
