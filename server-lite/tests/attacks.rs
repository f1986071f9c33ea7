//! No one gets in, or out: a table of attacks, against the embedded cloud over a real socket. Each is refused with the
//! words that anyone gets, changes nothing, and tells nothing that is secret.

#![allow(clippy::unwrap_used)]

mod gate;

use gate::{Answer, Served, head};
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::embedded::{Embedded, Scenario, flow};
use onegate_server_lite::config::Config;
use onegate_server_lite::token::{Secret, seal};
use serde_json::{Value, json};
use std::sync::Arc;

/// The password of the built-in scenario's user, and of the other user here.
const PASSWORD: &str = "0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de";
const OTHER_PASSWORD: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";

/// VM 8 and 9 are nodes of service 1 and VM 1 is virtual router 0's, all of user 2. VM 20 says that it is in service
/// 1 and VM 21 that it is in virtual router 0, but neither is. VM 30 is another user's.
struct Place {
    cloud: Arc<Embedded>,
    served: Served,
}

impl Place {
    fn new() -> Self {
        let mut scenario: Value =
            serde_json::from_str(include_str!("../scenarios/panacea.json")).unwrap();
        let vm = scenario["vms"][1].clone();
        for (id, change) in [
            (
                20,
                json!({"USER_TEMPLATE": {"SERVICE_ID": "1", "ROLE_NAME": "slave"}}),
            ),
            (21, json!({"USER_TEMPLATE": {}, "VROUTER_ID": "0"})),
            (
                30,
                json!({"USER_TEMPLATE": {"SECRET": "hers"}, "UID": "3", "UNAME": "eve", "CREATED_BY": "3"}),
            ),
        ] {
            let mut vm = vm.clone();
            vm["ID"] = json!(id.to_string());
            for (key, value) in change.as_object().unwrap() {
                match key.as_str() {
                    "VROUTER_ID" | "CREATED_BY" => vm["TEMPLATE"][key] = value.clone(),
                    _ => vm[key] = value.clone(),
                }
            }
            scenario["vms"].as_array_mut().unwrap().push(vm);
        }
        scenario["users"].as_array_mut().unwrap().push(json!({
            "ID": "3", "GID": "100", "GROUPS": {"ID": "100"}, "NAME": "eve",
            "TEMPLATE": {"TOKEN_PASSWORD": OTHER_PASSWORD}
        }));
        let scenario = Scenario::parse(&scenario.to_string(), "attacks").unwrap();
        assert_eq!(scenario.warnings, [""; 0]);
        let cloud = Arc::new(Embedded::in_memory(
            scenario.objects,
            flow::Options::default(),
        ));
        let served = Served::new(cloud.clone(), Config::default());
        Self { cloud, served }
    }

    fn token(&self, vm: u32) -> String {
        let document = self.cloud.vm_to_authenticate(vm).unwrap();
        let password = if vm == 30 { OTHER_PASSWORD } else { PASSWORD };
        let stime = document["STIME"].as_str().unwrap();
        seal(Secret {
            vm,
            stime,
            password,
        })
        .unwrap()
    }

    /// Sends a request of a VM; whatever comes back, no secret is in it.
    fn send(
        &self,
        method: &str,
        path: &str,
        vm: u32,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let request = head(method, path, vm.into(), &self.token(vm), fields, body);
        self.raw(&request)
    }

    fn raw(&self, request: &[u8]) -> Answer {
        let answer = self.served.send(request);
        let all = format!("{:?} {}", answer.headers, answer.text());
        for secret in [
            PASSWORD,
            OTHER_PASSWORD,
            &self.token(8),
            &self.token(30),
            "/home",
            "/tmp",
            "src/",
            "TOKEN_PASSWORD",
        ] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
        answer
    }

    /// Everything that could have been changed.
    fn all(&self) -> Vec<Value> {
        [1, 8, 9, 20, 21, 30]
            .map(|vm| self.cloud.vm_to_authenticate(vm).unwrap().as_ref().clone())
            .to_vec()
    }
}

