//! Documents as people write them: every number in a role as number, text, huge, negative and nothing.

use super::*;

/// A value for a key of a role, and which key OneFlow would refuse, if it would.
type Case = (&'static str, Value, Option<&'static str>);

#[test]
fn numbers_of_a_role_are_read_however_they_are_written() {
    let natural = |key: &str| format!("role work: {key} has to be a number from 0 on");
    let cases: [Case; 21] = [
        ("cardinality", json!("1"), None),
        ("cardinality", json!(-1), Some("cardinality")),
        ("cardinality", json!("-1"), Some("cardinality")),
        ("cardinality", json!(""), Some("cardinality")),
        ("cardinality", json!("many"), Some("cardinality")),
        ("cardinality", json!([1]), Some("cardinality")),
        ("min_vms", json!("1"), None),
        ("min_vms", json!(""), Some("min_vms")),
        ("min_vms", json!("-3"), Some("min_vms")),
        ("max_vms", json!("2"), None),
        ("max_vms", json!(1e20), Some("max_vms")),
        ("max_vms", json!("18446744073709551615"), Some("max_vms")),
        ("cooldown", json!("1"), None),
        ("cooldown", json!(0), None),
        ("cooldown", json!(1.5), None),
        ("cooldown", json!("-1"), Some("cooldown")),
        ("cooldown", json!(""), Some("cooldown")),
        ("last_vmname", json!("7"), None),
        ("last_vmname", json!(u64::MAX), None),
        ("last_vmname", json!("-1"), None),
        ("template_id", json!("-1"), None),
    ];
    for (key, value, wrong) in cases {
        let mut bench = small(json!({key: value}));
        let (_, document) = one_role(json!({key: value}));
        let problems = bench.engine.problems(&document);
        let expected: Vec<String> = wrong.iter().map(|key| natural(key)).collect();
        assert_eq!(problems, expected, "{key} {value}");
        bench.scale(1, "work", 2).expect("scaled");
        bench.pass(20.0);
        let scaled = "RUNNING work:RUNNING/2[9,10]";
        assert_eq!(bench.service(1), scaled, "{key} {value}");
    }
}

#[test]
fn a_cardinality_that_nothing_could_bear_is_refused_at_once() {
    let role = json!({"name": "web", "cardinality": 4_000_000_000_u32});
    let mut bench = Bench::new(
        timings(),
        vec![service(json!({"name": "s", "roles": [role]}))],
    );
    bench.pass(1.0);
    assert_eq!(
        bench.service(1),
        "FAILED_DEPLOYING web:FAILED_DEPLOYING/4000000000[]"
    );
    let log = &bench.body(1)["log"][0]["message"];
    assert_eq!(
        log,
        "Role web cannot be deployed: 4000000000 nodes at once are more than 100000"
    );
}

#[test]
fn the_last_id_is_no_reason_to_begin_again() {
    let (kind, mut record) = vm(9, RUNNING, "");
    record["ID"] = Id::MAX.to_string().into();
    let documents = vec![
        vm(9, RUNNING, "work"),
        network(4),
        one_role(json!({})),
        (kind, record),
    ];
    let mut bench = Bench::new(timings(), documents);
    assert_eq!(bench.scale(1, "work", 2), Err(Obstacle::NoId("VM")));
}

