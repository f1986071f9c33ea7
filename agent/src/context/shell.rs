//! `context.sh` and `one_env` read as data. Nothing in them is ever run or expanded: a value is what its writer meant.
//!
//! Three writers, three formats (docs/protocol.md, "Where scripts look for a context"):
//! - OpenNebula's `context.sh`: `NAME='value'`, the only escape `'\''`, real newlines inside.
//! - the context scripts' `one_env`: `export NAME="value"`, nothing escaped, so that a value's own quotes and lines
//!   stand as they are.
//! - the same text for VMware: `NAME='value'`, nothing escaped.
//!
//! Nothing after a quote that is not closed counts, nor after a malformed line of a writer that escapes nothing: quotes
//! may have changed sides there. All else that is malformed is passed over.

use std::borrow::Cow;
use std::fmt;

/// The assignments of a file, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    list: Vec<(String, Vec<u8>)>,
    /// Of a name that is set twice the last counts, not the first.
    last_counts: bool,
    /// Where the file stops making sense.
    pub malformed: Option<Malformed>,
}

/// A line that none of the file's writers writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it. Never quotes the file: a token may stand there.
    pub what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed at line {}: {}", self.line, self.what)
    }
}

impl Assignments {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.iter().filter(|(known, _)| *known == name);
        let found = match self.last_counts {
            true => values.next_back(),
            false => values.next(),
        };
        found.map(|(_, value)| value)
    }

    /// Every name and value, in the file's order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &[u8])> {
        self.list
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Notes the first place that makes no sense.
    fn note_malformed(&mut self, text: &[u8], offset: usize, what: &'static str) {
        if self.malformed.is_some() {
            return;
        }
        let newlines = text
            .iter()
            .take(offset)
            .filter(|&&byte| byte == b'\n')
            .count();
        self.malformed = Some(Malformed {
            line: newlines + 1,
            what,
        });
    }

    fn malformed_at(mut self, text: &[u8], offset: usize, what: &'static str) -> Self {
        self.note_malformed(text, offset, what);
        self
    }
}

/// A name's bytes: the context scripts allow a `-` too.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Splits `NAME=` off the front.
fn name(text: &[u8]) -> Option<(&str, usize)> {
    let end = text.iter().position(|&byte| !is_name(byte))?;
    (text[end] == b'=').then(|| (str::from_utf8(&text[..end]).unwrap_or_default(), end + 1))
}

/// Reads a `context.sh`. Of a name that is set twice the last counts, as for a shell.
///
/// Beyond what OpenNebula writes, `export`, double quotes, bare words and several assignments on a line are understood,
/// since people write such files by hand too; `$` and backticks are ordinary characters everywhere. A command is passed
/// over with the assignments before it, which a shell would make for the command alone.
pub fn context_sh(text: &[u8]) -> Assignments {
    let text = without_mark(text);
    let mut found = Assignments {
        last_counts: true,
        ..Assignments::default()
    };
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b';' => at += 1,
            b'#' => at = line_end(text, at),
            _ => match statement(text, at, &mut found) {
                Ok(end) => at = end,
                Err((place, what)) => {
                    found.note_malformed(text, place, what);
                    return found;
                }
            },
        }
    }
    found
}

/// Takes the assignments of one statement; the result is where it ends. The error is a quote that is not closed: what
/// comes after it can't be told from what is within.
fn statement(
    text: &[u8],
    start: usize,
    found: &mut Assignments,
) -> Result<usize, (usize, &'static str)> {
    let mut at = start;
    if text[at..].starts_with(b"export ") {
        at += b"export ".len();
    }
    let mut assigned = Vec::new();
    let mut is_command = false;
    loop {
        while matches!(text.get(at), Some(b' ' | b'\t' | b'\r')) {
            at += 1;
        }
        if matches!(text.get(at), None | Some(b'\n' | b';' | b'#')) {
            break;
        }
        let begin = at;
        let name = name(&text[at..]).filter(|(name, _)| !name.is_empty() && !is_command);
        let length = name.map_or(0, |(_, length)| length);
        let (value, end) = word(text, at + length).map_err(|what| (begin, what))?;
        at = end;
        match name {
            Some((name, _)) => assigned.push((name.to_owned(), value)),
            None if is_command => {}
            None => {
                is_command = true;
                found.note_malformed(
                    text,
                    begin,
                    match assigned.is_empty() {
                        true => "expected NAME='value'",
                        false => "something follows the value",
                    },
                );
            }
        }
    }
    if !is_command {
        found.list.append(&mut assigned);
    }
    Ok(at)
}

/// Without the byte-order mark that some editors put first.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

