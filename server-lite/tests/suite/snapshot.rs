//! A real cloud, dumped by OpenNebula's own tools, and what the real server answered to GETs from each of its VMs at
//! that moment: the same status and the same JSON from ours.

use crate::support::differences;
use crate::support::differences::Ours;
use crate::support::fixtures::{fixture, lines};
use crate::support::gate::{Served, settled};
use onegate_server_lite::cloud::embedded::Embedded;
use onegate_server_lite::commands::config::Config;
use onegate_server_lite::flow;
use std::sync::Arc;

#[test]
fn every_recorded_answer_of_the_snapshot_is_given() {
    let (cloud, _) = Embedded::open(
        Some(&fixture("snapshot/cloud.json")),
        None,
        flow::Timings::default(),
    )
    .unwrap();
    let served = Served::new(Arc::new(cloud), Config::default());
    let (mut same, mut different, mut wrong) = (0, 0, Vec::new());
    for line in lines("snapshot/answers.jsonl") {
        let (vm, token) = (
            line["vmid"].as_u64().unwrap(),
            line["token"].as_str().unwrap(),
        );
        let path = line["path"].as_str().unwrap();
        let (status, body) = (
            line["status"].as_u64().unwrap() as u16,
            line["body"].as_str().unwrap(),
        );
        let answer = served.get(vm, token, path);
        assert_eq!(
            answer.header("Content-Type"),
            Some("application/json;charset=utf-8"),
            "VM {vm} {path}"
        );
        let case = format!("snapshot/{vm}{path}");
        if let Some((_, ours, _)) = differences::of_embedded(&case) {
            different += 1;
            let Ours::Says(status, words) = ours else {
                panic!("{case} stores nothing")
            };
            if answer.status != *status || !answer.text().contains(words) {
                wrong.push(format!("{case}: {} {}", answer.status, answer.text()));
            }
            continue;
        }
        same += 1;
        let equal = match serde_json::from_str(body) {
            Ok(recorded) if answer.status == 200 && status == 200 => {
                let recorded: serde_json::Value = recorded;
                let ours = answer.json();
                // The real server has an element where the tools that dumped the cloud print a list of one.
                if path.contains("service?") {
                    settled(&ours) == settled(&recorded)
                } else {
                    answer.text() == body
                }
            }
            _ => answer.status == status && answer.text() == body,
        };
        if !equal {
            wrong.push(format!(
                "{case}: {status} {body}\n  ours: {} {}",
                answer.status,
                answer.text()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let listed = differences::DIFFERENCES
        .iter()
        .filter(|(case, _, _)| case.starts_with("snapshot/"))
        .count();
    assert_eq!((same + different, different), (352, listed));
}
