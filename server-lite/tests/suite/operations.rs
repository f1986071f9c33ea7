//! What an operator and an init system have to do with the server: it says when it is ready and that it answers, reads
//! its configuration again, waits for its address, and tells what can't be used from what may pass.

use crate::support::client::{PATIENCE, until};
use crate::support::http::tls::Files;
use crate::support::process::{Running, credentials, printed, program, refused};
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;

/// The server, told where to notify.
fn notifying(socket: impl Into<OsString>) -> Running {
    let mut command: Command = program();
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", socket.into())
        .env("WATCHDOG_USEC", "300000");
    Running::run(&mut command)
}

fn received(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = socket.recv(&mut bytes).expect("a notification");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn systemd_is_told_of_the_start_of_answers_and_of_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let name = format!("onegate-test-{}", std::process::id());
    let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
    let sockets = [
        (OsString::from(&path), UnixDatagram::bind(&path).unwrap()),
        (
            OsString::from(format!("@{name}")),
            UnixDatagram::bind_addr(&abstract_address).unwrap(),
        ),
    ];
    for (place, socket) in sockets {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let server = notifying(place);
        let ready = received(&socket);
        assert!(
            ready.starts_with("READY=1\nSTATUS=listening on http://127.0.0.1:"),
            "{ready}"
        );
        for _ in 0..3 {
            assert_eq!(received(&socket), "WATCHDOG=1");
        }
        let (status, log) = server.stop();
        assert!(status.success(), "{log}");
        let mut last = received(&socket);
        while last == "WATCHDOG=1" {
            last = received(&socket);
        }
        assert_eq!(last, "STOPPING=1");
    }
}

#[test]
fn a_reload_changes_what_is_permitted_and_a_bad_file_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("onegate-server.conf");
    let write = |text: &str| fs::write(&file, text).unwrap();
    let permits = ":permissions:\n  :vm:\n    :show: true\n";
    write(permits);
    let server = Running::start(&["--config", &file.display().to_string()]);
    let token = printed(&["token", "8"]);
    let status = || {
        let credentials = credentials("8", token.trim_end());
        server.send("GET /vm", &credentials, b"").status
    };
    assert_eq!(status(), 200);
    write(":permissions:\n  :vm:\n    :update: true\n");
    server.signal(rustix::process::Signal::HUP);
    until("it refuses", || status() == 403);
    write(permits);
    server.signal(rustix::process::Signal::HUP);
    until("it permits", || status() == 200);
    write(":port: here\n");
    server.signal(rustix::process::Signal::HUP);
    assert_eq!(status(), 200);
    let (_, log) = server.stop();
    assert!(
        log.contains("the permissions and restrictions of the configuration were read again"),
        "{log}"
    );
    let kept = "error: the configuration in use stays: ";
    assert!(
        log.contains(kept) && log.contains(":port: expected a number"),
        "{log}"
    );
}

#[test]
fn an_address_that_comes_free_is_waited_for() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let held = std::thread::spawn(move || {
        // Until the server has said that it waits, which it can only say where it does.
        std::thread::sleep(std::time::Duration::from_millis(700));
        drop(taken);
    });
    let mut command = program();
    command.args(["serve", "--listen", &address]);
    let server = Running::run(&mut command);
    held.join().unwrap();
    assert_eq!(server.address, address);
    let (_, log) = server.stop();
    assert!(log.contains("yet: Address already in use"), "{log}");
}

#[test]
fn what_is_wrong_is_said_before_the_address_is_listened_on() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = directory.path().join("cloud.json");
    fs::write(&wrong, "{").unwrap();
    // The address is taken for good: that it is never tried shows in the error.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cloud = wrong.display().to_string();
    let (code, message) = refused(&["serve", "--listen", &address, "--cloud", &cloud]);
    assert_eq!(code, 78, "{message}");
    assert!(
        message.contains("not JSON") && !message.contains("cannot listen"),
        "{message}"
    );
    let (code, message) = refused(&["serve", "--listen", &address]);
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("another server has it"), "{message}");
}

