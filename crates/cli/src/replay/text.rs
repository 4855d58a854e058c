//! Text, executed again: from the request to the prompt, from the prompt to the ids, from the ids to the answer's ids, and from those to its
//! text.

use proofmark_engine::{Detokenizer, Model, Replay, ReplayJob, Replayer, StopStrings};
use proofmark_gateway::local::prepare;
use proofmark_openai::{RawJson, Request};
use proofmark_program::SamplingParameters;
use proofmark_receipt::{Executed, ParameterValue, ReplayStep, Status, TokenDifference};

use super::{Found, Opened, engine_error, malformed, not_executable, same};
use crate::error::CommandError;

/// The parameters as the receipt has them.
struct Parameters {
    sampling: SamplingParameters,
    choices: u32,
    max_tokens: u32,
    stop: Vec<String>,
}

/// A choice with the ids that it was made of.
struct Choice<'o> {
    index: u32,
    text: &'o [u8],
    ids: &'o [u32],
}

/// A text receipt in the making of its verdict.
struct Text<'o> {
    opened: &'o Opened,
    parameters: Parameters,
    choices: Vec<Choice<'o>>,
}

/// Executes everything again.
pub(super) fn replay(
    opened: &Opened,
    model: &Model,
    replayer: &mut Replayer,
) -> Result<Found, CommandError> {
    let choices = opened.choices.iter().filter_map(|choice| {
        Some(Choice {
            index: choice.index,
            text: &choice.text,
            ids: choice.ids.as_deref()?,
        })
    });
    let text = Text {
        parameters: Parameters::of(&opened.executed, &opened.committed)?,
        choices: choices.collect(),
        opened,
    };
    let (rendered, tokenized) = text.render(model)?;
    let (executed, difference) = text.execute(replayer)?;
    Ok(Found {
        rendered,
        tokenized,
        executed,
        detokenized: text.detokenize(model)?,
        compared: text.choices.iter().map(|c| c.ids.len() as u64).sum(),
        difference,
    })
}

impl Text<'_> {
    /// From the request to the prompt and its ids. Parameters that are not those of the request count as another prompt would.
    fn render(&self, model: &Model) -> Result<(ReplayStep, ReplayStep), CommandError> {
        let request = match Request::open(self.opened.operation, &self.opened.request) {
            Ok(request) => request,
            Err(error) => return Err(malformed("the request").because(error)),
        };
        let clock = self.opened.executed.template_clock.unwrap_or_default();
        let own_seed = self.opened.executed.seed;
        let prepared = prepare(&request, &model.generation().defaults, clock, &mut || {
            Ok(own_seed)
        })
        .map_err(not_executable)?;
        let asked = &prepared.generate;
        let used = &self.parameters;
        let same_parameters = asked.sampling == used.sampling
            && asked.choices == used.choices
            && asked.max_tokens.is_none_or(|most| used.max_tokens == most)
            && asked.stop == used.stop
            && asked.seed == self.opened.executed.seed
            && prepared.seed_chosen_by == self.opened.executed.seed_chosen_by;
        let prompt = model.prompt(&asked.prompt).map_err(engine_error)?;
        Ok((
            same(same_parameters && prompt.text.as_bytes() == self.opened.prompt),
            same(prompt.ids == self.opened.input),
        ))
    }

    /// From ids to ids.
    fn execute(
        &self,
        replayer: &mut Replayer,
    ) -> Result<(ReplayStep, Option<TokenDifference>), CommandError> {
        for choice in &self.choices {
            let job = ReplayJob {
                prompt: self.opened.input.clone(),
                answer: choice.ids.to_vec(),
                sampling: self.parameters.sampling.clone(),
                seed: self.opened.executed.seed,
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
        let claims = self.opened.claims();
        let whole = !matches!(
            claims.outcome.status,
            Status::AbortedByClient | Status::AbortedByProvider | Status::NodeError
        );
        let full = u64::from(model.max_positions()).saturating_sub(self.opened.input.len() as u64);
        let most = u64::from(self.parameters.max_tokens).min(full);
        for choice in &self.choices {
            let (text, stopped) = self.text_of(model, choice.ids)?;
            let is_same = if whole {
                let ended = stopped
                    || choice.ids.last().is_some_and(|id| model.is_end(*id))
                    || choice.ids.len() as u64 == most;
                ended && text.as_bytes() == choice.text
            } else {
                text.as_bytes().starts_with(choice.text)
            };
            if !is_same {
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
