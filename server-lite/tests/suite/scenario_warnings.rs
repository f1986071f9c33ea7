//! What is odd in a scenario is said by `check`, by `serve` when it starts and by `state import`, in the same words.

use crate::support::process::{Running, printed, run};
use serde_json::{Value, json};
use std::path::Path;

/// A service whose one role grows from one VM to five.
fn scenario() -> Value {
    let user = json!({"ID": 2, "TEMPLATE": {"TOKEN_PASSWORD": "8d5f1c0b7e2a49368d5f1c0b7e2a4936"}});
    let range = json!({"AR_ID": 0, "TYPE": "IP4", "IP": "127.1.0.1", "MAC": "02:00:7f:01:00:01", "SIZE": 10});
    let network = json!({"ID": 0, "NAME": "lan", "AR_POOL": {"AR": range}, "TEMPLATE": {}});
    let policy = json!({"type": "CHANGE", "adjust": 1, "expression": "BACKLOG > 5"});
    let role = json!({"name": "web", "state": 0, "nodes": [], "cardinality": 1, "min_vms": 1, "max_vms": 5,
        "cooldown": 1, "elasticity_policies": [policy], "template_contents": {"NIC": [{"NETWORK_ID": 0}]}});
    let body = json!({"state": 0, "deployment": "straight", "roles": [role]});
    let service = json!({"ID": 1, "NAME": "shop", "UID": 2, "TEMPLATE": {"BODY": body}});
    json!({"users": [user], "vnets": [network], "services": [service]})
}

