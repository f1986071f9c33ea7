//! How oned changes a VM's USER_TEMPLATE: merging attributes, erasing one; and how large a VM may make it.

use crate::objects::refusal::Refusal;
use crate::objects::template::{Attribute, AttributeValue};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io;
use thiserror::Error;

/// Bytes of a USER_TEMPLATE as JSON. oned itself has no limit but its database's (16 MiB for a whole VM with MySQL).
pub const MAX_BYTES: usize = 1024 * 1024;
/// Attributes of a USER_TEMPLATE, the members of its vectors included.
pub const MAX_ATTRIBUTES: usize = 8192;

/// Why attributes do not fit into a USER_TEMPLATE: what it would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooLarge {
    /// Bytes.
    #[error(
        "the VM's USER_TEMPLATE would have {0} bytes, and {MAX_BYTES} is the limit: erase attributes first"
    )]
    Bytes(usize),
    /// Attributes.
    #[error(
        "the VM's USER_TEMPLATE would have {0} attributes, and {MAX_ATTRIBUTES} is the limit: erase some first"
    )]
    Attributes(usize),
}

impl From<TooLarge> for Refusal {
    fn from(too_large: TooLarge) -> Self {
        Self::TooLarge(too_large.to_string())
    }
}

/// Attributes in the order of their names, ready to be merged.
#[derive(Debug)]
pub struct Changes<'a>(BTreeMap<&'a str, Value>);

impl<'a> Changes<'a> {
    /// These attributes; a name given twice becomes a list.
    pub fn of(attributes: &'a [Attribute]) -> Self {
        let mut by_name: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for attribute in attributes {
            by_name
                .entry(&attribute.name)
                .or_default()
                .push(json(attribute));
        }
        let one_or_list = |mut values: Vec<Value>| match values.len() {
            1 => values.remove(0),
            _ => Value::Array(values),
        };
        Self(
            by_name
                .into_iter()
                .map(|(name, values)| (name, one_or_list(values)))
                .collect(),
        )
    }

    /// Whether a VM may have them beside what it has. What is too large already may shrink.
    pub fn fit(&self, vm: &Value) -> Result<(), TooLarge> {
        let there = vm.get("USER_TEMPLATE").and_then(Value::as_object);
        let (mut before, mut after) = (Size::default(), Size::default());
        for (name, value) in there.into_iter().flatten() {
            let size = Size::of(name, value);
            before.add(&size);
            if !self.0.contains_key(name.as_str()) {
                after.add(&size);
            }
        }
        for (name, value) in &self.0 {
            after.add(&Size::of(name, value));
        }
        if after.bytes > MAX_BYTES.max(before.bytes) {
            return Err(TooLarge::Bytes(after.bytes));
        }
        if after.attributes > MAX_ATTRIBUTES.max(before.attributes) {
            return Err(TooLarge::Attributes(after.attributes));
        }
        Ok(())
    }

    /// Merges them as one.vm.update does with type 1: each name replaces all that was there under it, and a new name is
    /// inserted before the first greater one.
    pub fn merge(self, vm: &mut Value) {
        let template = object(vm);
        let mut new = BTreeMap::new();
        for (name, value) in self.0 {
            match template.entry(name) {
                Entry::Occupied(mut there) => *there.get_mut() = value,
                Entry::Vacant(_) => {
                    new.insert(name, value);
                }
            }
        }
        if new.is_empty() {
            return;
        }
        let there = std::mem::take(template);
        let mut new = new.into_iter().peekable();
        for (name, value) in there {
            while let Some((smaller, value)) = new.next_if(|(new, _)| *new < name.as_str()) {
                template.insert(smaller.to_owned(), value);
            }
            template.insert(name, value);
        }
        template.extend(new.map(|(name, value)| (name.to_owned(), value)));
    }
}

/// What attributes take.
#[derive(Default)]
struct Size {
    bytes: usize,
    attributes: usize,
}

impl Size {
    fn of(name: &str, value: &Value) -> Self {
        let mut bytes = Length(name.len() + "\"\":,".len());
        // Counting cannot fail.
        let _ = serde_json::to_writer(&mut bytes, value);
        let one = |value: &Value| 1 + value.as_object().map_or(0, Map::len);
        let attributes = match value {
            Value::Array(values) => values.iter().map(one).sum(),
            single => one(single),
        };
        Self {
            bytes: bytes.0,
            attributes,
        }
    }

    fn add(&mut self, more: &Self) {
        self.bytes += more.bytes;
        self.attributes += more.attributes;
    }
}

/// Takes bytes and only counts them.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Erases every attribute of this very name; false if there was none.
pub fn erase(vm: &mut Value, name: &str) -> bool {
    object(vm).shift_remove(name).is_some()
}