#[test]
fn a_check_looks_at_each_thing_and_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let file = directory.path().join(name);
        fs::write(&file, content).unwrap();
        file.display().to_string()
    };
    let state = directory.path().join("state").display().to_string();
    let good = file("good.conf", ":permissions:\n  :vm:\n    :show: true\n");
    let free = ["--listen", "127.0.0.1:0", "--state", &state];
    let check = |options: &[&str]| {
        let output = program().arg("check").args(options).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = check(&[&free[..], &["--config", &good]].concat());
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "ok      configuration: ",
        "-       certificate: ",
        "-       scenario: ",
        "-       state: ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(
        !directory.path().join("state").exists(),
        "it made the state"
    );
    Running::start(&["--state", &state]).stop();
    assert!(check(&free).1.contains("is whole"));
    fs::write(directory.path().join("state/journal"), "").unwrap();
    let bad = file("bad.conf", ":port: here\n");
    let cloud = file("cloud.json", "{");
    let (code, said) = check(&[
        "--state",
        &state,
        "--config",
        &bad,
        "--cloud",
        &cloud,
        "--listen",
        "here",
        "--admin",
        "here",
        "--tls-cert",
        &bad,
        "--tls-key",
        &bad,
    ]);
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "FAILED  configuration: ",
        "FAILED  certificate: ",
        "FAILED  scenario: ",
        "journal is damaged: it is empty",
        "FAILED  address: cannot listen on here",
        "FAILED  admin address: here is where guests are answered",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let nobody = ":one_xmlrpc: http://127.0.0.1:1/RPC2\n:oneflow_server: http://127.0.0.1:1\n:permissions:\n  :vm:\n    :show: true\n";
    let nobody = file("nobody.conf", nobody);
    let auth = file("auth", "serveradmin:secret\n");
    let (code, said) = check(&[
        "--opennebula",
        "--config",
        &nobody,
        "--auth-file",
        &auth,
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "ok      auth file: ",
        "FAILED  oned: http://127.0.0.1:1/RPC2: ",
        "FAILED  OneFlow: http://127.0.0.1:1: ",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn the_log_is_json_where_that_is_asked_for() {
    let server = Running::start(&["--log", "json"]);
    let token = printed(&["token", "8"]);
    server.send("GET /vm", &credentials("8", token.trim_end()), b"");
    server.send("GET /vm", &credentials("8", "wrong"), b"");
    let (_, log) = server.stop();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["vm"] == 8 && line["path"] == "/vm" && line["status"] == 200)
    );
    assert!(
        lines
            .iter()
            .any(|line| line["claims"] == 8 && line["status"] == 401),
        "{log}"
    );
}

#[test]
fn the_journal_gets_priorities_and_no_times() {
    use std::os::unix::fs::MetadataExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    let metadata = file.as_file().metadata().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let run = |journal: String| {
        file.as_file().set_len(0).unwrap();
        // A directory that is open to others is a warning, a state that is not one ends the server.
        fs::set_permissions(
            directory.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let status = program()
            .args(["serve", "--listen", "192.0.2.1:1", "--state"])
            .arg(directory.path())
            .env("JOURNAL_STREAM", journal)
            .stderr(
                fs::OpenOptions::new()
                    .append(true)
                    .open(file.path())
                    .unwrap(),
            )
            .status()
            .unwrap();
        assert!(!status.success());
        fs::read_to_string(file.path()).unwrap()
    };
    let log = run(format!("{}:{}", metadata.dev(), metadata.ino()));
    assert!(log.starts_with("<4>warning: "), "{log}");
    let log = run("1:1".to_owned());
    assert!(log.starts_with("20"), "{log}");
}

#[test]
fn a_certificate_that_clients_refuse_is_said_to_be_so() {
    let files = Files::new();
    let tls = [
        "--tls-cert",
        files.certificate.to_str().unwrap(),
        "--tls-key",
        files.key.to_str().unwrap(),
    ];
    let check = |options: &[&str]| {
        let listen = ["--listen", "127.0.0.1:0"];
        let mut command = program();
        let output = command.arg("check").args(options).args(listen).output();
        let output = output.unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, said) = check(&tls);
    assert!(
        code == Some(0) && said.contains("; valid until 4096-01-01"),
        "{said}"
    );
    files.valid_until(2026, 1, 1);
    let words = "the certificate expired at 2026-01-01 00:00:00 UTC";
    let (code, said) = check(&tls);
    assert!(
        code == Some(1) && said.contains(&format!("FAILED  certificate: {words}")),
        "{said}"
    );
    // The server serves: some clients do not verify.
    let server = Running::start(&tls);
    server.signal(rustix::process::Signal::HUP);
    let log = server.stop().1;
    assert!(log.contains(&format!("error: {words}")), "{log}");
}
