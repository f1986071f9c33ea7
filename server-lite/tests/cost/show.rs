//! `GET` of each document, with much in it, and conditional requests.

use std::sync::Arc;

use crate::requests::{Ask, GET_VM, cloud};
use crate::support::cost::{Case, case};
use crate::{ATTRIBUTES, TEXT};
use onegate_server_lite::cloud::Cloud;
use serde_json::{Value, json};

/// VMs of a service, leases of a network, NICs.
const MANY: usize = 500;

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("GET /vm: attributes",                   ATTRIBUTES, |n| GET_VM.of(with_vm(|vm| (0..n).for_each(|n| vm["USER_TEMPLATE"][format!("N{n}")] = json!("1"))))),
    case("GET /vm: a list",                       ATTRIBUTES, |n| GET_VM.of(with_vm(|vm| vm["USER_TEMPLATE"]["L"] = json!(vec!["1"; n])))),
    case("GET /vm: a long value",                 TEXT,       |n| GET_VM.of(with_vm(|vm| vm["USER_TEMPLATE"]["L"] = json!("\"\n\u{1}é".repeat(n / 5))))),
    case("GET /vm: NICs",                         MANY,       |n| GET_VM.of(with_vm(|vm| vm["TEMPLATE"]["NIC"] = nics(n)))),
    case("GET /vm: aliases",                      MANY,       |n| GET_VM.of(with_vm(|vm| vm["TEMPLATE"]["NIC_ALIAS"] = nics(n)))),
    case("GET /vm: VMs in the cloud",             MANY,       |n| GET_VM.of(with_nodes(n, 1))),
    case("GET /vms/ID: nodes",                    MANY,       |n| asked("GET /vms/9").of(with_nodes(n, 1))),
    case("GET /service: nodes",                   MANY,       |n| asked("GET /service").of(with_nodes(n, 1))),
    case("GET /service: nodes, extended",         MANY,       |n| asked("GET /service?extended=1").of(with_nodes(n, 1))),
    case("GET /service: roles",                   MANY,       |n| asked("GET /service").of(with_roles(n))),
    case("GET /service: roles, extended",         MANY,       |n| asked("GET /service?extended").of(with_roles(n))),
    case("GET /vrouter: NICs",                    MANY,       |n| of_router("GET /vrouter").of(cloud(|scenario| scenario["vrouters"][0]["TEMPLATE"]["NIC"] = nics(n)))),
    case("GET /vrouter: VMs",                     MANY,       |n| of_router("GET /vrouter").of(cloud(|scenario| scenario["vrouters"][0]["VMS"]["ID"] = (1..=n).map(|n| json!(n.to_string())).collect()))),
    case("GET /vnet: leases of one VM",           MANY,       |n| of_router("GET /vnet/0").of(with_leases(n, false))),
    case("GET /vnet: leases of one VM, extended", MANY,       |n| of_router("GET /vnet/0?extended=true").of(with_leases(n, false))),
    case("GET /vnet: leases of its NICs, extended", MANY,     |n| of_router("GET /vnet/0?extended=true").of(with_leases(n, true))),
    case("GET /vnet: leases of VMs, extended",    MANY,       |n| of_router("GET /vnet/0?extended=true").of(with_leases_of_vms(n))),
    case("GET /vnet: address ranges",             MANY,       |n| of_router("GET /vnet/0?extended=true").of(cloud(|scenario| scenario["vnets"][0]["AR_POOL"]["AR"] = (0..n).map(|n| json!({"AR_ID": n.to_string(), "SIZE": "1"})).collect()))),
    case("GET /vnet: another one, by many NICs",  MANY,       |n| of_router("GET /vnet/0").of(cloud(|scenario| {
        let router = &mut scenario["vrouters"][0]["TEMPLATE"]["NIC"];
        *router = (1..=n).map(|n| json!({"NETWORK_ID": n.to_string()})).chain([json!({"NETWORK_ID": "0"})]).collect();
    }))),
    case("GET: a long query",                     8_000,      |n| asked(&format!("GET /service?{}", "a=b&".repeat(n / 4))).of(cloud(|_| ()))),
    case("GET: a long query, escaped",            8_000,      |n| asked(&format!("GET /service?extended={}", "%41".repeat(n / 3))).of(cloud(|_| ()))),
    case("GET: a path of many segments",          8_000,      |n| Ask { line: &format!("GET /{}", "a/".repeat(n / 2)), status: 400, ..GET_VM }.of(cloud(|_| ()))),
    case("GET: a long id",                        8_000,      |n| Ask { line: &format!("GET /vms/{}", "1".repeat(n)), status: 400, ..GET_VM }.of(cloud(|_| ()))),
    case("GET: a path with escapes",              8_000,      |n| Ask { line: &format!("GET /vms/{}", "%31".repeat(n / 3)), status: 400, ..GET_VM }.of(cloud(|_| ()))),
    case("GET /: a long Host",                    12_000,     |n| asked("GET /").with_fields(cloud(|_| ()), &[("host", &"a".repeat(n))])),
    case("GET: a long Referer",                   12_000,     |n| Ask { status: 403, ..GET_VM }.with_fields(cloud(|_| ()), &[("referer", &format!("http://{}", "a@:".repeat(n / 3)))])),
    case("GET: If-None-Match with many tags",     12_000,     |n| GET_VM.with_fields(cloud(|_| ()), &[("if-none-match", &"W/\"x\",".repeat(n / 6))])),
    case("GET: If-None-Match with the tag last",  12_000,     |n| GET_VM.with_fields(cloud(|_| ()), &[("if-none-match", &"\"x\", ".repeat(n / 5)), ("prefer", "wait=1")])),
    case("GET: Prefer with much",                 12_000,     |n| GET_VM.with_fields(cloud(|_| ()), &[("if-none-match", "*"), ("prefer", &"a=b, ".repeat(n / 5))].map(|(name, value)| if name == "if-none-match" { (name, "\"x\"") } else { (name, value) }))),
    case("GET: a token that is none",             12_000,     |n| Ask { status: 401, ..GET_VM }.with_fields(cloud(|_| ()), &[("x-onegate-token", &"A".repeat(n))])),
];

