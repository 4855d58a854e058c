//! Fraud proofs: one step of a signed trace that is wrong (specs/08-referee.md §4).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use proofmark_receipt::cbor::{Decoder, Encoder};
use proofmark_receipt::{Evidence, PublicKey, SignedReceipt};
use proofmark_tlog::Hash;

use crate::claim::{OpenedSubject, SubjectOpening};
use crate::error::malformed;
use crate::layout::{Layout, RowKind};
use crate::opening::{StepOpening, WeightsFile};
use crate::statement::SignedTrace;
use crate::step::Steps;
use crate::{RefereeError, Subject};

/// Type of a fraud proof as evidence (01 §7).
pub const FRAUD_EVIDENCE: &str = "fraud";
/// Longest fraud proof, and longest move, in bytes.
pub const MAX_PROOF_BYTES: usize = 8 << 20;
const PROFILE: &str = "proofmark:fraud:draft-1";

/// A proof that a receipt's ids are not what its program gives. It needs nothing but the receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FraudProof {
    /// What it is about.
    pub subject: SubjectOpening,
    /// The signed trace and its wrong step; none if no run of the program can have given the ids.
    pub step: Option<(SignedTrace, StepOpening)>,
}

/// What is wrong: made by [`FraudProof::judge`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fraud {
    what: String,
}

impl fmt::Display for Fraud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl FraudProof {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        e.array(3).text(PROFILE);
        self.subject.encode(&mut e);
        match &self.step {
            None => {
                e.null();
            }
            Some((trace, step)) => {
                e.array(2).bytes(trace.as_bytes());
                step.encode(&mut e);
            }
        }
        e.into_bytes()
    }

    /// Decodes it; nothing is checked.
    ///
    /// # Errors
    /// [`RefereeError::TooLarge`], [`RefereeError::Malformed`] and [`RefereeError::Receipt`] for bytes of another shape.
    pub fn decode(bytes: &[u8]) -> Result<Self, RefereeError> {
        within(bytes.len(), "bytes of a fraud proof")?;
        let mut d = Decoder::new(bytes);
        d.array_exact(3)?;
        if d.text()? != PROFILE {
            return Err(malformed("a fraud proof of this version"));
        }
        let subject = SubjectOpening::decode(&mut d)?;
        let step = if d.peek_null() {
            d.null()?;
            None
        } else {
            d.array_exact(2)?;
            let trace = SignedTrace::decode(d.bytes()?)?;
            Some((trace, StepOpening::decode(&mut d)?))
        };
        d.finish()?;
        Ok(Self { subject, step })
    }

    /// Whether this shows that `receipt` is wrong. `key` is the public key of the receipt; that the receipt is signed with it is not
    /// checked here.
    ///
    /// # Errors
    /// What keeps it from showing fraud; [`RefereeError::Honest`] if the step is right.
    pub fn judge(&self, receipt: &SignedReceipt, key: &PublicKey) -> Result<Fraud, RefereeError> {
        let opened = self.subject.open(receipt.claims())?;
        if opened.impossible {
            let what = "ids that the program's vocabulary or its positions do not have".into();
            return Ok(Fraud { what });
        }
        let Some((trace, step)) = &self.step else {
            return Err(RefereeError::Honest);
        };
        let root = check_statement(trace, receipt, key, self.subject.choice, &opened)?;
        judge_step(&opened, &root, step)
    }

    /// This as evidence about the receipt.
    pub fn attach(&self, receipt: &SignedReceipt) -> Evidence {
        Evidence::attached(
            FRAUD_EVIDENCE,
            receipt.claims().id,
            receipt.digest(),
            None,
            self.encode(),
        )
    }
}

pub(crate) fn within(bytes: usize, what: &'static str) -> Result<(), RefereeError> {
    if bytes <= MAX_PROOF_BYTES {
        return Ok(());
    }
    Err(RefereeError::TooLarge {
        what,
        limit: MAX_PROOF_BYTES as u64,
    })
}

