//! Who watches the connections. They are spread over as many epoll sets as there are processors, and each set has one
//! worker who waits on it: a connection stays with one thread as long as nothing keeps that thread, and a busy server
//! does not spend its time changing from one to the next. A worker who has to wait for something else gives the watch
//! over its set to another one.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

use rustix::event::epoll;
use rustix::fd::OwnedFd;

use super::lock;

/// The sets, and which of them nobody watches.
#[derive(Debug)]
pub(super) struct Watch {
    sets: Vec<OwnedFd>,
    unwatched: Mutex<Unwatched>,
    changed: Condvar,
}

#[derive(Debug)]
struct Unwatched {
    sets: Vec<usize>,
    /// Nobody watches any more.
    over: bool,
}

impl Watch {
    pub(super) fn new(sets: usize) -> io::Result<Watch> {
        let created: Result<Vec<OwnedFd>, _> = (0..sets)
            .map(|_| epoll::create(epoll::CreateFlags::CLOEXEC))
            .collect();
        let unwatched = Unwatched {
            sets: (0..sets).collect(),
            over: false,
        };
        Ok(Watch {
            sets: created?,
            unwatched: Mutex::new(unwatched),
            changed: Condvar::new(),
        })
    }

    /// Every set.
    pub(super) fn sets(&self) -> &[OwnedFd] {
        &self.sets
    }

    /// The set of what has this number.
    pub(super) fn set_of(&self, number: usize) -> &OwnedFd {
        &self.sets[number % self.sets.len()]
    }

    /// Waits for a set that nobody watches and takes its watch; none when all is over.
    pub(super) fn take(&self) -> Option<usize> {
        let unwatched = lock(&self.unwatched);
        let waited = self.changed.wait_while(unwatched, |unwatched| {
            unwatched.sets.is_empty() && !unwatched.over
        });
        let mut unwatched = waited.unwrap_or_else(PoisonError::into_inner);
        if unwatched.over {
            None
        } else {
            unwatched.sets.pop()
        }
    }

    /// Gives the watch over a set to the next who is free.
    pub(super) fn give(&self, set: usize) {
        lock(&self.unwatched).sets.push(set);
        self.changed.notify_one();
    }

    /// Sends everybody home.
    pub(super) fn end(&self) {
        lock(&self.unwatched).over = true;
        self.changed.notify_all();
    }
}
