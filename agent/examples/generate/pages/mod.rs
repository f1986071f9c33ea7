//! Every generated file.

mod agent;
mod bash;
mod fish;
mod man;
mod server;
mod zsh;

/// A program as its tables have it.
struct Program {
    name: &'static str,
    commands: Vec<Entry>,
}

/// A command: its words, what it does, and the options that go with it.
struct Entry {
    words: &'static str,
    summary: &'static str,
    options: Vec<Choice>,
}

/// An option.
#[derive(Clone, PartialEq, Eq)]
struct Choice {
    short: Option<char>,
    long: &'static str,
    value: Value,
    help: &'static str,
}

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Nothing,
    File(&'static str),
    Directory,
    Word(&'static str),
}

/// Names and contents.
pub(crate) fn all() -> Vec<(String, String)> {
    let pages = [
        (agent::program(), agent::manual()),
        (server::program(), server::manual()),
    ];
    let files = pages.into_iter().flat_map(|(program, manual)| {
        let name = program.name;
        [
            (format!("{name}.1"), manual),
            (format!("{name}.bash"), bash::completion(&program)),
            (format!("_{name}"), zsh::completion(&program)),
            (format!("{name}.fish"), fish::completion(&program)),
        ]
    });
    files.collect()
}

impl Program {
    /// The first words of commands, each once: `vm`, `service`, … and `doctor`, which is a command by itself.
    fn resources(&self) -> Vec<&'static str> {
        let mut resources: Vec<&str> = self.commands.iter().map(Entry::resource).collect();
        resources.dedup();
        resources
    }

    /// The commands of a resource that have an action: `vm show`, …
    fn actions(&self, resource: &str) -> impl Iterator<Item = &Entry> {
        let of_resource =
            move |command: &&Entry| command.resource() == resource && !command.action().is_empty();
        self.commands.iter().filter(of_resource)
    }

    /// Is it a command by itself?
    fn stands_alone(&self, resource: &str) -> bool {
        self.actions(resource).next().is_none()
    }

    /// Every option of any command, each once.
    fn options(&self) -> Vec<&Choice> {
        let mut options: Vec<&Choice> = Vec::new();
        for option in self.commands.iter().flat_map(|command| &command.options) {
            if !options.contains(&option) {
                options.push(option);
            }
        }
        options
    }
}

impl Entry {
    fn resource(&self) -> &'static str {
        self.words.split(' ').next().unwrap_or_default()
    }

    fn action(&self) -> &'static str {
        self.words.split_once(' ').map_or("", |(_, action)| action)
    }
}

impl Value {
    /// Its name in the manual.
    fn name(self) -> Option<&'static str> {
        match self {
            Value::Nothing => None,
            Value::File(name) | Value::Word(name) => Some(name),
            Value::Directory => Some("DIR"),
        }
    }
}
