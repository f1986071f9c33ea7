//! The embedded cloud's documents, and how they change.
//!
//! [`Objects`] is what every reader sees. A change is made on a [`Draft`]: it reads through to the objects, keeps
//! what it writes to itself, and is published only once it is stored. So a reader sees no half of a change, nor one
//! that a crash could take back, and a refused change leaves no trace.

use super::kept::KeptDocument;
use crate::objects::document::{Document, Id, id};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The kinds of document. The discriminant is the kind's place in [`Kind::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A user (`oneuser show -j`).
    User = 0,
    /// A VM (`onevm show -j`).
    Vm = 1,
    /// A virtual router (`onevrouter show -j`).
    Vrouter = 2,
    /// A virtual network (`onevnet show -j`).
    Vnet = 3,
    /// A service (`oneflow show -j`).
    Service = 4,
    /// What the service engine remembers of a service beside its document.
    ServiceClock = 5,
    /// What the service engine remembers of a VM beside its document: the state it is moving to, and when.
    VmClock = 6,
}

impl Kind {
    /// What it is called on disk: never use a name for another kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Vm => "vm",
            Self::Vrouter => "vrouter",
            Self::Vnet => "vnet",
            Self::Service => "service",
            Self::ServiceClock => "service_clock",
            Self::VmClock => "vm_clock",
        }
    }

    /// The kind that is called so on disk.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::User,
        Self::Vm,
        Self::Vrouter,
        Self::Vnet,
        Self::Service,
        Self::ServiceClock,
        Self::VmClock,
    ];
}

/// About how many bytes of parsed documents are kept; what is not in use beyond that is kept as text.
const PARSED: usize = 128 * 1024 * 1024;

/// Every document of the cloud, by kind and id.
#[derive(Debug)]
pub struct Objects {
    documents: [HashMap<Id, KeptDocument>; Kind::ALL.len()],
    /// The highest VM id so far, with those of VMs that are gone: ids are never used twice.
    last_vm: Option<Id>,
    /// The weight of all that is parsed.
    parsed: AtomicUsize,
    /// How much of it there may be.
    limit: usize,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            documents: Default::default(),
            last_vm: None,
            parsed: AtomicUsize::new(0),
            limit: PARSED,
        }
    }
}

impl Objects {
    /// No documents yet, but VM ids up to this one are used up.
    pub fn with_last_vm(last_vm: Option<Id>) -> Self {
        Self {
            last_vm,
            ..Self::default()
        }
    }

    /// The highest VM id so far.
    pub fn last_vm(&self) -> Option<Id> {
        self.last_vm
    }

    /// The highest VM id so far, once these are written too.
    pub fn last_vm_with(&self, writes: &Writes) -> Option<Id> {
        let written = writes.range((Kind::Vm, 0)..=(Kind::Vm, Id::MAX));
        self.last_vm.max(written.map(|((_, id), _)| *id).max())
    }

    /// Whether there is a document of this kind and id.
    pub fn contains(&self, kind: Kind, id: Id) -> bool {
        self.documents[kind as usize].contains_key(&id)
    }

    /// The document of this kind and id, which will be wanted again.
    pub fn get(&self, kind: Kind, id: Id) -> Option<&Document> {
        let kept = self.documents[kind as usize].get(&id)?;
        Some(kept.get(|weight| {
            self.parsed.fetch_add(weight, Relaxed);
        }))
    }

    /// The document of this kind and id, for once: for whoever goes through all of them.
    pub fn peek(&self, kind: Kind, id: Id) -> Option<Document> {
        self.documents[kind as usize]
            .get(&id)
            .map(KeptDocument::peek)
    }

    /// The ids of a kind, in no order.
    pub fn ids(&self, kind: Kind) -> impl Iterator<Item = Id> {
        self.documents[kind as usize].keys().copied()
    }

