//! The thread that runs VMs: it waits for a VM to change its state, for a process to end and for time to pass, and after
//! each looks what a VM's state and its process say together.

use super::directory::{self, DirectoryError, OUTPUT};
use super::output::last_words;
use super::process::{VmProcess, can_be_watched};
use super::{Inbox, MachineOptions, Mail};
use crate::cloud::embedded::Embedded;
use crate::lab::event::{Event, EventKind};
use crate::lab::timeline::Timeline;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::objects::vm_state::{BOOT_FAILURE, DONE, POWEROFF, RUNNING, UNKNOWN, VmState};
use crate::store::state::Kind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long until it is tried again what could not be stored.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// Why a VM has no process.
#[derive(Debug, Error)]
enum StartError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot run {0}: {1}")]
    Process(PathBuf, io::Error),
}

/// A VM's process, and what it is about.
struct Machine {
    process: VmProcess,
    phase: Phase,
    /// Once ended it is started again: a reboot.
    again: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its VM is RUNNING from this moment on, if it has not ended until then.
    Boots(Instant),
    Runs,
    /// Told to end; at this moment it is killed.
    Ends(Instant),
    /// Killed.
    Killed,
}

/// How a process ended.
struct Ended {
    phase: Phase,
    again: bool,
    status: Option<ExitStatus>,
}

/// What a VM's state wants of its process.
enum Wanted {
    /// One that starts now.
    Start,
    /// One that runs.
    Run,
    /// None: the VM goes on once it has ended.
    End,
    /// Whatever there is.
    Any,
    /// None; killed where there is one.
    Dead,
    /// None.
    Off,
    /// None, and no directory.
    Gone,
}

impl Wanted {
    fn by(state: Option<VmState>) -> Self {
        match state {
            None | Some(DONE) => Self::Gone,
            Some(state) if state.is_starting() => Self::Start,
            Some(state) if state.is_ending() => Self::End,
            Some(state) if state.is_failure() => Self::Dead,
            Some(RUNNING) => Self::Run,
            Some(UNKNOWN) => Self::Any,
            Some(_) => Self::Off,
        }
    }
}

/// What runs the VMs.
pub(super) struct Host {
    cloud: Arc<Embedded>,
    timeline: Arc<Timeline>,
    options: MachineOptions,
    iso_maker: Option<usize>,
    machines: BTreeMap<Id, Machine>,
    /// VMs to look at.
    due: BTreeSet<Id>,
    /// When to look at a VM again.
    later: BTreeMap<Id, Instant>,
}

impl Host {
    /// A host that has found what a server before this one left.
    pub(super) fn open(
        cloud: Arc<Embedded>,
        timeline: Arc<Timeline>,
        options: MachineOptions,
    ) -> io::Result<Self> {
        can_be_watched()?;
        directory::make(&options.directory)?;
        let mut machines = BTreeMap::new();
        let mut due = BTreeSet::from_iter(cloud.all_vms());
        for entry in fs::read_dir(&options.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(vm) = name.to_str().and_then(crate::objects::document::parse_id) else {
                continue;
            };
            due.insert(vm);
            if let Some(process) = VmProcess::find(&entry.path()) {
                let machine = Machine {
                    process,
                    phase: Phase::Runs,
                    again: false,
                };
                machines.insert(vm, machine);
            }
        }
        Ok(Self {
            cloud,
            timeline,
            options,
            iso_maker: directory::iso_maker(),
            machines,
            due,
            later: BTreeMap::new(),
        })
    }

    /// Runs VMs until the server ends, and then ends them.
    pub(super) fn run(&mut self, mail: &Mail) {
        for (vm, machine) in &self.machines {
            let text = format!("process {} found again", machine.process.id());
            self.tell(*vm, text);
        }
        loop {
            let Inbox {
                changed,
                actions,
                over,
            } = mail.take();
            if over {
                return self.end_all();
            }
            self.due.extend(changed);
            for (vm, action) in actions {
                self.act(vm, action);
            }
            let now = Instant::now();
            let come = self.later.iter().filter(|(_, at)| **at <= now);
            self.due.extend(come.map(|(vm, _)| *vm));
            self.later.retain(|_, at| *at > now);
            for vm in std::mem::take(&mut self.due) {
                self.see_to(vm);
            }
            self.wait(Some(mail));
        }
    }

