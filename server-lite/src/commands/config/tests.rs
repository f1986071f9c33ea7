//! Configuration files and what is read from them.

use super::*;

fn read(text: &str) -> Config {
    Config::parse(text, "onegate-server.conf").unwrap_or_else(|error| panic!("{error}"))
}

/// What the packages of OpenNebula 7 install, without its comments.
const SHIPPED: &str = "
:one_xmlrpc: http://localhost:2633/RPC2
:host: 127.0.0.1
:port: 5030
#:ssl_server: https://service.endpoint.fqdn:port/
:debug_level: 2
:auth: onegate
:core_auth: cipher
:oneflow_server: http://localhost:2474
:permissions:
  :vm:
    :show: true
    :show_by_id: true
    :update: true
    :update_by_id: true
    :action_by_id: true
  :service:
    :show: true
    :change_cardinality: true
  :vrouter:
    :show: true
  :vnet:
    :show_by_id: true
:restricted_attrs:
  - SCHED_REQUIREMENTS
  - SERVICE_ID
  - ROLE_NAME
:vnet_template_attributes:
  - NETWORK_ADDRESS
  - NETWORK_MASK
  - GATEWAY
  - GATEWAY6
  - DNS
  - GUEST_MTU
  - CONTEXT_FORCE_IPV4
  - METRIC
  - SEARCH_DOMAIN
:restricted_actions:
  #- deploy
";

#[test]
fn the_shipped_file_is_the_default() {
    let shipped = Config {
        host: None,
        port: None,
        ..read(SHIPPED)
    };
    assert_eq!(shipped, Config::default());
    assert_eq!(read(SHIPPED).port, Some(5030));
    assert!(
        routes::permissions().all(|(resource, action)| Rules::default().permits(resource, action))
    );
}

#[test]
fn every_key_is_read() {
    let config = read(
        ":host: 0.0.0.0\n:port: 443\n:ssl_server: https://gate.example/\n:one_xmlrpc: http://a:1/RPC2\n\
         :oneflow_server: https://b:2\n:core_auth: :x509\n:expire_delta: 60\n:expire_margin: 5\n\
         :record_max_age: 0\n:token_password_max_age: 60\n\
         :log:\n  :level: 1\n:permissions:\n  :vm:\n    :show: yes\n    :update: false\n  :service:\n\
         :restricted_attrs: [secret, 1a]\n:restricted_actions: []\n:vnet_template_attributes: []\n",
    );
    let expected = Config {
        host: Some("0.0.0.0".into()),
        port: Some(443),
        one_xmlrpc: "http://a:1/RPC2".into(),
        oneflow_server: "https://b:2".into(),
        core_auth: CoreAuth::X509,
        expire_delta: 60,
        expire_margin: 5,
        record_max_age: 0,
        token_password_max_age: 60,
        log_level: LogLevel::Warning,
        rules: Rules {
            ssl_server: Some("https://gate.example/".into()),
            restricted_attrs: vec!["SECRET".into(), "ONE_1A".into()],
            restricted_actions: Vec::new(),
            vnet_template_attributes: Vec::new(),
            permissions: [("vm".to_owned(), "show".to_owned())].into(),
        },
        warnings: Vec::new(),
    };
    assert_eq!(config, expected);
    assert!(config.rules.permits("vm", "show") && !config.rules.permits("vm", "update"));
    assert!(config.rules.restricts("SECRET") && !config.rules.restricts("SERVICE_ID"));
}

#[test]
fn what_is_absent_is_as_with_the_real_server() {
    // server-lite/tests/fixtures/permissions.jsonl, case `noperm_vm`: nothing is permitted;
    // server-lite/tests/fixtures/action.jsonl, case `reboot_nokeys`: reboot is restricted.
    let config = read(":host: 127.0.0.1\n");
    assert!(
        routes::permissions().all(|(resource, action)| !config.rules.permits(resource, action))
    );
    assert_eq!(config.rules.restricted_actions, ["reboot"]);
    assert_eq!(
        config.rules.restricted_attrs,
        Rules::default().restricted_attrs
    );
    let empty = read("");
    assert!(empty.rules.permissions.is_empty() && empty.warnings[0].contains("permits nothing"));
}

