//! Keys that look like one of those that count, misspelt. Other keys are nobody's business: OneFlow keeps them too.

use crate::objects::message::shown;
use serde_json::Value;

/// What counts in a service's body, as far as it may be left out.
pub(super) const OF_SERVICE: &[&str] = &["deployment", "ready_status_gate"];
/// The same of a role.
pub(super) const OF_ROLE: &[&str] = &[
    "type",
    "min_vms",
    "max_vms",
    "cooldown",
    "elasticity_policies",
    "scheduled_policies",
    "parents",
    "template_contents",
    "template_id",
];
/// The keys of a policy.
pub(super) const OF_POLICY: &[&str] = &[
    "type",
    "adjust",
    "min_adjust_step",
    "expression",
    "period",
    "period_number",
    "cooldown",
    "recurrence",
    "start_time",
];
/// Keys of OneFlow's that only look like those.
const OTHERS: &[&str] = &["vm_template", "vm_template_contents"];

/// The keys of an object that look like one of these, each with it.
pub(super) fn keys(object: &Value, known: &[&str]) -> Vec<String> {
    let Some(object) = object.as_object() else {
        return Vec::new();
    };
    let others = object
        .keys()
        .filter(|key| !known.contains(&key.as_str()) && !OTHERS.contains(&key.as_str()));
    let meant = |key: &String| {
        let meant = known.iter().find(|meant| is_near(key, meant))?;
        let key = shown(key, 100);
        Some(format!("{key:?} is ignored: is {meant:?} meant?"))
    };
    others.filter_map(meant).collect()
}

/// Whether two words differ in one place only, by at most a fifth of their letters. Case, `_` and `-` don't count.
fn is_near(one: &str, other: &str) -> bool {
    let letters = |word: &str| -> Vec<char> {
        let all = word.chars().filter(|c| !matches!(c, '_' | '-'));
        all.flat_map(char::to_lowercase).collect()
    };
    let (one, other) = (letters(one), letters(other));
    let longest = one.len().max(other.len());
    let equal = |pair: &(&char, &char)| pair.0 == pair.1;
    let before = one.iter().zip(&other).take_while(equal).count();
    let (one, other) = (&one[before..], &other[before..]);
    let after = one.iter().rev().zip(other.iter().rev());
    let after = after.take_while(equal).count();
    let (one, other) = (&one[..one.len() - after], &other[..other.len() - after]);
    let are_swapped = matches!((one, other), ([a, b], [c, d]) if a == d && b == c);
    are_swapped || one.len().max(other.len()) <= (longest / 5).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_a_slip_and_not_another_word() {
        for (word, known) in [
            ("expresion", "expression"),
            ("expressoin", "expression"),
            ("Expression", "expression"),
            ("perod_number", "period_number"),
            ("min_vm", "min_vms"),
            ("maxVMs", "max_vms"),
            ("cool-down", "cooldown"),
            ("elasticity_policy", "elasticity_policies"),
            ("parent", "parents"),
            ("tpye", "type"),
        ] {
            assert!(is_near(word, known), "{word}");
        }
        for (word, known) in [
            ("", "type"),
            ("note", "type"),
            ("period", "period_number"),
            ("description", "deployment"),
            ("last_eval", "adjust"),
            ("min_vms", "max_vms"),
        ] {
            assert!(!is_near(word, known), "{word}");
        }
    }
}
