//! The cases recorded from a real OneFlow (`server-lite/tests/fixtures/elasticity.jsonl`), each compared here
//! or in `elasticity_cases.rs`, or listed in [`DIFFERENCES`]. No test waits: each moves the engine's clock itself.

use crate::support::engine::recorded::{Look, case, cases, our_look, recorded_look, samples, work};
use crate::support::engine::{Bench, Kind, after, options, role, service, vm};
use jiff::Timestamp;
use onegate_server_lite::flow::Engine;
use onegate_server_lite::flow::expression::Expression;
use onegate_server_lite::objects::document::Id;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Cases in which we differ from the real OneFlow on purpose, and why; where there is something to test, the test
/// named last does.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "cardinality_below_min",
        "CARDINALITY 1 with min_vms 2 goes down to 2; the real one wants 1, is refused by itself at every poll, and \
         never says so (adjustments_below_min_vms_stop_there)",
    ),
    (
        "refused_first_policy_starves_second",
        "as above: what cannot be is cut to what can be, and the policies after it have their turn \
         (adjustments_below_min_vms_stop_there)",
    ),
    (
        "value_beyond_float_ends_all_evaluation",
        "a VM that reports 1e400 is left out of the average (what_a_vm_sends_stops_nothing)",
    ),
    (
        "failed_pool_call_ends_all_evaluation",
        "there is no call that could fail: the engine reads the documents where they are",
    ),
    (
        "poll_interval",
        "polls come at the interval, whatever evaluation takes; the default is 10 s, not 90",
    ),
    (
        "ready_gate_forms",
        "READY is what is stored, exactly YES in any case, seen within a quarter of a second, however it was written; \
         the real gate looks at the text of the update (ready_is_exactly_yes)",
    ),
    (
        "ready_gate_forms_3",
        "as above: no form has to wait for 10 or 30 seconds",
    ),
    (
        "above_max_vms_left_alone",
        "OneGate has no way to force a role above max_vms; one that a scenario brings is left alone \
         (a_role_above_its_maximum_is_left_alone)",
    ),
];

/// Cases that have a test of their own, below or in `elasticity_cases.rs`.
const ON_THEIR_OWN: &[&str] = &[
    "average_no_vm_running",
    "average_one_vm_suspended",
    "average_three_vms_rounding",
    "creation_checks_elasticity",
    "documents_by_stage",
    "expression_invalid_at_evaluation",
    "grammar_invalid_at_creation",
    "grammar_no_attributes_set",
    "min_vms_enforced_after_vm_terminated",
    "places_empty_user_template_value",
    "timeline_deployment",
    "true_evals_capped_at_period_number",
    "true_evals_reset_by_false",
    "warning_left_by_running",
    "warning_service_is_not_evaluated",
];

/// Cases that are a series of samples of a service with one role `work`.
fn series() -> impl Iterator<Item = (String, Value)> {
    let apart = |name: &str| {
        ON_THEIR_OWN.contains(&name) || DIFFERENCES.iter().any(|(different, _)| *different == name)
    };
    cases().into_iter().filter(move |(name, _)| !apart(name))
}

#[test]
fn every_case_is_compared_or_differs_for_a_reason() {
    let known: BTreeSet<String> = cases().into_keys().collect();
    let listed = ON_THEIR_OWN
        .iter()
        .chain(DIFFERENCES.iter().map(|(name, _)| name));
    for name in listed {
        assert!(known.contains(*name), "{name} is no case");
    }
    for (name, case) in series() {
        assert!(
            case["given"]["role"].is_object(),
            "{name}: no role to start with"
        );
        assert!(!samples(&case).is_empty(), "{name}");
    }
    assert_eq!(
        series().count() + ON_THEIR_OWN.len() + DIFFERENCES.len(),
        known.len()
    );
    assert_eq!(known.len(), 51);
}

#[test]
fn expressions_refused_at_creation_are_refused_at_the_same_place() {
    for recorded in case("grammar_invalid_at_creation")["observed"]
        .as_array()
        .expect("a list")
    {
        let text = recorded["expression"].as_str().expect("a text");
        let ours = Expression::parse(text);
        assert_eq!(
            ours.is_ok(),
            recorded["status"] == 201,
            "{text:?}: {ours:?}"
        );
        if let (Err(error), Some(position)) = (ours, recorded["position"].as_str()) {
            // A line of its own counts no column here: the real parser never gets past a line's end either.
            assert_eq!(
                format!("line 1, column {}", error.column),
                position,
                "{text:?}"
            );
        }
    }
}

