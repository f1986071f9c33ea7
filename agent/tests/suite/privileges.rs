//! What the running process has given up, as the kernel tells it.

use crate::support::{Listener, as_vm};
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
    std::fs::copy(env!("CARGO_BIN_EXE_onegate"), &program).unwrap();
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
