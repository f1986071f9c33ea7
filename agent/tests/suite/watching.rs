//! `--watch` and `--exec`: conditional requests, errors that change nothing, programs that run with a result.

use crate::support::server::{Server, token};
use crate::support::{Listener, Received, answer, as_vm, run_as, stderr, stdout};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

fn vm(value: &str) -> String {
    format!(r#"{{"VM":{{"ID":"8","NAME":"a","USER_TEMPLATE":{{"A":"{value}"}}}}}}"#)
}

fn tagged(body: &str, tag: &str) -> Vec<u8> {
    let text = String::from_utf8(answer("200 OK", body)).unwrap();
    text.replacen("\r\n", &format!("\r\nETag: {tag}\r\n"), 1)
        .into_bytes()
}

/// The agent as VM 8 of a listener.
fn onegate(listener: &Listener, args: &[&str]) -> Output {
    run_as(&listener.url(), "8", "AAAA", args)
}

fn wait_of(request: &Received) -> Option<u32> {
    let prefer = request.header("Prefer")?.strip_prefix("wait=")?;
    Some(prefer.parse().unwrap())
}

/// What runs, killed with this value, and its stdout.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn new(mut command: Command) -> Running {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { child, out }
    }

    fn on(server: &Server, vm: u32, args: &[&str]) -> Running {
        let mut command = as_vm(server.url(), &vm.to_string(), &token(vm));
        command.args(args).env("PATH", path());
        Running::new(with_default_signals(&command))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// All that is left on stderr, once it has ended.
    fn said(mut self) -> String {
        let mut said = String::new();
        let mut err = self.child.stderr.take().unwrap();
        err.read_to_string(&mut said).unwrap();
        self.child.wait().unwrap();
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, heeding every signal: what is started in the background ignores SIGINT and SIGQUIT, and so do these
/// tests and their children there.
fn with_default_signals(command: &Command) -> Command {
    let mut env = Command::new("/usr/bin/env");
    env.env_clear().arg("--default-signal");
    env.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            env.env(name, value);
        }
    }
    env
}

fn signal(name: &str, process: u32) {
    // The shell's own: the smallest Debian has no other.
    let kill = ["-c", "kill -s $0 $1", name, &process.to_string()];
    let sent = Command::new("sh").args(kill).status();
    assert!(sent.unwrap().success());
}

/// This agent first.
fn path() -> String {
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_onegate"));
    format!("{}:/usr/bin:/bin", bin.parent().unwrap().display())
}

/// Waits until a process is gone.
fn gone(process: &str) {
    let is_running = || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    while is_running() {
        std::thread::yield_now();
    }
}

/// Every request after the first says what is known and that the server may keep its answer back, no longer than there
/// is time. A change costs one request.
#[test]
fn a_loop_asks_for_what_differs() {
    for (args, most) in [
        (&["vm", "wait", "A=2", "--timeout", "60"][..], 30),
        (&["vm", "wait", "A=2", "--timeout", "5"], 5),
        (
            &["vm", "show", "--watch", "--get", "A", "--exec", "grep", "2"],
            30,
        ),
    ] {
        let listener = Listener::new(Box::new(move |number, _| match number {
            0 => tagged(&vm("1"), "\"one\""),
            _ => tagged(&vm("2"), "W/\"two\""),
        }));
        if args.contains(&"--watch") {
            let mut command = as_vm(&listener.url(), "8", "AAAA");
            command.args(args).env("PATH", path());
            let mut running = Running::new(command);
            assert_eq!(running.line(), "2");
        } else {
            assert!(onegate(&listener, args).status.success());
            assert_eq!(listener.received().len(), 2, "{args:?}");
        }
        let received = listener.received();
        assert_eq!(received[0].header("If-None-Match"), None);
        assert_eq!(received[0].header("Prefer"), None);
        assert_eq!(received[1].header("If-None-Match"), Some("\"one\""));
        let wait = wait_of(&received[1]).unwrap();
        assert!((most - 2..=most).contains(&wait), "{args:?}: {wait}");
    }
}

