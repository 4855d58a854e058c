//! Rates and amounts as integers, so that bounds are exact and the same on every target (specs/06-confidence.md §1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units of a rate in 1.
const ONE: u64 = 1_000_000_000_000;
/// Decimal places of a rate.
const RATE_PLACES: usize = 12;
/// Units of money in a dollar.
const DOLLAR: u64 = 1_000_000;
/// Decimal places of an amount.
const MONEY_PLACES: usize = 6;
/// Longest text of a number, in bytes.
const NUMBER_MAX_BYTES: usize = 40;

/// A probability, share or level in \[0, 1\], in units of 10⁻¹².
///
/// Text: `0.5%`, `0.005`, `5e-3`, `1/200` is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rate(u64);

/// An amount of money in millionths of a US dollar, at most 2⁶³ − 1. Text: `$5_000`, `$0.25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(u64);

/// Why a text is no rate or amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NumberError {
    /// The text.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

const RATE_FORM: &str =
    "a rate from 0 to 1, such as 0.5%, 0.005 or 5e-3, with at most 12 decimal places";
const MONEY_FORM: &str = "an amount such as $5_000 or $0.25, with at most 6 decimal places";

impl Rate {
    /// Never.
    pub const ZERO: Self = Self(0);
    /// Always.
    pub const ONE: Self = Self(ONE);

    /// From units of 10⁻¹²; `None` above 1.
    pub fn from_units(units: u64) -> Option<Self> {
        (units <= ONE).then_some(Self(units))
    }

    /// From a number, rounded up to the next unit and held within \[0, 1\]. What is not a number is 1.
    pub fn at_least(value: f64) -> Self {
        let units = libm::ceil(value * ONE as f64);
        if units >= 0.0 && units <= ONE as f64 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an integer from 0 to 10^12"
            )]
            return Self(units as u64);
        }
        if units < 0.0 { Self::ZERO } else { Self::ONE }
    }

    /// Units of 10⁻¹².
    pub fn units(self) -> u64 {
        self.0
    }

    /// The nearest binary64.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// The sum, at most 1.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(ONE))
    }

    /// The product, rounded up.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let product = u128::from(self.0).saturating_mul(u128::from(other.0));
        let units = product.div_ceil(u128::from(ONE));
        Self(u64::try_from(units).unwrap_or(ONE))
    }

    /// What is left to 1.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(ONE.saturating_sub(self.0))
    }

    /// The difference, at least 0.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The share of each of `parts` equal parts, rounded down; all of it for 0 parts.
    #[must_use]
    pub fn split(self, parts: usize) -> Self {
        let parts = u64::try_from(parts).unwrap_or(u64::MAX);
        Self(self.0.checked_div(parts).unwrap_or(self.0))
    }
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// From millionths of a dollar; `None` above the largest amount.
    pub fn from_micros(micros: u64) -> Option<Self> {
        (micros <= Self::MAX.0).then_some(Self(micros))
    }

    /// Whole dollars, at most the largest amount.
    pub fn dollars(dollars: u64) -> Self {
        Self(dollars.saturating_mul(DOLLAR)).min(Self::MAX)
    }

    /// Millionths of a dollar.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// The sum, at most the largest amount.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0)).min(Self::MAX)
    }

    /// `n` times the amount, at most the largest amount.
    #[must_use]
    pub fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n)).min(Self::MAX)
    }
}

/// Reads `digits[.digits][e[-]digits]` times 10^`places` as an exact integer; underscores stand between digits.
fn parse_scaled(text: &str, places: usize, shift: i32) -> Option<u64> {
    if text.len() > NUMBER_MAX_BYTES {
        return None;
    }
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix('-').unwrap_or(exponent);
            if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit())
            {
                return None;
            }
            (mantissa, exponent.parse::<i32>().ok()?)
        }
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let digits = || whole.bytes().chain(fraction.bytes()).filter(|b| *b != b'_');
    let fraction_digits = fraction.bytes().filter(|b| *b != b'_').count();
    let mut value: u128 = 0;
    for digit in digits() {
        value = value
            .checked_mul(10)?
            .checked_add(u128::from(digit.checked_sub(b'0')?))?;
    }
    let fraction_digits = i32::try_from(fraction_digits).ok()?;
    let mut power = i32::try_from(places).ok()?.checked_add(exponent)?;
    power = power.checked_add(shift)?.checked_sub(fraction_digits)?;
    while power > 0 && value > 0 {
        value = value.checked_mul(10)?;
        power = power.checked_sub(1)?;
    }
    while power < 0 && value > 0 {
        if value.checked_rem(10)? != 0 {
            return None;
        }
        value = value.checked_div(10)?;
        power = power.checked_add(1)?;
    }
    u64::try_from(value).ok()
}

