//! Many guests, few calls: what several want to know is asked once, what waits goes together, and nobody is told what
//! was before their own change.

use crate::support::client::until;
use crate::support::upstream::bench::{self, Bench, alice, single};
use crate::support::upstream::{Call, StandIn, done, done_to, refused, vm};
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::opennebula::clock::Clock;
use onegate_server_lite::cloud::opennebula::turns::MAX_CALLS;
use onegate_server_lite::cloud::opennebula::upstream::Patience;
use onegate_server_lite::cloud::opennebula::{Ages, Settings};
use onegate_server_lite::objects::refusal::Refusal;
use serde_json::{Value, json};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

fn record(id: u64) -> String {
    format!(
        "<VM><ID>{id}</ID><UID>2</UID><UNAME>alice</UNAME><PERMISSIONS><OWNER_U>1</OWNER_U></PERMISSIONS></VM>"
    )
}

/// A oned that answers nothing while it is held, and keeps the calls that came.
struct Held {
    oned: StandIn,
    bench: Bench,
    clock: Clock,
    calls: Arc<Mutex<Vec<Call>>>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    /// Those who take every turn while it is held.
    blocking: Vec<JoinHandle<()>>,
}

impl Held {
    fn new(record_age: Duration) -> Self {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let (closed, kept) = (gate.clone(), calls.clone());
        let oned = StandIn::start(move |request| {
            let call = request.call();
            kept.lock().unwrap().push(call.clone());
            let held = closed.0.lock().unwrap();
            drop(closed.1.wait_while(held, |held| *held).unwrap());
            match (call.method.as_str(), &call.params[0]) {
                ("one.vm.info", Value::Number(id)) => done(&record(id.as_u64().unwrap())),
                ("one.vmpool.infoset", Value::String(ids)) => {
                    let known = ids.split(',').filter(|id| *id != "13");
                    let records: String = known.map(|id| record(id.parse().unwrap())).collect();
                    done(&format!("<VM_POOL>{records}</VM_POOL>"))
                }
                ("one.user.info", _) => done("<USER/>"),
                ("one.vm.update", _) if call.params[1].as_str().unwrap().contains("BAD") => {
                    refused("[one.vm.update] Not this.", 2048)
                }
                ("one.vm.update", _) => done_to(6),
                (other, _) => panic!("{other}"),
            }
        });
        let clock = Clock::stopped_at(1_795_000_500);
        let bench = Bench::with(Settings {
            ages: Ages {
                record: record_age,
                ..bench::UNREMEMBERED
            },
            clock: clock.clone(),
            patience: Patience {
                turn: Duration::from_secs(60),
                ..Patience::default()
            },
            ..bench::settings(&oned.url("/RPC2"), "http://127.0.0.1:1")
        });
        // Both sessions are known to oned.
        bench.cloud.token_password(100).unwrap();
        bench
            .cloud
            .update(&alice(), 99, &[single("A", "1")])
            .unwrap();
        calls.lock().unwrap().clear();
        Held {
            oned,
            bench,
            clock,
            calls,
            gate,
            blocking: Vec::new(),
        }
    }

    /// From now on every turn is taken.
    fn hold(&mut self) {
        *self.gate.0.lock().unwrap() = true;
        let before = self.oned.requests();
        self.blocking = (0..MAX_CALLS as u32)
            .map(|user| {
                let cloud = self.bench.cloud.clone();
                std::thread::spawn(move || drop(cloud.token_password(200 + user).unwrap()))
            })
            .collect();
        until("every turn is taken", || {
            self.oned.requests() == before + MAX_CALLS
        });
        self.calls.lock().unwrap().clear();
    }

    fn release(&mut self) {
        *self.gate.0.lock().unwrap() = false;
        self.gate.1.notify_all();
        for thread in self.blocking.drain(..) {
            thread.join().unwrap();
        }
    }

    fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[test]
fn the_same_read_by_many_is_one_call() {
    let held = Held::new(Duration::from_secs(1));
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| held.bench.cloud.vm_to_authenticate(6).unwrap());
        }
    });
    assert_eq!(held.calls().len(), 1);
    held.clock.advance(Duration::from_millis(1000));
    held.bench.cloud.vm_to_authenticate(6).unwrap();
    assert_eq!(held.calls().len(), 0, "a second old");
    held.clock.advance(Duration::from_millis(1));
    held.bench.cloud.vm_to_authenticate(6).unwrap();
    assert_eq!(held.calls().len(), 1, "more than a second old");
}

