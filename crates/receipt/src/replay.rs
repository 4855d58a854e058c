//! Replay verdicts: somebody re-executed the program of a receipt and says what came out (specs/01-receipt.md §7.2).

use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::cose::Typ;
use crate::statement::map_of;
use crate::vouched::{PartyStatement, Signed, Vouched};
use crate::{ClaimsDigest, Evidence, ReceiptError, ReceiptId};

/// The type of evidence that a replay verdict is.
pub const REPLAY_EVIDENCE: &str = "replay";

/// What became of one step of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayStep {
    /// It was not re-done: the replayer lacked something.
    NotChecked,
    /// It came out the same.
    Same,
    /// It came out differently.
    Differs,
}

/// The first token id that came out differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDifference {
    /// Index of the choice.
    pub choice: u32,
    /// Index among the choice's output ids.
    pub position: u64,
    /// The id that the program gives.
    pub expected: u32,
    /// The id in the receipt.
    pub got: u32,
}

/// What a replayer says of one receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayVerdict {
    /// The receipt.
    pub receipt: ReceiptId,
    /// Its claims.
    pub claims: ClaimsDigest,
    /// The model closure that was executed.
    pub closure: [u8; 32],
    /// The replayer's engine build.
    pub engine: [u8; 32],
    /// Unix seconds, the replayer's clock.
    pub replayed_at: u64,
    /// The request, rendered by the closure's template, is the prompt.
    pub rendered: ReplayStep,
    /// The prompt, by the closure's tokenizer, is the input ids.
    pub tokenized: ReplayStep,
    /// The program gives the output ids (or output tensors) on the input ids.
    pub executed: ReplayStep,
    /// The output ids are the answer's text.
    pub detokenized: ReplayStep,
    /// How many output ids (or output tensors) were compared.
    pub compared: u64,
    /// Where the program first gave another id.
    pub difference: Option<TokenDifference>,
}

impl ReplayStep {
    fn code(self) -> u64 {
        match self {
            Self::NotChecked => 0,
            Self::Same => 1,
            Self::Differs => 2,
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        Ok(match d.uint_max(2, "a step of a replay")? {
            0 => Self::NotChecked,
            1 => Self::Same,
            _ => Self::Differs,
        })
    }
}

impl ReplayVerdict {
    /// The steps, in the order in which an answer is made.
    pub fn steps(&self) -> [ReplayStep; 4] {
        [
            self.rendered,
            self.tokenized,
            self.executed,
            self.detokenized,
        ]
    }

    /// Whether some step came out differently.
    pub fn refutes(&self) -> bool {
        self.steps().contains(&ReplayStep::Differs)
    }

    /// Whether every step was re-done and came out the same.
    pub fn confirms(&self) -> bool {
        self.steps().iter().all(|step| *step == ReplayStep::Same)
    }
}

impl PartyStatement for ReplayVerdict {
    const TYP: Typ = Typ::Replay;
    const BYTES: &'static str = "bytes of a replay verdict";

    fn fault(error: ReceiptError) -> ReceiptError {
        error.in_replay()
    }

    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        e.map(if self.difference.is_some() { 9 } else { 8 })
            .uint(0)
            .uint(1)
            .uint(1)
            .bytes(self.receipt.as_bytes())
            .uint(2)
            .bytes(self.claims.as_bytes())
            .uint(3)
            .bytes(&self.closure)
            .uint(4)
            .bytes(&self.engine)
            .uint(5)
            .uint(self.replayed_at)
            .uint(6)
            .array(4);
        for step in self.steps() {
            e.uint(step.code());
        }
        e.uint(7).uint(self.compared);
        if let Some(difference) = &self.difference {
            e.uint(8)
                .array(4)
                .uint(difference.choice.into())
                .uint(difference.position)
                .uint(difference.expected.into())
                .uint(difference.got.into());
        }
        e.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Self, ReceiptError> {
        let (mut receipt, mut claims, mut closure, mut engine) = (None, None, None, None);
        let (mut replayed_at, mut steps, mut compared, mut difference) = (None, None, None, None);
        map_of(payload, |d, key| {
            match key {
                1 => receipt = Some(ReceiptId::decode(d)?),
                2 => claims = Some(ClaimsDigest(d.array_of()?)),
                3 => closure = Some(d.array_of()?),
                4 => engine = Some(d.array_of()?),
                5 => replayed_at = Some(d.uint()?),
                6 => {
                    d.array_exact(4)?;
                    steps = Some([
                        ReplayStep::decode(d)?,
                        ReplayStep::decode(d)?,
                        ReplayStep::decode(d)?,
                        ReplayStep::decode(d)?,
                    ]);
                }
                7 => compared = Some(d.uint()?),
                8 => {
                    d.array_exact(4)?;
                    difference = Some(TokenDifference {
                        choice: d.u32()?,
                        position: d.uint()?,
                        expected: d.u32()?,
                        got: d.u32()?,
                    });
                }
                _ => return Err(d.malformed("a member of a replay verdict")),
            }
            Ok(())
        })?;
        let missing = || ReceiptError::Malformed {
            expected: "all members of a replay verdict",
            at: payload.len(),
        };
        let [rendered, tokenized, executed, detokenized] = steps.ok_or_else(missing)?;
        if difference.is_some_and(|d| executed != ReplayStep::Differs || d.expected == d.got) {
            return Err(ReceiptError::Malformed {
                expected: "a difference where the execution differs, and only there",
                at: payload.len(),
            });
        }
        Ok(Self {
            receipt: receipt.ok_or_else(missing)?,
            claims: claims.ok_or_else(missing)?,
            closure: closure.ok_or_else(missing)?,
            engine: engine.ok_or_else(missing)?,
            replayed_at: replayed_at.ok_or_else(missing)?,
            rendered,
            tokenized,
            executed,
            detokenized,
            compared: compared.ok_or_else(missing)?,
            difference,
        })
    }
}

/// A replay verdict signed by the replayer's node key.
pub type SignedReplay = Signed<ReplayVerdict>;

/// The data of a piece of evidence of the type [`REPLAY_EVIDENCE`].
pub type ReplayEvidence = Vouched<ReplayVerdict>;

impl ReplayEvidence {
    /// This as evidence about the receipt that it names.
    pub fn attach(&self) -> Evidence {
        let verdict = self.signed.unverified();
        self.evidence(REPLAY_EVIDENCE, verdict.receipt, verdict.claims)
    }
}
