//! A cloud of many VMs, or of many services: `cloud COUNT [services] < panacea.json` writes the same scenario with that
//! many copies of VM 9, or of the service with VM 8 as its only node (VM 1000 is a node of the first).

use serde_json::Value;
use std::{env, io};

fn main() {
    let count: u64 = env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("usage: cloud COUNT [services] < SCENARIO");
    let services = env::args().nth(2).is_some();
    let mut cloud: Value = serde_json::from_reader(io::stdin()).expect("a scenario");
    let vms = cloud["vms"].as_array_mut().expect("a list of VMs");
    let like = if services { "8" } else { "9" };
    let model = vms.iter().find(|vm| vm["ID"] == like).expect("it").clone();
    for id in 1000..1000 + count {
        let mut vm = model.clone();
        vm["ID"] = id.to_string().into();
        vm["NAME"] = format!("copy {id}").into();
        if services {
            vm["USER_TEMPLATE"]["SERVICE_ID"] = id.to_string().into();
        }
        vms.push(vm);
    }
    let model = cloud["services"][0].clone();
    for id in (1000..1000 + count).filter(|_| services) {
        let mut service = model.clone();
        service["ID"] = id.to_string().into();
        let roles = &mut service["TEMPLATE"]["BODY"]["roles"];
        roles[0]["nodes"][0]["deploy_id"] = id.into();
        roles[0]["nodes"][0]["vm_info"]["VM"]["ID"] = id.to_string().into();
        roles[1]["nodes"] = Value::Array(Vec::new());
        roles[1]["cardinality"] = 0.into();
        roles[1]["min_vms"] = 0.into();
        cloud["services"]
            .as_array_mut()
            .expect("a list")
            .push(service);
    }
    serde_json::to_writer(io::stdout(), &cloud).expect("written");
}
