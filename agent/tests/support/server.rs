//! The real server binary, beside the agent's own in the target directory.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// A server with the built-in scenario, in memory, on a port of its own; gone with this value.
pub struct Server {
    child: Child,
    url: String,
    port: u16,
}

impl Server {
    pub fn start() -> Server {
        Server::with(&[])
    }

    pub fn with(args: &[&str]) -> Server {
        Server::on("127.0.0.1:0", args)
    }

    /// On an address, as after a restart.
    pub fn on(listen: &str, args: &[&str]) -> Server {
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", listen]).args(args);
        let mut child = command
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("onegate-server-lite listening on ")
            .expect(&line)
            .to_owned();
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        Server { child, url, port }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The agent as a VM of the scenario.
    pub fn onegate(&self, vm: u32, args: &[&str]) -> Output {
        super::run_as(&self.url, &vm.to_string(), &token(vm), args)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The token of a VM of the scenario.
pub fn token(vm: u32) -> String {
    let output = Command::new(binary())
        .args(["token", &vm.to_string()])
        .env_clear()
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The server's binary. `cargo test --workspace` has built it; for the agent alone it is built now.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
        let binary = directory.join("onegate-server-lite");
        if !binary.exists() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args([
                "build",
                "--quiet",
                "--package",
                "onegate-server-lite",
                "--target-dir",
            ]);
            cargo.arg(directory.parent().unwrap());
            if directory.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(
                cargo.status().unwrap().success(),
                "the server can't be built"
            );
        }
        binary
    })
}
