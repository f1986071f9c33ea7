//! Connections that go on without an event of their own: another thread has the answer, or what the request was held for
//! has changed. Each set of connections has its queue, and an event that wakes whoever watches the set.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::OwnedFd;

use super::watch::Watch;
use super::worker::Worker;
use super::{Shared, lock, token};
use crate::http::limits::FAULT;
use crate::http::request::Request;
use crate::http::{Reply, Response};

/// How a connection goes on.
pub(super) enum Release {
    /// With an answer that was pending since then.
    Answered(Response, Instant),
    /// With what is said where nothing changed.
    Unchanged(Box<dyn FnOnce() -> Reply + Send>),
    /// Something changed: its request is handled again.
    Changed(Request),
}

/// The connections that go on, by set.
pub(super) struct Released {
    sets: Vec<Set>,
    /// Requests whose answer is pending.
    pending: AtomicUsize,
}

struct Set {
    queue: Mutex<Queue>,
    /// The queue's length: it is empty most of the time, and then nobody takes its lock.
    length: AtomicUsize,
    /// Readable when there is something new in the queue.
    wake: OwnedFd,
}

/// The numbers of connections, and how they go on.
#[derive(Default)]
struct Queue {
    /// Those that need no handler.
    answered: VecDeque<(usize, Release)>,
    changed: VecDeque<(usize, Release)>,
}

impl Released {
    pub(super) fn new(watch: &Watch) -> io::Result<Released> {
        let new = |set: &OwnedFd| {
            let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(set, &wake, token(usize::MAX), flags)?;
            Ok(Set {
                queue: Mutex::default(),
                length: AtomicUsize::new(0),
                wake,
            })
        };
        Ok(Released {
            sets: watch.sets().iter().map(new).collect::<io::Result<_>>()?,
            pending: AtomicUsize::new(0),
        })
    }

    /// Requests whose answer is pending.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(SeqCst)
    }

    /// Has a connection go on.
    pub(super) fn push(&self, slot: usize, release: Release) {
        let set = &self.sets[slot % self.sets.len()];
        let mut queue = lock(&set.queue);
        let queue_of_kind = match release {
            Release::Changed(_) => &mut queue.changed,
            Release::Answered(..) | Release::Unchanged(_) => &mut queue.answered,
        };
        queue_of_kind.push_back((slot, release));
        // Whoever was woken for the first takes the others too.
        let is_first = queue_of_kind.len() == 1;
        set.length.fetch_add(1, SeqCst);
        drop(queue);
        if is_first {
            let _ = rustix::io::write(&set.wake, &1u64.to_ne_bytes());
        }
    }

    /// The next connection that goes on; one whose request is to be handled only if `begin` takes a handler.
    fn pop(&self, begin: impl Fn() -> bool) -> Option<(usize, Release)> {
        for set in &self.sets {
            if set.length.load(SeqCst) == 0 {
                continue;
            }
            let mut queue = lock(&set.queue);
            let mut next = queue.answered.pop_front();
            if next.is_none() && !queue.changed.is_empty() && begin() {
                next = queue.changed.pop_front();
            }
            if next.is_some() {
                set.length.fetch_sub(1, SeqCst);
                return next;
            }
        }
        None
    }
}

/// Where an answer goes that a handler did not have yet ([`Reply::Later`](crate::http::Reply)).
pub struct PendingAnswer {
    released: Arc<Released>,
    slot: usize,
    since: Instant,
    given: bool,
}

impl PendingAnswer {
    pub(super) fn new(released: &Arc<Released>, slot: usize, since: Instant) -> PendingAnswer {
        released.pending.fetch_add(1, SeqCst);
        PendingAnswer {
            released: Arc::clone(released),
            slot,
            since,
            given: false,
        }
    }

    /// Answers the request.
    pub fn with(mut self, response: Response) {
        self.give(response);
    }

    fn give(&mut self, response: Response) {
        self.given = true;
        self.released.pending.fetch_sub(1, SeqCst);
        let release = Release::Answered(response, self.since);
        self.released.push(self.slot, release);
    }
}

impl Drop for PendingAnswer {
    /// Nobody is left to answer.
    fn drop(&mut self) {
        if !self.given {
            self.give(Response::from(&FAULT));
        }
    }
}

impl Shared {
    /// Goes on with the connections that wait for nothing any more. Whether there was one.
    pub(super) fn run_released(&self, worker: &mut Worker) -> bool {
        let mut some = false;
        while let Some((number, release)) = self.released.pop(|| self.begin()) {
            some = true;
            let mut seat = lock(&self.slots[number].seat);
            match (seat.as_mut(), release) {
                (Some(live), Release::Changed(request)) => {
                    self.answer(number, live, request, worker);
                }
                (None, Release::Changed(_)) => {
                    self.running.fetch_sub(1, SeqCst);
                }
                (Some(live), Release::Answered(response, since)) => {
                    self.took(since.elapsed());
                    self.respond(live, Ok(response));
                }
                (Some(live), Release::Unchanged(reply)) => {
                    let answer = self.answer_of(number, live, reply(), Instant::now());
                    if let Some(answer) = answer {
                        self.respond(live, Ok(answer));
                    }
                }
                (None, _) => {}
            }
            if let Some(live) = seat.as_mut() {
                let step = live.connection.advance(&mut worker.scratch);
                self.go_on(number, &mut seat, step, worker);
            }
            drop(seat);
            self.look_again(number);
        }
        some
    }
}
