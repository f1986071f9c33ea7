//! `--output`: the result in a file that is replaced whole, with `--mode` and `--check`.

use crate::support::server::{Server, token};
use crate::support::{stderr, stdout};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

#[test]
fn a_file_is_replaced_whole_and_only_if_it_differs() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("db.pem");
    let name = file.to_str().unwrap();
    let set = |value: &[&str]| {
        let output = server.onegate(8, &[&["vm", "update"][..], value].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    };
    let fetch = |more: &[&str]| {
        let args = ["vm", "show", "8", "--get", "CERT", "--output", name];
        server.onegate(9, &[&args[..], more].concat())
    };
    let state = || {
        let meta = fs::metadata(&file).unwrap();
        (
            fs::read_to_string(&file).unwrap(),
            meta.mode() & 0o7777,
            meta.ino(),
        )
    };
    // Not published yet: exit code 1, and no file.
    assert_eq!(fetch(&[]).status.code(), Some(1));
    assert!(!file.exists());
    set(&["CERT=one\ntwo"]);
    assert!(fetch(&["--mode", "0600"]).status.success());
    let (content, mode, first) = state();
    assert_eq!((content.as_str(), mode), ("one\ntwo\n", 0o600));
    // The same content: the same file, but the permissions that are asked for.
    assert!(fetch(&["--mode", "640"]).status.success());
    assert_eq!(state(), ("one\ntwo\n".to_owned(), 0o640, first));
    // Another one: permissions stay. So does a link.
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    set(&["CERT=three"]);
    let args = [
        "vm",
        "show",
        "8",
        "--get",
        "CERT",
        "--output",
        link.to_str().unwrap(),
    ];
    assert!(server.onegate(9, &args).status.success());
    let (content, mode, second) = state();
    assert_eq!((content.as_str(), mode), ("three\n", 0o640));
    assert!(second != first && link.is_symlink());
    // Gone again: the file stays.
    assert!(
        server
            .onegate(8, &["vm", "update", "--erase", "CERT"])
            .status
            .success()
    );
    assert_eq!(fetch(&[]).status.code(), Some(1));
    assert_eq!(state().0, "three\n");
    // Any bytes.
    let bytes = directory.path().join("bytes");
    fs::write(&bytes, [0, 255, 10, 10]).unwrap();
    set(&["--base64", &format!("CERT=@{}", bytes.display())]);
    assert!(fetch(&["--decode"]).status.success());
    assert_eq!(fs::read(&file).unwrap(), [0, 255, 10]);
    set(&["CERT=(none)"]);
    let refused = fetch(&["--decode"]);
    assert!(
        stderr(&refused).contains("not base64"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(fs::read(&file).unwrap(), [0, 255, 10]);
    let left: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn a_check_that_fails_keeps_the_old_file_and_is_shown() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, check) = (path("a.cfg"), path("check"));
    fs::write(&check, "#!/bin/sh\necho \"$# $1\"\necho wrong >&2\ncase $1 in *.cfg) ;; *) exit 2;; esac\ngrep -q slave \"$1\"\n").unwrap();
    fs::set_permissions(&check, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&file, "old").unwrap();
    let args = |id| {
        [
            "vm", "show", id, "--get", "NAME", "--output", &file, "--check", &check,
        ]
        .map(str::to_owned)
    };
    let run = |id| {
        let args = args(id);
        server.onegate(8, &args.each_ref().map(String::as_str))
    };
    let failed = run("8");
    assert_eq!(failed.status.code(), Some(255));
    let said = stderr(&failed);
    assert!(
        said.contains("a.cfg stays as it is: ") && said.contains("\nwrong"),
        "{said}"
    );
    assert!(said.contains("\n1 /"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    assert!(run("9").status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "slave_0_(service_1)\n");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    for (args, said) in [
        (
            &["vm", "show", "--mode", "0600"][..],
            "--mode needs --output",
        ),
        (&["vm", "show", "--check", "true"], "--check needs --output"),
        (
            &["vm", "show", "--output", &file, "--mode", "rw"],
            "--mode 'rw': expected permissions in octal",
        ),
        (
            &["vm", "show", "--output", &file, "--mode", "17777"],
            "--mode '17777'",
        ),
        (
            &["vm", "show", "--output", "/nowhere/a"],
            "cannot write /nowhere/a: No such file",
        ),
        (
            &["vm", "show", "--output", "/dev/null"],
            "it is not a regular file",
        ),
        (&["vm", "show", "--output", ""], "expected a file's name"),
        (
            &["service", "peers", "--where", "STATE=RUNING"],
            "no VM and no service has a state of that name",
        ),
        (&["vm", "show", "--decode"], "--decode needs --get"),
        (
            &["vm", "show", "--interval", "5"],
            "--interval needs --watch",
        ),
    ] {
        let output = server.onegate(8, args);
        assert_eq!(output.status.code(), Some(255), "{args:?}");
        assert!(
            stderr(&output).contains(said),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

/// A check that ends by a signal, isn't there, or spoils what it is to look at.
#[test]
fn whatever_becomes_of_a_check_the_old_file_stays() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, check) = (path("file"), path("check"));
    fs::write(&file, "old").unwrap();
    for (script, expected) in [
        ("#!/bin/sh\nkill -9 $$\n", "failed with signal: 9"),
        ("#!/bin/sh\nrm \"$1\"\n", "No such file or directory"),
        ("#!/nowhere\n", "cannot run"),
        ("", "cannot run"),
    ] {
        let _ = fs::remove_file(&check);
        if !script.is_empty() {
            fs::write(&check, script).unwrap();
            fs::set_permissions(&check, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let output = server.onegate(8, &["vm", "show", "--output", &file, "--check", &check]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(255), "{script}: {said}");
        assert!(said.contains(expected), "{script}: {said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "old", "{script}");
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1 + usize::from(!script.is_empty()), "{script}");
    }
}

/// In a mount namespace of its own, so that a file system can be full or read-only.
#[test]
fn a_file_system_that_takes_nothing_keeps_the_old_file() {
    let server = Server::start();
    for (trouble, expected) in [
        ("size=4k", "No space left on device"),
        ("ro", "Read-only file system"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let script = format!(
            r#"mount -t tmpfs none "$1" || exit 77
            echo old >"$1/file"
            mount -o remount,{trouble} "$1" || exit 77
            "$2" vm show --json --output "$1/file"
            echo "$? $(cat "$1/file") $(ls -A "$1")""#
        );
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command
            .arg(directory.path())
            .arg(env!("CARGO_BIN_EXE_onegate"));
        command.env("ONEGATE_ENDPOINT", server.url());
        command.env("VMID", "8").env("TOKENTXT", token(8));
        let Some(output) = command
            .output()
            .ok()
            .filter(|output| !stdout(output).is_empty())
        else {
            println!(
                "SKIPPED: a file system that is full or read-only: mounting isn't permitted here"
            );
            return;
        };
        assert_eq!(stdout(&output), "255 old file\n", "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}
