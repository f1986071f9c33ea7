//! Every request's way: route, permission, caller, access, cloud, view.
//!
//! [`ROUTES`] is the only list of what is served. What is refused is refused in this order (contract §4): an unknown
//! route (400, whoever asks), a permission that is switched off (403, whoever asks), a foreign page's doing (403), no
//! valid token (401); then the handler's own checks.

use crate::access::{self, Failure};
use crate::action;
use crate::auth::{self, Caller, Denied};
use crate::cloud::{Cloud, Document, Id, Refusal, id, list, parse_id};
use crate::config::Config;
use crate::form::{Parameters, Update};
use crate::http::{Request, Response};
use crate::{json, template, view};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// One route.
#[derive(Debug)]
pub struct Route {
    /// The method; HEAD works where GET does.
    pub method: &'static str,
    /// The path's segments; one that starts with `:` takes any text.
    pub path: &'static [&'static str],
    /// The switch of `:permissions` that it needs: resource and action.
    pub permission: Option<(&'static str, &'static str)>,
    handler: Handler,
}

type Handler = fn(&Gate, &Call) -> Result<Response, Failure>;

const fn route(
    method: &'static str,
    path: &'static [&'static str],
    permission: Option<(&'static str, &'static str)>,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        permission,
        handler,
    }
}

/// Every route.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    route("GET",  &[],                          None,                                  show_root),
    route("GET",  &["vm"],                      Some(("vm", "show")),                  show_own_vm),
    route("PUT",  &["vm"],                      Some(("vm", "update")),                update_own_vm),
    route("GET",  &["vms", ":id"],              Some(("vm", "show_by_id")),            show_vm),
    route("PUT",  &["vms", ":id"],              Some(("vm", "update_by_id")),          update_vm),
    route("POST", &["vms", ":id", "action"],    Some(("vm", "action_by_id")),          act_on_vm),
    route("GET",  &["service"],                 Some(("service", "show")),             show_service),
    route("PUT",  &["service", "role", ":role"], Some(("service", "change_cardinality")), scale_role),
    route("GET",  &["vrouter"],                 Some(("vrouter", "show")),             show_vrouter),
    route("GET",  &["vnet", ":id"],             Some(("vnet", "show_by_id")),          show_vnet),
];

/// The server's mind: a cloud, and what its configuration lets guests do with it.
pub struct Gate {
    cloud: Arc<dyn Cloud>,
    config: Config,
}

/// What came of a request.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response,
    /// The VM that asked, once it is known.
    pub vm: Option<Id>,
    /// Why it was not carried out, where the log is to say more than the guest is told.
    pub cause: Option<String>,
}

/// A request that may be carried out: who asks, and what its path says.
struct Call<'a> {
    request: &'a Request,
    caller: Caller,
    parameter: Cow<'a, str>,
}

impl Gate {
    /// A gate before this cloud.
    pub fn new(cloud: Arc<dyn Cloud>, config: Config) -> Self {
        Self { cloud, config }
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request) -> Answer {
        let refused = |status, message: &str| Answer {
            response: respond(status, message.as_bytes().to_vec()),
            vm: None,
            cause: None,
        };
        let Some((route, parameter)) = find(&request.method, &request.path) else {
            return refused(400, "OneGate server doesn't support this feature");
        };
        if let Some((resource, action)) = route.permission
            && !self.config.permits(resource, action)
        {
            return refused(
                403,
                &format!("Action ({action}) on resource ({resource}) not supported"),
            );
        }
        if is_foreign(request) {
            return refused(403, "Forbidden");
        }
        let caller = match auth::authenticate(self.cloud.as_ref(), request) {
            Ok(caller) => caller,
            Err(Denied::NotAuthorized) => return refused(401, "Not authorized"),
            Err(Denied::Unavailable(cause)) => {
                return answer(None, Err(Failure::unavailable(cause)));
            }
        };
        let vm = Some(caller.vm);
        answer(
            vm,
            (route.handler)(
                self,
                &Call {
                    request,
                    caller,
                    parameter,
                },
            ),
        )
    }

    fn cloud(&self) -> &dyn Cloud {
        self.cloud.as_ref()
    }
}

fn answer(vm: Option<Id>, result: Result<Response, Failure>) -> Answer {
    match result {
        Ok(response) => Answer {
            response,
            vm,
            cause: None,
        },
        Err(mut failure) => Answer {
            vm,
            cause: failure.cause.take(),
            response: failure.into(),
        },
    }
}

/// An answer as the real server types them all, texts too: recordings, `response.headers`.
pub(crate) fn respond(status: u16, body: Vec<u8>) -> Response {
    Response {
        status,
        headers: vec![
            ("Content-Type", "application/json;charset=utf-8".into()),
            ("X-Content-Type-Options", "nosniff".into()),
        ],
        body,
    }
}

