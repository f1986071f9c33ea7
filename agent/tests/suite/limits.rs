//! What a server sends can't exhaust the guest: each command that reads a response, in each form of its output, gets the
//! worst that the limits let through and the least that they refuse, with little memory to live in.

use crate::support::{Listener, as_vm, stderr};
use onegate::limits::*;
use std::process::{Command, Output};

/// The memory that a command may use, in KiB of address space: bytes read, parsed and printed together.
const MEMORY: u32 = 320 << 10;

const READERS: &[&[&str]] = &[
    &["vm", "show"],
    &["vm", "show", "--get", "$.VM.X[0]..Y"],
    &["vrouter", "peers"],
    &["vm", "show", "--json"],
    &["vm", "show", "--get", "$"],
    &["vm", "show", "--get", "$..*"],
    &["service", "show"],
    &["service", "show", "--extended"],
    &["service", "show", "--json"],
    &["service", "show", "--get", "$..name"],
    &["service", "peers"],
    &["service", "peers", "--json"],
    &["vrouter", "show"],
    &["vrouter", "show", "--json"],
    &["vnet", "show", "0"],
    &["vnet", "show", "0", "--json"],
    &["vm", "wait", "STATE=RUNNING", "--timeout", "1"],
    &["service", "wait", "--role", "r", "READY", "--timeout", "1"],
    &["doctor"],
];

/// Runs the agent with [`MEMORY`].
fn limited(server: &Listener, args: &[&str]) -> Output {
    let agent = as_vm(&server.url(), "8", "c2VjcmV0");
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg(format!("ulimit -v {MEMORY} && exec \"$@\""))
        .arg("sh")
        .arg(agent.get_program())
        .args(args)
        .env_clear();
    for (name, value) in agent.get_envs() {
        limited.env(name, value.unwrap());
    }
    limited.output().unwrap()
}

fn record(inside: &str) -> String {
    format!(
        r#"{{"VM":{{"ID":"8","X":{inside}}},"SERVICE":{{"id":"1","roles":[{{"name":"r","X":{inside}}}]}},"VROUTER":{{"X":{inside}}},"VNET":{{"X":{inside}}}}}"#
    )
}

#[test]
fn what_is_beyond_a_limit_is_refused_by_every_command() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let cases = [
        (
            record(&nested(40_000)),
            "it is nested deeper than 128 levels at line 1 column ",
        ),
        (
            format!("{}7{}", "{\"VM\":".repeat(40_000), "}".repeat(40_000)),
            "it is nested deeper than 128 levels at line 1 column ",
        ),
        (
            record(&format!("[{}0]", "0,".repeat(1_000_000))),
            "it has more than 1000000 values at line 1 column ",
        ),
        (
            record(&format!("[{}0]", (nested(120) + ",").repeat(1100))),
            "it is nested too deeply for its size at line 1 column ",
        ),
    ];
    for (body, words) in cases {
        let server = Listener::answering("200 OK", &body);
        for args in READERS {
            let output = limited(&server, args);
            let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(255), "{args:?}: {said}");
            // 'doctor' says what it expects of any response.
            let named = said.contains(words) || args == &["doctor"];
            assert!(named, "{args:?}: {said}");
        }
    }
}

#[test]
fn what_is_within_the_limits_takes_bounded_memory() {
    let nodes = format!("[{}0]", "0,".repeat(400_000));
    let huge = "x".repeat(4 << 20);
    let members: String = (0..100_000).map(|n| format!("\"k{n}\":\"v\",")).collect();
    for (what, body) in [
        (
            "many values",
            format!(
                r#"{{"VM":{{"TEMPLATE":{{"NIC":{nodes}}}}},"SERVICE":{{"roles":[{{"name":"r","nodes":{nodes}}}]}}}}"#
            ),
        ),
        (
            "a huge name that every line repeats",
            format!(
                r#"{{"VM":{{"NAME":"{huge}"}},"SERVICE":{{"roles":[{{"name":"{huge}","nodes":[{}0]}}]}}}}"#,
                "0,".repeat(100_000)
            ),
        ),
        (
            "many members",
            record(&format!("{{{members}\"k\":\"\\u202e\"}}")),
        ),
    ] {
        let server = Listener::answering("200 OK", &body);
        for args in READERS.iter().filter(|args| !args.contains(&"wait")) {
            let output = limited(&server, args);
            let said = stderr(&output);
            let code = output.status.code();
            assert!(
                matches!(code, Some(0 | 1 | 124 | 255)) && !said.contains("memory"),
                "{what}: {args:?}: {code:?}: {:.300}",
                said
            );
            assert!(
                output.stdout.len() < 80 << 20,
                "{what}: {args:?}: {}",
                output.stdout.len()
            );
        }
    }
}

