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
    Listener::new(Box::new(move |number, request| {
        if number < failures {
            trouble.clone()
        } else {
            request.answer(VM)
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
    let proxy = Listener::onegate(VM);
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
    // Not read, or kept out: the name is then looked up here, and there is none.
    for environment in [
        &[
            ("HTTP_PROXY", address.as_str()),
            ("ALL_PROXY", &address),
            ("https_proxy", &address),
        ][..],
        &[("http_proxy", &address), ("no_proxy", "a, invalid")],
        &[("http_proxy", &address), ("NO_PROXY", "*.invalid")],
    ] {
        let said = stderr(&run(server, environment, &["vm", "show"]));
        assert!(said.contains("Error looking up"), "{environment:?}: {said}");
    }
    // Of the two spellings the lower-case one wins.
    let environment = [
        ("http_proxy", address.as_str()),
        ("no_proxy", "elsewhere"),
        ("NO_PROXY", "*"),
    ];
    assert!(run(server, &environment, &["vm", "show"]).status.success());
    assert_eq!(proxy.received().len(), 3);
}

/// It is the proxy that has to be looked at then, not the server.
#[test]
fn a_proxy_that_cannot_be_reached_is_named() {
    let closed = format!("127.0.0.1:{}", closed_port());
    for (variable, server, proxy) in [
        ("http_proxy", "http://10.9.9.9:5030", closed.as_str()),
        ("https_proxy", "https://10.9.9.9:5030", &closed),
        ("http_proxy", "http://10.9.9.9:5030", "proxy.invalid:3128"),
    ] {
        let address = format!("http://user:secret@{proxy}");
        let said = stderr(&run(server, &[(variable, &address)], &["vm", "show"]));
        for part in [
            "Error connecting to server through the proxy (",
            &format!("Proxy: {proxy}\n"),
            "Look at http_proxy, https_proxy and no_proxy.",
        ] {
            assert!(
                said.contains(part) && !said.contains("secret"),
                "{variable}: {said}"
            );
        }
    }
}

/// The token must not go to a proxy elsewhere where only this machine or this link can be meant.
#[test]
fn no_proxy_to_loopback() {
    let proxy = Listener::answering("200 OK", VM);
    let server = Listener::answering("200 OK", VM);
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}", server.port);
        let output = run(&url, &[("http_proxy", &proxy.url())], &["vm", "show"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert_eq!((proxy.received().len(), server.received().len()), (0, 2));
}

/// Every step, the token in none of them, and nothing else on stdout than without it.
#[test]
fn traced() {
    let listener = in_trouble(1);
    let url = format!("http://127.0.0.1:{} {}", closed_port(), listener.url());
    let quiet = run(&listener.url(), &[], &["vm", "show", "--retry", "1"]);
    assert_eq!(stderr(&quiet), "");
    let listener = in_trouble(1);
    let url = url.split(' ').next().unwrap().to_owned() + " " + &listener.url();
    for (environment, args) in [
        (&[][..], &["vm", "show", "--retry", "1", "--trace"][..]),
        (&[("ONEGATE_TRACE", "1")], &["vm", "show", "--trace"]),
    ] {
        let output = run(&url, environment, args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), stdout(&quiet));
        let said = stderr(&output);
        let mut steps = vec![
            "looking at ONEGATE_ENDPOINT",
            "endpoint http://127.0.0.1:",
            "from environment variable ONEGATE_ENDPOINT",
            "VM id 6 from",
            "token from environment variable TOKENTXT",
            "connecting to 127.0.0.1:",
            "failed: ",
            "GET http://127.0.0.1:",
            "connected",
        ];
        if args.contains(&"--retry") {
            steps.extend(["answer: status 503, 4 bytes of no type", "again in "]);
        }
        steps.push("answer: status 200, 56 bytes of application/json");
        let mut rest = said.as_str();
        for step in steps {
            let at = rest.find(step);
            let at = at.unwrap_or_else(|| panic!("{step:?} is not in its place in\n{said}"));
            rest = &rest[at..];
        }
        assert!(
            said.lines().all(|line| line.starts_with("trace: ")),
            "{said}"
        );
        assert!(!said.contains(TOKEN), "{said}");
    }
    let output = run(
        "http://no-such-host.invalid",
        &[("ONEGATE_TRACE", "1")],
        &["vm", "show"],
    );
    let said = stderr(&output);
    assert!(said.contains("looking up no-such-host.invalid"), "{said}");
    assert!(
        said.contains("no-such-host.invalid: 0 IPv4 addresses"),
        "{said}"
    );
    let output = run(
        "http://no-such-host.invalid",
        &[("ONEGATE_TRACE", "0")],
        &["vm", "show"],
    );
    assert!(!stderr(&output).contains("trace:"));
}

/// An endpoint that is no URL is named, the password in it is not.
#[test]
fn endpoints_that_are_none() {
    for (endpoint, words) in [
        (
            "http://user:secret@h:1",
            "http://***@h:1\" is a URL with a user name",
        ),
        ("http://u:a/secret@[::1]:1", "is a URL with a user name"),
        ("user:secret@h", "***@h\" is not a URL"),
        (
            "http://a:1,http://b:2",
            "several URLs are separated by blanks",
        ),
        ("http://[fe80::1]", "without its interface"),
    ] {
        let by_option = run("", &[], &["vm", "show", "--endpoint", endpoint]);
        for output in [run(endpoint, &[], &["vm", "show"]), by_option] {
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(255), "{endpoint}: {said}");
            assert!(said.contains(words), "{endpoint}: {said}");
            assert!(!said.contains("secret"), "{endpoint}: {said}");
        }
    }
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

/// A link-local address with its interface, by name or number, as RFC 6874 writes it and as people do. The server
/// hears nothing of the interface, which means nothing to it.
#[test]
fn a_link_local_address() {
    let Some((address, interface, index)) = link_local() else {
        println!("SKIPPED: a link-local address: no interface has one here");
        return;
    };
    let server = TcpListener::bind(&*format!("[{address}%{index}]:0"));
    let server = server.unwrap();
    let port = server.local_addr().unwrap().port();
    let hosts = std::thread::spawn(move || {
        let served = (0..4).map(|_| {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(&answer("200 OK", VM)).unwrap();
            String::from_utf8_lossy(&request[..length]).to_lowercase()
        });
        served.collect::<Vec<_>>()
    });
    for zone in [
        interface.clone(),
        format!("25{interface}"),
        index.clone(),
        format!("25{index}"),
    ] {
        let url = format!("http://[{address}%{zone}]:{port}");
        let output = run(&url, &[], &["vm", "show"]);
        assert_eq!(output.status.code(), Some(0), "{url}: {}", stderr(&output));
    }
    for request in hosts.join().unwrap() {
        assert!(
            request.contains(&format!("host: [{address}]:{port}\r\n")),
            "{request}"
        );
    }
    let output = run("http://[fe80::1%nosuch0]:1", &[], &["vm", "show"]);
    assert!(
        stderr(&output).contains("is there a network interface 'nosuch0'?"),
        "{}",
        stderr(&output)
    );
}

/// An IPv6 link-local address of this machine, its interface and the number of that.
fn link_local() -> Option<(String, String, String)> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let bits = u128::from_str_radix(fields.first()?, 16).ok()?;
        let address = std::net::Ipv6Addr::from_bits(bits);
        let index = u32::from_str_radix(fields.get(1)?, 16).ok()?;
        address
            .is_unicast_link_local()
            .then(|| (address.to_string(), fields[5].to_owned(), index.to_string()))
    })
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
