//! One step of a trace: elements of a row from rows before it, constants and the subject (specs/04-program.md §3, specs/08-referee.md §2).
//!
//! Written a second time, apart from the reference interpreter: by elements, in wide integers, and from values that a stranger may have
//! opened. Where the checker's proof (04 §4) would be needed, it is not relied on: such a step has no value.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "shapes have at most 2^28 elements, attributes 32 bits and values 64 bits; wider products are in i128"
)]

use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;

use proofmark_program::{
    ConstantId, Interface, Node, NodeId, NodeType, Operator, Program, Sampler, SamplerScratch,
    clamp,
};

use crate::error::{malformed, unsound};
use crate::layout::{Layout, RowKind, output_node};
use crate::subject::Answer;
use crate::{RefereeError, Subject};

mod attention;
mod moves;
mod pointwise;
mod sums;

/// Largest number of elementary operations of one step.
pub const MAX_WORK: u64 = 1 << 26;

/// Where a step takes its values from.
pub trait Source {
    /// Elements of a row that stands before the step's element.
    ///
    /// # Errors
    /// Whatever keeps the value from being known.
    fn row(&self, row: u64, range: Range<u64>) -> Result<Vec<i64>, RefereeError>;

    /// Elements of a constant, row-major.
    ///
    /// # Errors
    /// Whatever keeps the value from being known.
    fn constant(&self, id: ConstantId, range: Range<u64>) -> Result<Vec<i32>, RefereeError>;

    /// Dimensions of a constant.
    ///
    /// # Errors
    /// If there is none.
    fn shape(&self, id: ConstantId) -> Result<&[u32], RefereeError>;
}

/// What every step of a trace has in common.
#[derive(Debug)]
pub struct Steps<'s, S> {
    /// The program.
    pub program: &'s Program,
    /// The trace's rows.
    pub layout: &'s Layout,
    /// What it is about.
    pub subject: &'s Subject,
    /// Where values come from.
    pub source: &'s S,
}

impl<S: Source> Steps<'_, S> {
    /// Elements of a row. They may depend on earlier ones of the same row.
    ///
    /// # Errors
    /// Those of the source, and [`RefereeError::Unsound`] if there is no value.
    pub fn elements(&self, row: u64, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let (kind, position) = self
            .layout
            .row(row)
            .ok_or(malformed("a row beyond the trace"))?;
        let id = match kind {
            RowKind::Next => return Ok(Vec::from([self.next(position)?])),
            RowKind::Output(number) => {
                let id = output_node(self.program, number).ok_or(malformed("an output"))?;
                let from = self.node_row(id, 0)?;
                return self.source.row(from, range);
            }
            RowKind::Node(id) | RowKind::Maxima(id) | RowKind::Sums(id) => id,
        };
        let node = self.program.node(id).ok_or(malformed("a node"))?;
        let step = Step {
            steps: self,
            id,
            node,
            row,
            position,
            work: Cell::new(MAX_WORK),
        };
        match kind {
            RowKind::Maxima(_) => step.maxima(range),
            RowKind::Sums(_) => step.sums(range),
            _ => step.node_elements(range),
        }
    }

    fn node_row(&self, id: NodeId, position: u64) -> Result<u64, RefereeError> {
        let row = self.layout.node_row(id, position);
        row.ok_or(malformed("a row beyond the trace"))
    }

    /// The id that follows a position (§2.3).
    fn next(&self, position: u64) -> Result<i64, RefereeError> {
        let Subject::Answer(answer) = self.subject else {
            return Err(malformed("a next row without ids"));
        };
        let at = usize::try_from(position).map_err(|_| malformed("a position"))?;
        let (prompt, rest) = answer
            .ids
            .split_at_checked(answer.prompt)
            .ok_or(malformed("a prompt"))?;
        if let Some(given) = prompt.get(at + 1) {
            return Ok(i64::from(*given));
        }
        self.sampled(answer, prompt, rest.get(..at + 1 - prompt.len()), position)
    }

    fn sampled(
        &self,
        answer: &Answer,
        prompt: &[u32],
        generated: Option<&[u32]>,
        position: u64,
    ) -> Result<i64, RefereeError> {
        let Interface::Decoder {
            vocabulary, logits, ..
        } = self.program.interface
        else {
            return Err(malformed("a next row without logits"));
        };
        let row = self.node_row(logits, position)?;
        let values = self.source.row(row, 0..u64::from(vocabulary))?;
        let logits: Result<Vec<i32>, _> = values.into_iter().map(narrow).collect();
        let sampling = answer.sampling.clone();
        let mut sampler = Sampler::new(sampling, vocabulary, answer.seed, answer.choice, prompt)?;
        for id in generated.ok_or(malformed("a position without an id"))? {
            sampler.record(*id)?;
        }
        let id = sampler.sample(&logits?, &mut SamplerScratch::default())?;
        Ok(i64::from(id))
    }
}