/// `ATT[50.0] > 40` to ATT and 50.0.
fn printed_averages(evaluated: &str) -> Vec<(&str, Option<f64>)> {
    let mut averages = Vec::new();
    for (at, _) in evaluated.match_indices('[') {
        let begin = evaluated[..at]
            .rfind([' ', '(', '!'])
            .map_or(0, |before| before + 1);
        let end = at + evaluated[at..].find(']').expect("a closing bracket");
        averages.push((&evaluated[begin..at], evaluated[at + 1..end].parse().ok()));
    }
    averages
}

#[test]
fn expressions_are_evaluated_and_printed_as_recorded() {
    for recorded in case("grammar_no_attributes_set")["observed"]
        .as_array()
        .expect("a list")
    {
        let text = recorded["expression"].as_str().expect("a text");
        let printed = recorded["expression_evaluated"].as_str().expect("a text");
        let averages = printed_averages(printed);
        let average = |name: &str| {
            let (_, value) = averages
                .iter()
                .find(|(known, _)| *known == name)
                .expect(name);
            *value
        };
        let expression = Expression::parse(text).expect(text);
        assert_eq!(expression.evaluated(&average), printed, "{text:?}");
        assert_eq!(
            expression.is_true(&average),
            recorded["true_evals"] == 1,
            "{text:?}"
        );
    }
}

#[test]
fn roles_are_checked_as_at_creation() {
    let mut engine = Engine::new(options());
    for recorded in case("creation_checks_elasticity")["observed"]
        .as_array()
        .expect("a list")
    {
        let (_, document) = service(json!([recorded["role"]]));
        let problems = engine.problems(&document);
        let accepted = recorded["status"] == 201;
        assert_eq!(
            problems.is_empty(),
            accepted,
            "{}: {problems:?}",
            recorded["name"]
        );
        assert!(
            problems
                .iter()
                .all(|problem| problem.starts_with("role w: ")),
            "{problems:?}"
        );
    }
}

fn is_subsequence(part: &[Look], whole: &[Look]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|look| whole.any(|other| other == look))
}

/// The moment that is t=0 in a case: a full minute, or where the start times in it were counted from.
fn beginning(name: &str) -> Timestamp {
    let text = if name == "scheduled_start_time" {
        "2026-11-22T12:21:02Z"
    } else {
        "2026-11-22T12:00:00Z"
    };
    text.parse().expect("a time")
}

