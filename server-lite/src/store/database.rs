//! The durable store of `--state DIR`: a change is acknowledged once it is on the disk.
//!
//! | file | is |
//! |---|---|
//! | `journal` | every document, and every change since ([`super::format`]) |
//! | `marker` | the name of the state: beside it, a journal that is missing or belongs to another state is an error, never a new start (`database/tests.rs`, test `a_state_that_cannot_be_read_says_what_to_do`) |
//! | `lock` | locked by the server that has the directory, with its process id |
//! | `journal.new`, `marker.new` | what is being written, to take the place of the other in one step |
//!
//! A change is appended to the journal and synced. Once less than half of the journal is needed, the documents as they
//! are now are written to a new one, which takes its place.
//!
//! A sync that failed is not tried again on the same file: nobody knows what of it is on the disk. The next change is
//! stored with everything else in a new journal. The same happens if another program changed the journal's length.

use super::disk::{Access, Directory, Disk, DiskFile};
use super::error::{Damage, StoreError};
use super::format::{self, Contents, Facts, ReadError};
use super::journal::{Everything, JOURNAL, Journal};
use super::state::{Objects, Writes};
use crate::objects::document::json_of;
use std::fmt;
use std::fs::DirBuilder;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The name of the state.
const MARKER: &str = "marker";
/// A marker that is being written.
const NEW_MARKER: &str = "marker.new";
/// Locked by the server that has the directory.
const LOCK: &str = "lock";
/// The database of versions before the first release.
const EARLY: &str = "state.redb";
/// The journal is not written anew before it has so many bytes that are not needed.
const SLACK: u64 = 4 * 1024 * 1024;
/// How often a file that a server is writing is read before it counts as damaged.
const ATTEMPTS: u32 = 5;

/// A state directory, open for one server.
pub struct Store {
    path: PathBuf,
    disk: Box<dyn Disk>,
    /// Held for as long as the directory is in use.
    _lock: Box<dyn DiskFile>,
    /// `None` until a new state is filled.
    journal: Option<Journal>,
    facts: Facts,
    /// What may be in the journal beside what is needed.
    pub(super) slack: u64,
}

/// What a state directory holds.
#[derive(Debug)]
pub struct Stored {
    /// Every document.
    pub objects: Objects,
    /// The fingerprint of the scenario that they were first loaded from.
    pub scenario: String,
}

