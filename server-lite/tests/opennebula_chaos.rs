//! OpenNebula failing in every way at every call: each request is still answered, with the right answer or with 503
//! and Retry-After, nothing is left behind, and all is well again by itself once OpenNebula is. A program of its own, because it
//! counts its descriptors and threads.

#![allow(clippy::unwrap_used)]

mod support;

use onegate_server_lite::cloud::opennebula::upstream::{MAX_IDLE, Patience};
use onegate_server_lite::cloud::opennebula::{OpenNebula, Settings};
use onegate_server_lite::commands::config::Config;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::client::{Answer, until};
use support::fixtures::lines;
use support::gate::{Served, recorded};
use support::upstream::bench;
use support::upstream::replay::{Recordings, World};
use support::upstream::{Reply, Request, StandIn, http};

/// One recorded case for each way that a request takes through oned and OneFlow.
const CASES: &[&str] = &[
    "put/erase_existing",
    "get/root",
    "get/vm_accept_xml",
    "get/vms_service_peer",
    "get/vms_vrouter_peer",
    "get/service_master",
    "get/service_extended_query",
    "get/vnet_own_private",
    "get/vnet_own_private_extended",
    "put/raw_simple",
    "put/vms_service_peer",
    "action/poweroff",
    "action/attachnic",
    "scale/master_up",
];

/// Enough for an answer that comes on a busy machine, little enough to wait for one that doesn't.
const PATIENCE: Patience = Patience {
    turn: Duration::from_secs(2),
    connect: Duration::from_secs(1),
    answer: Duration::from_secs(1),
    between_tries: Duration::from_millis(100),
    quiet: Duration::ZERO,
};

/// What may become of the right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Reset,
    Closed,
    Half,
    HalfThenNothing,
    Nothing,
    NotHttp,
    Html,
    Truncated,
    BadGateway,
}

const FAULTS: &[Fault] = &[
    Fault::Reset,
    Fault::Closed,
    Fault::Half,
    Fault::HalfThenNothing,
    Fault::Nothing,
    Fault::NotHttp,
    Fault::Html,
    Fault::Truncated,
    Fault::BadGateway,
];

impl Fault {
    fn of(self, right: &Reply) -> Reply {
        let Reply::Http(status, body) = right else {
            panic!("{right:?}")
        };
        let whole = http(*status, body);
        let half = || whole[..whole.len() * 2 / 3].to_vec();
        match self {
            Fault::Reset => Reply::Reset,
            Fault::Closed => Reply::Cut(Vec::new()),
            Fault::Half => Reply::Cut(half()),
            Fault::HalfThenNothing => Reply::Stall(half()),
            Fault::Nothing => Reply::Stall(Vec::new()),
            Fault::NotHttp => Reply::Cut(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            Fault::Html => Reply::Http(200, "<html><body>It works!</body></html>".to_string()),
            // Well-formed HTTP around an answer that ends too early.
            Fault::Truncated => Reply::Http(200, body.chars().take(body.len() / 2).collect()),
            Fault::BadGateway => Reply::Http(502, String::new()),
        }
    }
}

/// The stand-ins, and the server before them.
struct Bench {
    served: Served,
    oned: StandIn,
    oneflow: StandIn,
    log: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    /// `meddle` makes of the right answer what is sent.
    fn new(world: World, meddle: impl Fn(&Reply) -> Reply + Send + Sync + 'static) -> Self {
        let meddle = Arc::new(meddle);
        let stand_in = || {
            let (world, meddle) = (world.clone(), meddle.clone());
            StandIn::start(move |request: &Request| meddle(&world.answer(&request.call())))
        };
        let (oned, oneflow) = (stand_in(), stand_in());
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        let settings = Settings {
            patience: PATIENCE,
            ..bench::settings(&oned.url("/RPC2"), &oneflow.url(""))
        };
        let cloud = OpenNebula::new(
            settings,
            Arc::new(move |line| lines.lock().unwrap().push(line.to_string())),
        );
        Bench {
            served: Served::new(Arc::new(cloud.unwrap()), Config::default()),
            oned,
            oneflow,
            log,
        }
    }
}

/// A recorded case: its request, and the answer that it should have.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    right: Answer,
}

/// The cases with what they are answered while all is well.
fn cases(recordings: &Recordings) -> Vec<Case> {
    let files: Vec<_> = ["get", "put", "action", "scale"]
        .map(|file| lines(&format!("{file}.jsonl")))
        .concat();
    let case = |name: &&'static str| {
        let line = files.iter().find(|line| line["case"] == *name).unwrap();
        let request = recorded(&line["request"]);
        let bench = Bench::new(recordings.world([*name]), Reply::clone);
        let right = bench.served.send(&request);
        assert_eq!(
            line["response"]["status"],
            right.status,
            "{name}: {}",
            right.text()
        );
        Case {
            name,
            request,
            right,
        }
    };
    CASES.iter().map(case).collect()
}

fn is_right(answer: &Answer, right: &Answer) -> bool {
    answer.status == right.status && answer.body == right.body
}

