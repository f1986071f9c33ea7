//! What a person sees: colours only where they are wanted, columns, progress, and nothing that a server could drive the
//! terminal with.

use crate::support::server::{Server, token};
use crate::support::{Listener, as_vm, terminal};
use std::process::Command;

fn onegate(url: &str, environment: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = as_vm(url, "8", &token(8));
    command.envs(environment.iter().copied()).args(args);
    command
}

#[test]
fn bold_headers_unless_no_color_says_otherwise() {
    let server = Server::start();
    for (environment, header) in [
        (
            &[][..],
            format!("\u{1b}[1m\u{1b}[4m{:<80}\u{1b}[0m\r\n", "VM 8"),
        ),
        (
            &[("NO_COLOR", "")],
            format!("\u{1b}[1m\u{1b}[4m{:<80}\u{1b}[0m\r\n", "VM 8"),
        ),
        (&[("NO_COLOR", "1")], "VM 8\r\n".to_owned()),
    ] {
        let (printed, code) = terminal::run(onegate(server.url(), environment, &["vm", "show"]));
        assert!(
            code == 0 && printed.starts_with(&header),
            "{environment:?}: {printed:?}"
        );
    }
}

#[test]
fn peers_in_columns() {
    let server = Server::start();
    let (printed, _) = terminal::run(onegate(server.url(), &[], &["service", "peers"]));
    let columns = "ID  ROLE    NAME                  STATE    IP\r\n\
        8   master  master_0_(service_1)  RUNNING  192.168.122.23\r\n\
        9   slave   slave_0_(service_1)   RUNNING  192.168.122.24\r\n";
    assert_eq!(printed, columns);
}

/// In every way of printing, and in what goes wrong.
#[test]
fn nothing_drives_the_terminal() {
    let evil = "\\u001b]0;owned\\u0007\\u009b2J\u{9b}\u{7f}\\r\u{202e}\\u202d\u{2066}\\u200b\u{200f}\u{feff}\u{e0041}\u{2028}";
    let vm = format!(
        r#"{{"VM":{{"ID":"8","NAME":"{evil}","STATE":"{evil}","{evil}":1,"TEMPLATE":{{"NIC":{{"IP":"{evil}"}}}}}}}}"#
    );
    let service = format!(
        r#"{{"SERVICE":{{"name":"{evil}","roles":[{{"name":"{evil}","nodes":[{{"vm_info":{vm}}}]}}]}}}}"#
    );
    let harmless = |printed: &str| {
        let text = printed
            .replace("\u{1b}[1m", "")
            .replace("\u{1b}[4m", "")
            .replace("\u{1b}[0m", "")
            .replace("\r\u{1b}[K", "")
            .replace("\r\n", "\n");
        assert!(
            !text.contains(|c: char| c != '\n' && !c.is_ascii_graphic() && c != ' '),
            "{text:?}"
        );
        assert!(text.contains("owned"), "{text:?}");
    };
    for (body, args) in [
        (&vm, &["vm", "show"][..]),
        (&vm, &["vm", "show", "--json"]),
        (&vm, &["vm", "show", "--get", "NAME"]),
        (&vm, &["vm", "show", "--get", "$"]),
        (&service, &["service", "show", "--extended"]),
        (&service, &["service", "peers"]),
        (&service, &["service", "peers", "--json"]),
    ] {
        let listener = Listener::answering("200 OK", body);
        harmless(&terminal::run(onegate(&listener.url(), &[], args)).0);
    }
    let evil = "\u{1b}]0;owned\u{7}\u{9b}\u{202e}\u{2069}\u{200d}\u{61c}\u{feff}";
    for (status, args) in [
        ("400 Bad Request", &["vm", "show"][..]),
        ("500 Internal Server Error", &["vm", "update", "A=1"]),
        ("401 Unauthorized", &["doctor"]),
        ("503 Busy", &["vm", "wait", "A", "--timeout", "0"]),
    ] {
        let listener = Listener::answering(status, evil);
        harmless(&terminal::run_stderr(onegate(&listener.url(), &[], args)).0);
    }
    let listener = Listener::answering("401 Unauthorized", evil);
    harmless(&terminal::run(onegate(&listener.url(), &[], &["doctor"])).0);
    for head in [
        "302 Found\r\nLocation: http://\u{202e}owned",
        "200 OK\r\nContent-Type: \u{202e}owned",
    ] {
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: 1\r\n\r\n1").into_bytes();
        let listener = Listener::new(Box::new(move |_, _| head.clone()));
        let args = ["vm", "update", "A=1"];
        let printed = terminal::run_stderr(onegate(&listener.url(), &[], &args)).0;
        harmless(&(printed + "owned"));
    }
    harmless(
        &terminal::run_stderr(onegate(
            "http://127.0.0.1:9/\u{1b}owned\u{7}",
            &[],
            &["vm", "show"],
        ))
        .0,
    );
}

#[test]
fn waiting_shows_its_progress_and_cleans_up() {
    let server = Server::start();
    let command = onegate(
        server.url(),
        &[],
        &["vm", "wait", "--timeout", "1", "READY=YES"],
    );
    let (printed, code) = terminal::run_stderr(command);
    assert_eq!(code, 124);
    assert!(
        printed.contains("\r\u{1b}[Kwaiting, 0 s: READY=YES (READY is not set)"),
        "{printed:?}"
    );
    assert!(
        printed.contains("\r\u{1b}[Konegate: timed out after 1 s"),
        "{printed:?}"
    );
}
