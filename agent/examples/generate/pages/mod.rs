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

use onegate::cli::command::Command;
use onegate::cli::options::OptionEntry;
use onegate::commands::COMMANDS;

/// The options that go with a command, its own first.
fn options_of(command: &Command) -> impl Iterator<Item = &'static OptionEntry> {
    command.all_options()
}

/// `vm`, `service`, … and `doctor`, which is a command by itself: each once.
fn resources() -> Vec<&'static str> {
    let mut resources: Vec<&str> = COMMANDS.iter().map(Command::resource).collect();
    resources.dedup();
    resources
}

/// The commands of a resource that have an action: `vm show`, …
fn actions(resource: &str) -> impl Iterator<Item = &'static Command> {
    let of_resource =
        move |command: &&Command| command.resource() == resource && !command.action().is_empty();
    COMMANDS.iter().filter(of_resource)
}

/// Is it a command by itself?
fn stands_alone(resource: &str) -> bool {
    actions(resource).next().is_none()
}