#[test]
fn reads_that_wait_become_one_call_even_where_nothing_is_remembered() {
    let mut held = Held::new(Duration::ZERO);
    held.hold();
    let readers: Vec<_> = (1..=20)
        .chain([5, 5, 5])
        .map(|vm| {
            let cloud = held.bench.cloud.clone();
            std::thread::spawn(move || cloud.vm_to_authenticate(vm).unwrap()["ID"].clone())
        })
        .collect();
    until("all VMs wait", || held.bench.cloud.waiting() == 20);
    held.release();
    let read: Vec<Value> = readers
        .into_iter()
        .map(|reader| reader.join().unwrap())
        .collect();
    let expected: Vec<Value> = (1..=20)
        .chain([5, 5, 5])
        .map(|id| json!(id.to_string()))
        .collect();
    assert_eq!(read, expected);
    let calls = held.calls();
    let methods: Vec<&str> = calls.iter().map(|call| call.method.as_str()).collect();
    // VM 13 is not in the pool's answer, so it is asked for alone. A reader of VM 5 may have come too late to share.
    assert_eq!(
        &methods[..2],
        ["one.vmpool.infoset", "one.vm.info"],
        "{calls:?}"
    );
    assert!(
        calls[1..]
            .iter()
            .any(|call| call.params == [json!(13), json!(false)])
    );
    assert!(methods.len() <= 5, "{calls:?}");
}

#[test]
fn a_read_after_a_change_is_never_answered_from_before() {
    let held = Held::new(Duration::from_secs(3600));
    let (cloud, user) = (&held.bench.cloud, alice());
    let asks = |what: &str, expected: usize| {
        cloud.vm_to_authenticate(6).unwrap();
        cloud.whole_vm(&user, 6).unwrap();
        let asked = held
            .calls()
            .iter()
            .filter(|call| call.method == "one.vm.info")
            .count();
        assert_eq!(asked, expected, "{what}");
        held.clock.advance(Duration::from_millis(1));
    };
    asks("first", 1);
    asks("again", 0);
    cloud.update(&user, 6, &[single("A", "1")]).unwrap();
    held.clock.advance(Duration::from_millis(1));
    asks("after an update", 1);
    asks("and again", 0);
    cloud.update(&user, 6, &[single("BAD", "1")]).unwrap_err();
    held.clock.advance(Duration::from_millis(1));
    asks("after one that failed, as far as is known", 1);
    cloud.update(&user, 7, &[single("A", "1")]).unwrap();
    asks("after another VM's", 0);
}

#[test]
fn updates_of_one_vm_that_wait_go_together() {
    let mut held = Held::new(Duration::ZERO);
    held.hold();
    let mut updates = Vec::new();
    for (place, (name, value)) in [("A", "1"), ("B", "2"), ("A", "3"), ("READY", "YES")]
        .iter()
        .enumerate()
    {
        let cloud = held.bench.cloud.clone();
        let attributes = [single(name, value)];
        updates.push(std::thread::spawn(move || {
            cloud.update(&alice(), 6, &attributes)
        }));
        until("it waits", || held.bench.cloud.waiting() == place + 1);
    }
    held.release();
    for update in updates {
        update.join().unwrap().unwrap();
    }
    let calls = held.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let stored = vm::parse(calls[0].params[1].as_str().unwrap()).unwrap();
    let expected = [("A", "3"), ("B", "2"), ("READY", "YES")];
    let expected: Vec<_> = expected
        .iter()
        .map(|(n, v)| (n.to_string(), json!(v)))
        .collect();
    assert_eq!(stored, expected, "as if one came after the other");
}

#[test]
fn what_is_refused_together_is_tried_alone() {
    let mut held = Held::new(Duration::ZERO);
    held.hold();
    let mut updates = Vec::new();
    for (place, name) in ["A", "BAD", "C"].iter().enumerate() {
        let cloud = held.bench.cloud.clone();
        let attributes = [single(name, "1")];
        updates.push(std::thread::spawn(move || {
            cloud.update(&alice(), 6, &attributes)
        }));
        until("it waits", || held.bench.cloud.waiting() == place + 1);
    }
    // An odd value never goes with others.
    let odd = {
        let cloud = held.bench.cloud.clone();
        std::thread::spawn(move || cloud.update(&alice(), 6, &[single("D", "x,y")]))
    };
    held.release();
    let told: Vec<_> = updates
        .into_iter()
        .map(|update| update.join().unwrap().map(drop))
        .collect();
    let refusal = Err(Refusal::Failed("[one.vm.update] Not this.".to_string()));
    assert_eq!(told, [Ok(()), refusal, Ok(())]);
    odd.join().unwrap().unwrap();
    assert_eq!(held.calls().len(), 5);
}
