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
    /// Secrets that auditors had committed to before the population was fixed, all of them revealed.
    CommitReveal,
    /// A round of which secrets were withheld: everything is audited.
    Void {
        /// How many; above 0.
        withheld: u64,
    },
}

/// Public randomness of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// Where it is from.
    pub source: BeaconSource,
    /// Its 32 bytes.
    pub value: [u8; 32],
}

impl Beacon {
    /// Its number: 1 drand, 2 block, 3 commit–reveal; and round, height, or how many secrets were withheld.
    pub fn kind(&self) -> (u8, u64) {
        match self.source {
            BeaconSource::Drand { round } => (1, round),
            BeaconSource::Block { height } => (2, height),
            BeaconSource::CommitReveal => (3, 0),
            BeaconSource::Void { withheld } => (3, withheld),
        }
    }

    /// From its numbers; `None` if there is no such kind.
    pub fn from_parts(kind: u8, number: u64, value: [u8; 32]) -> Option<Self> {
        let source = match (kind, number) {
            (1, round) => BeaconSource::Drand { round },
            (2, height) => BeaconSource::Block { height },
            (3, 0) => BeaconSource::CommitReveal,
            (3, withheld) => BeaconSource::Void { withheld },
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
        Coins {
            prefix,
            whole: matches!(self.source, BeaconSource::Void { .. }),
        }
    }
}

/// Coins of one beacon over one log. Stateless: anybody recomputes who had to be audited.
#[derive(Debug, Clone)]
pub struct Coins {
    prefix: Sha256,
    /// No coin is tossed: everything is audited.
    whole: bool,
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
        if self.whole || coin == Rate::ONE {
            return true;
        }
        let threshold = u128::from(coin.units()) << 64_u32;
        let threshold = threshold
            .checked_div(u128::from(Rate::ONE.units()))
            .unwrap_or(0);
        u128::from(self.toss(index, leaf)) < threshold
    }
}
