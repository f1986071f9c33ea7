//! Whether the VM that asks may see or change a VM, service, virtual router or virtual network.
//! (docs/protocol.md, "Who may see what")
//!
//! A VM may reach itself and its peers: those of the service that it says it is in, or else of its virtual router. A VM
//! can lie about itself, so the service or the router must list the VM that asks (the real server only checks for the
//! VM that is asked for).

use crate::cloud::Cloud;
use crate::gate::auth::Caller;
use crate::gate::reply::Failure;
use crate::objects::document::{Document, Id, id, list, parse_id};
use crate::objects::refusal::Refusal;
use serde_json::Value;

/// The record of the VM that asks, read in its owner's name.
pub fn own_vm(cloud: &dyn Cloud, caller: &Caller) -> Result<Document, Failure> {
    cloud
        .own_vm(&caller.user, &caller.document)
        .map_err(|refusal| vm_refused(refusal, caller.vm))
}

/// A VM that is asked for by its id: the one that asks, or a peer of it.
pub fn vm(cloud: &dyn Cloud, caller: &Caller, asked_for: Id) -> Result<Document, Failure> {
    let own = own_vm(cloud, caller)?;
    if asked_for == caller.vm {
        return Ok(own);
    }
    if says_service(&own) {
        let (id, service) = service_of(cloud, caller, &own)?;
        // A VM that is not a node itself gets the same answer whatever it asks for.
        if !(is_node(&service, caller.vm) && is_node(&service, asked_for)) {
            return Err(Failure::new(
                400,
                format!("Service {id} does not contain VM {asked_for}."),
            ));
        }
    } else if let Some(router) = says_vrouter(&own) {
        let (id, vrouter) = vrouter_of(cloud, caller, router)?;
        if !(has_vm(&vrouter, caller.vm) && has_vm(&vrouter, asked_for)) {
            return Err(Failure::new(
                400,
                format!("Virtual Router {id} does not contain VM {asked_for}."),
            ));
        }
    } else {
        return Err(Failure::new(
            400,
            "This VM does not belong to any Virtual Router or Service, so it cannot retrieve information from other VMs",
        ));
    }
    cloud
        .vm(&caller.user, asked_for)
        .map_err(|refusal| vm_refused(refusal, asked_for))
}

/// The service of the VM that asks.
pub fn service(cloud: &dyn Cloud, caller: &Caller) -> Result<(Id, Document), Failure> {
    let own = own_vm(cloud, caller)?;
    let (id, service) = service_of(cloud, caller, &own)?;
    if !is_node(&service, caller.vm) {
        return Err(Failure::new(
            400,
            format!("Service {id} does not contain VM {}.", caller.vm),
        ));
    }
    Ok((id, service))
}

/// The virtual router of the VM that asks.
pub fn vrouter(cloud: &dyn Cloud, caller: &Caller) -> Result<Document, Failure> {
    let own = own_vm(cloud, caller)?;
    match says_vrouter(&own) {
        Some(router) => own_vrouter(cloud, caller, router).map(|(_, vrouter)| vrouter),
        None => Err(Failure::new(400, "Empty or invalid VROUTER_ID")),
    }
}

/// A virtual network that the virtual router of the VM that asks is in, or a parent, child or sibling of one.
pub fn vnet(cloud: &dyn Cloud, caller: &Caller, asked_for: &str) -> Result<Document, Failure> {
    if asked_for.is_empty() || !asked_for.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::new(
            400,
            format!("Invalid id format (ID: {asked_for}). ID must be an integer."),
        ));
    }
    let own = own_vm(cloud, caller)?;
    let Some(router) = says_vrouter(&own) else {
        return Err(Failure::new(
            400,
            "Virtual networks information can only be retrieved from Virtual Routers.",
        ));
    };
    let (router, vrouter) = own_vrouter(cloud, caller, router)?;
    let absent = || format!("Virtual network {asked_for} not found");
    let wanted = parse_id(asked_for).ok_or_else(|| Failure::new(404, absent()))?;
    let vnet = cloud
        .vnet(&caller.user, wanted)
        .map_err(|refusal| Failure::refused(refusal, absent))?;
    if is_near(cloud, caller, &vrouter, wanted, &vnet)? {
        return Ok(vnet);
    }
    Err(Failure::new(
        400,
        format!("Virtual Network {wanted} cannot be retrieved from Virtual router {router}."),
    ))
}

