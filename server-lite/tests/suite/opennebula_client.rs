//! The back end against stand-ins for oned and OneFlow: which calls it makes in whose name, how many connections it
//! holds, and what it makes of every way in which an answer can fail.

use crate::support::client::until;
use crate::support::upstream;
use crate::support::upstream::bench::{self, Bench, PATIENCE, action, alice, single};
use crate::support::upstream::{Call, Reply, StandIn, done, done_to, refused};
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::opennebula::clock::Clock;
use onegate_server_lite::cloud::opennebula::turns::MAX_CALLS;
use onegate_server_lite::cloud::opennebula::upstream::{MAX_IDLE, Patience};
use onegate_server_lite::cloud::opennebula::{Ages, OpenNebula, Settings};
use onegate_server_lite::objects::action::Argument;
use onegate_server_lite::objects::document::Document;
use onegate_server_lite::objects::refusal::Refusal;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const VM: &str = "<VM><ID>6</ID><UID>2</UID><UNAME>alice</UNAME>\
    <PERMISSIONS><OWNER_U>1</OWNER_U></PERMISSIONS></VM>";
const FOREIGN: &str = "<VM><ID>7</ID><UID>3</UID><UNAME>bob</UNAME>\
    <PERMISSIONS><OWNER_U>1</OWNER_U></PERMISSIONS></VM>";
const SERVICE: &str = "<DOCUMENT><ID>2</ID><UID>2</UID><TYPE>100</TYPE>\
    <PERMISSIONS><OWNER_U>1</OWNER_U></PERMISSIONS>\
    <TEMPLATE><BODY><![CDATA[{\"name\":\"svc\"}]]></BODY></TEMPLATE></DOCUMENT>";

/// Keeps every call that came.
type Calls = Arc<Mutex<Vec<Call>>>;

