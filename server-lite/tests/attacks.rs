//! What hostile guests try, against the real binary over the recorded cloud: each attack is refused in the right
//! words, changes nothing, and neither an answer nor the log tells a token, a password or a file's path.

#![allow(clippy::unwrap_used)]

mod real;

use onegate_server_lite::token::{self, Secret};
use real::{Answer, Running, credentials, fixture};
use serde_json::Value;
use std::cell::RefCell;
use std::path::Path;

/// A VM of alice's that is in no service and no virtual router.
const ALONE: &str = "6";
/// Bob's VM.
const BOBS: &str = "1";
/// A VM that says SERVICE_ID=2 of itself, and is none of that service.
const SPOOFER: &str = "19";
/// The master and a slave of service 2.
const MASTER: &str = "33";
const SLAVE: &str = "32";
/// A VM of virtual router 0, whose other one is VM 8.
const ROUTER_VM: &str = "7";

/// A server under attack, everything that it answered, and what it must never tell.
struct Siege {
    server: Running,
    cloud: Value,
    answers: RefCell<Vec<String>>,
    secrets: Vec<String>,
    dir: tempfile::TempDir,
}

impl Siege {
    /// The recorded cloud, changed before it is loaded.
    fn of(change: impl FnOnce(&mut Value)) -> Self {
        let recorded = std::fs::read_to_string(fixture("snapshot/cloud.json")).unwrap();
        let mut cloud: Value = serde_json::from_str(&recorded).unwrap();
        // The tokens of VMs that are taken away are secrets too.
        let mut secrets = secrets_of(&cloud);
        change(&mut cloud);
        secrets.extend(secrets_of(&cloud));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cloud.json");
        std::fs::write(&file, cloud.to_string()).unwrap();
        let state = dir.path().join("state");
        let text = |path: &Path| path.display().to_string();
        let server = Running::start(&["--cloud", &text(&file), "--state", &text(&state)]);
        Self {
            server,
            cloud,
            answers: RefCell::default(),
            secrets,
            dir,
        }
    }

    fn new() -> Self {
        Self::of(|_| {})
    }

    fn token(&self, vm: &str) -> String {
        token_of(&self.cloud, vm).unwrap()
    }

    /// Sends a request as this VM.
    fn send(&self, vm: &str, line: &str, body: &[u8]) -> Answer {
        self.send_as(line, &credentials(vm, &self.token(vm)), body)
    }

    fn send_as(&self, line: &str, headers: &[String], body: &[u8]) -> Answer {
        self.kept(self.server.send(line, headers, body))
    }

    fn raw(&self, bytes: &[u8]) -> Answer {
        self.kept(self.server.raw(bytes))
    }

    fn kept(&self, answer: Answer) -> Answer {
        let moves_a_terminal = |c: char| c.is_control() && c != '\n';
        assert!(!answer.body.contains(moves_a_terminal), "{answer:?}");
        self.answers
            .borrow_mut()
            .push(format!("{}\n\n{}", answer.head, answer.body));
        answer
    }

