//! A poll: the policies of every role of every running service, evaluated.
//!
//! What is true is counted in the [`PolicyClock`]s; the first policy that makes a difference scales its role and ends
//! the role's turn. One that is refused does not: unlike the real one, it starves nobody.

use super::clock::{PolicyClock, RoleClock, STAYS, ServiceClock};
use super::measure::averages;
use super::policy::{Adjust, Measured, Policy, Texts, listed};
use super::service::{Role, Service, State};
use super::{Options, later, watch};
use crate::objects::document::Id;
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

/// Evaluates every running service once.
pub(super) fn poll(draft: &mut Draft<'_>, texts: &mut Texts, options: &Options, now: Timestamp) {
    for id in draft.ids(Kind::Service) {
        let Some(service) = Service::read(draft, id) else {
            continue;
        };
        if service.state != Some(State::Running) {
            continue;
        }
        let stored = ServiceClock::read(draft, id);
        let mut turn = Turn {
            id,
            clock: stored.clone(),
            scaled: false,
            texts,
            options,
            now,
        };
        for (index, role) in service.roles.iter().enumerate() {
            turn.evaluate(draft, role, index);
        }
        let mut clock = turn.clock;
        if clock != stored {
            clock.next_poll = Some(later(now, options.interval).as_millisecond());
            clock.write(draft, id);
        }
    }
}

/// One service's turn in a poll.
struct Turn<'t> {
    id: Id,
    clock: ServiceClock,
    /// A role was scaled: the others count on, but wait.
    scaled: bool,
    texts: &'t mut Texts,
    options: &'t Options,
    now: Timestamp,
}

/// Why a role is to be scaled, and how.
struct Wish {
    adjust: Adjust,
    cooldown: Option<Duration>,
    reason: String,
}

impl Turn<'_> {
    fn evaluate(&mut self, draft: &mut Draft<'_>, role: &Role, index: usize) {
        if role.state != Some(State::Running) || role.is_vrouter {
            return;
        }
        if let Some(min) = role.min_vms.filter(|min| role.cardinality < *min) {
            self.scale(
                draft,
                role,
                index,
                min,
                None,
                &format!("below min_vms {min}"),
            );
            return;
        }
        let Some(service) = draft.get(Kind::Service, self.id) else {
            return;
        };
        let mut elasticity = Vec::new();
        for policy in listed(service, index, "elasticity_policies") {
            elasticity.push((policy.clone(), self.texts.elasticity(policy)));
        }
        let mut scheduled = Vec::new();
        for policy in listed(service, index, "scheduled_policies") {
            scheduled.push((policy.clone(), self.texts.scheduled(policy)));
        }
        if elasticity.is_empty() && scheduled.is_empty() {
            return;
        }
        let clock = self.clock.role(&role.name);
        seed(
            &mut clock.elasticity,
            elasticity.iter().map(|(policy, _)| policy),
        );
        seed(
            &mut clock.scheduled,
            scheduled.iter().map(|(policy, _)| policy),
        );
        for (number, (_, policy)) in scheduled.iter().enumerate() {
            let Ok(policy) = policy else { continue };
            let clock = &mut self.clock.role(&role.name).scheduled[number];
            if let Some(wish) = due(policy, number, clock, self.texts, self.now)
                && self.grant(draft, role, index, wish)
            {
                return;
            }
        }
        let averages = self.averages(draft, role, &elasticity);
        let average = |name: &str| {
            let found = averages.iter().find(|(known, _)| known == name);
            found.and_then(|(_, average)| *average)
        };
        for (number, (written, policy)) in elasticity.iter().enumerate() {
            let clock = &mut self.clock.role(&role.name).elasticity[number];
            let wish = match policy {
                Ok(policy) => measure(policy, number, clock, &average, self.now),
                Err(why) => {
                    not_understood(written, why, clock, self.now);
                    None
                }
            };
            if let Some(wish) = wish
                && self.grant(draft, role, index, wish)
            {
                return;
            }
        }
    }

    /// The averages of every name in the policies whose time has come, in one pass over the nodes.
    fn averages(
        &mut self,
        draft: &Draft<'_>,
        role: &Role,
        policies: &[(Value, Result<Policy<Measured>, String>)],
    ) -> Vec<(String, Option<f64>)> {
        let clock: &RoleClock = self.clock.role(&role.name);
        let mut names: Vec<&str> = policies
            .iter()
            .zip(&clock.elasticity)
            .filter_map(|((_, policy), clock)| Some((policy.as_ref().ok()?, clock)))
            .filter(|(policy, clock)| is_due(policy, clock, self.now))
            .flat_map(|(policy, _)| policy.when.expression.names())
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Vec::new();
        }
        let averages = averages(draft, role, &names);
        names
            .into_iter()
            .map(str::to_string)
            .zip(averages)
            .collect()
    }

    /// Does what a policy wants; whether that made a difference.
    fn grant(&mut self, draft: &mut Draft<'_>, role: &Role, index: usize, wish: Wish) -> bool {
        let (min, max) = (role.min_vms.unwrap_or(0), role.max_vms.unwrap_or(u32::MAX));
        let target = wish.adjust.target(role.cardinality, min, max);
        if target != role.cardinality {
            return self.scale(draft, role, index, target, wish.cooldown, &wish.reason);
        }
        let unlimited = wish.adjust.target(role.cardinality, 0, u32::MAX);
        let limit = match unlimited.cmp(&role.cardinality) {
            Ordering::Greater => format!(", as max_vms is {max}"),
            Ordering::Less => format!(", as min_vms is {min}"),
            Ordering::Equal => String::new(),
        };
        let text = format!("{STAYS}{}{limit}: {}", role.cardinality, wish.reason);
        self.clock.decide(self.now, &role.name, text);
        false
    }

    fn scale(
        &mut self,
        draft: &mut Draft<'_>,
        role: &Role,
        index: usize,
        target: u32,
        cooldown: Option<Duration>,
        reason: &str,
    ) -> bool {
        if self.scaled {
            return true;
        }
        let cooldown = cooldown.unwrap_or_else(|| self.options.cooldown_of(role));
        let change = format!("{} -> {target}", role.cardinality);
        let clock = &mut self.clock;
        let (options, now) = (self.options, self.now);
        match watch::scale(
            draft, self.id, role, index, target, cooldown, clock, options, now,
        ) {
            Ok(()) => {
                self.scaled = true;
                self.clock
                    .decide(now, &role.name, format!("{change}: {reason}"));
                true
            }
            Err(why) => {
                let text = format!(
                    "{STAYS}{}, not {target}, since {why}: {reason}",
                    role.cardinality
                );
                self.clock.decide(now, &role.name, text);
                false
            }
        }
    }
}