#[test]
fn what_has_no_effect_is_named() {
    let cases = [
        (
            ":hots: x\n:host: y",
            "line 1: :hots is not known and has no effect",
        ),
        (
            ":server: puma",
            "line 1: :server: there is no web server to choose",
        ),
        (
            ":host: a\n:log:\n  :level: 2\n  :system: syslog",
            "line 3: :log: :system has no effect",
        ),
        (
            ":permissions:\n  :vm:\n    :fly: true",
            "line 2: :permissions: :vm: :fly has no effect",
        ),
    ];
    for (text, words) in cases {
        let warnings = read(text).warnings.join("\n");
        assert!(
            warnings.starts_with("onegate-server.conf, ") && warnings.contains(words),
            "{text}: {warnings}"
        );
    }
}

/// Each key has what the one before it has.
fn aliases(count: usize) -> String {
    let line = |n| format!(":k{}: &a{} [*a{n}]\n", n + 1, n + 1);
    ":k0: &a0 [1]\n".to_owned() + &(0..count).map(line).collect::<String>()
}

#[test]
fn what_cannot_be_read_is_refused_with_file_line_and_key() {
    let cases = [
        (
            ":host: a\n:port: 70000",
            "line 2: :port: a port ends at 65535",
        ),
        (":port: -1", "line 1: :port: expected a number"),
        (":port: http", "line 1: :port: expected a number"),
        (":host:", "line 1: :host: expected a text"),
        (
            ":one_xmlrpc: localhost",
            "line 1: :one_xmlrpc: expected a URL (http://… or https://…), not 'localhost'",
        ),
        (
            ":auth: sunstone",
            "line 1: :auth: 'sunstone' is not supported",
        ),
        (
            ":core_auth: none",
            "line 1: :core_auth: 'none' is neither cipher nor x509",
        ),
        (":debug_level: 7", "line 1: :debug_level: expected 0"),
        (
            ":record_max_age: 3601",
            "line 1: :record_max_age: expected seconds, from 0",
        ),
        (
            ":token_password_max_age: 1.5",
            "line 1: :token_password_max_age: expected seconds, from 0",
        ),
        (":log:\n  :level: high", "line 2: :log: expected 0"),
        (
            ":permissions: all",
            "line 1: :permissions: expected a resource",
        ),
        (
            ":permissions:\n  :vm: true",
            "line 2: :permissions: expected a resource",
        ),
        (
            ":permissions:\n  :vm:\n    :show: maybe",
            ":permissions: :vm: :show: expected true or false, not 'maybe'",
        ),
        (
            ":restricted_attrs: SERVICE_ID",
            "line 1: :restricted_attrs: expected a list",
        ),
        (
            ":restricted_attrs:\n  - NIC/MAC",
            ":restricted_attrs: 'NIC/MAC': '/' cannot stand in a name",
        ),
        (
            ":expire_delta: 10\n:expire_margin: 10",
            ":expire_margin must be less than :expire_delta",
        ),
        (":host: a\n\t:host: b", "not YAML"),
        (&aliases(17), "not YAML: more than 16 aliases"),
        (
            ":server:\n  :port: x",
            "line 2: :server: :port: expected a number",
        ),
        (
            ":server:\n  :bind: []",
            "line 2: :server: :bind: expected a text",
        ),
        // A file of OpenNebula 4 has this slip.
        (":host: a\n:restricted_attrs\n  - X\n", "not YAML"),
        ("- a\n- b", "expected lines of ':key: value'"),
    ];
    for (text, words) in cases {
        let error = Config::parse(text, "onegate-server.conf")
            .expect_err(text)
            .to_string();
        assert!(
            error.starts_with("onegate-server.conf") && error.contains(words),
            "{text}: {error}"
        );
    }
    assert!(Config::parse(&aliases(16), "x").is_ok());
    let absent = Config::load(Path::new("/nonexistent/x.conf"))
        .unwrap_err()
        .to_string();
    assert!(
        absent.starts_with("/nonexistent/x.conf: cannot be read: No such file"),
        "{absent}"
    );
}

