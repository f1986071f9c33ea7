//! The real server with the scenario that ships: it deploys, scales by what its VMs report, and says why.

use crate::support::client::PATIENCE;
use crate::support::process::{Running, credentials, printed, refused};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

fn shown(state: &str) -> Value {
    let text = printed(&["service", "show", "1", "--json", "--state", state]);
    serde_json::from_str(&text).unwrap()
}

/// Waits until the service runs with such a number of nodes, reporting for each meanwhile.
fn until(server: &Running, state: &str, wanted: impl Fn(usize) -> bool, report: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let service = shown(state);
        let role = &service["roles"][0];
        let vms: Vec<u64> = role["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["vm"].as_u64().unwrap())
            .collect();
        if service["state"] == "RUNNING" && wanted(vms.len()) {
            return service;
        }
        assert!(Instant::now() < deadline, "in vain: {service}");
        for vm in vms {
            let vm = vm.to_string();
            let token = printed(&["token", &vm, "--state", state]);
            let answer = server.send(
                "PUT /vm",
                &credentials(&vm, token.trim_end()),
                report.as_bytes(),
            );
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The scenario with something else in it.
fn scenario(directory: &Path, from: &[(&str, &str)]) -> String {
    let shipped = format!("{}/scenarios/elastic.json", env!("CARGO_MANIFEST_DIR"));
    let mut text = std::fs::read_to_string(shipped).unwrap();
    for (old, new) in from {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let file = directory.join("cloud.json");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_service_manages_itself() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state").display().to_string();
    let quick = [
        ("\"cooldown\": 2", "\"cooldown\": 0"),
        ("\"period\": 1", "\"period\": 0"),
    ];
    let scenario = scenario(directory.path(), &quick);
    let options = [
        "--cloud",
        &scenario,
        "--state",
        &state,
        "--vm-step",
        "10ms",
        "--flow-interval",
        "100ms",
    ];
    let server = Running::start(&options);
    let ready = until(
        &server,
        &state,
        |nodes| nodes == 1,
        "READY=YES\nCPU_USED_PERC=50",
    );
    assert_eq!(
        ready["roles"][0]["elasticity_policies"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    until(
        &server,
        &state,
        |nodes| nodes > 1,
        "READY=YES\nCPU_USED_PERC=90",
    );
    let down = until(
        &server,
        &state,
        |nodes| nodes == 1,
        "READY=YES\nCPU_USED_PERC=5",
    );
    let decisions: Vec<&str> = down["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|decision| decision["decision"].as_str())
        .filter(|decision| decision.contains(" -> "))
        .collect();
    assert!(
        decisions
            .iter()
            .any(|decision| decision.starts_with("1 -> 2: CPU_USED_PERC[90.0] > 70")),
        "{decisions:?}"
    );
    assert!(
        decisions
            .iter()
            .any(|decision| decision.starts_with("2 -> 1: CPU_USED_PERC[5.0] < 20")),
        "{decisions:?}"
    );
    let text = printed(&["service", "show", "1", "--state", &state]);
    assert!(
        text.starts_with("Service 1: shop, RUNNING") && text.contains("\nLast decisions:\n"),
        "{text}"
    );
    assert!(server.stop().0.success());
    let after = shown(&state);
    let after = after["decisions"].as_array().unwrap();
    let before = down["decisions"].as_array().unwrap();
    assert_eq!(after[0], before[0], "the reasons outlive the server");
}

#[test]
fn what_oneflow_or_oned_would_refuse_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    for (from, to, said) in [
        (
            "CPU_USED_PERC > 70",
            "CPU_USED_PERC > 70 and A > 1",
            "service 1, role web: elasticity_policies[0]: expression \"CPU_USED_PERC > 70 and A > 1\": column 20: an \
             operator or the end expected, but 'a' found",
        ),
        (
            "\"min_vms\": 1",
            "\"min_vms\": -1",
            "service 1, role web: min_vms has to be a number from 0 on",
        ),
        (
            "\"SIZE\"",
            "\"SIZE\": \"-1\", \"WAS\"",
            "virtual network 0: no address of range 0 can be taken when a service scales, as it has SIZE \"-1\"",
        ),
    ] {
        let scenario = scenario(directory.path(), &[(from, to)]);
        let server = Running::start(&["--cloud", &scenario]);
        let log = server.stop().1;
        assert!(log.contains(said), "{log}");
    }
}

#[test]
fn a_killed_server_leaves_a_state_that_can_be_read_and_served() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state").display().to_string();
    let options = [
        "--cloud",
        &scenario(directory.path(), &[]),
        "--state",
        &state,
    ];
    drop(Running::start(&options));
    assert_eq!(shown(&state)["name"], "shop");
    let server = Running::start(&options);
    assert_eq!(shown(&state)["name"], "shop");
    assert!(server.stop().0.success());
    assert_eq!(shown(&state)["name"], "shop");
}

#[test]
fn a_service_that_failed_is_recovered_by_the_operator() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state").display().to_string();
    let vm = json!({"ID": 4, "NAME": "web_0", "UID": 2, "GID": 1, "UNAME": "me", "GNAME": "users", "STATE": 3,
        "LCM_STATE": 36, "STIME": 1, "TEMPLATE": {"CREATED_BY": 2}, "USER_TEMPLATE": {}});
    let role = json!({"name": "web", "cardinality": 1, "state": 7, "nodes": [{"deploy_id": 4}]});
    let service =
        json!({"ID": 1, "NAME": "shop", "TEMPLATE": {"BODY": {"state": 7, "roles": [role]}}});
    let user = json!({"ID": 2, "TEMPLATE": {"TOKEN_PASSWORD": "8d5f1c0b7e2a49368d5f1c0b7e2a4936"}});
    let file = directory.path().join("cloud.json");
    let cloud = json!({"users": [user], "vms": [vm], "services": [service]});
    std::fs::write(&file, cloud.to_string()).unwrap();
    let options = [
        "--cloud",
        &file.display().to_string(),
        "--state",
        &state,
        "--vm-step",
        "10ms",
    ];
    let recover = ["service", "recover", "1", "--state", &state];

    let server = Running::start(&options);
    assert_eq!(shown(&state)["state"], "FAILED_DEPLOYING");
    assert!(server.stop().0.success());

    let said = printed(&recover);
    assert!(said.starts_with("Service 1 is DEPLOYING"), "{said}");
    let server = Running::start(&options);
    let deadline = Instant::now() + PATIENCE;
    while shown(&state)["state"] != "RUNNING" {
        assert!(Instant::now() < deadline, "in vain: {}", shown(&state));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(server.stop().0.success());

    let (code, message) = refused(&recover);
    let said = "Service cannot be recovered in state: RUNNING";
    assert!(code == 1 && message.contains(said), "{message}");
    let (code, message) = refused(&["service", "recover", "7", "--state", &state]);
    let said = "there is no service 7: there is 1";
    assert!(code == 1 && message.contains(said), "{message}");
    let empty = directory.path().join("empty").display().to_string();
    let (code, _) = refused(&["service", "recover", "1", "--state", &empty]);
    assert!(code == 1 && !Path::new(&empty).exists());
}
