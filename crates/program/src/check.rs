//! What is proven before anything runs (§4): shapes that fit, constants that exist, values that cannot leave their types.

use alloc::vec::Vec;

use crate::graph::{ConstantId, InputKind, Interface, Node, NodeId, NodeType, Operator, Program};
use crate::structure::node_fault;
use crate::weights::{ElementType, TensorView, Weights};
use crate::{ProgramError, input};

mod linear;
mod pointwise;
mod shape;
mod trees;

/// Bound of every product and every weighted sum (§4.1).
const WIDE: i128 = 1 << 62;
/// Largest absolute value of a multiplier (§1.3).
const MAX_MULTIPLIER: i32 = 65_535;
/// Largest shift (§1.2).
const MAX_SHIFT: u8 = 62;

/// A program together with its weights, of which all of §4 was proven: the only thing that runs. It can't be made in another way
/// than by [`Program::check`].
#[derive(Debug, Clone)]
pub struct CheckedProgram<B = Vec<u8>> {
    program: Program,
    weights: Weights<B>,
    spans: Vec<Span>,
}

impl Program {
    /// Proves §4 of this program with these weights. Reads every constant once.
    pub fn check<B: AsRef<[u8]>>(
        self,
        weights: Weights<B>,
    ) -> Result<CheckedProgram<B>, ProgramError> {
        self.check_structure()?;
        let mut spans = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let scope = Scope {
                program: &self,
                weights: &weights,
                index,
                node,
            };
            let span = scope.span()?;
            scope.within("the result", span, node.result.lo, node.result.hi)?;
            spans.push(span);
        }
        if let Interface::Tensor { inputs, .. } = &self.interface {
            for item in inputs {
                if let InputKind::Rank { .. } = item.kind {
                    let node = self.node(item.node).ok_or(ProgramError::Program {
                        what: "an input without a node",
                    })?;
                    input::check_ranks(&self, &weights, item, &node.result)?;
                }
            }
        }
        Ok(CheckedProgram {
            program: self,
            weights,
            spans,
        })
    }

    /// Name of a constant.
    pub fn constant_name(&self, id: ConstantId) -> Option<&str> {
        let name = self.constants.get(usize::try_from(id.0).ok()?)?;
        Some(name)
    }
}

impl<B: AsRef<[u8]>> CheckedProgram<B> {
    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The weights.
    pub fn weights(&self) -> &Weights<B> {
        &self.weights
    }

    /// A constant that a node refers to; `None` for ids of another program.
    pub fn constant(&self, id: ConstantId) -> Option<TensorView<'_>> {
        self.weights.tensor(self.program.constant_name(id)?)
    }

    /// Smallest and largest value that elements of this node can have, as derived from its inputs' declared ranges and the
    /// constants: within the declared range, and often narrower.
    pub fn interval(&self, id: NodeId) -> Option<(i32, i32)> {
        let span = self.spans.get(usize::try_from(id.0).ok()?)?;
        Some((i32::try_from(span.lo).ok()?, i32::try_from(span.hi).ok()?))
    }

    /// Gives program and weights back.
    pub fn into_parts(self) -> (Program, Weights<B>) {
        (self.program, self.weights)
    }
}

/// An interval of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    lo: i128,
    hi: i128,
}

impl Span {
    fn of(result: &NodeType) -> Self {
        Self::new(result.lo, result.hi)
    }

    fn new(lo: impl Into<i128>, hi: impl Into<i128>) -> Self {
        Self {
            lo: lo.into(),
            hi: hi.into(),
        }
    }

    /// The smallest interval that contains all values; `None` of none.
    fn around(values: impl IntoIterator<Item = i128>) -> Option<Self> {
        values.into_iter().fold(None, |span: Option<Self>, x| {
            Some(span.map_or(Self { lo: x, hi: x }, |span| Self {
                lo: span.lo.min(x),
                hi: span.hi.max(x),
            }))
        })
    }

    fn union(self, other: Self) -> Self {
        Self {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    fn max_abs(self) -> i128 {
        self.lo.saturating_abs().max(self.hi.saturating_abs())
    }
}

/// One node under the checker, with what it may look at.
struct Scope<'s, B> {
    program: &'s Program,
    weights: &'s Weights<B>,
    index: usize,
    node: &'s Node,
}

impl<'s, B: AsRef<[u8]>> Scope<'s, B> {
    fn fault(&self, what: &'static str) -> ProgramError {
        node_fault(self.index, self.node, what)
    }

    fn require(&self, condition: bool, what: &'static str) -> Result<(), ProgramError> {
        if condition {
            Ok(())
        } else {
            Err(self.fault(what))
        }
    }

    /// Refuses the program if `span` leaves [least, most].
    fn within(
        &self,
        what: &'static str,
        span: Span,
        least: impl Into<i128>,
        most: impl Into<i128>,
    ) -> Result<(), ProgramError> {
        let (least, most) = (least.into(), most.into());
        if span.lo >= least && span.hi <= most {
            return Ok(());
        }
        Err(ProgramError::Range {
            node: u32::try_from(self.index).unwrap_or(u32::MAX),
            name: self.node.name.clone(),
            what,
            lo: span.lo,
            hi: span.hi,
            least,
            most,
        })
    }

    /// Refuses the program if `span` leaves the 32-bit integers.
    fn within_i32(&self, what: &'static str, span: Span) -> Result<(), ProgramError> {
        self.within(what, span, i32::MIN, i32::MAX)
    }

