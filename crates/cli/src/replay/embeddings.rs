//! Embeddings, executed again: from the request to ids, and from those to vectors as they were shown.

use proofmark_engine::{Model, Replayer};
use proofmark_gateway::local::{
    EmbeddedPrompt, decode_prompts, embedding_json, encode_prompts, prepare_embeddings,
};
use proofmark_openai::{Answer, JsonText, Operation, Request};
use proofmark_receipt::{ParameterValue, ReplayStep};

use super::{Found, Opened, engine_error, malformed, not_executable, same};
use crate::error::CommandError;

/// Name and value of the fields of a choice.
type Fields = Vec<(String, Vec<u8>)>;

/// Executes everything again.
pub(super) fn replay(
    opened: &Opened,
    model: &Model,
    replayer: &Replayer,
) -> Result<Found, CommandError> {
    let request = Request::open(Operation::Embeddings, opened.request()?)
        .map_err(|error| malformed("the request").because(error))?;
    let asked = prepare_embeddings(&request).map_err(not_executable)?;
    let (mut prompts, mut ids) = (Vec::new(), Vec::new());
    for prompt in &asked.prompts {
        let rendered = model.prompt(prompt).map_err(engine_error)?;
        prompts.push((rendered.text.into_bytes(), rendered.ids.len() as u64));
        ids.extend(rendered.ids);
    }
    let parameters: Vec<(&str, &ParameterValue)> = opened
        .executed
        .parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), &parameter.value))
        .collect();
    let base64 = ParameterValue::Clear(asked.base64.to_string());
    let rendered = encode_prompts(&prompts) == opened.prompt && parameters == [("base64", &base64)];
    let mut found = Found {
        rendered: same(rendered),
        tokenized: same(ids == opened.input),
        executed: ReplayStep::NotChecked,
        detokenized: ReplayStep::NotChecked,
        compared: 0,
        difference: None,
    };
    let [choice] = opened.choices.as_slice() else {
        return Ok(found);
    };
    let executed =
        decode_prompts(&opened.prompt).map_err(|error| malformed("the inputs").because(error))?;
    let (expected, elements) = vectors(opened, &executed, replayer, asked.base64)?;
    found.compared = elements;
    found.executed = same(expected == choice.fields);
    found.detokenized = same(choice.index == 0 && choice.text.is_empty());
    Ok(found)
}

/// The fields that the receipt has for these inputs, and the number of elements of all vectors.
fn vectors(
    opened: &Opened,
    prompts: &[EmbeddedPrompt],
    replayer: &Replayer,
    base64: bool,
) -> Result<(Fields, u64), CommandError> {
    let mut rest = opened.input.as_slice();
    let (mut data, mut elements) = (Vec::new(), 0);
    for (index, (_, count)) in (0_u64..).zip(prompts) {
        let count = usize::try_from(*count).unwrap_or(usize::MAX);
        let (ids, behind) = rest
            .split_at_checked(count)
            .ok_or_else(|| malformed("the number of input ids"))?;
        rest = behind;
        let embedding = replayer.embed(ids).map_err(engine_error)?;
        elements += embedding.sums.len() as u64;
        data.push(JsonText::object([
            ("index", JsonText::uint(index)),
            ("embedding", embedding_json(&embedding, base64)),
        ]));
    }
    if !rest.is_empty() {
        return Err(malformed("the number of input ids"));
    }
    let body = JsonText::object([("data", JsonText::array(data))]).into_json();
    let answer = Answer::parse(Operation::Embeddings, body.as_bytes())
        .map_err(|error| CommandError::internal("an answer of our own").because(error))?;
    let fields = answer.choices.into_iter().flat_map(|choice| choice.fields);
    let fields = fields.map(|field| (field.name, field.value));
    Ok((fields.collect(), elements))
}