fn recording(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> (StandIn, Calls) {
    let calls = Calls::default();
    let kept = calls.clone();
    let stand_in = StandIn::start(move |request| {
        let call = request.call();
        let reply = answer(&call);
        kept.lock().expect("calls").push(call);
        reply
    });
    (stand_in, calls)
}

fn call(method: &str, who: &str, params: Value) -> Call {
    Call {
        method: method.to_string(),
        who: who.to_string(),
        params: params.as_array().expect("a list").clone(),
    }
}

#[test]
fn reads_are_made_in_the_servers_name_where_permissions_decide_and_changes_in_the_owners() {
    let (oned, calls) = recording(|call| match call.method.as_str() {
        "one.user.info" => done(
            "<USER><TEMPLATE><TOKEN_PASSWORD><![CDATA[pw]]></TOKEN_PASSWORD></TEMPLATE></USER>",
        ),
        "one.vmpool.infoset" if call.who == "alice" => {
            done(&format!("<VM_POOL>{FOREIGN}</VM_POOL>"))
        }
        "one.vmpool.infoset" => done(&format!("<VM_POOL>{VM}{FOREIGN}</VM_POOL>")),
        "one.vrouter.info" => done("<VROUTER/>"),
        "one.vn.info" => done("<VNET/>"),
        "one.document.info" => done(SERVICE),
        "one.vm.info" => done(VM),
        _ => done_to(6),
    });
    let (oneflow, flows) = recording(|_| Reply::Http(204, String::new()));
    let bench = Bench::new(&oned.url("/RPC2"), &oneflow.url("/"), PATIENCE);
    let cloud = &bench.cloud;
    let user = alice();

    assert_eq!(cloud.vm_to_authenticate(6).expect("a VM")["ID"], "6");
    assert_eq!(cloud.token_password(2), Ok(Some("pw".to_string())));
    assert_eq!(cloud.vm(&user, 6).expect("a VM")["UNAME"], "alice");
    assert_eq!(cloud.vms(&user, &[7, 6, 7]).expect("VMs").len(), 2);
    assert!(cloud.vms(&user, &[]).expect("none").is_empty());
    assert_eq!(*cloud.vrouter(&user, 0).expect("a router"), json!({}));
    assert_eq!(*cloud.vnet(&user, 3).expect("a network"), json!({}));
    cloud
        .update(&user, 6, &[single("A", "1")])
        .expect("an update");
    for action in [
        action("poweroff-hard", Argument::None),
        action(
            "attach",
            Argument::Text("DISK=[IMAGE_ID=\"0\"]".to_string()),
        ),
        action("detachnic", Argument::Number(1)),
        action("migrate", Argument::Number(7)),
        action("livemigrate", Argument::Number(7)),
        action("deploy", Argument::Number(7)),
    ] {
        cloud.act(&user, 6, &action).expect(action.name);
    }
    let service = cloud.service(&user, 2).expect("a service");
    assert_eq!(service["TEMPLATE"]["BODY"]["name"], "svc");
    cloud.scale(&user, 2, "sl\"ave", 3).expect("scaled");

    // Orders of parameters as in server-lite/tests/fixtures/opennebula/upstream.jsonl.
    let expected = [
        call("one.vm.info", "serveradmin", json!([6, false])),
        call("one.user.info", "serveradmin", json!([2, false])),
        call("one.vm.info", "serveradmin", json!([6, false])),
        call("one.vmpool.infoset", "serveradmin", json!(["6,7", true])),
        call("one.vmpool.infoset", "alice", json!(["7", true])),
        call("one.vrouter.info", "serveradmin", json!([0, false])),
        call("one.vrouter.info", "alice", json!([0, false])),
        call("one.vn.info", "serveradmin", json!([3, false])),
        call("one.vn.info", "alice", json!([3, false])),
        call("one.vm.update", "alice", json!([6, "A=\"1\"", 1])),
        call("one.vm.action", "alice", json!(["poweroff-hard", 6])),
        call(
            "one.vm.attach",
            "alice",
            json!([6, "DISK=[IMAGE_ID=\"0\"]"]),
        ),
        call("one.vm.detachnic", "alice", json!([6, 1])),
        call(
            "one.vm.migrate",
            "alice",
            json!([6, 7, false, false, -1, 0]),
        ),
        call("one.vm.migrate", "alice", json!([6, 7, true, false, -1, 0])),
        call("one.vm.deploy", "alice", json!([6, 7, false, -1, ""])),
        call("one.document.info", "serveradmin", json!([2, false])),
    ];
    assert_eq!(*calls.lock().expect("calls"), expected);
    let scaled = json!([{"cardinality": 3, "role_name": "sl\"ave", "force": false}]);
    assert_eq!(
        *flows.lock().expect("calls"),
        [call("POST /service/2/scale", "alice", scaled)]
    );
    assert!(bench.log().is_empty(), "{:?}", bench.log());
}

#[test]
fn the_callers_own_record_is_read_once_where_its_owner_may_use_it() {
    let (oned, calls) = recording(|_| done(VM));
    let bench = Bench::with_oned(&oned);
    let record = |owner_u: &str, uid: &str| -> Document {
        Arc::new(json!({"ID": "6", "UID": uid, "PERMISSIONS": {"OWNER_U": owner_u}}))
    };
    for (authenticated, asked) in [
        (record("1", "2"), 0),
        (record("0", "2"), 1),
        (record("1", "3"), 1),
    ] {
        calls.lock().expect("calls").clear();
        let own = bench.cloud.own_vm(&alice(), &authenticated).expect("a VM");
        assert_eq!(own["ID"], "6");
        assert_eq!(calls.lock().expect("calls").len(), asked, "{authenticated}");
    }
}

#[test]
fn a_token_password_is_remembered_but_a_new_one_counts_at_once() {
    let version = Arc::new(AtomicUsize::new(1));
    let current = version.clone();
    let (oned, calls) = recording(move |_| match current.load(Ordering::SeqCst) {
        0 => done("<USER><TEMPLATE></TEMPLATE></USER>"),
        version => done(&format!(
            "<USER><TEMPLATE><TOKEN_PASSWORD>pw{version}</TOKEN_PASSWORD></TEMPLATE></USER>"
        )),
    });
    let clock = Clock::stopped_at(1_795_000_000);
    let bench = Bench::with(Settings {
        clock: clock.clone(),
        ..bench::settings(&oned.url("/RPC2"), "http://127.0.0.1:1")
    });
    let asked = || calls.lock().expect("calls").len();
    for _ in 0..3 {
        assert_eq!(bench.cloud.token_password(2), Ok(Some("pw1".to_string())));
    }
    assert_eq!(asked(), 1);
    // A token that doesn't match moments later: guessing makes no calls.
    assert_eq!(bench.cloud.newer_token_password(2), Ok(None));
    assert_eq!(asked(), 1);
    version.store(2, Ordering::SeqCst);
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        bench.cloud.newer_token_password(2),
        Ok(Some("pw2".to_string()))
    );
    assert_eq!(bench.cloud.token_password(2), Ok(Some("pw2".to_string())));
    assert_eq!(asked(), 2);
    // A user without one is never remembered.
    version.store(0, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(bench.cloud.token_password(3), Ok(None));
    }
    assert_eq!(asked(), 4);
}

