//! What a scenario may look like, and what is said of one that may not.

use super::*;
use serde_json::json;

fn vm(id: &str) -> Value {
    json!({"ID": id, "NAME": "a", "UID": "2", "GID": "1", "UNAME": "johndoe", "GNAME": "users", "STATE": "3",
        "LCM_STATE": "3", "STIME": "1700000000", "TEMPLATE": {"CREATED_BY": "2"}, "USER_TEMPLATE": {}})
}

fn without(key: &str) -> Value {
    let mut vm = vm("8");
    vm.as_object_mut().expect("an object").remove(key);
    vm
}

fn service(body: Value) -> Value {
    json!({"services": [{"ID": "1", "NAME": "s", "TEMPLATE": {"BODY": body}}]})
}

fn parts_of_the_wrong_kind() -> [(Value, &'static str); 3] {
    let role = |policies: Value| {
        let mut role = json!({"name": "a", "cardinality": 1, "state": 2, "nodes": []});
        role["elasticity_policies"] = policies;
        service(json!({"state": 2, "roles": [role]}))
    };
    let mut context = vm("8");
    context["TEMPLATE"]["CONTEXT"] = json!("TOKEN=YES");
    [
        (
            json!({ "vms": [context] }),
            "cloud.json: vms[0] (VM 8): TEMPLATE/CONTEXT is the text \"TOKEN=YES\": it must be an object",
        ),
        (
            role(json!({})),
            "cloud.json: services[0] (service 1): TEMPLATE/BODY/roles[0]/elasticity_policies is an object: it must be \
             a list",
        ),
        (
            role(json!([{}, "A > 1"])),
            "cloud.json: services[0] (service 1): TEMPLATE/BODY/roles[0]/elasticity_policies[1] is the text \
             \"A > 1\", not an object",
        ),
    ]
}

#[test]
fn a_malformed_scenario_is_refused_with_the_file_the_object_and_the_key() {
    let cases = [
        (
            json!([]),
            "cloud.json: a scenario is an object with the keys users, vms, vrouters, vnets, services",
        ),
        (
            json!({"vm": []}),
            "cloud.json: unknown key \"vm\": a scenario has users, vms, vrouters, vnets, services",
        ),
        (
            json!({"vms": {}}),
            "cloud.json: vms is an object, not a list",
        ),
        (
            json!({"vms": [vm("8"), 3]}),
            "cloud.json: vms[1]: is the number 3, not an object",
        ),
        (
            json!({"vms": [{}]}),
            "cloud.json: vms[0]: ID is missing: it must be a number",
        ),
        (
            json!({"vms": [{"ID": "8a"}]}),
            "cloud.json: vms[0]: ID is the text \"8a\": it must be a number",
        ),
        (
            json!({"vms": [vm("8"), vm("9"), vm("8")]}),
            "cloud.json: vms[2] (VM 8): there is another VM 8 in vms before it",
        ),
        (
            json!({"vms": [without("STIME")]}),
            "cloud.json: vms[0] (VM 8): STIME is missing: it must be a number",
        ),
        (
            json!({"vms": [without("TEMPLATE")]}),
            "cloud.json: vms[0] (VM 8): TEMPLATE is missing: it must be an object",
        ),
        (
            json!({"vnets": [{"ID": "0", "NAME": 3}]}),
            "cloud.json: vnets[0] (virtual network 0): NAME is the number 3: it must be a text",
        ),
        (
            json!({"users": [{"ID": 2}]}),
            "cloud.json: users[0] (user 2): TEMPLATE is missing: it must be an object",
        ),
        (
            service(json!({"state": 2})),
            "cloud.json: services[0] (service 1): TEMPLATE/BODY/roles is missing: it must be a list",
        ),
        (
            service(
                json!({"state": 2, "roles": [{"name": "a", "cardinality": 1, "state": 2, "nodes": [{}]}]}),
            ),
            "cloud.json: services[0] (service 1): TEMPLATE/BODY/roles[0]/nodes[0]/deploy_id is missing: it must be a \
             number",
        ),
    ];
    for (scenario, message) in cases.into_iter().chain(parts_of_the_wrong_kind()) {
        let error = Scenario::parse(&scenario.to_string(), "cloud.json").expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let error = Scenario::parse("{\"vms\": [\n {]}", "cloud.json")
        .expect_err("not JSON")
        .to_string();
    assert!(
        error.starts_with("cloud.json: not JSON: ") && error.ends_with("at line 2 column 3"),
        "{error}"
    );
    let error = Scenario::load(Path::new("/nonexistent/cloud.json"))
        .expect_err("no file")
        .to_string();
    assert!(
        error.starts_with("cannot read the scenario /nonexistent/cloud.json: "),
        "{error}"
    );
}

#[test]
fn what_will_puzzle_someone_later_is_a_warning() {
    let scenario = json!({
        "users": [{"ID": "2", "TEMPLATE": {}}],
        "vms": [vm("8")],
        "vrouters": [{"ID": "0", "NAME": "vr", "VMS": {"ID": "1"}, "TEMPLATE": {}}],
        "services": [{"ID": "1", "NAME": "s", "TEMPLATE": {"BODY": {"state": 2, "roles": [
            {"name": "a", "cardinality": 2, "state": 2, "nodes": [{"deploy_id": 8}, {"deploy_id": 9}]}]}}}],
    });
    let scenario = Scenario::parse(&scenario.to_string(), "f").expect("odd, not wrong");
    assert_eq!(
        scenario.warnings,
        [
            "f: service 1 has the node 8, but the USER_TEMPLATE of VM 8 does not say SERVICE_ID=1: it cannot read the \
             service",
            "f: service 1 has the node 9, but there is no such VM",
            "f: user 2 has no TOKEN_PASSWORD: the requests of VM 8 will get 401",
            "f: virtual router 0 has the VM 1, but there is no such VM",
        ]
    );
    let vm = json!({"vms": [vm("8"), {"VM": vm("9")}]});
    let scenario = Scenario::parse(&vm.to_string(), "f").expect("odd, not wrong");
    assert_eq!(scenario.warnings.len(), 2);
    assert!(
        scenario.objects.get(Kind::Vm, 9).is_some(),
        "an outer key, as `onevm show -j` prints it, is taken off"
    );
}

#[test]
fn documents_are_kept_as_oned_has_them() {
    let mut document = vm("8");
    document["STATE"] = json!(3);
    document["TEMPLATE"]["NIC"] = json!([{"IP": "10.0.0.1"}]);
    document["USER_TEMPLATE"] = json!({"B": "1", "A": ["1", "2"]});
    let scenario = Scenario::parse(&json!({"vms": [document]}).to_string(), "f").expect("right");
    let vm = scenario.objects.get(Kind::Vm, 8).expect("VM 8");
    assert_eq!(vm["STATE"], "3");
    assert_eq!(vm["TEMPLATE"]["NIC"], json!({"IP": "10.0.0.1"}));
    assert_eq!(
        vm["USER_TEMPLATE"].to_string(),
        r#"{"A":["1","2"],"B":"1"}"#
    );
}

#[test]
fn the_built_in_scenario_is_the_documented_one() {
    let scenario = Scenario::built_in().expect("the built-in scenario");
    assert!(scenario.warnings.is_empty(), "{:?}", scenario.warnings);
    let name = |kind, id| {
        scenario
            .objects
            .get(kind, id)
            .map(|d| d["NAME"].as_str().unwrap_or_default().to_string())
    };
    assert_eq!(name(Kind::Service, 1).as_deref(), Some("PANACEA service"));
    assert_eq!(name(Kind::Vm, 8).as_deref(), Some("master_0_(service_1)"));
    assert_eq!(name(Kind::Vm, 9).as_deref(), Some("slave_0_(service_1)"));
    assert_eq!(name(Kind::Vrouter, 0).as_deref(), Some("vr"));
    assert_eq!(name(Kind::Vnet, 0).as_deref(), Some("vnet"));
    assert!(name(Kind::Vm, 1).is_some());
}

#[test]
fn the_documentations_example_is_a_scenario() {
    let text = include_str!("../../../../../docs/scenario.md");
    let (_, rest) = text.split_once("```json\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let scenario = Scenario::parse(example, "docs/scenario.md").expect("right");
    assert!(scenario.warnings.is_empty(), "{:?}", scenario.warnings);
    assert!(scenario.objects.get(Kind::Vm, 0).is_some());
}
