//! From a request of the API to a request of the engine. What the engine cannot do is refused by name, never dropped.

use std::ops::RangeInclusive;

use proofmark_engine::{Chat, GenerateRequest, Prompt};
use proofmark_openai::{JsonKind, Operation, RawJson, Request, ResponseFormat};
use proofmark_program::{SamplingParameters, parse_logit_units, parse_millionths};
use proofmark_receipt::SeedChooser;

use crate::error::GatewayError;

/// Members that change nothing about what a model of this node's own answers. They are in the receipt with the received body.
const INERT: [&str; 12] = [
    "metadata",
    "model",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "proofmark",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "user",
];

/// Members that are read.
const READ: [&str; 18] = [
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "min_p",
    "n",
    "presence_penalty",
    "prompt",
    "repetition_penalty",
    "response_format",
    "seed",
    "stop",
    "temperature",
    "tool_choice",
    "top_k",
    "top_logprobs",
];

/// Where the seed comes from when the caller gave none.
pub type SeedSource<'s> = &'s mut dyn FnMut() -> Result<u64, GatewayError>;

/// A request as the engine takes it, and what a receipt says of it beside that.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// For the engine.
    pub generate: GenerateRequest,
    /// Who chose the seed.
    pub seed_chosen_by: SeedChooser,
    /// Clock that the template sees, Unix seconds; `None` where there is no template.
    pub template_clock: Option<u64>,
}

/// Reads a chat or a completion for a model of this node's own. `defaults` are the model's own for parameters that the request leaves out,
/// as (name, decimal text); `unix_s` is the template's clock.
///
/// # Errors
/// [`GatewayError::NotExecutable`], which names the member that is not supported or out of its bounds.
pub fn prepare(
    request: &Request<'_>,
    defaults: &[(String, String)],
    unix_s: u64,
    seed: SeedSource<'_>,
) -> Result<Prepared, GatewayError> {
    check_members(request)?;
    let parameters = request.parameters();
    let (prompt, template_clock) = match request.operation() {
        Operation::ChatCompletions => (chat(request, unix_s)?, Some(unix_s)),
        Operation::Completions => (completion(request)?, None),
        Operation::Embeddings | Operation::Infer => {
            return Err(unsupported("model", "it generates text"));
        }
    };
    let (seed, seed_chosen_by) = match parameters.seed {
        Some(given) => (given.cast_unsigned(), SeedChooser::Caller),
        None => (seed()?, SeedChooser::Node),
    };
    let stop = parameters.stop.iter().map(|stop| stop.as_ref().to_owned());
    let generate = GenerateRequest {
        prompt,
        sampling: sampling(request, defaults)?,
        choices: narrow("n", parameters.n)?,
        max_tokens: parameters
            .max_tokens
            .map(|max_tokens| narrow("max_tokens", max_tokens))
            .transpose()?,
        stop: stop.collect(),
        top_logprobs: parameters
            .logprobs
            .map(|count| narrow("top_logprobs", count))
            .transpose()?,
        seed,
    };
    Ok(Prepared {
        generate,
        seed_chosen_by,
        template_clock,
    })
}

pub(super) fn unsupported(param: &str, reason: &str) -> GatewayError {
    GatewayError::NotExecutable {
        code: "unsupported_parameter",
        param: Some(param.to_owned()),
        message: format!("'{param}' is not supported by the models of this node: {reason}."),
    }
}

pub(super) fn invalid(param: &str, expected: &str) -> GatewayError {
    GatewayError::NotExecutable {
        code: "invalid_value",
        param: Some(param.to_owned()),
        message: format!("Invalid value for '{param}': {expected}."),
    }
}

fn narrow<T: TryFrom<u64>>(param: &str, value: u64) -> Result<T, GatewayError> {
    T::try_from(value).map_err(|_| invalid(param, "expected a smaller number"))
}

fn check_members(request: &Request<'_>) -> Result<(), GatewayError> {
    for (name, value) in request.members().iter() {
        let name = name.as_ref();
        if value.is_null() || INERT.contains(&name) {
            continue;
        }
        let is_empty = value.elements().is_some_and(|mut all| all.next().is_none());
        match name {
            "top_p" => {}
            "tools" | "functions" if is_empty => {}
            "tool_choice" if matches!(value.as_str().as_deref(), Some("none" | "auto")) => {}
            "tool_choice" => return Err(unsupported(name, "they call no tools")),
            "echo" if value.as_bool() == Some(false) => {}
            "best_of" if value.as_u64() == Some(1) => {}
            "suffix" if value.as_str().as_deref() == Some("") => {}
            "response_format"
                if matches!(request.parameters().response_format, ResponseFormat::Text) => {}
            "response_format" => return Err(unsupported(name, "their output has no structure")),
            name if READ.contains(&name) => {}
            name => return Err(unsupported(name, "the engine does not have it")),
        }
    }
    Ok(())
}

