//! The table of routes, and how paths find their way to it.

use super::*;

#[test]
fn each_route_has_a_switch_of_its_own() {
    let mut switches: Vec<_> = permissions().collect();
    // All but GET /, which is open to everybody who has a token.
    assert_eq!(switches.len(), ROUTES.len() - 1);
    switches.sort_unstable();
    switches.dedup();
    assert_eq!(switches.len(), ROUTES.len() - 1, "{switches:?}");
}

#[test]
fn paths_find_their_route() {
    // server-lite/tests/fixtures/get.jsonl, cases `vm_double_slash` and `vms_trailing_slash`;
    // server-lite/tests/fixtures/routes.jsonl, case `GET_dotdot_vm`.
    for (method, path, found) in [
        ("GET", "/", Some("")),
        ("GET", "//", Some("")),
        ("GET", "/..", Some("")),
        ("GET", "/vm", Some("")),
        ("HEAD", "/vm", Some("")),
        ("GET", "//vm", Some("")),
        ("GET", "/./vm", Some("")),
        ("GET", "/../vm", Some("")),
        ("GET", "/vms/../vm", Some("")),
        ("GET", "/%76m", Some("")),
        ("GET", "/vms/6", Some("6")),
        ("GET", "/vms/%36", Some("6")),
        ("GET", "/vms/%ff", Some("\u{fffd}")),
        ("GET", "/vms/%+6", Some("%+6")),
        ("GET", "/vms/%3", Some("%3")),
        ("GET", "/vms/%zz%36", Some("%zz6")),
        ("GET", "/vms/6%2faction", Some("6/action")),
        ("PUT", "/service/role/a%20b", Some("a b")),
        ("PUT", "/service/role/a+b", Some("a+b")),
        ("POST", "/vms/6/action", Some("6")),
        ("GET", "", None),
        ("GET", "*", None),
        ("GET", "/VM", None),
        ("GET", "/vm/", None),
        ("GET", "/vm/.", None),
        ("GET", "/vm%2f", None),
        ("GET", "/vm;x", None),
        ("GET", "/vms", None),
        ("GET", "/vms/", None),
        ("GET", "/vms/6/", None),
        ("GET", "/vms/6/x", None),
        ("GET", "/vms/6/action", None),
        ("HEAD", "/vms/6/action", None),
        ("PUT", "/service/role/", None),
        ("PUT", "/service/role/a/b", None),
        ("DELETE", "/vm", None),
        ("get", "/vm", None),
    ] {
        assert_eq!(
            find(method, path)
                .map(|(_, parameter)| parameter)
                .as_deref(),
            found,
            "{method} {path}"
        );
    }
}

#[test]
fn a_page_of_another_site_is_foreign() {
    let request = |referer: Option<&str>, with: Option<&str>| Request {
        headers: [
            ("host", Some("127.0.0.1:5030")),
            ("referer", referer),
            ("x-requested-with", with),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_string(), value?.to_string())))
        .collect(),
        ..Request::default()
    };
    for (referer, with, foreign) in [
        (None, None, false),
        (Some("http://127.0.0.1:5030/x"), None, false),
        (Some("https://127.0.0.1/x"), None, false),
        (Some("http://evil.example/x"), None, true),
        (Some("http://127.0.0.1:5030.evil.example/"), None, true),
        (Some("http://127.0.0.1@evil.example/"), None, true),
        (Some("http://127.0.0.1:5030@evil.example/"), None, true),
        (Some("http://evil.example#@127.0.0.1/"), None, true),
        (Some("http://[::1]/"), None, true),
        (Some("http:///x"), None, true),
        (Some("http://evil.example/x"), Some("XMLHttpRequest"), false),
        (Some("/x"), None, false),
    ] {
        assert_eq!(
            is_foreign(&request(referer, with)),
            foreign,
            "{referer:?} {with:?}"
        );
    }
}
