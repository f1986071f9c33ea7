//! A cloud of many VMs: `cloud COUNT < panacea.json` writes the same scenario with that many copies of VM 9.

use serde_json::Value;
use std::{env, io};

fn main() {
    let count: u64 = env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("usage: cloud COUNT < SCENARIO");
    let mut cloud: Value = serde_json::from_reader(io::stdin()).expect("a scenario");
    let vms = cloud["vms"].as_array_mut().expect("a list of VMs");
    let model = vms.iter().find(|vm| vm["ID"] == "9").expect("VM 9").clone();
    for id in 1000..1000 + count {
        let mut vm = model.clone();
        vm["ID"] = id.to_string().into();
        vm["NAME"] = format!("copy {id}").into();
        vms.push(vm);
    }
    serde_json::to_writer(io::stdout(), &cloud).expect("written");
}
