//! Every generated file.

mod bash;
mod fish;
mod man;
mod zsh;

/// Names and contents.
pub(crate) fn all() -> [(&'static str, String); 4] {
    [
        ("onegate.1", man::page()),
        ("onegate.bash", bash::completion()),
        ("_onegate", zsh::completion()),
        ("onegate.fish", fish::completion()),
    ]
}

use onegate::cli::table::{COMMANDS, COMMON, CommandEntry, ONLINE, OptionEntry, entry};

/// The options that go with a command, its own first.
fn options_of(command: &CommandEntry) -> impl Iterator<Item = &'static OptionEntry> {
    let online = if command.online { ONLINE } else { &[] };
    command
        .options
        .iter()
        .chain(online)
        .chain(COMMON)
        .map(|opt| entry(*opt))
}

/// `vm`, `service`, … and `doctor`, which is a command by itself: each once.
fn resources() -> Vec<&'static str> {
    let mut resources: Vec<&str> = COMMANDS.iter().map(CommandEntry::resource).collect();
    resources.dedup();
    resources
}

/// The commands of a resource that have an action: `vm show`, …
fn actions(resource: &str) -> impl Iterator<Item = &'static CommandEntry> {
    let of_resource = move |command: &&CommandEntry| {
        command.resource() == resource && !command.action().is_empty()
    };
    COMMANDS.iter().filter(of_resource)
}

/// Is it a command by itself?
fn stands_alone(resource: &str) -> bool {
    actions(resource).next().is_none()
}
