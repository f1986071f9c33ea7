//! The text form: `KEY=VALUE`, one attribute a line.
//!
//! | written | read as |
//! |---|---|
//! | `A=x, "y" [z]` | everything to the end of the line, without the blanks around it |
//! | `A="x, \"y\""` | what stands between the quotes, newlines too; `\"` is a quote, every other backslash itself |
//! | `A="x` | no closing quote: the rest of the line, with its quote (as oned does) |
//! | `A=[B=1, C="2,3"]` | a vector; without quotes a value ends at `,`, `]` or the line's end |
//! | `A=[]`, `A=[1,2]` | no `NAME=` after the bracket: not a vector, the rest of the line (JSON, say) |
//! | `A="1" B="2"` | two attributes: after a closing quote or bracket another may follow |
//! | `# …` | a comment, where a name could begin |
//!
//! A literal `\n` (backslash, n) ends a value without quotes where the rest of the line could begin again:
//! another `NAME=`, a further `\n`, or the end. So `A=1\nB=2` is two attributes, `C:\new` and `one\ntwo` stay
//! whole; a value that has `\nNAME=` inside wants quotes.

use super::{
    NameError, TemplateError, TemplateFault, Twice, is_name_character, name, short, vector,
};
use crate::objects::template::{Attribute, AttributeValue};
use crate::objects::user_template::MAX_ATTRIBUTES;

/// The separator that scripts write where they cannot write a newline.
const LITERAL_NEWLINE: &str = "\\n";

pub(super) fn parse(text: &str) -> Result<Vec<Attribute>, TemplateError> {
    let mut scanner = Scanner {
        text,
        at: 0,
        count: 0,
    };
    let mut attributes = Vec::new();
    loop {
        scanner.skip_between_attributes();
        if scanner.rest().is_empty() {
            return Ok(attributes);
        }
        let name = scanner.name_and_equals()?;
        let value = scanner.value()?;
        attributes.push(Attribute { name, value });
    }
}

