//! Every generated file.

mod agent;
mod bash;
mod choices;
mod fish;
mod man;
mod server;
mod zsh;

/// A program as its tables have it.
struct Program {
    name: &'static str,
    commands: Vec<Entry>,
}

/// A command: its words, what it does, what may follow them, and the options that go with it.
struct Entry {
    words: &'static str,
    summary: &'static str,
    operands: Vec<Kind>,
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

/// What an option takes: nothing, or what the manual calls so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Nothing,
    Word(&'static str, Kind),
}

/// What a word can be. The last ones are asked of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Anything,
    Files,
    Directories,
    /// A program and its arguments: the rest of the line.
    CommandLine,
    Roles,
    Vms,
    Networks,
    /// A key of a VM's attributes.
    Keys,
    /// `KEY=VALUE` or `KEY=@FILE`.
    Attributes,
    /// `KEY=VALUE`, and `STATE=` with a state's name.
    Conditions,
    /// What `--get` takes.
    Paths,
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

    /// Every option that takes what is `wanted`, spelled as it can be: `-r`, `--role`.
    fn spellings(&self, wanted: impl Fn(Value) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        for option in self.commands.iter().flat_map(|command| &command.options) {
            let short = option.short.map(|letter| format!("-{letter}"));
            let spellings = short.into_iter().chain([format!("--{}", option.long)]);
            for name in spellings.filter(|_| wanted(option.value)) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The kinds of values that its options take, each once.
    fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        let options = self.commands.iter().flat_map(|command| &command.options);
        for kind in options.filter_map(|option| option.value.kind()) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// The options of every command: those that can be given before there is one.
    fn common(&self) -> Vec<&Choice> {
        let Some((first, others)) = self.commands.split_first() else {
            return Vec::new();
        };
        let in_all = |option: &&Choice| {
            others.iter().all(|command| {
                command
                    .options
                    .iter()
                    .any(|other| other.long == option.long)
            })
        };
        first.options.iter().filter(in_all).collect()
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
            Value::Word(name, _) => Some(name),
        }
    }

    fn kind(self) -> Option<Kind> {
        match self {
            Value::Nothing => None,
            Value::Word(_, kind) => Some(kind),
        }
    }
}

impl Kind {
    /// How the completions call it.
    fn word(self) -> &'static str {
        match self {
            Kind::Anything => "anything",
            Kind::Files => "files",
            Kind::Directories => "directories",
            Kind::CommandLine => "commands",
            Kind::Roles => "roles",
            Kind::Vms => "vms",
            Kind::Networks => "networks",
            Kind::Keys => "keys",
            Kind::Attributes => "attributes",
            Kind::Conditions => "conditions",
            Kind::Paths => "paths",
        }
    }
}
