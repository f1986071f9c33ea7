//! Hostile guests against the real binary: tokens, other VMs, spoofed services and routers, paths. Each attack is
//! refused in the words that anyone gets, changes nothing, and neither an answer nor the log tells a token, a password
//! or a file's path.

use crate::support::client::Answer;
use crate::support::process::credentials;
use crate::support::siege::{ALONE, BOBS, MASTER, ROUTER_VM, SLAVE, SPOOFER, Siege, objects};
use onegate_server_lite::objects::token::{self, Secret};

const NOT_AUTHORIZED: (u16, &str) = (401, "Not authorized");

/// An answer without its date: what a guest could learn from.
fn told(answer: &Answer) -> String {
    let head: Vec<&str> = answer
        .head
        .lines()
        .filter(|line| !line.starts_with("Date:"))
        .collect();
    format!("{}\n\n{}", head.join("\n"), answer.text())
}

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
                (answer.status, answer.text()),
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
            (answer.status, answer.text()),
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
        assert_eq!((answer.status, answer.text()), NOT_AUTHORIZED, "{line}");
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
        assert_eq!((answer.status, answer.text()), NOT_AUTHORIZED, "VM {vm}");
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
    assert_eq!((answer.status, answer.text()), NOT_AUTHORIZED);
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
            assert!(answer.text().contains(words), "VM {vm}: {line}: {answer:?}");
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
fn a_vm_of_a_router_that_does_not_know_it_sees_nothing_of_it() {
    let siege = Siege::of(|cloud| {
        let vms = cloud["vms"].as_array_mut().unwrap();
        let alone = vms.iter_mut().find(|vm| vm["ID"] == ALONE).unwrap();
        alone["TEMPLATE"]["VROUTER_ID"] = "0".into();
    });
    for (line, body) in [
        ("GET /vrouter", ""),
        ("GET /vnet/0", ""),
        ("GET /vnet/0?extended=true", ""),
        ("GET /vms/7", ""),
        ("PUT /vms/7", "HACKED=1"),
        ("POST /vms/7/action", r#"{"action":{"perform":"poweroff"}}"#),
    ] {
        let answer = siege.send(ALONE, line, body.as_bytes());
        assert_eq!(answer.status, 400, "{line}: {answer:?}");
        assert!(
            answer
                .text()
                .starts_with("Virtual Router 0 does not contain VM "),
            "{line}: {answer:?}"
        );
    }
    siege.lift();
}

#[test]
fn a_restricted_action_is_so_under_each_of_its_names() {
    let siege = Siege::under(
        ":restricted_actions: [terminate]\n:permissions:\n  :vm: {:action_by_id: true, :show: true}\n",
    );
    let before = siege.record(MASTER);
    for (perform, params) in [
        ("terminate", "null"),
        ("TERMINATE", "null"),
        ("delete", "null"),
        ("shutdown", "true"),
    ] {
        let body = format!(r#"{{"action":{{"perform":"{perform}","params":{params}}}}}"#);
        let answer = siege.send(MASTER, "POST /vms/32/action", body.as_bytes());
        let words = format!("Action ({perform}) is not allowed on this resource");
        assert_eq!((answer.status, answer.text()), (403, words.as_str()));
    }
    assert_eq!(siege.record(MASTER), before);
    siege.lift();
}

#[test]
fn a_spoofed_service_id_opens_nothing() {
    let siege = Siege::new();
    let before = (
        siege.record(MASTER),
        siege.send(MASTER, "GET /service", b"").text().to_owned(),
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
        assert!(!answer.text().contains("master"), "{line}: {answer:?}");
    }
    // Nor can a VM come to spoof one by itself.
    assert_eq!(siege.send(ALONE, "PUT /vm", b"SERVICE_ID=2").status, 403);
    assert_eq!(siege.send(ALONE, "GET /service", b"").status, 400);
    assert_eq!(
        before,
        (
            siege.record(MASTER),
            siege.send(MASTER, "GET /service", b"").text().to_owned()
        )
    );
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
                answer.text() == own || answer.text().contains("vm_info\":\"http"),
                "{path}: {answer:?}"
            ),
            400 | 404 => {}
            _ => panic!("{path}: {answer:?}"),
        }
        assert!(
            !answer.text().contains("master_1") && !answer.text().contains("root:"),
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
    // What a proxy claims of the scheme is http or https, nothing else.
    for (claimed, scheme) in [
        ("https", "https"),
        ("javascript", "http"),
        ("https\"", "http"),
    ] {
        let headers = [
            credentials(ALONE, &siege.token(ALONE)),
            vec![format!("X-Forwarded-Proto: {claimed}")],
        ]
        .concat();
        let answer = siege.send_as("GET /", &headers, b"");
        assert!(
            answer
                .text()
                .starts_with(&format!("{{\"vm_info\":\"{scheme}://")),
            "{claimed}: {answer:?}"
        );
    }
    siege.lift();
}
