//! Names to addresses: IPv6 and IPv4 at the same time, each in a thread of its own.
//!
//! One look-up for both is what std offers. musl fails it as a whole if the name server answers one of the two questions
//! with an error, and waits five seconds if it refuses one, as some that know nothing of AAAA do. Here either family is
//! enough, and the other one is waited for only as long as it may be of use.

use super::failure::{Broken, Phase};
use super::wire::Deadline;
use crate::context::Endpoint;
use crate::trace;
use dns_lookup::{AddrFamily, AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// In the order in which their addresses are tried.
const FAMILIES: [AddrFamily; 2] = [AddrFamily::Inet6, AddrFamily::Inet];
/// How long the second answer is waited for once the first is there.
const GRACE: Duration = Duration::from_millis(100);
/// More addresses than this are left alone, in each family.
const MAX_ADDRESSES: usize = 8;

type Answer = Result<Vec<SocketAddr>, LookupErrorKind>;
/// An answer for each family.
type Answers = Arc<Mutex<[Option<Answer>; FAMILIES.len()]>>;

/// A look-up that is under way.
pub(super) struct Names {
    host: String,
    answers: Answers,
    /// How many answers were dealt with.
    seen: usize,
    /// Had any of them an address?
    any: bool,
    /// Was there an answer that leaves it open whether the name exists?
    doubt: bool,
}

impl Names {
    /// Begins to look up a name. libc's look-up knows no deadline: a thread is left behind when it takes too long.
    pub(super) fn look_up(hop: &Endpoint) -> Result<Names, Broken> {
        let answers = Answers::default();
        trace::step(format_args!("looking up {}", hop.host));
        for (at, family) in FAMILIES.into_iter().enumerate() {
            let (host, port, answers) = (hop.host.clone(), hop.port, answers.clone());
            let asker = std::thread::current();
            let thread = std::thread::Builder::new().spawn(move || {
                let answer = ask(&host, port, family);
                answers.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(answer);
                asker.unpark();
            });
            thread.map_err(|e| broken(&hop.host, &format!("no thread for it: {e}")))?;
        }
        Ok(Names {
            host: hop.host.clone(),
            answers,
            seen: 0,
            any: false,
            doubt: false,
        })
    }

    /// May there be more addresses?
    pub(super) fn is_open(&self) -> bool {
        self.seen < FAMILIES.len()
    }

    /// The addresses that have come and were not given out before; none if there are no more.
    pub(super) fn next(&mut self, deadline: Deadline) -> Result<Vec<SocketAddr>, Broken> {
        let mut addresses = Vec::new();
        let mut grace = None;
        while self.is_open() {
            let answers = {
                let mut slots = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                slots.each_mut().map(Option::take)
            };
            for (answer, family) in answers.into_iter().zip(["IPv6", "IPv4"]) {
                let Some(answer) = answer else { continue };
                self.seen += 1;
                let count = answer.as_ref().map_or(0, Vec::len);
                trace::step(format_args!("{}: {count} {family} addresses", self.host));
                match answer {
                    Ok(more) => addresses.extend(more.into_iter().take(MAX_ADDRESSES)),
                    Err(LookupErrorKind::NoName | LookupErrorKind::NoData) => {}
                    Err(_) => self.doubt = true,
                }
            }
            let left = if addresses.is_empty() {
                deadline.left()
            } else {
                let end: Deadline = *grace.get_or_insert_with(|| deadline.or(GRACE));
                end.left()
            };
            match left {
                Ok(left) if self.is_open() => std::thread::park_timeout(left),
                _ => break,
            }
        }
        // IPv6 first, whichever came first.
        addresses.sort_by_key(SocketAddr::is_ipv4);
        self.any |= !addresses.is_empty();
        let what = match self.any {
            true => return Ok(addresses),
            false if self.is_open() => "no answer from the name servers in time",
            false if self.doubt => "no name server gives an answer",
            false => "no such name",
        };
        Err(broken(&self.host, what))
    }
}

/// An IPv6 address with the name of an interface, `fe80::1%eth0`.
pub(super) fn scoped(hop: &Endpoint) -> Result<Vec<SocketAddr>, Broken> {
    let (_, interface) = hop.host.split_once('%').unwrap_or_default();
    let what = format!("is there a network interface '{interface}'?");
    ask(&hop.host, hop.port, AddrFamily::Inet6).map_err(|_| broken(&hop.host, &what))
}

fn ask(host: &str, port: u16, family: AddrFamily) -> Answer {
    let hints = AddrInfoHints {
        address: family.into(),
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let found = getaddrinfo(Some(host), None, Some(hints)).map_err(|e| e.kind())?;
    let mut addresses: Vec<SocketAddr> = found.flatten().map(|each| each.sockaddr).collect();
    addresses.iter_mut().for_each(|each| each.set_port(port));
    Ok(addresses)
}

fn broken(host: &str, what: &str) -> Broken {
    Broken::new(Phase::Resolve, format!("{host}: {what}"))
}
