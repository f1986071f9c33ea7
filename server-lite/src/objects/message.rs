//! How a message, to a guest or in the log, repeats what somebody sent: short, and without control characters.

/// What was sent, cut after this many characters.
pub fn shown(sent: &str, most: usize) -> String {
    let mut shown: String = sent
        .chars()
        .take(most)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if sent.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
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
    }
}