/// A state directory that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// To write to it.
    pub store: Store,
    /// What it held; `None` if it is new.
    pub stored: Option<Stored>,
    /// What was odd and was put right, for the log.
    pub warnings: Vec<String>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a state directory for a server, and makes it if it is not there.
    ///
    /// # Errors
    /// It can't be used, another server has it, or what it holds is not what was written.
    pub fn open(path: &Path) -> Result<Opened, StoreError> {
        let (directory, was_open) = make(path).map_err(|error| unusable(path, error))?;
        let warning = format!(
            "{} was accessible to other users: its mode is 0700 now",
            path.display()
        );
        let (store, stored) = Self::open_on(Box::new(directory), path)?;
        Ok(Opened {
            store,
            stored,
            warnings: was_open.then_some(warning).into_iter().collect(),
        })
    }

    /// The same on any disk.
    pub(super) fn open_on(
        disk: Box<dyn Disk>,
        path: &Path,
    ) -> Result<(Self, Option<Stored>), StoreError> {
        let unusable = |error| unusable(path, error);
        let in_journal = |error| StoreError::File {
            path: path.join(JOURNAL),
            error,
        };
        let lock = disk.open(LOCK, Access::WriteOrCreate).map_err(unusable)?;
        if !lock.lock().map_err(unusable)? {
            return Err(in_use(path, lock.as_ref()));
        }
        // For whoever comes second: there is no harm if it can't be written.
        let _ = lock
            .set_length(0)
            .and_then(|()| lock.write_at(format!("{}\n", std::process::id()).as_bytes(), 0));
        let mut store = Self {
            path: path.to_path_buf(),
            disk,
            _lock: lock,
            journal: None,
            facts: Facts::default(),
            slack: SLACK,
        };
        let Some(found) = find(store.disk.as_ref(), path, Access::Write)? else {
            return Ok((store, None));
        };
        // Somebody removed the lock of a server that still runs.
        if !found.file.lock().map_err(in_journal)? {
            return Err(in_use(path, store._lock.as_ref()));
        }
        store.journal = Some(Journal::resume(found.file, &found.contents).map_err(in_journal)?);
        if !found.marked {
            store.mark()?;
        }
        store.facts = found.contents.facts;
        let stored = Stored {
            objects: found.contents.objects,
            scenario: store.facts.scenario.clone(),
        };
        Ok((store, Some(stored)))
    }

    /// Reads a state directory, or a copy of one, that a server may have open; nothing in it is changed.
    ///
    /// # Errors
    /// It can't be read, or what it holds is not what was written.
    pub fn read(path: &Path) -> Result<Stored, StoreError> {
        let found = match Self::read_if_any(path) {
            Err(StoreError::File { path: at, error })
                if at == path && error.kind() == io::ErrorKind::NotFound =>
            {
                None
            }
            found => found?,
        };
        found.ok_or_else(|| StoreError::NoState {
            directory: path.to_path_buf(),
        })
    }

    /// The same; `None` where there never was a state.
    ///
    /// # Errors
    /// It can't be read, or what it holds is not what was written.
    pub fn read_if_any(path: &Path) -> Result<Option<Stored>, StoreError> {
        let disk = Directory::open(path).map_err(|error| unreadable(path, error))?;
        let found = find(&disk, path, Access::Read)?;
        Ok(found.map(|found| Stored {
            objects: found.contents.objects,
            scenario: found.contents.facts.scenario,
        }))
    }

    /// What can still be read of a damaged state directory, and what can't.
    ///
    /// # Errors
    /// Its journal can't be read at all.
    pub fn salvage(path: &Path) -> Result<(Objects, Vec<String>), StoreError> {
        let disk = Directory::open(path).map_err(|error| unreadable(path, error))?;
        disk.open(JOURNAL, Access::Read)
            .and_then(|file| format::salvage(file.as_ref()))
            .map_err(|error| unreadable(&path.join(JOURNAL), error))
    }

    /// Fills a new store with the documents of a scenario.
    ///
    /// # Errors
    /// The disk refuses; there is no state then.
    pub fn fill(&mut self, objects: &Objects, scenario: &str) -> Result<(), StoreError> {
        self.facts.scenario = scenario.to_owned();
        self.rewrite(objects, &Writes::new())?;
        self.mark()
    }

    /// Stores a batch of writes on top of these documents, which are stored already. When this returns, all of it is
    /// on the disk; after an error, none of it counts.
    ///
    /// # Errors
    /// The disk refuses, or the journal is no longer the file in the directory.
    pub fn write(&mut self, objects: &Objects, writes: &Writes) -> Result<(), StoreError> {
        let path = self.path.join(JOURNAL);
        let in_journal = |error| StoreError::File {
            path: path.clone(),
            error,
        };
        let Some(journal) = &mut self.journal else {
            return self.rewrite(objects, writes);
        };
        in_place(journal, self.disk.as_ref(), &path)?;
        let batch = writes.iter().map(|((kind, id), document)| {
            let text = document.as_ref().map(|document| json_of(document).into());
            (*kind, *id, text)
        });
        let bytes = format::writes(journal.number() + 1, batch);
        if !journal.is_sound().map_err(in_journal)? || bytes.len() > format::LONGEST {
            return self.rewrite(objects, writes);
        }
        let appended = journal.append(bytes).map_err(in_journal)?;
        if let Err(error) = in_place(journal, self.disk.as_ref(), &path) {
            journal.take_back();
            return Err(error);
        }
        journal.acknowledge(appended);
        if journal.is_slack(self.slack) && self.rewrite(objects, writes).is_err() {
            // What was acknowledged stays where it is; there may be room for a new journal later.
            self.slack += self.slack;
        }
        Ok(())
    }

    /// Whether the journal is still the one in the directory.
    ///
    /// # Errors
    /// It was removed or replaced.
    pub fn ready(&self) -> Result<(), StoreError> {
        match &self.journal {
            Some(journal) => in_place(journal, self.disk.as_ref(), &self.path.join(JOURNAL)),
            None => Ok(()),
        }
    }

    /// Writes everything to a new journal.
    fn rewrite(&mut self, objects: &Objects, writes: &Writes) -> Result<(), StoreError> {
        let path = self.path.join(JOURNAL);
        let in_journal = |error| StoreError::File {
            path: path.clone(),
            error,
        };
        let (state, number) = match &self.journal {
            Some(journal) => (journal.state().to_owned(), journal.number()),
            None => (name(), 0),
        };
        self.facts.last_vm = objects.last_vm_with(writes);
        let everything = Everything {
            facts: &self.facts,
            objects,
            writes,
        };
        let disk = self.disk.as_ref();
        let journal = self
            .journal
            .insert(Journal::create(disk, &state, number, everything).map_err(in_journal)?);
        disk.sync().map_err(in_journal)?;
        journal.trust();
        Ok(())
    }

    /// Writes the marker, once there is a journal.
    fn mark(&self) -> Result<(), StoreError> {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        let disk = self.disk.as_ref();
        let write = || {
            disk.remove(NEW_MARKER)?;
            let file = disk.open(NEW_MARKER, Access::Create)?;
            file.write_at(format::line(journal.state()).as_bytes(), 0)?;
            file.sync()?;
            disk.rename(NEW_MARKER, MARKER)?;
            disk.sync()
        };
        write().map_err(|error| StoreError::File {
            path: self.path.join(MARKER),
            error,
        })
    }
}

