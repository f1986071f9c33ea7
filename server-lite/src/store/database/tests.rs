//! What a state directory keeps, and what is said of one that can't be used.

use super::*;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

fn objects() -> Objects {
    let mut objects = Objects::default();
    for id in [1, 2] {
        objects.set(Kind::Vm, id, Some(Arc::new(json!({"ID": id.to_string()}))));
    }
    objects
}

fn opened(directory: &Path) -> (Store, Option<Stored>) {
    Store::open(directory).expect("a state directory")
}

fn refused(directory: &Path) -> String {
    Store::open(directory).expect_err("refused").to_string()
}

#[test]
fn what_is_written_is_there_again_and_for_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("made/for/us");
    let (mut store, stored) = opened(&directory);
    assert!(stored.is_none());
    store.fill(&objects(), "a scenario").unwrap();
    store
        .write(&Writes::from([
            ((Kind::Vm, 1), None),
            ((Kind::Vm, 7), Some(Arc::new(json!({"ID": "7"})))),
            ((Kind::Service, 3), Some(Arc::new(json!({"ID": "3"})))),
        ]))
        .unwrap();
    store.write(&Writes::from([((Kind::Vm, 7), None)])).unwrap();
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
    let draft = crate::store::state::Draft::new(&stored.objects, &earlier);
    assert_eq!(draft.next_vm_id(), Some(8));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&directory), mode(&directory.join(FILE))),
        (0o700, 0o600)
    );
}

#[test]
fn one_server_writes_and_others_may_read() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = opened(directory.path());
    store.fill(&objects(), "").unwrap();
    let message = refused(directory.path());
    let path = directory.path().join(FILE);
    assert_eq!(
        message,
        format!(
            "{} is in use by another server: stop it, or give another --state directory",
            path.display()
        )
    );
    assert!(
        Store::read(directory.path())
            .unwrap()
            .objects
            .get(Kind::Vm, 2)
            .is_some()
    );
    store.write(&Writes::from([((Kind::Vm, 2), None)])).unwrap();
    assert!(
        Store::read(directory.path())
            .unwrap()
            .objects
            .get(Kind::Vm, 2)
            .is_none()
    );
}

#[test]
fn a_state_that_cannot_be_read_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    for (schema, words) in [(0, "an older version"), (2, "a newer version")] {
        let database = Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction
            .open_table(NUMBERS)
            .unwrap()
            .insert("schema", schema)
            .unwrap();
        transaction.commit().unwrap();
        drop(database);
        assert_eq!(
            refused(directory.path()),
            format!(
                "{} was written by {words} of this program (layout {schema}; this version reads layout 1): run that \
                 version, or start with an empty --state directory",
                path.display()
            )
        );
    }
    std::fs::write(&path, vec![7; 8192]).unwrap();
    let message = refused(directory.path());
    assert!(
        message.starts_with(&path.display().to_string()),
        "{message}"
    );
    let message = refused(&path);
    assert!(
        message.starts_with(&format!("cannot keep state in {}: ", path.display())),
        "{message}"
    );
    let nowhere = directory.path().join("nowhere");
    assert!(Store::read(&nowhere).is_err());
    assert!(!nowhere.exists(), "reading makes nothing");
}

#[test]
fn a_store_that_lost_its_file_does_not_begin_another() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = opened(directory.path());
    store.fill(&objects(), "").unwrap();
    store.database = None;
    std::fs::remove_file(directory.path().join(FILE)).unwrap();
    store
        .write(&Writes::from([((Kind::Vm, 2), None)]))
        .expect_err("no file");
    assert!(!directory.path().join(FILE).exists());
}

/// The state directory as version 0.1.0 wrote it: whatever comes later opens it, or says why not.
#[test]
fn the_state_of_earlier_versions_opens() {
    let directory = tempfile::tempdir().unwrap();
    let written = include_bytes!("../../../tests/fixtures/state-1/state.redb");
    std::fs::write(directory.path().join(FILE), written).unwrap();
    let stored = opened(directory.path()).1.expect("what was written");
    let vm = stored.objects.get(Kind::Vm, 8).expect("VM 8");
    assert_eq!(vm["NAME"], "master_0_(service_1)");
    assert_eq!(vm["USER_TEMPLATE"]["KEPT"], "since layout 1");
}