#[test]
fn every_key_is_documented() {
    let documented = include_str!("../../../../docs/server.md");
    for (key, _) in KEYS {
        assert!(documented.contains(&format!("`:{key}`")), ":{key}");
    }
}

/// `:server:` with `:bind:` and `:port:` is how OpenNebula ships the file since 7.3.80 (docs/protocol.md).
#[test]
fn the_address_is_read_in_every_form_that_ruby_reads() {
    for (text, host, port) in [
        (
            ":server:\n  :bind: 0.0.0.0\n  :port: 5031",
            Some("0.0.0.0"),
            Some(5031),
        ),
        (
            "server:\n  bind: gate.example\n  port: '5031'",
            Some("gate.example"),
            Some(5031),
        ),
        (
            ":host: 10.0.0.1\n:port: 1\n:server:\n  :bind: '::'\n  :port: 2",
            Some("::"),
            Some(2),
        ),
        (
            ":server:\n  :bind: ::1\n:host: 10.0.0.1\n:port: 1",
            Some("::1"),
            Some(1),
        ),
        (":server:\n  :port: 7", None, Some(7)),
        (":server:\n", None, None),
        (":host: \"::\"", Some("::"), None),
        (":host: '::1'", Some("::1"), None),
        (":host: ::1", Some("::1"), None),
        (":host: fe80::1%eth0", Some("fe80::1%eth0"), None),
        (":host: :localhost", Some("localhost"), None),
        (":port: \"5999\"", None, Some(5999)),
        (":port: ' 5999 '", None, Some(5999)),
        (":port: 1\n:port: 2\n:port: 3", None, Some(3)),
        ("\u{feff}:host: a\r\n:port: 5\r\n", Some("a"), Some(5)),
        ("---\n:host: a", Some("a"), None),
    ] {
        let config = read(text);
        assert_eq!(config.host.as_deref(), host, "{text}");
        assert_eq!(config.port, port, "{text}");
    }
}

#[test]
fn the_last_of_two_equal_keys_counts_as_with_ruby() {
    let config = read(
        ":debug_level: '0'\n:permissions:\n  :vm:\n    :show: true\n    :show: 'false'\n    :update: \"true\"\n\
         :expire_delta: '60'\n:expire_delta: 70\n:expire_margin: \"5\"\n",
    );
    assert_eq!((config.expire_delta, config.expire_margin), (70, 5));
    assert_eq!(config.log_level, LogLevel::Error);
    assert!(config.rules.permits("vm", "update") && !config.rules.permits("vm", "show"));
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("line 5: a key stands here for the second time"));
}

