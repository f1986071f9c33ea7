//! Changes, one at a time and all or nothing: drafted, stored, then published.
//!
//! Changes are drafted one after another on what is published plus what is about to be, so that two at once to the
//! same VM both survive. Storing costs a sync: those drafted while one is under way are a batch, which one of them
//! stores for all. A change is answered only after it is stored, and is seen by readers only then.

use super::database::Store;
use super::error::StoreError;
use super::state::{Draft, Kind, Objects, Writes};
use crate::objects::document::{Document, Id};
use crate::objects::refusal::Refusal;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// The documents and the one way to change them.
#[derive(Debug)]
pub struct Commits {
    objects: RwLock<Objects>,
    staged: Mutex<Staged>,
    /// Held while a batch is stored; without a store, changes are as durable as the process.
    store: Mutex<Option<Store>>,
    listener: OnceLock<Listener>,
}

/// A document that changed, as it was and as it is.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
    /// As it was; `None` where it is new.
    pub before: Option<Document>,
    /// As it is; `None` where it was removed.
    pub after: Option<Document>,
}

/// What is told which documents changed.
type Tell = dyn Fn(&[Changed]) + Send + Sync;

/// Who is told which documents changed, once readers see it.
struct Listener(Box<Tell>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// What is drafted and not yet published.
#[derive(Debug, Default)]
struct Staged {
    writes: Writes,
    /// The batch that the next change joins.
    batch: Arc<Batch>,
    /// One of the changes is storing a batch.
    storing: bool,
}

/// Changes that are stored together.
#[derive(Debug, Default)]
struct Batch {
    /// How it ended; unset while it is not over.
    outcome: OnceLock<Result<(), Arc<StoreError>>>,
    /// Wakes the changes of the batch: all when it is over, one to store it.
    wake: Condvar,
}

impl Commits {
    /// The documents as they were loaded, and the store that already holds them.
    pub fn new(objects: Objects, store: Option<Store>) -> Self {
        Self {
            objects: RwLock::new(objects),
            staged: Mutex::default(),
            store: Mutex::new(store),
            listener: OnceLock::new(),
        }
    }

    /// Tells `listener` which documents changed, after each change from now on. The first one given stays.
    pub fn on_change(&self, listener: impl Fn(&[Changed]) + Send + Sync + 'static) {
        let _ = self.listener.set(Listener(Box::new(listener)));
    }

    /// Whether a change could be stored, as far as can be seen.
    ///
    /// # Errors
    /// The state directory is no longer what it was.
    pub fn ready(&self) -> Result<(), StoreError> {
        match lock(&self.store).as_ref() {
            Some(store) => store.ready(),
            None => Ok(()),
        }
    }

    /// Reads what is published.
    pub fn read<T>(&self, read: impl FnOnce(&Objects) -> T) -> T {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let answer = read(&objects);
        let over = objects.is_over();
        drop(objects);
        if over {
            let objects = self.objects.write();
            objects.unwrap_or_else(PoisonError::into_inner).trim();
        }
        answer
    }

    /// Makes a change: all that `draft` writes is stored and published before this returns `Ok`, and nothing of it
    /// is if `draft` refuses or the store fails.
    pub fn change<T>(
        &self,
        draft: impl FnOnce(&mut Draft) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut staged = lock(&self.staged);
        let (answer, writes) = self.read(|objects| {
            let mut change = Draft::new(objects, &staged.writes);
            draft(&mut change).map(|answer| (answer, change.into_writes()))
        })?;
        if writes.is_empty() {
            return Ok(answer);
        }
        staged.writes.extend(writes);
        let batch = Arc::clone(&staged.batch);
        loop {
            match batch.outcome.get() {
                Some(Ok(())) => return Ok(answer),
                Some(Err(cause)) => return Err(Refusal::Unavailable(cause.to_string())),
                None if staged.storing => {
                    staged = batch
                        .wake
                        .wait(staged)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                None => {
                    staged.storing = true;
                    std::mem::take(&mut staged.batch);
                    let writes = staged.writes.clone();
                    drop(staged);
                    let stored = self.store(&writes);
                    staged = lock(&self.staged);
                    staged.end(&batch, &writes, stored.map_err(Arc::new));
                }
            }
        }
    }

    /// Stores a batch and publishes it.
    fn store(&self, batch: &Writes) -> Result<(), StoreError> {
        if let Some(store) = lock(&self.store).as_mut() {
            self.read(|objects| store.write(objects, batch))?;
        }
        let mut changed = Vec::with_capacity(batch.len());
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        for ((kind, id), after) in batch {
            changed.push(Changed {
                kind: *kind,
                id: *id,
                before: objects.set(*kind, *id, after.clone()),
                after: after.clone(),
            });
        }
        drop(objects);
        if let Some(Listener(tell)) = self.listener.get() {
            tell(&changed);
        }
        Ok(())
    }
}

impl Staged {
    /// A batch, whose changes are these, was stored or not: its changes are told so, and one of the next stores that.
    fn end(&mut self, batch: &Batch, writes: &Writes, stored: Result<(), Arc<StoreError>>) {
        self.storing = false;
        match &stored {
            // What was written again meanwhile stays staged.
            Ok(()) => self
                .writes
                .retain(|key, document| !same(document, writes.get(key))),
            // Changes drafted meanwhile may rest on these: they go the same way.
            Err(cause) => {
                self.writes.clear();
                let next = std::mem::take(&mut self.batch);
                let _ = next.outcome.set(Err(Arc::clone(cause)));
                next.wake.notify_all();
            }
        }
        let _ = batch.outcome.set(stored);
        batch.wake.notify_all();
        self.batch.wake.notify_one();
    }
}

/// Is it the very same version of a document?
fn same(one: &Option<Document>, other: Option<&Option<Document>>) -> bool {
    match (one, other) {
        (Some(one), Some(Some(other))) => Arc::ptr_eq(one, other),
        (None, Some(None)) => true,
        _ => false,
    }
}

/// A panic in another thread leaves the data whole: every step above is done after the fallible part.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cloud() -> Commits {
        let mut objects = Objects::default();
        objects.set(Kind::Vm, 1, Some(Arc::new(json!({"ID": "1", "N": 0}))));
        Commits::new(objects, None)
    }

    fn add(commits: &Commits) -> Result<(), Refusal> {
        commits.change(|draft| {
            let vm = draft.get_mut(Kind::Vm, 1).ok_or(Refusal::NotFound)?;
            vm["N"] = json!(vm["N"].as_u64().unwrap_or(0) + 1);
            Ok(())
        })
    }

    #[test]
    fn changes_at_once_all_survive() {
        let commits = cloud();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| add(&commits).expect("stored")));
            }
        });
        assert_eq!(
            commits.read(|o| o.get(Kind::Vm, 1).map(|vm| vm["N"].clone())),
            Some(json!(400))
        );
        assert!(lock(&commits.staged).writes.is_empty());
    }

    #[test]
    fn a_refused_change_leaves_no_trace() {
        let commits = cloud();
        let refused: Result<(), _> = commits.change(|draft| {
            draft.remove(Kind::Vm, 1);
            Err(Refusal::Failed("no".into()))
        });
        assert_eq!(refused, Err(Refusal::Failed("no".into())));
        assert!(commits.read(|o| o.get(Kind::Vm, 1).is_some()));
        add(&commits).expect("stored");
    }
}
