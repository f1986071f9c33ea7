//! The views of documents, each made once for a version of its document: the bytes and their entity tag.
//!
//! There is a fixed number of places, so that the memory is bounded however many VMs there are: a view takes the place
//! of another document's. If a cloud makes its documents anew for each request, so is each view.

use crate::gate::conditional;
use crate::http::Body;
use crate::objects::document::{Document, Id};
use crate::store::state::Kind;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many views are kept.
const PLACES: usize = 1024;
/// Larger views are made anew for each request: all places together hold at most 8 MiB.
const LARGEST: usize = 8192;

/// The views that are kept.
pub(super) struct Shown {
    places: Vec<Mutex<Option<View>>>,
}

/// A view of one version of a document.
struct View {
    kind: Kind,
    /// Weak, so that an old version is not kept. Its address is not reused as long as this is here.
    document: Weak<Value>,
    body: Arc<[u8]>,
    tag: Arc<str>,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Shown {
    /// What `view` makes of this version of a document, and its entity tag.
    pub(super) fn of(
        &self,
        kind: Kind,
        id: Id,
        document: &Document,
        view: impl FnOnce(&Value) -> Vec<u8>,
    ) -> (Body, Arc<str>) {
        let place =
            &self.places[(id as usize).wrapping_mul(8).wrapping_add(kind as usize) % PLACES];
        let is_this = |kept: &&View| {
            kept.kind == kind && std::ptr::eq(kept.document.as_ptr(), Arc::as_ptr(document))
        };
        let kept = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(is_this) {
            return (Arc::clone(&kept.body).into(), Arc::clone(&kept.tag));
        }
        // Unlocked while the view is made, so that others need not wait.
        drop(kept);
        let bytes = view(document);
        let tag: Arc<str> = conditional::tag_of(&bytes).into();
        if bytes.len() > LARGEST {
            return (bytes.into(), tag);
        }
        let body: Arc<[u8]> = bytes.into();
        let made = View {
            kind,
            document: Arc::downgrade(document),
            body: Arc::clone(&body),
            tag: Arc::clone(&tag),
        };
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        (body.into(), tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::cell::Cell;

    #[test]
    fn a_view_is_made_once_for_each_version_of_a_document() {
        let shown = Shown::default();
        let made = Cell::new(0);
        let view = |document: &Value| {
            made.set(made.get() + 1);
            document.to_string().into_bytes()
        };
        let one = Arc::new(json!({"N": 1}));
        let two = Arc::new(json!({"N": 2}));
        let (body, tag) = shown.of(Kind::Vm, 7, &one, view);
        assert_eq!(*body, *br#"{"N":1}"#);
        assert_eq!(shown.of(Kind::Vm, 7, &one, view), (body, Arc::clone(&tag)));
        assert_eq!(made.get(), 1);
        let (body, other) = shown.of(Kind::Vm, 7, &two, view);
        assert!(*body == *br#"{"N":2}"# && other != tag);
        // The same document as another kind, and one that takes its place.
        shown.of(Kind::Vrouter, 7, &two, view);
        shown.of(Kind::Vm, 7 + PLACES as Id, &one, view);
        shown.of(Kind::Vm, 7, &two, view);
        assert_eq!(made.get(), 5);
    }

    #[test]
    fn the_address_of_a_version_that_is_gone_is_not_taken_for_it() {
        let shown = Shown::default();
        for n in 0..1000 {
            let document = Arc::new(json!({ "N": n }));
            let (body, _) = shown.of(Kind::Vm, 1, &document, |vm| vm.to_string().into_bytes());
            assert_eq!(*body, *json!({ "N": n }).to_string().as_bytes());
        }
    }

    #[test]
    fn a_large_view_is_not_kept() {
        let shown = Shown::default();
        let large = Arc::new(json!("x".repeat(LARGEST)));
        shown.of(Kind::Vm, 1, &large, |vm| vm.to_string().into_bytes());
        assert!(
            shown
                .places
                .iter()
                .all(|place| place.lock().expect("whole").is_none())
        );
    }
}