/// Each key's value as number, as string, as a key of its own spelling, and as the last of several.
#[test]
fn a_scalar_means_the_same_in_every_spelling() {
    let quoted = |value: &str| vec![format!("\"{value}\""), format!("'{value}'")];
    let same = |key: &str, value: &str, spellings: Vec<String>| {
        let expected = Config::parse(&format!(":{key}: {value}"), "conf").unwrap();
        for spelling in spellings {
            for text in [
                format!(":{key}: {spelling}"),
                format!("{key}: {spelling}"),
                format!("\":{key}\": {spelling}"),
                format!(":{key}: {spelling} # a comment\r\n"),
                format!(":{key}:\n  {spelling}"),
                format!(":{key}: {value}\n:{key}: {spelling}"),
                format!("{key}: x\n:{key}: {spelling}"),
            ] {
                let mut config =
                    Config::parse(&text, "conf").unwrap_or_else(|e| panic!("{text}: {e}"));
                config.warnings.clone_from(&expected.warnings);
                assert_eq!(config, expected, "{text}");
            }
        }
    };
    for (key, value) in [
        ("port", "5999"),
        ("expire_delta", "7777"),
        ("expire_margin", "77"),
        ("record_max_age", "7"),
        ("token_password_max_age", "7"),
        ("debug_level", "3"),
        ("log", "3"),
    ] {
        let number: u64 = value.parse().unwrap();
        let more = [
            format!("{number:#x}"),
            format!("+{value}"),
            format!("' {value} '"),
        ];
        same(key, value, [quoted(value), more.to_vec()].concat());
    }
    same(
        "port",
        "5999",
        vec!["5_999".to_owned(), "0o13557".to_owned()],
    );
    for (key, value) in [
        ("host", "10.0.0.1"),
        ("ssl_server", "https://gate/"),
        ("one_xmlrpc", "http://[::1]:1/RPC2"),
        ("oneflow_server", "http://a:1"),
        ("auth", "onegate"),
        ("core_auth", "x509"),
    ] {
        same(
            key,
            value,
            [
                quoted(value),
                vec![format!(":{value}"), format!("\":{value}\"")],
            ]
            .concat(),
        );
    }
    for key in [
        "restricted_attrs",
        "restricted_actions",
        "vnet_template_attributes",
    ] {
        let lists = ["[\"SCHED\", 'X']", "[SCHED,X,]", "[ :SCHED, :X ]"];
        same(key, "[SCHED, X]", lists.map(str::to_owned).to_vec());
    }
    for (on, spellings) in [
        (
            "true",
            &["True", "TRUE", "yes", "on", "'true'", "\"yes\""][..],
        ),
        ("false", &["False", "no", "off", "'false'", "~", "null", ""]),
    ] {
        let lists = spellings
            .iter()
            .map(|word| format!("{{ :vm: {{ :show: {word} }} }}"));
        same(
            "permissions",
            &format!("{{ :vm: {{ :show: {on} }} }}"),
            lists.collect(),
        );
    }
}

#[test]
fn a_scalar_of_the_wrong_kind_is_named() {
    for (key, values, what) in [
        (
            "port",
            &["x", "1.5", "-1", "true", "~", "[]", "{}", "''", "5 9"][..],
            "expected a number",
        ),
        ("port", &["65536"], "a port ends at 65535"),
        (
            "host",
            &["5", "1.5", "true", "~", "[]", "''", "' '"],
            "expected a text",
        ),
        (
            "one_xmlrpc",
            &["localhost:2633", "ftp://x", "5"],
            "expected a",
        ),
        (
            "debug_level",
            &["4", "x", "-1", "true"],
            "expected 0 (errors)",
        ),
        (
            "core_auth",
            &["none", "'cipher '"],
            "neither cipher nor x509",
        ),
        ("restricted_attrs", &["X", "5", "{}"], "expected a list"),
        (
            "restricted_attrs",
            &["[5]", "[[X]]", "['']"],
            "expected a text",
        ),
        (
            "permissions",
            &["true", "[]", "{ :vm: true }"],
            "expected a resource",
        ),
        (
            "permissions",
            &["{ :vm: { :show: 1 } }", "{ :vm: { :show: [] } }"],
            ":vm: :show: expected true or false",
        ),
        (
            "permissions",
            &["{ :vm: { :show: y } }"],
            "expected true or false, not 'y'",
        ),
    ] {
        for value in values {
            let text = format!(":auth: onegate\n:{key}: {value}");
            let said = Config::parse(&text, "conf").expect_err(&text).to_string();
            assert!(
                said.starts_with(&format!("conf, line 2: :{key}: ")) && said.contains(what),
                "{text}: {said}"
            );
        }
    }
}

#[test]
fn a_file_that_permits_nothing_says_so() {
    for text in [
        ":host: a",
        ":permissions:\n  :vm:\n    :show: false",
        ":permissions: {}",
    ] {
        let warnings = read(text).warnings.join("\n");
        assert!(
            warnings.contains("nothing is permitted"),
            "{text}: {warnings}"
        );
    }
    assert!(read(SHIPPED).warnings.is_empty());
}
