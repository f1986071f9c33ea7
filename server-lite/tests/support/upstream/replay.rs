//! What a real oned and OneFlow answered while a recorded case was answered (`fixtures/opennebula/`), answered again.
//!
//! Each recorded call can be made once: whoever makes more calls than the Ruby server made, or others, is refused and
//! found out.

use super::super::fixtures::lines;
use super::{Call, Reply, StandIn, done, done_to, refused, vm};
use onegate_server_lite::cloud::opennebula::document;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Cases whose calls upstream were not recorded, or not with this VM, and others in which the same VM asked.
const NOT_RECORDED: &[(&str, &str, &str)] = &[
    ("permissions/noperm_root", "6", "get/root"),
    ("permissions/permfalse_root", "6", "get/root"),
    ("put/multipart_bad", "6", "get/vm_accept_xml"),
    ("action/reboot_nokeys", "23", "action/suspend"),
    ("scale/slave_back", "11", "get/service_node_scaled_out"),
    ("get/vnet_id_octal_bad", "7", "get/vnet_own_private"),
    ("flowdown/vm", "11", "get/service_master"),
    ("flowdown/vms_self", "11", "get/service_master"),
    ("flowdown/vms_peer", "11", "get/vms_service_peer"),
    ("flowdown/service", "11", "get/service_master"),
    ("flowdown/scale", "11", "get/service_master"),
];

/// Every recorded case's calls and answers.
pub(crate) struct Recordings {
    answers: Vec<Value>,
    cases: HashMap<String, Vec<Value>>,
}

impl Recordings {
    pub(crate) fn read() -> Self {
        let cases = lines("opennebula/upstream.jsonl");
        let named = |case: Value| {
            let calls = case["calls"].as_array().unwrap().clone();
            (case["case"].as_str().unwrap().to_string(), calls)
        };
        Recordings {
            answers: lines("opennebula/answers.jsonl"),
            cases: cases.into_iter().map(named).collect(),
        }
    }

    /// The calls of a case in which this VM asked, or of one like it.
    pub(crate) fn case_of(&self, name: &str, vm: &str) -> Case {
        let like = NOT_RECORDED
            .iter()
            .find(|(case, asks, _)| *case == name && *asks == vm);
        self.case(like.map_or(name, |(_, _, like)| like))
    }

    /// The calls of one case, ready to be answered once each; none where nothing was asked upstream.
    pub(crate) fn case(&self, name: &str) -> Case {
        let calls = self.cases.get(name).map_or(&[][..], Vec::as_slice);
        let recorded = calls.iter().map(|call| Recorded {
            call: Call {
                method: call["method"].as_str().unwrap().to_string(),
                who: call["who"].as_str().unwrap().to_string(),
                params: call["params"].as_array().unwrap().clone(),
            },
            answer: self.answers[call["answer"].as_u64().unwrap() as usize].clone(),
            made: false,
        });
        Case {
            recorded: recorded.collect(),
            substituted: 0,
            unexpected: Vec::new(),
            stored: None,
        }
    }
}

/// Recorded calls that are answered as often as they are made.
#[derive(Clone, Default)]
pub(crate) struct World(HashMap<String, Value>);

impl World {
    fn key(call: &Call) -> String {
        match call.method.as_str() {
            // What is changed may be said in other words.
            "one.vm.update" => format!("{} {} {}", call.method, call.who, call.params[0]),
            method if method.starts_with("POST") => format!("{method} {}", call.who),
            method => format!("{method} {} {:?}", call.who, call.params),
        }
    }

    pub(crate) fn answer(&self, call: &Call) -> Reply {
        match self
            .0
            .get(&Self::key(call))
            .or_else(|| self.substitute(call))
        {
            Some(answer) => reply_to(call, answer),
            None => unrecorded(call).unwrap_or_else(|| panic!("never recorded: {call:?}")),
        }
    }

    fn substitute(&self, call: &Call) -> Option<&Value> {
        let mut names = ["alice", "bob"].into_iter();
        names.find_map(|who| self.0.get(&Self::key(&as_recorded(call, who)?)))
    }
}

impl Recordings {
    /// A world in which these cases can happen at any time; where two saw the same thing differently, the first did.
    pub(crate) fn world<'a>(&self, cases: impl IntoIterator<Item = &'a str>) -> World {
        let mut world = HashMap::new();
        for recorded in cases.into_iter().flat_map(|name| self.case(name).recorded) {
            world
                .entry(World::key(&recorded.call))
                .or_insert(recorded.answer);
        }
        World(world)
    }
}