    /// Every document of a kind, in no order, each for once.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (Id, Document)> {
        let documents = self.documents[kind as usize].iter();
        documents.map(|(id, kept)| (*id, kept.peek()))
    }

    /// The JSON of every document of a kind, in no order.
    pub fn texts(&self, kind: Kind) -> impl Iterator<Item = (Id, Cow<'_, str>)> {
        let documents = self.documents[kind as usize].iter();
        documents.map(|(id, kept)| (*id, kept.text()))
    }

    /// Adds, replaces or, with `None`, removes a document; gives the one that was there. A VM's id is used up either
    /// way.
    pub fn set(&mut self, kind: Kind, id: Id, document: Option<Document>) -> Option<Document> {
        let kept = document.map(KeptDocument::from);
        self.keep(kind, id, kept).map(|before| before.peek())
    }

    /// Adds or replaces a document by its JSON, which was verified.
    pub fn set_text(&mut self, kind: Kind, id: Id, text: &str) {
        self.keep(kind, id, Some(KeptDocument::from(Box::from(text))));
    }

    fn keep(&mut self, kind: Kind, id: Id, kept: Option<KeptDocument>) -> Option<KeptDocument> {
        if kind == Kind::Vm {
            self.last_vm = self.last_vm.max(Some(id));
        }
        let documents = &mut self.documents[kind as usize];
        let more = kept.as_ref().map_or(0, KeptDocument::weight);
        let before = match kept {
            Some(kept) => documents.insert(id, kept),
            None => documents.remove(&id),
        };
        let less = before.as_ref().map_or(0, KeptDocument::weight);
        let parsed = self.parsed.get_mut();
        *parsed = (*parsed + more).saturating_sub(less);
        self.trim();
        before
    }

    /// Whether [`Objects::trim`] would do something.
    pub fn is_over(&self) -> bool {
        self.parsed.load(Relaxed) > self.limit
    }

    /// Keeps documents as text until half of what may be parsed is: first those that were not used for long.
    pub fn trim(&mut self) {
        if !self.is_over() {
            return;
        }
        let half = self.limit / 2;
        let parsed = self.parsed.get_mut();
        for anyway in [false, true] {
            for kept in self.documents.iter_mut().flat_map(HashMap::values_mut) {
                if *parsed <= half {
                    return;
                }
                *parsed = parsed.saturating_sub(kept.release(anyway));
            }
        }
    }
}

/// The documents that a change writes: `None` removes.
pub type Writes = BTreeMap<(Kind, Id), Option<Document>>;

/// The cloud as one change sees it.
#[derive(Debug)]
pub struct Draft<'a> {
    objects: &'a Objects,
    earlier: &'a Writes,
    writes: Writes,
}

impl<'a> Draft<'a> {
    /// A draft over the objects and the writes of earlier changes that are about to be stored with this one.
    pub fn new(objects: &'a Objects, earlier: &'a Writes) -> Self {
        Self {
            objects,
            earlier,
            writes: Writes::new(),
        }
    }

    /// The document of this kind and id, as this change sees it.
    pub fn get(&self, kind: Kind, id: Id) -> Option<&Value> {
        match self.written(kind, id) {
            Some(written) => written.as_deref(),
            None => self.objects.get(kind, id).map(Arc::as_ref),
        }
    }

    /// The same, for once: for whoever goes through all of them.
    pub fn peek(&self, kind: Kind, id: Id) -> Option<Document> {
        match self.written(kind, id) {
            Some(written) => written.clone(),
            None => self.objects.peek(kind, id),
        }
    }

    /// What this change or an earlier one wrote, if any did: `None` in it is a removed document.
    fn written(&self, kind: Kind, id: Id) -> Option<&Option<Document>> {
        let key = (kind, id);
        self.writes.get(&key).or_else(|| self.earlier.get(&key))
    }

    /// The document of this kind and id, to be changed in place.
    pub fn get_mut(&mut self, kind: Kind, id: Id) -> Option<&mut Value> {
        self.get(kind, id)?;
        let key = (kind, id);
        let (objects, earlier) = (self.objects, self.earlier);
        let written = self
            .writes
            .entry(key)
            .or_insert_with(|| match earlier.get(&key) {
                Some(written) => written.clone(),
                None => objects.get(kind, id).cloned(),
            });
        written.as_mut().map(Arc::make_mut)
    }

    /// Adds or replaces a document.
    pub fn set(&mut self, kind: Kind, id: Id, document: Value) {
        self.writes.insert((kind, id), Some(Arc::new(document)));
    }

    /// Removes a document.
    pub fn remove(&mut self, kind: Kind, id: Id) {
        self.writes.insert((kind, id), None);
    }

