//! What the page's stream tells, of a service that guests drive; and that whoever reads it slowly, or not at all, keeps
//! nobody waiting.

use crate::support::client::until;
use crate::support::page::{Stream, address, ask};
use crate::support::process::{Running, credentials, printed};
use onegate_server_lite::lab::page::limits::{CHARACTERS, FIRST_EVENTS, VIEWERS};
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpStream;
use std::path::Path;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/elastic.json");

/// A server with a page, and a service of one VM that is to say READY.
struct Watched {
    server: Running,
    directory: tempfile::TempDir,
}

impl Watched {
    fn start(cloud: &str, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Self::serve(directory.path(), cloud, options);
        Self { server, directory }
    }

    fn serve(directory: &Path, cloud: &str, options: &[&str]) -> Running {
        let state = directory.join("state").display().to_string();
        let mut all = vec!["--cloud", cloud, "--state", &state];
        all.extend(["--vm-step", "5ms", "--cooldown", "100ms"]);
        if !options.contains(&"--page") {
            all.extend(["--page", "0"]);
        }
        all.extend(options);
        Running::start(&all)
    }

    fn new(options: &[&str]) -> Self {
        Self::start(SCENARIO, options)
    }

    /// What a command prints, which must succeed.
    fn ok(&self, line: &str) -> String {
        let state = self.directory.path().join("state").display().to_string();
        let words = line.split_whitespace();
        printed(&words.chain(["--state", &state]).collect::<Vec<_>>())
    }

    fn token(&self, vm: &str) -> String {
        self.ok(&format!("token {vm}")).trim_end().to_owned()
    }

    /// What a guest sets of itself; the status.
    fn put(&self, vm: &str, body: &str) -> u16 {
        let fields = credentials(vm, &self.token(vm));
        self.server.send("PUT /vm", &fields, body.as_bytes()).status
    }

    fn show(&self) -> Value {
        serde_json::from_str(&self.ok("service show 1 --json")).unwrap()
    }
}

/// A cloud of so many services with so many running VMs each, which have large attributes.
fn large(directory: &Path, services: usize, nodes: usize) -> String {
    let elastic = fs::read_to_string(SCENARIO).unwrap();
    let mut cloud: Value = serde_json::from_str(&elastic).unwrap();
    let attributes: Vec<String> = (0..60)
        .map(|n| format!("\"A{n}\": \"{}\"", "x".repeat(300)))
        .collect();
    let attributes: Value = serde_json::from_str(&format!("{{{}}}", attributes.join(","))).unwrap();
    let vms = (0..services * nodes).map(|vm| {
        json!({"ID": vm.to_string(), "NAME": "vm", "UID": "2", "GID": "1", "UNAME": "johndoe", "GNAME": "users",
            "STATE": "3", "LCM_STATE": "3", "STIME": "1", "TEMPLATE": {"CREATED_BY": "2"}, "USER_TEMPLATE": attributes,
            "PERMISSIONS": cloud["services"][0]["PERMISSIONS"]})
    });
    let vms: Vec<Value> = vms.collect();
    let pattern = cloud["services"][0].clone();
    let services = (0..services).map(|number| {
        let mut service = pattern.clone();
        let nodes = number * nodes..(number + 1) * nodes;
        service["ID"] = number.to_string().into();
        let role = &mut service["TEMPLATE"]["BODY"]["roles"][0];
        role["nodes"] = nodes.clone().map(|vm| json!({"deploy_id": vm})).collect();
        role["cardinality"] = nodes.len().into();
        role["state"] = 2.into();
        service["TEMPLATE"]["BODY"]["state"] = 2.into();
        service
    });
    let services: Vec<Value> = services.collect();
    cloud["services"] = services.into();
    cloud["vms"] = vms.into();
    let file = directory.join("large.json");
    fs::write(&file, cloud.to_string()).unwrap();
    file.display().to_string()
}

/// A report without what changes with time alone.
fn settled(report: &Value) -> Value {
    let mut report = report.clone();
    fn clean(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(clean),
            Value::Object(members) => {
                let moving = ["next_poll_in", "next_eval_in", "cooldown_left", "last_eval"];
                let more = ["age", "samples", "ip", "attributes"];
                members.retain(|key, _| {
                    !moving.contains(&key.as_str()) && !more.contains(&key.as_str())
                });
                members.values_mut().for_each(clean);
            }
            _ => {}
        }
    }
    clean(&mut report);
    report
}