fn line_end(text: &[u8], from: usize) -> usize {
    text[from..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(text.len(), |length| from + length)
}

/// One shell word without its quotes, and where it ends.
fn word(text: &[u8], mut at: usize) -> Result<(Vec<u8>, usize), &'static str> {
    let mut value = Vec::new();
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'\'' => {
                let Some(length) = text[at..].iter().position(|&byte| byte == b'\'') else {
                    return Err("the quote ' is not closed");
                };
                value.extend_from_slice(&text[at..at + length]);
                at += length + 1;
            }
            b'"' => loop {
                match text.get(at..).unwrap_or_default() {
                    [] => return Err("the quote \" is not closed"),
                    [b'"', ..] => {
                        at += 1;
                        break;
                    }
                    [b'\\', escaped @ (b'"' | b'\\' | b'$' | b'`'), ..] => {
                        value.push(*escaped);
                        at += 2;
                    }
                    [other, ..] => {
                        value.push(*other);
                        at += 1;
                    }
                }
            },
            b'\\' => {
                let Some(&escaped) = text.get(at) else {
                    return Err("a \\ with nothing after it");
                };
                value.push(escaped);
                at += 1;
            }
            b' ' | b'\t' | b'\r' | b'\n' | b';' => return Ok((value, at - 1)),
            other => value.push(other),
        }
    }
    Ok((value, at))
}

/// Reads a `one_env`. Of a name that is set twice the first counts: the scripts write `TOKENTXT`, `VMID` and
/// `ONEGATE_ENDPOINT` at the top, and a line inside a later value may look like another assignment.
pub fn one_env(text: &[u8]) -> Assignments {
    unescaped(text, b"export ", b'"')
}

/// Reads what OpenNebula hands to VMware as `guestinfo.opennebula.context`. The first of two counts.
pub fn guestinfo(text: &[u8]) -> Assignments {
    unescaped(text, b"", b'\'')
}

/// Without the carriage returns of a file whose every line ends with one.
fn with_plain_lines(text: &[u8]) -> Cow<'_, [u8]> {
    let mut lines = text.split(|&byte| byte == b'\n').peekable();
    let mut plain = Vec::new();
    while let Some(line) = lines.next() {
        match line.strip_suffix(b"\r") {
            Some(line) if lines.peek().is_some() => {
                plain.extend_from_slice(line);
                plain.push(b'\n');
            }
            None if lines.peek().is_none() => plain.extend_from_slice(line),
            _ => return text.into(),
        }
    }
    plain.into()
}

fn unescaped(text: &[u8], prefix: &[u8], quote: u8) -> Assignments {
    let text = &with_plain_lines(without_mark(text));
    let starts = |line: &[u8]| -> Option<(String, usize)> {
        let rest = line.strip_prefix(prefix)?;
        let (name, length) = name(rest)?;
        (rest.get(length) == Some(&quote)).then(|| (name.to_owned(), prefix.len() + length + 1))
    };
    let mut found = Assignments::default();
    let mut at = 0;
    while at < text.len() {
        let line = &text[at..line_end(text, at)];
        if line.is_empty() || line.starts_with(b"#") {
            at += line.len() + 1;
            continue;
        }
        let Some((name, length)) = starts(line) else {
            let what = if quote == b'"' {
                "expected export NAME=\"value\""
            } else {
                "expected NAME='value'"
            };
            return found.malformed_at(text, at, what);
        };
        let begin = at + length;
        // Only a quote at the end of a line closes the value, and only if nothing but another assignment follows: so an
        // assignment inside a value stays inside.
        let mut end = line_end(text, begin);
        let closed = loop {
            let next = &text[(end + 1).min(text.len())..];
            let last = text[begin..end].ends_with(&[quote]);
            if last
                && (next.iter().all(u8::is_ascii_whitespace)
                    || starts(&next[..line_end(next, 0)]).is_some())
            {
                break true;
            }
            if next.is_empty() {
                break false;
            }
            end = line_end(text, end + 1);
        };
        if closed {
            found.list.push((name, text[begin..end - 1].to_vec()));
            at = end + 1;
            continue;
        }
        // The file was cut, or somebody wrote below: a first line that is whole still counts.
        let first = &text[begin..line_end(text, begin)];
        return match first.strip_suffix(&[quote]) {
            Some(value) => {
                found.list.push((name, value.to_vec()));
                found.malformed_at(
                    text,
                    begin + first.len() + 1,
                    "neither an assignment nor part of one",
                )
            }
            None => found.malformed_at(text, at, "the value's quote is not closed"),
        };
    }
    found
}