/// Makes a clock for each policy, from what a dumped service says of it where there is none yet.
fn seed<'p>(clocks: &mut Vec<PolicyClock>, policies: impl Iterator<Item = &'p Value>) {
    let known = clocks.len();
    clocks.extend(policies.skip(known).map(|policy| {
        let seconds = policy.get("last_eval").and_then(Value::as_i64);
        PolicyClock {
            last_eval: seconds.map(|seconds| seconds.saturating_mul(1000)),
            true_evals: policy.get("true_evals").and_then(Value::as_u64),
            expression_evaluated: None,
        }
    }));
}

fn is_due(policy: &Policy<Measured>, clock: &PolicyClock, now: Timestamp) -> bool {
    let period = i64::try_from(policy.when.period)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000);
    let now = now.as_millisecond();
    // One evaluated in the future is from before the clock was set back.
    clock
        .last_eval
        .is_none_or(|last| last > now || last.saturating_add(period) <= now)
}

/// Evaluates an elasticity policy if its period is over.
fn measure(
    policy: &Policy<Measured>,
    number: usize,
    clock: &mut PolicyClock,
    average: &impl Fn(&str) -> Option<f64>,
    now: Timestamp,
) -> Option<Wish> {
    if !is_due(policy, clock, now) {
        return None;
    }
    let Measured {
        expression,
        period_number,
        ..
    } = &policy.when;
    let evaluated = expression.evaluated(average);
    let before = clock.true_evals.unwrap_or(0);
    let is_true = expression.is_true(average);
    let times = before.saturating_add(1);
    clock.true_evals = Some(if is_true {
        times.min(*period_number)
    } else {
        0
    });
    clock.last_eval = Some(now.as_millisecond());
    let reason = format!(
        "{evaluated}, {} of {period_number} times (elasticity policy {number}, {})",
        times.min(*period_number),
        policy.adjust.describe()
    );
    clock.expression_evaluated = Some(evaluated);
    (is_true && times >= *period_number).then_some(Wish {
        adjust: policy.adjust,
        cooldown: policy.cooldown,
        reason,
    })
}

/// A policy that cannot be read counts as false, and says why where its evaluation would stand.
fn not_understood(written: &Value, why: &str, clock: &mut PolicyClock, now: Timestamp) {
    let text = written
        .get("expression")
        .and_then(Value::as_str)
        .unwrap_or("");
    clock.last_eval = Some(now.as_millisecond());
    clock.true_evals = Some(0);
    clock.expression_evaluated =
        (!text.is_empty()).then(|| format!("Parse error. '{text}': {why}"));
}

/// Whether a scheduled policy was due since the last look. The first look only sets the clock.
fn due(
    policy: &Policy<Arc<super::schedule::Schedule>>,
    number: usize,
    clock: &mut PolicyClock,
    texts: &Texts,
    now: Timestamp,
) -> Option<Wish> {
    let last = clock.last_eval.replace(now.as_millisecond())?;
    let due = policy.when.due(last, now, &texts.zone)?;
    Some(Wish {
        adjust: policy.adjust,
        cooldown: policy.cooldown,
        reason: format!(
            "due at {} (scheduled policy {number}, {})",
            due.to_zoned(texts.zone.clone()).strftime("%F %T"),
            policy.adjust.describe()
        ),
    })
}
