//! Whatever oned and OneFlow refuse one guest, and whatever one guest's record makes of their answers, is that guest's
//! affair: it is no outage, others are served on, and the log of the operator stays as it is.

use crate::support::upstream::bench::{self, Bench, PATIENCE, action, alice, single};
use crate::support::upstream::{Reply, StandIn, done, done_to, envelope, refused};
use onegate_server_lite::cloud::{Cloud, User};
use onegate_server_lite::objects::action::Argument;
use onegate_server_lite::objects::refusal::Refusal;
use serde_json::Value;

const WELL: u32 = 7;
const REFUSED: u32 = 6;

fn bob() -> User {
    User {
        id: 3,
        name: "bob".to_string(),
    }
}

fn vm(id: u32) -> String {
    format!(
        "<VM><ID>{id}</ID><UID>3</UID><UNAME>bob</UNAME><PERMISSIONS><OWNER_U>1</OWNER_U></PERMISSIONS>\
         <USER_TEMPLATE><A>1</A></USER_TEMPLATE></VM>"
    )
}

/// A oned that answers so about VM, service, router and network 6, and well about all else.
fn oned(bad: Reply) -> StandIn {
    StandIn::start(move |request| {
        let call = request.call();
        let about = call.params.iter().any(|param| match param {
            Value::Number(number) => number.as_u64() == Some(REFUSED.into()),
            Value::String(ids) => ids.split(',').any(|id| id == "6"),
            _ => false,
        });
        match (call.method.as_str(), about) {
            (_, true) => bad.clone(),
            ("one.vm.info", _) => done(&vm(WELL)),
            _ => done_to(1),
        }
    })
}

/// Everything that alice can ask for about what is refused.
fn ask(cloud: &dyn Cloud) -> Vec<Refusal> {
    let user = alice();
    let results = [
        cloud.vm_to_authenticate(REFUSED).err(),
        cloud.token_password(REFUSED).err(),
        cloud.vm(&user, REFUSED).err(),
        cloud.whole_vm(&user, REFUSED).err(),
        cloud.vms(&user, &[REFUSED]).err(),
        cloud.service(&user, REFUSED).err(),
        cloud.vrouter(&user, REFUSED).err(),
        cloud.vnet(&user, REFUSED).err(),
        cloud.update(&user, REFUSED, &[single("A", "1")]).err(),
        cloud.erase(&user, REFUSED, "A").err(),
        cloud
            .act(&user, REFUSED, &action("hold", Argument::None))
            .err(),
    ];
    results.into_iter().flatten().collect()
}

/// Every error code that oned has, but for the two with which it refuses everybody.
const CODES: [i64; 7] = [0x0200, 0x0400, 0x0800, 0x1000, 0x2000, 0x4000, 0x8000];

#[test]
fn nothing_that_oned_says_to_one_guest_is_an_outage() {
    let fault = "<value><struct><member><name>faultCode</name><value><i4>-503</i4></value></member><member>\
        <name>faultString</name><value><string>Call is not valid XML: serveradmin:alice:TOKEN</string></value>\
        </member></struct></value>";
    let fault =
        format!("<?xml version=\"1.0\"?><methodResponse><fault>{fault}</fault></methodResponse>");
    let invalid = {
        let body = envelope("<value><boolean>1</boolean></value><value><string>X</string></value>");
        let at = body.find('X').unwrap();
        let bytes = [
            &body.as_bytes()[..at],
            b"\xed\xa0\xbd",
            &body.as_bytes()[at + 1..],
        ]
        .concat();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
        [head.into_bytes(), bytes].concat()
    };
    let mut replies: Vec<Reply> = CODES
        .into_iter()
        .map(|code| {
            refused(
                "[one.x] User [2] : Not authorized to perform USE VM [6].",
                code,
            )
        })
        .collect();
    replies.extend([
        Reply::Http(200, fault),
        Reply::Cut(invalid),
        Reply::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec()),
        Reply::Http(200, envelope("<value><i4>x</i4></value>")),
        Reply::Http(200, envelope("")),
        done("<VM><ID>6</VM>"),
        done("<OTHER/>"),
        done(""),
    ]);
    for reply in replies {
        let shown: String = format!("{reply:?}").chars().take(200).collect();
        let oned = oned(reply);
        let bench = Bench::with_oned(&oned);
        for _ in 0..3 {
            let refusals = ask(bench.cloud.as_ref());
            assert!(refusals.len() >= 8, "{shown}: {refusals:?}");
            for refusal in refusals {
                let words = refusal.cause();
                assert!(!words.contains("out of order"), "{shown}: {words}");
                assert!(!words.contains("TOKEN"), "{shown}: {words}");
            }
            // Another guest, at once.
            bench.cloud.vm_to_authenticate(WELL).expect(&shown);
            bench
                .cloud
                .update(&bob(), WELL, &[single("A", "1")])
                .expect(&shown);
        }
        assert!(bench.log().is_empty(), "{shown}: {:?}", bench.log());
    }
}