/// The Ruby server knows neither tags nor preferences: nothing is sent that it would have to ignore.
#[test]
fn a_server_without_tags_is_polled() {
    let listener = Listener::new(Box::new(|number, _| {
        answer("200 OK", &vm(&number.to_string()))
    }));
    let args = ["vm", "wait", "A=3", "--interval", "100ms"];
    assert!(onegate(&listener, &args).status.success());
    assert_eq!(listener.received().len(), 4);
    for request in listener.received() {
        assert_eq!(request.header("If-None-Match"), None);
        assert_eq!(request.header("Prefer"), None);
    }
}

#[test]
fn a_wait_ends_with_the_change_on_the_real_server() {
    let server = Server::start();
    let mut command = as_vm(server.url(), "9", &token(9));
    command.args(["vm", "wait", "A=1", "--interval", "1h"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    let update = ["vm", "update", "9", "A=1"];
    assert!(server.onegate(8, &update).status.success());
    assert!(child.wait().unwrap().success());
}

/// What a service says while oned is busy, and other answers that are none.
#[test]
fn an_error_is_never_a_change() {
    let whole = r#"{"SERVICE":{"name":"s","roles":[{"name":"r","cardinality":1,"nodes":[{"deploy_id":9,"vm_info":{"VM":
        {"ID":"9","NAME":"n","STATE":"3","LCM_STATE":"3","USER_TEMPLATE":{}}}}]}]}}"#;
    let empty = r#"{"SERVICE":{"name":"s","roles":[{"name":"r","cardinality":0,"nodes":[]}]}}"#;
    let broken: &[Vec<u8>] = &[
        answer("503 Service Unavailable", "busy"),
        answer("401 Unauthorized", "Failed to get VM"),
        answer("403 Forbidden", "not now"),
        answer("200 OK", ""),
        answer("200 OK", "<html>"),
        answer("200 OK", &whole[..whole.len() / 2]),
        answer("200 OK", "{}"),
        answer("200 OK", r#"{"SERVICE":null}"#),
        answer("200 OK", r#"{"SERVICE":{}}"#),
        answer("200 OK", r#"{"SERVICE":{"roles":null}}"#),
        answer(
            "200 OK",
            &whole.replace("[{\"deploy_id\"", "null,\"x\":[{\"deploy_id\""),
        ),
        answer(
            "200 OK",
            r#"{"SERVICE":{"roles":[{"name":"r","cardinality":1,"nodes":[{"deploy_id":9,"vm_info":null}]}]}}"#,
        ),
        // Cut off, and hung up on.
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}".to_vec(),
        Vec::new(),
    ];
    for args in [
        &["service", "peers"][..],
        &["service", "peers", "--format", "{ID}"],
        &["service", "peers", "--get", "ID"],
        &["service", "show", "--get", "roles[*].nodes[*].deploy_id"],
    ] {
        let answers = broken.to_vec();
        let (first, last) = (answer("200 OK", whole), answer("200 OK", empty));
        let listener = Listener::closing(
            Box::new(move |number, _| match number {
                0 => first.clone(),
                at if at <= answers.len() => answers[at - 1].clone(),
                at if at == answers.len() + 1 => first.clone(),
                _ => last.clone(),
            }),
            true,
        );
        let directory = tempfile::tempdir().unwrap();
        let events = directory.path().join("events");
        let count = format!(
            "cat >>{0}; echo $ONEGATE_EVENT >>{0}; ! grep -q change {0} || kill $PPID",
            events.display()
        );
        let mut command = as_vm(&listener.url(), "8", "AAAA");
        command
            .args(args)
            .args(["--watch", "--interval", "100ms", "--exec", "sh", "-c"]);
        command.arg(count).env("PATH", path());
        let said = Running::new(command).said();
        let seen = fs::read_to_string(&events).unwrap();
        let lines: Vec<&str> = seen.lines().collect();
        assert!(
            matches!(lines[..], [_, "first", "change"]),
            "{args:?}: {seen}"
        );
        assert_eq!(
            said.matches("the last result stays").count(),
            1,
            "{args:?}: {said}"
        );
        assert_eq!(said.matches("answers again").count(), 1, "{args:?}: {said}");
    }
}

/// Where there has been no result, what the server refuses for good ends it; an outage doesn't.
#[test]
fn what_cannot_heal_ends_it_at_the_start() {
    for (answers, code, out) in [
        (vec![answer("403 Forbidden", "no")], 255, ""),
        (vec![answer("404 Not Found", "no")], 255, ""),
        (
            vec![
                answer("503 Service Unavailable", "no"),
                answer("200 OK", &vm("1")),
            ],
            0,
            "1\n",
        ),
        (
            vec![
                answer("200 OK", r#"{"VM":{"ID":"8"}}"#),
                answer("200 OK", &vm("1")),
            ],
            0,
            "1\n",
        ),
    ] {
        let listener = Listener::new(Box::new(move |number, _| {
            answers[number.min(answers.len() - 1)].clone()
        }));
        let args = [
            "vm",
            "show",
            "--get",
            "A",
            "--watch",
            "--once",
            "--interval",
            "100ms",
        ];
        let output = onegate(&listener, &args);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(code), out),
            "{}",
            stderr(&output)
        );
    }
}

