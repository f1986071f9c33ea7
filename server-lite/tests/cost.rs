//! What grows no faster than the input: each parser and each route, in every form of input, at n, 2n and 4n up to its
//! limit. Instructions are counted (by cachegrind), not time: each run is this program again with one case and one
//! size. Alone in its file, because it is the process that is measured.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;
use std::sync::Arc;

use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::embedded::Embedded;
use onegate_server_lite::cloud::opennebula::{document, xmlrpc};
use onegate_server_lite::commands::token;
use onegate_server_lite::flow::Timings;
use onegate_server_lite::gate::routes::Gate;
use onegate_server_lite::gate::rules::Rules;
use onegate_server_lite::http::Request;
use onegate_server_lite::http::parse::{Parser, Progress};
use serde_json::{Value, json};

mod support;

/// One thing that is done with an input of a size.
struct Case {
    name: &'static str,
    /// The size at its limit.
    most: usize,
    run: fn(usize),
}

const fn case(name: &'static str, most: usize, run: fn(usize)) -> Case {
    Case { name, most, run }
}

/// As many as a USER_TEMPLATE may have, less what the scenario's VM has.
const ATTRIBUTES: usize = 8000;
/// As long as a body may be, for what takes a few instructions a byte.
const BYTES: usize = 2_000_000;
/// Less, for what takes many: a tenth of a second in a test's build, and seconds under cachegrind.
const TEXT: usize = 400_000;

