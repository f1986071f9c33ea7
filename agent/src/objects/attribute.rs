//! KEY=VALUE -> what to send so that OpenNebula stores exactly VALUE. (docs/protocol.md,
//! "Values as XML")
//!
//! OneGate re-quotes `KEY=VALUE` text by a naive scan before oned parses it, and so refuses or damages commas, quotes,
//! brackets, backslashes and newlines. The same data as XML, with every character that the scan or oned looks for
//! written as a decimal reference, comes back as it was sent. Simple values keep going as text: OneFlow's ready gate
//! waits half a minute longer for READY=YES as XML (server-lite/tests/fixtures/elasticity.jsonl, case
//! `ready_gate_forms_3`).

pub mod verbatim;

use crate::fault::Fault;
use base64::Engine as _;
use std::fmt::{self, Write as _};
use std::io;

/// One attribute of a VM's USER_TEMPLATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// In upper case, as oned stores it.
    pub name: String,
    /// The value, as it shall be stored.
    pub value: String,
}

/// Reads `KEY=VALUE`, `KEY=@FILE`, `KEY=@-` (standard input) and `KEY=@@TEXT` (for a value that begins with `@`).
/// The newline that ends a text file is not part of the value; with `base64` all bytes are.
///
/// # Errors
/// What is wrong: a bad name, a file that can't be read, or a value that OpenNebula can't store exactly.
pub fn parse(
    word: &str,
    base64: bool,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Attribute, AttributeError> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let refused = |fault, way_out| AttributeError(format!("{name}: "), fault, way_out);
    if name.is_empty() {
        let fault = Fault::new("an attribute needs a name, as in KEY=VALUE. Nothing was sent");
        return Err(AttributeError(String::new(), fault, ""));
    }
    check_name(name).map_err(|fault| refused(fault, ""))?;
    let bytes = match value.strip_prefix('@') {
        Some(text) if text.starts_with('@') => text.as_bytes().to_vec(),
        Some(file) => {
            let mut bytes = read(file).map_err(|error| {
                let what = format!("{file}: {error}");
                refused(Fault::of("can't read {}", &what), "")
            })?;
            if !base64 && bytes.ends_with(b"\n") {
                let crlf = bytes.ends_with(b"\r\n");
                bytes.truncate(bytes.len() - 1 - usize::from(crlf));
            }
            bytes
        }
        None => value.as_bytes().to_vec(),
    };
    let value = if base64 {
        base64::engine::general_purpose::STANDARD.encode(bytes)
    } else {
        String::from_utf8(bytes)
            .map_err(|_| refused(Fault::new("its value is not UTF-8"), WAY_OUT))?
    };
    check_value(&value).map_err(|fault| refused(fault, WAY_OUT))?;
    Ok(Attribute {
        name: name.to_ascii_uppercase(),
        value,
    })
}

/// Why an attribute can't be stored: its name as given with a colon, what is wrong, and what can be done.
#[derive(Debug)]
pub struct AttributeError(String, Fault, &'static str);

impl fmt::Display for AttributeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.0, self.1, self.2)
    }
}

/// What can be done about a value.
const WAY_OUT: &str = ". Nothing was sent; with --base64 the value would be stored base64-encoded";

/// A letter or `_`, then letters, digits and `_`. oned refuses `-`, `.`, `:` and blanks, and puts `ONE_` before a
/// digit.
fn check_name(name: &str) -> Result<(), Fault> {
    match name
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && *c != '_')
    {
        Some(odd) => Err(Fault::of(
            "an attribute's name holds letters, digits and '_' alone, not {}",
            &spelled(odd),
        )),
        None if name.starts_with(|c: char| c.is_ascii_digit()) => Err(Fault::of(
            "OpenNebula would store this name as ONE_{}: begin it with a letter",
            name,
        )),
        None => Ok(()),
    }
}

/// What OpenNebula would trim, change, drop or choke on, whichever way it is sent.
fn check_value(value: &str) -> Result<(), Fault> {
    // Beyond U+FFFF a reference makes the VM's record unreadable for good, and text is refused.
    let unfit = |c: &char| match c {
        '\t' | '\n' | '\u{7f}' => false,
        '\u{fffe}'.. => true,
        c => c.is_ascii_control(),
    };
    if let Some(c) = value.chars().find(unfit) {
        return Err(Fault::of(
            "its value holds {}, which OpenNebula can't store",
            &spelled(c),
        ));
    }
    if value.contains("]]>") {
        return Err(Fault::new(
            "its value holds ']]>', with which OpenNebula drops it",
        ));
    }
    if value.ends_with('\\') {
        return Err(Fault::new(
            "its value ends with U+005C ('\\'): an OpenNebula server can't erase any attribute of a VM with such a value",
        ));
    }
    for (c, sentence) in [
        (
            value.chars().next(),
            "its value begins with {}, which OpenNebula trims",
        ),
        (
            value.chars().last(),
            "its value ends with {}, which OpenNebula trims",
        ),
    ] {
        if let Some(c) = c.filter(|c| c.is_whitespace()) {
            return Err(Fault::of(sentence, &spelled(c)));
        }
    }
    Ok(())
}

/// A character by its number, and as itself where that can be seen.
fn spelled(c: char) -> String {
    let name = match c {
        '\n' => " (a newline)".to_owned(),
        '\r' => " (a carriage return)".to_owned(),
        '\t' => " (a tab)".to_owned(),
        ' ' => " (a blank)".to_owned(),
        c if c.is_control() || c.is_whitespace() => String::new(),
        c => format!(" ('{c}')"),
    };
    format!("U+{:04X}{name}", u32::from(c))
}

/// What to send as `data`, one after the other, so that every attribute is stored: usually one text.
///
/// Where one value needs XML all go as XML, at once, save those that can't: an empty value, which XML drops, and
/// READY, which announces the rest and so comes last, as text.
pub fn encode(attributes: &[Attribute]) -> Vec<String> {
    let is_text = |a: &&Attribute| is_simple(&a.value);
    if attributes.iter().all(|a| is_text(&a)) {
        return vec![text(attributes.iter())];
    }
    let last = |a: &&Attribute| a.value.is_empty() || (a.name == "READY" && is_text(a));
    let mut sent = vec![xml(attributes.iter().filter(|a| !last(a)))];
    if attributes.iter().any(|a| last(&a)) {
        sent.push(text(attributes.iter().filter(last)));
    }
    sent
}

/// Does the text form keep this value?
fn is_simple(value: &str) -> bool {
    value.chars().all(|c| match c {
        ',' | '"' | '[' | ']' | '\\' => false,
        ' '..='~' | '\t' | '\u{a0}'.. => true,
        _ => false,
    })
}

fn text<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> String {
    let line = |a: &Attribute| {
        let value = if a.value.is_empty() {
            r#""""#
        } else {
            &a.value
        };
        format!("{}={value}", a.name)
    };
    attributes.map(line).collect::<Vec<_>>().join("\n")
}

fn xml<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> String {
    let mut out = String::from("<TEMPLATE>");
    // Writing to a String cannot fail.
    for Attribute { name, value } in attributes {
        let _ = write!(out, "<{name}>");
        for c in value.chars() {
            if c.is_ascii_alphanumeric() || " _-./:@%+~".contains(c) {
                out.push(c);
            } else {
                let _ = write!(out, "&#{};", u32::from(c));
            }
        }
        let _ = write!(out, "</{name}>");
    }
    out.push_str("</TEMPLATE>");
    out
}

#[cfg(test)]
mod tests;
