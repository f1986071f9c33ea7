//! JSON as guests send it, read strictly: a duplicate key is refused, because a proxy or a log that read the request
//! before us may have used the other value.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use thiserror::Error;

/// Values in one text: each takes much more memory than the byte or two that it can be written with.
pub const MAX_VALUES: usize = 65_536;

/// Why a guest's JSON was refused, in words for the guest.
#[derive(Debug, Error)]
pub enum JsonError {
    /// It would take more than [`MAX_VALUES`].
    #[error("the body has more than {MAX_VALUES} JSON values: send fewer")]
    TooManyValues,
    /// It is not JSON, or has a key twice.
    #[error("the body is not JSON: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Reads a JSON text. Nesting is bounded by serde_json (128 levels), the number of values by [`MAX_VALUES`].
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    if values(bytes) > MAX_VALUES {
        return Err(JsonError::TooManyValues);
    }
    let Strict(value) = serde_json::from_slice(bytes)?;
    Ok(value)
}

/// How many values a text may have: one more than what separates and opens them, outside of strings.
fn values(bytes: &[u8]) -> usize {
    let (mut count, mut in_string) = (1, false);
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                rest.next();
            }
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// A value whose objects have each key once.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(<A::Error as de::Error>::custom(format!(
                    "the key {key:?} stands twice"
                )));
            }
            let Strict(value) = members.next_value()?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_it_is() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,1.5,"x"],"b":{"a":{}}}"#;
        assert_eq!(
            parse(text.as_bytes()).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn what_is_doubtful_is_refused() {
        for (text, words) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{} x", "trailing characters at line 1 column 4"),
            (
                r#"{"a":1,"a":1}"#,
                r#"the key "a" stands twice at line 1 column 10"#,
            ),
            (
                r#"[{"b":{"a":1,"\u0061":2}}]"#,
                r#"the key "a" stands twice"#,
            ),
            ("1e400", "number out of range"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let deep = "[".repeat(60_000);
        assert!(
            parse(deep.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("recursion limit exceeded")
        );
    }
}
