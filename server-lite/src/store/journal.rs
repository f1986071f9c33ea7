//! The journal, open to be written: transactions are appended, and now and then it is written anew.

use super::disk::{Access, Disk, DiskFile};
use super::format::{self, Contents, Facts, Header};
use super::state::{Kind, Objects, Writes};
use crate::objects::document::{Id, json_of};
use std::borrow::Cow;
use std::io;

/// The journal's name in the directory.
pub const JOURNAL: &str = "journal";
/// A journal that is being written, to take its place in one step.
const NEW: &str = "journal.new";
/// The file is extended by this many bytes at a time: to write what exists is faster than to extend a file.
const ROOM: u64 = 64 * 1024;
/// Bytes of a new journal written at a time.
const CHUNK: usize = 1024 * 1024;

/// The journal.
#[derive(Debug)]
pub struct Journal {
    file: Box<dyn DiskFile>,
    /// The name of the state.
    state: String,
    /// The number of the last transaction.
    number: u64,
    /// Where the next transaction goes; all before is acknowledged.
    end: u64,
    /// The length of the file.
    length: u64,
    /// How much of it was needed when it was written anew, or opened.
    needed: u64,
    /// The file may not be what was written: the next change needs a new one.
    suspect: bool,
}

/// Every document that a new journal holds.
#[derive(Debug, Clone, Copy)]
pub struct Everything<'a> {
    /// Facts of the whole.
    pub facts: &'a Facts,
    /// The documents.
    pub objects: &'a Objects,
    /// Changes on top of them.
    pub writes: &'a Writes,
}

impl Journal {
    /// Goes on with a journal that was read.
    ///
    /// # Errors
    /// It can't be written, or it is locked.
    pub fn resume(file: Box<dyn DiskFile>, contents: &Contents) -> io::Result<Self> {
        let end = contents.end;
        // What follows was never acknowledged. What comes before may not be on the disk yet, if the server was killed.
        file.set_length(end)?;
        file.sync()?;
        let journal = Self {
            file,
            state: contents.header.state.clone(),
            number: contents.number,
            end,
            length: end,
            needed: end,
            suspect: false,
        };
        journal.write_acknowledgement()?;
        Ok(journal)
    }

    /// Writes a journal that holds all of this, in place of the one before.
    ///
    /// # Errors
    /// The disk refuses; the one before is still there.
    pub fn create(
        disk: &dyn Disk,
        state: &str,
        number: u64,
        everything: Everything<'_>,
    ) -> io::Result<Self> {
        disk.remove(NEW)?;
        let file = disk.open(NEW, Access::Create)?;
        let written = Self::write_all(file, state, number, everything)
            .and_then(|journal| disk.rename(NEW, JOURNAL).map(|()| journal));
        if written.is_err() {
            let _ = disk.remove(NEW);
        }
        written
    }

    fn write_all(
        file: Box<dyn DiskFile>,
        state: &str,
        number: u64,
        everything: Everything<'_>,
    ) -> io::Result<Self> {
        if !file.lock()? {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let mut journal = Self {
            file,
            state: state.to_owned(),
            number: number + 1,
            end: format::HEADER,
            length: 0,
            needed: 0,
            // Until its name is on the disk.
            suspect: true,
        };
        let mut buffer = format::facts(journal.number, everything.facts)?;
        for (kind, id, document) in everything.documents() {
            journal.number += 1;
            let one = std::iter::once((kind, id, Some(document)));
            buffer.extend(format::writes(journal.number, one));
            if buffer.len() >= CHUNK {
                journal.file.write_at(&buffer, journal.end)?;
                journal.end += buffer.len() as u64;
                buffer.clear();
            }
        }
        journal.file.write_at(&buffer, journal.end)?;
        journal.end += buffer.len() as u64;
        let header = Header {
            state: journal.state.clone(),
            acknowledged: journal.end,
        };
        journal.file.write_at(&format::header(&header), 0)?;
        journal.file.sync()?;
        journal.length = journal.end;
        journal.needed = journal.end;
        Ok(journal)
    }

    /// The name of the state.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The number of the last transaction.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its name is on the disk: it can be appended to.
    pub fn trust(&mut self) {
        self.suspect = false;
    }

    /// Is the file what was written, as far as can be seen?
    pub fn is_sound(&self) -> io::Result<bool> {
        Ok(!self.suspect && self.file.length()? == self.length)
    }

    /// Does it hold more than is needed, by more than this many bytes?
    pub fn is_slack(&self, slack: u64) -> bool {
        self.end - self.needed > self.needed + slack
    }

    /// Is it still the journal of its directory?
    pub fn is_in_place(&self, disk: &dyn Disk) -> io::Result<bool> {
        match disk.id_of(JOURNAL) {
            Ok(id) => Ok(id == self.file.id()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where the open file can be found even if it has no name any more.
    pub fn still_at(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.number())
    }

    /// Appends a transaction; it counts once it is acknowledged.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn append(&mut self, bytes: Vec<u8>) -> io::Result<Appended> {
        let length = bytes.len() as u64;
        if let Err(error) = self.put(bytes) {
            self.take_back();
            return Err(error);
        }
        if let Err(error) = self.file.sync() {
            self.suspect = true;
            self.take_back();
            return Err(error);
        }
        Ok(Appended(length))
    }

    fn put(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        let length = bytes.len();
        let after = self.end + length as u64;
        if after > self.length {
            bytes.resize(length + ROOM as usize, 0);
            if self.file.write_at(&bytes, self.end).is_ok() {
                self.length = after + ROOM;
                return Ok(());
            }
            // Perhaps there is room for the transaction alone.
            bytes.truncate(length);
            self.file.set_length(self.end)?;
            self.length = after;
        }
        self.file.write_at(&bytes, self.end)
    }

    /// Cuts off what was appended and is not to count.
    pub fn take_back(&mut self) {
        match self.file.set_length(self.end) {
            Ok(()) => self.length = self.end,
            Err(_) => self.suspect = true,
        }
    }

    /// What was appended counts.
    pub fn acknowledge(&mut self, appended: Appended) {
        self.number += 1;
        self.end += appended.0;
        // It is synced with the next change. If it can't be written, it says less than it could, which is no harm.
        self.suspect |= self.write_acknowledgement().is_err();
    }

    fn write_acknowledgement(&self) -> io::Result<()> {
        let (place, bytes) = format::acknowledgement(self.number, self.end);
        self.file.write_at(&bytes, place)
    }
}

/// What was appended and does not count yet: its length.
#[derive(Debug)]
#[must_use]
pub struct Appended(u64);

impl<'a> Everything<'a> {
    /// The JSON of each.
    fn documents(self) -> impl Iterator<Item = (Kind, Id, Cow<'a, str>)> {
        let kept = Kind::ALL.into_iter().flat_map(move |kind| {
            let all = self.objects.texts(kind);
            let kept = all.filter(move |(id, _)| !self.writes.contains_key(&(kind, *id)));
            kept.map(move |(id, text)| (kind, id, text))
        });
        let written = self.writes.iter().filter_map(|((kind, id), document)| {
            Some((*kind, *id, json_of(document.as_ref()?).into()))
        });
        kept.chain(written)
    }
}
