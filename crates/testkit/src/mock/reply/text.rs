//! Text completions.

use serde_json::Value;

use super::{Common, Reply, pieces};
use crate::mock::behavior::Behavior;
use crate::mock::failure::Failure;
use crate::mock::params::{Params, wrong_type};

/// The answer to a text completion: each prompt is repeated.
pub(in crate::mock) fn reply_to_completion(
    params: &Params,
    behavior: Behavior,
) -> Result<Reply, Failure> {
    let common = Common::read(params, behavior)?;
    let prompts = prompts(params.required("prompt")?)?;
    let logprobs = params
        .count("logprobs", 0, 5)?
        .map(|count| usize::try_from(count).unwrap_or(0));
    let echo = params.flag("echo")?;
    let mut choices = Vec::new();
    for prompt in &prompts {
        let mut said = common.say(&format!("You said: {prompt}"));
        if echo {
            said.iter_mut()
                .for_each(|choice| choice.content.insert(0, prompt.clone()));
        }
        choices.append(&mut said);
    }
    let input = prompts.iter().map(|prompt| pieces(prompt).len()).sum();
    Ok(common.finish(choices, input, logprobs))
}

/// Texts stand for themselves, token ids for their numbers.
fn prompts(prompt: &Value) -> Result<Vec<String>, Failure> {
    let ids = |ids: &[Value]| -> Option<String> {
        let ids: Option<Vec<String>> = ids
            .iter()
            .map(|id| id.as_u64().map(|id| id.to_string()))
            .collect();
        Some(ids?.join(" "))
    };
    let read = || match prompt {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) if list.iter().all(Value::is_u64) => Some(vec![ids(list)?]),
        Value::Array(list) => list
            .iter()
            .map(|element| match element {
                Value::String(text) => Some(text.clone()),
                Value::Array(inner) => ids(inner),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    read().ok_or_else(|| {
        wrong_type(
            "prompt",
            "a string, array of strings, array of tokens, or array of token arrays",
            prompt,
        )
    })
}