fn written(directory: &Path, scenario: &Value) -> String {
    let file = directory.join("cloud.json");
    std::fs::write(&file, scenario.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The warnings of `check`, and how many it says there are.
fn checked(options: &[&str]) -> (Vec<String>, String) {
    let said = printed(&[&["check", "--listen", "127.0.0.1:0"], options].concat());
    let warnings = said
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("warning: "));
    let count = said.lines().find_map(|line| {
        let (_, rest) = line
            .split_once(" is good")
            .or_else(|| line.split_once(" is whole"))?;
        Some(rest.to_owned())
    });
    (warnings.map(str::to_owned).collect(), count.unwrap())
}

#[test]
fn each_mistake_is_warned_of_before_the_start() {
    let role = "/services/0/TEMPLATE/BODY/roles/0";
    let body = "/services/0/TEMPLATE/BODY";
    let policy = "/services/0/TEMPLATE/BODY/roles/0/elasticity_policies/0";
    let cases: &[(&str, Value, &[&str])] = &[
        (role, json!({}), &[]),
        (
            policy,
            json!({"expression": "BACKLOG >> 5"}),
            &["service 1, role web: elasticity_policies[0]: expression \"BACKLOG >> 5\": "],
        ),
        (
            policy,
            json!({"type": null}),
            &["service 1, role web: elasticity_policies[0]: type has to be "],
        ),
        (
            role,
            json!({"cardinality": 9}),
            &["service 1, role web: cardinality 9 is above max_vms 5"],
        ),
        (
            role,
            json!({"min_vms": 6}),
            &[
                "service 1, role web: min_vms 6 is above max_vms 5",
                "service 1, role web: min_vms 6 is above cardinality 1",
            ],
        ),
        (
            role,
            json!({"parents": ["apo", "web"]}),
            &["service 1, role web: parents: there is no role \"apo\""],
        ),
        (
            role,
            json!({"parents": "web"}),
            &["service 1, role web: parents has to be a list"],
        ),
        (
            role,
            json!({"max_vm": 4}),
            &["service 1, role web: \"max_vm\" is ignored: is \"max_vms\" meant?"],
        ),
        (role, json!({"note": 1, "description": "x"}), &[]),
        (
            policy,
            json!({"expresion": "A > 1"}),
            &[
                "service 1, role web: elasticity_policies[0]: \"expresion\" is ignored: is \"expression\" meant?",
            ],
        ),
        (
            policy,
            json!({"last_eval": 1, "true_evals": 2, "expression_evaluated": ""}),
            &[],
        ),
        (
            body,
            json!({"deploymnet": "none"}),
            &["service 1, \"deploymnet\" is ignored: is \"deployment\" meant?"],
        ),
        (
            role,
            json!({"template_contents": {"NIC": {"NETWORK_ID": "3"}}}),
            &["service 1, role web: new VMs need virtual network 3, but there is no such network"],
        ),
        (
            role,
            json!({"template_contents": {"NIC": {"NETWORK_ID": "lan"}}}),
            &["service 1, role web: a NIC has NETWORK_ID \"lan\", which is no id"],
        ),
        (
            role,
            json!({"max_vms": 11}),
            &[
                "service 1, role web: 11 VMs take 11 more addresses of virtual network 0, which has 10 left",
            ],
        ),
        (
            "/services/0",
            json!({"UID": 7}),
            &["service 1 belongs to user 7, who is not here: its new VMs get no token"],
        ),
        (
            "/services/0",
            json!({"UID": null}),
            &["service 1 belongs to user 0, who is not here: its new VMs get no token"],
        ),
        (
            "",
            json!({"users": null}),
            &["service 1 belongs to user 2, who is not here: its new VMs get no token"],
        ),
        (
            "/users/0/TEMPLATE",
            json!({"TOKEN_PASSWORD": "short"}),
            &["service 1 belongs to user 2, who has a TOKEN_PASSWORD of less than 32 characters: "],
        ),
        (
            "/users/0/TEMPLATE",
            json!({"TOKEN_PASSWORD": null}),
            &["service 1 belongs to user 2, who has no TOKEN_PASSWORD: "],
        ),
        (
            role,
            json!({"max_vms": null}),
            &["service 1, role web: a role with elasticity_policies needs min_vms and max_vms"],
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (place, change, expected) in cases {
        let mut scenario = scenario();
        let changed = scenario
            .pointer_mut(place)
            .unwrap()
            .as_object_mut()
            .unwrap();
        for (key, value) in change.as_object().unwrap() {
            match value.is_null() {
                true => changed.remove(key),
                false => changed.insert(key.clone(), value.clone()),
            };
        }
        let file = written(directory.path(), &scenario);
        let (warnings, count) = checked(&["--cloud", &file]);
        let said = match expected.len() {
            0 => String::new(),
            1 => ", with 1 warning".to_owned(),
            many => format!(", with {many} warnings"),
        };
        assert_eq!(count, said, "{place} {change}: {warnings:?}");
        for (warning, expected) in warnings.iter().zip(*expected) {
            assert!(warning.contains(expected), "{place} {change}: {warning}");
        }
    }
}

#[test]
fn check_serve_and_import_say_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut scenario = scenario();
    let role = &mut scenario["services"][0]["TEMPLATE"]["BODY"]["roles"][0];
    role["elasticity_policies"][0]["expression"] = "BACKLOG >> 5".into();
    role["cardinality"] = 9.into();
    let file = written(directory.path(), &scenario);
    let (warnings, _) = checked(&["--cloud", &file]);
    assert_eq!(warnings.len(), 2, "{warnings:?}");

    let state = directory.path().join("state");
    let state = state.to_str().unwrap();
    let imported = run(&["state", "import", "--cloud", &file, "--state", state]);
    let imported = String::from_utf8(imported.stderr).unwrap();
    let (_, first) = Running::start(&["--cloud", &file]).stop();
    let (of_state, count) = checked(&["--state", state]);
    assert_eq!(
        (of_state.as_slice(), count.as_str()),
        (&warnings[..], ", with 2 warnings")
    );
    let (_, again) = Running::start(&["--state", state]).stop();
    for warning in &warnings {
        for (who, said) in [
            ("import", &imported),
            ("serve", &first),
            ("serve with a state", &again),
        ] {
            assert_eq!(
                said.matches(warning.as_str()).count(),
                1,
                "{who}: {warning} in {said}"
            );
        }
    }
}