#[test]
fn only_the_very_token_of_the_very_vm_opens() {
    let place = Place::new();
    let own = place.token(8);
    let forged = place.token(9);
    let long = "A".repeat(8000);
    // A VM that is gone: made of what was true in its life.
    let gone = seal(Secret {
        vm: 7,
        stime: "1700003600",
        password: PASSWORD,
    })
    .unwrap();
    let (open, answers): (Vec<_>, Vec<_>) = [
        ("8", own.as_str(), true),
        ("9", &own, false),
        ("8", &forged, false),
        ("8", &own[..own.len() - 4], false),
        ("8", &own.to_lowercase(), false),
        ("8", "AAAAAAAAAAAAAAAAAAAAAA==", false),
        ("8", "", false),
        ("8", &long, false),
        ("", &own, false),
        ("7", &gone, false),
        ("4294967296", &own, false),
        ("-8", &own, false),
        ("8abc", &own, false),
        ("8, 8", &own, false),
        ("30", &own, false),
    ]
    .into_iter()
    .map(|(vm, token, open)| {
        let request = format!(
            "GET /vm HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-ONEGATE-VMID: {vm}\r\nX-ONEGATE-TOKEN: {token}\r\n\r\n"
        );
        (open, place.served.send(request.as_bytes()))
    })
    .unzip();
    for (open, answer) in open.iter().zip(&answers) {
        assert_eq!(answer.status == 200, *open, "{answer:?}");
        // An unknown VM, a wrong token and no token get the same.
        if !open {
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (401, "Not authorized")
            );
            let names: Vec<&str> = answer
                .headers
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            let first: Vec<&str> = answers[1]
                .headers
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            assert_eq!(names, first);
        }
    }
    for twice in [
        "X-ONEGATE-VMID: 9",
        "X-ONEGATE-VMID: 8",
        "X-ONEGATE-TOKEN: x",
        "X-Onegate-Vmid: 9",
    ] {
        let request = format!(
            "GET /vm HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-ONEGATE-VMID: 8\r\nX-ONEGATE-TOKEN: {own}\r\n{twice}\r\n\r\n"
        );
        assert_eq!(place.served.send(request.as_bytes()).status, 401, "{twice}");
    }
}

#[test]
fn what_is_not_a_vms_own_is_out_of_its_reach() {
    let place = Place::new();
    let before = place.all();
    let action: &[u8] = br#"{"action":{"perform":"poweroff"}}"#;
    let no_peer = "This VM does not belong to any Virtual Router or Service, so it cannot retrieve information from other VMs";
    let service = |vm| format!("Service 1 does not contain VM {vm}.");
    let router = |vm| format!("Virtual Router 0 does not contain VM {vm}.");
    for (vm, asked_for, words) in [
        // Another user's VM, from a service, from a router, and the other way round.
        (8, 30, service(30)),
        (1, 30, router(30)),
        (30, 8, no_peer.to_string()),
        // A VM that is not there looks the same.
        (8, 31, service(31)),
        (30, 31, no_peer.to_string()),
        // A spoofed SERVICE_ID: a node, another VM and itself as a stranger look the same.
        (20, 8, service(8)),
        (20, 9, service(9)),
        (20, 30, service(30)),
        // A VROUTER_ID of a router that does not know the VM.
        (21, 1, router(1)),
    ] {
        for (method, path, body) in [
            ("GET", format!("/vms/{asked_for}"), &b""[..]),
            ("PUT", format!("/vms/{asked_for}"), b"A=1"),
            ("POST", format!("/vms/{asked_for}/action"), action),
        ] {
            let answer = place.send(method, &path, vm, &[], body);
            assert_eq!(
                (answer.status, answer.text()),
                (400, words.clone()),
                "VM {vm}: {method} {path}"
            );
        }
    }
    for (method, path, vm, body, words) in [
        ("GET", "/service", 20, &b""[..], service(20)),
        ("GET", "/service?extended=true", 20, b"", service(20)),
        (
            "PUT",
            "/service/role/slave",
            20,
            br#"{"cardinality":2}"#,
            service(20),
        ),
        ("GET", "/vrouter", 21, b"", router(21)),
        ("GET", "/vnet/0", 21, b"", router(21)),
        ("GET", "/vnet/0?extended=true", 21, b"", router(21)),
        (
            "GET",
            "/service",
            30,
            b"",
            "Empty or invalid SERVICE_ID".to_string(),
        ),
    ] {
        let answer = place.send(method, path, vm, &[], body);
        assert_eq!(
            (answer.status, answer.text()),
            (400, words),
            "VM {vm}: {method} {path}"
        );
    }
    assert_eq!(place.all(), before);
}

