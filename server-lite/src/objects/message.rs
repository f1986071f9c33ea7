//! How a message, to a guest or in the log, repeats what somebody sent: short, and without characters that are not
//! printed: control characters, and those that turn the direction of a text.

/// So many mixed characters in a row could be a token. The shortest has 22.
const LIKE_A_TOKEN: usize = 12;

/// What was sent, cut after this many characters.
pub fn shown(sent: &str, most: usize) -> String {
    let mut shown: String = sent
        .chars()
        .take(most)
        .map(|c| if is_printed(c) { c } else { '\u{fffd}' })
        .collect();
    if sent.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a character stands for itself: what Rust would print escaped does not.
fn is_printed(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1
}

/// A text without anything that could be a token: a long run of base64's characters, percent-encoded or not, that
/// mixes small letters, capitals and digits. The words of names and paths don't mix them.
pub fn without_tokens(text: &str) -> String {
    let in_token = |c: char| c.is_ascii_alphanumeric() || "+/=_-%\\".contains(c);
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, after) = rest.split_at(rest.find(|c| !in_token(c)).unwrap_or(rest.len()));
        let mixed = run
            .split(['/', '\\', '_', '-', '='])
            .filter(|word| is_mixed(word));
        kept.push_str(if mixed.map(str::len).sum::<usize>() >= LIKE_A_TOKEN {
            "(removed)"
        } else {
            run
        });
        let next = after.chars().next().map_or(0, char::len_utf8);
        kept.push_str(&after[..next]);
        rest = &after[next..];
    }
    kept
}

fn is_mixed(word: &str) -> bool {
    let kinds: [fn(&u8) -> bool; 3] = [
        u8::is_ascii_lowercase,
        u8::is_ascii_uppercase,
        u8::is_ascii_digit,
    ];
    let has = |kind: &&fn(&u8) -> bool| word.as_bytes().iter().any(*kind);
    kinds.iter().filter(has).count() > 1
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_long_is_cut_and_what_moves_a_terminal_is_replaced() {
        assert_eq!(shown("abc", 3), "abc");
        assert_eq!(shown("äbcd", 3), "äbc…");
        assert_eq!(
            shown("a\x1b[31m\n\u{9b}", 9),
            "a\u{fffd}[31m\u{fffd}\u{fffd}"
        );
        // Direction overrides, invisible characters, separators, tags; but no letter, sign or quote.
        for hidden in "\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\u{ad}\u{e0041}\0\t".chars() {
            assert_eq!(shown(&hidden.to_string(), 9), "\u{fffd}", "{hidden:?}");
        }
        assert_eq!(shown("\"é'\\ 你好 €…", 20), "\"é'\\ 你好 €…");
    }
}
