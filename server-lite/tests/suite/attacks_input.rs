//! Hostile guests against the real binary: restricted attributes in every spelling, names that reach out, JSON, XML,
//! values that look like syntax, sizes. Each attack is refused, changes nothing, and tells nothing that is secret.

use crate::support::process::credentials;
use crate::support::siege::{ALONE, MASTER, Siege, encoded};
use serde_json::Value;

#[test]
fn restricted_attributes_hold_in_every_spelling_and_wrapping() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    for name in ["SERVICE_ID", "ROLE_NAME", "SCHED_REQUIREMENTS"] {
        let lower = name.to_lowercase();
        let spellings = [
            format!("{name}=9"),
            format!("{lower}=9"),
            format!(" {name}=9"),
            format!("{name} =9"),
            format!("\t{name}\t=\t9"),
            format!("A=1\n{name}=9"),
            format!("A=1\r\n{name}=9"),
            format!("A=1\\n{name}=9"),
            format!("A=1\\n  {lower} = 9"),
            format!("A=\"1\" {name}=\"9\""),
            format!("A=\"1\"{name}=\"9\""),
            format!("A=[B=1]{name}=9"),
            format!("# c\n{name}=9"),
            format!("{name}=[A=1]"),
            format!("{name}="),
            format!("<TEMPLATE><{name}>9</{name}></TEMPLATE>"),
            format!("\n<t><{lower}>9</{lower}></t>"),
            format!(
                "<?xml version=\"1.0\"?><TEMPLATE><A>1</A><{name}><![CDATA[9]]></{name}></TEMPLATE>"
            ),
        ];
        for spelling in &spellings {
            let wrappings: Vec<(&str, &str, Vec<u8>)> = vec![
                ("PUT /vm", "text/plain", spelling.clone().into_bytes()),
                ("PUT /vms/6", "application/octet-stream", spelling.clone().into_bytes()),
                (
                    "PUT /vm",
                    "application/x-www-form-urlencoded",
                    format!("type=1&data={}", encoded(spelling)).into_bytes(),
                ),
                (
                    "PUT /vm",
                    "multipart/form-data; boundary=b",
                    format!("--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{spelling}\r\n--b--").into_bytes(),
                ),
                ("PUT /vm", "application/json", serde_json::json!({ "data": spelling, "type": 1 }).to_string().into_bytes()),
            ];
            for (line, content_type, body) in wrappings {
                let headers = [
                    credentials(ALONE, &siege.token(ALONE)),
                    vec![format!("Content-Type: {content_type}")],
                ]
                .concat();
                let answer = siege.send_as(line, &headers, &body);
                assert_eq!(
                    (answer.status, answer.text()),
                    (
                        403,
                        format!("Attribute ({name}) cannot be modified").as_str()
                    ),
                    "{spelling:?} as {content_type}"
                );
            }
            let answer = siege.send(ALONE, &format!("PUT /vm?data={}", encoded(spelling)), b"");
            assert_eq!(answer.status, 403, "{spelling:?} in the query");
        }
        for spelling in [name, &lower, &format!(" {name} "), &format!("{name}\n")] {
            let answer = siege.send(
                ALONE,
                &format!("PUT /vm?type=2&data={}", encoded(spelling)),
                b"",
            );
            let words = format!("Attribute ({name}) cannot be deleted");
            assert_eq!(
                (answer.status, answer.text()),
                (403, words.as_str()),
                "{spelling:?}"
            );
        }
    }
    assert_eq!(siege.record(ALONE), before);
    siege.lift();
}

