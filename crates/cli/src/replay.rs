//! One receipt, executed again: from the request to the prompt, from the prompt to the ids, from the ids to the answer's ids, and from those
//! to its text. Programs are exact, so each step is an equality.

use proofmark_engine::{
    Detokenizer, Model, Replay, ReplayJob, Replayer, RequestError, StopStrings,
};
use proofmark_gateway::local::prepare;
use proofmark_openai::{Operation, RawJson, Request};
use proofmark_program::SamplingParameters;
use proofmark_receipt::{
    Bundle, Claims, DisclosedValues, Disclosure, Executed, Execution, ParameterValue, ReplayStep,
    ReplayVerdict, SeedChooser, SignedReceipt, Status, TokenDifference,
};

use crate::error::CommandError;

/// What a replay needs of a bundle: the receipt, and everything that was executed, opened.
pub(crate) struct Opened {
    receipt: SignedReceipt,
    executed: Executed,
    operation: Operation,
    request: Vec<u8>,
    prompt: Vec<u8>,
    input: Vec<u32>,
    parameters: Parameters,
    choices: Vec<OpenedChoice>,
}

struct OpenedChoice {
    index: u32,
    text: Vec<u8>,
    ids: Vec<u32>,
}

/// The parameters as the receipt has them.
struct Parameters {
    sampling: SamplingParameters,
    choices: u32,
    max_tokens: u32,
    stop: Vec<String>,
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
    /// Opens the bundle. Every disclosure is checked against the receipt; the receipt's signature is `proofmark verify`'s affair.
    pub(crate) fn of(bundle: &Bundle) -> Result<Self, CommandError> {
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
        let operation = [Operation::ChatCompletions, Operation::Completions]
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
                    tokens: Some(ids),
                    ..
                } => choices.push(OpenedChoice {
                    index: claims.choice(scope).map_or(0, |choice| choice.index),
                    text: text.clone(),
                    ids: ids.clone(),
                }),
                _ => {}
            }
        }
        let (prompt, input, committed) = opened.ok_or_else(|| missing("what was executed"))?;
        let with_ids = claims
            .output
            .iter()
            .filter(|choice| choice.tokens.is_some());
        if with_ids.count() != choices.len() {
            return Err(missing("the answer's token ids"));
        }
        Ok(Self {
            parameters: Parameters::of(&executed, &committed)?,
            request: request.ok_or_else(|| missing("the request"))?,
            receipt,
            executed,
            operation,
            prompt,
            input,
            choices,
        })
    }

    /// The model closure that is to be executed.
    pub(crate) fn closure(&self) -> &[u8; 32] {
        &self.executed.closure
    }

    /// What the receipt says.
    pub(crate) fn claims(&self) -> &Claims {
        self.receipt.claims()
    }

    /// How many ids will be compared.
    pub(crate) fn output_ids(&self) -> usize {
        self.choices.iter().map(|choice| choice.ids.len()).sum()
    }

    /// Executes everything again. `model` must be the closure's, `replayer` be over it.
    pub(crate) fn replay(
        &self,
        model: &Model,
        replayer: &mut Replayer,
        now_s: u64,
    ) -> Result<ReplayVerdict, CommandError> {
        let (rendered, tokenized) = self.render(model)?;
        let (executed, difference) = self.execute(replayer)?;
        let claims = self.claims();
        Ok(ReplayVerdict {
            receipt: claims.id,
            claims: self.receipt.digest(),
            closure: self.executed.closure,
            engine: proofmark_engine::engine_digest(),
            replayed_at: now_s,
            rendered,
            tokenized,
            executed,
            detokenized: self.detokenize(model)?,
            compared: self.output_ids() as u64,
            difference,
        })
    }

    /// From the request to the prompt and its ids. Parameters that are not those of the request count as another prompt would.
    fn render(&self, model: &Model) -> Result<(ReplayStep, ReplayStep), CommandError> {
        let request = match Request::open(self.operation, &self.request) {
            Ok(request) => request,
            Err(error) => return Err(malformed("the request").because(error)),
        };
        let clock = self.executed.template_clock.unwrap_or_default();
        let own_seed = self.executed.seed;
        let prepared = prepare(&request, &model.generation().defaults, clock, &mut || {
            Ok(own_seed)
        })
        .map_err(|error| {
            CommandError::rejected("no node would execute this request").because(error)
        })?;
        let asked = &prepared.generate;
        let used = &self.parameters;
        let same_parameters = asked.sampling == used.sampling
            && asked.choices == used.choices
            && asked.max_tokens.is_none_or(|most| used.max_tokens == most)
            && asked.stop == used.stop
            && asked.seed == self.executed.seed
            && prepared.seed_chosen_by == self.executed.seed_chosen_by;
        let prompt = model.prompt(&asked.prompt).map_err(engine_error)?;
        let step = |same: bool| {
            if same {
                ReplayStep::Same
            } else {
                ReplayStep::Differs
            }
        };
        Ok((
            step(same_parameters && prompt.text.as_bytes() == self.prompt),
            step(prompt.ids == self.input),
        ))
    }

    /// From ids to ids.
    fn execute(
        &self,
        replayer: &mut Replayer,
    ) -> Result<(ReplayStep, Option<TokenDifference>), CommandError> {
        for choice in &self.choices {
            let job = ReplayJob {
                prompt: self.input.clone(),
                answer: choice.ids.clone(),
                sampling: self.parameters.sampling.clone(),
                seed: self.executed.seed,
                choice: choice.index,
            };
            match replayer.replay(&job).map_err(engine_error)? {
                Replay::Same => {}
                Replay::Differs {
                    position,
                    expected,
                    got,
                } => {
                    let difference = TokenDifference {
                        choice: choice.index,
                        position: position as u64,
                        expected,
                        got,
                    };
                    return Ok((ReplayStep::Differs, Some(difference)));
                }
                Replay::Continued { .. } => return Ok((ReplayStep::Differs, None)),
            }
        }
        Ok((ReplayStep::Same, None))
    }

    /// From ids to text, where the answer ends included.
    fn detokenize(&self, model: &Model) -> Result<ReplayStep, CommandError> {
        let claims = self.claims();
        let whole = !matches!(
            claims.outcome.status,
            Status::AbortedByClient | Status::AbortedByProvider | Status::NodeError
        );
        let full = u64::from(model.max_positions()).saturating_sub(self.input.len() as u64);
        let most = u64::from(self.parameters.max_tokens).min(full);
        for choice in &self.choices {
            let (text, stopped) = self.text_of(model, &choice.ids)?;
            let same = if whole {
                let ended = stopped
                    || choice.ids.last().is_some_and(|id| model.is_end(*id))
                    || choice.ids.len() as u64 == most;
                ended && text.as_bytes() == choice.text
            } else {
                text.as_bytes().starts_with(&choice.text)
            };
            if !same {
                return Ok(ReplayStep::Differs);
            }
        }
        Ok(ReplayStep::Same)
    }

    /// The text of ids up to a stop string, and whether one ended it at the last id.
    fn text_of(&self, model: &Model, ids: &[u32]) -> Result<(String, bool), CommandError> {
        let Some(tokenizer) = model.tokenizer() else {
            return Err(malformed("the text").because("the model has no tokenizer"));
        };
        let mut detokenizer = Detokenizer::default();
        let mut stop = StopStrings::new(self.parameters.stop.clone());
        let mut text = String::new();
        for (position, id) in ids.iter().enumerate() {
            if model.is_end(*id) {
                break;
            }
            let piece = detokenizer.push(tokenizer, *id).map_err(engine_error)?;
            let scan = stop.push(&piece);
            text.push_str(&scan.text);
            if scan.stopped_by.is_some() {
                return Ok((text, position + 1 == ids.len()));
            }
        }
        let piece = detokenizer.finish(tokenizer).map_err(engine_error)?;
        let scan = stop.push(&piece);
        text.push_str(&scan.text);
        if scan.stopped_by.is_none() {
            text.push_str(&stop.finish());
        }
        Ok((text, scan.stopped_by.is_some()))
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

impl Parameters {
    fn of(executed: &Executed, committed: &[(String, Vec<u8>)]) -> Result<Self, CommandError> {
        let text = |name: &str| {
            let parameter = executed.parameters.iter().find(|p| p.name == name)?;
            match &parameter.value {
                ParameterValue::Clear(json) => Some(json.as_str()),
                ParameterValue::Committed(_) => {
                    let (_, json) = committed.iter().find(|(of, _)| of == name)?;
                    std::str::from_utf8(json).ok()
                }
            }
        };
        fn number<T: std::str::FromStr>(text: Option<&str>) -> Result<T, CommandError> {
            text.and_then(|text| text.parse().ok())
                .ok_or_else(|| malformed("a parameter"))
        }
        let sampling = SamplingParameters {
            temperature: number(text("temperature"))?,
            top_p: number(text("top_p"))?,
            min_p: number(text("min_p"))?,
            top_k: number(text("top_k"))?,
            presence_penalty: number(text("presence_penalty"))?,
            frequency_penalty: number(text("frequency_penalty"))?,
            repetition_penalty: number(text("repetition_penalty"))?,
            logit_bias: text("logit_bias").map_or_else(|| Ok(Vec::new()), biases)?,
        };
        Ok(Self {
            sampling,
            choices: number(text("choices"))?,
            max_tokens: number(text("max_tokens"))?,
            stop: text("stop").map_or_else(|| Ok(Vec::new()), strings)?,
        })
    }
}

fn biases(json: &str) -> Result<Vec<(u32, i32)>, CommandError> {
    let entries = RawJson::parse(json.as_bytes())
        .ok()
        .and_then(RawJson::entries);
    let pair = |(id, units): (std::borrow::Cow<'_, str>, RawJson<'_>)| {
        Some((id.parse().ok()?, i32::try_from(units.as_i64()?).ok()?))
    };
    entries
        .and_then(|entries| entries.map(pair).collect())
        .ok_or_else(|| malformed("logit_bias"))
}

fn strings(json: &str) -> Result<Vec<String>, CommandError> {
    let elements = RawJson::parse(json.as_bytes())
        .ok()
        .and_then(RawJson::elements);
    elements
        .and_then(|elements| elements.map(|e| Some(e.as_str()?.into_owned())).collect())
        .ok_or_else(|| malformed("stop"))
}
