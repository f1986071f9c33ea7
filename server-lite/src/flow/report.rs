//! What an author wants to know of a running service: `onegate-server-lite service show`.

use super::clock::{Millis, PolicyClock};
use super::expression::Expression;
use super::measure::averages;
use super::policy::{PolicyReader, listed};
use super::service::{Role, Service, body};
use super::{later, vms};
use crate::objects::document::Id;
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// The engine's view of a service; `None` where there is none. Times are seconds since 1970, what is left of a time
/// is in seconds too. Policies have all that their document says, and OneFlow's `last_eval`, `true_evals` and
/// `expression_evaluated`. A role has the `averages` that its nodes have now, of all names in its elasticity policies,
/// and each of these policies the `comparisons` of a name with a number in its expression.
pub(super) fn report(
    draft: &Draft<'_>,
    reader: &mut PolicyReader,
    id: Id,
    now: Timestamp,
) -> Option<Value> {
    let service = Service::open(draft, reader, id)?;
    let document = draft.get(Kind::Service, id)?;
    let written = body(document)?.get("roles")?.as_array()?;
    let next_poll = service.clock.next_poll;
    let next_poll = next_poll.filter(|next| *next > now.as_millisecond());
    let moment = Moment { next_poll, now };
    let roles: Vec<Value> = service
        .roles
        .iter()
        .zip(written)
        .map(|(role, written)| {
            let mut shown = shown_role(draft, role, now);
            shown["elasticity_policies"] = moment.elasticity(role, written);
            shown["scheduled_policies"] = moment.scheduled(role, written, reader);
            shown
        })
        .collect();
    let decisions = service.clock.decisions.iter();
    let decisions: Vec<Value> = decisions
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

fn shown_role(draft: &Draft<'_>, role: &Role, now: Timestamp) -> Value {
    let node = |vm: Id| {
        let record = draft.get(Kind::Vm, vm);
        json!({
            "vm": vm,
            "name": record.and_then(|record| record.get("NAME")),
            "state": vms::state(draft, vm).map(|state| state.name()),
        })
    };
    let left = role.clock.cooldown_until;
    json!({
        "name": role.name,
        "state": role.state.map(|state| state.name()),
        "cardinality": role.cardinality,
        "min_vms": role.min_vms,
        "max_vms": role.max_vms,
        "cooldown_left": left.map(|until| seconds_left(until, now)),
        "nodes": role.nodes.iter().map(|n| node(n.vm)).collect::<Vec<Value>>(),
        "averages": shown_averages(draft, role),
    })
}

/// The averages of all names in a role's elasticity policies; null where no node has the attribute.
fn shown_averages(draft: &Draft<'_>, role: &Role) -> Value {
    let policies = role.elasticity.iter().flatten();
    let mut names = Vec::new();
    for name in policies.flat_map(|policy| policy.when.expression.names()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let averages = match names.is_empty() {
        true => Vec::new(),
        false => averages(draft, role, &names),
    };
    let named = names.into_iter().map(str::to_owned);
    Value::Object(named.zip(averages.into_iter().map(Value::from)).collect())
}

fn comparisons(expression: &Expression) -> Value {
    let all = expression.thresholds().into_iter();
    all.map(
        |found| json!({"name": found.name, "operator": found.operator, "threshold": found.number}),
    )
    .collect()
}

/// When the report is made, and when the next poll comes.
struct Moment {
    next_poll: Option<Millis>,
    now: Timestamp,
}

impl Moment {
    fn elasticity(&self, role: &Role, written: &Value) -> Value {
        let policies = listed(written, "elasticity_policies").iter();
        let read = role.elasticity.iter().zip(&role.clock.elasticity);
        let shown = policies.zip(read).map(|(written, (policy, clock))| {
            let mut shown = evaluated(written, clock);
            match policy {
                Ok(policy) => {
                    let period = Duration::from_secs(policy.when.period);
                    let last = clock.last_eval;
                    let last = last.and_then(|last| Timestamp::from_millisecond(last).ok());
                    let due = last.map(|last| later(last, period).as_millisecond());
                    let next = self.next_poll.map(|poll| poll.max(due.unwrap_or(poll)));
                    shown["next_eval_in"] = next.map(|at| seconds_left(at, self.now)).into();
                    shown["comparisons"] = comparisons(&policy.when.expression);
                }
                Err((_, why)) => {
                    shown["problem"] = why.to_string().into();
                    shown["comparisons"] = json!([]);
                }
            }
            shown
        });
        shown.collect()
    }

    fn scheduled(&self, role: &Role, written: &Value, reader: &PolicyReader) -> Value {
        let policies = listed(written, "scheduled_policies").iter();
        let read = role.scheduled.iter().zip(&role.clock.scheduled);
        let shown = policies.zip(read).map(|(written, (policy, clock))| {
            let mut shown = evaluated(written, clock);
            match policy {
                Ok(policy) => {
                    let last = clock.last_eval.unwrap_or(self.now.as_millisecond());
                    let next = policy.when.next(last, &reader.zone);
                    shown["next_due"] = next.map(Timestamp::as_second).into();
                }
                Err(why) => shown["problem"] = why.to_string().into(),
            }
            shown
        });
        shown.collect()
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
