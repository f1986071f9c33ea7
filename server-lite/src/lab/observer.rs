//! What the timeline says of the documents that a change wrote: VMs and services from one state to the next, and the
//! engine's decisions. What guests ask for is told where their requests are answered.

use super::event::{Event, EventKind};
use crate::flow::clock::STAYS;
use crate::flow::service::state_name;
use crate::objects::document::{Id, id, list};
use crate::objects::vm_state::{DONE, VmState};
use crate::store::commit::Changed;
use crate::store::state::Kind;
use serde_json::Value;

/// The events of a change: the decisions, then what follows from them, in the order of its documents.
pub fn events(changed: &[Changed]) -> Vec<Event> {
    let mut events = Vec::new();
    let (causes, rest): (Vec<_>, Vec<_>) = changed
        .iter()
        .partition(|one| one.kind == Kind::ServiceClock);
    for one in causes.into_iter().chain(rest) {
        let (before, after) = (one.before.as_deref(), one.after.as_deref());
        match one.kind {
            Kind::Vm => events.extend(of_vm(one.id, before, after)),
            Kind::Service => of_service(one.id, (before, after), &mut events),
            Kind::ServiceClock => of_decisions(one.id, (before, after), &mut events),
            _ => {}
        }
    }
    events
}

fn of_vm(vm: Id, before: Option<&Value>, after: Option<&Value>) -> Option<Event> {
    let name = |state: Option<VmState>| state.map_or_else(|| "no state".to_owned(), VmState::name);
    let (was, is) = (before.and_then(VmState::of), after.and_then(VmState::of));
    let text = match (before, after) {
        (None, Some(record)) => {
            let called = record.get("NAME").and_then(Value::as_str);
            format!("new: {}, {}", called.unwrap_or("?"), name(is))
        }
        (Some(_), Some(_)) if was != is => format!("{} -> {}", name(was), name(is)),
        (Some(_), None) if was != Some(DONE) => "its record was removed".to_owned(),
        _ => return None,
    };
    let template = after.or(before)?.get("USER_TEMPLATE");
    let attribute = |name| template.and_then(|template| template.get(name));
    let event = Event::new(EventKind::Vm, text)
        .of_vm(vm)
        .of_service(id(attribute("SERVICE_ID")))
        .of_role(attribute("ROLE_NAME").and_then(Value::as_str));
    Some(event)
}

type Pair<'d> = (Option<&'d Value>, Option<&'d Value>);

/// A service's state; its roles' too where it has several.
fn of_service(service: Id, (before, after): Pair<'_>, events: &mut Vec<Event>) {
    let Some(after) = after else {
        events.push(of(service, "it was removed".to_owned()));
        return;
    };
    let Some(before) = before else {
        events.push(of(service, format!("new: {}", state_name(body(after)))));
        return;
    };
    let (was, is) = (body(before), body(after));
    let (old, new) = (roles(was), roles(is));
    for role in new.iter().filter(|_| new.len() > 1) {
        let name = role.get("name").and_then(Value::as_str);
        let known = old
            .iter()
            .find(|old| old.get("name").and_then(Value::as_str) == name);
        if let Some(text) = passed(known, Some(role)) {
            events.push(of(service, text).of_role(name));
        }
    }
    events.extend(passed(was, is).map(|text| of(service, text)));
}

fn decisions(clock: Option<&Value>) -> &[Value] {
    list(clock.and_then(|clock| clock.get("decisions")))
}

fn roles(body: Option<&Value>) -> &[Value] {
    list(body.and_then(|body| body.get("roles")))
}

fn body(service: &Value) -> Option<&Value> {
    crate::flow::service::body(service)
}

fn passed(before: Option<&Value>, after: Option<&Value>) -> Option<String> {
    let (was, is) = (state_name(before), state_name(after));
    (was != is).then(|| format!("{was} -> {is}"))
}

fn of(service: Id, text: String) -> Event {
    Event::new(EventKind::Service, text).of_service(Some(service))
}

