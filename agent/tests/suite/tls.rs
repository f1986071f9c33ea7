//! TLS that verifies: what is good is taken, what isn't is refused before the token is sent, and the words say what is
//! wrong and what to do.

use crate::support::as_vm;
use crate::support::server::{Server, token};
use crate::support::{Listener, answer, stderr, stdout};
use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use tempfile::TempDir;

const VM: &str = r#"{"VM":{"NAME":"a","ID":"8","STATE":"3","LCM_STATE":"3"}}"#;

/// An authority, and the certificates that it has issued.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Authority {
        Authority::named("an authority")
    }

    fn named(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, directory }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Issued {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            key,
        }
    }
}

/// Serves one connection over TLS, and tells what it was sent.
fn serve(
    issued: &Issued,
    versions: &[&'static SupportedProtocolVersion],
) -> (String, Receiver<String>) {
    let chain = vec![CertificateDer::from(issued.certificate.der().to_vec())];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap();
    let config = Arc::new(
        config
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://127.0.0.1:{}",
        listener.local_addr().unwrap().port()
    );
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let mut request = [0; 4096];
        // A client that does not like what it sees hangs up: then nothing was sent.
        let length = stream.read(&mut request).unwrap_or(0);
        if length > 0 {
            stream.write_all(&answer("200 OK", VM)).unwrap();
        }
        // Some tests don't care.
        let _ = sender.send(String::from_utf8_lossy(&request[..length]).into_owned());
    });
    (url, receiver)
}

fn show(url: &str, environment: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = as_vm(url, "8", &token(8));
    command
        .envs(environment.iter().copied())
        .args(["vm", "show"])
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn good_certificates_over_both_versions() {
    let authority = Authority::new();
    let file = authority.file();
    let file = file.to_str().unwrap();
    let inline = base64::engine::general_purpose::STANDARD.encode(authority.issuer.pem());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (environment, args) in [
            (&[][..], &["--cacert", file][..]),
            (&[("ONEGATE_CA_FILE", file)], &[]),
            (&[("ONEGATE_CA_CERT", inline.as_str())], &[]),
        ] {
            let issued = || authority.issue("127.0.0.1", |_| {});
            let (url, _request) = serve(&issued(), &[version]);
            let traced = [environment, &[("ONEGATE_TRACE", "1")]].concat();
            let said = stderr(&show(&url, &traced, args));
            let of = "; certificate of 'rcgen self signed cert', issued by 'an authority'";
            assert!(said.contains("_GCM_SHA") && said.contains(of), "{said}");
            let (url, request) = serve(&issued(), &[version]);
            let output = show(&url, environment, args);
            assert_eq!(
                (output.status.code(), stderr(&output)),
                (Some(0), String::new()),
                "{environment:?} {args:?}"
            );
            assert!(
                request
                    .recv()
                    .unwrap()
                    .to_lowercase()
                    .contains("x-onegate-token: ")
            );
        }
    }
}

/// What many a front-end has: a certificate that is its own authority, or an authority's own, as `openssl req -x509` and
/// OpenNebula's guide make it. It is trusted where exactly it is listed; its name and its dates count all the same.
#[test]
fn a_certificate_that_is_listed_itself() {
    type Change = fn(&mut CertificateParams);
    let ca: Change = |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let common_name = |params: &mut CertificateParams, name: &str| {
        ca(params);
        params.subject_alt_names.clear();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let mut push = |kind, text: &str| params.distinguished_name.push(kind, text);
        push(rcgen::DnType::OrganizationName, "127.0.0.1 Ltd.");
        push(rcgen::DnType::CommonName, name);
    };
    let good = |what: &'static str, change: &dyn Fn(&mut CertificateParams)| {
        (what, self_signed(change), None)
    };
    let bad = |what: &'static str, change: &dyn Fn(&mut CertificateParams), words| {
        (what, self_signed(change), Some(words))
    };
    for (what, issued, refused) in [
        good("its own authority", &|_| {}),
        good("CA:FALSE", &|params| params.is_ca = IsCa::ExplicitNoCa),
        good("CA:TRUE", &ca),
        good("CA:TRUE, a path length", &|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        }),
        good("CA:TRUE, several names", &|params| {
            ca(params);
            let other = rcgen::SanType::DnsName("one.example".try_into().unwrap());
            params.subject_alt_names.push(other);
        }),
        good("a common name alone", &|params| {
            common_name(params, "127.0.0.1")
        }),
        bad(
            "another common name",
            &|params| common_name(params, "127.0.0.10"),
            "has no subjectAltName",
        ),
        bad(
            "a common name beside a subjectAltName",
            &|params| {
                common_name(params, "127.0.0.1");
                let other = rcgen::SanType::DnsName("one.example".try_into().unwrap());
                params.subject_alt_names.push(other);
            },
            "is for one.example",
        ),
        bad(
            "expired",
            &|params| {
                ca(params);
                params.not_after = date_time_ymd(2001, 1, 1);
            },
            "has expired",
        ),
        bad(
            "expired, a common name alone",
            &|params| {
                common_name(params, "127.0.0.1");
                params.not_after = date_time_ymd(2001, 1, 1);
            },
            "has expired",
        ),
        bad(
            "not yet",
            &|params| {
                ca(params);
                params.not_before = date_time_ymd(2999, 1, 1);
            },
            "not valid yet",
        ),
        bad(
            "another name",
            &|params| {
                ca(params);
                let other = rcgen::SanType::DnsName("one.example".try_into().unwrap());
                params.subject_alt_names = vec![other];
            },
            "is for one.example",
        ),
        bad(
            "another address",
            &|params| {
                ca(params);
                let other = rcgen::SanType::IpAddress([127, 0, 0, 2].into());
                params.subject_alt_names = vec![other];
            },
            "is for 127.0.0.2",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("server.pem");
        // Among others, as in a system's store.
        let pem = Authority::new().issuer.pem() + &issued.certificate.pem();
        std::fs::write(&file, pem).unwrap();
        let (url, request) = serve(&issued, rustls::ALL_VERSIONS);
        let output = show(&url, &[], &["--cacert", file.to_str().unwrap()]);
        let (said, sent) = (stderr(&output), request.recv().unwrap());
        match refused {
            None => {
                assert_eq!(
                    (output.status.code(), said),
                    (Some(0), String::new()),
                    "{what}"
                );
                assert_ne!(sent, "", "{what}");
            }
            Some(words) => {
                assert_eq!(output.status.code(), Some(255), "{what}: {said}");
                assert!(said.contains(words), "{what}: {said}");
                assert_eq!(sent, "", "{what}: something was sent");
            }
        }
    }
}

