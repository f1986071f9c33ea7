//! The thread that ends what takes too long.

use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use super::accept::reserve_descriptor;
use super::queue::Waiting;
use super::worker::Worker;
use super::{Seat, Shared, lock, millis};
use crate::http::connection::Timer;
use crate::http::limits::{BUSY, Limits};

impl Shared {
    pub(super) fn sweep(&self) {
        let Limits {
            head,
            body,
            idle,
            write,
            linger,
            wait,
            ..
        } = self.limits;
        let shortest = [head, body, idle, write, linger, wait]
            .into_iter()
            .min()
            .unwrap_or_default();
        let tick = (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let mut worker = Worker::new();
        while !self.stopped.load(SeqCst) {
            // A server at rest sleeps.
            if self.open.load(SeqCst) == 0 && !self.starved.load(SeqCst) {
                thread::park();
            } else {
                thread::park_timeout(tick);
            }
            self.sweep_queue(&mut worker);
            self.release_late();
            let now = millis(self.start.elapsed());
            for (number, slot) in self.slots.iter().enumerate() {
                let deadline = slot.deadline.load(SeqCst);
                if deadline != 0 && deadline <= now {
                    self.expire(number, now, &mut worker);
                }
            }
            if self.starved.swap(false, SeqCst) {
                self.feed_listeners();
            }
        }
    }

    pub(super) fn wake_sweeper(&self) {
        if let Some(sweeper) = lock(&self.sweeper).as_ref() {
            sweeper.unpark();
        }
    }

    /// Ends a connection whose deadline is over, unless a worker has it: then it is not waiting.
    fn expire(&self, number: usize, now: u64, worker: &mut Worker) {
        let slot = &self.slots[number];
        if let Ok(mut seat) = slot.seat.try_lock() {
            let deadline = slot.deadline.load(SeqCst);
            if let Some(live) = seat.as_mut()
                && deadline != 0
                && deadline <= now
            {
                let step = live.connection.expire(&mut worker.scratch);
                self.go_on(number, &mut seat, step, worker);
            }
        }
        self.look_again(number);
    }

    /// Refuses the requests that have waited too long for a handler.
    fn sweep_queue(&self, worker: &mut Worker) {
        loop {
            let late = self.with_queue(|queue| queue.pop_late(self.limits.wait));
            let Some(Waiting { slot, .. }) = late else {
                return;
            };
            let mut seat = lock(&self.slots[slot].seat);
            if let Some(live) = seat.as_mut() {
                let seconds = self.seconds_of_queue();
                live.connection.refuse_for(BUSY, Some(seconds));
                let step = live.connection.advance(&mut worker.scratch);
                self.go_on(slot, &mut seat, step, worker);
            }
            drop(seat);
            self.look_again(slot);
        }
    }

    /// Asks again for the connections that found no descriptor.
    fn feed_listeners(&self) {
        let mut reserve = lock(&self.reserve);
        if reserve.is_none() {
            *reserve = reserve_descriptor();
        }
        drop(reserve);
        let listeners = lock(&self.listeners).clone();
        for (number, listener) in listeners.iter().enumerate() {
            self.listen_again(number, listener);
        }
    }

    /// Closes the connections that are not in the middle of an answer, because the server stops.
    pub(super) fn close_idle(&self) {
        for (number, slot) in self.slots.iter().enumerate() {
            if let Ok(mut seat) = slot.seat.try_lock()
                && seat.as_deref().is_some_and(Seat::between_answers)
            {
                self.close(number, &mut seat);
            }
            self.look_again(number);
        }
    }
}

impl Seat {
    fn between_answers(&self) -> bool {
        matches!(
            self.connection.timer().1,
            Timer::Head | Timer::Body | Timer::Idle
        )
    }
}
