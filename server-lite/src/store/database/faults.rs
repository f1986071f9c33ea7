//! Every call of the store to the disk fails in turn, in each way that it can; then the power fails. What was
//! acknowledged is there, nothing else is, and what can't be done says so.

use super::simulated::{Fault, Kept, Simulated};
use super::*;
use crate::objects::document::Id;
use crate::store::state::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The documents, for comparing.
type Model = BTreeMap<(Kind, Id), Value>;

fn model(objects: &Objects) -> Model {
    let each = |kind| {
        objects
            .all(kind)
            .map(move |(id, document)| ((kind, id), document.as_ref().clone()))
    };
    Kind::ALL.into_iter().flat_map(each).collect()
}

fn with(model: &Model, writes: &Writes) -> Model {
    let mut after = model.clone();
    for (key, document) in writes {
        match document {
            Some(document) => after.insert(*key, document.as_ref().clone()),
            None => after.remove(key),
        };
    }
    after
}

fn scenario() -> Objects {
    let mut objects = Objects::default();
    for id in 1..4 {
        let document = json!({"ID": id.to_string(), "NAME": "x".repeat(300)});
        objects.set(Kind::Vm, id, Some(Arc::new(document)));
    }
    objects
}

/// Changes that append, remove, add, and make the journal large enough to be written anew.
fn changes() -> Vec<Writes> {
    let vm = |id: u32, n: usize| {
        let document = json!({"ID": id.to_string(), "N": n, "PAD": "y".repeat(n * 100)});
        ((Kind::Vm, id), Some(Arc::new(document)))
    };
    vec![
        Writes::from([vm(1, 1)]),
        Writes::from([vm(2, 2), ((Kind::Vm, 3), None)]),
        Writes::from([vm(7, 20), ((Kind::Service, 1), vm(1, 3).1)]),
        Writes::from([vm(1, 4)]),
        Writes::from([vm(7, 5)]),
    ]
}

/// What a run of the server knows: what was acknowledged, and what was refused and may be on the disk all the same.
struct Run {
    acknowledged: Option<Model>,
    refused: Vec<Model>,
    errors: usize,
}

fn start(disk: &Simulated) -> Result<(Store, Option<Stored>), StoreError> {
    Store::open_on(Box::new(disk.clone()), Path::new("/state")).map(|(mut store, stored)| {
        // Small, so that the changes above make it write a new journal.
        store.slack = 512;
        (store, stored)
    })
}

/// Opens, fills and changes a state, as the server does: after a change that fails the next one is tried.
fn run(disk: &Simulated) -> Run {
    let mut run = Run {
        acknowledged: None,
        refused: Vec::new(),
        errors: 0,
    };
    let mut objects = scenario();
    let Ok((mut store, stored)) = start(disk) else {
        run.errors += 1;
        return run;
    };
    assert!(stored.is_none(), "there is a state already");
    if store.fill(&objects, "a scenario").is_err() {
        run.errors += 1;
        run.refused.push(model(&objects));
        return run;
    }
    run.acknowledged = Some(model(&objects));
    for writes in changes() {
        let after = with(&model(&objects), &writes);
        match store.write(&objects, &writes) {
            Ok(()) => {
                for ((kind, id), document) in &writes {
                    objects.set(*kind, *id, document.clone());
                }
                run.refused.clear();
                run.acknowledged = Some(after);
            }
            Err(error) => {
                assert!(error.to_string().contains("/state/journal"), "{error}");
                run.errors += 1;
                run.refused.push(after);
            }
        }
    }
    run
}

