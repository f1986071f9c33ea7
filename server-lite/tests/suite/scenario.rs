//! Scenarios as people write them by hand: the smallest one of the documentation, and one with no key beyond those
//! that docs/scenario.md requires, served by the real binary.

use crate::support::process::{Running, credentials, printed, refused};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn written(dir: &Path, text: &str) -> PathBuf {
    let file = dir.join("cloud.json");
    std::fs::write(&file, text).unwrap();
    file
}

/// What a VM of a scenario gets for these paths, and the log.
fn answers(text: &str, vm: &str, paths: &[&str]) -> (Vec<(u16, String)>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), text);
    let file = file.to_str().unwrap();
    let token = printed(&["token", vm, "--cloud", file]);
    let server = Running::start(&["--cloud", file]);
    let answers = paths
        .iter()
        .map(|path| {
            let line = format!("GET {path}");
            let answer = server.send(&line, &credentials(vm, token.trim()), b"");
            (answer.status, answer.text().to_owned())
        })
        .collect();
    (answers, server.stop().1)
}

#[test]
fn the_smallest_scenario_of_the_documentation_works() {
    let page = include_str!("../../../docs/scenario.md");
    let (_, rest) = page.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let (answers, _) = answers(example, "0", &["/vm"]);
    assert_eq!(answers[0].0, 200, "{answers:?}");

    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), example);
    let out = dir.path().to_str().unwrap();
    printed(&[
        "context",
        "0",
        "--cloud",
        file.to_str().unwrap(),
        "--out",
        out,
    ]);
    let context = std::fs::read_to_string(dir.path().join("context.sh")).unwrap();
    assert!(
        context.contains("VMID='0'\n") && context.contains("ONEGATE_ENDPOINT='http"),
        "{context}"
    );
    assert!(dir.path().join("token.txt").exists());
}

/// Every document with the keys of the table's second column, no more; `number` makes of each number what is wanted.
fn required_only(number: &dyn Fn(u32) -> Value) -> Value {
    let vm = |id: u32, extra: Value| {
        let mut vm = json!({"ID": number(id), "NAME": "a", "UID": number(2), "GID": number(1), "UNAME": "me",
            "GNAME": "users", "STATE": number(3), "LCM_STATE": number(3), "STIME": number(1_700_000_000),
            "TEMPLATE": {"CREATED_BY": number(2), "NIC": {"NETWORK_ID": number(0), "IP": "10.0.0.5"}},
            "USER_TEMPLATE": {}});
        for (part, attributes) in extra.as_object().unwrap() {
            vm[part]
                .as_object_mut()
                .unwrap()
                .extend(attributes.as_object().unwrap().clone());
        }
        vm
    };
    json!({
        "users": [{"ID": number(2), "TEMPLATE": {"TOKEN_PASSWORD": "8d5f1c0b7e2a49368d5f1c0b7e2a4936"}}],
        "vms": [
            vm(4, json!({"USER_TEMPLATE": {"SERVICE_ID": number(1)}})),
            vm(5, json!({"TEMPLATE": {"VROUTER_ID": number(0)}})),
        ],
        "vrouters": [{"ID": number(0), "NAME": "r", "VMS": {"ID": number(5)},
            "TEMPLATE": {"NIC": {"NETWORK_ID": number(0)}}}],
        "vnets": [{"ID": number(0), "NAME": "n", "AR_POOL": {}, "TEMPLATE": {}}],
        "services": [{"ID": number(1), "NAME": "s", "TEMPLATE": {"BODY": {"state": number(2), "roles": [
            {"name": "r", "cardinality": number(1), "state": number(2), "nodes": [{"deploy_id": number(4)}]}]}}}],
    })
}

#[test]
fn the_keys_that_the_documentation_requires_are_enough() {
    for (form, number) in [
        (
            "numbers",
            (&|number| json!(number)) as &dyn Fn(u32) -> Value,
        ),
        ("texts", &|number| json!(number.to_string())),
    ] {
        let text = required_only(number).to_string();
        for (vm, paths) in [
            ("4", &["/vm", "/service", "/service?extended=true"][..]),
            (
                "5",
                &["/vm", "/vrouter", "/vnet/0", "/vnet/0?extended=true"],
            ),
        ] {
            let (answers, log) = answers(&text, vm, paths);
            for (path, (status, body)) in paths.iter().zip(answers) {
                assert_eq!(status, 200, "{form}: {path}: {body}\n{log}");
            }
        }
    }
}