    /// A VM's own record as it sees it: what no attack may change.
    fn record(&self, vm: &str) -> String {
        let answer = self.send(vm, "GET /vm", b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

impl Siege {
    /// At the end: the server still answers and ends well, and no secret was told.
    fn lift(self) {
        self.record(ALONE);
        let answers = self.answers.into_inner().join("\n");
        let (status, log) = self.server.stop();
        assert!(status.success(), "{status}: {log}");
        for secret in &self.secrets {
            assert!(
                !answers.contains(secret.as_str()),
                "an answer tells {secret}"
            );
            assert!(!log.contains(secret.as_str()), "the log tells {secret}");
        }
        // At the start the operator's own files are named to the operator; after it no file is, to anyone.
        let requests: String = log
            .lines()
            .filter(|line| !line.contains(" warning: "))
            .collect();
        let directory = self.dir.path().display().to_string();
        for path in [
            directory.as_str(),
            "state.redb",
            "cloud.json",
            ".rs:",
            "panicked",
            "/src/",
        ] {
            assert!(!answers.contains(path), "an answer tells {path}");
            assert!(!requests.contains(path), "the log tells {path}");
        }
        assert!(
            !log.chars().any(|c| c.is_control() && c != '\n'),
            "the log has raw control characters"
        );
        assert!(log.lines().count() > 1);
    }
}

fn objects<'a>(cloud: &'a Value, kind: &str) -> &'a [Value] {
    cloud[kind].as_array().unwrap()
}

fn token_of(cloud: &Value, vm: &str) -> Option<String> {
    let vm = objects(cloud, "vms").iter().find(|one| one["ID"] == vm)?;
    let user = objects(cloud, "users")
        .iter()
        .find(|user| user["ID"] == vm["TEMPLATE"]["CREATED_BY"])?;
    token::seal(Secret {
        vm: vm["ID"].as_str()?.parse().ok()?,
        stime: vm["STIME"].as_str()?,
        password: user["TEMPLATE"]["TOKEN_PASSWORD"].as_str()?,
    })
}

fn secrets_of(cloud: &Value) -> Vec<String> {
    let tokens = objects(cloud, "vms")
        .iter()
        .filter_map(|vm| token_of(cloud, vm["ID"].as_str()?));
    let passwords = objects(cloud, "users").iter().flat_map(|user| {
        let texts = [&user["PASSWORD"], &user["TEMPLATE"]["TOKEN_PASSWORD"]];
        texts
            .into_iter()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    });
    tokens
        .chain(passwords)
        .filter(|secret| secret.len() > 8)
        .collect()
}

/// An answer without its date: what a guest could learn from.
fn told(answer: &Answer) -> String {
    let head: Vec<&str> = answer
        .head
        .lines()
        .filter(|line| !line.starts_with("Date:"))
        .collect();
    format!("{}\n\n{}", head.join("\n"), answer.body)
}

const NOT_AUTHORIZED: (u16, &str) = (401, "Not authorized");

#[test]
fn no_token_but_the_vms_own_opens() {
    let siege = Siege::new();
    let good = siege.token(ALONE);
    let own = |vm: &str| siege.token(vm);
    let sealed = |vm, stime: &str| {
        let user = &objects(&siege.cloud, "users")[1];
        let password = user["TEMPLATE"]["TOKEN_PASSWORD"].as_str().unwrap();
        token::seal(Secret {
            vm,
            stime,
            password,
        })
        .unwrap()
    };
    let mut flipped = good.clone().into_bytes();
    flipped[0] ^= 1;
    let attacks: Vec<(&str, String, String)> = vec![
        ("none", ALONE.into(), String::new()),
        ("another VM's of the same user", ALONE.into(), own(MASTER)),
        ("another user's VM's", ALONE.into(), own(BOBS)),
        ("its own, for another VM", MASTER.into(), good.clone()),
        ("its own, for another user's VM", BOBS.into(), good.clone()),
        (
            "its own, for a VM that is not there",
            "99999".into(),
            good.clone(),
        ),
        (
            "its own, for a VM without CREATED_BY",
            "3".into(),
            good.clone(),
        ),
        (
            "an earlier VM's with the same id",
            ALONE.into(),
            sealed(6, "1795000000"),
        ),
        (
            "one bit off",
            ALONE.into(),
            String::from_utf8(flipped).unwrap(),
        ),
        ("truncated", ALONE.into(), good[..good.len() - 4].into()),
        (
            "without padding",
            ALONE.into(),
            good.trim_end_matches('=').into(),
        ),
        ("in quotes", ALONE.into(), format!("\"{good}\"")),
        (
            "with a blank inside",
            ALONE.into(),
            format!("{} {}", &good[..8], &good[8..]),
        ),
        (
            "with something after it",
            ALONE.into(),
            format!("{good}@@@@"),
        ),
        ("twice", ALONE.into(), format!("{good}{good}")),
        (
            "in the URL-safe alphabet",
            ALONE.into(),
            good.replace('/', "_").replace('+', "-").replace('=', "%3D"),
        ),
        ("in another case", ALONE.into(), good.to_lowercase()),
        (
            "a block of zeros",
            ALONE.into(),
            "AAAAAAAAAAAAAAAAAAAAAA==".into(),
        ),
        ("no base64", ALONE.into(), "not a base64 token!!!".into()),
        ("very long", ALONE.into(), "A".repeat(4000)),
        ("an id with text after it", "6abc".into(), good.clone()),
        ("an id in hexadecimal", "0x6".into(), good.clone()),
        ("an id with a sign", "+6".into(), good.clone()),
        ("a negative id", "-6".into(), good.clone()),
        ("an id with an underscore", "0_6".into(), good.clone()),
        ("two ids", "6,6".into(), good.clone()),
        (
            "an id that overflows to it",
            "4294967302".into(),
            good.clone(),
        ),
        ("no id", String::new(), good.clone()),
    ];
    let unknown = siege.send_as("GET /vm", &credentials("99999", &good), b"");
    for (attack, vm, token) in attacks {
        let before = siege.record(ALONE);
        for (line, body) in [
            ("GET /", ""),
            ("GET /vm", ""),
            ("GET /vms/6", ""),
            ("GET /service", ""),
            ("GET /vrouter", ""),
            ("GET /vnet/0", ""),
            ("PUT /vm", "A=1"),
            ("PUT /vms/6", "A=1"),
            (
                "POST /vms/6/action",
                r#"{"action":{"perform":"terminate","params":true}}"#,
            ),
            ("PUT /service/role/slave", r#"{"cardinality":3}"#),
            ("HEAD /vm", ""),
        ] {
            let answer = siege.send_as(line, &credentials(&vm, &token), body.as_bytes());
            if line.starts_with("HEAD") {
                assert_eq!(answer.status, 401, "{attack}: {line}");
                continue;
            }
            assert_eq!(
                (answer.status, answer.body.as_str()),
                NOT_AUTHORIZED,
                "{attack}: {line}"
            );
            assert_eq!(
                told(&answer),
                told(&unknown),
                "{attack}: {line} tells more than an unknown VM does"
            );
        }
        assert_eq!(siege.record(ALONE), before, "{attack}");
    }
    // Fields that come twice, or by another name.
    let both = credentials(ALONE, &good);
    let ways: Vec<Vec<String>> = vec![
        vec![],
        vec![both[0].clone()],
        vec![both[1].clone()],
        [both.clone(), vec![both[0].clone()]].concat(),
        [both.clone(), vec![format!("X-ONEGATE-VMID: {MASTER}")]].concat(),
        [both.clone(), vec!["X-ONEGATE-TOKEN: x".into()]].concat(),
        vec![
            format!("X_ONEGATE_VMID: {ALONE}"),
            format!("X_ONEGATE_TOKEN: {good}"),
        ],
        vec![both[0].clone(), format!("Authorization: Bearer {good}")],
    ];
    for headers in ways {
        let answer = siege.send_as("GET /vm", &headers, b"");
        assert_eq!(
            (answer.status, answer.body.as_str()),
            NOT_AUTHORIZED,
            "{headers:?}"
        );
    }
    for line in [
        "GET /vm?id=6",
        &format!("GET /vm?token={good}&vmid=6&X-ONEGATE-TOKEN={good}"),
        "GET /vms/6",
    ] {
        let answer = siege.send_as(line, &[both[1].clone()], b"");
        assert_eq!(
            (answer.status, answer.body.as_str()),
            NOT_AUTHORIZED,
            "{line}"
        );
    }
    siege.lift();
}

#[test]
fn tokens_end_with_what_they_are_made_of() {
    let recorded = Siege::new();
    let (alone, bobs, master) = (
        recorded.token(ALONE),
        recorded.token(BOBS),
        recorded.token(MASTER),
    );
    recorded.lift();
    let siege = Siege::of(|cloud| {
        // Deleted: VM 33. Its creator has no password any more: VM 1. Created anew: VM 32.
        cloud["vms"]
            .as_array_mut()
            .unwrap()
            .retain(|vm| vm["ID"] != MASTER);
        cloud["users"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|user| {
                if user["NAME"] == "bob" {
                    user["TEMPLATE"] = serde_json::json!({});
                }
            });
    });
    for (vm, token) in [(MASTER, &master), (BOBS, &bobs)] {
        let answer = siege.send_as("GET /vm", &credentials(vm, token), b"");
        assert_eq!(
            (answer.status, answer.body.as_str()),
            NOT_AUTHORIZED,
            "VM {vm}"
        );
    }
    assert_eq!(
        siege
            .send_as("GET /vm", &credentials(ALONE, &alone), b"")
            .status,
        200
    );
    siege.lift();
    // A password of less than 32 characters makes no key, whatever is sent.
    let siege = Siege::of(|cloud| cloud["users"][2]["TEMPLATE"]["TOKEN_PASSWORD"] = "short".into());
    let answer = siege.send_as("GET /vm", &credentials(BOBS, &bobs), b"");
    assert_eq!((answer.status, answer.body.as_str()), NOT_AUTHORIZED);
    siege.lift();
}

#[test]
fn no_vm_reaches_another_that_is_not_its_peer() {
    let siege = Siege::new();
    // Who asks, whom, and the words of the refusal.
    let no_group = "This VM does not belong to any Virtual Router or Service";
    let attacks = [
        (ALONE, BOBS, no_group),
        (ALONE, MASTER, no_group),
        (ALONE, "99999", no_group),
        (MASTER, ALONE, "Service 2 does not contain VM 6."),
        (MASTER, BOBS, "Service 2 does not contain VM 1."),
        (MASTER, "40", "Service 2 does not contain VM 40."),
        (MASTER, "99999", "Service 2 does not contain VM 99999."),
        (ROUTER_VM, ALONE, "Virtual Router 0 does not contain VM 6."),
        (ROUTER_VM, "9", "Virtual Router 0 does not contain VM 9."),
        (SPOOFER, MASTER, "Service 2 does not contain VM 33."),
        (SPOOFER, SLAVE, "Service 2 does not contain VM 32."),
        ("20", MASTER, "Empty or invalid SERVICE_ID"),
        ("21", MASTER, "Service 999 not found"),
    ];
    for (vm, target, words) in attacks {
        let before = objects(&siege.cloud, "vms")
            .iter()
            .any(|one| one["ID"] == target)
            .then(|| siege.record(target));
        for (line, body) in [
            (format!("GET /vms/{target}"), ""),
            (format!("PUT /vms/{target}"), "HACKED=1"),
            (format!("PUT /vms/{target}?data=ROLE&type=2"), ""),
            (
                format!("POST /vms/{target}/action"),
                r#"{"action":{"perform":"terminate","params":true}}"#,
            ),
        ] {
            let answer = siege.send(vm, &line, body.as_bytes());
            assert!(
                answer.status == 400 || answer.status == 404,
                "VM {vm}: {line}: {answer:?}"
            );
            assert!(answer.body.contains(words), "VM {vm}: {line}: {answer:?}");
        }
        assert_eq!(
            before,
            before.as_ref().map(|_| siege.record(target)),
            "VM {vm} changed VM {target}"
        );
    }
    siege.lift();
}

#[test]
fn a_spoofed_service_id_opens_nothing() {
    let siege = Siege::new();
    let before = (
        siege.record(MASTER),
        siege.send(MASTER, "GET /service", b"").body,
    );
    for (line, body) in [
        ("GET /service", ""),
        ("GET /service?extended=true", ""),
        ("GET /vms/33", ""),
        ("PUT /vms/33", "HACKED=1"),
        (
            "POST /vms/33/action",
            r#"{"action":{"perform":"poweroff"}}"#,
        ),
        ("PUT /service/role/slave", r#"{"cardinality":3}"#),
        ("PUT /service/role/master", r#"{"cardinality":1}"#),
        ("GET /vrouter", ""),
        ("GET /vnet/0", ""),
    ] {
        let answer = siege.send(SPOOFER, line, body.as_bytes());
        assert_eq!(answer.status, 400, "{line}: {answer:?}");
        assert!(!answer.body.contains("master"), "{line}: {answer:?}");
    }
    // Nor can a VM come to spoof one by itself.
    assert_eq!(siege.send(ALONE, "PUT /vm", b"SERVICE_ID=2").status, 403);
    assert_eq!(siege.send(ALONE, "GET /service", b"").status, 400);
    assert_eq!(
        before,
        (
            siege.record(MASTER),
            siege.send(MASTER, "GET /service", b"").body
        )
    );
    siege.lift();
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn restricted_attributes_hold_in_every_spelling_and_wrapping() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    for name in ["SERVICE_ID", "ROLE_NAME", "SCHED_REQUIREMENTS"] {
        let lower = name.to_lowercase();
        let spellings = [
            format!("{name}=9"),
            format!("{lower}=9"),
            format!(" {name}=9"),
            format!("{name} =9"),
            format!("\t{name}\t=\t9"),
            format!("A=1\n{name}=9"),
            format!("A=1\r\n{name}=9"),
            format!("A=1\\n{name}=9"),
            format!("A=1\\n  {lower} = 9"),
            format!("A=\"1\" {name}=\"9\""),
            format!("A=\"1\"{name}=\"9\""),
            format!("A=[B=1]{name}=9"),
            format!("# c\n{name}=9"),
            format!("{name}=[A=1]"),
            format!("{name}="),
            format!("<TEMPLATE><{name}>9</{name}></TEMPLATE>"),
            format!("\n<t><{lower}>9</{lower}></t>"),
            format!(
                "<?xml version=\"1.0\"?><TEMPLATE><A>1</A><{name}><![CDATA[9]]></{name}></TEMPLATE>"
            ),
        ];
        for spelling in &spellings {
            let wrappings: Vec<(&str, &str, Vec<u8>)> = vec![
                ("PUT /vm", "text/plain", spelling.clone().into_bytes()),
                ("PUT /vms/6", "application/octet-stream", spelling.clone().into_bytes()),
                (
                    "PUT /vm",
                    "application/x-www-form-urlencoded",
                    format!("type=1&data={}", encoded(spelling)).into_bytes(),
                ),
                (
                    "PUT /vm",
                    "multipart/form-data; boundary=b",
                    format!("--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{spelling}\r\n--b--").into_bytes(),
                ),
                ("PUT /vm", "application/json", serde_json::json!({ "data": spelling, "type": 1 }).to_string().into_bytes()),
            ];
            for (line, content_type, body) in wrappings {
                let headers = [
                    credentials(ALONE, &siege.token(ALONE)),
                    vec![format!("Content-Type: {content_type}")],
                ]
                .concat();
                let answer = siege.send_as(line, &headers, &body);
                assert_eq!(
                    (answer.status, answer.body.as_str()),
                    (
                        403,
                        format!("Attribute ({name}) cannot be modified").as_str()
                    ),
                    "{spelling:?} as {content_type}"
                );
            }
            let answer = siege.send(ALONE, &format!("PUT /vm?data={}", encoded(spelling)), b"");
            assert_eq!(answer.status, 403, "{spelling:?} in the query");
        }
        for spelling in [name, &lower, &format!(" {name} "), &format!("{name}\n")] {
            let answer = siege.send(
                ALONE,
                &format!("PUT /vm?type=2&data={}", encoded(spelling)),
                b"",
            );
            let words = format!("Attribute ({name}) cannot be deleted");
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (403, words.as_str()),
                "{spelling:?}"
            );
        }
    }
    assert_eq!(siege.record(ALONE), before);
    siege.lift();
}

#[test]
fn erasing_reaches_nothing_but_an_attribute_by_its_name() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    for name in [
        "*",
        "//*",
        ".",
        "..",
        "../NAME",
        "/BASE",
        "USER_TEMPLATE/MULTI",
        "../USER_TEMPLATE",
        "MULTI[1]",
        "A|MULTI",
        "node()",
        "text()",
        "@A",
        "MULTI or 1=1",
        "VECTOR/A",
        "MULTI\nEMPTY",
        "MULTI\\nEMPTY",
        "MULTI,EMPTY",
        "",
        " ",
        "\0",
        "MULTI\0",
        "<T><MULTI/></T>",
        "MULTI=",
        "ＭＵＬＴＩ",
    ] {
        let answer = siege.send(
            ALONE,
            &format!("PUT /vm?type=2&data={}", encoded(name)),
            b"",
        );
        assert_eq!(answer.status, 400, "{name:?}: {answer:?}");
    }
    let answer = siege.send(ALONE, "PUT /vm?type=2&data=TEMPLATE", b"");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (500, "attribute not found")
    );
    assert_eq!(siege.record(ALONE), before);
    siege.lift();
}

#[test]
fn paths_lead_where_they_say_and_nowhere_else() {
    let siege = Siege::new();
    let own = siege.record(ALONE);
    let known = ["/", "/vm", "/vms/6", "/service", "/vrouter"];
    let mut tried = 0;
    for path in [
        "//vm",
        "///vm",
        "/./vm",
        "/../vm",
        "/../../../../etc/passwd",
        "/vm/",
        "/vm/..",
        "/vm/../vms/33",
        "/vms/6/../33",
        "/vms/6/../../vms/1",
        "/%2e%2e/vm",
        "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/vms%2F6",
        "/vms/6%2Faction",
        "/vms/%36",
        "/%76m",
        "/vm%00",
        "/vms/6%00",
        "/vms/%006",
        "/vm%0a",
        "/vm%20",
        "/vm;x=1",
        "/VM",
        "/vms/",
        "/vms//6",
        "/vms/6/",
        "/vms/+6",
        "/vms/6abc",
        "/vms/0x6",
        "/vms/1_0",
        "/vms/-1",
        "/vms/6.0",
        "/vms/%2B6",
        "/vms/99999999999999999999",
        "/vms/4294967302",
        "/vms/%D9%A6",
        "/vms/%1b[31m",
        "/vnet/%1b[31m",
        "/vnet/%C2%9B",
        "/vms/6?id=33",
        "/vnet/-1",
        "/vnet/x",
        "/vnet/..",
        "/vnet/99999999999999999999",
        "/service/role",
        "/service/role/",
        "/.git/config",
        "/vm%zz",
        "/vm%",
        "/vm%+1",
        "/vm\\..\\vms",
        "vm",
        "*",
    ] {
        let answer = siege.send(ALONE, &format!("GET {path}"), b"");
        tried += 1;
        match answer.status {
            200 => assert!(
                answer.body == own || answer.body.contains("vm_info\":\"http"),
                "{path}: {answer:?}"
            ),
            400 | 404 => {}
            _ => panic!("{path}: {answer:?}"),
        }
        assert!(
            !answer.body.contains("master_1") && !answer.body.contains("root:"),
            "{path}: {answer:?}"
        );
        // What a path is refused for, it is refused for with any method: nothing is done.
        let answer = siege.send(ALONE, &format!("PUT {path}"), b"DESCRIPTION=<hacked>,\"");
        if answer.status == 200 {
            let undo = siege.send(ALONE, "PUT /vm", b"<T><DESCRIPTION>a \"quoted\" text, with comma &amp; &lt;angle> and 'single' \xc3\xbcn\xc3\xafc\xc3\xb6d\xc3\xa9</DESCRIPTION></T>");
            assert_eq!(undo.status, 200, "{undo:?}");
        }
        assert_eq!(siege.record(ALONE), own, "{path}");
    }
    assert!(tried > known.len());
    // Another authority, and none.
    let token = siege.token(ALONE);
    let fields = credentials(ALONE, &token).join("\r\n");
    for (attack, head) in [
        (
            "another authority",
            format!(
                "GET http://evil.example/vm HTTP/1.1\r\nHost: {}\r\n",
                siege.server.address
            ),
        ),
        ("no Host", "GET /vm HTTP/1.1\r\n".to_owned()),
        (
            "a fourth word",
            format!("GET /vm x HTTP/1.1\r\nHost: {}\r\n", siege.server.address),
        ),
    ] {
        let answer = siege.raw(format!("{head}{fields}\r\n\r\n").as_bytes());
        assert_eq!(answer.status, 400, "{attack}: {answer:?}");
    }
    siege.lift();
}

#[test]
fn a_foreign_page_does_nothing() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    let headers = [
        credentials(ALONE, &siege.token(ALONE)),
        vec!["Referer: http://evil.example/x".into()],
    ]
    .concat();
    let answer = siege.send_as("PUT /vm", &headers, b"HACKED=1");
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(siege.record(ALONE), before);
    siege.lift();
}

