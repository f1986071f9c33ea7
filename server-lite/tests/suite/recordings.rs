//! Every recorded update, action, scaling, GET, authentication, route and permission, sent again to the embedded cloud
//! as it was at that moment: the same status and the same JSON, or the same words.

use crate::support::client;
use crate::support::differences;
use crate::support::differences::Ours;
use crate::support::fixtures::lines;
use crate::support::gate::{Served, recorded, settled};
use crate::support::world;
use crate::support::world::Swap;
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::commands::config::Config;
use onegate_server_lite::objects::vm_state::STATES;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// What 7.1 and later say where 7.0.x gives the reason, as we do.
const WITHOUT_A_REASON: &str = "Internal server error";

/// The configurations under which it was recorded.
fn config(name: &str) -> Config {
    let text = match name {
        "custom" => {
            ":restricted_attrs: [SECRET_ATTR, lowercase_attr]\n:restricted_actions: []\n\
             :vnet_template_attributes: [GATEWAY, SEARCH_DOMAIN]\n\
             :permissions:\n  :vm: {:show: true, :show_by_id: true, :update: true, :update_by_id: true, \
             :action_by_id: true}\n  :service: {:show: true, :change_cardinality: true}\n  \
             :vrouter: {:show: true}\n  :vnet: {:show_by_id: true}\n"
        }
        "noperm" => ":permissions: {}\n",
        "permfalse" => ":permissions:\n  :vm: {:show: false}\n",
        _ => return Config::default(),
    };
    Config::parse(text, name).unwrap()
}

/// Read once, for all groups.
static WORLDS: LazyLock<world::Worlds> = LazyLock::new(world::Worlds::load);