#[test]
fn the_time_for_which_a_token_password_is_remembered_can_be_set() {
    let (oned, calls) = recording(|_| {
        done("<USER><TEMPLATE><TOKEN_PASSWORD>pw</TOKEN_PASSWORD></TEMPLATE></USER>")
    });
    // How often oned is asked, by one request a second for ten seconds.
    for (seconds, asked) in [(0, 10), (1, 10), (2, 5), (5, 2), (60, 1)] {
        let clock = Clock::stopped_at(1_795_000_000);
        let bench = Bench::with(Settings {
            clock: clock.clone(),
            ages: Ages {
                token_password: Duration::from_secs(seconds),
                ..bench::UNREMEMBERED
            },
            ..bench::settings(&oned.url("/RPC2"), "http://127.0.0.1:1")
        });
        calls.lock().expect("calls").clear();
        for _ in 0..10 {
            let password = bench.cloud.token_password(2);
            assert_eq!(password, Ok(Some("pw".to_string())));
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(calls.lock().expect("calls").len(), asked, "{seconds} s");
    }
}

#[test]
fn refusals_reach_the_handlers_with_their_reason_and_without_foreign_ids() {
    let table = [
        (
            1024,
            "[one.vm.action] Error getting virtual machine [6].",
            Refusal::NotFound,
        ),
        (
            512,
            "[one.vm.action] User [2] : Not authorized to perform ADMIN VM [6].",
            Refusal::NotAllowed(
                "[one.vm.action] User [2] : Not authorized to perform ADMIN VM [6].".to_string(),
            ),
        ),
        (
            2048,
            "[one.vm.action] Image [12] is locked by VM [40].",
            Refusal::Failed("[one.vm.action] Image is locked by VM.".to_string()),
        ),
        (
            256,
            "[one.vm.action] User couldn't be authenticated, aborting call.",
            Refusal::NotAllowed(
                "[one.vm.action] User couldn't be authenticated, aborting call.".to_string(),
            ),
        ),
    ];
    for (code, reason, refusal) in table {
        let oned = StandIn::start(move |_| refused(reason, code));
        let bench = Bench::with_oned(&oned);
        assert_eq!(
            bench
                .cloud
                .act(&alice(), 6, &action("hold", Argument::None)),
            Err(refusal)
        );
        assert!(bench.log().is_empty(), "{:?}", bench.log());
    }
    for (status, body, refusal) in [
        (
            500,
            "Maximum cardinality is 4",
            Refusal::Failed("Maximum cardinality is 4".to_string()),
        ),
        (404, "", Refusal::NotFound),
        (
            403,
            "User [3] may not",
            Refusal::NotAllowed("User may not".to_string()),
        ),
    ] {
        let oneflow = StandIn::start(move |_| Reply::Http(status, body.to_string()));
        let bench = Bench::new("http://127.0.0.1:1/RPC2", &oneflow.url(""), PATIENCE);
        assert_eq!(bench.cloud.scale(&alice(), 2, "slave", 9), Err(refusal));
    }
}

#[test]
fn connections_are_kept_and_a_closed_one_is_replaced_unnoticed() {
    let oned = StandIn::start(|_| done(VM));
    let bench = Bench::with_oned(&oned);
    for _ in 0..20 {
        bench.cloud.vm_to_authenticate(6).expect("a VM");
    }
    assert_eq!((oned.accepted(), oned.open()), (1, 1));
    oned.hang_up();
    bench
        .cloud
        .vm_to_authenticate(6)
        .expect("a VM over a new connection");
    assert!(bench.log().is_empty(), "{:?}", bench.log());
}

#[test]
fn a_kept_connection_that_breaks_under_a_call_costs_one_more_try() {
    let oned = StandIn::start(|request| match request.connection {
        0 => Reply::Reset,
        _ => done(VM),
    });
    let bench = Bench::with_oned(&oned);
    bench.cloud.vm_to_authenticate(6).expect("a VM");
    assert_eq!((oned.accepted(), oned.requests()), (2, 2));
}

#[test]
fn what_must_not_happen_twice_is_sent_once_over_a_connection_of_its_own() {
    let oned = StandIn::start(|request| match request.call().method.as_str() {
        "one.vm.info" => done("<VM><USER_TEMPLATE><A>1</A></USER_TEMPLATE></VM>"),
        _ => Reply::Reset,
    });
    let oneflow = StandIn::start(|_| Reply::Reset);
    let bench = Bench::new(&oned.url("/RPC2"), &oneflow.url(""), PATIENCE);
    let user = alice();
    let lost = |result: Result<(), Refusal>| {
        assert!(matches!(result, Err(Refusal::Unavailable(_))), "{result:?}")
    };
    lost(
        bench
            .cloud
            .act(&user, 6, &action("poweroff", Argument::None)),
    );
    assert_eq!(oned.requests(), 1);
    lost(bench.cloud.erase(&user, 6, "A").map(drop));
    assert_eq!(oned.requests(), 3);
    lost(bench.cloud.scale(&user, 2, "slave", 2));
    assert_eq!(oneflow.requests(), 1);
}

#[test]
fn no_more_connections_are_held_than_said() {
    let oned = StandIn::start(|_| {
        std::thread::sleep(Duration::from_millis(10));
        done("<USER/>")
    });
    let bench = Bench::with_oned(&oned);
    let threads: Vec<_> = (0..50)
        .map(|thread| {
            let cloud = bench.cloud.clone();
            std::thread::spawn(move || {
                for i in 0..5 {
                    // Each of another user, so that no call serves two.
                    assert_eq!(cloud.token_password(thread * 5 + i), Ok(None));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread");
    }
    // Besides those in use and those kept, some may be on their way to be closed.
    assert!(
        oned.most_open() <= MAX_CALLS + MAX_IDLE,
        "{}",
        oned.most_open()
    );
    until("only the kept ones are left", || oned.open() <= MAX_IDLE);
    assert_eq!(oned.requests(), 250);
}

#[test]
fn a_caller_waits_for_its_turn_no_longer_than_said() {
    let stalls = Arc::new(AtomicBool::new(false));
    let stalled = stalls.clone();
    let oned = StandIn::start(move |_| match stalled.load(Ordering::SeqCst) {
        true => Reply::Stall(Vec::new()),
        false => done("<USER/>"),
    });
    let patience = Patience {
        turn: Duration::from_millis(50),
        answer: Duration::from_secs(2),
        ..PATIENCE
    };
    let bench = Bench::new(&oned.url("/RPC2"), "http://127.0.0.1:1", patience);
    bench.cloud.token_password(0).expect("an answer");
    stalls.store(true, Ordering::SeqCst);
    let stuck: Vec<_> = (1..=MAX_CALLS as u32)
        .map(|user| {
            let cloud = bench.cloud.clone();
            std::thread::spawn(move || cloud.token_password(user).expect_err("no answer"))
        })
        .collect();
    until("all are on their way", || oned.requests() == 1 + MAX_CALLS);
    let told = bench.cloud.token_password(100);
    assert!(matches!(told, Err(Refusal::Busy(1..))), "{told:?}");
    assert!(bench.log().is_empty(), "no outage: {:?}", bench.log());
    for thread in stuck {
        assert!(matches!(
            thread.join().expect("a thread"),
            Refusal::Unavailable(_)
        ));
    }
}

/// A oned of which three calls failed; the fourth hangs, and it answers all that come later.
fn hanging(between_tries: Duration) -> (StandIn, Bench, JoinHandle<Refusal>) {
    let number = AtomicUsize::new(0);
    let oned = StandIn::start(move |_| match number.fetch_add(1, Ordering::SeqCst) {
        0..3 => Reply::Http(500, String::new()),
        3 => Reply::Stall(Vec::new()),
        _ => done(VM),
    });
    let patience = Patience {
        answer: Duration::from_secs(2),
        between_tries,
        ..PATIENCE
    };
    let bench = Bench::new(&oned.url("/RPC2"), "http://127.0.0.1:1", patience);
    for _ in 0..3 {
        bench.cloud.vm_to_authenticate(6).unwrap_err();
    }
    let cloud = bench.cloud.clone();
    let hangs = std::thread::spawn(move || cloud.vm_to_authenticate(6).unwrap_err());
    until("one call tries", || oned.requests() == 4);
    (oned, bench, hangs)
}

#[test]
fn nobody_waits_for_what_is_known_to_hang() {
    let (oned, bench, hangs) = hanging(Duration::MAX);
    for _ in 0..20 {
        let told = bench.cloud.vm_to_authenticate(6);
        assert!(matches!(told, Err(Refusal::Unavailable(_))), "{told:?}");
    }
    assert_eq!(oned.requests(), 4, "only one call tries");
    hangs.join().unwrap();
    bench.cloud.vm_to_authenticate(6).unwrap();
    // Back to as many at once as ever.
    let threads: Vec<_> = (0..MAX_CALLS)
        .map(|_| {
            let cloud = bench.cloud.clone();
            std::thread::spawn(move || {
                (0..20).for_each(|_| drop(cloud.vm_to_authenticate(6).unwrap()))
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_call_that_hangs_keeps_nobody_from_finding_out_that_all_is_well() {
    let (oned, bench, hangs) = hanging(Duration::ZERO);
    for _ in 0..5 {
        bench.cloud.vm_to_authenticate(6).unwrap();
    }
    assert_eq!(oned.requests(), 9);
    hangs.join().unwrap();
}

#[test]
fn every_way_to_fail_is_unavailable_with_its_cause_in_the_log() {
    let whole = match done(VM) {
        Reply::Http(status, body) => upstream::http(status, &body),
        _ => unreachable!(),
    };
    let half = whole[..whole.len() / 2].to_vec();
    let endless: Vec<u8> = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    for (reply, words) in [
        (Reply::Reset, "the call failed"),
        (Reply::Cut(Vec::new()), "the call failed"),
        (Reply::Cut(half.clone()), "the call failed"),
        (Reply::Stall(half), "no answer within 0 s"),
        (Reply::Stall(Vec::new()), "no answer within 0 s"),
        (
            Reply::Cut(b"\x00\x01\x02\r\n\r\n".to_vec()),
            "the call failed",
        ),
        (Reply::Cut(endless), "the call failed"),
        (Reply::Http(200, String::new()), "can't be read"),
        (Reply::Http(200, "<html>".to_string()), "can't be read"),
        (Reply::Http(500, "oops".to_string()), "HTTP status 500"),
        (Reply::Http(302, String::new()), "HTTP status 302"),
        (
            refused("User couldn't be authenticated, aborting call.", 256),
            "does not accept the server's own user",
        ),
    ] {
        let shown = format!("{reply:?}");
        let shown = &shown[..shown.len().min(60)];
        let oned = StandIn::start(move |_| reply.clone());
        let bench = Bench::with_oned(&oned);
        for _ in 0..2 {
            let cause = bench.cause(bench.cloud.vm_to_authenticate(6));
            assert!(cause.starts_with("oned at http://127.0.0.1"), "{cause}");
            assert!(cause.contains(words), "{shown}: {cause}");
            assert!(!cause.contains("secret"), "{cause}");
        }
    }
}

#[test]
fn a_record_that_cant_be_read_is_no_outage() {
    for (record, words) in [
        ("<VM><ID>6</VM>", "not well-formed"),
        ("<NET/>", "<NET> where <VM>"),
        ("", "ends in the middle"),
    ] {
        let oned = StandIn::start(move |_| done(record));
        let bench = Bench::with_oned(&oned);
        for _ in 0..5 {
            let Err(Refusal::Unavailable(cause)) = bench.cloud.vm_to_authenticate(6) else {
                panic!("{record}")
            };
            assert!(
                cause.contains("one.vm.info") && cause.contains(words),
                "{cause}"
            );
        }
        assert_eq!(oned.requests(), 5, "others are not told to go away");
        assert!(bench.log().is_empty(), "{:?}", bench.log());
    }
}

#[test]
fn an_outage_is_logged_once_and_so_is_its_end() {
    let oned = StandIn::start(|_| done(VM));
    let address = oned.address;
    let bench = Bench::with_oned(&oned);
    bench.cloud.vm_to_authenticate(6).expect("a VM");
    drop(oned);
    for _ in 0..5 {
        let cause = bench.cause(bench.cloud.vm_to_authenticate(6));
        assert!(cause.contains("nothing listens there"), "{cause}");
    }
    let _oned = StandIn::start_at(address, |_| done(VM));
    for _ in 0..3 {
        bench
            .cloud
            .vm_to_authenticate(6)
            .expect("recovered by itself");
    }
    let log = bench.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(
        log[1].contains("answers again; 5 calls had failed"),
        "{log:?}"
    );
}

#[test]
fn oneflow_fails_apart_from_oned() {
    let oned = StandIn::start(|_| done(VM));
    for (reply, words) in [
        (Reply::Reset, "the call failed"),
        (Reply::Http(200, "<html>".to_string()), "it answered 200"),
        (Reply::Http(502, String::new()), "it answered 502"),
        (Reply::Http(503, String::new()), "it answered 503"),
        (Reply::Http(302, String::new()), "it answered 302"),
    ] {
        let oneflow = StandIn::start(move |_| reply.clone());
        let bench = Bench::new(&oned.url("/RPC2"), &oneflow.url(""), PATIENCE);
        let cause = bench.cause(bench.cloud.scale(&alice(), 2, "slave", 2));
        assert!(
            cause.starts_with("OneFlow at") && cause.contains(words),
            "{cause}"
        );
        bench.cloud.vm_to_authenticate(6).expect("oned answers");
        assert_eq!(bench.log().len(), 1, "{:?}", bench.log());
    }
}

#[test]
fn addresses_that_cant_be_used_are_refused_at_the_start() {
    for (url, words) in [
        ("https://one.example:2633/RPC2", "plain http"),
        ("localhost:2633", "http://HOST:PORT"),
        ("", "is no URL"),
        ("http:///RPC2", "http"),
    ] {
        let settings = bench::settings(url, "http://localhost:2474");
        let error = OpenNebula::new(settings, Arc::new(|_| {}))
            .err()
            .expect(url)
            .to_string();
        assert!(
            error.contains(words) && error.contains("oned"),
            "{url}: {error}"
        );
    }
}