#[test]
fn what_is_restricted_stays_so_in_every_spelling() {
    let place = Place::new();
    let before = place.all();
    for update in [
        "SERVICE_ID=9",
        "service_id=9",
        "Service_Id = 9",
        " SERVICE_ID=9",
        "\tSERVICE_ID\t=\t9",
        "SERVICE_ID=[A=1]",
        "SERVICE_ID=\"\"",
        "SERVICE_ID=",
        "A=1\nSERVICE_ID=9",
        "A=1\\nSERVICE_ID=9",
        "A=1\r\nSERVICE_ID=9",
        "A=\"1\" SERVICE_ID=\"9\"",
        "A=\"1\"SERVICE_ID=\"9\"",
        "A=[B=\"1\"]SERVICE_ID=9",
        "# \nSERVICE_ID=9",
        "role_name=master",
        "SCHED_REQUIREMENTS=\"true\"",
        "<TEMPLATE><SERVICE_ID>9</SERVICE_ID></TEMPLATE>",
        "<TEMPLATE><service_id>9</service_id></TEMPLATE>",
        "<TEMPLATE><A>1</A><SERVICE_ID><![CDATA[9]]></SERVICE_ID></TEMPLATE>",
        "\n <TEMPLATE><SERVICE_ID><A>1</A></SERVICE_ID></TEMPLATE>",
        "<TEMPLATE><SERVICE_ID x='1'>9</SERVICE_ID></TEMPLATE>",
    ] {
        for path in ["/vm", "/vms/8", "/vms/9"] {
            let answer = place.send("PUT", path, 8, &[], update.as_bytes());
            let refused = answer.status == 400 || answer.text().ends_with(") cannot be modified");
            assert!(refused, "{update:?}: {} {}", answer.status, answer.text());
            assert_eq!(place.all(), before, "{update:?}");
        }
    }
    for name in [
        "SERVICE_ID",
        "service_id",
        " SERVICE_ID ",
        "SERVICE_ID\n",
        "ROLE_NAME",
    ] {
        let body = format!(
            "type=2&data={}",
            name.replace(' ', "+").replace('\n', "%0A")
        );
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = place.send("PUT", "/vm", 8, &form, body.as_bytes());
        assert_eq!(answer.status, 403, "{name:?}: {}", answer.text());
        assert_eq!(place.all(), before, "{name:?}");
    }
    // What is restricted by one name is so by its others.
    let config = Config {
        restricted_actions: vec!["terminate".into()],
        ..Config::default()
    };
    let served = Served::new(place.cloud.clone(), config);
    for (perform, params) in [
        ("terminate", "null"),
        ("TERMINATE", "null"),
        ("delete", "null"),
        ("shutdown", "true"),
    ] {
        let body = format!(r#"{{"action":{{"perform":"{perform}","params":{params}}}}}"#);
        let request = head(
            "POST",
            "/vms/9/action",
            8,
            &place.token(8),
            &[],
            body.as_bytes(),
        );
        let answer = served.send(&request);
        let words = format!("Action ({perform}) is not allowed on this resource");
        assert_eq!((answer.status, answer.text()), (403, words));
    }
    assert_eq!(place.all(), before);
}

#[test]
fn no_name_reaches_out_of_the_user_template() {
    let place = Place::new();
    let before = place.all();
    for name in [
        "*",
        "../NAME",
        "..",
        ".",
        "/VM/NAME",
        "//NAME",
        "USER_TEMPLATE/A",
        "ROLE_NAME|NAME",
        "@ID",
        "A[1]",
        "A\nB",
        "A B",
        "comment()",
        "ROLE_NAME/text()",
        "",
        "A\u{0}",
        "Ä",
    ] {
        let data: String = name.bytes().map(|b| format!("%{b:02x}")).collect();
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = place.send(
            "PUT",
            "/vm",
            8,
            &form,
            format!("type=2&data={data}").as_bytes(),
        );
        assert_eq!(answer.status, 400, "{name:?}: {}", answer.text());
    }
    for update in [
        "../NAME=x",
        "A/B=1",
        "A.B=1",
        "<TEMPLATE><A:B>1</A:B></TEMPLATE>",
        "<VM><NAME>x</NAME>",
        "*=1",
    ] {
        let answer = place.send("PUT", "/vm", 8, &[], update.as_bytes());
        assert_eq!(answer.status, 400, "{update:?}: {}", answer.text());
    }
    assert_eq!(place.all(), before);
}

#[test]
fn paths_play_no_tricks() {
    let place = Place::new();
    for (path, status) in [
        ("//vm", 200),
        ("/../../vm", 200),
        ("/vms/30/../8", 200),
        ("/vms/8%2f..%2f30", 400),
        ("/vms/8%2Faction", 400),
        ("/vm%00", 400),
        ("/vm%2f", 400),
        ("/vm%252f", 400),
        ("/vms/%00", 400),
        ("/%2e%2e/vm", 200),
        ("/..%2f..%2fetc/passwd", 400),
        ("/etc/passwd", 400),
        ("/vms/8;30", 400),
        ("/vms/8?id=30", 200),
    ] {
        let answer = place.send("GET", path, 8, &[], b"");
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        if status == 200 {
            assert_eq!(answer.json()["VM"]["ID"], "8", "{path}");
        }
    }
    let answer = place.send(
        "PUT",
        "/service/role/a%0d%0aX-Evil:%201",
        8,
        &[],
        br#"{"cardinality":2}"#,
    );
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("X-Evil"), None);
}

