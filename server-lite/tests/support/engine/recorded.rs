//! The recorded cases, and a service seen in their words.

use super::super::fixtures::lines;
use super::{Bench, Kind, name};
use serde_json::Value;
use std::collections::BTreeMap;

pub fn cases() -> BTreeMap<String, Value> {
    lines("elasticity.jsonl")
        .into_iter()
        .map(|case| (case["case"].as_str().expect("a name").to_string(), case))
        .collect()
}

pub fn case(name: &str) -> Value {
    cases().remove(name).expect(name)
}

pub fn samples(case: &Value) -> &[Value] {
    let observed = &case["observed"];
    observed
        .as_array()
        .or_else(|| observed["document_changes"].as_array())
        .expect("samples")
}

pub fn work(sample: &Value) -> &Value {
    let roles = sample["roles"].as_array().expect("roles");
    roles
        .iter()
        .find(|role| role["name"] == "work")
        .expect("the role")
}

/// What a moment of a service looks like: its state, and of its role the state, cardinality and number of nodes.
pub type Look = (String, String, u64, usize);

pub fn recorded_look(sample: &Value) -> Look {
    let role = work(sample);
    let text = |value: &Value| value.as_str().expect("a state").to_string();
    let nodes = role["nodes"].as_array().expect("nodes").len();
    (
        text(&sample["state"]),
        text(&role["state"]),
        role["cardinality"].as_u64().expect("a number"),
        nodes,
    )
}

pub fn our_look(bench: &Bench) -> Look {
    let body = &bench.get(Kind::Service, 1)["TEMPLATE"]["BODY"];
    let role = &body["roles"][0];
    let nodes = role["nodes"].as_array().expect("nodes").len();
    let cardinality = role["cardinality"].as_u64().expect("a number");
    (
        name(&body["state"]).into(),
        name(&role["state"]).into(),
        cardinality,
        nodes,
    )
}
