//! The threads: edge-triggered epoll sets, and a bounded pool of workers.
//!
//! There are as many sets as processors, and a worker watches each (`watch.rs`). It takes a connection that is ready,
//! reads what is there, and when a request is whole calls the handler itself: nothing is handed over on the way. Where
//! the handler may wait (oned, a long change), another worker takes over the watch meanwhile; where it has the answer
//! only later, no worker waits (`released.rs`). A slow or idle client costs its connection and nothing else. There are as many workers as handlers may run at once, and one more for each set, so
//! that one is left to read; requests that find all handlers busy wait in a bounded queue, each client in its turn,
//! and beyond it get 503 at once. A connection has one request handled a turn and then goes behind the others. One
//! thread more sweeps the deadlines.

mod accept;
mod clients;
mod deadlines;
mod held;
mod queue;
mod released;
mod watch;
mod worker;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Handler;
use super::connection::{Connection, Timer};
use super::limits::Limits;
use super::socket::Socket;
use super::tls::Tls;
use clients::{Client, ClientId, Clients};
use held::HeldRequests;
pub use held::{Bell, Budget, LONGEST_HOLD, Load};
use queue::Queue;
pub use released::PendingAnswer;
use released::Released;
use watch::Watch;

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
        // As many as handlers may run, and one for each set: all are watched though every handler is busy.
        for number in 0..shared.limits.handlers + shared.watch.sets().len() {
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
        shared.release_late();
        let deadline = Instant::now() + shared.limits.stop;
        loop {
            shared.close_idle();
            if shared.open.load(SeqCst) == 0 || Instant::now() >= deadline {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let left =
            shared.running.load(SeqCst) + shared.waiting.load(SeqCst) + shared.released.pending();
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

    /// What tells this server of changes.
    pub fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.shared))
    }

    /// Requests that wait for a handler now.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(SeqCst)
    }

    /// Bytes held now for all clients: unfinished requests, those that wait, and responses that are not taken.
    pub fn held(&self) -> usize {
        self.shared.clients.memory()
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
    /// Some bits of its client, to find it by.
    client: AtomicU16,
    /// Since when it may be closed for the sake of a new one ([`clients::ticks`]); 0 while it may not.
    idle_since: AtomicU32,
    /// Milliseconds since the server's start; 0 for none.
    deadline: AtomicU64,
}

#[derive(Debug)]
struct Seat {
    connection: Connection<Socket>,
    address: IpAddr,
    client_id: ClientId,
    client: Arc<Client>,
    timer: Option<(u64, Timer)>,
    /// Bytes counted as held for its client.
    held: usize,
}

struct Shared {
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
    /// In the order in which they became free: so the sets get connections in turn.
    free: Mutex<VecDeque<usize>>,
    clients: Clients,
    open: AtomicUsize,
    running: AtomicUsize,
    /// How long the handler took of late, on average.
    mean_micros: AtomicU64,
    queue: Mutex<Queue>,
    /// The queue's length: it is empty most of the time, and then nobody takes its lock.
    waiting: AtomicUsize,
    held: Mutex<HeldRequests>,
    /// How many requests are held: none most of the time, and then nobody takes the lock.
    held_count: AtomicUsize,
    /// How often something changed that a request may be held for.
    changes: AtomicU64,
    released: Arc<Released>,
    /// A listener found no descriptor, not even the reserve.
    starved: AtomicBool,
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
        let files = raise_open_files()
            .saturating_sub(OTHER_FILES + REFUSED)
            .max(1);
        if files < limits.connections {
            // Each client's share stays a share.
            limits.per_client = (limits.per_client * files / limits.connections).max(1);
            limits.connections = files;
        }
        let places = limits.connections + REFUSED;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let watch = Watch::new(processors.min(limits.handlers))?;
        let stop_event = eventfd(0, EventfdFlags::CLOEXEC)?;
        let released = Released::new(&watch)?;
        for (number, listener) in listeners.iter().enumerate() {
            listener.set_nonblocking(true)?;
            // std asks for 128 only: a burst beyond it would wait a second for its next SYN.
            rustix::net::listen(listener, BACKLOG)?;
            let number = places + number;
            epoll::add(watch.set_of(number), listener, token(number), LISTEN)?;
        }
        for set in watch.sets() {
            epoll::add(set, &stop_event, token(usize::MAX), epoll::EventFlags::IN)?;
        }
        Ok(Shared {
            listeners: Mutex::new(listeners.into_iter().map(Arc::new).collect()),
            stop_event,
            watch,
            reserve: Mutex::new(accept::reserve_descriptor()),
            tls,
            handler,
            limits,
            start: Instant::now(),
            slots: (0..places).map(|_| Slot::default()).collect(),
            free: Mutex::new((0..places).collect()),
            clients: Clients::default(),
            open: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            mean_micros: AtomicU64::new(0),
            queue: Mutex::new(Queue::default()),
            waiting: AtomicUsize::new(0),
            held: Mutex::default(),
            held_count: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
            released: Arc::new(released),
            starved: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            sweeper: Mutex::new(None),
        })
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
