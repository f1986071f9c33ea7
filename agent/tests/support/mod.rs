//! What several tests of the real binary need: a listener that answers as told and keeps what it was sent, and the
//! binary itself, far from the context of the machine that runs the test.

pub mod guest;
pub mod server;
pub mod terminal;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// One request as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// What OneGate answers: this body to a question, an empty one to a change.
    pub fn answer(&self, body: &str) -> Vec<u8> {
        answer(
            "200 OK",
            if self.line.starts_with("GET ") {
                body
            } else {
                ""
            },
        )
    }
}

/// Gives the bytes of the answer to a request, the first, the second, …
pub type Script = dyn FnMut(usize, &Received) -> Vec<u8> + Send;

/// A server on a port of its own that follows a script.
pub struct Listener {
    pub port: u16,
    stop: Arc<AtomicBool>,
    received: Arc<Mutex<Vec<Received>>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub fn new(script: Box<Script>) -> Listener {
        Listener::closing(script, false)
    }

    /// The same, but hangs up after each answer if `close` says so.
    pub fn closing(mut script: Box<Script>, close: bool) -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (stopped, requests) = (stop.clone(), received.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                serve(&mut stream.unwrap(), &requests, &mut script, close);
            }
        });
        Listener {
            port,
            stop,
            received,
            thread: Some(thread),
        }
    }

    /// Answers every request with this status line and body.
    pub fn answering(status: &str, body: &str) -> Listener {
        let answer = answer(status, body);
        Listener::new(Box::new(move |_, _| answer.clone()))
    }

    /// Answers as OneGate does: a question with this body, a change with none.
    pub fn onegate(body: &str) -> Listener {
        let body = body.to_owned();
        Listener::new(Box::new(move |_, request| request.answer(&body)))
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread up; if it is gone already, so much the better.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().unwrap().join();
    }
}

/// `HTTP/1.1 200 OK` and a body, as bytes.
pub fn answer(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn serve(
    stream: &mut TcpStream,
    received: &Mutex<Vec<Received>>,
    script: &mut Box<Script>,
    close: bool,
) {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    while let Some(request) = read(stream) {
        let number = {
            let mut all = received.lock().unwrap();
            all.push(request.clone());
            all.len() - 1
        };
        let answer = script(number, &request);
        // Nothing to say means: hang up. A client that has gone is its own affair.
        if answer.is_empty() || stream.write_all(&answer).is_err() || close {
            return;
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut one = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut one).ok()? == 0 {
            return None;
        }
        bytes.push(one[0]);
        // TLS: no http server would listen on.
        if bytes == [0x16] {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    let mut received = Received {
        line,
        headers,
        body: String::new(),
    };
    let length = received
        .header("Content-Length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    received.body = String::from_utf8_lossy(&body).into_owned();
    Some(received)
}

/// Copies the agent. Another program does it: what this process had open for writing could still be busy, in a child of
/// another test, when it is to be run.
pub fn copy_agent(to: &std::path::Path) {
    let mut copy = Command::new("cp");
    copy.arg(agent().get_program()).arg(to);
    assert!(copy.status().unwrap().success());
}

/// The agent with an empty environment.
pub fn agent() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onegate"));
    command.env_clear();
    command
}

/// The agent, with nothing to find on the machine.
pub fn onegate(nowhere: &std::path::Path) -> Command {
    let mut command = agent();
    command.arg("--root").arg(nowhere);
    command
}

/// The agent as a VM.
pub fn as_vm(endpoint: &str, vmid: &str, token: &str) -> Command {
    let mut command = agent();
    command
        .env("ONEGATE_ENDPOINT", endpoint)
        .env("VMID", vmid)
        .env("TOKENTXT", token);
    command
}

/// The same: runs it and waits for the end.
pub fn run_as<A: AsRef<OsStr>>(
    endpoint: &str,
    vmid: &str,
    token: &str,
    args: impl IntoIterator<Item = A>,
) -> Output {
    as_vm(endpoint, vmid, token).args(args).output().unwrap()
}

/// A test, or a part of one, that can't run here. With `CI` set it fails if what is missing could have been installed:
/// a `tool`, not something of the kernel.
pub fn skipped(tool: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{tool} is not installed: make tools"
    );
    println!("SKIPPED: {tool} is not installed");
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A port of loopback on which nobody listens.
pub fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