/// 16777216 is `16 MiB`.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    }
}

/// 1000 is `1,000`.
fn number(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        more => format!("{},{:03}", self::number(more / 1000), more % 1000),
    }
}

#[test]
fn the_documented_limits_are_those_of_the_code() {
    let limits = [
        size(MAX_ANSWER),
        size(MAX_HEADER as u64),
        number(MAX_DEPTH),
        number(MAX_VALUES),
        size(MAX_INDENT as u64),
        number(MAX_STEPS),
        number(MAX_FOUND),
        size(MAX_FOUND_BYTES as u64),
        size(MAX_WORK),
        number(MAX_PEERS),
        size(MAX_PEER_BYTES as u64),
        number(MAX_NETWORKS),
        size(MAX_FILE),
        format!("{}, no more are", number(MAX_VMWARE_FILES)),
        format!("{}, the rest is not", number(MAX_MOUNTS)),
        format!("{}, the rest is not", number(MAX_DEVICES)),
    ];
    let read = |path: &str| {
        std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    let constants = read("src/limits.rs");
    assert_eq!(constants.matches("\npub const ").count(), limits.len());
    let document = read("../SECURITY.md");
    let table = document.split("| what | limit |\n|---|---|\n").nth(1);
    let rows = table
        .unwrap()
        .lines()
        .take_while(|line| line.starts_with('|'));
    let documented: Vec<&str> = rows
        .map(|row| row.split('|').nth(2).unwrap().trim())
        .collect();
    assert_eq!(documented, limits);
}

#[test]
fn what_belongs_together_is_limited_together() {
    let router = |networks: usize| {
        let nics: Vec<String> = (0..networks)
            .map(|n| format!(r#"{{"NETWORK_ID":"{n}"}}"#))
            .collect();
        format!(
            r#"{{"VROUTER":{{"TEMPLATE":{{"NIC":[{}]}}}}}}"#,
            nics.join(",")
        )
    };
    let network = |bytes| {
        let name = "x".repeat(bytes);
        format!(r#"{{"VNET":{{"NAME":"{name}","AR_POOL":{{"AR":[]}}}}}}"#)
    };
    for (networks, bytes, requests, words) in [
        (MAX_NETWORKS, 100, 1 + MAX_NETWORKS, ""),
        (MAX_NETWORKS + 1, 100, 1, "more than 256 networks"),
        (3, 5 << 20, 4, ""),
        (50, 5 << 20, 5, "larger than 16 MiB together"),
    ] {
        let (router, network) = (router(networks), network(bytes));
        let server = Listener::new(Box::new(move |number, request| {
            request.answer(if number == 0 { &router } else { &network })
        }));
        let output = limited(&server, &["vrouter", "peers"]);
        let said = stderr(&output);
        assert!(said.contains(words), "{networks} of {bytes}: {said}");
        let code = if words.is_empty() { 0 } else { 255 };
        assert_eq!(
            output.status.code(),
            Some(code),
            "{networks} of {bytes}: {said}"
        );
        assert_eq!(server.received().len(), requests, "{networks} of {bytes}");
    }
}

/// A list of peers has more values than the answer that it is made of.
#[test]
fn a_long_list_of_peers_is_printed_whole() {
    let nodes: Vec<String> = (0..MAX_PEERS)
        .map(|n| format!(r#"{{"deploy_id":{n}}}"#))
        .collect();
    let service = format!(
        r#"{{"SERVICE":{{"roles":[{{"name":"r","nodes":[{}]}}]}}}}"#,
        nodes.join(",")
    );
    let server = Listener::answering("200 OK", &service);
    for (options, each) in [(&["--json"][..], "\"ID\": "), (&[], "\tr\t")] {
        let output = limited(&server, &[&["service", "peers"], options].concat());
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.matches(each).count(), MAX_PEERS, "{options:?}");
    }
}

/// However a path goes up and down in each of many records, the work is that of one.
#[test]
fn paths_in_many_records_share_a_budget() {
    let nested = format!("{}1{}", "{\"A\":".repeat(60), "}".repeat(60));
    let node = format!(r#"{{"vm_info":{{"VM":{{"ID":"1","A":{nested}}}}}}}"#);
    let service = format!(
        r#"{{"SERVICE":{{"roles":[{{"name":"r","nodes":[{}]}}]}}}}"#,
        vec![node; 2000].join(",")
    );
    let server = Listener::answering("200 OK", &service);
    let output = limited(&server, &["service", "peers", "--format", "{..A..A}"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(255), "{said}");
    let words = "--format: in this response the path leads to more than";
    assert!(said.contains(words), "{said}");
}
