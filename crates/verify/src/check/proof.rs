//! Proofs of inference: the program of the closure gives these outputs for these inputs (specs/01-receipt.md §7.5).

use proofmark_program::{Manifest, Program, ProgramError, closure_digest, program_digest};
use proofmark_proof::soundness::Account;
use proofmark_proof::{REQUIRED_BITS, Rejection, SYSTEM, WeightsCommitment, WeightsMode, verify};
use proofmark_receipt::{
    Disclosure, Evidence, EvidenceState, Execution, PROOF_EVIDENCE, ProofEvidence, ProofWeights,
    ReplayStep, SignedKeyStatement, SignedReceipt, VouchedWeights, WeightsStatement,
};

use super::{Cause, IssuerChecked, accepted, vouched};
use crate::established::{ProvenInference, ProvenText, TextSource, WeightsSource};
use crate::inference::{Inference, InferenceError};
use crate::report::{Row, RowName};
use crate::{KnownModel, Roots, TextSteps};

/// Whether this evidence is a proof that is there.
pub(crate) fn is_proof(evidence: &Evidence) -> bool {
    evidence.kind == PROOF_EVIDENCE
        && evidence.state == EvidenceState::Attached
        && evidence.data.is_some()
}

/// What a proof is checked against.
#[derive(Clone, Copy)]
pub(crate) struct ProofContext<'c> {
    pub(crate) receipt: &'c SignedReceipt,
    pub(crate) disclosures: &'c [Disclosure],
    pub(crate) issuer: Option<&'c IssuerChecked>,
    /// What the verifier has of the model itself.
    pub(crate) model: Option<&'c KnownModel<'c>>,
    /// Whether a rooted replayer, who is not the issuer, confirms the receipt.
    pub(crate) replayed: bool,
    pub(crate) roots: &'c Roots,
    pub(crate) now: u64,
}

/// Row about one proof, and what it shows if it holds.
pub(crate) fn check_proof(
    data: &[u8],
    context: ProofContext<'_>,
) -> (Row, Option<ProvenInference>) {
    match context.check(data) {
        Ok(proven) => (accepted(RowName::Proof, tell(&proven)), Some(proven)),
        Err(cause) => (cause.into_row(RowName::Proof), None),
    }
}

fn tell(proven: &ProvenInference) -> String {
    let runs = match (proven.runs, &proven.text) {
        (1, None) => String::new(),
        (runs, None) => format!("{runs} runs, "),
        (1, Some(text)) => format!("{} ids of the answer, ", text.ids),
        (runs, Some(text)) => format!("{} ids of {runs} choices, ", text.ids),
    };
    let text = proven.text.map_or("", |text| match text.source {
        TextSource::Compared => ", which you compared with the text",
        TextSource::Replayed => ", which the replayer compared with the text",
    });
    let weights = match &proven.weights {
        WeightsSource::Recomputed => "weights committed, as you recomputed".to_owned(),
        WeightsSource::Read => "weights read by you".to_owned(),
        WeightsSource::Vouched(parties) => {
            let parties: Vec<String> = parties.iter().map(|party| format!("{party:?}")).collect();
            format!("weights committed, as recomputed by {}", parties.join(", "))
        }
    };
    format!(
        "{runs}every step of the program proven to {} bits{text}, {weights}; not zero-knowledge",
        proven.account.bits()
    )
}

fn rejected<T>(code: &'static str, why: &str) -> Result<T, Cause> {
    Err(Cause::rejected(code, why))
}

impl From<InferenceError> for Cause {
    fn from(error: InferenceError) -> Self {
        if error.is_rejection() {
            Self::rejected(error.code(), error.to_string())
        } else {
            Self::unavailable(error.code(), error.to_string())
        }
    }
}

impl From<Rejection> for Cause {
    fn from(rejection: Rejection) -> Self {
        match rejection.code() {
            code @ "proof.unsupported" => Self::unavailable(code, rejection.to_string()),
            code => Self::rejected(code, rejection.to_string()),
        }
    }
}

