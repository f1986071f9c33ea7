//! How a request is answered: route, permission, caller, access, cloud, view.
//!
//! [`ROUTES`] is the only list of what is served. The checks come in this order (docs/protocol.md, "Order of checks"):
//! an unknown route (400, whoever asks), a permission that is switched off (403, whoever asks), a request from another
//! site's page (403), no valid token (401); then the handler's own checks.

use super::{handlers, path};
use crate::cloud::Cloud;
use crate::gate::auth::{self, Caller, Denied};
use crate::gate::conditional;
use crate::gate::reply::{Failure, respond};
use crate::gate::rules::Rules;
use crate::gate::shown::Shown;
use crate::http::{Request, Response, Topic};
use crate::objects::document::{Id, parse_id};
use crate::objects::refusal::Refusal;
use crate::store::commit::Pending;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
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

/// What is changed by longer bodies than this takes long enough for others to be served meanwhile.
const QUICK: usize = 4 * 1024;

type Handler = fn(&Gate, &AuthenticatedRequest) -> Result<Response, Failure>;

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

impl Route {
    /// Whether it sets or erases attributes of a VM.
    fn is_update(&self) -> bool {
        matches!(self.permission, Some((_, "update" | "update_by_id")))
    }
}

/// Every route.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    route("GET",  &[],                          None,                                       handlers::show_root),
    route("GET",  &["vm"],                      Some(("vm", "show")),                       handlers::show_own_vm),
    route("PUT",  &["vm"],                      Some(("vm", "update")),                     handlers::update_own_vm),
    route("GET",  &["vms", ":id"],              Some(("vm", "show_by_id")),                 handlers::show_vm),
    route("PUT",  &["vms", ":id"],              Some(("vm", "update_by_id")),               handlers::update_vm),
    route("POST", &["vms", ":id", "action"],    Some(("vm", "action_by_id")),               handlers::act_on_vm),
    route("GET",  &["service"],                 Some(("service", "show")),                  handlers::show_service),
    route("PUT",  &["service", "role", ":role"], Some(("service", "change_cardinality")),    handlers::scale_role),
    route("GET",  &["vrouter"],                 Some(("vrouter", "show")),                  handlers::show_vrouter),
    route("GET",  &["vnet", ":id"],             Some(("vnet", "show_by_id")),               handlers::show_vnet),
];

/// Every switch of `:permissions`, (resource, action): those that the routes ask for.
pub fn permissions() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.iter().filter_map(|route| route.permission)
}

/// The gate: a cloud, and what the configuration lets guests do with it.
pub struct Gate {
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) rules: Rules,
    pub(super) views: Shown,
}

/// What came of a request.
#[derive(Debug)]
pub struct Outcome {
    /// The answer.
    pub response: Response,
    /// The route, where there is one.
    pub route: Option<&'static Route>,
    /// What stands at the route's `:` segment, where it is an id, or a role that there is.
    pub parameter: Option<String>,
    /// The VM that asked, once it is known.
    pub vm: Option<Id>,
    /// For the log, where it says more than the guest is told: why the request was not carried out, or probably not as
    /// it was meant.
    pub cause: Option<String>,
    /// What the response shows: the documents whose change would change it.
    pub topics: Vec<Topic>,
    /// What was to be done, where it was understood; the status says whether it was.
    pub deed: Option<Deed>,
    /// The change that all this is the outcome of, once it is stored.
    pub pending: Option<Pending>,
}

impl Outcome {
    /// The change that was pending is over: where it could not be stored, this is another outcome.
    pub fn stored(&mut self, stored: Result<(), Refusal>) {
        if let Err(refusal) = stored {
            let mut failure = Failure::refused(refusal, String::new);
            self.cause = failure.cause.take();
            self.response = failure.into();
        }
    }
}

/// What a guest asked to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Attributes of a VM set or erased.
    Update {
        /// The VM.
        vm: Id,
        /// The names of the attributes; no value is remembered.
        names: Vec<String>,
        /// Erased rather than set.
        erased: bool,
    },
    /// An action on a VM.
    Act {
        /// The VM.
        vm: Id,
        /// The action, in oned's words.
        action: &'static str,
    },
    /// A role given a cardinality.
    Scale {
        /// The service.
        service: Id,
        /// How many nodes it is to have.
        cardinality: Id,
    },
}

/// A request that may be carried out: who asks, and what its path says.
pub(super) struct AuthenticatedRequest<'a> {
    pub(super) request: &'a Request,
    pub(super) caller: Caller,
    pub(super) parameter: Cow<'a, str>,
    /// What the log says of a request that was carried out.
    pub(super) warning: Cell<Option<String>>,
    /// The documents that the response shows.
    pub(super) shown: RefCell<Vec<Topic>>,
    /// The entity tag of the response, where it is known.
    pub(super) tag: Cell<Option<Arc<str>>>,
    /// What is to be done, once that is known.
    pub(super) deed: Cell<Option<Deed>>,
    /// The change that was made and is not stored yet.
    pub(super) pending: Cell<Option<Pending>>,
}

