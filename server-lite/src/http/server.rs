//! The threads: one epoll set, edge-triggered, and a bounded pool of workers.
//!
//! As many workers as there are processors watch the set ([`watch`]). Each takes a ready connection, reads what is
//! there, and when a request is whole calls the handler itself: nothing is handed over on the way. Where the handler
//! may wait (a disk, oned), another worker takes over the watch meanwhile. A slow or idle client costs its connection
//! and nothing else. There is one worker more than handlers may run at once, so one is always there to read; requests
//! that find all handlers busy wait in a bounded queue, and beyond it get 503 at once. A connection has one request
//! handled a turn and then goes behind the others. One thread more sweeps the deadlines.

mod accept;
mod deadlines;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Handler;
use super::connection::{Connection, Step, Timer};
use super::limits::{BUSY, FAULT, Limits, Refusal, UNFINISHED_BODIES};
use super::request::Request;
use super::socket::Socket;
use super::tls::Tls;
use watch::Watch;

/// Bytes read at a time, into a buffer that each worker has.
const SCRATCH: usize = 16 * 1024;
/// Connections beyond the limit that are open at once to be told so.
const REFUSED: usize = 128;
/// Connections that the kernel holds for us until we accept them.
const BACKLOG: i32 = 4096;
/// Files open for other things than connections.
const OTHER_FILES: usize = 64;

