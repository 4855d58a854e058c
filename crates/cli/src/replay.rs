//! One receipt, executed again, step by step. Programs are exact, so each step is an equality.

mod embeddings;
mod source;
mod tensors;
mod text;

use std::sync::Arc;

use proofmark_engine::{Model, Replayer, RequestError, TensorRunner};
use proofmark_gateway::GatewayError;
use proofmark_openai::Operation;
use proofmark_receipt::{
    Bundle, Claims, DisclosedValues, Disclosure, Executed, Execution, ReplayStep, ReplayVerdict,
    SeedChooser, SignedReceipt, TokenDifference,
};

use crate::error::CommandError;
use crate::models::not_opened;
pub(crate) use source::ModelSource;
pub(crate) use text::steps_of;

/// What a replay needs of a bundle: the receipt, and everything that was executed, opened.
pub(crate) struct Opened {
    receipt: SignedReceipt,
    executed: Executed,
    operation: Operation,
    request: Option<Vec<u8>>,
    prompt: Vec<u8>,
    input: Vec<u32>,
    /// Committed parameters.
    committed: Vec<(String, Vec<u8>)>,
    choices: Vec<OpenedChoice>,
}

struct OpenedChoice {
    index: u32,
    text: Vec<u8>,
    fields: Vec<(String, Vec<u8>)>,
    /// If the receipt commits to some.
    ids: Option<Vec<u32>>,
}

/// What runs a model again.
pub(crate) enum Machine {
    /// A decoder.
    Text(Box<Replayer>),
    /// A tensor program.
    Tensors(Box<TensorRunner>),
}

impl Machine {
    pub(crate) fn open(model: &Arc<Model>, threads: usize) -> Result<Self, CommandError> {
        let machine = if model.tensor_program().is_some() {
            let runner = model.tensor_runner(threads);
            runner.map(|runner| Self::Tensors(Box::new(runner)))
        } else {
            let replayer = Replayer::new(Arc::clone(model), threads);
            replayer.map(|replayer| Self::Text(Box::new(replayer)))
        };
        machine.map_err(|error| not_opened(model.name(), error))
    }
}

/// What came out: the steps of specs/01-receipt.md §7.2.
struct Found {
    rendered: ReplayStep,
    tokenized: ReplayStep,
    executed: ReplayStep,
    detokenized: ReplayStep,
    compared: u64,
    difference: Option<TokenDifference>,
}

fn same(is_same: bool) -> ReplayStep {
    if is_same {
        ReplayStep::Same
    } else {
        ReplayStep::Differs
    }
}

fn missing(what: &str) -> CommandError {
    CommandError::could_not_check(format!("the bundle does not open {what}"))
        .code("replay.not-disclosed")
        .hint("take it along with everything: proofmark receipt bundle ID --disclose all")
}

fn malformed(what: &str) -> CommandError {
    CommandError::rejected(format!("{what} of the receipt cannot be read"))
        .code("replay.parameters")
}

impl Opened {
    /// Opens the bundle, the request included. Every disclosure is checked against the receipt; the receipt's signature is
    /// `proofmark verify`'s affair.
    pub(crate) fn of(bundle: &Bundle) -> Result<Self, CommandError> {
        let opened = Self::execution_of(bundle)?;
        opened.request().map(|_| ())?;
        Ok(opened)
    }

