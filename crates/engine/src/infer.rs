//! Tensor programs on the tensors of callers: specs/04-program.md §5.2, §5.3, §6.5.

use proofmark_program::{
    CheckedProgram, Interface, NodeType, Numbers, OutputKind, Program, TensorInput,
};
use proofmark_tensors as tensors;
use proofmark_tensors::{EncodedTensor, MAX_ELEMENTS, NamedTensors};

use crate::error::RequestError;
use crate::exec::TensorRunner;
use crate::model::Model;

/// Rows that are computed between two looks at whether anybody still waits.
const PART: usize = 64;

/// The integers that a tensor program is run on, checked: those of its inputs, in its order, for one or more rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedInputs {
    tensors: Vec<EncodedTensor>,
    rows: usize,
}

fn input_error(name: &str, reason: impl Into<String>) -> RequestError {
    RequestError::Input {
        name: name.to_owned(),
        reason: reason.into(),
    }
}

/// The inputs of a tensor program with the types of their nodes.
fn interface<B: AsRef<[u8]>>(
    program: &CheckedProgram<B>,
) -> Result<Vec<(&TensorInput, &NodeType)>, RequestError> {
    let program = program.program();
    let Interface::Tensor { inputs, .. } = &program.interface else {
        return Err(RequestError::NotOffered {
            what: "named tensors",
        });
    };
    let all: Option<_> = inputs
        .iter()
        .map(|input| Some((input, &program.node(input.node)?.result)))
        .collect();
    all.ok_or_else(|| input_error("inputs", "the program has no such node"))
}

/// How many rows a tensor of this shape holds for an input of that shape: the input's own is one, and so is it without a leading 1; more
/// stand in the place of a leading 1, or in a dimension before the others.
fn rows_of(given: &[u32], own: &[u32]) -> Option<usize> {
    let (first, rest) = given.split_first().unzip();
    let without_one = own.strip_prefix(&[1]);
    if given == own || without_one == Some(given) {
        Some(1)
    } else if rest == Some(own) || (rest.is_some() && rest == without_one) {
        usize::try_from(*first?).ok()
    } else {
        None
    }
}

/// The shape of so many rows.
fn shape_of(rows: usize, own: &[u32]) -> Vec<u32> {
    if rows == 1 {
        return own.to_vec();
    }
    let rest = own.strip_prefix(&[1]).unwrap_or(own);
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    [&[rows], rest].concat()
}

impl EncodedInputs {
    /// Turns a caller's tensors into the integers that the program takes.
    ///
    /// # Errors
    /// [`RequestError::Input`], which names the input: missing, of another shape, not finite, out of its range, or not one of the program's.
    pub fn encode<B: AsRef<[u8]>>(
        program: &CheckedProgram<B>,
        named: &NamedTensors,
    ) -> Result<Self, RequestError> {
        let inputs = interface(program)?;
        let known = |name: &str| inputs.iter().any(|(input, _)| input.name == name);
        if let Some((name, _)) = named.iter().find(|(name, _)| !known(name)) {
            let names: Vec<&str> = inputs.iter().map(|(i, _)| i.name.as_str()).collect();
            return Err(input_error(
                name,
                format!("the program has no such input, but {}", names.join(", ")),
            ));
        }
        let mut rows = None;
        let mut all = Vec::with_capacity(inputs.len());
        for (input, result) in inputs {
            let given = named.iter().find(|(name, _)| *name == input.name);
            let (name, tensor) = given.ok_or_else(|| input_error(&input.name, "it is missing"))?;
            let count = rows_of(tensor.shape(), &result.shape).ok_or_else(|| {
                let reason = format!("its shape is {:?}, not {:?}", tensor.shape(), result.shape);
                input_error(name, reason)
            })?;
            if *rows.get_or_insert(count) != count {
                return Err(input_error(name, "it has another number of rows"));
            }
            all.push(EncodedTensor {
                name: name.clone(),
                shape: shape_of(count, &result.shape),
                elements: encode(program, input, result, tensor)?,
                scale_bits: None,
            });
        }
        Self::bounded(program, all, rows.unwrap_or(1))
    }

    /// Inputs that were encoded before, such as those of a receipt.
    ///
    /// # Errors
    /// [`RequestError::Input`] if the program does not take them.
    pub fn check<B: AsRef<[u8]>>(
        program: &CheckedProgram<B>,
        tensors: Vec<EncodedTensor>,
    ) -> Result<Self, RequestError> {
        let inputs = interface(program)?;
        if inputs.len() != tensors.len() {
            return Err(input_error("inputs", "another number than the program's"));
        }
        let mut rows = None;
        for ((input, result), tensor) in inputs.iter().zip(&tensors) {
            let count = rows_of(&tensor.shape, &result.shape)
                .filter(|count| shape_of(*count, &result.shape) == tensor.shape);
            let fits = tensor.name == input.name
                && tensor.scale_bits.is_none()
                && Some(tensor.elements.len() as u64)
                    == count.and_then(|count| result.elements().checked_mul(count as u64))
                && count == Some(*rows.get_or_insert(count.unwrap_or(1)));
            let inside = |q: &i32| (result.lo..=result.hi).contains(q);
            if !fits || !tensor.elements.iter().all(inside) {
                return Err(input_error(&input.name, "the program does not take it"));
            }
        }
        Self::bounded(program, tensors, rows.unwrap_or(1))
    }

