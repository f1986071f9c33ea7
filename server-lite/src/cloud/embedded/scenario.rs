//! Scenarios: a cloud in one JSON file, `{users, vms, vrouters, vnets, services}`, each a list of OpenNebula's own
//! documents, so that a real cloud can be dumped and run. docs/scenario.md describes the format.
//!
//! A file is checked whole before it is used: an error names the file, the object and the key.

mod flaw;

pub use flaw::{Flaw, ScenarioError, Shape};

use super::warnings::{problems, warnings};
use crate::objects::document::{Document, Id, id, json_of, list, parse_id};
use crate::store::state::{Kind, Objects};
use flaw::describe;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The documented service, ready to run: what is served without `--cloud`.
const PANACEA: &str = include_str!("../../../scenarios/panacea.json");

/// The lists of a scenario: the key, the kind, the key that `show -j` puts around such a document, its name in
/// messages.
pub(super) const LISTS: [(&str, Kind, &str, &str); 5] = [
    ("users", Kind::User, "USER", "user"),
    ("vms", Kind::Vm, "VM", "VM"),
    ("vrouters", Kind::Vrouter, "VROUTER", "virtual router"),
    ("vnets", Kind::Vnet, "VNET", "virtual network"),
    ("services", Kind::Service, "DOCUMENT", "service"),
];

/// The key of what the service engine remembers; `state export` writes it.
pub(super) const ENGINE: &str = "engine";
/// What is under it beside `last_vm`: by id, what is remembered of a document of the second kind.
pub(super) const MEMORIES: [(&str, Kind, Kind); 2] = [
    ("services", Kind::ServiceClock, Kind::Service),
    ("vms", Kind::VmClock, Kind::Vm),
];

/// What every document of a kind must have.
const FIELDS: [(Kind, &[(&str, Shape)]); 5] = [
    (Kind::User, &[("TEMPLATE", Shape::Object)]),
    (
        Kind::Vm,
        &[
            ("NAME", Shape::Text),
            ("UID", Shape::Number),
            ("GID", Shape::Number),
            ("UNAME", Shape::Text),
            ("GNAME", Shape::Text),
            ("STATE", Shape::Number),
            ("LCM_STATE", Shape::Number),
            ("STIME", Shape::Number),
            ("TEMPLATE", Shape::Object),
            ("USER_TEMPLATE", Shape::Object),
        ],
    ),
    (
        Kind::Vrouter,
        &[
            ("NAME", Shape::Text),
            ("VMS", Shape::Object),
            ("TEMPLATE", Shape::Object),
        ],
    ),
    (
        Kind::Vnet,
        &[
            ("NAME", Shape::Text),
            ("AR_POOL", Shape::Object),
            ("TEMPLATE", Shape::Object),
        ],
    ),
    (
        Kind::Service,
        &[("NAME", Shape::Text), ("TEMPLATE", Shape::Object)],
    ),
];

/// What OneFlow's part of a service, TEMPLATE/BODY, must have, and each of its roles.
const BODY: &[(&str, Shape)] = &[("state", Shape::Number), ("roles", Shape::List)];
const ROLE: &[(&str, Shape)] = &[
    ("name", Shape::Text),
    ("cardinality", Shape::Number),
    ("state", Shape::Number),
    ("nodes", Shape::List),
];

/// What is left out or is what it must be: a VM's context, a role's policies.
const CONTEXT: &[(&str, Shape)] = &[("CONTEXT", Shape::Object)];
const POLICIES: &[(&str, Shape)] = &[
    ("elasticity_policies", Shape::List),
    ("scheduled_policies", Shape::List),
];

/// A scenario that holds together.
#[derive(Debug)]
pub struct Scenario {
    /// Its documents.
    pub objects: Objects,
    /// Tells one scenario from another.
    pub fingerprint: String,
    /// What is odd but can be served, in words.
    pub warnings: Vec<String>,
}

impl Scenario {
    /// The documented service.
    pub fn built_in() -> Result<Self, ScenarioError> {
        Self::parse(PANACEA, "the built-in scenario")
    }

    /// Reads a scenario file.
    pub fn load(file: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(file).map_err(|error| ScenarioError::Unreadable {
            file: file.to_owned(),
            error,
        })?;
        Self::parse(&text, &file.display().to_string())
    }

