//! VMs that run: each VM of the embedded cloud that is ACTIVE has a process, which the operator's command starts.
//!
//! A thread of its own, the host (`machines/host.rs`), compares each VM's state with its process and does what is missing. VMs start and
//! end when their processes do: the engine waits for what the host sees.

mod directory;
mod host;
mod output;
mod process;

use crate::cloud::embedded::Embedded;
use crate::lab::timeline::Timeline;
use crate::objects::document::Id;
use crate::objects::vm_state::VmState;
use crate::store::commit::Changed;
use crate::store::state::Kind;
use host::Host;
use rustix::event::{EventfdFlags, eventfd};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;

/// Writes the context of a VM into a directory.
pub type WriteContext = dyn Fn(Id, &Path) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync;

/// Tells the log: whether it is trouble, and what.
pub type Report = dyn Fn(bool, &str) + Send + Sync;

/// How VMs are run.
pub struct MachineOptions {
    /// What is run for each VM, and its arguments.
    pub command: MachineCommand,
    /// Where each VM has a directory, named by its id.
    pub directory: PathBuf,
    /// How long a process has to end before it is killed.
    pub grace: Duration,
    /// How long a process runs before its VM is RUNNING; one that fails sooner has not started.
    pub boot: Duration,
    /// Where OneGate is, for the processes.
    pub endpoint: String,
    /// Writes a VM's context.
    pub write_context: Box<WriteContext>,
    /// The log.
    pub report: Box<Report>,
}

/// A command of `--vm-exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineCommand {
    /// The program, by an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Why a command of `--vm-exec` can't be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandFlaw {
    /// There is none.
    #[error("a command is missing")]
    Missing,
    /// A quote without its end.
    #[error("a quote is not closed")]
    OpenQuote,
    /// There is no such program.
    #[error("there is no program {0} that can be run")]
    NotFound(String),
}

impl MachineCommand {
    /// Reads a command line: words, with quotes around those that have blanks. The program is looked up in PATH, or from
    /// the current directory if it has a `/`.
    ///
    /// # Errors
    /// There is no such program, or a quote is not closed.
    pub fn parse(text: &str) -> Result<Self, CommandFlaw> {
        let mut words = words(text)?.into_iter();
        let name = words.next().ok_or(CommandFlaw::Missing)?;
        let not_found = || CommandFlaw::NotFound(name.clone());
        let program = match name.contains('/') {
            true => std::path::absolute(&name).map_err(|_| not_found())?,
            false => directory::in_path(&name).ok_or_else(not_found)?,
        };
        match directory::is_program(&program) {
            true => Ok(Self {
                program,
                arguments: words.collect(),
            }),
            false => Err(not_found()),
        }
    }
}

fn words(text: &str) -> Result<Vec<String>, CommandFlaw> {
    let mut words: Vec<String> = Vec::new();
    let (mut quote, mut open) = (None, false);
    for c in text.chars() {
        match quote {
            Some(q) if q == c => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                if !std::mem::replace(&mut open, true) {
                    words.push(String::new());
                }
            }
            None if c.is_whitespace() => open = false,
            _ => {
                if !std::mem::replace(&mut open, true) {
                    words.push(String::new());
                }
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    match quote {
        Some(_) => Err(CommandFlaw::OpenQuote),
        None => Ok(words),
    }
}

/// What the host is told.
#[derive(Default)]
struct Inbox {
    /// VMs whose states changed.
    changed: BTreeSet<Id>,
    /// Actions that a state does not tell of.
    actions: Vec<(Id, &'static str)>,
    /// The server ends.
    over: bool,
}

/// The host's letter box.
struct Mail {
    inbox: Mutex<Inbox>,
    wake: OwnedFd,
}

impl Mail {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, letter: impl FnOnce(&mut Inbox)) {
        letter(&mut self.lock());
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn take(&self) -> Inbox {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        let mut inbox = self.lock();
        let over = inbox.over;
        Inbox {
            over,
            ..std::mem::take(&mut *inbox)
        }
    }
}

/// The processes of all VMs.
pub struct Machines {
    mail: Arc<Mail>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Machines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machines")
    }
}

impl Machines {
    /// Starts a process for each VM that is to run, and finds those again that a server before this one left. To be
    /// called before the clock starts.
    ///
    /// # Errors
    /// The directory can't be used, or the system can't watch processes (before Linux 5.3).
    pub fn start(
        cloud: &Arc<Embedded>,
        timeline: &Arc<Timeline>,
        options: MachineOptions,
    ) -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let mail = Arc::new(Mail {
            inbox: Mutex::default(),
            wake,
        });
        cloud.with_processes();
        let letters = Arc::clone(&mail);
        cloud.on_action(move |vm, action| letters.put(|inbox| inbox.actions.push((vm, action))));
        let mut host = Host::open(Arc::clone(cloud), Arc::clone(timeline), options)?;
        let letters = Arc::clone(&mail);
        let thread = std::thread::Builder::new()
            .name("host".into())
            .spawn(move || host.run(&letters))?;
        Ok(Self {
            mail,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// These documents changed, and readers see it already.
    pub fn changed(&self, changed: &[Changed]) {
        let state = |record: &Option<crate::objects::document::Document>| {
            record.as_ref().and_then(|record| VmState::of(record))
        };
        let vms = changed
            .iter()
            .filter(|one| one.kind == Kind::Vm && state(&one.before) != state(&one.after));
        self.look_at(vms.map(|one| one.id).collect());
    }

    /// Has the host look at these VMs.
    pub(super) fn look_at(&self, vms: Vec<Id>) {
        if !vms.is_empty() {
            self.mail.put(|inbox| inbox.changed.extend(vms));
        }
    }

    /// Ends all processes and waits until they have ended; their VMs stay as they are, to be started again with the next
    /// server.
    pub fn stop(&self) {
        self.mail.put(|inbox| inbox.over = true);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A fault in it was reported when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_words_with_quotes() {
        for (text, expected) in [
            ("a b  c", vec!["a", "b", "c"]),
            (" 'a b' \"c 'd'\" ", vec!["a b", "c 'd'"]),
            ("a '' x'y z'", vec!["a", "", "xy z"]),
            ("", vec![]),
        ] {
            assert_eq!(words(text).expect(text), expected, "{text}");
        }
        assert_eq!(words("a 'b"), Err(CommandFlaw::OpenQuote));
    }

    #[test]
    fn a_program_is_found_or_named() {
        let found = MachineCommand::parse("sh -c 'exit 1'").expect("there is a shell");
        assert!(found.program.is_absolute());
        assert_eq!(found.arguments, ["-c", "exit 1"]);
        assert_eq!(MachineCommand::parse(" "), Err(CommandFlaw::Missing));
        for name in ["no-such-program", "./no/such/program", "/etc/passwd", "/"] {
            let flaw = CommandFlaw::NotFound(name.to_owned());
            assert_eq!(MachineCommand::parse(name), Err(flaw));
        }
    }
}
