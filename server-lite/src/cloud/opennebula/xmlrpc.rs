//! XML-RPC as oned speaks it: a call written, an answer read
//! (server-lite/tests/fixtures/opennebula/protocol.jsonl).
//!
//! Every answer of oned's is an array: success, then what was asked for, or the reason, then an error code. A fault
//! stands for a call that oned's XML-RPC library didn't understand.

use super::unreadable::Unreadable;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

/// A parameter of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter<'a> {
    /// `<string>`
    Text(&'a str),
    /// `<i4>`
    Number(i64),
    /// `<boolean>`
    Flag(bool),
}

impl<'a> From<&'a str> for Parameter<'a> {
    fn from(text: &'a str) -> Self {
        Parameter::Text(text)
    }
}

impl From<u32> for Parameter<'_> {
    fn from(number: u32) -> Self {
        Parameter::Number(number.into())
    }
}

impl From<i64> for Parameter<'_> {
    fn from(number: i64) -> Self {
        Parameter::Number(number)
    }
}

impl From<bool> for Parameter<'_> {
    fn from(flag: bool) -> Self {
        Parameter::Flag(flag)
    }
}

/// What oned answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It did it: a document, or the id of the object as text.
    Done(String),
    /// It said no.
    Refused {
        /// Its words.
        reason: String,
        /// Its error code: see [`super::refusal`].
        code: i64,
    },
    /// Its XML-RPC library didn't take the call; why.
    Fault(String),
}

/// Writes a call. Nothing in the parameters can change what the call means: markup is escaped, and a carriage return
/// goes as a reference, as XML would turn it into a newline.
///
/// Characters that XML 1.0 does not have must have been refused before: see [`super::user_template`].
pub fn call(method: &str, session: &str, parameters: &[Parameter]) -> String {
    let mut body = String::with_capacity(256 + session.len());
    body.push_str("<?xml version=\"1.0\"?><methodCall><methodName>");
    body.push_str(method);
    body.push_str("</methodName><params>");
    let session = Parameter::Text(session);
    for parameter in std::iter::once(&session).chain(parameters) {
        body.push_str("<param><value>");
        match parameter {
            Parameter::Text(text) => {
                body.push_str("<string>");
                escape(text, &mut body);
                body.push_str("</string>");
            }
            Parameter::Number(number) => body.push_str(&format!("<i4>{number}</i4>")),
            Parameter::Flag(flag) => {
                body.push_str(&format!("<boolean>{}</boolean>", u8::from(*flag)))
            }
        }
        body.push_str("</value></param>");
    }
    body.push_str("</params></methodCall>");
    body
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '\r' => into.push_str("&#13;"),
            c => into.push(c),
        }
    }
}

/// Reads an answer.
pub fn answer(body: &str) -> Result<Answer, Unreadable> {
    let value = value_of(body)?;
    let items = match &value {
        Value::Array(items) => items,
        Value::Object(fault) => {
            let code = fault
                .get("faultCode")
                .and_then(Value::as_i64)
                .unwrap_or_default();
            let reason = fault
                .get("faultString")
                .and_then(Value::as_str)
                .unwrap_or_default();
            return Ok(Answer::Fault(format!(
                "it didn't understand the call: {reason} (fault {code})"
            )));
        }
        other => return Err(Unreadable::NoResult(other.clone())),
    };
    match items.as_slice() {
        [Value::Bool(true), Value::String(text), ..] => Ok(Answer::Done(text.clone())),
        [Value::Bool(true), Value::Number(number), ..] => Ok(Answer::Done(number.to_string())),
        [
            Value::Bool(false),
            Value::String(reason),
            Value::Number(code),
            ..,
        ] => Ok(Answer::Refused {
            reason: reason.clone(),
            code: code.as_i64().unwrap_or_default(),
        }),
        _ => Err(Unreadable::Values),
    }
}

