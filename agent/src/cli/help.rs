//! `--help`, rendered from the tables.

use super::command::Command;
use super::options::OptionEntry;
use super::{Commands, all_options};
use crate::context::VARIABLES;
use crate::error::{EXIT_CODES, FAILED, MISREAD_OR_NO_MATCH, TIMED_OUT};
use std::fmt::Write as _;

/// Help for the command, or the group of commands, that `words` name; for all where they name none.
pub fn of(commands: Commands, words: &[&str]) -> String {
    let named = |entry: &&Command| {
        let mut rest = words.iter();
        entry
            .words
            .split(' ')
            .all(|word| rest.next() == Some(&word))
    };
    let exact = commands.iter().find(named);
    if let Some(entry) = exact {
        return command(entry);
    }
    match words.first() {
        Some(resource) if commands.iter().any(|entry| entry.resource() == *resource) => {
            list(commands, |entry| entry.resource() == *resource)
        }
        _ => whole(commands),
    }
}

/// The list of the commands that `wanted` picks, and how to learn more.
pub fn list(commands: Commands, wanted: impl Fn(&Command) -> bool) -> String {
    let mut out = String::from("Usage: onegate COMMAND [OPTION]...\n\nCommands:\n");
    for entry in commands.iter().filter(|entry| wanted(entry)) {
        let synopsis = format!("{} {}", entry.words, entry.operands);
        row(&mut out, synopsis.trim_end(), entry.summary);
    }
    out.push_str("\n'onegate COMMAND --help' says more about one of them.\n");
    out
}

fn whole(commands: Commands) -> String {
    let mut out = String::from(
        "onegate: read and change this VM's record in OpenNebula, and those of its service (OneGate)\n\n",
    );
    out.push_str(&list(commands, |_| true));
    heading(&mut out, "Options, anywhere in the line");
    all_options(commands)
        .into_iter()
        .for_each(|entry| option(&mut out, entry));
    for (title, text) in TOPICS {
        heading(&mut out, title);
        paragraphs(&mut out, text);
    }
    heading(&mut out, "Environment");
    let variables = VARIABLES
        .iter()
        .map(|variable| (variable.name, variable.about));
    variables
        .chain(ENVIRONMENT.iter().copied())
        .for_each(|(name, about)| row(&mut out, name, about));
    exit_codes(&mut out);
    out
}

fn command(entry: &Command) -> String {
    let mut out = format!("{}\n\nUsage: onegate {}\n", entry.summary, synopsis(entry));
    if !entry.detail.is_empty() {
        out.push('\n');
        paragraphs(&mut out, entry.detail);
    }
    heading(&mut out, "Options");
    for each in entry.all_options() {
        option(&mut out, each);
    }
    if !entry.examples.is_empty() {
        heading(&mut out, "Examples");
        entry
            .examples
            .iter()
            .for_each(|example| line(&mut out, &["  ", example]));
    }
    heading(&mut out, "Exit codes");
    for (code, meaning) in EXIT_CODES {
        if let Some(meaning) = of_command(entry, *code, meaning) {
            row(&mut out, &code.to_string(), meaning);
        }
    }
    out
}

/// `vm update [ID] [KEY=VALUE]... [--erase KEY]`
pub fn synopsis(entry: &Command) -> String {
    let mut out = entry.words.to_owned();
    if !entry.operands.is_empty() {
        out += &[" ", entry.operands].concat();
    }
    for option in entry.options {
        out += &[" [--", option.long, &value(option), "]"].concat();
    }
    out
}

/// A blank and what an option takes, or nothing.
fn value(entry: &OptionEntry) -> String {
    entry
        .value()
        .map(|value| format!(" {value}"))
        .unwrap_or_default()
}

fn option(out: &mut String, entry: &OptionEntry) {
    let short = entry
        .short
        .map(|letter| format!("-{letter}, "))
        .unwrap_or_default();
    row(
        out,
        &[&short, "--", entry.long, &value(entry)].concat(),
        entry.help,
    );
}

