//! What a role's nodes report: the value of one attribute in a VM's record, and its average over the nodes that run.
//! (server-lite/tests/fixtures/elasticity.jsonl, cases `average_*` and `places_*`)

use super::service::Role;
use crate::objects::vm_state::{RUNNING, VmState};
use crate::store::state::{Draft, Kind};
use serde_json::Value;

/// The parts of a VM's record where an attribute is looked for, in this order; then the record itself.
const PLACES: [&str; 3] = ["USER_TEMPLATE", "MONITORING", "TEMPLATE"];

/// The averages of these attributes over the nodes of a role that are at STATE 3 / LCM_STATE 3, each over the VMs that
/// have it, rounded to two decimals; `None` where none has. One pass over the nodes.
pub(super) fn averages(draft: &Draft<'_>, role: &Role, names: &[&str]) -> Vec<Option<f64>> {
    let mut means = vec![Mean::default(); names.len()];
    let records = role
        .nodes
        .iter()
        .filter_map(|node| draft.get(Kind::Vm, node.vm));
    for record in records.filter(|record| VmState::of(record) == Some(RUNNING)) {
        for (name, mean) in names.iter().zip(&mut means) {
            if let Some(value) = attribute(record, name) {
                mean.add(value);
            }
        }
    }
    means.into_iter().map(Mean::rounded).collect()
}

/// A VM's value of an attribute. Vectors and repeated attributes have none, and neither has what is beyond a float
/// (`1e400`): that VM is left out, where the real OneFlow stops evaluating for good.
pub(super) fn attribute(vm: &Value, name: &str) -> Option<f64> {
    let places = PLACES.iter().filter_map(|place| vm.get(*place)).chain([vm]);
    let number = places
        .filter_map(|place| place.get(name))
        .find_map(|value| match value {
            Value::String(text) => Some(leading_number(text)),
            // As a scenario written by hand may have it.
            Value::Number(number) => number.as_f64(),
            _ => None,
        });
    number.filter(|number| number.is_finite())
}

/// The number that a text begins with, or 0, as Ruby's `to_f` has it: `55%` is 55, `abc` is 0, `1_000` is 1000.
fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut number = String::new();
    let mut at = 0;
    // Digits, with single underscores between them.
    let digits = |at: &mut usize, number: &mut String| {
        while digit(*at)
            || (bytes.get(*at) == Some(&b'_') && digit(*at + 1) && digit(at.wrapping_sub(1)))
        {
            if digit(*at) {
                number.push(char::from(bytes[*at]));
            }
            *at += 1;
        }
    };
    if matches!(bytes.first(), Some(b'+' | b'-')) {
        number.push(char::from(bytes[0]));
        at = 1;
    }
    let sign = number.len();
    digits(&mut at, &mut number);
    if number.len() == sign {
        number.push('0');
    }
    if bytes.get(at) == Some(&b'.') && digit(at + 1) {
        number.push('.');
        at += 1;
        digits(&mut at, &mut number);
    }
    let exponent = if matches!(bytes.get(at + 1), Some(b'+' | b'-')) {
        at + 2
    } else {
        at + 1
    };
    if matches!(bytes.get(at), Some(b'e' | b'E')) && at > sign && digit(exponent) {
        number += &text[at..exponent];
        at = exponent;
        digits(&mut at, &mut number);
    }
    number.parse().unwrap_or(0.0)
}

/// A mean that no finite value can drive to infinity.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    count: u32,
    sum: f64,
    /// Used once `sum` has overflowed.
    scaled: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.scaled += value / SCALE;
    }

    fn rounded(self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let count = f64::from(self.count);
        let mean = if self.sum.is_finite() {
            self.sum / count
        } else {
            self.scaled / count * SCALE
        };
        let hundredths = mean * 100.0;
        // Beyond 2^53 there is nothing to round.
        Some(if hundredths.abs() < 9e15 {
            hundredths.round() / 100.0
        } else {
            mean
        })
    }
}

const SCALE: f64 = 18_446_744_073_709_551_616.0; // 2^64: more nodes than there can be

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_counts_as_the_number_it_begins_with() {
        for (text, number) in [
            ("50", 50.0),
            ("55%", 55.0),
            ("abc", 0.0),
            ("", 0.0),
            ("1e3", 1000.0),
            ("1e", 1.0),
            ("1e+2x", 100.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+5", 5.0),
            ("-3.5", -3.5),
            ("--3", 0.0),
            ("1,5", 1.0),
            (" 7 ", 7.0),
            ("1_000", 1000.0),
            ("_1", 0.0),
            ("1__0", 1.0),
            ("0x1A", 0.0),
            ("NaN", 0.0),
            ("inf", 0.0),
            ("e5", 0.0),
            ("é5", 0.0),
            ("5é", 5.0),
        ] {
            assert_eq!(leading_number(text), number, "{text:?}");
        }
        assert_eq!(leading_number("1e400"), f64::INFINITY);
    }

    #[test]
    fn the_first_place_that_has_the_name_counts() {
        let vm = json!({"STATE": "3", "TEMPLATE": {"CPU": "4", "CONTEXT": {"A": "1"}}, "MONITORING": {"CPU": "3"},
            "USER_TEMPLATE": {"EMPTY": "", "STATE": "", "TWICE": ["1", "2"], "VEC": {"A": "1"}, "BIG": "1e400", "HAND": 1.5}});
        for (name, value) in [
            ("CPU", Some(3.0)),
            ("STATE", Some(0.0)),
            ("EMPTY", Some(0.0)),
            ("TWICE", None),
            ("VEC", None),
            ("CONTEXT", None),
            ("TEMPLATE", None),
            ("BIG", None),
            ("HAND", Some(1.5)),
            ("NONE", None),
        ] {
            assert_eq!(attribute(&vm, name), value, "{name}");
        }
    }

    #[test]
    fn huge_values_do_not_overflow_the_mean() {
        let mut mean = Mean::default();
        for _ in 0..3 {
            mean.add(1.7e308);
        }
        let rounded = mean.rounded().expect("a mean");
        assert!((rounded / 1.7e308 - 1.0).abs() < 1e-9, "{rounded}");
        assert_eq!(Mean::default().rounded(), None);
    }
}