fn asked(line: &str) -> Ask<'_> {
    Ask { line, ..GET_VM }
}

/// Of VM 1, which is the router's.
fn of_router(line: &str) -> Ask<'_> {
    Ask {
        vm: 1,
        line,
        ..GET_VM
    }
}

fn with_vm(change: impl FnOnce(&mut Value)) -> Arc<dyn Cloud> {
    cloud(|scenario| change(&mut scenario["vms"][1]))
}

fn mac(n: usize) -> String {
    format!("02:00:00:00:{:02x}:{:02x}", n >> 8 & 255, n & 255)
}

fn nics(count: usize) -> Value {
    let nic = |n| json!({"NIC_ID": "0", "NETWORK_ID": "0", "NETWORK": "vnet", "IP": "10.0.0.1", "MAC": mac(n), "NAME": format!("NIC{n}")});
    (0..count).map(nic).collect()
}

/// A service with so many nodes, in so many roles.
fn with_nodes(count: usize, roles: usize) -> Arc<dyn Cloud> {
    cloud(|scenario| {
        let all = &mut scenario["services"][0]["TEMPLATE"]["BODY"]["roles"];
        let template = all[1].clone();
        for role in 1..roles {
            let mut one = template.clone();
            one["name"] = json!(format!("role{role}"));
            one["nodes"] = json!([]);
            all.as_array_mut().unwrap().push(one);
        }
        for n in 0..count {
            let id = (100 + n).to_string();
            let mut vm = scenario["vms"][2].clone();
            vm["ID"] = json!(id);
            scenario["vms"].as_array_mut().unwrap().push(vm);
            let node = json!({"deploy_id": 100 + n, "vm_info": {"VM": {"ID": id, "NAME": "x"}}});
            let role = &mut scenario["services"][0]["TEMPLATE"]["BODY"]["roles"][1 + n % roles];
            role["nodes"].as_array_mut().unwrap().push(node);
        }
    })
}

fn with_roles(count: usize) -> Arc<dyn Cloud> {
    with_nodes(count, count)
}

fn lease(n: usize, vm: usize) -> Value {
    json!({"IP": "10.0.0.1", "MAC": mac(n), "VM": vm.to_string()})
}

/// A network with so many leases, all of VM 1, of as many NICs or of one.
fn with_leases(count: usize, of_nics: bool) -> Arc<dyn Cloud> {
    cloud(|scenario| {
        scenario["vnets"][0]["AR_POOL"]["AR"]["LEASES"]["LEASE"] =
            (0..count).map(|n| lease(n, 1)).collect();
        if of_nics {
            scenario["vms"][0]["TEMPLATE"]["NIC"] = nics(count);
        }
    })
}

/// A network with so many leases, each of another VM.
fn with_leases_of_vms(count: usize) -> Arc<dyn Cloud> {
    cloud(|scenario| {
        scenario["vnets"][0]["AR_POOL"]["AR"]["LEASES"]["LEASE"] =
            (0..count).map(|n| lease(n, 100 + n)).collect();
        for n in 0..count {
            let mut vm = scenario["vms"][0].clone();
            vm["ID"] = json!((100 + n).to_string());
            vm["TEMPLATE"]["NIC"] = json!({"NETWORK_ID": "0", "MAC": mac(n)});
            scenario["vms"].as_array_mut().unwrap().push(vm);
        }
    })
}