/// What an exit code means after this command; `None` where it never ends so.
fn of_command(entry: &Command, code: u8, meaning: &'static str) -> Option<&'static str> {
    let has = |name: &str| entry.options.iter().any(|option| option.long == name);
    match code {
        MISREAD_OR_NO_MATCH if !has("get") => Some("An option is unknown or lacks its value"),
        TIMED_OUT if entry.action() != "wait" => None,
        TIMED_OUT => Some("Timed out: the time is over"),
        FAILED if entry.online => Some("No credentials, no connection, or the server refused"),
        FAILED => Some("An operand is wrong, or there are no credentials"),
        _ => Some(meaning),
    }
}

fn exit_codes(out: &mut String) {
    heading(out, "Exit codes");
    for (code, meaning) in EXIT_CODES {
        row(out, &code.to_string(), meaning);
    }
}

fn heading(out: &mut String, title: &str) {
    line(out, &["\n", title, ":"]);
}

fn line(out: &mut String, parts: &[&str]) {
    parts
        .iter()
        .chain(&["\n"])
        .for_each(|part| out.push_str(part));
}

/// Columns of a page, and where the right half of a [`row`] begins.
const WIDTH: usize = 88;
const RIGHT: usize = 29;

fn row(out: &mut String, left: &str, right: &str) {
    // Writing to a String cannot fail.
    let _ = write!(out, "  {left:<25}");
    let mut column = if left.len() > RIGHT - 4 {
        WIDTH
    } else {
        RIGHT - 2
    };
    if column < WIDTH {
        out.push_str("  ");
        column = RIGHT;
    }
    words(out, right, column, RIGHT);
}

fn paragraphs(out: &mut String, text: &str) {
    text.lines()
        .for_each(|paragraph| words(out, paragraph, 0, 0));
}

/// The words from `column` on, over as many lines as it takes, each indented.
fn words(out: &mut String, text: &str, mut column: usize, indent: usize) {
    let mut first = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column + 1 + length > WIDTH {
            out.push('\n');
            (0..indent).for_each(|_| out.push(' '));
            column = indent;
        } else if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        first = false;
    }
    out.push('\n');
}

/// What is said once, for all commands: a heading and its paragraphs, a line each.
pub const TOPICS: &[(&str, &str)] = &[
    (
        "Paths",
        "\
--get takes a subset of JSONPath (RFC 9535): names (.NAME, ['NAME']), indices ([0], [-1]), wildcards (.*, [*]), \
several of them ([0,1]), at any depth (..NAME), and filters: [?@.name=='slave'], [?@.state!=2], [?@.READY]. No slices, \
no functions.
OpenNebula writes a list of one as the thing itself. So where this leads nowhere else, [0], [-1], [*] and filters take \
what is no list for a list of one: TEMPLATE.NIC[0].IP and TEMPLATE.NIC[*].IP work with one NIC and with two.
A path begins at the document's root with $, otherwise at the record itself: USER_TEMPLATE.ACTIVE of 'vm show' is \
$.VM.USER_TEMPLATE.ACTIVE.",
    ),
    (
        "Credentials",
        "\
The endpoint, the VM's id and its token are each taken from the first source that has it; nothing further is touched \
once all three are known. The environment wins over what the context scripts wrote (the Ruby client's wrapper did the \
reverse). Several endpoints, with blanks between, are tried in turn when one can't be reached.",
    ),
    (
        "Certificates",
        "\
An https endpoint must have a certificate from an authority that the system trusts, or from those in --cacert, \
ONEGATE_CA_FILE or ONEGATE_CA_CERT, and from those alone. A cloud can set ONEGATE_CA_CERT for all its VMs in their \
context.",
    ),
];

/// Variables that count besides [`crate::context::VARIABLES`]: a name and what it is for.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "http_proxy, https_proxy",
        "The proxy on the way to an http or https endpoint. HTTPS_PROXY counts too, HTTP_PROXY never.",
    ),
    (
        "no_proxy, NO_PROXY",
        "Hosts that are reached without it: names, addresses, networks such as 10.0.0.0/8, or *.",
    ),
    ("ONEGATE_TRACE", "Not empty and not 0: the same as --trace."),
    ("NO_COLOR", "Not empty: nothing bold or underlined."),
];