#[test]
fn an_owner_whom_oned_does_not_accept_is_no_outage() {
    let oned = StandIn::start(|request| match request.call().who.as_str() {
        "alice" => refused(
            "[one.x] User couldn't be authenticated, aborting call.",
            0x0100,
        ),
        _ => done(&vm(WELL)),
    });
    let bench = Bench::with_oned(&oned);
    for _ in 0..5 {
        let told = bench.cloud.update(&alice(), REFUSED, &[single("A", "1")]);
        assert!(matches!(told, Err(Refusal::NotAllowed(_))), "{told:?}");
        bench
            .cloud
            .update(&bob(), WELL, &[single("A", "1")])
            .expect("bob is served");
    }
    assert!(bench.log().is_empty(), "{:?}", bench.log());
}

#[test]
fn one_guests_record_that_cannot_be_read_spoils_no_other_guests() {
    // Only together: what is asked for alone is asked for anew.
    let oned = StandIn::start(|request| {
        let call = request.call();
        match (call.method.as_str(), &call.params[0]) {
            ("one.vmpool.infoset", _) => done("<VM_POOL><VM><ID>6</VM></VM_POOL>"),
            (_, Value::Number(id)) if id.as_u64() == Some(6) => done("<VM><ID>6</VM>"),
            (_, id) => {
                std::thread::yield_now();
                done(&vm(id.as_u64().unwrap_or_default() as u32))
            }
        }
    });
    let bench = Bench::with_oned(&oned);
    std::thread::scope(|scope| {
        for vm in 0..40 {
            let cloud = bench.cloud.clone();
            scope.spawn(move || {
                for _ in 0..5 {
                    let read = cloud.vm_to_authenticate(vm);
                    assert_eq!(read.is_ok(), vm != REFUSED, "VM {vm}: {read:?}");
                }
            });
        }
    });
    assert!(bench.log().is_empty(), "{:?}", bench.log());
}

#[test]
fn nothing_that_oneflow_says_to_one_guest_is_an_outage() {
    let not_allowed =
        "[one.document.info] User [3] : Not authorized to perform MANAGE DOCUMENT [2].";
    let without_ids = "[one.document.info] User : Not authorized to perform MANAGE DOCUMENT [2].";
    let failed = |words: &str| Refusal::Failed(words.to_string());
    let denied = |words: &str| Refusal::NotAllowed(words.to_string());
    for (status, body, refusal) in [
        (401, not_allowed, denied(without_ids)),
        (
            401,
            "[one.user.info] User couldn't be authenticated, aborting call.",
            denied("[one.user.info] User couldn't be authenticated, aborting call."),
        ),
        (403, not_allowed, denied(without_ids)),
        (404, "no such service", Refusal::NotFound),
        (400, "bad", failed("bad")),
        (405, "no", failed("no")),
        (409, "no", failed("no")),
        (413, "no", failed("no")),
        (422, "no", failed("no")),
        (429, "no", failed("no")),
        (
            500,
            "Maximum cardinality is 4",
            failed("Maximum cardinality is 4"),
        ),
        (
            500,
            "undefined method `to_i' for [2]:Array",
            failed("OpenNebula refused it; its log says why"),
        ),
    ] {
        let oneflow = StandIn::start(move |request| match request.call().who.as_str() {
            "alice" => Reply::Http(status, body.to_string()),
            _ => Reply::Http(204, String::new()),
        });
        let bench = Bench::new("http://127.0.0.1:1/RPC2", &oneflow.url(""), PATIENCE);
        for _ in 0..4 {
            let told = bench.cloud.scale(&alice(), 2, "slave", 9);
            assert_eq!(told, Err(refusal.clone()), "{status} {body}");
            assert_eq!(bench.cloud.scale(&bob(), 2, "slave", 2), Ok(()));
        }
        assert!(bench.log().is_empty(), "{status} {body}: {:?}", bench.log());
    }
}

#[test]
fn a_failed_login_at_oneflow_is_the_users_or_oneflows_but_no_outage() {
    for oned_accepts in [true, false] {
        let oned = StandIn::start(move |_| match oned_accepts {
            true => done("<USER/>"),
            false => refused(
                "[one.user.info] User couldn't be authenticated, aborting call.",
                0x0100,
            ),
        });
        let oneflow = StandIn::start(|request| match request.call().who.as_str() {
            "alice" => Reply::Http(401, String::new()),
            _ => Reply::Http(204, String::new()),
        });
        let settings = bench::settings(&oned.url("/RPC2"), &oneflow.url(""));
        let bench = Bench::with(settings);
        for _ in 0..4 {
            match (bench.cloud.scale(&alice(), 2, "slave", 9), oned_accepts) {
                (Err(Refusal::Unavailable(cause)), true) => {
                    assert!(cause.contains("OneFlow does not accept"), "{cause}");
                }
                (Err(Refusal::NotAllowed(_)), false) => {}
                (told, _) => panic!("{told:?}"),
            }
            assert_eq!(bench.cloud.scale(&bob(), 2, "slave", 2), Ok(()));
        }
        assert!(bench.log().is_empty(), "{:?}", bench.log());
    }
}
