//! What a receipt says that a decoder was asked and gave, opened (specs/01-receipt.md §4.7, §7.5).

use std::borrow::Cow;
use std::str::FromStr;

use proofmark_openai::RawJson;
use proofmark_program::SamplingParameters;
use proofmark_proof::{Generation, unsupported_parameter};
use proofmark_receipt::{Claims, Executed, ParameterValue, Status};

use super::{InferenceError, OpenScopes, Run, differs};

/// Parameters that are read; nothing is proven of an answer with others.
const KNOWN: [&str; 11] = [
    "choices",
    "frequency_penalty",
    "logit_bias",
    "max_tokens",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "stop",
    "temperature",
    "top_k",
    "top_p",
];

/// Parameters of a text as its receipt has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextParameters {
    /// How ids were sampled.
    pub sampling: SamplingParameters,
    /// Number of choices.
    pub choices: u32,
    /// Most ids of a choice.
    pub max_tokens: u32,
    /// Strings that end a choice.
    pub stop: Vec<String>,
}

impl TextParameters {
    /// Reads the parameters of a receipt; `committed` are the opened values of those that do not stand in clear.
    ///
    /// # Errors
    /// The name of the one that is not there, not open, or not a value that it can have.
    pub fn of(executed: &Executed, committed: &[(String, Vec<u8>)]) -> Result<Self, &'static str> {
        let parameters = Texts {
            executed,
            committed,
        };
        let sampling = SamplingParameters {
            temperature: parameters.number("temperature")?,
            top_p: parameters.number("top_p")?,
            min_p: parameters.number("min_p")?,
            top_k: parameters.number("top_k")?,
            presence_penalty: parameters.number("presence_penalty")?,
            frequency_penalty: parameters.number("frequency_penalty")?,
            repetition_penalty: parameters.number("repetition_penalty")?,
            logit_bias: parameters.list("logit_bias", biases)?,
        };
        Ok(Self {
            sampling,
            choices: parameters.number("choices")?,
            max_tokens: parameters.number("max_tokens")?,
            stop: parameters.list("stop", strings)?,
        })
    }
}

/// The JSON texts of parameters.
#[derive(Clone, Copy)]
struct Texts<'p> {
    executed: &'p Executed,
    committed: &'p [(String, Vec<u8>)],
}

impl<'p> Texts<'p> {
    /// `None` if the receipt has no such parameter, an error if it is not open.
    fn text(self, name: &'static str) -> Result<Option<&'p str>, &'static str> {
        let Some(parameter) = self.executed.parameters.iter().find(|p| p.name == name) else {
            return Ok(None);
        };
        match &parameter.value {
            ParameterValue::Clear(json) => Ok(Some(json)),
            ParameterValue::Committed(_) => {
                let open = self.committed.iter().find(|(of, _)| of == name);
                let text = open.and_then(|(_, json)| std::str::from_utf8(json).ok());
                text.map(Some).ok_or(name)
            }
        }
    }

    fn number<T: FromStr>(self, name: &'static str) -> Result<T, &'static str> {
        let text = self.text(name)?.ok_or(name)?;
        text.parse().map_err(|_| name)
    }

    fn list<T>(
        self,
        name: &'static str,
        read: fn(RawJson<'_>) -> Option<Vec<T>>,
    ) -> Result<Vec<T>, &'static str> {
        let Some(text) = self.text(name)? else {
            return Ok(Vec::new());
        };
        let json = RawJson::parse(text.as_bytes()).map_err(|_| name)?;
        read(json).ok_or(name)
    }
}

fn biases(json: RawJson<'_>) -> Option<Vec<(u32, i32)>> {
    let pair = |(id, units): (Cow<'_, str>, RawJson<'_>)| {
        Some((id.parse().ok()?, i32::try_from(units.as_i64()?).ok()?))
    };
    json.entries()?.map(pair).collect()
}

fn strings(json: RawJson<'_>) -> Option<Vec<String>> {
    let text = |element: RawJson<'_>| Some(element.as_str()?.into_owned());
    json.elements()?.map(text).collect()
}

/// One choice of a text: the ids that a decoder was given, and those that were sampled after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedRun {
    /// Ids of the prompt.
    pub prompt: Vec<u32>,
    /// Ids that were sampled, an end id included.
    pub generated: Vec<u32>,
    /// How they were sampled.
    pub parameters: SamplingParameters,
    /// Seed of the draws.
    pub seed: u64,
    /// Index of the choice.
    pub choice: u32,
}

impl GeneratedRun {
    /// As a statement of a proof has it.
    #[must_use]
    pub fn generation(&self) -> Generation<'_> {
        Generation {
            prompt: &self.prompt,
            generated: &self.generated,
            parameters: &self.parameters,
            seed: self.seed,
            choice: self.choice,
        }
    }
}

/// Whether the answer came to its end, as far as its receipt says.
pub(crate) fn is_whole(claims: &Claims) -> bool {
    !matches!(
        claims.outcome.status,
        Status::AbortedByClient | Status::AbortedByProvider | Status::NodeError
    )
}

/// The choices of a text receipt, each a run, in the order in which the receipt has them.
pub(super) fn choices(
    claims: &Claims,
    executed: &Executed,
    open: &OpenScopes<'_>,
) -> Result<Vec<Run>, InferenceError> {
    let unsupported = |what: &str| InferenceError::Unsupported {
        operation: what.to_owned(),
    };
    let not_opened = |what| InferenceError::NotOpened { what };
    let taken = open
        .executed
        .ok_or(not_opened("what went into the program"))?;
    let parameters = executed.parameters.iter();
    if let Some(unknown) = parameters
        .map(|p| p.name.as_str())
        .find(|p| !KNOWN.contains(p))
    {
        return Err(unsupported(&format!(
            "an answer with the parameter {unknown:?}"
        )));
    }
    let parameters = TextParameters::of(executed, taken.parameters);
    let Ok(parameters) = parameters else {
        return differs("a parameter of the receipt can't be read");
    };
    let count = usize::try_from(parameters.choices).unwrap_or(usize::MAX);
    let some = 1..=count;
    let all = if is_whole(claims) {
        count..=count
    } else {
        some
    };
    if claims.output.is_empty() || !all.contains(&claims.output.len()) {
        return differs("the receipt has another number of choices than its parameters");
    }
    let mut runs = Vec::new();
    for claim in &claims.output {
        if claim.tokens.is_none() {
            return differs("the receipt does not commit to the ids of its answer");
        }
        let choice = open.choices.iter().find(|open| open.index == claim.index);
        let ids = choice.and_then(|choice| choice.ids);
        let ids = ids.ok_or(not_opened("the ids of the answer"))?;
        if ids.is_empty() {
            return Err(unsupported("a choice without an id"));
        }
        if claim.index >= parameters.choices {
            return differs("a choice with an index beyond the number of choices");
        }
        if u32::try_from(ids.len()).map_or(true, |ids| ids > parameters.max_tokens) {
            return differs("more ids than max_tokens");
        }
        let run = GeneratedRun {
            prompt: taken.input_tokens.to_vec(),
            generated: ids.to_vec(),
            parameters: parameters.sampling.clone(),
            seed: executed.seed,
            choice: claim.index,
        };
        if let Some(parameter) = unsupported_parameter(&run.parameters) {
            return Err(InferenceError::Parameter { parameter });
        }
        runs.push(Run::Generation(run));
    }
    Ok(runs)
}
