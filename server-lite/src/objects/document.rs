//! OpenNebula's documents as JSON, the ids in them, and its way of writing lists.

use serde_json::Value;
use std::sync::Arc;

/// The id of a VM, a user, a service, a virtual router or a virtual network.
pub type Id = u32;

/// A document of OpenNebula's: a VM, a service, a virtual router or a virtual network.
pub type Document = Arc<Value>;

/// Reads a list as OpenNebula's documents write it: absent, `{}` or null is none, an element alone is a list of one.
pub fn list(value: Option<&Value>) -> &[Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(Value::Object(object)) if object.is_empty() => &[],
        Some(one) => std::slice::from_ref(one),
    }
}

/// The same as a real list, to be changed in place.
pub fn list_mut(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        let items = list(Some(value)).iter().filter(|item| *item != "");
        *value = items.cloned().collect();
    }
    match value {
        Value::Array(items) => items,
        _ => unreachable!("it was made a list just above"),
    }
}

/// The JSON of a document. (A third faster than through `Display`.)
pub fn json_of(document: &Value) -> String {
    serde_json::to_string(document).unwrap_or_else(|_| document.to_string())
}

/// Reads an id: a number, or a string of decimal digits and nothing else.
pub fn id(value: Option<&Value>) -> Option<Id> {
    match value? {
        Value::String(text) => parse_id(text),
        Value::Number(number) => number.as_u64().and_then(|n| Id::try_from(n).ok()),
        _ => None,
    }
}

/// The first address of a VM's first NIC: an IPv4 one, else an IPv6 one.
pub fn address(vm: &Value) -> Option<&str> {
    let nic = list(vm.pointer("/TEMPLATE/NIC")).first()?;
    let names = ["IP", "IP6_GLOBAL", "IP6", "IP6_ULA"];
    names.iter().find_map(|name| nic.get(*name)?.as_str())
}

/// Parses an id strictly: decimal digits only, so neither `+6`, `6abc`, `0x6` nor `0_6`, as the real
/// server does: server-lite/tests/fixtures/get.jsonl, cases `vms_plus_self` and `vms_underscore_self`.
pub fn parse_id(text: &str) -> Option<Id> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_read_in_every_form_that_opennebula_writes() {
        let none: &[Value] = &[];
        assert_eq!(list(None), none);
        assert_eq!(list(Some(&Value::Null)), none);
        assert_eq!(list(Some(&json!({}))), none);
        assert_eq!(list(Some(&json!([1, 2]))), [json!(1), json!(2)]);
        assert_eq!(list(Some(&json!({"A": 1}))), [json!({"A": 1})]);
        assert_eq!(list(Some(&json!("7"))), [json!("7")]);
    }

    #[test]
    fn ids_are_decimal_digits_and_nothing_else() {
        for (text, id) in [
            ("0", Some(0)),
            ("6", Some(6)),
            ("006", Some(6)),
            ("4294967295", Some(Id::MAX)),
        ] {
            assert_eq!(parse_id(text), id, "{text:?}");
        }
        for text in [
            "",
            " 6",
            "6 ",
            "+6",
            "-1",
            "6abc",
            "0x6",
            "0_6",
            "6.0",
            "٦",
            "4294967296",
        ] {
            assert_eq!(parse_id(text), None, "{text:?}");
        }
    }
}
