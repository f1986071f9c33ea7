//! From when until when a certificate is valid, read from its DER (RFC 5280, 4.1): no more of it than the way there.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The time in which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its first moment.
    pub from: Timestamp,
    /// Its last moment.
    pub until: Timestamp,
}

impl Validity {
    /// Of a certificate in DER; `None` if it can't be read.
    pub fn of(certificate: &[u8]) -> Option<Validity> {
        let (_, certificate, _) = element(certificate)?;
        let (_, mut rest, _) = element(certificate)?;
        // The version may be left out; then come the serial number, the algorithm and the issuer.
        for wanted in [VERSION, INTEGER, SEQUENCE, SEQUENCE] {
            let (tag, _, after) = element(rest)?;
            if tag == wanted {
                rest = after;
            } else if wanted != VERSION {
                return None;
            }
        }
        let (_, validity, _) = element(rest)?;
        let (tag, from, rest) = element(validity)?;
        let from = time(tag, from)?;
        let (tag, until, _) = element(rest)?;
        let until = time(tag, until)?;
        Some(Validity { from, until })
    }
}

/// The first element: its tag, its content, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], mut rest) = bytes.split_first_chunk::<2>()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
        length = digits
            .iter()
            .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        rest = &rest[count..];
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// `YYMMDDHHMMSSZ` (from 1950 to 2049), or with four digits for the year.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME if text.len() == 12 => {
            let year: i16 = text[..2].parse().ok()?;
            (year + if year < 50 { 2000 } else { 1900 }, &text[2..])
        }
        GENERALIZED_TIME if text.len() == 14 => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let number = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    let date = Date::new(year, number(0)?, number(2)?).ok()?;
    let time = jiff::civil::Time::new(number(4)?, number(6)?, number(8)?, 0).ok()?;
    let zoned = date.to_datetime(time).to_zoned(TimeZone::UTC);
    // 99991231235959Z, "no expiration", is after the last moment of a Timestamp.
    Some(zoned.map_or(Timestamp::MAX, |zoned| zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_kinds_are_read_and_nothing_else() {
        let read = |tag, text: &str| time(tag, text.as_bytes()).map(|time| time.to_string());
        for (tag, text, expected) in [
            (UTC_TIME, "261126123456Z", Some("2026-11-26T12:34:56Z")),
            (UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59Z")),
            (UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z")),
            (
                GENERALIZED_TIME,
                "99991231235959Z",
                Some("9999-12-30T22:00:00.999999999Z"),
            ),
            (
                GENERALIZED_TIME,
                "20500101000000Z",
                Some("2050-01-01T00:00:00Z"),
            ),
            (UTC_TIME, "261326123456Z", None),
            (UTC_TIME, "261126123456", None),
            (UTC_TIME, "26112612345éZ", None),
            (UTC_TIME, "20261126123456Z", None),
            (GENERALIZED_TIME, "2026112612345+Z", None),
            (INTEGER, "261126123456Z", None),
            (UTC_TIME, "", None),
        ] {
            assert_eq!(read(tag, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_cut_or_no_certificate_is_not_read() {
        let made = rcgen::generate_simple_self_signed(vec!["gate".to_owned()]).unwrap();
        let der = made.cert.der();
        let validity = Validity::of(der).unwrap();
        assert_eq!(validity.from.to_string(), "1975-01-01T00:00:00Z");
        assert_eq!(validity.until.to_string(), "4096-01-01T00:00:00Z");
        for end in 0..der.len() {
            assert_eq!(Validity::of(&der[..end]), None);
        }
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x80\x00\x00",
            b"\x30\x85\x00\x00\x00\x00\x01\x00",
        ] {
            assert_eq!(Validity::of(bytes), None, "{bytes:?}");
        }
    }
}
