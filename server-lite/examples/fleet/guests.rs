//! The guests, and the threads that drive them.

use crate::report::Tally;
use crate::wire::{Exchange, Progress};
use onegate_server_lite::objects::document::Id;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an exchange may take, and how long after its end a fleet waits for what is under way.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a request is tried before it counts as lost.
const ATTEMPTS: u32 = 30;
/// The longest pause before another attempt, in seconds as a power of two.
const LONGEST_PAUSE: u32 = 4;

/// What the fleet does.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// For the Host field.
    pub(crate) host: String,
    /// All guests begin to boot within this time.
    pub(crate) boot: Duration,
    /// The mean time between two polls of a guest.
    pub(crate) every: Duration,
    /// How long guests go on polling.
    pub(crate) length: Duration,
    /// Whether that is over as soon as all have booted.
    pub(crate) boot_only: bool,
}

/// What a guest wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    BootShow,
    BootReady,
    BootService,
    Poll,
    Report,
}

impl Want {
    pub(crate) const ALL: [Self; 5] = [
        Self::BootShow,
        Self::BootReady,
        Self::BootService,
        Self::Poll,
        Self::Report,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BootShow => "boot: vm show",
            Self::BootReady => "boot: vm update READY=YES",
            Self::BootService => "boot: service show",
            Self::Poll => "vm show (vm wait)",
            Self::Report => "vm update (a metric)",
        }
    }
}

struct Guest {
    vm: Id,
    token: String,
    want: Want,
    /// When it wanted that: a wait for a retry counts.
    since: Instant,
    attempts: u32,
    /// When it asks, or asks again.
    moment: Instant,
    began: Instant,
    exchange: Option<Exchange>,
    random: u64,
}

/// All guests, in shares.
pub(crate) struct Fleet {
    plan: Plan,
    shares: Vec<Vec<(Id, String)>>,
}

impl Fleet {
    pub(crate) fn new(
        plan: Plan,
        tokens: Vec<(Id, String)>,
        threads: usize,
    ) -> Result<Self, String> {
        let needed = tokens.len() as u64 + 64;
        let mut files = getrlimit(Resource::Nofile);
        files.current = files.maximum;
        let _ = setrlimit(Resource::Nofile, files);
        if files.maximum.is_some_and(|limit| limit < needed) {
            return Err(format!(
                "{} guests may need as many connections at once, but this process may open {:?} files: raise \
                 `ulimit -Hn`, or take fewer",
                tokens.len(),
                files.maximum.unwrap_or_default()
            ));
        }
        let mut shares = vec![Vec::new(); threads];
        for (index, token) in tokens.into_iter().enumerate() {
            shares[index % threads].push(token);
        }
        Ok(Self { plan, shares })
    }

    pub(crate) fn run(self) -> Result<Tally, String> {
        let start = Instant::now() + Duration::from_millis(100);
        let threads: Vec<_> = self
            .shares
            .into_iter()
            .map(|share| {
                let plan = self.plan.clone();
                std::thread::spawn(move || Driver::new(plan, share, start)?.run())
            })
            .collect();
        let mut tally = Tally::new(start);
        for thread in threads {
            let share = thread.join().map_err(|_| "a thread has a fault")?;
            tally.add(share.map_err(|error: rustix::io::Errno| error.to_string())?);
        }
        Ok(tally)
    }
}

/// One thread: its guests, their next moments, their connections.
struct Driver {
    plan: Plan,
    guests: Vec<Guest>,
    /// When which guest has something to do.
    agenda: BinaryHeap<Reverse<(Instant, usize)>>,
    epoll: rustix::fd::OwnedFd,
    open: usize,
    start: Instant,
    tally: Tally,
}