    /// The ids of this kind, in order.
    pub fn ids(&self, kind: Kind) -> Vec<Id> {
        let mut ids: Vec<Id> = self.objects.ids(kind).collect();
        ids.extend(
            self.earlier
                .keys()
                .chain(self.writes.keys())
                .filter(|(k, _)| *k == kind)
                .map(|(_, id)| *id),
        );
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| match self.written(kind, *id) {
            Some(written) => written.is_some(),
            None => self.objects.contains(kind, *id),
        });
        ids
    }

    /// An id that no VM has had; `None` once all are used up.
    pub fn next_vm_id(&self) -> Option<Id> {
        let vms = (Kind::Vm, 0)..=(Kind::Vm, Id::MAX);
        let last = |writes: &Writes| {
            writes
                .range(vms.clone())
                .next_back()
                .map(|((_, id), _)| *id)
        };
        last(self.earlier)
            .max(last(&self.writes))
            .max(self.objects.last_vm)
            .map_or(Some(0), |last| last.checked_add(1))
    }

    /// What this change writes.
    pub fn into_writes(self) -> Writes {
        self.writes
    }
}

/// The id of a document, from its ID.
pub fn id_of(document: &Value) -> Option<Id> {
    id(document.get("ID"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_draft_reads_through_and_keeps_its_writes_to_itself() {
        let mut objects = Objects::default();
        objects.set(Kind::Vm, 1, Some(Arc::new(json!({"ID": "1"}))));
        objects.set(Kind::Vm, 2, Some(Arc::new(json!({"ID": "2"}))));
        let earlier = Writes::from([
            ((Kind::Vm, 2), None),
            ((Kind::Vm, 7), Some(Arc::new(json!({"ID": "7"})))),
        ]);
        let mut draft = Draft::new(&objects, &earlier);
        assert_eq!(draft.ids(Kind::Vm), [1, 7]);
        assert_eq!(draft.next_vm_id(), Some(8));
        draft.get_mut(Kind::Vm, 1).expect("VM 1")["A"] = json!("x");
        draft.set(Kind::Vm, 8, json!({"ID": "8"}));
        draft.remove(Kind::Vm, 7);
        assert_eq!(draft.get(Kind::Vm, 1), Some(&json!({"ID": "1", "A": "x"})));
        assert_eq!(draft.ids(Kind::Vm), [1, 8]);
        assert!(draft.get_mut(Kind::Vm, 2).is_none());
        assert_eq!(
            objects.get(Kind::Vm, 1).map(|d| d["A"].is_null()),
            Some(true)
        );
        assert_eq!(draft.into_writes().len(), 3);
    }

    #[test]
    fn the_id_of_a_removed_vm_is_not_used_again() {
        let mut objects = Objects::default();
        objects.set(Kind::Vm, 5, Some(Arc::new(json!({"ID": "5"}))));
        objects.set(Kind::Vm, 5, None);
        assert_eq!(Draft::new(&objects, &Writes::new()).next_vm_id(), Some(6));
    }

    #[test]
    fn what_is_not_in_use_is_kept_as_text() {
        let mut objects = Objects {
            limit: 20_000,
            ..Objects::default()
        };
        let document =
            |n: Id| json!({"ID": n.to_string(), "A": ["x", {}, null, 1.5e300, "\u{1f600}\n"]});
        for id in 0..1000 {
            if id % 2 == 0 {
                objects.set(Kind::Vm, id, Some(Arc::new(document(id))));
            } else {
                objects.set_text(Kind::Vm, id, &document(id).to_string());
            }
            assert!(!objects.is_over(), "after {id}");
        }
        // One that is asked for again and again stays parsed while all others pass.
        let favourite = Arc::clone(objects.get(Kind::Vm, 7).expect("VM 7"));
        for id in 0..1000 {
            let asked = |objects: &Objects, id| objects.get(Kind::Vm, id).map(Arc::clone);
            assert_eq!(asked(&objects, id).as_deref(), Some(&document(id)));
            let again = asked(&objects, 7).expect("VM 7");
            assert!(Arc::ptr_eq(&again, &favourite), "after {id}");
            objects.trim();
            assert!(!objects.is_over(), "after {id}");
        }
        let parsed = objects.documents[Kind::Vm as usize].values();
        let parsed: usize = parsed.map(KeptDocument::weight).sum();
        assert_eq!(parsed, *objects.parsed.get_mut());
        assert!(parsed > 0 && parsed <= 20_000, "{parsed}");
        // To look at all of them parses none to be kept.
        assert_eq!(objects.all(Kind::Vm).count(), 1000);
        assert!(
            objects
                .texts(Kind::Vm)
                .all(|(id, text)| text == document(id).to_string())
        );
        for id in 0..1000 {
            objects.set(Kind::Vm, id, None);
        }
        assert_eq!(*objects.parsed.get_mut(), 0);
    }
}
