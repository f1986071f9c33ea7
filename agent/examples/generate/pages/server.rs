//! onegate-server-lite(1), and the server's tables.

use super::man::Page;
use super::{Choice, Entry, Kind, Program, Value};
use onegate_server_lite::commands::cli::{COMMANDS, EXIT_CODES, PROGRAM, STATE};
use onegate_server_lite::commands::options::{OPTIONS, OptionEntry};

pub(super) fn program() -> Program {
    let commands = COMMANDS.iter().map(|command| Entry {
        words: command.name,
        summary: command.help,
        operands: Vec::new(),
        options: OPTIONS
            .iter()
            .filter(|option| option.commands.contains(&command.name))
            .map(choice)
            .collect(),
    });
    Program {
        name: PROGRAM,
        commands: commands.collect(),
    }
}

fn choice(option: &OptionEntry) -> Choice {
    Choice {
        short: None,
        long: option.name,
        value: match option.value {
            None => Value::Nothing,
            Some(name @ "DIR") => Value::Word(name, Kind::Directories),
            Some(name @ "FILE") => Value::Word(name, Kind::Files),
            Some(name) => Value::Word(name, Kind::Anything),
        },
        help: option.help,
    }
}

pub(super) fn manual() -> String {
    let mut page = Page::new(PROGRAM, env!("CARGO_PKG_VERSION"));
    page.section("NAME");
    page.text(
        "onegate-server-lite - serve OneGate to virtual machines, with or without an OpenNebula",
    );
    page.section("SYNOPSIS");
    page.raw(".B onegate\\-server\\-lite\n.I COMMAND\n.RI [ OPTION ]...");
    page.section("DESCRIPTION");
    page.text(
        "Serves the OneGate protocol, through which an OpenNebula VM reads and changes its own record and those of \
         its service. The cloud is either one of its own, to develop and test an appliance without OpenNebula, or \
         a real OpenNebula (serve --opennebula).",
    );
    page.section("COMMANDS");
    for (command, entry) in COMMANDS.iter().zip(program().commands) {
        page.heading(&format!("{PROGRAM} {} [OPTION]...", command.usage()));
        page.text(&format!("{}.", entry.summary));
        entry.options.iter().for_each(|option| page.option(option));
    }
    page.section("OPTIONS");
    page.item(
        "-h, --help",
        "Print the help, or with a command that command's options.",
    );
    page.item("-V, --version", "Print the version.");
    page.section("ENVIRONMENT");
    page.item(
        STATE,
        "Stands for --state where that is an option and not given.",
    );
    page.section("FILES");
    page.item(
        "/etc/onegate-server-lite.env",
        "The options with which the packages' service starts the server.",
    );
    page.item(
        "/var/lib/onegate-server-lite",
        "The state of the packages' service, where it has a cloud of its own.",
    );
    page.item(
        "/usr/share/doc/onegate-server-lite",
        "How to operate the server, in front of an OpenNebula or with a cloud of its own; the format of scenarios.",
    );
    page.section("EXIT STATUS");
    for (code, meaning) in EXIT_CODES {
        page.item(&code.to_string(), &format!("{meaning}."));
    }
    page.section("SEE ALSO");
    page.text("onegate(1)");
    page.finish()
}