    /// Results are bounded as inputs are.
    fn bounded<B: AsRef<[u8]>>(
        program: &CheckedProgram<B>,
        tensors: Vec<EncodedTensor>,
        rows: usize,
    ) -> Result<Self, RequestError> {
        let elements = elements_of_results(program.program()).saturating_mul(rows as u64);
        if elements > MAX_ELEMENTS as u64 {
            return Err(input_error(
                "inputs",
                format!("{rows} rows would have more than {MAX_ELEMENTS} elements of results"),
            ));
        }
        Ok(Self { tensors, rows })
    }

    /// The tensors, in the program's order.
    #[must_use]
    pub fn tensors(&self) -> &[EncodedTensor] {
        &self.tensors
    }

    /// Independent runs of the program.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Elements of the results together.
    #[must_use]
    pub fn results(&self, model: &Model) -> usize {
        let program = model.tensor_program().map(CheckedProgram::program);
        let elements = program.map_or(0, elements_of_results);
        usize::try_from(elements)
            .unwrap_or(usize::MAX)
            .saturating_mul(self.rows)
    }

    /// Runs the program. `stop` is asked between parts whether to give up.
    ///
    /// # Errors
    /// [`RequestError::Stopped`], or as [`TensorRunner::run`] if the runner is another program's.
    pub fn run<B: AsRef<[u8]>>(
        &self,
        program: &CheckedProgram<B>,
        runner: &mut TensorRunner,
        stop: impl Fn() -> bool,
    ) -> Result<Vec<EncodedTensor>, RequestError> {
        let program = program.program();
        let Interface::Tensor { outputs, .. } = &program.interface else {
            return Err(RequestError::NotOffered {
                what: "named tensors",
            });
        };
        let mut results: Vec<Vec<i32>> = vec![Vec::new(); outputs.len()];
        for start in (0..self.rows).step_by(PART) {
            if stop() {
                return Err(RequestError::Stopped);
            }
            let rows = PART.min(self.rows - start);
            let part: Vec<&[i32]> = self
                .tensors
                .iter()
                .map(|tensor| {
                    let row = tensor.elements.len() / self.rows;
                    tensor
                        .elements
                        .get(start * row..(start + rows) * row)
                        .unwrap_or_default()
                })
                .collect();
            for (all, part) in results.iter_mut().zip(runner.run(rows, &part)?) {
                all.extend(part);
            }
        }
        let encoded = outputs.iter().zip(results).map(|(output, elements)| {
            let own = program.node(output.node).map(|node| &node.result.shape);
            EncodedTensor {
                name: output.name.clone(),
                shape: shape_of(self.rows, own.map_or(&[], Vec::as_slice)),
                elements,
                scale_bits: match output.kind {
                    OutputKind::Real { scale_bits } => Some(scale_bits),
                    OutputKind::Integer => None,
                },
            }
        });
        Ok(encoded.collect())
    }
}

/// Elements of all outputs of one row.
fn elements_of_results(program: &Program) -> u64 {
    let Interface::Tensor { outputs, .. } = &program.interface else {
        return 0;
    };
    let nodes = outputs
        .iter()
        .filter_map(|output| program.node(output.node));
    nodes.map(|node| node.result.elements()).sum()
}

/// The integers of one input, row after row.
fn encode<B: AsRef<[u8]>>(
    program: &CheckedProgram<B>,
    input: &TensorInput,
    result: &NodeType,
    tensor: &tensors::Tensor,
) -> Result<Vec<i32>, RequestError> {
    let row = usize::try_from(result.elements()).unwrap_or(usize::MAX);
    let mut all = Vec::with_capacity(tensor.numbers().len());
    let mut push = |numbers| {
        let constant = |id| program.constant(id);
        let encoded = input.encode(result, numbers, constant).map_err(|error| {
            let reason = match error {
                proofmark_program::ProgramError::Input { why, .. } => why.to_owned(),
                other => other.to_string(),
            };
            input_error(&input.name, reason)
        })?;
        all.extend(encoded);
        Ok::<(), RequestError>(())
    };
    match tensor.numbers() {
        tensors::Numbers::Real(numbers) => {
            for part in numbers.chunks(row.max(1)) {
                push(Numbers::Real(part))?;
            }
        }
        tensors::Numbers::Integer(numbers) => {
            for part in numbers.chunks(row.max(1)) {
                push(Numbers::Integer(part))?;
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_a_leading_one_does_or_before_all_dimensions() {
        for (given, own, rows) in [
            (&[1, 8][..], &[1, 8][..], Some(1)),
            (&[8], &[1, 8], Some(1)),
            (&[5, 8], &[1, 8], Some(5)),
            (&[5, 1, 8], &[1, 8], Some(5)),
            (&[], &[], Some(1)),
            (&[5], &[], Some(5)),
            (&[5], &[1], Some(5)),
            (&[5, 3], &[3], Some(5)),
            (&[3], &[3], Some(1)),
            (&[2, 8], &[8, 2], None),
            (&[16], &[1, 4, 4], None),
            (&[], &[2], None),
            (&[5, 5, 3], &[3], None),
        ] {
            assert_eq!(rows_of(given, own), rows, "{given:?} for {own:?}");
        }
        assert_eq!(shape_of(3, &[1, 8]), [3, 8]);
        assert_eq!(shape_of(3, &[8]), [3, 8]);
        assert_eq!(shape_of(1, &[1, 8]), [1, 8]);
    }
}
