//! The XML form: `<TEMPLATE><A>text</A><B><C>1</C></B></TEMPLATE>`, whatever the root is called.
//!
//! Only what a template needs: elements, text, CDATA, comments, the five named entities and numeric references.
//! A document type is refused, and with it every way to define an entity. A value is kept exactly, with the white
//! space around it, an empty one too (oned trims the one and drops the other).

use super::{TemplateError, TemplateFault, Twice, name, short, storable, vector};
use crate::objects::template::{Attribute, AttributeValue};
use crate::objects::user_template::MAX_ATTRIBUTES;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use std::fmt::Write as _;

/// An element that is open: an attribute, or one item of a vector.
struct Open {
    name: String,
    text: String,
    items: Vec<(String, String)>,
}

pub(super) fn parse(text: &str) -> Result<Vec<Attribute>, TemplateError> {
    // XML's own rule for ends of lines; a CR sent as a reference stays one.
    let text = &text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut attributes = Vec::new();
    let mut root_seen = false;
    let mut count = 0;
    // The open elements: the root's presence, the attribute, the vector's item.
    let mut depth = 0;
    let mut open: Vec<Open> = Vec::new();
    loop {
        let before = byte(reader.buffer_position());
        let event = reader.read_event().map_err(|error| {
            TemplateError::at(
                text,
                byte(reader.error_position()),
                TemplateFault::NotWellFormed(short(&error.to_string())),
            )
        })?;
        let refuse = |reason: TemplateFault| TemplateError::at(text, before, reason);
        let mut add = |addition: &str| match open.last_mut() {
            Some(element) if element.items.is_empty() => {
                element.text.push_str(addition);
                Ok(())
            }
            Some(_) if addition.trim_ascii().is_empty() => Ok(()),
            Some(element) => Err(refuse(TemplateFault::TextBesideElements(short(
                &element.name,
            )))),
            None if addition.trim_ascii().is_empty() => Ok(()),
            None if depth == 0 => Err(refuse(TemplateFault::TextOutside)),
            None => Err(refuse(TemplateFault::TextInRoot)),
        };
        match event {
            Event::Text(part) => add(&part)?,
            Event::CData(part) => add(&part)?,
            Event::GeneralRef(reference) => add(resolve(&reference)
                .map_err(refuse)?
                .encode_utf8(&mut [0; 4]))?,
            Event::Start(start) => {
                if depth == 0 && std::mem::replace(&mut root_seen, true) {
                    return Err(refuse(TemplateFault::SecondRoot));
                }
                if depth > 0 {
                    count += 1;
                    if count > MAX_ATTRIBUTES {
                        return Err(refuse(TemplateFault::TooMany));
                    }
                    open_element(&start, &mut open).map_err(refuse)?;
                }
                depth += 1;
            }
            Event::End(_) => {
                depth -= 1;
                if let Some(closed) = open.pop() {
                    match open.last_mut() {
                        Some(parent) => parent.items.push((closed.name, closed.text)),
                        None => attributes.push(closed.into_attribute().map_err(refuse)?),
                    }
                }
            }
            Event::DocType(_) => {
                return Err(refuse(TemplateFault::DocumentType));
            }
            Event::Eof if depth > 0 => return Err(refuse(TemplateFault::OpenElement)),
            Event::Eof if !root_seen => return Err(refuse(TemplateFault::NoElement)),
            Event::Eof => return Ok(attributes),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
    }
}

/// Opens an attribute, or an item of the vector that is open.
fn open_element(start: &BytesStart<'_>, open: &mut Vec<Open>) -> Result<(), TemplateFault> {
    let written = start.name().into_inner();
    let shown = || short(written);
    if written.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(TemplateFault::Digit(shown()));
    }
    let name = name(written).map_err(|reason| TemplateFault::ElementName(shown(), reason))?;
    if start.attributes().next().is_some() {
        return Err(TemplateFault::XmlAttributes(shown()));
    }
    match open.as_mut_slice() {
        [] => {}
        // Looked at once, not again before each item.
        [parent] if parent.text.trim_ascii().is_empty() => parent.text.clear(),
        [parent] => return Err(TemplateFault::TextBesideElements(short(&parent.name))),
        _ => return Err(TemplateFault::Nested(shown())),
    }
    open.push(Open {
        name,
        text: String::new(),
        items: Vec::new(),
    });
    Ok(())
}

impl Open {
    fn into_attribute(self) -> Result<Attribute, TemplateFault> {
        let value = if self.items.is_empty() {
            AttributeValue::Text(self.text)
        } else {
            vector(self.items)
                .map_err(|Twice(name)| TemplateFault::TwiceIn(name, short(&self.name)))?
        };
        Ok(Attribute {
            name: self.name,
            value,
        })
    }
}

/// The character that a reference stands for.
fn resolve(reference: &BytesRef<'_>) -> Result<char, TemplateFault> {
    let written: &str = reference;
    let shown = || short(written);
    let character = match written {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => match reference.resolve_char_ref() {
            Ok(Some(character)) => character,
            Ok(None) => return Err(TemplateFault::Entity(shown())),
            Err(_) => return Err(TemplateFault::NoCharacter(shown())),
        },
    };
    if storable(character) {
        Ok(character)
    } else {
        Err(TemplateFault::Unstorable(character))
    }
}

fn byte(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// Writes attributes as XML, in the form that passes the real OneGate unharmed (docs/protocol.md, "Values as XML"):
/// every character but letters, digits, blank and `_-./:@%+~` as a decimal reference.
pub fn write(attributes: &[Attribute]) -> String {
    let mut xml = String::from("<TEMPLATE>");
    for attribute in attributes {
        match &attribute.value {
            AttributeValue::Text(value) => element(&mut xml, &attribute.name, value),
            AttributeValue::Vector(items) => {
                let _ = write!(xml, "<{}>", attribute.name);
                items
                    .iter()
                    .for_each(|(name, value)| element(&mut xml, name, value));
                let _ = write!(xml, "</{}>", attribute.name);
            }
        }
    }
    xml.push_str("</TEMPLATE>");
    xml
}

fn element(xml: &mut String, name: &str, value: &str) {
    let _ = write!(xml, "<{name}>");
    for c in value.chars() {
        if c.is_ascii_alphanumeric() || " _-./:@%+~".contains(c) {
            xml.push(c);
        } else {
            let _ = write!(xml, "&#{};", u32::from(c));
        }
    }
    let _ = write!(xml, "</{name}>");
}