/// The commitment, or what stands in its place.
enum Weights<'c> {
    Committed(WeightsCommitment, &'c [VouchedWeights]),
    Public(&'c proofmark_proof::PublicWeights),
}

impl ProofContext<'_> {
    fn check(self, data: &[u8]) -> Result<ProvenInference, Cause> {
        let evidence = ProofEvidence::decode(data)?;
        if evidence.system != SYSTEM {
            return Err(Cause::unavailable(
                "receipt.proof.unknown-system",
                format!(
                    "a proof of the system {:?}, which this version can't check",
                    evidence.system
                ),
            ));
        }
        let claims = self.receipt.claims();
        let Execution::Executed(executed) = &claims.execution else {
            return Err(InferenceError::NotExecuted.into());
        };
        let (manifest, program) = program_of(&evidence, &executed.closure)?;
        let inference = Inference::open(claims, self.disclosures, &program)?;
        if inference.runs.len() != evidence.proofs.len() {
            return rejected(
                "receipt.proof.other-content",
                "another number of proofs than of runs",
            );
        }
        let model = self.model.filter(|model| model.closure == executed.closure);
        let steps = model.and_then(|model| model.text);
        steps.map_or(Ok(()), check_steps)?;
        let weights = match &evidence.weights {
            ProofWeights::Committed {
                commitment,
                vouchers,
            } => Weights::Committed(
                WeightsCommitment::decode(commitment, program.constants.len())?,
                vouchers,
            ),
            ProofWeights::Public => {
                let read = model.and_then(|model| model.weights);
                let read = read.filter(|read| read.root() == manifest.weights.as_bytes());
                Weights::Public(read.ok_or_else(|| {
                    Cause::unavailable(
                        "receipt.proof.weights-missing",
                        "the proof can only be checked by whoever has the model's weights",
                    )
                })?)
            }
        };
        let mut account = Account::new();
        for (run, proof) in inference.runs.iter().zip(&evidence.proofs) {
            let weights = match &weights {
                Weights::Committed(commitment, _) => WeightsMode::Committed(commitment),
                Weights::Public(weights) => WeightsMode::Public(weights),
            };
            let of = (&program, executed.closure);
            account.extend(verify(proof, &run.statement(self.receipt, of, weights))?);
        }
        account.require(REQUIRED_BITS)?;
        let source = match &weights {
            Weights::Public(_) => WeightsSource::Read,
            Weights::Committed(commitment, vouchers) => {
                self.weights_source(&executed.closure, &commitment.digest(), vouchers)?
            }
        };
        let (text, from_question) = match inference.ids() {
            0 => (None, inference.from_question),
            ids => {
                let (source, from_question) = text_source(steps, self.replayed)?;
                (Some(ProvenText { ids, source }), from_question)
            }
        };
        Ok(ProvenInference {
            account,
            runs: inference.runs.len(),
            proof_bytes: evidence.proofs.iter().map(Vec::len).sum(),
            weights: source,
            from_question,
            text,
        })
    }

    /// Why the committed weights are the model's. Nobody's word for another W is passed over.
    fn weights_source(
        &self,
        closure: &[u8; 32],
        weights: &[u8; 32],
        vouchers: &[VouchedWeights],
    ) -> Result<WeightsSource, Cause> {
        let mut parties = Vec::new();
        for voucher in vouchers {
            if let Some((party, said)) = self.rooted(voucher)? {
                if said.closure != *closure || said.system != SYSTEM {
                    return rejected(
                        "receipt.weights.mismatch",
                        "a statement about the weights of another model",
                    );
                }
                if said.weights != *weights {
                    return other_weights(&format!("{party:?} computed another commitment"));
                }
                parties.push(party);
            }
        }
        let own = self.model.filter(|model| model.closure == *closure);
        match own.and_then(|model| model.commitment) {
            Some(own) if own == *weights => Ok(WeightsSource::Recomputed),
            Some(_) => other_weights("you computed another commitment"),
            None if parties.is_empty() => Err(Cause::unavailable(
                "receipt.proof.weights-unvouched",
                "proven for the committed weights, and nobody whom you trust but the issuer says that they are the model's",
            )),
            None => Ok(WeightsSource::Vouched(parties)),
        }
    }

    /// What a rooted party that is not the issuer says of the weights; `None` if it is somebody else.
    fn rooted<'v>(
        &self,
        voucher: &'v VouchedWeights,
    ) -> Result<Option<(String, &'v WeightsStatement)>, Cause> {
        let key_statement = SignedKeyStatement::decode(&voucher.key_statement)?;
        let kid = key_statement.operator_kid();
        let Some((party, operator_key)) = self.roots.replayer(&kid) else {
            return Ok(None);
        };
        if let Some(IssuerChecked {
            rooted: Ok((rooted, issuer_key)),
            ..
        }) = self.issuer
            && (issuer_key.kid() == kid || rooted.operator() == party.name)
        {
            return Ok(None);
        }
        let said = key_statement.verify(&operator_key)?;
        let statement = vouched::check(voucher, said, self.now)?;
        Ok(Some((party.name.clone(), statement)))
    }
}

/// Refuses a receipt whose texts are not those of its ids.
fn check_steps(steps: TextSteps) -> Result<(), Cause> {
    let steps = [
        (
            steps.rendered,
            "the request does not render to the prompt that was executed, or asks for other parameters",
        ),
        (
            steps.tokenized,
            "the prompt does not tokenize to the ids that were executed",
        ),
        (
            steps.detokenized,
            "the ids are not the answer's text, or it does not end where they end",
        ),
    ];
    match steps.iter().find(|(step, _)| *step == ReplayStep::Differs) {
        Some((_, why)) => rejected("receipt.proof.other-content", why),
        None => Ok(()),
    }
}

/// Why the ids are the answer's text, and whether they are known to come from the request.
fn text_source(steps: Option<TextSteps>, replayed: bool) -> Result<(TextSource, bool), Cause> {
    let same = |step: ReplayStep| step == ReplayStep::Same;
    match steps {
        Some(steps) if same(steps.detokenized) => Ok((
            TextSource::Compared,
            replayed || (same(steps.rendered) && same(steps.tokenized)),
        )),
        _ if replayed => Ok((TextSource::Replayed, true)),
        _ => Err(Cause::unavailable(
            "receipt.proof.text-unchecked",
            "the ids are proven, and nobody whom you trust compared them with the text of the answer",
        )),
    }
}

fn other_weights<T>(who: &str) -> Result<T, Cause> {
    rejected(
        "receipt.proof.other-weights",
        &format!("the committed weights are not the model's: {who}"),
    )
}

/// Manifest and program, if they are those that the closure names.
fn program_of(evidence: &ProofEvidence, closure: &[u8; 32]) -> Result<(Manifest, Program), Cause> {
    let malformed = |error: ProgramError| Cause::rejected(error.code(), error.to_string());
    let other = || {
        Cause::rejected(
            "receipt.proof.other-program",
            "the proof is of another program than the receipt names",
        )
    };
    if closure_digest(&evidence.manifest).as_bytes() != closure {
        return Err(other());
    }
    let manifest = Manifest::decode(&evidence.manifest).map_err(malformed)?;
    let digest = program_digest(&evidence.program);
    manifest.check_program(&digest).map_err(|_| other())?;
    let program = Program::decode(&evidence.program).map_err(malformed)?;
    Ok((manifest, program))
}