/// A value in the range of all types.
fn narrow(value: i64) -> Result<i32, RefereeError> {
    i32::try_from(value).map_err(|_| unsound("a value of more than 32 bits"))
}

fn size(value: u32) -> u64 {
    u64::from(value)
}

/// One row of one node.
struct Step<'r, S> {
    steps: &'r Steps<'r, S>,
    id: NodeId,
    node: &'r Node,
    row: u64,
    position: u64,
    work: Cell<u64>,
}

/// An input: its row, and its type.
#[derive(Clone, Copy)]
struct Operand<'r> {
    row: u64,
    of: &'r NodeType,
}

impl Operand<'_> {
    fn length(&self, axis: usize) -> u64 {
        self.of.shape.get(axis).copied().map_or(1, size)
    }

    /// Length of the last dimension.
    fn width(&self) -> u64 {
        self.of.shape.last().copied().map_or(1, size)
    }

    /// Elements behind an index of the axis.
    fn inner(&self, axis: usize) -> u64 {
        self.of.shape.get(axis + 1..).map_or(1, |shape| {
            shape.iter().map(|length| size(*length)).product()
        })
    }
}

impl<'r, S: Source> Step<'r, S> {
    fn result(&self) -> &'r NodeType {
        &self.node.result
    }

    /// The result as something to take lengths of.
    fn y(&self) -> Operand<'r> {
        Operand {
            row: self.row,
            of: self.result(),
        }
    }

    /// Takes note of operations to come.
    fn spend(&self, operations: u64) -> Result<(), RefereeError> {
        let left = self.work.get().checked_sub(operations);
        self.work
            .set(left.ok_or(unsound("more work than a step may take"))?);
        Ok(())
    }

    /// The row of an input at this position, or at another.
    fn x_at(&self, at: usize, position: u64) -> Result<Operand<'r>, RefereeError> {
        let id = self.node.inputs.get(at).copied();
        let id = id.ok_or(unsound("an input is missing"))?;
        let node = self.steps.program.node(id);
        Ok(Operand {
            row: self.steps.node_row(id, position)?,
            of: &node.ok_or(malformed("a node"))?.result,
        })
    }

    fn x(&self, at: usize) -> Result<Operand<'r>, RefereeError> {
        self.x_at(at, self.position)
    }

    fn read(&self, x: Operand<'_>, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        self.spend(range.end.saturating_sub(range.start).saturating_add(1))?;
        self.steps.source.row(x.row, range)
    }

    fn one(&self, x: Operand<'_>, index: u64) -> Result<i64, RefereeError> {
        let found = self.read(x, index..index + 1)?;
        found.first().copied().ok_or(unsound("a row is too short"))
    }

    fn constants(&self, id: ConstantId, range: Range<u64>) -> Result<Vec<i32>, RefereeError> {
        self.spend(range.end.saturating_sub(range.start).saturating_add(1))?;
        self.steps.source.constant(id, range)
    }

    fn constant(&self, id: ConstantId, index: u64) -> Result<i64, RefereeError> {
        let found = self.constants(id, index..index + 1)?;
        let found = found.first().copied().map(i64::from);
        found.ok_or(unsound("a constant is too short"))
    }

    /// The element for a channel, or the one for all.
    fn channel(&self, id: ConstantId, channel: u64) -> Result<i32, RefereeError> {
        let shape = self.steps.source.shape(id)?;
        let one = shape.iter().all(|length| *length == 1);
        narrow(self.constant(id, if one { 0 } else { channel })?)
    }

    /// Clamped to the declared range.
    fn clamped(&self, value: i128) -> i64 {
        i64::from(clamp(value, self.result().lo, self.result().hi))
    }

    /// A value that no clamp keeps in the declared range.
    fn exact(&self, value: i128) -> Result<i64, RefereeError> {
        let of = self.result();
        let inside = (i128::from(of.lo)..=i128::from(of.hi)).contains(&value);
        i64::try_from(value)
            .ok()
            .filter(|_| inside)
            .ok_or(unsound("a value leaves its declared range"))
    }

    fn node_elements(&self, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        match &self.node.operator {
            Operator::Input { .. } => self.input(range),
            Operator::Tokens => self.token(),
            Operator::Positions => Ok(Vec::from([self.exact(self.position.into())?])),
            Operator::Constant { value } => {
                let found = self.constants(*value, range)?;
                Ok(found.into_iter().map(i64::from).collect())
            }
            Operator::Embed {
                table,
                multipliers,
                shift,
            } => self.embed(*table, *multipliers, *shift, range),
            Operator::Linear { weight, bias } => self.linear(*weight, *bias, range),
            Operator::Requantize { multipliers, shift } => {
                self.requantize(*multipliers, *shift, range)
            }
            Operator::ChannelScale { multipliers, shift } => {
                self.channel_scale(*multipliers, *shift, range)
            }
            Operator::Add => self.add(range),
            Operator::Multiply { shift } => self.multiply(*shift, range),
            Operator::Clamp => self.clamp(range),
            Operator::Table { table } => self.table(*table, range),
            Operator::RmsNorm { eps, fraction } => self.norm(*eps, *fraction, false, range),
            Operator::LayerNorm { eps, fraction } => self.norm(*eps, *fraction, true, range),
            Operator::Rope { cosines, sines } => self.rope(*cosines, *sines, range),
            Operator::Attention { output_shift, .. } => self.attention(*output_shift, range),
            Operator::Softmax { multiplier, shift } => self.softmax(*multiplier, *shift, range),
            Operator::Conv {
                weight,
                bias,
                window,
                groups,
            } => self.conv(*weight, *bias, window, size(*groups), range),
            Operator::MaxPool { window } => self.pool(window, false, range),
            Operator::SumPool { window } => self.pool(window, true, range),
            Operator::MatMul => self.matmul(range),
            Operator::Trees(trees) => self.trees(trees, range),
            Operator::Reshape => self.read(self.x(0)?, range),
            Operator::Transpose { permutation } => self.transpose(permutation, range),
            Operator::Concat { axis } => self.concat(usize::from(*axis), range),
            Operator::Slice { axis, start, step } => {
                self.slice(usize::from(*axis), size(*start), size(*step), range)
            }
            Operator::Pad {
                axis,
                before,
                value,
            } => self.pad(usize::from(*axis), size(*before), *value, range),
            Operator::ReduceSum { axis } => self.reduce(usize::from(*axis), true, range),
            Operator::ReduceMax { axis } => self.reduce(usize::from(*axis), false, range),
            Operator::ArgMax => self.arg_max(range),
            _ => Err(unsound("an operator of a later version")),
        }
    }

    fn input(&self, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let (Subject::Tensors { inputs, .. }, Interface::Tensor { inputs: named, .. }) =
            (self.steps.subject, &self.steps.program.interface)
        else {
            return Err(malformed("an input of a decoder"));
        };
        let found = named
            .iter()
            .zip(inputs)
            .find(|(input, _)| input.node == self.id);
        let [start, end] =
            [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        let values = found.and_then(|(_, values)| values.get(start..end));
        let values = values.ok_or(malformed("an input of another length"))?;
        values.iter().map(|x| self.exact(i128::from(*x))).collect()
    }

    fn token(&self) -> Result<Vec<i64>, RefereeError> {
        let Subject::Answer(answer) = self.steps.subject else {
            return Err(malformed("tokens without ids"));
        };
        let at = usize::try_from(self.position).ok();
        let id = at.and_then(|at| answer.fed().get(at));
        let id = id.ok_or(malformed("a position without an id"))?;
        Ok(Vec::from([self.exact(i128::from(*id))?]))
    }
}
