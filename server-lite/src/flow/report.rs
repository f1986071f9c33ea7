//! What an author wants to know of a running service: `onegate-server-lite service show`.

use super::clock::{Millis, PolicyClock, ServiceClock};
use super::policy::{Texts, listed};
use super::service::{Role, Service};
use super::{later, vms};
use crate::objects::document::Id;
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// The engine's view of a service; `None` where there is none. Times are seconds since 1970, what is left of a time
/// is in seconds too. Policies have all that their document says, and OneFlow's `last_eval`, `true_evals` and
/// `expression_evaluated`.
pub(super) fn report(
    draft: &Draft<'_>,
    texts: &mut Texts,
    id: Id,
    now: Timestamp,
) -> Option<Value> {
    let service = Service::read(draft, id)?;
    let document = draft.get(Kind::Service, id)?;
    let clock = ServiceClock::read(draft, id);
    let next_poll = clock.next_poll.filter(|next| *next > now.as_millisecond());
    let mut reporter = Reporter {
        draft,
        texts,
        document,
        clock,
        next_poll,
        now,
    };
    let roles: Vec<Value> = service
        .roles
        .iter()
        .enumerate()
        .map(|(index, role)| reporter.role(role, index))
        .collect();
    let decisions: Vec<Value> = reporter
        .clock
        .decisions
        .iter()
        .map(|d| json!({"time": seconds(d.at), "role": d.role, "decision": d.text}))
        .collect();
    Some(json!({
        "id": id,
        "name": document.get("NAME"),
        "state": service.state.map(|state| state.name()),
        "ready_status_gate": service.ready_gate,
        "next_poll_in": next_poll.map(|at| seconds_left(at, now)),
        "roles": roles,
        "decisions": decisions,
    }))
}

struct Reporter<'r, 'd> {
    draft: &'r Draft<'d>,
    texts: &'r mut Texts,
    document: &'r Value,
    clock: ServiceClock,
    next_poll: Option<Millis>,
    now: Timestamp,
}

impl Reporter<'_, '_> {
    fn role(&mut self, role: &Role, index: usize) -> Value {
        let clock = self.clock.role(&role.name).clone();
        let nodes: Vec<Value> = role
            .nodes
            .iter()
            .map(|node| {
                let record = self.draft.get(Kind::Vm, node.vm);
                json!({
                    "vm": node.vm,
                    "name": record.and_then(|record| record.get("NAME")),
                    "state": vms::state(self.draft, node.vm).map(|state| state.name()),
                })
            })
            .collect();
        let elasticity = self.elasticity(index, &clock.elasticity);
        let scheduled = self.scheduled(index, &clock.scheduled);
        json!({
            "name": role.name,
            "state": role.state.map(|state| state.name()),
            "cardinality": role.cardinality,
            "min_vms": role.min_vms,
            "max_vms": role.max_vms,
            "cooldown_left": clock.cooldown_until.map(|until| seconds_left(until, self.now)),
            "nodes": nodes,
            "elasticity_policies": elasticity,
            "scheduled_policies": scheduled,
        })
    }

    fn elasticity(&mut self, role: usize, clocks: &[PolicyClock]) -> Vec<Value> {
        let mut policies = Vec::new();
        for (number, policy) in listed(self.document, role, "elasticity_policies")
            .iter()
            .enumerate()
        {
            let clock = clocks.get(number).cloned().unwrap_or_default();
            let mut shown = evaluated(policy, &clock);
            match self.texts.elasticity(policy) {
                Ok(policy) => {
                    let period = Duration::from_secs(policy.when.period);
                    let last = clock
                        .last_eval
                        .and_then(|last| Timestamp::from_millisecond(last).ok());
                    let due = last.map(|last| later(last, period).as_millisecond());
                    let next = self
                        .next_poll
                        .map(|poll| seconds_left(poll.max(due.unwrap_or(poll)), self.now));
                    shown["next_eval_in"] = next.into();
                }
                Err(why) => shown["problem"] = why.into(),
            }
            policies.push(shown);
        }
        policies
    }

    fn scheduled(&mut self, role: usize, clocks: &[PolicyClock]) -> Vec<Value> {
        let mut policies = Vec::new();
        for (number, policy) in listed(self.document, role, "scheduled_policies")
            .iter()
            .enumerate()
        {
            let clock = clocks.get(number).cloned().unwrap_or_default();
            let mut shown = evaluated(policy, &clock);
            match self.texts.scheduled(policy) {
                Ok(policy) => {
                    let last = clock.last_eval.unwrap_or(self.now.as_millisecond());
                    let next = policy.when.next(last, &self.texts.zone);
                    shown["next_due"] = next.map(Timestamp::as_second).into();
                }
                Err(why) => shown["problem"] = why.into(),
            }
            policies.push(shown);
        }
        policies
    }
}

/// A policy with what is known of its evaluations; what a dumped document says of them is history.
fn evaluated(policy: &Value, clock: &PolicyClock) -> Value {
    let mut shown = policy.clone();
    if let Some(shown) = shown.as_object_mut() {
        for key in ["last_eval", "true_evals", "expression_evaluated"] {
            shown.shift_remove(key);
        }
        let mut add = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                shown.insert(key.to_string(), value);
            }
        };
        add("last_eval", clock.last_eval.map(|at| seconds(at).into()));
        add("true_evals", clock.true_evals.map(Value::from));
        add(
            "expression_evaluated",
            clock.expression_evaluated.clone().map(Value::from),
        );
    }
    shown
}

fn seconds(at: Millis) -> i64 {
    at.div_euclid(1000)
}

/// Rounded to tenths; 0 once it is over.
fn seconds_left(until: Millis, now: Timestamp) -> f64 {
    let left = until.saturating_sub(now.as_millisecond()).max(0);
    (left as f64 / 100.0).round() / 10.0
}
