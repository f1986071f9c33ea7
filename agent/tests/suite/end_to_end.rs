//! The real agent against the real server, over loopback: the story that OpenNebula's documentation tells, and what
//! must not get lost.

use crate::support::server::{Server, token};
use crate::support::{Listener, answer, run_as, stderr, stdout};
use serde_json::Value;
use std::process::Output;

fn ok(output: &Output) -> String {
    assert_eq!(
        (output.status.code(), stderr(output)),
        (Some(0), String::new())
    );
    stdout(output)
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&ok(output)).unwrap()
}

/// `%-20s: %-20s`
fn pairs(pairs: &[(&str, &str)]) -> String {
    pairs
        .iter()
        .map(|(name, value)| format!("{name:<20}: {value:<20}\n"))
        .collect()
}

#[test]
fn the_documented_story() {
    let server = Server::start();
    let vm8 = pairs(&[
        ("NAME", "master_0_(service_1)"),
        ("STATE", "RUNNING"),
        ("IP", "192.168.122.23"),
    ]);
    assert_eq!(
        ok(&server.onegate(8, &["vm", "show"])),
        format!("VM 8\n{vm8}")
    );
    let service = ok(&server.onegate(8, &["service", "show"]));
    let top = pairs(&[("NAME", "PANACEA service"), ("STATE", "RUNNING")]);
    let (master, slave) = (
        pairs(&[("NAME", "master_0_(service_1)")]),
        pairs(&[("NAME", "slave_0_(service_1)")]),
    );
    assert_eq!(
        service,
        format!("SERVICE 1\n{top}\nROLE master\nVM 8\n{master}\nROLE slave\nVM 9\n{slave}\n")
    );
    let extended = ok(&server.onegate(8, &["service", "show", "--extended"]));
    assert!(
        extended.contains(&format!("ROLE master\nVM 8\n{vm8}\nROLE slave\n")),
        "{extended}"
    );

    assert_eq!(
        ok(&server.onegate(8, &["vm", "update", "9", "--data", "ACTIVE=YES"])),
        ""
    );
    let vm9 = json(&server.onegate(8, &["vm", "show", "9", "--json"]));
    assert_eq!(vm9["VM"]["USER_TEMPLATE"]["ACTIVE"], "YES");
    assert_eq!(
        ok(&server.onegate(8, &["vm", "update", "9", "--erase", "ACTIVE"])),
        ""
    );
    let vm9 = json(&server.onegate(8, &["vm", "show", "9", "--json"]));
    assert_eq!(vm9["VM"]["USER_TEMPLATE"].get("ACTIVE"), None);

    assert_eq!(
        ok(&server.onegate(8, &["vm", "poweroff", "9", "--hard"])),
        ""
    );
    assert!(!ok(&server.onegate(8, &["vm", "show", "9"])).contains("RUNNING"));

    let vrouter = ok(&server.onegate(1, &["vrouter", "show"]));
    assert_eq!(
        vrouter,
        format!("VROUTER 0\n{}\n", pairs(&[("NAME", "vr"), ("VMS", "1")]))
    );
    assert_eq!(
        ok(&server.onegate(1, &["vnet", "show", "0"])),
        format!("VNET\n{}\n", pairs(&[("ID", "0")]))
    );
    assert_eq!(
        json(&server.onegate(1, &["vnet", "show", "0", "-j"]))["VNET"]["NAME"],
        "vnet"
    );
}

