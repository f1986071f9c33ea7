//! The command line, the environment, and what is sent.

use crate::bench::{answered, ok, run};
use crate::cost::{Case, Work, case, work};

/// As long as one argument may be on Linux.
const ARGUMENT: usize = 120_000;
const WORDS: usize = 4_000;

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("vm update: KEY=VALUEs",                WORDS, |n| update(&words(n, |n| format!("N{n}=1")))),
    case("vm update: one key",                   WORDS, |n| update(&words(n, |_| "A=1".to_owned()))),
    case("vm update: values that go as XML",     WORDS, |n| update(&words(n, |n| format!("N{n}=a,b")))),
    case("vm update: empty values",              WORDS, |n| update(&words(n, |n| format!("N{n}=")))),
    case("vm update: a long value",              ARGUMENT, |n| update(&[format!("A={}x", "\", [é\n".repeat(n / 7))])),
    case("vm update: a value from a file",       ARGUMENT, |n| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\", [é\nx".repeat(n / 8)).unwrap();
        let run = update(&[format!("A=@{}", file.path().display())]);
        work(move || { run(); drop(file) })
    }),
    case("vm update --base64",                   ARGUMENT, |n| update(&["--base64".to_owned(), format!("A={}", "\u{1}".repeat(n))])),
    case("vm update --erase",                    40, |n| update(&words(2 * n, |at| if at % 2 == 0 { "--erase".to_owned() } else { format!("N{at}") }))),
    case("vm update --data: lines",              ARGUMENT, |n| data(0, "A=1\n".repeat(n / 4))),
    case("vm update --data: literal line ends",  ARGUMENT, |n| data(0, "A=1\\n".repeat(n / 5))),
    case("vm update --data: a vector",           ARGUMENT, |n| data(0, format!("V=[{}A=\"1\"]", "A=\"1\",".repeat(n / 6)))),
    case("vm update --data: XML",                ARGUMENT, |n| data(0, format!("<T>{}</T>", "<A>1</A>".repeat(n / 8)))),
    case("vm update --data: references",         ARGUMENT, |n| data(0, format!("<T><A>{}</A></T>", "&#65;".repeat(n / 5)))),
    case("vm update --data: ends of elements",   ARGUMENT, |n| data(0, format!("<T>{}", ";</".repeat(n / 3)))),
    case("vm update --data: ends after digits",  ARGUMENT, |n| data(255, format!("<T>&#{};</", "0".repeat(n)).replace("&#0", "&#650"))),
    case("vm update --data: blanks before ends", ARGUMENT, |n| data(0, format!("<T>{}</", " ".repeat(n)))),
    case("vm update --data: ends of CDATA",      ARGUMENT, |n| data(0, format!("<T>{}", "]]>".repeat(n / 3)))),
    case("vm show --get: steps",                 120,  |n| usage(1, &["vm", "show", "--get", &format!("A{}", ".A".repeat(n))])),
    case("vm show --get: too many steps",        ARGUMENT, |n| usage(255, &["vm", "show", "--get", &format!("A{}", ".A".repeat(n / 2))])),
    case("vm show --get: selectors",             ARGUMENT, |n| usage(0, &["vm", "show", "--get", &format!("A[{}0]", "0,".repeat(n / 2))])),
    case("vm show --get: a long name",           ARGUMENT, |n| usage(1, &["vm", "show", "--get", &format!("['{}']", "\\u0041".repeat(n / 6))])),
    case("vm show --get: an error at the end",   ARGUMENT, |n| usage(255, &["vm", "show", "--get", &format!("['{}'", "é".repeat(n / 2))])),
    case("vm show --get: a filter's path",       ARGUMENT, |n| usage(1, &["vm", "show", "--get", &format!("A[?@{}]", ".a".repeat(n / 2))])),
    case("vm show --get: a filter's number",     ARGUMENT, |n| usage(1, &["vm", "show", "--get", &format!("A[?@.a == {}]", "1".repeat(n))])),
    case("service peers --format: braces",       ARGUMENT, |n| usage(0, &["service", "peers", "--format", &"{{}}".repeat(n / 4)])),
    case("service peers --format: fields",       ARGUMENT, |n| usage(0, &["service", "peers", "--format", &"{ID}".repeat(n / 4)])),
    case("service peers --format: not closed",   ARGUMENT, |n| usage(255, &["service", "peers", "--format", &("{".to_owned() + &"x".repeat(n))])),
    case("service peers --where",                WORDS, |n| usage(0, &[&["service", "peers"][..], &vec!["--where=A=1"; n]].concat())),
    case("an option that is not known",          ARGUMENT, |n| usage(1, &["vm", "show", &format!("--{}", "exten".repeat(n / 5))])),
    case("a command that is not known",          ARGUMENT, |n| usage(255, &[&"show".repeat(n / 4), "x"])),
    case("too many words",                       WORDS, |n| usage(255, &[&["service", "scale"][..], &vec!["x"; n]].concat())),
    case("an id that is none",                   ARGUMENT, |n| usage(255, &["vm", "show", &("1".repeat(n) + "x")])),
    case("a time that is none",                  ARGUMENT, |n| usage(255, &["vm", "show", "--timeout", &("1".repeat(n) + "x")])),
    case("no_proxy",                             ARGUMENT, |n| proxied("no_proxy", "example.org, ".repeat(n / 13))),
    case("a proxy that is none",                 ARGUMENT, |n| proxied("http_proxy", "http://a@".repeat(n / 9))),
];

fn words(count: usize, one: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(one).collect()
}

fn update(words: &[String]) -> Work {
    let words = words.iter().map(String::as_str);
    let command: Vec<&str> = ["vm", "update"].into_iter().chain(words).collect();
    answered(&command, 0, vec![ok("")])
}

fn data(code: u8, data: String) -> Work {
    answered(&["vm", "update", "--data", &data], code, vec![ok("")])
}

/// A command line, before a VM that has next to nothing.
fn usage(code: u8, command: &[&str]) -> Work {
    let vm = r#"{"VM":{"ID":"8","USER_TEMPLATE":{"A":{"a":"1"}}},"SERVICE":{"roles":[]}}"#;
    let run = answered(command, code, vec![ok(vm)]);
    work(run)
}

fn proxied(name: &'static str, value: String) -> Work {
    let args = [
        "vm",
        "show",
        "--endpoint",
        "http://127.0.0.1:1",
        "--vmid",
        "8",
        "--timeout",
        "1",
    ]
    .map(str::to_owned);
    work(move || {
        let variables = [
            ("TOKENTXT", "c2VjcmV0".to_owned()),
            ("http_proxy", "http://127.0.0.1:1".to_owned()),
            (name, value),
        ];
        assert_ne!(run(&args, &variables), 0);
    })
}
