//! What the engine remembers beside the documents, stored with them so that a restart goes on where it was: when a
//! VM leaves its passing state, when a role's cooldown ends, how often each policy was true, what was decided.

use crate::objects::document::Id;
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How many decisions are kept for each service.
const DECISIONS: usize = 20;

/// How the decisions begin that change nothing.
pub const STAYS: &str = "stays at ";

/// A moment, in milliseconds since 1970: what is stored.
pub type Millis = i64;

/// Of a VM in a passing state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VmClock {
    /// When it moves on.
    pub due: Millis,
}

/// Of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceClock {
    /// By role name.
    #[serde(default)]
    pub roles: BTreeMap<String, RoleClock>,
    /// When its policies are looked at again; nothing where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_poll: Option<Millis>,
    /// The last decisions, oldest first.
    #[serde(default)]
    pub decisions: VecDeque<Decision>,
}

/// Of a role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleClock {
    /// The nodes that a scaling waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaited: Vec<Id>,
    /// How long the cooldown after the scaling is, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Millis>,
    /// When the cooldown ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<Millis>,
    /// Of each elasticity policy, in order.
    #[serde(default)]
    pub elasticity: Vec<PolicyClock>,
    /// Of each scheduled policy, in order.
    #[serde(default)]
    pub scheduled: Vec<PolicyClock>,
}

/// Of a policy: OneFlow's own words for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyClock {
    /// When it was last evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_eval: Option<Millis>,
    /// How often it was true without a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_evals: Option<u64>,
    /// The expression with each name's average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression_evaluated: Option<String>,
}

/// Something the engine did, or would have done, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: Millis,
    /// For which role.
    pub role: String,
    /// What and why, for people.
    pub text: String,
}

impl VmClock {
    /// The clock of a VM, where it has one.
    pub fn read(draft: &Draft<'_>, vm: Id) -> Option<Self> {
        serde::Deserialize::deserialize(draft.get(Kind::VmClock, vm)?).ok()
    }

    /// Stores it.
    pub fn write(&self, draft: &mut Draft<'_>, vm: Id) {
        draft.set(Kind::VmClock, vm, serde_json::json!({"due": self.due}));
    }
}

impl ServiceClock {
    /// The clock of a service; a new one where there is none that can be read.
    pub fn read(draft: &Draft<'_>, service: Id) -> Self {
        let stored = draft.get(Kind::ServiceClock, service);
        stored
            .and_then(|value| Self::deserialize(value).ok())
            .unwrap_or_default()
    }

    /// Stores it, where it differs from what is stored. Whether it did.
    pub fn write(&self, draft: &mut Draft<'_>, service: Id) -> bool {
        let stored = draft.get(Kind::ServiceClock, service);
        // Plain text, numbers and lists: this cannot fail.
        let Ok(value) = serde_json::to_value(self) else {
            return false;
        };
        let differs = match stored {
            None => *self != Self::default(),
            Some(stored) => *stored != value,
        };
        if differs {
            draft.set(Kind::ServiceClock, service, value);
        }
        differs
    }

    /// Notes a decision. A role that stays as it is, as it did the last time, gets no second line.
    pub fn decide(&mut self, now: Timestamp, role: &str, text: String) {
        let stays = |text: &str| text.starts_with(STAYS);
        let last = self
            .decisions
            .iter_mut()
            .rev()
            .find(|decision| decision.role == role);
        let decision = Decision {
            at: now.as_millisecond(),
            role: role.to_string(),
            text,
        };
        match last {
            Some(last) if stays(&last.text) && stays(&decision.text) => *last = decision,
            _ => self.decisions.push_back(decision),
        }
        while self.decisions.len() > DECISIONS {
            self.decisions.pop_front();
        }
    }
}

impl RoleClock {
    /// Makes a clock for each policy of a role, from what a dumped service says of it where there is none yet.
    pub fn seed(&mut self, role: &Value) {
        for (clocks, key) in [
            (&mut self.elasticity, "elasticity_policies"),
            (&mut self.scheduled, "scheduled_policies"),
        ] {
            let known = clocks.len();
            let policies = role
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            clocks.extend(policies.skip(known).map(|policy| {
                let seconds = policy.get("last_eval").and_then(Value::as_i64);
                PolicyClock {
                    last_eval: seconds.map(|seconds| seconds.saturating_mul(1000)),
                    true_evals: policy.get("true_evals").and_then(Value::as_u64),
                    expression_evaluated: None,
                }
            }));
        }
    }

    /// Begins a scaling: what it waits for, and the cooldown after it. Every policy counts anew.
    pub fn begin_scaling(&mut self, awaited: Vec<Id>, cooldown: Duration) {
        self.awaited = awaited;
        self.cooldown = Some(millis(cooldown));
        for policy in self.elasticity.iter_mut().chain(&mut self.scheduled) {
            policy.true_evals = None;
        }
    }
}

/// A length of time as it is stored.
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
