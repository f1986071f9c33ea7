//! The page to watch the cloud on (`serve --page`): a few files, and a stream of server-sent events for each viewer.
//!
//! Whoever changes something only marks it (`marks`). One thread (`maker`) makes what is shown of it, a few times a
//! second, from copies and once for all viewers; it is put on the `board`, from where each viewer's own thread sends
//! what is newer than what it sent before (`viewer`). So neither the number of viewers nor that of changes matters to
//! guests, and a slow viewer gets the latest state rather than all that went before.

mod admission;
mod attributes;
mod board;
mod document;
mod files;
pub mod limits;
mod maker;
mod marks;
mod samples;
mod serving;
mod viewer;

pub(super) use attributes::is_secret;

use super::timeline::Timeline;
use crate::cloud::embedded::Embedded;
use crate::store::commit::Changed;
use board::Board;
use jiff::Timestamp;
use maker::Maker;
use marks::{Marked, Marks};
use std::collections::BTreeSet;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The page, from its start to its end.
#[derive(Debug)]
pub struct Page {
    marks: Arc<Marks>,
    board: Arc<Board>,
    maker: Mutex<Option<JoinHandle<()>>>,
}

impl Page {
    /// Serves the page on this address, in threads of its own. Whoever makes it calls [`Page::changed`] after each change,
    /// and first of all [`Page::all_changed`].
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(
        cloud: Arc<Embedded>,
        timeline: &Arc<Timeline>,
        listener: TcpListener,
    ) -> io::Result<Self> {
        let marks = Arc::<Marks>::default();
        let board = Arc::<Board>::default();
        let mut maker = Maker::new(cloud, Arc::clone(&board));
        let (its_marks, its_timeline) = (Arc::clone(&marks), Arc::clone(timeline));
        let make = move || maker.run(&its_marks, &its_timeline);
        let thread = std::thread::Builder::new().name("page".to_owned());
        let thread = thread.spawn(make)?;
        let audience = viewer::Audience {
            marks: Arc::clone(&marks),
            board: Arc::clone(&board),
            timeline: Arc::clone(timeline),
            started: Timestamp::now().as_millisecond(),
        };
        serving::start(listener, audience)?;
        Ok(Self {
            marks,
            board,
            maker: Mutex::new(Some(thread)),
        })
    }

    /// These documents changed, and readers see it already.
    pub fn changed(&self, changed: &[Changed]) {
        self.marks.changed(changed);
    }

    /// Anything may have changed.
    pub fn all_changed(&self, cloud: &Embedded) {
        self.marks.mark(Marked {
            services: BTreeSet::from_iter(cloud.services()),
            vms: BTreeSet::from_iter(cloud.all_vms()),
        });
    }

    /// Ends it, after the timeline has ended; returns once the cloud is no longer used.
    pub fn end(&self) {
        self.marks.end();
        self.board.pulse.beat();
        let thread = self
            .maker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A fault in it was reported when it happened.
            let _ = thread.join();
        }
    }
}
