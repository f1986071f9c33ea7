//! Every option that takes an address, with each kind of address.

use crate::support::process::{Running, program, refused};
use std::fs;

/// A link-local address of this machine, with its interface.
fn link_local() -> Option<(String, String)> {
    let table = fs::read_to_string("/proc/net/if_inet6").ok()?;
    let line = table.lines().find(|line| line.starts_with("fe80"))?;
    let digits = line.split(' ').next()?;
    let groups: Vec<_> = (0..8)
        .map(|at| digits[at * 4..at * 4 + 4].to_owned())
        .collect();
    Some((groups.join(":"), line.split_whitespace().last()?.to_owned()))
}

/// Hosts that can be listened on here, without brackets.
fn hosts() -> Vec<String> {
    let mut hosts = ["127.0.0.1", "localhost", "0.0.0.0"]
        .map(str::to_owned)
        .to_vec();
    match std::net::TcpListener::bind("[::1]:0") {
        Ok(_) => {
            hosts.extend(["::1", "::", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"].map(str::to_owned))
        }
        Err(_) => println!("SKIPPED: IPv6: there is no ::1 here"),
    }
    match link_local() {
        Some((address, interface)) => hosts.push(format!("{address}%{interface}")),
        None => println!("SKIPPED: link-local addresses: there is none here"),
    }
    hosts
}

#[test]
fn where_to_listen() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("conf").display().to_string();
    for host in hosts() {
        // YAML takes what ends with a colon for a key.
        let quote = if host.ends_with(':') { "'" } else { "" };
        let mut ways = vec![
            (format!("{host}:0"), String::new()),
            (String::new(), format!(":host: '{host}'\n:port: 0\n")),
            (
                String::new(),
                format!(":server:\n  :bind: {quote}{host}{quote}\n  :port: '0'\n"),
            ),
        ];
        if host.contains(':') {
            ways.push((format!("[{host}]:0"), String::new()));
            ways.push((String::new(), format!(":host: '[{host}]'\n:port: 0\n")));
        }
        for (listen, text) in ways {
            let mut command = program();
            command.arg("serve");
            match listen.as_str() {
                "" => {
                    fs::write(
                        &config,
                        format!("{text}:permissions:\n  :vm:\n    :show: true\n"),
                    )
                    .unwrap();
                    command.args(["--config", &config]);
                }
                listen => _ = command.args(["--listen", listen]),
            }
            let server = Running::run(&mut command);
            assert_eq!(server.send("GET /", &[], b"").status, 401, "{listen}{text}");
        }
    }
}

#[test]
fn where_to_answer_operators() {
    for host in hosts() {
        let server = Running::start(&["--admin", &format!("{host}:0")]);
        assert_eq!(server.send("GET /", &[], b"").status, 401, "{host}");
    }
}

#[test]
fn what_is_no_address() {
    for (listen, code, what) in [
        ("here", 78, "it has no valid port; expected ADDRESS:PORT"),
        ("0.0.0.0", 78, "it has no valid port; expected ADDRESS:PORT"),
        ("127.0.0.1:", 78, "it has no valid port"),
        ("127.0.0.1:65536", 78, "it has no valid port"),
        ("127.0.0.1:+5030", 78, "it has no valid port"),
        ("127.0.0.1:-1", 78, "it has no valid port"),
        ("127.0.0.1:http", 78, "it has no valid port"),
        ("[::1]", 78, "it has no valid port"),
        (":5030", 78, "it has no valid host; expected ADDRESS:PORT"),
        ("[]:5030", 78, "it has no valid host"),
        ("http://127.0.0.1:5030", 78, "it has no valid host"),
        (
            "[fe80::1]:5030",
            78,
            "needs its interface, as in [fe80::1%eth0]:5030",
        ),
        ("fe80::1:5030", 78, "needs its interface"),
        // A name may be known later.
        ("*:5030", 1, "expected ADDRESS:PORT"),
        ("[fe80::1%nosuch]:5030", 1, "expected ADDRESS:PORT"),
        (" 127.0.0.1:5030", 1, "expected ADDRESS:PORT"),
    ] {
        for options in [
            &["serve", "--listen", listen][..],
            &["serve", "--listen", "127.0.0.1:0", "--admin", listen],
        ] {
            let (got, said) = refused(options);
            let start = format!("cannot listen on {listen}: ");
            assert!(
                got == code && said.contains(&start) && said.contains(what),
                "{options:?}: {got}, {said}"
            );
        }
    }
}
