//! What is a parameter, and what is refused as one. The recorded updates are sent by `tests/recordings.rs`.

use super::*;
use crate::objects::template::AttributeValue;
use serde_json::{Map, json};

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
            br#"{"data":"A=1","data":"A=2"}"#,
            Err("the body is not JSON: "),
        ),
        (
            "application/json",
            "",
            br#" {"data":"A=1""#,
            Err("the body is not JSON: "),
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
            (Err(words), Err(error)) => {
                assert!(error.to_string().contains(words), "{case}: {error}");
            }
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
        let reason = Update::read(&put(content_type, "", body))
            .unwrap_err()
            .to_string();
        assert!(
            reason.starts_with("malformed multipart/form-data: ") && reason.contains(words),
            "{reason}"
        );
    }
}

#[test]
fn fields_that_end_up_in_a_value_are_named() {
    for (content_type, query, body, named) in [
        (FORM, "", "A=1&B=2", Some(("A", "B"))),
        (FORM, "", "A=1&B=2&C=3", Some(("A", "B"))),
        (
            FORM,
            "type=1",
            "READY=YES&LOAD=secret",
            Some(("READY", "LOAD")),
        ),
        ("text/plain", "", "A=1&B=2", Some(("A", "B"))),
        (FORM, "", "A=1&type=1", Some(("A", "type"))),
        (FORM, "", "A=1", None),
        (FORM, "", "A=1&", None),
        (FORM, "", "A=x & y = z", None),
        (FORM, "", "URL=http://h/?a", None),
        (FORM, "", "data=A%3D1%26B%3D2&type=1", None),
        (FORM, "data=A%3D1", "B=1&C=2", None),
        (FORM, "", "", None),
    ] {
        let warning = warning(&put(content_type, query, body.as_bytes()));
        match named {
            None => assert_eq!(warning, None, "{body}"),
            Some((kept, swallowed)) => {
                let words = warning.unwrap();
                let expected =
                    format!("the one attribute {kept}, and {swallowed} is part of its value");
                assert!(
                    words.contains(&expected) && !words.contains("secret"),
                    "{words}"
                );
            }
        }
    }
}