    /// Refuses the program if `span` is not below 2^62.
    fn within_wide(&self, what: &'static str, span: Span) -> Result<(), ProgramError> {
        self.within(what, span, 1 - WIDE, WIDE - 1)
    }

    /// Refuses the program if an operand of a product is wider than 16 bits.
    fn operand(&self, operand: &NodeType) -> Result<(), ProgramError> {
        self.within(
            "an operand of products",
            Span::of(operand),
            i16::MIN,
            i16::MAX,
        )
    }

    /// Type of an input.
    fn input(&self, at: usize) -> Result<&'s NodeType, ProgramError> {
        let id = self.node.inputs.get(at);
        let node = id.and_then(|id| self.program.node(*id));
        node.map(|node| &node.result)
            .ok_or_else(|| self.fault("wrong number of inputs"))
    }

    fn result(&self) -> &'s NodeType {
        &self.node.result
    }

    fn constant_fault(&self, id: ConstantId, what: &'static str) -> ProgramError {
        let name = self.program.constant_name(id).unwrap_or_default().into();
        ProgramError::Constant { name, what }
    }

    /// A constant of one of these element types.
    fn constant(
        &self,
        id: ConstantId,
        types: &[ElementType],
    ) -> Result<TensorView<'s>, ProgramError> {
        let name = self.program.constant_name(id).unwrap_or_default();
        let view = self.weights.tensor(name);
        let view =
            view.ok_or_else(|| self.constant_fault(id, "the weights file does not have it"))?;
        if types.contains(&view.element()) {
            return Ok(view);
        }
        Err(self.constant_fault(id, "it has another element type than its operator takes"))
    }

    /// A constant of this element type and shape.
    fn constant_of(
        &self,
        id: ConstantId,
        element: ElementType,
        shape: &[u32],
    ) -> Result<TensorView<'s>, ProgramError> {
        let view = self.constant(id, &[element])?;
        if view.shape() == shape {
            return Ok(view);
        }
        Err(self.constant_fault(id, "it has another shape than its operator takes"))
    }

    /// Multipliers: `channels` of them, or one where `one_for_all`.
    fn multipliers(
        &self,
        id: ConstantId,
        channels: Option<u32>,
        one_for_all: bool,
    ) -> Result<TensorView<'s>, ProgramError> {
        let view = self.constant(id, &[ElementType::I32])?;
        let per_channel = channels.is_some_and(|channels| view.shape() == [channels]);
        if !(per_channel || one_for_all && view.shape() == [1]) {
            return Err(self.constant_fault(
                id,
                "there are neither as many multipliers as channels nor one",
            ));
        }
        if view
            .iter()
            .any(|m| m.unsigned_abs() > MAX_MULTIPLIER.unsigned_abs())
        {
            return Err(self.constant_fault(id, "a multiplier is larger than 65,535"));
        }
        Ok(view)
    }

    fn shift(&self, shift: u8) -> Result<(), ProgramError> {
        self.require(shift <= MAX_SHIFT, "a shift is larger than 62")
    }

    /// Interval of the node's elements.
    fn span(&self) -> Result<Span, ProgramError> {
        match &self.node.operator {
            Operator::Input { .. } => Ok(Span::of(self.result())),
            Operator::Tokens | Operator::Positions => self.ids(),
            Operator::Embed {
                table,
                multipliers,
                shift,
            } => self.embed(*table, *multipliers, *shift),
            Operator::Linear { weight, bias } => self.linear(*weight, *bias),
            Operator::Requantize { multipliers, shift } => self.requantize(*multipliers, *shift),
            Operator::Add => self.add(),
            Operator::Multiply { shift } => self.multiply(*shift),
            Operator::Clamp => self.clamp(),
            Operator::Table { table } => self.table(*table),
            Operator::RmsNorm { eps, fraction } => self.norm(*eps, *fraction, false),
            Operator::LayerNorm { eps, fraction } => self.norm(*eps, *fraction, true),
            Operator::Rope { cosines, sines } => self.rope(*cosines, *sines),
            Operator::Attention {
                multiplier,
                shift,
                output_shift,
                window,
            } => self.attention(*multiplier, *shift, *output_shift, *window),
            Operator::Softmax { multiplier, shift } => self.softmax(*multiplier, *shift),
            Operator::Conv {
                weight,
                bias,
                window,
                groups,
            } => self.conv(*weight, *bias, window, *groups),
            Operator::MaxPool { window } => self.pool(window, false),
            Operator::SumPool { window } => self.pool(window, true),
            Operator::MatMul => self.matmul(),
            Operator::Reshape => self.reshape(),
            Operator::Transpose { permutation } => self.transpose(permutation),
            Operator::Concat { axis } => self.concat(*axis),
            Operator::Slice { axis, start, step } => self.slice(*axis, *start, *step),
            Operator::Pad {
                axis,
                before,
                value,
            } => self.pad(*axis, *before, *value),
            Operator::ReduceSum { axis } => self.reduce(*axis, true),
            Operator::ReduceMax { axis } => self.reduce(*axis, false),
            Operator::ArgMax => self.arg_max(),
            Operator::Trees(trees) => self.trees(trees),
            Operator::ChannelScale { multipliers, shift } => {
                self.channel_scale(*multipliers, *shift)
            }
            Operator::Constant { value } => self.value(*value),
        }
    }
}

#[cfg(test)]
mod tests;
