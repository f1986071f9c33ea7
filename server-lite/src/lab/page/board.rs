//! What viewers see: the latest document of each service, in the order in which they changed. A viewer goes through them
//! from change to change, each at its own pace; what changes again before it gets there it sees once.

use super::limits::GONE;
use super::samples::{Moment, Sampled, Samples};
use crate::flow::clock::Millis;
use crate::lab::pulse::Pulse;
use crate::objects::document::Id;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What viewers see.
#[derive(Debug, Default)]
pub(super) struct Board {
    shown: Mutex<Posted>,
    /// Beats when there is something new, here or in the timeline.
    pub(super) pulse: Pulse,
}

/// All that is shown, and in what order it changed.
#[derive(Debug, Default)]
pub(super) struct Posted {
    /// How many changes there were.
    version: u64,
    order: BTreeMap<u64, Item>,
    places: HashMap<Item, u64>,
    services: HashMap<Id, PostedService>,
    outside: Arc<str>,
    gone: VecDeque<Id>,
    /// The last change that told of a service's end and is no longer known.
    forgotten: u64,
    bytes: usize,
    series: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Item {
    Service(Id),
    Gone(Id),
    Outside,
}

#[derive(Debug, Default)]
struct PostedService {
    /// None while nobody watches.
    document: Option<(Arc<str>, Instant)>,
    samples: Samples,
}

/// How far a viewer is.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    seen: u64,
    /// What there was when it came: of services that ended before it knows nothing.
    begin: u64,
    /// The changes with which it saw each service last.
    services: HashMap<Id, u64>,
}

/// What a viewer sees next.
#[derive(Debug)]
pub(super) enum News {
    /// A service: its document, when that was made, and the points that are new to the viewer.
    Service(Arc<str>, Instant, Option<Value>),
    /// A service is gone.
    Gone(Id),
    /// The VMs outside of all services.
    Outside(Arc<str>),
    /// The viewer is too far behind: it has to begin anew.
    TooLate,
}

impl Board {
    /// Locks what is shown, to change it. Viewers wait meanwhile.
    pub(super) fn lock(&self) -> MutexGuard<'_, Posted> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new viewer's place.
    pub(super) fn enter(&self) -> Cursor {
        Cursor {
            begin: self.lock().version,
            ..Cursor::default()
        }
    }

    /// What a viewer sees next, and it is a step further then.
    pub(super) fn next(&self, cursor: &mut Cursor) -> Option<News> {
        let shown = self.lock();
        if shown.forgotten > cursor.seen.max(cursor.begin) {
            return Some(News::TooLate);
        }
        loop {
            let (version, item) = shown.order.range(cursor.seen + 1..).next()?;
            cursor.seen = *version;
            match item {
                Item::Service(id) => {
                    let Some(service) = shown.services.get(id) else {
                        continue;
                    };
                    let Some((text, made)) = &service.document else {
                        continue;
                    };
                    let had = cursor.services.insert(*id, *version).unwrap_or(0);
                    let samples = service.samples.since(had);
                    return Some(News::Service(Arc::clone(text), *made, samples));
                }
                Item::Gone(id) if *version > cursor.begin => {
                    cursor.services.remove(id);
                    return Some(News::Gone(*id));
                }
                Item::Gone(_) => {}
                Item::Outside => return Some(News::Outside(Arc::clone(&shown.outside))),
            }
        }
    }
}

impl Posted {
    /// The next change is to this.
    fn place(&mut self, item: Item) {
        self.remove(item);
        self.version += 1;
        self.order.insert(self.version, item);
        self.places.insert(item, self.version);
    }

    fn remove(&mut self, item: Item) -> Option<u64> {
        let version = self.places.remove(&item)?;
        self.order.remove(&version);
        Some(version)
    }

    /// How many changes there were.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// How many bytes all documents have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many services are shown.
    pub(super) fn len(&self) -> usize {
        self.services.len()
    }

    /// Whether this service is one of them.
    pub(super) fn has(&self, service: Id) -> bool {
        self.services.contains_key(&service)
    }

    /// The services that have no document.
    pub(super) fn blank(&self) -> Vec<Id> {
        let services = self.services.iter();
        let blank = services.filter(|(_, service)| service.document.is_none());
        blank.map(|(id, _)| *id).collect()
    }

    /// Takes a service's averages from its report; there may be so many series in all.
    pub(super) fn measure(&mut self, service: Id, report: &Value, most: usize) {
        let shown = self.services.entry(service).or_default();
        let others = self.series - shown.samples.len();
        shown.samples.update(report, most.saturating_sub(others));
        self.series = others + shown.samples.len();
    }

