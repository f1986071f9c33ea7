//! What is shown of the attributes that a guest set: no secrets, and not too much.

use super::limits::{ATTRIBUTES, CHARACTERS};
use crate::objects::message::shown;
use serde_json::{Map, Value};

/// What stands in place of a value that may be a secret.
const HIDDEN: &str = "(hidden)";
/// Characters of a name.
const NAME: usize = 64;

/// A name that has one of these in it is that of a secret, ...
const SECRET_PARTS: &[&str] = &[
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PWD",
    "SECRET",
    "PRIVATE",
    "CREDENTIAL",
    "APIKEY",
];
/// ... and one that has one of these as a word, alone or before or after `_`.
const SECRET_WORDS: &[&str] = &["KEY", "KEYS", "PASS", "PIN", "AUTH"];
/// A value that begins with this, or has it in it, is a private key.
const PRIVATE_KEY: &str = "-----BEGIN";

/// The attributes of a VM as they are shown, and how many are left out. `budget` is how many bytes they may take, and is
/// less afterwards.
pub(super) fn attributes(vm: &Value, budget: &mut usize) -> (Map<String, Value>, usize) {
    let mut all = Map::new();
    let mut left_out = 0;
    let template = vm.get("USER_TEMPLATE").and_then(Value::as_object);
    for (name, value) in template.into_iter().flatten() {
        let cut = shown(name, NAME);
        if all.len() >= ATTRIBUTES || all.contains_key(&cut) {
            left_out += 1;
            continue;
        }
        let text = text(name, value);
        let size = cut.len() + text.len();
        if size > *budget {
            left_out += 1;
            continue;
        }
        *budget -= size;
        all.insert(cut, text.into());
    }
    (all, left_out)
}

/// A value as text, cut.
fn text(name: &str, value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, name, value);
    match is_secret(&text) {
        true => HIDDEN.to_owned(),
        false => shown(&text, CHARACTERS),
    }
}

/// Appends a value: of a vector `[A=1, B=2]`, of a repeated attribute one after the other. Of what is too long to be shown,
/// the beginning.
fn write(text: &mut String, name: &str, value: &Value) {
    // Each character is a byte at least.
    let enough = |text: &String| text.len() > 4 * CHARACTERS;
    if looks_secret(name) {
        *text += HIDDEN;
        return;
    }
    match value {
        Value::String(value) => text.extend(value.chars().take(2 * CHARACTERS)),
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                if enough(text) {
                    return;
                }
                *text += if at == 0 { "" } else { ", " };
                write(text, name, value);
            }
        }
        Value::Object(members) => {
            text.push('[');
            for (at, (name, value)) in members.iter().enumerate() {
                if enough(text) {
                    return;
                }
                *text += if at == 0 { "" } else { ", " };
                text.extend(name.chars().take(NAME));
                text.push('=');
                write(text, name, value);
            }
            text.push(']');
        }
        other => *text += &other.to_string(),
    }
}

/// Whether a name says that its value is a secret.
fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    SECRET_PARTS.iter().any(|part| name.contains(part))
        || words.any(|word| SECRET_WORDS.contains(&word))
}

/// Whether a value is a private key, or a URL with a password.
fn is_secret(value: &str) -> bool {
    let mut urls = value.split("://").skip(1);
    let has_password = |rest: &str| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| user.contains(':'))
    };
    value.contains(PRIVATE_KEY) || urls.any(has_password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(template: Value) -> (Value, usize) {
        let (all, left_out) = attributes(&json!({"USER_TEMPLATE": template}), &mut 100_000);
        (all.into(), left_out)
    }

    #[test]
    fn secrets_are_hidden_by_their_names_and_by_their_looks() {
        for name in [
            "ONEGATE_TOKEN",
            "db_password",
            "MYSQLPASSWD",
            "API_KEY",
            "KEY",
            "SSH-KEY",
            "PRIVATEDATA",
            "MY.SECRET.X",
            "AWS_CREDENTIALS",
            "ROOT_PASS",
            "DBPWD",
        ] {
            assert_eq!(of(json!({name: "s3"})).0, json!({name: HIDDEN}), "{name}");
        }
        for name in [
            "MONKEY", "KEYBOARD", "PASSED", "AUTHOR", "READY", "SPINNING",
        ] {
            assert_eq!(of(json!({name: "s3"})).0, json!({name: "s3"}), "{name}");
        }
        for (value, shown) in [
            (
                json!({"A": "1", "PASSWORD": "s3"}),
                "[A=1, PASSWORD=(hidden)]",
            ),
            (json!([{"KEY": "s3"}, "2"]), "[KEY=(hidden)], 2"),
            (json!("postgres://me:s3@db/x"), HIDDEN),
            (json!("-----BEGIN RSA PRIVATE KEY-----\ns3"), HIDDEN),
            (json!("http://host:80/a@b"), "http://host:80/a@b"),
            (json!("http://me@host/"), "http://me@host/"),
            (json!(5), "5"),
        ] {
            assert_eq!(of(json!({"V": value})).0, json!({"V": shown}));
        }
    }

    #[test]
    fn what_is_long_is_cut_and_what_is_too_much_is_counted() {
        let (all, _) = of(json!({"V": "é".repeat(1 << 20)}));
        let expected = "é".repeat(CHARACTERS) + "…";
        assert_eq!(all, json!({"V": expected}));
        let (all, _) = of(json!({"V": vec!["x".repeat(100_000); 100]}));
        assert_eq!(all["V"].as_str().map(str::len), Some(CHARACTERS + 3));
        let many: Map<String, Value> = (0..100).map(|n| (format!("A{n}"), "1".into())).collect();
        let (all, left_out) = of(many.into());
        assert_eq!(all.as_object().map(Map::len), Some(ATTRIBUTES));
        assert_eq!(left_out, 100 - ATTRIBUTES);

        let vm = json!({"USER_TEMPLATE": {"A": "12345", "B": "1234567890", "C": "1"}});
        let mut budget = 10;
        let (all, left_out) = attributes(&vm, &mut budget);
        assert_eq!(Value::from(all), json!({"A": "12345", "C": "1"}));
        assert_eq!((left_out, budget), (1, 2));
    }

    #[test]
    fn control_characters_and_what_turns_text_are_replaced() {
        let (all, _) = of(json!({"V": "a\u{202e}\n<script>"}));
        assert_eq!(all, json!({"V": "a\u{fffd}\u{fffd}<script>"}));
    }
}