/// 503 with a plain reason and Retry-After.
fn is_honest(answer: &Answer) -> bool {
    answer.status == 503
        && answer
            .header("Retry-After")
            .is_some_and(|after| after.parse::<u32>().is_ok())
        && answer.text() == "The cloud behind this server can't answer at the moment: try again"
}

#[test]
fn every_fault_at_every_call_is_answered_and_gone_with_the_next_request() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let recordings = Recordings::read();
    let threads: Vec<_> = cases(&recordings)
        .into_iter()
        .map(|case| {
            let world = recordings.world([case.name]);
            std::thread::spawn(move || every_fault(&case, &world))
        })
        .collect();
    let tried: usize = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    println!("{tried} faults");
    assert!(tried > 300, "{tried}");
}

/// Each fault at the first call of a case, then at its second, until there is none left to fail.
fn every_fault(case: &Case, world: &World) -> usize {
    let mut tried = 0;
    for at in 0.. {
        for &fault in FAULTS {
            let calls = Arc::new(AtomicUsize::new(0));
            let counter = calls.clone();
            let bench = Bench::new(world.clone(), move |right| {
                match counter.fetch_add(1, Ordering::SeqCst) == at {
                    true => fault.of(right),
                    false => right.clone(),
                }
            });
            let answer = bench.served.send(&case.request);
            if calls.load(Ordering::SeqCst) <= at {
                assert!(
                    is_right(&answer, &case.right),
                    "{}: {} {}",
                    case.name,
                    answer.status,
                    answer.text()
                );
                return tried;
            }
            tried += 1;
            let what = format!(
                "{} with {fault:?} at call {at}: {} {}",
                case.name,
                answer.status,
                answer.text()
            );
            assert!(
                is_honest(&answer) || is_right(&answer, &case.right),
                "{what}"
            );
            assert_eq!(
                bench.log.lock().unwrap().len(),
                usize::from(answer.status == 503),
                "{what}"
            );
            let again = bench.served.send(&case.request);
            assert!(
                is_right(&again, &case.right),
                "{what}; then {} {}",
                again.status,
                again.text()
            );
        }
    }
    unreachable!()
}

/// The tests take their turns: one counts what the process holds.
static TURN: Mutex<()> = Mutex::new(());

/// Threads and open files of this process.
fn held() -> (usize, usize) {
    let count = |what| {
        std::fs::read_dir(format!("/proc/self/{what}"))
            .unwrap()
            .count()
    };
    (count("task"), count("fd"))
}

#[test]
fn a_storm_of_faults_leaves_nothing_behind() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let recordings = Recordings::read();
    let cases = Arc::new(cases(&recordings));
    let world = recordings.world(CASES.iter().copied());
    let storm = Arc::new(AtomicU64::new(0));
    let weather = storm.clone();
    let bench = Bench::new(world, move |right| {
        // 0 is fair weather; else a generator of numbers, a third of which are faults.
        let number = weather.load(Ordering::SeqCst);
        if number == 0 {
            return right.clone();
        }
        let next = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407)
            | 1;
        weather.store(next, Ordering::SeqCst);
        match FAULTS.get((next >> 33) as usize % (FAULTS.len() * 3)) {
            Some(fault) => fault.of(right),
            None => right.clone(),
        }
    });
    let bench = Arc::new(bench);
    // Warm: every thread that stays, and every connection that is kept.
    let all_right = || {
        for case in cases.iter() {
            let answer = bench.served.send(&case.request);
            let (name, text) = (&case.name, answer.text());
            assert_eq!(answer.status, case.right.status, "{name}: {text}");
        }
    };
    all_right();
    let idle = || bench.oned.open() <= MAX_IDLE && bench.oneflow.open() <= MAX_IDLE;
    until("the connections are idle", idle);
    let before = held();

    storm.store(4711, Ordering::SeqCst);
    let end = Instant::now() + Duration::from_secs(4);
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let (bench, cases) = (bench.clone(), cases.clone());
            std::thread::spawn(move || {
                let (mut right, mut honest) = (0, 0);
                for at in client.. {
                    if Instant::now() > end {
                        break;
                    }
                    let case = &cases[at % cases.len()];
                    let answer = bench.served.send(&case.request);
                    let said = || format!("{}: {} {}", case.name, answer.status, answer.text());
                    match answer.status {
                        503 => {
                            assert!(answer.header("Retry-After").is_some(), "{}", said());
                            honest += 1;
                        }
                        status => {
                            assert_eq!(status, case.right.status, "{}", said());
                            right += 1;
                        }
                    }
                }
                (right, honest)
            })
        })
        .collect();
    let (mut right, mut honest) = (0, 0);
    for client in clients {
        let (r, h) = client.join().unwrap();
        right += r;
        honest += h;
    }
    println!("{right} right answers and {honest} times 503 in the storm");
    assert!(right > 0 && honest > 0, "{right} {honest}");

    storm.store(0, Ordering::SeqCst);
    all_right();
    until("the connections are idle again", idle);
    until("no thread and no file is left over", || {
        let after = held();
        // The connections kept may be others than before, up to as many as are ever kept; each has both its ends,
        // a thread and a clone in this process.
        after.0 <= before.0 + 2 * MAX_IDLE && after.1 <= before.1 + 6 * MAX_IDLE
    });
}
