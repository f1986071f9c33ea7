//! What each route does once it is known who asks.

use super::routes::{AuthenticatedRequest, Deed, Gate};
use crate::gate::access;
use crate::gate::conditional;
use crate::gate::form::{self, Parameters, Update};
use crate::gate::reply::{Failure, respond};
use crate::gate::view;
use crate::http::Response;
use crate::objects::action;
use crate::objects::document::{Document, Id, id, list, parse_id};
use crate::objects::json;
use crate::objects::refusal::Refusal;
use crate::objects::user_template::Changes;
use crate::store::state::Kind;
use serde_json::Value;

pub(super) fn show_root(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let base = match &gate.rules.ssl_server {
        Some(base) => base.trim_end_matches('/').to_string(),
        None => {
            let forwarded = call
                .request
                .header("x-forwarded-proto")
                .is_some_and(|p| p.eq_ignore_ascii_case("https"));
            let scheme = if forwarded { "https" } else { "http" };
            format!(
                "{scheme}://{}",
                call.request.header("host").unwrap_or("localhost")
            )
        }
    };
    Ok(respond(200, view::root(&base)))
}

pub(super) fn show_own_vm(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let vm = access::own_vm(gate.cloud(), &call.caller)?;
    Ok(call.show(gate, (Kind::Vm, call.caller.vm), &vm, view::vm))
}

pub(super) fn show_vm(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let id = call.id()?;
    let vm = access::vm(gate.cloud(), &call.caller, id)?;
    Ok(call.show(gate, (Kind::Vm, id), &vm, view::vm))
}

pub(super) fn update_own_vm(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let record = access::own_vm(gate.cloud(), &call.caller)?;
    update(gate, call, call.caller.vm, &record)
}

pub(super) fn update_vm(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let vm = call.id()?;
    let record = access::vm(gate.cloud(), &call.caller, vm)?;
    update(gate, call, vm, &record)
}

/// `record` is the VM as it was a moment ago.
fn update(
    gate: &Gate,
    call: &AuthenticatedRequest,
    vm: Id,
    record: &Value,
) -> Result<Response, Failure> {
    let update = Update::read(call.request)?;
    let user = &call.caller.user;
    call.deed.set(Some(Deed::Update {
        vm,
        names: update.names(),
        erased: matches!(update, Update::Erase(_)),
    }));
    let done = match &update {
        Update::Merge(attributes) => {
            let mut names = attributes.iter().map(|attribute| &attribute.name);
            if let Some(name) = names.find(|name| gate.rules.restricts(name)) {
                return Err(Failure::new(
                    403,
                    format!("Attribute ({name}) cannot be modified"),
                ));
            }
            Changes::of(attributes)
                .fit(record)
                .map_err(|error| Failure::new(413, error.to_string()))?;
            gate.cloud.update(user, vm, attributes)
        }
        Update::Erase(name) => {
            if gate.rules.restricts(name) {
                return Err(Failure::new(
                    403,
                    format!("Attribute ({name}) cannot be deleted"),
                ));
            }
            gate.cloud.erase(user, vm, name)
        }
    };
    let pending = done.map_err(|refusal| not_done(refusal, vm))?;
    call.pending.set(Some(pending));
    call.warning.set(form::warning(call.request));
    Ok(respond(200, Vec::new()))
}

pub(super) fn act_on_vm(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let vm = call.id()?;
    access::vm(gate.cloud(), &call.caller, vm)?;
    let body = call.json()?;
    let wanted = match body.get("action") {
        Some(action @ Value::Object(_)) => action,
        _ => {
            return Err(Failure::new(
                400,
                "the body must be {\"action\": {\"perform\": \"NAME\"}}",
            ));
        }
    };
    let name = match wanted.get("perform") {
        None | Some(Value::Null) => "",
        Some(Value::String(name)) => name,
        Some(_) => {
            return Err(Failure::new(
                400,
                "perform must be a text: the name of an action",
            ));
        }
    };
    let params = wanted.get("params").unwrap_or(&Value::Null);
    let restricted = || {
        Failure::new(
            403,
            format!("Action ({name}) is not allowed on this resource"),
        )
    };
    if gate
        .rules
        .restricted_actions
        .iter()
        .any(|action| action.eq_ignore_ascii_case(name))
    {
        return Err(restricted());
    }
    let known = action::find(name).ok_or_else(|| Failure::new(500, action::unknown(name)))?;
    let wanted = known
        .call(params)
        .map_err(|error| Failure::new(500, error.to_string()))?;
    // `delete` must not be a way around a restriction on `terminate`.
    let same_call = |other: &String| {
        action::ACTIONS
            .iter()
            .any(|a| a.is_named(other) && a.calls(wanted.name))
    };
    if gate.rules.restricted_actions.iter().any(same_call) {
        return Err(restricted());
    }
    let action = wanted.name;
    call.deed.set(Some(Deed::Act { vm, action }));
    gate.cloud
        .act(&call.caller.user, vm, &wanted)
        .map_err(|refusal| not_done(refusal, vm))?;
    Ok(Response {
        status: 204,
        headers: vec![("X-Content-Type-Options", "nosniff".into())],
        body: Vec::new().into(),
    })
}

pub(super) fn show_service(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let (id, service) = access::service(gate.cloud(), &call.caller)?;
    // Any value counts, even "false" or an empty one: the real server only checks that there is one.
    if call.parameter_named("extended")?.is_none() {
        let view = |service: &Value| view::service(id, service, None);
        return Ok(call.show(gate, (Kind::Service, id), &service, view));
    }
    call.shows(Kind::Service, id);
    let whole = nodes(gate, call, &service)?;
    Ok(respond(200, view::service(id, &service, Some(&whole))))
}

