//! Every recorded case with a real OpenNebula behind the server, as the recordings have it: the same request is
//! answered with the same status and the same JSON, or as the one table of differences says; an update stores what
//! the recording says it stored; and no call goes upstream that the Ruby server didn't make.

use crate::support::client::Answer;
use crate::support::differences;
use crate::support::differences::Ours;
use crate::support::fixtures::lines;
use crate::support::gate::{Served, recorded};
use crate::support::upstream::bench;
use crate::support::upstream::replay::{Case, Recordings, Replay};
use crate::support::upstream::vm::UserTemplate;
use onegate_server_lite::cloud::opennebula::OpenNebula;
use onegate_server_lite::commands::config::Config;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A server whose OpenNebula listens there.
fn served(oned: &str, oneflow: &str, config: Config) -> Served {
    let settings = bench::settings(oned, oneflow);
    Served::new(
        Arc::new(OpenNebula::new(settings, Arc::new(|_| {})).unwrap()),
        config,
    )
}

/// The configurations with which the real server was recorded.
fn config(name: &str) -> Config {
    let permissions = |on: bool| {
        let mut text = String::from(":permissions:\n");
        for (resource, actions) in [
            ("vm", "show show_by_id update update_by_id action_by_id"),
            ("service", "show change_cardinality"),
            ("vrouter", "show"),
            ("vnet", "show_by_id"),
        ] {
            text += &format!("  :{resource}:\n");
            text.extend(
                actions
                    .split(' ')
                    .map(|action| format!("    :{action}: {on}\n")),
            );
        }
        text
    };
    let text = match name {
        "default" | "onedown" | "flowdown" => return Config::default(),
        "noperm" => String::new(),
        "permfalse" => permissions(false),
        "nokeys" => permissions(true),
        "custom" => {
            permissions(true)
                + ":restricted_attrs:\n  - SECRET_ATTR\n  - lowercase_attr\n:restricted_actions: []\n\
                   :vnet_template_attributes:\n  - GATEWAY\n  - SEARCH_DOMAIN\n"
        }
        other => panic!("configuration {other}"),
    };
    Config::parse(&text, "onegate-server.conf").unwrap()
}

/// What came of a case: nothing, or what is wrong.
fn judge(line: &Value, answer: &Answer, case: &Case) -> Result<(), String> {
    let name = line["case"].as_str().unwrap();
    if !case.unexpected.is_empty() && differences::of_opennebula(name).is_none() {
        return Err(format!(
            "calls that were not recorded: {:?}",
            case.unexpected
        ));
    }
    // Of networks that PERMISSIONS leave to groups and access rules, the server asks as both, once a minute.
    let allowed = case.recorded() + if name.contains("/vnet_") { 2 } else { 0 };
    if case.made() > allowed {
        return Err(format!(
            "{} calls, where the Ruby server made {}",
            case.made(),
            case.recorded()
        ));
    }
    let says = || format!("{} {}", answer.status, answer.text());
    match differences::of_opennebula(name) {
        Some((_, Ours::Says(status, words), _)) => {
            let as_said = answer.status == *status && answer.text().contains(words);
            if as_said {
                Ok(())
            } else {
                Err(format!(
                    "the table has {status} {words}, ours is {}",
                    says()
                ))
            }
        }
        Some((_, Ours::Stores(attributes), _)) => {
            let wanted: Map<String, Value> = serde_json::from_str(attributes).unwrap();
            let stored = case
                .stored
                .as_ref()
                .map(as_json)
                .ok_or_else(|| format!("nothing was stored: {}", says()))?;
            let differs = |(name, value): (&String, &Value)| {
                stored.get(name).unwrap_or(&Value::Null) != value
            };
            match wanted.iter().find(|(name, value)| differs((name, value))) {
                Some((name, value)) => Err(format!("{name} is not {value}: {stored:?}")),
                None => Ok(()),
            }
        }
        None => {
            as_recorded(line, answer, case).map_err(|what| format!("{what}\n  ours: {}", says()))
        }
    }
}

