//! Whatever a scenario says in whatever place, the server refuses it at the start or serves it: nothing panics. Each
//! value of the built-in scenario is replaced in turn by values of other kinds, and the cloud that comes of it is
//! asked for everything and told to do everything.

use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::embedded::{Embedded, Scenario};
use onegate_server_lite::flow;
use onegate_server_lite::gate::routes::Gate;
use onegate_server_lite::gate::rules::Rules;
use onegate_server_lite::http::Request;
use onegate_server_lite::objects::token::{Secret, seal};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// The parts of a VM that are only passed on, whatever they are.
const PASSED_ON: [&str; 5] = ["DISK", "HISTORY_RECORDS", "BACKUPS", "ETH0_", "MONITORING"];

#[test]
fn no_scenario_makes_the_server_panic() {
    let scenario: Value =
        serde_json::from_str(include_str!("../../scenarios/panacea.json")).unwrap();
    let odd = [
        Value::Null,
        json!({}),
        json!([]),
        json!("x"),
        json!(7),
        json!(true),
        json!(["x", {"LEASES": {"LEASE": {"VM": "8"}}}, {}]),
        json!("99999999999999999999"),
        json!({"ID": ["8", "9"], "LEASE": "x", "BODY": []}),
    ];
    let mut places = Vec::new();
    collect(&scenario, String::new(), &mut places);
    // The clock has a thread of its own: its panics are seen here.
    std::panic::set_hook(Box::new(|panic| {
        PANICS.lock().unwrap().push(panic.to_string())
    }));
    let mut wrong = Vec::new();
    let (mut served, mut refused) = (0, 0);
    for (number, place) in places.iter().enumerate() {
        // Two of the odd values for each place, others for the next.
        for odd in odd
            .iter()
            .cycle()
            .skip(number % odd.len())
            .step_by(4)
            .take(2)
        {
            let mut mutant = scenario.clone();
            *mutant.pointer_mut(place).unwrap() = odd.clone();
            match Scenario::parse(&mutant.to_string(), "mutant") {
                Ok(scenario) => {
                    served += 1;
                    let _ = std::panic::catch_unwind(|| exercise(scenario));
                    for panic in std::mem::take(&mut *PANICS.lock().unwrap()) {
                        wrong.push(format!("{place} as {odd}: {panic}"));
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().starts_with("mutant: "), "{error}");
                }
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(
        wrong.is_empty(),
        "{} panics:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("{served} served, {refused} refused");
    assert!(served > 500 && refused > 50);
}

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The JSON pointers of every value.
fn collect(value: &Value, at: String, places: &mut Vec<String>) {
    if PASSED_ON.iter().any(|part| at.contains(part)) {
        return;
    }
    match value {
        Value::Object(object) => object
            .iter()
            .for_each(|(key, value)| collect(value, format!("{at}/{key}"), places)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| collect(value, format!("{at}/{index}"), places)),
        _ => {}
    }
    if !at.is_empty() {
        places.push(at);
    }
}

/// Every route, as each VM; then time passes.
fn exercise(scenario: Scenario) {
    let cloud = Arc::new(Embedded::in_memory(
        scenario.objects,
        flow::Timings::default(),
    ));
    cloud.start_clock(|trouble| panic!("{trouble}")).unwrap();
    let gate = Gate::new(cloud.clone(), Rules::default());
    for vm in [8, 1] {
        let Some(token) = token(cloud.as_ref(), vm) else {
            continue;
        };
        for (method, path, query, body) in [
            ("GET", "/", "", ""),
            ("GET", "/vm", "", ""),
            ("GET", "/vms/9", "", ""),
            ("GET", "/service", "", ""),
            ("GET", "/service", "extended=true", ""),
            ("GET", "/vrouter", "", ""),
            ("GET", "/vnet/0", "", ""),
            ("GET", "/vnet/0", "extended=true", ""),
            ("PUT", "/vm", "", "A=1"),
            ("PUT", "/vm", "type=2&data=A", ""),
            ("PUT", "/service/role/slave", "", r#"{"cardinality":3}"#),
            ("PUT", "/service/role/master", "", r#"{"cardinality":0}"#),
            (
                "POST",
                "/vms/9/action",
                "",
                r#"{"action":{"perform":"poweroff"}}"#,
            ),
            ("GET", "/service", "extended=true", ""),
        ] {
            let request = Request {
                method: method.into(),
                path: path.into(),
                query: query.into(),
                headers: vec![
                    ("x-onegate-vmid".into(), vm.to_string()),
                    ("x-onegate-token".into(), token.clone()),
                ],
                body: body.into(),
            };
            let answer = gate.answer(&request).response;
            assert!(answer.status < 600);
            if answer.status == 200 && method == "GET" {
                let json: Result<Value, _> = serde_json::from_slice(&answer.body);
                assert!(
                    json.is_ok(),
                    "{path}: {}",
                    String::from_utf8_lossy(&answer.body)
                );
            }
        }
    }
    for service in cloud.services() {
        let _ = cloud.report(service);
    }
    cloud.stop_clock();
}

fn token(cloud: &dyn Cloud, vm: u32) -> Option<String> {
    let document = cloud.vm_to_authenticate(vm).ok()?;
    let creator = document["TEMPLATE"]["CREATED_BY"].as_str()?.parse().ok()?;
    let password = cloud.token_password(creator).ok()??;
    let stime = document["STIME"].as_str()?;
    seal(Secret {
        vm,
        stime,
        password: &password,
    })
}
