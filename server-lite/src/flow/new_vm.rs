//! New VMs of a role.
//!
//! A cloud's dump has VMs but no VM templates, so a new node is made after a pattern: the role's newest VM that has a
//! record, else any VM of the role's template (`template_id`), else what the role's `template_contents` says. What
//! is a VM's own is made new: ID, NAME, STIME, IP and MAC (leases of the same networks), context. Of USER_TEMPLATE
//! only what a VM template brings is taken over; what a guest has reported stays its own.

use super::lease::{self, list_mut};
use super::service::Role;
use crate::objects::document::{Id, id, list};
use crate::store::state::{Draft, Kind};
use serde_json::{Map, Value, json};
use std::net::Ipv6Addr;

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

/// Makes a VM for a role of a service, in STATE 0 (the caller lets it enter PENDING), and gives its id. `now` is in
/// seconds. The error says what was missing.
pub(super) fn create(
    draft: &mut Draft<'_>,
    service: Id,
    role: &Role,
    name: &str,
    now: i64,
) -> Result<Id, String> {
    let vm = draft.next_vm_id();
    let mut record = match pattern(draft, role) {
        Some(pattern) => copy(pattern),
        None => bare(draft, service, role),
    };
    record["ID"] = vm.to_string().into();
    record["NAME"] = name.into();
    record["STIME"] = now.to_string().into();
    record["USER_TEMPLATE"]["ROLE_NAME"] = role.name.as_str().into();
    record["USER_TEMPLATE"]["SERVICE_ID"] = service.to_string().into();
    record["TEMPLATE"]["VMID"] = vm.to_string().into();
    if let Some(context) = record["TEMPLATE"].get_mut("CONTEXT") {
        context["VMID"] = vm.to_string().into();
    }
    let mut failed = None;
    for key in ["NIC", "NIC_ALIAS"] {
        if record["TEMPLATE"].get(key).is_none() {
            continue;
        }
        let mut nics = std::mem::take(list_mut(&mut record["TEMPLATE"][key]));
        for (index, nic) in nics.iter_mut().enumerate() {
            failed = failed.or_else(|| address(draft, vm, nic).err());
            if key == "NIC" {
                let context = record["TEMPLATE"]
                    .get_mut("CONTEXT")
                    .and_then(Value::as_object_mut);
                readdress_context(context, index, nic);
            }
        }
        // As oned has it: one is not a list.
        record["TEMPLATE"][key] = match nics.len() {
            1 => nics.remove(0),
            _ => Value::Array(nics),
        };
    }
    draft.set(Kind::Vm, vm, record);
    match failed {
        None => Ok(vm),
        Some(why) => {
            undo(draft, vm);
            Err(why)
        }
    }
}

/// Takes a VM back that was just made.
pub(super) fn undo(draft: &mut Draft<'_>, vm: Id) {
    release(draft, vm);
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
        lease::give_back(draft, network, vm);
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
    for (key, value) in [
        ("LAST_POLL", "0"),
        ("STATE", "0"),
        ("LCM_STATE", "0"),
        ("PREV_STATE", "0"),
        ("PREV_LCM_STATE", "0"),
        ("RESCHED", "0"),
        ("ETIME", "0"),
        ("DEPLOY_ID", ""),
    ] {
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
    let owner = |key: &str| {
        let value = draft
            .get(Kind::Service, service)
            .and_then(|service| service.get(key));
        value.cloned().unwrap_or_else(|| "0".into())
    };
    let mut attributes = role.contents.clone();
    attributes.shift_remove("NAME");
    let mut nics = list(attributes.shift_remove("NIC").as_ref()).to_vec();
    for (index, nic) in nics
        .iter_mut()
        .enumerate()
        .filter(|(_, nic)| nic.is_object())
    {
        nic["NIC_ID"] = index.to_string().into();
        nic["NAME"] = format!("NIC{index}").into();
        let network = id(nic.get("NETWORK_ID")).and_then(|id| draft.get(Kind::Vnet, id));
        if let Some(name) = network.and_then(|network| network.get("NAME")) {
            nic["NETWORK"] = name.clone();
        }
    }
    let mut context = json!({"TOKEN": "YES"});
    if let Some(Value::Object(given)) = attributes.shift_remove("CONTEXT") {
        context = Value::Object(given);
    }
    json!({
        "ID": "", "UID": owner("UID"), "GID": owner("GID"), "UNAME": owner("UNAME"), "GNAME": owner("GNAME"),
        "NAME": "",
        "PERMISSIONS": {"OWNER_U": "1", "OWNER_M": "1", "OWNER_A": "0", "GROUP_U": "0", "GROUP_M": "0",
            "GROUP_A": "0", "OTHER_U": "0", "OTHER_M": "0", "OTHER_A": "0"},
        "LAST_POLL": "0", "STATE": "0", "LCM_STATE": "0", "PREV_STATE": "0", "PREV_LCM_STATE": "0", "RESCHED": "0",
        "STIME": "0", "ETIME": "0", "DEPLOY_ID": "", "MONITORING": {}, "SCHED_ACTIONS": {},
        "TEMPLATE": {"CONTEXT": context, "CREATED_BY": owner("UID"), "NIC": nics, "VMID": ""},
        "USER_TEMPLATE": attributes, "HISTORY_RECORDS": {},
    })
}

/// A lease of the NIC's network, and the addresses that follow from it.
fn address(draft: &mut Draft<'_>, vm: Id, nic: &mut Value) -> Result<(), String> {
    let Some(network) = id(nic.get("NETWORK_ID")) else {
        return Ok(());
    };
    let lease = lease::take(draft, network, vm)?;
    if let Some(ip) = lease.ip {
        nic["IP"] = ip.to_string().into();
    }
    for key in ["IP6_LINK", "IP6_ULA", "IP6_GLOBAL"] {
        let before: Option<Ipv6Addr> = nic
            .get(key)
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        if let (Some(before), Some(mac)) = (before, lease::mac(&lease.mac)) {
            nic[key] = with_interface(before, mac).to_string().into();
        }
    }
    let nic_id = nic
        .get("NIC_ID")
        .and_then(Value::as_str)
        .unwrap_or("0")
        .to_string();
    nic["TARGET"] = format!("one-{vm}-{nic_id}").into();
    nic["AR_ID"] = lease.range.into();
    nic["MAC"] = lease.mac.into();
    Ok(())
}

/// The address of a NIC with this MAC in the same /64 (EUI-64, as oned makes them).
fn with_interface(address: Ipv6Addr, mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let mut octets = address.octets();
    octets[8..].copy_from_slice(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    octets.into()
}

/// Brings ETHn_IP and its kin up to date where the context has them.
fn readdress_context(context: Option<&mut Map<String, Value>>, index: usize, nic: &Value) {
    let Some(context) = context else { return };
    for (suffix, key) in [
        ("IP", "IP"),
        ("MAC", "MAC"),
        ("IP6", "IP6_GLOBAL"),
        ("IP6_ULA", "IP6_ULA"),
    ] {
        if let (Some(entry), Some(value)) = (
            context.get_mut(&format!("ETH{index}_{suffix}")),
            nic.get(key),
        ) {
            *entry = value.clone();
        }
    }
}
