//! What is shown of a service, and of the VMs outside of all: reports with what guests said of themselves.

use super::attributes::attributes;
use super::limits::{ATTRIBUTE_BYTES, NODES};
use crate::cloud::embedded::copy::ServiceCopy;
use crate::objects::document::{Document, Id, address, json_of, list_mut};
use crate::objects::vm_state::VmState;
use serde_json::{Value, json};

/// The VMs of a service's nodes, as its report has them.
pub(super) fn nodes(report: &Value) -> Vec<Id> {
    let roles = report["roles"].as_array().into_iter().flatten();
    let nodes = roles.flat_map(|role| role["nodes"].as_array().into_iter().flatten());
    nodes
        .filter_map(|node| crate::objects::document::id(node.get("vm")))
        .collect()
}

/// A service's report as JSON, each node with its address and attributes; without these if it is to be short. Where the
/// cloud's clock is ahead of the system's, by how many seconds.
pub(super) fn of_service(mut report: Value, copy: &ServiceCopy, short: bool) -> String {
    let mut budget = if short { 0 } else { ATTRIBUTE_BYTES };
    let mut places = NODES;
    for role in list_mut(&mut report["roles"]) {
        let nodes = list_mut(&mut role["nodes"]);
        let left_out = nodes.len().saturating_sub(places);
        nodes.truncate(places);
        places -= nodes.len();
        for node in nodes {
            let vm = crate::objects::document::id(node.get("vm"));
            if let Some(record) = vm.and_then(|vm| copy.vm(vm)) {
                say_more(node, record, &mut budget);
            }
        }
        if left_out > 0 {
            role["more_nodes"] = left_out.into();
        }
    }
    let ahead = copy.ahead().as_secs_f64();
    if ahead > 0.0 {
        report["ahead"] = ahead.into();
    }
    json_of(&report)
}

/// The VMs outside of every service as JSON; so many more are not among them.
pub(super) fn of_outside(vms: &[(Id, Document)], more: usize) -> String {
    let mut budget = ATTRIBUTE_BYTES;
    let one = |(vm, record): &(Id, Document)| {
        let mut shown = json!({
            "vm": vm,
            "name": record.get("NAME"),
            "state": VmState::of(record).map(|state| state.name()),
        });
        say_more(&mut shown, record, &mut budget);
        shown
    };
    let vms: Vec<Value> = vms.iter().map(one).collect();
    json_of(&json!({"vms": vms, "more": more}))
}

fn say_more(shown: &mut Value, record: &Value, budget: &mut usize) {
    let (attributes, left_out) = attributes(record, budget);
    shown["ip"] = address(record).into();
    shown["attributes"] = attributes.into();
    if left_out > 0 {
        shown["more_attributes"] = left_out.into();
    }
}