/// What is wrong is said once for each cause, and what is over is what had been said.
#[test]
fn what_is_said_of_trouble_fits_its_cause() {
    let without = || answer("200 OK", r#"{"VM":{"ID":"8"}}"#);
    let (down, again) = ("the server answers 503: no", "the server answers again");
    let (nothing, something) = ("--get leads to nothing", "--get leads to something now");
    let unusable = "The server's answer is not JSON";
    for (answers, expected, absent) in [
        (
            vec![without(), without()],
            &[nothing, something][..],
            &[again][..],
        ),
        (
            vec![answer("503 Service Unavailable", "no"), without()],
            &[down, nothing, something],
            &[again],
        ),
        (
            vec![without(), answer("503 Service Unavailable", "no")],
            &[nothing, down, again],
            &[something],
        ),
        (
            vec![answer("200 OK", "<html>"), answer("200 OK", "<html>")],
            &[unusable, again],
            &[nothing, something],
        ),
        (vec![], &[], &[again, something]),
    ] {
        let listener = Listener::new(Box::new(move |number, _| {
            let last = answer("200 OK", &vm("1"));
            answers.get(number).cloned().unwrap_or(last)
        }));
        let args = "vm show --get A --watch --once --interval 100ms";
        let output = onegate(&listener, &args.split(' ').collect::<Vec<_>>());
        let said = stderr(&output);
        assert_eq!(stdout(&output), "1\n", "{said}");
        let mut rest = said.as_str();
        for words in expected {
            let at = rest.find(words);
            rest = &rest[at.unwrap_or_else(|| panic!("no {words} in {said}"))..];
            assert_eq!(said.matches(words).count(), 1, "{said}");
        }
        for words in absent {
            assert!(!said.contains(words), "{said}");
        }
    }
}

#[test]
fn a_result_is_printed_whenever_it_differs() {
    let server = Server::start();
    let mut running = Running::on(&server, 9, &["vm", "show", "8", "--get", "A", "--watch"]);
    for (attributes, printed) in [(&["A=1"][..], "1"), (&["B=2"], ""), (&["A=2", "B=3"], "2")] {
        let update = server.onegate(8, &[&["vm", "update"][..], attributes].concat());
        assert!(update.status.success());
        if !printed.is_empty() {
            assert_eq!(running.line(), printed);
        }
    }
}

/// The rest of the line is the command, without a shell; it speaks to the same server in the same name.
#[test]
fn a_program_gets_the_result_and_the_credentials() {
    let server = Server::start();
    let script = r#"cat; echo "$ONEGATE_EVENT $VMID $1 $2"; onegate vm show --get NAME; exit 7"#;
    let args = [
        "vm", "show", "9", "--get", "NAME", "--exec", "sh", "-c", script, "x", "--json", "a b",
    ];
    let mut command = as_vm(server.url(), "8", &token(8));
    let output = command.args(args).env("PATH", path()).output().unwrap();
    assert_eq!(
        stdout(&output),
        "slave_0_(service_1)\nfirst 8 --json a b\nmaster_0_(service_1)\n"
    );
    assert_eq!(
        stderr(&output),
        "onegate: 'sh' failed with exit status: 7\n"
    );
    assert_eq!(output.status.code(), Some(255));

    // From options alone, too.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), token(8)).unwrap();
    let mut command = crate::support::agent();
    command.args([
        "vm",
        "show",
        "--endpoint",
        server.url(),
        "--vmid",
        "8",
        "--token-file",
    ]);
    command
        .arg(file.path())
        .args(["--exec", "onegate", "vm", "show", "--get", "ID"]);
    let output = command.env("PATH", path()).output().unwrap();
    assert_eq!(stdout(&output), "8\n", "{}", stderr(&output));

    for (args, code, said) in [
        (
            &["vm", "show", "--exec"][..],
            1,
            "option --exec needs its CMD ARG...",
        ),
        (&["vm", "show", "--exec", ""], 255, "expected a program"),
        (
            &["vm", "show", "--exec", "/nowhere"],
            255,
            "cannot run '/nowhere'",
        ),
    ] {
        let output = server.onegate(8, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(
            stderr(&output).contains(said),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

/// Whatever happens while a program runs causes one more run, and never a second one beside it.
#[test]
fn a_program_runs_once_at_a_time_and_for_the_newest_result() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("lock");
    let go = directory.path().join("go");
    let script = format!(
        "mkdir {0} || echo TWICE; echo $ONEGATE_EVENT; cat; while [ ! -e {1} ]; do sleep 0.01; done; rmdir {0}; echo end",
        lock.display(),
        go.display()
    );
    let set = |value: &str| {
        let output = server.onegate(8, &["vm", "update", &format!("A={value}")]);
        assert!(output.status.success());
    };
    set("0");
    let args = [
        "vm", "show", "--get", "A", "--watch", "--exec", "sh", "-c", &script,
    ];
    let mut running = Running::on(&server, 8, &args);
    assert_eq!([running.line(), running.line()], ["first", "0"]);
    (1..=5).for_each(|value| set(&value.to_string()));
    // All of them have arrived when a second watch, begun later, has seen the last one.
    let seen = server.onegate(8, &["vm", "wait", "A=5"]);
    assert!(seen.status.success());
    fs::write(&go, "").unwrap();
    assert_eq!(running.line(), "end");
    let mut runs = 0;
    loop {
        assert_eq!(running.line(), "change");
        let value = running.line();
        assert_eq!(running.line(), "end");
        runs += 1;
        if value == "5" {
            break;
        }
    }
    // The last change may have been on its way when the first run ended.
    assert!(runs <= 2, "{runs} runs");
}

#[test]
fn a_program_that_fails_is_run_again() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    let script = format!(
        "cat; echo $ONEGATE_EVENT; mkdir {} 2>/dev/null && exit 3; exit 0",
        mark.display()
    );
    let args = [
        "vm", "show", "--get", "NAME", "--watch", "--once", "--exec", "sh", "-c", &script,
    ];
    let mut command = as_vm(server.url(), "8", &token(8));
    let output = command.args(args).env("PATH", path()).output().unwrap();
    let once = "master_0_(service_1)\nfirst\n";
    assert_eq!(stdout(&output), [once, once].concat());
    assert!(
        stderr(&output).contains("'sh' failed with exit status: 3\nTrying again in 500 ms"),
        "{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn signals_are_passed_on_and_no_program_is_left_behind() {
    use std::os::unix::process::ExitStatusExt as _;
    let server = Server::start();
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("QUIT", 3)] {
        // The program decides how long its end takes.
        let script =
            format!("trap 'echo {name}; exit 0' {name}; echo $$; while :; do sleep 0.01; done");
        let args = ["vm", "show", "--watch", "--exec", "sh", "-c", &script];
        let mut running = Running::on(&server, 8, &args);
        let process = running.line();
        running.signal(name);
        assert_eq!(running.line(), name);
        let status = running.child.wait().unwrap();
        assert_eq!(status.signal(), Some(number), "{status:?}");
        gone(&process);
    }
    // A group: what a shell waits for gets the signal, too.
    let args = [
        "vm",
        "show",
        "--watch",
        "--exec",
        "sh",
        "-c",
        "sleep 1000 & echo $!; wait",
    ];
    let mut running = Running::on(&server, 8, &args);
    let process = running.line();
    running.signal("TERM");
    gone(&process);
    // Others are passed on and don't end it.
    let script = "trap 'echo USR1' USR1; echo $$; while :; do sleep 0.01; done";
    let mut running = Running::on(
        &server,
        8,
        &["vm", "show", "--watch", "--exec", "sh", "-c", script],
    );
    let process = running.line();
    running.signal("USR1");
    assert_eq!(running.line(), "USR1");
    // Nobody can pass this one on.
    running.signal("KILL");
    gone(&process);
}
