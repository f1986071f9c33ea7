//! docs/operations.md: each block of commands does what the page says, in the order of the page.

use crate::support::process::{Running, credentials, printed, program};
use std::path::Path;
use std::process::{Command, Output};

const GUIDE: &str = include_str!("../../../docs/operations.md");

/// The commands of the page, block by block.
fn blocks() -> Vec<&'static str> {
    let blocks = GUIDE.split("```sh\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .collect()
}

/// Runs a block as an operator does, below a directory in place of `/var`.
fn run(block: &str, var: &Path) -> Output {
    let binary = program().get_program().to_owned();
    let path = std::env::join_paths(
        [Path::new(&binary).parent().unwrap().to_path_buf()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let script = block
        .replace("/var/", &format!("{}/", var.display()))
        .replace("127.0.0.1:5030", "127.0.0.1:0");
    Command::new("sh")
        .args(["-e", "-c", &script])
        .env("PATH", path.unwrap())
        .output()
        .unwrap()
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let var = directory.path();
    let lib = var.join("lib/onegate-server-lite");
    std::fs::create_dir_all(var.join("lib")).unwrap();
    std::fs::create_dir_all(var.join("backups")).unwrap();
    let state = lib.display().to_string();
    let token = printed(&["token", "8"]);
    let ask = |server: &Running, line: &str, body: &str| {
        let credentials = credentials("8", token.trim_end());
        let answer = server.send(line, &credentials, body.as_bytes());
        assert_eq!(answer.status, 200, "{line}: {}", answer.text());
        answer.text().to_string()
    };
    let done = |block: &str| {
        let output = run(block, var);
        assert!(output.status.success(), "{block}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let [check, backup, restore, salvage, rollback] = blocks()[..] else {
        panic!("the page has other blocks: {:?}", blocks());
    };
    let server = Running::start(&["--state", &state]);
    ask(&server, "PUT /vm", "KEPT=yes");
    assert!(done(check).contains("is whole"));
    done(backup);
    ask(&server, "PUT /vm", "LATER=yes");
    done(restore);
    let vm = ask(&server, "GET /vm", "");
    assert!(vm.contains("KEPT") && !vm.contains("LATER"), "{vm}");
    server.stop();
    let serves = || {
        let server = Running::start(&["--state", &state]);
        let vm = ask(&server, "GET /vm", "");
        server.stop();
        vm
    };
    let journal = lib.join("journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    let last = bytes.iter().rposition(|b| *b == b'\n').unwrap();
    bytes[last - 5] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    done(salvage);
    assert!(serves().contains("KEPT"));
    done(rollback);
    assert!(serves().contains("KEPT"));
}
