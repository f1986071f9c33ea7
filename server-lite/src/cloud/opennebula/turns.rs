//! Whose call is next: few calls at once, each owner in turn, and nobody kept waiting for what cannot be answered in
//! time, be it that too many wait already or that nothing answers.

use crate::objects::document::Id;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Calls at once, and so connections in use: oned serves 15 by default (MAX_CONN), and has other clients.
pub const MAX_CALLS: usize = 8;
/// After so many failures with no answer between them a call now and then finds out whether the upstream is back; the
/// others are given up at once, so that nobody waits for what hangs.
const HOPELESS: u32 = 3;
/// Calls of one owner that wait: less than the HTTP layer handles requests at once (see
/// [`HANDLERS`](super::HANDLERS)), so that others' requests are handled meanwhile.
pub const MAX_WAITING: usize = 32;
/// The longest time that a client is told to stay away, in seconds.
const MAX_RETRY_AFTER: u32 = 60;

/// Who waits for a turn. Each has the same right to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Calls that serve many at once: VMs' records, which authenticate guests.
    Server,
    /// Calls for the VMs of this user, in whosever name.
    Owner(Id),
}

/// Why there was no turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTurn {
    /// Nothing answers, and another call is finding out whether that has changed.
    Hopeless(String),
    /// Too many wait: come back after so many seconds.
    Busy(u32),
}

/// The turns at one upstream.
#[derive(Debug)]
pub struct Turns {
    state: Mutex<State>,
    /// How long to wait at most.
    patience: Duration,
    /// Between two calls that find out whether it is back.
    between_tries: Duration,
}

#[derive(Debug, Default)]
struct State {
    in_hand: usize,
    /// Whoever's turn is next stands in front.
    queue: VecDeque<(Share, VecDeque<Arc<Waiter>>)>,
    /// How long calls took of late, in seconds.
    mean: f64,
    /// Failures since the last answer.
    failed: u32,
    /// When the last call began.
    began: Option<Instant>,
}

#[derive(Debug, Default)]
struct Waiter {
    woken: Condvar,
    granted: Mutex<Option<Granted>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Granted {
    Turn,
    /// It became hopeless meanwhile.
    Nothing,
}

/// The right to make one call.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    began: Instant,
}

impl Turns {
    /// Turns for which nobody waits longer than this.
    pub fn new(patience: Duration, between_tries: Duration) -> Self {
        Turns {
            state: Mutex::default(),
            patience,
            between_tries,
        }
    }

    /// Whether a call may be made at all: not while nothing answers and another call is finding out whether that has
    /// changed.
    pub fn check(&self) -> Result<(), NoTurn> {
        self.worth_trying(&lock(&self.state))
    }

