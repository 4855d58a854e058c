//! What a receipt says that its program took and gave, opened: the public side of a proof of inference (specs/01-receipt.md §7.5).
//! Whoever proves and whoever verifies read it here, so that both mean the same.

mod tensors;
mod text;

use proofmark_program::Program;
use proofmark_proof::{Generation, Statement, WeightsMode};
use proofmark_receipt::{
    Claims, DisclosedValues, Disclosure, Execution, ReceiptError, SignedReceipt,
};

use crate::answer::INFER;
use text::choices;
pub(crate) use text::is_whole;
pub use text::{GeneratedRun, TextParameters};

/// The operations whose answers are texts.
const CHAT: &str = "chat.completions";
const COMPLETIONS: &str = "completions";

/// One run of a program, with a proof of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// Of a tensor program.
    Tensors(TensorRun),
    /// Of a decoder: one choice.
    Generation(GeneratedRun),
}

/// One independent run of a tensor program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorRun {
    /// Elements of each input, in the order of the interface.
    pub inputs: Vec<Vec<i32>>,
    /// Elements of each output, in the order of the interface.
    pub outputs: Vec<Vec<i32>>,
}

impl Run {
    /// What a decoder was asked and gave.
    #[must_use]
    pub fn generation(&self) -> Option<Generation<'_>> {
        match self {
            Self::Tensors(_) => None,
            Self::Generation(run) => Some(run.generation()),
        }
    }

    /// What a proof of this run says, for this receipt of an answer of the program of this closure.
    #[must_use]
    pub fn statement<'s>(
        &'s self,
        receipt: &SignedReceipt,
        (program, closure): (&'s Program, [u8; 32]),
        weights: WeightsMode<'s>,
    ) -> Statement<'s> {
        let (inputs, outputs): (&[_], &[_]) = match self {
            Self::Tensors(run) => (&run.inputs, &run.outputs),
            Self::Generation(_) => (&[], &[]),
        };
        Statement {
            program,
            closure_digest: closure,
            weights,
            receipt_id: *receipt.claims().id.as_bytes(),
            claims_digest: *receipt.digest().as_bytes(),
            inputs,
            outputs,
            generation: self.generation(),
        }
    }
}

/// The runs of an executed receipt, as its commitments were opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inference {
    /// At least one.
    pub runs: Vec<Run>,
    /// Whether the request was opened too, and its numbers are these inputs. A text is compared by whoever has the tokenizer.
    pub from_question: bool,
}

/// Why there are no runs to prove.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferenceError {
    /// The answer was relayed.
    #[error("the answer was relayed, not executed by the issuer: there is no program to prove")]
    NotExecuted,
    /// This version proves no such operation.
    #[error("{operation} can't be proven by this version")]
    Unsupported {
        /// The operation of the receipt.
        operation: String,
    },
    /// This version proves nothing of ids that were sampled with such a parameter.
    #[error(
        "ids that were sampled with {parameter} can't be proven by this version: ask without it"
    )]
    Parameter {
        /// Its name in the receipt.
        parameter: &'static str,
    },
    /// The commitments were not opened.
    #[error("the bundle does not open {what}")]
    NotOpened {
        /// What is missing.
        what: &'static str,
    },
    /// A disclosure does not open its commitment.
    #[error(transparent)]
    Disclosure(#[from] ReceiptError),
    /// What was opened is not what the program takes or gives.
    #[error("{what}")]
    Differs {
        /// What is wrong.
        what: &'static str,
    },
}

impl InferenceError {
    /// The stable code of specs/01-receipt.md §12.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotExecuted => "receipt.proof.not-executed",
            Self::Unsupported { .. } | Self::Parameter { .. } => "proof.unsupported",
            Self::NotOpened { .. } => "receipt.proof.not-opened",
            Self::Disclosure(error) => error.code(),
            Self::Differs { .. } => "receipt.proof.other-content",
        }
    }

    /// Whether something failed, rather than that it could not be checked.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        match self {
            Self::NotExecuted | Self::Differs { .. } | Self::Disclosure(_) => true,
            Self::Unsupported { .. } | Self::Parameter { .. } | Self::NotOpened { .. } => false,
        }
    }
}

const fn differs<T>(what: &'static str) -> Result<T, InferenceError> {
    Err(InferenceError::Differs { what })
}

/// The values of a receipt's scopes that are open.
struct OpenScopes<'d> {
    executed: Option<OpenExecuted<'d>>,
    choices: Vec<OpenChoice<'d>>,
    request: Option<&'d [u8]>,
}

/// What went into a program.
#[derive(Clone, Copy)]
struct OpenExecuted<'d> {
    prompt: &'d [u8],
    input_tokens: &'d [u32],
    parameters: &'d [(String, Vec<u8>)],
}

/// What came out of it.
#[derive(Clone, Copy)]
struct OpenChoice<'d> {
    index: u32,
    ids: Option<&'d [u32]>,
    fields: &'d [(String, Vec<u8>)],
}

impl<'d> OpenScopes<'d> {
    fn of(claims: &Claims, disclosures: &'d [Disclosure]) -> Result<Self, ReceiptError> {
        let mut open = Self {
            executed: None,
            choices: Vec::new(),
            request: None,
        };
        for disclosure in disclosures {
            disclosure.check(claims)?;
            let Disclosure::Scope { scope, values, .. } = disclosure else {
                continue;
            };
            match values {
                DisclosedValues::Executed {
                    prompt,
                    input_tokens,
                    parameters,
                } => {
                    open.executed = Some(OpenExecuted {
                        prompt,
                        input_tokens,
                        parameters,
                    });
                }
                DisclosedValues::Choice { fields, tokens, .. } => {
                    let choice = claims.choice(scope).map(|choice| OpenChoice {
                        index: choice.index,
                        ids: tokens.as_deref(),
                        fields,
                    });
                    open.choices.extend(choice);
                }
                DisclosedValues::Body(body) if scope == "received" => open.request = Some(body),
                _ => {}
            }
        }
        Ok(open)
    }
}

impl Inference {
    /// Ids that a decoder sampled, of all runs; 0 of a tensor program.
    #[must_use]
    pub fn ids(&self) -> u64 {
        let generations = self.runs.iter().filter_map(Run::generation);
        generations.map(|run| run.generated.len() as u64).sum()
    }

    /// Opens what the program of a receipt took and gave.
    ///
    /// # Errors
    /// [`InferenceError`].
    pub fn open(
        claims: &Claims,
        disclosures: &[Disclosure],
        program: &Program,
    ) -> Result<Self, InferenceError> {
        let Execution::Executed(executed) = &claims.execution else {
            return Err(InferenceError::NotExecuted);
        };
        let open = || OpenScopes::of(claims, disclosures);
        match claims.operation.name.as_str() {
            INFER => tensors::tensors(claims, &open()?, program),
            CHAT | COMPLETIONS => Ok(Self {
                runs: choices(claims, executed, &open()?)?,
                from_question: false,
            }),
            operation => Err(InferenceError::Unsupported {
                operation: operation.to_owned(),
            }),
        }
    }
}
