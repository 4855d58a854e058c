//! Why a text is no policy: where, what stands there, what was expected.

use std::fmt;

/// A place in a text: line and column from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is no policy. All are faults of whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not of the grammar.
    #[error("{at}: expected {expected}, found {found}")]
    Syntax {
        /// Where.
        at: Place,
        /// What may stand there.
        expected: String,
        /// What does.
        found: String,
    },
    /// Not JSON or TOML of the right shape.
    #[error("not a policy: {0}")]
    Form(String),
    /// A bound of the grammar.
    #[error("{what} exceed {limit}")]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// It means nothing, or nothing that holds together.
    #[error("{why}")]
    Meaning {
        /// Stable code of specs/07-policy.md §2.
        code: &'static str,
        /// Why.
        why: String,
    },
}

impl PolicyError {
    /// Stable code of specs/07-policy.md §2.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } | Self::Form(_) => "policy.malformed",
            Self::TooLarge { .. } => "policy.too-large",
            Self::Meaning { code, .. } => code,
        }
    }

    /// Where in the text form, if it is about one place.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Syntax { at, .. } => Some(*at),
            _ => None,
        }
    }
}
