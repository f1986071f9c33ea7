//! A poll: the policies of every role of every running service, evaluated (docs/elasticity.md, "Polls").
//!
//! What is true is counted in the [`PolicyClock`]s; the first policy that makes a difference scales its role and ends
//! the role's turn. One that is refused does not: unlike the real one, it starves nobody.

use super::clock::{PolicyClock, STAYS};
use super::measure::averages;
use super::policy::{Measured, Policy};
use super::service::{Role, Service, ServiceState, state};
use super::{Tick, later, scaling};
use crate::store::state::{Draft, Kind};
use jiff::Timestamp;
use std::cmp::Ordering;
use std::time::Duration;

/// Evaluates every running service once.
pub(super) fn poll(tick: &mut Tick<'_, '_>) {
    for id in tick.draft.ids(Kind::Service) {
        if state(tick.draft, id) != Some(ServiceState::Running) {
            continue;
        }
        let Some(mut service) = tick.open(id) else {
            continue;
        };
        let mut evaluated = false;
        for index in 0..service.roles.len() {
            evaluated |= evaluate(tick, &mut service, index);
        }
        if evaluated {
            let next = later(tick.now, tick.timings.interval);
            service.clock.next_poll = Some(next.as_millisecond());
            service.write(tick.draft);
        }
    }
}

/// The cardinality that a policy wants, and why.
struct Wish {
    target: u32,
    /// Why it is not more or less: `, as max_vms is 4`.
    limit: String,
    cooldown: Option<Duration>,
    reason: String,
}

impl Wish {
    fn of<T>(policy: &Policy<T>, role: &Role, reason: String) -> Self {
        let now = role.cardinality;
        let (min, max) = (role.min_vms.unwrap_or(0), role.max_vms.unwrap_or(u32::MAX));
        let limit = match policy.adjust.target(now, 0, u32::MAX).cmp(&now) {
            Ordering::Greater => format!(", as max_vms is {max}"),
            Ordering::Less => format!(", as min_vms is {min}"),
            Ordering::Equal => String::new(),
        };
        Self {
            target: policy.adjust.target(now, min, max),
            limit,
            cooldown: policy.cooldown,
            reason,
        }
    }
}

/// A role's turn. Whether anything was evaluated.
fn evaluate(tick: &mut Tick<'_, '_>, service: &mut Service, index: usize) -> bool {
    let role = &service.roles[index];
    if role.state != Some(ServiceState::Running) || role.is_vrouter {
        return false;
    }
    if let Some(target) = role.min_vms.filter(|min| role.cardinality < *min) {
        let wish = Wish {
            target,
            limit: String::new(),
            cooldown: None,
            reason: format!("below min_vms {target}"),
        };
        grant(tick, service, index, wish);
        return true;
    }
    for number in 0..role.scheduled.len() {
        let wish = due(&mut service.roles[index], number, tick);
        if wish.is_some_and(|wish| grant(tick, service, index, wish)) {
            return true;
        }
    }
    let averages = due_averages(tick.draft, &service.roles[index], tick.now);
    for number in 0..service.roles[index].elasticity.len() {
        let wish = measure(&mut service.roles[index], number, &averages, tick.now);
        if wish.is_some_and(|wish| grant(tick, service, index, wish)) {
            return true;
        }
    }
    let clock = &service.roles[index].clock;
    let now = Some(tick.now.as_millisecond());
    let mut policies = clock.scheduled.iter().chain(&clock.elasticity);
    policies.any(|policy| policy.last_eval == now)
}

/// The averages of every name in the policies whose time has come, in one pass over the nodes.
fn due_averages(draft: &Draft<'_>, role: &Role, now: Timestamp) -> Vec<(String, Option<f64>)> {
    let mut names: Vec<&str> = role
        .elasticity
        .iter()
        .zip(&role.clock.elasticity)
        .filter_map(|(policy, clock)| Some(&policy.as_ref().ok()?.when).zip(Some(clock)))
        .filter(|(measured, clock)| is_due(measured, clock, now))
        .flat_map(|(measured, _)| measured.expression.names())
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

fn is_due(measured: &Measured, clock: &PolicyClock, now: Timestamp) -> bool {
    let period = i64::try_from(measured.period)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000);
    let now = now.as_millisecond();
    // One evaluated in the future is from before the clock was set back.
    clock
        .last_eval
        .is_none_or(|last| last > now || last.saturating_add(period) <= now)
}

