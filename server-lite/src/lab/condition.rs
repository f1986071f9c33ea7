//! What `wait` waits for: `STATE=RUNNING`, `READY!=NO`, `web.CARDINALITY=3`.

use super::error::LabError;
use crate::objects::message::shown;
use serde_json::Value;

/// A key, what it is to be, and whether it is to be that or anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    key: String,
    value: String,
    equal: bool,
}

impl Condition {
    /// Reads `KEY=VALUE` or `KEY!=VALUE`.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Self, LabError> {
        let parts = text.split_once('=');
        let condition = parts.and_then(|(key, value)| {
            let (key, equal) = match key.strip_suffix('!') {
                Some(key) => (key, false),
                None => (key, true),
            };
            (!key.is_empty()).then(|| Self {
                key: key.to_owned(),
                value: value.to_owned(),
                equal,
            })
        });
        condition.ok_or_else(|| LabError::NoCondition(shown(text, 200)))
    }

    /// Several of them.
    ///
    /// # Errors
    /// There is none, or one can't be read.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, LabError> {
        if texts.is_empty() {
            return Err(LabError::NoConditions);
        }
        texts.iter().map(|text| Self::parse(text)).collect()
    }

    /// Whether it holds; `None` stands for a key that is not there, which is never equal.
    pub fn holds(&self, actual: Option<&str>) -> bool {
        (actual == Some(&self.value)) == self.equal
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is, against what should be: `STATE is BOOT, not RUNNING`.
    pub fn unmet(&self, actual: Option<&str>) -> String {
        let is = actual.map_or_else(|| "absent".to_owned(), |actual| shown(actual, 100));
        let (key, value) = (shown(&self.key, 100), shown(&self.value, 100));
        match self.equal {
            true => format!("{key} is {is}, not {value}"),
            false => format!("{key} is still {is}"),
        }
    }
}

/// A value of a VM's record: STATE by its name, NAME, else an attribute of USER_TEMPLATE.
pub fn of_vm(record: &Value, key: &str) -> Option<String> {
    match key {
        "STATE" => crate::objects::vm_state::VmState::of(record).map(|state| state.name()),
        "NAME" => record.get("NAME").and_then(text),
        _ => record.get("USER_TEMPLATE")?.get(key).and_then(text),
    }
}

/// A value of a service's report: STATE, NAME, and of a role `ROLE.STATE`, `ROLE.CARDINALITY` and `ROLE.RUNNING`, which
/// is how many of its nodes run.
///
/// # Errors
/// There is no such key or role: to wait for it would be in vain.
pub fn of_service(report: &Value, key: &str) -> Result<Option<String>, LabError> {
    let value = match key.rsplit_once('.') {
        None if key == "STATE" => report.get("state").and_then(text),
        None if key == "NAME" => report.get("name").and_then(text),
        Some((name, key)) => {
            let roles = report.get("roles").and_then(Value::as_array);
            let role = roles
                .and_then(|roles| roles.iter().find(|role| role["name"] == name))
                .ok_or_else(|| LabError::NoRole(shown(name, 100)))?;
            match key {
                "STATE" => role.get("state").and_then(text),
                "CARDINALITY" => role.get("cardinality").and_then(text),
                "RUNNING" => {
                    let nodes = role["nodes"].as_array().into_iter().flatten();
                    Some(
                        nodes
                            .filter(|n| n["state"] == "RUNNING")
                            .count()
                            .to_string(),
                    )
                }
                _ => return Err(unknown(key)),
            }
        }
        None => return Err(unknown(key)),
    };
    Ok(value)
}

fn unknown(key: &str) -> LabError {
    LabError::NoKey(shown(key, 100))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_are_read_and_judged() {
        for (text, actual, holds) in [
            ("A=1", Some("1"), true),
            ("A=1", Some("2"), false),
            ("A=1", None, false),
            ("A!=1", Some("2"), true),
            ("A!=1", None, true),
            ("A!=1", Some("1"), false),
            ("A=", Some(""), true),
            ("A=b=c", Some("b=c"), true),
        ] {
            let condition = Condition::parse(text).expect(text);
            assert_eq!(condition.holds(actual), holds, "{text} {actual:?}");
        }
        for text in ["", "A", "=1", "!=1"] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
        assert!(Condition::parse_all(&[]).is_err());
    }

    #[test]
    fn keys_are_found_where_they_are() {
        let vm = json!({"NAME": "web", "STATE": "3", "LCM_STATE": "2", "USER_TEMPLATE": {"READY": "YES", "N": 5}});
        for (key, value) in [
            ("STATE", Some("BOOT")),
            ("NAME", Some("web")),
            ("READY", Some("YES")),
            ("N", Some("5")),
            ("MISSING", None),
        ] {
            assert_eq!(of_vm(&vm, key).as_deref(), value, "{key}");
        }
        let service = json!({"name": "shop", "state": "RUNNING", "roles": [{"name": "web.1", "state": "RUNNING",
            "cardinality": 2, "nodes": [{"state": "RUNNING"}, {"state": "BOOT"}]}]});
        for (key, value) in [
            ("STATE", "RUNNING"),
            ("NAME", "shop"),
            ("web.1.STATE", "RUNNING"),
            ("web.1.CARDINALITY", "2"),
            ("web.1.RUNNING", "1"),
        ] {
            assert_eq!(
                of_service(&service, key).expect(key).as_deref(),
                Some(value)
            );
        }
        for key in ["READY", "db.STATE", "web.1.X"] {
            assert!(of_service(&service, key).is_err(), "{key}");
        }
    }
}
