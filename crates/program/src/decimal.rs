//! Decimal texts as integers, exactly (§7.1): no floating point between a request and its sampled ids.

use alloc::vec::Vec;

/// Longest number in bytes.
const MAX_TEXT: usize = 256;
/// Beyond this exponent every number is out of all bounds, or zero.
const MAX_EXPONENT: i64 = 1_000_000;

/// A JSON number times 10^6, to the nearest integer, ties to even. `None` for what is no JSON number, is longer than 256 bytes or
/// does not fit.
///
/// ```
/// use proofmark_program::parse_millionths;
/// assert_eq!(parse_millionths("0.7"), Some(700_000));
/// assert_eq!(parse_millionths("25e-7"), Some(2));
/// assert_eq!(parse_millionths(".7"), None);
/// ```
pub fn parse_millionths(text: &str) -> Option<i64> {
    scaled(text, 1, 6)
}

/// A JSON number times 65,536, to the nearest integer, ties to even: the units of logits. `None` as for [`parse_millionths`].
pub fn parse_logit_units(text: &str) -> Option<i64> {
    scaled(text, 65_536, 0)
}

/// A number: `0.digits · 10^point`, times the sign.
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

/// Splits the digits off that a text begins with.
fn leading_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let count = text.iter().take_while(|b| b.is_ascii_digit()).count();
    text.split_at_checked(count).unwrap_or((text, &[]))
}

fn parse(text: &str) -> Option<Decimal> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let text = text.as_bytes();
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, mut rest) = leading_digits(text);
    if whole.is_empty() || (whole.len() > 1 && whole.first() == Some(&b'0')) {
        return None;
    }
    let mut digits: Vec<u8> = whole.to_vec();
    if let Some(after) = rest.strip_prefix(b".") {
        let (fraction, after) = leading_digits(after);
        if fraction.is_empty() {
            return None;
        }
        digits.extend_from_slice(fraction);
        rest = after;
    }
    let mut exponent = 0_i64;
    if let Some(after) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
        let (minus, after) = match (after.strip_prefix(b"-"), after.strip_prefix(b"+")) {
            (Some(after), _) => (true, after),
            (None, after_plus) => (false, after_plus.unwrap_or(after)),
        };
        let (magnitude, after) = leading_digits(after);
        if magnitude.is_empty() {
            return None;
        }
        for b in magnitude {
            let digit = i64::from(b.wrapping_sub(b'0'));
            exponent = exponent
                .saturating_mul(10)
                .saturating_add(digit)
                .min(MAX_EXPONENT);
        }
        exponent = if minus {
            exponent.saturating_neg()
        } else {
            exponent
        };
        rest = after;
    }
    if !rest.is_empty() {
        return None;
    }
    digits.iter_mut().for_each(|b| *b = b.wrapping_sub(b'0'));
    let point = i64::try_from(whole.len()).ok()?.saturating_add(exponent);
    Some(Decimal {
        negative,
        digits,
        point,
    })
}

/// `rne(text · factor · 10^power)`.
fn scaled(text: &str, factor: u64, power: i64) -> Option<i64> {
    let mut number = parse(text)?;
    // Times the factor, digit by digit from the right; what is carried out stands before the digits.
    let mut carry = 0_u64;
    for digit in number.digits.iter_mut().rev() {
        let value = u64::from(*digit)
            .saturating_mul(factor)
            .saturating_add(carry);
        *digit = u8::try_from(value % 10).ok()?;
        carry = value / 10;
    }
    let mut digits = Vec::new();
    while carry > 0 {
        digits.insert(0, u8::try_from(carry % 10).ok()?);
        carry /= 10;
    }
    let carried = i64::try_from(digits.len()).ok()?;
    digits.append(&mut number.digits);
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..zeros);
    let point = number.point.saturating_add(power).saturating_add(carried);
    let point = point.saturating_sub(i64::try_from(zeros).ok()?);
    if digits.is_empty() || point < 0 {
        return Some(0);
    }
    // Nineteen digits may be too many, twenty always are.
    let point = usize::try_from(point).ok().filter(|point| *point < 20)?;
    let mut whole = 0_u64;
    for at in 0..point {
        let digit = digits.get(at).copied().unwrap_or(0);
        whole = whole.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    let rest = digits.get(point..).unwrap_or(&[]);
    let (first, behind) = rest.split_first().unwrap_or((&0, &[]));
    let more = behind.iter().any(|digit| *digit > 0);
    let up = *first > 5 || (*first == 5 && (more || whole & 1 == 1));
    let magnitude = i64::try_from(whole.checked_add(u64::from(up))?).ok()?;
    Some(if number.negative {
        magnitude.saturating_neg()
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_exact() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("-0.0e5", 0),
            ("1", 1_000_000),
            ("0.1", 100_000),
            ("1e-6", 1),
            ("0.0000005", 0),
            ("0.0000015", 2),
            ("0.00000050000000000000000000001", 1),
            ("2.5e-6", 2),
            ("3.5E-6", 4),
            ("-2.5e-6", -2),
            ("-3.5e-6", -4),
            ("1e+2", 100_000_000),
            ("9e-999999999999", 0),
            ("0e999999999999", 0),
            ("0.999999499999999999999999999999", 999_999),
            ("0.9999995", 1_000_000),
            ("100", 100_000_000),
            ("9223372036854.775807", i64::MAX),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_millionths(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            " 1",
            "1 ",
            "NaN",
            "0x1",
            "1e999999999999",
            "9223372036854.775808",
            "--1",
            "1.2.3",
        ] {
            assert_eq!(parse_millionths(text), None, "{text}");
        }
        let long = alloc::format!("0.{}", "1".repeat(255));
        assert_eq!(parse_millionths(&long), None);
        assert_eq!(parse_millionths(long.get(..256).unwrap()), Some(111_111));
    }

    #[test]
    fn logit_units_are_exact() {
        let cases = [
            ("1", 65_536),
            ("-100", -6_553_600),
            ("0.00000762939453125", 0),
            ("0.00002288818359375", 2),
            ("0.0000076293945312500001", 1),
            ("0.5", 32_768),
            ("1e2", 6_553_600),
            ("-0.1", -6_554),
            ("0.3", 19_661),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_logit_units(text), Some(expected), "{text}");
        }
    }
}
