//! What a worker does: take a connection that had an event, and do what it asks for until it has to wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

use super::clients::{ClientId, ticks};
use super::queue::{Queue, Waiting};
use super::released::PendingAnswer;
use super::{END, ENDED, EVENT, Seat, Shared, WRITE, lock, millis, token};
use crate::http::connection::{Step, Timer};
use crate::http::limits::{BUSY, FAULT, MEMORY, RESPONSE, Rejection, SMALL_RESPONSE};
use crate::http::request::Request;
use crate::http::{Reply, Response};

/// Bytes read at a time.
const SCRATCH: usize = 16 * 1024;

/// What a thread of the server has of its own.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) scratch: Vec<u8>,
    /// The set that it watches.
    watches: Option<usize>,
}

impl Worker {
    pub(super) fn new() -> Worker {
        Worker {
            scratch: vec![0; SCRATCH],
            watches: None,
        }
    }
}

impl Shared {
    pub(super) fn work(&self) {
        // Most workers wait here for ever: what they need is not allocated before they need it.
        let Some(first) = self.watch.take() else {
            return;
        };
        let mut worker = Worker::new();
        worker.watches = Some(first);
        let mut events = Vec::with_capacity(1);
        while let Some(set) = worker.watches.or_else(|| self.watch.take()) {
            worker.watches = Some(set);
            events.clear();
            match epoll::wait(self.watch.set_of(set), spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            if self.stopped.load(SeqCst) {
                return;
            }
            let Some(event) = events.first() else {
                continue;
            };
            let number = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            if let Some(slot) = self.slots.get(number) {
                let flags = event.flags;
                slot.event.fetch_or(
                    if flags.intersects(END) {
                        EVENT | ENDED
                    } else {
                        EVENT
                    },
                    SeqCst,
                );
                self.visit(number, &mut worker);
            } else {
                self.accept(number.wrapping_sub(self.slots.len()), &mut worker);
            }
            // What one of them frees, the other may be waiting for.
            while self.run_released(&mut worker) | self.run_waiting(&mut worker) {}
        }
    }

    /// Looks at a connection that had an event, unless another worker has it: that one will then look again.
    fn visit(&self, number: usize, worker: &mut Worker) {
        let slot = &self.slots[number];
        while slot.event.load(SeqCst) != 0 {
            let Ok(mut seat) = slot.seat.try_lock() else {
                return;
            };
            let event = slot.event.swap(0, SeqCst);
            if event != 0
                && let Some(live) = seat.as_mut()
            {
                live.connection.woken(event & ENDED != 0);
                if event & ENDED != 0 {
                    self.release_ended(number);
                }
                let step = live.connection.advance(&mut worker.scratch);
                self.go_on(number, &mut seat, step, worker);
            }
        }
    }

    /// After a seat was held for something else than an event: has epoll tell again of an event that came meanwhile.
    pub(super) fn look_again(&self, number: usize) {
        let slot = &self.slots[number];
        while slot.event.load(SeqCst) != 0 {
            let Ok(seat) = slot.seat.try_lock() else {
                return;
            };
            slot.event.store(0, SeqCst);
            if let Some(live) = seat.as_ref() {
                // For room to write too: that comes at once, also where what is to be done next was read long ago.
                // The socket is in the set as long as it is seated.
                let _ = epoll::modify(
                    self.watch.set_of(number),
                    live.connection.stream(),
                    token(number),
                    WRITE,
                );
            }
        }
    }

    /// Does what a connection asks for, until it has to wait.
    pub(super) fn go_on(
        &self,
        number: usize,
        seat: &mut Option<Box<Seat>>,
        first: Step,
        worker: &mut Worker,
    ) {
        let mut step = first;
        loop {
            let Some(live) = seat.as_mut() else { return };
            if let Some(refusal) = live.connection.take_refusal() {
                self.handler.refused(Some(live.address), &refusal);
            }
            match step {
                Step::Request(request) => {
                    if self.begin() {
                        self.answer(number, live, request, worker);
                    } else if let Some(refusal) = self.enqueue(number, live, request) {
                        let busy = (refusal == BUSY).then(|| self.seconds_of_queue());
                        live.connection.refuse_for(refusal, busy);
                    } else {
                        break;
                    }
                    step = live.connection.advance(&mut worker.scratch);
                }
                Step::Close => return self.close(number, seat),
                // It waits in the queue, or is held.
                Step::Wait if live.connection.timer().1 == Timer::None => break,
                Step::Wait | Step::Again => {
                    let held = live.connection.held();
                    if !self.hold(live, held) && live.connection.is_reading() {
                        live.connection.refuse(MEMORY.refusal);
                        step = live.connection.advance(&mut worker.scratch);
                        continue;
                    }
                    // Either way epoll looks again: for room to write, or just to put it behind the others.
                    if (step == Step::Again || live.connection.wants_write())
                        && epoll::modify(
                            self.watch.set_of(number),
                            live.connection.stream(),
                            token(number),
                            WRITE,
                        )
                        .is_err()
                    {
                        return self.close(number, seat);
                    }
                    break;
                }
            }
        }
        if let Some(live) = seat.as_mut() {
            self.set_deadline(number, live);
        }
    }

    /// Takes one of the handlers, if one is free.
    pub(super) fn begin(&self) -> bool {
        self.running
            .fetch_update(SeqCst, SeqCst, |n| {
                let free =
                    n < self.limits.handlers && self.released.pending() < self.limits.pending;
                free.then_some(n + 1)
            })
            .is_ok()
    }

    /// Has a request handled, by a handler that [`Shared::begin`] took; or holds it.
    pub(super) fn answer(
        &self,
        number: usize,
        live: &mut Seat,
        request: Request,
        worker: &mut Worker,
    ) {
        if let Some(set) = worker.watches
            && self.handler.may_wait(&request)
        {
            worker.watches = None;
            self.watch.give(set);
        }
        // Small ones are as many as there are handlers.
        if request.body.len() > SMALL_RESPONSE && !self.hold(live, request.held()) {
            self.running.fetch_sub(1, SeqCst);
            return live.connection.refuse(MEMORY.refusal);
        }
        let began = Instant::now();
        let answer = self.ask(number, live, request, began);
        self.running.fetch_sub(1, SeqCst);
        if let Some(answer) = answer {
            self.took(began.elapsed());
            self.respond(live, answer);
        }
    }

    /// Sends an answer, unless it is too large.
    pub(super) fn respond(&self, live: &mut Seat, answer: Result<Response, Rejection>) {
        let refusal = match answer {
            Err(refusal) => refusal,
            Ok(response) if response.body.len() > RESPONSE.max => RESPONSE.refusal,
            Ok(response)
                if response.body.len() > SMALL_RESPONSE
                    && !self.hold(live, response.body.len()) =>
            {
                MEMORY.refusal
            }
            Ok(response) => {
                let close = self.stopping.load(SeqCst);
                return live.connection.respond(response, close);
            }
        };
        live.connection.refuse(refusal);
    }

    /// What the handler answers; `None` if it has no answer yet, or none at all.
    fn ask(
        &self,
        number: usize,
        live: &mut Seat,
        mut request: Request,
        began: Instant,
    ) -> Option<Result<Response, Rejection>> {
        loop {
            let seen = self.changes.load(SeqCst);
            // The static binary is built without unwinding: there a panic ends the server, and init starts it again.
            let reply = catch_unwind(AssertUnwindSafe(|| self.handler.handle_or_hold(&request)));
            let hold = match reply {
                Ok(Reply::Held(hold)) => hold,
                Ok(reply) => return self.answer_of(number, live, reply, began).map(Ok),
                Err(_) => return Some(Err(FAULT)),
            };
            if self.stopping.load(SeqCst) || live.connection.has_ended() {
                let reply = (hold.unchanged)();
                return self.answer_of(number, live, reply, began).map(Ok);
            }
            if !self.hold(live, request.held()) {
                return Some(Err(MEMORY.refusal));
            }
            // Given back where something changed meanwhile.
            request = self.keep(number, request, hold, seen)?;
        }
    }

    /// The answer of a reply to a request that is not held, or no longer; `None` if there is none yet, or none at all.
    pub(super) fn answer_of(
        &self,
        number: usize,
        live: &mut Seat,
        mut reply: Reply,
        began: Instant,
    ) -> Option<Response> {
        loop {
            match reply {
                Reply::Now(response) => return Some(response),
                Reply::Held(hold) => reply = (hold.unchanged)(),
                Reply::Later(tell) => {
                    tell(PendingAnswer::new(&self.released, number, began));
                    return None;
                }
                Reply::Lost => {
                    live.connection.hang_up();
                    return None;
                }
            }
        }
    }

    /// Puts a request in the queue, or says why not.
    fn enqueue(&self, slot: usize, live: &mut Seat, request: Request) -> Option<Rejection> {
        if !self.hold(live, request.held()) {
            return Some(MEMORY.refusal);
        }
        let waiting = Waiting {
            slot,
            request,
            since: Instant::now(),
        };
        let limit = self.limits.queue;
        let taken = self.with_queue(|queue| queue.push(live.client_id, waiting, limit));
        if taken { None } else { Some(BUSY) }
    }

    /// Keeps an average of how long requests take; it need not be exact.
    pub(super) fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let before = self.mean_micros.load(SeqCst);
        let after = before - before / 16 + micros / 16;
        self.mean_micros.store(after, SeqCst);
    }

