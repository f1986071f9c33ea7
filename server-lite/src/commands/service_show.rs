//! `onegate-server-lite service show ID --state DIR`: what a service's engine is about, for its author.
//!
//! A running server answers through its control socket, since its clock may have been put ahead; else the state directory
//! is read: all that the engine remembers is stored there.

use super::options::CommandOptions;
use super::{CommandError, control, lab};
use crate::cloud::embedded::Embedded;
use crate::flow::expression::float;
use crate::objects::document::Id;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// There is no such service, or its directory can't be read; in words.
pub fn run(options: &CommandOptions) -> Result<(), CommandError> {
    let directory = options.state.as_deref().unwrap_or(Path::new("."));
    let order = lab::order("service show", options);
    let mut told = Vec::<u8>::new();
    let asked = control::give(directory, &order, &mut |line| {
        told.extend(line);
        Ok(())
    });
    let text = match asked {
        Ok(Some(())) => {
            let report = serde_json::from_slice(&told).map_err(CommandError::failed)?;
            shown(&report, options.json)?
        }
        // What can't be had from the server is in its directory.
        _ => text(&super::read(options)?, options.id, options.json)?,
    };
    super::print(&text)
}

/// The service's text, or its JSON.
///
/// # Errors
/// There is no such service.
pub fn text(cloud: &Embedded, service: Id, json: bool) -> Result<String, CommandError> {
    shown(&report(cloud, service)?, json)
}

fn shown(report: &Value, json: bool) -> Result<String, CommandError> {
    if json {
        return serde_json::to_string_pretty(report).map_err(CommandError::failed);
    }
    Ok(render(report, &TimeZone::system()))
}

/// What the engine knows of a service.
///
/// # Errors
/// There is no such service.
pub(super) fn report(cloud: &Embedded, service: Id) -> Result<Value, CommandError> {
    cloud.report(service).ok_or_else(|| {
        let known: Vec<String> = cloud.services().iter().map(Id::to_string).collect();
        let there = match known.as_slice() {
            [] => "this cloud has none".to_owned(),
            known => format!("there is {}", known.join(", ")),
        };
        CommandError::Failed(format!("there is no service {service}: {there}"))
    })
}

fn render(report: &Value, zone: &TimeZone) -> String {
    let mut text = format!(
        "Service {}: {}, {}",
        report["id"],
        plain(&report["name"]),
        plain(&report["state"])
    );
    if let Some(left) = report["next_poll_in"].as_f64() {
        let _ = write!(text, "; next poll in {left} s");
    }
    text.push('\n');
    for role in items(&report["roles"]) {
        render_role(&mut text, role, zone);
    }
    text += "\nLast decisions:\n";
    for decision in items(&report["decisions"]) {
        let at = local(&decision["time"], zone, "%T");
        let _ = writeln!(
            text,
            "  {at}  {}  {}",
            plain(&decision["role"]),
            plain(&decision["decision"])
        );
    }
    if items(&report["decisions"]).is_empty() {
        text += "  none yet\n";
    }
    text.truncate(text.trim_end().len());
    text
}