#[test]
fn erasing_reaches_nothing_but_an_attribute_by_its_name() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    for name in [
        "*",
        "//*",
        ".",
        "..",
        "../NAME",
        "/BASE",
        "USER_TEMPLATE/MULTI",
        "../USER_TEMPLATE",
        "MULTI[1]",
        "A|MULTI",
        "node()",
        "text()",
        "@A",
        "MULTI or 1=1",
        "VECTOR/A",
        "MULTI\nEMPTY",
        "MULTI\\nEMPTY",
        "MULTI,EMPTY",
        "",
        " ",
        "\0",
        "MULTI\0",
        "<T><MULTI/></T>",
        "MULTI=",
        "ＭＵＬＴＩ",
    ] {
        let answer = siege.send(
            ALONE,
            &format!("PUT /vm?type=2&data={}", encoded(name)),
            b"",
        );
        assert_eq!(answer.status, 400, "{name:?}: {answer:?}");
    }
    let answer = siege.send(ALONE, "PUT /vm?type=2&data=TEMPLATE", b"");
    assert_eq!((answer.status, answer.text()), (500, "attribute not found"));
    assert_eq!(siege.record(ALONE), before);
    siege.lift();
}

#[test]
fn hostile_json_is_refused_and_nothing_is_done() {
    let siege = Siege::new();
    let before = (
        siege.record(MASTER),
        siege.send(MASTER, "GET /service", b"").text().to_owned(),
    );
    let deep = |n: usize| [b"{\"action\":".repeat(n), b"1".to_vec(), b"}".repeat(n)].concat();
    let actions: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("cut", b"{\"action\":".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"terminate\"".to_vec()),
        ("null", b"null".to_vec()),
        (
            "an action that is no object",
            b"{\"action\":\"terminate\"}".to_vec(),
        ),
        (
            "a name that is no text",
            b"{\"action\":{\"perform\":[\"terminate\"]}}".to_vec(),
        ),
        (
            "a byte order mark",
            b"\xef\xbb\xbf{\"action\":{\"perform\":\"terminate\"}}".to_vec(),
        ),
        (
            "two documents",
            b"{\"action\":{\"perform\":\"x\"}}{\"action\":{\"perform\":\"terminate\"}}".to_vec(),
        ),
        (
            "deep lists",
            [b"[".repeat(50_000), b"]".repeat(50_000)].concat(),
        ),
        ("deep objects", deep(10_000)),
        ("no UTF-8", b"{\"action\":{\"perform\":\"\xff\"}}".to_vec()),
        (
            "half a surrogate",
            b"{\"action\":{\"perform\":\"\\ud800\"}}".to_vec(),
        ),
        ("a form", b"action[perform]=terminate".to_vec()),
        (
            "a control character",
            b"{\"action\":{\"perform\":\"term\x07inate\"}}".to_vec(),
        ),
        (
            "a path",
            b"{\"action\":{\"perform\":\"../terminate\"}}".to_vec(),
        ),
        (
            "a long name",
            format!("{{\"action\":{{\"perform\":\"{}\"}}}}", "x".repeat(60_000)).into_bytes(),
        ),
        (
            "an unknown name with control characters",
            b"{\"action\":{\"perform\":\"\\u001b[31m\"}}".to_vec(),
        ),
    ];
    for (attack, body) in actions {
        let answer = siege.send(MASTER, "POST /vms/33/action", &body);
        assert!(matches!(answer.status, 400 | 500), "{attack}: {answer:?}");
        assert!(
            answer.text().len() < 2100,
            "{attack}: an answer of {} bytes",
            answer.text().len()
        );
        assert!(
            !answer
                .text()
                .contains(|c: char| c.is_control() && c != '\n'),
            "{attack}: {answer:?}"
        );
    }
    let scales: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("no cardinality", b"{}".to_vec()),
        ("a negative one", b"{\"cardinality\":-1}".to_vec()),
        ("a fraction", b"{\"cardinality\":2.5}".to_vec()),
        (
            "too large for a number",
            b"{\"cardinality\":1e400}".to_vec(),
        ),
        ("too many", b"{\"cardinality\":99999999999}".to_vec()),
        ("beyond max_vms", b"{\"cardinality\":1000000}".to_vec()),
        (
            "a text that is none",
            b"{\"cardinality\":\"3; rm\"}".to_vec(),
        ),
        ("a list", b"{\"cardinality\":[3]}".to_vec()),
        (
            "deep",
            [b"{\"cardinality\":".repeat(10_000), b"}".repeat(10_000)].concat(),
        ),
    ];
    for (attack, body) in scales {
        let answer = siege.send(MASTER, "PUT /service/role/slave", &body);
        assert!(matches!(answer.status, 400 | 500), "{attack}: {answer:?}");
    }
    for role in [
        "nobody",
        "%1b[31m",
        "a%0d%0aX-Evil:%201",
        "..",
        "%2e%2e",
        "slave%2F..",
        "slave%00",
        "%FF",
        "slave'",
        "*",
    ] {
        let answer = siege.send(
            MASTER,
            &format!("PUT /service/role/{role}"),
            b"{\"cardinality\":3}",
        );
        assert!(matches!(answer.status, 400 | 404), "{role}: {answer:?}");
        assert!(!answer.head.contains("X-Evil"), "{role}: {answer:?}");
    }
    assert_eq!(
        before,
        (
            siege.record(MASTER),
            siege.send(MASTER, "GET /service", b"").text().to_owned()
        )
    );
    // A key that comes twice, however it is spelled.
    for twice in [
        r#"{"action":{"perform":"x"},"action":{"perform":"terminate"}}"#,
        r#"{"action":{"perform":"x","perform":"terminate"}}"#,
        r#"{"action":{"perform":"x","\u0070erform":"terminate"}}"#,
    ] {
        assert_eq!(
            siege
                .send(MASTER, "POST /vms/33/action", twice.as_bytes())
                .status,
            400,
            "{twice}"
        );
    }
    let headers = [
        credentials(ALONE, &siege.token(ALONE)),
        vec!["Content-Type: application/json".into()],
    ]
    .concat();
    for twice in [
        r#"{"data":"A=1","data":"SERVICE_ID=9"}"#,
        r#"{"data":"SERVICE_ID=9","data":"A=1"}"#,
        r#"{"data":"A=1","type":1,"type":2}"#,
    ] {
        let answer = siege.send_as("PUT /vm", &headers, twice.as_bytes());
        assert_eq!(answer.status, 400, "{twice}: {answer:?}");
        assert!(!siege.record(ALONE).contains("SERVICE_ID"), "{twice}");
    }
    siege.lift();
}