/// Evaluates an elasticity policy if its period is over. One that cannot be read counts as false, and says why where
/// its evaluation would stand.
fn measure(
    role: &mut Role,
    number: usize,
    averages: &[(String, Option<f64>)],
    now: Timestamp,
) -> Option<Wish> {
    let clock = &mut role.clock.elasticity[number];
    let policy = match &role.elasticity[number] {
        Ok(policy) if is_due(&policy.when, clock, now) => policy,
        Ok(_) => return None,
        Err((text, why)) => {
            *clock = PolicyClock {
                last_eval: Some(now.as_millisecond()),
                true_evals: Some(0),
                expression_evaluated: (!text.is_empty())
                    .then(|| format!("Parse error. '{text}': {why}")),
            };
            return None;
        }
    };
    let average = |name: &str| {
        let found = averages.iter().find(|(known, _)| known == name);
        found.and_then(|(_, average)| *average)
    };
    let Measured {
        expression,
        period_number: wanted,
        ..
    } = &policy.when;
    let evaluated = expression.evaluated(&average);
    let is_true = expression.is_true(&average);
    let times = clock.true_evals.unwrap_or(0).saturating_add(1);
    let counted = times.min(*wanted);
    let reason = format!(
        "{evaluated}, {counted} of {wanted} times (elasticity policy {number}, {})",
        policy.adjust.describe()
    );
    *clock = PolicyClock {
        last_eval: Some(now.as_millisecond()),
        true_evals: Some(if is_true { counted } else { 0 }),
        expression_evaluated: Some(evaluated),
    };
    (is_true && times >= *wanted).then(|| Wish::of(policy, role, reason))
}

/// Whether a scheduled policy was due since the last look. The first look only sets the clock.
fn due(role: &mut Role, number: usize, tick: &Tick<'_, '_>) -> Option<Wish> {
    let policy = role.scheduled[number].as_ref().ok()?;
    let zone = &tick.reader.zone;
    let last = &mut role.clock.scheduled[number].last_eval;
    let last = last.replace(tick.now.as_millisecond())?;
    let due = policy.when.due(last, tick.now, zone)?;
    let reason = format!(
        "due at {} (scheduled policy {number}, {})",
        due.to_zoned(zone.clone()).strftime("%F %T"),
        policy.adjust.describe()
    );
    Some(Wish::of(policy, role, reason))
}

/// Does what a policy wants, unless another role was scaled in this poll: then this one counts on, but waits. Whether
/// the role's turn is over.
fn grant(tick: &mut Tick<'_, '_>, service: &mut Service, index: usize, wish: Wish) -> bool {
    let Wish {
        target,
        limit,
        cooldown,
        reason,
    } = wish;
    let before = service.roles[index].cardinality;
    let scaled = match target == before {
        true => None,
        false if service.state == Some(ServiceState::Scaling) => return true,
        false => Some(scaling::scale(tick, service, index, target, cooldown)),
    };
    let counts = &mut *tick.decisions;
    let (count, text) = match &scaled {
        None => (
            &mut counts.at_limit,
            format!("{STAYS}{before}{limit}: {reason}"),
        ),
        Some(Ok(())) => (
            &mut counts.scaled,
            format!("{before} -> {target}: {reason}"),
        ),
        Some(Err(why)) => (
            &mut counts.refused,
            format!("{STAYS}{before}, not {target}, since {why}: {reason}"),
        ),
    };
    *count += 1;
    let role = &service.roles[index].name;
    service.clock.decide(tick.now, role, text);
    scaled.is_some_and(|scaled| scaled.is_ok())
}
