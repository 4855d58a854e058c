//! One selected answer: fetched, held against its leaf, executed again.

use std::path::PathBuf;
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use proofmark_confidence::audit::Outcome;
use proofmark_engine::Model;
use proofmark_keys::Serving;
use proofmark_receipt::{Bundle, ReceiptLeaf, SignedReceipt, SignedReplay};
use proofmark_verify::{Presented, Requirement, Roots, Verdict, verify};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::ambient::now_s;
use crate::error::CommandError;
use crate::node::Node;
use crate::replay::{Machine, ModelSource, Opened};

/// What became of one selected answer.
pub(super) struct Audited {
    pub(super) index: u64,
    pub(super) id: Option<String>,
    pub(super) outcome: Outcome,
    pub(super) why: String,
    /// The signed replay verdict, if it came to one.
    replay: Vec<u8>,
}

/// Executes selected answers again.
pub(super) struct Examiner<'e> {
    pub(super) node: &'e Node,
    pub(super) roots: &'e Roots,
    pub(super) signer: &'e Serving,
    pub(super) models: ModelSource,
    pub(super) open: Option<(Arc<Model>, Machine)>,
}

/// Why an answer was not confirmed, and whose fault that is.
struct Failure {
    outcome: Outcome,
    why: String,
}

fn finding(why: impl Into<String>) -> Failure {
    Failure {
        outcome: Outcome::Finding,
        why: why.into(),
    }
}

fn told(error: &CommandError) -> String {
    let reasons = error.reasons();
    if reasons.is_empty() {
        error.to_string()
    } else {
        format!("{error}: {}", reasons.join(": "))
    }
}

impl ModelSource {
    pub(super) fn new(model: Option<PathBuf>, data: PathBuf, threads: Option<usize>) -> Self {
        Self {
            model,
            data: Some(data),
            threads,
        }
    }
}

impl Examiner<'_> {
    /// Audits the leaf at `index`, which the node lists under `id`.
    pub(super) fn audit(&mut self, index: u64, leaf: &[u8], id: Option<&String>) -> Audited {
        let mut audited = Audited {
            index,
            id: id.cloned(),
            outcome: Outcome::Same,
            why: "the same".into(),
            replay: Vec::new(),
        };
        match self.examine(leaf, id, &mut audited.replay) {
            Ok(compared) => audited.why = format!("the same {compared} outputs"),
            Err(failure) => (audited.outcome, audited.why) = (failure.outcome, failure.why),
        }
        audited
    }

    fn examine(
        &mut self,
        leaf: &[u8],
        id: Option<&String>,
        signed: &mut Vec<u8>,
    ) -> Result<u64, Failure> {
        let id = id.ok_or_else(|| finding("the node does not list the receipt of this entry"))?;
        // Refusal, loss and silence are the same to whoever asks.
        let bytes = self
            .node
            .bundle(id, "all", true)
            .map_err(|error| finding(format!("not opened: {}", told(&error))))?;
        let bundle =
            Bundle::decode(&bytes).map_err(|error| finding(format!("not a bundle: {error}")))?;
        let receipt = SignedReceipt::decode(&bundle.receipt)
            .map_err(|error| finding(format!("not a receipt: {error}")))?;
        if ReceiptLeaf::of(receipt.claims()).encode() != *leaf {
            return Err(finding("the receipt is not the one of this entry"));
        }
        let report = verify(
            &bytes,
            &Presented::default(),
            &Requirement::default(),
            self.roots,
            now_s(),
        );
        match report.verdict() {
            Verdict::Accepted(_) | Verdict::BelowRequirement { .. } => {}
            Verdict::Rejected { code, why } => {
                return Err(finding(format!(
                    "the receipt does not hold: {why} ({code})"
                )));
            }
            // What a newer program may be able to check is no cheat.
            Verdict::CouldNotCheck { code, why } => {
                return Err(Failure {
                    outcome: Outcome::NotAudited,
                    why: format!("the receipt could not be checked: {why} ({code})"),
                });
            }
        }
        let opened = Opened::of(&bundle).map_err(|error| finding(told(&error)))?;
        self.replay(&opened, signed)
    }

    fn replay(&mut self, opened: &Opened, signed: &mut Vec<u8>) -> Result<u64, Failure> {
        let not_audited = |why: String| Failure {
            outcome: Outcome::NotAudited,
            why,
        };
        let is_open =
            |(model, _): &(Arc<Model>, Machine)| model.closure().as_bytes() == opened.closure();
        if !self.open.as_ref().is_some_and(is_open) {
            // A model that the auditor does not have is the auditor's affair.
            self.open = Some(
                self.models
                    .open(opened.closure())
                    .map_err(|error| not_audited(told(&error)))?,
            );
        }
        let Some((model, machine)) = &mut self.open else {
            return Err(not_audited("no model".into()));
        };
        // What no node could have executed is a finding.
        let verdict = opened
            .replay(model, machine, now_s())
            .map_err(|error| finding(told(&error)))?;
        let replay = SignedReplay::sign(&verdict, &self.signer.key)
            .map_err(|error| not_audited(error.to_string()))?;
        *signed = replay.as_bytes().to_vec();
        if verdict.refutes() {
            let place = verdict.difference.map_or_else(String::new, |d| {
                format!(
                    ": choice {}, output id {}: {} instead of {}",
                    d.choice, d.position, d.expected, d.got
                )
            });
            return Err(finding(format!("the program gives something else{place}")));
        }
        if !verdict.confirms() {
            return Err(not_audited("not every step could be re-done".into()));
        }
        Ok(verdict.compared)
    }
}

impl Audited {
    fn outcome_code(&self) -> u8 {
        match self.outcome {
            Outcome::Same => 0,
            Outcome::Finding => 1,
            Outcome::NotAudited => 2,
        }
    }

    /// Leaf of the tree over the verdicts: `u64 index || u8 outcome || SHA-256(signed replay verdict)`.
    pub(super) fn leaf(&self) -> Vec<u8> {
        let mut leaf = self.index.to_be_bytes().to_vec();
        leaf.push(self.outcome_code());
        leaf.extend_from_slice(&Sha256::digest(&self.replay));
        leaf
    }

    pub(super) fn to_json(&self) -> Value {
        let outcome = match self.outcome {
            Outcome::Same => "same",
            Outcome::Finding => "finding",
            Outcome::NotAudited => "not-audited",
        };
        json!({
            "entry": self.index,
            "receipt": self.id,
            "outcome": outcome,
            "why": self.why,
            "replay": (!self.replay.is_empty()).then(|| Base64::encode_string(&self.replay)),
        })
    }
}