#[test]
fn hostile_json_is_refused_and_nothing_is_done() {
    let siege = Siege::new();
    let before = (
        siege.record(MASTER),
        siege.send(MASTER, "GET /service", b"").body,
    );
    let deep = |n: usize| [b"{\"action\":".repeat(n), b"1".to_vec(), b"}".repeat(n)].concat();
    let actions: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("cut", b"{\"action\":".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"terminate\"".to_vec()),
        ("null", b"null".to_vec()),
        (
            "an action that is no object",
            b"{\"action\":\"terminate\"}".to_vec(),
        ),
        (
            "a name that is no text",
            b"{\"action\":{\"perform\":[\"terminate\"]}}".to_vec(),
        ),
        (
            "two documents",
            b"{\"action\":{\"perform\":\"x\"}}{\"action\":{\"perform\":\"terminate\"}}".to_vec(),
        ),
        (
            "deep lists",
            [b"[".repeat(50_000), b"]".repeat(50_000)].concat(),
        ),
        ("deep objects", deep(10_000)),
        ("no UTF-8", b"{\"action\":{\"perform\":\"\xff\"}}".to_vec()),
        (
            "half a surrogate",
            b"{\"action\":{\"perform\":\"\\ud800\"}}".to_vec(),
        ),
        ("a form", b"action[perform]=terminate".to_vec()),
        (
            "a control character",
            b"{\"action\":{\"perform\":\"term\x07inate\"}}".to_vec(),
        ),
        (
            "a path",
            b"{\"action\":{\"perform\":\"../terminate\"}}".to_vec(),
        ),
        (
            "a long name",
            format!("{{\"action\":{{\"perform\":\"{}\"}}}}", "x".repeat(60_000)).into_bytes(),
        ),
        (
            "an unknown name with control characters",
            b"{\"action\":{\"perform\":\"\\u001b[31m\"}}".to_vec(),
        ),
    ];
    for (attack, body) in actions {
        let answer = siege.send(MASTER, "POST /vms/33/action", &body);
        assert!(matches!(answer.status, 400 | 500), "{attack}: {answer:?}");
        assert!(
            answer.body.len() < 2100,
            "{attack}: an answer of {} bytes",
            answer.body.len()
        );
        assert!(
            !answer.body.contains(|c: char| c.is_control() && c != '\n'),
            "{attack}: {answer:?}"
        );
    }
    let scales: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("no cardinality", b"{}".to_vec()),
        ("a negative one", b"{\"cardinality\":-1}".to_vec()),
        ("a fraction", b"{\"cardinality\":2.5}".to_vec()),
        (
            "too large for a number",
            b"{\"cardinality\":1e400}".to_vec(),
        ),
        ("too many", b"{\"cardinality\":99999999999}".to_vec()),
        ("beyond max_vms", b"{\"cardinality\":1000000}".to_vec()),
        (
            "a text that is none",
            b"{\"cardinality\":\"3; rm\"}".to_vec(),
        ),
        ("a list", b"{\"cardinality\":[3]}".to_vec()),
        (
            "deep",
            [b"{\"cardinality\":".repeat(10_000), b"}".repeat(10_000)].concat(),
        ),
    ];
    for (attack, body) in scales {
        let answer = siege.send(MASTER, "PUT /service/role/slave", &body);
        assert!(matches!(answer.status, 400 | 500), "{attack}: {answer:?}");
    }
    for role in [
        "nobody",
        "%1b[31m",
        "..",
        "%2e%2e",
        "slave%2F..",
        "slave%00",
        "%FF",
        "slave'",
        "*",
    ] {
        let answer = siege.send(
            MASTER,
            &format!("PUT /service/role/{role}"),
            b"{\"cardinality\":3}",
        );
        assert!(matches!(answer.status, 400 | 404), "{role}: {answer:?}");
    }
    assert_eq!(
        before,
        (
            siege.record(MASTER),
            siege.send(MASTER, "GET /service", b"").body
        )
    );
    // A key that comes twice: whatever is done is what was judged, and that is one of the two.
    let twice = b"{\"action\":{\"perform\":\"reboot\"},\"action\":{\"perform\":\"reboot\",\"params\":true}}";
    let answer = siege.send(MASTER, "POST /vms/33/action", twice);
    assert!(matches!(answer.status, 400 | 403), "{answer:?}");
    let twice = br#"{"data":"A=1","data":"SERVICE_ID=9"}"#;
    let headers = [
        credentials(ALONE, &siege.token(ALONE)),
        vec!["Content-Type: application/json".into()],
    ]
    .concat();
    assert!(matches!(
        siege.send_as("PUT /vm", &headers, twice).status,
        400 | 403
    ));
    let twice = br#"{"data":"SERVICE_ID=9","data":"A=1"}"#;
    siege.send_as("PUT /vm", &headers, twice);
    assert!(!siege.record(ALONE).contains("SERVICE_ID"));
    siege.lift();
}

