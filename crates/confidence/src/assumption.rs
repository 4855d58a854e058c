//! Assumptions: what a verdict rests on and does not check, in dated tables that the user owns (specs/06-confidence.md §3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Date, Money, Rate};

/// The format that a table names.
const FORMAT: &str = "proofmark:assumptions:1";
/// Most records in a table.
const RECORDS_MAX: usize = 1_024;
/// Longest id, in bytes.
const ID_MAX_BYTES: usize = 64;
/// Longest table, in bytes.
pub const TABLE_MAX_BYTES: usize = 1 << 20;

/// The table that is shipped: figures with sources, for nobody but whoever adopts them.
const ADVISORY: &str = include_str!("../tables/advisory.toml");

/// What else breaks when an assumption breaks, from the narrowest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// This receipt alone.
    Receipt,
    /// All receipts of one machine.
    Device,
    /// All receipts of one operator.
    Operator,
    /// All receipts of one generation of hardware.
    Generation,
    /// Everybody's.
    Global,
}

/// Who may cheat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The node that issued, and its operator.
    Provider,
    /// Whoever sits between the node and its client.
    Network,
    /// Any one replayer or auditor.
    Auditor,
    /// The operator of the log.
    Log,
}

/// An assumption that can fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumption {
    /// Its id.
    pub id: String,
    /// It in words.
    pub says: String,
    /// Upper bound on the probability that it fails; none: it is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<Rate>,
    /// What it costs to break it once; none: no figure, and no attack through it is priced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_cost: Option<Money>,
    /// What each exploited receipt costs beyond that.
    #[serde(default)]
    pub marginal_cost: Money,
    /// What else breaks with it.
    pub scope: Scope,
    /// Who can break it at will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Party>,
    /// Whether every evidence rests on it.
    #[serde(default)]
    pub common: bool,
    /// Where the figures are from.
    pub source: String,
    /// As of when.
    pub as_of: Date,
    /// From this day on it is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Known to be broken since this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Date>,
}

/// A table of assumptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumptionTable {
    /// Its name.
    pub name: String,
    /// As of when.
    pub as_of: Date,
    records: BTreeMap<String, Assumption>,
}

/// Why a table is not usable. All are faults of whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Not TOML of this shape.
    #[error("not a table of assumptions: {0}")]
    Toml(String),
    /// Of another format.
    #[error("the format is {got:?}; expected {FORMAT:?}")]
    Format {
        /// What stands there.
        got: String,
    },
    /// More than a reader takes.
    #[error("the table has {got} {what}; at most {limit}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How much.
        got: usize,
        /// The bound.
        limit: usize,
    },
    /// An id that is none.
    #[error("{id:?} is no id; expected 1 to 64 of a-z, 0-9, dot, hyphen, colon")]
    Id {
        /// What stands there.
        id: String,
    },
    /// Two records of one id.
    #[error("the assumption {id:?} is there twice")]
    Duplicate {
        /// The id.
        id: String,
    },
    /// Figures without a source are nobody's.
    #[error("the assumption {id:?} has no source")]
    NoSource {
        /// The id.
        id: String,
    },
}

impl TableError {
    /// Stable code of specs/06-confidence.md §10.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "confidence.table.too-large",
            _ => "confidence.table.malformed",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    name: String,
    as_of: Date,
    #[serde(default)]
    assumption: Vec<Assumption>,
}

/// Whether `id` can name an assumption.
pub(crate) fn is_id(id: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:".contains(&b);
    (1..=ID_MAX_BYTES).contains(&id.len()) && id.bytes().all(known)
}

impl AssumptionTable {
    /// Reads a table and checks it.
    pub fn from_toml(text: &str) -> Result<Self, TableError> {
        too_large("bytes", text.len(), TABLE_MAX_BYTES)?;
        let file: File =
            toml::from_str(text).map_err(|error| TableError::Toml(error.to_string()))?;
        if file.format != FORMAT {
            return Err(TableError::Format { got: file.format });
        }
        too_large("records", file.assumption.len(), RECORDS_MAX)?;
        let mut table = Self {
            name: file.name,
            as_of: file.as_of,
            records: BTreeMap::new(),
        };
        for record in file.assumption {
            let id = record.id.clone();
            if !is_id(&id) {
                return Err(TableError::Id { id });
            }
            if record.source.trim().is_empty() {
                return Err(TableError::NoSource { id });
            }
            if table.records.insert(id.clone(), record).is_some() {
                return Err(TableError::Duplicate { id });
            }
        }
        Ok(table)
    }

    /// The table that is shipped. Its figures are advisory: who relies on a table owns it.
    pub fn advisory() -> Result<Self, TableError> {
        Self::from_toml(ADVISORY)
    }

    /// Text of the shipped table, to begin one's own from.
    pub fn advisory_toml() -> &'static str {
        ADVISORY
    }

    /// The record of `id`, or of what stands before its first colon.
    pub fn find(&self, id: &str) -> Option<&Assumption> {
        let general = || {
            id.split_once(':')
                .and_then(|(general, _)| self.records.get(general))
        };
        self.records.get(id).or_else(general)
    }

    /// The records in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Assumption> {
        self.records.values()
    }
}

fn too_large(what: &'static str, got: usize, limit: usize) -> Result<(), TableError> {
    if got > limit {
        return Err(TableError::TooLarge { what, got, limit });
    }
    Ok(())
}
