//! Runs of a tensor program, from the tensors that a receipt opens.

use proofmark_program::{Interface, Numbers, OutputKind, Program, TensorInput};
use proofmark_receipt::Claims;
use proofmark_tensors::{EncodedTensor, InferRequest, output_of_field};

use super::{Inference, InferenceError, OpenScopes, Run, TensorRun, differs};

pub(super) fn tensors(
    claims: &Claims,
    open: &OpenScopes<'_>,
    program: &Program,
) -> Result<Inference, InferenceError> {
    let not_opened = |what| InferenceError::NotOpened { what };
    let taken = open.executed;
    let taken = taken.ok_or(not_opened("what went into the program"))?;
    let given = open.choices.iter().find(|choice| choice.index == 0);
    let fields = given.ok_or(not_opened("the answer"))?.fields;
    if claims.output.len() != 1 {
        return differs("an answer of a tensor program is one choice");
    }
    let inputs = EncodedTensor::decode_inputs(taken.prompt)?;
    let outputs: Option<Vec<EncodedTensor>> = fields
        .iter()
        .map(|(name, value)| output_of_field(name, value))
        .collect();
    let Some(outputs) = outputs else {
        return differs("the answer has a field that is no output");
    };
    let runs = runs(program, &inputs, &outputs)?;
    let from_question = match open.request {
        Some(request) => is_asked(program, request, &inputs)?,
        None => false,
    };
    Ok(Inference {
        runs,
        from_question,
    })
}

/// Cuts the tensors into runs; names, shapes and scales are those of the interface.
fn runs(
    program: &Program,
    inputs: &[EncodedTensor],
    outputs: &[EncodedTensor],
) -> Result<Vec<Run>, InferenceError> {
    let Interface::Tensor {
        inputs: wanted,
        outputs: given,
    } = &program.interface
    else {
        return differs("the program is a decoder");
    };
    if inputs.len() != wanted.len() || outputs.len() != given.len() {
        return differs("another number of tensors than the program's");
    }
    let mut all = Cut::default();
    for (tensor, input) in inputs.iter().zip(wanted) {
        let own = program.node(input.node).map(|node| &node.result);
        let fits = tensor.name == input.name && tensor.scale_bits.is_none();
        match own {
            Some(own) if fits => all.inputs.push(all.rows.cut(tensor, &own.shape)?),
            _ => return differs("the inputs are not the program's"),
        }
    }
    for output in given {
        let own = program.node(output.node).map(|node| &node.result);
        let tensor = outputs.iter().find(|tensor| tensor.name == output.name);
        let scale_bits = match output.kind {
            OutputKind::Real { scale_bits } => Some(scale_bits),
            OutputKind::Integer => None,
        };
        match (own, tensor) {
            (Some(own), Some(tensor)) if tensor.scale_bits == scale_bits => {
                all.outputs.push(all.rows.cut(tensor, &own.shape)?);
            }
            _ => return differs("the outputs are not the program's"),
        }
    }
    Ok(all.into_runs())
}

/// How many runs there are; all tensors agree.
#[derive(Default)]
struct Rows(Option<usize>);

impl Rows {
    /// The elements of each run: those of the interface's shape, or n times as many with n in the place of a leading 1, or before
    /// all others (specs/04-program.md §6.5).
    fn cut(
        &mut self,
        tensor: &EncodedTensor,
        own: &[u32],
    ) -> Result<Vec<Vec<i32>>, InferenceError> {
        let rest = own.strip_prefix(&[1]).unwrap_or(own);
        let rows = match tensor.shape.split_first() {
            _ if tensor.shape == own => Some(1),
            Some((rows, of)) if of == rest && *rows > 1 => usize::try_from(*rows).ok(),
            _ => None,
        };
        let Some(rows) = rows.filter(|rows| *self.0.get_or_insert(*rows) == *rows) else {
            return differs("a tensor of another shape than the program's");
        };
        let row = tensor.elements.len().checked_div(rows).unwrap_or(0).max(1);
        Ok(tensor.elements.chunks(row).map(<[i32]>::to_vec).collect())
    }
}

/// Tensors cut into runs: for each tensor the elements of each run.
#[derive(Default)]
struct Cut {
    rows: Rows,
    inputs: Vec<Vec<Vec<i32>>>,
    outputs: Vec<Vec<Vec<i32>>>,
}

impl Cut {
    fn into_runs(self) -> Vec<Run> {
        let mut inputs: Vec<_> = self.inputs.into_iter().map(Vec::into_iter).collect();
        let mut outputs: Vec<_> = self.outputs.into_iter().map(Vec::into_iter).collect();
        let rows = self.rows.0.unwrap_or(0);
        let next = |tensors: &mut Vec<std::vec::IntoIter<Vec<i32>>>| {
            tensors.iter_mut().filter_map(Iterator::next).collect()
        };
        (0..rows)
            .map(|_| {
                Run::Tensors(TensorRun {
                    inputs: next(&mut inputs),
                    outputs: next(&mut outputs),
                })
            })
            .collect()
    }
}

/// Whether the numbers of a request are these inputs; `false` if that needs the weights, which hold the thresholds of ranks.
fn is_asked(
    program: &Program,
    request: &[u8],
    inputs: &[EncodedTensor],
) -> Result<bool, InferenceError> {
    let Ok(request) = InferRequest::read(request) else {
        return differs("the request is none that a program can answer");
    };
    let Interface::Tensor { inputs: wanted, .. } = &program.interface else {
        return Ok(false);
    };
    if request.inputs.len() != wanted.len() {
        return differs("the request has other inputs than the program");
    }
    for (input, encoded) in wanted.iter().zip(inputs) {
        let asked = request.inputs.iter().find(|(name, _)| *name == input.name);
        let Some((_, tensor)) = asked else {
            return differs("the request has other inputs than the program");
        };
        match encode(program, input, tensor) {
            Encoded::Is(elements) if elements == encoded.elements => {}
            Encoded::NeedsWeights => return Ok(false),
            _ => return differs("the request's numbers are not what went into the program"),
        }
    }
    Ok(true)
}

/// A caller's numbers as integers.
enum Encoded {
    Is(Vec<i32>),
    Refused,
    NeedsWeights,
}

fn encode(program: &Program, input: &TensorInput, tensor: &proofmark_tensors::Tensor) -> Encoded {
    if matches!(input.kind, proofmark_program::InputKind::Rank { .. }) {
        return Encoded::NeedsWeights;
    }
    let Some(node) = program.node(input.node) else {
        return Encoded::Refused;
    };
    let row = usize::try_from(node.result.elements()).unwrap_or(usize::MAX);
    let mut all = Vec::new();
    let mut push = |numbers: Numbers<'_>| {
        let encoded = input.encode(&node.result, numbers, |_| None);
        encoded.map(|encoded| all.extend(encoded)).is_ok()
    };
    let fits = match tensor.numbers() {
        proofmark_tensors::Numbers::Real(numbers) => numbers
            .chunks(row.max(1))
            .all(|row| push(Numbers::Real(row))),
        proofmark_tensors::Numbers::Integer(numbers) => numbers
            .chunks(row.max(1))
            .all(|row| push(Numbers::Integer(row))),
    };
    if fits {
        Encoded::Is(all)
    } else {
        Encoded::Refused
    }
}