fn cardinality(service: &Value) -> Option<u64> {
    service["roles"][0]["cardinality"].as_u64()
}

#[test]
fn the_stream_begins_with_what_service_show_says_and_follows_a_service_that_scales() {
    let watched = Watched::new(&["--flow-interval", "50ms"]);
    watched.ok("wait vm 0 STATE=RUNNING");
    assert_eq!(watched.put("0", "READY=YES\nCPU_USED_PERC=50.5"), 200);
    watched.ok("wait service 1 STATE=RUNNING");
    let mut stream = Stream::open(&watched.server);
    let (event, hello) = stream.next().unwrap();
    assert_eq!(event, "hello");
    assert_eq!(hello["version"], env!("CARGO_PKG_VERSION"));
    assert!(hello["started"].as_i64() <= hello["now"].as_i64());
    assert!(stream.text.starts_with("retry: 1000\n"), "{}", stream.text);
    let is_running = |service: &Value| {
        let policy = &service["roles"][0]["elasticity_policies"][0];
        service["state"] == "RUNNING"
            && policy["expression_evaluated"] == "CPU_USED_PERC[50.5] > 70"
    };
    let service = stream.until("service", is_running);
    assert_eq!(settled(&service), settled(&watched.show()));
    let role = &service["roles"][0];
    assert_eq!(role["averages"], json!({"CPU_USED_PERC": 50.5}));
    assert_eq!(role["nodes"][0]["ip"], "192.168.122.100");
    assert_eq!(role["nodes"][0]["attributes"]["READY"], "YES");
    let comparisons: Vec<&Value> = role["elasticity_policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["comparisons"])
        .collect();
    assert_eq!(
        comparisons,
        [
            &json!([{"name": "CPU_USED_PERC", "operator": ">", "threshold": 70.0}]),
            &json!([{"name": "CPU_USED_PERC", "operator": "<", "threshold": 20.0}]),
        ]
    );
    let update = |event: &Value| event["kind"] == "update" && event["by"] == 0;
    let told = stream.told("timeline", update);
    assert_eq!(told["keys"], json!(["READY", "CPU_USED_PERC"]));

    assert_eq!(
        watched.put("0", "CPU_USED_PERC=90\nNOTE=<script>alert(1)</script>"),
        200
    );
    let grown = stream.until("service", |service| cardinality(service) == Some(2));
    let node = &grown["roles"][0]["nodes"][0];
    assert_eq!(node["attributes"]["NOTE"], "<script>alert(1)</script>");
    stream.told("timeline", |event| {
        event["kind"] == "decision" && event["role"] == "web"
    });
    watched.ok("wait vm 1 STATE=RUNNING");
    watched.ok("vm set 0 CPU_USED_PERC=10");
    watched.ok("vm set 1 CPU_USED_PERC=10 READY=YES");
    let shrunk = |service: &Value| cardinality(service) == Some(1) && service["state"] == "RUNNING";
    let service = stream.until("service", shrunk);
    assert_eq!(
        service["roles"][0]["nodes"].as_array().map(Vec::len),
        Some(1)
    );
    // Text alone, whoever wrote it: one line of JSON for each event.
    let lines = stream.text.lines();
    let known = ["event: ", "data: {", "retry: ", ": ping"];
    assert!(
        lines
            .filter(|line| !line.is_empty())
            .all(|line| known.iter().any(|known| line.starts_with(known)))
    );
}

#[test]
fn what_is_left_of_each_time_is_told_again_where_the_clock_is_put_ahead() {
    let watched = Watched::new(&[]);
    let mut stream = Stream::open(&watched.server);
    let clock = |service: &Value| service["ahead"].as_f64();
    let due = |service: &Value| {
        service["roles"][0]["scheduled_policies"][0]["next_due"]
            .as_i64()
            .unwrap()
    };
    watched.ok("wait vm 0 STATE=RUNNING");
    watched.ok("vm set 0 LAST=1");
    let last = |service: &Value| service["roles"][0]["nodes"][0]["attributes"]["LAST"] == "1";
    let before = stream.until("service", last);
    assert_eq!(clock(&before), None);
    // Nothing else changes, and the schedule begins when it is looked at first.
    watched.ok("clock +240h");
    let after = stream.until("service", |service| clock(service) == Some(864_000.0));
    assert!(due(&after) > due(&before), "{before}\n{after}");
}

#[test]
fn a_service_that_is_removed_is_gone_and_vms_in_no_service_are_apart() {
    let watched = Watched::new(&[]);
    let mut stream = Stream::open(&watched.server);
    stream.until("service", |service| service["id"] == 1);
    watched.ok("wait vm 0 STATE=RUNNING");
    let made = watched.ok("vm create --like 0");
    let made: u64 = made.trim_end().parse().unwrap();
    let vms = stream.until("vms", |vms| vms["vms"][0]["state"] == "RUNNING");
    assert_eq!(
        (&vms["vms"][0]["vm"], &vms["more"]),
        (&json!(made), &json!(0))
    );
    let empty = watched.directory.path().join("empty.json");
    fs::write(&empty, r#"{"users": [], "vms": [], "services": []}"#).unwrap();
    watched.ok(&format!("state import --cloud {}", empty.display()));
    assert_eq!(stream.until("gone", |_| true), json!({"id": 1}));
    stream.until("vms", |vms| vms["vms"] == json!([]));
    let mut new = Stream::open(&watched.server);
    new.told("timeline", |event| event["text"] == "it was removed");
    assert!(!new.text.contains("event: service"), "{}", new.text);
}

#[test]
fn a_reader_who_reads_nothing_keeps_nobody_waiting_and_is_dropped() {
    let services = 160;
    let directory = tempfile::tempdir().unwrap();
    let cloud = large(directory.path(), services, 3);
    let watched = Watched::start(&cloud, &[]);
    let idle = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_recv_buffer_size(&idle, 4096).unwrap();
    connect(&idle, &address(&watched.server)).unwrap();
    let mut idle = Stream::over(TcpStream::from(idle));
    let mut good = Stream::open(&watched.server);
    let fields = credentials("5", &watched.token("5"));
    for update in 0..40 {
        let body = format!("UPDATE={update}");
        let answer = watched.server.send("PUT /vm", &fields, body.as_bytes());
        assert_eq!(answer.status, 200);
    }
    let update = |service: &Value| service["roles"][0]["nodes"][2]["attributes"]["UPDATE"].clone();
    good.until("service", |service| {
        service["id"] == 1 && update(service) == "39"
    });
    // The server gives up on it: its place is free.
    let more = || {
        ask(
            &watched.server,
            "HEAD /events",
            &[&format!("Host: {}", address(&watched.server))],
        )
        .status
    };
    let others: Vec<Stream> = (2..VIEWERS)
        .map(|_| Stream::open(&watched.server))
        .collect();
    assert_eq!(more(), 503);
    until("the place of the one that reads nothing is free", || {
        more() == 200
    });
    drop(others);
    // What was on its way still comes.
    let mut seen = 0;
    while let Some((event, _)) = idle.next() {
        seen += usize::from(event == "service");
    }
    assert!(seen < services, "{seen}");
}

#[test]
fn large_values_are_cut_and_secrets_are_not_shown() {
    let watched = Watched::new(&[]);
    watched.ok("wait vm 0 STATE=RUNNING");
    let made = watched.ok("vm create --like 0").trim_end().to_owned();
    watched.ok(&format!("wait vm {made} STATE=RUNNING"));
    let mut stream = Stream::open(&watched.server);
    let mut secrets = vec!["0badc0de0badc0de".to_owned(), "CREATED_BY".to_owned()];
    for vm in ["0", made.as_str()] {
        let token = watched.token(vm);
        let template = format!(
            "ONEGATE_TOKEN={token}\nAPI_KEY=s3cret1\nDB_PASSWORD=s3cret2\nURL=\"ftp://me:s3cret3@host/\"\n\
             V=[ A=1, PRIVATE=s3cret4 ]\nBIG=\"{}\"\nLAST=1",
            "é".repeat(300_000)
        );
        assert_eq!(watched.put(vm, &template), 200);
        secrets.push(token);
    }
    let has_all = |node: &Value| node["attributes"]["LAST"] == "1";
    let service = stream.until("service", |service| {
        has_all(&service["roles"][0]["nodes"][0])
    });
    let vms = stream.until("vms", |vms| has_all(&vms["vms"][0]));
    for node in [&service["roles"][0]["nodes"][0], &vms["vms"][0]] {
        let attributes = &node["attributes"];
        for name in ["ONEGATE_TOKEN", "API_KEY", "DB_PASSWORD", "URL"] {
            assert_eq!(attributes[name], "(hidden)", "{name}");
        }
        assert_eq!(attributes["V"], "[A=1, PRIVATE=(hidden)]");
        assert_eq!(attributes["BIG"], "é".repeat(CHARACTERS) + "…");
    }
    secrets.extend((1..=4).map(|number| format!("s3cret{number}")));
    for secret in secrets {
        assert!(
            !stream.text.contains(&secret),
            "{secret} in {}",
            stream.text
        );
    }
    assert!(stream.text.len() < 100_000, "{}", stream.text.len());
}

#[test]
fn averages_of_before_are_there_again_for_who_comes_back_and_no_point_comes_twice() {
    let watched = Watched::new(&["--flow-interval", "1h"]);
    watched.ok("wait vm 0 STATE=RUNNING");
    let points = |service: &Value| {
        let points = service["samples"][0]["points"].as_array();
        points
            .into_iter()
            .flatten()
            .map(|point| point[1].clone())
            .collect::<Vec<Value>>()
    };
    let mut first = Stream::open(&watched.server);
    let mut seen = Vec::new();
    for value in [30, 40, 50] {
        watched.ok(&format!("vm set 0 CPU_USED_PERC={value}"));
        while seen.last() != Some(&json!(f64::from(value))) {
            seen.extend(points(&first.until("service", |_| true)));
        }
    }
    let values = [json!(null), json!(30.0), json!(40.0), json!(50.0)];
    assert_eq!(seen, values);
    drop(first);
    let mut again = Stream::open(&watched.server);
    assert_eq!(points(&again.until("service", |_| true)), values);
}

#[test]
fn of_many_events_the_latest_come_and_the_others_are_counted() {
    let watched = Watched::new(&[]);
    watched.ok("wait vm 0 STATE=RUNNING");
    let fields = credentials("0", &watched.token("0"));
    let mut late = None;
    for round in 0..2 {
        for update in 0..FIRST_EVENTS {
            let body = format!("A={update}");
            assert_eq!(
                watched
                    .server
                    .send("PUT /vm", &fields, body.as_bytes())
                    .status,
                200
            );
        }
        if round == 0 {
            late = Some(Stream::open(&watched.server));
        }
    }
    let mut late = late.unwrap();
    let first = late.until("timeline", |_| true);
    let mut left_out = first["left_out"].as_u64().unwrap();
    assert!(left_out > 0);
    watched.ok("vm set 0 END=1");
    // Every number is told or counted.
    let mut told = 0;
    let last = loop {
        let event = late.until("timeline", |_| true);
        match event["left_out"].as_u64() {
            Some(more) => left_out += more,
            None => told += 1,
        }
        if event["keys"] == json!(["END"]) {
            break event["event"].as_u64();
        }
    };
    assert_eq!(last, Some(left_out + told));
}

#[test]
fn the_server_ends_while_somebody_watches_and_the_next_one_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = Watched::serve(directory.path(), SCENARIO, &[]);
    let page = server.page.clone().unwrap();
    let mut streams: Vec<Stream> = (0..3).map(|_| Stream::open(&server)).collect();
    let mut hello = None;
    for stream in &mut streams {
        hello = stream.next();
        stream.until("service", |_| true);
    }
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    for mut stream in streams {
        while stream.next().is_some() {}
    }
    // As the browser does after the retry time.
    let server = Watched::serve(directory.path(), SCENARIO, &["--page", &page]);
    assert_eq!(server.page.as_ref(), Some(&page));
    let mut again = Stream::open(&server);
    let (event, new) = again.next().unwrap();
    assert_eq!(event, "hello");
    assert!(new["started"].as_i64() > hello.unwrap().1["started"].as_i64());
    again.until("service", |service| service["id"] == 1);
}