/// Listed, but from an issuer that is not; and one that only looks like what is listed.
#[test]
fn exactly_what_is_listed() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("server.pem");
    let ca = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let expired = authority.issue("127.0.0.1", |params| {
        params.not_after = date_time_ymd(2001, 1, 1)
    });
    let twin = (self_signed(&ca), self_signed(&ca));
    for (what, listed, issued, refused) in [
        ("issued", authority.issue("127.0.0.1", |_| {}), None, None),
        ("issued, expired", expired, None, Some("has expired")),
        (
            "another key under the same name",
            twin.0,
            Some(twin.1),
            Some("an authority's own"),
        ),
    ] {
        std::fs::write(&file, listed.certificate.pem()).unwrap();
        let issued = issued.unwrap_or(listed);
        let (url, request) = serve(&issued, rustls::ALL_VERSIONS);
        let output = show(&url, &[], &["--cacert", file.to_str().unwrap()]);
        let said = stderr(&output);
        assert_eq!(output.status.success(), refused.is_none(), "{what}: {said}");
        assert!(said.contains(refused.unwrap_or("")), "{what}: {said}");
        assert_eq!(
            request.recv().unwrap().is_empty(),
            refused.is_some(),
            "{what}: what was sent"
        );
    }
}

/// A certificate of 127.0.0.1, unless changed, and signed with its own key.
fn self_signed(change: &dyn Fn(&mut CertificateParams)) -> Issued {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Issued { certificate, key }
}

/// Nothing is sent to a server that isn't who it should be.
#[test]
fn bad_certificates() {
    let authority = Authority::new();
    let stranger = Authority::named("a stranger");
    let expired = authority.issue("127.0.0.1", |params| {
        params.not_after = date_time_ymd(2001, 1, 1)
    });
    let future = authority.issue("127.0.0.1", |params| {
        params.not_before = date_time_ymd(2999, 1, 1)
    });
    let other = authority.issue("onegate.example", |_| {});
    let ca = authority.issue("127.0.0.1", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
    });
    for (what, issued, words) in [
        (
            "made anew",
            Authority::new().issue("127.0.0.1", |_| {}),
            &["but not its signature", "made anew"][..],
        ),
        (
            "unknown authority",
            stranger.issue("127.0.0.1", |_| {}),
            &[
                "from an authority that is not trusted here",
                "--cacert FILE",
            ][..],
        ),
        ("expired", expired, &["has expired", "clock"]),
        ("not yet", future, &["not valid yet", "clock"]),
        (
            "wrong name",
            other,
            &["is for", "onegate.example", "ONEGATE_ENDPOINT"],
        ),
        (
            "an authority's own",
            ca,
            &["an authority's own", "CA:FALSE"],
        ),
    ] {
        let (url, request) = serve(&issued, rustls::ALL_VERSIONS);
        let output = show(&url, &[], &["--cacert", authority.file().to_str().unwrap()]);
        let said = stderr(&output);
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(255), String::new()),
            "{what}: {said}"
        );
        assert!(
            said.contains("Error securing the connection to the server"),
            "{what}: {said}"
        );
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{what}: {said}"
        );
        assert_eq!(request.recv().unwrap(), "", "{what}: something was sent");
    }
}