impl Gate {
    /// A gate before this cloud.
    pub fn new(cloud: Arc<dyn Cloud>, rules: Rules) -> Self {
        Self {
            cloud,
            rules,
            views: Shown::default(),
        }
    }

    /// Whether it may take long to change what this request is to change.
    pub fn may_wait(&self, request: &Request) -> bool {
        let is_update =
            || find(&request.method, &request.path).is_some_and(|(route, _)| route.is_update());
        request.body.len() > QUICK || self.cloud.updates_wait() || !is_update()
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request) -> Outcome {
        let mut outcome = self.begin(request);
        if let Some(pending) = outcome.pending.take() {
            outcome.stored(pending.wait());
        }
        outcome
    }

    /// The same, but does not wait until what is changed is stored.
    pub fn begin(&self, request: &Request) -> Outcome {
        let Some((route, parameter)) = find(&request.method, &request.path) else {
            let reason = "OneGate server doesn't support this feature";
            return answer(None, Err(Failure::new(400, reason)));
        };
        let outcome = self.answer_on(route, Cow::clone(&parameter), request);
        let is_known = parse_id(&parameter).is_some() || outcome.response.status < 300;
        Outcome {
            route: Some(route),
            parameter: (is_known && !parameter.is_empty()).then(|| parameter.into_owned()),
            ..outcome
        }
    }

    /// Answers a request that has a route.
    fn answer_on(&self, route: &Route, parameter: Cow<'_, str>, request: &Request) -> Outcome {
        let refused = |status, message: &str| Outcome {
            response: respond(status, message.as_bytes().to_vec()),
            route: None,
            parameter: None,
            vm: None,
            cause: None,
            topics: Vec::new(),
            deed: None,
            pending: None,
        };
        if let Some((resource, action)) = route.permission
            && !self.rules.permits(resource, action)
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
            Err(Denied::Unavailable(refusal)) => {
                return answer(None, Err(Failure::refused(refusal, String::new)));
            }
        };
        let vm = Some(caller.vm);
        let call = AuthenticatedRequest {
            request,
            caller,
            parameter,
            warning: Cell::default(),
            shown: RefCell::default(),
            tag: Cell::default(),
            deed: Cell::default(),
            pending: Cell::default(),
        };
        let mut outcome = answer(vm, (route.handler)(self, &call));
        outcome.cause = outcome.cause.or(call.warning.take());
        outcome.deed = call.deed.take();
        outcome.pending = call.pending.take().filter(|pending| !pending.is_over());
        if outcome.response.status == 200 {
            outcome.topics = call.shown.take();
        }
        if !outcome.topics.is_empty() {
            conditional::tag(request, &mut outcome.response, call.tag.take());
        }
        outcome
    }

    pub(super) fn cloud(&self) -> &dyn Cloud {
        self.cloud.as_ref()
    }
}

fn answer(vm: Option<Id>, result: Result<Response, Failure>) -> Outcome {
    match result {
        Ok(response) => Outcome {
            response,
            route: None,
            parameter: None,
            vm,
            cause: None,
            topics: Vec::new(),
            deed: None,
            pending: None,
        },
        Err(mut failure) => Outcome {
            route: None,
            parameter: None,
            vm,
            cause: failure.cause.take(),
            response: failure.into(),
            topics: Vec::new(),
            deed: None,
            pending: None,
        },
    }
}

/// The route of a request, and what stands at its `:` segment.
fn find<'a>(method: &str, path: &'a str) -> Option<(&'static Route, Cow<'a, str>)> {
    let segments = path::segments(path)?;
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

/// Whether a page of another site sent this. The real server refuses it too, but only after it has done what was asked.
fn is_foreign(request: &Request) -> bool {
    let Some((_, referer)) = request
        .header("referer")
        .and_then(|url| url.split_once("://"))
    else {
        return false;
    };
    let by_script = request
        .header("x-requested-with")
        .is_some_and(|with| with.eq_ignore_ascii_case("XMLHttpRequest"));
    let authority = referer.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let own = request.header("host").and_then(host);
    !by_script && (host(authority).is_none() || host(authority) != own)
}

/// The host of `HOST:PORT`, in lower case; `None` if it is something else.
fn host(authority: &str) -> Option<String> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let is_port = port.bytes().all(|b| b.is_ascii_digit());
    (is_port && !host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
