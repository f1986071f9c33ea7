//! The requests that wait for a handler: bounded, and each client in its turn. One that sends a hundred at once waits
//! behind itself, not before everybody else.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::clients::ClientId;
use crate::http::request::Request;

/// A request that waits for a handler; its connection's seat is its own until it is answered.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) slot: usize,
    pub(super) request: Request,
    pub(super) since: Instant,
}

/// The requests that wait, by client; the client whose turn is next in front.
#[derive(Debug, Default)]
pub(super) struct Queue {
    clients: VecDeque<(ClientId, VecDeque<Waiting>)>,
    length: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Puts a request in, unless the queue holds `limit` requests or a quarter of them are this client's already.
    pub(super) fn push(&mut self, client: ClientId, waiting: Waiting, limit: usize) -> bool {
        if self.length >= limit {
            return false;
        }
        match self.clients.iter_mut().find(|(known, _)| *known == client) {
            Some((_, requests)) if requests.len() >= limit.div_ceil(4) => return false,
            Some((_, requests)) => requests.push_back(waiting),
            None => self.clients.push_back((client, VecDeque::from([waiting]))),
        }
        self.length += 1;
        true
    }

    /// The next client's first request.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let (client, mut requests) = self.clients.pop_front()?;
        let first = requests.pop_front();
        if !requests.is_empty() {
            self.clients.push_back((client, requests));
        }
        self.length -= usize::from(first.is_some());
        first
    }

    /// A request that has waited longer than that.
    pub(super) fn pop_late(&mut self, wait: Duration) -> Option<Waiting> {
        let late = |(_, requests): &(ClientId, VecDeque<Waiting>)| {
            requests
                .front()
                .is_some_and(|first| first.since.elapsed() >= wait)
        };
        let at = self.clients.iter().position(late)?;
        let (_, requests) = self.clients.get_mut(at)?;
        let first = requests.pop_front()?;
        if requests.is_empty() {
            self.clients.remove(at);
        }
        self.length -= 1;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> ClientId {
        ClientId::of([10, 0, 0, number].into())
    }

    fn waiting(slot: usize) -> Waiting {
        Waiting {
            slot,
            request: Request::default(),
            since: Instant::now(),
        }
    }

    fn slots(queue: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| queue.pop())
            .map(|waiting| waiting.slot)
            .collect()
    }

    #[test]
    fn each_client_in_its_turn() {
        let mut queue = Queue::default();
        for (number, slot) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
            assert!(queue.push(client(number), waiting(slot), 100));
        }
        assert_eq!(queue.len(), 6);
        assert_eq!(slots(&mut queue), [10, 20, 30, 11, 21, 12]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn bounded_for_all_and_for_each() {
        let mut queue = Queue::default();
        let took = |queue: &mut Queue, number| {
            (0..10)
                .filter(|_| queue.push(client(number), waiting(0), 6))
                .count()
        };
        assert_eq!(
            [1, 2, 3, 4].map(|number| took(&mut queue, number)),
            [2, 2, 2, 0]
        );
    }

    #[test]
    fn the_late_leave_and_the_turns_stay() {
        let mut queue = Queue::default();
        for number in 1..=3 {
            queue.push(client(number), waiting(number.into()), 100);
            queue.push(client(number), waiting(usize::from(number) + 10), 100);
        }
        assert!(queue.pop_late(Duration::from_secs(60)).is_none());
        // The second client's first is late.
        queue.clients[1].1[0].since -= Duration::from_secs(60);
        assert_eq!(
            queue
                .pop_late(Duration::from_secs(60))
                .map(|late| late.slot),
            Some(2)
        );
        assert!(queue.pop_late(Duration::from_secs(60)).is_none());
        assert_eq!(queue.len(), 5);
        assert_eq!(slots(&mut queue), [1, 12, 3, 11, 13]);
    }
}