/// The decisions that are new. One to stay as it is, after another to stay, is not: there is one at every poll.
fn of_decisions(service: Id, (before, after): Pair<'_>, events: &mut Vec<Event>) {
    let (old, new) = (decisions(before), decisions(after));
    for decision in new.iter().filter(|decision| !old.contains(decision)) {
        let word = |of: &Value, key| of.get(key).and_then(Value::as_str).map(str::to_owned);
        let role = word(decision, "role");
        let text = word(decision, "text").unwrap_or_default();
        let last = old.iter().rev().find(|old| word(old, "role") == role);
        let stayed = last.and_then(|last| word(last, "text"));
        if text.starts_with(STAYS) && stayed.is_some_and(|text| text.starts_with(STAYS)) {
            continue;
        }
        let event = Event::new(EventKind::Decision, text);
        events.push(event.of_service(Some(service)).of_role(role.as_deref()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn told(kind: Kind, before: Value, after: Value) -> Vec<String> {
        let document = |value: Value| (!value.is_null()).then(|| Arc::new(value));
        let changed = Changed {
            kind,
            id: 1,
            before: document(before),
            after: document(after),
        };
        let lines = events(&[changed]).into_iter();
        lines
            .map(|event| {
                crate::lab::event::line(&event.json(), &jiff::tz::TimeZone::UTC)
                    .split_once("  ")
                    .unwrap()
                    .1
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn vms_are_told_from_state_to_state() {
        let vm = |state, lcm| {
            json!({"NAME": "web_0", "STATE": state, "LCM_STATE": lcm,
                "USER_TEMPLATE": {"SERVICE_ID": "7", "ROLE_NAME": "web", "SECRET": "x"}})
        };
        let own = "vm        service 7  web  VM 1  ";
        for (before, after, text) in [
            (json!(null), vm(1, 0), Some("new: web_0, PENDING")),
            (vm(3, 2), vm(3, 3), Some("BOOT -> RUNNING")),
            (vm(3, 3), vm(3, 3), None),
            (vm(3, 3), json!(null), Some("its record was removed")),
            (vm(6, 0), json!(null), None),
        ] {
            let expected: Vec<String> = text.iter().map(|text| format!("{own}{text}")).collect();
            assert_eq!(told(Kind::Vm, before, after), expected);
        }
    }

    #[test]
    fn services_are_told_and_their_roles_where_there_are_several() {
        let service =
            |state, roles: Value| json!({"TEMPLATE": {"BODY": {"state": state, "roles": roles}}});
        let role = |name, state| json!({"name": name, "state": state});
        assert_eq!(
            told(
                Kind::Service,
                service(2, json!([role("web", 2)])),
                service(8, json!([role("web", 8)]))
            ),
            ["service   service 1  RUNNING -> SCALING"]
        );
        assert_eq!(
            told(
                Kind::Service,
                service(1, json!([role("web", 2), role("db", 1)])),
                service(2, json!([role("web", 2), role("db", 2)]))
            ),
            [
                "service   service 1  db  DEPLOYING -> RUNNING",
                "service   service 1  DEPLOYING -> RUNNING"
            ]
        );
    }

    #[test]
    fn a_decision_is_told_before_what_follows_from_it() {
        let document = |value: Value| Some(Arc::new(value));
        let service =
            |state| document(json!({"TEMPLATE": {"BODY": {"state": state, "roles": []}}}));
        let decision = json!({"decisions": [{"at": 1, "role": "web", "text": "1 -> 2"}]});
        // As a batch has them: by kind, then by id.
        let vm = document(json!({"NAME": "web_1", "STATE": 1, "LCM_STATE": 0}));
        let batch = [
            (Kind::Vm, 1, None, vm),
            (Kind::Service, 0, service(2), service(8)),
            (Kind::ServiceClock, 0, None, document(decision)),
        ];
        let changed = batch.map(|(kind, id, before, after)| Changed {
            kind,
            id,
            before,
            after,
        });
        let texts = events(&changed).into_iter().map(|event| event.text);
        assert_eq!(
            texts.collect::<Vec<_>>(),
            ["1 -> 2", "new: web_1, PENDING", "RUNNING -> SCALING"]
        );
    }

    #[test]
    fn a_decision_is_told_once_and_staying_once_in_a_row() {
        let decision = |at, text| json!({"at": at, "role": "web", "text": text});
        let clock = |decisions: Value| json!({"roles": {}, "decisions": decisions});
        let up = decision(1, "1 -> 2: CPU[90.0] > 70");
        let stays = |at| decision(at, "stays at 2, as max_vms is 2: CPU[90.0] > 70");
        for (before, after, count) in [
            (json!(null), clock(json!([up])), 1),
            (clock(json!([up])), clock(json!([up])), 0),
            (clock(json!([up])), clock(json!([up, stays(2)])), 1),
            (
                clock(json!([up, stays(2)])),
                clock(json!([up, stays(3)])),
                0,
            ),
        ] {
            assert_eq!(told(Kind::ServiceClock, before, after).len(), count);
        }
    }
}
