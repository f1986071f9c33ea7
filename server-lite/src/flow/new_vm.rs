//! New VMs of a role.
//!
//! A cloud's dump has VMs but no VM templates, so a new node is made after a pattern: the role's newest VM that has a
//! record, else any VM of the role's template (`template_id`), else what the role's `template_contents` says. What
//! is a VM's own is made new: ID, NAME, STIME, IP and MAC (leases of the same networks), context. Of USER_TEMPLATE
//! only what a VM template brings is taken over; what a guest has reported stays its own.

use super::lease::{self, Holder, TakenLeases};
use super::obstacle::Obstacle;
use super::service::Role;
use super::{Tick, vrouter};
use crate::objects::document::{Id, id, list, list_mut};
use crate::objects::refusal::Refusal;
use crate::store::state::{Draft, Kind};
use serde_json::{Map, Value, json};

/// What a VM template usually brings to USER_TEMPLATE.
const TEMPLATE_ATTRIBUTES: [&str; 8] = [
    "DESCRIPTION",
    "HYPERVISOR",
    "INPUTS_ORDER",
    "LABELS",
    "LOGO",
    "SCHED_RANK",
    "SCHED_REQUIREMENTS",
    "USER_INPUTS",
];

/// What a VM's record says at first.
const AT_FIRST: [(&str, &str); 8] = [
    ("LAST_POLL", "0"),
    ("STATE", "0"),
    ("LCM_STATE", "0"),
    ("PREV_STATE", "0"),
    ("PREV_LCM_STATE", "0"),
    ("RESCHED", "0"),
    ("ETIME", "0"),
    ("DEPLOY_ID", ""),
];

/// Makes a VM for a role of a service, in STATE 0 (the caller lets it enter PENDING), and gives its id. With a virtual
/// router it is one of that router's, and has its NICs.
pub(super) fn create(
    tick: &mut Tick<'_, '_>,
    service: Id,
    role: &Role,
    name: &str,
    router: Option<Id>,
) -> Result<Id, Obstacle> {
    let draft = &*tick.draft;
    let mut record = match pattern(draft, role) {
        Some(pattern) => copy(pattern),
        None => bare(draft, service, role),
    };
    record["NAME"] = name.into();
    record["USER_TEMPLATE"]["ROLE_NAME"] = role.name.as_str().into();
    record["USER_TEMPLATE"]["SERVICE_ID"] = service.to_string().into();
    add(tick, record, router)
}

/// Makes a VM like another one, in STATE 0: with addresses of the same networks, but in no service, and without what
/// its guest reported.
pub(super) fn create_like(tick: &mut Tick<'_, '_>, like: Id) -> Result<Id, Refusal> {
    let pattern = tick.draft.get(Kind::Vm, like).ok_or(Refusal::NotFound)?;
    let mut record = copy(pattern);
    let name = pattern.get("NAME").and_then(Value::as_str).unwrap_or("vm");
    record["NAME"] = format!("like {name}").into();
    Ok(add(tick, record, None)?)
}

/// Adds a VM's record, with what is its own: its id, its time, its addresses.
fn add(tick: &mut Tick<'_, '_>, mut record: Value, router: Option<Id>) -> Result<Id, Obstacle> {
    let draft = &mut *tick.draft;
    let vm = draft.next_vm_id().ok_or(Obstacle::NoId("VM"))?;
    record["ID"] = vm.to_string().into();
    record["STIME"] = tick.now.as_second().to_string().into();
    record["TEMPLATE"]["VMID"] = vm.to_string().into();
    if let Some(context) = record["TEMPLATE"].get_mut("CONTEXT") {
        context["VMID"] = vm.to_string().into();
    }
    belong(draft, &mut record, router);
    let mut failed = Ok(());
    for key in ["NIC", "NIC_ALIAS"] {
        if record["TEMPLATE"].get(key).is_none() {
            continue;
        }
        let mut nics = std::mem::take(list_mut(&mut record["TEMPLATE"][key]));
        for (index, nic) in nics.iter_mut().enumerate() {
            failed = failed.and_then(|()| address(draft, &mut tick.taken, vm, nic));
            if key == "NIC" {
                let context = record["TEMPLATE"]
                    .get_mut("CONTEXT")
                    .and_then(Value::as_object_mut);
                readdress_context(context, index, nic);
            }
        }
        record["TEMPLATE"][key] = one_or_list(nics);
    }
    draft.set(Kind::Vm, vm, record);
    if let Err(why) = failed {
        undo(draft, vm);
        return Err(why);
    }
    if let Some(router) = router {
        vrouter::add(draft, router, vm);
    }
    Ok(vm)
}

