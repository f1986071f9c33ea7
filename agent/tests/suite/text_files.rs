//! Every text file that the agent reads, as editors and other systems write it: with a byte-order mark, with CRLF, without
//! a newline at its end.

use crate::support::agent;
use crate::support::guest::{ENDPOINT, Guest, ONE_ENV, TOKEN, context_sh, one_env};
use crate::support::server::{Server, token};
use crate::support::{stderr, stdout};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;

/// The same text, otherwise written.
fn spellings(text: &str) -> Vec<String> {
    let cut = text.strip_suffix('\n').unwrap();
    vec![
        text.to_owned(),
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        cut.to_owned(),
        format!("\u{feff}{}", cut.replace('\n', "\r\n")),
    ]
}

#[test]
fn what_tells_of_the_context() {
    const TOKEN_FILE: &str = "mnt/token";
    let token = format!("{TOKEN}\n");
    let apart = || Guest::new().file("context/context.sh", context_sh(ENDPOINT, "8"));
    let one_env_text = one_env(ENDPOINT, "8", TOKEN);
    let copy = |stage: &str| format!("var/run/one-context/context.sh.{stage}");
    for (file, text, guest) in [
        (
            "context/context.sh",
            context_sh(ENDPOINT, "8"),
            Guest::new().file("context/token.txt", &token),
        ),
        ("context/token.txt", token.clone(), apart()),
        (ONE_ENV, one_env_text.clone(), Guest::new()),
        (
            copy("network").as_str(),
            one_env_text.replace("export ", ""),
            Guest::new(),
        ),
        (
            copy("online").as_str(),
            one_env_text.replace("export ", ""),
            Guest::new(),
        ),
        (
            copy("local").as_str(),
            one_env_text.replace("export ", ""),
            Guest::new(),
        ),
        (
            TOKEN_FILE,
            token.clone(),
            apart().variable("ONEGATE_TOKEN", "by name"),
        ),
        (TOKEN_FILE, token.clone(), apart()),
    ] {
        let mut guest = guest;
        // The environment's paths are the process's own; so is the option's.
        let path = guest.path(TOKEN_FILE);
        match guest.environment.get_mut("ONEGATE_TOKEN") {
            Some(named) => *named = path.into(),
            None if file == TOKEN_FILE => guest.token_file = Some(path),
            None => {}
        }
        for spelling in spellings(&text) {
            guest = guest.file(file, &spelling);
            let found = guest
                .found()
                .map(|found| found.split(" @ ").next().unwrap().to_owned());
            assert_eq!(found, [ENDPOINT, "8", TOKEN], "{file}: {spelling:?}");
        }
    }
}

/// The last newline of a text file is no part of the value, whichever system wrote it.
#[test]
fn a_value_from_a_file() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("value");
    for (content, value) in [
        ("yes\n", Some("yes")),
        ("yes", Some("yes")),
        ("yes\r\n", Some("yes")),
        ("a\nb\n", Some("a\nb")),
        // The bytes of a value count, but these can't be stored.
        ("\u{feff}yes\n", Some("\u{feff}yes")),
        ("a\r\nb\r\n", None),
        ("yes\r", None),
    ] {
        fs::write(&file, content).unwrap();
        let update = server.onegate(8, &["vm", "update", &format!("V=@{}", file.display())]);
        let Some(value) = value else {
            assert!(stderr(&update).contains("a carriage return"), "{content:?}");
            continue;
        };
        assert!(update.status.success(), "{content:?}: {}", stderr(&update));
        let shown = server.onegate(8, &["vm", "show", "--get", "USER_TEMPLATE.V"]);
        assert_eq!(stdout(&shown), format!("{value}\n"), "{content:?}");
    }
}

#[test]
fn certificates() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let server = Server::with(&[
        "--tls-cert",
        &path("cert.pem"),
        "--tls-key",
        &path("key.pem"),
    ]);
    for spelling in spellings(&made.cert.pem().replace("\r\n", "\n")) {
        fs::write(path("ca.pem"), &spelling).unwrap();
        let base64 = STANDARD.encode(&spelling);
        let (first, rest) = base64.split_at(64);
        for (variable, value, options) in [
            (
                "X",
                String::new(),
                vec!["--cacert".to_owned(), path("ca.pem")],
            ),
            ("ONEGATE_CA_FILE", path("ca.pem"), vec![]),
            ("ONEGATE_CA_CERT", base64.clone(), vec![]),
            ("ONEGATE_CA_CERT", format!("{first}\r\n{rest}\r\n"), vec![]),
        ] {
            let mut command = agent();
            command.args(["vm", "show", "--get", "NAME"]).args(options);
            command
                .env("ONEGATE_ENDPOINT", server.url())
                .env("VMID", "8");
            let output = command
                .env("TOKENTXT", token(8))
                .env(variable, value)
                .output()
                .unwrap();
            assert_eq!(
                stdout(&output),
                "master_0_(service_1)\n",
                "{variable}, {spelling:?}: {}",
                stderr(&output)
            );
        }
    }
}
