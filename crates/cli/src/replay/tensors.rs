//! Tensors, executed again: from the request's numbers to integers, and from those to the answer's.

use proofmark_engine::{EncodedInputs, Model, TensorRunner};
use proofmark_gateway::local::prepare_tensors;
use proofmark_receipt::{ReplayStep, TokenDifference};
use proofmark_tensors::{EncodedTensor, InferRequest, output_fields, output_of_field};

use super::{Found, Opened, engine_error, malformed, not_executable, same};
use crate::error::CommandError;

/// Executes everything again.
pub(super) fn replay(
    opened: &Opened,
    model: &Model,
    runner: &mut TensorRunner,
) -> Result<Found, CommandError> {
    let request = InferRequest::read(opened.request()?)
        .map_err(|error| malformed("the request").because(error))?;
    let asked = prepare_tensors(&request, model).map_err(not_executable)?;
    let asked = asked.map_err(engine_error)?;
    let rendered = EncodedTensor::encode_inputs(asked.tensors()) == opened.prompt
        && opened.executed.parameters.is_empty();
    let program = model
        .tensor_program()
        .ok_or_else(|| CommandError::internal("no tensor program"))?;
    let inputs = EncodedTensor::decode_inputs(&opened.prompt)
        .map_err(|error| malformed("the encoded inputs").because(error))?;
    let inputs = EncodedInputs::check(program, inputs).map_err(engine_error)?;
    let mut found = Found {
        rendered: same(rendered),
        // There are no ids: a receipt of this operation that has some is malformed.
        tokenized: ReplayStep::Same,
        executed: ReplayStep::NotChecked,
        detokenized: ReplayStep::NotChecked,
        compared: 0,
        difference: None,
    };
    let [choice] = opened.choices.as_slice() else {
        // No answer, nothing to compare it with.
        return Ok(found);
    };
    let expected = inputs
        .run(program, runner, || false)
        .map_err(engine_error)?;
    found.detokenized =
        same(choice.index == 0 && choice.text.is_empty() && same_frame(&expected, &choice.fields));
    let outputs = choice.fields.iter();
    let outputs: Vec<EncodedTensor> = outputs
        .filter_map(|(name, value)| output_of_field(name, value))
        .collect();
    found.compared = expected.iter().map(|e| e.elements.len() as u64).sum();
    let (is_same, difference) = compare(&expected, &outputs);
    found.executed = same(is_same);
    found.difference = difference;
    Ok(found)
}

/// Whether names, shapes and scales are the program's.
fn same_frame(expected: &[EncodedTensor], fields: &[(String, Vec<u8>)]) -> bool {
    let expected = output_fields(expected);
    expected.len() == fields.len()
        && expected.iter().zip(fields).all(|(own, given)| {
            let frame = |(name, value): &(String, Vec<u8>)| {
                let output = output_of_field(name, value)?;
                Some((output.name, output.shape, output.scale_bits))
            };
            frame(own).is_some() && frame(own) == frame(given)
        })
}

/// Element by element, in the program's order: whether all are the same, and the first that is not.
fn compare(
    expected: &[EncodedTensor],
    outputs: &[EncodedTensor],
) -> (bool, Option<TokenDifference>) {
    let mut before = 0;
    for own in expected {
        let given = outputs.iter().find(|output| output.name == own.name);
        let given = given.map_or(&[][..], |output| output.elements.as_slice());
        if given.len() != own.elements.len() {
            return (false, None);
        }
        let both = own.elements.iter().zip(given);
        if let Some((at, (expected, got))) = (0_u64..).zip(both).find(|(_, (a, b))| a != b) {
            let difference = TokenDifference {
                choice: 0,
                position: before + at,
                expected: expected.cast_unsigned(),
                got: got.cast_unsigned(),
            };
            return (false, Some(difference));
        }
        before += own.elements.len() as u64;
    }
    (true, None)
}
