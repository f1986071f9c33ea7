//! The format of the journal, the one file that holds every document (`DIR/journal`).
//!
//! It begins with a header of fixed length, which names the state and says how much of the file was acknowledged.
//! Then comes one line for each transaction:
//!
//! ```text
//! CHECKSUM NUMBER JSON
//! ```
//!
//! The checksum covers the number and the JSON; the numbers have no gaps. The first line has facts of the whole
//! ([`Facts`]); each other line is a list of `[KIND, ID, DOCUMENT]`, with null for a document that is removed.
//!
//! What was acknowledged must be there, whole and in order, or the file is damaged. What follows is what was being
//! written when the server was killed: it counts as far as it is whole. The header is written after the data was
//! synced, and is synced with the next data. So after a power failure it may lag behind, but is never ahead
//! (`database/faults.rs`, test `a_power_failure_at_any_moment_loses_nothing_that_was_acknowledged`).

use super::disk::DiskFile;
use super::error::Damage;
use super::state::{Kind, Objects};
use crate::objects::document::Id;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io;

/// The layout of the file. Add one for each change that an older version could not read. (Layout 1 was `state.redb`.)
pub const LAYOUT: u32 = 2;
/// The length of the header: a page, so that no data shares one with it.
pub const HEADER: u64 = 4096;
/// Where in the header the length that was acknowledged is: in two places, written in turn, so that one is whole
/// whatever happens to the other.
const ACKNOWLEDGED: [u64; 2] = [1024, 2048];
/// What a file begins with.
const TITLE: &str = "onegate-server-lite state, layout ";
/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;
/// The longest line.
pub const LONGEST: usize = 64 * 1024 * 1024;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name of the state.
    pub state: String,
    /// Up to where the file was acknowledged.
    pub acknowledged: u64,
}

/// Facts of the whole, before all documents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The fingerprint of the scenario that the state began with.
    pub scenario: String,
    /// The highest VM id so far.
    pub last_vm: Option<Id>,
}

/// What a journal holds.
#[derive(Debug)]
pub struct Contents {
    pub(super) header: Header,
    pub(super) facts: Facts,
    pub(super) objects: Objects,
    /// The number of the last transaction.
    pub(super) number: u64,
    /// Where the next one goes.
    pub(super) end: u64,
}

/// The checksum of a line: 64 bits of its SHA-256, in hexadecimal.
fn checksum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// A line with its checksum.
pub fn line(text: &str) -> String {
    format!("{} {text}\n", checksum(text.as_bytes()))
}

/// The text of a line, if its checksum is right.
pub fn unline(line: &[u8]) -> Option<&[u8]> {
    let (sum, text) = (line.get(..16)?, line.get(17..)?);
    (line[16] == b' ' && checksum(text).as_bytes() == sum).then_some(text)
}

/// The header's bytes.
pub fn header(header: &Header) -> Vec<u8> {
    let mut bytes = vec![b' '; HEADER as usize];
    let title = format!("{TITLE}{LAYOUT}\n{}", line(&header.state));
    bytes[..title.len()].copy_from_slice(title.as_bytes());
    for turn in 0..2 {
        let (place, acknowledged) = acknowledgement(turn, header.acknowledged);
        bytes[place as usize..][..acknowledged.len()].copy_from_slice(&acknowledged);
    }
    bytes[HEADER as usize - 1] = b'\n';
    bytes
}

/// The part of the header that says how much was acknowledged, with the transaction of this number, and where it goes.
pub fn acknowledgement(number: u64, length: u64) -> (u64, Vec<u8>) {
    let place = ACKNOWLEDGED[usize::from(number % 2 == 1)];
    (
        place,
        line(&format!("acknowledged {length:020}")).into_bytes(),
    )
}

