//! The real server, started as a user starts it: a process, a socket, a log that is read back.

use super::client::connect;
use super::client::{Answer, PATIENCE};
use std::io::{BufRead, BufReader, Read};
use std::net::Shutdown;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The binary, with nothing of the test's own environment that could matter.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onegate-server-lite"));
    for name in ["ONE_LOCATION", "ONEGATE_STATE"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// Runs a command that must succeed; what it printed.
pub fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail; its exit code and its message.
pub fn refused(arguments: &[&str]) -> (i32, String) {
    let output = run(arguments);
    assert!(
        output.stdout.is_empty(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A server that runs until it is dropped.
pub struct Running {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    /// The same of its page, if it has one.
    pub page: Option<String>,
    log: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts `serve --listen 127.0.0.1:0` with these further options and waits until it listens.
    pub fn start(options: &[&str]) -> Self {
        Self::with(program(), options)
    }

    /// The same of a program in another environment.
    pub fn with(mut program: Command, options: &[&str]) -> Self {
        program
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(options);
        Self::run(&mut program)
    }

    /// Starts a server by this command and waits until it listens.
    pub fn run(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            let _ = stderr.read_to_end(&mut log);
            String::from_utf8_lossy(&log).into_owned()
        });
        let mut line = String::new();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        printed.read_line(&mut line).unwrap();
        let listening = line
            .trim_end()
            .strip_prefix("onegate-server-lite listening on ");
        let Some((_, address)) = listening.and_then(|url| url.split_once("://")) else {
            let _ = child.wait();
            panic!("it does not listen: {line:?}, {}", log.join().unwrap());
        };
        let has_page = command.get_args().any(|argument| argument == "--page");
        let page = has_page.then(|| {
            let mut line = String::new();
            printed.read_line(&mut line).unwrap();
            let url = line
                .trim_end()
                .strip_prefix("onegate-server-lite page on http://");
            url.and_then(|url| url.strip_suffix('/'))
                .unwrap()
                .to_owned()
        });
        Self {
            child,
            address: address.to_owned(),
            page,
            log: Some(log),
        }
    }

    /// Sends a request as it is and reads the whole answer; the connection ends with it.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut client = connect(self.address.parse().unwrap());
        client.send(bytes);
        let _ = client.stream.shutdown(Shutdown::Write);
        client.last_answer()
    }

    /// Sends a request; header fields are `Name: value` lines.
    pub fn send(&self, line: &str, headers: &[String], body: &[u8]) -> Answer {
        let mut request = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        );
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        self.raw(&[request.as_bytes(), body].concat())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ends the server by SIGTERM; how it ended, and everything it logged.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal(rustix::process::Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!("the server does not end"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        (status, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two header fields of a VM.
pub fn credentials(vm: &str, token: &str) -> Vec<String> {
    vec![
        format!("X-ONEGATE-VMID: {vm}"),
        format!("X-ONEGATE-TOKEN: {token}"),
    ]
}
