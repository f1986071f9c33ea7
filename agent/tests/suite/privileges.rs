//! What the running process has given up, as the kernel tells it.

use crate::support::{Listener, as_vm, copy_agent};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::sync::mpsc::channel;

const SYS_ADMIN: u64 = 1 << 21;
const DAC_OVERRIDE: u64 = 1 << 1;

/// Capabilities of a process: what `line` of its status says.
fn capabilities(status: &str, line: &str) -> u64 {
    let value = status.lines().find_map(|each| each.strip_prefix(line));
    u64::from_str_radix(value.unwrap().trim(), 16).unwrap()
}

#[test]
fn while_it_waits_for_a_response_it_can_do_and_show_little() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root has capabilities to give up");
        return;
    }
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let (arrived, arrival) = channel();
    let (go, gone) = channel::<()>();
    let server = Listener::new(Box::new(move |_, _| {
        arrived.send(()).unwrap();
        let _ = gone.recv();
        Vec::new()
    }));
    let place = tempfile::tempdir().unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.path(), everybody).unwrap();
    let program = place.path().join("onegate");
    copy_agent(&program);
    for uid in [0, 65_534] {
        let vm = as_vm(&server.url(), "8", "c2VjcmV0");
        let mut command = std::process::Command::new(&program);
        command.env_clear().args(["vm", "show"]).uid(uid);
        for (name, value) in vm.get_envs() {
            command.env(name, value.unwrap());
        }
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        arrival.recv().unwrap();
        let process = format!("/proc/{}", child.id());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        for line in ["CapEff:", "CapPrm:"] {
            let left = capabilities(&status, line);
            assert_eq!(left & SYS_ADMIN, 0, "uid {uid}: {status}");
            let kept = if uid == 0 {
                capabilities(&own, line) & DAC_OVERRIDE
            } else {
                0
            };
            assert_eq!(left & DAC_OVERRIDE, kept, "uid {uid}: {status}");
        }
        // The files of a process that is not dumpable are root's, whoever runs it.
        let memory = std::fs::metadata(format!("{process}/mem")).unwrap();
        assert_eq!(memory.uid(), 0, "uid {uid}");
        go.send(()).unwrap();
        child.wait().unwrap();
    }
}

/// What hardens a unit: its lines `NAME=VALUE`.
fn hardening(unit: &str) -> Vec<(String, String)> {
    let path = format!("{}/../{unit}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let names = [
        "AmbientCap",
        "CapabilityBounding",
        "NoNew",
        "Protect",
        "Private",
        "Restrict",
        "Lock",
        "MemoryDeny",
        "SystemCall",
        "Device",
        "ProcSubset",
    ];
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let lines = lines.filter(|(name, _)| names.iter().any(|start| name.starts_with(start)));
    lines
        .filter(|(name, _)| *name != "RestartPreventExitStatus")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What a unit of the agent's leaves out of the server's hardening, or has in another way, and why.
const DIFFERENCES: &[(&str, &[&str])] = &[
    // To find the context it mounts a CD-ROM, reads files of root's and may run vmtoolsd.
    (
        "contrib/systemd/onegate-metrics.service",
        &[
            "CapabilityBoundingSet",
            "PrivateDevices",
            "DevicePolicy",
            "PrivateUsers",
            "PrivateIPC",
            "ProtectProc",
            "ProcSubset",
            "ProtectClock",
            "SystemCallFilter",
            "SystemCallErrorNumber",
        ],
    ),
    // The same, and its CHECK is a command of the operator's, which may ask systemd and write files.
    (
        "contrib/systemd/onegate-ready.service",
        &[
            "CapabilityBoundingSet",
            "AmbientCapabilities",
            "PrivateDevices",
            "DevicePolicy",
            "PrivateUsers",
            "PrivateIPC",
            "ProtectProc",
            "ProcSubset",
            "ProtectSystem",
            "SystemCallFilter",
            "SystemCallErrorNumber",
        ],
    ),
    // The same, and the programs that it runs reconfigure services.
    (
        "contrib/systemd/onegate-watch@.service",
        &[
            "CapabilityBoundingSet",
            "AmbientCapabilities",
            "PrivateDevices",
            "DevicePolicy",
            "PrivateUsers",
            "PrivateIPC",
            "PrivateTmp",
            "ProtectProc",
            "ProcSubset",
            "ProtectSystem",
            "MemoryDenyWriteExecute",
            "RestrictAddressFamilies",
            "RestrictNamespaces",
            "SystemCallFilter",
            "SystemCallErrorNumber",
        ],
    ),
];

#[test]
fn the_units_are_hardened_like_the_servers_but_for_what_they_need() {
    let server = hardening("packaging/server/onegate-server-lite.service");
    assert!(server.len() > 25, "{server:?}");
    for (unit, differences) in DIFFERENCES {
        let own = hardening(unit);
        let mut missing: Vec<&str> = server
            .iter()
            .filter(|line| !own.contains(line))
            .map(|(name, _)| name.as_str())
            .collect();
        missing.dedup();
        let mut expected = differences.to_vec();
        for names in [&mut missing, &mut expected] {
            names.sort_unstable();
        }
        assert_eq!(missing, expected, "{unit}");
    }
    // There is no unit besides.
    let directory = format!("{}/../contrib/systemd", env!("CARGO_MANIFEST_DIR"));
    let units = std::fs::read_dir(directory).unwrap();
    let names = units.map(|unit| unit.unwrap().file_name().into_string().unwrap());
    let services = names.filter(|name| name.ends_with(".service")).count();
    assert_eq!(services, DIFFERENCES.len());
}
