//! VMs that run: processes that start, end, fail and are found again with their VMs.

use crate::support::client::until;
use crate::support::process::{Running, credentials, printed, program, refused, run};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A cloud whose VMs run a script.
struct Cloud {
    directory: tempfile::TempDir,
    server: Option<Running>,
}

/// A service of so many VMs, with leases for forty.
fn scenario(cardinality: u32) -> Value {
    let user = json!({"ID": 2, "TEMPLATE": {"TOKEN_PASSWORD": "8d5f1c0b7e2a49368d5f1c0b7e2a4936"}});
    let range = json!({"AR_ID": 0, "TYPE": "IP4", "IP": "127.1.0.1", "MAC": "02:00:7f:01:00:01", "SIZE": 40});
    let network =
        json!({"ID": 0, "NAME": "lan", "UID": 2, "AR_POOL": {"AR": range}, "TEMPLATE": {}});
    let role = json!({"name": "web", "state": 0, "nodes": [], "cardinality": cardinality, "min_vms": 1, "max_vms": 40,
        "template_contents": {"NIC": [{"NETWORK_ID": 0}]}});
    let service = json!({"ID": 1, "NAME": "shop", "UID": 2, "TEMPLATE": {"BODY": {"state": 0, "roles": [role]}}});
    json!({"users": [user], "vnets": [network], "services": [service]})
}

impl Cloud {
    /// A cloud of so many VMs, each running this script.
    fn new(cardinality: u32, script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cloud = directory.path().join("cloud.json");
        fs::write(cloud, scenario(cardinality).to_string()).unwrap();
        let mut cloud = Self {
            directory,
            server: None,
        };
        cloud.write_script(script);
        cloud.start();
        cloud
    }

