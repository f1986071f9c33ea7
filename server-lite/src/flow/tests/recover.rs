//! What fails, and what recovering makes of it.

use super::*;

impl Bench {
    fn recover(&mut self) -> Result<(), Obstacle> {
        self.change(|engine, draft, now| engine.recover(draft, 1, now))
    }

    /// Puts a VM into a state, as a scenario may have it and nothing here leads to.
    fn put(&mut self, vm: Id, state: VmState) {
        self.change(|engine, draft, _| {
            state.write(draft.get_mut(Kind::Vm, vm).expect("the VM"));
            draft.remove(Kind::VmClock, vm);
            engine.vms_changed = true;
        });
    }
}

const BOOT_MIGRATE_FAILURE: VmState = VmState { state: 3, lcm: 37 };
const PROLOG_FAILURE: VmState = VmState { state: 3, lcm: 39 };

/// Two nodes, 9 and 8, in a service and a role in this state.
fn two(state: u64, cardinality: u32, first: VmState) -> Bench {
    let (_, mut document) = one_role(
        json!({"state": state, "cardinality": cardinality, "cooldown": 3,
        "nodes": [{"deploy_id": 9}, {"deploy_id": 8}], "last_vmname": 2}),
    );
    document["TEMPLATE"]["BODY"]["state"] = state.into();
    Bench::new(
        timings(),
        vec![
            vm(9, first, "work"),
            vm(8, RUNNING, "work"),
            network(9),
            (Kind::Service, document),
        ],
    )
}

