//! The durable store: every acknowledged change in one transaction of an embedded database (`--state DIR`).
//!
//! One file, `DIR/state.redb`, holds every document as JSON under its kind and id. One server writes it; others may
//! read it meanwhile (`token`, `context`). If a write fails (a full disk, say), the database is opened again before
//! the next one, so that the server recovers by itself once there is room.

use super::state::{Kind, Objects, Writes};
use crate::objects::document::Id;
use redb::{
    ConcurrencyMode, Database, ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition,
};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The layout of the tables below. Add one for each change that an older server could not read.
const SCHEMA: u64 = 1;
/// What the database may keep in memory: it is read once, at the start.
const CACHE_BYTES: usize = 256 * 1024;
/// The database's file in the state directory.
const FILE: &str = "state.redb";

/// Kind and id to the document, as JSON.
const DOCUMENTS: TableDefinition<(u8, Id), &[u8]> = TableDefinition::new("documents");
/// Facts of the store itself: `schema`, `last_vm`.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
/// `scenario`: what the documents were first loaded from, to notice a changed file.
const TEXTS: TableDefinition<&str, &str> = TableDefinition::new("texts");

/// A state directory, open.
pub struct Store {
    path: PathBuf,
    /// `None` after a failed write, until it can be opened again.
    database: Option<Database>,
}

/// What a state directory holds.
#[derive(Debug)]
pub struct Stored {
    /// Every document.
    pub objects: Objects,
    /// The fingerprint of the scenario that they were first loaded from.
    pub scenario: String,
}

/// What went wrong, in words for whoever runs the server.
#[derive(Debug)]
pub struct StoreError(String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a state directory, making it if it is not there, and reads what it holds: `None` if it is new.
    pub fn open(directory: &Path) -> Result<(Self, Option<Stored>), StoreError> {
        // What is in it makes tokens: nobody else may read it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|e| no_directory(directory, &e))?;
        let path = directory.join(FILE);
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .and_then(|_| File::open(directory)?.sync_all())
            .map_err(|e| no_directory(directory, &e))?;
        let database = builder()
            .create(&path)
            .map_err(|e| describe(&path, e.into()))?;
        let stored = read(&database, &path)?;
        Ok((
            Self {
                path,
                database: Some(database),
            },
            stored,
        ))
    }

    /// Reads a state directory that a server may have open.
    pub fn read(directory: &Path) -> Result<Stored, StoreError> {
        let path = directory.join(FILE);
        let database = builder()
            .open_read_only(&path)
            .map_err(|e| describe(&path, e.into()))?;
        read_only(&database, &path)?
            .ok_or_else(|| StoreError(format!("{} holds no cloud yet", path.display())))
    }

    /// Fills a new store with the documents of a scenario.
    pub fn fill(&mut self, objects: &Objects, scenario: &str) -> Result<(), StoreError> {
        let mut writes = Writes::new();
        for kind in Kind::ALL {
            writes.extend(
                objects
                    .all(kind)
                    .map(|(id, document)| ((kind, id), Some(Arc::clone(document)))),
            );
        }
        self.transaction(&writes, Some(scenario))
    }

    /// Stores a batch of writes; when this returns they are on disk, all of them, or none.
    pub fn write(&mut self, writes: &Writes) -> Result<(), StoreError> {
        self.transaction(writes, None)
    }

    fn transaction(&mut self, writes: &Writes, scenario: Option<&str>) -> Result<(), StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => builder()
                .open(&self.path)
                .map_err(|e| describe(&self.path, e.into()))?,
        };
        // A failure may leave the database unusable: it is kept only after a success.
        write(&database, writes, scenario).map_err(|e| describe(&self.path, e))?;
        self.database = Some(database);
        Ok(())
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

fn no_directory(directory: &Path, error: &std::io::Error) -> StoreError {
    StoreError(format!(
        "cannot keep state in {}: {error}",
        directory.display()
    ))
}

