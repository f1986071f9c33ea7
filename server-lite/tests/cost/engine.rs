//! The service engine: what a VM reports and an operator describes is looked at again and again.

use crate::support::cost::{Case, Work, case, work};
use crate::support::engine::{Bench, Kind, options, role, service, vm};
use onegate_server_lite::flow::ScaleRequest;
use onegate_server_lite::flow::expression::Expression;
use onegate_server_lite::flow::schedule::Schedule;
use onegate_server_lite::objects::document::Id;
use serde_json::{Value, json};

const MANY: usize = 400;

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("expression: terms",                1_000, |n| expression(&["A > 1"; 1000][..n / 8].join(" | "))),
    case("expression: groups",               1_000, |n| expression(&format!("{}A > 1{}", "(".repeat(n / 40), ")".repeat(n / 40)))),
    case("expression: nots",                 1_000, |n| expression(&format!("{}(A > 1)", "!".repeat(n / 40)))),
    case("expression: blanks",               900,   |n| expression(&format!("A{}>{}1", " ".repeat(n / 2), " ".repeat(n / 2)))),
    case("expression: a long name",          900,   |n| expression(&format!("{} > 1", "A".repeat(n)))),
    case("expression: a long number",        900,   |n| expression(&format!("A > {}", "1".repeat(n)))),
    case("recurrence: a long list",          4_000, |n| {
        let text = format!("{}1 * * * *", "1,".repeat(n));
        work(move || drop(Schedule::recurrence(&text)))
    }),
    case("engine: nodes",                    MANY, |n| polled(n, json!([policy("A > 1")]), "A=1")),
    case("engine: nodes that report much",   MANY, |n| polled(1, json!([policy("A > 1")]), &crate::lines(0..n))),
    case("engine: a long value reported",    8_000, |n| polled(1, json!([policy("A > 1")]), &format!("A={}", "1".repeat(n)))),
    case("engine: policies",                 MANY, |n| polled(1, (0..n).map(|_| policy("A > 1")).collect(), "A=1")),
    case("engine: services",                 MANY, services),
    case("engine: new VMs, and leases",      1_000, scaled),
];

fn expression(text: &str) -> Work {
    let text = text.to_owned();
    work(move || {
        let expression = Expression::parse(&text).unwrap();
        let average = |_: &str| Some(2.0);
        expression.is_true(&average);
        assert!(!expression.evaluated(&average).is_empty() && !expression.names().is_empty());
    })
}

fn policy(expression: &str) -> Value {
    json!({"type": "CHANGE", "adjust": 1, "expression": expression, "period_number": 3, "period": 10})
}

/// A service with so many nodes that report, and these policies.
fn polled(nodes: usize, policies: Value, reported: &str) -> Work {
    let ids: Vec<Id> = (0..nodes).map(|n| 100 + n as Id).collect();
    let given = json!({"name": "r", "cardinality": nodes, "min_vms": 1, "max_vms": nodes, "elasticity_policies": policies, "scheduled_policies": []});
    let mut documents = vec![service(json!([role(&given, &ids)]))];
    for id in ids {
        let (kind, mut record) = vm(id);
        for line in reported.lines() {
            let (name, value) = line.split_once('=').unwrap();
            record["USER_TEMPLATE"][name] = json!(value);
        }
        documents.push((kind, record));
    }
    polls(documents)
}

fn services(count: usize) -> Work {
    let mut documents = Vec::new();
    for n in 0..count {
        let given = json!({"name": "r", "cardinality": 0, "min_vms": 0, "elasticity_policies": [], "scheduled_policies": []});
        let (kind, mut document) = service(json!([role(&given, &[])]));
        document["ID"] = json!((1 + n).to_string());
        documents.push((kind, document));
    }
    polls(documents)
}

/// A network with so many leases, and a service that is given as many VMs more.
fn scaled(count: usize) -> Work {
    let mac = |n: usize| format!("02:00:0a:00:{:02x}:{:02x}", n / 256, n % 256);
    let leases: Vec<_> = (0..count)
        .map(|n| json!({"MAC": mac(n), "VM": n.to_string()}))
        .collect();
    let range = json!({"AR_ID": "0", "IP": "10.0.0.0", "MAC": mac(0), "SIZE": "60000",
        "NEXT_INDEX": count.to_string(), "LEASES": {"LEASE": leases}});
    let vnet = json!({"ID": "0", "NAME": "n", "AR_POOL": {"AR": range}, "TEMPLATE": {}});
    let given = json!({"name": "r", "cardinality": 1, "min_vms": 1, "max_vms": 100_000, "elasticity_policies": [], "scheduled_policies": []});
    let (kind, mut record) = vm(100);
    record["TEMPLATE"]["NIC"] = json!({"NETWORK_ID": "0", "NIC_ID": "0"});
    let documents = vec![
        (Kind::Vnet, vnet),
        service(json!([role(&given, &[100])])),
        (kind, record),
    ];
    let mut bench = Bench::new(options(), documents);
    bench.poll();
    work(move || {
        let wanted = ScaleRequest {
            service: 1,
            role: "r",
            cardinality: 1 + count as Id,
        };
        let scaled = bench.change(|engine, draft, now| engine.scale(draft, &wanted, now));
        scaled.unwrap();
        let taken = &bench.get(Kind::Vnet, 0)["AR_POOL"]["AR"][0]["LEASES"]["LEASE"];
        assert_eq!(taken.as_array().map(Vec::len), Some(2 * count));
    })
}

fn polls(documents: Vec<(Kind, Value)>) -> Work {
    let mut bench = Bench::new(options(), documents);
    work(move || {
        bench.poll();
        bench.poll();
        assert!(!bench.report(1).is_null());
    })
}