    /// Reads a scenario; `from` is its file's name for messages.
    pub fn parse(text: &str, from: &str) -> Result<Self, ScenarioError> {
        let fail_at = |place: String, flaw| ScenarioError::Flawed {
            from: from.to_owned(),
            place,
            flaw,
        };
        let fail = |flaw| fail_at(String::new(), flaw);
        let json = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut scenario: BTreeMap<String, &RawValue> =
            serde_json::from_str(json).map_err(|error| match error.is_data() {
                true => fail(Flaw::NotAnObject),
                false => fail(Flaw::NotJson(error)),
            })?;
        let mut objects = Objects::default();
        let mut created_by = Vec::new();
        for (key, kind, outer, name) in LISTS {
            let Some(list) = scenario.remove(key) else {
                continue;
            };
            let documents: Vec<&RawValue> =
                serde_json::from_str(list.get()).map_err(|_| match parse(list) {
                    Ok(other) => fail(Flaw::not(key, &other, "a list")),
                    Err(flaw) => fail_at(format!("{key}: "), flaw),
                })?;
            for (at, document) in documents.into_iter().enumerate() {
                let document =
                    parse(document).map_err(|flaw| fail_at(format!("{key}[{at}]: "), flaw))?;
                let document = unwrap(document, outer);
                let place = match id(document.get("ID")) {
                    Some(id) => format!("{key}[{at}] ({name} {id}): "),
                    None => format!("{key}[{at}]: "),
                };
                let fail = |flaw| fail_at(place.clone(), flaw);
                check(kind, &document).map_err(fail)?;
                let id = id(document.get("ID")).ok_or_else(|| fail(Flaw::NoId))?;
                if objects.contains(kind, id) {
                    return Err(fail(Flaw::Another(name, id, key)));
                }
                if kind == Kind::Vm {
                    created_by.push((id, self::id(document["TEMPLATE"].get("CREATED_BY"))));
                }
                let document = as_oned_has_it(kind, document);
                objects.set_text(kind, id, &json_of(&document));
            }
        }
        if let Some(engine) = scenario.remove(ENGINE) {
            parse(engine)
                .and_then(|engine| remember(&mut objects, engine))
                .map_err(|flaw| fail_at(format!("{ENGINE}: "), flaw))?;
        }
        if let Some(key) = scenario.keys().next() {
            return Err(fail(Flaw::UnknownKey(key.clone())));
        }
        complete(&mut objects);
        let warnings = warnings(&objects, &created_by)
            .into_iter()
            .map(|odd| format!("{from}: {odd}"))
            .chain(problems(&objects))
            .collect();
        let fingerprint = Sha256::digest(text)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Ok(Self {
            objects,
            fingerprint,
            warnings,
        })
    }
}

/// What a part of a scenario says.
fn parse(part: &RawValue) -> Result<Value, Flaw> {
    serde_json::from_str(part.get()).map_err(Flaw::NotJson)
}

/// Takes what an exported state says of the engine.
fn remember(objects: &mut Objects, engine: Value) -> Result<(), Flaw> {
    let Value::Object(mut engine) = engine else {
        return Err(Flaw::NoDocument(describe(&engine)));
    };
    if let Some(last) = engine.shift_remove("last_vm")
        && !last.is_null()
    {
        let last = id(Some(&last)).ok_or(Flaw::LastVm)?;
        if !objects.contains(Kind::Vm, last) {
            objects.set(Kind::Vm, last, None);
        }
    }
    for (key, memory, of) in MEMORIES {
        let documents = match engine.shift_remove(key) {
            None => continue,
            Some(Value::Object(documents)) => documents,
            Some(other) => return Err(Flaw::not(key, &other, "an object")),
        };
        for (number, document) in documents {
            let known = parse_id(&number).filter(|id| objects.contains(of, *id));
            let known = known.ok_or_else(|| Flaw::NoSuchObject(format!("{key}/{number}")))?;
            if !document.is_object() {
                return Err(Flaw::not(format!("{key}/{number}"), &document, "an object"));
            }
            objects.set(memory, known, Some(Arc::new(document)));
        }
    }
    match engine.keys().next() {
        Some(key) => Err(Flaw::UnknownMemory(key.clone())),
        None => Ok(()),
    }
}

/// `{"VM": {…}}`, as `onevm show -j` prints it, is the document within.
fn unwrap(document: Value, outer: &str) -> Value {
    match document {
        Value::Object(mut object) if object.len() == 1 && object.contains_key(outer) => {
            object.shift_remove(outer).unwrap_or_default()
        }
        document => document,
    }
}

