//! A command as its table row describes it.

use super::options::{COMMON, ONLINE, OptionEntry};
use super::session::Session;
use crate::error::Error;

/// One command: all that parsing, help, man page and completions know of it, and the function that runs it.
#[derive(Debug)]
pub struct Command {
    /// Its words: `vm show`.
    pub words: &'static str,
    /// What may follow them, as in a synopsis: `[ID]`. `...` means any number.
    pub operands: &'static str,
    /// What to do with more operands than that.
    pub surplus: Surplus,
    /// The options of its own; [`super::options::COMMON`] comes on top.
    pub options: &'static [&'static OptionEntry],
    /// One line.
    pub summary: &'static str,
    /// Does it speak to a server? Then [`super::options::ONLINE`] goes with it.
    pub online: bool,
    /// What else there is to know, a paragraph a line; may be empty.
    pub detail: &'static str,
    /// Command lines to learn from, as typed into a shell.
    pub examples: &'static [&'static str],
    /// Carries it out.
    pub run: fn(&mut Session<'_, '_>) -> Result<(), Error>,
}

/// What happens to operands that a command has no use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    /// Ignored with a warning: the Ruby client has the command and ignores them, and nothing is changed.
    Ignored,
    /// An error, before anything is sent.
    Refused,
}

impl Command {
    /// `vm`
    pub fn resource(&self) -> &'static str {
        self.words
            .split_once(' ')
            .map_or(self.words, |(resource, _)| resource)
    }

    /// `show`
    pub fn action(&self) -> &'static str {
        self.words.split_once(' ').map_or("", |(_, action)| action)
    }

    /// Its options: its own, then those that it shares. One of its own replaces a shared one of the same name.
    pub fn all_options(&self) -> impl Iterator<Item = &'static OptionEntry> {
        let own = self.options;
        let online = if self.online { ONLINE } else { &[] };
        let shared = online.iter().chain(COMMON);
        let shared = shared.filter(|entry| own.iter().all(|other| other.long != entry.long));
        own.iter().chain(shared).copied()
    }

    /// How many operands it has a use for.
    pub fn most_operands(&self) -> usize {
        if self.operands.contains("...") {
            usize::MAX
        } else {
            self.operands.split_ascii_whitespace().count()
        }
    }
}
