//! A server under attack: the real binary over the recorded cloud, everything that it answered and logged, and what
//! it must never tell.

use super::client::Answer;
use super::fixtures::fixture;
use super::process::{Running, credentials};
use onegate_server_lite::objects::token::{self, Secret};
use serde_json::Value;
use std::cell::RefCell;
use std::path::Path;

/// A VM of alice's that is in no service and no virtual router.
pub const ALONE: &str = "6";
/// Bob's VM.
pub const BOBS: &str = "1";
/// A VM that says SERVICE_ID=2 of itself, and is none of that service.
pub const SPOOFER: &str = "19";
/// The master of service 2.
pub const MASTER: &str = "33";
/// A slave of service 2.
pub const SLAVE: &str = "32";
/// A VM of virtual router 0, whose other one is VM 8.
pub const ROUTER_VM: &str = "7";

/// A server under attack, everything that it answered, and what it must never tell.
pub struct Siege {
    /// The server.
    pub server: Running,
    /// The cloud that it serves.
    pub cloud: Value,
    answers: RefCell<Vec<String>>,
    secrets: Vec<String>,
    dir: tempfile::TempDir,
}

impl Siege {
    /// The recorded cloud, changed before it is loaded.
    pub fn of(change: impl FnOnce(&mut Value)) -> Self {
        Self::start(change, None)
    }

    /// The recorded cloud under a configuration.
    pub fn under(config: &str) -> Self {
        Self::start(|_| {}, Some(config))
    }

    fn start(change: impl FnOnce(&mut Value), config: Option<&str>) -> Self {
        let recorded = std::fs::read_to_string(fixture("snapshot/cloud.json")).unwrap();
        let mut cloud: Value = serde_json::from_str(&recorded).unwrap();
        // The tokens of VMs that are taken away are secrets too.
        let mut secrets = secrets_of(&cloud);
        change(&mut cloud);
        secrets.extend(secrets_of(&cloud));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cloud.json");
        std::fs::write(&file, cloud.to_string()).unwrap();
        let state = dir.path().join("state");
        let text = |path: &Path| path.display().to_string();
        let (file, state, configured) = (
            text(&file),
            text(&state),
            text(&dir.path().join("gate.conf")),
        );
        let mut options = vec!["--cloud", &file, "--state", &state];
        if let Some(config) = config {
            std::fs::write(&configured, config).unwrap();
            options.extend(["--config", &configured]);
        }
        let server = Running::start(&options);
        Self {
            server,
            cloud,
            answers: RefCell::default(),
            secrets,
            dir,
        }
    }

    pub fn new() -> Self {
        Self::of(|_| {})
    }

    pub fn token(&self, vm: &str) -> String {
        token_of(&self.cloud, vm).unwrap()
    }

    /// Sends a request as this VM.
    pub fn send(&self, vm: &str, line: &str, body: &[u8]) -> Answer {
        self.send_as(line, &credentials(vm, &self.token(vm)), body)
    }

    pub fn send_as(&self, line: &str, headers: &[String], body: &[u8]) -> Answer {
        self.kept(self.server.send(line, headers, body))
    }

    pub fn raw(&self, bytes: &[u8]) -> Answer {
        self.kept(self.server.raw(bytes))
    }

    /// Keeps what was answered for the end.
    fn kept(&self, answer: Answer) -> Answer {
        let moves_a_terminal = |c: char| c.is_control() && c != '\n';
        assert!(!answer.text().contains(moves_a_terminal), "{answer:?}");
        self.answers
            .borrow_mut()
            .push(format!("{}\n\n{}", answer.head, answer.text()));
        answer
    }

    /// A VM's own record as it sees it: what no attack may change.
    pub fn record(&self, vm: &str) -> String {
        let answer = self.send(vm, "GET /vm", b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text().to_owned()
    }

    /// At the end: the server still answers and ends well, and no secret was told.
    pub fn lift(self) {
        self.record(ALONE);
        let answers = self.answers.into_inner().join("\n");
        let (status, log) = self.server.stop();
        assert!(status.success(), "{status}: {log}");
        for secret in &self.secrets {
            assert!(
                !answers.contains(secret.as_str()),
                "an answer tells {secret}"
            );
            assert!(!log.contains(secret.as_str()), "the log tells {secret}");
        }
        // At the start the operator's own files are named to the operator; after it no file is, to anyone.
        let requests: String = log
            .lines()
            .filter(|line| !line.contains(" warning: "))
            .collect();
        let directory = self.dir.path().display().to_string();
        for path in [
            directory.as_str(),
            "/journal",
            "cloud.json",
            ".rs:",
            "panicked",
            "/src/",
        ] {
            assert!(!answers.contains(path), "an answer tells {path}");
            assert!(!requests.contains(path), "the log tells {path}");
        }
        assert!(
            !log.chars().any(|c| c.is_control() && c != '\n'),
            "the log has raw control characters"
        );
        assert!(log.lines().count() > 1);
    }
}

pub fn objects<'a>(cloud: &'a Value, kind: &str) -> &'a [Value] {
    cloud[kind].as_array().unwrap()
}

fn token_of(cloud: &Value, vm: &str) -> Option<String> {
    let vm = objects(cloud, "vms").iter().find(|one| one["ID"] == vm)?;
    let user = objects(cloud, "users")
        .iter()
        .find(|user| user["ID"] == vm["TEMPLATE"]["CREATED_BY"])?;
    token::seal(Secret {
        vm: vm["ID"].as_str()?.parse().ok()?,
        stime: vm["STIME"].as_str()?,
        password: user["TEMPLATE"]["TOKEN_PASSWORD"].as_str()?,
    })
}

fn secrets_of(cloud: &Value) -> Vec<String> {
    let tokens = objects(cloud, "vms")
        .iter()
        .filter_map(|vm| token_of(cloud, vm["ID"].as_str()?));
    let passwords = objects(cloud, "users").iter().flat_map(|user| {
        let texts = [&user["PASSWORD"], &user["TEMPLATE"]["TOKEN_PASSWORD"]];
        texts
            .into_iter()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    });
    tokens
        .chain(passwords)
        .filter(|secret| secret.len() > 8)
        .collect()
}

/// A text with every byte percent-encoded.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