#[test]
fn hostile_xml_is_refused_and_nothing_is_stored() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    let lol: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let attacks = [
        (
            "billion laughs",
            format!("<!DOCTYPE T [<!ENTITY l0 \"lol\">{lol}]><T><A>&l9;</A></T>"),
            "document type",
        ),
        (
            "an external entity",
            "<!DOCTYPE T [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><T><A>&x;</A></T>".into(),
            "document type",
        ),
        (
            "an external subset",
            "<!DOCTYPE T SYSTEM \"http://127.0.0.1:1/x\"><T/>".into(),
            "document type",
        ),
        (
            "an undefined entity",
            "<T><A>&x;</A></T>".into(),
            "the entity &x; is not defined",
        ),
        ("beyond U+FFFF", "<T><A>&#128512;</A></T>".into(), "U+1F600"),
        (
            "beyond Unicode",
            "<T><A>&#1114112;</A></T>".into(),
            "stands for no character",
        ),
        (
            "a surrogate",
            "<T><A>&#55296;</A></T>".into(),
            "stands for no character",
        ),
        ("a noncharacter", "<T><A>&#65535;</A></T>".into(), "U+FFFF"),
        (
            "NUL",
            "<T><A>&#0;</A></T>".into(),
            "stands for no character",
        ),
        (
            "a control character",
            "<T><A>&#27;[31m</A></T>".into(),
            "U+001B",
        ),
        (
            "an overflow",
            format!("<T><A>&#{};</A></T>", "9".repeat(5000)),
            "stands for no character",
        ),
        ("deep", "<A>".repeat(15_000), "nested too deeply"),
        (
            "a tree",
            "<T><A><B><C>1</C></B></A></T>".into(),
            "nested too deeply",
        ),
        (
            "a name out of its place",
            "<T><A.B>1</A.B></T>".into(),
            "cannot stand in a name",
        ),
        ("not closed", "<T><A>1".into(), "not closed"),
        ("crossed", "<T><A>1</T></A>".into(), "not well-formed"),
        (
            "an emoji as it is",
            "<T><A>\u{1f600}</A></T>".into(),
            "U+1F600",
        ),
    ];
    for (attack, xml, words) in attacks {
        let answer = siege.send(ALONE, "PUT /vm", xml.as_bytes());
        assert_eq!(answer.status, 400, "{attack}: {answer:?}");
        assert!(
            answer.text().contains(words) && answer.text().contains(" at line 1, column "),
            "{attack}: {answer:?}"
        );
        assert!(
            answer.text().len() < 2100,
            "{attack}: an answer of {} bytes",
            answer.text().len()
        );
        assert_eq!(siege.record(ALONE), before, "{attack}");
    }
    siege.lift();
}

