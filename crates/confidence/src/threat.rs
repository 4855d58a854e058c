//! The catalogue of threats (specs/06-confidence.md §2).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A way to cheat, by its number from 1 to 24.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threat(u8);

/// Name, and what is false because of it.
const CATALOGUE: [(&str, &str); Threat::COUNT] = [
    ("model-swap", "another model answered"),
    ("near-model", "a distilled or fine-tuned relative answered"),
    ("quantized-weights", "weights of fewer bits"),
    ("quantized-cache", "a key-value cache of fewer bits"),
    ("fewer-layers", "layers or experts left out, early exit"),
    (
        "unverified-draft",
        "speculative tokens that nobody verified",
    ),
    ("part-time-swap", "a swap in a share of the answers only"),
    ("prompt-edit", "another prompt was executed"),
    (
        "hidden-template",
        "a system prompt, template or tokenizer that the model's name hides",
    ),
    ("truncated-context", "a part of the context was dropped"),
    ("output-edit", "the answer was edited"),
    (
        "output-cut",
        "the answer was cut, or more tokens were billed",
    ),
    ("seed-grinding", "best of many seeds, another temperature"),
    ("stale-answer", "a cached or replayed answer"),
    ("false-time", "dated back or forth"),
    ("off-log", "answers that are in no log"),
    ("split-view", "different logs for different people"),
    ("stolen-key", "somebody else signed"),
    (
        "attestation-relay",
        "a quote of another machine, a stale or debug one, one that binds nothing",
    ),
    (
        "lazy-auditor",
        "a replayer who did not look, or is in league",
    ),
    ("ambiguous-model", "one digest, two meanings"),
    (
        "wrong-statement",
        "a malleable proof, another key, other public inputs",
    ),
    (
        "ground-beacon",
        "a beacon or coin that the audited could choose; audits refused where it suits",
    ),
    (
        "downgrade",
        "evidence stripped, parsers that differ, a verifier brought down",
    ),
];

/// What no evidence covers, whatever the vector says.
pub const NEVER_COVERED: [&str; 6] = [
    "that the answer is true or good",
    "that the model has no backdoor",
    "what the model was trained on",
    "data of tools and retrieval that nobody attested",
    "what happened before the user's client",
    "that a policy says what its author means",
];

impl Threat {
    /// How many there are.
    pub const COUNT: usize = 24;

    /// Threat number `number`; `None` if there is none.
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number as usize <= Self::COUNT {
            Some(Self(number))
        } else {
            None
        }
    }

    /// All, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=24).filter_map(Self::new)
    }

    /// Its number, from 1.
    pub fn number(self) -> u8 {
        self.0
    }

    fn entry(self) -> (&'static str, &'static str) {
        let at = usize::from(self.0).saturating_sub(1);
        CATALOGUE.get(at).copied().unwrap_or_default()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// What is false because of it.
    pub fn says(self) -> &'static str {
        self.entry().1
    }
}

impl fmt::Display for Threat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{:02}", self.0)
    }
}

impl fmt::Debug for Threat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Threat {
    type Err = UnknownThreat;

    fn from_str(text: &str) -> Result<Self, UnknownThreat> {
        let number = text.strip_prefix('T').filter(|digits| digits.len() == 2);
        let number = number.and_then(|digits| digits.parse().ok());
        number
            .and_then(Self::new)
            .filter(|threat| threat.to_string() == text)
            .ok_or_else(|| UnknownThreat { text: text.into() })
    }
}

/// A text that names no threat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no threat; they are T01 to T24")]
pub struct UnknownThreat {
    /// The text.
    pub text: String,
}

impl Serialize for Threat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A set of threats, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Threats(u32);

impl Threats {
    /// No threats.
    pub const NONE: Self = Self(0);

    /// Whether `threat` is a member.
    pub fn contains(self, threat: Threat) -> bool {
        self.0 & (1 << threat.0) != 0
    }

    /// With `threat`.
    #[must_use]
    pub fn with(self, threat: Threat) -> Self {
        Self(self.0 | (1 << threat.0))
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same for numbers that are known when the program is built.
    pub(crate) const fn of_const(numbers: &[u8]) -> Self {
        let (mut bits, mut rest) = (0, numbers);
        while let [first, others @ ..] = rest {
            if Threat::new(*first).is_some() {
                bits |= 1 << *first;
            }
            rest = others;
        }
        Self(bits)
    }

    /// Those of `self` that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The numbers in `numbers`; those that are no threat are left out.
    pub fn of(numbers: impl IntoIterator<Item = u8>) -> Self {
        numbers
            .into_iter()
            .filter_map(Threat::new)
            .fold(Self::NONE, Self::with)
    }

    /// The members in order.
    pub fn iter(self) -> impl Iterator<Item = Threat> {
        Threat::all().filter(move |threat| self.contains(*threat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the specification is the catalogue.
    #[test]
    fn the_catalogue_is_the_specification() {
        let spec = include_str!("../../../specs/06-confidence.md");
        let rows: Vec<String> = spec
            .lines()
            .filter(|line| line.starts_with("| T"))
            .map(str::to_owned)
            .collect();
        let ours: Vec<String> = Threat::all()
            .map(|t| format!("| {t} | {} | {} |", t.name(), t.says()))
            .collect();
        assert_eq!(rows, ours);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for threat in Threat::all() {
            assert_eq!(threat.to_string().parse::<Threat>().unwrap(), threat);
        }
        for text in ["T00", "T25", "T1", "t01", "T+1", "T001", ""] {
            assert!(text.parse::<Threat>().is_err(), "{text}");
        }
    }
}
