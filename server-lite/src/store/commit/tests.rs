use super::*;
use serde_json::json;
use std::path::Path;
use std::sync::mpsc;

fn cloud() -> Commits {
    let mut objects = Objects::default();
    objects.set(Kind::Vm, 1, Some(Arc::new(json!({"ID": "1", "N": 0}))));
    Commits::new(objects, None)
}

fn add(commits: &Commits) -> Result<(), Refusal> {
    commits.change(|draft| {
        let vm = draft.get_mut(Kind::Vm, 1).ok_or(Refusal::NotFound)?;
        vm["N"] = json!(vm["N"].as_u64().unwrap_or(0) + 1);
        Ok(())
    })
}

#[test]
fn changes_at_once_all_survive() {
    let commits = cloud();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| add(&commits).expect("stored")));
        }
    });
    assert_eq!(
        commits.read(|o| o.get(Kind::Vm, 1).map(|vm| vm["N"].clone())),
        Some(json!(400))
    );
    assert!(lock(&commits.shared.staged).writes.is_empty());
}

#[test]
fn a_refused_change_leaves_no_trace() {
    let commits = cloud();
    let refused: Result<(), _> = commits.change(|draft| {
        draft.remove(Kind::Vm, 1);
        Err(Refusal::Failed("no".into()))
    });
    assert_eq!(refused, Err(Refusal::Failed("no".into())));
    assert!(commits.read(|o| o.get(Kind::Vm, 1).is_some()));
    add(&commits).expect("stored");
}

/// A cloud with a store in this directory.
fn stored_in(directory: &Path) -> Commits {
    let mut opened = Store::open(directory).expect("a state");
    let mut objects = Objects::default();
    objects.set(Kind::Vm, 1, Some(Arc::new(json!({"ID": "1", "N": 0}))));
    opened.store.fill(&objects, "scenario").expect("filled");
    Commits::new(objects, Some(opened.store))
}

fn n_of(commits: &Commits) -> u64 {
    commits.read(|o| {
        o.get(Kind::Vm, 1)
            .and_then(|vm| vm["N"].as_u64())
            .expect("N")
    })
}

/// Adds one without waiting; what came of it is sent.
fn add_later(commits: &Commits, tell: &mpsc::Sender<(u64, Result<(), Refusal>)>) {
    let drafted = commits.draft(|draft| {
        let vm = draft.get_mut(Kind::Vm, 1).ok_or(Refusal::NotFound)?;
        let n = vm["N"].as_u64().unwrap_or(0) + 1;
        vm["N"] = json!(n);
        Ok(n)
    });
    let (n, pending) = drafted.expect("drafted");
    let tell = tell.clone();
    pending.then(move |stored| tell.send((n, stored)).expect("the test listens"));
}

fn until_storing(commits: &Commits) {
    while !lock(&commits.shared.staged).storing {
        thread::yield_now();
    }
}

#[test]
fn those_who_do_not_wait_are_told_once_their_batch_is_stored() {
    let directory = tempfile::tempdir().expect("a directory");
    let commits = stored_in(&directory.path().join("state"));
    let (tell, told) = mpsc::channel();
    let disk = lock(&commits.shared.store);
    add_later(&commits, &tell);
    until_storing(&commits);
    (1..100).for_each(|_| add_later(&commits, &tell));
    assert!(told.try_recv().is_err() && n_of(&commits) == 0);
    drop(disk);
    // One who waits is of the same batch, or the next.
    add(&commits).expect("stored");
    let all: Vec<_> = told.iter().take(100).collect();
    let expected: Vec<_> = (1..=100).map(|n| (n, Ok(()))).collect();
    assert_eq!(all, expected);
    assert_eq!(n_of(&commits), 101);
    drop(commits);
    let journal = std::fs::read_to_string(directory.path().join("state/journal"));
    let transactions = journal.expect("the journal").matches("[[\"vm\",1,").count();
    // The first state, the first change, then all others together or all but one.
    assert!((3..=4).contains(&transactions), "{transactions}");
}

#[test]
fn those_who_do_not_wait_are_told_what_could_not_be_stored() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let commits = stored_in(&state);
    let (tell, told) = mpsc::channel();
    std::fs::rename(state.join("journal"), state.join("elsewhere")).expect("renamed");
    let disk = lock(&commits.shared.store);
    (0..2).for_each(|_| add_later(&commits, &tell));
    until_storing(&commits);
    (0..2).for_each(|_| add_later(&commits, &tell));
    drop(disk);
    for (_, stored) in told.iter().take(4) {
        assert!(matches!(stored, Err(Refusal::Unavailable(_))), "{stored:?}");
    }
    assert_eq!(n_of(&commits), 0);
    std::fs::rename(state.join("elsewhere"), state.join("journal")).expect("renamed");
    add_later(&commits, &tell);
    assert_eq!(told.recv(), Ok((1, Ok(()))));
    assert_eq!(n_of(&commits), 1);
}

#[test]
fn the_end_waits_for_what_is_drafted() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let commits = stored_in(&state);
    let (tell, told) = mpsc::channel();
    (0..10).for_each(|_| add_later(&commits, &tell));
    drop(commits);
    assert_eq!(
        told.try_iter().filter(|(_, stored)| stored.is_ok()).count(),
        10
    );
    let stored = Store::read(&state).expect("the state").objects;
    assert_eq!(
        stored.get(Kind::Vm, 1).map(|vm| vm["N"].clone()),
        Some(json!(10))
    );
}
