//! `KEY`, `KEY=VALUE`, `KEY!=VALUE`.

use crate::error::Error;
use crate::objects::document::Node;
use crate::objects::state;
use std::fmt;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// In upper case.
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Present,
    Is(String),
    IsNot(String),
}

/// Not an attribute but what the VM or the service is doing.
const STATE: &str = "STATE";

impl Condition {
    /// Reads conditions.
    ///
    /// # Errors
    /// [`Error::Usage`], where a key can't be an attribute's name.
    pub(super) fn parse_all(words: &[String]) -> Result<Vec<Condition>, Error> {
        words.iter().map(|word| Condition::parse(word)).collect()
    }

    fn parse(word: &str) -> Result<Condition, Error> {
        let end = word
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(word.len());
        let (key, rest) = word.split_at(end);
        let test = if rest.is_empty() {
            Test::Present
        } else if let Some(value) = rest.strip_prefix('=') {
            Test::Is(value.to_owned())
        } else if let Some(value) = rest.strip_prefix("!=") {
            Test::IsNot(value.to_owned())
        } else {
            return Err(Error::Usage(format!(
                "'{word}' is no condition: KEY, KEY=VALUE or KEY!=VALUE"
            )));
        };
        if !key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(Error::Usage(format!(
                "'{word}' is no condition: its KEY is no attribute's name"
            )));
        }
        let key = key.to_ascii_uppercase();
        if let (STATE, Test::Is(name) | Test::IsNot(name)) = (key.as_str(), &test)
            && !state::exists(name)
        {
            return Err(Error::Usage(format!(
                "'{word}' is no condition: no VM and no service has a state of that name"
            )));
        }
        Ok(Condition { key, test })
    }

    /// Is it about the state?
    pub(super) fn is_of_state(&self) -> bool {
        self.key == STATE
    }

    /// What is missing in a VM's record; `None` when the condition holds.
    pub(super) fn missing_in_vm(&self, vm: Node<'_>) -> Option<String> {
        if self.is_of_state() {
            let number = vm.get("STATE").text();
            return self
                .missing_in_state(&state::vm(&number, &vm.get("LCM_STATE").text()), &number);
        }
        self.missing_in_attributes(vm.get("USER_TEMPLATE"))
    }

    /// The same, given the object that holds the attributes.
    pub(super) fn missing_in_attributes(&self, attributes: Node<'_>) -> Option<String> {
        // A name given twice is a list.
        let values: Vec<String> = attributes.get(&self.key).each().map(Node::text).collect();
        self.missing_in(&values)
    }

    /// What is missing in a state, given by its name and its number.
    pub(super) fn missing_in_state(&self, name: &str, number: &str) -> Option<String> {
        // A state that isn't known has no name: its number stands for both.
        let by_number = match &self.test {
            Test::Is(value) | Test::IsNot(value) => value.bytes().all(|b| b.is_ascii_digit()),
            Test::Present => false,
        };
        let known = if by_number { number } else { name };
        self.missing_in(&Vec::from_iter(
            (!known.is_empty()).then(|| known.to_owned()),
        ))
    }

    fn missing_in(&self, values: &[String]) -> Option<String> {
        let same = |value: &String, wanted: &String| {
            if self.is_of_state() {
                value.eq_ignore_ascii_case(wanted)
            } else {
                value == wanted
            }
        };
        let holds = match &self.test {
            Test::Present => !values.is_empty(),
            Test::Is(wanted) => values.iter().any(|value| same(value, wanted)),
            Test::IsNot(unwanted) => !values.iter().any(|value| same(value, unwanted)),
        };
        if holds {
            return None;
        }
        let is = if values.is_empty() {
            "not set".to_owned()
        } else {
            values.join(", ")
        };
        Some(format!("{self} ({} is {is})", self.key))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Present => f.write_str(&self.key),
            Test::Is(value) => write!(f, "{}={value}", self.key),
            Test::IsNot(value) => write!(f, "{}!={value}", self.key),
        }
    }
}