const FORM: &str = "application/x-www-form-urlencoded";
const XML: &str = "<T>";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("head: fields, in pieces of one byte",  60, |n| head(n, 200, 1)),
    case("head: a long field, in pieces",        12_000, |n| head(1, n, 1)),
    case("body: as long as it says",             BYTES, |n| body(&format!("Content-Length: {n}\r\n\r\n{}", "x".repeat(n)), 4096)),
    case("body: chunks, in pieces of one byte",  TEXT / 4, |n| body(&format!("{CHUNKED}{}0\r\n\r\n", "20\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".repeat(n / 32)), 1)),
    case("body: chunks of a byte",               3_000, |n| body(&format!("{CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(n)), 4096)),
    case("body: trailers",                       60, |n| body(&format!("{CHUNKED}0\r\n{}\r\n", format!("A: {}\r\n", "x".repeat(200)).repeat(n)), 1)),
    case("PUT text: lines, names in order",      ATTRIBUTES, |n| put(200, "", lines(0..n))),
    case("PUT text: lines, names backwards",     ATTRIBUTES, |n| put(200, "", lines((0..n).rev()))),
    case("PUT text: one name",                   ATTRIBUTES, |n| put(200, "", "A=1\n".repeat(n))),
    case("PUT text: literal line ends",          ATTRIBUTES, |n| put(200, "", lines(0..n).replace('\n', "\\n"))),
    case("PUT text: one vector",                 ATTRIBUTES, |n| put(200, "", format!("V=[{}]", lines(0..n).trim().replace('\n', ",")))),
    case("PUT text: many vectors",               ATTRIBUTES / 2, |n| put(200, "", (0..n).map(|n| format!("V{n}=[A=1]\n")).collect())),
    case("PUT text: comments",                   TEXT, |n| put(200, "", "# x\n".repeat(n / 4))),
    case("PUT text: a quoted value",             TEXT, |n| put(200, "", format!("A=\"{}\"", "\\\"".repeat(n / 4)))),
    case("PUT text: quotes that do not close",   TEXT, |n| put(200, "", format!("A=\"{}", "x".repeat(n)))),
    case("PUT text: brackets",                   TEXT, |n| put(200, "", format!("A={}", "[[,".repeat(n / 3)))),
    case("PUT text: backslashes",                TEXT, |n| put(200, "", format!("A={}x", "\\n \\".repeat(n / 4)))),
    case("PUT text: blanks",                     TEXT, |n| put(200, "", format!("A={}x", " \\n".repeat(n / 3)))),
    case("PUT text: an error at the end",        TEXT, |n| put(400, "", format!("A={}\n-", "x".repeat(n)))),
    case("PUT XML: attributes",                  ATTRIBUTES, |n| put(200, "", elements(n, ""))),
    case("PUT XML: one vector",                  ATTRIBUTES, |n| put(200, "", elements(n, "<V>").replace("</T>", "</V></T>"))),
    case("PUT XML: a vector with blanks",        ATTRIBUTES / 2, |n| put(200, "", elements(n, "<V>").replace("</T>", "</V></T>").replace("<N", &format!("{}<N", " ".repeat(50))))),
    case("PUT XML: references",                  TEXT, |n| put(200, "", format!("<T><A>{}</A></T>", "&#65;".repeat(n / 5)))),
    case("PUT XML: comments and CDATA",          TEXT, |n| put(200, "", format!("<T><A>{}</A></T>", "<!--x--><![CDATA[x]]>".repeat(n / 21)))),
    case("PUT XML: nested too deeply",           TEXT, |n| put(400, "", format!("<T>{}", "<A>".repeat(n / 3)))),
    case("PUT form: lines",                      ATTRIBUTES, |n| put(200, FORM, format!("data={}", lines(0..n).replace('=', "%3D").replace('\n', "%0A")))),
    case("PUT form: parameters",                 TEXT, |n| put(200, FORM, format!("data=A%3D1{}", "&a=b".repeat(n / 4)))),
    case("PUT form: data again and again",       TEXT, |n| put(400, FORM, "data=A&".repeat(n / 7))),
    case("PUT form: no data",                    TEXT, |n| put(200, FORM, format!("A=1{}", "&b=1".repeat(n / 4)))),
    case("PUT multipart: lines",                 ATTRIBUTES, |n| put(200, "multipart/form-data; boundary=b", format!("--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{}\r\n--b--\r\n", lines(0..n)))),
    case("PUT multipart: parts",                 TEXT, |n| put(200, "multipart/form-data; boundary=b", format!("{}--b\r\nContent-Disposition: form-data; name=data\r\n\r\nA=1\r\n--b--\r\n", "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n".repeat(n / 60)))),
    case("PUT JSON: lines",                      ATTRIBUTES, |n| put(200, "application/json", json!({"data": lines(0..n)}).to_string())),
    case("PUT JSON: keys",                       60_000, |n| put(400, "application/json", format!("{{{}}}", (0..n).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",")))),
    case("PUT: one into many",                   ATTRIBUTES, |n| with_attributes(n, "PUT", b"ZZ=1")),
    case("PUT: erase one of many",               ATTRIBUTES, |n| with_attributes(n, "PUT", b"type=2&data=N1")),
    case("GET /vm: attributes",                  ATTRIBUTES, |n| with_attributes(n, "GET", b"")),
    case("GET /service: nodes",                  2_000, |n| with_nodes(n, "/service", "")),
    case("GET /service: nodes, extended",        2_000, |n| with_nodes(n, "/service", "extended=1")),
    case("GET /vms/ID: nodes",                   2_000, |n| with_nodes(n, "/vms/9", "")),
    case("GET /vnet/ID: leases",                 2_000, |n| with_leases(n, "")),
    case("GET /vnet/ID: leases, extended",       2_000, |n| with_leases(n, "extended=true")),
    case("POST action: parameters",              60_000, |n| ask(&cloud(|_| ()), 8, "POST /vms/8/action", json!({"action": {"perform": "x", "params": vec![0; n]}}).to_string().as_bytes(), 500)),
    case("PUT role: JSON",                       60_000, |n| ask(&cloud(|_| ()), 8, "PUT /service/role/slave", json!({"cardinality": vec![0; n]}).to_string().as_bytes(), 400)),
    case("oned: a record",                       ATTRIBUTES, |n| drop(document::parse(&elements(n, "").replace("T>", "VM>"), "VM").unwrap())),
    case("oned: a record with one name",         ATTRIBUTES, |n| drop(document::parse(&format!("<VM>{}</VM>", "<A>1</A>".repeat(n)), "VM").unwrap())),
    case("oned: an answer",                      TEXT, |n| drop(xmlrpc::answer(&format!("<methodResponse><params><param><value><array><data><value><boolean>1</boolean></value><value><string>{}</string></value></data></array></value></param></params></methodResponse>", "&lt;x".repeat(n / 5))))),
];

/// What must not be: every pair of an input looked at.
const QUADRATIC: Case = case("quadratic", 4_000, |n| {
    let input = vec![1u8; n];
    let pairs = input.iter().flat_map(|a| input.iter().map(move |b| a & b));
    assert_eq!(pairs.map(usize::from).sum::<usize>(), n * n);
});

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

fn lines(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|n| format!("N{n}=1\n")).collect()
}

