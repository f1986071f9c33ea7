//! Every command line of the Ruby client that was recorded: given the same argv and environment, and a listener that
//! replays the recorded answer, the agent sends the same request and prints the same stdout with the same exit code.
//!
//! Aside from User-Agent and Authorization, one header differs everywhere: the agent does not offer to take a
//! compressed answer (Accept-Encoding), because it could not read one. Where it differs otherwise, [`DIFFERENCES`]
//! says so, and why.

use crate::support::{Listener, Received, answer, closed_port};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Stdio;

/// What differs on purpose.
enum Difference {
    /// These lines follow what the Ruby client prints.
    MoreLines(&'static [(&'static str, &'static str)]),
    /// This is how stdout begins.
    Stdout(&'static str),
    /// The exit code.
    Exit(i32),
    /// Nothing is sent.
    NotSent,
    /// The request is sent as JSON.
    Json,
    /// This is asked for after what was recorded.
    Asks(&'static str),
}
use Difference::{Asks, Exit, Json, MoreLines, NotSent, Stdout};

const DOCUMENTED: &str =
    "the OpenNebula documentation shows STATE and IP, which the shipped Ruby client never prints";
const HELP: &str = "help that was asked for goes to stdout, so that `onegate --help | less` works";
const NO_ID: &str = "an id is a number; the real server would take 6abc for 6";
const AS_JSON: &str = "as a form, which the Ruby client declares, every OpenNebula 7 answers 500";
const ALREADY: &str =
    "scaling to what there is already is no failure: the server does not say that it is that";
const NO_URL: &str =
    "the Ruby client dies of an exception; this is a lack of credentials like any other";
const LOOPBACK: &str = "the token does not go to a proxy for an address of this machine";
const STANDALONE: Difference = MoreLines(&[
    ("STATE", "RUNNING"),
    ("IP", "172.20.0.125"),
    ("IP", "10.6.0.11"),
]);

/// Every difference on purpose: case, difference, reason.
const DIFFERENCES: &[(&str, Difference, &str)] = &[
    ("endpoint_path", STANDALONE, DOCUMENTED),
    ("endpoint_trailing_slash", STANDALONE, DOCUMENTED),
    ("vm_show", STANDALONE, DOCUMENTED),
    ("vm_show_extended", STANDALONE, DOCUMENTED),
    ("vm_show_id", STANDALONE, DOCUMENTED),
    ("vm_show_two_ids", STANDALONE, DOCUMENTED),
    ("vm_show_tty", STANDALONE, DOCUMENTED),
    (
        "vm_show_nonic",
        MoreLines(&[("STATE", "RUNNING")]),
        DOCUMENTED,
    ),
    (
        "vm_show_peer",
        MoreLines(&[("STATE", "RUNNING"), ("IP", "172.20.0.143")]),
        DOCUMENTED,
    ),
    (
        "vm_show_service_vm",
        MoreLines(&[("STATE", "RUNNING"), ("IP", "172.20.0.145")]),
        DOCUMENTED,
    ),
    ("help", Stdout("onegate: "), HELP),
    ("help_long", Stdout("onegate: "), HELP),
    ("help_subcommand", Stdout("Show this VM"), HELP),
    (
        "version_option",
        Stdout(concat!("onegate ", env!("CARGO_PKG_VERSION"), "\n")),
        "it has a version",
    ),
    ("version_option", Exit(0), "it has a version"),
    ("bad_endpoint", Exit(255), NO_URL),
    ("endpoint_no_scheme", Exit(255), NO_URL),
    (
        "no_token",
        NotSent,
        "without a token the answer is known: we say where one was looked for",
    ),
    (
        "no_vmid",
        NotSent,
        "without an id the answer is known: we say where one was looked for",
    ),
    ("vm_show_nonnumeric", NotSent, NO_ID),
    ("vm_show_nonnumeric_json", NotSent, NO_ID),
    ("service_scale_alpha", NotSent, "a cardinality is a number"),
    ("service_scale", Json, AS_JSON),
    ("service_scale_short", Json, AS_JSON),
    ("service_scale_ok", Json, AS_JSON),
    ("service_scale_unknown_role", Json, AS_JSON),
    ("service_scale", Asks("GET /service HTTP/1.1"), ALREADY),
    (
        "service_scale_short",
        Asks("GET /service HTTP/1.1"),
        ALREADY,
    ),
    (
        "service_scale_unknown_role",
        Asks("GET /service HTTP/1.1"),
        ALREADY,
    ),
    ("http_proxy", Exit(0), LOOPBACK),
    ("http_proxy", STANDALONE, LOOPBACK),
    (
        "token_newline",
        Exit(0),
        "a newline after the token is not part of it",
    ),
    (
        "token_newline",
        STANDALONE,
        "a newline after the token is not part of it",
    ),
];

/// The recordings hold no exchange for these: case, and what the server of the time answered, or the case whose
/// exchange is the same.
const UNRECORDED: &[(&str, Unrecorded)] = &[
    (
        "onedown",
        Unrecorded::Answer("401 Unauthorized", "Not authorized"),
    ),
    (
        "permissions_off",
        Unrecorded::Answer(
            "403 Forbidden",
            "Action (show) on resource (vm) not supported",
        ),
    ),
    (
        "trixie_service_show_extended",
        Unrecorded::As("service_show_extended"),
    ),
    ("trixie_vm_erase", Unrecorded::Answer("200 OK", "")),
    ("trixie_vm_update", Unrecorded::Answer("200 OK", "")),
    ("token_newline", Unrecorded::As("vm_show")),
    ("http_proxy", Unrecorded::As("vm_show")),
];

enum Unrecorded {
    Answer(&'static str, &'static str),
    As(&'static str),
}

/// Headers that the agent must send as the Ruby client does.
const COMPARED: [&str; 6] = [
    "Accept",
    "Content-Type",
    "Content-Length",
    "Host",
    "X-ONEGATE-TOKEN",
    "X-ONEGATE-VMID",
];

struct Case {
    name: String,
    recorded: Value,
}

impl Case {
    fn text(&self, key: &str) -> &str {
        self.recorded[key].as_str().unwrap()
    }

    fn differences(&self) -> impl Iterator<Item = &'static Difference> {
        DIFFERENCES
            .iter()
            .filter(|(case, ..)| *case == self.name)
            .map(|(_, difference, _)| difference)
    }

    fn sends(&self) -> bool {
        !self
            .differences()
            .any(|difference| matches!(difference, NotSent))
    }
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../fixtures/client.jsonl").lines();
    let cases = lines.map(|line| {
        let recorded: Value = serde_json::from_str(line).unwrap();
        Case {
            name: recorded["case"]
                .as_str()
                .unwrap()
                .strip_prefix("client/")
                .unwrap()
                .to_owned(),
            recorded,
        }
    });
    cases.collect()
}

#[test]
fn the_tables_name_recorded_cases() {
    let names: BTreeSet<String> = cases().into_iter().map(|case| case.name).collect();
    for name in DIFFERENCES
        .iter()
        .map(|(name, ..)| name)
        .chain(UNRECORDED.iter().map(|(name, _)| name))
    {
        assert!(names.contains(*name), "{name} is not in the recordings");
    }
}

#[test]
fn every_recorded_command_line() {
    let cases = cases();
    assert_eq!(cases.len(), 128);
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|case| replay(case, &cases).err())
        .collect();
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        cases.len(),
        faults.join("\n")
    );
    println!(
        "{} recorded command lines replayed, {} differences on purpose",
        cases.len(),
        DIFFERENCES.len()
    );
}

fn replay(case: &Case, all: &[Case]) -> Result<(), String> {
    let wire = wire(case, all);
    let answers: Vec<Vec<u8>> = wire.iter().map(recorded_answer).collect();
    let unrecorded = UNRECORDED
        .iter()
        .find_map(|(name, unrecorded)| match unrecorded {
            Unrecorded::Answer(status, body) if *name == case.name => Some(answer(status, body)),
            _ => None,
        });
    let listener = Listener::new(Box::new(move |number, _| {
        answers
            .get(number)
            .or(unrecorded.as_ref())
            .cloned()
            .unwrap_or_default()
    }));
    let (stdout, exit) = run(case, listener.port);
    compare_output(case, &stdout, exit)?;
    // What a case without a recorded exchange must not send is not known; what the other ones must send, is.
    let expected = if case.sends() { wire.as_slice() } else { &[] };
    if expected.is_empty() && UNRECORDED.iter().any(|(name, _)| *name == case.name) {
        return Ok(());
    }
    compare_requests(case, expected, &listener)
}

fn wire(case: &Case, all: &[Case]) -> Vec<Value> {
    let same = UNRECORDED
        .iter()
        .find_map(|(name, unrecorded)| match unrecorded {
            Unrecorded::As(other) if *name == case.name => {
                all.iter().find(|case| case.name == *other)
            }
            _ => None,
        });
    same.unwrap_or(case).recorded["wire"]
        .as_array()
        .unwrap()
        .clone()
}

fn recorded_answer(exchange: &Value) -> Vec<u8> {
    let mut answer = format!("{}\r\n", exchange["status_line"].as_str().unwrap());
    for header in exchange["response_headers"].as_array().unwrap() {
        answer += &format!(
            "{}: {}\r\n",
            header[0].as_str().unwrap(),
            header[1].as_str().unwrap()
        );
    }
    answer += "\r\n";
    answer += exchange["response_body"].as_str().unwrap();
    answer.into_bytes()
}

fn run(case: &Case, port: u16) -> (String, i32) {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = crate::support::onegate(nowhere.path());
    let argv = case.recorded["argv"].as_array().unwrap();
    command.args(argv[1..].iter().map(|word| word.as_str().unwrap()));
    for (name, value) in case.recorded["env"].as_object().unwrap() {
        // The server was on several ports, one for each way it was set up; on port 9 there was none.
        let mut value = value.as_str().unwrap().to_owned();
        for server in ["15031", "5032", "5034", "5040"] {
            value = value.replace(&format!("127.0.0.1:{server}"), &format!("127.0.0.1:{port}"));
        }
        if value.ends_with("127.0.0.1:9") {
            value = value.replace("127.0.0.1:9", &format!("127.0.0.1:{}", closed_port()));
        }
        command.env(name, value);
    }
    if case.recorded["stdout_is_tty"].as_bool().unwrap() {
        return crate::support::terminal::run(command);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    (
        crate::support::stdout(&output),
        output.status.code().unwrap(),
    )
}

fn compare_output(case: &Case, stdout: &str, exit: i32) -> Result<(), String> {
    let mut expected = case.text("stdout").to_owned();
    let mut expected_exit = i32::try_from(case.recorded["exit_code"].as_i64().unwrap()).unwrap();
    let mut beginning = false;
    for difference in case.differences() {
        match difference {
            MoreLines(lines) => {
                if expected.is_empty() {
                    "VM 6\nNAME                : standalone vm       \n".clone_into(&mut expected);
                }
                let end = if expected.contains('\r') {
                    "\r\n"
                } else {
                    "\n"
                };
                expected.extend(
                    lines
                        .iter()
                        .map(|(name, value)| format!("{name:<20}: {value:<20}{end}")),
                );
            }
            Stdout(text) => {
                (*text).clone_into(&mut expected);
                beginning = true;
            }
            Exit(code) => expected_exit = *code,
            NotSent | Json | Asks(_) => {}
        }
    }
    if exit != expected_exit {
        return Err(format!(
            "{}: exit code {exit}, not {expected_exit}",
            case.name
        ));
    }
    let same = if beginning {
        stdout.starts_with(&expected)
    } else {
        stdout == expected
    };
    if same {
        Ok(())
    } else {
        Err(format!(
            "{}: stdout\n{stdout:?}\nis not\n{expected:?}",
            case.name
        ))
    }
}

fn compare_requests(case: &Case, expected: &[Value], listener: &Listener) -> Result<(), String> {
    let mut received = listener.received();
    for difference in case.differences() {
        if let Asks(line) = difference
            && received.pop().is_none_or(|last| last.line != *line)
        {
            return Err(format!("{}: '{line}' is not asked last", case.name));
        }
    }
    if received.len() != expected.len() {
        return Err(format!(
            "{}: {} requests, not {}: {received:?}",
            case.name,
            received.len(),
            expected.len()
        ));
    }
    for (sent, recorded) in received.iter().zip(expected) {
        let recorded = as_received(recorded, case, listener.port);
        if sent.line != recorded.line || sent.body != recorded.body {
            return Err(format!("{}: sent\n{sent:?}\nnot\n{recorded:?}", case.name));
        }
        for name in COMPARED {
            if sent.header(name) != recorded.header(name) {
                let (sent, recorded) = (sent.header(name), recorded.header(name));
                return Err(format!(
                    "{}: {name} is {sent:?}, not {recorded:?}",
                    case.name
                ));
            }
        }
    }
    Ok(())
}

fn as_received(recorded: &Value, case: &Case, port: u16) -> Received {
    let as_json = case
        .differences()
        .any(|difference| matches!(difference, Json));
    let headers = recorded["request_headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|header| {
            let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
            let value = match name {
                "Host" => format!("127.0.0.1:{port}"),
                "Content-Type" if as_json => "application/json".to_owned(),
                _ => value.to_owned(),
            };
            (name.to_owned(), value)
        });
    Received {
        line: recorded["request_line"].as_str().unwrap().to_owned(),
        headers: headers.collect(),
        body: recorded["request_body"].as_str().unwrap().to_owned(),
    }
}