/// Makes a record that of a virtual router's VM, or of one of its own.
fn belong(draft: &Draft<'_>, record: &mut Value, router: Option<Id>) {
    let template = &mut record["TEMPLATE"];
    let Some(router) = router else {
        let template = template.as_object_mut();
        template
            .into_iter()
            .for_each(|template| template.retain(|key, _| !key.starts_with("VROUTER_")));
        return;
    };
    let document = draft.get(Kind::Vrouter, router);
    let nics = document.and_then(|document| document.get("TEMPLATE")?.get("NIC"));
    template["NIC"] = list(nics).into();
    if let Some(template) = template.as_object_mut() {
        template.shift_remove("NIC_ALIAS");
    }
    for (key, value) in [
        ("VROUTER_ID", router),
        // The id of a VRRP group: 1 to 255.
        ("VROUTER_KEEPALIVED_ID", router % 255 + 1),
    ] {
        template[key] = value.to_string().into();
        if let Some(context) = template.get_mut("CONTEXT") {
            context[key] = value.to_string().into();
        }
    }
    record["USER_TEMPLATE"]["VROUTER"] = "YES".into();
}

/// Takes a VM back that was just made.
pub(super) fn undo(draft: &mut Draft<'_>, vm: Id) {
    release(draft, vm);
    vrouter::leave(draft, vm);
    draft.remove(Kind::Vm, vm);
}

/// Gives back the leases of a VM that is gone.
pub(super) fn release(draft: &mut Draft<'_>, vm: Id) {
    let Some(template) = draft
        .get(Kind::Vm, vm)
        .and_then(|record| record.get("TEMPLATE"))
    else {
        return;
    };
    let networks: Vec<Id> = list(template.get("NIC"))
        .iter()
        .chain(list(template.get("NIC_ALIAS")))
        .filter_map(|nic| id(nic.get("NETWORK_ID")))
        .collect();
    for network in networks {
        lease::give_back(draft, network, Holder::Vm(vm));
    }
}

fn pattern<'d>(draft: &'d Draft<'_>, role: &Role) -> Option<&'d Value> {
    let own = role
        .nodes
        .iter()
        .rev()
        .find_map(|node| draft.get(Kind::Vm, node.vm));
    own.or_else(|| {
        let template = role.template_id?;
        draft
            .ids(Kind::Vm)
            .into_iter()
            .rev()
            .filter_map(|vm| draft.get(Kind::Vm, vm))
            .find(|vm| id(vm.get("TEMPLATE").and_then(|t| t.get("TEMPLATE_ID"))) == Some(template))
    })
}

fn copy(pattern: &Value) -> Value {
    let mut record = pattern.clone();
    for (key, value) in AT_FIRST {
        record[key] = value.into();
    }
    for key in ["MONITORING", "HISTORY_RECORDS", "SCHED_ACTIONS"] {
        record[key] = json!({});
    }
    if let Some(record) = record.as_object_mut() {
        record.shift_remove("LOCK");
    }
    let brought: Map<String, Value> = pattern
        .get("USER_TEMPLATE")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(name, _)| TEMPLATE_ATTRIBUTES.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    record["USER_TEMPLATE"] = Value::Object(brought);
    if let Some(os) = record["TEMPLATE"]
        .get_mut("OS")
        .and_then(Value::as_object_mut)
    {
        os.shift_remove("UUID");
    }
    record
}

/// A VM where there is no pattern: the service's owner, and the role's `template_contents`, whose NIC and CONTEXT are
/// the VM's, and whose other attributes are its USER_TEMPLATE.
fn bare(draft: &Draft<'_>, service: Id, role: &Role) -> Value {
    let mut attributes = role.contents.clone();
    for key in ["NAME", "NIC"] {
        attributes.shift_remove(key);
    }
    let context = match attributes.shift_remove("CONTEXT") {
        Some(Value::Object(given)) => Value::Object(given),
        _ => json!({"TOKEN": "YES"}),
    };
    let mut record = owned(draft, service);
    let uid = record["UID"].clone();
    for (key, value) in AT_FIRST.iter().chain(&[("STIME", "0")]) {
        record[key] = (*value).into();
    }
    record["TEMPLATE"] = json!({"CONTEXT": context, "CREATED_BY": uid, "NIC": nics(draft, &role.contents), "VMID": ""});
    record["USER_TEMPLATE"] = Value::Object(attributes);
    for key in ["MONITORING", "SCHED_ACTIONS", "HISTORY_RECORDS"] {
        record[key] = json!({});
    }
    record
}