/// Writes attributes as text. [`super::parse`] gives them back, but for a value that ends in a backslash, which text can't
/// say, and an empty vector.
pub fn write(attributes: &[Attribute]) -> String {
    let quoted = |value: &str| format!("\"{}\"", value.replace('"', "\\\""));
    let lines: Vec<String> = attributes
        .iter()
        .map(|attribute| match &attribute.value {
            AttributeValue::Text(value) => format!("{}={}", attribute.name, quoted(value)),
            AttributeValue::Vector(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|(name, value)| format!("{name}={}", quoted(value)))
                    .collect();
                format!("{}=[{}]", attribute.name, items.join(","))
            }
        })
        .collect();
    lines.join("\n")
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Attributes so far, and members of vectors.
    count: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, reason: TemplateFault) -> TemplateError {
        TemplateError::at(self.text, self.at, reason)
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - after_blanks(self.rest()).len();
    }

    /// White space and literal newlines.
    fn skip_space(&mut self) {
        loop {
            let rest = self.rest().trim_start_matches([' ', '\t', '\r', '\n']);
            let rest = rest.strip_prefix(LITERAL_NEWLINE).unwrap_or(rest);
            if rest.len() == self.rest().len() {
                return;
            }
            self.at = self.text.len() - rest.len();
        }
    }

    fn skip_between_attributes(&mut self) {
        self.skip_space();
        while self.rest().starts_with('#') {
            self.at += line_length(self.rest());
            self.skip_space();
        }
    }

    /// `NAME =`, leaving the scanner after the equals sign.
    fn name_and_equals(&mut self) -> Result<String, TemplateError> {
        self.count += 1;
        if self.count > MAX_ATTRIBUTES {
            return Err(self.error(TemplateFault::TooMany));
        }
        let start = self.at;
        let written = name_prefix(self.rest());
        let Some(next) = self.rest()[written.len()..]
            .chars()
            .next()
            .or(written.chars().next())
        else {
            return Err(self.error(NameError::Missing.into()));
        };
        if written.is_empty() {
            return Err(self.error(TemplateFault::NoName(next)));
        }
        self.at += written.len();
        self.skip_blanks();
        if self.rest().starts_with('=') {
            self.at += 1;
            return name(written)
                .map_err(|reason| TemplateError::at(self.text, start, reason.into()));
        }
        Err(match self.rest().chars().next() {
            None | Some('\n' | '\r') => self.error(TemplateFault::NameOnly(short(written))),
            Some(found) => self.error(TemplateFault::NoEquals(short(written), found)),
        })
    }

    fn value(&mut self) -> Result<AttributeValue, TemplateError> {
        self.skip_blanks();
        if let Some(value) = self.quoted() {
            self.end_of_attribute(
                "the closing quote; write a quote inside a quoted value as \\\"",
            )?;
            return Ok(AttributeValue::Text(value));
        }
        if self.at_vector() {
            let items = self.vector_items()?;
            self.end_of_attribute("the closing bracket")?;
            return Ok(items);
        }
        let length = line_length(self.rest());
        let value = self.rest()[..length].trim_matches([' ', '\t', '\r']);
        self.at += length;
        Ok(AttributeValue::Text(value.to_owned()))
    }

    /// A quoted value; `None`, and nothing read, where there is no quote or nothing closes it.
    fn quoted(&mut self) -> Option<String> {
        let inside = self.rest().strip_prefix('"')?;
        let quotes = || inside.match_indices('"').map(|(at, _)| at);
        let escaped = |at: &usize| inside[..*at].ends_with('\\');
        // As in oned: if every quote that follows is escaped, the last of them closes (`"C:\"`).
        let close = quotes()
            .find(|at| !escaped(at))
            .or_else(|| quotes().next_back())?;
        self.at += close + 2;
        Some(inside[..close].replace("\\\"", "\""))
    }

    /// Whether a vector begins here: a bracket, and a name with its equals sign in it.
    fn at_vector(&self) -> bool {
        let mut inside = Scanner {
            text: self.text,
            at: self.at,
            count: 0,
        };
        if !inside.rest().starts_with('[') {
            return false;
        }
        inside.at += 1;
        inside.skip_space();
        begins_attribute(inside.rest())
    }

    fn vector_items(&mut self) -> Result<AttributeValue, TemplateError> {
        let start = self.at;
        let mut items = Vec::new();
        loop {
            // The opening bracket, or the comma.
            self.at += 1;
            self.skip_space();
            let name = self.name_and_equals()?;
            self.skip_blanks();
            let value = match self.quoted() {
                Some(value) => value,
                None => {
                    let length = self
                        .rest()
                        .find([',', ']', '\n'])
                        .unwrap_or(self.rest().len());
                    let value = self.rest()[..length].trim_matches([' ', '\t', '\r']);
                    self.at += length;
                    value
                        .strip_suffix(LITERAL_NEWLINE)
                        .unwrap_or(value)
                        .to_owned()
                }
            };
            items.push((name, value));
            self.skip_space();
            match self.rest().chars().next() {
                Some(',') => {}
                Some(']') => {
                    self.at += 1;
                    return vector(items).map_err(|Twice(name)| {
                        TemplateError::at(self.text, start, TemplateFault::Twice(name))
                    });
                }
                Some(found) => {
                    return Err(self.error(TemplateFault::NoComma(found)));
                }
                None => {
                    return Err(TemplateError::at(
                        self.text,
                        start,
                        TemplateFault::OpenVector,
                    ));
                }
            }
        }
    }

    /// What may follow a closing quote or bracket: nothing, a newline, a comment, or another attribute.
    fn end_of_attribute(&mut self, what: &'static str) -> Result<(), TemplateError> {
        self.skip_blanks();
        let rest = self.rest();
        match rest.chars().next() {
            None | Some('\n' | '\r' | '#') => Ok(()),
            Some(_) if rest.starts_with(LITERAL_NEWLINE) || begins_attribute(rest) => Ok(()),
            Some(found) => Err(self.error(TemplateFault::After(found, what))),
        }
    }
}

fn after_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn name_prefix(text: &str) -> &str {
    &text[..text.find(|c| !is_name_character(c)).unwrap_or(text.len())]
}

/// Whether `NAME =` stands here.
fn begins_attribute(text: &str) -> bool {
    let name = name_prefix(text);
    !name.is_empty() && after_blanks(&text[name.len()..]).starts_with('=')
}

/// The bytes up to the end of the line: a newline, or a literal one that separates attributes. Linear in the
/// text: a run of literal newlines that separates nothing is looked at once.
fn line_length(text: &str) -> usize {
    let mut from = 0;
    while let Some(found) = text[from..].find(['\n', '\\']) {
        let at = from + found;
        let mut after = &text[at..];
        if after.starts_with('\n') {
            return at;
        }
        while let Some(next) = after_blanks(after).strip_prefix(LITERAL_NEWLINE) {
            after = next;
        }
        let run = text.len() - at - after.len();
        let following = after.trim_start_matches([' ', '\t', '\r']);
        let separates =
            following.is_empty() || following.starts_with('\n') || begins_attribute(following);
        if run > 0 && separates {
            return at;
        }
        from = at + run.max(1);
    }
    text.len()
}
