//! The recorded cases that are no series of samples, and what no case has: averages, counts, the ready gate, warnings,
//! deployments. (`server-lite/tests/fixtures/elasticity.jsonl`; the table of cases is in `elasticity.rs`.)

use crate::support::engine::recorded::{Look, case, our_look, recorded_look, samples};
use crate::support::engine::{Bench, Kind, after, options, role, service, vm};
use jiff::Timestamp;
use onegate_server_lite::cloud::embedded::Embedded;
use onegate_server_lite::objects::action;
use onegate_server_lite::objects::document::Id;
use serde_json::{Value, json};

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}

/// A role with these policies over VMs that report these attributes, evaluated once.
fn evaluated(policies: Value, reported: &[Value]) -> (Bench, Vec<Value>) {
    let nodes: Vec<Id> = (1..=reported.len() as Id).collect();
    let given = json!({"name": "work", "cardinality": nodes.len(), "min_vms": 0, "max_vms": 9,
        "elasticity_policies": policies});
    let mut documents: Vec<_> = nodes.iter().map(|id| vm(*id)).collect();
    documents.push(service(json!([role(&given, &nodes)])));
    let mut bench = Bench::new(options(), documents);
    for (node, attributes) in nodes.iter().zip(reported) {
        bench.change(|_, draft, _| {
            draft.get_mut(Kind::Vm, *node).expect("the VM")["USER_TEMPLATE"] = attributes.clone();
        });
    }
    bench.now = noon();
    bench.poll();
    let policies = policies_of(&mut bench);
    (bench, policies)
}

fn policies_of(bench: &mut Bench) -> Vec<Value> {
    bench.report(1)["roles"][0]["elasticity_policies"]
        .as_array()
        .expect("policies")
        .clone()
}

fn watched(expression: &str) -> Value {
    json!({"type": "CHANGE", "adjust": 0, "expression": expression, "period_number": 3})
}

#[test]
fn averages_are_taken_as_recorded() {
    let said = |policies: &[Value], number: usize| policies[number]["expression_evaluated"].clone();
    let (_, policies) = evaluated(
        json!([watched("W == 1.67")]),
        &[json!({"W": "1"}), json!({"W": "2"}), json!({"W": "2"})],
    );
    assert_eq!(
        said(&policies, 0),
        case("average_three_vms_rounding")["observed"]["expression_evaluated"]
    );
    assert_eq!(policies[0]["true_evals"], 1);

    let case_of_empty = case("places_empty_user_template_value");
    let reported = [json!({"CPU": "", "STATE": ""}), json!({"CPU": "50"})];
    let (_, policies) = evaluated(
        json!([watched("CPU >= 0"), watched("STATE == 3")]),
        &reported,
    );
    for number in 0..2 {
        assert_eq!(
            said(&policies, number),
            case_of_empty["observed"][number]["expression_evaluated"]
        );
    }

    let policies = json!([
        watched("ATT > 40"),
        watched("1 < 2"),
        watched("!(MISSING > 1)"),
        watched("STATE == 3")
    ]);
    let (mut bench, _) = evaluated(policies, &[json!({"ATT": "100"}), json!({"ATT": "10"})]);
    let suspend = |bench: &mut Bench, vm: Id| {
        let call = action::find("suspend")
            .expect("suspend")
            .call(&Value::Null)
            .expect("a call");
        bench
            .change(|engine, draft, now| engine.act(draft, vm, &call, now))
            .expect("suspended");
        let later = after(bench.now, 10.0);
        let due = bench.advance();
        bench.pass(later, due, |_| {});
        bench.poll();
        assert_eq!(our_look(bench).0, "RUNNING", "a suspended VM is no warning");
        policies_of(bench)
    };
    let now = suspend(&mut bench, 1);
    assert_eq!(
        said(&now, 0),
        case("average_one_vm_suspended")["observed"]["policy"]["expression_evaluated"]
    );
    let now = suspend(&mut bench, 2);
    let recorded = case("average_no_vm_running");
    for number in 0..4 {
        let recorded = &recorded["observed"]["policies"][number];
        assert_eq!(said(&now, number), recorded["expression_evaluated"]);
        assert_eq!(now[number]["true_evals"], recorded["true_evals"]);
    }
}

