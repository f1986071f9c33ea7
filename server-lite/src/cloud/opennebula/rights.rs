//! What a record's PERMISSIONS grant: the implicit rules that oned goes by before its access rules (ACLs).
//!
//! They can only grant. Where they don't, a group or an access rule still may, and only oned knows.

use super::clock::Clock;
use crate::cloud::User;
use crate::objects::document::{Id, id};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long it is remembered that PERMISSIONS did not decide.
const REMEMBERED: Duration = Duration::from_secs(60);
/// As many such cases are remembered.
const MAX_REMEMBERED: usize = 4096;

/// oned's first user, whom it refuses nothing.
const ONEADMIN: Id = 0;

/// Whether a record's PERMISSIONS surely let this user read it (the USE right).
pub fn may_use(user: &User, record: &Value) -> bool {
    let set = |switch: &str| {
        record
            .pointer("/PERMISSIONS")
            .and_then(|permissions| permissions.get(switch))
            .and_then(Value::as_str)
            == Some("1")
    };
    let owns = id(record.get("UID")) == Some(user.id);
    user.id == ONEADMIN || (owns && set("OWNER_U")) || set("OTHER_U")
}

/// Where PERMISSIONS did not decide of late: there the user is asked for at once, which is right whatever has changed.
#[derive(Debug)]
pub struct Undecided<T> {
    clock: Clock,
    cases: Mutex<HashMap<T, Instant>>,
}

impl<T: Hash + Eq> Undecided<T> {
    /// Nothing is remembered yet.
    pub fn new(clock: Clock) -> Self {
        Undecided {
            clock,
            cases: Mutex::default(),
        }
    }

    /// Whether it was so a moment ago.
    pub fn has(&self, case: &T) -> bool {
        let cases = self.cases.lock().unwrap_or_else(PoisonError::into_inner);
        cases.get(case).is_some_and(|since| self.is_recent(*since))
    }

    /// Remembers a case, if there is room.
    pub fn add(&self, case: T) {
        let mut cases = self.cases.lock().unwrap_or_else(PoisonError::into_inner);
        if cases.len() >= MAX_REMEMBERED {
            cases.retain(|_, since| self.is_recent(*since));
        }
        if cases.len() < MAX_REMEMBERED {
            cases.insert(case, self.clock.now());
        }
    }

    fn is_recent(&self, since: Instant) -> bool {
        self.clock.now().saturating_duration_since(since) < REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn owners_and_others_go_by_the_switches_and_groups_are_oneds_to_judge() {
        for (user, uid, switches, granted) in [
            (2, "2", json!({"OWNER_U": "1"}), true),
            (2, "2", json!({"OWNER_U": "0"}), false),
            (2, "2", json!({"OWNER_M": "1", "OWNER_A": "1"}), false),
            (3, "2", json!({"OWNER_U": "1", "GROUP_U": "1"}), false),
            (3, "2", json!({"OTHER_U": "1"}), true),
            (3, "2", json!({"OTHER_U": "0"}), false),
            (0, "2", json!({"OWNER_U": "0"}), true),
            (2, "2", json!({}), false),
            (2, "2abc", json!({"OWNER_U": "1"}), false),
        ] {
            let user = User {
                id: user,
                name: "somebody".to_string(),
            };
            let record = json!({"UID": uid, "GID": "1", "PERMISSIONS": switches});
            assert_eq!(may_use(&user, &record), granted, "{user:?} {record}");
        }
    }
}