/// Is this network one of the router's own, or the parent, a child or a sibling of one? Networks are fetched only
/// where the answer needs them.
fn is_near(
    cloud: &dyn Cloud,
    caller: &Caller,
    vrouter: &Value,
    wanted: Id,
    vnet: &Value,
) -> Result<bool, Failure> {
    let nics = list(vrouter.get("TEMPLATE").and_then(|t| t.get("NIC")));
    let mut networks: Vec<Id> = nics
        .iter()
        .filter_map(|nic| id(nic.get("NETWORK_ID")))
        .collect();
    networks.sort_unstable();
    networks.dedup();
    let parent = id(vnet.get("PARENT_NETWORK_ID"));
    if networks.contains(&wanted) || parent.is_some_and(|parent| networks.contains(&parent)) {
        return Ok(true);
    }
    for network in networks {
        match cloud.vnet(&caller.user, network) {
            Ok(own) => {
                let its_parent = id(own.get("PARENT_NETWORK_ID"));
                if its_parent.is_some() && (its_parent == Some(wanted) || its_parent == parent) {
                    return Ok(true);
                }
            }
            Err(refusal) if Failure::is_passing(&refusal) => {
                return Err(Failure::refused(refusal, String::new));
            }
            // A network that the owner may not see is passed over.
            Err(_) => {}
        }
    }
    Ok(false)
}

fn vm_refused(refusal: Refusal, vm: Id) -> Failure {
    match refusal {
        Refusal::NotAllowed(reason) => Failure::new(404, reason),
        refusal => Failure::refused(refusal, || {
            format!("[one.vm.info] Error getting virtual machine [{vm}].")
        }),
    }
}

/// Whether the VM says that it is in a service, true or not.
fn says_service(own: &Value) -> bool {
    own.get("USER_TEMPLATE")
        .is_some_and(|template| template.get("SERVICE_ID").is_some())
}

fn service_of(cloud: &dyn Cloud, caller: &Caller, own: &Value) -> Result<(Id, Document), Failure> {
    let said = own
        .get("USER_TEMPLATE")
        .and_then(|template| template.get("SERVICE_ID"));
    let Some(id) = id(said) else {
        return Err(Failure::new(400, "Empty or invalid SERVICE_ID"));
    };
    match cloud.service(&caller.user, id) {
        Ok(service) => Ok((id, service)),
        Err(Refusal::Failed(cause)) => {
            Err(Failure::new(404, format!("Service {id} not found")).because(cause))
        }
        Err(refusal) => Err(Failure::refused(refusal, || {
            format!("Service {id} not found")
        })),
    }
}

fn says_vrouter(own: &Value) -> Option<Id> {
    id(own
        .get("TEMPLATE")
        .and_then(|template| template.get("VROUTER_ID")))
}

fn vrouter_of(cloud: &dyn Cloud, caller: &Caller, router: Id) -> Result<(Id, Document), Failure> {
    match cloud.vrouter(&caller.user, router) {
        Ok(vrouter) => Ok((router, vrouter)),
        Err(refusal) => Err(Failure::refused(refusal, || {
            format!("Virtual router {router} not found")
        })),
    }
}

fn own_vrouter(cloud: &dyn Cloud, caller: &Caller, router: Id) -> Result<(Id, Document), Failure> {
    let (router, vrouter) = vrouter_of(cloud, caller, router)?;
    if !has_vm(&vrouter, caller.vm) {
        return Err(Failure::new(
            400,
            format!("Virtual Router {router} does not contain VM {}.", caller.vm),
        ));
    }
    Ok((router, vrouter))
}

fn is_node(service: &Value, vm: Id) -> bool {
    roles(service)
        .iter()
        .flat_map(|role| list(role.get("nodes")))
        .any(|node| id(node.get("deploy_id")) == Some(vm))
}

fn has_vm(vrouter: &Value, vm: Id) -> bool {
    list(vrouter.get("VMS").and_then(|vms| vms.get("ID")))
        .iter()
        .any(|member| id(Some(member)) == Some(vm))
}

/// The roles of a service's document.
pub fn roles(service: &Value) -> &[Value] {
    list(
        service
            .get("TEMPLATE")
            .and_then(|template| template.get("BODY"))
            .and_then(|body| body.get("roles")),
    )
}
