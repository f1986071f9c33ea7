//! Every recorded update against what we make of it (`tests/fixtures/put.jsonl`, the real server's exchanges).

use super::*;
use crate::cloud::AttributeValue;
use crate::config::Config;
use serde_json::{Map, json};

/// What we do where we differ from the real server.
enum Ours {
    /// We store these attributes.
    Stores(&'static str),
    /// We refuse, with these words in the message.
    Refuses(&'static str),
}
use Ours::{Refuses, Stores};

const RESTRICTED: &str = "cannot be modified";
const SPOILT: &str = "the real server's re-quoting spoils it; stored as it was meant";
const NAMES_ONLY: &str = "erasing takes a name, never XPath";
const RESTRICTED_HOLE: &str = "a restricted attribute that slips through the real server";

/// Every recorded case in which we differ on purpose, with the reason.
const DIFFERENCES: &[(&str, Ours, &str)] = &[
    ("form_bracket_end", Stores(r#"{"A":"b]"}"#), SPOILT),
    ("form_cdata", Stores(r#"{"A":"]]>"}"#), SPOILT),
    ("form_comma", Stores(r#"{"A":"x,y"}"#), SPOILT),
    ("form_comma_quoted", Stores(r#"{"A":"x,y"}"#), SPOILT),
    ("form_empty_value", Stores(r#"{"A":""}"#), SPOILT),
    ("form_equals_quoted", Stores(r#"{"A":"b=c"}"#), SPOILT),
    (
        "form_inner_dquote",
        Stores(r#"{"A":"say \"hi\" now"}"#),
        SPOILT,
    ),
    (
        "form_json_value",
        Stores(r#"{"A":"{\"k\":[1,2]}"}"#),
        SPOILT,
    ),
    (
        "form_json_value_quoted",
        Stores(r#"{"A":"{\"k\":[1,2]}"}"#),
        SPOILT,
    ),
    (
        "form_vector_comma_in_value",
        Stores(r#"{"A":{"B":"1,2","C":"3"}}"#),
        SPOILT,
    ),
    (
        "form_vector_empty",
        Stores(r#"{"A":"[]"}"#),
        "the real server drops it; '[]' is kept as text",
    ),
    (
        "form_vector_spaced",
        Stores(r#"{"A":{"B":"1","C":"2"}}"#),
        SPOILT,
    ),
    (
        "form_vector_spaces",
        Stores(r#"{"A":{"B":"one two","C":"three four"}}"#),
        SPOILT,
    ),
    ("raw_backslash_quoted", Stores(r#"{"A":"a\\b"}"#), SPOILT),
    ("raw_bracket_end", Stores(r#"{"A":"b]"}"#), SPOILT),
    ("raw_brackets_plain", Stores(r#"{"A":"a[b]c"}"#), SPOILT),
    ("raw_cdata", Stores(r#"{"A":"]]>"}"#), SPOILT),
    ("raw_comma", Stores(r#"{"A":"x,y"}"#), SPOILT),
    ("raw_comma_quoted", Stores(r#"{"A":"x,y"}"#), SPOILT),
    ("raw_empty_value", Stores(r#"{"A":""}"#), SPOILT),
    ("raw_equals_quoted", Stores(r#"{"A":"b=c"}"#), SPOILT),
    ("raw_json_value", Stores(r#"{"A":"{\"k\":[1,2]}"}"#), SPOILT),
    (
        "raw_json_value_quoted",
        Stores(r#"{"A":"{\"k\":[1,2]}"}"#),
        SPOILT,
    ),
    ("raw_quote_in_middle", Stores(r#"{"A":"x\"y"}"#), SPOILT),
    (
        "raw_value_multiline_quoted",
        Stores(r#"{"A":"line1\nline2"}"#),
        SPOILT,
    ),
    (
        "raw_vector_comma_in_value",
        Stores(r#"{"A":{"B":"1,2","C":"3"}}"#),
        SPOILT,
    ),
    (
        "raw_vector_empty",
        Stores(r#"{"A":"[]"}"#),
        "the real server drops it; '[]' is kept as text",
    ),
    (
        "raw_vector_spaced",
        Stores(r#"{"A":{"B":"1","C":"2"}}"#),
        SPOILT,
    ),
    (
        "json_data_key",
        Stores(r#"{"A":"1"}"#),
        "a JSON object with 'data' is read as such",
    ),
    (
        "multipart_file",
        Stores(r#"{"A":"1"}"#),
        "a file's content is the value",
    ),
    (
        "erase_lowercase",
        Stores(r#"{"erase":"ERASEME"}"#),
        "names are stored in upper case, so they are erased so",
    ),
    (
        "erase_slashslash",
        Refuses("'/' cannot stand in a name"),
        NAMES_ONLY,
    ),
    (
        "erase_vector_sub",
        Refuses("'/' cannot stand in a name"),
        NAMES_ONLY,
    ),
    (
        "erase_xpath_inject",
        Refuses("'.' cannot stand in a name"),
        NAMES_ONLY,
    ),
    (
        "form_type_0",
        Refuses("type is 1"),
        "the real server does nothing and says 200",
    ),
    ("form_type_1_5", Refuses("type is 1"), "not a type"),
    (
        "restricted_leading_space",
        Refuses(RESTRICTED),
        RESTRICTED_HOLE,
    ),
    (
        "restricted_quoted_same_line",
        Refuses(RESTRICTED),
        RESTRICTED_HOLE,
    ),
    ("restricted_spaced", Refuses(RESTRICTED), RESTRICTED_HOLE),
    (
        "restricted_custom_lowercase_entry",
        Refuses(RESTRICTED),
        RESTRICTED_HOLE,
    ),
];

/// Recorded refusals that are not the reading's to make: access, the VM's lock, oned's own restrictions, and an
/// attribute that isn't there.
const REFUSED_BEYOND: &[&str] = &[
    "vms_foreign",
    "vms_nonexisting",
    "vms_service_foreign",
    "vms_service_foreign_erase",
    "vms_vrouter_foreign",
    "vms_vrouter_foreign_erase",
    "locked_vm_erase",
    "core_restricted_attr",
    "erase_missing",
    "erase_number",
];

fn recorded_request(recorded: &Value) -> Request {
    let line: Vec<&str> = recorded["line"].as_str().unwrap().split(' ').collect();
    let (path, query) = line[1].split_once('?').unwrap_or((line[1], ""));
    let headers = recorded["headers"].as_array().unwrap().iter().map(|pair| {
        let text = |n: usize| pair[n].as_str().unwrap().to_owned();
        (text(0).to_ascii_lowercase(), text(1))
    });
    let body = match recorded["body"].as_str().unwrap_or_default() {
        "A=\\xe9" => b"A=\xe9".to_vec(),
        body => body.as_bytes().to_vec(),
    };
    Request {
        method: line[0].into(),
        path: path.into(),
        query: query.into(),
        headers: headers.collect(),
        body,
    }
}

/// Attributes as GET /vm shows them.
fn shown(attributes: &[Attribute]) -> Map<String, Value> {
    let mut shown = Map::new();
    for attribute in attributes {
        let value = match &attribute.value {
            AttributeValue::Text(text) => json!(text),
            AttributeValue::Vector(items) => {
                items.iter().map(|(n, v)| (n.clone(), json!(v))).collect()
            }
        };
        match shown.get_mut(&attribute.name) {
            None => {
                shown.insert(attribute.name.clone(), value);
            }
            Some(Value::Array(several)) => several.push(value),
            Some(one) => *one = json!([one.clone(), value]),
        }
    }
    shown
}

/// Reads an update and judges it as the routes do.
fn judged(request: &Request, config: &Config) -> Result<Update, String> {
    let update = Update::read(request)?;
    let restricted = match &update {
        Update::Merge(attributes) => template::restricted(attributes, config),
        Update::Erase(name) => config.restricts(name).then_some(name.as_str()),
    };
    restricted.map_or(Ok(update.clone()), |name| {
        Err(format!("Attribute ({name}) cannot be modified"))
    })
}

/// VM 6 before each recorded update.
fn vm_6_before() -> Map<String, Value> {
    let before = json!({"BASE": "keep", "ERASEME": "bye", "MULTI": ["first", "second"],
        "VEC": {"A": "1", "B": "two words"}});
    before.as_object().unwrap().clone()
}

#[test]
fn every_recorded_update_is_read_as_the_real_server_reads_it_or_stands_among_the_differences() {
    let restricted_attrs = vec!["SECRET_ATTR".to_owned(), "LOWERCASE_ATTR".to_owned()];
    let custom = Config {
        restricted_attrs,
        ..Config::default()
    };
    let default = Config::default();
    let (mut stored, mut refused, mut different) = (0, 0, 0);
    for line in include_str!("../../tests/fixtures/put.jsonl").lines() {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let case = recorded["case"]
            .as_str()
            .unwrap()
            .strip_prefix("put/")
            .unwrap();
        let request = recorded_request(&recorded["request"]);
        let config = if recorded["config"] == "custom" {
            &custom
        } else {
            &default
        };
        let ours = judged(&request, config);
        if let Some((_, expected, _)) = DIFFERENCES.iter().find(|(name, _, _)| *name == case) {
            different += 1;
            match (expected, &ours) {
                (Refuses(words), Err(reason)) => {
                    assert!(reason.contains(words), "{case}: {reason}")
                }
                (Stores(json), Ok(Update::Merge(attributes))) => {
                    assert_eq!(
                        serde_json::from_str::<Value>(json).unwrap(),
                        json!(shown(attributes)),
                        "{case}"
                    );
                }
                (Stores(json), Ok(Update::Erase(name))) => {
                    assert_eq!(
                        serde_json::from_str::<Value>(json).unwrap(),
                        json!({ "erase": name }),
                        "{case}"
                    );
                }
                _ => panic!("{case}: {ours:?}"),
            }
            continue;
        }
        if recorded["response"]["status"] != 200 {
            refused += 1;
            assert_eq!(
                ours.is_ok(),
                REFUSED_BEYOND.contains(&case),
                "{case}: {ours:?}"
            );
            continue;
        }
        stored += 1;
        let mut after = recorded["after"]["get_vm_user_template"].clone();
        let ours = ours.unwrap_or_else(|reason| panic!("{case}: {reason}"));
        let mut expected = match recorded["request"]["headers"]
            .to_string()
            .contains(r#"["X-ONEGATE-VMID","6"]"#)
        {
            true => vm_6_before(),
            // Of another VM's attributes only those that were sent are compared.
            false => after.as_object().cloned().unwrap_or_default(),
        };
        match ours {
            Update::Merge(attributes) => expected.extend(shown(&attributes)),
            Update::Erase(name) => drop(expected.remove(&name)),
        }
        // GET /vm never shows this one.
        expected.remove("SCHED_MESSAGE");
        if after.is_null() {
            after = json!(expected);
        }
        assert_eq!(after, json!(expected), "{case}");
    }
    // Every case was met, and every difference is one.
    assert_eq!((stored, refused, different), (123, 43, DIFFERENCES.len()));
}

fn put(content_type: &str, query: &str, body: &[u8]) -> Request {
    Request {
        method: "PUT".into(),
        path: "/vm".into(),
        query: query.into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.to_vec(),
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn forms_are_read_strictly() {
    // Content-Type, query, body; what A becomes, or words of the refusal.
    type Case = (
        &'static str,
        &'static str,
        &'static [u8],
        Result<&'static str, &'static str>,
    );
    let cases: &[Case] = &[
        (FORM, "", b"data=A%3D1+2&type=1", Ok("1 2")),
        (FORM, "", b"data=A%3D1&type=1&json=true", Ok("1")),
        (FORM, "", b"A=100%", Ok("100%")),
        (FORM, "data=A%3Dquery", b"data=A%3Dbody", Ok("body")),
        (
            FORM,
            "",
            b"data=A%3D1&data=A%3D2",
            Err("'data' must come once"),
        ),
        (
            FORM,
            "",
            b"data=A%3D1&type=1&type=2",
            Err("'type' must come once"),
        ),
        (FORM, "", b"data[x]=A%3D1", Err("'data' must come once")),
        (
            FORM,
            "",
            b"data=A%3D%zz",
            Err("'data' has a '%' without two hexadecimal digits"),
        ),
        (
            FORM,
            "",
            b"data=A%3D%+1",
            Err("'data' has a '%' without two hexadecimal digits"),
        ),
        (
            FORM,
            "",
            b"data=A%3D%e9",
            Err("'data' is not UTF-8 at byte 2"),
        ),
        (
            "Application/X-WWW-Form-URLEncoded;charset=x",
            "",
            b"data=A%3D1",
            Ok("1"),
        ),
        (
            "application/json",
            "",
            br#"{"type":"1","data":"A=1"}"#,
            Ok("1"),
        ),
        (
            "application/json",
            "",
            br#"{"data":{"A":1}}"#,
            Err("'data' is neither text nor a number"),
        ),
        (
            "application/json",
            "",
            br#"{"A":1}"#,
            Err("expected the name of an attribute, not '{' at line 1, column 1"),
        ),
        ("text/plain", "type=1", b"A=1", Ok("1")),
        ("text/plain", "type=3", b"A=1", Err("type is 1")),
        ("text/plain", "", b"A=\xff", Err("not UTF-8 at byte 2")),
    ];
    for (content_type, query, body, expected) in cases {
        let read = Update::read(&put(content_type, query, body));
        let case = String::from_utf8_lossy(body);
        match (expected, read) {
            (Ok(value), Ok(Update::Merge(attributes))) => {
                assert_eq!(json!(shown(&attributes)), json!({ "A": value }), "{case}");
            }
            (Err(words), Err(reason)) => assert!(reason.contains(words), "{case}: {reason}"),
            (_, read) => panic!("{case}: {read:?}"),
        }
    }
}

#[test]
fn multipart_is_read_strictly() {
    const TYPE: &str = "multipart/form-data; boundary=\"b\"";
    let good: &[&[u8]] = &[
        b"--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nA=1\r\n--b--\r\n",
        b"preamble\r\n--b  \r\ncontent-disposition:form-data;name=data\r\nContent-Type: text/plain\r\n\r\nA=1\r\n--b--",
        b"--b\r\n\r\nignored\r\n--b\r\nContent-Disposition: form-data; filename=\"x;name=type\"; name=\"data\"\r\n\r\nA=1\r\n--b--",
    ];
    for body in good {
        let read = Update::read(&put(TYPE, "", body));
        assert!(
            matches!(&read, Ok(Update::Merge(a)) if json!(shown(a)) == json!({"A": "1"})),
            "{read:?}"
        );
    }
    let bad: &[(&str, &[u8], &str)] = &[
        ("multipart/form-data", b"", "names no boundary"),
        (
            "multipart/form-data; boundary=",
            b"--\r\n",
            "1 to 70 characters",
        ),
        (TYPE, b"A=1", "does not occur"),
        (
            TYPE,
            b"--bx\r\n\r\nA=1\r\n--b--",
            "not followed by a line end",
        ),
        (
            TYPE,
            b"--b\r\nContent-Disposition: form-data",
            "a part's head does not end",
        ),
        (
            TYPE,
            b"--b\r\nContent-Disposition: form-data; name=data\r\n\r\nA=1",
            "the last boundary is missing",
        ),
    ];
    for (content_type, body, words) in bad {
        let reason = Update::read(&put(content_type, "", body)).unwrap_err();
        assert!(
            reason.starts_with("malformed multipart/form-data: ") && reason.contains(words),
            "{reason}"
        );
    }
}
