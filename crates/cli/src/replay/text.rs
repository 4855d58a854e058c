//! Text, executed again: from the request to the prompt, from the prompt to the ids, from the ids to the answer's ids, and from those to its
//! text.

use proofmark_engine::{Detokenizer, Model, Replay, ReplayJob, Replayer, StopStrings};
use proofmark_gateway::local::prepare;
use proofmark_openai::{Operation, Request};
use proofmark_receipt::{Bundle, ReplayStep, Status, TokenDifference};
use proofmark_verify::{TextParameters, TextSteps};

use super::{Found, Opened, engine_error, malformed, not_executable, same};
use crate::error::CommandError;

/// A choice with the ids that it was made of.
struct Choice<'o> {
    index: u32,
    text: &'o [u8],
    ids: &'o [u32],
}

/// A text receipt in the making of its verdict.
struct Text<'o> {
    opened: &'o Opened,
    parameters: TextParameters,
    choices: Vec<Choice<'o>>,
}

/// Executes everything again.
pub(super) fn replay(
    opened: &Opened,
    model: &Model,
    replayer: &mut Replayer,
) -> Result<Found, CommandError> {
    let text = Text::of(opened)?;
    let (rendered, tokenized) = text.render(model, opened.request()?)?;
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

/// The steps around the program, for whoever has a proof of the program itself; `None` if the receipt is not about a text of this
/// model, or the bundle does not open it.
pub(crate) fn steps_of(bundle: &Bundle, model: &Model) -> Option<TextSteps> {
    let opened = Opened::execution_of(bundle).ok()?;
    let is_text = matches!(
        opened.operation,
        Operation::ChatCompletions | Operation::Completions
    );
    if !is_text || opened.closure() != model.closure().as_bytes() {
        return None;
    }
    let text = Text::of(&opened).ok()?;
    // What no node would have executed was not executed.
    let differs = ReplayStep::Differs;
    let (rendered, tokenized) = match &opened.request {
        Some(request) => text.render(model, request).unwrap_or((differs, differs)),
        None => (ReplayStep::NotChecked, ReplayStep::NotChecked),
    };
    Some(TextSteps {
        rendered,
        tokenized,
        detokenized: text.detokenize(model).unwrap_or(differs),
    })
}

impl<'o> Text<'o> {
    fn of(opened: &'o Opened) -> Result<Self, CommandError> {
        let choices = opened.choices.iter().filter_map(|choice| {
            Some(Choice {
                index: choice.index,
                text: &choice.text,
                ids: choice.ids.as_deref()?,
            })
        });
        let parameters = TextParameters::of(&opened.executed, &opened.committed);
        Ok(Self {
            parameters: parameters.map_err(malformed)?,
            choices: choices.collect(),
            opened,
        })
    }

    /// From the request to the prompt and its ids. Parameters that are not those of the request count as another prompt would.
    fn render(
        &self,
        model: &Model,
        request: &[u8],
    ) -> Result<(ReplayStep, ReplayStep), CommandError> {
        let request = match Request::open(self.opened.operation, request) {
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
            let mut before_last = choice.ids.iter().rev().skip(1);
            if before_last.any(|id| model.is_end(*id)) {
                return Ok(ReplayStep::Differs);
            }
            let is_same = if whole {
                let ended = stopped || choice.ids.last().is_some_and(|id| model.is_end(*id));
                let reason = if ended { "stop" } else { "length" };
                (ended || choice.ids.len() as u64 == most)
                    && self.reason_of(choice) == Some(reason)
                    && text.as_bytes() == choice.text
            } else {
                text.as_bytes().starts_with(choice.text)
            };
            if !is_same {
                return Ok(ReplayStep::Differs);
            }
        }
        Ok(ReplayStep::Same)
    }

    /// Why a choice ended, as the receipt says.
    fn reason_of(&self, choice: &Choice<'_>) -> Option<&str> {
        let (_, all) = self.opened.claims().finish.as_ref()?;
        let finish = all.iter().find(|finish| finish.index == choice.index)?;
        finish.reason.as_deref()
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
