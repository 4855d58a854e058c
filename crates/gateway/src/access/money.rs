//! Amounts of money, exact.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nano-dollars in one dollar.
const NANO: f64 = 1e9;

/// Largest amount that is taken from a file, in dollars.
const MAX_USD: f64 = 1e9;

/// An amount in 1e-9 US dollars. In files it is a number of dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NanoUsd(pub u64);

/// A number that is not an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("expected an amount from 0 to 1e9 US dollars, got {got}")]
pub struct UsdError {
    /// The number.
    pub got: f64,
}

impl NanoUsd {
    /// From dollars, to the nearest nano-dollar.
    ///
    /// # Errors
    /// [`UsdError`] for negative numbers, those above a milliard, and what is no number.
    pub fn from_usd(usd: f64) -> Result<Self, UsdError> {
        if !(0.0..=MAX_USD).contains(&usd) {
            return Err(UsdError { got: usd });
        }
        // At most 1e18, which is below u64::MAX.
        Ok(Self((usd * NANO).round() as u64))
    }

    /// In dollars, for displays.
    #[must_use]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / NANO
    }
}

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, nano) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let fraction = format!("{nano:09}");
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() {
            write!(f, "{whole}")
        } else {
            write!(f, "{whole}.{fraction}")
        }
    }
}

impl Serialize for NanoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_usd())
    }
}

impl<'de> Deserialize<'de> for NanoUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usd = f64::deserialize(deserializer)?;
        Self::from_usd(usd).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_exactly() {
        for (usd, nano) in [
            (0.0, 0),
            (0.15, 150_000_000),
            (12.5, 12_500_000_000),
            (0.000_000_001, 1),
            (1e9, 1_000_000_000_000_000_000),
        ] {
            assert_eq!(NanoUsd::from_usd(usd), Ok(NanoUsd(nano)));
        }
        for wrong in [-0.1, 1e9 + 1.0, f64::NAN, f64::INFINITY] {
            assert!(NanoUsd::from_usd(wrong).is_err());
        }
    }

    #[test]
    fn amounts_are_shown_without_needless_digits() {
        assert_eq!(NanoUsd(12_500_000_000).to_string(), "12.5");
        assert_eq!(NanoUsd(3_000_000_000).to_string(), "3");
        assert_eq!(NanoUsd(1).to_string(), "0.000000001");
    }

    #[test]
    fn a_file_may_have_an_integer_or_a_fraction() {
        #[derive(Deserialize)]
        struct Line {
            usd: NanoUsd,
        }
        let read = |text: &str| toml::from_str::<Line>(text).map(|line| line.usd.0);
        assert_eq!(read("usd = 2").unwrap(), 2_000_000_000);
        assert_eq!(read("usd = 0.25").unwrap(), 250_000_000);
        assert!(read("usd = -1").is_err());
        assert!(read("usd = nan").is_err());
        assert!(read("usd = \"1\"").is_err());
    }
}
