//! The cloud as it was when a case was recorded: the snapshot, and over it what oned and OneFlow answered while that
//! case was recorded (server-lite/tests/fixtures/opennebula).

use super::fixtures::{fixture, lines};
use onegate_server_lite::cloud::embedded::{Embedded, Scenario};
use onegate_server_lite::cloud::opennebula::document;
use onegate_server_lite::cloud::{Cloud, User};
use onegate_server_lite::flow;
use onegate_server_lite::objects::action::VmAction;
use onegate_server_lite::objects::document::{Document, Id};
use onegate_server_lite::objects::refusal::Refusal;
use onegate_server_lite::objects::template::Attribute;
use onegate_server_lite::store::commit::Pending;
use onegate_server_lite::store::state::{Kind, Objects};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// Documents by their list in a scenario and their id.
type Documents = BTreeMap<(&'static str, String), Value>;

/// Every recorded moment.
pub struct Worlds {
    base: Objects,
    cases: BTreeMap<String, (Documents, Option<String>)>,
}

impl Worlds {
    pub fn load() -> Self {
        let answers = lines("opennebula/answers.jsonl");
        let mut cases = BTreeMap::new();
        let mut base = Documents::new();
        for line in lines("opennebula/upstream.jsonl") {
            let mut seen = Documents::new();
            let mut reason = None;
            for call in line["calls"].as_array().unwrap() {
                let answer = &answers[call["answer"].as_u64().unwrap() as usize];
                note(&mut seen, call["method"].as_str().unwrap(), answer);
                reason = failure(answer);
            }
            for (key, document) in &seen {
                base.entry(key.clone()).or_insert_with(|| document.clone());
            }
            cases.insert(line["case"].as_str().unwrap().to_string(), (seen, reason));
        }
        let snapshot = std::fs::read_to_string(fixture("snapshot/cloud.json")).unwrap();
        let snapshot: Map<String, Value> = serde_json::from_str(&snapshot).unwrap();
        for list in ["users", "vms", "vrouters", "vnets", "services"] {
            for document in snapshot[list].as_array().unwrap() {
                base.insert(
                    (list, document["ID"].as_str().unwrap().to_string()),
                    document.clone(),
                );
            }
        }
        let base = scenario(base.iter());
        Self { base, cases }
    }

    /// The embedded cloud at the moment of a case.
    pub fn cloud_of(&self, case: &str) -> Arc<Embedded> {
        let mut objects = Objects::with_last_vm(self.base.last_vm());
        let mut add = |these: &Objects| {
            for kind in Kind::ALL {
                for (id, document) in these.all(kind) {
                    objects.set(kind, id, Some(document));
                }
            }
        };
        add(&self.base);
        if let Some((seen, _)) = self.cases.get(case) {
            // The fixtures have less of a virtual router than the snapshot, which has not changed.
            let of_then = scenario(seen.iter().filter(|((list, _), _)| *list != "vrouters"));
            add(&of_then);
        }
        let quick = flow::Timings {
            vm_step: Duration::from_millis(1),
            ..flow::Timings::default()
        };
        Arc::new(Embedded::in_memory(objects, quick))
    }

    /// Why oned refused, where the last call of a case was refused.
    pub fn reason_of(&self, case: &str) -> Option<&str> {
        self.cases.get(case)?.1.as_deref()
    }
}

/// The documents as the embedded cloud keeps them.
fn scenario<'a>(
    documents: impl Iterator<Item = (&'a (&'static str, String), &'a Value)>,
) -> Objects {
    let mut scenario: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for ((list, _), document) in documents {
        scenario.entry(list).or_default().push(document);
    }
    let scenario = Scenario::parse(&json!(scenario).to_string(), "a recording").unwrap();
    scenario.objects
}

fn note(seen: &mut Documents, method: &str, answer: &Value) {
    let (list, root) = match method {
        "one.user.info" => ("users", "USER"),
        "one.vm.info" => ("vms", "VM"),
        "one.vrouter.info" => ("vrouters", "VROUTER"),
        "one.vn.info" => ("vnets", "VNET"),
        _ => {
            let service = answer["body"].as_str().map(serde_json::from_str::<Value>);
            if let (true, Some(Ok(service))) = (method.starts_with("GET"), service) {
                let document = service["DOCUMENT"].clone();
                seen.insert(
                    ("services", document["ID"].as_str().unwrap().to_string()),
                    document,
                );
            }
            return;
        }
    };
    if let Some(xml) = answer["done"].as_str() {
        let document = document::parse(xml, root).unwrap();
        seen.insert(
            (list, document["ID"].as_str().unwrap().to_string()),
            document,
        );
    }
}

/// oned's words, where it refused.
fn failure(answer: &Value) -> Option<String> {
    answer["reason"].as_str().map(str::to_string)
}

/// A cloud that can be exchanged for another under a running server.
#[derive(Default)]
pub struct Swap(RwLock<Option<Arc<dyn Cloud>>>);

impl Swap {
    pub fn set(&self, cloud: Arc<dyn Cloud>) {
        *self.0.write().unwrap() = Some(cloud);
    }

    fn now(&self) -> Arc<dyn Cloud> {
        self.0.read().unwrap().clone().unwrap()
    }
}

impl Cloud for Swap {
    fn vm_to_authenticate(&self, vm: Id) -> Result<Document, Refusal> {
        self.now().vm_to_authenticate(vm)
    }
    fn token_password(&self, user: Id) -> Result<Option<String>, Refusal> {
        self.now().token_password(user)
    }
    fn vm(&self, user: &User, vm: Id) -> Result<Document, Refusal> {
        self.now().vm(user, vm)
    }
    fn own_vm(&self, user: &User, authenticated: &Document) -> Result<Document, Refusal> {
        self.now().own_vm(user, authenticated)
    }
    fn vms(&self, user: &User, vms: &[Id]) -> Result<Vec<Document>, Refusal> {
        self.now().vms(user, vms)
    }
    fn service(&self, user: &User, service: Id) -> Result<Document, Refusal> {
        self.now().service(user, service)
    }
    fn vrouter(&self, user: &User, vrouter: Id) -> Result<Document, Refusal> {
        self.now().vrouter(user, vrouter)
    }
    fn vnet(&self, user: &User, vnet: Id) -> Result<Document, Refusal> {
        self.now().vnet(user, vnet)
    }
    fn update(&self, user: &User, vm: Id, attributes: &[Attribute]) -> Result<Pending, Refusal> {
        self.now().update(user, vm, attributes)
    }
    fn erase(&self, user: &User, vm: Id, name: &str) -> Result<Pending, Refusal> {
        self.now().erase(user, vm, name)
    }
    fn act(&self, user: &User, vm: Id, action: &VmAction) -> Result<(), Refusal> {
        self.now().act(user, vm, action)
    }
    fn scale(&self, user: &User, service: Id, role: &str, cardinality: u32) -> Result<(), Refusal> {
        self.now().scale(user, service, role, cardinality)
    }
}
