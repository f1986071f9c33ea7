//! Names with an address of one family, while the name server has something against the question for the other.
//!
//! `make test-static` does the same with the static binary, whose libc is another one.

use crate::support::server::{Server, token};
use crate::support::{skipped, stderr, stdout};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

struct NameServer {
    child: Child,
    address: &'static str,
}

impl NameServer {
    /// On an address of loopback that nobody else listens on.
    fn start(address: &'static str) -> Option<NameServer> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/test/dns.py");
        let mut command = Command::new("python3");
        command.args([script, address]).stderr(Stdio::null());
        let Ok(mut child) = command.stdout(Stdio::piped()).spawn() else {
            skipped("python3");
            return None;
        };
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let server = NameServer { child, address };
        if line.is_empty() {
            println!("SKIPPED: names: no name server can listen on {address}:53");
            return None;
        }
        Some(server)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The agent where that name server is the only one.
fn show(name_server: &NameServer, url: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    std::fs::write(&file, format!("nameserver {}\n", name_server.address)).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c"]);
    command.arg(r#"mount --bind "$1" /etc/resolv.conf || exit 77; shift; exec "$@""#);
    command
        .arg("sh")
        .arg(&file)
        .arg(env!("CARGO_BIN_EXE_onegate"));
    command.args(["vm", "show", "--get", "NAME", "--connect-timeout", "4"]);
    command.env("ONEGATE_ENDPOINT", url);
    command.env("VMID", "8").env("TOKENTXT", token(8));
    command.output().unwrap()
}

#[test]
fn an_address_of_one_family_is_enough() {
    let Some(name_server) = NameServer::start("127.0.0.54") else {
        return;
    };
    let mut servers = vec![("aaaa", Server::start())];
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        servers.push(("a", Server::on("[::1]:0", &[])));
    } else {
        println!("SKIPPED: names with an IPv6 address alone: no ::1 here");
    }
    for (family, server) in servers {
        for fault in [
            "empty", "formerr", "servfail", "nxdomain", "notimp", "refused", "silent",
        ] {
            let url = format!("http://{family}-{fault}.onegate.test:{}", server.port());
            let output = show(&name_server, &url);
            if output.status.code() == Some(77) || stderr(&output).contains("unshare failed") {
                println!("SKIPPED: names: no mount can be made here");
                return;
            }
            assert_eq!(
                stdout(&output),
                "master_0_(service_1)\n",
                "{url}: {}",
                stderr(&output)
            );
        }
    }
}

/// Of a name with addresses of both families the one counts that lets us connect.
#[test]
fn the_family_that_can_be_reached() {
    let Some(name_server) = NameServer::start("127.0.0.55") else {
        return;
    };
    let server = Server::start();
    let url = format!("http://both.onegate.test:{}", server.port());
    let output = show(&name_server, &url);
    if output.status.code() != Some(77) && !stderr(&output).contains("unshare failed") {
        assert_eq!(
            stdout(&output),
            "master_0_(service_1)\n",
            "{}",
            stderr(&output)
        );
    }
}