/// Opens the directory, makes it if it is not there, and closes it to others; true if it was open to them.
fn make(path: &Path) -> io::Result<(Directory, bool)> {
    let directory = match Directory::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // What is in it makes tokens: nobody else may read it.
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                Directory::open(parent)?.sync()?;
            }
            Directory::open(path)?
        }
        opened => opened?,
    };
    let was_open = directory.close_to_others()?;
    Ok((directory, was_open))
}

/// The journal of a state, and what it holds.
struct Found {
    file: Box<dyn DiskFile>,
    contents: Contents,
    /// There is a marker.
    marked: bool,
}

/// Finds and verifies the state in a directory; `None` where there never was one.
fn find(disk: &dyn Disk, path: &Path, access: Access) -> Result<Option<Found>, StoreError> {
    let damaged = |name: &str, damage| StoreError::Damaged {
        path: path.join(name),
        damage,
    };
    let failed = |name: &str, error| unreadable(&path.join(name), error);
    if there(disk.id_of(EARLY))
        .map_err(|e| failed(EARLY, e))?
        .is_some()
    {
        return Err(damaged(EARLY, Damage::Early));
    }
    let marker = there(disk.open(MARKER, Access::Read)).map_err(|e| failed(MARKER, e))?;
    let Some(file) = there(disk.open(JOURNAL, access)).map_err(|e| failed(JOURNAL, e))? else {
        return match marker {
            Some(_) => Err(damaged(JOURNAL, Damage::Missing)),
            None => Ok(None),
        };
    };
    let mut read = format::read(file.as_ref());
    for _ in 1..ATTEMPTS {
        match &read {
            // The server that has it may be writing the header at this moment.
            Err(ReadError::Damage(_)) if access == Access::Read => {
                read = format::read(file.as_ref());
            }
            _ => break,
        }
    }
    let contents = match read {
        Ok(contents) => contents,
        Err(ReadError::Disk(error)) => return Err(failed(JOURNAL, error)),
        Err(ReadError::Damage(damage)) => return Err(damaged(JOURNAL, damage)),
    };
    if let Some(marker) = &marker {
        let mut bytes = [0; 128];
        let read = marker
            .read_at(&mut bytes, 0)
            .map_err(|e| failed(MARKER, e))?;
        match bytes[..read].strip_suffix(b"\n").and_then(format::unline) {
            None => return Err(damaged(MARKER, Damage::Marker)),
            Some(state) if state != contents.header.state.as_bytes() => {
                return Err(damaged(JOURNAL, Damage::OtherState));
            }
            Some(_) => {}
        }
    }
    Ok(Some(Found {
        file,
        contents,
        marked: marker.is_some(),
    }))
}

/// `None` where there is no such file.
fn there<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Refuses a journal that is no longer the one in the directory: nobody would find what is written to it.
fn in_place(journal: &Journal, disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    match journal.is_in_place(disk) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Replaced {
            path: path.to_path_buf(),
            open: journal.still_at(),
        }),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn in_use(path: &Path, lock: &dyn DiskFile) -> StoreError {
    let mut bytes = [0; 16];
    let read = lock.read_at(&mut bytes, 0).unwrap_or(0);
    let process = std::str::from_utf8(&bytes[..read]).unwrap_or_default();
    StoreError::InUse {
        directory: path.to_path_buf(),
        process: process.trim_end().parse().ok(),
    }
}

fn unusable(path: &Path, error: io::Error) -> StoreError {
    StoreError::Directory {
        directory: path.to_path_buf(),
        error,
    }
}

fn unreadable(path: &Path, error: io::Error) -> StoreError {
    StoreError::File {
        path: path.to_path_buf(),
        error,
    }
}

/// A name for a new state, which no other has.
fn name() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
