//! What the service engine costs: a poll over 10,000 running VMs, a look at them when nothing is due, a scaling.
//! `make bench` runs it; the figures in docs/elasticity.md are its output.
//!
//! `elasticity poll SERVICES TIMES` and `elasticity scale VMS TIMES` only do that, for `bench/instructions` to count:
//! polls over services of two VMs each, or scalings of one service by 50 VMs.

use jiff::Timestamp;
use onegate_server_lite::flow::{Engine, ScaleRequest, Timings};
use onegate_server_lite::objects::document::{Document, Id};
use onegate_server_lite::store::state::{Draft, Kind, Objects, Writes};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const VMS: Id = 10_000;
const TIMES: usize = 20;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        // `cargo bench` adds the first.
        [] | ["--bench"] => measure_all(),
        [what, of, times, ..] => {
            let number = |text: &str| text.parse().expect("a number");
            do_often(what, number(of), number(times));
        }
        _ => panic!("usage: elasticity [poll SERVICES TIMES | scale VMS TIMES]"),
    }
}

fn do_often(what: &str, of: Id, times: Id) {
    let now: Timestamp = Timestamp::from_second(1_795_348_800).unwrap_or_default();
    let timings = Timings {
        interval: Duration::ZERO,
        ..Timings::default()
    };
    let mut engine = Engine::new(timings);
    let objects = match what {
        "poll" => cloud(2 * of, of),
        "scale" => cloud(of, 1),
        _ => panic!("poll or scale, not {what}"),
    };
    for _ in 0..times {
        match what {
            "poll" => change(&objects, |draft| _ = engine.advance(draft, now)),
            _ => change(&objects, |draft| scale(&mut engine, draft, of + 50, now)),
        }
    }
}

fn scale(engine: &mut Engine, draft: &mut Draft<'_>, cardinality: Id, now: Timestamp) {
    let wanted = ScaleRequest {
        service: 0,
        role: "work",
        cardinality,
    };
    let scaled = engine.scale(draft, &wanted, now);
    assert!(scaled.is_ok(), "{scaled:?}");
}

fn measure_all() {
    println!(
        "{:<58} {:>10} {:>10}",
        "CPU time of 20 runs, in ms", "median", "slowest"
    );
    for services in [1, 100, 1000] {
        let objects = cloud(VMS, services);
        let now: Timestamp = Timestamp::from_second(1_795_348_800).unwrap_or_default();
        let per_service = VMS / services;
        // With no interval every call polls.
        let mut engine = Engine::new(Timings {
            interval: Duration::ZERO,
            ..Timings::default()
        });
        change(&objects, |draft| engine.advance(draft, now));
        measure(
            &format!("poll: {services} services of {per_service} VMs, 2 policies each"),
            || {
                change(&objects, |draft| engine.advance(draft, now));
            },
        );
        let mut engine = Engine::new(Timings::default());
        change(&objects, |draft| engine.advance(draft, now));
        measure(
            &format!("nothing due: {services} services of {per_service} VMs"),
            || {
                change(&objects, |draft| engine.advance(draft, now));
            },
        );
    }
    let objects = cloud(VMS, 1);
    let now: Timestamp = Timestamp::from_second(1_795_348_800).unwrap_or_default();
    let mut engine = Engine::new(Timings::default());
    measure("scaling one service from 10,000 to 10,100 VMs", || {
        change(&objects, |draft| scale(&mut engine, draft, VMS + 100, now));
    });
}

fn measure(what: &str, mut run: impl FnMut()) {
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let start = cpu();
            run();
            cpu() - start
        })
        .collect();
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{what:<58} {:>10.2} {:>10.2}",
        ms(times[TIMES / 2]),
        ms(times[TIMES - 1])
    );
}

/// The thread's CPU time: what others do on the machine does not count.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn change<T>(objects: &Objects, with: impl FnOnce(&mut Draft<'_>) -> T) {
    let none = Writes::new();
    let mut draft = Draft::new(objects, &none);
    black_box(with(&mut draft));
    black_box(draft.into_writes());
}

/// So many running VMs as onevm prints them, in this many services.
fn cloud(vms: Id, services: Id) -> Objects {
    let mut objects = Objects::default();
    let leases: Vec<_> = (0..vms)
        .map(|id| json!({"MAC": mac(id), "VM": id.to_string()}))
        .collect();
    let range = json!({"AR_ID": "0", "IP": "10.0.0.0", "MAC": "02:00:0a:00:00:00", "SIZE": "60000",
        "NEXT_INDEX": vms.to_string(), "LEASES": {"LEASE": leases}});
    let vnet = json!({"ID": "0", "NAME": "vnet", "AR_POOL": {"AR": range}, "TEMPLATE": {}});
    objects.set(Kind::Vnet, 0, document(vnet));
    for id in 0..vms {
        let vm = json!({
            "ID": id.to_string(), "UID": "2", "GID": "1", "UNAME": "alice", "GNAME": "users",
            "NAME": format!("work_{id}"), "PERMISSIONS": {"OWNER_U": "1", "OWNER_M": "1", "OWNER_A": "0"},
            "LAST_POLL": "1", "STATE": "3", "LCM_STATE": "3", "STIME": "1", "ETIME": "0", "RESCHED": "0",
            "MONITORING": {"CPU": "12", "MEMORY": "1024", "NETRX": "1", "NETTX": "2"},
            "TEMPLATE": {"CPU": "1", "CREATED_BY": "2", "VMID": id.to_string(), "TEMPLATE_ID": "0",
                "CONTEXT": {"TOKEN": "YES", "VMID": id.to_string()},
                "NIC": {"NETWORK_ID": "0", "NIC_ID": "0", "MAC": mac(id)}},
            "USER_TEMPLATE": {"CPU_USED_PERC": (id % 100).to_string(), "READY": "YES", "ROLE_NAME": "work"},
        });
        objects.set(Kind::Vm, id, document(vm));
    }
    for id in 0..services {
        let nodes: Vec<_> = (id..vms)
            .step_by(services as usize)
            .map(|vm| json!({"deploy_id": vm, "vm_info": {"VM": {"ID": vm.to_string(), "NAME": format!("work_{vm}")}}}))
            .collect();
        let role = json!({
            "name": "work", "type": "vm", "cardinality": nodes.len(), "state": 2, "min_vms": 1, "max_vms": 100_000,
            "nodes": nodes, "elasticity_policies": [
                {"expression": "CPU_USED_PERC > 99", "type": "CHANGE", "adjust": 1, "period_number": 3},
                {"expression": "CPU_USED_PERC < 1 && MEMORY > 0", "type": "CHANGE", "adjust": -1, "period_number": 3},
            ],
        });
        let service = json!({"ID": id.to_string(), "UID": "2", "GID": "1", "NAME": "s",
            "TEMPLATE": {"BODY": {"name": "s", "state": 2, "roles": [role]}}});
        objects.set(Kind::Service, id, document(service));
    }
    objects
}

fn mac(id: Id) -> String {
    let [_, b, c, d] = id.to_be_bytes();
    format!("02:00:0a:{b:02x}:{c:02x}:{d:02x}")
}

fn document(value: serde_json::Value) -> Option<Document> {
    Some(Arc::new(value))
}
