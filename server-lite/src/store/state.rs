//! The embedded cloud's documents, and how they change.
//!
//! [`Objects`] is what every reader sees. A change is made on a [`Draft`]: it reads through to the objects, keeps
//! what it writes to itself, and is published only once it is stored. So a reader sees no half of a change, nor one
//! that a crash could take back, and a refused change leaves no trace.

use crate::objects::document::{Document, Id, id};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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

/// Every document of the cloud, by kind and id.
#[derive(Debug, Default, Clone)]
pub struct Objects {
    documents: [HashMap<Id, Document>; Kind::ALL.len()],
    /// The highest VM id so far, with those of VMs that are gone: ids are never used twice.
    last_vm: Option<Id>,
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

    /// The document of this kind and id.
    pub fn get(&self, kind: Kind, id: Id) -> Option<&Document> {
        self.documents[kind as usize].get(&id)
    }

    /// Every document of a kind, in no order.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (Id, &Document)> {
        self.documents[kind as usize]
            .iter()
            .map(|(id, document)| (*id, document))
    }

    /// Adds, replaces or, with `None`, removes a document; gives the one that was there. A VM's id is used up either
    /// way.
    pub fn set(&mut self, kind: Kind, id: Id, document: Option<Document>) -> Option<Document> {
        if kind == Kind::Vm {
            self.last_vm = self.last_vm.max(Some(id));
        }
        let documents = &mut self.documents[kind as usize];
        match document {
            Some(document) => documents.insert(id, document),
            None => documents.remove(&id),
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
        let key = (kind, id);
        match self.writes.get(&key).or_else(|| self.earlier.get(&key)) {
            Some(written) => written.as_deref(),
            None => self.objects.get(kind, id).map(Arc::as_ref),
        }
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
        let mut ids: Vec<Id> = self.objects.all(kind).map(|(id, _)| id).collect();
        ids.extend(
            self.earlier
                .keys()
                .chain(self.writes.keys())
                .filter(|(k, _)| *k == kind)
                .map(|(_, id)| *id),
        );
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| self.get(kind, *id).is_some());
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
}
