//! Dates as they stand in tables and policies: `2027-03-01`, UTC.

use std::fmt;
use std::str::FromStr;

use proofmark_verify::format_utc;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DAY_S: u64 = 86_400;

/// A day from 1970-01-01 to 9999-12-31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    days: u64,
}

/// A text that is no date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a date from 1970-01-01 to 9999-12-31, such as 2027-03-01")]
pub struct DateError {
    /// The text.
    pub text: String,
}

impl Date {
    /// The first second of the day, Unix time.
    pub fn start_s(self) -> u64 {
        self.days.saturating_mul(DAY_S)
    }

    /// From `(year, month, day)`, by counting years that begin in March; days that no month has are shifted into the next.
    fn of_civil(year: u64, month: u64, day: u64) -> Option<Self> {
        let year = if month > 2 {
            year
        } else {
            year.checked_sub(1)?
        };
        let years = year.checked_mul(365)?.checked_add(year / 4)?;
        let years = years.checked_sub(year / 100)?.checked_add(year / 400)?;
        let march_month = month.checked_add(9)? % 12;
        let months = march_month.checked_mul(153)?.checked_add(2)? / 5;
        let days = years.checked_add(months)?.checked_add(day)?;
        // 1970-01-01 by the same count.
        days.checked_sub(719_469).map(|days| Self { days })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format_utc(self.start_s());
        f.write_str(text.get(..10).unwrap_or_default())
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let error = || DateError { text: text.into() };
        let mut parts = text.splitn(3, '-').map(|part| {
            let digits = part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u64>().ok().filter(|_| digits)
        });
        let mut next = || parts.next().flatten().ok_or_else(error);
        let (year, month, day) = (next()?, next()?, next()?);
        // What is written back is what was read, so no day is shifted and no zero left out.
        Self::of_civil(year, month, day)
            .filter(|date| date.to_string() == text)
            .ok_or_else(error)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    /// From text, or from a date of TOML.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Toml(toml::value::Datetime),
        }
        let text = match Form::deserialize(deserializer)? {
            Form::Text(text) => text,
            Form::Toml(date) => date.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days() {
        for (text, day) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2026-11-20", 20_777),
            ("2027-03-01", 20_878),
        ] {
            let date: Date = text.parse().unwrap();
            assert_eq!((date.days, date.to_string().as_str()), (day, text));
        }
        for text in [
            "2027-02-29",
            "2027-13-01",
            "2027-1-1",
            "27-01-01",
            "1969-12-31",
            "2027-00-01",
            "2027-01-00",
            "2027-01-01-",
            "",
            "+027-01-01",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        let days: Vec<Date> = (0..=146_097).map(|days| Date { days }).collect();
        for date in days {
            assert_eq!(date.to_string().parse::<Date>().unwrap(), date);
        }
    }
}
