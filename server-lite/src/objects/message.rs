//! How a message, to a guest or in the log, repeats what somebody sent: short, and without characters that are not
//! printed: control characters, and those that turn the direction of a text.

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