fn json(attribute: &Attribute) -> Value {
    match &attribute.value {
        AttributeValue::Text(text) => Value::String(text.clone()),
        AttributeValue::Vector(pairs) => Value::Object(
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), Value::String(value.clone())))
                .collect(),
        ),
    }
}

/// The USER_TEMPLATE itself, made an empty one where it is anything else.
fn object(vm: &mut Value) -> &mut Map<String, Value> {
    let template = &mut vm["USER_TEMPLATE"];
    if !template.is_object() {
        *template = Value::Object(Map::new());
    }
    match template {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(name: &str, value: &str) -> Attribute {
        Attribute {
            name: name.into(),
            value: AttributeValue::Text(value.into()),
        }
    }

    #[test]
    fn merging_replaces_by_name_and_keeps_the_order() {
        // server-lite/tests/fixtures/put.jsonl, cases `form_two_same`,
        // `form_overwrite_multi` and `form_vector_one`.
        let mut vm = json!({"USER_TEMPLATE": {"BASE": "keep", "MULTI": ["first", "second"], "VEC": {"A": "1"}}});
        let vector = Attribute {
            name: "VEC".into(),
            value: AttributeValue::Vector(vec![("Z".into(), "9".into())]),
        };
        let attributes = [
            text("MULTI", "only"),
            text("C", "1"),
            vector,
            text("C", "2"),
            text("A", "0"),
        ];
        Changes::of(&attributes).merge(&mut vm);
        assert_eq!(
            vm["USER_TEMPLATE"].to_string(),
            r#"{"A":"0","BASE":"keep","C":["1","2"],"MULTI":"only","VEC":{"Z":"9"}}"#
        );
        Changes::of(&[]).merge(&mut vm);
        assert_eq!(vm["USER_TEMPLATE"].as_object().map(Map::len), Some(5));
    }

    #[test]
    fn erasing_takes_all_of_that_very_name() {
        let mut vm = json!({"USER_TEMPLATE": {"MULTI": ["first", "second"], "VEC": {"A": "1"}}});
        assert!(!erase(&mut vm, "multi") && !erase(&mut vm, "*") && !erase(&mut vm, "VEC/A"));
        assert!(erase(&mut vm, "MULTI") && erase(&mut vm, "VEC"));
        assert_eq!(vm["USER_TEMPLATE"], json!({}));
        assert!(!erase(&mut json!({"USER_TEMPLATE": ""}), "A"));
    }

    #[test]
    fn a_new_name_comes_before_the_first_that_is_greater() {
        let mut vm = json!({"USER_TEMPLATE": {"M": "1", "B": "2", "T": "3"}});
        let attributes = ["Z", "C", "A", "N"].map(|name| text(name, "x"));
        Changes::of(&attributes).merge(&mut vm);
        let names: Vec<&String> = vm["USER_TEMPLATE"]
            .as_object()
            .expect("a map")
            .keys()
            .collect();
        assert_eq!(names, ["A", "C", "M", "B", "N", "T", "Z"]);
    }

    #[test]
    fn what_is_too_large_is_refused_unless_it_shrinks() {
        let fits = |vm: &Value, attributes: &[Attribute]| Changes::of(attributes).fit(vm);
        let empty = json!({"USER_TEMPLATE": {}});
        let most = "x".repeat(MAX_BYTES - r#""A":"","#.len());
        assert_eq!(fits(&empty, &[text("A", &most)]), Ok(()));
        let refused = fits(&empty, &[text("A", &most), text("B", "")])
            .expect_err("too large")
            .to_string();
        assert!(refused.contains("1048576 is the limit"), "{refused}");
        // A quote takes two bytes in a response.
        let quotes = "\"".repeat(MAX_BYTES / 2);
        assert!(fits(&empty, &[text("A", &quotes)]).is_err());
        let large = json!({"USER_TEMPLATE": {"A": most, "B": most}});
        assert!(fits(&large, &[text("C", "")]).is_err());
        assert_eq!(fits(&large, &[text("B", "less")]), Ok(()));

        let many = |count: usize| {
            let member = |n: usize| (format!("M{n}"), String::new());
            Attribute {
                name: "V".into(),
                value: AttributeValue::Vector((1..count).map(member).collect()),
            }
        };
        assert_eq!(fits(&empty, &[many(MAX_ATTRIBUTES)]), Ok(()));
        let refused = fits(&empty, &[many(MAX_ATTRIBUTES), text("A", "")])
            .expect_err("too many")
            .to_string();
        assert!(refused.contains("8192 is the limit"), "{refused}");
    }
}
