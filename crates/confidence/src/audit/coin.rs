//! Who is audited: coins from public randomness of a later moment (specs/06-confidence.md §8).

use sha2::{Digest as _, Sha256};

use crate::Rate;

/// Where the randomness is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeaconSource {
    /// A round of drand: its randomness.
    Drand {
        /// Number of the round.
        round: u64,
    },
    /// A block of a public chain: its hash.
    Block {
        /// Its height.
        height: u64,
    },
    /// Secrets that auditors had committed to before the population was fixed.
    CommitReveal,
}

/// Public randomness of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// Where it is from.
    pub source: BeaconSource,
    /// Its 32 bytes.
    pub value: [u8; 32],
}

/// One auditor's part in a commit–reveal beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reveal {
    /// Key id of the auditor.
    pub kid: [u8; 32],
    /// What it had committed to.
    pub commitment: [u8; 32],
    /// What it reveals.
    pub secret: [u8; 32],
}

/// Why secrets make no beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevealError {
    /// Nobody takes part.
    #[error("nobody revealed a secret")]
    Empty,
    /// One auditor twice.
    #[error("one auditor takes part twice")]
    Twice,
    /// A secret that was not committed to.
    #[error("a secret is not the one that was committed to")]
    NotCommitted,
}

/// What an auditor commits to.
pub fn commitment(kid: &[u8; 32], secret: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"proofmark/audit/1/commit\n");
    hash.update(kid);
    hash.update(secret);
    hash.finalize().into()
}

impl Beacon {
    /// The beacon of auditors who revealed; their order does not matter.
    pub fn of_reveals(reveals: &[Reveal]) -> Result<Self, RevealError> {
        let mut sorted: Vec<&Reveal> = reveals.iter().collect();
        sorted.sort_by_key(|reveal| reveal.kid);
        if sorted.is_empty() {
            return Err(RevealError::Empty);
        }
        if sorted
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.kid == b.kid))
        {
            return Err(RevealError::Twice);
        }
        let mut hash = Sha256::new();
        for reveal in sorted {
            if commitment(&reveal.kid, &reveal.secret) != reveal.commitment {
                return Err(RevealError::NotCommitted);
            }
            hash.update(reveal.secret);
        }
        Ok(Self {
            source: BeaconSource::CommitReveal,
            value: hash.finalize().into(),
        })
    }

    /// Its number: 1 drand, 2 block, 3 commit–reveal; and round, height or 0.
    pub fn kind(&self) -> (u8, u64) {
        match self.source {
            BeaconSource::Drand { round } => (1, round),
            BeaconSource::Block { height } => (2, height),
            BeaconSource::CommitReveal => (3, 0),
        }
    }

    /// From its numbers; `None` if there is no such kind, or the third has a number.
    pub fn from_parts(kind: u8, number: u64, value: [u8; 32]) -> Option<Self> {
        let source = match (kind, number) {
            (1, round) => BeaconSource::Drand { round },
            (2, height) => BeaconSource::Block { height },
            (3, 0) => BeaconSource::CommitReveal,
            _ => return None,
        };
        Some(Self { source, value })
    }

    fn digest(&self) -> [u8; 32] {
        let (kind, number) = self.kind();
        let mut hash = Sha256::new();
        hash.update(b"proofmark/audit/1/beacon\n");
        hash.update([kind]);
        hash.update(number.to_be_bytes());
        hash.update(self.value);
        hash.finalize().into()
    }

    /// Coins over the leaves of the log with this origin.
    pub fn coins(&self, origin: &str) -> Coins {
        let mut prefix = Sha256::new();
        prefix.update(b"proofmark/audit/1/coin\n");
        prefix.update(self.digest());
        prefix.update((origin.len() as u64).to_be_bytes());
        prefix.update(origin);
        Coins { prefix }
    }
}

/// Coins of one beacon over one log. Stateless: anybody recomputes who had to be audited.
#[derive(Debug, Clone)]
pub struct Coins {
    prefix: Sha256,
}

impl Coins {
    /// The coin of the leaf at `index`.
    pub fn toss(&self, index: u64, leaf: &[u8]) -> u64 {
        let mut hash = self.prefix.clone();
        hash.update(index.to_be_bytes());
        hash.update(leaf);
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether the leaf is audited under coins of probability `coin`.
    pub fn selects(&self, index: u64, leaf: &[u8], coin: Rate) -> bool {
        if coin == Rate::ONE {
            return true;
        }
        let threshold = u128::from(coin.units()) << 64_u32;
        let threshold = threshold
            .checked_div(u128::from(Rate::ONE.units()))
            .unwrap_or(0);
        u128::from(self.toss(index, leaf)) < threshold
    }
}
