//! What each client has of what all share: connection slots and memory.
//!
//! A client is an IPv4 address, or the /64 of an IPv6 address: a host with IPv6 has a whole /64. A proxy for many VMs is
//! one client. No client gets more than its share, and what it has beyond what it needs (idle connections) goes to the
//! next who asks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Shared, lock};
use crate::http::limits::{
    MEMORY, MEMORY_SHARE, RESERVE, RESERVED_EACH, Rejection, TOO_MANY_CONNECTIONS,
    TOO_MANY_OF_ONE_CLIENT,
};

/// Idle connections closed at a time where there is no room for a new one, at most: looking for them costs more than
/// closing them.
const EVICTED: usize = 16;

/// A client's number: its IPv4 address, or the first half of its IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientId(u64);

impl ClientId {
    pub(super) fn of(address: IpAddr) -> ClientId {
        match address.to_canonical() {
            // As the first half of an address in 0:ffff::/32, which no host has.
            IpAddr::V4(address) => ClientId(0xffff << 32 | u64::from(address.to_bits())),
            IpAddr::V6(address) => ClientId((address.to_bits() >> 64) as u64),
        }
    }

    /// Sixteen bits of it, to look for a client's slots by.
    pub(super) fn hash(self) -> u16 {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
    }
}

/// What one client has.
#[derive(Debug, Default)]
pub(super) struct Client {
    connections: AtomicUsize,
    /// Bytes held for it.
    memory: AtomicUsize,
}

/// Every client with a connection, and what all of them have together.
#[derive(Debug, Default)]
pub(super) struct Clients {
    known: Mutex<HashMap<ClientId, Arc<Client>>>,
    memory: AtomicUsize,
}

impl Clients {
    /// A client with one connection more. The number is that of its connections now.
    fn arrive(&self, id: ClientId) -> (Arc<Client>, usize) {
        let mut known = lock(&self.known);
        let client = known.entry(id).or_default();
        let connections = client.connections.fetch_add(1, SeqCst) + 1;
        (Arc::clone(client), connections)
    }

    /// A client with one connection less.
    pub(super) fn leave(&self, id: ClientId) {
        let mut known = lock(&self.known);
        if let Some(client) = known.get(&id)
            && client.connections.fetch_sub(1, SeqCst) == 1
        {
            known.remove(&id);
        }
    }

    /// The client with the most connections.
    fn greatest(&self) -> Option<ClientId> {
        let known = lock(&self.known);
        let connections = |(_, client): &(&ClientId, &Arc<Client>)| client.connections.load(SeqCst);
        known.iter().max_by_key(connections).map(|(id, _)| *id)
    }

    /// Counts that a client's connection holds so many bytes where it held others. False, and nothing counted, if that
    /// is more than its share of what the others leave.
    pub(super) fn hold(&self, client: &Client, before: usize, now: usize) -> bool {
        if now <= before {
            client.memory.fetch_sub(before - now, SeqCst);
            self.memory.fetch_sub(before - now, SeqCst);
            return true;
        }
        let more = now - before;
        let own = client.memory.fetch_add(more, SeqCst) + more;
        let all = self.memory.fetch_add(more, SeqCst) + more;
        if own <= MEMORY.max.saturating_sub(all.saturating_sub(own)) / MEMORY_SHARE {
            return true;
        }
        client.memory.fetch_sub(more, SeqCst);
        self.memory.fetch_sub(more, SeqCst);
        false
    }

    /// Bytes held for all clients.
    pub(super) fn memory(&self) -> usize {
        self.memory.load(SeqCst)
    }
}

impl Shared {
    /// Counts a new connection of a client, and makes room for it where there is none; or says why it is refused.
    pub(super) fn arrive(&self, id: ClientId) -> (Arc<Client>, Option<Rejection>) {
        let (client, of_client) = self.clients.arrive(id);
        let open = self.open.fetch_add(1, SeqCst) + 1;
        let most = self.limits.connections;
        let refusal = if of_client > self.limits.per_client && !self.evict(Some(id)) {
            Some(TOO_MANY_OF_ONE_CLIENT)
        } else if open > most - most / RESERVE
            && !self.evict(self.clients.greatest())
            && (open > most || of_client > RESERVED_EACH.min(most / RESERVE))
            && !self.evict(None)
        {
            Some(TOO_MANY_CONNECTIONS)
        } else {
            None
        };
        (client, refusal)
    }

    /// Closes the longest-idle connections of a client, or of all. False if none was idle long enough.
    fn evict(&self, of: Option<ClientId>) -> bool {
        let Some(latest) = self.start.elapsed().checked_sub(self.limits.evict) else {
            return false;
        };
        let latest = ticks(latest);
        let since = |number: &usize| self.slots[*number].idle_since.load(SeqCst);
        let mut idle: Vec<usize> = (0..self.slots.len())
            .filter(|number| (1..=latest).contains(&since(number)))
            .filter(|number| {
                of.is_none_or(|id| self.slots[*number].client.load(SeqCst) == id.hash())
            })
            .collect();
        let most = (self.limits.per_client / 32).clamp(1, EVICTED);
        if idle.len() > most {
            idle.select_nth_unstable_by_key(most, since);
            idle.truncate(most);
        }
        let mut closed = false;
        for number in idle {
            if let Ok(mut seat) = self.slots[number].seat.try_lock()
                && let Some(live) = seat.as_deref()
                && live.connection.is_idle()
                && of.is_none_or(|id| id == live.client_id)
            {
                self.close(number, &mut seat);
                closed = true;
            }
            self.look_again(number);
        }
        closed
    }
}

/// Time since the server's start in steps of 64 ms, from 1: 32 bits last for eight years.
pub(super) fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / 64).map_or(u32::MAX, |ticks| ticks.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::ClientId;

    /// Addresses of one client in each row, and no two rows are of the same.
    #[test]
    fn a_client_is_an_ipv4_address_or_the_64_of_an_ipv6_address() {
        let clients = [
            &["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"][..],
            &["127.0.0.2", "::ffff:127.0.0.2"],
            &["0.0.0.0"],
            &["255.255.255.255"],
            // Loopback and the deprecated form of an IPv4 address are addresses of 0::/64.
            &["::1", "::", "::127.0.0.1"],
            &[
                "2001:db8::",
                "2001:db8::1",
                "2001:db8::ffff:ffff:ffff:ffff",
                "2001:db8:0:0:ffff:7f00:1:0",
            ],
            &["2001:db8:0:1::1", "2001:db8:0:1:8000::"],
            &["2001:db8:1::1"],
            &["fe80::1", "fe80::ffff:127.0.0.1"],
            // NAT64's prefix: IPv4 addresses behind one gateway.
            &["64:ff9b::127.0.0.1", "64:ff9b::127.0.0.2"],
        ];
        let number = |address: &&str| ClientId::of(address.parse().expect("an address"));
        let mut seen = Vec::new();
        for addresses in clients {
            let client = number(&addresses[0]);
            assert!(
                addresses.iter().all(|one| number(one) == client),
                "{addresses:?}"
            );
            assert!(!seen.contains(&client), "{addresses:?}");
            seen.push(client);
        }
    }
}
