//! A disk in memory that fails where it is told to, and forgets what was not synced when the power fails.

use crate::store::disk::{Access, Disk, DiskFile, FileId};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does nothing and reports an error.
    Refuse,
    /// It does half of its work (a write), then reports an error.
    Half,
    /// It does its work and reports an error all the same.
    DoneAndRefuse,
    /// This call and every later one does nothing and reports an error.
    Dead,
}

/// What is left when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// All: only the process was killed.
    All,
    /// Only what was synced.
    Synced,
    /// What was synced, and some of the rest.
    Some(u64),
}

/// A change to a file that is not synced.
#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                let offset = *offset as usize;
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[offset..end].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(*length as usize, 0),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    changes: Vec<Change>,
    locked: bool,
}

#[derive(Debug, Default)]
struct World {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    calls: usize,
    fault: Option<(usize, Fault)>,
}

/// The disk; its clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Simulated(Arc<Mutex<World>>);

#[derive(Debug)]
struct SimulatedFile {
    disk: Simulated,
    number: usize,
    locks: Mutex<bool>,
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        if *self.locks.lock().unwrap() {
            self.disk.0.lock().unwrap().files[self.number].locked = false;
        }
    }
}

impl Simulated {
    /// Makes a call fail: the one of this number, counted from now.
    pub(super) fn fail(&self, call: usize, fault: Fault) {
        let mut world = self.0.lock().unwrap();
        world.calls = 0;
        world.fault = Some((call, fault));
    }

    /// No call fails any more; how many there were since [`Simulated::fail`].
    pub(super) fn heal(&self) -> usize {
        let mut world = self.0.lock().unwrap();
        world.fault = None;
        world.calls
    }

    /// The power fails.
    pub(super) fn crash(&self, kept: Kept) {
        let mut world = self.0.lock().unwrap();
        world.fault = None;
        let mut random = match kept {
            Kept::Some(seed) => seed,
            _ => 0,
        };
        let mut keeps = move || match kept {
            Kept::All => true,
            Kept::Synced => false,
            Kept::Some(_) => {
                random = next(random);
                random >> 63 == 0
            }
        };
        for file in &mut world.files {
            let mut content = std::mem::take(&mut file.synced);
            for change in file.changes.drain(..) {
                match change {
                    // The disk writes whole sectors, in any order.
                    Change::Write(offset, bytes) if matches!(kept, Kept::Some(_)) => {
                        let mut at = 0;
                        while at < bytes.len() {
                            let sector = 512 - (offset as usize + at) % 512;
                            let end = (at + sector).min(bytes.len());
                            if keeps() {
                                Change::Write(offset + at as u64, bytes[at..end].to_vec())
                                    .apply(&mut content);
                            }
                            at = end;
                        }
                    }
                    change => {
                        if keeps() {
                            change.apply(&mut content);
                        }
                    }
                }
            }
            file.locked = false;
            file.now.clone_from(&content);
            file.synced = content;
        }
        if keeps() {
            world.synced_names = world.names.clone();
        } else {
            world.names = world.synced_names.clone();
        }
    }

    /// Counts a call; the fault that it meets.
    fn call(&self) -> Result<Option<Fault>, io::Error> {
        let mut world = self.0.lock().unwrap();
        let call = world.calls;
        world.calls += 1;
        match world.fault {
            Some((at, Fault::Refuse)) if at == call => Err(refused()),
            Some((at, Fault::Dead)) if at <= call => Err(refused()),
            Some((at, fault)) if at == call => Ok(Some(fault)),
            _ => Ok(None),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        let fault = self.call()?;
        let done = work(&mut self.0.lock().unwrap())?;
        match fault {
            Some(_) => Err(refused()),
            None => Ok(done),
        }
    }
}

fn refused() -> io::Error {
    io::Error::other("the simulated disk refuses")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// The next of a series of random numbers (a linear congruential generator).
pub(super) fn next(random: u64) -> u64 {
    random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

impl Disk for Simulated {
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let number = self.with(|world| match (world.names.get(name), access) {
            (Some(_), Access::Create) => Err(io::ErrorKind::AlreadyExists.into()),
            (Some(number), _) => Ok(*number),
            (None, Access::Read | Access::Write) => Err(not_found()),
            (None, Access::Create | Access::WriteOrCreate) => {
                world.files.push(Content::default());
                world.names.insert(name.to_owned(), world.files.len() - 1);
                Ok(world.files.len() - 1)
            }
        })?;
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            number,
            locks: Mutex::default(),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(|world| {
            let number = world.names.remove(from).ok_or_else(not_found)?;
            world.names.insert(to.to_owned(), number);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|world| {
            world.names.remove(name);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|world| {
            world.synced_names = world.names.clone();
            Ok(())
        })
    }

    fn id_of(&self, name: &str) -> io::Result<FileId> {
        self.with(|world| {
            let number = world.names.get(name).ok_or_else(not_found)?;
            Ok((0, *number as u64))
        })
    }
}

impl SimulatedFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let half = match (self.disk.call()?, &change) {
            (Some(Fault::Half), Change::Write(offset, bytes)) => {
                Some(Change::Write(*offset, bytes[..bytes.len() / 2].to_vec()))
            }
            (Some(_), _) => Some(change.clone()),
            (None, _) => None,
        };
        let mut world = self.disk.0.lock().unwrap();
        let file = &mut world.files[self.number];
        let failed = half.is_some();
        let change = half.unwrap_or(change);
        change.apply(&mut file.now);
        file.changes.push(change);
        match failed {
            true => Err(refused()),
            false => Ok(()),
        }
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.with(|world| {
            let content = &world.files[self.number].now;
            let rest = content.get(offset as usize..).unwrap_or_default();
            let read = rest.len().min(buffer.len());
            buffer[..read].copy_from_slice(&rest[..read]);
            Ok(read)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write(offset, bytes.to_vec()))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.with(|world| {
            let file = &mut world.files[self.number];
            file.synced.clone_from(&file.now);
            file.changes.clear();
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.disk
            .with(|world| Ok(world.files[self.number].now.len() as u64))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length))
    }

    fn lock(&self) -> io::Result<bool> {
        let got = self.disk.with(|world| {
            let file = &mut world.files[self.number];
            Ok(!std::mem::replace(&mut file.locked, true))
        })?;
        *self.locks.lock().unwrap() |= got;
        Ok(got)
    }

    fn id(&self) -> io::Result<FileId> {
        self.disk.with(|_| Ok((0, self.number as u64)))
    }

    fn number(&self) -> i32 {
        self.number as i32
    }
}