    /// Takes samples of a service. Whether some are left to be taken later.
    pub(super) fn sample(&mut self, service: Id, at: Millis) -> bool {
        let moment = Moment {
            at,
            version: self.version + 1,
            series: self.series,
        };
        let Some(shown) = self.services.get_mut(&service) else {
            return false;
        };
        let Sampled { added, is_left } = shown.samples.take(moment);
        let is_seen = shown.document.is_some();
        if added && is_seen {
            self.place(Item::Service(service));
        }
        is_left
    }

    /// Shows a service's document, or none.
    pub(super) fn show(&mut self, service: Id, document: Option<String>) {
        let shown = self.services.entry(service).or_default();
        let before = shown.document.take().map_or(0, |(text, _)| text.len());
        let after = document.as_ref().map_or(0, String::len);
        self.bytes = self.bytes + after - before;
        shown.document = document.map(|text| (text.into(), Instant::now()));
        self.remove(Item::Gone(service));
        match after {
            0 => drop(self.remove(Item::Service(service))),
            _ => self.place(Item::Service(service)),
        }
    }

    /// Shows a service no longer.
    pub(super) fn end(&mut self, service: Id) {
        let Some(shown) = self.services.remove(&service) else {
            return;
        };
        self.series -= shown.samples.len();
        self.bytes -= shown.document.map_or(0, |(text, _)| text.len());
        self.remove(Item::Service(service));
        self.place(Item::Gone(service));
        self.gone.push_back(service);
        if self.gone.len() > GONE
            && let Some(oldest) = self.gone.pop_front()
            && let Some(version) = self.remove(Item::Gone(oldest))
        {
            self.forgotten = version;
        }
    }

    /// Shows the VMs outside of all services.
    pub(super) fn show_outside(&mut self, document: String) {
        self.outside = document.into();
        self.place(Item::Outside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(id: Id, version: u32) -> Option<String> {
        Some(json!({"id": id, "version": version}).to_string())
    }

    fn all(board: &Board, cursor: &mut Cursor) -> Vec<String> {
        let next = std::iter::from_fn(|| match board.next(cursor)? {
            News::Service(text, ..) => Some(text.to_string()),
            News::Gone(id) => Some(format!("gone {id}")),
            News::Outside(text) => Some(text.to_string()),
            News::TooLate => None,
        });
        next.collect()
    }

    #[test]
    fn a_slow_viewer_sees_the_latest_of_each_once() {
        let board = Board::default();
        board.lock().show(1, text(1, 0));
        board.lock().show(2, text(2, 0));
        let mut slow = board.enter();
        let first = board.next(&mut slow);
        assert!(matches!(first, Some(News::Service(text, ..)) if text.contains("\"id\":1")));
        for version in 1..100 {
            board.lock().show(1, text(1, version));
        }
        assert_eq!(
            all(&board, &mut slow),
            [text(2, 0).unwrap(), text(1, 99).unwrap()]
        );
        assert!(all(&board, &mut slow).is_empty());
        let size = text(1, 99).unwrap().len() + text(2, 0).unwrap().len();
        assert_eq!(board.lock().bytes(), size);
    }

    #[test]
    fn who_missed_the_end_of_a_service_begins_anew() {
        let board = Board::default();
        let mut slow = board.enter();
        let services = GONE as Id + 1;
        for id in 0..services {
            board.lock().show(id, text(id, 0));
        }
        assert_eq!(all(&board, &mut slow).len(), services as usize);
        let mut quick = board.enter();
        assert_eq!(all(&board, &mut quick).len(), services as usize);
        for id in 0..services {
            board.lock().end(id);
            assert_eq!(all(&board, &mut quick), [format!("gone {id}")]);
        }
        assert!(matches!(board.next(&mut slow), Some(News::TooLate)));
        let mut new = board.enter();
        assert!(board.next(&mut new).is_none());
        let posted = board.lock();
        assert_eq!((posted.order.len(), posted.bytes), (GONE, 0));
    }

    #[test]
    fn a_service_that_comes_back_is_not_gone() {
        let board = Board::default();
        board.lock().show(1, text(1, 0));
        let mut viewer = board.enter();
        board.lock().end(1);
        board.lock().show(1, text(1, 1));
        assert_eq!(all(&board, &mut viewer), [text(1, 1).unwrap()]);
    }
}