/// JSON in which each scalar stands twice under its key, the first time with another value.
fn doubled(value: &Value) -> String {
    let separated = |parts: Vec<String>| parts.join(",");
    match value {
        Value::Object(members) => {
            let member =
                |(key, value): (&String, &Value)| match value.is_object() || value.is_array() {
                    true => format!("{key:?}:{}", doubled(value)),
                    false => format!("{key:?}:\"9\",{key:?}:null,{key:?}:{value}"),
                };
            format!("{{{}}}", separated(members.iter().map(member).collect()))
        }
        Value::Array(items) => format!("[{}]", separated(items.iter().map(doubled).collect())),
        scalar => scalar.to_string(),
    }
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let scenario = required_only(&|number| json!(number));
    let paths = ["/vm", "/service", "/service?extended=true"];
    let (expected, _) = answers(&scenario.to_string(), "4", &paths);
    assert_eq!(answers(&doubled(&scenario), "4", &paths).0, expected);
}

/// What looks like a number but is none is refused, with the place.
#[test]
fn numbers_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    for odd in [
        json!(2.0),
        json!(2.5),
        json!(-1),
        json!("two"),
        json!("2.0"),
        json!(" 2"),
        json!(""),
        json!(true),
        Value::Null,
    ] {
        let mut scenario = required_only(&|number| json!(number));
        scenario["vms"][0]["STATE"] = odd.clone();
        let file = written(dir.path(), &scenario.to_string());
        let (code, said) = refused(&["serve", "--cloud", file.to_str().unwrap()]);
        let what = "cloud.json: vms[0] (VM 4): STATE is ";
        assert!(
            code == 78 && said.contains(what) && said.contains("it must be a number"),
            "{odd}: {said}"
        );
    }
}

#[test]
fn permissions_count_as_numbers_and_as_texts() {
    for (allowed, status) in [
        (json!(1), 200),
        (json!("1"), 200),
        (json!(0), 404),
        (json!("0"), 404),
        (json!(""), 404),
    ] {
        let mut scenario = required_only(&|number| json!(number));
        scenario["services"][0]["UID"] = json!(2);
        scenario["services"][0]["PERMISSIONS"] = json!({ "OWNER_U": allowed });
        let (answers, _) = answers(&scenario.to_string(), "4", &["/service"]);
        assert_eq!(answers[0].0, status, "OWNER_U {allowed}: {answers:?}");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let text = serde_json::to_string_pretty(&required_only(&|number| json!(number))).unwrap();
    let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(answers(&text, "4", &["/service"]).0[0].0, 200);
}

#[test]
fn a_node_that_cannot_read_its_service_is_named_at_the_start() {
    let mut scenario = required_only(&|number| json!(number));
    scenario["vms"][0]["USER_TEMPLATE"] = json!({});
    let (answers, log) = answers(&scenario.to_string(), "4", &["/service"]);
    assert_eq!(answers[0], (400, "Empty or invalid SERVICE_ID".to_owned()));
    assert!(log.contains("does not say SERVICE_ID=1"), "{log}");
}

/// server-lite/tests/fixtures/get.jsonl, cases `service_extended_noval`, `service_extended_false`; an empty value was
/// measured too (docs/protocol.md).
#[test]
fn any_value_of_extended_extends_a_service_even_an_empty_one() {
    let paths = [
        "/service?extended=",
        "/service?extended=false",
        "/service?extended",
        "/service?x=1",
    ];
    let text = required_only(&|number| json!(number)).to_string();
    let (answers, _) = answers(&text, "4", &paths);
    let extended = answers
        .iter()
        .map(|(_, body)| body.contains("USER_TEMPLATE"));
    assert_eq!(extended.collect::<Vec<_>>(), [true, true, false, false]);
}

/// What `curl -d A=1 -d B=2` sends. Appliance authors use this server to find such mistakes.
#[test]
fn a_form_without_data_is_stored_as_with_the_real_server_and_the_log_warns() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(
        dir.path(),
        &required_only(&|number| json!(number)).to_string(),
    );
    let file = file.to_str().unwrap();
    let token = printed(&["token", "4", "--cloud", file]);
    let server = Running::start(&["--cloud", file]);
    let mut headers = credentials("4", token.trim());
    let stored = server.send("GET /vm", &headers, b"").text().to_owned();
    assert!(!stored.contains("1&B=2"));
    headers.push("Content-Type: application/x-www-form-urlencoded".to_owned());
    assert_eq!(server.send("PUT /vm", &headers, b"A=1&B=2").status, 200);
    let stored: Value =
        serde_json::from_slice(&server.send("GET /vm", &headers, b"").body).unwrap();
    assert_eq!(stored.pointer("/VM/USER_TEMPLATE/A"), Some(&json!("1&B=2")));
    let log = server.stop().1;
    assert!(log.contains("the body has no field 'data'"), "{log}");
}
