//! OpenNebula's attribute syntax: what a VM sends as `data` becomes [`Attribute`]s, and these become text again.
//!
//! Two forms are read, as oned reads them: lines of `KEY=VALUE` (`text`) and XML (`xml`); a text whose first character
//! is `<` is XML. The real OneGate re-quotes the text by a naive scan before oned parses it and so spoils commas,
//! quotes, brackets and newlines (docs/protocol.md, "Values as text"); here a value is stored as it was meant. What
//! oned itself refuses is refused, with a [`TemplateError`] that says where.
//!
//! Names are judged and stored as oned stores them ([`name`]): whatever the spelling, what is restricted stays
//! restricted.

mod fault;
mod text;
mod xml;

#[cfg(test)]
mod tests;

pub use fault::{NameError, TemplateFault};
pub use text::write as as_text;
pub use xml::write as as_xml;

use std::fmt;

/// One attribute of a VM's USER_TEMPLATE, its name in upper case, as oned would store it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub name: String,
    /// The value.
    pub value: AttributeValue,
}

/// What an attribute holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// `A="text"`
    Text(String),
    /// `A=[B="1",C="2"]`
    Vector(Vec<(String, String)>),
}

/// The most characters of a name that a message repeats.
const SHOWN: usize = 60;

/// Why a template was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The line, from 1. A literal `\n` does not begin a new one.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: TemplateFault,
}

impl TemplateError {
    /// The refusal of what stands at this byte of the text.
    fn at(text: &str, byte: usize, reason: TemplateFault) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason,
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[one.vm.update] Parse error: {} at line {}, column {}",
            self.reason, self.line, self.column
        )
    }
}

impl std::error::Error for TemplateError {}

/// Reads a template, in either form, in the order in which it was written; a name that comes twice gives two
/// attributes. The attributes of a vector are in the order of their names, as oned keeps them.
///
/// # Errors
/// Syntax that oned refuses, and characters that it cannot store: control characters other than TAB, LF and CR,
/// and everything beyond U+FFFF, which as a numeric reference would make the VM's record unreadable for good.
pub fn parse(template: &str) -> Result<Vec<Attribute>, TemplateError> {
    if let Some((byte, character)) = template.char_indices().find(|(_, c)| !storable(*c)) {
        let reason = TemplateFault::Unstorable(character);
        return Err(TemplateError::at(template, byte, reason));
    }
    if template.trim_start().starts_with('<') {
        xml::parse(template)
    } else {
        text::parse(template)
    }
}

/// A name as oned stores it: upper case, and `ONE_` before one that starts with a digit. Blanks around it don't
/// count.
///
/// # Errors
/// Empty, or with anything but ASCII letters, digits and `_` (so no path and no XPath either).
pub fn name(written: &str) -> Result<String, NameError> {
    let written = written.trim_ascii();
    if written.is_empty() {
        return Err(NameError::Missing);
    }
    if let Some(odd) = written.chars().find(|c| !is_name_character(*c)) {
        return Err(NameError::Character(odd));
    }
    let upper = written.to_ascii_uppercase();
    Ok(if upper.starts_with(|c: char| c.is_ascii_digit()) {
        format!("ONE_{upper}")
    } else {
        upper
    })
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether oned's store (XML 1.0, and only the Basic Multilingual Plane) can hold this character.
fn storable(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => (' '..'\u{10000}').contains(&c),
    }
}

/// A character as a message shows it: never a raw control character.
fn shown(c: char) -> String {
    match c {
        '\n' => "a newline".to_owned(),
        ' ' => "a blank".to_owned(),
        c if c.is_control() => format!("U+{:04X}", u32::from(c)),
        c => format!("'{c}'"),
    }
}

/// A name as a message shows it.
fn short(name: &str) -> String {
    crate::objects::message::shown(name, SHOWN)
}

/// The name that a vector has twice, as a message shows it.
struct Twice(String);

/// The items of a vector in the order of their names.
fn vector(mut items: Vec<(String, String)>) -> Result<AttributeValue, Twice> {
    items.sort_by(|a, b| a.0.cmp(&b.0));
    match items.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(Twice(short(&pair[0].0))),
        None => Ok(AttributeValue::Vector(items)),
    }
}