fn chat(request: &Request<'_>, unix_s: u64) -> Result<Prompt, GatewayError> {
    let messages = request
        .members()
        .get("messages")
        .ok_or_else(|| invalid("messages", "expected messages"))?;
    if request.attachments().next().is_some() {
        return Err(unsupported("messages", "they read text only"));
    }
    Ok(Prompt::Chat(Chat {
        messages: messages.as_json().to_owned(),
        tools: None,
        template_arguments: None,
        add_generation_prompt: true,
        unix_seconds: unix_s,
    }))
}

fn completion(request: &Request<'_>) -> Result<Prompt, GatewayError> {
    let expected = || invalid("prompt", "expected one text, or one list of token ids");
    let prompt = request.members().get("prompt").ok_or_else(expected)?;
    if let Some(text) = prompt.as_str() {
        return Ok(Prompt::Text(text.into_owned()));
    }
    let elements: Vec<RawJson<'_>> = prompt.elements().ok_or_else(expected)?.collect();
    match elements.as_slice() {
        [one] if one.kind() == JsonKind::String => one
            .as_str()
            .map(|text| Prompt::Text(text.into_owned()))
            .ok_or_else(expected),
        ids => {
            let ids = ids
                .iter()
                .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()));
            ids.collect::<Option<_>>()
                .map(Prompt::Ids)
                .ok_or_else(expected)
        }
    }
}

/// The integers of specs/04-program.md §7.1, from the numbers as the caller wrote them.
fn sampling(
    request: &Request<'_>,
    defaults: &[(String, String)],
) -> Result<SamplingParameters, GatewayError> {
    let mut sampling = SamplingParameters::default();
    let text = |name: &str| {
        let given = request.members().get_non_null(name).map(RawJson::as_json);
        let default = || defaults.iter().find(|(of, _)| of == name);
        given.or_else(|| default().map(|(_, text)| text.as_str()))
    };
    let millionths = |name: &'static str, bounds: RangeInclusive<i64>| {
        let out = || invalid(name, "expected a number within its bounds");
        let read = |text| parse_millionths(text).filter(|value| bounds.contains(value));
        text(name)
            .map(|text| read(text).ok_or_else(out))
            .transpose()
    };
    let unsigned = |name, bounds| -> Result<Option<u32>, GatewayError> {
        Ok(millionths(name, bounds)?.and_then(|value| u32::try_from(value).ok()))
    };
    let signed = |name, bounds| -> Result<Option<i32>, GatewayError> {
        Ok(millionths(name, bounds)?.and_then(|value| i32::try_from(value).ok()))
    };
    if let Some(temperature) = unsigned("temperature", 0..=2_000_000)? {
        sampling.temperature = temperature;
    }
    if let Some(top_p) = unsigned("top_p", 0..=1_000_000)? {
        sampling.top_p = top_p;
    }
    if let Some(min_p) = unsigned("min_p", 0..=1_000_000)? {
        sampling.min_p = min_p;
    }
    if let Some(penalty) = signed("presence_penalty", -2_000_000..=2_000_000)? {
        sampling.presence_penalty = penalty;
    }
    if let Some(penalty) = signed("frequency_penalty", -2_000_000..=2_000_000)? {
        sampling.frequency_penalty = penalty;
    }
    if let Some(penalty) = unsigned("repetition_penalty", 10_000..=100_000_000)? {
        sampling.repetition_penalty = penalty;
    }
    if let Some(top_k) = text("top_k") {
        let expected = |_| invalid("top_k", "expected a whole number");
        sampling.top_k = top_k.parse().map_err(expected)?;
    }
    sampling.logit_bias = logit_bias(request)?;
    Ok(sampling)
}

fn logit_bias(request: &Request<'_>) -> Result<Vec<(u32, i32)>, GatewayError> {
    let Some(biases) = request.members().get_non_null("logit_bias") else {
        return Ok(Vec::new());
    };
    let expected = || {
        invalid(
            "logit_bias",
            "expected token ids with numbers from -100 to 100",
        )
    };
    let mut all = Vec::new();
    for (id, bias) in biases.entries().ok_or_else(expected)? {
        let id: u32 = id.parse().map_err(|_| expected())?;
        let bias = parse_logit_units(bias.as_json())
            .and_then(|units| i32::try_from(units).ok())
            .ok_or_else(expected)?;
        all.push((id, bias));
    }
    all.sort_unstable();
    Ok(all)
}