/// The route of a request, and what stands at its `:` segment.
fn find<'a>(method: &str, path: &'a str) -> Option<(&'static Route, Cow<'a, str>)> {
    let segments = segments(path)?;
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES
        .iter()
        .filter(|route| route.method == method)
        .find_map(|route| {
            if route.path.len() != segments.len() {
                return None;
            }
            let mut parameter = Cow::Borrowed("");
            for (pattern, segment) in route.path.iter().zip(&segments) {
                if pattern.starts_with(':') && !segment.is_empty() {
                    parameter = segment.clone();
                } else if pattern != segment {
                    return None;
                }
            }
            Some((route, parameter))
        })
}

/// The segments of a path, decoded. As with the real server `//vm`, `/./vm` and `/x/../vm` are `/vm`, but `/vm/` is
/// not: its last segment is empty. An encoded slash separates nothing.
fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut segments = Vec::with_capacity(4);
    let mut rest = path.strip_prefix('/')?.split('/').peekable();
    while let Some(raw) = rest.next() {
        let last = rest.peek().is_none();
        let segment = decode(raw);
        match segment.as_ref() {
            "" | "." | ".." => {
                if segment == ".." {
                    segments.pop();
                }
                if last && !segments.is_empty() {
                    segments.push(Cow::Borrowed(""));
                }
            }
            _ => segments.push(segment),
        }
    }
    Some(segments)
}

/// Decodes `%41`; what is no UTF-8 becomes U+FFFD, which no route and no id has.
fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Was this sent by a page of another site? The real server says so too, but only after it has done what was asked.
fn is_foreign(request: &Request) -> bool {
    let Some(referer) = request.header("referer") else {
        return false;
    };
    if request
        .header("x-requested-with")
        .is_some_and(|with| with.eq_ignore_ascii_case("XMLHttpRequest"))
    {
        return false;
    }
    let authority = referer
        .split_once("://")
        .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    authority.is_some_and(|authority| request.header("host") != Some(authority))
}

