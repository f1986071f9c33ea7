//! Policies as a role's document has them: read and checked as OneFlow does when a service is made
//! (docs/elasticity.md, "Policies"), and what each makes of a cardinality.

use super::expression::{Expression, SyntaxError};
use super::misspelt;
use super::schedule::{Schedule, ScheduleError};
use super::service::{integer, natural};
use crate::objects::message::shown;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// What an adjustment does to a cardinality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjust {
    /// Adds.
    Change(i64),
    /// Sets.
    Cardinality(i64),
    /// Takes a percentage of it, but at least so many.
    Percentage(i64, i64),
}

impl Adjust {
    /// The new cardinality: up to `max_vms`, down to `min_vms`. A role above its maximum is not cut down to it.
    pub fn target(self, cardinality: u32, min_vms: u32, max_vms: u32) -> u32 {
        let now = i64::from(cardinality);
        let wanted = match self {
            Self::Change(by) => now.saturating_add(by),
            Self::Cardinality(to) => to,
            Self::Percentage(percent, least) => {
                let by = now.saturating_mul(percent) / 100;
                let least = least.max(1);
                let by = if percent > 0 {
                    by.max(least)
                } else {
                    by.min(-least)
                };
                now.saturating_add(by)
            }
        };
        let wanted = if wanted > now {
            wanted.min(i64::from(max_vms).max(now))
        } else {
            wanted.max(i64::from(min_vms)).min(now)
        };
        u32::try_from(wanted).unwrap_or(cardinality)
    }

    /// How it is written in a decision: `CHANGE 1`.
    pub fn describe(self) -> String {
        match self {
            Self::Change(by) => format!("CHANGE {by}"),
            Self::Cardinality(to) => format!("CARDINALITY {to}"),
            Self::Percentage(percent, _) => format!("PERCENTAGE_CHANGE {percent}"),
        }
    }
}

/// A policy: what it does, and when.
#[derive(Debug)]
pub struct Policy<W> {
    /// When it wants to.
    pub when: W,
    /// What it does.
    pub adjust: Adjust,
    /// The cooldown after it.
    pub cooldown: Option<Duration>,
}

/// When an elasticity policy wants to.
#[derive(Debug)]
pub struct Measured {
    /// The condition.
    pub expression: Arc<Expression>,
    /// How long to leave it alone after an evaluation, in seconds.
    pub period: u64,
    /// How often it has to be true without a break.
    pub period_number: u64,
}

/// An elasticity policy, or what its expression says and what is wrong with the policy.
pub type Elasticity = Result<Policy<Measured>, (String, PolicyError)>;
/// A scheduled policy, or what is wrong with it.
pub type Scheduled = Result<Policy<Arc<Schedule>>, PolicyError>;

/// What OneFlow would refuse in a policy or a role.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// There is no `expression`.
    #[error("expression is missing")]
    NoExpression,
    /// The `expression` is no text.
    #[error("expression has to be a text")]
    ExpressionNotText,
    /// It is an empty one.
    #[error("expression is empty")]
    EmptyExpression,
    /// It cannot be read.
    #[error("expression {0:?}: {1}")]
    Expression(String, SyntaxError),
    /// The `recurrence` or `start_time` cannot be read.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A scheduled policy has both or neither of them.
    #[error("exactly one of recurrence and start_time is wanted")]
    NotOneSchedule,
    /// This key is no number from 0 on.
    #[error("{0} has to be a number from 0 on")]
    NotNatural(&'static str),
    /// `adjust` is no number.
    #[error("adjust has to be a number")]
    Adjust,
    /// `min_adjust_step` is below 1, or no number.
    #[error("min_adjust_step has to be at least 1")]
    MinAdjustStep,
    /// `type` is none of the three.
    #[error("type has to be CHANGE, CARDINALITY or PERCENTAGE_CHANGE")]
    Type,
}