#[test]
fn scaling_to_what_there_is_already_is_no_failure() {
    let server = Server::start();
    let listener = |cardinality: &'static str| {
        // As an OpenNebula server refuses: without a reason.
        Listener::new(Box::new(move |_, request| {
            if request.line.starts_with("PUT") {
                let words = "Error performing action on service 1 role slave";
                return answer("400 Bad Request", words);
            }
            let role = format!(r#"{{"name":"slave","cardinality":{cardinality}}}"#);
            answer("200 OK", &format!(r#"{{"SERVICE":{{"roles":[{role}]}}}}"#))
        }))
    };
    let args = |role, cardinality| ["service", "scale", "-r", role, "-c", cardinality];
    let note = "onegate: role slave has a cardinality of 1 already: nothing to do\n";
    let (same, text, other) = (listener("1"), listener(r#""1""#), listener("2"));
    for (url, role, code) in [
        (server.url(), "slave", 0),
        (&same.url(), "slave", 0),
        (&text.url(), "slave", 0),
        (&other.url(), "slave", 255),
        (&same.url(), "nobody", 255),
        (server.url(), "nobody", 255),
    ] {
        let output = run_as(url, "8", &token(8), args(role, "1"));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(stdout(&output), "");
        match code {
            0 => assert_eq!(said, note),
            _ => assert!(
                said.contains("Error performing action on service 1"),
                "{said}"
            ),
        }
    }
}

#[test]
fn the_server_refuses_in_its_own_words() {
    let server = Server::start();
    for (vm, args, words) in [
        (
            8,
            &["vm", "show", "1"][..],
            "Service 1 does not contain VM 1.",
        ),
        (8, &["vm", "update", "--data", "SERVICE_ID=2"], "SERVICE_ID"),
        (8, &["vrouter", "show"], "VROUTER_ID"),
        (1, &["service", "show"], "SERVICE_ID"),
        (1, &["vnet", "show", "99"], "99"),
        (
            8,
            &["service", "scale", "--role", "nobody", "--cardinality", "2"],
            "nobody",
        ),
    ] {
        let output = server.onegate(vm, args);
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(255), String::new()),
            "{args:?}"
        );
        let said = stderr(&output);
        assert!(
            said.starts_with("ERROR: \n") && said.contains(words),
            "{args:?}: {said}"
        );
    }
    let output = run_as(server.url(), "8", "AAAA", ["vm", "show"]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(255), "ERROR: \nNot authorized\n")
    );
}

#[test]
fn one_field_without_jq() {
    let server = Server::start();
    ok(&server.onegate(8, &["vm", "update", "ACTIVE=YES", "PEM=a\nb"]));
    for (args, printed, code) in [
        (
            &[
                "service",
                "show",
                "--get",
                "$.SERVICE.roles[?@.name==\"slave\"].nodes[*].deploy_id",
            ][..],
            "9\n",
            0,
        ),
        (&["vm", "show", "--get", "USER_TEMPLATE.ACTIVE"], "YES\n", 0),
        (
            &["vm", "show", "--get", "USER_TEMPLATE.ACTIVE", "--json"],
            "\"YES\"\n",
            0,
        ),
        (&["vm", "show", "--get", "USER_TEMPLATE.PEM"], "a\nb\n", 0),
        (
            &["vm", "show", "--get", "$.VM.TEMPLATE.NIC[0].IP"],
            "192.168.122.23\n",
            0,
        ),
        (
            &["vm", "show", "9", "--get", "TEMPLATE.NIC[*].IP"],
            "192.168.122.24\n",
            0,
        ),
        (&["vm", "show", "--get", "USER_TEMPLATE.NOTHING"], "", 1),
        (&["vm", "show", "--get", "a...b"], "", 255),
    ] {
        let output = server.onegate(8, args);
        assert_eq!(
            (stdout(&output).as_str(), output.status.code()),
            (printed, Some(code)),
            "{args:?}"
        );
        assert_eq!(
            stderr(&output).is_empty(),
            code != 255,
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn peers_in_one_line() {
    let server = Server::start();
    let master = "8\tmaster\tmaster_0_(service_1)\tRUNNING\t192.168.122.23\n";
    let slave = "9\tslave\tslave_0_(service_1)\tRUNNING\t192.168.122.24\n";
    assert_eq!(
        ok(&server.onegate(8, &["service", "peers"])),
        format!("{master}{slave}")
    );
    assert_eq!(
        ok(&server.onegate(8, &["service", "peers", "--role", "slave"])),
        slave
    );
    let peers = json(&server.onegate(8, &["service", "peers", "--json", "-r", "slave"]));
    assert_eq!(peers[0]["IP"][0], "192.168.122.24");
    let output = server.onegate(8, &["service", "peers", "--role", "nobody"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("no role 'nobody'"),
        "{}",
        stderr(&output)
    );
}

/// What was acknowledged is there.
#[test]
fn two_hundred_updates_at_once_lose_none() {
    const CLIENTS: usize = 20;
    const EACH: usize = 10;
    let server = Server::start();
    let token = token(8);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (url, token) = (server.url(), &token);
            scope.spawn(move || {
                for update in 0..EACH {
                    let attribute = format!("K{client}_{update}={client} {update}");
                    let output = run_as(url, "8", token, ["vm", "update", &attribute]);
                    assert_eq!(
                        (output.status.code(), stderr(&output)),
                        (Some(0), String::new()),
                        "{attribute}"
                    );
                }
            });
        }
    });
    let vm = json(&server.onegate(8, &["vm", "show", "--json"]));
    for client in 0..CLIENTS {
        for update in 0..EACH {
            let stored = &vm["VM"]["USER_TEMPLATE"][format!("K{client}_{update}")];
            assert_eq!(
                stored,
                &Value::from(format!("{client} {update}")),
                "K{client}_{update}"
            );
        }
    }
}