/// The beginning of a document that belongs to a service's owner.
pub(super) fn owned(draft: &Draft<'_>, service: Id) -> Value {
    let owner = |key: &str| {
        let service = draft.get(Kind::Service, service);
        let value = service.and_then(|service| service.get(key));
        value.cloned().unwrap_or_else(|| "0".into())
    };
    json!({
        "ID": "", "UID": owner("UID"), "GID": owner("GID"), "UNAME": owner("UNAME"), "GNAME": owner("GNAME"),
        "NAME": "",
        "PERMISSIONS": {"OWNER_U": "1", "OWNER_M": "1", "OWNER_A": "0", "GROUP_U": "0", "GROUP_M": "0",
            "GROUP_A": "0", "OTHER_U": "0", "OTHER_M": "0", "OTHER_A": "0"},
    })
}

/// The NICs of a role's `template_contents`, as oned would have them before they get their addresses.
pub(super) fn nics(draft: &Draft<'_>, contents: &Map<String, Value>) -> Vec<Value> {
    let mut nics = list(contents.get("NIC")).to_vec();
    for (index, nic) in nics.iter_mut().enumerate() {
        let Some(nic) = nic.as_object_mut() else {
            continue;
        };
        for value in nic.values_mut().filter(|value| value.is_number()) {
            *value = value.to_string().into();
        }
        nic.insert("NIC_ID".into(), index.to_string().into());
        nic.insert("NAME".into(), format!("NIC{index}").into());
        let network = id(nic.get("NETWORK_ID")).and_then(|id| draft.get(Kind::Vnet, id));
        if let Some(name) = network.and_then(|network| network.get("NAME")) {
            nic.insert("NETWORK".into(), name.clone());
        }
    }
    nics
}

/// A list as oned has it: one is not a list.
pub(super) fn one_or_list(mut items: Vec<Value>) -> Value {
    match items.len() {
        1 => items.remove(0),
        _ => Value::Array(items),
    }
}

/// A lease of the NIC's network, and the addresses that follow from it.
fn address(
    draft: &mut Draft<'_>,
    taken: &mut TakenLeases,
    vm: Id,
    nic: &mut Value,
) -> Result<(), Obstacle> {
    let Some(nic) = nic.as_object_mut() else {
        return Ok(());
    };
    let network = match nic.get("NETWORK_ID") {
        None => return Ok(()),
        value => id(value).ok_or_else(|| Obstacle::NoNetworkId(nic["NETWORK_ID"].to_string()))?,
    };
    let lease = lease::take(draft, taken, network, Holder::Vm(vm))?;
    // No address of the pattern's stays: it is another VM's.
    nic.retain(|key, _| {
        !lease::ADDRESSES.contains(&key.as_str()) || lease.addresses.contains_key(key)
    });
    nic.extend(lease.addresses);
    let nic_id = nic.get("NIC_ID").and_then(Value::as_str).unwrap_or("0");
    let target = format!("one-{vm}-{nic_id}");
    nic.insert("TARGET".into(), target.into());
    nic.insert("AR_ID".into(), lease.range.into());
    Ok(())
}

/// Brings ETHn_IP and its kin up to date where the context has them.
fn readdress_context(context: Option<&mut Map<String, Value>>, index: usize, nic: &Value) {
    let Some(context) = context else { return };
    for (suffix, keys) in [
        ("IP", ["IP", "IP"]),
        ("MAC", ["MAC", "MAC"]),
        ("IP6", ["IP6_GLOBAL", "IP6"]),
        ("IP6_ULA", ["IP6_ULA", "IP6_ULA"]),
    ] {
        let value = keys.iter().find_map(|key| nic.get(*key));
        if let (Some(entry), Some(value)) =
            (context.get_mut(&format!("ETH{index}_{suffix}")), value)
        {
            *entry = value.clone();
        }
    }
}