/// Reads policies, and keeps what it read: the same expressions and schedules come again at every poll.
#[derive(Debug)]
pub struct PolicyReader {
    expressions: Cache<Expression>,
    recurrences: Cache<Schedule>,
    start_times: Cache<Schedule>,
    /// Where the server stands, for dates and cron.
    pub zone: TimeZone,
}

/// What was read, by what it was written as.
type Cache<T> = HashMap<String, Result<Arc<T>, PolicyError>>;

fn cached<T>(
    cache: &mut Cache<T>,
    text: &str,
    read: impl FnOnce(&str) -> Result<T, PolicyError>,
) -> Result<Arc<T>, PolicyError> {
    if let Some(known) = cache.get(text) {
        return known.clone();
    }
    let read = read(text).map(Arc::new);
    cache.insert(text.to_string(), read.clone());
    read
}

impl PolicyReader {
    /// One that reads dates and cron in this zone.
    pub fn new(zone: TimeZone) -> Self {
        let (expressions, recurrences, start_times) = Default::default();
        Self {
            expressions,
            recurrences,
            start_times,
            zone,
        }
    }

    /// Reads an elasticity policy.
    pub fn elasticity(&mut self, policy: &Value) -> Elasticity {
        let text = policy.get("expression").and_then(Value::as_str);
        self.measured(policy)
            .map_err(|error| (text.unwrap_or_default().to_string(), error))
    }

    fn measured(&mut self, policy: &Value) -> Result<Policy<Measured>, PolicyError> {
        let text = match policy.get("expression") {
            Some(Value::String(text)) => text,
            Some(_) => return Err(PolicyError::ExpressionNotText),
            None => return Err(PolicyError::NoExpression),
        };
        let expression = cached(&mut self.expressions, text, |text| {
            Expression::parse(text).map_err(|error| match text {
                "" => PolicyError::EmptyExpression,
                _ => PolicyError::Expression(text.to_string(), error),
            })
        })?;
        let when = Measured {
            expression,
            period: number(policy, "period")?.unwrap_or(0),
            period_number: number(policy, "period_number")?.unwrap_or(0),
        };
        policy_that(when, policy)
    }

    /// Reads a scheduled policy.
    pub fn scheduled(&mut self, policy: &Value) -> Scheduled {
        let text = |key: &str| match policy.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        let when = match (text("recurrence"), text("start_time")) {
            (Some(text), None) => cached(&mut self.recurrences, &text, |text| {
                Ok(Schedule::recurrence(text)?)
            })?,
            (None, Some(text)) => cached(&mut self.start_times, &text, |text| {
                Ok(Schedule::start_time(text, &self.zone)?)
            })?,
            _ => return Err(PolicyError::NotOneSchedule),
        };
        policy_that(when, policy)
    }
}

fn policy_that<W>(when: W, policy: &Value) -> Result<Policy<W>, PolicyError> {
    Ok(Policy {
        when,
        adjust: adjust(policy)?,
        cooldown: number(policy, "cooldown")?.map(Duration::from_secs),
    })
}

/// The elasticity or scheduled policies of a role as they stand in its document.
pub fn listed<'v>(role: &'v Value, key: &str) -> &'v [Value] {
    role.get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn adjust(policy: &Value) -> Result<Adjust, PolicyError> {
    let by = integer(policy.get("adjust")).ok_or(PolicyError::Adjust)?;
    let least = match policy.get("min_adjust_step") {
        None => 1,
        step => integer(step)
            .filter(|step| *step >= 1)
            .ok_or(PolicyError::MinAdjustStep)?,
    };
    match policy.get("type").and_then(Value::as_str) {
        Some("CHANGE") => Ok(Adjust::Change(by)),
        Some("CARDINALITY") => Ok(Adjust::Cardinality(by)),
        Some("PERCENTAGE_CHANGE") => Ok(Adjust::Percentage(by, least)),
        _ => Err(PolicyError::Type),
    }
}

fn number(object: &Value, key: &'static str) -> Result<Option<u64>, PolicyError> {
    match object.get(key) {
        None => Ok(None),
        value => natural(value).map(Some).ok_or(PolicyError::NotNatural(key)),
    }
}

