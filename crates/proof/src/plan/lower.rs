//! A program's operators as tensors, constraints and lookups (specs/05-proof.md §9).

use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::{
    ConstantId, ElementType, Interface, Node, NodeId, NodeType, Operator, Program, TensorOutput,
    Weights,
};

use crate::generation::Generation;

use super::build::Builder;
use super::identity::Interval;
use super::rule::{Public, Rule, TensorId};
use super::shape::Shape;
use super::{Choices, Constant, MAX_TENSOR_VARIABLES, MAX_TENSORS, Plan, Unsupported};

mod attention;
mod draw;
mod exponential;
mod lookups;
mod moves;
mod norms;
mod pointwise;
mod sampler;
mod sequence;
mod sums;
mod trees;

use sequence::{needed, unrolled};

/// Element type and dimensions of a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstantType {
    /// Element type.
    pub element: ElementType,
    /// Dimensions.
    pub shape: Vec<u32>,
}

/// Types of a program's constants, in the program's order; none if the weights lack one.
pub fn constant_types<B: AsRef<[u8]>>(
    program: &Program,
    weights: &Weights<B>,
) -> Option<Vec<ConstantType>> {
    let of = |name: &alloc::string::String| {
        let view = weights.tensor(name)?;
        Some(ConstantType {
            element: view.element(),
            shape: view.shape().to_vec(),
        })
    };
    program.constants.iter().map(of).collect()
}

/// The plan for a program whose constants have these types.
///
/// # Errors
/// [`Unsupported`], if this version cannot prove an operator, or not at its size.
pub fn plan(
    program: &Program,
    constants: &[ConstantType],
    choices: Choices,
) -> Result<Plan, Unsupported> {
    lower(program, constants, choices, None)
}

/// The plan for a decoder's generation.
///
/// # Errors
/// As [`plan`].
pub fn plan_generation(
    program: &Program,
    constants: &[ConstantType],
    choices: Choices,
    generation: &Generation<'_>,
) -> Result<Plan, Unsupported> {
    lower(program, constants, choices, Some(generation))
}

fn lower(
    program: &Program,
    constants: &[ConstantType],
    choices: Choices,
    generation: Option<&Generation<'_>>,
) -> Result<Plan, Unsupported> {
    let constants = constants
        .iter()
        .map(|constant| Constant {
            element: constant.element,
            shape: Shape::new(&constant.shape),
        })
        .collect();
    let walk = has_walks(program).then_some(choices.walk);
    let ids = generation.map_or_else(Vec::new, Generation::sequence);
    let positions = u32::try_from(ids.len()).map_err(|_| MALFORMED)?;
    let mut lower = Lower {
        builder: Builder::new(choices, walk, constants),
        program,
        types: Vec::with_capacity(program.nodes.len()),
        nodes: Vec::with_capacity(program.nodes.len()),
        constants: Vec::new(),
        inputs: 0,
        ids,
    };
    for (node, needed) in program.nodes.iter().zip(needed(program)) {
        let node = unrolled(node, positions);
        let id = if needed {
            Some(lower.node(&node)?)
        } else {
            None
        };
        if lower.builder.plan.tensors.len() > MAX_TENSORS {
            return Err(TOO_MANY);
        }
        lower.nodes.push(id);
        lower.types.push(node.result);
    }
    match (&program.interface, generation) {
        (Interface::Tensor { outputs, .. }, None) => lower.outputs(outputs)?,
        (Interface::Decoder { logits, .. }, Some(generation)) => {
            lower.generation(*logits, generation)?;
        }
        (Interface::Tensor { .. }, Some(_)) => return refuse("a generation by a tensor program"),
        (Interface::Decoder { .. }, None) => return refuse("a decoder without a generation"),
    }
    lower.builder.finish()
}

/// Whether a program has trees, so that a proof of it chooses the places of a walk.
#[must_use]
pub fn has_walks(program: &Program) -> bool {
    let trees = |node: &Node| matches!(node.operator, Operator::Trees(_));
    program.nodes.iter().any(trees)
}

