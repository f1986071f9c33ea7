//! Attributes as one.vm.update takes them, so that every value arrives as given, or is refused before it is sent.
//!
//! oned reads two forms. Text, `A="1"`, is what OneFlow's ready gate looks for (`READY="YES"`) and the one that keeps
//! empty values and white space around a value. XML, `<TEMPLATE><A>…</A></TEMPLATE>` with a decimal reference for every
//! odd character, is the one with which commas, quotes, backslashes, brackets and newlines came back exactly
//! (docs/protocol.md, "Values as XML"). So text for plain values and XML for odd ones; where one update needs both,
//! text with `\"` for a quote, as OpenNebula's own tools write it, which can say all but a backslash at a value's end.

use crate::objects::refusal::Refusal;
use crate::objects::template::{Attribute, AttributeValue};
use crate::objects::template::{as_text, as_xml};
use serde_json::Value;
use thiserror::Error;

/// Why OpenNebula cannot store attributes exactly as they are; each names the attribute, and says what to do.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Unstorable {
    /// A name that oned would not take.
    #[error("{0:?} is not a name of an attribute: letters, digits and _ make one")]
    Name(String),
    /// A value that oned would drop, change, or choke on: what it is the value of, and what is wrong with it.
    #[error("{0}: OpenNebula {1}")]
    Value(String, ValueFault),
    /// In an update, an attribute that only text can say, beside a value that only XML can.
    #[error(
        "Attribute {0} is empty or has white space around its value, which OpenNebula can't take together with a value \
         that ends in a backslash: send them in two updates"
    )]
    Together(String),
    /// The same in the rest of a USER_TEMPLATE, where two updates can't part them.
    #[error(
        "{0} has an empty value, or one with white space around it, beside one that ends in a backslash, which \
         OpenNebula can't take together: erase {0}, or set it to something else, and try again"
    )]
    Inseparable(String),
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ValueFault {
    /// `]]>` ends the CDATA that oned writes.
    #[error("can't store a value that contains ]]>")]
    EndOfCdata,
    /// A carriage return.
    #[error("would turn the carriage return in it into a newline; send it as a newline")]
    CarriageReturn,
    /// Another control character.
    #[error("can't store the control character U+{:04X}; base64 can carry it", u32::from(*.0))]
    Control(char),
    /// A character that oned's database, or its XML, does not hold.
    #[error("can't store U+{:04X}, only characters up to U+FFFD; base64 can carry it", u32::from(*.0))]
    BeyondBmp(char),
}

impl From<Unstorable> for Refusal {
    fn from(unstorable: Unstorable) -> Self {
        Self::Invalid(unstorable.to_string())
    }
}

/// Writes attributes for one.vm.update.
pub fn template(attributes: &[Attribute]) -> Result<String, Unstorable> {
    for attribute in attributes {
        check_name(&attribute.name)?;
        for (name, value) in values(attribute) {
            check_name(name)?;
            check(&format!("Attribute {}", attribute.name), value)?;
        }
    }
    let all = || attributes.iter().flat_map(values).map(|(_, value)| value);
    if !all().any(is_odd) {
        return Ok(as_text(attributes));
    }
    let ends_in_backslash = all().any(|value| value.ends_with('\\'));
    let only_text_can = attributes.iter().find(|attribute| only_text_can(attribute));
    let ready = attributes.iter().any(|attribute| attribute.name == "READY");
    match only_text_can {
        Some(attribute) if ends_in_backslash => Err(Unstorable::Together(attribute.name.clone())),
        Some(_) => Ok(as_text(attributes)),
        None if ready && !ends_in_backslash => Ok(as_text(attributes)),
        None => Ok(as_xml(attributes)),
    }
}

/// Writes attributes for two calls, where one cannot take them all: what replaces the record, as XML, and what is then
/// merged into it, as text.
pub fn in_two(attributes: &[Attribute]) -> Result<(String, String), Unstorable> {
    let (text, xml): (Vec<_>, Vec<_>) = attributes.iter().cloned().partition(only_text_can);
    let both = text.iter().find(|attribute| {
        values(attribute).any(|(_, value)| value.ends_with('\\'))
            || xml.iter().any(|other| other.name == attribute.name)
    });
    match both {
        Some(attribute) => Err(Unstorable::Inseparable(attribute.name.clone())),
        None => Ok((template(&xml)?, template(&text)?)),
    }
}

/// Whether XML would lose some of an attribute: oned drops what is empty, and white space around a value.
fn only_text_can(attribute: &Attribute) -> bool {
    matches!(&attribute.value, AttributeValue::Vector(members) if members.is_empty())
        || values(attribute).any(|(_, value)| value.is_empty() || value.trim() != value)
}

/// The attributes of a USER_TEMPLATE, as [`super::document`] reads it.
pub fn attributes(user_template: &Value) -> Vec<Attribute> {
    let Value::Object(members) = user_template else {
        return Vec::new();
    };
    let mut attributes = Vec::new();
    for (name, value) in members {
        let list = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        attributes.extend(list.iter().map(|value| {
            Attribute {
                name: name.clone(),
                value: match value {
                    Value::Object(vector) => AttributeValue::Vector(
                        vector
                            .iter()
                            .map(|(name, value)| {
                                (name.clone(), value.as_str().unwrap_or_default().to_string())
                            })
                            .collect(),
                    ),
                    single => AttributeValue::Text(single.as_str().unwrap_or_default().to_string()),
                },
            }
        }));
    }
    attributes
}

/// The values of an attribute with the names under which they stand.
fn values(attribute: &Attribute) -> impl Iterator<Item = (&str, &str)> {
    let (single, vector) = match &attribute.value {
        AttributeValue::Text(text) => (
            Some((attribute.name.as_str(), text.as_str())),
            [].as_slice(),
        ),
        AttributeValue::Vector(members) => (None, members.as_slice()),
    };
    single.into_iter().chain(
        vector
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
}

fn check_name(name: &str) -> Result<(), Unstorable> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(Unstorable::Name(name.to_string()))
}