#[test]
fn true_evals_count_to_the_period_number_and_fall_to_zero() {
    let (mut bench, _) = evaluated(
        json!([watched("ATT > 40"), watched("ATT > 50")]),
        &[json!({"ATT": "50"})],
    );
    let recorded = case("true_evals_capped_at_period_number");
    for sample in recorded["observed"].as_array().expect("samples") {
        bench.now = after(bench.now, 11.0);
        bench.poll();
        let ours = policies_of(&mut bench);
        for (number, key) in ["ATT_gt_40", "ATT_gt_50"].iter().enumerate() {
            assert_eq!(ours[number]["true_evals"], sample[*key]["true_evals"]);
            assert_eq!(
                ours[number]["expression_evaluated"],
                sample[*key]["expression_evaluated"]
            );
        }
    }
    bench.set(1, "ATT", Some("10"));
    bench.now = after(bench.now, 11.0);
    bench.poll();
    let ours = policies_of(&mut bench);
    let recorded = case("true_evals_reset_by_false");
    assert_eq!(ours[0]["true_evals"], recorded["observed"]["true_evals"]);
    assert_eq!(
        ours[0]["expression_evaluated"],
        recorded["observed"]["expression_evaluated"]
    );
}

#[test]
fn what_cannot_be_read_counts_as_false_and_stops_nobody() {
    let policies: Vec<Value> = ["GO >> 1", "", "1 > 2", "1 < 2"]
        .iter()
        .map(|text| watched(text))
        .collect();
    let (_, ours) = evaluated(json!(policies), &[json!({})]);
    let recorded = case("expression_invalid_at_evaluation");
    for number in 0..3 {
        let recorded = &recorded["observed"][number + 1];
        assert_eq!(ours[number]["true_evals"], recorded["true_evals"]);
        assert!(ours[number]["last_eval"].is_i64());
        match recorded["expression_evaluated_kind"].as_str() {
            Some(kind) if kind.starts_with("starts with") => {
                let said = ours[number]["expression_evaluated"]
                    .as_str()
                    .expect("a text");
                assert!(said.starts_with("Parse error. 'GO >> 1': "), "{said}");
            }
            said => assert_eq!(ours[number]["expression_evaluated"].as_str(), said),
        }
    }
    assert_eq!(ours[3]["true_evals"], 1);
    assert!(
        ours[0]["problem"]
            .as_str()
            .is_some_and(|problem| problem.contains("column 5"))
    );
}

#[test]
fn what_a_vm_sends_stops_nothing() {
    let wild = [
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "0x7fffffffffffffff",
        &"9".repeat(5000),
        "\u{0}",
        "%n",
    ];
    let mut reported: Vec<Value> = wild
        .iter()
        .map(|text| json!({"OTHER": text, "GO": "1"}))
        .collect();
    reported.push(json!({"GO": ["1", "2"], "OTHER": {"A": "1"}}));
    reported.push(json!({"GO": {"1e400": "1e400"}}));
    let (mut bench, policies) = evaluated(
        json!([watched("GO == 1"), watched("OTHER >= 0")]),
        &reported,
    );
    assert_eq!(policies[0]["expression_evaluated"], "GO[1.0] == 1");
    assert_eq!(policies[0]["true_evals"], 1);
    assert_eq!(
        policies[1]["expression_evaluated"], "OTHER[0.0] >= 0",
        "what is no number counts 0"
    );
    for node in 1..=8 {
        bench.set(node, "GO", Some("1e400"));
    }
    bench.poll();
    assert_eq!(
        policies_of(&mut bench)[0]["expression_evaluated"],
        "GO[--] == 1"
    );
    bench.set(3, "GO", Some("1"));
    bench.poll();
    assert_eq!(
        policies_of(&mut bench)[0]["expression_evaluated"],
        "GO[1.0] == 1"
    );
}

/// A service with one role, and its three nodes.
fn three(given: &Value) -> Bench {
    let service = service(json!([role(given, &[1, 2, 3])]));
    Bench::new(options(), vec![vm(1), vm(2), vm(3), service])
}

#[test]
fn adjustments_below_min_vms_stop_there() {
    let below = json!({"type": "CARDINALITY", "adjust": 1, "expression": "1 < 2", "period_number": 1, "cooldown": 0});
    let up = json!({"type": "CHANGE", "adjust": 1, "expression": "1 < 2", "period_number": 1, "cooldown": 0});
    let given = json!({"name": "work", "cardinality": 3, "min_vms": 2, "max_vms": 4,
        "elasticity_policies": [below, up]});
    let mut bench = three(&given);
    bench.now = noon();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let due = bench.poll();
        let later = after(bench.now, 10.0);
        bench.pass(later, due, |_| {});
        seen.push(our_look(&bench).2);
    }
    assert_eq!(
        seen,
        [2, 3, 2],
        "down to the minimum, then the second policy has its turn"
    );
}

