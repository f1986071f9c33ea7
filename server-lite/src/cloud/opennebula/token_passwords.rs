//! The TOKEN_PASSWORDs that were asked for a moment ago.
//!
//! Every request is authenticated, and mostly with the same few users' passwords, so remembering them saves one call
//! a request. A changed password takes effect at once for tokens made with the new one (a token that doesn't match is
//! tried again with the password asked anew), and within `:token_password_max_age` for those made with the old one.

use super::clock::Clock;
use crate::objects::document::Id;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A password this young is not asked anew for a token that doesn't match, so that guessing costs oned nothing.
const NEWEST: Duration = Duration::from_secs(1);
/// More users than this are not remembered at once.
const MAX_USERS: usize = 4096;

/// Passwords by user.
pub struct TokenPasswords {
    max_age: Duration,
    clock: Clock,
    known: Mutex<HashMap<Id, (String, Instant)>>,
}

impl TokenPasswords {
    /// Passwords that are answered from memory for so long; with zero, never.
    pub fn new(max_age: Duration, clock: Clock) -> Self {
        TokenPasswords {
            max_age,
            clock,
            known: Mutex::default(),
        }
    }

    /// A user's password, if it was asked for a moment ago.
    pub fn get(&self, user: Id) -> Option<String> {
        let passwords = self.lock();
        passwords
            .get(&user)
            .filter(|(_, asked)| self.age(*asked) < self.max_age)
            .map(|(password, _)| password.clone())
    }

    /// Whether a token that doesn't match calls for asking anew: what was answered came from memory.
    pub fn may_be_stale(&self, user: Id) -> bool {
        self.lock()
            .get(&user)
            .is_some_and(|(_, asked)| self.age(*asked) >= NEWEST)
    }

    /// Remembers what oned answered: a user without a password is not remembered.
    pub fn put(&self, user: Id, password: Option<&str>) {
        let mut passwords = self.lock();
        match password {
            Some(password) if !self.max_age.is_zero() => {
                if passwords.len() >= MAX_USERS {
                    passwords.retain(|_, (_, asked)| self.age(*asked) < self.max_age);
                }
                if passwords.len() < MAX_USERS {
                    passwords.insert(user, (password.to_string(), self.clock.now()));
                }
            }
            _ => {
                passwords.remove(&user);
            }
        }
    }

    fn age(&self, asked: Instant) -> Duration {
        self.clock.now().saturating_duration_since(asked)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, (String, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
