//! Warnings about a cloud that can be served but has mistakes: given when it is loaded, and by `check`.

use crate::flow::{Engine, Timings};
use crate::objects::document::{Id, id, list};
use crate::objects::message::shown;
use crate::objects::token;
use crate::store::state::{Kind, Objects};
use serde_json::Value;
use std::collections::BTreeMap;

/// What OneFlow would refuse in the services ([`Engine::problems`]) and oned in the networks
/// ([`Engine::network_problems`]), each with its place.
pub fn problems(objects: &Objects) -> Vec<String> {
    let mut engine = Engine::new(Timings::default());
    let sorted = |kind| {
        let mut documents: Vec<_> = objects.all(kind).collect();
        documents.sort_by_key(|(id, _)| *id);
        documents
    };
    let mut problems = Vec::new();
    for (id, document) in sorted(Kind::Service) {
        let found = engine.problems(&document).into_iter();
        problems.extend(found.map(|why| format!("service {id}, {why}")));
        problems.extend(new_vms(objects, id, &document));
    }
    for (id, document) in sorted(Kind::Vnet) {
        let found = Engine::network_problems(&document).into_iter();
        problems.extend(found.map(|why| format!("virtual network {id}: {why}")));
    }
    problems
}

/// What new VMs of a service's roles would lack: a token, a network, addresses.
fn new_vms(objects: &Objects, service: Id, document: &Value) -> Vec<String> {
    let mut odd = Vec::new();
    let mut has_pattern = true;
    for role in list(document["TEMPLATE"]["BODY"].get("roles")) {
        let nodes = list(role.get("nodes")).iter();
        let vms = nodes.filter_map(|node| id(node.get("deploy_id")));
        let vms: Vec<Id> = vms.filter(|vm| objects.contains(Kind::Vm, *vm)).collect();
        let count = |key| id(role.get(key)).unwrap_or(0) as usize;
        let most = count("cardinality").max(count("max_vms"));
        let grows_by = most.saturating_sub(vms.len());
        if grows_by == 0 {
            continue;
        }
        // As new nodes are made: after the newest, else after what the role says.
        let pattern = vms.last().and_then(|vm| objects.peek(Kind::Vm, *vm));
        has_pattern &= pattern.is_some() || role.get("template_id").is_some();
        let nics = match &pattern {
            Some(vm) => vm["TEMPLATE"].get("NIC"),
            None => role
                .get("template_contents")
                .and_then(|contents| contents.get("NIC")),
        };
        let name = role.get("name").and_then(Value::as_str).unwrap_or("?");
        let mut networks = BTreeMap::<Id, usize>::new();
        for network in list(nics).iter().filter_map(|nic| nic.get("NETWORK_ID")) {
            match id(Some(network)) {
                Some(network) => *networks.entry(network).or_default() += grows_by,
                None => odd.push(format!(
                    "service {service}, role {name}: a NIC has NETWORK_ID {}, which is no id: no VM can be made",
                    shown(&network.to_string(), 100)
                )),
            }
        }
        for (network, taken) in networks {
            let why = match objects.peek(Kind::Vnet, network) {
                None => {
                    format!("new VMs need virtual network {network}, but there is no such network")
                }
                Some(vnet) => match Engine::free_addresses(&vnet) {
                    free if free < taken as u64 => format!(
                        "{most} VMs take {taken} more addresses of virtual network {network}, which has {free} left"
                    ),
                    _ => continue,
                },
            };
            odd.push(format!("service {service}, role {name}: {why}"));
        }
    }
    let owner = id(document.get("UID")).unwrap_or(0);
    if !has_pattern && let Some(why) = no_tokens(objects, owner) {
        odd.push(format!(
            "service {service} belongs to user {owner}, who {why}: its new VMs get no token. Its UID must name a \
             user with a TOKEN_PASSWORD of 32 characters or more"
        ));
    }
    odd
}

/// Why VMs that a user creates have no tokens.
fn no_tokens(objects: &Objects, user: Id) -> Option<&'static str> {
    let Some(user) = objects.peek(Kind::User, user) else {
        return Some("is not here");
    };
    match user["TEMPLATE"]
        .get("TOKEN_PASSWORD")
        .and_then(Value::as_str)
    {
        None => Some("has no TOKEN_PASSWORD"),
        Some(password) if !token::is_long_enough(password) => {
            Some("has a TOKEN_PASSWORD of less than 32 characters")
        }
        Some(_) => None,
    }
}

/// What will puzzle someone later; `created_by` has each VM's creator.
pub(super) fn warnings(objects: &Objects, created_by: &[(Id, Option<Id>)]) -> Vec<String> {
    let mut odd = Vec::new();
    let mut created = BTreeMap::<Id, Vec<Id>>::new();
    let missing = |kind, id| !objects.contains(kind, id);
    for (vm, user) in created_by {
        match *user {
            None => odd.push(format!(
                "VM {vm} has no TEMPLATE/CREATED_BY: every request of it will get 401"
            )),
            Some(user) if missing(Kind::User, user) => {
                odd.push(format!(
                    "VM {vm} was created by user {user}, who is not here: its requests will get 401"
                ));
            }
            Some(user) => created.entry(user).or_default().push(*vm),
        }
    }
    for (user, vms) in created {
        if let Some(why) = no_tokens(objects, user) {
            let more = match vms.len() - 1 {
                0 => String::new(),
                more => format!(" (and of {more} more that it created)"),
            };
            odd.push(format!(
                "user {user} {why}: the requests of VM {}{more} will get 401",
                vms[0]
            ));
        }
    }
    for (service, document) in objects.all(Kind::Service) {
        let nodes = list(document["TEMPLATE"]["BODY"].get("roles"))
            .iter()
            .flat_map(|role| list(role.get("nodes")));
        for vm in nodes.filter_map(|node| id(node.get("deploy_id"))) {
            match objects.peek(Kind::Vm, vm) {
                None => odd.push(format!(
                    "service {service} has the node {vm}, but there is no such VM"
                )),
                Some(record) if id(record["USER_TEMPLATE"].get("SERVICE_ID")) != Some(service) => {
                    odd.push(format!(
                        "service {service} has the node {vm}, but the USER_TEMPLATE of VM {vm} does not say \
                         SERVICE_ID={service}: it cannot read the service"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    for (vrouter, document) in objects.all(Kind::Vrouter) {
        for vm in list(document["VMS"].get("ID"))
            .iter()
            .filter_map(|vm| id(Some(vm)))
        {
            if missing(Kind::Vm, vm) {
                odd.push(format!(
                    "virtual router {vrouter} has the VM {vm}, but there is no such VM"
                ));
            }
        }
    }
    odd.sort();
    odd
}