impl Driver {
    fn new(
        plan: Plan,
        share: Vec<(Id, String)>,
        start: Instant,
    ) -> Result<Self, rustix::io::Errno> {
        let mut agenda = BinaryHeap::new();
        let mut guests = Vec::new();
        for (index, (vm, token)) in share.into_iter().enumerate() {
            let mut random = u64::from(vm)
                .wrapping_add(1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let since = start + plan.boot.mul_f64(fraction(&mut random));
            agenda.push(Reverse((since, index)));
            let want = Want::BootShow;
            guests.push(Guest {
                vm,
                token,
                want,
                since,
                attempts: 0,
                moment: since,
                began: since,
                exchange: None,
                random,
            });
        }
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            plan,
            guests,
            agenda,
            epoll,
            open: 0,
            start,
            tally: Tally::new(start),
        })
    }

    fn run(mut self) -> Result<Tally, rustix::io::Errno> {
        let end = self.start + self.plan.length;
        let mut events = Vec::with_capacity(1024);
        loop {
            let now = Instant::now();
            while let Some(&Reverse((due, index))) = self.agenda.peek() {
                if due > now {
                    break;
                }
                self.agenda.pop();
                self.due(index, now, end)?;
            }
            if (self.open == 0 && self.agenda.is_empty()) || now > end + PATIENCE {
                break;
            }
            let next = self
                .agenda
                .peek()
                .map_or(now + Duration::from_millis(100), |next| next.0.0);
            let wait = next
                .saturating_duration_since(now)
                .min(Duration::from_millis(100));
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: wait.as_nanos() as _,
            };
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout))?;
            let ready: Vec<usize> = events
                .iter()
                .map(|event: &epoll::Event| event.data.u64() as usize)
                .collect();
            for index in ready {
                self.go_on(index, end)?;
            }
        }
        for guest in &self.guests {
            if guest.exchange.is_some() || guest.attempts > 0 {
                self.tally
                    .lose(guest.want, "not answered when the fleet ended");
            }
        }
        Ok(self.tally)
    }

    /// A guest's moment has come: to ask, to ask again, or to give up waiting.
    fn due(&mut self, index: usize, now: Instant, end: Instant) -> Result<(), rustix::io::Errno> {
        let guest = &mut self.guests[index];
        if guest.exchange.is_some() {
            if now >= guest.began + PATIENCE {
                self.close(index);
                self.failed(index, "no answer within 30 s", None, end);
            }
            return Ok(());
        }
        if now < guest.moment {
            // Only the end of the time that an earlier exchange had.
            return Ok(());
        }
        if guest.attempts == 0 && matches!(guest.want, Want::Poll | Want::Report) && now >= end {
            return Ok(());
        }
        guest.attempts += 1;
        guest.began = now;
        let request = request(guest, &self.plan.host);
        match Exchange::begin(self.plan.address, guest.vm, request) {
            Ok(exchange) => {
                let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
                epoll::add(
                    &self.epoll,
                    exchange.socket(),
                    epoll::EventData::new_u64(index as u64),
                    flags,
                )?;
                guest.exchange = Some(exchange);
                self.open += 1;
                self.agenda.push(Reverse((now + PATIENCE, index)));
            }
            Err(error) => self.failed(index, &error.to_string(), None, end),
        }
        Ok(())
    }

    fn go_on(&mut self, index: usize, end: Instant) -> Result<(), rustix::io::Errno> {
        let Some(exchange) = &mut self.guests[index].exchange else {
            return Ok(());
        };
        match exchange.go_on() {
            Progress::Wait => {}
            Progress::Answered(status @ 200..=299, _) => {
                self.close(index);
                self.answered(index, status);
            }
            Progress::Answered(503, retry) => {
                self.close(index);
                self.failed(index, "503", Some(retry.unwrap_or(1)), end);
            }
            Progress::Answered(status, _) => {
                self.close(index);
                let want = self.guests[index].want;
                self.tally.lose(want, &format!("status {status}"));
                self.next(index);
            }
            Progress::Broken(why) => {
                self.close(index);
                self.failed(index, &why, None, end);
            }
        }
        Ok(())
    }

    fn close(&mut self, index: usize) {
        if self.guests[index].exchange.take().is_some() {
            self.open -= 1;
        }
    }

    fn answered(&mut self, index: usize, _status: u16) {
        let guest = &self.guests[index];
        self.tally
            .answered(guest.want, guest.since, guest.began, Instant::now());
        self.next(index);
    }

    /// Tries again after Retry-After and a pause that doubles, at random; in the end gives up.
    fn failed(&mut self, index: usize, why: &str, retry: Option<u64>, end: Instant) {
        let now = Instant::now();
        let guest = &mut self.guests[index];
        if guest.attempts >= ATTEMPTS || now > end + PATIENCE {
            self.tally.lose(guest.want, why);
            self.next(index);
            return;
        }
        self.tally.again(why);
        let pause = Duration::from_secs(1 << guest.attempts.min(LONGEST_PAUSE));
        let wait =
            Duration::from_secs(retry.unwrap_or(0)) + pause.mul_f64(fraction(&mut guest.random));
        guest.moment = now + wait;
        self.agenda.push(Reverse((guest.moment, index)));
    }

    /// What the guest does after its last request is over.
    fn next(&mut self, index: usize) {
        let now = Instant::now();
        let guest = &mut self.guests[index];
        guest.attempts = 0;
        let rest = self.plan.every.mul_f64(0.5 + fraction(&mut guest.random));
        let (want, wait) = match guest.want {
            Want::BootShow => (Want::BootReady, Duration::ZERO),
            Want::BootReady => (Want::BootService, Duration::ZERO),
            _ if self.plan.boot_only => {
                // It has booted and wants nothing more.
                guest.moment = now + self.plan.length;
                return;
            }
            _ if fraction(&mut guest.random) < 0.3 => (Want::Report, rest),
            _ => (Want::Poll, rest),
        };
        guest.want = want;
        guest.since = now + wait;
        guest.moment = guest.since;
        self.agenda.push(Reverse((guest.since, index)));
    }
}

fn request(guest: &mut Guest, host: &str) -> Vec<u8> {
    let (method, path, body) = match guest.want {
        Want::BootShow | Want::Poll => ("GET", "/vm", String::new()),
        Want::BootService => ("GET", "/service", String::new()),
        Want::BootReady => ("PUT", "/vm", "data=READY%3DYES&type=1".to_string()),
        Want::Report => {
            let load = (fraction(&mut guest.random) * 100.0) as u32;
            ("PUT", "/vm", format!("data=CPU_USED_PERC%3D{load}&type=1"))
        }
    };
    let form = if body.is_empty() {
        String::new()
    } else {
        format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            body.len()
        )
    };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: fleet\r\nConnection: close\r\nX-ONEGATE-VMID: {}\r\n\
         X-ONEGATE-TOKEN: {}\r\n{form}\r\n{body}",
        guest.vm, guest.token
    )
    .into_bytes()
}

/// Between 0 and 1; each guest has its own series (xorshift64).
fn fraction(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1u64 << 53) as f64
}
