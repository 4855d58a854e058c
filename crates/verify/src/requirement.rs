//! What somebody requires of a receipt: a set, because grades are a partial order (specs/01-receipt.md §11.3).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// One thing that can be required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Required {
    /// A receipt at all: the gateway handed this over, and got that back.
    Relayed,
    /// The node says that it ran the model itself.
    Signed,
    /// The signing key is bound to a measured TEE.
    Attested,
    /// Re-executed by somebody else who is rooted.
    Replayed,
    /// Proven.
    Proven,
    /// In the public log.
    Logged,
    /// In the public log, seen by a quorum of independent witnesses.
    Witnessed,
    /// The key was not revoked, as of a witnessed snapshot.
    Unrevoked,
    /// In a population that a rooted auditor audited.
    Audited,
    /// The answer is opened by the bundle, or is the one given.
    Answer,
    /// The question is opened by the bundle, or is the one given.
    Question,
}

const NAMES: [(Required, &str); 11] = [
    (Required::Relayed, "relayed"),
    (Required::Signed, "signed"),
    (Required::Attested, "attested"),
    (Required::Replayed, "replayed"),
    (Required::Proven, "proven"),
    (Required::Logged, "logged"),
    (Required::Witnessed, "witnessed"),
    (Required::Unrevoked, "unrevoked"),
    (Required::Audited, "audited"),
    (Required::Answer, "answer"),
    (Required::Question, "question"),
];

impl Required {
    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(required, _)| *required)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(required, _)| *required == self)
            .map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of requirements, each of which must be met. Text form: names with commas between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement(BTreeSet<Required>);

/// A name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} can't be required; known: relayed, signed, attested, replayed, proven, logged, witnessed, unrevoked, audited, answer, question"
)]
pub struct RequirementError {
    /// The name.
    pub name: String,
}

impl Requirement {
    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = Required> {
        self.0.iter().copied()
    }

    /// Whether `required` is a member.
    pub fn contains(&self, required: Required) -> bool {
        self.0.contains(&required)
    }

    /// Whether nothing is required beyond an accepted receipt.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Required> for Requirement {
    fn from_iter<T: IntoIterator<Item = Required>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| {
                let known = NAMES.iter().find(|(_, known)| *known == name);
                known
                    .map(|(required, _)| *required)
                    .ok_or_else(|| RequirementError { name: name.into() })
            })
            .collect()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, required) in self.iter().enumerate() {
            write!(f, "{}{required}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