    /// How many calls are being made now, and how many wait.
    pub fn in_use(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.in_hand, state.waiting())
    }

    /// Waits until it is this one's turn, if that can be soon enough.
    pub fn take(&self, share: Share) -> Result<Turn<'_>, NoTurn> {
        let waiter = {
            let mut state = lock(&self.state);
            self.worth_trying(&state)?;
            if state.in_hand < MAX_CALLS {
                return Ok(self.begin(&mut state));
            }
            let ahead = state.ahead_of(share);
            let wait = state.time_of(ahead);
            if ahead.own >= MAX_WAITING || wait > self.patience {
                return Err(NoTurn::Busy(seconds(wait)));
            }
            let waiter = Arc::new(Waiter::default());
            state.push(share, Arc::clone(&waiter));
            waiter
        };
        match waiter.wait(self.patience) {
            Some(Granted::Turn) => Ok(self.turn()),
            Some(Granted::Nothing) => Err(self.hopeless(&lock(&self.state))),
            None => self.leave(&waiter),
        }
    }

    /// Says how a call ended: whether anything answered at all.
    pub fn ended(&self, answered: bool) {
        let mut state = lock(&self.state);
        if answered {
            state.failed = 0;
            return;
        }
        state.failed = state.failed.saturating_add(1);
        if state.failed >= HOPELESS {
            for (_, waiters) in std::mem::take(&mut state.queue) {
                waiters
                    .iter()
                    .for_each(|waiter| waiter.grant(Granted::Nothing));
            }
        }
    }

    fn worth_trying(&self, state: &State) -> Result<(), NoTurn> {
        let just_began = state
            .began
            .is_some_and(|began| began.elapsed() < self.between_tries);
        if state.failed >= HOPELESS && state.in_hand > 0 && just_began {
            return Err(self.hopeless(state));
        }
        Ok(())
    }

    fn hopeless(&self, state: &State) -> NoTurn {
        NoTurn::Hopeless(format!(
            "the last {} calls failed, and another one is trying",
            state.failed
        ))
    }

    fn begin(&self, state: &mut State) -> Turn<'_> {
        state.in_hand += 1;
        state.began = Some(Instant::now());
        self.turn()
    }

    fn turn(&self) -> Turn<'_> {
        Turn {
            turns: self,
            began: Instant::now(),
        }
    }

    /// Waited too long, unless the turn came at this very moment.
    fn leave(&self, waiter: &Arc<Waiter>) -> Result<Turn<'_>, NoTurn> {
        let mut state = lock(&self.state);
        if *lock(&waiter.granted) == Some(Granted::Turn) {
            drop(state);
            return Ok(self.turn());
        }
        state.queue.retain_mut(|(_, waiters)| {
            waiters.retain(|other| !Arc::ptr_eq(other, waiter));
            !waiters.is_empty()
        });
        let all = state.waiting();
        let wait = state.time_of(Ahead { own: 0, all });
        Err(NoTurn::Busy(seconds(wait)))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.turns.state);
        let took = self.began.elapsed().as_secs_f64();
        state.mean = match state.mean {
            0.0 => took,
            mean => mean * 0.9 + took * 0.1,
        };
        match state.pop() {
            // The turn is handed on.
            Some(next) => {
                state.began = Some(Instant::now());
                next.grant(Granted::Turn);
            }
            None => state.in_hand -= 1,
        }
    }
}

impl Waiter {
    fn wait(&self, patience: Duration) -> Option<Granted> {
        let granted = self
            .woken
            .wait_timeout_while(lock(&self.granted), patience, |granted| granted.is_none());
        *granted.unwrap_or_else(PoisonError::into_inner).0
    }

    fn grant(&self, granted: Granted) {
        *lock(&self.granted) = Some(granted);
        self.woken.notify_one();
    }
}

/// How many calls come before a new one.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    /// Of the same share.
    own: usize,
    /// All of them.
    all: usize,
}

impl State {
    fn waiting(&self) -> usize {
        self.queue.iter().map(|(_, waiters)| waiters.len()).sum()
    }

    /// Before the n-th call of one share, every other share has had at most n.
    fn ahead_of(&self, share: Share) -> Ahead {
        let own = self
            .queue
            .iter()
            .find(|(known, _)| *known == share)
            .map_or(0, |(_, waiters)| waiters.len());
        let others = self.queue.iter().filter(|(known, _)| *known != share);
        let others: usize = others.map(|(_, waiters)| waiters.len().min(own + 1)).sum();
        Ahead {
            own,
            all: own + others,
        }
    }

    fn time_of(&self, ahead: Ahead) -> Duration {
        let rounds = (ahead.all + 1) as f64 / MAX_CALLS as f64;
        Duration::try_from_secs_f64(rounds * self.mean).unwrap_or_default()
    }

    fn push(&mut self, share: Share, waiter: Arc<Waiter>) {
        match self.queue.iter_mut().find(|(known, _)| *known == share) {
            Some((_, waiters)) => waiters.push_back(waiter),
            None => self.queue.push_back((share, VecDeque::from([waiter]))),
        }
    }

