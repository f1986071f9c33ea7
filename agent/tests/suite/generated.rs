//! The man page and the completions are as the tables have them, and the page is fit for man.

#[path = "../../examples/generate/pages/mod.rs"]
mod pages;
use crate::support::server::Server;
use crate::support::{skipped, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/generated")
}

pub(super) fn is_installed(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        skipped(program);
    }
    found
}

#[test]
fn nothing_is_stale() {
    for (name, text) in pages::all() {
        let committed = std::fs::read_to_string(directory().join(&name)).unwrap_or_default();
        assert!(
            committed == text,
            "{name} is stale: cargo run --package onegate --example generate"
        );
    }
}

#[test]
fn the_pages_are_fit_for_man() {
    let agent = [
        "--connect-timeout DURATION",
        "onegate vm update 9 ACTIVE=YES MOTD='a, \"b\" = [c]'",
        "EXIT STATUS",
    ];
    is_fit_for_man("onegate.1", &agent);
    let server = [
        "onegate-server-lite service show ID",
        "--listen ADDRESS:PORT",
        "EXIT STATUS",
    ];
    is_fit_for_man("onegate-server-lite.1", &server);
}

fn is_fit_for_man(name: &str, words: &[&str]) {
    let page = directory().join(name);
    if is_installed("man") {
        let output = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(&page)
            .env("MANWIDTH", "80")
            .output()
            .unwrap();
        assert_eq!(
            (output.status.success(), stderr(&output)),
            (true, String::new())
        );
        let text = stdout(&output);
        for word in words {
            assert!(text.contains(word), "no {word} in\n{text}");
        }
    }
    if is_installed("mandoc") {
        let output = Command::new("mandoc")
            .args(["-T", "lint", "-W", "warning"])
            .arg(&page)
            .output()
            .unwrap();
        assert_eq!(
            (output.status.success(), stdout(&output)),
            (true, String::new())
        );
    }
}

/// Every example in help and man page runs, against the real server.
#[test]
fn every_example_runs() {
    use onegate::commands::COMMANDS;
    let server = Server::start();
    let path = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
    let mut count = 0;
    for example in COMMANDS.iter().flat_map(|command| command.examples) {
        // VM 1 belongs to the virtual router, VM 8 to the service.
        let vm = if example.contains("vrouter") || example.contains("vnet") {
            1
        } else {
            8
        };
        let output = Command::new("sh")
            .args(["-euc", example])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", path.display()))
            .env("ONEGATE_ENDPOINT", server.url())
            .env("VMID", vm.to_string())
            .env("TOKENTXT", crate::support::server::token(vm))
            .output()
            .unwrap();
        assert!(output.status.success(), "{example}: {}", stderr(&output));
        count += 1;
    }
    assert!(count >= 20, "{count} examples");
    println!("{count} examples ran");
}
