//! Randomness that auditors make together: all commit, all reveal (specs/06-confidence.md §8.3).

use sha2::{Digest as _, Sha256};

use super::{Beacon, BeaconSource};

/// Most auditors of one round.
pub const ROUND_MAX_AUDITORS: usize = 64;

/// What one auditor committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Commitment {
    /// Key id of the auditor.
    pub kid: [u8; 32],
    /// Digest of its secret ([`commitment`]).
    pub digest: [u8; 32],
}

/// What one auditor revealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reveal {
    /// Key id of the auditor.
    pub kid: [u8; 32],
    /// Its secret.
    pub secret: [u8; 32],
}

/// The commitments of one round, fixed before the population is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// In ascending order of distinct key ids.
    commitments: Vec<Commitment>,
}

/// Why commitments make no round, or secrets no beacon of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoundError {
    /// Nobody takes part, or too many.
    #[error("{got} auditors committed: a round is of 1 to {ROUND_MAX_AUDITORS}")]
    Size {
        /// How many.
        got: usize,
    },
    /// One auditor twice.
    #[error("one auditor takes part twice")]
    Twice,
    /// Somebody reveals who did not commit.
    #[error("a secret of somebody who did not commit")]
    Stranger {
        /// Who.
        kid: [u8; 32],
    },
    /// A secret that was not committed to.
    #[error("a secret is not the one that was committed to")]
    NotCommitted {
        /// Whose.
        kid: [u8; 32],
    },
    /// Secrets that were committed to are not revealed: the round has no value ([`Round::void`]).
    #[error("{} of the secrets that were committed to are withheld", kids.len())]
    Withheld {
        /// Whose.
        kids: Vec<[u8; 32]>,
    },
}

/// What an auditor commits to.
pub fn commitment(kid: &[u8; 32], secret: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"proofmark/audit/1/commit\n");
    hash.update(kid);
    hash.update(secret);
    hash.finalize().into()
}

impl Round {
    /// The round of these commitments, in whatever order they come.
    ///
    /// # Errors
    /// Nobody, too many, or one auditor twice.
    pub fn new(mut commitments: Vec<Commitment>) -> Result<Self, RoundError> {
        if !(1..=ROUND_MAX_AUDITORS).contains(&commitments.len()) {
            return Err(RoundError::Size {
                got: commitments.len(),
            });
        }
        commitments.sort_unstable();
        let twice = |pair: &[Commitment]| matches!(pair, [a, b] if a.kid == b.kid);
        if commitments.windows(2).any(twice) {
            return Err(RoundError::Twice);
        }
        Ok(Self { commitments })
    }

    /// Its commitments, in ascending order of key ids.
    pub fn commitments(&self) -> &[Commitment] {
        &self.commitments
    }

    /// R: names the round, and with it who has to reveal what.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"proofmark/audit/1/round\n");
        hash.update((self.commitments.len() as u64).to_be_bytes());
        for commitment in &self.commitments {
            hash.update(commitment.kid);
            hash.update(commitment.digest);
        }
        hash.finalize().into()
    }

    /// The beacon, once every secret is revealed. The order of `reveals` does not matter.
    ///
    /// # Errors
    /// A secret that is withheld, of somebody else, twice, or not the one that was committed to.
    pub fn open(&self, reveals: &[Reveal]) -> Result<Beacon, RoundError> {
        let missing = self.missing(reveals)?;
        if !missing.is_empty() {
            return Err(RoundError::Withheld { kids: missing });
        }
        let mut sorted: Vec<&Reveal> = reveals.iter().collect();
        sorted.sort_unstable_by_key(|reveal| reveal.kid);
        let mut hash = Sha256::new();
        hash.update(b"proofmark/audit/1/reveal\n");
        hash.update(self.digest());
        for reveal in sorted {
            hash.update(reveal.secret);
        }
        Ok(Beacon {
            source: BeaconSource::CommitReveal,
            value: hash.finalize().into(),
        })
    }

    /// What takes the beacon's place where secrets are withheld ([`RoundError::Withheld`] says whose): everything is audited. `None` if
    /// none is.
    ///
    /// # Errors
    /// As [`Round::open`], but for the secrets that are withheld.
    pub fn void(&self, reveals: &[Reveal]) -> Result<Option<Beacon>, RoundError> {
        let withheld = self.missing(reveals)?.len() as u64;
        Ok((withheld > 0).then(|| Beacon {
            source: BeaconSource::Void { withheld },
            value: self.digest(),
        }))
    }

    /// Who committed and did not reveal. What is revealed is checked.
    fn missing(&self, reveals: &[Reveal]) -> Result<Vec<[u8; 32]>, RoundError> {
        let mut missing: Vec<[u8; 32]> = self.commitments.iter().map(|c| c.kid).collect();
        for reveal in reveals {
            let kid = reveal.kid;
            let own = self.commitments.iter().find(|c| c.kid == kid);
            let own = own.ok_or(RoundError::Stranger { kid })?;
            if commitment(&kid, &reveal.secret) != own.digest {
                return Err(RoundError::NotCommitted { kid });
            }
            let before = missing.len();
            missing.retain(|waited| *waited != kid);
            if missing.len() == before {
                return Err(RoundError::Twice);
            }
        }
        Ok(missing)
    }
}
