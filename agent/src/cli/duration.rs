//! Durations as people write them.

use std::time::Duration;

/// `300ms`, `2s`, `5m`, `1h`, or plain seconds; `None` for anything else, and for what is too large.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        _ => return None,
    };
    let number: u64 = text[..text.len() - unit.len()].parse().ok()?;
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// `5 s` or `300 ms`
pub fn shown(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{} ms", duration.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("30", Some(30_000)),
            ("0", Some(0)),
            ("300ms", Some(300)),
            ("2s", Some(2000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1 s", None),
            ("1d", None),
            ("1S", None),
            ("1é", None),
            ("18446744073709551615h", None),
            ("18446744073709551616", None),
        ] {
            let parsed = parse(text).map(|duration| duration.as_millis());
            assert_eq!(parsed, milliseconds, "{text}");
        }
    }
}