/// Whether this is an XML-RPC answer from its beginning to its end, be it readable or not.
pub fn is_whole(body: &[u8]) -> bool {
    let start = body.windows(15).take(256).any(|w| w == b"<methodResponse");
    start && body.trim_ascii_end().ends_with(b"</methodResponse>")
}

/// No answer of oned's nests deeper: an array in a value in a parameter, or a struct in a fault.
const MAX_DEPTH: usize = 24;

/// The one value of a methodResponse: its parameter or its fault.
///
/// Elements that don't hold a value themselves (`params`, `param`, `fault`, `data`, `member`, …) are looked through.
fn value_of(body: &str) -> Result<Value, Unreadable> {
    let mut reader = Reader::from_str(body);
    let mut open: Vec<Element> = Vec::new();
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                if open.len() == MAX_DEPTH {
                    return Err(Unreadable::TooDeep);
                }
                if open.is_empty() && start.name().as_ref() != "methodResponse" {
                    return Err(Unreadable::NotXmlRpc(start.name().as_ref().to_string()));
                }
                open.push(Element::new(start.name().as_ref()));
            }
            Event::Empty(empty) => {
                let value = Element::new(empty.name().as_ref()).close()?;
                match open.last_mut() {
                    Some(parent) => parent.values.extend(value),
                    None => return Err(Unreadable::Empty),
                }
            }
            Event::Text(text) => push(&mut open, &text.xml10_content()),
            Event::CData(text) => push(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                push(&mut open, resolve(&reference)?.encode_utf8(&mut [0; 4]))
            }
            Event::End(_) => {
                let element = open.pop().ok_or(Unreadable::NoStart)?;
                let value = element.close()?;
                match open.last_mut() {
                    Some(parent) => parent.values.extend(value),
                    None => return value.ok_or(Unreadable::NoValue),
                }
            }
            Event::Eof => return Err(Unreadable::Cut),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
        }
    }
}

/// A reference in XML without a document type: one of the five names, or a character's number.
pub fn resolve(reference: &quick_xml::events::BytesRef) -> Result<char, Unreadable> {
    if let Some(c) = reference.resolve_char_ref()? {
        return Ok(c);
    }
    match reference.as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(Unreadable::Reference(other.to_string())),
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// An element that is being read: its text, and the values inside it.
struct Element {
    name: String,
    text: String,
    values: Vec<Value>,
}

impl Element {
    fn new(name: &str) -> Self {
        Element {
            name: name.to_string(),
            text: String::new(),
            values: Vec::new(),
        }
    }

    /// What the element is worth to its parent; an element that only wraps another hands that on.
    fn close(mut self) -> Result<Option<Value>, Unreadable> {
        let number = |text: &str| {
            let number: i64 = text
                .trim()
                .parse()
                .map_err(|_| Unreadable::Number(text.to_string()))?;
            Ok(Some(Value::from(number)))
        };
        match self.name.as_str() {
            "string" | "name" => Ok(Some(Value::String(self.text))),
            "i4" | "int" | "i8" => number(&self.text),
            "boolean" => match self.text.trim() {
                "0" => Ok(Some(Value::Bool(false))),
                "1" => Ok(Some(Value::Bool(true))),
                other => Err(Unreadable::Boolean(other.to_string())),
            },
            // A value without a type is a string.
            "value" if self.values.is_empty() => Ok(Some(Value::String(self.text))),
            "array" => Ok(Some(Value::Array(match self.values.pop() {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }))),
            "data" => Ok(Some(Value::Array(self.values))),
            "member" => Ok(Some(Value::Array(self.values))),
            "struct" => {
                let mut members = serde_json::Map::new();
                for member in self.values {
                    if let Value::Array(pair) = member
                        && let [Value::String(name), value] = pair.as_slice()
                    {
                        members.insert(name.clone(), value.clone());
                    }
                }
                Ok(Some(Value::Object(members)))
            }
            _ => Ok(self.values.pop()),
        }
    }
}