fn check(kind: Kind, document: &Value) -> Result<(), Flaw> {
    if !document.is_object() {
        return Err(Flaw::NoDocument(describe(document)));
    }
    has(document, "", &[("ID", Shape::Number)])?;
    for (_, fields) in FIELDS.iter().filter(|(k, _)| *k == kind) {
        has(document, "", fields)?;
    }
    if kind == Kind::Vm {
        has_if_there(&document["TEMPLATE"], "TEMPLATE/", CONTEXT)?;
    }
    if kind == Kind::Service {
        let template = &document["TEMPLATE"];
        has(template, "TEMPLATE/", &[("BODY", Shape::Object)])?;
        let body = &template["BODY"];
        has(body, "TEMPLATE/BODY/", BODY)?;
        for (at, role) in body["roles"].as_array().into_iter().flatten().enumerate() {
            let at = format!("TEMPLATE/BODY/roles[{at}]");
            if !role.is_object() {
                return Err(Flaw::not(at, role, "an object"));
            }
            has(role, &format!("{at}/"), ROLE)?;
            has_if_there(role, &format!("{at}/"), POLICIES)?;
            for (key, _) in POLICIES {
                for (number, policy) in list(role.get(key)).iter().enumerate() {
                    if !policy.is_object() {
                        let place = format!("{at}/{key}[{number}]");
                        return Err(Flaw::not(place, policy, "an object"));
                    }
                }
            }
            for (node, value) in role["nodes"].as_array().into_iter().flatten().enumerate() {
                has(
                    value,
                    &format!("{at}/nodes[{node}]/"),
                    &[("deploy_id", Shape::Number)],
                )?;
            }
        }
    }
    Ok(())
}

fn has(object: &Value, path: &str, fields: &[(&str, Shape)]) -> Result<(), Flaw> {
    for (key, shape) in fields {
        let Some(value) = object.get(key) else {
            return Err(Flaw::Missing(format!("{path}{key}"), *shape));
        };
        if !shape.fits(value) {
            return Err(Flaw::Wrong(format!("{path}{key}"), describe(value), *shape));
        }
    }
    Ok(())
}

/// The same where the key is there; null is as good as absent.
fn has_if_there(object: &Value, path: &str, fields: &[(&str, Shape)]) -> Result<(), Flaw> {
    let there = |key: &str| object.get(key).is_some_and(|value| !value.is_null());
    let fields = fields.iter().filter(|(key, _)| there(key));
    fields
        .copied()
        .try_for_each(|field| has(object, path, &[field]))
}

/// The document as oned's answers have it, whatever tool or hand wrote it: texts, not numbers; a list of one is the
/// element itself; USER_TEMPLATE in the order of its names. A service is OneFlow's JSON and stays as it is. Permissions
/// that a scenario written by hand leaves out are the owner's.
fn as_oned_has_it(kind: Kind, mut document: Value) -> Value {
    if kind != Kind::Service {
        flatten(&mut document);
        if let Some(Value::Object(attributes)) = document.get_mut("USER_TEMPLATE") {
            attributes.sort_keys();
        }
    }
    if let Value::Object(object) = &mut document
        && kind != Kind::User
        && !object.contains_key("PERMISSIONS")
    {
        object.insert(
            "PERMISSIONS".into(),
            json!({"OWNER_U": "1", "OWNER_M": "1"}),
        );
    }
    document
}

fn flatten(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(flatten);
            if items.len() == 1 {
                *value = items.remove(0);
            }
        }
        Value::Object(object) => object.values_mut().for_each(flatten),
        Value::Number(number) => *value = Value::String(number.to_string()),
        Value::Null => *value = Value::Object(Map::new()),
        Value::Bool(_) | Value::String(_) => {}
    }
}

/// Gives an object without an owner to the owner of its first VM, else to oneadmin; a network without clusters is in
/// oned's default one.
fn complete(objects: &mut Objects) {
    for kind in [Kind::Vrouter, Kind::Vnet, Kind::Service] {
        let mut documents: Vec<(Id, Document)> = objects.all(kind).collect();
        documents.retain(|(_, document)| document.get("UID").is_none());
        for (id, document) in documents {
            let owner = first_vm(kind, &document).and_then(|vm| objects.peek(Kind::Vm, vm));
            let mut document = Arc::unwrap_or_clone(document);
            for (key, oneadmin) in ONEADMIN {
                let value = owner.as_ref().and_then(|vm| vm.get(key)).cloned();
                document[key] = value.unwrap_or_else(|| json!(oneadmin));
            }
            if kind == Kind::Vnet && document.get("CLUSTERS").is_none() {
                document["CLUSTERS"] = json!({"ID": "0"});
            }
            objects.set(kind, id, Some(Arc::new(document)));
        }
    }
}

/// The owner of what nobody else owns.
const ONEADMIN: &[(&str, &str)] = &[
    ("UID", "0"),
    ("GID", "0"),
    ("UNAME", "oneadmin"),
    ("GNAME", "oneadmin"),
];

/// A VM of a service or a virtual router.
fn first_vm(kind: Kind, document: &Value) -> Option<Id> {
    match kind {
        Kind::Vrouter => list(document["VMS"].get("ID"))
            .iter()
            .find_map(|vm| id(Some(vm))),
        Kind::Service => list(document["TEMPLATE"]["BODY"].get("roles"))
            .iter()
            .flat_map(|role| list(role.get("nodes")))
            .find_map(|node| id(node.get("deploy_id"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
