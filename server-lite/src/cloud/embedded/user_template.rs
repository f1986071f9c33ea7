//! How oned changes a VM's USER_TEMPLATE: merging attributes, erasing one.

use crate::objects::template::{Attribute, AttributeValue};
use serde_json::{Map, Value};

/// Merges attributes as one.vm.update does with type 1: each name replaces all that was there under it, a name given
/// twice becomes a list, and the names stay in order.
pub fn merge(vm: &mut Value, attributes: &[Attribute]) {
    let template = object(vm);
    for (at, attribute) in attributes.iter().enumerate() {
        let name = &attribute.name;
        if attributes[..at].iter().any(|earlier| earlier.name == *name) {
            continue;
        }
        let mut values: Vec<Value> = attributes[at..]
            .iter()
            .filter(|a| a.name == *name)
            .map(json)
            .collect();
        let value = if values.len() == 1 {
            values.remove(0)
        } else {
            Value::Array(values)
        };
        if let Some(there) = template.get_mut(name) {
            *there = value;
        } else {
            let place = template
                .keys()
                .position(|key| key > name)
                .unwrap_or(template.len());
            template.shift_insert(place, name.clone(), value);
        }
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
        merge(
            &mut vm,
            &[
                text("MULTI", "only"),
                text("C", "1"),
                vector,
                text("C", "2"),
                text("A", "0"),
            ],
        );
        assert_eq!(
            vm["USER_TEMPLATE"].to_string(),
            r#"{"A":"0","BASE":"keep","C":["1","2"],"MULTI":"only","VEC":{"Z":"9"}}"#
        );
        merge(&mut vm, &[]);
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
}
