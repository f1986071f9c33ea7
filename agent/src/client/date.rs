//! Dates as HTTP writes them.

use std::time::Duration;

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, IMF-fixdate) in seconds since 1970.
pub fn seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = date.split_once(", ")?.1.split(' ');
    let day: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|day| (1..=31).contains(day))?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words
        .next()?
        .split(':')
        .map(|number| number.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next()? != "GMT" || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March end with the leap day.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    (days * 86_400 + hour * 3600 + minute * 60 + second).checked_sub(719_468 * 86_400)
}

/// Retry-After: a number of seconds, or a date, which is compared with the answer's own and not with a clock of ours.
pub(super) fn pause(retry_after: &str, date: Option<&str>) -> Duration {
    let seconds = retry_after.parse().ok().or_else(|| {
        let until = seconds(retry_after)?;
        Some(until.saturating_sub(seconds(date?)?))
    });
    Duration::from_secs(seconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds() {
        for (date, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Sun, 22 Nov 2026 12:54:53 GMT", Some(1_795_352_093)),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("now", None),
            ("", None),
        ] {
            assert_eq!(seconds(date), expected, "{date}");
        }
    }

    #[test]
    fn how_long_to_wait() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (retry_after, date, expected) in [
            ("0", None, 0),
            ("120", now, 120),
            ("Sun, 06 Nov 1994 08:50:37 GMT", now, 60),
            ("Sun, 06 Nov 1994 08:48:37 GMT", now, 0),
            ("Sun, 06 Nov 1994 08:50:37 GMT", None, 0),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some("today"), 0),
            ("99999999999999999999999", now, 0),
            ("-1", now, 0),
            ("soon", now, 0),
            ("", now, 0),
        ] {
            let expected = Duration::from_secs(expected);
            assert_eq!(pause(retry_after, date), expected, "{retry_after} {date:?}");
        }
    }
}
