//! What a state directory keeps, and what is said of one that can't be used.

use super::simulated::next;
use super::*;
use crate::store::state::{Draft, Kind};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

fn objects() -> Objects {
    let mut objects = Objects::default();
    for id in [1, 2] {
        objects.set(Kind::Vm, id, Some(Arc::new(json!({"ID": id.to_string()}))));
    }
    objects
}

fn opened(directory: &Path) -> (Store, Option<Stored>) {
    let opened = Store::open(directory).expect("a state directory");
    (opened.store, opened.stored)
}

fn refused(directory: &Path) -> String {
    Store::open(directory).expect_err("refused").to_string()
}

/// A directory with a state of two VMs, of which the first has been changed.
fn state() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = opened(directory.path());
    store.fill(&objects(), "a scenario").unwrap();
    store.write(&objects(), &change(1)).unwrap();
    directory
}

fn change(n: usize) -> Writes {
    Writes::from([((Kind::Vm, 1), Some(Arc::new(json!({"ID": "1", "N": n}))))])
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_written_is_there_again_and_for_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("made/for/us");
    let (mut store, stored) = opened(&directory);
    assert!(stored.is_none());
    store.fill(&objects(), "a scenario").unwrap();
    let writes = Writes::from([
        ((Kind::Vm, 1), None),
        ((Kind::Vm, 7), Some(Arc::new(json!({"ID": "7"})))),
        ((Kind::Service, 3), Some(Arc::new(json!({"ID": "3"})))),
    ]);
    store.write(&objects(), &writes).unwrap();
    store
        .write(&objects(), &Writes::from([((Kind::Vm, 7), None)]))
        .unwrap();
    drop(store);
    let (_store, stored) = opened(&directory);
    let stored = stored.expect("what was written");
    assert_eq!(stored.scenario, "a scenario");
    let ids = |kind| {
        stored
            .objects
            .all(kind)
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    };
    assert_eq!((ids(Kind::Vm), ids(Kind::Service)), (vec![2], vec![3]));
    // The id of VM 7 is not used again.
    let earlier = Writes::new();
    assert_eq!(Draft::new(&stored.objects, &earlier).next_vm_id(), Some(8));
    assert_eq!(mode(&directory), 0o700);
    for file in [JOURNAL, MARKER, LOCK] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_journal_that_has_grown_is_written_anew_with_all_that_counts() {
    let directory = state();
    let (mut store, stored) = opened(directory.path());
    let mut objects = stored.unwrap().objects;
    store.slack = 10_000;
    let length = || fs::metadata(directory.path().join(JOURNAL)).unwrap().len();
    let removed = Writes::from([
        ((Kind::Vm, 9), Some(Arc::new(json!({"ID": "9"})))),
        ((Kind::Vm, 2), None),
    ]);
    store.write(&objects, &removed).unwrap();
    for ((kind, id), document) in removed {
        objects.set(kind, id, document);
    }
    store
        .write(&objects, &Writes::from([((Kind::Vm, 9), None)]))
        .unwrap();
    objects.set(Kind::Vm, 9, None);
    let (mut longest, mut shrank) = (length(), false);
    for n in 0..1000 {
        store.write(&objects, &change(n)).unwrap();
        shrank |= length() < longest;
        longest = longest.max(length());
    }
    assert!(shrank && longest < 600_000, "{longest} bytes");
    drop(store);
    let stored = opened(directory.path()).1.unwrap();
    assert_eq!(stored.scenario, "a scenario");
    assert_eq!(stored.objects.get(Kind::Vm, 1).unwrap()["N"], 999);
    assert!(stored.objects.get(Kind::Vm, 2).is_none());
    let earlier = Writes::new();
    assert_eq!(Draft::new(&stored.objects, &earlier).next_vm_id(), Some(10));
}

#[test]
fn one_server_writes_and_others_may_read() {
    let directory = state();
    let path = directory.path();
    let (mut store, _) = opened(path);
    let taken = format!(
        "{} is in use by another server (process {}): stop it, or give another --state directory",
        path.display(),
        std::process::id()
    );
    assert_eq!(refused(path), taken);
    // Without the lock's file the journal itself is locked.
    fs::remove_file(path.join(LOCK)).unwrap();
    assert_eq!(refused(path), taken);
    let read = |id| {
        Store::read(path)
            .unwrap()
            .objects
            .get(Kind::Vm, id)
            .cloned()
    };
    assert!(read(2).is_some());
    store
        .write(&objects(), &Writes::from([((Kind::Vm, 2), None)]))
        .unwrap();
    assert!(read(2).is_none());
}

#[test]
fn a_copy_can_be_read_where_nothing_can_be_written() {
    let directory = state();
    let copy = tempfile::tempdir().unwrap();
    fs::copy(directory.path().join(JOURNAL), copy.path().join(JOURNAL)).unwrap();
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let stored = Store::read(copy.path()).expect("a copy");
    assert_eq!(stored.objects.get(Kind::Vm, 1).unwrap()["N"], 1);
    let names: Vec<_> = fs::read_dir(copy.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "reading makes nothing: {names:?}");
    assert_eq!(mode(copy.path()), 0o555);
    let nowhere = directory.path().join("nowhere");
    let message = Store::read(&nowhere)
        .expect_err("nothing there")
        .to_string();
    assert!(
        message.starts_with(&format!("{} holds no state yet: ", nowhere.display())),
        "{message}"
    );
    assert!(!nowhere.exists(), "reading makes nothing");
}

#[test]
fn a_directory_that_is_open_to_others_is_closed_and_a_link_is_refused() {
    let directory = state();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(
        directory.path().join(JOURNAL),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let opened = Store::open(directory.path()).unwrap();
    assert!(
        opened.warnings[0].contains("its mode is 0700 now"),
        "{:?}",
        opened.warnings
    );
    assert_eq!(mode(directory.path()), 0o700);
    assert_eq!(mode(&directory.path().join(JOURNAL)), 0o600);
    drop(opened);
    for file in [JOURNAL, MARKER, LOCK] {
        let directory = state();
        let path = directory.path().join(file);
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        let message = refused(directory.path());
        assert!(message.contains("is a symbolic link"), "{message}");
        if file != LOCK {
            Store::read(directory.path()).expect_err("a link");
        }
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        let message = refused(directory.path());
        assert!(message.contains("is not a regular file"), "{message}");
    }
}

#[test]
fn a_state_that_cannot_be_read_says_what_to_do() {
    let header = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(5000, b' ');
        bytes
    };
    let cases: [(&str, Option<Vec<u8>>, &str); 8] = [
        (JOURNAL, None, "is missing, although"),
        (JOURNAL, Some(Vec::new()), "it is empty"),
        (JOURNAL, Some(vec![7; 8192]), "does not begin like a state"),
        (
            JOURNAL,
            Some(header("onegate-server-lite state, layout 3\n")),
            "written by another version of this program (layout 3; this version reads layout 2)",
        ),
        (
            JOURNAL,
            Some(header("onegate-server-lite state, layout 2\n")),
            "its header is not what was written",
        ),
        ("state.redb", Some(Vec::new()), "before the first release"),
        (MARKER, Some(Vec::new()), "The journal beside it is whole"),
        (
            MARKER,
            Some(format::line("0123456789abcdef").into_bytes()),
            "belongs to another state than the marker",
        ),
    ];
    for (file, content, words) in cases {
        let directory = state();
        let path = directory.path().join(file);
        match &content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let message = refused(directory.path());
        assert!(message.contains(words), "{file}: {message}");
        assert!(message.contains(&directory.path().display().to_string()));
        let read = Store::read(directory.path()).expect_err("refused");
        assert_eq!(read.to_string(), message);
        assert_eq!(fs::read(&path).ok(), content, "it was changed");
    }
    let directory = state();
    let message = refused(&directory.path().join(JOURNAL));
    assert!(message.starts_with("cannot keep state in "), "{message}");
}

#[test]
fn a_marker_that_is_missing_is_written_again() {
    let directory = state();
    fs::remove_file(directory.path().join(MARKER)).unwrap();
    drop(opened(directory.path()).1.expect("the state"));
    fs::remove_file(directory.path().join(JOURNAL)).unwrap();
    assert!(refused(directory.path()).contains("is missing, although"));
}

#[test]
fn nothing_is_acknowledged_once_the_journal_is_gone_and_what_was_can_be_had_back() {
    let gone: [fn(&Path); 3] = [
        |journal| fs::remove_file(journal).unwrap(),
        |journal| {
            fs::remove_file(journal).unwrap();
            fs::write(journal, "another").unwrap();
        },
        |journal| {
            let directory = journal.parent().unwrap();
            fs::rename(directory, directory.with_extension("moved")).unwrap();
            fs::create_dir(directory).unwrap();
        },
    ];
    for take_away in gone {
        let directory = state();
        let (mut store, stored) = opened(directory.path());
        let objects = stored.unwrap().objects;
        store.write(&objects, &change(2)).unwrap();
        let journal = directory.path().join(JOURNAL);
        take_away(&journal);
        let mut message = String::new();
        for n in 3..6 {
            message = store
                .write(&objects, &change(n))
                .expect_err("the journal is gone")
                .to_string();
            assert!(message.contains("no update is accepted"), "{message}");
        }
        // As the message says.
        let copy = message.split("'cp ").nth(1).unwrap();
        let (from, to) = copy.split_once(' ').unwrap();
        fs::copy(from, to.split_once('\'').unwrap().0).unwrap();
        drop(store);
        let (_store, stored) = opened(directory.path());
        let vm = stored.unwrap().objects.get(Kind::Vm, 1).cloned();
        assert_eq!(vm.unwrap()["N"], 2);
        let _ = fs::remove_dir_all(directory.path().with_extension("moved"));
    }
}

#[test]
fn a_journal_that_was_cut_while_the_server_ran_is_written_anew() {
    for length in [0, 4200, 10_000_000] {
        let directory = state();
        let (mut store, stored) = opened(directory.path());
        let objects = stored.unwrap().objects;
        let journal = directory.path().join(JOURNAL);
        let file = fs::OpenOptions::new().write(true).open(&journal).unwrap();
        file.set_len(length).unwrap();
        store.write(&objects, &change(3)).unwrap();
        drop(store);
        let stored = opened(directory.path()).1.unwrap();
        assert_eq!(stored.objects.get(Kind::Vm, 1).unwrap()["N"], 3);
        assert!(stored.objects.get(Kind::Vm, 2).is_some());
    }
}

/// A state of many pages, and what it holds.
fn many_pages(directory: &Path) -> Vec<String> {
    let (mut store, _) = opened(directory);
    let mut objects = objects();
    for id in 3..40 {
        let document = json!({"ID": id.to_string(), "PAD": format!("{id} ").repeat(200)});
        objects.set(Kind::Vm, id, Some(Arc::new(document)));
    }
    store.fill(&objects, "a scenario").unwrap();
    for n in 0..40 {
        store.write(&objects, &change(n)).unwrap();
        for ((kind, id), document) in change(n) {
            objects.set(kind, id, document);
        }
    }
    listed(&objects)
}

fn listed(objects: &Objects) -> Vec<String> {
    let mut all: Vec<_> = Kind::ALL
        .into_iter()
        .flat_map(|kind| {
            objects
                .all(kind)
                .map(move |(id, d)| format!("{kind:?} {id} {d}"))
        })
        .collect();
    all.sort();
    all
}

/// Damages some bytes, in a way and at a place that the random number chooses; says how.
fn damage(bytes: &mut Vec<u8>, random: &mut u64) -> String {
    let mut below = |n: usize| {
        *random = next(*random);
        (*random >> 33) as usize % n.max(1)
    };
    let way = below(8);
    let page = below(bytes.len() / 4096) * 4096;
    let end = (page + 4096).min(bytes.len());
    let at = below(bytes.len());
    match way {
        0 => bytes[at] ^= 1 << below(8),
        1 => bytes.truncate(at),
        2 => bytes[page..end].fill(0),
        3 => {
            let other = below(bytes.len() / 4096) * 4096;
            let (one, two) = (bytes[page..end].to_vec(), bytes[other..].to_vec());
            let length = one.len().min(two.len()).min(4096);
            bytes[page..page + length].copy_from_slice(&two[..length]);
            bytes[other..other + length].copy_from_slice(&one[..length]);
        }
        4 => bytes[page..end]
            .iter_mut()
            .for_each(|b| *b = below(256) as u8),
        5 => bytes.iter_mut().for_each(|b| *b = below(256) as u8),
        6 => {
            let part = bytes[page..end].to_vec();
            bytes.splice(page..page, part);
        }
        _ => drop(bytes.drain(page..end)),
    }
    format!("way {way}, page {page}, byte {at}")
}

#[test]
fn three_hundred_damaged_states_are_refused_or_whole() {
    let original = tempfile::tempdir().unwrap();
    let expected = many_pages(original.path());
    let (mut random, mut whole, mut salvaged) = (20_261_126, 0, 0);
    for round in 0..320 {
        let directory = tempfile::tempdir().unwrap();
        for file in [JOURNAL, MARKER, LOCK] {
            let mut bytes = fs::read(original.path().join(file)).unwrap();
            if file == JOURNAL && round % 2 == 0 {
                // Most of the file is room for more, where damage does nothing.
                let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
                bytes.truncate(used);
            }
            fs::write(directory.path().join(file), bytes).unwrap();
        }
        let file = if round % 10 == 9 { MARKER } else { JOURNAL };
        let path = directory.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        let how = damage(&mut bytes, &mut random);
        fs::write(&path, &bytes).unwrap();
        let read = Store::read(directory.path()).map(|stored| listed(&stored.objects));
        match Store::open(directory.path()) {
            Ok(opened) => {
                let found = opened.stored.map(|stored| listed(&stored.objects));
                assert_eq!(found.as_ref(), Some(&expected), "{file}, {how}");
                assert_eq!(read.unwrap(), expected, "{file}, {how}");
                whole += 1;
            }
            Err(error) => {
                let message = error.to_string();
                assert!(
                    message.contains(&path.display().to_string())
                        && ["to begin anew", "start again"]
                            .iter()
                            .any(|what| message.contains(what)),
                    "{message}"
                );
                read.expect_err("refused");
                assert_eq!(
                    fs::read(&path).unwrap(),
                    bytes,
                    "{file}, {how}: it was changed"
                );
                let (objects, lost) = Store::salvage(directory.path()).unwrap();
                assert!(
                    !lost.is_empty() || file == MARKER,
                    "{how}: nothing is said to be lost"
                );
                salvaged += listed(&objects).len();
            }
        }
    }
    println!("320 damaged states: {whole} whole, {salvaged} documents salvaged of the others");
    assert!((50..270).contains(&whole), "{whole}");
    assert!(salvaged > (320 - whole) * expected.len() / 3, "{salvaged}");
}
