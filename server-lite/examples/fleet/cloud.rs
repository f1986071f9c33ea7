//! The clouds that a fleet comes from: a made-up one, and the tokens of any.

use onegate_server_lite::objects::document::{Id, id};
use onegate_server_lite::objects::token::{Secret, seal};
use serde_json::{Value, json};
use std::collections::HashMap;

/// VMs of one service of the made-up cloud.
const SERVICE: usize = 10;
/// Its users; each owns as many services as the others.
const OWNERS: usize = 50;

/// UID of the owner of a service.
fn owner(service: usize) -> String {
    (2 + service % OWNERS).to_string()
}

/// UNAME of the same.
fn uname(service: usize) -> String {
    format!("user{}", service % OWNERS)
}

/// A cloud of so many running VMs, ten to a service, whose policies are evaluated like any.
pub(crate) fn made_up(vms: usize) -> String {
    let permissions = json!({"OWNER_U": "1", "OWNER_M": "1", "OWNER_A": "0", "GROUP_U": "0", "GROUP_M": "0",
        "GROUP_A": "0", "OTHER_U": "0", "OTHER_M": "0", "OTHER_A": "0"});
    let users: Vec<Value> = (0..OWNERS)
        .map(|user| {
            json!({"ID": owner(user), "GID": "1", "GNAME": "users", "NAME": format!("user{user}"),
                "TEMPLATE": {"TOKEN_PASSWORD": "0badc0de".repeat(8)}})
        })
        .collect();
    let name = |vm: usize| format!("work_{}_(service_{})", vm % SERVICE, vm / SERVICE);
    let records: Vec<Value> = (0..vms)
        .map(|vm| {
            let [_, b, c, d] = (vm as u32).to_be_bytes();
            json!({
                "ID": vm.to_string(), "UID": owner(vm / SERVICE), "GID": "1", "UNAME": uname(vm / SERVICE),
                "GNAME": "users", "NAME": name(vm),
                "PERMISSIONS": permissions, "STATE": "3", "LCM_STATE": "3", "RESCHED": "0",
                "STIME": (1_700_000_000 + vm).to_string(), "ETIME": "0", "MONITORING": {},
                "TEMPLATE": {"CREATED_BY": owner(vm / SERVICE), "VMID": vm.to_string(),
                    "CONTEXT": {"TOKEN": "YES", "VMID": vm.to_string()},
                    "NIC": {"NETWORK": "vnet", "NETWORK_ID": "0", "NIC_ID": "0", "IP": format!("10.{b}.{c}.{d}"),
                        "MAC": format!("02:00:0a:{b:02x}:{c:02x}:{d:02x}")}},
                "USER_TEMPLATE": {"SERVICE_ID": (vm / SERVICE).to_string(), "ROLE_NAME": "work"},
            })
        })
        .collect();
    let services: Vec<Value> = (0..vms.div_ceil(SERVICE))
        .map(|service| {
            let nodes: Vec<Value> = (service * SERVICE..vms.min((service + 1) * SERVICE))
                .map(|vm| {
                    json!({"deploy_id": vm, "vm_info": {"VM": {"ID": vm.to_string(), "UID": owner(service),
                        "GID": "1", "UNAME": uname(service), "GNAME": "users", "NAME": name(vm)}}})
                })
                .collect();
            let role = json!({"name": "work", "type": "vm", "cardinality": nodes.len(), "min_vms": 1, "max_vms": 20,
                "state": 2, "nodes": nodes, "elasticity_policies": [
                    {"expression": "CPU_USED_PERC > 100", "type": "CHANGE", "adjust": 1}]});
            json!({"ID": service.to_string(), "UID": owner(service), "GID": "1", "UNAME": uname(service),
                "GNAME": "users", "NAME": format!("service {service}"), "TYPE": "100", "PERMISSIONS": permissions,
                "TEMPLATE": {"BODY": {"name": "s", "state": 2, "roles": [role]}}})
        })
        .collect();
    let network = json!({"ID": "0", "UID": "0", "GID": "0", "NAME": "vnet", "PERMISSIONS": permissions,
        "TEMPLATE": {}, "AR_POOL": {}});
    json!({"users": users, "vms": records, "vnets": [network], "services": services}).to_string()
}

/// The first VMs of a cloud that run and may speak, each with its token.
pub(crate) fn tokens(cloud: &str, vms: usize) -> Result<Vec<(Id, String)>, String> {
    let cloud: Value =
        serde_json::from_str(cloud).map_err(|error| format!("the cloud is no JSON: {error}"))?;
    let items = |key: &str| cloud[key].as_array().cloned().unwrap_or_default();
    let inner = |item: Value, outer: &str| item.get(outer).cloned().unwrap_or(item);
    let passwords: HashMap<Id, String> = items("users")
        .into_iter()
        .map(|user| inner(user, "USER"))
        .filter_map(|user| {
            Some((
                id(user.get("ID"))?,
                user["TEMPLATE"]["TOKEN_PASSWORD"].as_str()?.to_string(),
            ))
        })
        .collect();
    let tokens: Vec<(Id, String)> = items("vms")
        .into_iter()
        .map(|vm| inner(vm, "VM"))
        .filter(|vm| vm["STATE"] == "3" && vm["LCM_STATE"] == "3")
        .filter_map(|vm| {
            let password = passwords.get(&id(vm["TEMPLATE"].get("CREATED_BY"))?)?;
            let number = id(vm.get("ID"))?;
            let token = seal(Secret {
                vm: number,
                stime: vm["STIME"].as_str()?,
                password,
            })?;
            Some((number, token))
        })
        .take(vms)
        .collect();
    if tokens.is_empty() {
        return Err(
            "the cloud has no running VM with CREATED_BY, STIME and its creator's TOKEN_PASSWORD"
                .into(),
        );
    }
    Ok(tokens)
}