/// The Ruby server reads as the owner what ours reads in the server's own name, and services from OneFlow.
fn as_recorded(call: &Call, who: &str) -> Option<Call> {
    let method = match call.method.as_str() {
        "one.document.info" => format!("GET /service/{}", call.params[0]),
        method if method.contains("info") && call.who == "serveradmin" => method.to_string(),
        _ => return None,
    };
    let params = match method.starts_with("GET") {
        true => Vec::new(),
        false => call.params.clone(),
    };
    Some(Call {
        method,
        who: who.to_string(),
        params,
    })
}

/// What the server itself is told of pools that nobody asked for while the recordings were made: nothing, so it asks
/// as the owner.
fn unrecorded(call: &Call) -> Option<Reply> {
    (call.method == "one.vmpool.infoset").then(|| done("<VM_POOL></VM_POOL>"))
}

/// What oned tells the server itself where it refused the owner: a record whose PERMISSIONS grant nothing.
fn without_rights(call: &Call) -> Reply {
    let root = match call.method.as_str() {
        "one.vn.info" => "VNET",
        "one.vrouter.info" => "VROUTER",
        "one.document.info" => "DOCUMENT",
        _ => "VM",
    };
    done(&format!(
        "<{root}><ID>{}</ID><UID>0</UID></{root}>",
        call.params[0]
    ))
}

/// A recorded answer to the same question, asked by somebody else or of somebody else.
fn reply_to(call: &Call, answer: &Value) -> Reply {
    let refused_owner = answer["code"] == 512 && call.who == "serveradmin";
    match (&answer["status"], refused_owner) {
        (_, true) => without_rights(call),
        (Value::Number(status), _) if call.method == "one.document.info" => {
            match status.as_u64().unwrap() {
                200 => done(&service_document(answer["body"].as_str().unwrap())),
                _ => refused(
                    &format!(
                        "[one.document.info] Error getting document [{}].",
                        call.params[0]
                    ),
                    1024,
                ),
            }
        }
        _ => reply(answer),
    }
}

/// OneFlow's answer as oned has the document.
fn service_document(body: &str) -> String {
    let answer: Value = serde_json::from_str(body).unwrap();
    let document = answer["DOCUMENT"].as_object().unwrap();
    let mut xml = String::new();
    for (name, value) in document {
        match value {
            Value::String(text) => xml += &format!("<{name}>{text}</{name}>"),
            Value::Object(members) if name == "PERMISSIONS" => {
                let members = members.iter();
                let switches: String = members
                    .map(|(name, value)| format!("<{name}>{}</{name}>", value.as_str().unwrap()))
                    .collect();
                xml += &format!("<PERMISSIONS>{switches}</PERMISSIONS>");
            }
            _ => {}
        }
    }
    let body = &document["TEMPLATE"]["BODY"];
    format!("<DOCUMENT>{xml}<TEMPLATE><BODY><![CDATA[{body}]]></BODY></TEMPLATE></DOCUMENT>")
}

fn reply(answer: &Value) -> Reply {
    match (&answer["done"], &answer["reason"], &answer["status"]) {
        (Value::String(result), ..) => done(result),
        (Value::Number(id), ..) => done_to(id.as_i64().unwrap()),
        (_, Value::String(reason), _) => refused(reason, answer["code"].as_i64().unwrap()),
        (_, _, Value::Number(status)) => Reply::Http(
            status.as_u64().unwrap() as u16,
            answer["body"].as_str().unwrap().to_string(),
        ),
        _ => panic!("an answer without sense: {answer}"),
    }
}

struct Recorded {
    call: Call,
    answer: Value,
    made: bool,
}

/// A case that is being replayed.
pub(crate) struct Case {
    recorded: Vec<Recorded>,
    /// Calls made in the server's own name in place of recorded ones.
    substituted: usize,
    /// Calls that the Ruby server didn't make, or not so often.
    pub(crate) unexpected: Vec<Call>,
    /// The USER_TEMPLATE after the update that was sent.
    pub(crate) stored: Option<vm::UserTemplate>,
}

