//! What a server answers, in each form in which a command prints it.

use crate::bench::{answered, answered_somehow, ok};
use crate::cost::{Case, Work, bounded, case};

/// Values, members, elements; an answer may have a million.
const MANY: usize = 20_000;
/// VMs of a service, leases of a network.
const VMS: usize = 4_000;
/// As long as a text may be, for what takes some instructions a byte; an answer's limit is forty times as much.
const TEXT: usize = 400_000;

/// Instructions that reading and printing any answer may cost: SECURITY.md says so.
const LARGEST: i64 = 4_000_000_000;

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("vm show: attributes",                  MANY, |n| shown(&[], vm(&attributes(n)))),
    case("vm show: attributes, backwards",       MANY, |n| shown(&[], vm(&members((0..n).rev().map(|n| format!("\"N{n}\":\"1\"")))))),
    case("vm show: one name",                    MANY, |n| shown(&[], vm(&members((0..n).map(|_| "\"N\":\"1\"".to_owned()))))),
    case("vm show: a list",                      MANY, |n| shown(&[], vm(&format!("\"N\":[{}1]", "1,".repeat(n))))),
    case("vm show: vectors",                     MANY, |n| shown(&[], vm(&members((0..n / 4).map(|n| format!("\"N{n}\":{{\"A\":\"1\"}}")))))),
    case("vm show: a long value",                TEXT, |n| shown(&[], vm(&format!("\"N\":\"{}\"", "é\\n\\u0041\u{202e}".repeat(n / 13))))),
    case("vm show: NICs",                        VMS,  |n| shown(&[], of_vm("TEMPLATE", &format!("{{\"NIC\":[{}]}}", list(n, |n| format!("{{\"NIC_ID\":\"{n}\",\"IP\":\"10.0.0.1\",\"MAC\":\"02:00\"}}")))))),
    case("vm show: aliases",                     VMS,  |n| shown(&[], of_vm("TEMPLATE", &format!("{{\"NIC\":{{\"NIC_ID\":\"0\"}},\"NIC_ALIAS\":[{}]}}", list(n, |n| format!("{{\"NIC_ID\":\"{n}\",\"IP\":\"10.0.0.1\",\"PARENT\":\"NIC0\"}}")))))),
    case("vm show: blanks",                      TEXT, |n| shown(&[], vm(&format!("{}\"N\":1", " \n".repeat(n / 2))))),
    case("vm show --json: attributes",           MANY, |n| shown(&["--json"], vm(&attributes(n)))),
    case("vm show --json: empty lists",          MANY, |n| shown(&["--json"], vm(&format!("\"N\":[{}[]]", "[],{},".repeat(n / 2))))),
    case("vm show --json: a long value",         TEXT, |n| shown(&["--json"], vm(&format!("\"N\":\"{}\"", "\\\\\u{202e}\u{e0041}".repeat(n / 9))))),
    case("vm show --json: nested",               2_000, |n| shown(&["--json"], vm(&format!("\"N\":[{}]", list(n, |_| "[".repeat(60) + &"]".repeat(60)))))),
    case("vm show --get: the last name",         MANY, |n| shown(&["--get", "USER_TEMPLATE.LAST"], vm(&(attributes(n) + ",\"LAST\":\"1\"")))),
    case("vm show --get: an index",              MANY, |n| shown(&["--get", "USER_TEMPLATE.N[-1]"], vm(&format!("\"N\":[{}1]", "1,".repeat(n))))),
    case("vm show --get: all",                   MANY, |n| shown(&["--get", "USER_TEMPLATE.*"], vm(&attributes(n)))),
    case("vm show --get: escaped names",         MANY, |n| shown(&["--get", "USER_TEMPLATE.LAST"], vm(&(attributes(n).replace("\"N", "\"\\u004e") + ",\"LAST\":\"1\"")))),
    case("vm show --get: ..name, flat",          MANY, |n| shown(&["--get", "$..LAST"], vm(&(attributes(n) + ",\"LAST\":\"1\"")))),
    case("vm show --get: ..*, flat",             MANY, |n| shown(&["--get", "$..*"], vm(&attributes(n)))),
    case("vm show --get: ..name, nested",        1_000, |n| shown(&["--get", "$..LAST"], vm(&format!("\"N\":[{}{{\"LAST\":1}}]", ("[".repeat(100) + &"]".repeat(100) + ",").repeat(n))))),
    case("vm show --get: ..name..name",          MANY, |n| shown(&["--get", "$..A..A"], vm(&format!("\"N\":[{}1]", "{\"A\":{\"A\":1}},".repeat(n / 4))))),
    case("vm show --get: a filter",              MANY, |n| shown(&["--get", "USER_TEMPLATE.N[?@.A == 'x'].A"], vm(&format!("\"N\":[{}{{\"A\":\"x\"}}]", "{\"A\":\"y\"},".repeat(n / 4))))),
    case("vm show --get: a filter for a number", TEXT, |n| shown(&["--get", "USER_TEMPLATE.N[?@.A == 1].A"], vm(&format!("\"N\":[{{\"A\":1}},{{\"A\":1{}}}]", "0".repeat(n))))),
    case("vm show --get --decode",               TEXT, |n| shown(&["--get", "N", "--decode"], vm(&format!("\"N\":\"{}\"", "QUFB\\n".repeat(n / 6))))),
    case("vm show --get --json",                 MANY, |n| shown(&["--get", "USER_TEMPLATE", "--json"], vm(&attributes(n)))),
    case("service show: nodes",                  VMS,  |n| answered(&["service", "show"], 0, vec![ok(&service(1, n))])),
    case("service show: roles",                  VMS,  |n| answered(&["service", "show"], 0, vec![ok(&service(n, 1))])),
    case("service show --json",                  VMS,  |n| answered(&["service", "show", "--json"], 0, vec![ok(&service(1, n))])),
    case("service show --get: a filter",         VMS,  |n| answered(&["service", "show", "--get", "roles[?@.name=='role0'].nodes[*].deploy_id"], 0, vec![ok(&service(1, n))])),
    case("service peers: nodes",                 VMS,  |n| peers(&[], 1, n)),
    case("service peers: roles",                 VMS,  |n| peers(&["--role", "role0"], n, 1)),
    case("service peers --json",                 VMS,  |n| peers(&["--json"], 1, n)),
    case("service peers --where",                VMS,  |n| peers(&["--where", "STATE=RUNNING", "--where", "A=1"], 1, n)),
    case("service peers --format",               VMS,  |n| peers(&["--format", "{ID} {IP} {A} {TEMPLATE.NIC.MAC}"], 1, n)),
    case("service peers --get",                  VMS,  |n| peers(&["--get", "$..IP"], 1, n)),
    case("service peers --leader",               VMS,  |n| peers(&["--leader"], 1, n)),
    case("service wait: nodes",                  VMS,  |n| answered(&["service", "wait", "--role", "role0", "STATE=RUNNING"], 0, vec![ok(&service(1, n))])),
    case("service wait: nodes, in vain",         VMS,  |n| answered(&["service", "wait", "--role", "role0", "B=1", "--timeout", "0"], 124, vec![ok(&service(1, n))])),
    case("vm wait: attributes",                  MANY, |n| answered(&["vm", "wait", "LAST=1"], 0, vec![ok(&vm(&(attributes(n) + ",\"LAST\":\"1\"")))])),
    case("vrouter show",                         VMS,  |n| answered(&["vrouter", "show"], 0, vec![ok(&vrouter(n, 1))])),
    case("vnet show",                            VMS,  |n| answered(&["vnet", "show", "0"], 0, vec![ok(&vnet(n))])),
    case("vrouter peers: leases",                VMS,  |n| answered(&["vrouter", "peers"], 0, vec![ok(&vrouter(1, 1)), ok(&vnet(n))])),
    case("vrouter peers: NICs in one network",   VMS,  |n| answered(&["vrouter", "peers"], 0, vec![ok(&vrouter(n, 1)), ok(&vnet(1))])),
    case("vrouter peers: NICs in many networks", VMS,  |n| answered(&["vrouter", "peers"], if n > 256 { 255 } else { 0 }, vec![ok(&vrouter(n, n)), ok(&vnet(1))])),
    case("doctor: attributes",                   MANY, |n| answered(&["doctor"], 0, vec![ok(&vm(&attributes(n)))])),

    bounded("the largest answer: vm show",         480_000, LARGEST, |n| shown(&[], vm(&attributes(n)))),
    bounded("the largest answer: vm show, one value", 16_000_000, LARGEST, |n| shown(&[], vm(&format!("\"N\":\"{}\"", "\\n".repeat(n / 2))))),
    bounded("the largest answer: vm show --json",  480_000, LARGEST, |n| shown(&["--json"], vm(&attributes(n)))),
    bounded("the largest answer: --json, nested",  3_700, LARGEST, |n| shown(&["--json"], vm(&format!("\"N\":[{}]", list(n, |_| "[".repeat(62) + &"]".repeat(62)))))),
    bounded("the largest answer: --get ..*",       480_000, LARGEST, |n| shown(&["--get", "$..*"], vm(&attributes(n)))),
    bounded("the largest answer: --get, used up",  480_000, LARGEST, |_| shown_or_too_much(&["--get", "$..LAST..LAST"], of_vm("A", &format!("{}{{{}}}{}", "{\"LAST\":".repeat(60), attributes(120_000), "}".repeat(60))))),
    bounded("the largest answer: service peers",   36_000, LARGEST, |n| peers(&[], 1, n)),
    bounded("the largest answer: service peers --json", 36_000, LARGEST, |n| peers(&["--json"], 1, n)),
    bounded("the largest answer: service peers --where --format", 36_000, LARGEST, |n| peers(&["--where", "A=1", "--format", "{IP} {A}"], 1, n)),

    case("an answer in chunks of a byte",        TEXT / 10, |n| shown_raw(chunked(&vm(&format!("\"N\":\"{}\"", "x".repeat(n))), 1))),
    case("an answer in chunks",                  TEXT, |n| shown_raw(chunked(&vm(&format!("\"N\":\"{}\"", "x".repeat(n))), 100))),
    case("a head of many fields", 100,  |n| shown_raw(String::from_utf8(ok(&vm("\"A\":1"))).unwrap().replacen("\r\n", &format!("\r\n{}", (0..n).map(|n| format!("X{n}: {}\r\n", "x".repeat(30))).collect::<String>()), 1).into_bytes())),
    case("a head with a long field",             7_000, |n| shown_raw(String::from_utf8(ok(&vm("\"A\":1"))).unwrap().replacen("\r\n", &format!("\r\nX: {}\r\n", "x".repeat(n)), 1).into_bytes())),
    case("an answer that is not JSON",           TEXT, |n| answered(&["vm", "show"], 255, vec![ok(&format!("{}x", "\n".repeat(n)))])),
    case("an answer nested too deeply",          TEXT, |n| answered(&["vm", "show"], 255, vec![ok(&"[".repeat(n))])),
    case("a refusal in many words",              TEXT, |n| answered(&["vm", "show"], 255, vec![crate::support::answer("400 Bad Request", &"é\u{202e}\r\n\u{1b}".repeat(n / 8))])),
    case("a page instead of an answer",          TEXT, |n| answered(&["vm", "update", "A=1"], 255, vec![ok(&"<p>".repeat(n / 3))])),
];