/// Digits, with single underscores between them.
fn is_digits(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && !text.starts_with('_')
        && !text.ends_with('_')
        && !text.contains("__")
}

impl FromStr for Rate {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let units = match text.strip_suffix('%') {
            Some(percent) => parse_scaled(percent, RATE_PLACES, -2),
            None => parse_scaled(text, RATE_PLACES, 0),
        };
        units.and_then(Self::from_units).ok_or_else(|| NumberError {
            text: text.into(),
            expected: RATE_FORM,
        })
    }
}

impl FromStr for Money {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let digits = text.strip_prefix('$');
        let micros = digits.and_then(|digits| parse_scaled(digits, MONEY_PLACES, 0));
        micros
            .and_then(Self::from_micros)
            .ok_or_else(|| NumberError {
                text: text.into(),
                expected: MONEY_FORM,
            })
    }
}

/// Decimal text of `value / 10^places` without trailing zeroes.
fn decimal(f: &mut fmt::Formatter<'_>, value: u64, one: u64, places: usize) -> fmt::Result {
    let whole = value.checked_div(one).unwrap_or(0);
    let fraction = value.checked_rem(one).unwrap_or(0);
    write!(f, "{whole}")?;
    if fraction > 0 {
        let digits = format!("{fraction:0places$}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    Ok(())
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(f, self.0, ONE / 100, RATE_PLACES - 2)?;
        f.write_str("%")
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        decimal(f, self.0, DOLLAR, MONEY_PLACES)
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(Rate);
as_text!(Money);

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn rates_are_read_exactly() {
        for (text, units) in [
            ("1%", 10_000_000_000),
            ("0.01", 10_000_000_000),
            ("1e-2", 10_000_000_000),
            ("99.5%", 995_000_000_000),
            ("100%", ONE),
            ("1", ONE),
            ("0", 0),
            ("1e-12", 1),
            ("0.000_000_000_001", 1),
        ] {
            assert_eq!(rate(text).units(), units, "{text}");
        }
        for text in [
            "", "%", "1.5", "101%", "1e-13", ".5", "5.", "-1%", "1_", "1__0%", "1e", "1e+2", "+1",
            "0x1", "NaN",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_read_exactly() {
        assert_eq!("$5_000".parse::<Money>().unwrap(), Money::dollars(5_000));
        assert_eq!("$0.25".parse::<Money>().unwrap().micros(), 250_000);
        assert_eq!(
            "$9223372036854.775807".parse::<Money>().unwrap(),
            Money::MAX
        );
        for text in [
            "5",
            "$",
            "$1.2345678",
            "$9223372036854.775808",
            "$1e99",
            "$-1",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for units in [0, 1, 10_000_000_000, 123_456_789_012, ONE - 1, ONE] {
            let rate = Rate::from_units(units).unwrap();
            assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }
        assert_eq!(rate("0.005").to_string(), "0.5%");
        assert_eq!(Money::dollars(20_000).to_string(), "$20000");
        assert_eq!(Money(1).to_string(), "$0.000001");
    }

    #[test]
    fn rounding_is_to_the_safe_side() {
        assert_eq!(Rate(1).times(Rate(1)), Rate(1));
        assert_eq!(rate("50%").times(rate("50%")), rate("25%"));
        assert_eq!(rate("60%").plus(rate("60%")), Rate::ONE);
        assert_eq!(Rate::at_least(1e-13), Rate(1));
        assert_eq!(Rate::at_least(f64::NAN), Rate::ONE);
        assert_eq!(Rate::at_least(-1.0), Rate::ZERO);
        assert_eq!(Rate::at_least(2.0), Rate::ONE);
        assert_eq!(rate("1%").split(3), Rate(3_333_333_333));
    }
}