/// A running server.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Serves on these listeners, with TLS if there is a certificate, until [`Server::stop`].
    ///
    /// # Errors
    /// What the system refused: threads, the epoll set.
    pub fn start(
        listeners: Vec<TcpListener>,
        tls: Option<Arc<Tls>>,
        handler: Arc<dyn Handler>,
        limits: Limits,
    ) -> io::Result<Server> {
        let shared = Arc::new(Shared::new(listeners, tls, handler, limits)?);
        let mut threads = Vec::new();
        for number in 0..=limits.handlers.max(1) {
            let shared = Arc::clone(&shared);
            threads.push(
                thread::Builder::new()
                    .name(format!("http-{number}"))
                    .spawn(move || shared.work())?,
            );
        }
        let sweeper = Arc::clone(&shared);
        threads.push(
            thread::Builder::new()
                .name("http-deadlines".to_string())
                .spawn(move || sweeper.sweep())?,
        );
        if let Some(sweeper) = threads.last() {
            *lock(&shared.sweeper) = Some(sweeper.thread().clone());
        }
        Ok(Server { shared, threads })
    }

    /// Stops: accepts no more, ends idle connections, lets running requests finish within [`Limits::stop`].
    /// Returns how many requests were still running when that time was over.
    pub fn stop(self) -> usize {
        let shared = &self.shared;
        shared.stopping.store(true, SeqCst);
        lock(&shared.listeners).clear();
        let deadline = Instant::now() + shared.limits.stop;
        loop {
            shared.close_idle();
            if shared.open.load(SeqCst) == 0 || Instant::now() >= deadline {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let left = shared.running.load(SeqCst) + lock(&shared.queue).len();
        shared.stopped.store(true, SeqCst);
        shared.watch.end();
        // Readable for ever: every worker sees it.
        let _ = rustix::io::write(&shared.stop_event, &1u64.to_ne_bytes());
        if let Some(sweeper) = lock(&shared.sweeper).as_ref() {
            sweeper.unpark();
        }
        if left == 0 {
            for thread in self.threads {
                let _ = thread.join();
            }
        }
        left
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.shared.open.load(SeqCst)
    }
}

/// A place in the table of connections. Its number is what epoll tells.
#[derive(Debug, Default)]
struct Slot {
    seat: Mutex<Option<Box<Seat>>>,
    /// An event came that whoever holds the seat must look at before or after letting go of it: [`EVENT`], [`ENDED`].
    event: AtomicU8,
    /// Milliseconds since the server's start; 0 for none.
    deadline: AtomicU64,
}

#[derive(Debug)]
struct Seat {
    connection: Connection<Socket>,
    client: IpAddr,
    timer: Option<(u64, Timer)>,
    /// Bytes counted in [`Shared::bodies`].
    held: usize,
}

/// What a thread of the server has of its own.
#[derive(Debug)]
struct Worker {
    scratch: Vec<u8>,
    /// It has one of the places of [`Watch`].
    watches: bool,
}

impl Worker {
    fn new() -> Worker {
        Worker {
            scratch: vec![0; SCRATCH],
            watches: false,
        }
    }
}

/// A request that waits for a handler; its connection's seat is its own until it is answered.
#[derive(Debug)]
struct Waiting {
    slot: usize,
    request: Request,
    since: Instant,
}

struct Shared {
    epoll: OwnedFd,
    listeners: Mutex<Vec<Arc<TcpListener>>>,
    stop_event: OwnedFd,
    watch: Watch,
    /// Given up for a moment when there is no other descriptor left.
    reserve: Mutex<Option<OwnedFd>>,
    tls: Option<Arc<Tls>>,
    handler: Arc<dyn Handler>,
    limits: Limits,
    start: Instant,
    slots: Vec<Slot>,
    free: Mutex<Vec<usize>>,
    clients: Mutex<HashMap<IpAddr, usize>>,
    open: AtomicUsize,
    running: AtomicUsize,
    queue: Mutex<VecDeque<Waiting>>,
    /// The queue's length: it is empty most of the time, and then nobody takes its lock.
    waiting: AtomicUsize,
    /// A listener found no descriptor, not even the reserve.
    starved: AtomicBool,
    bodies: AtomicUsize,
    stopping: AtomicBool,
    stopped: AtomicBool,
    sweeper: Mutex<Option<thread::Thread>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("limits", &self.limits)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn new(
        listeners: Vec<TcpListener>,
        tls: Option<Arc<Tls>>,
        handler: Arc<dyn Handler>,
        mut limits: Limits,
    ) -> io::Result<Shared> {
        limits.handlers = limits.handlers.max(1);
        limits.connections = limits
            .connections
            .min(raise_open_files().saturating_sub(OTHER_FILES + REFUSED))
            .max(1);
        let places = limits.connections + REFUSED;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let stop_event = eventfd(0, EventfdFlags::CLOEXEC)?;
        for (number, listener) in listeners.iter().enumerate() {
            listener.set_nonblocking(true)?;
            // std asks for 128 only: a burst beyond it would wait a second for its next SYN.
            rustix::net::listen(listener, BACKLOG)?;
            epoll::add(&epoll, listener, token(places + number), LISTEN)?;
        }
        epoll::add(
            &epoll,
            &stop_event,
            token(usize::MAX),
            epoll::EventFlags::IN,
        )?;
        Ok(Shared {
            epoll,
            listeners: Mutex::new(listeners.into_iter().map(Arc::new).collect()),
            stop_event,
            watch: Watch::new(),
            reserve: Mutex::new(accept::reserve_descriptor()),
            tls,
            handler,
            limits,
            start: Instant::now(),
            slots: (0..places).map(|_| Slot::default()).collect(),
            free: Mutex::new((0..places).rev().collect()),
            clients: Mutex::new(HashMap::new()),
            open: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            queue: Mutex::new(VecDeque::new()),
            waiting: AtomicUsize::new(0),
            starved: AtomicBool::new(false),
            bodies: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            sweeper: Mutex::new(None),
        })
    }

    // --- a worker ---

    fn work(&self) {
        let mut worker = Worker::new();
        let mut events = Vec::with_capacity(1);
        while worker.watches || self.watch.take() {
            worker.watches = true;
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
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
            self.run_waiting(&mut worker);
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
                let step = live.connection.advance(&mut worker.scratch);
                self.go_on(number, &mut seat, step, worker);
            }
        }
    }

    /// After a seat was held for something else than an event: has epoll tell again of an event that came meanwhile.
    fn look_again(&self, number: usize) {
        let slot = &self.slots[number];
        while slot.event.load(SeqCst) != 0 {
            let Ok(seat) = slot.seat.try_lock() else {
                return;
            };
            slot.event.store(0, SeqCst);
            if let Some(live) = seat.as_ref() {
                let interest = if live.connection.wants_write() {
                    WRITE
                } else {
                    READ
                };
                // The socket is in the set as long as it is seated.
                let _ = epoll::modify(
                    &self.epoll,
                    live.connection.stream(),
                    token(number),
                    interest,
                );
            }
        }
    }

    /// Does what a connection asks for, until it has to wait.
    fn go_on(&self, number: usize, seat: &mut Option<Box<Seat>>, first: Step, worker: &mut Worker) {
        let mut step = first;
        loop {
            let Some(live) = seat.as_mut() else { return };
            if let Some(refusal) = live.connection.take_refusal() {
                self.handler.refused(Some(live.client), &refusal);
            }
            match step {
                Step::Request(request) => {
                    if self.begin() {
                        self.answer(live, &request, worker);
                    } else if let Some(refusal) = self.enqueue(number, live, request) {
                        live.connection.refuse(refusal);
                    } else {
                        break;
                    }
                    step = live.connection.advance(&mut worker.scratch);
                }
                Step::Close => return self.close(number, seat),
                // It waits in the queue.
                Step::Wait if live.connection.timer().1 == Timer::None => break,
                Step::Wait | Step::Again => {
                    if self.exceeds_memory(live, live.connection.body_held()) {
                        live.connection.refuse(UNFINISHED_BODIES.refusal);
                        step = live.connection.advance(&mut worker.scratch);
                        continue;
                    }
                    // Either way epoll looks again: for room to write, or just to put it behind the others.
                    if (step == Step::Again || live.connection.wants_write())
                        && epoll::modify(
                            &self.epoll,
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
    fn begin(&self) -> bool {
        self.running
            .fetch_update(SeqCst, SeqCst, |n| {
                (n < self.limits.handlers).then_some(n + 1)
            })
            .is_ok()
    }

    /// Has a request handled, by a handler that [`Shared::begin`] took.
    fn answer(&self, live: &mut Seat, request: &Request, worker: &mut Worker) {
        if worker.watches && self.handler.may_wait(request) {
            worker.watches = false;
            self.watch.give();
        }
        // The static binary is built without unwinding: there a panic ends the server, and init starts it again.
        let response = catch_unwind(AssertUnwindSafe(|| self.handler.handle(request)));
        self.running.fetch_sub(1, SeqCst);
        match response {
            Ok(response) => live
                .connection
                .respond(&response, self.stopping.load(SeqCst)),
            Err(_) => live.connection.refuse(FAULT),
        }
    }

    /// Puts a request in the queue, or says why not.
    fn enqueue(&self, slot: usize, live: &mut Seat, request: Request) -> Option<Refusal> {
        if self.exceeds_memory(live, request.body.capacity()) {
            return Some(UNFINISHED_BODIES.refusal);
        }
        let mut queue = lock(&self.queue);
        if queue.len() >= self.limits.queue {
            return Some(BUSY);
        }
        self.waiting.fetch_add(1, SeqCst);
        queue.push_back(Waiting {
            slot,
            request,
            since: Instant::now(),
        });
        None
    }

    /// Handles the requests that wait, as long as there are any and a handler is free.
    fn run_waiting(&self, worker: &mut Worker) {
        while self.waiting.load(SeqCst) > 0 && self.begin() {
            let Some(Waiting { slot, request, .. }) = lock(&self.queue).pop_front() else {
                self.running.fetch_sub(1, SeqCst);
                return;
            };
            self.waiting.fetch_sub(1, SeqCst);
            let mut seat = lock(&self.slots[slot].seat);
            if let Some(live) = seat.as_mut() {
                self.answer(live, &request, worker);
                let step = live.connection.advance(&mut worker.scratch);
                self.go_on(slot, &mut seat, step, worker);
            }
            drop(seat);
            self.look_again(slot);
        }
    }

    /// Counts what a connection's body holds; true if that is too much for all together.
    fn exceeds_memory(&self, live: &mut Seat, held: usize) -> bool {
        let before = std::mem::replace(&mut live.held, held);
        if held == before {
            return false;
        }
        if held < before {
            self.bodies.fetch_sub(before - held, SeqCst);
            return false;
        }
        self.bodies.fetch_add(held - before, SeqCst) + (held - before) > UNFINISHED_BODIES.max
    }

    fn set_deadline(&self, number: usize, live: &mut Seat) {
        let timer = live.connection.timer();
        if live.timer == Some(timer) {
            return;
        }
        live.timer = Some(timer);
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

    fn close(&self, number: usize, seat: &mut Option<Box<Seat>>) {
        let Some(mut live) = seat.take() else { return };
        self.exceeds_memory(&mut live, 0);
        self.slots[number].deadline.store(0, SeqCst);
        let mut clients = lock(&self.clients);
        if let Some(count) = clients.get_mut(&live.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&live.client);
            }
        }
        drop(clients);
        drop(live);
        lock(&self.free).push(number);
        self.open.fetch_sub(1, SeqCst);
    }
}

const READ: epoll::EventFlags = epoll::EventFlags::IN
    .union(epoll::EventFlags::RDHUP)
    .union(epoll::EventFlags::ET);
const WRITE: epoll::EventFlags = READ.union(epoll::EventFlags::OUT);
/// The client sends no more.
const END: epoll::EventFlags = epoll::EventFlags::RDHUP
    .union(epoll::EventFlags::HUP)
    .union(epoll::EventFlags::ERR);
/// In [`Slot::event`].
const EVENT: u8 = 1;
const ENDED: u8 = 2;
/// One worker at a time accepts, and asks again when it is done.
const LISTEN: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ONESHOT);

fn token(number: usize) -> epoll::EventData {
    epoll::EventData::new_u64(number as u64)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Raises the limit of open files as far as this process may, and says what it is.
fn raise_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(65536);
    if limit.current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        );
    }
    getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX))
}
