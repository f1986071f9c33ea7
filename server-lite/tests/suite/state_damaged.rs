//! `--state` that is damaged, gone, taken or open to others: what the binary says, and that it changes nothing.

use crate::support::client::Answer;
use crate::support::process::{Running, credentials, printed, refused};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn put(server: &Running, body: &str) -> Answer {
    let token = printed(&["token", "8"]);
    let credentials = credentials("8", token.trim_end());
    server.send("PUT /vm", &credentials, body.as_bytes())
}

fn get(server: &Running) -> String {
    let token = printed(&["token", "8"]);
    let answer = server.send("GET /vm", &credentials("8", token.trim_end()), b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

/// The state of a server that was stopped after an update.
fn state() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(&["--state", &path(&directory)]);
    assert_eq!(put(&server, "KEPT=yes").status, 200);
    server.stop();
    directory
}

fn path(directory: &tempfile::TempDir) -> String {
    directory.path().display().to_string()
}

fn does_not_start(state: &str, code: i32) -> String {
    let (got, message) = refused(&["serve", "--listen", "127.0.0.1:0", "--state", state]);
    assert_eq!(got, code, "{message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

#[test]
fn a_state_that_is_not_what_was_written_stops_the_start() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 8] = [
        ("journal is damaged: it is empty", |d| {
            fs::write(d.join("journal"), "").unwrap()
        }),
        ("journal is missing, although", |d| {
            fs::remove_file(d.join("journal")).unwrap()
        }),
        ("is not what was written: its checksum is wrong", |d| {
            let mut bytes = fs::read(d.join("journal")).unwrap();
            bytes[5000] ^= 1;
            fs::write(d.join("journal"), bytes).unwrap();
        }),
        ("were acknowledged", |d| {
            let bytes = fs::read(d.join("journal")).unwrap();
            fs::write(d.join("journal"), &bytes[..6000]).unwrap();
        }),
        ("does not begin like a state", |d| {
            fs::write(d.join("journal"), vec![0; 100_000]).unwrap()
        }),
        ("is a symbolic link", |d| {
            fs::rename(d.join("journal"), d.join("elsewhere")).unwrap();
            symlink("elsewhere", d.join("journal")).unwrap();
        }),
        ("belongs to another state", |d| {
            let other = state();
            fs::copy(other.path().join("journal"), d.join("journal")).unwrap();
        }),
        ("before the first release", |d| {
            fs::write(d.join("state.redb"), "").unwrap()
        }),
    ];
    for (words, damage) in damages {
        let directory = state();
        damage(directory.path());
        let before = fs::read(directory.path().join("journal")).ok();
        let message = does_not_start(&path(&directory), 78);
        assert!(message.contains(words), "{words}: {message}");
        let (_, said) = refused(&["token", "8", "--state", &path(&directory)]);
        assert!(said.contains(words), "{words}: {said}");
        let after = fs::read(directory.path().join("journal")).ok();
        assert_eq!(before, after, "{words}: it was changed");
    }
}

#[test]
fn a_journal_that_is_removed_under_a_server_takes_no_update_and_comes_back() {
    let directory = state();
    let server = Running::start(&["--state", &path(&directory)]);
    assert_eq!(put(&server, "BEFORE=1").status, 200);
    fs::remove_file(directory.path().join("journal")).unwrap();
    let answer = put(&server, "AFTER=1");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(get(&server).contains("BEFORE"), "reading goes on");
    let taken = format!("is in use by another server (process {})", server.pid());
    assert!(does_not_start(&path(&directory), 1).contains(&taken));
    // The way out that the log gives, taken while the server still runs.
    let open = format!("/proc/{}/fd", server.pid());
    let journal = directory.path().join("journal");
    let open = fs::read_dir(open)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|fd| {
            fs::read_link(fd)
                .is_ok_and(|to| to.display().to_string().ends_with("journal (deleted)"))
        })
        .expect("the open file");
    let copied = Command::new("cp")
        .arg(&open)
        .arg(&journal)
        .status()
        .unwrap();
    assert!(copied.success());
    let (_, log) = server.stop();
    let way = format!("cp {} {}", open.display(), journal.display());
    assert!(log.contains(&way), "{way}: {log}");
    let server = Running::start(&["--state", &path(&directory)]);
    let vm = get(&server);
    assert!(vm.contains("KEPT") && vm.contains("BEFORE") && !vm.contains("AFTER"));
}

#[test]
fn a_directory_that_is_open_to_others_is_closed_and_said_so() {
    let directory = state();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (_, log) = Running::start(&["--state", &path(&directory)]).stop();
    assert!(log.contains("its mode is 0700 now"), "{log}");
    let mode = fs::metadata(directory.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_copy_of_a_state_serves_the_commands_that_read() {
    let directory = state();
    let _server = Running::start(&["--state", &path(&directory)]);
    let token = printed(&["token", "8", "--state", &path(&directory)]);
    let copy = tempfile::tempdir().unwrap();
    let journal = copy.path().join("journal");
    fs::copy(directory.path().join("journal"), &journal).unwrap();
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(printed(&["token", "8", "--state", &path(&copy)]), token);
    let shown = printed(&["service", "show", "1", "--state", &path(&copy)]);
    assert!(shown.contains("PANACEA"), "{shown}");
    let out = tempfile::tempdir().unwrap();
    printed(&[
        "context",
        "8",
        "--state",
        &path(&copy),
        "--out",
        &path(&out),
    ]);
    assert!(out.path().join("token.txt").exists());
    assert_eq!(fs::read_dir(copy.path()).unwrap().count(), 1);
    // A copy without marker and lock is served, too.
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let server = Running::start(&["--state", &path(&copy)]);
    assert!(get(&server).contains("KEPT"));
}