/// Sends every case of a group and judges the answers.
fn replay(group: &str, cases: usize) {
    let worlds = &*WORLDS;
    let mut wrong = Vec::new();
    let mut met = Vec::new();
    let mut servers: Vec<(String, Served, Arc<Swap>)> = Vec::new();
    let recordings = lines(&format!("{group}.jsonl"));
    assert_eq!(recordings.len(), cases);
    for line in recordings {
        let case = line["case"].as_str().unwrap();
        let name = line["config"].as_str().unwrap();
        if !servers.iter().any(|(n, ..)| n == name) {
            let swap = Arc::new(Swap::default());
            let served = Served::new(swap.clone(), config(name));
            servers.push((name.to_string(), served, swap));
        }
        let (_, served, swap) = servers.iter().find(|(n, ..)| n == name).unwrap();
        let cloud = worlds.cloud_of(case);
        swap.set(cloud.clone());
        if group == "action" {
            cloud.start_clock(|trouble| panic!("{trouble}")).unwrap();
        }
        let answer = served.send(&recorded(&line["request"]));
        let reason = worlds.reason_of(case);
        let outcome = match differences::of_embedded(case) {
            Some((_, ours, _)) => {
                met.push(case.to_string());
                as_the_table_says(ours, &answer, &line, cloud.as_ref())
            }
            None => as_recorded(&answer, &line, reason, cloud.as_ref()),
        };
        if let Err(what) = outcome {
            wrong.push(format!(
                "{case}: {what}\n  recorded: {} {}\n  ours: {} {}",
                line["response"]["status"],
                line["response"]["body"],
                answer.status,
                answer.text()
            ));
        }
        if met.last().is_some_and(|last| last == case)
            && as_recorded(&answer, &line, reason, cloud.as_ref()).is_ok()
        {
            wrong.push(format!("{case}: no difference: take it out of the table"));
        }
    }
    let tables = [differences::DIFFERENCES, differences::OF_THE_EMBEDDED_CLOUD];
    for (case, ..) in tables.into_iter().flatten() {
        if case.starts_with(&format!("{group}/")) && !met.iter().any(|m| m == case) {
            wrong.push(format!("{case} is in the table, but not in the recordings"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn gets() {
    replay("get", 110);
}

#[test]
fn updates() {
    replay("put", 206);
}

#[test]
fn actions() {
    replay("action", 102);
}

#[test]
fn scalings() {
    replay("scale", 37);
}

#[test]
fn authentication() {
    replay("auth", 48);
}

#[test]
fn routes() {
    replay("routes", 61);
}

#[test]
fn permissions() {
    replay("permissions", 24);
}

#[test]
fn errors_of_7_0() {
    replay("pre7251", 16);
}

fn as_the_table_says(
    ours: &Ours,
    answer: &client::Answer,
    line: &Value,
    cloud: &dyn Cloud,
) -> Result<(), String> {
    match ours {
        Ours::Says(status, words) => {
            let says = answer.status == *status && answer.text().contains(words);
            if says {
                Ok(())
            } else {
                Err(format!("not {status} with {words:?}"))
            }
        }
        Ours::Stores(attributes) => {
            if answer.status != 200 {
                return Err("not stored".into());
            }
            let stored = user_template(line, cloud);
            let expected: Value = serde_json::from_str(attributes).unwrap();
            for (name, value) in expected.as_object().unwrap() {
                if stored.get(name).unwrap_or(&Value::Null) != value {
                    return Err(format!("stored {stored}"));
                }
            }
            Ok(())
        }
    }
}

fn as_recorded(
    answer: &client::Answer,
    line: &Value,
    reason: Option<&str>,
    cloud: &dyn Cloud,
) -> Result<(), String> {
    let (status, body) = (
        line["response"]["status"].as_u64().unwrap(),
        &line["response"]["body"],
    );
    let body = body.as_str().unwrap_or_default();
    if u64::from(answer.status) != status {
        return Err("another status".into());
    }
    let same = match serde_json::from_str::<Value>(body) {
        Ok(json) if status == 200 => {
            serde_json::from_slice(&answer.body).is_ok_and(|ours: Value| same_json(&ours, &json))
        }
        _ if body == WITHOUT_A_REASON => {
            reason.is_none_or(|reason| answer.text() == reason) && answer.text() != body
        }
        _ => answer.text() == body,
    };
    if !same {
        return Err("another body".into());
    }
    for name in ["Content-Type", "X-Content-Type-Options"] {
        let recorded = line["response"]["headers"]
            .as_array()
            .unwrap()
            .iter()
            .find(|pair| pair[0] == name);
        let recorded = recorded.and_then(|pair| pair[1].as_str());
        // A 403 of rack's own protection has neither, and Ruby's own error pages are text/plain.
        let ours = answer.header(name);
        if recorded.is_some_and(|recorded| recorded != "text/plain" && Some(recorded) != ours) {
            return Err(format!("{name}: {ours:?}, not {recorded:?}"));
        }
    }
    let after = &line["after"];
    if let Some(attributes) = after["get_vm_user_template"].as_object()
        && status == 200
        && line["request"]["line"].as_str().unwrap().starts_with("PUT")
    {
        let mut stored = user_template(line, cloud);
        stored
            .as_object_mut()
            .unwrap()
            .shift_remove("SCHED_MESSAGE");
        if stored != json!(attributes) {
            return Err(format!("stored {stored}, not {}", json!(attributes)));
        }
    }
    if let Some(track) = after["state_track"]
        .as_array()
        .or_else(|| after["track"].as_array())
        && let Some(state) = track.last().and_then(|step| step["state"].as_array())
    {
        return reaches(
            cloud,
            target(line),
            state[0].as_str().unwrap(),
            state[1].as_u64().unwrap(),
        );
    }
    Ok(())
}

/// The same JSON. Whole VMs of an extended service are compared by what their fixtures have kept.
fn same_json(ours: &Value, recorded: &Value) -> bool {
    match (ours, recorded) {
        (Value::Object(ours), Value::Object(recorded)) if ours.contains_key("PERMISSIONS") => {
            ours.iter().all(|(key, value)| match key.as_str() {
                "LAST_POLL" | "MONITORING" => true,
                "TEMPLATE" => value.as_object().is_some_and(|t| {
                    t.iter()
                        .all(|(key, value)| settled(value) == settled(&recorded["TEMPLATE"][key]))
                }),
                key => recorded
                    .get(key)
                    .is_some_and(|theirs| settled(value) == settled(theirs)),
            })
        }
        (Value::Object(ours), Value::Object(recorded)) => {
            ours.keys().eq(recorded.keys())
                && ours
                    .iter()
                    .all(|(key, value)| same_json(value, &recorded[key]))
        }
        (Value::Array(ours), Value::Array(recorded)) => {
            ours.len() == recorded.len()
                && ours
                    .iter()
                    .zip(recorded)
                    .all(|(ours, recorded)| same_json(ours, recorded))
        }
        (ours, recorded) => ours == recorded,
    }
}

/// The VM that a request is about: the one in its path, else the one that asks.
fn target(line: &Value) -> u32 {
    let path = line["request"]["line"]
        .as_str()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap();
    let in_path = path
        .strip_prefix("/vms/")
        .and_then(|rest| rest.split('/').next())
        .and_then(|id| id.parse().ok());
    in_path.unwrap_or_else(|| {
        let headers = line["request"]["headers"].as_array().unwrap();
        let asking = headers
            .iter()
            .find(|pair| pair[0] == "X-ONEGATE-VMID")
            .unwrap();
        asking[1].as_str().unwrap().trim().parse().unwrap()
    })
}

fn user_template(line: &Value, cloud: &dyn Cloud) -> Value {
    let vm = cloud
        .vm_to_authenticate(target(line))
        .expect("the VM in the path");
    vm["USER_TEMPLATE"].clone()
}

/// Waits until a VM is in a state, by the name of its STATE and the number of its LCM_STATE.
fn reaches(cloud: &dyn Cloud, vm: u32, state: &str, lcm: u64) -> Result<(), String> {
    let number = STATES
        .iter()
        .position(|name| *name == state)
        .unwrap()
        .to_string();
    let (number, lcm) = (json!(number), json!(lcm.to_string()));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let document = cloud.vm_to_authenticate(vm).unwrap();
        if document["STATE"] == number && document["LCM_STATE"] == lcm {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!(
                "VM {vm} is in {}/{}, not {state}/{lcm}",
                document["STATE"], document["LCM_STATE"]
            ));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
