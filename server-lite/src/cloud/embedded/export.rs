//! A state as a scenario: `state export` writes it, `state import` and `--cloud` read it.

use super::Embedded;
use super::scenario::{ENGINE, LISTS, MEMORIES, Scenario};
use crate::flow::Timings;
use crate::objects::refusal::Refusal;
use crate::store::commit::Commits;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::state::{Kind, Objects};
use jiff::Timestamp;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// Why a state directory does not hold an imported scenario.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The directory can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cloud refuses the change.
    #[error("{}", .0.cause())]
    Refused(Refusal),
}

/// Writes these documents as a scenario, one to a line, in the order of their ids, with what the engine remembers.
///
/// # Errors
/// It can't be written.
pub fn write(objects: &Objects, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{")?;
    for (key, kind, ..) in LISTS {
        write!(out, "\n\"{key}\": [")?;
        each(objects, kind, out, |out, (_, document)| {
            out.write_all(document.as_bytes())
        })?;
        out.write_all(b"],")?;
    }
    write!(out, "\n\"{ENGINE}\": {{")?;
    for (key, kind, _) in MEMORIES {
        write!(out, "\n\"{key}\": {{")?;
        each(objects, kind, out, |out, (id, document)| {
            write!(out, "\"{id}\": {document}")
        })?;
        out.write_all(b"},")?;
    }
    let last = objects
        .last_vm()
        .map_or("null".to_owned(), |last| last.to_string());
    writeln!(out, "\n\"last_vm\": {last}}}}}")?;
    out.flush()
}

fn each(
    objects: &Objects,
    kind: Kind,
    out: &mut dyn Write,
    one: fn(&mut dyn Write, (u32, &str)) -> io::Result<()>,
) -> io::Result<()> {
    let mut all: Vec<_> = objects.texts(kind).collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    for (at, (id, document)) in all.into_iter().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        one(out, (id, &document))?;
    }
    Ok(())
}

impl Embedded {
    /// Whether a change could be stored ([`Commits::ready`]).
    ///
    /// # Errors
    /// It could not.
    pub fn ready(&self) -> Result<(), StoreError> {
        self.commits.ready()
    }

    /// Replaces what a state directory holds by a scenario; no server may have it.
    ///
    /// # Errors
    /// The directory can't be used, or the scenario can't be stored; what it held is as it was.
    pub fn import_into(directory: &Path, scenario: &Scenario) -> Result<(), ImportError> {
        let mut opened = Store::open(directory)?;
        let Some(stored) = opened.stored else {
            opened
                .store
                .fill(&scenario.objects, &scenario.fingerprint)?;
            return Ok(());
        };
        let commits = Commits::new(stored.objects, Some(opened.store));
        let cloud = Self::new(commits, Timings::default());
        cloud.import(scenario, || ()).map_err(ImportError::Refused)
    }

    /// Replaces the whole cloud by a scenario, in one change. `accepted` is called before anybody sees it.
    ///
    /// # Errors
    /// It can't be stored; the cloud is as it was.
    pub fn import(&self, scenario: &Scenario, accepted: impl FnOnce()) -> Result<(), Refusal> {
        self.with_engine(|engine, draft, now: Timestamp| {
            let new = &scenario.objects;
            for kind in Kind::ALL {
                for id in draft.ids(kind) {
                    draft.remove(kind, id);
                }
                for (id, document) in new.all(kind) {
                    draft.set(kind, id, Arc::unwrap_or_clone(document));
                }
            }
            if let Some(last) = new.last_vm()
                && new.get(Kind::Vm, last).is_none()
            {
                draft.remove(Kind::Vm, last);
            }
            engine.start(draft, now);
            accepted();
            Ok(())
        })?;
        self.alarm.ring();
        Ok(())
    }
}
