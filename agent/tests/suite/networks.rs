//! Networks as they are: slow, broken for a moment, behind proxies, with several servers.

use crate::support::server::{Server, token};
use crate::support::{Listener, answer, as_vm, closed_port, run_as, stderr, stdout};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Output;

const TOKEN: &str = "o7Y9bRvAiQmfUZzJo5eZTA==";
const VM: &str = r#"{"VM":{"NAME":"a","ID":"6","STATE":"3","LCM_STATE":"3"}}"#;

fn run(endpoint: &str, environment: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = as_vm(endpoint, "6", TOKEN);
    command
        .envs(environment.iter().copied())
        .args(args)
        .output()
        .unwrap()
}

/// A listener that answers 503 `failures` times, then well; Retry-After keeps the test short.
fn in_trouble(failures: usize) -> Listener {
    let trouble = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy".to_vec();
    Listener::new(Box::new(move |number, _| {
        if number < failures {
            trouble.clone()
        } else {
            answer("200 OK", VM)
        }
    }))
}

#[test]
fn retries_as_often_as_told_and_no_more() {
    for (args, failures, asked, code) in [
        (&["vm", "show"][..], 1, 1, 255),
        (&["vm", "show", "--retry", "2"], 2, 3, 0),
        (&["vm", "show", "--retry", "2"], 3, 3, 255),
        (&["vm", "update", "A=1", "--retry", "1"], 1, 2, 0),
        // These may have arrived.
        (&["vm", "poweroff", "6", "--retry", "2"], 1, 1, 255),
        (
            &["service", "scale", "-r", "a", "-c", "1", "--retry", "2"],
            1,
            1,
            255,
        ),
    ] {
        let listener = in_trouble(failures);
        let output = run(&listener.url(), &[], args);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(listener.received().len(), asked, "{args:?}");
    }
    for args in [
        &["vm", "poweroff", "6", "--retry", "2"][..],
        &["service", "scale", "-r", "a", "-c", "1", "--retry", "2"],
    ] {
        let listener = Listener::new(Box::new(|_, _| Vec::new()));
        let output = run(&listener.url(), &[], args);
        assert!(
            stderr(&output).contains("may have been carried out"),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(
            listener.received().len(),
            1,
            "{args:?}: sent again after it had arrived"
        );
    }
}

#[test]
fn the_next_endpoint_when_one_cannot_be_reached() {
    let listener = Listener::answering("200 OK", VM);
    let (dead, other) = (closed_port(), closed_port());
    let both = format!("http://127.0.0.1:{dead}  {}", listener.url());
    let output = run(&both, &[], &["vm", "show"]);
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
    // Not after an answer, be it a refusal: that server was reached.
    let refusing = Listener::answering("403 Forbidden", "no");
    let output = run(
        &format!("{} {}", refusing.url(), listener.url()),
        &[],
        &["vm", "show"],
    );
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(255), "ERROR: \nno\n")
    );
    let output = run(
        &format!("http://127.0.0.1:{dead} http://127.0.0.1:{other}"),
        &[],
        &["vm", "show"],
    );
    for port in [dead, other] {
        assert!(
            stderr(&output).contains(&format!("127.0.0.1:{port}")),
            "{}",
            stderr(&output)
        );
    }
    assert_eq!(listener.received().len(), 1);
}

/// A plain-http proxy gets an absolute-form request, and never a CONNECT.
#[test]
fn through_a_proxy_for_plain_http() {
    let proxy = Listener::answering("200 OK", VM);
    let address = proxy.url().replace("http://", "http://user:p%40ss@");
    let server = "http://onegate.invalid:5030";
    for (args, line, body) in [
        (
            &["vm", "show"][..],
            "GET http://onegate.invalid:5030/vm HTTP/1.1",
            "",
        ),
        (
            &["vm", "update", "A=1"],
            "PUT http://onegate.invalid:5030/vm HTTP/1.1",
            "data=A%3D1&type=1",
        ),
    ] {
        let output = run(server, &[("http_proxy", &address)], args);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(0), String::new())
        );
        let received = proxy.received().pop().unwrap();
        assert_eq!(
            (received.line.as_str(), received.body.as_str()),
            (line, body)
        );
        assert_eq!(received.header("Host"), Some("onegate.invalid:5030"));
        assert_eq!(
            received.header("Proxy-Authorization"),
            Some("Basic dXNlcjpwQHNz")
        );
    }
    // Other names of the variable mean nothing, and no_proxy keeps it out.
    let direct = Listener::answering("200 OK", VM);
    for environment in [
        &[
            ("HTTP_PROXY", address.as_str()),
            ("ALL_PROXY", &address),
            ("https_proxy", &address),
        ][..],
        &[
            ("http_proxy", &address),
            ("no_proxy", "10.0.0.1,127.0.0.0/8"),
        ],
    ] {
        assert!(
            run(&direct.url(), environment, &["vm", "show"])
                .status
                .success()
        );
    }
    assert_eq!((proxy.received().len(), direct.received().len()), (2, 2));
}

/// For https the proxy is asked for a tunnel, and sees neither path nor token.
#[test]
fn through_a_proxy_for_https() {
    let proxy = Listener::answering("407 Proxy Authentication Required", "");
    let output = run(
        "https://onegate.invalid:5443",
        &[("https_proxy", &proxy.url())],
        &["vm", "show"],
    );
    let said = stderr(&output);
    assert!(
        said.contains("through the proxy") && said.contains("407 Proxy Authentication Required"),
        "{said}"
    );
    let received = proxy.received().pop().unwrap();
    assert_eq!(received.line, "CONNECT onegate.invalid:5443 HTTP/1.1");
    assert_eq!(received.header("X-ONEGATE-TOKEN"), None);
}

#[test]
fn an_ipv6_address() {
    if let Err(e) = TcpListener::bind("[::1]:0") {
        println!("SKIPPED: IPv6: no ::1 here: {e}");
        return;
    }
    let server = Server::on("[::1]:0", &[]);
    let url = format!("http://[::1]:{}", server.port());
    let output = run_as(&url, "8", &token(8), ["vm", "show", "--get", "NAME"]);
    assert_eq!(
        (stdout(&output).as_str(), stderr(&output).as_str()),
        ("master_0_(service_1)\n", "")
    );
}

/// A server that never comes to an end, however busy it looks: the whole attempt has one deadline.
#[test]
fn an_answer_that_takes_too_long() {
    for head in [
        "HTTP/1.1 200 OK\r\nX: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
            stream.write_all(head.as_bytes()).unwrap();
            drip(&mut stream);
        });
        let output = run(&url, &[], &["vm", "show", "--timeout", "1"]);
        assert_eq!(output.status.code(), Some(255));
        assert!(
            stderr(&output).contains("Error waiting for the server's answer (it took too long)"),
            "{}",
            stderr(&output)
        );
        server.join().unwrap();
    }
}

/// Byte after byte, until the other side has gone.
fn drip(stream: &mut TcpStream) {
    while stream.write_all(b" ").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn options_that_are_neither_numbers_nor_durations() {
    for (option, value, expected) in [
        ("--timeout", "soon", "a duration, such as 30"),
        ("--timeout", "0", "a duration of 1 ms or more"),
        ("--retry", "-1", "a whole number from 0"),
        ("--connect-timeout", "", "a duration, such as 30"),
    ] {
        let args = ["vm", "show", option, value];
        let output = run("http://127.0.0.1:9", &[], &args);
        assert_eq!(output.status.code(), Some(255), "{args:?}");
        assert!(
            stderr(&output).contains(&format!("{option} '{value}': expected {expected}")),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}