/// A program on its way to a plan.
struct Lower<'p> {
    builder: Builder,
    program: &'p Program,
    /// The type of each node so far, the positions being an axis.
    types: Vec<NodeType>,
    /// The tensor of each node so far, if the statement depends on it.
    nodes: Vec<Option<TensorId>>,
    /// The tensors of constants so far, with the intervals that they were taken for.
    constants: Vec<(usize, Interval, TensorId)>,
    /// How many inputs there were.
    inputs: usize,
    /// The ids at all positions.
    ids: Vec<u32>,
}

/// What a malformed program is refused with; [`Program::check_structure`] finds it earlier.
const MALFORMED: Unsupported = Unsupported::new("a malformed program");

/// What a program with too many tensors is refused with.
const TOO_MANY: Unsupported = Unsupported::limit("a plan of more than 2^16 tensors");

fn refuse<T>(what: &'static str) -> Result<T, Unsupported> {
    Err(Unsupported::new(what))
}

fn shape_of(of: &NodeType) -> Shape {
    Shape::new(&of.shape)
}

fn interval_of(of: &NodeType) -> Interval {
    Interval {
        lo: of.lo.into(),
        hi: of.hi.into(),
    }
}

impl Lower<'_> {
    fn input(&self, node: &Node, at: usize) -> Result<(TensorId, NodeType), Unsupported> {
        let id: NodeId = *node.inputs.get(at).ok_or(MALFORMED)?;
        Ok((self.tensor(id)?, self.type_of(id)?.clone()))
    }

    /// The tensor of a node.
    fn tensor(&self, id: NodeId) -> Result<TensorId, Unsupported> {
        let at = usize::try_from(id.0).map_err(|_| MALFORMED)?;
        self.nodes.get(at).copied().flatten().ok_or(MALFORMED)
    }

    fn type_of(&self, id: NodeId) -> Result<&NodeType, Unsupported> {
        let at = usize::try_from(id.0).map_err(|_| MALFORMED)?;
        self.types.get(at).ok_or(MALFORMED)
    }

    /// A constant of this shape as a tensor, with values in an interval that the program's check gave it.
    fn constant(
        &mut self,
        id: ConstantId,
        shape: &[u32],
        interval: Interval,
    ) -> Result<TensorId, Unsupported> {
        let index = usize::try_from(id.0).map_err(|_| MALFORMED)?;
        let constant = self.builder.plan.constants.get(index).ok_or(MALFORMED)?;
        if constant.shape.lengths() != shape {
            return Err(MALFORMED);
        }
        let shape = constant.shape.clone();
        let mut known = self.constants.iter();
        if let Some((_, _, tensor)) = known.find(|of| (of.0, of.1) == (index, interval)) {
            return Ok(*tensor);
        }
        let tensor = self.builder.tensor(&shape, interval, Rule::Constant(index));
        self.constants.push((index, interval, tensor));
        Ok(tensor)
    }

    /// Element type and shape of a constant.
    fn constant_type(&self, id: ConstantId) -> Result<&Constant, Unsupported> {
        let index = usize::try_from(id.0).map_err(|_| MALFORMED)?;
        self.builder.plan.constants.get(index).ok_or(MALFORMED)
    }

    fn node(&mut self, node: &Node) -> Result<TensorId, Unsupported> {
        if shape_of(&node.result).variables() > MAX_TENSOR_VARIABLES {
            return refuse("a tensor of more than 2^28 elements");
        }
        match &node.operator {
            Operator::Input { .. } => {
                let id = self.builder.tensor(
                    &shape_of(&node.result),
                    interval_of(&node.result),
                    Rule::Public(Public::Input(self.inputs)),
                );
                self.inputs = self.inputs.saturating_add(1);
                Ok(id)
            }
            Operator::Constant { value } => {
                self.constant(*value, &node.result.shape, interval_of(&node.result))
            }
            Operator::Linear { weight, bias } => self.linear(node, *weight, *bias),
            Operator::Conv {
                weight,
                bias,
                window,
                groups,
            } => self.conv(node, *weight, *bias, window, *groups),
            Operator::MatMul => self.matmul(node),
            Operator::SumPool { window } => self.sum_pool(node, window),
            Operator::MaxPool { window } => self.max_pool(node, window),
            Operator::ReduceSum { axis } => self.reduce_sum(node, *axis),
            Operator::ReduceMax { axis } => self.reduce_max(node, *axis),
            Operator::ArgMax => self.arg_max(node),
            Operator::Requantize { multipliers, shift } => {
                self.requantize(node, *multipliers, *shift, false)
            }
            Operator::ChannelScale { multipliers, shift } => {
                self.requantize(node, *multipliers, *shift, true)
            }
            Operator::Add => self.add(node),
            Operator::Multiply { shift } => self.multiply(node, *shift),
            Operator::Clamp => self.clamp(node),
            Operator::Table { table } => self.table(node, *table),
            Operator::Reshape => self.reshape_node(node),
            Operator::Transpose { permutation } => self.transpose(node, permutation),
            Operator::Concat { axis } => self.concat(node, *axis),
            Operator::Slice { axis, start, step } => self.slice(node, *axis, *start, *step),
            Operator::Pad {
                axis,
                before,
                value,
            } => self.pad(node, *axis, *before, *value),
            Operator::Tokens => Ok(self.tokens(node)),
            Operator::Positions => Ok(self.positions(node)),
            Operator::Embed {
                table,
                multipliers,
                shift,
            } => self.embed(node, *table, *multipliers, *shift),
            Operator::RmsNorm { eps, fraction } => self.norm(node, *eps, *fraction, false),
            Operator::LayerNorm { eps, fraction } => self.norm(node, *eps, *fraction, true),
            Operator::Rope { cosines, sines } => self.rope(node, *cosines, *sines),
            Operator::Attention {
                multiplier,
                shift,
                output_shift,
                window,
            } => self.attention(node, *multiplier, *shift, *output_shift, *window),
            Operator::Softmax { multiplier, shift } => self.softmax(node, *multiplier, *shift),
            Operator::Trees(constants) => self.trees(node, constants),
            _ => refuse("an operator of a later version"),
        }
    }

    /// The outputs are those of the statement.
    fn outputs(&mut self, outputs: &[TensorOutput]) -> Result<(), Unsupported> {
        for (index, output) in outputs.iter().enumerate() {
            let of = self.type_of(output.node)?;
            let (shape, interval) = (shape_of(of), interval_of(of));
            // Two values that are equal modulo p are equal.
            if !interval.plus(interval.scaled(-1)).fits_field() {
                return refuse("an output whose range is wider than the field");
            }
            let value = self.tensor(output.node)?;
            let given = self
                .builder
                .tensor(&shape, interval, Rule::Public(Public::Output(index)));
            let zero = self
                .builder
                .linear(&shape, Interval::of(0), &[(1, value), (-1, given)], 0);
            self.builder.plan.zeros.push(zero);
            self.builder.plan.outputs.push(value);
        }
        Ok(())
    }

    fn view_as(&mut self, tensor: TensorId, of: &NodeType, variables: Vec<usize>) -> TensorId {
        self.builder
            .view(tensor, &shape_of(of), variables, interval_of(of))
    }
}

/// Whether the elements of two shapes have the same padded index, one by one.
fn same_padding(a: &Shape, b: &Shape) -> bool {
    let merged = |shape: &Shape| {
        let mut axes: Vec<u64> = vec![1];
        for &length in shape.lengths().iter().rev().filter(|n| **n > 1) {
            match axes.last_mut() {
                // A length that is a power of two leaves no padding between the rows.
                Some(inner) if inner.is_power_of_two() => {
                    *inner = inner.saturating_mul(u64::from(length));
                }
                _ => axes.push(u64::from(length)),
            }
        }
        axes
    };
    merged(a) == merged(b)
}
