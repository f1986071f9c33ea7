//! Policies as a role's document has them: read and checked as OneFlow does when a service is made
//! (server-lite/tests/fixtures/elasticity.jsonl, case `creation_checks_elasticity`), and what each makes of a
//! cardinality.

use super::expression::Expression;
use super::schedule::Schedule;
use super::service::{self, body, integer};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

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

/// Texts that were read once: expressions and schedules by what they were written as.
#[derive(Debug)]
pub struct Texts {
    expressions: HashMap<String, Result<Arc<Expression>, String>>,
    recurrences: HashMap<String, Result<Arc<Schedule>, String>>,
    start_times: HashMap<String, Result<Arc<Schedule>, String>>,
    /// Where the server stands, for dates and cron.
    pub zone: TimeZone,
}

impl Texts {
    /// None read yet.
    pub fn new(zone: TimeZone) -> Self {
        let (expressions, recurrences, start_times) = Default::default();
        Self {
            expressions,
            recurrences,
            start_times,
            zone,
        }
    }

    /// Reads an elasticity policy; the error says what is wrong with it.
    pub fn elasticity(&mut self, policy: &Value) -> Result<Policy<Measured>, String> {
        let expression = match policy.get("expression") {
            Some(Value::String(text)) => self.expression(text)?,
            Some(_) => return Err("expression has to be a text".into()),
            None => return Err("expression is missing".into()),
        };
        let when = Measured {
            expression,
            period: natural(policy, "period")?.unwrap_or(0),
            period_number: natural(policy, "period_number")?.unwrap_or(0),
        };
        Ok(Policy {
            when,
            adjust: adjust(policy)?,
            cooldown: natural(policy, "cooldown")?.map(Duration::from_secs),
        })
    }

    /// Reads a scheduled policy; the error says what is wrong with it.
    pub fn scheduled(&mut self, policy: &Value) -> Result<Policy<Arc<Schedule>>, String> {
        let text = |key: &str| match policy.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        let when = match (text("recurrence"), text("start_time")) {
            (Some(text), None) => {
                let read = self.recurrences.entry(text);
                read.or_insert_with_key(|text| Schedule::recurrence(text).map(Arc::new))
                    .clone()?
            }
            (None, Some(text)) => {
                let (read, zone) = (self.start_times.entry(text), &self.zone);
                read.or_insert_with_key(|text| Schedule::start_time(text, zone).map(Arc::new))
                    .clone()?
            }
            _ => return Err("exactly one of recurrence and start_time is wanted".into()),
        };
        Ok(Policy {
            when,
            adjust: adjust(policy)?,
            cooldown: natural(policy, "cooldown")?.map(Duration::from_secs),
        })
    }

    fn expression(&mut self, text: &str) -> Result<Arc<Expression>, String> {
        let read = self.expressions.entry(text.to_string());
        read.or_insert_with_key(|text| match Expression::parse(text) {
            Ok(expression) => Ok(Arc::new(expression)),
            Err(_) if text.is_empty() => Err("expression is empty".to_string()),
            Err(error) => Err(format!("expression {text:?}: {error}")),
        })
        .clone()
    }
}

/// The elasticity or scheduled policies of a role as they stand in its document.
pub fn listed<'v>(service: &'v Value, role: usize, key: &str) -> &'v [Value] {
    let role = body(service).and_then(|body| body.get("roles")?.get(role));
    role.and_then(|role| role.get(key)?.as_array())
        .map_or(&[], Vec::as_slice)
}

fn adjust(policy: &Value) -> Result<Adjust, String> {
    let by = integer(policy.get("adjust")).ok_or("adjust has to be a number")?;
    let least = match policy.get("min_adjust_step") {
        None => 1,
        step => integer(step)
            .filter(|step| *step >= 1)
            .ok_or("min_adjust_step has to be at least 1")?,
    };
    match policy.get("type").and_then(Value::as_str) {
        Some("CHANGE") => Ok(Adjust::Change(by)),
        Some("CARDINALITY") => Ok(Adjust::Cardinality(by)),
        Some("PERCENTAGE_CHANGE") => Ok(Adjust::Percentage(by, least)),
        _ => Err("type has to be CHANGE, CARDINALITY or PERCENTAGE_CHANGE".into()),
    }
}

fn natural(object: &Value, key: &str) -> Result<Option<u64>, String> {
    match object.get(key) {
        None => Ok(None),
        value => service::natural(value)
            .map(Some)
            .ok_or_else(|| format!("{key} has to be a number from 0 on")),
    }
}

/// What OneFlow would refuse in a role: each with the policy it stands in, if it does.
pub fn problems(texts: &mut Texts, role: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut numbers = HashMap::new();
    for key in ["cardinality", "min_vms", "max_vms", "cooldown"] {
        match natural(role, key) {
            Ok(number) => numbers.extend(number.map(|number| (key, number))),
            Err(why) => problems.push(why),
        }
    }
    let number = |key| numbers.get(key).copied();
    let (min, max) = (number("min_vms"), number("max_vms"));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        problems.push(format!("min_vms {min} is above max_vms {max}"));
    }
    if let (Some(min), Some(cardinality)) = (min, number("cardinality"))
        && min > cardinality
    {
        problems.push(format!("cardinality {cardinality} is below min_vms {min}"));
    }
    if let (Some(max), Some(cardinality)) = (max, number("cardinality"))
        && cardinality > max
    {
        problems.push(format!("cardinality {cardinality} is above max_vms {max}"));
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
        if !policies.is_empty() && (min.is_none() || max.is_none()) {
            problems.push(format!("{key} need min_vms and max_vms"));
        }
        for (index, policy) in policies.iter().enumerate() {
            let read = if key == "elasticity_policies" {
                texts.elasticity(policy).err()
            } else {
                texts.scheduled(policy).err()
            };
            problems.extend(read.map(|why| format!("{key}[{index}]: {why}")));
        }
    }
    problems
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