fn show_root(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    let base = match &gate.config.ssl_server {
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

fn show_own_vm(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    let vm = access::own_vm(gate.cloud(), &call.caller)?;
    Ok(respond(200, view::vm(&vm)))
}

fn show_vm(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    let vm = access::vm(gate.cloud(), &call.caller, call.id()?)?;
    Ok(respond(200, view::vm(&vm)))
}

fn update_own_vm(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    access::own_vm(gate.cloud(), &call.caller)?;
    update(gate, call, call.caller.vm)
}

fn update_vm(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    let vm = call.id()?;
    access::vm(gate.cloud(), &call.caller, vm)?;
    update(gate, call, vm)
}

fn update(gate: &Gate, call: &Call, vm: Id) -> Result<Response, Failure> {
    let update = Update::read(call.request).map_err(|reason| Failure::new(400, reason))?;
    let user = &call.caller.user;
    let done = match &update {
        Update::Merge(attributes) => {
            if let Some(name) = template::restricted(attributes, &gate.config) {
                return Err(Failure::new(
                    403,
                    format!("Attribute ({name}) cannot be modified"),
                ));
            }
            gate.cloud.update(user, vm, attributes)
        }
        Update::Erase(name) => {
            if gate.config.restricts(name) {
                return Err(Failure::new(
                    403,
                    format!("Attribute ({name}) cannot be deleted"),
                ));
            }
            gate.cloud.erase(user, vm, name)
        }
    };
    done.map_err(|refusal| not_done(refusal, vm))?;
    Ok(respond(200, Vec::new()))
}

fn act_on_vm(gate: &Gate, call: &Call) -> Result<Response, Failure> {
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
        .config
        .restricted_actions
        .iter()
        .any(|action| action.eq_ignore_ascii_case(name))
    {
        return Err(restricted());
    }
    let known = action::find(name).ok_or_else(|| Failure::new(500, action::unknown(name)))?;
    let wanted = known
        .call(params)
        .map_err(|reason| Failure::new(500, reason))?;
    // `delete` is no way around a restriction on `terminate`.
    let same_call = |other: &String| {
        action::ACTIONS
            .iter()
            .any(|a| a.is_named(other) && a.calls(wanted.name))
    };
    if gate.config.restricted_actions.iter().any(same_call) {
        return Err(restricted());
    }
    gate.cloud
        .act(&call.caller.user, vm, &wanted)
        .map_err(|refusal| not_done(refusal, vm))?;
    Ok(Response {
        status: 204,
        headers: vec![("X-Content-Type-Options", "nosniff".into())],
        body: Vec::new(),
    })
}

fn show_service(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    let (id, service) = access::service(gate.cloud(), &call.caller)?;
    // Any value will do, even "false": the real server only looks whether there is one.
    let extended = call
        .parameter_named("extended")?
        .is_some_and(|value| !value.is_empty());
    let whole = if extended {
        Some(nodes(gate, call, &service)?)
    } else {
        None
    };
    Ok(respond(200, view::service(id, &service, whole.as_deref())))
}

/// The whole records of a service's nodes, each read by itself: a pool's answer would leave out what is monitored.
/// Those that are gone, or not the owner's to read, are left out.
fn nodes(gate: &Gate, call: &Call, service: &Value) -> Result<Vec<Document>, Failure> {
    let nodes = access::roles(service)
        .iter()
        .flat_map(|role| list(role.get("nodes")));
    let mut records = Vec::new();
    for vm in nodes.filter_map(|node| id(node.get("deploy_id"))) {
        let record = match vm == call.caller.vm {
            true => gate.cloud.own_vm(&call.caller.user, &call.caller.document),
            false => gate.cloud.vm(&call.caller.user, vm),
        };
        match record {
            Ok(record) => records.push(record),
            Err(Refusal::NotFound | Refusal::NotAllowed(_)) => {}
            Err(refusal) => return Err(Failure::refused(refusal, || "VMs not found".into())),
        }
    }
    Ok(records)
}

fn holders(gate: &Gate, call: &Call, vms: &[Id]) -> Result<Vec<Document>, Failure> {
    if vms.is_empty() {
        return Ok(Vec::new());
    }
    gate.cloud
        .vms(&call.caller.user, vms)
        .map_err(|refusal| Failure::refused(refusal, || "VMs not found".into()))
}

fn scale_role(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    let (service, _) = access::service(gate.cloud(), &call.caller)?;
    let role = call.parameter.as_ref();
    let refused = |cause: Option<String>| Failure {
        status: 400,
        message: format!("Error performing action on service {service} role {role}"),
        cause,
    };
    let body = call.json()?;
    let cardinality = id(body.get("cardinality")).ok_or_else(|| {
        refused(Some(
            "the cardinality is not a whole number from 0 up".into(),
        ))
    })?;
    match gate
        .cloud
        .scale(&call.caller.user, service, role, cardinality)
    {
        Ok(()) => Ok(respond(200, Vec::new())),
        Err(Refusal::Unavailable(cause)) => Err(Failure::unavailable(cause)),
        Err(Refusal::NotFound) => Err(refused(None)),
        Err(Refusal::NotAllowed(cause) | Refusal::Invalid(cause) | Refusal::Failed(cause)) => {
            Err(refused(Some(cause)))
        }
    }
}

fn show_vrouter(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    let vrouter = access::vrouter(gate.cloud(), &call.caller)?;
    Ok(respond(200, view::vrouter(&vrouter)))
}

fn show_vnet(gate: &Gate, call: &Call) -> Result<Response, Failure> {
    let vnet = access::vnet(gate.cloud(), &call.caller, &call.parameter)?;
    let extended = call
        .parameter_named("extended")?
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let vms = if extended {
        let ranges = list(vnet.get("AR_POOL").and_then(|pool| pool.get("AR"))).iter();
        let leases = ranges
            .flat_map(|range| list(range.get("LEASES").and_then(|leases| leases.get("LEASE"))));
        let ids: Vec<Id> = leases.filter_map(|lease| id(lease.get("VM"))).collect();
        Some(holders(gate, call, &ids)?)
    } else {
        None
    };
    Ok(respond(
        200,
        view::vnet(&vnet, &gate.config.vnet_template_attributes, vms.as_deref()),
    ))
}

/// What a cloud's refusal to change a VM comes to: its words, as the 7.0.x server passes them on.
fn not_done(refusal: Refusal, vm: Id) -> Failure {
    match refusal {
        Refusal::NotAllowed(reason) => Failure::new(500, reason),
        refusal => Failure::refused(refusal, || {
            format!("[one.vm.info] Error getting virtual machine [{vm}].")
        }),
    }
}

impl Call<'_> {
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
        json::parse(&self.request.body).map_err(|reason| Failure::new(400, reason))
    }

    /// A parameter of the query or of a form.
    fn parameter_named(&self, name: &str) -> Result<Option<String>, Failure> {
        if self.request.query.is_empty() && self.request.body.is_empty() {
            return Ok(None);
        }
        let bad = |reason| Failure::new(400, reason);
        Ok(Parameters::read(self.request)
            .map_err(bad)?
            .get(name)
            .map_err(bad)?
            .map(str::to_string))
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
