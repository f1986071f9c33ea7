//! The programs that `--exec` and `--check` run: each in a process group of its own, with the signals that the agent
//! gets, and ended if the agent dies.

use super::Event;
use super::inbox::Inbox;
use crate::context::{Context, urls};
use crate::error::Error;
use nix::sys::signal::{SigSet, Signal, raise};
use rustix::fs::MemfdFlags;
use rustix::process::{
    Pid, Signal as Forwarded, getpid, getppid, kill_process_group, set_parent_process_death_signal,
};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};

/// The first word of a command line with which the agent starts a program as its child. No user types it.
pub(crate) const START: &str = "__start";

/// The signals that are passed on, and whether they end the agent, too.
const SIGNALS: &[(Signal, bool)] = &[
    (Signal::SIGTERM, true),
    (Signal::SIGINT, true),
    (Signal::SIGHUP, true),
    (Signal::SIGQUIT, true),
    (Signal::SIGUSR1, false),
    (Signal::SIGUSR2, false),
];
/// What is shown of a program's output, in bytes.
const SHOWN: usize = 8 << 10;

/// From here on signals become events. Must be called before any thread is started, as threads inherit what is blocked.
///
/// # Errors
/// If the kernel does not let signals be blocked.
pub(super) fn signals(events: Inbox<Event>) -> Result<(), Error> {
    let set: SigSet = SIGNALS.iter().map(|(signal, _)| *signal).collect();
    set.thread_block()
        .map_err(|error| Error::Usage(format!("cannot block signals: {error}")))?;
    std::thread::spawn(move || {
        while let Ok(signal) = set.wait() {
            events.send(Event::Signal(signal));
        }
    });
    Ok(())
}

/// Does this signal end the agent?
pub(super) fn ends(signal: Signal) -> bool {
    SIGNALS.contains(&(signal, true))
}

/// Ends this process by a signal that [`signals`] held back.
pub(super) fn die(number: i32) -> Error {
    if let Ok(signal) = Signal::try_from(number) {
        let set: SigSet = [signal].into_iter().collect();
        // If it can't be raised, the exit code says the same.
        let _ = set.thread_unblock().and_then(|()| raise(signal));
    }
    Error::Signal(number)
}

/// A child's process group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group(Pid);

impl Group {
    /// Passes a signal on. A group that has gone needs none.
    pub(super) fn signal(self, signal: Signal) {
        if let Some(signal) = Forwarded::from_named_raw(signal as i32) {
            let _ = kill_process_group(self.0, signal);
        }
    }
}

/// The variables with which a child's own `onegate` speaks to the same server in the same name.
pub(super) fn credentials(context: &Context) -> Vec<(&'static str, Option<OsString>)> {
    let Context {
        endpoint,
        vmid,
        token,
        tls,
    } = context;
    let file = tls.ca_file.as_ref().map(|found| found.value.shown().into());
    let inline = tls
        .ca_cert
        .as_ref()
        .map(|found| String::from_utf8_lossy(&found.value).into_owned().into());
    let insecure = tls.insecure.as_ref().map(|found| found.value);
    vec![
        ("ONEGATE_ENDPOINT", Some(urls(&endpoint.value).into())),
        ("VMID", Some(vmid.value.clone().into())),
        ("TOKENTXT", Some(token.value.reveal().into())),
        ("ONEGATE_TOKEN", None),
        ("ONEGATE_CA_FILE", file),
        ("ONEGATE_CA_CERT", inline),
        (
            "ONEGATE_INSECURE",
            insecure.map(|insecure| if insecure { "YES" } else { "NO" }.into()),
        ),
    ]
}

/// Starts a program with `input` on its stdin, or nothing. Its end is an event.
///
/// # Errors
/// If it can't be started.
pub(super) fn start(
    command: &[String],
    variables: &[(&'static str, Option<OsString>)],
    input: Option<&[u8]>,
    output: Option<&File>,
    events: &Inbox<Event>,
) -> io::Result<Group> {
    // The agent itself becomes the program: so the kernel can be told, without unsafe code, to end it when we die.
    let mut child = Command::new("/proc/self/exe");
    child.arg(START).arg(getpid().to_string()).args(command);
    child.process_group(0);
    for (name, value) in variables {
        match value {
            Some(value) => child.env(name, value),
            None => child.env_remove(name),
        };
    }
    child.stdin(match input {
        Some(input) => memory(input)?.into(),
        None => Stdio::null(),
    });
    if let Some(file) = output {
        child.stdout(file.try_clone()?).stderr(file.try_clone()?);
    }
    let mut child = child.spawn()?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let events = events.clone();
    std::thread::spawn(move || {
        events.send(Event::Ended(child.wait()));
    });
    group
        .map(Group)
        .ok_or_else(|| io::Error::other("its id is out of range"))
}

/// A file without a name that holds this: unlike a pipe it needs nobody to feed it.
pub(super) fn memory(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("onegate", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// The beginning of what a program wrote into such a file.
pub(super) fn written(mut file: File) -> String {
    let mut bytes = vec![0; SHOWN];
    let read = file.rewind().and_then(|()| file.read(&mut bytes));
    let shown = &bytes[..read.unwrap_or(0)];
    String::from_utf8_lossy(shown).trim_end().to_owned()
}

/// How a program ended, in words; `None` if it succeeded.
pub(super) fn failure(program: &str, ended: &io::Result<ExitStatus>) -> Option<String> {
    match ended {
        Ok(status) if status.success() => None,
        // "exit status: 3", "signal: 9 (SIGKILL)"
        Ok(status) => Some(format!("'{program}' failed with {status}")),
        Err(error) => Some(format!("cannot wait for '{program}': {error}")),
    }
}

/// Becomes a program, as [`start`] has it: `words` are the id of the agent, the program and its arguments. Returns only
/// if that fails, with what a shell exits with then.
pub(crate) fn become_program(words: impl Iterator<Item = OsString>) -> (u8, String) {
    let words: Vec<OsString> = words.collect();
    let [parent, program, arguments @ ..] = &words[..] else {
        return (127, "no program given".to_owned());
    };
    let set = set_parent_process_death_signal(Some(Forwarded::TERM));
    let now = getppid().map(|pid| pid.to_string());
    if set.is_ok() && now.as_deref() != parent.to_str() {
        // It has died meanwhile.
        return (127, "the agent has gone".to_owned());
    }
    // What the agent waits for is blocked here, too: it was inherited.
    let _ = SigSet::all().thread_unblock();
    let error = Command::new(program).args(arguments).exec();
    let code = match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    };
    (code, format!("cannot run '{}': {error}", program.display()))
}