fn members(members: impl Iterator<Item = String>) -> String {
    members.collect::<Vec<_>>().join(",")
}

fn list(count: usize, one: impl Fn(usize) -> String) -> String {
    members((0..count).map(one))
}

fn attributes(count: usize) -> String {
    list(count, |n| format!("\"N{n}\":\"1\""))
}

/// A VM with this in its USER_TEMPLATE.
fn vm(inside: &str) -> String {
    of_vm("USER_TEMPLATE", &format!("{{{inside}}}"))
}

fn of_vm(name: &str, value: &str) -> String {
    format!(
        "{{\"VM\":{{\"ID\":\"8\",\"NAME\":\"x\",\"STATE\":\"3\",\"LCM_STATE\":\"3\",\"{name}\":{value}}}}}"
    )
}

fn shown(options: &[&str], document: String) -> Work {
    answered(&[&["vm", "show"], options].concat(), 0, vec![ok(&document)])
}

/// Where the path may lead through more than it is allowed to.
fn shown_or_too_much(options: &[&str], document: String) -> Work {
    let args = [&["vm", "show"], options].concat();
    answered_somehow(&args, vec![ok(&document)])
}

fn shown_raw(answer: Vec<u8>) -> Work {
    answered(&["vm", "show"], 0, vec![answer])
}

