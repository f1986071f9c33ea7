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
    "ACCESSKEY",
    "COOKIE",
];
/// ... one that has one of these as a word, alone or before or after `_`, ...
const SECRET_WORDS: &[&str] = &["KEY", "KEYS", "PIN", "AUTH", "OTP", "JWT"];
/// ... and one with a word that ends so.
const SECRET_ENDS: &[&str] = &["PASS", "PW", "PSK"];
/// What a private key has in it, as it is and in base64.
const PRIVATE_KEY: [&str; 2] = ["-----BEGIN", "LS0tLS1CRUdJTi"];
/// A name of a user of more characters, in a URL, is a token.
const USER: usize = 15;

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
    shown(&text, CHARACTERS)
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
        Value::String(value) => {
            let value: String = value.chars().take(2 * CHARACTERS).collect();
            *text += if is_secret(&value) { HIDDEN } else { &value };
        }
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
    let ends = |word: &str| SECRET_ENDS.iter().any(|end| word.ends_with(end));
    SECRET_PARTS.iter().any(|part| name.contains(part))
        || words.any(|word| SECRET_WORDS.contains(&word) || ends(word))
}

/// Whether the beginning of a value, which may have been cut, has a secret in it: a private key, a URL with a password,
/// or what is said to be one, as in `password=`, `"token": ` or `--token `.
pub(in crate::lab) fn is_secret(value: &str) -> bool {
    PRIVATE_KEY.iter().any(|mark| value.contains(mark))
        || value.split("://").skip(1).any(has_password)
        || names_secret(value)
}

/// Whether what follows `://` begins with a password, or with a user's name that is a token.
fn has_password(rest: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || "/?#,;\"'<>\\".contains(c);
    let authority = rest.split(ends).next().unwrap_or_default();
    if let Some((user, _)) = authority.rsplit_once('@') {
        return user.contains(':') || user.len() > USER;
    }
    // What is no port is the beginning of a password: it has a `/` in it, or was cut.
    authority.rsplit_once(':').is_some_and(|(_, port)| {
        let end = port.find(|c: char| !c.is_ascii_digit());
        let next = end.and_then(|end| port[end..].chars().next());
        end.unwrap_or(port.len()) > 5 || next.is_some_and(char::is_alphanumeric)
    })
}

/// Whether a word is a secret's name, and a value comes after it.
fn names_secret(value: &str) -> bool {
    let in_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let mut rest = value;
    while let Some(begin) = rest.find(in_word) {
        rest = &rest[begin..];
        let (word, after) = rest.split_at(rest.find(|c| !in_word(c)).unwrap_or(rest.len()));
        rest = after;
        let follows = after.trim_start_matches(['"', '\'', '\\', ' ']);
        let is_assigned = follows.starts_with(['=', ':']) && follows.len() > 1;
        let is_option = word.starts_with("--") && after.starts_with(' ');
        let is_scheme = word.eq_ignore_ascii_case("Bearer") && after.starts_with(' ');
        if is_scheme || (is_assigned || is_option) && looks_secret(word) {
            return true;
        }
    }
    false
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
            "ACCESSKEY",
            "SESSION_COOKIE",
            "WIFI_PSK",
            "PGPASS",
            "ROOTPW",
            "OTP",
        ] {
            assert_eq!(of(json!({name: "s3"})).0, json!({name: HIDDEN}), "{name}");
        }
        for name in [
            "MONKEY", "KEYBOARD", "PASSED", "AUTHOR", "READY", "SPINNING", "PWR", "PASSIVE",
        ] {
            assert_eq!(of(json!({name: "s3"})).0, json!({name: "s3"}), "{name}");
        }
        for (value, shown) in [
            (
                json!({"A": "1", "PASSWORD": "s3"}),
                "[A=1, PASSWORD=(hidden)]",
            ),
            (json!([{"KEY": "s3"}, "2"]), "[KEY=(hidden)], 2"),
            (json!(["1", "password=s3"]), "1, (hidden)"),
            (json!({"A": "ftp://a:s3@b", "B": "2"}), "[A=(hidden), B=2]"),
            (json!(5), "5"),
        ] {
            assert_eq!(of(json!({"V": value})).0, json!({"V": shown}));
        }
    }

    #[test]
    fn a_value_that_says_it_has_a_secret_is_hidden() {
        let long = format!("postgres://me:{}@db/x", "s3".repeat(CHARACTERS));
        for value in [
            "postgres://me:s3@db/x",
            "postgres://me:s3/s3@db/x",
            "redis://:s3@db",
            "https://s3s3s3s3s3s3s3s3@git.example/x",
            "a http://h:80/ b ftp://me:123456@h",
            &long,
            "-----BEGIN RSA PRIVATE KEY-----\ns3",
            "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo=",
            "host=db user=me password=s3",
            "user: me, pass: s3",
            r#"{"db_password": "s3"}"#,
            r#"{\"secret\":\"s3\"}"#,
            "http://h/?x=1&access_token=s3",
            "kubeadm join 10.0.0.1:6443 --token s3.s3 --v 1",
            "Authorization: Bearer s3",
        ] {
            assert_eq!(of(json!({"V": value})).0, json!({"V": HIDDEN}), "{value}");
        }
        for value in [
            "http://host:80/a@b",
            "http://me@host/",
            "http://[::1]:80/ http://[::1]/ http://h: http://h",
            "[http://h:80], (http://h:8080) http://h:65535.",
            "the password is elsewhere",
            "--token",
            "password=",
            "a=1 b:2 monkey=3 author: me",
            "bearer",
            "é://é:80 ü",
        ] {
            assert_eq!(of(json!({"V": value})).0, json!({"V": value}));
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