/// Refuses what oned would drop, change, or choke on for good; `what` names the value, first in the sentence.
pub fn check(what: &str, value: &str) -> Result<(), Unstorable> {
    let fault = |fault| Err(Unstorable::Value(what.to_string(), fault));
    if value.contains("]]>") {
        return fault(ValueFault::EndOfCdata);
    }
    let wrong = value.chars().find(|&c| match c {
        '\t' | '\n' | '\u{7f}' => false,
        // Sent as a reference, a character beyond U+FFFF makes the VM's record unreadable for good.
        c => !(' '..='\u{fffd}').contains(&c),
    });
    match wrong {
        None => Ok(()),
        Some('\r') => fault(ValueFault::CarriageReturn),
        Some(c) if c < ' ' => fault(ValueFault::Control(c)),
        Some(c) => fault(ValueFault::BeyondBmp(c)),
    }
}

/// Whether these attributes go as plain text: any others that do can go with them, and nothing changes.
pub fn is_plain(attributes: &[Attribute]) -> bool {
    let mut values = attributes.iter().flat_map(values);
    !values.any(|(_, value)| is_odd(value))
}

/// Whether the plain text form might not bring a value back exactly.
fn is_odd(value: &str) -> bool {
    value.contains([',', '"', '[', ']', '\\', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn single(name: &str, value: &str) -> Attribute {
        Attribute {
            name: name.to_string(),
            value: AttributeValue::Text(value.to_string()),
        }
    }

    fn vector(name: &str, members: &[(&str, &str)]) -> Attribute {
        Attribute {
            name: name.to_string(),
            value: AttributeValue::Vector(
                members
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.to_string()))
                    .collect(),
            ),
        }
    }

    #[test]
    fn each_update_goes_in_the_form_that_keeps_its_values() {
        for (attributes, sent) in [
            (vec![], ""),
            (vec![single("READY", "YES")], "READY=\"YES\""),
            (vec![single("A", "")], "A=\"\""),
            (vec![single("FEAT", " ")], "FEAT=\" \""),
            (
                vec![single("A", "b=c #$&;<>(%'\té☃")],
                "A=\"b=c #$&;<>(%'\té☃\"",
            ),
            (
                vec![single("A", "1"), single("A", "2"), single("1A", "x")],
                "A=\"1\"\nA=\"2\"\n1A=\"x\"",
            ),
            (
                vec![vector("V", &[("B", "1"), ("C", "2 3")])],
                "V=[B=\"1\",C=\"2 3\"]",
            ),
            (vec![vector("V", &[])], "V=[]"),
            (
                vec![single("A", "x,y")],
                "<TEMPLATE><A>x&#44;y</A></TEMPLATE>",
            ),
            (
                vec![
                    single("A", "{\"k\":[1]}"),
                    single("ONE_1B", "\\"),
                    vector("V", &[("ONE_2C", "<é\n>")]),
                ],
                "<TEMPLATE><A>&#123;&#34;k&#34;:&#91;1&#93;&#125;</A><ONE_1B>&#92;</ONE_1B>\
                 <V><ONE_2C>&#60;&#233;&#10;&#62;</ONE_2C></V></TEMPLATE>",
            ),
            // Text alone keeps what is empty or has blanks around it, and READY is looked for in text.
            (
                vec![single("A", ""), single("B", "x\"y,\nz")],
                "A=\"\"\nB=\"x\\\"y,\nz\"",
            ),
            (
                vec![single("A", " x"), vector("V", &[("B", "[")])],
                "A=\" x\"\nV=[B=\"[\"]",
            ),
            (
                vec![single("READY", "YES"), single("B", "x,y")],
                "READY=\"YES\"\nB=\"x,y\"",
            ),
            (
                vec![single("READY", "YES"), single("B", "C:\\")],
                "<TEMPLATE><READY>YES</READY><B>C:&#92;</B></TEMPLATE>",
            ),
        ] {
            assert_eq!(template(&attributes).as_deref(), Ok(sent), "{attributes:?}");
        }
    }

    #[test]
    fn what_would_not_arrive_as_given_is_refused_with_its_name() {
        for (attributes, words) in [
            (
                vec![single("EMOJI", "\u{1f600}")],
                "Attribute EMOJI: OpenNebula can't store U+1F600",
            ),
            (vec![single("A", "\u{ffff}")], "U+FFFF"),
            (vec![single("A", "a\rb")], "carriage return"),
            (vec![single("A", "a\u{0}b")], "U+0000"),
            (vec![single("A", "a\u{1b}b")], "U+001B"),
            (vec![single("A", "x]]>y")], "]]>"),
            (vec![vector("V", &[("B", "\u{10000}")])], "Attribute V"),
            (vec![single("A-B", "1")], "\"A-B\""),
            (vec![vector("V", &[("", "1")])], "\"\""),
            (
                vec![single("E", ""), single("B", "C:\\")],
                "Attribute E is empty",
            ),
        ] {
            let error = template(&attributes).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_user_template_is_read_back_into_its_attributes() {
        let read = attributes(&json!({
            "A": "1", "E": "", "M": ["x", {"B": "2"}, {}], "V": {"B": "3", "C": {}},
        }));
        assert_eq!(
            read,
            [
                single("A", "1"),
                single("E", ""),
                single("M", "x"),
                vector("M", &[("B", "2")]),
                vector("M", &[]),
                vector("V", &[("B", "3"), ("C", "")]),
            ]
        );
        assert!(attributes(&json!("")).is_empty());
    }
}
