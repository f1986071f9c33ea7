//! The engine over a small cloud and a clock of its own: services and VMs from start to end.

mod documents;
mod recover;
mod routers;

use super::*;
use crate::objects::action;
use crate::objects::action::Argument;
use crate::objects::document::list;
use crate::objects::vm_state::*;
use crate::store::state::{Objects, Writes};
use serde_json::{Value, json};
use std::sync::Arc;

/// A cloud whose time stands still until it is moved.
pub(super) struct Bench {
    pub(super) objects: Objects,
    pub(super) engine: Engine,
    pub(super) now: Timestamp,
    pub(super) next: Timestamp,
}

/// 2026-11-22 12:00:00 UTC, a full minute.
const START: i64 = 1_795_348_800;

impl Bench {
    pub(super) fn new(timings: Timings, documents: Vec<(Kind, Value)>) -> Self {
        let mut objects = Objects::default();
        for (kind, document) in documents {
            let id = crate::objects::document::id(document.get("ID")).expect("an ID");
            objects.set(kind, id, Some(Arc::new(document)));
        }
        let now = Timestamp::from_second(START).expect("a time");
        let mut bench = Self {
            objects,
            engine: Engine::new(timings),
            now,
            next: now,
        };
        bench.change(|engine, draft, now| engine.start(draft, now));
        bench
    }

