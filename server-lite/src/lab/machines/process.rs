//! The process of a VM, and all that it starts: one process group. It outlives a server that is killed; the file `pid` in
//! its directory says which it is, and when it started, so that no other process is taken for it.

use super::MachineOptions;
use super::directory::own_file;
use crate::objects::document::{Id, address, list};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, test_kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// What `onegate` takes for a VM's token: the server's own environment may have another VM's.
const TOKENS: [&str; 2] = ["TOKENTXT", "ONEGATE_TOKEN"];
/// The file that says which process it is.
const PID_FILE: &str = "pid";

/// A process that was started, by this server or by one before it.
#[derive(Debug)]
pub(super) struct VmProcess {
    pid: Pid,
    /// Readable once it has ended.
    ended: OwnedFd,
    /// Of one that this server started.
    child: Option<Child>,
}

impl VmProcess {
    /// Starts the process of a VM in its directory.
    pub(super) fn start(
        options: &MachineOptions,
        directory: &Path,
        (vm, record): (Id, &Value),
        output: File,
    ) -> io::Result<Self> {
        let errors = output.try_clone()?;
        let mut command = Command::new(&options.command.program);
        command
            .args(&options.command.arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .env_remove("NOTIFY_SOCKET")
            .env("ONEGATE_ENDPOINT", &options.endpoint);
        for token in TOKENS {
            command.env_remove(token);
        }
        for (name, value) in variables(vm, record) {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let noted = pidfd_open(pid, PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|ended| note(directory, pid).map(|()| ended));
        match noted {
            Ok(ended) => Ok(Self {
                pid,
                ended,
                child: Some(child),
            }),
            Err(error) => {
                // What can't be found again must not go on.
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The process that the directory says, if it still runs.
    pub(super) fn find(directory: &Path) -> Option<Self> {
        let noted = fs::read_to_string(directory.join(PID_FILE)).ok()?;
        let (pid, started) = noted.trim_end().split_once(' ')?;
        let pid = Pid::from_raw(pid.parse().ok()?)?;
        let ended = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        (started_at(pid)? == started).then_some(Self {
            pid,
            ended,
            child: None,
        })
    }

    /// To be polled: readable once it has ended.
    pub(super) fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Its id.
    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal to it and all that it started.
    pub(super) fn signal(&self, signal: Signal) {
        // What has ended meanwhile needs none.
        let _ = kill_process_group(self.pid, signal);
    }

    /// To be called once it has ended: kills what it left, and says how it ended, where that is known.
    pub(super) fn finish(mut self, directory: &Path) -> Option<ExitStatus> {
        // Until it is waited for, its number is no other group's.
        self.signal(Signal::KILL);
        let status = self.child.as_mut().and_then(|child| child.wait().ok());
        let _ = fs::remove_file(directory.join(PID_FILE));
        status
    }
}

/// Whether processes can be watched here.
pub(super) fn can_be_watched() -> io::Result<()> {
    pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map(drop)
        .map_err(|error| {
            let error = io::Error::from(error);
            io::Error::new(
                error.kind(),
                format!("{error}: it takes Linux 5.3 or newer"),
            )
        })
}

fn note(directory: &Path, pid: Pid) -> io::Result<()> {
    // One that has ended already has no time; then nothing has to be found again.
    let started = started_at(pid).unwrap_or_default();
    let mut file = own_file(&directory.join(PID_FILE))?;
    writeln!(file, "{} {started}", pid.as_raw_nonzero())
}

/// When a process started, in the kernel's ticks since the machine did: the 22nd field of its `stat`, the 20th after its
/// name, which is in parentheses.
fn started_at(pid: Pid) -> Option<String> {
    test_kill_process(pid).ok()?;
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    // A zombie does not run.
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

/// What the process is told of its VM.
fn variables(vm: Id, record: &Value) -> [(&'static str, Option<String>); 6] {
    let nic = list(record.pointer("/TEMPLATE/NIC")).first();
    let mac = nic.and_then(|nic| nic.get("MAC")?.as_str());
    let attribute = |name: &str| {
        let value = record.get("USER_TEMPLATE")?.get(name)?.as_str();
        value.map(str::to_owned)
    };
    let name = record.get("NAME").and_then(Value::as_str);
    [
        ("VMID", Some(vm.to_string())),
        ("NAME", name.map(str::to_owned)),
        ("ROLE", attribute("ROLE_NAME")),
        ("SERVICE_ID", attribute("SERVICE_ID")),
        ("IP", address(record).map(str::to_owned)),
        ("MAC", mac.map(str::to_owned)),
    ]
}