    fn write_script(&self, script: &str) {
        let path = self.path("guest");
        // Renamed: one that is being run can't be written.
        let new = self.path("guest.new");
        fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn start(&mut self) {
        let (cloud, state, guest) = (self.path("cloud.json"), self.state(), self.path("guest"));
        let command = format!("'{}' first 'and second'", guest.display());
        let config = self.path("onegate-server.conf");
        let all = ":restricted_actions: []\n:permissions:\n  :vm: {:action_by_id: true}\n  :service: {:change_cardinality: true}\n";
        fs::write(&config, all).unwrap();
        let mut program = program();
        // Of a shell in which somebody was another VM a moment ago.
        for name in ["VMID", "TOKENTXT", "ONEGATE_TOKEN", "ONEGATE_ENDPOINT"] {
            program.env(name, "anothers");
        }
        self.server = Some(Running::with(
            program,
            &[
                "--cloud",
                cloud.to_str().unwrap(),
                "--state",
                state.to_str().unwrap(),
                "--config",
                config.to_str().unwrap(),
                "--vm-exec",
                &command,
                "--vm-step",
                "100ms",
                "--vm-grace",
                "300ms",
                "--cooldown",
                "0",
                "--flow-interval",
                "50ms",
            ],
        ));
    }

    fn server(&self) -> &Running {
        self.server.as_ref().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn of_vm(&self, vm: u32, name: &str) -> PathBuf {
        self.state().join("vms").join(vm.to_string()).join(name)
    }

    fn read(&self, vm: u32, name: &str) -> String {
        fs::read_to_string(self.of_vm(vm, name)).unwrap_or_default()
    }

    fn ok(&self, line: &str) -> String {
        let state = self.state();
        let words = line.split_whitespace();
        let words: Vec<&str> = words.chain(["--state", state.to_str().unwrap()]).collect();
        printed(&words)
    }

    fn act(&self, vm: u32, action: &str) {
        let token = self.ok(&format!("token {vm}"));
        let fields = credentials(&vm.to_string(), token.trim_end());
        let (perform, hard) = match action.strip_suffix("-hard") {
            Some(soft) => (soft, r#", "params": {"hard": true}"#),
            None => (action, ""),
        };
        let body = format!(r#"{{"action": {{"perform": "{perform}"{hard}}}}}"#);
        let line = format!("POST /vms/{vm}/action");
        let answer = self.server().send(&line, &fields, body.as_bytes());
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    fn scale(&self, vm: u32, cardinality: u32) {
        let token = self.ok(&format!("token {vm}"));
        let fields = credentials(&vm.to_string(), token.trim_end());
        let body = json!({"cardinality": cardinality}).to_string();
        let answer = self
            .server()
            .send("PUT /service/role/web", &fields, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    fn pid(&self, vm: u32) -> u32 {
        let noted = self.read(vm, "pid");
        let (pid, _) = noted.split_once(' ').unwrap_or_default();
        pid.parse().unwrap_or_default()
    }

    /// The processes that run in a VM's directory.
    fn processes(&self) -> usize {
        processes_in(&self.state().join("vms"))
    }

    /// Waits until so many processes run in the VMs' directories: a process that was killed takes a moment to go.
    fn processes_are(&self, count: usize) {
        until("the processes are as many", || self.processes() == count);
    }

    fn directories(&self) -> usize {
        fs::read_dir(self.state().join("vms")).unwrap().count()
    }

    fn leases(&self) -> usize {
        let exported: Value = serde_json::from_str(&self.ok("state export")).unwrap();
        let leases = &exported["vnets"][0]["AR_POOL"]["AR"][0]["LEASES"]["LEASE"];
        leases
            .as_array()
            .map_or(usize::from(leases.is_object()), Vec::len)
    }
}

fn processes_in(directory: &Path) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let inside = all.filter(|entry| {
        let link = fs::read_link(entry.path().join("cwd"));
        link.is_ok_and(|cwd| cwd.starts_with(directory))
    });
    inside.count()
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        if let Some(server) = self.server.take() {
            server.signal(Signal::TERM);
            let directory = self.state().join("vms");
            until("its VMs have ended", || processes_in(&directory) == 0);
        }
    }
}

const RUNS: &str = "echo started; sleep 1000 & wait";

#[test]
fn a_process_finds_all_it_needs_in_its_directory() {
    let cloud = Cloud::new(
        1,
        "env; echo \"$@\" \"($#)\"; cat context/context.sh; ls context; sleep 1000",
    );
    cloud.ok("wait vm 0 STATE=RUNNING");
    let endpoint = format!("http://{}", cloud.server().address);
    until("it said all", || {
        cloud.read(0, "output.log").contains("token.txt")
    });
    let said = cloud.read(0, "output.log");
    for line in [
        "VMID=0",
        "NAME=web_0_(service_1)",
        "ROLE=web",
        "SERVICE_ID=1",
        "IP=127.1.0.1",
        "MAC=02:00:7f:01:00:01",
        "first and second (2)",
        &format!("ONEGATE_ENDPOINT={endpoint}"),
        &format!("ONEGATE_ENDPOINT='{endpoint}'"),
    ] {
        assert!(said.lines().any(|said| said == line), "{line} in {said}");
    }
    assert!(!said.contains("anothers"), "{said}");
    assert_eq!(cloud.read(0, "context/token.txt"), cloud.ok("token 0"));
    let record: Value = serde_json::from_str(&cloud.read(0, "vm.json")).unwrap();
    assert_eq!(record["VM"]["NAME"], "web_0_(service_1)");
    for (name, mode) in [("", 0o700), ("vm.json", 0o600), ("output.log", 0o600)] {
        let found = fs::metadata(cloud.of_vm(0, name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
    let maker = ["xorriso", "genisoimage"].into_iter().find(|maker| {
        let looked = std::process::Command::new(maker).arg("--version").output();
        looked.is_ok_and(|output| output.status.success())
    });
    match maker {
        Some(_) => {
            let disc = fs::read(cloud.of_vm(0, "context.iso")).unwrap();
            // Its label, where ISO 9660 has it.
            assert!(disc[0x8000..].starts_with(b"\x01CD001"));
            assert_eq!(&disc[0x8028..0x802f], b"CONTEXT");
        }
        None => crate::support::skipped("xorriso"),
    }
}

/// docs/testing.md, "VMs that run".
#[test]
fn the_path_of_the_command_is_from_where_serve_was_started_and_those_of_its_arguments_are_not() {
    let mut cloud = Cloud::new(1, "[ -e \"$1\" ] && echo there || echo absent; sleep 1000");
    cloud.server.take().unwrap().stop();
    fs::write(cloud.path("image"), "").unwrap();
    for (argument, said) in [
        ("image".to_owned(), "absent\n"),
        ("vm.json".to_owned(), "there\n"),
        (format!("'{}'", cloud.path("image").display()), "there\n"),
    ] {
        let mut program = program();
        program.current_dir(cloud.directory.path());
        let command = format!("./guest {argument}");
        let state = cloud.state();
        let options = ["--state", state.to_str().unwrap(), "--vm-exec", &command];
        cloud.server = Some(Running::with(program, &options));
        cloud.ok("wait vm 0 STATE=RUNNING");
        until("it said so", || cloud.read(0, "output.log") == said);
        cloud.server.take().unwrap().stop();
    }
}

#[test]
fn a_vm_is_off_when_its_process_ends_and_comes_back_with_a_new_one() {
    let cloud = Cloud::new(
        1,
        "echo started; until [ -e ../../../off ]; do sleep 0.05; done",
    );
    cloud.ok("wait service 1 STATE=RUNNING");
    let first = cloud.pid(0);
    fs::write(cloud.path("off"), "").unwrap();
    cloud.ok("wait vm 0 STATE=POWEROFF");
    cloud.ok("wait service 1 STATE=WARNING");
    cloud.processes_are(0);
    fs::remove_file(cloud.path("off")).unwrap();

    cloud.act(0, "resume");
    cloud.ok("wait vm 0 STATE=RUNNING");
    cloud.ok("wait service 1 STATE=RUNNING");
    let second = cloud.pid(0);
    assert!(second > 0 && second != first);
    assert_eq!(cloud.read(0, "output.log"), "started\n");
    assert_eq!(cloud.read(0, "output.log.old"), "started\n");

    cloud.act(0, "suspend");
    cloud.ok("wait vm 0 STATE=SUSPENDED");
    cloud.processes_are(0);
    cloud.act(0, "resume");
    cloud.ok("wait vm 0 STATE=RUNNING");

    let third = cloud.pid(0);
    cloud.ok("vm lose 0");
    cloud.ok("wait vm 0 STATE=UNKNOWN");
    assert_eq!((cloud.pid(0), cloud.processes() > 0), (third, true));
    cloud.act(0, "resume");
    cloud.ok("wait vm 0 STATE=RUNNING");
    assert_ne!(cloud.pid(0), third);

    cloud.ok("vm fail 0");
    cloud.processes_are(0);
    cloud.ok("wait vm 0 STATE=BOOT_FAILURE");

    cloud.act(0, "terminate");
    cloud.ok("wait vm 0 STATE=DONE");
    until("its directory is gone", || cloud.directories() == 0);
    let events = cloud.ok("events");
    for text in [
        " started",
        " has ended: exit status: 0",
        " has ended: signal: 9",
    ] {
        assert!(events.contains(text), "{text} in {events}");
    }
}

#[test]
fn a_reboot_is_a_new_process_of_a_vm_that_runs() {
    let cloud = Cloud::new(1, RUNS);
    cloud.ok("wait service 1 STATE=RUNNING");
    for action in ["reboot", "reboot-hard"] {
        let before = cloud.pid(0);
        cloud.act(0, action);
        until("there is a new one", || {
            ![0, before].contains(&cloud.pid(0))
        });
        cloud.processes_are(2);
        cloud.ok("wait vm 0 STATE=RUNNING --timeout 0");
    }
    let events = cloud.ok("events");
    assert!(!events.contains("RUNNING -> POWEROFF"), "{events}");
    for status in ["signal: 15", "signal: 9"] {
        assert!(events.contains(status), "{status} in {events}");
    }
}

#[test]
fn what_does_not_start_fails_and_is_recovered() {
    let mut cloud = Cloud::new(1, "echo no kernel >&2; exit 3");
    cloud.ok("wait service 1 STATE=FAILED_DEPLOYING");
    cloud.ok("wait vm 0 STATE=BOOT_FAILURE");
    assert_eq!(cloud.read(0, "output.log"), "no kernel\n");
    let reason = "has ended: exit status: 3; the last line of vms/0/output.log is: no kernel\n";
    assert!(cloud.ok("events").contains(reason));
    let (code, why) = refused(&[
        "wait",
        "vm",
        "0",
        "READY=YES",
        "--timeout",
        "10ms",
        "--state",
        cloud.state().to_str().unwrap(),
    ]);
    let late = "VM 0: READY is absent, not YES (STATE is BOOT_FAILURE), after 0.01 s";
    assert!(code == 124 && why.contains(late), "{why}");
    fs::remove_file(cloud.path("guest")).unwrap();
    cloud.ok("service recover 1");
    cloud.ok("wait service 1 STATE=FAILED_DEPLOYING");
    until("it is said why", || {
        cloud.ok("events").contains("cannot start: cannot run ")
    });
    cloud.write_script(RUNS);
    cloud.ok("service recover 1");
    cloud.ok("wait service 1 STATE=RUNNING");
    let (_, log) = cloud.server.take().unwrap().stop();
    assert!(log.contains("VM 0 cannot start: cannot run "), "{log}");
    let reason = format!(" {reason}");
    assert!(
        log.contains("VM 0: process ") && log.contains(&reason),
        "{log}"
    );
    cloud.processes_are(0);
}

#[test]
fn soft_ends_are_asked_for_and_hard_ones_are_not() {
    // It notes that it was asked, and goes on.
    let cloud = Cloud::new(
        1,
        "trap 'echo asked >>../../../asked' TERM; echo ready; while :; do sleep 0.02; done",
    );
    let asked = || fs::read_to_string(cloud.path("asked")).unwrap_or_default();
    let ready = || {
        cloud.ok("wait vm 0 STATE=RUNNING");
        until("it is ready", || cloud.read(0, "output.log") == "ready\n");
    };
    ready();
    cloud.act(0, "poweroff");
    cloud.ok("wait vm 0 STATE=POWEROFF");
    assert_eq!(asked(), "asked\n");
    cloud.processes_are(0);
    cloud.act(0, "resume");
    ready();
    cloud.act(0, "poweroff-hard");
    cloud.ok("wait vm 0 STATE=POWEROFF");
    let after = asked();
    // The state comes first: it may be asked before it is killed, but nothing is waited for.
    assert!(
        ["asked\n", "asked\nasked\n"].contains(&after.as_str()),
        "{after}"
    );
    cloud.processes_are(0);
}

#[test]
fn a_server_that_was_killed_finds_its_vms_again_and_one_that_ends_leaves_none() {
    let mut cloud = Cloud::new(3, RUNS);
    cloud.ok("wait service 1 STATE=RUNNING");
    let before: Vec<u32> = (0..3).map(|vm| cloud.pid(vm)).collect();
    cloud.server().signal(Signal::KILL);
    drop(cloud.server.take());
    // Each VM's shell and its sleep.
    cloud.processes_are(6);
    // One ends while nobody looks.
    let victim = rustix::process::Pid::from_raw(before[1].try_into().unwrap()).unwrap();
    rustix::process::kill_process_group(victim, Signal::KILL).unwrap();
    cloud.processes_are(4);

    cloud.start();
    cloud.ok("wait service 1 STATE=RUNNING");
    cloud.processes_are(6);
    assert_eq!((cloud.pid(0), cloud.pid(2)), (before[0], before[2]));
    until("the other has a new one", || {
        ![0, before[1]].contains(&cloud.pid(1))
    });
    let (status, log) = cloud.server.take().unwrap().stop();
    assert!(status.success(), "{log}");
    cloud.processes_are(0);
    assert_eq!(cloud.directories(), 3);

    cloud.start();
    cloud.processes_are(6);
    cloud.ok("wait service 1 STATE=RUNNING");
}

#[test]
fn ten_vms_scale_to_thirty_and_back_and_leave_nothing_behind() {
    let cloud = Cloud::new(10, "sleep 1000");
    cloud.ok("wait service 1 STATE=RUNNING web.RUNNING=10");
    let count = |vms: usize| {
        cloud.processes_are(2 * vms);
        until("the directories are as many", || cloud.directories() == vms);
        assert_eq!(cloud.leases(), vms);
    };
    count(10);
    cloud.scale(0, 30);
    cloud.ok("wait service 1 STATE=RUNNING web.RUNNING=30");
    count(30);
    cloud.scale(0, 10);
    cloud.ok("wait service 1 STATE=RUNNING web.RUNNING=10");
    count(10);
}

#[test]
fn a_start_that_fails_leaves_no_process() {
    let mut cloud = Cloud::new(1, RUNS);
    cloud.ok("wait service 1 STATE=RUNNING");
    cloud.server.take().unwrap().stop();
    // Where the control socket is to be, nothing can be.
    let socket = cloud.state().join("control");
    fs::remove_file(&socket).unwrap();
    fs::create_dir(&socket).unwrap();
    let state = cloud.state();
    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--state",
        state.to_str().unwrap(),
    ];
    let guest = cloud.path("guest");
    let (_, why) = refused(&[&words[..], &["--vm-exec", guest.to_str().unwrap()]].concat());
    assert!(why.contains("cannot make the control socket"), "{why}");
    cloud.processes_are(0);
}

#[test]
fn a_command_that_cannot_be_run_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let state = state.to_str().unwrap();
    for (command, why) in [
        (
            "no-such-program x",
            "--vm-exec: there is no program no-such-program that can be run",
        ),
        ("'sh", "--vm-exec: a quote is not closed"),
    ] {
        let words = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--state",
            state,
            "--vm-exec",
            command,
        ];
        let (code, said) = refused(&words);
        assert!(code == 78 && said.contains(why), "{code}: {said}");
        let mut check = words;
        check[0] = "check";
        let output = run(&check);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&format!("FAILED  VMs: {why}")), "{said}");
    }
    let output = program()
        .args(["check", "--state", state, "--vm-exec", "sh -c true"])
        .output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(
        said.contains("ok      VMs: /") && said.contains("/sh can be run"),
        "{said}"
    );
}