/// After a crash the state opens, with what was acknowledged; a change that was refused last may count or not.
fn verify(disk: &Simulated, run: &Run, what: &str) {
    let (mut store, stored) = start(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = stored.map(|stored| model(&stored.objects));
    let expected = found == run.acknowledged
        || found
            .as_ref()
            .is_some_and(|found| run.refused.contains(found));
    assert!(
        expected,
        "{what}: found {found:?}, acknowledged {:?}",
        run.acknowledged
    );
    // And it goes on from there.
    let Some(found) = found else { return };
    let mut objects = Objects::default();
    for ((kind, id), document) in &found {
        objects.set(*kind, *id, Some(Arc::new(document.clone())));
    }
    let writes = Writes::from([((Kind::Vm, 9), Some(Arc::new(json!({"ID": "9"}))))]);
    store.write(&objects, &writes).expect("the disk is well");
    drop(store);
    disk.crash(Kept::Synced);
    let (_, stored) = start(disk).unwrap_or_else(|error| panic!("{what}, then: {error}"));
    let stored = stored.map(|stored| model(&stored.objects));
    assert_eq!(stored, Some(with(&found, &writes)), "{what}");
}

const KEPT: [Kept; 6] = [
    Kept::All,
    Kept::Synced,
    Kept::Some(1),
    Kept::Some(2),
    Kept::Some(3),
    Kept::Some(4),
];

#[test]
fn whatever_call_fails_what_was_acknowledged_is_there_and_nothing_else() {
    let calls = {
        let disk = Simulated::default();
        disk.fail(usize::MAX, Fault::Refuse);
        let all = run(&disk);
        assert_eq!(all.errors, 0);
        verify(&disk, &all, "no fault");
        let disk = Simulated::default();
        disk.fail(usize::MAX, Fault::Refuse);
        run(&disk);
        disk.heal()
    };
    assert!(calls > 50, "{calls} calls");
    let faults = [
        Fault::Refuse,
        Fault::Half,
        Fault::DoneAndRefuse,
        Fault::Dead,
    ];
    let mut noticed = 0;
    for call in 0..calls {
        for fault in faults {
            for kept in KEPT {
                let disk = Simulated::default();
                disk.fail(call, fault);
                let run = run(&disk);
                noticed += run.errors;
                disk.crash(kept);
                verify(&disk, &run, &format!("call {call}, {fault:?}, {kept:?}"));
            }
        }
    }
    println!(
        "{calls} calls, {} runs, {noticed} errors",
        calls * faults.len() * KEPT.len()
    );
    assert!(noticed > calls, "faults are not noticed: {noticed}");
}

#[test]
fn whatever_call_fails_at_the_next_start_the_state_is_not_harmed() {
    let prepared = || {
        let disk = Simulated::default();
        let run = run(&disk);
        disk.crash(Kept::All);
        (disk, run)
    };
    let calls = {
        let (disk, _) = prepared();
        disk.fail(usize::MAX, Fault::Refuse);
        start(&disk).expect("it opens");
        disk.heal()
    };
    for call in 0..calls {
        for fault in [
            Fault::Refuse,
            Fault::Half,
            Fault::DoneAndRefuse,
            Fault::Dead,
        ] {
            for kept in KEPT {
                let (disk, run) = prepared();
                disk.fail(call, fault);
                if let Ok((_, stored)) = start(&disk) {
                    let stored = stored.map(|stored| model(&stored.objects));
                    assert_eq!(stored, run.acknowledged, "call {call}, {fault:?}");
                }
                disk.crash(kept);
                verify(
                    &disk,
                    &run,
                    &format!("start, call {call}, {fault:?}, {kept:?}"),
                );
            }
        }
    }
}

#[test]
fn a_power_failure_at_any_moment_loses_nothing_that_was_acknowledged() {
    let mut call = 0;
    loop {
        let mut reached = false;
        for seed in 0..12 {
            let disk = Simulated::default();
            disk.fail(call, Fault::Dead);
            let run = run(&disk);
            reached = run.errors > 0;
            disk.crash(Kept::Some(seed * 7919 + call as u64));
            verify(&disk, &run, &format!("power failed at call {call}, {seed}"));
        }
        if !reached {
            break;
        }
        call += 1;
    }
    assert!(call > 50, "{call}");
}