#[test]
fn a_role_above_its_maximum_is_left_alone() {
    let given = json!({"name": "work", "cardinality": 3, "min_vms": 1, "max_vms": 2,
        "elasticity_policies": [{"type": "CHANGE", "adjust": 1, "expression": "1 < 2"}]});
    let mut bench = three(&given);
    bench.poll();
    assert_eq!(our_look(&bench), ("RUNNING".into(), "RUNNING".into(), 3, 3));
}

#[test]
fn ready_is_exactly_yes() {
    let (kind, mut document) = service(json!([{"name": "work", "cardinality": 1}]));
    let body = &mut document["TEMPLATE"]["BODY"];
    body["state"] = Value::Null;
    body["ready_status_gate"] = true.into();
    let mut bench = Bench::new(options(), vec![(kind, document)]);
    bench.change(|engine, draft, now| engine.start(draft, now));
    let mut due = bench.advance();
    bench.set(0, "NOT_READY", Some("YES"));
    for (ready, state) in [
        (None, "DEPLOYING"),
        (Some("NO"), "DEPLOYING"),
        (Some("YESTERDAY"), "DEPLOYING"),
        (Some("\"YES\""), "DEPLOYING"),
        (Some("yes"), "RUNNING"),
    ] {
        bench.set(0, "READY", ready);
        let later = after(bench.now, 1.0);
        due = bench.pass(later, due, |_| {});
        assert_eq!(our_look(&bench).0, state, "{ready:?}");
    }
}

#[test]
fn a_terminated_node_is_replaced_at_the_next_poll_if_min_vms_wants_it() {
    let recorded = case("min_vms_enforced_after_vm_terminated");
    let mut given = recorded["given"]["role"].clone();
    // As recorded by then: an earlier policy had written 0.
    given["cooldown"] = 0.into();
    let mut bench = Bench::new(
        options(),
        vec![
            vm(190),
            vm(196),
            service(json!([role(&given, &[190, 196])])),
        ],
    );
    let call = action::find("terminate")
        .expect("terminate")
        .call(&json!(true))
        .expect("a call");
    bench
        .change(|engine, draft, now| engine.act(draft, 190, &call, now))
        .expect("terminated");
    let mut ours = vec![our_look(&bench)];
    // The first call polls, while the node is still there.
    let due = bench.advance();
    let later = after(bench.now, 8.0);
    bench.pass(later, due, |bench| ours.push(our_look(bench)));
    let due = bench.poll();
    ours.push(our_look(&bench));
    let later = after(bench.now, 8.0);
    bench.pass(later, due, |bench| ours.push(our_look(bench)));
    ours.dedup();
    let mut recorded: Vec<Look> = samples(&recorded).iter().map(recorded_look).collect();
    recorded.dedup();
    assert_eq!(ours, recorded);
}

#[test]
fn a_service_in_warning_is_not_evaluated() {
    let policy =
        json!({"type": "CHANGE", "adjust": 0, "expression": "ATT > 40", "period_number": 3});
    let (mut bench, before) = evaluated(
        json!([policy]),
        &[json!({"ATT": "55"}), json!({"ATT": "55"})],
    );
    let act = |bench: &mut Bench, name: &str| {
        let call = action::find(name)
            .expect(name)
            .call(&Value::Null)
            .expect("a call");
        bench
            .change(|engine, draft, now| engine.act(draft, 1, &call, now))
            .expect(name);
        let later = after(bench.now, 10.0);
        let due = bench.advance();
        bench.pass(later, due, |_| {});
        bench.poll();
        (our_look(bench), policies_of(bench))
    };
    let (look, policies) = act(&mut bench, "poweroff");
    let recorded = case("warning_service_is_not_evaluated");
    assert_eq!(
        look,
        recorded_look(samples(&recorded).last().expect("a sample"))
    );
    assert_eq!(
        policies,
        without_next(&before, &policies),
        "last_eval stands still"
    );
    let (look, policies) = act(&mut bench, "resume");
    let recorded = case("warning_left_by_running");
    let last = samples(&recorded).last().expect("a sample");
    assert_eq!(look, recorded_look(last));
    assert_eq!(policies[0]["true_evals"], 2);
    assert_eq!(
        policies[0]["expression_evaluated"],
        last["policies"]["work"][0]["expression_evaluated"]
    );
}