#[test]
fn values_that_look_like_syntax_stay_values() {
    let siege = Siege::new();
    let values = [
        "\" SERVICE_ID=\"9",
        "x\"\nSERVICE_ID=\"9",
        "x\\nSERVICE_ID=9",
        "]]><SERVICE_ID>9</SERVICE_ID><![CDATA[",
        "</A></USER_TEMPLATE><SERVICE_ID>9",
        "x\" ]\nSERVICE_ID=[ A=\"1",
        "ends in a backslash\\",
        "\\\"",
        "&lt;&#60;&amp;",
        "{\"SERVICE_ID\": \"9\"}",
        "' ; SERVICE_ID=9 #",
        "$(id) `id` ${HOME} %s%n",
        "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
        " blanks around ",
        "\ttabs\t",
        "ünïcödé ☃ 日本",
    ];
    for value in values {
        let references: String = value
            .chars()
            .map(|c| format!("&#{};", u32::from(c)))
            .collect();
        let answer = siege.send(
            ALONE,
            "PUT /vm",
            format!("<T><ODD>{references}</ODD><V><ODD>{references}</ODD></V></T>").as_bytes(),
        );
        assert_eq!(answer.status, 200, "{value:?}: {answer:?}");
        // What erasing something else leaves behind is written anew from what was stored.
        assert_eq!(siege.send(ALONE, "PUT /vm", b"GONE=1").status, 200);
        assert_eq!(
            siege.send(ALONE, "PUT /vm?type=2&data=GONE", b"").status,
            200
        );
        let record: Value = serde_json::from_str(&siege.record(ALONE)).unwrap();
        let attributes = &record["VM"]["USER_TEMPLATE"];
        assert_eq!(attributes["ODD"], value);
        assert_eq!(attributes["V"]["ODD"], value);
        assert_eq!(attributes["SERVICE_ID"], Value::Null, "{value:?}");
    }
    siege.lift();
}

#[test]
fn what_is_too_much_is_refused() {
    let siege = Siege::new();
    let before = siege.record(ALONE);
    let vm = credentials(ALONE, &siege.token(ALONE)).join("\r\n");
    let host = &siege.server.address;
    let huge =
        format!("PUT /vm HTTP/1.1\r\nHost: {host}\r\n{vm}\r\nContent-Length: 99999999999\r\n\r\n");
    assert_eq!(siege.raw(huge.as_bytes()).status, 413);
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: {host}\r\n{vm}\r\n\r\n",
        "x".repeat(100_000)
    );
    assert_eq!(siege.raw(long.as_bytes()).status, 414);
    let wide = format!(
        "GET /vm HTTP/1.1\r\nHost: {host}\r\n{vm}\r\nX: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    assert_eq!(siege.raw(wide.as_bytes()).status, 431);
    let two_lengths = format!(
        "PUT /vm HTTP/1.1\r\nHost: {host}\r\n{vm}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nA=1"
    );
    assert_eq!(siege.raw(two_lengths.as_bytes()).status, 400);
    let smuggled =
        format!("GET /vm HTTP/1.1\r\nHost: {host}\r\n{vm}\r\nX: a\n\rPUT /vm HTTP/1.1\r\n\r\n");
    assert_eq!(siege.raw(smuggled.as_bytes()).status, 400);
    assert_eq!(siege.record(ALONE), before);
    siege.lift();
}