fn elements(count: usize, vector: &str) -> String {
    let items: String = (0..count).map(|n| format!("<N{n}>1</N{n}>")).collect();
    format!("{XML}{vector}{items}</T>")
}

/// Feeds the parser as a connection does.
fn feed(bytes: &[u8], piece: usize) {
    let (mut parser, mut held, mut start, mut whole) = (Parser::default(), Vec::new(), 0, false);
    for piece in bytes.chunks(piece) {
        held.extend_from_slice(piece);
        loop {
            let (used, progress) = parser.advance(&held[start..]).unwrap();
            start += used;
            whole |= matches!(progress, Progress::Whole(_));
            if used == 0 || start == held.len() {
                break;
            }
        }
    }
    assert!(whole);
}

fn head(fields: usize, length: usize, piece: usize) {
    let field = format!("A: {}\r\n", "x".repeat(length));
    let head = format!(
        "GET / HTTP/1.1\r\nHost: gate\r\n{}\r\n",
        field.repeat(fields)
    );
    feed(head.as_bytes(), piece);
}

fn body(rest: &str, piece: usize) {
    feed(
        format!("PUT /vm HTTP/1.1\r\nHost: gate\r\n{rest}").as_bytes(),
        piece,
    );
}

/// The built-in cloud, changed.
fn cloud(change: impl FnOnce(&mut Value)) -> Arc<Embedded> {
    let mut scenario: Value =
        serde_json::from_str(include_str!("../scenarios/panacea.json")).unwrap();
    change(&mut scenario);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), scenario.to_string()).unwrap();
    Arc::new(
        Embedded::open(Some(file.path()), None, Timings::default())
            .unwrap()
            .0,
    )
}

/// `line` is `GET /vm`.
fn ask(cloud: &Arc<Embedded>, vm: u32, line: &str, body: &[u8], status: u16) {
    let (method, target) = line.split_once(' ').unwrap_or((line, "/"));
    let content_type = if body.starts_with(b"type=") { FORM } else { "" };
    ask_with(cloud, (vm, status), method, target, (content_type, body));
}

fn ask_with(
    cloud: &Arc<Embedded>,
    (vm, status): (u32, u16),
    method: &str,
    target: &str,
    (content_type, body): (&str, &[u8]),
) {
    let token = token::token(cloud.as_ref(), vm).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: vec![
            header("x-onegate-vmid", &vm.to_string()),
            header("x-onegate-token", &token),
            header("content-type", content_type),
        ],
        body: body.to_vec(),
    };
    let gate = Gate::new(Arc::clone(cloud) as Arc<dyn Cloud>, Rules::default());
    let response = gate.answer(&request).response;
    let text = String::from_utf8_lossy(&response.body[..response.body.len().min(300)]);
    assert_eq!(response.status, status, "{text}");
}

fn put(status: u16, content_type: &str, body: String) {
    ask_with(
        &cloud(|_| ()),
        (8, status),
        "PUT",
        "/vm",
        (content_type, body.as_bytes()),
    );
}