/// The first list, but with the second's time of the next evaluation.
fn without_next(policies: &[Value], others: &[Value]) -> Vec<Value> {
    let mut policies = policies.to_vec();
    for (policy, other) in policies.iter_mut().zip(others) {
        policy["next_eval_in"] = other["next_eval_in"].clone();
    }
    policies
}

#[test]
fn a_deployment_goes_its_recorded_way() {
    let recorded = case("timeline_deployment");
    let mut given = recorded["given"]["role"].clone();
    given["template_id"] = 7.into();
    let (kind, mut document) = service(json!([given]));
    document["TEMPLATE"]["BODY"]["state"] = 11.into();
    let mut bench = Bench::new(options(), vec![(kind, document)]);
    bench.change(|engine, draft, now| engine.start(draft, now));
    let mut ours = Vec::new();
    let mut due = bench.advance();
    for _ in 0..6 {
        let role = our_look(&bench);
        let vm = bench.get(Kind::Vm, 0);
        ours.push((role, vm["STATE"].as_str().map(str::to_string)));
        bench.now = due;
        due = bench.advance();
    }
    ours.dedup();
    let looks: Vec<&str> = ours.iter().map(|(look, _)| look.0.as_str()).collect();
    let states: Vec<&str> = ours
        .iter()
        .filter_map(|(_, state)| state.as_deref())
        .collect();
    assert_eq!(looks.first(), Some(&"DEPLOYING"));
    assert_eq!(looks.last(), Some(&"RUNNING"));
    assert_eq!(
        states,
        ["1", "3", "3"],
        "PENDING, ACTIVE while it deploys, ACTIVE when the service runs"
    );
    let recorded: Vec<Look> = samples(&recorded)
        .iter()
        .skip(1)
        .map(recorded_look)
        .collect();
    let mut recorded_once = recorded;
    recorded_once.dedup();
    let mut seen: Vec<Look> = ours.into_iter().map(|(look, _)| look).collect();
    seen.dedup();
    assert_eq!(seen, recorded_once);
}

#[test]
fn documents_have_what_the_real_ones_have() {
    let recorded = case("documents_by_stage");
    for stage in recorded["observed"].as_array().expect("stages") {
        let roles = stage["oneflow"]["roles"].as_array().expect("roles");
        let real = roles
            .iter()
            .find(|role| role["name"] == "work")
            .expect("the role");
        let Some(policies) = real["elasticity_policies"].as_array() else {
            continue;
        };
        // The recorded document itself, loaded: the engine goes on from its counts and keeps all that it says.
        let nodes = real["nodes"].as_array().expect("nodes");
        let mut documents: Vec<_> = nodes
            .iter()
            .map(|node| vm(node["deploy_id"].as_u64().expect("an id") as Id))
            .collect();
        let (kind, mut document) = service(json!([real]));
        document["TEMPLATE"]["BODY"]["state"] = stage["oneflow"]["state"].clone();
        documents.push((kind, document));
        let mut bench = Bench::new(options(), documents);
        bench.now = "2026-11-22T13:00:00Z".parse().expect("a time");
        bench.poll();
        let report = bench.report(1);
        let ours = report["roles"][0]["elasticity_policies"]
            .as_array()
            .expect("policies");
        assert_eq!(ours.len(), policies.len());
        for (ours, real) in ours.iter().zip(policies) {
            for (key, value) in real.as_object().expect("a policy") {
                match key.as_str() {
                    "last_eval" | "true_evals" | "expression_evaluated" => {
                        assert!(
                            stage["oneflow"]["state"] != 2 || !ours[key].is_null(),
                            "{key} of {ours}"
                        );
                    }
                    _ => assert_eq!(&ours[key], value, "{key}"),
                }
            }
        }
    }
}

#[test]
fn the_shipped_scenarios_have_no_problems() {
    for scenario in ["panacea", "elastic"] {
        let file = format!("{}/scenarios/{scenario}.json", env!("CARGO_MANIFEST_DIR"));
        let (_, warnings) = Embedded::open(Some(file.as_ref()), None, options()).expect("a cloud");
        assert_eq!(warnings, [""; 0], "{scenario}");
    }
}
