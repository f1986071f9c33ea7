//! onegate(1), in man(7)'s macros.

use onegate::cli::all_options;
use onegate::cli::help::{ENVIRONMENT, TOPICS, synopsis};
use onegate::commands::COMMANDS;
use onegate::context::{SOURCES, VARIABLES};
use onegate::error::EXIT_CODES;

pub(crate) fn page() -> String {
    let mut page = Page(String::new());
    page.raw(concat!(
        ".TH ONEGATE 1 \"2026-11-22\" \"onegate ",
        env!("CARGO_PKG_VERSION"),
        "\" \"OpenNebula\""
    ));
    page.section("NAME");
    page.text("onegate - read and change this VM's record in OpenNebula, and those of its service");
    page.section("SYNOPSIS");
    page.raw(".B onegate\n.I COMMAND\n.RI [ OPTION ]...");
    page.section("DESCRIPTION");
    page.text(
        "The client of OpenNebula's OneGate for use inside a virtual machine: it reads and changes the VM's own \
         record, and those of the VMs of its service or virtual router. It takes every command line that the Ruby \
         client takes. Options may stand anywhere in the line.",
    );
    page.section("COMMANDS");
    for command in COMMANDS {
        page.raw(&format!(".SS onegate {}", escaped(&synopsis(command))));
        page.text(&format!("{}.", command.summary));
        page.paragraphs(command.detail);
        page.examples(command.examples);
    }
    page.section("OPTIONS");
    for option in all_options(COMMANDS) {
        let short = option
            .short
            .map(|letter| format!("-{letter}, "))
            .unwrap_or_default();
        let value = option
            .value()
            .map(|value| format!(" {value}"))
            .unwrap_or_default();
        page.item(&format!("{short}--{}{value}", option.long), option.help);
    }
    for (title, text) in TOPICS {
        page.section(&title.to_uppercase());
        page.paragraphs(text);
    }
    page.section("ENVIRONMENT");
    let variables = VARIABLES
        .iter()
        .map(|variable| (variable.name, variable.about));
    variables
        .chain(ENVIRONMENT.iter().copied())
        .for_each(|(name, about)| page.item(name, about));
    page.section("FILES");
    page.text("Where the endpoint, the VM's id and its token are looked for, in this order:");
    SOURCES
        .iter()
        .for_each(|source| page.item(source.name, source.about));
    page.section("EXIT STATUS");
    EXIT_CODES
        .iter()
        .for_each(|(code, meaning)| page.item(&code.to_string(), meaning));
    page.section("SEE ALSO");
    page.text("The OpenNebula documentation, 'OneGate Usage'.");
    page.0
}

struct Page(String);

impl Page {
    fn raw(&mut self, line: &str) {
        self.0 += line;
        self.0.push('\n');
    }

    fn section(&mut self, name: &str) {
        self.raw(&format!(".SH \"{}\"", escaped(name)));
    }

    fn text(&mut self, text: &str) {
        self.raw(&escaped(text));
    }

    fn paragraphs(&mut self, text: &str) {
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

    fn item(&mut self, name: &str, text: &str) {
        self.raw(&format!(
            ".TP\n.B \"{}\"",
            escaped(name).replace('"', "\\(dq")
        ));
        self.text(text);
    }

    fn examples(&mut self, examples: &[&str]) {
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
