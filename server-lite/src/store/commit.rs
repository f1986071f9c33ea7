//! Changes, one at a time and all or nothing: drafted, stored, then published.
//!
//! Changes are drafted one after another on what is published plus what is about to be, so that two at once to the
//! same VM both survive. Storing costs a sync: those drafted while one is under way are a batch, which is stored by one
//! of those who wait for it, or by a thread for those who don't ([`Pending::then`]). A change is answered only after it
//! is stored, and is seen by readers only then.

use super::database::Store;
use super::error::StoreError;
use super::state::{Draft, Kind, Objects, Writes};
use crate::objects::document::{Document, Id};
use crate::objects::refusal::Refusal;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

/// The documents and the one way to change them.
#[derive(Debug)]
pub struct Commits {
    shared: Arc<Shared>,
    /// Stores the changes that nobody waits for, from the first of them on; `None` if the system refuses a thread.
    thread: OnceLock<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    objects: RwLock<Objects>,
    staged: Mutex<Staged>,
    /// Wakes the thread.
    work: Condvar,
    /// Held while a batch is stored; without a store, changes are as durable as the process.
    store: Mutex<Option<Store>>,
    listener: OnceLock<Listener>,
    /// Changes being drafted that may take long.
    long: AtomicUsize,
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
    /// Somebody is storing a batch.
    storing: bool,
    /// The thread is to store the batch.
    asked: bool,
    /// No change comes any more.
    over: bool,
}

/// Changes that are stored together.
#[derive(Debug, Default)]
struct Batch {
    /// How it ended; unset while it is not over.
    outcome: OnceLock<Outcome>,
    /// Wakes those who wait for it: all when it is over, one to store it.
    wake: Condvar,
    /// Those who don't wait, to be told when it is over.
    told: Mutex<Vec<Told>>,
}

type Outcome = Result<(), Arc<StoreError>>;