    /// The same without the request, if the bundle does not open it.
    fn execution_of(bundle: &Bundle) -> Result<Self, CommandError> {
        let receipt = SignedReceipt::decode(&bundle.receipt).map_err(refused)?;
        let claims = receipt.claims();
        let Execution::Executed(executed) = &claims.execution else {
            return Err(CommandError::could_not_check(
                "the answer was relayed, not executed by the issuer",
            )
            .code("receipt.replay.not-executed")
            .because(
                "which model ran at the provider is not known, so there is nothing to replay",
            ));
        };
        let executed = executed.clone();
        let operation = Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == claims.operation.name)
            .ok_or_else(|| {
                CommandError::could_not_check(format!(
                    "{} cannot be replayed by this version",
                    claims.operation.name
                ))
            })?;
        let mut request = None;
        let mut opened = None;
        let mut choices = Vec::new();
        for disclosure in &bundle.disclosures {
            disclosure.check(claims).map_err(refused)?;
            let Disclosure::Scope { scope, values, .. } = disclosure else {
                continue;
            };
            match values {
                DisclosedValues::Body(body) if scope == "received" => request = Some(body.clone()),
                DisclosedValues::Executed {
                    prompt,
                    input_tokens,
                    parameters,
                } => opened = Some((prompt.clone(), input_tokens.clone(), parameters.clone())),
                DisclosedValues::Choice {
                    text,
                    fields,
                    tokens,
                } => choices.push(OpenedChoice {
                    index: claims.choice(scope).map_or(0, |choice| choice.index),
                    text: text.clone(),
                    fields: fields.clone(),
                    ids: tokens.clone(),
                }),
                _ => {}
            }
        }
        let (prompt, input, committed) = opened.ok_or_else(|| missing("what was executed"))?;
        let is_open = |claim: &proofmark_receipt::Choice| {
            let found = choices.iter().find(|choice| choice.index == claim.index);
            found.is_some_and(|choice| choice.ids.is_some() || claim.tokens.is_none())
        };
        if !claims.output.iter().all(is_open) {
            return Err(missing("the answer"));
        }
        Ok(Self {
            committed,
            request,
            receipt,
            executed,
            operation,
            prompt,
            input,
            choices,
        })
    }

    fn request(&self) -> Result<&[u8], CommandError> {
        let request = self.request.as_deref();
        request.ok_or_else(|| missing("the request"))
    }

    /// The model closure that is to be executed.
    pub(crate) fn closure(&self) -> &[u8; 32] {
        &self.executed.closure
    }

    /// What the receipt says.
    pub(crate) fn claims(&self) -> &Claims {
        self.receipt.claims()
    }

    /// What was asked for.
    pub(crate) fn operation(&self) -> Operation {
        self.operation
    }

    /// Executes everything again. `model` must be the closure's, `machine` be over it.
    pub(crate) fn replay(
        &self,
        model: &Model,
        machine: &mut Machine,
        now_s: u64,
    ) -> Result<ReplayVerdict, CommandError> {
        let found = match (self.operation, machine) {
            (Operation::ChatCompletions | Operation::Completions, Machine::Text(replayer)) => {
                text::replay(self, model, replayer)?
            }
            (Operation::Embeddings, Machine::Text(replayer)) => {
                embeddings::replay(self, model, replayer)?
            }
            (Operation::Infer, Machine::Tensors(runner)) => tensors::replay(self, model, runner)?,
            (operation, _) => {
                let what = format!("{} is nothing that this model does", operation.name());
                return Err(CommandError::rejected(what));
            }
        };
        let claims = self.claims();
        Ok(ReplayVerdict {
            receipt: claims.id,
            claims: self.receipt.digest(),
            closure: self.executed.closure,
            engine: proofmark_engine::engine_digest(),
            replayed_at: now_s,
            rendered: found.rendered,
            tokenized: found.tokenized,
            executed: found.executed,
            detokenized: found.detokenized,
            compared: found.compared,
            difference: found.difference,
        })
    }

    /// Whether the node chose the seed, and could have tried others.
    pub(crate) fn seed_by_node(&self) -> bool {
        self.executed.seed_chosen_by == SeedChooser::Node
    }
}

fn refused(error: proofmark_receipt::ReceiptError) -> CommandError {
    CommandError::rejected("the bundle does not open its receipt")
        .code(error.code())
        .because(error)
}

fn engine_error(error: RequestError) -> CommandError {
    CommandError::rejected("the program cannot have executed this").because(error)
}

fn not_executable(error: GatewayError) -> CommandError {
    CommandError::rejected("no node would execute this request").because(error)
}
