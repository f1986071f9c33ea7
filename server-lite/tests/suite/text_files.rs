//! Every text file that the server reads, as editors and other systems write it: with a byte-order mark, with CRLF,
//! without a newline at its end.

use crate::support::fixtures::fixture;
use crate::support::http::tls::Files;
use crate::support::process::{printed, run};
use std::fs;
use std::path::Path;

/// The same text, otherwise written.
fn spellings(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    let cut = text.trim_end_matches('\n');
    vec![
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        cut.to_owned(),
        format!("\u{feff}{}", cut.replace('\n', "\r\n")),
    ]
}

/// Calls `ask` with each spelling in the file, and with the file as it was: the result is always the same.
fn always_the_same(file: &Path, ask: &dyn Fn() -> String) {
    let text = fs::read_to_string(file).unwrap();
    let expected = ask();
    for spelling in spellings(&text) {
        fs::write(file, &spelling).unwrap();
        let start: String = spelling.chars().take(20).collect();
        assert!(ask() == expected, "{}: {start:?}", file.display());
    }
}

#[test]
fn configuration_scenario_and_certificate() {
    let files = Files::new();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let name = |name: &str| path(name).display().to_string();
    fs::write(
        path("gate.conf"),
        ":host: 127.0.0.1\n:port: 0\n# mine\n:permissions:\n  :vm:\n    :show: true\n",
    )
    .unwrap();
    fs::copy(fixture("snapshot/cloud.json"), path("cloud.json")).unwrap();
    let pem = |file: &Path| file.display().to_string();
    let (certificate, key) = (pem(&files.certificate), pem(&files.key));
    let (conf, cloud) = (name("gate.conf"), name("cloud.json"));
    let check = || {
        let output = run(&[
            "check",
            "--config",
            &conf,
            "--cloud",
            &cloud,
            "--tls-cert",
            &certificate,
            "--tls-key",
            &key,
        ]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for file in [
        &path("gate.conf"),
        &path("cloud.json"),
        &files.certificate,
        &files.key,
    ] {
        always_the_same(file, &check);
    }
}

#[test]
fn a_scenario_that_is_imported() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    fs::copy(fixture("snapshot/cloud.json"), path("cloud.json")).unwrap();
    let (cloud, state) = (path("cloud.json"), path("state"));
    always_the_same(Path::new(&cloud), &|| {
        printed(&["state", "import", "--cloud", &cloud, "--state", &state]);
        printed(&["token", "6", "--state", &state])
    });
}