#[test]
fn hostile_xml_is_refused_and_nothing_is_stored() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    let lol: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let attacks = [
        (
            "billion laughs",
            format!("<!DOCTYPE T [<!ENTITY l0 \"lol\">{lol}]><T><A>&l9;</A></T>"),
            "document type",
        ),
        (
            "an external entity",
            "<!DOCTYPE T [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><T><A>&x;</A></T>".into(),
            "document type",
        ),
        (
            "an external subset",
            "<!DOCTYPE T SYSTEM \"http://127.0.0.1:1/x\"><T/>".into(),
            "document type",
        ),
        (
            "an undefined entity",
            "<T><A>&x;</A></T>".into(),
            "the entity &x; is not defined",
        ),
        ("beyond U+FFFF", "<T><A>&#128512;</A></T>".into(), "U+1F600"),
        (
            "beyond Unicode",
            "<T><A>&#1114112;</A></T>".into(),
            "stands for no character",
        ),
        (
            "a surrogate",
            "<T><A>&#55296;</A></T>".into(),
            "stands for no character",
        ),
        ("a noncharacter", "<T><A>&#65535;</A></T>".into(), "U+FFFF"),
        (
            "NUL",
            "<T><A>&#0;</A></T>".into(),
            "stands for no character",
        ),
        (
            "a control character",
            "<T><A>&#27;[31m</A></T>".into(),
            "U+001B",
        ),
        (
            "an overflow",
            format!("<T><A>&#{};</A></T>", "9".repeat(5000)),
            "stands for no character",
        ),
        ("deep", "<A>".repeat(15_000), "nested too deeply"),
        (
            "a tree",
            "<T><A><B><C>1</C></B></A></T>".into(),
            "nested too deeply",
        ),
        (
            "a name out of its place",
            "<T><A.B>1</A.B></T>".into(),
            "cannot stand in a name",
        ),
        ("not closed", "<T><A>1".into(), "not closed"),
        ("crossed", "<T><A>1</T></A>".into(), "not well-formed"),
        (
            "an emoji as it is",
            "<T><A>\u{1f600}</A></T>".into(),
            "U+1F600",
        ),
    ];
    for (attack, xml, words) in attacks {
        let answer = siege.send(ALONE, "PUT /vm", xml.as_bytes());
        assert_eq!(answer.status, 400, "{attack}: {answer:?}");
        assert!(
            answer.body.contains(words) && answer.body.contains(" at line 1, column "),
            "{attack}: {answer:?}"
        );
        assert!(
            answer.body.len() < 2100,
            "{attack}: an answer of {} bytes",
            answer.body.len()
        );
        assert_eq!(siege.record(ALONE), before, "{attack}");
    }
    siege.lift();
}

