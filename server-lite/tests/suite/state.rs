//! `--state`: what a restart finds, updates at once, and a directory that fills up, turns read-only or is taken.

use crate::support::client;
use crate::support::client::until;
use crate::support::process::{Running, credentials, printed, program, refused};
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn get(server: &Running, path: &str, vm: &str) -> Value {
    let token = printed(&["token", vm]);
    let answer = server.send(
        &format!("GET {path}"),
        &credentials(vm, token.trim_end()),
        b"",
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.text()).unwrap()
}

fn put(server: &Running, path: &str, body: &str) -> client::Answer {
    let token = printed(&["token", "8"]);
    server.send(
        &format!("PUT {path}"),
        &credentials("8", token.trim_end()),
        body.as_bytes(),
    )
}

/// Each of many clients sets, erases and reads attributes of its own, several requests at a time on one connection: each
/// answer is to the request it stands for, each read shows all that its client did before, and a restart finds the same.
/// Now and then a client leaves before it is answered.
#[test]
fn each_client_finds_what_it_did_whatever_the_others_do() {
    const CLIENTS: u64 = 16;
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().display().to_string();
    let server = Running::start(&["--state", &state]);
    let tokens = ["1", "8"].map(|vm| printed(&["token", vm]).trim_end().to_owned());
    let expected: Vec<Map<String, Value>> = std::thread::scope(|scope| {
        let (address, tokens) = (server.address.parse().unwrap(), &tokens);
        let start = |n: u64| scope.spawn(move || work(n, address, tokens));
        let clients: Vec<_> = (0..CLIENTS).map(start).collect();
        clients.into_iter().map(|one| one.join().unwrap()).collect()
    });
    server.signal(rustix::process::Signal::KILL);
    drop(server);
    let server = Running::start(&["--state", &state]);
    for (n, expected) in (0..).zip(expected) {
        let vm = get(&server, "/vm", ["1", "8"][n % 2]);
        assert_eq!(own(&vm, n as u64), expected, "client {n}");
    }
}

