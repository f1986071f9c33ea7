//! Any value, unharmed: thousands of random values through the encoder, the wire and the real server, and back.

use crate::support::server::{Server, token};
use crate::support::{as_vm, stderr, stdout};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::Value;
use std::io::Write as _;
use std::process::Stdio;

const VALUES: usize = 5000;
const AT_ONCE: usize = 100;

/// Text of the characters that hurt, of any character that OpenNebula can store, and of what people store.
fn value() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        ",",
        "=",
        "\"",
        "\\",
        "\n",
        "\t",
        "[",
        "]",
        "]]",
        "]>",
        "'",
        "&",
        "<",
        ">",
        "&#44;",
        "<![CDATA[",
        "\\n",
        "\n\n",
        "%",
        "+",
        "#",
        "$(",
        "`",
        ";",
        "{",
        "}",
        ":",
        " ",
        "  ",
        "\u{7f}",
        "\u{85}",
        "\u{fffd}",
        "é",
        "☃",
        "日本",
        "A=",
        "READY=YES",
        "@",
    ]);
    let any = prop::char::ranges(std::borrow::Cow::Borrowed(&[
        ' '..='~',
        '\u{a0}'..='\u{d7ff}',
        '\u{e000}'..='\u{fffd}',
    ]));
    prop_oneof![
        3 => prop::collection::vec(nasty.prop_map(str::to_owned), 0..12).prop_map(|parts| parts.concat()),
        2 => prop::collection::vec(any, 0..40).prop_map(String::from_iter),
        1 => "[A-Za-z0-9 ._/-]{0,40}",
        1 => Just(r#"{"k": [1, 2], "s": "a\"b\\c"}"#.to_owned()),
        1 => Just("-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----".to_owned()),
    ]
    .prop_filter("can't be stored, and is refused: see attribute/tests.rs", |value| {
        value.trim() == value && !value.contains("]]>") && !value.ends_with('\\')
    })
}

#[test]
fn thousands_of_values_come_back_as_they_were() {
    let server = Server::start();
    let config = Config {
        rng_seed: RngSeed::Random,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let values: Vec<String> = (0..VALUES)
        .map(|_| value().new_tree(&mut runner).unwrap().current())
        .collect();
    for (batch, values) in values.chunks(AT_ONCE).enumerate() {
        let mut args = vec!["vm".to_owned(), "update".to_owned()];
        args.extend(values.iter().enumerate().map(|(at, value)| {
            format!(
                "V{at}={}{value}",
                if value.starts_with('@') { "@" } else { "" }
            )
        }));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = server.onegate(8, &args);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(0), String::new()),
            "batch {batch}"
        );
        let output = server.onegate(8, &["vm", "show", "--json"]);
        let vm: Value = serde_json::from_str(&stdout(&output)).unwrap();
        for (at, value) in values.iter().enumerate() {
            let stored = vm["VM"]["USER_TEMPLATE"][format!("V{at}")].as_str();
            assert_eq!(
                stored,
                Some(value.as_str()),
                "{value:?} came back as {stored:?}"
            );
        }
    }
    println!("{VALUES} values round-tripped");
}

#[test]
fn values_from_standard_input_and_files() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cert.pem");
    std::fs::write(&file, "line, one\nline \"two\"\n").unwrap();
    let from_file = format!("PEM=@{}", file.display());
    let mut child = as_vm(server.url(), "8", &token(8))
        .args(["vm", "update", "IN=@-", &from_file])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from [stdin]\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
    std::fs::write(&file, b"\xff\x00 \n").unwrap();
    let refused = server.onegate(8, &["vm", "update", &from_file]);
    assert_eq!(refused.status.code(), Some(255));
    assert!(
        stderr(&refused).contains("PEM: its value is not UTF-8. Nothing was sent; with --base64"),
        "{}",
        stderr(&refused)
    );
    let output = server.onegate(
        8,
        &[
            "vm",
            "update",
            "--base64",
            &from_file.replace("PEM", "BIN"),
            "--erase",
            "IN",
        ],
    );
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
    let vm: Value =
        serde_json::from_str(&stdout(&server.onegate(8, &["vm", "show", "-j"]))).unwrap();
    let stored = &vm["VM"]["USER_TEMPLATE"];
    assert_eq!(stored["PEM"], "line, one\nline \"two\"");
    assert_eq!(stored["BIN"], "/wAgCg==");
    assert_eq!(stored.get("IN"), None);
}

/// What would be refused or lost is not sent; what is sent all the same is warned about.
#[test]
fn refusals_and_warnings() {
    let server = Server::start();
    for args in [
        &["vm", "update", "A=1", "B= x"][..],
        &["vm", "update", "A=1", "B=\u{1F600}"],
        &["vm", "update", "A=1", "B-C=1"],
        &[
            "vm",
            "update",
            "--data",
            "<TEMPLATE><A>&#128512;</A></TEMPLATE>",
        ],
        &["vm", "update", "A=1", "--data", "B=2"],
        &["vm", "update", "8", "A=1", "word"],
    ] {
        let output = server.onegate(8, args);
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(255), String::new()),
            "{args:?}"
        );
        assert!(
            !stderr(&output).starts_with("ERROR"),
            "{args:?} was sent: {}",
            stderr(&output)
        );
    }
    let vm = stdout(&server.onegate(8, &["vm", "show", "--json"]));
    assert!(!vm.contains("\"A\""), "{vm}");
    let output = server.onegate(8, &["vm", "update", "--data", "A=x,y"]);
    assert!(
        stderr(&output)
            .starts_with("onegate: warning: an OpenNebula server refuses or damages ',' in A"),
        "{}",
        stderr(&output)
    );
}
