//! Roles of type vr.

use super::*;
use crate::objects::document::id;

/// Services 1 (a role `gw` of type vr) with what a role's `template_contents` may say.
fn gateway(nic: Value, cardinality: u32) -> Bench {
    let role = json!({"name": "gw", "type": "vr", "cardinality": cardinality, "template_id": 1,
        "template_contents": {"NAME": "x", "CPU": "0.1", "NIC": nic}, "last_vmname": 0});
    let worker = json!({"name": "work", "cardinality": 1, "parents": ["gw"],
        "template_contents": {"NIC": {"NETWORK_ID": 0}}});
    let body = json!({"name": "s", "deployment": "straight", "roles": [role, worker]});
    Bench::new(timings(), vec![network(9), service(body)])
}

#[test]
fn the_role_is_one_virtual_router_and_its_nodes_are_that_routers_vms() {
    let mut bench = gateway(json!([{"NETWORK_ID": 0, "FLOATING_IP": "YES"}]), 2);
    bench.pass(5.0);
    assert_eq!(
        bench.service(1),
        "DEPLOYING gw:RUNNING/2[0,1] work:DEPLOYING/1[2]"
    );
    bench.pass(5.0);
    assert_eq!(bench.state(2), "RUNNING");
    let router = bench.objects.get(Kind::Vrouter, 0).expect("the router");
    for (pointer, value) in [
        ("/ID", "0"),
        ("/NAME", "gw(service_1)"),
        ("/UID", "2"),
        ("/UNAME", "alice"),
        ("/TEMPLATE/CPU", "0.1"),
        ("/TEMPLATE/NIC/NETWORK", "vnet"),
        ("/TEMPLATE/NIC/NETWORK_ID", "0"),
        ("/TEMPLATE/NIC/VROUTER_IP", "10.0.0.2"),
        ("/TEMPLATE/ROLE_NAME", "gw"),
        ("/TEMPLATE/SERVICE_ID", "1"),
        ("/TEMPLATE/TEMPLATE_ID", "1"),
        ("/TEMPLATE/VROUTER", "YES"),
    ] {
        assert_eq!(router.pointer(pointer), Some(&json!(value)), "{pointer}");
    }
    assert_eq!(router["VMS"]["ID"], json!(["0", "1"]));
    for (vm, ip) in [(0, "10.0.0.3"), (1, "10.0.0.4")] {
        let record = bench.vm(vm);
        for (pointer, value) in [
            ("/NAME", format!("gw_{vm}_(service_1)").as_str()),
            ("/TEMPLATE/NIC/IP", ip),
            ("/TEMPLATE/NIC/VROUTER_IP", "10.0.0.2"),
            ("/TEMPLATE/VROUTER_ID", "0"),
            ("/TEMPLATE/VROUTER_KEEPALIVED_ID", "1"),
            ("/TEMPLATE/CONTEXT/VROUTER_ID", "0"),
            ("/USER_TEMPLATE/VROUTER", "YES"),
            ("/USER_TEMPLATE/ROLE_NAME", "gw"),
            ("/USER_TEMPLATE/SERVICE_ID", "1"),
        ] {
            assert_eq!(record.pointer(pointer), Some(&json!(value)), "{pointer}");
        }
    }
    assert!(bench.vm(2)["TEMPLATE"].get("VROUTER_ID").is_none());
    let role = &bench.body(1)["roles"][0];
    assert_eq!(
        (&role["vrouter_id"], &role["last_vmname"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(
        role["vrouter_ips"],
        json!([{"NETWORK_ID": 0, "VROUTER_IP": "10.0.0.2"}])
    );
    let vnet = bench.objects.get(Kind::Vnet, 0).expect("the network");
    assert_eq!(vnet["VROUTERS"]["ID"], json!(["0"]));
    let holders = list(vnet["AR_POOL"]["AR"][0]["LEASES"].get("LEASE"));
    let routers: Vec<_> = holders
        .iter()
        .filter_map(|lease| id(lease.get("VROUTER")))
        .collect();
    assert_eq!(routers, [0]);
}

#[test]
fn its_number_is_fixed() {
    let mut bench = gateway(json!({"NETWORK_ID": "0"}), 1);
    bench.pass(10.0);
    let running = "RUNNING gw:RUNNING/1[0] work:RUNNING/1[1]";
    assert_eq!(bench.service(1), running);
    for cardinality in [0, 1, 2] {
        let refused = bench
            .scale(1, "gw", cardinality)
            .map_err(|why| why.to_string());
        let said = "Virtual Router role gw does not support cardinality update";
        assert_eq!(refused, Err(said.to_string()));
    }
    bench.change(|_, draft, _| {
        let document = draft.get_mut(Kind::Service, 1).expect("the service");
        let role = &mut document["TEMPLATE"]["BODY"]["roles"][0];
        (role["min_vms"], role["max_vms"]) = (2.into(), 4.into());
        role["elasticity_policies"] =
            json!([{"expression": "1 < 2", "type": "CHANGE", "adjust": 1}]);
    });
    bench.pass(30.0);
    assert_eq!(bench.service(1), running, "it has no policies either");
    bench.scale(1, "work", 2).expect("the other role scales");
}

#[test]
fn a_router_that_cannot_be_made_leaves_nothing_behind() {
    for (nic, cardinality) in [
        (json!({"NETWORK_ID": "0"}), 9),
        (json!({"NETWORK_ID": "0", "FLOATING_IP": "yes"}), 8),
        (
            json!([{"NETWORK_ID": "0", "FLOATING_IP": "YES"}, {"NETWORK_ID": "7", "FLOATING_IP": "YES"}]),
            1,
        ),
        (json!([{"NETWORK_ID": "0"}, {"NETWORK_ID": "$Public"}]), 1),
    ] {
        let mut bench = gateway(nic, cardinality);
        bench.pass(1.0);
        let failed =
            format!("FAILED_DEPLOYING gw:FAILED_DEPLOYING/{cardinality}[] work:PENDING/1[]");
        assert_eq!(bench.service(1), failed);
        let documents = [Kind::Vrouter, Kind::Vm].map(|kind| bench.objects.all(kind).count());
        assert_eq!(documents, [0, 0]);
        let vnet = bench.objects.get(Kind::Vnet, 0).expect("the network");
        assert_eq!(vnet["USED_LEASES"], "1");
        assert_eq!(list(vnet["VROUTERS"].get("ID")).len(), 0);
    }
}

#[test]
fn a_node_that_is_gone_comes_back_to_the_same_router() {
    let mut bench = gateway(json!({"NETWORK_ID": "0"}), 2);
    bench.pass(10.0);
    bench.act(0, "terminate").expect("terminated");
    bench.pass(5.0);
    assert_eq!(
        bench.service(1),
        "RUNNING gw:RUNNING/1[1] work:RUNNING/1[2]"
    );
    bench.change(|_, draft, _| {
        let body = &mut draft.get_mut(Kind::Service, 1).expect("the service")["TEMPLATE"]["BODY"];
        body["state"] = 7.into();
        (body["roles"][0]["state"], body["roles"][0]["cardinality"]) = (7.into(), 2.into());
    });
    bench
        .change(|engine, draft, now| engine.recover(draft, 1, now))
        .expect("recovered");
    bench.pass(10.0);
    assert_eq!(
        bench.service(1),
        "RUNNING gw:RUNNING/2[1,3] work:RUNNING/1[2]"
    );
    let router = bench.objects.get(Kind::Vrouter, 0).expect("the router");
    assert_eq!(router["VMS"]["ID"], json!(["1", "3"]));
    assert_eq!(bench.objects.all(Kind::Vrouter).count(), 1);
}

#[test]
fn a_vm_made_after_a_routers_is_not_one() {
    let (_, mut pattern) = vm(9, RUNNING, "");
    pattern["TEMPLATE"]["VROUTER_ID"] = "3".into();
    pattern["TEMPLATE"]["VROUTER_KEEPALIVED_ID"] = "4".into();
    let (kind, document) = one_role(json!({"nodes": [], "cardinality": 0}));
    let mut bench = Bench::new(
        timings(),
        vec![(Kind::Vm, pattern), network(4), (kind, document)],
    );
    bench.scale(1, "work", 1).expect("scaled");
    let template = &bench.vm(10)["TEMPLATE"];
    assert!(
        template.get("VROUTER_ID").is_none() && template.get("VROUTER_KEEPALIVED_ID").is_none()
    );
    assert_eq!(template["TEMPLATE_ID"], "7");
}
