//! The virtual router behind a role of type vr: OneFlow makes one for the role, and the role's nodes are its VMs
//! (docs/elasticity.md, "Virtual router roles").

use super::lease::{self, Holder};
use super::obstacle::Obstacle;
use super::service::Service;
use super::{Tick, new_vm};
use crate::objects::document::{Id, id, list, list_mut};
use crate::store::state::{Draft, Kind};
use serde_json::{Value, json};

/// Makes the virtual router of a role that has none yet, and gives its id and whether it is new.
pub(super) fn of_role(
    tick: &mut Tick<'_, '_>,
    service: &mut Service,
    index: usize,
) -> Result<(Id, bool), Obstacle> {
    let role = &mut service.roles[index];
    let known = role.vrouter_id;
    if let Some(known) = known.filter(|id| tick.draft.get(Kind::Vrouter, *id).is_some()) {
        return Ok((known, false));
    }
    let last = tick.draft.ids(Kind::Vrouter).last().copied();
    let router = match last {
        None => 0,
        Some(last) => last
            .checked_add(1)
            .ok_or(Obstacle::NoId("virtual router"))?,
    };
    let mut template = role.contents.clone();
    for key in ["NAME", "NIC"] {
        template.shift_remove(key);
    }
    let mut nics = new_vm::nics(tick.draft, &role.contents);
    let mut addresses = Vec::new();
    let mut failed = Ok(());
    for nic in &mut nics {
        match float(tick, router, nic) {
            Ok(address) => addresses.extend(address),
            Err(why) => failed = failed.and(Err(why)),
        }
    }
    let mut document = new_vm::owned(tick.draft, service.id);
    document["ID"] = router.to_string().into();
    document["NAME"] = format!("{}(service_{})", role.name, service.id).into();
    document["VMS"] = json!({});
    for nic in &nics {
        if let Some(network) = id(nic.get("NETWORK_ID"))
            && let Some(vnet) = tick.draft.get_mut(Kind::Vnet, network)
        {
            list_mut(&mut vnet["VROUTERS"]["ID"]).push(router.to_string().into());
        }
    }
    template.insert("NIC".into(), new_vm::one_or_list(nics));
    template.insert("ROLE_NAME".into(), role.name.as_str().into());
    template.insert("SERVICE_ID".into(), service.id.to_string().into());
    if let Some(id) = role.template_id {
        template.insert("TEMPLATE_ID".into(), id.to_string().into());
    }
    template.insert("VROUTER".into(), "YES".into());
    document["TEMPLATE"] = Value::Object(template);
    tick.draft.set(Kind::Vrouter, router, document);
    if let Err(why) = failed {
        remove(tick.draft, router);
        return Err(why);
    }
    role.vrouter_id = Some(router);
    role.vrouter_ips = Value::Array(addresses);
    Ok((router, true))
}

/// Takes a virtual router back that was just made.
pub(super) fn remove(draft: &mut Draft<'_>, router: Id) {
    for network in draft.ids(Kind::Vnet) {
        let routers = |vnet: &Value| {
            let ids = list(vnet.get("VROUTERS").and_then(|routers| routers.get("ID")));
            ids.iter().any(|other| id(Some(other)) == Some(router))
        };
        if draft.get(Kind::Vnet, network).is_some_and(routers) {
            lease::give_back(draft, network, Holder::Router(router));
            if let Some(vnet) = draft.get_mut(Kind::Vnet, network) {
                list_mut(&mut vnet["VROUTERS"]["ID"])
                    .retain(|other| id(Some(other)) != Some(router));
            }
        }
    }
    draft.remove(Kind::Vrouter, router);
}

/// Adds a VM to a virtual router.
pub(super) fn add(draft: &mut Draft<'_>, router: Id, vm: Id) {
    if let Some(document) = draft.get_mut(Kind::Vrouter, router) {
        list_mut(&mut document["VMS"]["ID"]).push(vm.to_string().into());
    }
}

/// Takes a VM that is gone out of its virtual router.
pub(super) fn leave(draft: &mut Draft<'_>, vm: Id) {
    let template = draft
        .get(Kind::Vm, vm)
        .and_then(|record| record.get("TEMPLATE"));
    let Some(router) = template.and_then(|template| id(template.get("VROUTER_ID"))) else {
        return;
    };
    if let Some(document) = draft.get_mut(Kind::Vrouter, router)
        && let Some(vms) = document.get_mut("VMS")
    {
        list_mut(&mut vms["ID"]).retain(|other| id(Some(other)) != Some(vm));
    }
}

/// The floating address of a NIC, where it wants one: what the role's `vrouter_ips` says of it.
fn float(tick: &mut Tick<'_, '_>, router: Id, nic: &mut Value) -> Result<Option<Value>, Obstacle> {
    let wanted = |key| {
        let value = nic.get(key).and_then(Value::as_str);
        value.is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    };
    let network = id(nic.get("NETWORK_ID"));
    let Some(network) = network.filter(|_| wanted("FLOATING_IP") || wanted("FLOATING_ONLY")) else {
        return Ok(None);
    };
    let lease = lease::take(tick.draft, &mut tick.taken, network, Holder::Router(router))?;
    nic["AR_ID"] = lease.range.into();
    for (key, floating) in [
        ("IP", "VROUTER_IP"),
        ("IP6_GLOBAL", "VROUTER_IP6_GLOBAL"),
        ("IP6_ULA", "VROUTER_IP6_ULA"),
        ("IP6", "VROUTER_IP6"),
        ("MAC", "VROUTER_MAC"),
    ] {
        if let Some(address) = lease.addresses.get(key) {
            nic[floating] = address.clone();
        }
    }
    let ip = nic.get("VROUTER_IP");
    Ok(ip.map(|ip| json!({"NETWORK_ID": network, "VROUTER_IP": ip})))
}