fn as_recorded(line: &Value, answer: &Answer, case: &Case) -> Result<(), String> {
    let response = &line["response"];
    let body = response["body"].as_str().unwrap_or_default();
    let ours = answer.text();
    let same = match (
        serde_json::from_str::<Value>(body),
        serde_json::from_str::<Value>(ours),
    ) {
        // As texts, since the keys' order counts too.
        (Ok(theirs), Ok(ours)) => {
            let (theirs, ours) = (theirs.to_string(), ours.to_string());
            theirs == ours
        }
        // 7.1 and later say no more than this; we say why, as 7.0.x did.
        _ if body == "Internal server error" => match case.reason() {
            Some(reason) => without_ids(reason) == without_ids(ours),
            None => !ours.is_empty() && ours != body,
        },
        _ => body == ours,
    };
    if response["status"] != answer.status || !same {
        return Err(format!("recorded: {} {body}", response["status"]));
    }
    let after = &line["after"]["get_vm_user_template"];
    if let (Some(stored), Value::Object(after)) = (&case.stored, after)
        && &as_shown(stored) != after
    {
        return Err(format!("recorded as stored: {after:?}\n  ours: {stored:?}"));
    }
    Ok(())
}

/// A reason without the ids in brackets: a guest is shown only those that it knows.
fn without_ids(reason: &str) -> String {
    let parts = reason.split('[').map(|part| match part.split_once(']') {
        Some((id, rest)) if id.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => part,
    });
    parts.collect::<String>().replace(' ', "")
}

/// As GET /vm shows it.
fn as_shown(attributes: &UserTemplate) -> Map<String, Value> {
    let mut shown = as_json(attributes);
    shown.remove("SCHED_MESSAGE");
    shown
}

fn as_json(attributes: &UserTemplate) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in attributes {
        match object.get_mut(name) {
            None => drop(object.insert(name.clone(), value.clone())),
            Some(Value::Array(list)) => list.push(value.clone()),
            Some(one) => *one = Value::Array(vec![one.take(), value.clone()]),
        }
    }
    object
}

/// Sends every case of a file; the address of nobody stands for what is away.
fn replay(file: &str, oned_listens: bool, oneflow_listens: bool) {
    let recordings = Recordings::read();
    let (mut wrong, mut met) = (Vec::new(), Vec::new());
    let (mut cases, mut calls, mut theirs) = (0, 0, 0);
    for line in lines(&format!("{file}.jsonl")) {
        let name = line["case"].as_str().unwrap();
        let replay = Replay::start(recordings.case_of(name, asks(&line)));
        let oned = if oned_listens {
            replay.oned.url("/RPC2")
        } else {
            nobody()
        };
        let oneflow = if oneflow_listens {
            replay.oneflow.url("")
        } else {
            nobody()
        };
        let config = config(line["config"].as_str().unwrap());
        let answer = served(&oned, &oneflow, config).send(&recorded(&line["request"]));
        let case = replay.case.lock().unwrap();
        cases += 1;
        calls += case.made();
        theirs += case.recorded();
        if let Err(what) = judge(&line, &answer, &case) {
            wrong.push(format!("{name} ({}): {what}", line["request"]["line"]));
        }
        if answer.header("Retry-After").is_some() != (answer.status == 503) {
            wrong.push(format!("{name}: {:?}", answer.head));
        }
        if differences::of_opennebula(name).is_some() {
            met.push(name.to_string());
            if as_recorded(&line, &answer, &case).is_ok() && case.unexpected.is_empty() {
                wrong.push(format!("{name}: no difference: take it out of the table"));
            }
        }
    }
    for (name, ..) in differences::OF_OPENNEBULA {
        if name.starts_with(&format!("{file}/")) && !met.iter().any(|m| m == name) {
            wrong.push(format!("{name} is in the table, but not in the recordings"));
        }
    }
    println!("{file}: {cases} cases; {calls} calls upstream, where the Ruby server made {theirs}");
    assert!(
        wrong.is_empty(),
        "{} of {cases} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The VM that asks.
fn asks(line: &Value) -> &str {
    let headers = line["request"]["headers"].as_array().unwrap();
    let vmid = headers.iter().find(|pair| {
        pair[0]
            .as_str()
            .unwrap()
            .eq_ignore_ascii_case("x-onegate-vmid")
    });
    vmid.map_or("", |pair| pair[1].as_str().unwrap())
}

#[test]
fn get() {
    replay("get", true, true);
}

#[test]
fn put() {
    replay("put", true, true);
}

#[test]
fn action() {
    replay("action", true, true);
}

#[test]
fn scale() {
    replay("scale", true, true);
}

#[test]
fn auth() {
    replay("auth", true, true);
}

#[test]
fn routes() {
    replay("routes", true, true);
}

#[test]
fn permissions() {
    replay("permissions", true, true);
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[test]
fn oned_away() {
    replay("onedown", false, false);
}

#[test]
fn oneflow_away() {
    replay("flowdown", true, false);
}