fn chunked(document: &str, size: usize) -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for chunk in document.as_bytes().chunks(size) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

fn service(roles: usize, nodes: usize) -> String {
    let node = |n| {
        let vm = of_vm(
            "TEMPLATE",
            "{\"NIC\":{\"IP\":\"10.0.0.1\",\"MAC\":\"02:00\"}},\"USER_TEMPLATE\":{\"A\":\"1\"}",
        );
        format!("{{\"deploy_id\":{n},\"vm_info\":{vm}}}")
    };
    let role = |n| {
        format!(
            "{{\"name\":\"role{n}\",\"cardinality\":{nodes},\"state\":\"2\",\"nodes\":[{}]}}",
            list(nodes, node)
        )
    };
    format!(
        "{{\"SERVICE\":{{\"name\":\"s\",\"id\":\"1\",\"state\":2,\"roles\":[{}]}}}}",
        list(roles, role)
    )
}

fn peers(options: &[&str], roles: usize, nodes: usize) -> Work {
    answered(
        &[&["service", "peers"], options].concat(),
        0,
        vec![ok(&service(roles, nodes))],
    )
}

/// A router with so many NICs in so many networks.
fn vrouter(nics: usize, networks: usize) -> String {
    format!(
        "{{\"VROUTER\":{{\"NAME\":\"vr\",\"ID\":\"0\",\"VMS\":{{\"ID\":[\"1\"]}},\"TEMPLATE\":{{\"NIC\":[{}]}}}}}}",
        list(nics, |n| format!("{{\"NETWORK_ID\":\"{}\"}}", n % networks))
    )
}

fn vnet(leases: usize) -> String {
    let lease = |n| {
        format!(
            "{{\"IP\":\"10.0.0.1\",\"MAC\":\"02:00\",\"VM\":\"{n}\",\"NIC_NAME\":\"NIC0\",\"ONEGATE_X\":\"1\"}}"
        )
    };
    format!(
        "{{\"VNET\":{{\"ID\":\"0\",\"NAME\":\"n\",\"AR_POOL\":{{\"AR\":[{{\"AR_ID\":\"0\",\"LEASES\":{{\"LEASE\":[{}]}}}}]}}}}}}",
        list(leases, lease)
    )
}
