//! Numbers in a path, compared with those of a document.

/// A JSON number by its value, so that `1`, `1.0` and `10e-1` are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// Without zeros at either end.
    digits: String,
    /// Of ten, behind the digits.
    exponent: i64,
}

impl Number {
    /// `None`, if it is no number.
    pub(super) fn parse(text: &str) -> Option<Number> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = [whole, fraction].concat();
        if whole.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let exponent: i64 = exponent.parse().ok()?;
        let digits = all.trim_end_matches('0');
        let cut = i64::try_from(all.len() - digits.len()).ok()?;
        let behind = i64::try_from(fraction.len()).ok()?;
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Number {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        let exponent = exponent.checked_add(cut)?.checked_sub(behind)?;
        Some(Number {
            negative: mantissa.starts_with('-'),
            digits,
            exponent,
        })
    }
}