/// The whole records of a service's nodes, each read by itself, since a pool has no monitoring data. VMs that are gone,
/// or that the owner may not read, are left out.
fn nodes(
    gate: &Gate,
    call: &AuthenticatedRequest,
    service: &Value,
) -> Result<Vec<Document>, Failure> {
    let nodes = access::roles(service)
        .iter()
        .flat_map(|role| list(role.get("nodes")));
    let mut records = Vec::new();
    for vm in nodes.filter_map(|node| id(node.get("deploy_id"))) {
        call.shows(Kind::Vm, vm);
        match gate.cloud.whole_vm(&call.caller.user, vm) {
            Ok(record) => records.push(record),
            Err(Refusal::NotFound | Refusal::NotAllowed(_)) => {}
            Err(refusal) => return Err(Failure::refused(refusal, || "VMs not found".into())),
        }
    }
    Ok(records)
}

fn holders(gate: &Gate, call: &AuthenticatedRequest, vms: &[Id]) -> Result<Vec<Document>, Failure> {
    if vms.is_empty() {
        return Ok(Vec::new());
    }
    gate.cloud
        .vms(&call.caller.user, vms)
        .map_err(|refusal| Failure::refused(refusal, || "VMs not found".into()))
}

pub(super) fn scale_role(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let (service, _) = access::service(gate.cloud(), &call.caller)?;
    let role = call.parameter.as_ref();
    // The recorded words, and then the reason, which OneFlow does not give.
    let refused = |reason: &str, cause: &str| {
        let what = format!("Error performing action on service {service} role {role}");
        Failure::new(400, format!("{what}: {reason}")).because(cause)
    };
    let body = call.json()?;
    let not_a_number = "the cardinality is not a whole number from 0 up";
    let cardinality =
        id(body.get("cardinality")).ok_or_else(|| refused(not_a_number, not_a_number))?;
    call.deed.set(Some(Deed::Scale {
        service,
        cardinality,
    }));
    let scaled = gate
        .cloud
        .scale(&call.caller.user, service, role, cardinality);
    scaled.map_err(|refusal| match refusal {
        refusal if Failure::is_passing(&refusal) => Failure::refused(refusal, String::new),
        Refusal::NotAllowed(cause) => refused("the VM's owner may not manage it", &cause),
        refusal => refused(refusal.cause(), refusal.cause()),
    })?;
    Ok(respond(200, Vec::new()))
}

pub(super) fn show_vrouter(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let vrouter = access::vrouter(gate.cloud(), &call.caller)?;
    if let Some(id) = id(vrouter.get("ID")) {
        call.shows(Kind::Vrouter, id);
    }
    Ok(respond(200, view::vrouter(&vrouter)))
}

pub(super) fn show_vnet(gate: &Gate, call: &AuthenticatedRequest) -> Result<Response, Failure> {
    let vnet = access::vnet(gate.cloud(), &call.caller, &call.parameter)?;
    if let Some(id) = id(vnet.get("ID")) {
        call.shows(Kind::Vnet, id);
    }
    let extended = call
        .parameter_named("extended")?
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let vms = if extended {
        let ranges = list(vnet.get("AR_POOL").and_then(|pool| pool.get("AR"))).iter();
        let leases = ranges
            .flat_map(|range| list(range.get("LEASES").and_then(|leases| leases.get("LEASE"))));
        let ids: Vec<Id> = leases.filter_map(|lease| id(lease.get("VM"))).collect();
        ids.iter().for_each(|vm| call.shows(Kind::Vm, *vm));
        Some(holders(gate, call, &ids)?)
    } else {
        None
    };
    Ok(respond(
        200,
        view::vnet(&vnet, &gate.rules.vnet_template_attributes, vms.as_deref()),
    ))
}

/// The failure for a cloud's refusal to change a VM: its words, as the 7.0.x server passes them on.
fn not_done(refusal: Refusal, vm: Id) -> Failure {
    match refusal {
        Refusal::NotAllowed(reason) => Failure::new(500, reason),
        refusal => Failure::refused(refusal, || {
            format!("[one.vm.info] Error getting virtual machine [{vm}].")
        }),
    }
}

impl AuthenticatedRequest<'_> {
    /// The VM in the path.
    fn id(&self) -> Result<Id, Failure> {
        parse_id(&self.parameter).ok_or_else(|| {
            Failure::new(
                400,
                format!(
                    "Invalid id format (ID: {}). ID must be an integer.",
                    self.parameter
                ),
            )
        })
    }

    /// The body as JSON, whatever its Content-Type says.
    fn json(&self) -> Result<Value, Failure> {
        json::parse(&self.request.body).map_err(|error| Failure::new(400, error.to_string()))
    }

    /// The response that shows this document and nothing else.
    fn show(
        &self,
        gate: &Gate,
        (kind, id): (Kind, Id),
        document: &Document,
        view: impl FnOnce(&Value) -> Vec<u8>,
    ) -> Response {
        self.shows(kind, id);
        let (body, tag) = gate.views.of(kind, id, document, view);
        self.tag.set(Some(tag));
        respond(200, body)
    }

    /// Notes that the response shows this document, and so changes with it.
    fn shows(&self, kind: Kind, id: Id) {
        self.shown.borrow_mut().push(conditional::topic(kind, id));
    }

    /// A parameter of the query or of a form.
    fn parameter_named(&self, name: &str) -> Result<Option<String>, Failure> {
        if self.request.query.is_empty() && self.request.body.is_empty() {
            return Ok(None);
        }
        let parameters = Parameters::read(self.request)?;
        Ok(parameters.get(name)?.map(str::to_owned))
    }
}