#[test]
fn each_node_gets_addresses_of_its_own_in_its_context_too() {
    let range = json!({"AR_ID": "2", "TYPE": "IP4_6_STATIC", "IP": "10.0.0.1", "IP6": "2001:db8::1",
        "MAC": "02:00:0a:00:00:01", "SIZE": "18446744073709551615", "PREFIX_LENGTH": "64",
        "LEASES": {"LEASE": {"IP": "10.0.0.1", "MAC": "02:00:0a:00:00:01", "VM": "9"}}});
    let vnet = json!({"ID": "0", "NAME": "vnet", "USED_LEASES": "1", "AR_POOL": {"AR": range}});
    let (kind, mut record) = vm(9, RUNNING, "work");
    record["TEMPLATE"]["NIC"]["IP6"] = "2001:db8::1".into();
    // Another range's, which this one does not give.
    record["TEMPLATE"]["NIC"]["IP6_GLOBAL"] = "2001:db8:1::aff:fe00:1".into();
    record["TEMPLATE"]["CONTEXT"]["ETH0_IP6"] = "2001:db8::1".into();
    let documents = vec![(kind, record), (Kind::Vnet, vnet), one_role(json!({}))];
    let mut bench = Bench::new(timings(), documents);
    bench.scale(1, "work", 4).expect("scaled");
    for (vm, number) in [(10, 2), (11, 3), (12, 4)] {
        let nic = &bench.vm(vm)["TEMPLATE"]["NIC"];
        let (ip, ip6) = (format!("10.0.0.{number}"), format!("2001:db8::{number}"));
        assert_eq!((&nic["IP"], &nic["IP6"]), (&json!(ip), &json!(ip6)));
        assert!(nic.get("IP6_GLOBAL").is_none());
        assert_eq!(nic["AR_ID"], "2");
        let context = &bench.vm(vm)["TEMPLATE"]["CONTEXT"];
        let given = (
            &context["ETH0_IP"],
            &context["ETH0_IP6"],
            &context["ETH0_MAC"],
        );
        assert_eq!(given, (&json!(ip), &json!(ip6), &nic["MAC"]));
    }
    let vnet = bench.objects.get(Kind::Vnet, 0).expect("the network");
    let lease = &vnet["AR_POOL"]["AR"][0]["LEASES"]["LEASE"][3];
    assert_eq!(
        lease,
        &json!({"IP": "10.0.0.4", "IP6": "2001:db8::4", "MAC": "02:00:0a:00:00:04", "VM": "12"})
    );
}

#[test]
fn what_comes_between_a_document_and_its_change_survives() {
    let (kind, mut document) = one_role(json!({"note": {"a": [1, "2"]}, "cardinality": "1"}));
    document["TEMPLATE"]["BODY"]["custom"] = json!({"k": null});
    document["TEMPLATE"]["BODY"]["roles"][0]["nodes"][0]["extra"] = "kept".into();
    let mut bench = Bench::new(
        timings(),
        vec![vm(9, RUNNING, "work"), network(4), (kind, document)],
    );
    bench.scale(1, "work", 2).expect("scaled");
    bench.pass(30.0);
    let body = bench.body(1);
    assert_eq!(body["custom"], json!({"k": null}));
    assert_eq!(body["roles"][0]["note"], json!({"a": [1, "2"]}));
    assert_eq!(body["roles"][0]["nodes"][0]["extra"], "kept");
    assert_eq!(body["roles"][0]["nodes"][0]["vm_info"]["VM"]["ID"], "9");
}

#[test]
fn two_roles_of_one_name_are_a_problem() {
    let role = json!({"name": "web", "cardinality": 0});
    let (_, document) = service(json!({"name": "s", "roles": [role, role]}));
    let mut engine = Engine::new(timings());
    let said = "role web: there is another role of this name before it";
    assert_eq!(engine.problems(&document), [said]);
}

#[test]
fn the_log_keeps_its_last_hundred_lines() {
    let mut bench = small(json!({"cooldown": 0}));
    for round in 0..30 {
        bench.scale(1, "work", 2 - round % 2).expect("scaled");
        bench.pass(5.0);
    }
    let log = bench.body(1)["log"].as_array().expect("a log");
    assert_eq!(log.len(), 90);
    for round in 0..10 {
        bench.scale(1, "work", 2 - round % 2).expect("scaled");
        bench.pass(5.0);
    }
    let log = bench.body(1)["log"].as_array().expect("a log");
    assert_eq!(log.len(), 100);
    assert_eq!(log[99]["message"], "New state: RUNNING");
}
