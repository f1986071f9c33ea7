//! What surrounds a command: its environment, stdout and stderr. Text that somebody else wrote is made safe for a
//! terminal here, and nowhere else.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, Write};

/// What surrounds a command.
pub struct World<'a> {
    /// The environment: a variable's name to its value.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Is stdout a terminal?
    pub terminal: bool,
    /// Is stderr a terminal?
    pub err_terminal: bool,
    /// stdout
    pub out: &'a mut dyn Write,
    /// stderr
    pub err: &'a mut dyn Write,
}

impl World<'_> {
    /// A variable of the environment; `None` if it is not UTF-8.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).and_then(|value| value.into_string().ok())
    }

    /// Writes to stdout at once.
    ///
    /// # Errors
    /// Those of stdout.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Writes a line to stderr, sanitised.
    pub fn say(&mut self, what: &str) {
        // If stderr can't be written, there is nowhere left to say so.
        let _ = writeln!(self.err, "{}", sanitize_lines(what));
    }

    /// Writes a warning to stderr, sanitised.
    pub fn warn(&mut self, what: &str) {
        self.say(&format!("onegate: warning: {what}"));
    }
}

/// The text with every character that is not printable spelled out, so that it can't control a terminal or reorder what
/// is shown.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    match text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(spelled_out(text, &[])),
    }
}

/// The same for a message of several lines: newlines and tabs stay.
pub fn sanitize_lines(text: &str) -> String {
    spelled_out(&text.replace("\r\n", "\n"), &['\n', '\t'])
}

fn spelled_out(text: &str, kept: &[char]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if kept.contains(&c) || is_printable(c) {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    out
}

/// Can it be printed to a terminal? What Unicode calls printable can, which neither a character that reorders text nor
/// one that is not seen is.
pub fn is_printable(c: char) -> bool {
    // A combining mark is printable after another character, so one is put in front.
    matches!(c, ' '..='~') || String::from_iter(['-', c]).escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::{sanitize, sanitize_lines};

    #[test]
    fn only_what_can_be_printed_is_printed() {
        for (text, shown) in [
            ("a 'b' \"c\" \\d", "a 'b' \"c\" \\d"),
            (
                "\u{1b}[2J\u{7}\u{7f}\u{9b}",
                "\\u{1b}[2J\\u{7}\\u{7f}\\u{9b}",
            ),
            ("a\tb\nc\r", "a\\tb\\nc\\r"),
            ("é ☃ 日本 e\u{301} 🚀", "é ☃ 日本 e\u{301} 🚀"),
            (
                "a\u{202e}b\u{2066}c\u{200f}",
                "a\\u{202e}b\\u{2066}c\\u{200f}",
            ),
            (
                "\u{feff}\u{2028}\u{e0041}\u{200b}",
                "\\u{feff}\\u{2028}\\u{e0041}\\u{200b}",
            ),
        ] {
            assert_eq!(sanitize(text), shown, "{text:?}");
        }
        assert_eq!(sanitize_lines("a\r\nb\tc\u{1b}[1m"), "a\nb\tc\\u{1b}[1m");
    }
}
