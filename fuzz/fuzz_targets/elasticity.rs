//! Any expression and any recurrence in one role's policies, any value from its VM: no panic, and the other role of the
//! service is evaluated as ever.

#![no_main]

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use onegate_server_lite::flow::{Engine, Timings};
use onegate_server_lite::store::state::{Draft, Kind, Objects, Writes};
use serde_json::{Value, json};

fn role(name: &str, vm: u32, policies: Value, schedule: Value) -> Value {
    json!({"name": name, "cardinality": 1, "min_vms": 1, "max_vms": 2, "state": 2, "nodes": [{"deploy_id": vm}],
        "elasticity_policies": policies, "scheduled_policies": schedule})
}

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let mut next = || parts.next().unwrap_or_default();
    let (expression, recurrence, reported) = (next(), next(), next());
    let policy =
        |expression: &str| json!([{"expression": expression, "type": "CHANGE", "adjust": 0}]);
    let schedule = json!([{"recurrence": recurrence, "type": "CHANGE", "adjust": 0}]);
    let body = json!({"name": "s", "state": 2, "roles": [
        role("wild", 1, policy(expression), schedule),
        role("calm", 2, policy("LOAD == 50"), json!([])),
    ]});
    let vm = |load: &str| json!({"STATE": "3", "LCM_STATE": "3", "TEMPLATE": {}, "USER_TEMPLATE": {"LOAD": load, "A": load}});
    let mut objects = Objects::default();
    objects.set(
        Kind::Service,
        1,
        Some(Arc::new(json!({"ID": "1", "TEMPLATE": {"BODY": body}}))),
    );
    objects.set(Kind::Vm, 1, Some(Arc::new(vm(reported))));
    objects.set(Kind::Vm, 2, Some(Arc::new(vm("50"))));

    let none = Writes::new();
    let mut draft = Draft::new(&objects, &none);
    let options = Timings {
        interval: std::time::Duration::ZERO,
        ..Timings::default()
    };
    let mut engine = Engine::new(options).in_zone(TimeZone::UTC);
    for second in [1_795_348_800, 1_795_348_860, 1_827_000_000] {
        let now = Timestamp::from_second(second).expect("a time");
        engine.advance(&mut draft, now);
        let report = engine.report(&draft, 1, now).expect("a report");
        let calm = &report["roles"][1]["elasticity_policies"][0];
        assert_eq!(calm["expression_evaluated"], "LOAD[50.0] == 50");
        assert_eq!(calm["last_eval"], second);
    }
});
