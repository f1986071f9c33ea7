//! What a server sends can't exhaust the guest: each command that reads a response, in each form of its output, gets the
//! worst that the limits let through and the least that they refuse, with little memory to live in.

use crate::support::{Listener, as_vm, stderr};
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
