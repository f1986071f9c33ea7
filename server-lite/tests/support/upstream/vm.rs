//! A VM's USER_TEMPLATE as oned keeps it: what one.vm.update does to it, by oned's own grammar.

use super::{Call, Reply, done_to, refused};
use onegate_server_lite::cloud::opennebula::document;
use serde_json::{Map, Value};

/// Its attributes in the order of their names, as oned keeps them.
pub(crate) type UserTemplate = Vec<(String, Value)>;

/// Reads the template of a one.vm.update; the error is oned's.
pub(crate) fn parse(template: &str) -> Result<UserTemplate, String> {
    let mut attributes = match template.starts_with('<') {
        true => xml(template)?,
        false => text(template)?,
    };
    attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(attributes)
}

/// The attributes of a document's USER_TEMPLATE.
pub(crate) fn of_document(user_template: &Value) -> UserTemplate {
    let mut attributes = Vec::new();
    for (name, value) in user_template.as_object().into_iter().flatten() {
        match value {
            Value::Array(list) => {
                attributes.extend(list.iter().map(|value| (name.clone(), value.clone())))
            }
            one => attributes.push((name.clone(), one.clone())),
        }
    }
    attributes
}

/// The same as XML, as one.vm.info answers it.
pub(crate) fn to_xml(attributes: &UserTemplate) -> String {
    let cdata = |value: &Value| format!("<![CDATA[{}]]>", value.as_str().expect("text"));
    let mut xml = String::from("<USER_TEMPLATE>");
    for (name, value) in attributes {
        let inner = match value {
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| format!("<{name}>{}</{name}>", cdata(value)))
                .collect(),
            single => cdata(single),
        };
        xml.push_str(&format!("<{name}>{inner}</{name}>"));
    }
    xml + "</USER_TEMPLATE>"
}

/// Carries out a one.vm.update on it: 0 replaces all, 1 merges.
pub(crate) fn update(attributes: &mut UserTemplate, call: &Call) -> Reply {
    let vm = call.params[0].as_i64().expect("an id");
    let sent = match parse(call.params[1].as_str().expect("a template")) {
        Ok(sent) => sent,
        Err(error) => return refused(&format!("[one.vm.update] Parse error: {error}"), 2048),
    };
    match call.params[2].as_i64() {
        Some(0) => *attributes = sent,
        Some(1) => {
            attributes.retain(|(name, _)| !sent.iter().any(|(other, _)| other == name));
            attributes.extend(sent);
            attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        other => panic!("one.vm.update of type {other:?}"),
    }
    done_to(vm)
}

fn stored_name(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    match upper.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("ONE_{upper}"),
        false => upper,
    }
}

fn xml(template: &str) -> Result<UserTemplate, String> {
    for reference in template.split("&#").skip(1) {
        let number: u32 = reference
            .split(';')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a decimal reference");
        assert!(
            number <= 0xffff,
            "U+{number:X} would make the record unreadable for good"
        );
    }
    let read =
        document::parse(template, "TEMPLATE").map_err(|_| "XML Template malformed.".to_string())?;
    let mut attributes = of_document(&read);
    // oned drops an element without a child, and what has only blanks is trimmed to that.
    attributes.retain(|(_, value)| match value {
        Value::String(text) => !text.trim().is_empty(),
        other => other.as_object().is_some_and(|members| !members.is_empty()),
    });
    Ok(attributes
        .into_iter()
        .map(|(name, value)| (stored_name(&name), value))
        .collect())
}

/// oned's text, token by token as its lexer takes them (the longest match wins).
fn text(template: &str) -> Result<UserTemplate, String> {
    let mut rest = template;
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n']);
        if rest.is_empty() {
            return Ok(attributes);
        }
        let name = take_name(&mut rest)?;
        equal(&mut rest)?;
        if let Some(inside) = rest.strip_prefix('[') {
            rest = inside.trim_start_matches([' ', '\t', '\n']);
            let mut members = Map::new();
            while !rest.starts_with(']') {
                let member = take_name(&mut rest)?;
                equal(&mut rest)?;
                members.insert(
                    member.to_ascii_uppercase(),
                    Value::String(quoted(&mut rest)?),
                );
                rest = rest.trim_start_matches([' ', '\t', '\n']);
                if let Some(next) = rest.strip_prefix(',') {
                    rest = next.trim_start_matches([' ', '\t', '\n']);
                } else if !rest.starts_with(']') {
                    return Err(format!(
                        "syntax error, expecting COMMA or CBRACKET at {rest:?}"
                    ));
                }
            }
            rest = &rest[1..];
            attributes.push((stored_name(&name), Value::Object(members)));
        } else {
            attributes.push((stored_name(&name), Value::String(quoted(&mut rest)?)));
        }
    }
}

fn take_name(rest: &mut &str) -> Result<String, String> {
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    match name {
        "" => Err(format!("syntax error, expecting VARIABLE at {after:?}")),
        name => Ok(name.to_string()),
    }
}

fn equal(rest: &mut &str) -> Result<(), String> {
    match rest.trim_start_matches([' ', '\t']).strip_prefix('=') {
        Some(after) => {
            *rest = after.trim_start_matches([' ', '\t']);
            Ok(())
        }
        None => Err(format!(
            "syntax error, expecting EQUAL or EQUAL_EMPTY at {rest:?}"
        )),
    }
}

/// A quoted string: a quote after a backslash may be part of it or its end, so the last end that fits counts.
fn quoted(rest: &mut &str) -> Result<String, String> {
    let inside = rest
        .strip_prefix('"')
        .ok_or_else(|| format!("not quoted: {rest:?}"))?;
    let mut end = None;
    let mut backslash = false;
    for (at, c) in inside.char_indices() {
        if c == '"' {
            end = Some(at);
            if !backslash {
                break;
            }
        }
        backslash = c == '\\';
    }
    let end = end.ok_or("syntax error, unexpected $end")?;
    *rest = &inside[end + 1..];
    let value = &inside[..end];
    assert!(
        !value.contains("]]>"),
        "oned gives up on the whole template"
    );
    Ok(value.replace("\\\"", "\""))
}

#[test]
fn the_text_form_is_read_as_oned_reads_it() {
    for (template, read) in [
        ("A=\"1\"\nB = \"x y\"", Ok("A=\"1\" B=\"x y\"")),
        ("A=\"say \\\"hi\\\"\"", Ok("A=\"say \\\"hi\\\"\"")),
        ("v=[b=\"1\", c=\"2\"]", Ok("V={\"B\":\"1\",\"C\":\"2\"}")),
        // The end of a value that ends in a backslash is taken for a part of it.
        ("A=\"C:\\\"\nB=\"x\"", Err(())),
        ("A=\"say \"hi\" now\"", Err(())),
    ] {
        let shown = parse(template).map(|attributes| {
            attributes
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        });
        match read {
            Ok(read) => assert_eq!(shown.as_deref(), Ok(read), "{template}"),
            Err(()) => assert!(shown.is_err(), "{template}: {shown:?}"),
        }
    }
}
