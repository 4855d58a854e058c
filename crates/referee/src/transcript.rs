//! The record of a dispute, which anyone judges again (specs/08-referee.md §5.6).

use alloc::vec::Vec;

use proofmark_receipt::cbor::{Decoder, Encoder};
use proofmark_receipt::{PublicKey, SignedReceipt, Suite};

use crate::RefereeError;
use crate::error::malformed;
use crate::game::{Game, Verdict};

/// Longest transcript in bytes.
pub const MAX_TRANSCRIPT_BYTES: usize = 32 << 20;
const PROFILE: &str = "proofmark:dispute:draft-1";

/// One entry of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A party's signed move.
    Move(Vec<u8>),
    /// The referee's signed word that a party was too late.
    Expiry(Vec<u8>),
}

/// All moves of a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// The signed receipt.
    pub receipt: Vec<u8>,
    /// The receipt's public key.
    pub executor: PublicKey,
    /// The referee's key; only its word on deadlines is believed.
    pub referee: Option<PublicKey>,
    /// The challenge and what followed.
    pub events: Vec<Event>,
}

/// What came of judging a transcript.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// The referee, if the verdict is its word on a deadline.
    pub by_word_of: Option<PublicKey>,
    /// Moves.
    pub moves: u64,
    /// Bytes of all moves.
    pub bytes: u64,
}

impl Transcript {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        e.array(5).text(PROFILE).bytes(&self.receipt);
        e.bytes(self.executor.as_bytes());
        match &self.referee {
            Some(key) => e.bytes(key.as_bytes()),
            None => e.null(),
        };
        e.array(self.events.len());
        for event in &self.events {
            match event {
                Event::Move(bytes) => e.array(2).uint(0).bytes(bytes),
                Event::Expiry(bytes) => e.array(2).uint(1).bytes(bytes),
            };
        }
        e.into_bytes()
    }

    /// Decodes it; nothing is judged.
    ///
    /// # Errors
    /// [`RefereeError::TooLarge`], [`RefereeError::Malformed`] and [`RefereeError::Receipt`] for bytes of another shape.
    pub fn decode(bytes: &[u8]) -> Result<Self, RefereeError> {
        if bytes.len() > MAX_TRANSCRIPT_BYTES {
            return Err(RefereeError::TooLarge {
                what: "bytes of a transcript",
                limit: MAX_TRANSCRIPT_BYTES as u64,
            });
        }
        let mut d = Decoder::new(bytes);
        d.array_exact(5)?;
        if d.text()? != PROFILE {
            return Err(malformed("a transcript of this version"));
        }
        let receipt = d.bytes()?.to_vec();
        let executor = PublicKey::new(Suite::Ed25519, d.bytes()?)?;
        let referee = if d.peek_null() {
            d.null()?;
            None
        } else {
            Some(PublicKey::new(Suite::Ed25519, d.bytes()?)?)
        };
        let wrong = d.malformed("a move or an expiry");
        let events = d.list(|d| {
            d.array_exact(2)?;
            match d.uint()? {
                0 => Ok(Event::Move(d.bytes()?.to_vec())),
                1 => Ok(Event::Expiry(d.bytes()?.to_vec())),
                _ => Err(wrong.clone()),
            }
        })?;
        d.finish()?;
        Ok(Self {
            receipt,
            executor,
            referee,
            events,
        })
    }

    /// Plays all moves again.
    ///
    /// # Errors
    /// Whatever is wrong with a move that an honest referee would not have recorded, and [`RefereeError::Malformed`] if the dispute did not
    /// end with the last one.
    pub fn judge(&self) -> Result<Judged, RefereeError> {
        let receipt = SignedReceipt::decode(&self.receipt)?;
        let Some((Event::Move(challenge), rest)) = self.events.split_first() else {
            return Err(malformed("a challenge"));
        };
        let mut game = Game::open(receipt, self.executor.clone(), challenge)?;
        let mut by_word_of = None;
        for event in rest {
            match (event, &self.referee) {
                (Event::Move(bytes), _) => game.accept(bytes)?,
                (Event::Expiry(bytes), Some(referee)) => {
                    game.expire(bytes, referee)?;
                    by_word_of = Some(referee.clone());
                }
                (Event::Expiry(_), None) => return Err(malformed("a referee's key")),
            }
        }
        let verdict = game.verdict().cloned();
        Ok(Judged {
            verdict: verdict.ok_or(malformed("a dispute that has ended"))?,
            by_word_of,
            moves: game.moves(),
            bytes: game.bytes(),
        })
    }
}
