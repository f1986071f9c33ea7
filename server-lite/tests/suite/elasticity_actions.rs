//! Every recorded action on a VM whose states were tracked: from the same state, the engine leads to the same one.
//! (`server-lite/tests/fixtures/action.jsonl`; what the server answers over HTTP is held to the recordings elsewhere.)

use crate::support::engine::{Bench, Kind};
use crate::support::fixtures::lines;
use onegate_server_lite::flow::Timings;
use onegate_server_lite::objects::action;
use onegate_server_lite::objects::vm_state::{STATES, VmState};
use serde_json::{Value, json};
use std::time::Duration;

/// Actions that the real server carried out and the embedded cloud refuses, and why.
const REFUSED_HERE: &[(&str, &str)] = &[
    ("attachdisk", "there are no images here"),
    ("attachnic", "a NIC comes with the scenario"),
    ("chmod", "see action::REFUSED"),
    ("detachdisk", "there are no images here"),
    ("detachnic", "a NIC comes with the scenario"),
    ("recover", "nothing fails here that could be recovered"),
    ("snapshot_create", "there are no disks here"),
    ("snapshot_delete", "there are no disks here"),
];

fn state(recorded: &Value) -> VmState {
    let name = recorded[0].as_str().expect("a name");
    let state = STATES.iter().position(|known| *known == name).expect(name);
    let lcm = recorded[1].as_u64().expect("a number") as u8;
    VmState {
        state: state as u8,
        lcm: if state == 3 { lcm } else { 0 },
    }
}

#[test]
fn actions_lead_where_they_were_recorded_to_lead() {
    let mut compared = 0;
    for case in lines("action.jsonl") {
        let name = case["case"].as_str().expect("a name");
        let body = case["request"]["body"].as_str().unwrap_or("");
        let Ok(body) = serde_json::from_str::<Value>(body) else {
            continue;
        };
        let Some(perform) = body.pointer("/action/perform").and_then(Value::as_str) else {
            continue;
        };
        let status = case["response"]["status"].as_u64();
        let (Some(track), Some(204 | 500)) = (case["after"]["state_track"].as_array(), status)
        else {
            continue;
        };
        let before = state(&case["after"]["state_before"]);
        let after = track
            .last()
            .map(|sample| state(&sample["state"]))
            .expect("a sample");

        let vm = json!({"ID": "9", "STATE": before.state.to_string(), "LCM_STATE": before.lcm.to_string(),
            "RESCHED": "0", "TEMPLATE": {}, "USER_TEMPLATE": {}});
        let options = Timings {
            vm_step: Duration::ZERO,
            ..Timings::default()
        };
        let mut bench = Bench::new(options, vec![(Kind::Vm, vm)]);
        let call =
            action::find(perform).map(|action| (action, action.call(&body["action"]["params"])));
        let done = match call {
            // The caller checks rights: oned refused the owner.
            Some((action, Ok(_))) if action.admin && status == Some(500) => false,
            Some((_, Ok(call))) => bench.change(|engine, draft, now| {
                let done = engine.act(draft, 9, &call, now).is_ok();
                engine.advance(draft, now);
                done
            }),
            _ => false,
        };
        let expected =
            status == Some(204) && REFUSED_HERE.iter().all(|(refused, _)| *refused != perform);
        assert_eq!(done, expected, "{name}");
        let found = VmState::of(bench.get(Kind::Vm, 9));
        assert_eq!(found, Some(if done { after } else { before }), "{name}");
        if let (true, Some(flag)) = (done, case["after"]["resched"].as_str()) {
            assert_eq!(bench.get(Kind::Vm, 9)["RESCHED"], flag, "{name}");
        }
        compared += 1;
    }
    assert!(compared > 60, "only {compared} cases were compared");
}
