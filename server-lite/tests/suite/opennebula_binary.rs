//! `serve --opennebula`, started as an operator starts it, with the files that an OpenNebula installation has.

use crate::support::client::Answer;
use crate::support::process;
use crate::support::process::{Running, credentials, program};
use crate::support::upstream::StandIn;
use crate::support::upstream::replay::Recordings;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;

/// VM 6 and its token: server-lite/tests/fixtures/get.jsonl, case `vm_accept_xml`.
const TOKEN: &str = "o7Y9bRvAiQmfUZzJo5eZTA==";

/// A oned that answers VM 6 for ever.
fn oned_at(address: SocketAddr) -> StandIn {
    let world = Recordings::read().world(["get/vm_accept_xml"]);
    StandIn::start_at(address, move |request| world.answer(&request.call()))
}

fn oned() -> StandIn {
    oned_at("127.0.0.1:0".parse().unwrap())
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let file = dir.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn configuration(oned: &StandIn) -> String {
    format!(
        ":one_xmlrpc: {}\n:oneflow_server: http://127.0.0.1:1\n:record_max_age: 0\n:core_auth: cipher\n:auth: onegate\n\
         :permissions:\n  :vm: {{:show: true}}\n",
        oned.url("/RPC2")
    )
}

fn show(server: &Running) -> Answer {
    server.send("GET /vm", &credentials("6", TOKEN), b"")
}

#[test]
fn it_serves_with_the_files_of_an_installation_and_outlives_its_outages() {
    let dir = TempDir::new().unwrap();
    let stand_in = oned();
    let address = stand_in.address;
    let config = write(dir.path(), "onegate-server.conf", &configuration(&stand_in));
    let auth = write(dir.path(), "onegate_auth", "serveradmin:the_password\n");
    let server = Running::start(&["--opennebula", "--config", &config, "--auth-file", &auth]);

    let answer = show(&server);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.text().contains("\"NAME\":\"standalone vm\""),
        "{answer:?}"
    );

    drop(stand_in);
    for _ in 0..3 {
        let away = show(&server);
        assert_eq!(away.status, 503, "{away:?}");
        assert!(away.head.contains("Retry-After: "), "{away:?}");
        assert!(!away.text().contains("oned"), "{away:?}");
    }
    let _again = oned_at(address);
    let back = show(&server);
    assert_eq!((back.status, back.text()), (200, answer.text()));

    let (status, log) = server.stop();
    assert!(status.success(), "{status}");
    let causes: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("nothing listens there"))
        .collect();
    assert_eq!(causes.len(), 1, "{log}");
    assert!(
        causes[0].contains(&format!("oned at http://{address}/RPC2")),
        "{log}"
    );
    assert_eq!(log.matches("status=503").count(), 3, "{log}");
    for secret in ["the_password", "serveradmin:", TOKEN] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn what_an_operator_set_for_opennebula_gate_holds() {
    let dir = TempDir::new().unwrap();
    let stand_in = oned();
    let port = std::net::TcpListener::bind("127.0.0.7:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let old = configuration(&stand_in)
        + &format!(
            ":host: 127.0.0.7\n:port: {}\n:ssl_server: https://gate.example:5443/\n:debug_level: 1\n",
            address.port()
        );
    let config = write(dir.path(), "onegate-server.conf", &old);
    let auth = write(dir.path(), "onegate_auth", "serveradmin:the_password\n");
    let mut program = program();
    program.args(["serve", "--opennebula", "--config", &config]);
    let server = Running::run(program.args(["--auth-file", &auth]));
    assert_eq!(server.address, address.to_string());
    let index = server.send("GET /", &credentials("6", TOKEN), b"");
    assert!(
        index.text().contains("\"https://gate.example:5443/vm\""),
        "{index:?}"
    );
    let (status, log) = server.stop();
    // Warnings and errors only: no line for the request.
    assert!(status.success() && log.is_empty(), "{log}");
}

#[test]
fn it_finds_a_self_contained_installation_by_one_location() {
    let dir = TempDir::new().unwrap();
    let stand_in = oned();
    write(
        dir.path(),
        "etc/onegate-server.conf",
        &configuration(&stand_in),
    );
    write(
        dir.path(),
        "var/.one/onegate_auth",
        "serveradmin:the_password\n",
    );
    let mut program = program();
    program.env("ONE_LOCATION", dir.path());
    let server = Running::with(program, &["--opennebula"]);
    assert_eq!(show(&server).status, 200);
    assert!(server.stop().0.success());
}

#[test]
fn what_keeps_it_from_starting_is_named() {
    let dir = TempDir::new().unwrap();
    let config = write(
        dir.path(),
        "onegate-server.conf",
        ":one_xmlrpc: http://localhost:2633/RPC2\n",
    );
    let auth = write(dir.path(), "onegate_auth", "serveradmin:the_password\n");
    let no_line = write(dir.path(), "no_line", "the_password\n");
    let tls = write(
        dir.path(),
        "tls.conf",
        ":one_xmlrpc: https://one.example:2633/RPC2\n",
    );
    let absent = dir.path().join("absent").display().to_string();
    for (config, auth, words) in [
        (&absent, &auth, "absent"),
        (&config, &absent, "run as oneadmin, or give --auth-file"),
        (&config, &no_line, "it must hold one line, USER:PASSWORD"),
        (&tls, &auth, "plain http"),
    ] {
        let (code, error) = process::refused(&[
            "serve",
            "--opennebula",
            "--config",
            config,
            "--auth-file",
            auth,
        ]);
        assert_eq!(code, 78, "{error}");
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("the_password"), "{error}");
    }
}