    /// Waits for mail, for the end of a process or for the next moment to look. VMs whose process has ended are due.
    fn wait(&mut self, mail: Option<&Mail>) {
        let mut polled: Vec<PollFd<'_>> = self
            .machines
            .values()
            .map(|machine| PollFd::from_borrowed_fd(machine.process.ended(), PollFlags::IN))
            .collect();
        polled.extend(mail.map(|mail| PollFd::new(&mail.wake, PollFlags::IN)));
        let next = self.later.values().min();
        let wait = next.map(|at| at.saturating_duration_since(Instant::now()));
        let wait = wait.map(|wait| Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            // Not a moment too early.
            tv_nsec: i64::from(wait.subsec_nanos()),
        });
        // Interrupted or not: what is due is seen.
        let _ = poll(&mut polled, wait.as_ref());
        let ended = self.machines.keys().zip(&polled);
        let ended = ended.filter(|(_, polled)| !polled.revents().is_empty());
        let ended: Vec<Id> = ended.map(|(vm, _)| *vm).collect();
        self.due.extend(ended);
    }

    /// What a state does not tell of: a hard action, a reboot.
    fn act(&mut self, vm: Id, action: &str) {
        let Some(machine) = self.machines.get_mut(&vm) else {
            return;
        };
        let reboots = action.starts_with("reboot");
        machine.again |= reboots;
        if action.ends_with("-hard") {
            self.kill(vm);
        } else if reboots {
            self.end(vm);
        }
    }

    /// Looks at a VM; what can't be stored is tried again.
    fn see_to(&mut self, vm: Id) {
        if let Err(refusal) = self.look(vm) {
            (self.options.report)(true, &format!("VM {vm}: {}", refusal.cause()));
            self.later.insert(vm, Instant::now() + AFTER_A_FAILURE);
        }
    }

    fn look(&mut self, vm: Id) -> Result<(), Refusal> {
        let state = self.cloud.vm_state(vm);
        let wanted = Wanted::by(state);
        if let Some(ended) = self.reap(vm) {
            return self.ended(vm, state, ended);
        }
        let phase = self.machines.get(&vm).map(|machine| machine.phase);
        match (wanted, phase, state) {
            (Wanted::Start | Wanted::Run, None, Some(state)) => return self.start(vm, state),
            (Wanted::Start, Some(Phase::Boots(until)), Some(state)) => {
                if Instant::now() < until {
                    self.later.insert(vm, until);
                    return Ok(());
                }
                self.cloud.moved(vm, (state, RUNNING))?;
                self.set_phase(vm, Phase::Runs);
            }
            // One from before: a VM that was lost, or has yet to end.
            (Wanted::Start, Some(Phase::Runs), _) => self.kill(vm),
            (Wanted::End, None, Some(state)) => self.pass_on(vm, state)?,
            (Wanted::End | Wanted::Off, Some(Phase::Boots(_) | Phase::Runs), _) => self.end(vm),
            (Wanted::Dead | Wanted::Gone, Some(_), _) => self.kill(vm),
            (Wanted::Gone, None, _) => self.remove_directory(vm),
            (_, Some(Phase::Ends(until)), _) if Instant::now() >= until => self.kill(vm),
            (_, Some(Phase::Ends(until)), _) => {
                self.later.insert(vm, until);
            }
            _ => {}
        }
        Ok(())
    }

    /// What the end of a VM's process means in its state.
    fn ended(&mut self, vm: Id, state: Option<VmState>, ended: Ended) -> Result<(), Refusal> {
        let boots = matches!(ended.phase, Phase::Boots(_));
        let succeeded = ended.status.is_some_and(|status| status.success());
        if let (Wanted::Start, true, Some(state)) = (Wanted::by(state), boots, state) {
            if !succeeded {
                return self.not_started(vm, state);
            }
            self.cloud.moved(vm, (state, RUNNING))?;
            self.cloud.moved(vm, (RUNNING, POWEROFF))?;
        } else if let (Wanted::Run, false) = (Wanted::by(state), ended.again) {
            self.cloud.moved(vm, (RUNNING, POWEROFF))?;
        }
        self.due.insert(vm);
        self.look(vm)
    }

    /// Starts a VM's process.
    fn start(&mut self, vm: Id, state: VmState) -> Result<(), Refusal> {
        let started = match self.started(vm) {
            Ok(process) => process,
            Err(why) => {
                let text = format!("VM {vm} cannot start: {why}");
                (self.options.report)(true, &text);
                self.tell(vm, format!("cannot start: {why}"));
                return self.not_started(vm, state);
            }
        };
        self.tell(vm, format!("process {} started", started.id()));
        let until = Instant::now() + self.options.boot;
        let phase = match state {
            RUNNING => Phase::Runs,
            _ => Phase::Boots(until),
        };
        let machine = Machine {
            process: started,
            phase,
            again: false,
        };
        self.machines.insert(vm, machine);
        self.later.insert(vm, until);
        Ok(())
    }

    fn started(&self, vm: Id) -> Result<VmProcess, StartError> {
        let record = self.cloud.document(Kind::Vm, vm);
        let record = record.unwrap_or_default();
        let directory = self.directory(vm);
        let output = directory::prepare(
            &directory,
            (vm, &record),
            self.iso_maker,
            &self.options.write_context,
        )?;
        VmProcess::start(&self.options, &directory, (vm, &record), output)
            .map_err(|error| StartError::Process(self.options.command.program.clone(), error))
    }

    /// A VM whose process did not start is as oned has it then.
    fn not_started(&mut self, vm: Id, state: VmState) -> Result<(), Refusal> {
        let to = state.failed().unwrap_or(BOOT_FAILURE);
        self.cloud.moved(vm, (state, to)).map(drop)
    }

    /// A VM whose process has ended goes on to the state that follows.
    fn pass_on(&mut self, vm: Id, state: VmState) -> Result<(), Refusal> {
        let record = self.cloud.document(Kind::Vm, vm)?;
        match state.next(&record) {
            Some(next) => self.cloud.moved(vm, (state, next)).map(drop),
            None => Ok(()),
        }
    }

    /// Takes a process out that has ended.
    fn reap(&mut self, vm: Id) -> Option<Ended> {
        let machine = self.machines.get(&vm)?;
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let polled = PollFd::from_borrowed_fd(machine.process.ended(), PollFlags::IN);
        if poll(&mut [polled], Some(&now)) != Ok(1) {
            return None;
        }
        let directory = self.directory(vm);
        let Machine {
            process,
            phase,
            again,
        } = self.machines.remove(&vm)?;
        self.later.remove(&vm);
        let id = process.id();
        let status = process.finish(&directory);
        let how = status.map_or_else(|| "ended".to_owned(), |status| status.to_string());
        let mut text = format!("process {id} has ended: {how}");
        // Nobody asked it to.
        if matches!(phase, Phase::Boots(_) | Phase::Runs) && !status.is_some_and(|s| s.success()) {
            let above = self.options.directory.file_name().unwrap_or_default();
            let name = Path::new(above).join(vm.to_string()).join(OUTPUT);
            text += &format!("; {}", last_words(&directory, &name.display().to_string()));
            (self.options.report)(true, &format!("VM {vm}: {text}"));
        }
        self.tell(vm, text);
        Some(Ended {
            phase,
            again,
            status,
        })
    }

    fn set_phase(&mut self, vm: Id, phase: Phase) {
        if let Some(machine) = self.machines.get_mut(&vm) {
            machine.phase = phase;
        }
    }

    /// Tells a process to end, unless it was told already.
    fn end(&mut self, vm: Id) {
        let until = Instant::now() + self.options.grace;
        if let Some(machine) = self.machines.get_mut(&vm)
            && matches!(machine.phase, Phase::Boots(_) | Phase::Runs)
        {
            machine.phase = Phase::Ends(until);
            machine.process.signal(Signal::TERM);
            self.later.insert(vm, until);
        }
    }

    /// Kills a process, unless it was killed already.
    fn kill(&mut self, vm: Id) {
        if let Some(machine) = self.machines.get_mut(&vm)
            && machine.phase != Phase::Killed
        {
            machine.phase = Phase::Killed;
            machine.process.signal(Signal::KILL);
        }
    }

    /// Ends every process, and waits until it has ended.
    fn end_all(&mut self) {
        let all: Vec<Id> = self.machines.keys().copied().collect();
        self.later.clear();
        all.iter().for_each(|vm| self.end(*vm));
        while !self.machines.is_empty() {
            self.wait(None);
            let now = Instant::now();
            for vm in &all {
                let late = self.later.get(vm).is_some_and(|at| *at <= now);
                if self.reap(*vm).is_none() && late {
                    self.later.remove(vm);
                    self.kill(*vm);
                }
            }
        }
    }

    fn directory(&self, vm: Id) -> PathBuf {
        self.options.directory.join(vm.to_string())
    }

    fn remove_directory(&self, vm: Id) {
        match fs::remove_dir_all(self.directory(vm)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let text = format!("cannot remove the directory of VM {vm}: {error}");
                (self.options.report)(true, &text);
            }
            _ => {}
        }
    }

    fn tell(&self, vm: Id, text: String) {
        self.timeline
            .push(Event::new(EventKind::Process, text).of_vm(vm));
    }
}
