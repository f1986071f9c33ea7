//! `onegate metrics`, with the real binary, /proc and server.

use crate::support::server::{Server, token};
use crate::support::{agent, as_vm, onegate, stderr, stdout};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

fn figures(text: &str) -> BTreeMap<&str, f64> {
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (name, value.parse().unwrap())
        })
        .collect()
}

#[test]
fn this_machine_has_memory_and_load() {
    let output = agent().arg("metrics").output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
    let text = stdout(&output);
    let figures = figures(&text);
    assert!((1.0..=100.0).contains(&figures["MEM_USED_PERC"]), "{text}");
    for name in ["SWAP_USED_PERC", "CPU_USED_PERC"] {
        assert!((0.0..=100.0).contains(&figures[name]), "{text}");
    }
    assert!(figures["LOAD_1"] >= 0.0, "{text}");
}

#[test]
fn a_root_has_a_proc_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    fs::create_dir_all(at("proc/self")).unwrap();
    fs::create_dir(at("disk")).unwrap();
    for (path, text) in [
        (
            "proc/meminfo",
            "MemTotal: 200 kB\nMemAvailable: 150 kB\nSwapTotal: 10 kB\nSwapFree: 9 kB\n",
        ),
        ("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\n"),
        ("proc/loadavg", "0.42 0.10 0.05 1/99 1234\n"),
        (
            "proc/self/mountinfo",
            "1 0 254:1 / /disk rw - ext4 /dev/mapper/a-b rw\n",
        ),
    ] {
        fs::write(at(path), text).unwrap();
    }
    let output = onegate(root.path()).arg("metrics").output().unwrap();
    let text = stdout(&output);
    let (_, disk) = text
        .lines()
        .find_map(|line| line.split_once("DISK_USED_PERC_A_B="))
        .unwrap();
    assert_eq!(
        text.replace(disk, "x"),
        "MEM_USED_PERC=25.00\nSWAP_USED_PERC=10.00\nDISK_USED_PERC_A_B=x\nCPU_USED_PERC=0.00\nLOAD_1=0.42\n"
    );

    fs::remove_file(at("proc/stat")).unwrap();
    let output = onegate(root.path()).arg("metrics").output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("proc/stat"), "{}", stderr(&output));
}

/// The agent at work; gone with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn pushing_survives_an_outage_and_says_so_once() {
    let server = Server::start();
    let address = format!("127.0.0.1:{}", server.port());
    let wait = |server: &Server| {
        let output = server.onegate(8, &["vm", "wait", "LOAD_1", "--timeout", "60"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    };
    let mut child = as_vm(server.url(), "8", &token(8))
        .args(["metrics", "--push", "--every", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let _running = Running(child);
    wait(&server);

    drop(server);
    let line = said.next().unwrap().unwrap();
    assert!(line.contains("metrics are not sent, but will be"), "{line}");

    // Its record begins anew: what is there now was sent after the outage.
    let server = Server::on(&address, &[]);
    wait(&server);
    let words = said
        .map(Result::unwrap)
        .find(|line| line.contains("onegate: warning"))
        .unwrap();
    assert_eq!(words, "onegate: warning: metrics are sent again");
}

#[test]
fn what_can_not_be_is_refused_at_once() {
    let nowhere = tempfile::tempdir().unwrap();
    for (args, words) in [
        (
            &["metrics", "--every", "0"][..],
            "--every '0': expected a duration of 1 s or more",
        ),
        (&["metrics", "--every", "soon"], "--every 'soon'"),
        (
            &["metrics", "--push"],
            "This VM's credentials are incomplete",
        ),
    ] {
        let output = onegate(nowhere.path()).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(255), "{args:?}");
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}
