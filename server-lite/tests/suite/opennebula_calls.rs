//! How many calls each route makes upstream: as `docs/opennebula.md` says, and never more than the Ruby server.

use crate::support::fixtures::lines;
use crate::support::gate::{Served, recorded};
use crate::support::upstream::StandIn;
use crate::support::upstream::bench;
use crate::support::upstream::replay::Recordings;
use onegate_server_lite::cloud::opennebula::clock::Clock;
use onegate_server_lite::cloud::opennebula::{Ages, OpenNebula, Settings};
use onegate_server_lite::commands::config::Config;
use std::sync::Arc;
use std::time::Duration;

/// A route as the documentation names it, and a recorded case of it.
const ROUTES: &[(&str, &str)] = &[
    ("GET /", "get/root"),
    ("GET /vm", "get/vm_accept_xml"),
    ("GET /vms/ID, itself", "get/vms_self"),
    ("GET /vms/ID, a peer in its service", "get/vms_service_peer"),
    (
        "GET /vms/ID, a peer in its virtual router",
        "get/vms_vrouter_peer",
    ),
    ("GET /service", "get/service_master"),
    (
        "GET /service, extended, of 3 nodes",
        "get/service_extended_query",
    ),
    ("GET /vrouter", "get/vrouter_member1"),
    ("GET /vnet/ID, one of its own", "get/vnet_own_private"),
    ("GET /vnet/ID, extended", "get/vnet_own_private_extended"),
    ("PUT /vm, to set", "put/raw_simple"),
    ("PUT /vm, to erase", "put/erase_existing"),
    ("PUT /vms/ID, a peer in its service", "put/vms_service_peer"),
    ("POST /vms/ID/action, itself", "action/poweroff"),
    (
        "POST /vms/ID/action, a peer in its service",
        "action/peer_poweroff",
    ),
    ("PUT /service/role/ROLE", "scale/master_up"),
    ("a wrong token", "auth/wrong_token_short_base64"),
];

#[test]
fn each_route_makes_as_many_calls_as_the_documentation_says() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/opennebula.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let files = ["get", "put", "action", "scale", "auth"]
        .map(|file| lines(&format!("{file}.jsonl")))
        .concat();
    let recordings = Recordings::read();
    let mut missing = Vec::new();
    for (route, case) in ROUTES {
        let line = files.iter().find(|line| line["case"] == *case).unwrap();
        let theirs = recordings.case(case).recorded();
        let world = recordings.world([*case]);
        let instant = || {
            let world = world.clone();
            StandIn::start(move |request| world.answer(&request.call()))
        };
        let (oned, oneflow) = (instant(), instant());
        let clock = Clock::stopped_at(1_795_000_000);
        let settings = Settings {
            ages: Ages::default(),
            clock: clock.clone(),
            ..bench::settings(&oned.url("/RPC2"), &oneflow.url(""))
        };
        let cloud = OpenNebula::new(settings, Arc::new(|_| {})).unwrap();
        let served = Served::new(Arc::new(cloud), Config::default());
        let request = recorded(&line["request"]);
        let calls = || {
            let before = oned.requests() + oneflow.requests();
            let answer = served.send(&request);
            assert_eq!(
                line["response"]["status"],
                answer.status,
                "{case}: {}",
                answer.text()
            );
            oned.requests() + oneflow.requests() - before
        };
        let first = calls();
        clock.advance(Duration::from_secs(2));
        let later = calls();
        clock.advance(Duration::from_millis(500));
        let soon = calls();
        assert!(
            soon <= later && later <= first && first <= theirs,
            "{case}: {first}, {later} later, {soon} soon after; Ruby {theirs}"
        );
        let row = format!("| {route} | {theirs} | {first} | {later} | {soon} |");
        if !manual.contains(&row) {
            missing.push(row);
        }
    }
    assert!(
        missing.is_empty(),
        "docs/opennebula.md lacks\n{}",
        missing.join("\n")
    );
}