#[test]
fn values_that_look_like_syntax_stay_values() {
    let siege = Siege::new();
    let values = [
        "\" SERVICE_ID=\"9",
        "x\"\nSERVICE_ID=\"9",
        "x\\nSERVICE_ID=9",
        "]]><SERVICE_ID>9</SERVICE_ID><![CDATA[",
        "</A></USER_TEMPLATE><SERVICE_ID>9",
        "x\" ]\nSERVICE_ID=[ A=\"1",
        "ends in a backslash\\",
        "\\\"",
        "&lt;&#60;&amp;",
        "{\"SERVICE_ID\": \"9\"}",
        "' ; SERVICE_ID=9 #",
        "$(id) `id` ${HOME} %s%n",
        "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
        " blanks around ",
        "\ttabs\t",
        "ünïcödé ☃ 日本",
    ];
    for value in values {
        let references: String = value
            .chars()
            .map(|c| format!("&#{};", u32::from(c)))
            .collect();
        let answer = siege.send(
            ALONE,
            "PUT /vm",
            format!("<T><ODD>{references}</ODD><V><ODD>{references}</ODD></V></T>").as_bytes(),
        );
        assert_eq!(answer.status, 200, "{value:?}: {answer:?}");
        // What erasing something else leaves behind is written anew from what was stored.
        assert_eq!(siege.send(ALONE, "PUT /vm", b"GONE=1").status, 200);
        assert_eq!(
            siege.send(ALONE, "PUT /vm?type=2&data=GONE", b"").status,
            200
        );
        let record: Value = serde_json::from_str(&siege.record(ALONE)).unwrap();
        let attributes = &record["VM"]["USER_TEMPLATE"];
        assert_eq!(attributes["ODD"], value);
        assert_eq!(attributes["V"]["ODD"], value);
        assert_eq!(attributes["SERVICE_ID"], Value::Null, "{value:?}");
    }
    siege.lift();
}