/// What one client does, from the same numbers each time; gives what its attributes must be then.
fn work(n: u64, address: SocketAddr, tokens: &[String; 2]) -> Map<String, Value> {
    let place = n as usize % 2;
    let (vm, mut number) = (["1", "8"][place], n + 1);
    let mut random = move |below: u64| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) % below
    };
    let request = |line: &str, body: &str| {
        let fields = credentials(vm, &tokens[place]).join("\r\n");
        let length = body.len();
        format!(
            "{line} HTTP/1.1\r\nHost: gate\r\n{fields}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let mut client = client::connect(address);
    let mut model = Map::new();
    for turn in 0..20 {
        let (mut sent, mut expected) = (String::new(), Vec::new());
        for _ in 0..=random(4) {
            let name = format!("C{n}_{}", random(3));
            match random(3) {
                0 => {
                    let status = if model.remove(&name).is_some() {
                        200
                    } else {
                        500
                    };
                    sent += &request(&format!("PUT /vms/{vm}?type=2"), &name);
                    expected.push((status, None));
                }
                1 => {
                    sent += &request("GET /vm", "");
                    expected.push((200, Some(model.clone())));
                }
                _ => {
                    let value = format!("{turn}.{}", random(1000));
                    sent += &request("PUT /vm", &format!("{name}={value}"));
                    model.insert(name, value.into());
                    expected.push((200, None));
                }
            }
        }
        client.send(sent.as_bytes());
        for (status, shown) in expected {
            let answer = client.answer();
            assert_eq!(answer.status, status, "client {n}: {}", answer.text());
            if let Some(shown) = shown {
                assert_eq!(own(&answer.json(), n), shown, "client {n}");
            }
        }
        if random(4) == 0 {
            client.send(request("PUT /vm", &format!("GONE{n}={turn}")).as_bytes());
            client = client::connect(address);
        }
    }
    model
}

/// The attributes that are a client's own.
fn own(vm: &Value, n: u64) -> Map<String, Value> {
    let all = vm["VM"]["USER_TEMPLATE"].as_object().unwrap();
    let own = all
        .iter()
        .filter(|(name, _)| name.starts_with(&format!("C{n}_")));
    own.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[test]
fn a_restart_finds_all_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().display().to_string();
    let quick = ["--state", &state, "--vm-step", "10ms", "--cooldown", "10ms"];
    let server = Running::start(&quick);
    assert_eq!(
        put(&server, "/vm", "READY=YES\nV=[A=\"1\",B=\"x,y\"]").status,
        200
    );
    assert_eq!(
        put(&server, "/service/role/slave", r#"{"cardinality": 3}"#).status,
        200
    );
    until("the service scales", || {
        get(&server, "/service", "8")["SERVICE"]["state"] == 2
    });
    let service = get(&server, "/service?extended=true", "8");
    let vm = get(&server, "/vm", "8");
    assert_eq!(vm["VM"]["USER_TEMPLATE"]["V"]["B"], "x,y");
    server.stop();
    let server = Running::start(&quick);
    assert_eq!(get(&server, "/service?extended=true", "8"), service);
    assert_eq!(get(&server, "/vm", "8"), vm);
    // A VM that was made by scaling has a token of its own, which can be had while the server runs.
    let made = service["SERVICE"]["roles"][1]["nodes"][2]["deploy_id"].to_string();
    let token = printed(&["token", &made, "--state", &state]);
    let answer = server.send("GET /vm", &credentials(&made, token.trim_end()), b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn another_scenario_than_the_state_began_with_is_not_read_and_said_so() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state").display().to_string();
    let scenario = directory.path().join("cloud.json");
    let built_in = include_str!("../../scenarios/panacea.json");
    std::fs::write(&scenario, built_in).unwrap();
    let scenario = scenario.display().to_string();
    let options = ["--state", &state, "--cloud", &scenario];
    let (_, log) = Running::start(&options).stop();
    assert!(!log.contains("scenario"), "{log}");
    let (_, log) = Running::start(&options).stop();
    assert!(!log.contains("scenario"), "{log}");
    std::fs::write(&scenario, built_in.replace("PANACEA", "another")).unwrap();
    let server = Running::start(&options);
    assert_eq!(
        get(&server, "/service", "8")["SERVICE"]["name"],
        "PANACEA service"
    );
    let (_, log) = server.stop();
    assert!(
        log.contains("is not the scenario that the state in") && log.contains("begin anew"),
        "{log}"
    );
}

#[test]
fn two_hundred_updates_at_once_from_twenty_clients_lose_none() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().display().to_string();
    for options in [&["--state", state.as_str()][..], &[]] {
        let server = Running::start(options);
        std::thread::scope(|scope| {
            for client in 0..20 {
                let server = &server;
                scope.spawn(move || {
                    for n in 0..10 {
                        let answer = put(server, "/vm", &format!("C{client}_{n}=yes"));
                        assert_eq!(answer.status, 200, "{}", answer.text());
                    }
                });
            }
        });
        let vm = get(&server, "/vm", "8");
        let attributes = vm["VM"]["USER_TEMPLATE"].as_object().unwrap();
        let stored = attributes
            .iter()
            .filter(|(name, value)| name.starts_with('C') && *value == "yes");
        assert_eq!(stored.count(), 200, "{options:?}");
    }
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().display().to_string();
    let _server = Running::start(&["--state", &state]);
    let (code, message) = refused(&["serve", "--listen", "127.0.0.1:0", "--state", &state]);
    assert_eq!(code, 1);
    assert!(message.contains("is in use by another server"), "{message}");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for place in [file.path(), Path::new("/proc/onegate")] {
        let place = place.display().to_string();
        let (code, message) = refused(&["serve", "--listen", "127.0.0.1:0", "--state", &place]);
        assert_eq!(code, 1);
        assert!(
            message.contains(&format!("cannot keep state in {place}: ")),
            "{message}"
        );
    }
}

/// A server whose state is on a file system of a few blocks that it alone sees. `None` where this user may not mount.
fn on_a_small_file_system(directory: &Path) -> Option<(Running, PathBuf)> {
    let mount = "mount -t tmpfs -o size=400k tmpfs \"$0\" && exec \"$@\"";
    let may = Command::new("unshare")
        .args(["-m", "sh", "-c", "mount -t tmpfs -o size=400k tmpfs \"$0\""])
        .arg(directory)
        .stderr(Stdio::null())
        .status();
    if !may.is_ok_and(|status| status.success()) {
        println!(
            "SKIPPED: no file system can be mounted here (unshare -m, mount -t tmpfs): needs root"
        );
        return None;
    }
    let server = Running::run(
        Command::new("unshare")
            .args(["-m", "sh", "-c", mount])
            .arg(directory)
            .arg(program().get_program())
            .args(["serve", "--listen", "127.0.0.1:0", "--state"])
            .arg(directory),
    );
    // What the server sees there, seen from here.
    let seen = format!("/proc/{}/root{}", server.pid(), directory.display());
    Some((server, PathBuf::from(seen)))
}

#[test]
fn a_full_disk_is_a_503_and_not_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let Some((server, seen)) = on_a_small_file_system(directory.path()) else {
        return;
    };
    assert_eq!(put(&server, "/vm", "BEFORE=1").status, 200);
    let filler = seen.join("filler");
    let fill = || {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&filler)
            .unwrap();
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    };
    // The database has some room of its own before it asks for more.
    let mut acknowledged = Vec::new();
    let answer = loop {
        fill();
        let name = format!("N{}", acknowledged.len());
        let answer = put(&server, "/vm", &format!("{name}={}", "x".repeat(4000)));
        if answer.status != 200 {
            break answer;
        }
        acknowledged.push(name);
        assert!(acknowledged.len() < 1000, "the disk never fills");
    };
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.head.contains("\r\nRetry-After: "), "{}", answer.head);
    assert!(
        !answer
            .text()
            .contains(&directory.path().display().to_string()),
        "{}",
        answer.text()
    );
    let attributes = get(&server, "/vm", "8")["VM"]["USER_TEMPLATE"].clone();
    assert!(
        acknowledged
            .iter()
            .all(|name| attributes.get(name).is_some())
    );
    assert!(
        attributes.get(format!("N{}", acknowledged.len())).is_none(),
        "refused, but there"
    );
    std::fs::remove_file(&filler).unwrap();
    until("the server recovers", || {
        put(&server, "/vm", "AFTER=1").status == 200
    });
    assert_eq!(
        get(&server, "/vm", "8")["VM"]["USER_TEMPLATE"]["AFTER"],
        "1"
    );
    let (status, log) = server.stop();
    assert!(status.success());
    assert!(
        log.contains("/journal: No space left on device"),
        "the log says what is full: {log}"
    );
}

#[test]
fn a_read_only_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", mounted])
        .arg(directory.path())
        .arg(program().get_program())
        .args(["serve", "--listen", "127.0.0.1:0", "--state"])
        .arg(directory.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(1) {
        println!("SKIPPED: nothing can be mounted read-only here (needs root): {message}");
        return;
    }
    let words = format!(
        "cannot keep state in {}: Read-only file system",
        directory.path().display()
    );
    assert!(message.contains(&words), "{message}");
}