fn render_role(text: &mut String, role: &Value, zone: &TimeZone) {
    let _ = write!(
        text,
        "\nRole {}: {}",
        plain(&role["name"]),
        plain(&role["state"])
    );
    if let Some(left) = role["cooldown_left"].as_f64() {
        let _ = write!(text, ", {left} s left");
    }
    let _ = write!(text, "; cardinality {}", role["cardinality"]);
    match (role["min_vms"].as_u64(), role["max_vms"].as_u64()) {
        (None, None) => {}
        (min, max) => {
            let limit = |number: Option<u64>| number.map_or("…".to_string(), |n| n.to_string());
            let _ = write!(text, " of {} to {}", limit(min), limit(max));
        }
    }
    text.push('\n');
    for node in items(&role["nodes"]) {
        let _ = writeln!(
            text,
            "  VM {:<6} {:<18} {}",
            node["vm"].to_string(),
            plain(&node["state"]),
            plain(&node["name"])
        );
    }
    if let Some(averages) = role["averages"].as_object()
        && !averages.is_empty()
    {
        let one = |(name, average): (&String, &Value)| match average.as_f64() {
            Some(average) => format!("{} {}", clean(name), float(average)),
            None => format!("{} --", clean(name)),
        };
        let all: Vec<String> = averages.iter().map(one).collect();
        let _ = writeln!(text, "  {:<24} {}", "average", all.join(", "));
    }
    for policy in items(&role["elasticity_policies"]) {
        let evaluated = match policy["expression_evaluated"].as_str() {
            Some(evaluated) => evaluated,
            None => policy["expression"].as_str().unwrap_or("?"),
        };
        let _ = write!(text, "  {:<24} {}", adjustment(policy), clean(evaluated));
        if let Some(problem) = policy["problem"].as_str() {
            let _ = writeln!(text, "\n  {:<24} never fires: {}", "", clean(problem));
            continue;
        }
        let times = policy["true_evals"].as_u64().unwrap_or(0);
        let wanted = whole(&policy["period_number"]);
        let _ = write!(text, "; true {times}/{wanted} times");
        if let Some(next) = policy["next_eval_in"].as_f64() {
            let _ = write!(text, ", next in {next} s");
        }
        text.push('\n');
    }
    for policy in items(&role["scheduled_policies"]) {
        let when = ["recurrence", "start_time"]
            .iter()
            .map(|key| &policy[*key])
            .find(|when| !when.is_null());
        let _ = write!(
            text,
            "  {:<24} {}",
            adjustment(policy),
            when.map_or("?".to_string(), plain)
        );
        if let Some(problem) = policy["problem"].as_str() {
            let _ = write!(text, "\n  {:<24} never fires: {}", "", clean(problem));
        } else if policy["next_due"].is_i64() {
            let _ = write!(text, "; next {}", local(&policy["next_due"], zone, "%F %T"));
        } else {
            *text += "; over";
        }
        text.push('\n');
    }
}

fn adjustment(policy: &Value) -> String {
    format!("{} {}", plain(&policy["type"]), plain(&policy["adjust"]))
}

/// A count as OneFlow takes it, number or text; 0 where absent.
fn whole(value: &Value) -> String {
    match value {
        Value::Null => "0".to_string(),
        value => plain(value),
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text),
        Value::Null => "?".to_string(),
        other => other.to_string(),
    }
}

/// Without control characters, which a terminal might obey.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn local(seconds: &Value, zone: &TimeZone, format: &str) -> String {
    let at = seconds
        .as_i64()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or("?".to_string(), |at| {
        at.to_zoned(zone.clone()).strftime(format).to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_is_readable() {
        let report = json!({
            "id": 1, "name": "web\u{1b}[2J", "state": "COOLDOWN", "ready_status_gate": false, "next_poll_in": 3.2,
            "roles": [{
                "name": "work", "state": "COOLDOWN", "cardinality": 2, "min_vms": 1, "max_vms": 4,
                "cooldown_left": 1.4,
                "nodes": [{"vm": 9, "name": "work_0_(service_1)", "state": "RUNNING"}],
                "averages": {"LOAD": 75, "FREE": null},
                "elasticity_policies": [
                    {"type": "CHANGE", "adjust": 1, "expression": "LOAD > 70", "period_number": 3, "true_evals": 2,
                        "expression_evaluated": "LOAD[90.0] > 70", "next_eval_in": 3.2},
                    {"type": "CHANGE", "adjust": 1, "expression": "LOAD", "problem": "column 5: a comparison expected"},
                ],
                "scheduled_policies": [
                    {"type": "CARDINALITY", "adjust": 4, "recurrence": "@daily", "next_due": 1795392000},
                    {"type": "CARDINALITY", "adjust": 4, "start_time": "5", "next_due": null},
                ],
            }],
            "decisions": [{"time": 1795348812, "role": "work", "decision": "1 -> 2: asked for"}],
        });
        let expected = "\
Service 1: web?[2J, COOLDOWN; next poll in 3.2 s

Role work: COOLDOWN, 1.4 s left; cardinality 2 of 1 to 4
  VM 9      RUNNING            work_0_(service_1)
  average                  LOAD 75.0, FREE --
  CHANGE 1                 LOAD[90.0] > 70; true 2/3 times, next in 3.2 s
  CHANGE 1                 LOAD
                           never fires: column 5: a comparison expected
  CARDINALITY 4            @daily; next 2026-11-23 00:00:00
  CARDINALITY 4            5; over

Last decisions:
  12:00:12  work  1 -> 2: asked for";
        assert_eq!(render(&report, &TimeZone::UTC), expected);
    }
}