/// The trace root, if the statement is of this receipt and signed by its key.
pub(crate) fn check_statement(
    trace: &SignedTrace,
    receipt: &SignedReceipt,
    key: &PublicKey,
    choice: u32,
    opened: &OpenedSubject,
) -> Result<Hash, RefereeError> {
    let wrong = |what| Err(RefereeError::Statement { what });
    if key.kid() != receipt.kid() || trace.kid() != receipt.kid() {
        return wrong("it is not signed by the receipt's key");
    }
    let statement = trace.verify(key)?;
    if statement.receipt != receipt.claims().id || statement.claims != receipt.digest() {
        return wrong("it is of another receipt");
    }
    if statement.closure != opened.closure
        || statement.choice != choice
        || statement.positions != opened.subject.positions()
    {
        return wrong("it is of another closure, choice or length");
    }
    Ok(statement.root)
}

/// Recomputes one tile of a trace with this root from what is opened: what is wrong with it.
///
/// # Errors
/// What keeps it from showing fraud; [`RefereeError::Honest`] if the tile is right.
pub fn judge_step(
    opened: &OpenedSubject,
    root: &Hash,
    step: &StepOpening,
) -> Result<Fraud, RefereeError> {
    let layout = Layout::new(&opened.program, opened.subject.positions())?;
    let disputed = Disputed {
        layout: &layout,
        opened,
        root,
        weights: &opened.weights,
    };
    disputed.judge(step)
}

struct Disputed<'d> {
    layout: &'d Layout,
    opened: &'d OpenedSubject,
    root: &'d Hash,
    weights: &'d WeightsFile,
}

impl Disputed<'_> {
    fn judge(&self, step: &StepOpening) -> Result<Fraud, RefereeError> {
        let OpenedSubject {
            program, subject, ..
        } = self.opened;
        let values = step.open(program, self.layout, self.root, self.weights)?;
        let claimed = values.tile(step.row, step.tile)?;
        let range = self.layout.tile_range(program, step.row, step.tile)?;
        let kind = self.layout.row(step.row);
        let (kind, position) = kind.ok_or(malformed("a row beyond the trace"))?;
        let place = format!("position {position}, {}", self.name(kind));
        // What the receipt says needs no recomputation.
        if self.contradicts_receipt(kind, position, &range, claimed) {
            let what = format!("{place}: the trace has another value than the receipt");
            return Ok(Fraud { what });
        }
        let steps = Steps {
            program,
            layout: self.layout,
            subject,
            source: &values,
        };
        let computed = steps.elements(step.row, range.clone())?;
        let differs = computed.iter().zip(claimed).position(|(a, b)| a != b);
        if computed.len() != claimed.len() {
            return Err(malformed("a tile of another length"));
        }
        let Some(at) = differs else {
            return Err(RefereeError::Honest);
        };
        let element = range.start.saturating_add(at as u64);
        let (expected, got) = (computed.get(at), claimed.get(at));
        let number = |x: Option<&i64>| x.copied().unwrap_or_default();
        Ok(Fraud {
            what: format!(
                "{place}, element {element}: {} instead of {}",
                number(got),
                number(expected)
            ),
        })
    }

    /// Whether a next row or an output row is not what the receipt says.
    fn contradicts_receipt(
        &self,
        kind: RowKind,
        position: u64,
        range: &Range<u64>,
        claimed: &[i64],
    ) -> bool {
        let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        match (kind, &self.opened.subject) {
            (RowKind::Next, Subject::Answer(answer)) => {
                let said = answer.ids.get(at(position.saturating_add(1)));
                claimed.first().copied() != said.copied().map(i64::from)
            }
            (RowKind::Output(number), Subject::Tensors { outputs, .. }) => {
                let said = outputs.get(at(number.into()));
                let said = said.and_then(|said| said.get(at(range.start)..at(range.end)));
                !said.is_some_and(|said| {
                    said.iter()
                        .map(|x| i64::from(*x))
                        .eq(claimed.iter().copied())
                })
            }
            _ => false,
        }
    }

    fn name(&self, kind: RowKind) -> String {
        let node = |id| {
            let node = self.opened.program.node(id);
            node.map_or("", |node| &node.name)
        };
        match kind {
            RowKind::Node(id) => format!("node {:?}", node(id)),
            RowKind::Maxima(id) => format!("maxima of node {:?}", node(id)),
            RowKind::Sums(id) => format!("sums of node {:?}", node(id)),
            RowKind::Next => "next id".into(),
            RowKind::Output(number) => format!("output {number}"),
        }
    }
}
