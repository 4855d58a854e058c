//! The books of an auditor about one log: what is audited, what is fixed and waits, and what was found.
//!
//! Trust: whoever can write them can forget findings. What others are told is signed, and in the auditor's registry log.

use std::path::{Path, PathBuf};

use proofmark_confidence::Rate;
use proofmark_confidence::audit::{Beacon, Commitment, Ledger, Population, Round};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::CommandError;
use crate::files;
use crate::hex::{hex, hex32};

/// Books are small: this bounds what a damaged file can make us hold.
const BOOKS_MAX_BYTES: usize = 64 << 20;

/// A population that is fixed, and waits for its beacon or for the end of its audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    pub(super) size: u64,
    pub(super) root: String,
    /// Unix seconds at which it was fixed.
    pub(super) at: u64,
    pub(super) coin: Rate,
    /// Key id and digest of each auditor's commitment, if secrets of auditors make the beacon; fixed with the population.
    #[serde(default)]
    pub(super) round: Vec<(String, String)>,
    /// Once it is known it stays: an audit that was broken off goes on with the same coins.
    pub(super) beacon: Option<(u8, u64, String)>,
}

/// One finished run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) root: String,
    pub(super) audited_at: u64,
    pub(super) coin: Rate,
    pub(super) power: Rate,
    pub(super) auditable: u64,
    pub(super) without_permission: u64,
    pub(super) relayed: u64,
    pub(super) selected: u64,
    pub(super) audited: u64,
    pub(super) findings: u64,
}

/// Everything about one log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Books {
    /// Verifier key of the log.
    pub(super) log: String,
    pub(super) sealed: Option<Sealed>,
    pub(super) done: Vec<Done>,
}

/// Where the books about the log with this key lie.
pub(super) fn directory(data: &Path, vkey: &str) -> PathBuf {
    let digest = Sha256::digest(vkey.as_bytes());
    let name = hex(&digest);
    data.join("audits").join(name.get(..16).unwrap_or(&name))
}

impl Sealed {
    /// The round whose secrets make the beacon.
    pub(super) fn round(&self) -> Result<Option<Round>, CommandError> {
        if self.round.is_empty() {
            return Ok(None);
        }
        let read = |(kid, digest): &(String, String)| {
            let (kid, digest) = (hex32(kid)?, hex32(digest)?);
            Some(Commitment { kid, digest })
        };
        let commitments: Option<Vec<Commitment>> = self.round.iter().map(read).collect();
        commitments
            .and_then(|commitments| Round::new(commitments).ok())
            .map(Some)
            .ok_or_else(|| CommandError::internal("the books are damaged"))
    }

    pub(super) fn beacon(&self) -> Option<Beacon> {
        let (kind, number, value) = self.beacon.as_ref()?;
        Beacon::from_parts(*kind, *number, hex32(value)?)
    }
}

impl Books {
    /// The books in `directory`; new ones if there are none.
    pub(super) fn open(directory: &Path, vkey: &str) -> Result<Self, CommandError> {
        let path = directory.join("books.json");
        if !path.exists() {
            return Ok(Self {
                log: vkey.into(),
                sealed: None,
                done: Vec::new(),
            });
        }
        let text = files::read_text(&path, BOOKS_MAX_BYTES)?;
        let damaged = || CommandError::internal(format!("{} is damaged", path.display()));
        let books: Self = serde_json::from_str(&text).map_err(|error| damaged().because(error))?;
        if books.log != vkey {
            return Err(damaged().because("they are about another log"));
        }
        Ok(books)
    }

    pub(super) fn save(&self, directory: &Path) -> Result<(), CommandError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| {
            CommandError::internal("the books cannot be written").because(error)
        })?;
        files::replace(&directory.join("books.json"), &bytes, 0o600)
    }

    /// How far the log was audited.
    pub(super) fn audited_to(&self) -> u64 {
        self.done.last().map_or(0, |done| done.to)
    }

    /// All runs together, as one population. The coin is the smallest, the power the least.
    pub(super) fn total(&self) -> Population {
        let ledger = self.done.iter().fold(Ledger::default(), |sum, done| {
            sum.plus(&Ledger {
                auditable: done.auditable,
                without_permission: done.without_permission,
                relayed: done.relayed,
                selected: done.selected,
                audited: done.audited,
                findings: done.findings,
            })
        });
        let least = |rates: &mut dyn Iterator<Item = Rate>| rates.min().unwrap_or(Rate::ONE);
        Population {
            auditor: String::new(),
            log: self.log.clone(),
            from: self.done.first().map_or(0, |done| done.from),
            to: self.audited_to(),
            audited_at: self.done.last().map_or(0, |done| done.audited_at),
            coin: least(&mut self.done.iter().map(|done| done.coin)),
            ledger,
            power: least(&mut self.done.iter().map(|done| done.power)),
            power_alpha: Rate::ZERO,
        }
    }
}