impl Case {
    /// How many calls the Ruby server made.
    pub(crate) fn recorded(&self) -> usize {
        self.recorded.len()
    }

    /// How many were made now.
    pub(crate) fn made(&self) -> usize {
        let made = self.recorded.iter().filter(|recorded| recorded.made);
        made.count() + self.substituted
    }

    /// What oned or OneFlow refused, in their words.
    pub(crate) fn reason(&self) -> Option<&str> {
        let made = self.recorded.iter().filter(|recorded| recorded.made);
        made.filter_map(|recorded| recorded.answer["reason"].as_str())
            .next_back()
    }

    fn answer(&mut self, call: &Call) -> Reply {
        // What an update says in ours is not what it says in Ruby's re-quoted text, and cardinalities are numbers.
        let same = |recorded: &Call| match call.method.as_str() {
            "one.vm.update" => {
                recorded.params[0] == call.params[0] && recorded.params[2] == call.params[2]
            }
            method if method.ends_with("/scale") => {
                recorded.params[0]["role_name"] == call.params[0]["role_name"]
            }
            _ => recorded.params == call.params,
        };
        let found = self.recorded.iter_mut().find(|r| {
            !r.made && r.call.method == call.method && r.call.who == call.who && same(&r.call)
        });
        let Some(found) = found else {
            if let Some(answer) = self.substitute(call) {
                return reply_to(call, &answer);
            }
            if let Some(reply) = unrecorded(call) {
                return reply;
            }
            self.unexpected.push(call.clone());
            // The Ruby server sent none; what ours comes to is for the table of differences.
            if call.method == "one.vm.update" {
                return self.update(call, &Value::Null);
            }
            return match call.method.starts_with("one.") {
                true => refused(
                    &format!("[{}] this call was never recorded", call.method),
                    1024,
                ),
                false => Reply::Http(404, "this call was never recorded".to_string()),
            };
        };
        found.made = true;
        let answer = found.answer.clone();
        if call.method == "one.vm.update" {
            return self.update(call, &answer);
        }
        reply(&answer)
    }

    /// What the Ruby server was told when it asked the same as the owner, or asked OneFlow.
    fn substitute(&mut self, call: &Call) -> Option<Value> {
        let of = |who| as_recorded(call, who);
        let questions: Vec<Call> = ["alice", "bob", "serveradmin"]
            .into_iter()
            .filter_map(of)
            .collect();
        let same = |r: &&mut Recorded| questions.contains(&r.call);
        let found = self
            .recorded
            .iter_mut()
            .filter(same)
            .min_by_key(|r| r.made)?;
        // The owner may have to ask yet.
        self.substituted += 1;
        Some(found.answer.clone())
    }

    /// Carries out what was sent on what the VM had. oned's own refusals are kept, but those of Ruby's re-quoted text
    /// say nothing about ours.
    fn update(&mut self, call: &Call, answer: &Value) -> Reply {
        if let Some(reason) = answer["reason"].as_str()
            && !reason.contains("Parse error")
        {
            return refused(reason, answer["code"].as_i64().unwrap());
        }
        let mut attributes = self.user_template(&call.params[0]);
        let reply = vm::update(&mut attributes, call);
        self.stored = Some(attributes);
        reply
    }

    /// The USER_TEMPLATE of a VM in the last of its recorded records.
    fn user_template(&self, vm: &Value) -> vm::UserTemplate {
        let of_vm = |r: &&Recorded| r.call.method == "one.vm.info" && &r.call.params[0] == vm;
        let record = self.recorded.iter().rev().find(of_vm).unwrap();
        let record = document::parse(record.answer["done"].as_str().unwrap(), "VM").unwrap();
        vm::of_document(&record["USER_TEMPLATE"])
    }
}

/// A oned and a OneFlow that answer what is recorded of whichever case is set.
pub(crate) struct Replay {
    pub(crate) oned: StandIn,
    pub(crate) oneflow: StandIn,
    pub(crate) case: Arc<Mutex<Case>>,
}

impl Replay {
    pub(crate) fn start(case: Case) -> Self {
        let case = Arc::new(Mutex::new(case));
        let stand_in = || {
            let case = case.clone();
            StandIn::start(move |request| case.lock().unwrap().answer(&request.call()))
        };
        Replay {
            oned: stand_in(),
            oneflow: stand_in(),
            case: case.clone(),
        }
    }
}