/// What OneFlow would refuse in a role, in words: each with the policy it stands in, if it does.
pub fn problems(reader: &mut PolicyReader, role: &Value) -> Vec<String> {
    let mut problems = misspelt::keys(role, misspelt::OF_ROLE);
    let mut numbers = HashMap::new();
    for key in ["cardinality", "min_vms", "max_vms", "cooldown"] {
        match number(role, key) {
            Ok(number) => numbers.extend(number.map(|number| (key, number))),
            Err(why) => problems.push(why.to_string()),
        }
    }
    let number = |key| numbers.get(key).copied();
    for (low, high) in [
        ("min_vms", "max_vms"),
        ("min_vms", "cardinality"),
        ("cardinality", "max_vms"),
    ] {
        let pair = number(low).zip(number(high));
        if let Some((least, most)) = pair.filter(|(least, most)| least > most) {
            problems.push(format!("{low} {least} is above {high} {most}"));
        }
    }
    for key in ["elasticity_policies", "scheduled_policies"] {
        let policies = match role.get(key) {
            None => continue,
            Some(Value::Array(policies)) => policies,
            Some(_) => {
                problems.push(format!("{key} has to be a list"));
                continue;
            }
        };
        if !policies.is_empty() && number("min_vms").zip(number("max_vms")).is_none() {
            problems.push(format!("a role with {key} needs min_vms and max_vms"));
        }
        for (index, policy) in policies.iter().enumerate() {
            let error = if key == "elasticity_policies" {
                reader.elasticity(policy).err().map(|(_, error)| error)
            } else {
                reader.scheduled(policy).err()
            };
            let error = error.map(|error| error.to_string());
            let found = misspelt::keys(policy, misspelt::OF_POLICY);
            let found = error.into_iter().chain(found);
            problems.extend(found.map(|why| format!("{key}[{index}]: {why}")));
        }
    }
    problems
}

/// The parents of a role that the service does not have: it would wait for them for ever.
pub fn orphaned(role: &Value, roles: &[Value]) -> Vec<String> {
    let parents = match role.get("parents") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(parents)) => parents,
        Some(_) => return vec!["parents has to be a list".to_owned()],
    };
    let is_there = |parent: &&Value| roles.iter().any(|role| role.get("name") == Some(parent));
    let missing = parents.iter().filter(|parent| !is_there(parent));
    missing
        .map(|parent| {
            let name = shown(&parent.to_string(), 100);
            format!("parents: there is no role {name}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjustments_stay_within_the_limits() {
        use Adjust::{Cardinality, Change, Percentage};
        for (adjust, cardinality, min, max, target) in [
            (Change(2), 1, 1, 5, 3),
            (Change(5), 2, 1, 3, 3),
            (Change(-5), 3, 1, 4, 1),
            (Change(1), 5, 1, 3, 5),
            (Change(-1), 5, 1, 3, 4),
            (Change(0), 2, 1, 3, 2),
            (Change(i64::MAX), 2, 1, 3, 3),
            (Change(i64::MIN), 2, 0, 3, 0),
            (Cardinality(0), 2, 0, 4, 0),
            (Cardinality(1), 3, 2, 4, 2),
            (Cardinality(2), 2, 1, 4, 2),
            (Cardinality(-1), 2, 0, 4, 0),
            (Percentage(10, 2), 2, 1, 9, 4),
            (Percentage(100, 1), 2, 1, 9, 4),
            (Percentage(10, 1), 2, 1, 9, 3),
            (Percentage(0, 1), 2, 1, 3, 1),
            (Percentage(0, 1), 2, 2, 3, 2),
            (Percentage(-50, 1), 5, 1, 9, 3),
            (Percentage(i64::MAX, 1), 5, 1, 9, 9),
        ] {
            let got = adjust.target(cardinality, min, max);
            assert_eq!(got, target, "{adjust:?} of {cardinality} in {min}..{max}");
        }
    }
}