    fn pop(&mut self) -> Option<Arc<Waiter>> {
        let (share, mut waiters) = self.queue.pop_front()?;
        let first = waiters.pop_front();
        if !waiters.is_empty() {
            self.queue.push_back((share, waiters));
        }
        first
    }
}

/// Whole seconds, for Retry-After.
fn seconds(wait: Duration) -> u32 {
    (wait.as_secs_f64().ceil() as u32).clamp(1, MAX_RETRY_AFTER)
}

/// What these locks guard is whole between any two statements, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Turns that are all taken.
    fn taken(turns: &Turns) -> Vec<Turn<'_>> {
        (0..MAX_CALLS)
            .map(|_| turns.take(Share::Server).expect("a turn"))
            .collect()
    }

    fn until(holds: impl Fn() -> bool) {
        while !holds() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn each_owner_in_turn() {
        let turns = Turns::new(Duration::from_secs(60), Duration::ZERO);
        let (done, order) = mpsc::channel();
        std::thread::scope(|scope| {
            let mut held = taken(&turns);
            for (place, owner) in [1, 1, 1, 1, 2, 2, 3].into_iter().enumerate() {
                let (turns, done) = (&turns, done.clone());
                scope.spawn(move || {
                    let _turn = turns.take(Share::Owner(owner)).expect("a turn");
                    done.send(owner).expect("sent");
                });
                until(|| lock(&turns.state).waiting() == place + 1);
            }
            // One turn is handed on from one to the next.
            drop(held.pop());
            let served: Vec<Id> = (0..7).filter_map(|_| order.recv().ok()).collect();
            assert_eq!(served, [1, 2, 3, 1, 2, 1, 1]);
        });
    }

    #[test]
    fn whoever_could_not_be_served_in_time_is_told_when_to_come_back() {
        let turns = Turns::new(Duration::from_secs(5), Duration::ZERO);
        let held = taken(&turns);
        lock(&turns.state).mean = 80.0;
        // Eight calls in 80 s: one ends every 10 s.
        assert_eq!(turns.take(Share::Server).err(), Some(NoTurn::Busy(10)));
        lock(&turns.state).mean = 8000.0;
        assert_eq!(turns.take(Share::Server).err(), Some(NoTurn::Busy(60)));
        assert_eq!(lock(&turns.state).waiting(), 0);
        drop(held);
        assert_eq!(lock(&turns.state).in_hand, 0);
    }

    #[test]
    fn one_owner_never_takes_every_place() {
        let turns = Turns::new(Duration::from_secs(60), Duration::ZERO);
        let mut state = State {
            in_hand: MAX_CALLS,
            ..State::default()
        };
        (0..MAX_WAITING).for_each(|_| state.push(Share::Owner(1), Arc::default()));
        *lock(&turns.state) = state;
        assert_eq!(turns.take(Share::Owner(1)).err(), Some(NoTurn::Busy(1)));
        let (own, all) = {
            let ahead = lock(&turns.state).ahead_of(Share::Owner(2));
            (ahead.own, ahead.all)
        };
        assert_eq!((own, all), (0, 1), "another owner is second");
    }

    #[test]
    fn those_who_wait_are_told_when_it_becomes_hopeless() {
        let turns = Turns::new(Duration::from_secs(60), Duration::from_secs(60));
        std::thread::scope(|scope| {
            let held = taken(&turns);
            let waits = scope.spawn(|| turns.take(Share::Owner(1)).err());
            until(|| lock(&turns.state).waiting() == 1);
            (0..HOPELESS).for_each(|_| turns.ended(false));
            let told = waits.join().expect("a thread");
            assert!(matches!(told, Some(NoTurn::Hopeless(_))), "{told:?}");
            assert!(turns.take(Share::Server).is_err(), "one tries already");
            drop(held);
            assert!(turns.take(Share::Server).is_ok(), "none tries any more");
            turns.ended(true);
            drop(taken(&turns));
        });
    }
}
