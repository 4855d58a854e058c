//! Moves of a dispute and their bytes (specs/08-referee.md §5.1, §5.3).

use alloc::vec::Vec;

use proofmark_receipt::cbor::{Decoder, Encoder};
use proofmark_receipt::{PublicKey, SignedObject, SigningKey, Suite, Typ};
use proofmark_tlog::Hash;
use sha2::{Digest as _, Sha256};

use crate::RefereeError;
use crate::claim::SubjectOpening;
use crate::error::malformed;
use crate::fraud::{MAX_PROOF_BYTES, within};
use crate::opening::{StepOpening, hash};
use crate::statement::SignedTrace;

/// Domain separator of a move's digest.
pub const MOVE_DOMAIN: &[u8] = b"proofmark/referee/1/move\n";

/// What a party does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// The challenger opens the dispute.
    Challenge {
        /// Its key.
        key: PublicKey,
        /// What the dispute is about.
        subject: SubjectOpening,
    },
    /// The executor commits to its trace.
    Commit {
        /// The signed root.
        trace: SignedTrace,
        /// The frontier below it.
        frontier: Vec<Hash>,
    },
    /// The challenger goes on below a node of the frontier.
    Descend {
        /// Index in the frontier.
        index: u64,
    },
    /// The executor shows what is below it.
    Reveal {
        /// The row root, if the node is a leaf of the upper tree.
        row_root: Option<Hash>,
        /// The frontier.
        frontier: Vec<Hash>,
    },
    /// The executor shows the tile, if the node is a leaf of a row.
    Show {
        /// Its bytes.
        tile: Vec<u8>,
    },
    /// The challenger shows that a tile is wrong.
    Accuse {
        /// The step.
        step: StepOpening,
    },
    /// The challenger finds nothing wrong.
    Concede,
    /// The referee's word that a party was too late.
    Expire,
}

impl Move {
    fn encode(&self, e: &mut Encoder) {
        let hashes = |e: &mut Encoder, hashes: &[Hash]| {
            e.array(hashes.len());
            for hash in hashes {
                e.bytes(hash.as_bytes());
            }
        };
        match self {
            Self::Challenge { key, subject } => {
                e.array(3).uint(0).bytes(key.as_bytes());
                subject.encode(e);
            }
            Self::Commit { trace, frontier } => {
                e.array(3).uint(1).bytes(trace.as_bytes());
                hashes(e, frontier);
            }
            Self::Descend { index } => {
                e.array(2).uint(2).uint(*index);
            }
            Self::Reveal { row_root, frontier } => {
                e.array(3).uint(3);
                match row_root {
                    Some(root) => e.bytes(root.as_bytes()),
                    None => e.null(),
                };
                hashes(e, frontier);
            }
            Self::Show { tile } => {
                e.array(2).uint(4).bytes(tile);
            }
            Self::Accuse { step } => {
                e.array(2).uint(5);
                step.encode(e);
            }
            Self::Concede => {
                e.array(1).uint(6);
            }
            Self::Expire => {
                e.array(1).uint(9);
            }
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, RefereeError> {
        let parts = d.array()?;
        Ok(match (d.uint()?, parts) {
            (0, 3) => Self::Challenge {
                key: PublicKey::new(Suite::Ed25519, d.bytes()?)?,
                subject: SubjectOpening::decode(d)?,
            },
            (1, 3) => Self::Commit {
                trace: SignedTrace::decode(d.bytes()?)?,
                frontier: d.list(hash)?,
            },
            (2, 2) => Self::Descend { index: d.uint()? },
            (3, 3) => Self::Reveal {
                row_root: if d.peek_null() {
                    d.null()?;
                    None
                } else {
                    Some(hash(d)?)
                },
                frontier: d.list(hash)?,
            },
            (4, 2) => Self::Show {
                tile: d.bytes()?.to_vec(),
            },
            (5, 2) => Self::Accuse {
                step: StepOpening::decode(d)?,
            },
            (6, 1) => Self::Concede,
            (9, 1) => Self::Expire,
            _ => return Err(malformed("a known move")),
        })
    }
}

/// Where in which dispute a move stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    /// The dispute.
    pub(crate) dispute: [u8; 32],
    /// Number of the move.
    pub(crate) number: u64,
    /// Digest of the move before.
    pub(crate) previous: [u8; 32],
}

impl Seat {
    /// Where a challenge stands.
    pub(crate) const FIRST: Self = Self {
        dispute: [0; 32],
        number: 0,
        previous: [0; 32],
    };
}

/// Digest of a signed move.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(MOVE_DOMAIN);
    sha.update(bytes);
    sha.finalize().into()
}

/// Signs a move.
pub(crate) fn sign(seat: &Seat, body: &Move, key: &SigningKey) -> Vec<u8> {
    let mut e = Encoder::new();
    e.array(5)
        .uint(1)
        .bytes(&seat.dispute)
        .uint(seat.number)
        .bytes(&seat.previous);
    body.encode(&mut e);
    let signed = SignedObject::sign(Typ::Dispute, e.into_bytes(), key);
    signed.as_bytes().to_vec()
}

/// A signed move of which only the outer shape was read.
pub(crate) struct Received {
    object: SignedObject,
}

impl Received {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RefereeError> {
        within(bytes.len(), "bytes of a move")?;
        let object = SignedObject::decode(Typ::Dispute, bytes, MAX_PROOF_BYTES)?;
        Ok(Self { object })
    }

    pub(crate) fn body(&self) -> Result<Move, RefereeError> {
        let (_, mut d) = Self::seat(self.object.unverified())?;
        let body = Move::decode(&mut d)?;
        d.finish()?;
        Ok(body)
    }

    fn seat(payload: &[u8]) -> Result<(Seat, Decoder<'_>), RefereeError> {
        let mut d = Decoder::new(payload);
        d.array_exact(5)?;
        if d.uint()? != 1 {
            return Err(malformed("a move of this version"));
        }
        let seat = Seat {
            dispute: d.array_of()?,
            number: d.uint()?,
            previous: d.array_of()?,
        };
        Ok((seat, d))
    }

    /// That `key` signed it for this place. Nothing else can be held against whoever has the key.
    pub(crate) fn check(&self, seat: &Seat, key: &PublicKey) -> Result<(), RefereeError> {
        let ignored = |what| RefereeError::Ignored { what };
        let payload = self.object.verify(key);
        let payload = payload.map_err(|_| ignored("it is not signed by its key"))?;
        let (found, _) = Self::seat(payload).map_err(|_| ignored("it has no place"))?;
        if found == *seat {
            return Ok(());
        }
        Err(ignored("it is for another place or another dispute"))
    }
}
