//! Updates that wait for their turn: those of one VM go to oned together where that comes to the same.
//!
//! It does for plain values: the names of a later update replace those of an earlier one, and everything is written
//! as text. Where oned refuses them together, each goes by itself, so nobody pays for another's mistake.

use super::user_template::is_plain;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::objects::template::{Attribute, AttributeValue};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of names and values that go together.
const MAX_TOGETHER: usize = 64 << 10;

/// The updates that wait, by VM and by the user in whose name they are made.
#[derive(Debug, Default)]
pub struct Updates(Mutex<HashMap<(Id, Id), Arc<Batch>>>);

#[derive(Debug, Default)]
struct Batch {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    attributes: Vec<Attribute>,
    updates: usize,
    outcome: Option<Outcome>,
}

type Outcome = Option<Result<(), Refusal>>;

impl Updates {
    /// Updates that wait for their turn and can be joined by others.
    pub fn waiting(&self) -> usize {
        let batches = lock(&self.0);
        batches
            .values()
            .map(|batch| lock(&batch.state).updates)
            .sum()
    }

    /// Makes an update, perhaps together with others. `send` waits for its turn, then takes what is to be sent and
    /// sends it.
    pub fn make(
        &self,
        target: (Id, Id),
        attributes: &[Attribute],
        send: impl Fn(&dyn Fn() -> Vec<Attribute>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let by_itself = || send(&|| attributes.to_vec());
        if !is_plain(attributes) {
            return by_itself();
        }
        let batch = {
            let mut waiting = lock(&self.0);
            match waiting.get(&target) {
                Some(batch) if batch.add(attributes) => Err(Arc::clone(batch)),
                // The one that waits is full.
                Some(_) => return by_itself(),
                None => {
                    let batch = Arc::<Batch>::default();
                    batch.add(attributes);
                    waiting.insert(target, Arc::clone(&batch));
                    Ok(batch)
                }
            }
        };
        match batch {
            Ok(batch) => {
                let first = First {
                    updates: self,
                    target,
                    batch,
                };
                let result = send(&|| first.take());
                let together = lock(&first.batch.state).updates > 1;
                match result {
                    Err(Refusal::Unavailable(_) | Refusal::Busy(_)) | Ok(()) => {
                        first.batch.land(Some(result.clone()));
                        result
                    }
                    Err(_) if together => {
                        first.batch.land(None);
                        by_itself()
                    }
                    Err(_) => result,
                }
            }
            Err(batch) => batch.wait().unwrap_or_else(by_itself),
        }
    }
}

impl Batch {
    fn add(&self, attributes: &[Attribute]) -> bool {
        let mut state = lock(&self.state);
        let size = |attributes: &[Attribute]| attributes.iter().map(bytes).sum::<usize>();
        if state.updates > 0 && size(&state.attributes) + size(attributes) > MAX_TOGETHER {
            return false;
        }
        state
            .attributes
            .retain(|before| attributes.iter().all(|after| after.name != before.name));
        state.attributes.extend_from_slice(attributes);
        state.updates += 1;
        true
    }

    fn land(&self, outcome: Outcome) {
        lock(&self.state).outcome.get_or_insert(outcome);
        self.landed.notify_all();
    }

    fn wait(&self) -> Outcome {
        let state = self
            .landed
            .wait_while(lock(&self.state), |state| state.outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.outcome.clone().flatten()
    }
}

/// The first update of a batch, which sends it. Dropped, it leaves nobody waiting.
struct First<'a> {
    updates: &'a Updates,
    target: (Id, Id),
    batch: Arc<Batch>,
}

impl First<'_> {
    /// What is to be sent; from now on nothing is added.
    fn take(&self) -> Vec<Attribute> {
        self.close();
        lock(&self.batch.state).attributes.clone()
    }

    fn close(&self) {
        let mut waiting = lock(&self.updates.0);
        if let Some(batch) = waiting.get(&self.target)
            && Arc::ptr_eq(batch, &self.batch)
        {
            waiting.remove(&self.target);
        }
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.close();
        self.batch.land(None);
    }
}

fn bytes(attribute: &Attribute) -> usize {
    attribute.name.len()
        + match &attribute.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Vector(members) => members.iter().map(|(n, v)| n.len() + v.len()).sum(),
        }
}

/// What these locks guard is whole between any two statements, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
