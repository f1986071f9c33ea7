//! The `--admin` address: what it tells of the server, and what Prometheus makes of it.

use crate::support::client::{free_address, until};
use crate::support::http::tls::Files;
use crate::support::process::{Running, credentials, printed};
use crate::support::skipped;
use crate::support::upstream::StandIn;
use crate::support::upstream::replay::Recordings;
use std::fs;
use std::net::TcpStream;
use std::process::Command;

/// The sample of this name and these labels, at the admin address.
fn sample(address: &str, name: &str) -> Option<f64> {
    let metrics = admin(address, "/metrics").1;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// The body of a GET on the admin address, and its status.
fn admin(address: &str, path: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[test]
fn the_admin_address_tells_of_the_server_and_guests_address_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().display().to_string();
    let address = free_address();
    let server = Running::start(&["--state", &state, "--admin", &address]);
    let token = printed(&["token", "8"]);
    let ask = |line: &str, token: &str| server.send(line, &credentials("8", token), b"A=1").status;
    assert_eq!(ask("GET /vm", token.trim_end()), 200);
    assert_eq!(ask("PUT /vm", token.trim_end()), 200);
    assert_eq!(ask("GET /vm", "wrong"), 401);
    assert_eq!(admin(&address, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(admin(&address, "/readyz"), (200, "ok\n".to_owned()));
    let (status, metrics) = admin(&address, "/metrics");
    assert_eq!(status, 200);
    let count = "onegate_request_duration_seconds_count";
    for line in [
        format!("{count}{{method=\"GET\",route=\"/vm\",status=\"200\"}} 1"),
        format!("{count}{{method=\"PUT\",route=\"/vm\",status=\"200\"}} 1"),
        format!("{count}{{method=\"GET\",route=\"/vm\",status=\"401\"}} 1"),
        "onegate_queued_requests 0".to_owned(),
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
    promtool(&["check", "metrics"], &metrics);
    documented(&metrics);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(ask(&format!("GET {path}"), token.trim_end()), 400, "{path}");
    }
    assert_eq!(admin(&address, "/vm").0, 404);
    fs::remove_file(directory.path().join("journal")).unwrap();
    let (status, missing) = admin(&address, "/readyz");
    assert!(
        status == 503 && missing.contains("was removed or replaced"),
        "{missing}"
    );
    assert_eq!(admin(&address, "/healthz").0, 200);
}

#[test]
fn budgets_and_watchers_are_told() {
    let address = free_address();
    let server = Running::start(&["--admin", &address]);
    let token = printed(&["token", "8"]);
    let credentials = credentials("8", token.trim_end());
    let tag = server.send("GET /vm", &credentials, b"");
    let tag = tag.header("ETag").unwrap().to_owned();
    assert_eq!(sample(&address, "onegate_watchers"), Some(0.0));
    for (name, limit) in [
        ("handled_requests", 32.0),
        ("queued_requests", 1024.0),
        ("held_bytes", 67_108_864.0),
    ] {
        let found = sample(&address, &format!("onegate_{name}_limit"));
        assert_eq!(found, Some(limit), "{name}");
        assert!(
            sample(&address, &format!("onegate_{name}")).is_some(),
            "{name}"
        );
    }
    assert!(sample(&address, "onegate_connections_limit").unwrap() > 0.0);
    let watcher = std::thread::spawn({
        let (address, credentials) = (server.address.clone(), credentials.clone());
        move || {
            let fields = format!(
                "If-None-Match: {tag}\r\nPrefer: wait=60\r\n{}",
                credentials.join("\r\n")
            );
            let request =
                format!("GET /vm HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{fields}\r\n\r\n");
            use std::io::{Read, Write};
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        }
    });
    until("the watcher counts", || {
        sample(&address, "onegate_watchers") == Some(1.0)
    });
    server.send("PUT /vm", &credentials, b"A=1");
    assert!(watcher.join().unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(sample(&address, "onegate_watchers"), Some(0.0));
}

#[test]
fn decisions_of_policies_are_counted() {
    let address = free_address();
    let directory = tempfile::tempdir().unwrap();
    let shipped = format!("{}/scenarios/elastic.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(shipped).unwrap();
    let file = directory.path().join("cloud.json");
    fs::write(&file, text.replace("\"period\": 1", "\"period\": 0")).unwrap();
    let state = directory.path().join("state").display().to_string();
    let options = [
        "--cloud",
        file.to_str().unwrap(),
        "--state",
        &state,
        "--vm-step",
        "10ms",
    ];
    let more = ["--flow-interval", "100ms", "--admin", &address];
    let server = Running::start(&[&options[..], &more].concat());
    let scaled = "onegate_policy_decisions_total{outcome=\"scaled\"}";
    assert_eq!(sample(&address, scaled), Some(0.0));
    until("a policy scales", || {
        let service = printed(&["service", "show", "1", "--json", "--state", &state]);
        let service: serde_json::Value = serde_json::from_str(&service).unwrap();
        for node in service["roles"][0]["nodes"].as_array().unwrap() {
            let vm = node["vm"].to_string();
            let token = printed(&["token", &vm, "--state", &state]);
            let report = b"READY=YES\nCPU_USED_PERC=90";
            server.send("PUT /vm", &credentials(&vm, token.trim_end()), report);
        }
        sample(&address, scaled) > Some(0.0)
    });
    for outcome in ["at_limit", "refused"] {
        let name = format!("onegate_policy_decisions_total{{outcome=\"{outcome}\"}}");
        assert!(sample(&address, &name).is_some(), "{outcome}");
    }
}

#[test]
fn calls_to_oned_and_their_failures_are_counted() {
    let world = Recordings::read().world(["get/vm_accept_xml"]);
    let oned = StandIn::start_at("127.0.0.1:0".parse().unwrap(), move |request| {
        world.answer(&request.call())
    });
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("onegate-server.conf");
    let text = format!(
        ":one_xmlrpc: {}\n:oneflow_server: http://127.0.0.1:1\n:record_max_age: 0\n:permissions:\n  :vm: {{:show: true}}\n",
        oned.url("/RPC2")
    );
    fs::write(&config, text).unwrap();
    let auth = directory.path().join("auth");
    fs::write(&auth, "serveradmin:secret\n").unwrap();
    let (config, auth) = (config.to_str().unwrap(), auth.to_str().unwrap());
    let address = free_address();
    let options = ["--opennebula", "--config", config, "--auth-file", auth];
    let server = Running::start(&[&options[..], &["--admin", &address]].concat());
    // VM 6 and its token: server-lite/tests/fixtures/get.jsonl, case `vm_accept_xml`.
    let credentials = credentials("6", "o7Y9bRvAiQmfUZzJo5eZTA==");
    let calls = |upstream: &str, outcome: &str| {
        let labels = format!("upstream=\"{upstream}\",outcome=\"{outcome}\"");
        sample(
            &address,
            &format!("onegate_upstream_calls_total{{{labels}}}"),
        )
        .unwrap()
    };
    assert_eq!(server.send("GET /vm", &credentials, b"").status, 200);
    let answered = calls("oned", "answered");
    assert!(answered >= 2.0, "{answered}");
    let sent = "onegate_upstream_call_duration_seconds_count{upstream=\"oned\"}";
    assert_eq!(sample(&address, sent), Some(answered));
    assert_eq!(
        (calls("oned", "failed"), calls("OneFlow", "failed")),
        (0.0, 0.0)
    );
    for (name, value) in [
        ("in_progress", 0.0),
        ("in_progress_limit", 8.0),
        ("waiting", 0.0),
    ] {
        let name = format!("onegate_upstream_calls_{name}{{upstream=\"oned\"}}");
        assert_eq!(sample(&address, &name), Some(value), "{name}");
    }
    drop(oned);
    assert_eq!(server.send("GET /vm", &credentials, b"").status, 503);
    assert!(calls("oned", "failed") >= 1.0);
    let (status, missing) = admin(&address, "/readyz");
    assert!(status == 503 && missing.starts_with("oned: "), "{missing}");
    let metrics = admin(&address, "/metrics").1;
    promtool(&["check", "metrics"], &metrics);
    documented(&metrics);
}

#[test]
fn the_certificates_end_is_told() {
    let files = Files::new();
    files.valid_until(2026, 1, 1);
    let address = free_address();
    let tls = [
        "--tls-cert",
        files.certificate.to_str().unwrap(),
        "--tls-key",
        files.key.to_str().unwrap(),
    ];
    let _server = Running::start(&[&tls[..], &["--admin", &address]].concat());
    let end = sample(&address, "onegate_certificate_expiry_timestamp_seconds");
    assert_eq!(end, Some(1_767_225_600.0));
    documented(&admin(&address, "/metrics").1);
}

/// Every metric is in the table of docs/operations.md.
fn documented(metrics: &str) {
    let names = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: Vec<_> = names.filter(|name| !in_the_guide(name)).collect();
    assert!(missing.is_empty(), "docs/operations.md lacks {missing:?}");
}

/// Whether the guide's table has this metric; of a budget's two it names one.
fn in_the_guide(metric: &str) -> bool {
    let guide = include_str!("../../../docs/operations.md");
    let metric = metric.strip_suffix("_limit").unwrap_or(metric);
    let mut rows = guide.lines().filter(|line| line.starts_with("| `onegate_"));
    rows.any(|row| row.contains(&format!("`{metric}`")))
}

#[test]
fn the_example_alerting_rules_ask_for_metrics_that_there_are() {
    let rules = include_str!("../../../contrib/prometheus/onegate-server-lite.rules.yml");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics: Vec<&str> = words.filter(|word| word.starts_with("onegate_")).collect();
    assert!(metrics.len() > 8, "{metrics:?}");
    for metric in metrics {
        let ends = ["_bucket", "_count", "_sum"];
        let family = ends.iter().find_map(|end| metric.strip_suffix(end));
        assert!(in_the_guide(family.unwrap_or(metric)), "{metric}");
    }
}

#[test]
fn the_example_alerting_rules_are_valid() {
    let rules = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../contrib/prometheus/onegate-server-lite.rules.yml"
    );
    promtool(&["check", "rules", rules], "");
}

/// Runs promtool, where it is installed.
fn promtool(arguments: &[&str], input: &str) {
    use std::io::Write;
    let child = Command::new("promtool")
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        skipped("promtool");
        return;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}
