//! The log of the real server: nobody waits for it, and nothing secret is in it.

use crate::support::client::{PATIENCE, connect, until};
use crate::support::process::{Running, credentials, printed, program};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

/// More than a pipe holds of it, and the queue before the pipe.
const REQUESTS: usize = 8000;

#[test]
fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    for read_in_time in [false, true] {
        let mut child = program()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit('/').next().unwrap();
        let mut client = connect(address.parse().unwrap());
        for _ in 0..REQUESTS {
            client.send(b"GET /vm HTTP/1.1\r\nHost: gate\r\n\r\n");
            assert_eq!(client.answer().status, 401);
        }
        let mut log = String::new();
        if read_in_time {
            // What was dropped is counted behind what was not.
            let mut lines = 0;
            let dropped = loop {
                log.clear();
                stderr.read_line(&mut log).unwrap();
                let words: Vec<&str> = log.split(' ').collect();
                if let ["warning:", dropped, "lines", ..] = words[1..] {
                    break dropped.parse::<usize>().unwrap();
                }
                lines += 1;
            };
            assert!(dropped > 0);
            assert_eq!(lines + dropped, REQUESTS);
        }
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(std::time::Instant::now() < deadline, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        assert!(status.success(), "{status}");
        let _ = stderr.read_to_string(&mut log);
    }
}

#[test]
fn no_token_and_nothing_hidden_is_in_it() {
    let server = Running::start(&[]);
    let token = printed(&["token", "8"]);
    let token = token.trim();
    let encoded: String = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let escaped = token.replace('=', "%3D").replace('/', "%2F");
    let mut statuses = Vec::new();
    for sent in [token, &encoded, &escaped, "%E2%80%AE%E2%81%A6"] {
        for line in [
            format!("GET /{sent}"),
            format!("GET /vms/{sent}"),
            format!("PUT /vms/{sent}"),
            format!("POST /vms/{sent}/action"),
            format!("GET /vnet/{sent}"),
            format!("PUT /service/role/{sent}"),
            format!("GET /vm?{sent}"),
        ] {
            for body in ["{\"cardinality\": 2}", "{\"cardinality\": \"x\"}"] {
                let answer = server.send(&line, &credentials("8", token), body.as_bytes());
                statuses.push(answer.status);
            }
        }
        // In the body, where a message may repeat it.
        let action = format!("{{\"action\": {{\"perform\": \"{sent}\"}}}}");
        let answer = server.send(
            "POST /vms/8/action",
            &credentials("8", token),
            action.as_bytes(),
        );
        statuses.push(answer.status);
    }
    let (_, log) = server.stop();
    assert_eq!(log.lines().count(), statuses.len(), "{log}");
    for secret in [token, &encoded, &escaped, "\u{202e}", "\u{2066}"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert!(
        log.contains(" path=/service/role/:role status=400 "),
        "{log}"
    );
    assert!(log.contains(" path=- status=400 "), "{log}");
}

/// A server whose output goes to a file.
fn serving_into(log: fs::File) -> Child {
    let mut program = program();
    program.args(["serve", "--listen", "127.0.0.1:0"]);
    program.stdout(log.try_clone().unwrap()).stderr(log);
    program.spawn().unwrap()
}

/// As logrotate does it, with a new file (`create`) and without.
#[test]
fn a_log_that_is_rotated_loses_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let log = fs::File::create(file("log")).unwrap();
    let mut child = serving_into(log);
    let read = |name: &str| fs::read_to_string(file(name)).unwrap_or_default();
    let address = || {
        Some(
            read("log")
                .lines()
                .next()?
                .rsplit_once('/')?
                .1
                .parse()
                .unwrap(),
        )
    };
    until("it listens", || address().is_some());
    let mut client = connect(address().unwrap());
    let mut ask = || {
        client.send(b"GET /vm HTTP/1.1\r\nHost: gate\r\n\r\n");
        client.answer();
    };
    let rotated: Vec<String> = (1..=6).map(|number| format!("log.{number}")).collect();
    let mut asked = 0;
    for (number, old) in rotated.iter().enumerate() {
        fs::rename(file("log"), file(old)).unwrap();
        if number % 2 == 0 {
            fs::File::create(file("log")).unwrap();
        }
        (0..20).for_each(|_| ask());
        kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
        asked += 20;
        // Meanwhile requests go on.
        until("the new file is written to", || {
            ask();
            asked += 1;
            read("log").contains("status=401")
        });
    }
    let open = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let open: Vec<_> = open
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .collect();
    let stale = open
        .iter()
        .filter(|path| path.starts_with(directory.path()) && **path != file("log"));
    assert_eq!(stale.count(), 0, "{open:?}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let all: String = rotated
        .iter()
        .map(String::as_str)
        .chain(["log"])
        .map(read)
        .collect();
    assert_eq!(all.matches("status=401").count(), asked);
    assert_eq!(
        all.matches("the log's file was rotated").count(),
        rotated.len()
    );
}

#[test]
fn a_log_whose_new_file_cannot_be_opened_stays_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs");
    fs::create_dir(&path).unwrap();
    let log = fs::File::create(path.join("log")).unwrap();
    let mut child = serving_into(log);
    let read = |at: &str| fs::read_to_string(directory.path().join(at)).unwrap_or_default();
    until("it listens", || read("logs/log").contains("listening"));
    fs::rename(&path, directory.path().join("moved")).unwrap();
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    until("the log says so", || {
        read("moved/log").contains("the log stays in the old one: /")
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