#[test]
fn what_is_too_much_is_refused() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    let vm = credentials(ALONE, &siege.token(ALONE)).join("\r\n");
    let host = &siege.server.address;
    let huge =
        format!("PUT /vm HTTP/1.1\r\nHost: {host}\r\n{vm}\r\nContent-Length: 99999999999\r\n\r\n");
    assert_eq!(siege.raw(huge.as_bytes()).status, 413);
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: {host}\r\n{vm}\r\n\r\n",
        "x".repeat(100_000)
    );
    assert_eq!(siege.raw(long.as_bytes()).status, 414);
    let wide = format!(
        "GET /vm HTTP/1.1\r\nHost: {host}\r\n{vm}\r\nX: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    assert_eq!(siege.raw(wide.as_bytes()).status, 431);
    let two_lengths = format!(
        "PUT /vm HTTP/1.1\r\nHost: {host}\r\n{vm}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nA=1"
    );
    assert_eq!(siege.raw(two_lengths.as_bytes()).status, 400);
    let smuggled =
        format!("GET /vm HTTP/1.1\r\nHost: {host}\r\n{vm}\r\nX: a\n\rPUT /vm HTTP/1.1\r\n\r\n");
    assert_eq!(siege.raw(smuggled.as_bytes()).status, 400);
    assert_eq!(siege.record(ALONE), before);
    siege.lift();
}