/// Reads the header.
pub fn read_header(file: &dyn DiskFile) -> Result<Header, ReadError> {
    let mut bytes = vec![0; HEADER as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    if filled == 0 {
        return Err(Damage::Empty.into());
    }
    let mut lines = bytes[..filled].split(|b| *b == b'\n');
    let title = lines.next().unwrap_or_default();
    let layout = title
        .strip_prefix(TITLE.as_bytes())
        .ok_or(Damage::NotAState)?;
    match std::str::from_utf8(layout)
        .ok()
        .and_then(|l| l.parse().ok())
    {
        Some(LAYOUT) => {}
        Some(layout) => return Err(Damage::Layout(layout).into()),
        None => return Err(Damage::Header.into()),
    }
    let state = lines
        .next()
        .and_then(unline)
        .and_then(|state| String::from_utf8(state.to_vec()).ok())
        .ok_or(Damage::Header)?;
    let acknowledged = |place: u64| {
        let rest = bytes[..filled].get(place as usize..)?;
        let text = unline(rest.split(|b| *b == b'\n').next()?)?;
        let digits = text.strip_prefix(b"acknowledged ")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let acknowledged = ACKNOWLEDGED.into_iter().filter_map(acknowledged);
    let acknowledged = acknowledged.max().ok_or(Damage::Header)?;
    Ok(Header {
        state,
        acknowledged,
    })
}

/// A transaction's line with these facts.
pub fn facts(number: u64, facts: &Facts) -> serde_json::Result<Vec<u8>> {
    Ok(transaction(number, &serde_json::to_string(facts)?))
}

/// A transaction's line with these writes.
pub fn writes<'a>(
    number: u64,
    writes: impl Iterator<Item = (Kind, Id, Option<Cow<'a, str>>)>,
) -> Vec<u8> {
    let one = |(kind, id, document): (Kind, Id, Option<Cow<'a, str>>)| {
        let document = document.as_deref().unwrap_or("null");
        format!("[\"{}\",{id},{document}]", kind.name())
    };
    let list: Vec<String> = writes.map(one).collect();
    transaction(number, &format!("[{}]", list.join(",")))
}

fn transaction(number: u64, json: &str) -> Vec<u8> {
    line(&format!("{number} {json}")).into_bytes()
}

/// What is wrong with a line.
type LineFault = String;

/// One transaction.
enum Transaction<'a> {
    Facts(Facts),
    /// The JSON of each document; `None` if it is removed.
    Writes(Vec<(Kind, Id, Option<&'a str>)>),
}

fn read_transaction(line: &[u8]) -> Result<(u64, Transaction<'_>), LineFault> {
    let text = unline(line).ok_or("its checksum is wrong")?;
    let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
    let (number, json) = text.split_once(' ').ok_or("it has no number")?;
    let number = number
        .parse()
        .map_err(|_| "its number is not one".to_owned())?;
    if json.starts_with('{') {
        let facts = serde_json::from_str(json).map_err(|e| e.to_string())?;
        return Ok((number, Transaction::Facts(facts)));
    }
    let list: Vec<(&str, Id, &RawValue)> = serde_json::from_str(json).map_err(|e| e.to_string())?;
    let mut writes = Vec::new();
    for (kind, id, document) in list {
        let kind = Kind::named(kind).ok_or_else(|| format!("unknown kind {kind:?}"))?;
        let document = document.get();
        writes.push((kind, id, (document != "null").then_some(document)));
    }
    Ok((number, Transaction::Writes(writes)))
}

/// Makes the changes of a transaction.
fn apply(objects: &mut Objects, writes: Vec<(Kind, Id, Option<&str>)>) {
    for (kind, id, document) in writes {
        match document {
            Some(text) => objects.set_text(kind, id, text),
            None => drop(objects.set(kind, id, None)),
        }
    }
}

/// Why a journal can't be read.
#[derive(Debug)]
pub enum ReadError {
    /// The disk refuses.
    Disk(io::Error),
    /// It is not what was written.
    Damage(Damage),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// Reads a journal and verifies it from its first byte to its last.
pub fn read(file: &dyn DiskFile) -> Result<Contents, ReadError> {
    let header = read_header(file)?;
    let length = file.length()?;
    if length < header.acknowledged {
        return Err(Damage::Short {
            length,
            acknowledged: header.acknowledged,
        }
        .into());
    }
    let mut lines = Lines::new(file);
    let mut facts: Option<Facts> = None;
    let mut objects = Objects::default();
    let mut number = None;
    let mut end = HEADER;
    while let Some(line) = lines.next()? {
        let fault = match read_transaction(line) {
            Ok((this, _)) if number.is_some_and(|last: u64| last + 1 != this) => {
                "it is not the next transaction".to_owned()
            }
            Ok((this, Transaction::Facts(these))) if facts.is_none() => {
                objects = Objects::with_last_vm(these.last_vm);
                facts = Some(these);
                number = Some(this);
                end = lines.offset;
                continue;
            }
            Ok((this, Transaction::Writes(writes))) if facts.is_some() => {
                apply(&mut objects, writes);
                number = Some(this);
                end = lines.offset;
                continue;
            }
            Ok(_) => "it is not where it belongs".to_owned(),
            Err(fault) => fault,
        };
        if end < header.acknowledged {
            return Err(Damage::Transaction { at: end, fault }.into());
        }
        break;
    }
    if end < header.acknowledged {
        let fault = "its end is missing".to_owned();
        return Err(Damage::Transaction { at: end, fault }.into());
    }
    match (facts, number) {
        (Some(facts), Some(number)) => Ok(Contents {
            header,
            facts,
            objects,
            number,
            end,
        }),
        _ => Err(Damage::NoTransaction.into()),
    }
}

/// What can still be read of a journal, whatever happened to it, and what can't.
pub fn salvage(file: &dyn DiskFile) -> io::Result<(Objects, Vec<String>)> {
    let mut lost = Vec::new();
    let acknowledged = match read_header(file) {
        Ok(header) => header.acknowledged,
        Err(ReadError::Disk(error)) => return Err(error),
        Err(ReadError::Damage(_)) => {
            lost.push("the header is damaged".to_owned());
            0
        }
    };
    let mut lines = Lines::new(file);
    let mut objects = Objects::default();
    let mut last: Option<u64> = None;
    loop {
        let at = lines.offset;
        let Some(line) = lines.next()? else { break };
        if line.iter().all(|b| *b == 0) {
            continue;
        }
        match read_transaction(line) {
            Ok((number, transaction)) => {
                if last.is_some_and(|last| last + 1 != number) {
                    lost.push(format!(
                        "before byte {at}: transactions are missing or out of order"
                    ));
                }
                last = Some(number);
                if let Transaction::Writes(writes) = transaction {
                    apply(&mut objects, writes);
                }
            }
            Err(fault) => lost.push(format!(
                "at byte {at}: a transaction is lost: {}",
                crate::objects::message::shown(&fault, 200)
            )),
        }
    }
    if lines.offset < acknowledged {
        lost.push(format!(
            "from byte {} on: the changes up to byte {acknowledged} are lost",
            lines.offset
        ));
    }
    Ok((objects, lost))
}

/// The lines after the header, without their newlines.
struct Lines<'a> {
    file: &'a dyn DiskFile,
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// Where in the file the next line begins.
    offset: u64,
}

impl<'a> Lines<'a> {
    fn new(file: &'a dyn DiskFile) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            start: 0,
            offset: HEADER,
        }
    }

    /// The next line; what has no newline at its end is none.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut searched = self.start;
        loop {
            if let Some(length) = self.buffer[searched..].iter().position(|b| *b == b'\n') {
                let line = self.start..searched + length;
                self.start = line.end + 1;
                self.offset += line.len() as u64 + 1;
                return Ok(Some(&self.buffer[line]));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len();
            if searched > LONGEST {
                return Ok(None);
            }
            self.buffer.resize(searched + CHUNK, 0);
            let at = self.offset + searched as u64;
            let read = self.file.read_at(&mut self.buffer[searched..], at)?;
            self.buffer.truncate(searched + read);
            if read == 0 {
                return Ok(None);
            }
        }
    }
}