    /// How long the requests in the queue will take, in whole seconds, for Retry-After.
    pub(super) fn seconds_of_queue(&self) -> u64 {
        let waiting = self.waiting.load(SeqCst);
        seconds(self.mean_micros.load(SeqCst), waiting, self.limits.handlers)
    }

    pub(super) fn with_queue<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = lock(&self.queue);
        let done = act(&mut queue);
        self.waiting.store(queue.len(), SeqCst);
        done
    }

    /// Handles the requests that wait, as long as there are any and a handler is free. Whether there was one.
    fn run_waiting(&self, worker: &mut Worker) -> bool {
        let mut some = false;
        while self.waiting.load(SeqCst) > 0 && self.begin() {
            let Some(Waiting { slot, request, .. }) = self.with_queue(Queue::pop) else {
                self.running.fetch_sub(1, SeqCst);
                return some;
            };
            some = true;
            let mut seat = lock(&self.slots[slot].seat);
            if let Some(live) = seat.as_mut() {
                self.answer(slot, live, request, worker);
                let step = live.connection.advance(&mut worker.scratch);
                self.go_on(slot, &mut seat, step, worker);
            }
            drop(seat);
            self.look_again(slot);
        }
        some
    }

    /// Counts what is held for a connection; false, and it counts as before, if that is too much for its client.
    fn hold(&self, live: &mut Seat, held: usize) -> bool {
        if held == live.held {
            return true;
        }
        let counted = self.clients.hold(&live.client, live.held, held);
        if counted {
            live.held = held;
        }
        counted
    }

    pub(super) fn set_deadline(&self, number: usize, live: &mut Seat) {
        let timer = live.connection.timer();
        if live.timer == Some(timer) {
            return;
        }
        live.timer = Some(timer);
        let idle_since = match live.connection.is_idle() {
            true => ticks(self.start.elapsed()),
            false => 0,
        };
        self.slots[number].idle_since.store(idle_since, SeqCst);
        let time = match timer.1 {
            Timer::None => {
                self.slots[number].deadline.store(0, SeqCst);
                return;
            }
            Timer::Head => self.limits.head,
            Timer::Body => self.limits.body,
            Timer::Idle => self.limits.idle,
            Timer::Write => self.limits.write,
            Timer::Linger => self.limits.linger,
        };
        self.slots[number]
            .deadline
            .store(millis(self.start.elapsed() + time), SeqCst);
    }

    pub(super) fn close(&self, number: usize, seat: &mut Option<Box<Seat>>) {
        let Some(mut live) = seat.take() else { return };
        self.hold(&mut live, 0);
        self.slots[number].deadline.store(0, SeqCst);
        self.slots[number].idle_since.store(0, SeqCst);
        let client = live.client_id;
        drop(live);
        lock(&self.free).push_back(number);
        self.depart(client);
    }

    /// A connection is gone.
    pub(super) fn depart(&self, client: ClientId) {
        self.clients.leave(client);
        self.open.fetch_sub(1, SeqCst);
    }
}

/// How long so many requests and one more take so many handlers, in whole seconds from 1 to 60.
fn seconds(mean_micros: u64, waiting: usize, handlers: usize) -> u64 {
    let micros = mean_micros.saturating_mul(waiting as u64 + 1);
    (micros / handlers.max(1) as u64)
        .div_ceil(1_000_000)
        .clamp(1, 60)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn retry_after_grows_with_the_queue_and_the_work() {
        for (mean_micros, waiting, handlers, expected) in [
            (0, 1023, 64, 1),
            (200, 1023, 16, 1),
            (200_000, 1023, 64, 4),
            (200_000, 1023, 16, 13),
            (2_000_000, 1023, 64, 32),
            (u64::MAX, 1023, 64, 60),
            (1, 0, 0, 1),
        ] {
            assert_eq!(
                seconds(mean_micros, waiting, handlers),
                expected,
                "{mean_micros} {waiting} {handlers}"
            );
        }
    }
}
