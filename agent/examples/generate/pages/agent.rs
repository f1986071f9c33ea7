//! onegate(1), and the agent's tables.

use super::man::Page;
use super::{Choice, Entry, Kind, Program, Value};
use onegate::cli::all_options;
use onegate::cli::command::Command;
use onegate::cli::help::{ENVIRONMENT, TOPICS, synopsis};
use onegate::cli::options::{self, OptionEntry};
use onegate::commands::COMMANDS;
use onegate::context::{SOURCES, VARIABLES};
use onegate::error::EXIT_CODES;

pub(super) fn program() -> Program {
    let commands = COMMANDS.iter().map(|command| Entry {
        words: command.words,
        summary: command.summary,
        operands: operands(command),
        options: command.all_options().map(choice).collect(),
    });
    Program {
        name: "onegate",
        commands: commands.collect(),
    }
}

fn operands(command: &Command) -> Vec<Kind> {
    let words = command.operands.split_ascii_whitespace();
    let kind = |word: &str| match word.trim_matches(['[', ']', '.']) {
        "ID" if command.resource() == "vnet" => Kind::Networks,
        "ID" => Kind::Vms,
        "KEY=VALUE" => Kind::Attributes,
        "CONDITION" => Kind::Conditions,
        _ => Kind::Anything,
    };
    words.map(kind).collect()
}

fn choice(option: &OptionEntry) -> Choice {
    let kind = |name| match name {
        "FILE" | "PROGRAM" => Kind::Files,
        "DIR" => Kind::Directories,
        "ROLE" => Kind::Roles,
        "ID" => Kind::Vms,
        "KEY" => Kind::Keys,
        "CONDITION" => Kind::Conditions,
        "PATH" => Kind::Paths,
        _ if matches!(option.kind, options::Kind::Rest(_)) => Kind::CommandLine,
        _ => Kind::Anything,
    };
    Choice {
        short: option.short,
        long: option.long,
        value: option
            .value()
            .map_or(Value::Nothing, |name| Value::Word(name, kind(name))),
        help: option.help,
    }
}

pub(super) fn manual() -> String {
    let mut page = Page::new("onegate", env!("CARGO_PKG_VERSION"));
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
        page.heading(&format!("onegate {}", synopsis(command)));
        page.text(&format!("{}.", command.summary));
        page.paragraphs(command.detail);
        page.examples(command.examples);
    }
    page.section("OPTIONS");
    all_options(COMMANDS)
        .into_iter()
        .for_each(|option| page.option(&choice(option)));
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
    page.finish()
}
