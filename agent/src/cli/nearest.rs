//! 'Did you mean …?'

/// The candidate that differs least from `word`, if it is near enough to be worth a suggestion: by at most a third
/// of its letters. Nothing is near a word longer than [`LONGEST`].
pub(super) fn to<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let rated = candidates.map(|candidate| (distance(word, candidate), candidate));
    let (distance, candidate) = rated.min_by_key(|(distance, _)| *distance)?;
    (distance <= word.chars().count().div_ceil(3)).then_some(candidate)
}

/// Bytes; candidates have half as many at the most.
const LONGEST: usize = 64;

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::to;

    #[test]
    fn near_enough() {
        let words = ["vm show", "vm update", "service show", "vm stop"];
        for (typed, meant) in [
            ("vm shwo", Some("vm show")),
            ("vm upadte", Some("vm update")),
            ("service sho", Some("service show")),
            ("banana", None),
            ("", None),
            (&"vm show".repeat(20_000), None),
        ] {
            assert_eq!(to(typed, words.into_iter()), meant, "{typed}");
        }
    }
}