/// What is to be done with a batch's outcome.
struct Told(Box<dyn FnOnce(Result<(), Refusal>) + Send>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// A change that is drafted: it counts once it is stored.
#[derive(Debug)]
pub struct Pending {
    /// `None` where nothing is to be stored.
    batch: Option<(Arc<Shared>, Arc<Batch>)>,
}

impl Commits {
    /// The documents as they were loaded, and the store that already holds them.
    pub fn new(objects: Objects, store: Option<Store>) -> Self {
        let shared = Shared {
            objects: RwLock::new(objects),
            staged: Mutex::default(),
            work: Condvar::new(),
            store: Mutex::new(store),
            listener: OnceLock::new(),
            long: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
            thread: OnceLock::new(),
        }
    }

    /// Tells `listener` which documents changed, after each change from now on. The first one given stays.
    pub fn on_change(&self, listener: impl Fn(&[Changed]) + Send + Sync + 'static) {
        let _ = self.shared.listener.set(Listener(Box::new(listener)));
    }

    /// Whether a change could be stored, as far as can be seen.
    ///
    /// # Errors
    /// The state directory is no longer what it was.
    pub fn ready(&self) -> Result<(), StoreError> {
        match lock(&self.shared.store).as_ref() {
            Some(store) => store.ready(),
            None => Ok(()),
        }
    }

    /// Whether a change is being drafted that may take long: the next would wait for it.
    pub fn is_busy(&self) -> bool {
        self.shared.long.load(SeqCst) > 0
    }

    /// Reads what is published.
    pub fn read<T>(&self, read: impl FnOnce(&Objects) -> T) -> T {
        self.shared.read(read)
    }

    /// Makes a change that may take long: all that `draft` writes is stored and published before this returns `Ok`, and
    /// nothing of it is if `draft` refuses or the store fails.
    pub fn change<T>(
        &self,
        draft: impl FnOnce(&mut Draft) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.shared.long.fetch_add(1, SeqCst);
        let drafted = self.stage(draft);
        self.shared.long.fetch_sub(1, SeqCst);
        let (answer, pending) = drafted?;
        pending.wait().map(|()| answer)
    }

    /// Drafts a change and doesn't wait until it is stored: it counts only then.
    ///
    /// # Errors
    /// `draft` refuses.
    pub fn draft<T>(
        &self,
        draft: impl FnOnce(&mut Draft) -> Result<T, Refusal>,
    ) -> Result<(T, Pending), Refusal> {
        let (answer, pending) = self.stage(draft)?;
        let start = || {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("store".to_owned());
            thread.spawn(move || shared.store_asked()).ok()
        };
        if self.thread.get_or_init(start).is_some() {
            return Ok((answer, pending));
        }
        pending.wait()?;
        Ok((answer, Pending::over()))
    }

    fn stage<T>(
        &self,
        draft: impl FnOnce(&mut Draft) -> Result<T, Refusal>,
    ) -> Result<(T, Pending), Refusal> {
        let mut staged = lock(&self.shared.staged);
        let (answer, writes) = self.read(|objects| {
            let mut change = Draft::new(objects, &staged.writes);
            draft(&mut change).map(|answer| (answer, change.into_writes()))
        })?;
        let own = || (Arc::clone(&self.shared), Arc::clone(&staged.batch));
        let batch = (!writes.is_empty()).then(own);
        staged.writes.extend(writes);
        Ok((answer, Pending { batch }))
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        if let Some(Some(thread)) = self.thread.take() {
            lock(&self.shared.staged).over = true;
            self.shared.work.notify_one();
            // A fault in it was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Pending {
    /// A change that was made already.
    pub fn over() -> Self {
        Self { batch: None }
    }

    /// Whether there is nothing to wait for.
    pub fn is_over(&self) -> bool {
        self.batch.is_none()
    }

    /// Returns once the change is stored and published.
    ///
    /// # Errors
    /// It could not be stored; nothing of it counts.
    pub fn wait(self) -> Result<(), Refusal> {
        match self.batch {
            Some((shared, batch)) => refused(&shared.settle(&batch)),
            None => Ok(()),
        }
    }

    /// Has `tell` called with what [`Pending::wait`] would return, by this thread or another one.
    pub fn then(self, tell: impl FnOnce(Result<(), Refusal>) + Send + 'static) {
        let Some((shared, batch)) = &self.batch else {
            return tell(Ok(()));
        };
        let mut staged = lock(&shared.staged);
        if let Some(outcome) = batch.outcome.get() {
            drop(staged);
            return tell(refused(outcome));
        }
        lock(&batch.told).push(Told(Box::new(tell)));
        // What is being stored already need not be asked for.
        let first = Arc::ptr_eq(batch, &staged.batch) && !staged.asked;
        staged.asked |= first;
        drop(staged);
        if first {
            shared.work.notify_one();
        }
    }
}

impl Shared {
    /// What the thread does.
    fn store_asked(&self) {
        loop {
            let staged = lock(&self.staged);
            let waited = self.work.wait_while(staged, |s| !s.asked && !s.over);
            let mut staged = waited.unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut staged.asked) {
                return;
            }
            let batch = Arc::clone(&staged.batch);
            drop(staged);
            // Those whose batch it is are told.
            let _ = self.settle(&batch);
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Objects) -> T) -> T {
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

    /// Waits until a batch is over, and stores it if nobody else does.
    fn settle(&self, batch: &Batch) -> Outcome {
        let mut staged = lock(&self.staged);
        loop {
            match batch.outcome.get() {
                Some(outcome) => return outcome.clone(),
                None if staged.storing => {
                    staged = batch
                        .wake
                        .wait(staged)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                None => {
                    staged.storing = true;
                    // It is this one: all before it are over.
                    let batch = std::mem::take(&mut staged.batch);
                    staged.asked = false;
                    let writes = staged.writes.clone();
                    drop(staged);
                    let stored = self.store(&writes).map_err(Arc::new);
                    let next = lock(&self.staged).end(&batch, &writes, &stored);
                    for over in [Some(batch), next].into_iter().flatten() {
                        for Told(tell) in std::mem::take(&mut *lock(&over.told)) {
                            tell(refused(&stored));
                        }
                    }
                    staged = lock(&self.staged);
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
    /// A batch, whose changes are these, was stored or not: those who wait are told so, and one of the next stores that.
    /// The next batch, if it went the same way.
    fn end(&mut self, batch: &Batch, writes: &Writes, stored: &Outcome) -> Option<Arc<Batch>> {
        self.storing = false;
        let end = |batch: &Batch| {
            let _ = batch.outcome.set(stored.clone());
            batch.wake.notify_all();
        };
        end(batch);
        if stored.is_ok() {
            // What was written again meanwhile stays staged.
            self.writes
                .retain(|key, document| !same(document, writes.get(key)));
            self.batch.wake.notify_one();
            return None;
        }
        // Changes drafted meanwhile may rest on these: they go the same way.
        self.writes.clear();
        self.asked = false;
        let next = std::mem::take(&mut self.batch);
        end(&next);
        Some(next)
    }
}

fn refused(outcome: &Outcome) -> Result<(), Refusal> {
    match outcome {
        Ok(()) => Ok(()),
        Err(cause) => Err(Refusal::Unavailable(cause.to_string())),
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
mod tests;
