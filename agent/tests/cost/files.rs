//! The files in which the agent looks for its context, and what it is told by other programs.

use std::path::Path;

use crate::bench::rooted;
use crate::cost::{Case, Work, case, work};
use onegate::client::{Client, Settings, Timeouts, Trust};
use onegate::context::{self, Endpoint, Lookup, shell};
use onegate::files::Located;
use onegate::mountinfo;

const TEXT: usize = 400_000;
const LINES: usize = 20_000;
const GOOD: &str = "ONEGATE_ENDPOINT='http://gate:5030'\nVMID='8'\nTOKENTXT='c2VjcmV0'\n";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("context.sh: variables",                LINES, |n| context(0, format!("{}{GOOD}", variables(n)))),
    case("context.sh: one variable",             LINES, |n| context(0, format!("{}{GOOD}", "A='1'\n".repeat(n)))),
    case("context.sh: the endpoint, again and again", LINES, |n| context(0, format!("{GOOD}{}", "ONEGATE_ENDPOINT='http://gate:5030'\n".repeat(n)))),
    case("context.sh: on one line",              LINES, |n| context(0, format!("{}\n{GOOD}", variables(n).replace('\n', " ")))),
    case("context.sh: semicolons",               TEXT,  |n| context(0, format!("{}{GOOD}", ";".repeat(n)))),
    case("context.sh: a long value",             TEXT,  |n| context(0, format!("A='{}'\n{GOOD}", "x\n".repeat(n / 2)))),
    case("context.sh: escaped quotes",           TEXT,  |n| context(0, format!("A='{}'\n{GOOD}", "'\\''".repeat(n / 4)))),
    case("context.sh: double quotes",            TEXT,  |n| context(0, format!("A=\"{}\"\n{GOOD}", "\\\"\\$x".repeat(n / 5)))),
    case("context.sh: backslashes",              TEXT,  |n| context(0, format!("A={}\n{GOOD}", "\\x".repeat(n / 2)))),
    case("context.sh: comments",                 TEXT,  |n| context(0, format!("{}{GOOD}", "# x\n".repeat(n / 4)))),
    case("context.sh: commands",                 TEXT,  |n| context(0, format!("{}{GOOD}", "echo x\n".repeat(n / 7)))),
    case("context.sh: a long word",              TEXT,  |n| context(0, format!("{}\n{GOOD}", "x".repeat(n)))),
    case("context.sh: an open quote",            TEXT,  |n| context(255, format!("{GOOD}A='{}", "x\n".repeat(n / 2)).replace("VMID", "X"))),
    case("context.sh: open quotes in lines",     TEXT,  |n| context(255, format!("{}A='", "A=\"\n'\"\n".repeat(n / 7)))),
    case("context.sh: many endpoints",           2_000, |n| context(0, GOOD.replace("5030", &format!("5030 {}", "http://gate:5031 ".repeat(n))))),
    case("context.sh: an endpoint that is none", TEXT,  |n| context(255, GOOD.replace("5030", &"/@:".repeat(n / 3)))),
    case("context.sh: a long token",             TEXT,  |n| context(0, GOOD.replace("c2VjcmV0", &"QUFB".repeat(n / 4)))),
    case("context.sh: an id that is none",       TEXT,  |n| context(255, GOOD.replace("'8'", &format!("'{}x'", "8".repeat(n))))),
    case("token.txt",                            TEXT,  |n| rooted(&["context", "show"], 0, &[("context/context.sh", GOOD.replace("TOKENTXT", "X").into()), ("context/token.txt", (" ".repeat(n) + "c2VjcmV0\n").into())])),
    case("one_env: variables",                   LINES, |n| one_env(0, variables(n).replace("N", "export N").replace('\'', "\"") + &exported())),
    case("one_env: a value of quoted lines",     LINES, |n| one_env(0, format!("export A=\"{}\"\n{}", "x\"\n".repeat(n), exported()))),
    case("one_env: quotes and blank lines",      TEXT,  |n| one_env(0, format!("export A=\"{}\"\n{}", "\"\n\n\n\n".repeat(n / 5), exported()))),
    case("one_env: names in a value",            LINES, |n| one_env(0, format!("export A=\"{}\"\n{}", "export B=\n".repeat(n), exported()))),
    case("one_env: a quote that does not close", LINES, |n| one_env(255, format!("export A=\"{}", "x\"\nx".repeat(n)))),
    case("one_env: CRLF",                        LINES, |n| one_env(0, (variables(n).replace("N", "export N").replace('\'', "\"") + &exported()).replace('\n', "\r\n"))),
    case("guestinfo: variables",                 LINES, |n| guestinfo(variables(n))),
    case("guestinfo: quotes in values",          TEXT,  |n| guestinfo(format!("A='{}'\n", "it's\n'\n".repeat(n / 7)))),
    case("mountinfo: mounts",                    LINES, |n| mounts("36 35 98:0 / /mnt rw - ext4 /dev/vda rw\n".repeat(n))),
    case("mountinfo: escapes",                   TEXT,  |n| mounts(format!("36 35 98:0 / /{} rw - iso9660 /dev/sr0 rw\n", "\\040".repeat(n / 4)))),
    case("mountinfo: optional fields",           TEXT,  |n| mounts(format!("36 35 98:0 / /mnt rw {}- iso9660 /dev/sr0 rw\n", "master:1 ".repeat(n / 9)))),
    case("mountinfo: CD-ROMs with a context",    240,   |n| rooted(&["context", "show"], 255, &[
        ("proc/self/mountinfo", "36 35 11:0 / /mnt rw - iso9660 /dev/sr0 rw\n".repeat(n).into()),
        ("dev/sr0", volume()),
        ("mnt/context.sh", "A='1'\n".repeat(100).into()),
    ])),
    case("/sys/block: devices",                  240,   |n| rooted(&["context", "show"], 255, &devices(n))),
    case("authorities: text that is none",       TEXT,  |n| authorities("-".repeat(n))),
    case("authorities: beginnings",              TEXT,  |n| authorities("-----BEGIN CERTIFICATE-----\n".repeat(n / 28))),
    case("authorities: empty ones",              TEXT,  |n| authorities("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".repeat(n / 54))),
    case("authorities: a long one",              TEXT,  |n| authorities(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", "QUFB\n".repeat(n / 5)))),
    case("authorities: of many servers",         2_000, |n| servers(n, &"x".repeat(n * 10))),
];

fn variables(count: usize) -> String {
    (0..count).map(|n| format!("N{n}='1'\n")).collect()
}

fn exported() -> String {
    let lines = GOOD.lines().map(|line| format!("export {line}\n"));
    lines.collect::<String>().replace('\'', "\"")
}

fn context(code: u8, text: String) -> Work {
    rooted(
        &["context", "show"],
        code,
        &[("var/run/one-context/context.sh.local", text.into())],
    )
}

fn one_env(code: u8, text: String) -> Work {
    rooted(
        &["context", "show"],
        code,
        &[("var/run/one-context/one_env", text.into())],
    )
}

fn guestinfo(text: String) -> Work {
    work(move || drop(shell::guestinfo(text.as_bytes())))
}

fn mounts(text: String) -> Work {
    work(move || assert!(mountinfo::mounts(text.as_bytes()).count() > 0))
}

/// The beginning of a volume with the context's label.
fn volume() -> Vec<u8> {
    let mut bytes = vec![0; 17 * 2048];
    bytes[16 * 2048..16 * 2048 + 6].copy_from_slice(b"\x01CD001");
    bytes[16 * 2048 + 40..16 * 2048 + 47].copy_from_slice(b"CONTEXT");
    bytes
}

/// Block devices, each with a label of its own.
fn devices(count: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = Vec::new();
    for n in 0..count {
        let name = |path: String| -> &'static str { path.leak() };
        let mut volume = volume();
        volume[16 * 2048 + 40..16 * 2048 + 47].copy_from_slice(format!("X{n:06}").as_bytes());
        files.push((name(format!("sys/block/vd{n}/size")), b"34\n".to_vec()));
        files.push((name(format!("dev/vd{n}")), volume));
    }
    files
}

/// A connection that needs authorities, of which there are none in this text.
fn authorities(text: String) -> Work {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let trust = Trust {
        ca_file: Some(Located::own(file.path())),
        ..Trust::default()
    };
    // Somebody must be there to be connected to.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let client = client(&[url], trust);
    work(move || {
        let request = onegate::client::request::vm(None);
        assert!(client.send(&request, None).is_err());
        drop((listener, file));
    })
}

/// A client for so many servers, with such authorities.
fn servers(count: usize, pem: &str) -> Work {
    let url = "https://gate".to_owned();
    let trust = Trust {
        ca_cert: Some(pem.as_bytes().to_vec()),
        ..Trust::default()
    };
    work(move || drop(client(&vec![url; count], trust)))
}

fn client(urls: &[String], trust: Trust) -> Client {
    let given = context::find(&Lookup {
        endpoint: Some("http://gate"),
        vmid: Some("8"),
        token_file: None,
        environment: &|name| (name == "TOKENTXT").then(|| "c2VjcmV0".into()),
        root: Path::new("/"),
    });
    let endpoints = urls.iter().map(|url| (Endpoint::parse(url).unwrap(), None));
    let settings = Settings {
        endpoints: endpoints.collect(),
        place: "a test".to_owned(),
        vmid: "8".to_owned(),
        token: given.unwrap().token.value,
        trust,
        timeouts: Timeouts::default(),
        retries: 0,
    };
    Client::new(settings).unwrap()
}