#[test]
fn insecure_takes_any_and_says_so() {
    let stranger = Authority::new();
    for (environment, args) in [
        (&[][..], &["--insecure"][..]),
        (&[("ONEGATE_INSECURE", "YES")], &[]),
    ] {
        let (url, request) = serve(&stranger.issue("elsewhere", |_| {}), rustls::ALL_VERSIONS);
        let output = show(&url, environment, args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stderr(&output)
                .starts_with("onegate: warning: the server's certificate is not verified")
        );
        assert_ne!(request.recv().unwrap(), "");
    }
}

/// The system's store is what counts without any setting; this authority is in none.
#[test]
fn the_systems_store() {
    let (url, request) = serve(
        &Authority::new().issue("127.0.0.1", |_| {}),
        rustls::ALL_VERSIONS,
    );
    let said = stderr(&show(&url, &[], &[]));
    assert!(
        said.contains("not trusted here") || said.contains("no store of trusted authorities"),
        "{said}"
    );
    assert_eq!(request.recv().unwrap(), "");
}

#[test]
fn http_on_a_tls_port_and_the_reverse() {
    let authority = Authority::new();
    let plain = Listener::answering("200 OK", VM);
    let said = stderr(&show(
        &plain.url().replace("http:", "https:"),
        &[],
        &["--insecure"],
    ));
    assert!(
        said.contains("Error securing the connection") && said.contains("http://"),
        "{said}"
    );
    let (url, _) = serve(&authority.issue("127.0.0.1", |_| {}), rustls::ALL_VERSIONS);
    let said = stderr(&show(&url.replace("https:", "http:"), &[], &[]));
    assert!(
        said.contains("it speaks TLS") && said.contains("https://"),
        "{said}"
    );
}

#[test]
fn settings_that_cannot_be_used() {
    let authority = Authority::new();
    let key = authority.directory.path().join("key.pem");
    std::fs::write(&key, "no certificate").unwrap();
    for (environment, args, words) in [
        (
            &[][..],
            &["--cacert", "/nowhere/ca.pem"][..],
            "/nowhere/ca.pem",
        ),
        (
            &[],
            &["--cacert", key.to_str().unwrap()],
            "there is no certificate in",
        ),
        (&[("ONEGATE_CA_CERT", "%")], &[], "ONEGATE_CA_CERT"),
    ] {
        let (url, _request) = serve(&authority.issue("127.0.0.1", |_| {}), rustls::ALL_VERSIONS);
        let output = show(&url, environment, args);
        assert_eq!(output.status.code(), Some(255));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

/// A proxy that opens a tunnel to wherever it is told to, once; tells what it was asked.
fn tunnel() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        // Every name is one of this machine.
        let (_, port) = head.split(' ').nth(1).unwrap().split_once(':').unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
        sender.send(head).unwrap();
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
            .unwrap();
        let (mut from_client, mut to_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        // Either side may hang up first.
        let _ = std::io::copy(&mut server, &mut client);
    });
    (url, receiver)
}

#[test]
fn through_a_tunnel() {
    let authority = Authority::new();
    let file = authority.file();
    for variable in ["https_proxy", "HTTPS_PROXY"] {
        let issued = authority.issue("onegate.invalid", |_| {});
        let (url, request) = serve(&issued, rustls::ALL_VERSIONS);
        let url = url.replace("127.0.0.1", "onegate.invalid");
        let (proxy, asked) = tunnel();
        let output = show(
            &url,
            &[(variable, &proxy)],
            &["--cacert", file.to_str().unwrap()],
        );
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(0), String::new()),
            "{variable}"
        );
        let server = url.strip_prefix("https://").unwrap();
        assert_eq!(
            asked.recv().unwrap(),
            format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\r\n")
        );
        assert!(request.recv().unwrap().starts_with("GET /vm HTTP/1.1\r\n"));
    }
}

#[test]
fn a_handshake_that_takes_too_long() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let output = show(&url, &[], &["--connect-timeout", "1", "--insecure"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(255), "{said}");
    assert!(
        said.contains("Error securing the connection to the server (it took too long)"),
        "{said}"
    );
}

/// The real server, and the authority in the VM's own context.sh.
#[test]
fn the_real_server_and_the_context() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| {});
    let directory = authority.directory.path();
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&cert, issued.certificate.pem()).unwrap();
    std::fs::write(&key, issued.key.serialize_pem()).unwrap();
    let server = Server::with(&[
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    assert!(server.url().starts_with("https://"), "{}", server.url());
    let inline = base64::engine::general_purpose::STANDARD.encode(authority.issuer.pem());
    let context = format!(
        "ONEGATE_CA_CERT='{inline}'\nONEGATE_ENDPOINT='{}'\nVMID='8'\n",
        server.url()
    );
    std::fs::create_dir(directory.join("context")).unwrap();
    std::fs::write(directory.join("context/context.sh"), context).unwrap();
    std::fs::write(directory.join("context/token.txt"), token(8)).unwrap();
    let output = crate::support::onegate(directory)
        .args(["vm", "show", "--get", "NAME"])
        .output()
        .unwrap();
    assert_eq!(
        (stdout(&output).as_str(), stderr(&output).as_str()),
        ("master_0_(service_1)\n", "")
    );
}