    pub(super) fn change<T>(
        &mut self,
        with: impl FnOnce(&mut Engine, &mut Draft<'_>, Timestamp) -> T,
    ) -> T {
        let none = Writes::new();
        let mut draft = Draft::new(&self.objects, &none);
        let answer = with(&mut self.engine, &mut draft, self.now);
        for ((kind, id), document) in draft.into_writes() {
            self.objects.set(kind, id, document);
        }
        answer
    }

    /// Lets this many seconds pass, calling the engine whenever it asked to be called.
    pub(super) fn pass(&mut self, seconds: f64) {
        let end = later(self.now, Duration::from_secs_f64(seconds));
        self.next = self.change(|engine, draft, now| engine.advance(draft, now));
        while self.next <= end {
            self.now = self.next;
            self.next = self.change(|engine, draft, now| engine.advance(draft, now));
            assert!(
                self.next > self.now,
                "the engine must not ask for the same moment again"
            );
        }
        self.now = end;
    }

    pub(super) fn vm(&self, id: Id) -> &Value {
        self.objects.get(Kind::Vm, id).expect("the VM")
    }

    pub(super) fn state(&self, id: Id) -> String {
        VmState::of(self.vm(id)).expect("a state").name()
    }

    pub(super) fn body(&self, id: Id) -> &Value {
        service::body(self.objects.get(Kind::Service, id).expect("the service")).expect("a body")
    }

    /// `SCALING role:SCALING/2[9,10]`
    pub(super) fn service(&self, id: Id) -> String {
        let name = |value: &Value| match value.as_i64() {
            Some(0) => "PENDING",
            Some(1) => "DEPLOYING",
            Some(2) => "RUNNING",
            Some(4) => "WARNING",
            Some(7) => "FAILED_DEPLOYING",
            Some(8) => "SCALING",
            Some(9) => "FAILED_SCALING",
            Some(10) => "COOLDOWN",
            _ => "?",
        };
        let body = self.body(id);
        let mut text = name(&body["state"]).to_string();
        for role in body["roles"].as_array().expect("roles") {
            let nodes: Vec<String> = role["nodes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|node| node["deploy_id"].to_string())
                .collect();
            text += &format!(
                " {}:{}/{}[{}]",
                role["name"].as_str().unwrap_or(""),
                name(&role["state"]),
                role["cardinality"],
                nodes.join(",")
            );
        }
        text
    }

    pub(super) fn act(&mut self, vm: Id, name: &str) -> Result<(), Refusal> {
        let call = action::find(name)
            .expect("an action")
            .call(&Value::Null)
            .expect("a call");
        self.change(|engine, draft, now| engine.act(draft, vm, &call, now))
    }

    pub(super) fn scale(&mut self, service: Id, role: &str, to: u32) -> Result<(), Obstacle> {
        let wanted = ScaleRequest {
            service,
            role,
            cardinality: to,
        };
        self.change(|engine, draft, now| engine.scale(draft, &wanted, now))
    }

    pub(super) fn set(&mut self, vm: Id, name: &str, value: Value) {
        self.change(|_, draft, _| {
            draft.get_mut(Kind::Vm, vm).expect("the VM")["USER_TEMPLATE"][name] = value;
        });
    }
}

/// A VM that runs, of service 1 where a role is given.
pub(super) fn vm(id: Id, state: VmState, role: &str) -> (Kind, Value) {
    let mut template = json!({"REPORTED": "1", "LOGO": "linux.png"});
    if !role.is_empty() {
        template["SERVICE_ID"] = "1".into();
        template["ROLE_NAME"] = role.into();
    }
    let record = json!({
        "ID": id.to_string(), "UID": "2", "GID": "1", "UNAME": "alice", "GNAME": "users",
        "NAME": format!("{role}_{id}"), "STATE": state.state.to_string(), "LCM_STATE": state.lcm.to_string(),
        "PREV_STATE": "0", "PREV_LCM_STATE": "0", "STIME": "1", "ETIME": "0", "RESCHED": "0", "MONITORING": {},
        "TEMPLATE": {"CREATED_BY": "2", "VMID": id.to_string(), "TEMPLATE_ID": "7",
            "CONTEXT": {"VMID": id.to_string(), "ETH0_IP": "10.0.0.1", "ETH0_MAC": "x", "TOKEN": "YES"},
            "NIC": {"NETWORK_ID": "0", "NIC_ID": "0", "IP": "10.0.0.1", "MAC": "x", "NETWORK": "vnet"}},
        "USER_TEMPLATE": template,
    });
    (Kind::Vm, record)
}

pub(super) fn network(size: u32) -> (Kind, Value) {
    let range = json!({"AR_ID": "0", "IP": "10.0.0.1", "MAC": "02:00:0a:00:00:01", "SIZE": size.to_string(),
        "LEASES": {"LEASE": [{"IP": "10.0.0.1", "MAC": "02:00:0a:00:00:01", "VM": "9"}]}});
    (
        Kind::Vnet,
        json!({"ID": "0", "NAME": "vnet", "USED_LEASES": "1", "AR_POOL": {"AR": range}}),
    )
}

pub(super) fn service(body: Value) -> (Kind, Value) {
    let document = json!({"ID": "1", "UID": "2", "GID": "1", "UNAME": "alice", "GNAME": "users", "NAME": "s",
        "TEMPLATE": {"BODY": body}});
    (Kind::Service, document)
}

fn one_role(extra: Value) -> (Kind, Value) {
    let mut role = json!({"name": "work", "type": "vm", "cardinality": 1, "template_id": 7, "state": 2,
        "nodes": [{"deploy_id": 9, "vm_info": {"VM": {"ID": "9"}}}], "cooldown": 10, "last_vmname": 1});
    for (key, value) in extra.as_object().expect("an object") {
        role[key] = value.clone();
    }
    service(json!({"name": "s", "state": 2, "roles": [role]}))
}

fn timings() -> Timings {
    Timings {
        vm_step: Duration::from_secs(1),
        cooldown: Duration::from_secs(5),
        interval: Duration::from_secs(10),
    }
}

fn small(extra: Value) -> Bench {
    Bench::new(
        timings(),
        vec![vm(9, RUNNING, "work"), network(4), one_role(extra)],
    )
}

#[test]
fn scaling_up_makes_vms_waits_for_them_and_cools_down() {
    let mut bench = small(json!({}));
    bench.scale(1, "work", 2).expect("scaled");
    assert_eq!(bench.service(1), "SCALING work:SCALING/2[9,10]");
    assert_eq!(bench.state(10), "PENDING");
    bench.pass(2.5);
    assert_eq!(bench.state(10), "BOOT");
    bench.pass(0.5);
    assert_eq!(bench.state(10), "RUNNING");
    assert_eq!(bench.service(1), "COOLDOWN work:COOLDOWN/2[9,10]");
    bench.pass(9.9);
    assert_eq!(bench.service(1), "COOLDOWN work:COOLDOWN/2[9,10]");
    bench.pass(0.1);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/2[9,10]");
    let log: Vec<&str> = list(bench.body(1).get("log"))
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect();
    assert_eq!(
        log,
        [
            "Role work scaling up from 1 to 2 nodes",
            "New state: SCALING",
            "New state: COOLDOWN",
            "New state: RUNNING"
        ]
    );
}

#[test]
fn a_new_vm_is_its_own() {
    let mut bench = small(json!({}));
    bench.scale(1, "work", 2).expect("scaled");
    let vm = bench.vm(10);
    for (pointer, value) in [
        ("/NAME", "work_1_(service_1)"),
        ("/STIME", "1795348800"),
        ("/TEMPLATE/CREATED_BY", "2"),
        ("/TEMPLATE/VMID", "10"),
        ("/TEMPLATE/NIC/IP", "10.0.0.2"),
        ("/TEMPLATE/NIC/MAC", "02:00:0a:00:00:02"),
        ("/TEMPLATE/CONTEXT/VMID", "10"),
        ("/TEMPLATE/CONTEXT/ETH0_IP", "10.0.0.2"),
        ("/USER_TEMPLATE/SERVICE_ID", "1"),
        ("/USER_TEMPLATE/ROLE_NAME", "work"),
        ("/USER_TEMPLATE/LOGO", "linux.png"),
    ] {
        assert_eq!(
            vm.pointer(pointer).and_then(Value::as_str),
            Some(value),
            "{pointer}"
        );
    }
    assert!(
        vm["USER_TEMPLATE"].get("REPORTED").is_none(),
        "what a guest reported is not copied"
    );
    let node = &bench.body(1)["roles"][0]["nodes"][1];
    assert_eq!(
        node.to_string(),
        r#"{"deploy_id":10,"vm_info":{"VM":{"ID":"10","UID":"2","GID":"1","UNAME":"alice","GNAME":"users","NAME":"work_1_(service_1)"}}}"#
    );
    assert_eq!(bench.body(1)["roles"][0]["last_vmname"], 2);
}

#[test]
fn scaling_down_takes_the_oldest_and_gives_its_address_back() {
    let mut bench = small(json!({"cooldown": 3}));
    bench.scale(1, "work", 3).expect("up");
    bench.pass(10.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/3[9,10,11]");
    bench.scale(1, "work", 1).expect("down");
    assert_eq!(bench.service(1), "SCALING work:SCALING/1[9,10,11]");
    bench.pass(2.0);
    assert_eq!(bench.service(1), "COOLDOWN work:COOLDOWN/1[11]");
    assert_eq!(
        (bench.state(9).as_str(), bench.state(10).as_str()),
        ("DONE", "DONE")
    );
    let vnet = bench.objects.get(Kind::Vnet, 0).expect("the network");
    assert_eq!(vnet["USED_LEASES"], "1");
    bench.pass(3.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/1[11]");
}

#[test]
fn a_role_without_nodes_grows_after_a_vm_of_its_template() {
    let mut bench = small(json!({"cooldown": 0}));
    bench.scale(1, "work", 0).expect("down");
    bench.pass(5.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/0[]");
    bench.scale(1, "work", 1).expect("up");
    bench.pass(5.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/1[10]");
    assert_eq!(bench.vm(10)["TEMPLATE"]["CREATED_BY"], "2");
}

#[test]
fn a_service_without_vms_is_deployed_parents_first() {
    let role = |name: &str, parents: Value| {
        json!({"name": name, "cardinality": 2, "parents": parents,
            "template_contents": {"NIC": [{"NETWORK_ID": "0"}]}})
    };
    let body = json!({"name": "s", "deployment": "straight", "ready_status_gate": true,
        "roles": [role("front", json!(["back"])), role("back", json!([]))]});
    let mut bench = Bench::new(timings(), vec![network(9), service(body)]);
    bench.pass(0.0);
    assert_eq!(
        bench.service(1),
        "DEPLOYING front:PENDING/2[] back:DEPLOYING/2[0,1]"
    );
    bench.pass(5.0);
    assert_eq!(bench.state(1), "RUNNING");
    for text in ["NO", "YESTERDAY", " YES"] {
        bench.set(0, "READY", text.into());
        bench.set(1, "READY", text.into());
        bench.set(1, "NOT_READY", "YES".into());
        bench.pass(1.0);
        let expected = "DEPLOYING front:PENDING/2[] back:DEPLOYING/2[0,1]";
        assert_eq!(bench.service(1), expected, "{text}");
    }
    bench.set(0, "READY", "YES".into());
    bench.set(1, "READY", "yes".into());
    bench.pass(1.0);
    assert_eq!(
        bench.service(1),
        "DEPLOYING front:DEPLOYING/2[2,3] back:RUNNING/2[0,1]"
    );
    bench.set(2, "READY", "YES".into());
    bench.set(3, "READY", "YES".into());
    bench.pass(5.0);
    assert_eq!(
        bench.service(1),
        "RUNNING front:RUNNING/2[2,3] back:RUNNING/2[0,1]"
    );
    assert_eq!(bench.vm(3)["TEMPLATE"]["NIC"]["IP"], "10.0.0.5");
}

#[test]
fn a_scaling_waits_for_the_ready_gate() {
    let mut bench = small(json!({"cooldown": 0}));
    bench.change(|_, draft, _| {
        draft.get_mut(Kind::Service, 1).expect("the service")["TEMPLATE"]["BODY"]["ready_status_gate"] =
            true.into();
    });
    bench.scale(1, "work", 2).expect("scaled");
    bench.pass(9.0);
    assert_eq!(bench.service(1), "SCALING work:SCALING/2[9,10]");
    bench.set(10, "READY", "YES".into());
    bench.pass(1.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/2[9,10]");
}

#[test]
fn refusals_leave_no_trace() {
    let mut bench = small(json!({"min_vms": 1, "max_vms": 9}));
    for (role, cardinality, why) in [
        ("work", 1, "Cardinality of work is already at 1"),
        ("work", 0, "Minimum cardinality is 1"),
        ("work", 10, "Maximum cardinality is 9"),
        ("WORK", 2, "Role WORK not found"),
        ("work", 9, "virtual network 0 has no free lease"),
    ] {
        let refused = bench.scale(1, role, cardinality);
        let refused = refused.map_err(|obstacle| obstacle.to_string());
        assert_eq!(refused, Err(why.to_string()), "{role} {cardinality}");
        assert_eq!(bench.service(1), "RUNNING work:RUNNING/1[9]");
    }
    assert_eq!(bench.scale(2, "work", 2), Err(Obstacle::NoService));
    let vnet = bench.objects.get(Kind::Vnet, 0).expect("the network");
    assert_eq!(vnet["USED_LEASES"], "1");
    assert!(bench.objects.get(Kind::Vm, 10).is_none());
    bench.scale(1, "work", 2).expect("scaled");
    assert!(bench.scale(1, "work", 3).is_err(), "while SCALING");
    bench.pass(4.0);
    assert!(bench.scale(1, "work", 3).is_err(), "in COOLDOWN");
}

#[test]
fn a_vm_off_is_a_warning_a_suspended_one_is_not() {
    let mut bench = small(json!({}));
    bench.act(9, "suspend").expect("suspended");
    bench.pass(3.0);
    assert_eq!(
        (bench.state(9).as_str(), bench.service(1).as_str()),
        ("SUSPENDED", "RUNNING work:RUNNING/1[9]")
    );
    bench.act(9, "resume").expect("resumed");
    bench.pass(3.0);
    bench.act(9, "poweroff").expect("off");
    bench.pass(3.0);
    assert_eq!(bench.service(1), "WARNING work:WARNING/1[9]");
    bench.act(9, "resume").expect("resumed");
    bench.pass(3.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/1[9]");
}

#[test]
fn a_terminated_node_is_taken_out() {
    let mut bench = small(json!({}));
    bench.act(9, "terminate").expect("terminated");
    bench.pass(5.0);
    assert_eq!(bench.state(9), "DONE");
    assert_eq!(bench.vm(9)["ETIME"], "1795348802");
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/0[]");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut bench = small(json!({}));
    bench.scale(1, "work", 2).expect("scaled");
    for _ in 0..20 {
        bench.engine = Engine::new(timings());
        bench.change(|engine, draft, now| engine.start(draft, now));
        bench.pass(0.7);
    }
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/2[9,10]");
}

#[test]
fn what_a_scenario_left_halfway_goes_on() {
    let (kind, mut document) = one_role(json!({"state": 10}));
    document["TEMPLATE"]["BODY"]["state"] = 10.into();
    let mut bench = Bench::new(timings(), vec![vm(9, BOOT, "work"), (kind, document)]);
    bench.pass(2.0);
    assert_eq!(bench.state(9), "RUNNING");
    assert_eq!(bench.service(1), "COOLDOWN work:COOLDOWN/1[9]");
    bench.pass(10.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/1[9]");
}

#[test]
fn with_no_delays_an_action_is_done_at_once() {
    let none = Timings {
        vm_step: Duration::ZERO,
        cooldown: Duration::ZERO,
        ..timings()
    };
    let mut bench = Bench::new(
        none,
        vec![
            vm(9, RUNNING, "work"),
            network(4),
            one_role(json!({"cooldown": 0})),
        ],
    );
    bench.scale(1, "work", 3).expect("scaled");
    bench.pass(0.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/3[9,10,11]");
}

#[test]
fn rename_is_the_one_call_of_its_own_that_does_something() {
    let mut bench = small(json!({}));
    for (name, ok) in [
        ("web 1", true),
        ("", false),
        ("a<b", false),
        ("a\nb", false),
    ] {
        let call = VmAction {
            name: "rename",
            argument: Argument::Text(name.into()),
        };
        let answer = bench.change(|engine, draft, now| engine.act(draft, 9, &call, now));
        assert_eq!(answer.is_ok(), ok, "{name:?}");
    }
    assert_eq!(bench.vm(9)["NAME"], "web 1");
    let call = VmAction {
        name: "attach",
        argument: Argument::Text("DISK=[IMAGE_ID=0]".into()),
    };
    let answer = bench.change(|engine, draft, now| engine.act(draft, 9, &call, now));
    assert!(matches!(answer, Err(Refusal::Failed(_))));
}

#[test]
fn nothing_hangs_when_the_clock_is_set_back() {
    let mut bench = small(json!({"min_vms": 1, "max_vms": 3, "elasticity_policies": [
        {"expression": "1 < 2", "type": "CHANGE", "adjust": 1, "period": 10, "period_number": 1}]}));
    let hour = Duration::from_secs(3600);
    let back = |bench: &mut Bench| bench.now = bench.now.checked_sub(hour).expect("a time");
    bench.pass(1.0);
    assert_eq!(bench.service(1), "SCALING work:SCALING/2[9,10]");
    back(&mut bench);
    bench.pass(4.0);
    assert_eq!(
        bench.service(1),
        "COOLDOWN work:COOLDOWN/2[9,10]",
        "its VM went on"
    );
    back(&mut bench);
    bench.pass(10.0);
    assert_eq!(
        bench.service(1),
        "SCALING work:SCALING/3[9,10,11]",
        "its cooldown ended, and its policy was evaluated"
    );
}

#[test]
fn a_guest_cannot_ask_for_more_than_the_server_can_bear() {
    let (_, mut record) = vm(9, RUNNING, "work");
    record["TEMPLATE"]["NIC"] = json!([]);
    let (kind, document) = one_role(json!({"cooldown": 0}));
    let none = Timings {
        vm_step: Duration::ZERO,
        ..timings()
    };
    let mut bench = Bench::new(none, vec![(Kind::Vm, record), (kind, document)]);
    let refused = bench.scale(1, "work", 4_000_000_000);
    assert_eq!(refused, Err(Obstacle::TooMany(3_999_999_999, 1000)));
    for _ in 0..3 {
        bench.scale(1, "work", 600).expect("up");
        bench.pass(10.0);
        bench.scale(1, "work", 1).expect("down");
        bench.pass(10.0);
    }
    assert_eq!(
        bench.service(1).split('[').next(),
        Some("RUNNING work:RUNNING/1")
    );
    assert_eq!(
        bench.objects.all(Kind::Vm).count(),
        1001,
        "1000 that are gone, and the one that is left"
    );
}

#[test]
fn a_vm_that_is_gone_leaves_its_virtual_router() {
    let (kind, mut record) = vm(9, RUNNING, "");
    record["TEMPLATE"]["VROUTER_ID"] = "0".into();
    let vrouter = json!({"ID": "0", "VMS": {"ID": ["8", "9"]}});
    let mut bench = Bench::new(timings(), vec![(kind, record), (Kind::Vrouter, vrouter)]);
    bench.act(9, "terminate").expect("terminated");
    bench.pass(3.0);
    let vrouter = bench
        .objects
        .get(Kind::Vrouter, 0)
        .expect("the virtual router");
    assert_eq!(vrouter["VMS"]["ID"], json!(["8"]));
}

#[test]
fn a_role_that_stays_says_so_once() {
    let mut bench = small(json!({"min_vms": 1, "max_vms": 1, "elasticity_policies": [
        {"expression": "LOAD > 70", "type": "CHANGE", "adjust": 1, "period_number": 1}]}));
    for load in ["71", "72", "73"] {
        bench.set(9, "LOAD", load.into());
        bench.pass(10.0);
    }
    let report = bench
        .change(|engine, draft, now| engine.report(draft, 1, now))
        .expect("a report");
    let decisions = report["decisions"].as_array().expect("decisions");
    let texts: Vec<&str> = decisions
        .iter()
        .filter_map(|decision| decision["decision"].as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "stays at 1, as max_vms is 1: LOAD[73.0] > 70, 1 of 1 times (elasticity policy 0, CHANGE 1)"
        ]
    );
}

#[test]
fn a_deployment_that_fails_says_why() {
    let role =
        json!({"name": "web", "cardinality": 5, "template_contents": {"NIC": {"NETWORK_ID": "0"}}});
    let mut bench = Bench::new(
        timings(),
        vec![network(4), service(json!({"name": "s", "roles": [role]}))],
    );
    bench.pass(1.0);
    assert_eq!(
        bench.service(1),
        "FAILED_DEPLOYING web:FAILED_DEPLOYING/5[]"
    );
    let report = bench
        .change(|engine, draft, now| engine.report(draft, 1, now))
        .expect("a report");
    let said = &report["decisions"][0]["decision"];
    assert_eq!(
        said,
        "cannot be deployed: virtual network 0 has no free lease"
    );
    assert_eq!(bench.objects.all(Kind::Vm).count(), 0, "all nodes or none");
}
