//! What is odd in a cloud but can be served: said when it is loaded, and by `check`.

use crate::flow::{Engine, Timings};
use crate::objects::document::{Id, id, list};
use crate::store::state::{Kind, Objects};

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
    }
    for (id, document) in sorted(Kind::Vnet) {
        let found = Engine::network_problems(&document).into_iter();
        problems.extend(found.map(|why| format!("virtual network {id}: {why}")));
    }
    problems
}

/// What will puzzle someone later; `created_by` has each VM's creator.
pub(super) fn oddities(objects: &Objects, created_by: &[(Id, Option<Id>)]) -> Vec<String> {
    let mut odd = Vec::new();
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
            Some(_) => {}
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