fn write(database: &Database, writes: &Writes, scenario: Option<&str>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut documents = transaction.open_table(DOCUMENTS)?;
        let mut numbers = transaction.open_table(NUMBERS)?;
        if let Some(scenario) = scenario {
            numbers.insert("schema", SCHEMA)?;
            transaction
                .open_table(TEXTS)?
                .insert("scenario", scenario)?;
        }
        for ((kind, id), document) in writes {
            let key = (*kind as u8, *id);
            match document {
                Some(document) => drop(documents.insert(key, document.to_string().as_bytes())?),
                None => drop(documents.remove(key)?),
            }
        }
        let last = writes
            .keys()
            .filter(|(kind, _)| *kind == Kind::Vm)
            .map(|(_, id)| u64::from(*id))
            .max();
        if let Some(last) = last {
            let known = numbers.get("last_vm")?.map(|n| n.value());
            if known.is_none_or(|known| known < last) {
                numbers.insert("last_vm", last)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn read(database: &Database, path: &Path) -> Result<Option<Stored>, StoreError> {
    read_transaction(
        &database
            .begin_read()
            .map_err(|e| describe(path, e.into()))?,
        path,
    )
}

fn read_only(database: &ReadOnlyDatabase, path: &Path) -> Result<Option<Stored>, StoreError> {
    read_transaction(
        &database
            .begin_read()
            .map_err(|e| describe(path, e.into()))?,
        path,
    )
}

fn read_transaction(
    transaction: &redb::ReadTransaction,
    path: &Path,
) -> Result<Option<Stored>, StoreError> {
    let numbers = match transaction.open_table(NUMBERS) {
        Ok(numbers) => numbers,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(e) => return Err(describe(path, e.into())),
    };
    let number = |name: &str| -> Result<Option<u64>, StoreError> {
        Ok(numbers
            .get(name)
            .map_err(|e| describe(path, e.into()))?
            .map(|n| n.value()))
    };
    match number("schema")? {
        Some(SCHEMA) => {}
        Some(other) => {
            let which = if other > SCHEMA {
                "a newer"
            } else {
                "an older"
            };
            return Err(StoreError(format!(
                "{} was written by {which} version of this program (layout {other}; this version reads layout \
                 {SCHEMA}): run that version, or start with an empty --state directory",
                path.display()
            )));
        }
        None => {
            return Err(StoreError(format!(
                "{} is not a state of this program",
                path.display()
            )));
        }
    }
    let mut objects = Objects::with_last_vm(number("last_vm")?.and_then(|n| Id::try_from(n).ok()));
    let documents = transaction
        .open_table(DOCUMENTS)
        .map_err(|e| describe(path, e.into()))?;
    for entry in documents.iter().map_err(|e| describe(path, e.into()))? {
        let (key, bytes) = entry.map_err(|e| describe(path, e.into()))?;
        let (kind, id) = key.value();
        let damaged = |why: String| {
            StoreError(format!(
                "{}: document {id} of kind {kind}: {why}",
                path.display()
            ))
        };
        let kind = Kind::ALL
            .into_iter()
            .find(|k| *k as u8 == kind)
            .ok_or_else(|| damaged("unknown kind".into()))?;
        let document = serde_json::from_slice(bytes.value()).map_err(|e| damaged(e.to_string()))?;
        objects.set(kind, id, Some(Arc::new(document)));
    }
    let texts = transaction
        .open_table(TEXTS)
        .map_err(|e| describe(path, e.into()))?;
    let scenario = texts
        .get("scenario")
        .map_err(|e| describe(path, e.into()))?;
    Ok(Some(Stored {
        objects,
        scenario: scenario.map(|s| s.value().to_string()).unwrap_or_default(),
    }))
}

fn describe(path: &Path, error: redb::Error) -> StoreError {
    let path = path.display();
    StoreError(match error {
        redb::Error::DatabaseAlreadyOpen => {
            format!(
                "{path} is in use by another server: stop it, or give another --state directory"
            )
        }
        redb::Error::UpgradeRequired(version) => {
            format!(
                "{path} has the database format {version} of an older version of this program: run that version"
            )
        }
        redb::Error::RepairAborted => format!(
            "{path} was left by a server that was killed: start a server with it once, which repairs it"
        ),
        redb::Error::Corrupted(why) => format!("{path} is damaged: {why}"),
        error => format!("{path}: {error}"),
    })
}

#[cfg(test)]
mod tests;
