//! `state export` and `state import`: a state as a scenario, beside a server that runs and without one.

use crate::support::process::{Running, credentials, printed, refused, run};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn export(state: &Path) -> String {
    printed(&["state", "export", "--state", &path(state)])
}

fn import(file: &Path, state: &Path) -> String {
    printed(&[
        "state",
        "import",
        "--cloud",
        &path(file),
        "--state",
        &path(state),
    ])
}

fn ask(server: &Running, line: &str, body: &str) -> String {
    let token = printed(&["token", "8"]);
    let answer = server.send(line, &credentials("8", token.trim_end()), body.as_bytes());
    let body = String::from_utf8(answer.body).unwrap();
    assert!([200, 204].contains(&answer.status), "{line}: {body}");
    body
}

#[test]
fn a_state_is_exported_and_imported_beside_its_server() {
    let directory = tempfile::tempdir().unwrap();
    let (state, backup) = (
        directory.path().join("state"),
        directory.path().join("backup.json"),
    );
    let server = Running::start(&["--state", &path(&state)]);
    ask(&server, "PUT /vm", "KEPT=yes");
    fs::write(&backup, export(&state)).unwrap();
    ask(&server, "PUT /vm", "LATER=yes");
    assert_eq!(
        import(&backup, &state).trim_end(),
        "imported, by the server that runs"
    );
    let vm = ask(&server, "GET /vm", "");
    assert!(vm.contains("KEPT") && !vm.contains("LATER"), "{vm}");
    ask(&server, "PUT /vm", "AFTER=yes");
    let (_, log) = server.stop();
    assert!(log.contains("the state was replaced by an import"), "{log}");
    let server = Running::start(&["--state", &path(&state)]);
    let vm = ask(&server, "GET /vm", "");
    assert!(
        vm.contains("KEPT") && vm.contains("AFTER") && !vm.contains("LATER"),
        "{vm}"
    );
}

#[test]
fn what_is_imported_is_what_was_exported() {
    let directory = tempfile::tempdir().unwrap();
    let (state, backup) = (
        directory.path().join("state"),
        directory.path().join("backup.json"),
    );
    // In the middle of a scaling, which the engine remembers beside the documents.
    let server = Running::start(&["--state", &path(&state), "--vm-step", "1h"]);
    ask(&server, "PUT /service/role/slave", r#"{"cardinality": 4}"#);
    server.stop();
    let exported = export(&state);
    fs::write(&backup, &exported).unwrap();
    let clocks: Value = serde_json::from_str(&exported).unwrap();
    assert!(
        clocks["engine"]["vms"]
            .as_object()
            .is_some_and(|vms| !vms.is_empty()),
        "{clocks}"
    );
    let other = directory.path().join("other");
    assert_eq!(import(&backup, &other).trim_end(), "imported");
    // What oned would write otherwise (a list of one) has its form now; nothing else differs.
    let again = export(&other);
    let imported: Value = serde_json::from_str(&again).unwrap();
    for key in ["users", "vms", "vrouters", "services", "engine"] {
        assert!(imported[key] == clocks[key], "{key} differs");
    }
    fs::write(&backup, &again).unwrap();
    // In place of another state, too.
    let third = directory.path().join("third");
    let server = Running::start(&["--state", &path(&third)]);
    ask(&server, "PUT /vm", "GONE=yes");
    server.stop();
    import(&backup, &third);
    assert!(export(&third) == again, "it differs");
    // And it is a scenario as any other.
    let server = Running::start(&["--cloud", &path(&backup), "--vm-step", "1h"]);
    assert!(ask(&server, "GET /service", "").contains("slave_3"));
}

#[test]
fn a_scenario_that_is_wrong_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (state, wrong) = (
        directory.path().join("state"),
        directory.path().join("wrong.json"),
    );
    let server = Running::start(&["--state", &path(&state)]);
    let before = export(&state);
    for (text, words) in [
        ("{", "not JSON"),
        (r#"{"vms": [{"ID": "1"}]}"#, "NAME is missing"),
        (
            r#"{"engine": {"vms": {"77": {"due": 1}}}}"#,
            "vms/77: there is no such object",
        ),
        (
            r#"{"engine": {"last_vm": "x"}}"#,
            "last_vm is not a VM's id",
        ),
    ] {
        fs::write(&wrong, text).unwrap();
        let arguments = [
            "state",
            "import",
            "--cloud",
            &path(&wrong),
            "--state",
            &path(&state),
        ];
        let (code, message) = refused(&arguments);
        assert!(code == 1 && message.contains(words), "{text}: {message}");
        assert!(message.contains(&path(&wrong)), "{message}");
    }
    assert!(export(&state) == before, "it was changed");
    ask(&server, "GET /vm", "");
}

#[test]
fn what_is_left_of_a_damaged_state_can_be_had() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let server = Running::start(&["--state", &path(&state)]);
    ask(&server, "PUT /vm", "KEPT=yes");
    server.stop();
    let journal = state.join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[4500] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let (_, message) = refused(&["state", "export", "--state", &path(&state)]);
    assert!(message.contains("state export --salvage"), "{message}");
    let output = run(&["state", "export", "--salvage", "--state", &path(&state)]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("a transaction is lost") && said.contains("are lost"),
        "{said}"
    );
    let left: Value = serde_json::from_slice(&output.stdout).unwrap();
    let vms = left["vms"].as_array().unwrap();
    let kept = vms.iter().find(|vm| vm["ID"] == "8").unwrap();
    assert_eq!(kept["USER_TEMPLATE"]["KEPT"], "yes");
}