/// When the policies of a sample were last evaluated, in seconds after t=0, each with what they then said.
fn evaluations(sample: &Value) -> Vec<(f64, Option<&str>)> {
    let policies = sample["policies"]["work"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    policies
        .iter()
        .filter_map(|policy| {
            Some((
                policy["last_eval"].as_f64()?,
                policy["expression_evaluated"].as_str(),
            ))
        })
        .collect()
}

/// Plays a case: polls when the real one did, with the attributes that its averages show, and lets time pass.
fn play(case_name: &str, case: &Value) {
    let start = beginning(case_name);
    let samples = samples(case);
    let first = &samples[0];
    let nodes: Vec<Id> = work(first)["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|id| id.as_u64().expect("an id") as Id)
        .collect();
    let mut given = role(&case["given"]["role"], &nodes);
    given["cardinality"] = nodes.len().into();
    // The real one writes the last cooldown chosen into the role; the recorded samples start with what it was then.
    given["cooldown"] = work(first)["cooldown"].clone();
    let mut documents: Vec<_> = nodes.iter().map(|id| vm(*id)).collect();
    documents.push(service(json!([given])));
    let mut bench = Bench::new(options(), documents);
    let end = after(start, 1000.0);
    let mut due = end;
    let mut ours = vec![our_look(&bench)];
    let mut polled = f64::NEG_INFINITY;
    for sample in samples {
        let at = sample["t"].as_f64().expect("a time");
        let mut polls: Vec<f64> = evaluations(sample).into_iter().map(|(at, _)| at).collect();
        polls.sort_by(f64::total_cmp);
        polls.dedup();
        polls.retain(|poll| *poll > polled);
        for poll in polls {
            let see = |bench: &Bench, ours: &mut Vec<Look>| {
                let look = our_look(bench);
                if ours.last() != Some(&look) {
                    ours.push(look);
                }
            };
            if polled.is_finite() {
                bench.pass(after(start, poll), due, |bench| see(bench, &mut ours));
            }
            bench.now = after(start, poll);
            let said = evaluations(sample)
                .into_iter()
                .filter(|(at, _)| *at == poll);
            for (name, value) in said.filter_map(|(_, said)| said).flat_map(printed_averages) {
                for node in current_nodes(&bench) {
                    bench.set(node, name, value.map(|value| value.to_string()).as_deref());
                }
            }
            due = bench.poll();
            see(&bench, &mut ours);
            polled = poll;
        }
        if polled.is_finite() {
            due = bench.pass(after(start, at), due, |bench| {
                let look = our_look(bench);
                if ours.last() != Some(&look) {
                    ours.push(look);
                }
            });
        }
        compare_policies(case_name, at, sample, &mut bench, start);
    }
    bench.pass(end, due, |bench| ours.push(our_look(bench)));
    ours.dedup();
    let recorded: Vec<Look> = samples.iter().map(recorded_look).collect();
    let mut recorded_once = recorded.clone();
    recorded_once.dedup();
    assert!(
        is_subsequence(&recorded_once, &ours),
        "{case_name}: {recorded_once:?} is not in {ours:?}"
    );
    let cardinalities = |looks: &[Look]| looks.iter().map(|look| look.2).collect::<BTreeSet<u64>>();
    assert_eq!(
        cardinalities(&recorded),
        cardinalities(&ours),
        "{case_name}"
    );
}

fn current_nodes(bench: &Bench) -> Vec<Id> {
    let role = &bench.get(Kind::Service, 1)["TEMPLATE"]["BODY"]["roles"][0];
    let nodes = role["nodes"].as_array().expect("nodes");
    nodes
        .iter()
        .map(|node| node["deploy_id"].as_u64().expect("an id") as Id)
        .collect()
}

/// OneFlow's words on each policy, elasticity first, as recorded at this moment.
fn compare_policies(case: &str, at: f64, sample: &Value, bench: &mut Bench, start: Timestamp) {
    let Some(recorded) = sample["policies"]["work"].as_array() else {
        return;
    };
    let report = bench.report(1);
    let role = &report["roles"][0];
    let ours: Vec<&Value> = ["elasticity_policies", "scheduled_policies"]
        .iter()
        .flat_map(|key| role[*key].as_array().expect("policies"))
        .collect();
    assert_eq!(ours.len(), recorded.len(), "{case}");
    for (number, (recorded, ours)) in recorded.iter().zip(ours).enumerate() {
        let place = format!("{case} at {at}, policy {number}: {ours}");
        let last = recorded["last_eval"]
            .as_f64()
            .map(|last| after(start, last).as_second());
        assert_eq!(ours["last_eval"].as_i64(), last, "{place}");
        assert_eq!(
            ours["expression_evaluated"], recorded["expression_evaluated"],
            "{place}"
        );
        // Samples taken between the decision and SCALING still have the counts.
        if recorded["true_evals"].is_u64() && ours["true_evals"].is_null() {
            assert_eq!(sample["state"], "RUNNING", "{place}");
        } else {
            assert_eq!(ours["true_evals"], recorded["true_evals"], "{place}");
        }
    }
}

#[test]
fn services_scale_as_recorded() {
    for (name, case) in series() {
        play(&name, &case);
    }
}

/// The cooldown that a scaling of this case is followed by, in whole seconds.
fn our_cooldown(case: &Value) -> i64 {
    let given = role(&case["given"]["role"], &[1]);
    let mut bench = Bench::new(options(), vec![vm(1), service(json!([given]))]);
    bench.set(1, "GO", Some("1"));
    bench.now = beginning("");
    let mut due = bench.poll();
    let mut cooldown = 0;
    let mut entered = bench.now;
    for _ in 0..20 {
        let before = our_look(&bench).0;
        bench.now = due;
        due = bench.advance();
        match (before.as_str(), our_look(&bench).0.as_str()) {
            ("SCALING", "COOLDOWN") => entered = bench.now,
            ("COOLDOWN", "RUNNING") => {
                cooldown = (bench.now - entered).get_milliseconds() / 1000
                    + (bench.now - entered).get_seconds();
                break;
            }
            _ => {}
        }
    }
    cooldown
}

#[test]
fn the_cooldown_is_the_policys_the_roles_or_the_servers() {
    for name in [
        "cooldown_of_role",
        "cooldown_default",
        "cooldown_zero_policy",
        "change_plus",
    ] {
        let case = case(name);
        let after = samples(&case).last().expect("a sample");
        assert_eq!(
            Some(our_cooldown(&case)),
            work(after)["cooldown"].as_i64(),
            "{name}"
        );
    }
}
