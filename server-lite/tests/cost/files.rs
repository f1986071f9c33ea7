//! What the operator gives: a scenario, a configuration, a state; and what is written of it.

use crate::TEXT;
use crate::requests::scenario;
use crate::support::cost::{Case, Work, case, work};
use onegate_server_lite::cloud::embedded::{Embedded, Scenario, export};
use onegate_server_lite::commands::config::Config;
use onegate_server_lite::commands::{context, service_show};
use onegate_server_lite::flow::Timings;
use onegate_server_lite::store::database::Store;
use serde_json::{Value, json};

const MANY: usize = 300;

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("scenario: VMs",                    MANY, |n| read(scenario(|all| copies(&mut all["vms"], n)).to_string())),
    case("scenario: users",                  MANY, |n| read(scenario(|all| copies(&mut all["users"], n)).to_string())),
    case("scenario: networks",               MANY, |n| read(scenario(|all| copies(&mut all["vnets"], n)).to_string())),
    case("scenario: routers",                MANY, |n| read(scenario(|all| copies(&mut all["vrouters"], n)).to_string())),
    case("scenario: services",               MANY, |n| read(scenario(|all| copies(&mut all["services"], n)).to_string())),
    case("scenario: nodes",                  MANY, |n| read(with_nodes(n).to_string())),
    case("scenario: roles",                  MANY, |n| read(with_roles(n).to_string())),
    case("scenario: leases",                 MANY, |n| read(scenario(|all| all["vnets"][0]["AR_POOL"]["AR"]["LEASES"]["LEASE"] = (0..n).map(|_| json!({"IP": "192.168.122.100", "MAC": "02:00:c0:a8:7a:64", "VM": "1"})).collect()).to_string())),
    case("scenario: address ranges",         MANY, |n| read(scenario(|all| all["vnets"][0]["AR_POOL"]["AR"] = (0..n).map(|n| json!({"AR_ID": n.to_string(), "TYPE": "IP4", "IP": "10.0.0.1", "MAC": "02:00:0a:00:00:01", "SIZE": "1"})).collect()).to_string())),
    case("scenario: attributes",             8_000, |n| read(scenario(|all| (0..n).for_each(|n| all["vms"][1]["USER_TEMPLATE"][format!("N{n}")] = json!("1"))).to_string())),
    case("scenario: blanks",                 TEXT, |n| read(" \n".repeat(n / 2) + &scenario(|_| ()).to_string())),
    case("scenario: keys that are not known", 8_000, |n| read(scenario(|all| (0..n).for_each(|n| all["vms"][1][format!("N{n}")] = json!("1"))).to_string())),
    case("scenario: not JSON at the end",    TEXT, |n| { let text = "{\n".to_owned() + &"\n".repeat(n) + "x"; work(move || assert!(Scenario::parse(&text, "a test").is_err())) }),
    case("scenario: nested too deeply",      TEXT, |n| { let text = "[".repeat(n); work(move || assert!(Scenario::parse(&text, "a test").is_err())) }),
    case("export",                           MANY, |n| {
        let scenario = Scenario::parse(&scenario(|all| copies(&mut all["vms"], n)).to_string(), "a test").unwrap();
        work(move || export::write(&scenario.objects, &mut std::io::sink()).unwrap())
    }),
    case("a state: filled and opened",       MANY, |n| state(scenario(|all| copies(&mut all["vms"], n)))),
    case("a state: a journal of updates",    300, journal),
    case("context.sh",                       2_000, |n| {
        let all = scenario(|all| (0..n).for_each(|n| all["vms"][1]["TEMPLATE"]["CONTEXT"][format!("N{n}")] = json!("a'b")));
        let cloud = embedded(&all);
        let directory = tempfile::tempdir().unwrap();
        work(move || assert!(context::write(&cloud, 8, Some("http://gate:5030"), directory.path()).unwrap()))
    }),
    case("service show: nodes",              MANY, |n| { let cloud = embedded(&with_nodes(n)); work(move || assert!(service_show::text(&cloud, 1, false).unwrap().len() > n)) }),
    case("service show: roles",              MANY, |n| { let cloud = embedded(&with_roles(n)); work(move || assert!(service_show::text(&cloud, 1, false).unwrap().len() > n)) }),

    case("configuration: keys",              4_000, |n| configured((0..n).map(|n| format!(":k{n}: 1\n")).collect())),
    case("configuration: one key",           4_000, |n| configured(":k: 1\n".repeat(n))),
    case("configuration: restricted",        4_000, |n| configured(format!(":restricted_attrs:\n{}", (0..n).map(|n| format!("  - A{n}\n")).collect::<String>()))),
    case("configuration: permissions",       4_000, |n| configured(format!(":permissions:\n  :vm:\n{}", (0..n).map(|n| format!("    :k{n}: true\n")).collect::<String>()))),
    case("configuration: comments",          40_000, |n| configured("# x\n".repeat(n / 4))),
    case("configuration: a long text",       40_000, |n| configured(format!(":host: {}\n", "x".repeat(n)))),
    case("configuration: a quoted text",     40_000, |n| configured(format!(":host: \"{}\"\n", "\\n".repeat(n / 2)))),
    case("configuration: blanks",            40_000, |n| configured(format!(":port:{}1\n", " ".repeat(n)))),
    case("configuration: a flow sequence",   4_000, |n| configured(format!(":restricted_attrs: [{}A]\n", "A, ".repeat(n)))),
    case("configuration: nested",            4_000, |n| configured(format!(":k: {}\n", "[".repeat(n)))),
    case("configuration: deeper and deeper", 80_000, |n| configured((0..(2 * n).isqrt()).map(|n| format!("{}k:\n", " ".repeat(n))).collect())),
    case("configuration: anchors",           4_000, |n| configured((0..n).map(|n| format!(":k{n}: &a{n} [1]\n")).collect())),
    case("configuration: aliases",           4_000, |n| configured(":k: &a [1]\n".to_owned() + &(0..n).map(|n| format!(":k{n}: *a\n")).collect::<String>())),
    case("configuration: aliases of aliases", 24, |n| configured(":k0: &a0 [1]\n".to_owned() + &(1..n).map(|n| format!(":k{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect::<String>())),
];

fn copies(list: &mut Value, count: usize) {
    let list = list.as_array_mut().unwrap();
    let template = list.last().unwrap().clone();
    for n in 0..count {
        let mut one = template.clone();
        one["ID"] = json!((100 + n).to_string());
        one["NAME"] = json!(format!("x{n}"));
        if !one["TEMPLATE"]["BODY"].is_null() {
            one["TEMPLATE"]["BODY"]["roles"] = json!([]);
        }
        list.push(one);
    }
}

fn with_nodes(count: usize) -> Value {
    scenario(|all| {
        copies(&mut all["vms"], count);
        let role = &mut all["services"][0]["TEMPLATE"]["BODY"]["roles"][1];
        role["nodes"] = (0..count).map(|n| json!({"deploy_id": 100 + n})).collect();
        role["cardinality"] = json!(count);
        role["max_vms"] = json!(count);
    })
}

fn with_roles(count: usize) -> Value {
    scenario(|all| {
        let roles = all["services"][0]["TEMPLATE"]["BODY"]["roles"]
            .as_array_mut()
            .unwrap();
        let mut role = roles[1].clone();
        role["nodes"] = json!([]);
        role["cardinality"] = json!(0);
        role["min_vms"] = json!(0);
        for n in 0..count {
            role["name"] = json!(format!("role{n}"));
            role["parents"] = match n {
                0 => json!([]),
                n => json!([format!("role{}", n - 1)]),
            };
            roles.push(role.clone());
        }
    })
}

fn read(text: String) -> Work {
    work(move || drop(Scenario::parse(&text, "a test").unwrap()))
}

fn embedded(scenario: &Value) -> Embedded {
    let scenario = Scenario::parse(&scenario.to_string(), "a test").unwrap();
    Embedded::in_memory(scenario.objects, Timings::default())
}

fn configured(text: String) -> Work {
    work(move || drop(Config::parse(&text, "a test")))
}

fn state(scenario: Value) -> Work {
    let scenario = Scenario::parse(&scenario.to_string(), "a test").unwrap();
    let directory = tempfile::tempdir().unwrap();
    work(move || {
        let path = directory.path().join("state");
        Store::open(&path)
            .unwrap()
            .store
            .fill(&scenario.objects, "x")
            .unwrap();
        assert!(Store::open(&path).unwrap().stored.is_some());
    })
}

/// So many updates of one VM, and the state opened again.
fn journal(count: usize) -> Work {
    use onegate_server_lite::cloud::{Cloud, User};
    use onegate_server_lite::objects::template;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let (cloud, _) = Embedded::open(None, Some(&path), Timings::default()).unwrap();
    work(move || {
        let owner = User {
            id: 2,
            name: "johndoe".to_owned(),
        };
        for n in 0..count {
            let attributes = template::parse(&format!("A={n}")).unwrap();
            cloud.update(&owner, 8, &attributes).unwrap();
        }
        drop(cloud);
        assert!(Store::open(&path).unwrap().stored.is_some());
        drop(directory);
    })
}
