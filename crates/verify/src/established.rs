//! What the checks established beyond grades and rows, as values that a policy decides by.

use proofmark_proof::soundness::Account;
use proofmark_receipt::{AuditStatement, Claims, Execution, SeedChooser};

use crate::{Presented, Required};

/// Values behind a report. They mean what the report's grades say they mean: of a report without grades nothing here is
/// vouched for by anybody who is rooted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Established {
    /// Name of the rooted operator behind the issuer.
    pub operator: Option<String>,
    /// What the node says that it executed; none if it relayed.
    pub executed: Option<ExecutedClaim>,
    /// Names of the rooted replayers, other than the issuer, who confirm the receipt. A name can be there twice.
    pub replayers: Vec<String>,
    /// Whether a nonce was presented, and the receipt carries it.
    pub nonce: bool,
    /// Populations that the receipt is in, as rooted auditors other than the issuer state them.
    pub audits: Vec<AuditedPopulation>,
    /// Proofs of the inference that hold.
    pub proofs: Vec<ProvenInference>,
    /// Where the receipt stands in its log.
    pub log_index: Option<u64>,
    /// Unix seconds at which a quorum of witnesses had seen the receipt.
    pub witnessed_at: Option<u64>,
    /// Grades that are missing because something could not be checked, with the code of the cause.
    pub unchecked: Vec<(Required, &'static str)>,
}

/// What a node says that it executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutedClaim {
    /// Name of the model.
    pub model: String,
    /// Digest of its closure.
    pub closure: [u8; 32],
    /// Whether the caller chose the seed.
    pub caller_seed: bool,
}

/// A proof of the inference that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenInference {
    /// How likely a false statement passes, term by term, over all runs.
    pub account: Account,
    /// Independent runs, each with a proof.
    pub runs: usize,
    /// Size of the proofs together.
    pub proof_bytes: usize,
    /// Why the weights in it are the model's.
    pub weights: WeightsSource,
    /// Whether the request was opened, and its numbers or its text are what went in.
    pub from_question: bool,
    /// Of a decoder's answer: why the ids are the answer's text.
    pub text: Option<ProvenText>,
}

/// A text whose ids are proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenText {
    /// Ids that were sampled, of all choices.
    pub ids: u64,
    /// Why they are the answer's text.
    pub source: TextSource,
}

/// Why proven ids are the answer's text. A proof is about ids: tokenizer and template are not part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSource {
    /// The verifier has the model, and compared them itself.
    Compared,
    /// A rooted replayer, who is not the issuer, confirms the receipt from the request to the text.
    Replayed,
}

/// Why the weights of a proof are the model's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightsSource {
    /// The verifier computed the commitment to them itself.
    Recomputed,
    /// The verifier has them, and the proof was checked with them.
    Read,
    /// These rooted parties, none of them the issuer, computed the commitment. A name can be there twice.
    Vouched(Vec<String>),
}

/// A population that the receipt is in, and what an auditor states about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedPopulation {
    /// Name of the rooted auditor.
    pub auditor: String,
    /// What it states.
    pub statement: AuditStatement,
}

impl Established {
    /// What the claims alone say.
    pub(crate) fn claimed(claims: &Claims, presented: &Presented<'_>) -> Self {
        let executed = match &claims.execution {
            Execution::Executed(executed) => Some(ExecutedClaim {
                model: executed.model.clone(),
                closure: executed.closure,
                caller_seed: executed.seed_chosen_by == SeedChooser::Caller,
            }),
            Execution::Relayed { .. } => None,
        };
        Self {
            executed,
            nonce: presented.nonce.is_some() && presented.nonce == claims.nonce.as_deref(),
            ..Self::default()
        }
    }
}
