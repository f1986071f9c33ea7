//! A page of the manual, in man(7)'s macros.

use super::Choice;

/// A page as it grows.
pub(super) struct Page(String);

impl Page {
    pub(super) fn new(name: &str, version: &str) -> Self {
        let mut page = Self(String::new());
        let title = name.to_uppercase();
        page.raw(&format!(
            ".TH {} 1 \"2026-11-22\" \"{name} {version}\" \"OpenNebula\"",
            escaped(&title)
        ));
        page
    }

    /// The text of the page.
    pub(super) fn finish(self) -> String {
        self.0
    }

    /// An option with what it takes and does.
    pub(super) fn option(&mut self, option: &Choice) {
        let short = option
            .short
            .map(|letter| format!("-{letter}, "))
            .unwrap_or_default();
        let value = option
            .value
            .name()
            .map(|value| format!(" {value}"))
            .unwrap_or_default();
        self.item(&format!("{short}--{}{value}", option.long), option.help);
    }

    pub(super) fn raw(&mut self, line: &str) {
        self.0 += line;
        self.0.push('\n');
    }

    pub(super) fn section(&mut self, name: &str) {
        self.raw(&format!(".SH \"{}\"", escaped(name)));
    }

    pub(super) fn heading(&mut self, name: &str) {
        self.raw(&format!(".SS {}", escaped(name)));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.raw(&escaped(text));
    }

    pub(super) fn paragraphs(&mut self, text: &str) {
        for paragraph in text.lines() {
            // At the beginning of a section it would be one too many.
            if !self
                .0
                .lines()
                .last()
                .is_some_and(|line| line.starts_with(".SH"))
            {
                self.raw(".PP");
            }
            self.text(paragraph);
        }
    }

    pub(super) fn item(&mut self, name: &str, text: &str) {
        self.raw(&format!(
            ".TP\n.B \"{}\"",
            escaped(name).replace('"', "\\(dq")
        ));
        self.text(text);
    }

    pub(super) fn examples(&mut self, examples: &[&str]) {
        if examples.is_empty() {
            return;
        }
        self.raw(".PP\n.RS\n.nf");
        examples.iter().for_each(|example| self.text(example));
        self.raw(".fi\n.RE");
    }
}

/// Text that roff prints as it is: a dash that can be copied, no quote turned round, no line taken for a request.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
        .replace('`', "\\(ga");
    let text = text.replace('^', "\\(ha").replace('~', "\\(ti");
    if text.starts_with('.') {
        format!("\\&{text}")
    } else {
        text
    }
}
