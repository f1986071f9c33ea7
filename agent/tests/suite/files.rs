//! Files that could hang or flood the agent, or lead it out of its root. Each case ends with a message that names the
//! file; none is waited for.

use crate::support::guest::{Guest, ONE_ENV, context_sh, one_env};
use crate::support::{Listener, agent, as_vm, onegate, stderr, stdout};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const TOKEN: &str = "dG9rZW4=";

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

fn assert_says(output: &Output, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(255), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word} in {said}");
    }
}

/// The file of the case as it is made anew: a FIFO, a link to a device, a sparse file of 3 GB; and what is said of it.
fn each_bad_file(file: &Path, check: impl Fn(&str)) {
    fifo(file);
    check("it is a FIFO, not a regular file");
    fs::remove_file(file).unwrap();
    symlink("/dev/zero", file).unwrap();
    check("it is a device, not a regular file");
    fs::remove_file(file).unwrap();
    File::create(file).unwrap().set_len(3 << 30).unwrap();
    check("larger than 16 MiB");
}

#[test]
fn a_file_of_authorities_is_regular_and_not_too_large() {
    let directory = tempfile::tempdir().unwrap();
    let listener = Listener::answering("200 OK", "");
    let url = listener.url().replace("http://", "https://");
    let file = directory.path().join("ca.pem");
    each_bad_file(&file, |words| {
        let show = || as_vm(&url, "8", TOKEN);
        let output = show()
            .env("ONEGATE_CA_FILE", &file)
            .args(["vm", "show"])
            .output();
        assert_says(&output.unwrap(), &["ca.pem", words]);
        let output = show().args(["vm", "show", "--cacert"]).arg(&file).output();
        assert_says(&output.unwrap(), &["ca.pem", words]);
    });
}

#[test]
fn a_token_file_is_regular_and_not_too_large() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    each_bad_file(&file, |words| {
        let mut command = agent();
        command.args(["vm", "show", "--endpoint", "http://127.0.0.1:9"]);
        command.args(["--vmid", "8", "--token-file"]).arg(&file);
        assert_says(&command.output().unwrap(), &["--token-file", words]);
    });
}

#[test]
fn a_drive_is_a_device() {
    let guest = Guest::new().file("sys/block/sr0/size", "1");
    fs::create_dir(guest.path("dev")).unwrap();
    fifo(&guest.path("dev/sr0"));
    let message = guest.message();
    let said = message.contains("/dev/sr0: it is a FIFO, not a block device");
    assert!(said, "{message}");
}

/// What a context calls a file of authorities is the guest's file, wherever its links lead.
#[test]
fn under_a_root_authorities_are_read_inside_it() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("ca.pem");
    fs::write(&secret, "outside").unwrap();
    let text =
        one_env("https://127.0.0.1:9", "8", TOKEN) + "export ONEGATE_CA_FILE=\"/etc/ca.pem\"\n";
    let guest = Guest::new().file(ONE_ENV, text).file("etc/x", "");
    symlink(&secret, guest.path("etc/ca.pem")).unwrap();
    let listener = Listener::answering("200 OK", "");
    let show = || {
        let url = listener.url().replace("http://", "https://");
        let mut command = onegate(guest.root.path());
        command.args(["vm", "show", "--endpoint", &url]);
        command.output().unwrap()
    };
    assert_says(&show(), &["/etc/ca.pem", "leads nowhere"]);
    // The same path inside the root is the one that counts.
    let inside = guest.path(secret.to_str().unwrap().trim_start_matches('/'));
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    fs::write(inside, "inside").unwrap();
    assert_says(&show(), &["there is no certificate in", "/etc/ca.pem"]);
}

#[test]
fn metrics_stay_under_the_root() {
    let guest = Guest::new().file("proc/x", "");
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("stat"), "cpu  1 2 3 4\n").unwrap();
    symlink(outside.path().join("stat"), guest.path("proc/stat")).unwrap();
    let metrics = || onegate(guest.root.path()).arg("metrics").output().unwrap();
    assert_says(&metrics(), &["/proc/stat", "leads nowhere"]);
    fs::remove_file(guest.path("proc/stat")).unwrap();
    fifo(&guest.path("proc/stat"));
    assert_says(&metrics(), &["/proc/stat", "it is a FIFO"]);
}

/// What the user names on the command line may be a shell's `<(…)`, which is a FIFO; its size is limited all the same.
#[test]
fn a_value_comes_from_a_process_but_not_without_end() {
    let listener = Listener::answering("200 OK", "");
    let update = |words: &str| {
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!("exec \"$0\" vm update {words}"))
            .arg(env!("CARGO_BIN_EXE_onegate"))
            .env("ONEGATE_ENDPOINT", listener.url())
            .envs([("VMID", "8"), ("TOKENTXT", TOKEN)]);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let output = update("A=@<(echo one) C=@/dev/fd/9 9< <(echo two)");
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
    let body = &listener.received()[0].body;
    assert!(
        body.contains("A%3Done") && body.contains("C%3Dtwo"),
        "{body}"
    );
    for (words, said) in [
        ("A=@<(yes)", "larger than 16 MiB"),
        ("A=@- < <(yes)", "larger than 16 MiB"),
        ("A=@/dev/zero", "it is a device, not a regular file"),
        ("A=@/", "it is a directory, not a regular file"),
    ] {
        let output = update(words);
        assert_says(&output, &["A: can't read", said]);
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(listener.received().len(), 1, "nothing more was sent");
}

#[test]
fn a_context_that_is_too_large_is_named() {
    let guest = Guest::new().file("context/context.sh", context_sh("http://h", "8"));
    let file = File::options()
        .write(true)
        .open(guest.path("context/context.sh"));
    file.unwrap().set_len(3 << 30).unwrap();
    let message = guest.message();
    assert!(
        message.contains("/context/context.sh: larger than 16 MiB"),
        "{message}"
    );
}