#[test]
fn a_node_that_fails_to_start_fails_the_deployment() {
    let mut bench = two(1, 2, BOOT);
    bench.put(9, BOOT_FAILURE);
    bench.pass(5.0);
    assert_eq!(
        bench.service(1),
        "FAILED_DEPLOYING work:FAILED_DEPLOYING/2[9,8]"
    );
    assert_eq!(bench.state(9), "BOOT_FAILURE");
    bench.recover().expect("recovered");
    assert_eq!(bench.state(9), "BOOT");
    bench.pass(5.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/2[9,8]");
}

#[test]
fn every_deployment_that_failed_is_tried_again() {
    for (failed, cardinality, first, expected) in [
        (BOOT_FAILURE, 2, "BOOT", "RUNNING work:RUNNING/2[9,8]"),
        (PROLOG_FAILURE, 2, "PROLOG", "RUNNING work:RUNNING/2[9,8]"),
        (POWEROFF, 2, "BOOT_POWEROFF", "RUNNING work:RUNNING/2[9,8]"),
        (UNDEPLOYED, 2, "PENDING", "RUNNING work:RUNNING/2[9,8]"),
        (RUNNING, 3, "RUNNING", "RUNNING work:RUNNING/3[9,8,10]"),
        (BOOT_FAILURE, 4, "BOOT", "RUNNING work:RUNNING/4[9,8,10,11]"),
        // There is no second host on which a migration could be tried again.
        (
            BOOT_MIGRATE_FAILURE,
            2,
            "BOOT_MIGRATE_FAILURE",
            "FAILED_DEPLOYING work:FAILED_DEPLOYING/2[9,8]",
        ),
    ] {
        let mut bench = two(7, cardinality, failed);
        bench.pass(5.0);
        let before = format!("FAILED_DEPLOYING work:FAILED_DEPLOYING/{cardinality}[9,8]");
        assert_eq!(bench.service(1), before, "it waits to be recovered");
        bench.recover().expect("recovered");
        assert_eq!(bench.state(9), first);
        bench.pass(9.0);
        assert_eq!(bench.service(1), expected);
    }
}

#[test]
fn a_deployment_that_fails_again_says_why_and_stays() {
    let role =
        json!({"name": "web", "cardinality": 5, "template_contents": {"NIC": {"NETWORK_ID": "0"}}});
    let documents = vec![network(4), service(json!({"name": "s", "roles": [role]}))];
    let mut bench = Bench::new(timings(), documents);
    bench.pass(1.0);
    let failed = "FAILED_DEPLOYING web:FAILED_DEPLOYING/5[]";
    assert_eq!(bench.service(1), failed);
    let none = Writes::new();
    let mut draft = Draft::new(&bench.objects, &none);
    let refused = bench.engine.recover(&mut draft, 1, bench.now);
    assert_eq!(refused, Err(Obstacle::NoLease(0)));
    // Somebody makes room.
    bench.change(|_, draft, _| {
        draft.get_mut(Kind::Vnet, 0).expect("the network")["AR_POOL"]["AR"][0]["SIZE"] = "9".into();
    });
    bench.recover().expect("recovered");
    bench.pass(9.0);
    // The ids of the VMs that were taken back are used up.
    assert_eq!(bench.service(1), "RUNNING web:RUNNING/5[4,5,6,7,8]");
}

#[test]
fn a_scaling_up_that_failed_ends_in_its_cooldown() {
    let mut bench = small(json!({"cooldown": 3}));
    bench.scale(1, "work", 3).expect("scaled");
    bench.pass(2.5);
    bench.put(10, BOOT_FAILURE);
    bench.pass(20.0);
    let failed = "FAILED_SCALING work:FAILED_SCALING/3[9,10,11]";
    assert_eq!(bench.service(1), failed);
    let refused = bench.scale(1, "work", 2).map_err(|why| why.to_string());
    let said = "Service cannot be scaled in state: FAILED_SCALING";
    assert_eq!(refused, Err(said.to_string()));
    bench.recover().expect("recovered");
    assert_eq!(bench.service(1), "SCALING work:SCALING/3[9,10,11]");
    bench.pass(1.0);
    assert_eq!(bench.service(1), "COOLDOWN work:COOLDOWN/3[9,10,11]");
    bench.pass(3.0);
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/3[9,10,11]");
}

#[test]
fn scalings_that_a_scenario_brings_go_on_the_way_they_went() {
    for (state, cardinality, expected) in [
        // Up: a node is missing.
        (9, 3, "RUNNING work:RUNNING/3[9,8,10]"),
        (8, 3, "RUNNING work:RUNNING/3[9,8,10]"),
        // Up: all are there.
        (9, 2, "RUNNING work:RUNNING/2[9,8]"),
        // Down: the oldest is still there.
        (9, 1, "RUNNING work:RUNNING/1[8]"),
        (8, 1, "RUNNING work:RUNNING/1[8]"),
    ] {
        let mut bench = two(state, cardinality, RUNNING);
        bench.recover().expect("recovered");
        bench.pass(20.0);
        assert_eq!(bench.service(1), expected, "{state} {cardinality}");
    }
}

#[test]
fn a_cooldown_is_over_at_once() {
    let mut bench = small(json!({"cooldown": 1000}));
    bench.scale(1, "work", 2).expect("scaled");
    bench.pass(9.0);
    assert_eq!(bench.service(1), "COOLDOWN work:COOLDOWN/2[9,10]");
    bench.recover().expect("recovered");
    assert_eq!(bench.service(1), "RUNNING work:RUNNING/2[9,10]");
    bench.scale(1, "work", 3).expect("scaled again");
}

#[test]
fn where_nothing_failed_there_is_nothing_to_recover() {
    for (number, name) in [
        (2, "RUNNING"),
        (3, "UNDEPLOYING"),
        (4, "WARNING"),
        (5, "DONE"),
        (6, "FAILED_UNDEPLOYING"),
        (12, "UNDEPLOYING_NETS"),
        (13, "FAILED_DEPLOYING_NETS"),
        (14, "FAILED_UNDEPLOYING_NETS"),
        (15, "HOLD"),
        (99, "unknown"),
    ] {
        let mut bench = two(number, 2, POWEROFF);
        let refused = bench.recover().map_err(|why| why.to_string());
        let said = format!("Service cannot be recovered in state: {name}");
        assert_eq!(refused, Err(said));
        assert_eq!(bench.state(9), "POWEROFF", "{name}");
    }
    let mut bench = Bench::new(timings(), Vec::new());
    assert_eq!(bench.recover(), Err(Obstacle::NoService));
}

#[test]
fn states_that_the_engine_does_not_know_are_left_alone() {
    for number in [3, 5, 6, 11, 12, 99] {
        let mut bench = two(2, 2, POWEROFF);
        bench.change(|_, draft, _| {
            let body =
                &mut draft.get_mut(Kind::Service, 1).expect("the service")["TEMPLATE"]["BODY"];
            body["state"] = 2.into();
            body["roles"][0]["state"] = number.into();
        });
        bench.pass(30.0);
        assert_eq!(bench.body(1)["roles"][0]["state"], number);
    }
}