fn with_attributes(count: usize, method: &str, body: &[u8]) {
    let cloud = cloud(|scenario| {
        for n in 0..count {
            scenario["vms"][1]["USER_TEMPLATE"][format!("N{n}")] = json!("1");
        }
    });
    ask(&cloud, 8, &format!("{method} /vm"), body, 200);
}

/// A service with so many nodes.
fn with_nodes(count: usize, path: &str, query: &str) {
    let cloud = cloud(|scenario| {
        for n in 0..count {
            let id = (100 + n).to_string();
            let mut vm = scenario["vms"][2].clone();
            vm["ID"] = json!(id);
            scenario["vms"].as_array_mut().unwrap().push(vm);
            let node = json!({"deploy_id": 100 + n, "vm_info": {"VM": {"ID": id, "NAME": "x"}}});
            let role = &mut scenario["services"][0]["TEMPLATE"]["BODY"]["roles"][1];
            role["nodes"].as_array_mut().unwrap().push(node);
        }
    });
    ask(&cloud, 8, &format!("GET {path}?{query}"), b"", 200);
}

/// A network with so many leases.
fn with_leases(count: usize, query: &str) {
    let cloud = cloud(|scenario| {
        let lease = json!({"IP": "192.168.122.100", "MAC": "02:00:c0:a8:7a:64", "VM": "1"});
        scenario["vnets"][0]["AR_POOL"]["AR"]["LEASES"]["LEASE"] = json!(vec![lease; count]);
    });
    ask(&cloud, 1, &format!("GET /vnet/0?{query}"), b"", 200);
}

const CASE: &str = "COST_CASE";
const SIZE: &str = "COST_SIZE";

/// What [`instructions`] starts; nothing by itself.
#[test]
fn one_run() {
    let (Ok(name), Ok(size)) = (std::env::var(CASE), std::env::var(SIZE)) else {
        return;
    };
    let mut cases = CASES.iter().chain([&QUADRATIC]);
    let case = cases.find(|case| case.name == name).unwrap();
    (case.run)(size.parse().unwrap());
}

/// The instructions of one run.
fn instructions(case: &Case, size: usize) -> i64 {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "one_run", "--test-threads=1"])
        .env(CASE, case.name)
        .env(SIZE, size.to_string())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}, {size}: {}{log}",
        case.name,
        String::from_utf8_lossy(&output.stdout)
    );
    let count = log
        .lines()
        .find_map(|line| line.split_once("I refs:").or(line.split_once("I   refs:")));
    let digits: String = count
        .unwrap()
        .1
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// What the second doubling costs beside the first: 2 where the cost is linear, 4 where it is quadratic.
fn growth(case: &Case) -> f64 {
    let [one, two, four] = [4, 2, 1].map(|part| instructions(case, case.most / part));
    println!("{:<40} {one:>13} {two:>13} {four:>13}", case.name);
    (four - two) as f64 / (two - one).max(1) as f64
}

/// Whether there is the tool to count with.
fn valgrind() -> bool {
    let there = Command::new("valgrind").arg("--version").output().is_ok();
    if !there {
        support::skipped("valgrind");
    }
    there
}

#[test]
#[ignore = "it needs valgrind and minutes: make cost"]
fn no_cost_grows_faster_than_its_input() {
    if !valgrind() {
        return;
    }
    let only = std::env::var("COST_ONLY").unwrap_or_default();
    let grown: Vec<String> = CASES
        .iter()
        .filter(|case| case.name.contains(&only))
        .map(|case| (case.name, growth(case)))
        // n log n is 2.2 at these sizes; what is made of a map's or a list's growing is no more.
        .filter(|(_, growth)| *growth > 2.6)
        .map(|(name, growth)| format!("{name}: {growth:.2}"))
        .collect();
    assert!(grown.is_empty(), "{grown:#?}");
}

/// The measure itself: what is quadratic is seen.
#[test]
#[ignore = "it needs valgrind and minutes: make cost"]
fn what_grows_faster_is_seen() {
    if valgrind() {
        assert!(growth(&QUADRATIC) > 3.0);
    }
}
