//! TLS settings of a context; `context show` and `context env`.

use crate::support::guest::{ENDPOINT, Guest, ONE_ENV, TOKEN, context_sh, one_env};
use crate::support::{agent, copy_agent};
use std::fs;
use std::process::Command;

use onegate::commands;
use onegate::context::{SOURCES, VARIABLES};

#[test]
fn tls_settings_come_from_the_sources_that_were_consulted() {
    let text = context_sh(ENDPOINT, "8")
        + "ONEGATE_CA_CERT='LS0tLS1CRUdJTiBDRVJU\nSUZJQ0FURS0tLS0tCg=='\nONEGATE_CA_FILE='/etc/ca.pem'\n\
           ONEGATE_INSECURE='yes'\n";
    let guest = Guest::new()
        .file("context/context.sh", &text)
        .file("context/token.txt", TOKEN);
    let tls = guest.find().unwrap().tls;
    assert_eq!(
        tls.ca_pem().unwrap().unwrap(),
        b"-----BEGIN CERTIFICATE-----\n"
    );
    assert_eq!(
        tls.ca_file.unwrap().value.shown(),
        guest.path("etc/ca.pem").to_str().unwrap(),
        "a guest's path is under the root"
    );
    assert!(tls.insecure.unwrap().value);

    let guest = guest
        .variable("ONEGATE_INSECURE", "NO")
        .variable("ONEGATE_CA_FILE", "/my/ca.pem");
    let tls = guest.find().unwrap().tls;
    assert!(!tls.insecure.unwrap().value, "the environment wins");
    assert_eq!(
        tls.ca_file.unwrap().value.shown(),
        "/my/ca.pem",
        "a caller's path is the caller's"
    );

    let mut guest = Guest::new()
        .file("token", TOKEN)
        .variable("ONEGATE_INSECURE", "YES")
        .variable("VMID", "not looked at");
    guest.endpoint = Some("https://h".to_owned());
    guest.vmid = Some("8".to_owned());
    guest.token_file = Some(guest.path("token"));
    let tls = guest.find().unwrap().tls;
    assert!(
        tls.insecure.unwrap().value,
        "although the options say everything else"
    );

    let guest = Guest::new()
        .variable("ONEGATE_CA_CERT", "-----BEGIN")
        .file(ONE_ENV, one_env(ENDPOINT, "8", TOKEN));
    assert_eq!(
        guest.find().unwrap().tls.ca_pem().unwrap_err().to_string(),
        "ONEGATE_CA_CERT (environment variable ONEGATE_CA_CERT) is not base64 of a PEM text"
    );
}

#[test]
fn show_says_what_was_found_where_and_what_is_missing() {
    let guest = Guest::new()
        .file("context/context.sh", context_sh(ENDPOINT, "8"))
        .file("context/token.txt", TOKEN);
    let shown = guest.seen_inside(&commands::context::show(&guest.find()));
    assert_eq!(
        shown,
        "ENDPOINT : http://192.168.122.1:5030    (/context/context.sh)\n\
         VMID     : 8                            (/context/context.sh)\n\
         TOKEN    : present, 24 characters       (/context/token.txt)\n"
    );
    fs::remove_file(guest.path("context/token.txt")).unwrap();
    let shown = commands::context::show(&guest.find());
    assert_eq!(shown.lines().last(), Some("TOKEN    : missing"));
    assert!(
        guest.message().contains("TOKEN = \"YES\""),
        "the usual reason is given"
    );
}

#[test]
fn env_can_be_evaluated_whatever_the_values_are() {
    let guest = Guest::new()
        .variable("ONEGATE_ENDPOINT", "http://h/'\"$(id)`id`\\")
        .variable("VMID", "8")
        .variable("TOKENTXT", "a'b;c&d|e$f*g");
    let script = commands::context::env(&guest.find().unwrap())
        + "printf '%s\\n' \"$ONEGATE_ENDPOINT\" \"$VMID\" \"$TOKENTXT\"";
    let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "http://h/'\"$(id)`id`\\\n8\na'b;c&d|e$f*g\n"
    );
}