#[test]
fn bodies_play_no_tricks() {
    let place = Place::new();
    let before = place.all();
    let deep = "[".repeat(200_000);
    let huge = format!(
        "{{\"action\":{{\"perform\":\"{}\"}}}}",
        "a".repeat(1_000_000)
    );
    for (body, status) in [
        (
            r#"{"action":{"perform":"hold"},"action":{"perform":"poweroff"}}"#,
            400,
        ),
        (r#"{"action":{"perform":"hold","perform":"poweroff"}}"#, 400),
        (
            r#"{"action":{"perform":"hold","\u0070erform":"poweroff"}}"#,
            400,
        ),
        (r#"[{"action":{"perform":"poweroff"}}]"#, 400),
        (r#"{"action":["poweroff"]}"#, 400),
        (r#"{"action":{"perform":{"poweroff":1}}}"#, 400),
        (&deep, 400),
        (&huge, 500),
        ("\u{feff}{\"action\":{\"perform\":\"poweroff\"}}", 400),
    ] {
        let answer = place.send("POST", "/vms/9/action", 8, &[], body.as_bytes());
        assert_eq!(
            answer.status,
            status,
            "{:.80}: {:.200}",
            body,
            answer.text()
        );
    }
    for cardinality in [
        "-1",
        "1e400",
        "1e2",
        "2.5",
        "99999999999999999999",
        "\"+2\"",
        "\"2 \"",
        "[2]",
        "true",
        "\"\\u0662\"",
    ] {
        let body = format!("{{\"cardinality\":{cardinality}}}");
        let answer = place.send("PUT", "/service/role/slave", 8, &[], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    let laughs = "<!DOCTYPE t [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><TEMPLATE><A>&b;</A></TEMPLATE>";
    for xml in [
        laughs,
        "<!DOCTYPE t SYSTEM \"file:///etc/passwd\"><TEMPLATE><A>1</A></TEMPLATE>",
        "<TEMPLATE><A>&file;</A></TEMPLATE>",
        "<TEMPLATE><A>&#x1F600;</A></TEMPLATE>",
        "<TEMPLATE><A>&#0;</A></TEMPLATE>",
        "<TEMPLATE><A>&#xD800;</A></TEMPLATE>",
        "<TEMPLATE><A>&#99999999999;</A></TEMPLATE>",
        "<TEMPLATE><A>1</TEMPLATE>",
        "<TEMPLATE><A><B><C>1</C></B></A></TEMPLATE>",
    ] {
        let answer = place.send("PUT", "/vm", 8, &[], xml.as_bytes());
        assert_eq!(answer.status, 400, "{xml}: {}", answer.text());
    }
    assert_eq!(place.all(), before);
}

#[test]
fn a_value_is_a_value_whatever_it_looks_like() {
    let place = Place::new();
    for value in [
        "1\"\nSERVICE_ID=\"9",
        "x\"]\nSERVICE_ID=9",
        "</USER_TEMPLATE><SERVICE_ID>9</SERVICE_ID>",
        "]]></A><SERVICE_ID>9</SERVICE_ID><A><![CDATA[",
        "\\\"\\n",
        "$(reboot)`reboot`",
        "{\"VM\":{\"ID\":\"30\"}}",
    ] {
        let references: String = value
            .chars()
            .map(|c| format!("&#{};", u32::from(c)))
            .collect();
        let xml = format!("<TEMPLATE><A>{references}</A></TEMPLATE>");
        let answer = place.send("PUT", "/vm", 8, &[], xml.as_bytes());
        assert_eq!(answer.status, 200, "{value:?}: {}", answer.text());
        let vm = place.send("GET", "/vm", 8, &[], b"").json();
        let expected = json!({"A": value, "ROLE_NAME": "master", "SERVICE_ID": "1"});
        assert_eq!(vm["VM"]["USER_TEMPLATE"], expected);
    }
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let place = Place::new();
    let before = place.all();
    let evil = [("Referer", "http://evil.example/x")];
    for (method, path, body) in [
        ("GET", "/vm", &b""[..]),
        ("PUT", "/vm", b"A=1"),
        ("POST", "/vms/9/action", b"{}"),
    ] {
        let answer = place.send(method, path, 8, &evil, body);
        assert_eq!((answer.status, answer.text().as_str()), (403, "Forbidden"));
    }
    assert_eq!(place.all(), before);
    // What a proxy claims of the scheme is http or https, nothing else.
    for (claimed, base) in [
        ("https", "https://127.0.0.1"),
        ("javascript", "http://127.0.0.1"),
        ("https\"", "http://127.0.0.1"),
    ] {
        let answer = place.send("GET", "/", 8, &[("X-Forwarded-Proto", claimed)], b"");
        assert_eq!(answer.json()["vm_info"], format!("{base}/vm"));
    }
}
