//! Three values, with Kleene's connectives (specs/07-policy.md §3.3).

use serde::Serialize;

/// Whether something holds. The order is that of the values: `and` is the least, `or` the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    /// It does not hold.
    False,
    /// It could not be checked.
    Unknown,
    /// It holds.
    True,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Truth {
    /// All of them; true for none.
    pub fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().min().unwrap_or(Self::True)
    }

    /// At least one of them; false for none.
    pub fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().max().unwrap_or(Self::False)
    }
}