/// The real program: what goes where, and how it ends.
#[test]
fn the_commands_show_and_env() {
    let guest = Guest::new().file("context/context.sh", context_sh(ENDPOINT, "8"));
    let run = |command: &str| {
        let mut onegate = agent();
        onegate
            .args(["context", command, "--root"])
            .arg(guest.root.path());
        let output = onegate.output().unwrap();
        let text = |bytes: &[u8]| guest.seen_inside(str::from_utf8(bytes).unwrap());
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, err) = run("show");
    assert_eq!(code, Some(255));
    assert!(
        out.starts_with("ENDPOINT : http") && out.ends_with("TOKEN    : missing\n"),
        "{out}"
    );
    assert!(
        err.contains("no usable token") && err.contains("\n  /context/token.txt: absent\n"),
        "{err}"
    );
    let (code, out, err) = run("env");
    assert_eq!((code, out.as_str()), (Some(255), ""));
    assert!(err.contains("no usable token"), "{err}");

    fs::write(guest.path("context/token.txt"), TOKEN).unwrap();
    let (code, out, err) = run("show");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(
        out.contains("TOKEN    : present, 24 characters") && !out.contains(TOKEN),
        "{out}"
    );
    let expected = format!("ONEGATE_ENDPOINT='{ENDPOINT}'\nVMID='8'\nTOKENTXT='{TOKEN}'\n");
    assert_eq!(run("env"), (Some(0), expected, String::new()));
}

/// `--root` names one VM, the environment another: whoever exported it an hour ago is told.
#[test]
fn an_environment_that_wins_over_another_vms_files_is_warned_of() {
    let guest = Guest::new()
        .file("context/context.sh", context_sh("http://127.0.0.1:1", "0"))
        .file("context/token.txt", TOKEN);
    let other = Guest::new();
    let all = [
        ("ONEGATE_ENDPOINT", "http://127.0.0.1:2"),
        ("VMID", "8"),
        ("TOKENTXT", "dG9rZW44"),
    ];
    let same = [
        ("ONEGATE_ENDPOINT", "http://127.0.0.1:1"),
        ("VMID", "0"),
        ("TOKENTXT", TOKEN),
    ];
    let token = [("VMID", "0"), ("ONEGATE_TOKEN", "dG9rZW44")];
    for (environment, root, unset) in [
        (&all[..], &guest, Some("ONEGATE_ENDPOINT, VMID, TOKENTXT")),
        (&all[1..2], &guest, Some("VMID")),
        (&token[..], &guest, Some("ONEGATE_TOKEN")),
        (&same[..], &guest, None),
        (&[], &guest, None),
        // Nothing is there that could be meant.
        (&all[..], &other, None),
    ] {
        for command in [&["context", "env"][..], &["vm", "show"]] {
            let mut onegate = agent();
            let output = onegate
                .args(command)
                .arg("--root")
                .arg(root.path(""))
                .envs(environment.iter().copied())
                .output()
                .unwrap();
            let err = String::from_utf8(output.stderr).unwrap();
            let warnings = err.matches("onegate: warning: ").count();
            let said = match unset {
                Some(names) => {
                    err.contains(&format!(" say otherwise: unset {names} to use the files\n"))
                }
                None => true,
            };
            assert!(
                said && warnings == usize::from(unset.is_some()),
                "{command:?} {environment:?}: {err}"
            );
            assert!(!err.contains("dG9rZW44"), "{err}");
        }
    }
}

#[test]
fn the_tables_are_sound() {
    for (index, source) in SOURCES.iter().enumerate() {
        assert!(!source.about.is_empty());
        assert!(
            SOURCES[..index]
                .iter()
                .all(|other| other.name != source.name),
            "{} twice",
            source.name
        );
    }
    for (index, variable) in VARIABLES.iter().enumerate() {
        assert!(!variable.about.is_empty());
        assert!(
            VARIABLES[..index]
                .iter()
                .all(|other| other.name != variable.name),
            "{} twice",
            variable.name
        );
    }
}

/// one_env is root's alone: whoever else runs onegate is to run it as root, not to change the VM's template.
#[test]
fn without_root_the_advice_is_to_run_as_root() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let guest = Guest::new().file(ONE_ENV, one_env(ENDPOINT, "8", TOKEN));
    let set_mode = |path: &str, mode| {
        fs::set_permissions(guest.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode("", 0o755);
    set_mode(ONE_ENV, 0o400);
    // Where the tests run as root, root's own directories may be closed to the binary's user.
    copy_agent(&guest.path("onegate"));
    let mut command = Command::new(guest.path("onegate"));
    command.args(["vm", "show", "--endpoint", ENDPOINT, "--vmid", "8"]);
    command.arg("--root").arg(guest.path(""));
    command.env_clear();
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    } else {
        set_mode(ONE_ENV, 0);
    }
    let output = command.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("one_env: not permitted: run as root"),
        "{message}"
    );
    assert!(
        message.contains("run onegate as root") && !message.contains("template"),
        "{message}"
    );
}
