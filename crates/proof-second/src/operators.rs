//! Programs as plans, and the operators on elements (§9.1).

use proofmark_program::{Interface, Node, NodeId, NodeType, Operator, Program};

use crate::Code;
use crate::choosing::Candidates;
use crate::elements::shared_axes;
use crate::inference::Generation;
use crate::integer::{Integer, Interval};
use crate::limits;
use crate::making::{ConstantType, Making};
use crate::plan::Plan;
use crate::rounding::Rounding;
use crate::shape::Shape;

/// A node's tensor, with the positions as an axis.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) tensor: usize,
    pub(crate) shape: Shape,
    pub(crate) interval: Interval,
    /// Whether the first axis is that of positions.
    pub(crate) by_position: bool,
}

/// What the statement has.
pub(crate) struct Given<'s> {
    pub(crate) inputs: &'s [Vec<i32>],
    pub(crate) outputs: &'s [Vec<i32>],
    pub(crate) generation: Option<Generation<'s>>,
    pub(crate) public_weights: bool,
}

pub(crate) struct Lowering<'s> {
    pub(crate) making: Making,
    pub(crate) program: &'s Program,
    /// Of nodes that the outputs or the logits depend on.
    values: Vec<Option<Value>>,
    inputs: usize,
    /// S.
    pub(crate) places: u64,
    /// Ids at all positions.
    pub(crate) sequence: Vec<u32>,
    given: &'s Given<'s>,
}

/// Multipliers of requantize.
pub(crate) const MULTIPLIERS: Interval = Interval::new(-65_535, 65_535);

/// The plan (§8).
pub(crate) fn plan(
    program: &Program,
    constants: Vec<ConstantType>,
    (digit_bits, places): (u32, u64),
    given: &Given<'_>,
) -> Result<Plan, Code> {
    let mut lowering = Lowering {
        making: Making::new(digit_bits, constants),
        program,
        values: Vec::new(),
        inputs: 0,
        places,
        sequence: given
            .generation
            .as_ref()
            .map_or_else(Vec::new, Generation::sequence),
        given,
    };
    let needed = needed(program);
    for (node, needed) in program.nodes.iter().zip(needed) {
        let value = if needed {
            Some(lowering.node(node)?)
        } else {
            None
        };
        if lowering.making.plan.tensors.len() > limits::TENSORS {
            return Err("proof.limit");
        }
        lowering.values.push(value);
    }
    match (&program.interface, &given.generation) {
        (Interface::Tensor { outputs, .. }, None) => {
            for (output, elements) in outputs.iter().zip(given.outputs) {
                let value = lowering.value(output.node).clone();
                if value.interval.hi - value.interval.lo >= crate::integer::P {
                    return Err("proof.unsupported");
                }
                let making = &mut lowering.making;
                let output = making.given(&value.shape, value.interval, elements.clone());
                making.equal(value.tensor, output);
            }
        }
        (Interface::Decoder { logits, .. }, Some(generation)) => {
            lowering.generation(*logits, generation)?;
        }
        _ => return Err("proof.unsupported"),
    }
    let mut making = lowering.making;
    making.field(&Shape(vec![2 << digit_bits]));
    let plan = making.plan;
    limits::check(&plan, given.public_weights)?;
    Ok(plan)
}

/// Nodes that the logits of a decoder depend on; all others'.
fn needed(program: &Program) -> Vec<bool> {
    let Interface::Decoder { logits, .. } = &program.interface else {
        return vec![true; program.nodes.len()];
    };
    let mut needed = vec![false; program.nodes.len()];
    needed[logits.0 as usize] = true;
    for at in (0..program.nodes.len()).rev() {
        if needed[at] {
            for input in &program.nodes[at].inputs {
                needed[input.0 as usize] = true;
            }
        }
    }
    needed
}

impl Lowering<'_> {
    #[expect(clippy::unreachable, reason = "what a needed node needs is needed")]
    pub(crate) fn value(&self, id: NodeId) -> &Value {
        match &self.values[id.0 as usize] {
            Some(value) => value,
            None => unreachable!("what a needed node needs is needed"),
        }
    }

    pub(crate) fn input(&self, node: &Node, at: usize) -> Value {
        self.value(node.inputs[at]).clone()
    }

    /// Shape and interval of a result, the tensor being none yet.
    fn result(&self, of: &NodeType) -> Value {
        let positions = of.by_position.then_some(self.sequence.len() as u64);
        let lengths = of.shape.iter().map(|n| u64::from(*n));
        Value {
            tensor: usize::MAX,
            shape: Shape(positions.into_iter().chain(lengths).collect()),
            interval: Interval::new(of.lo.into(), of.hi.into()),
            by_position: of.by_position,
        }
    }

    fn node(&mut self, node: &Node) -> Result<Value, Code> {
        let result = self.result(&node.result);
        let tensor = self.operator(node, &result)?;
        Ok(Value { tensor, ..result })
    }

    /// Tensors of a node.
    fn operator(&mut self, node: &Node, y: &Value) -> Result<usize, Code> {
        match &node.operator {
            Operator::Input { .. } => {
                let elements = self.given.inputs[self.inputs].clone();
                self.inputs += 1;
                Ok(self.making.given(&y.shape, y.interval, elements))
            }
            Operator::Tokens => {
                let ids = self.sequence.iter().map(|id| *id as i32).collect();
                Ok(self.making.given(&y.shape, y.interval, ids))
            }
            Operator::Positions => {
                let positions = (0..self.sequence.len() as i32).collect();
                Ok(self.making.given(&y.shape, y.interval, positions))
            }
            Operator::Constant { value } => self.making.constant(*value, &y.shape.0, y.interval),
            _ => self.summing(node, y),
        }
    }

    /// Operators that sum, and maxima.
    fn summing(&mut self, node: &Node, y: &Value) -> Result<usize, Code> {
        let axis = |axis: &u8| usize::from(*axis) + usize::from(y.by_position);
        let x = || self.input(node, 0);
        match &node.operator {
            Operator::Linear { weight, bias } => self.linear(&x(), y, *weight, *bias),
            Operator::Conv {
                weight,
                bias,
                window,
                groups,
            } => self.conv(&x(), y, (*weight, *bias), window, u64::from(*groups)),
            Operator::MatMul => Ok(self.matmul(&x(), &self.input(node, 1), y)),
            Operator::SumPool { window } => Ok(self.sum_pool(&x(), y, window)),
            Operator::MaxPool { window } => {
                let x = x();
                let (patches, maps) = self.patches(&x, window, y, true);
                let candidates = Candidates {
                    shape: self.making.shape(patches),
                    choosing: 2,
                    x: patches,
                    interval: x.interval,
                };
                let (m, _) = self.making.maxima(&candidates, maps, false)?;
                Ok(self.making.view(m, &y.shape, y.interval, y.shape.all()))
            }
            Operator::ReduceSum { axis: of } => Ok(self.reduce_sum(&x(), y, axis(of))),
            Operator::ReduceMax { axis: of } => {
                let candidates = self.choosing(&x(), axis(of));
                let (m, _) = self.making.maxima(&candidates, vec![], false)?;
                Ok(self.making.view(m, &y.shape, y.interval, y.shape.all()))
            }
            Operator::ArgMax => {
                let candidates = self.choosing(&x(), y.shape.0.len());
                let (_, c) = self.making.maxima(&candidates, vec![], true)?;
                Ok(self.making.chosen_index(&candidates, c, y.interval))
            }
            _ => self.on_elements(node, y),
        }
    }

    /// Operators that move elements or work on single ones.
    fn on_elements(&mut self, node: &Node, y: &Value) -> Result<usize, Code> {
        let axis = |axis: &u8| usize::from(*axis) + usize::from(y.by_position);
        let x = || self.input(node, 0);
        match &node.operator {
            Operator::Requantize { multipliers, shift } => {
                let x = x();
                let last = x.shape.0.len().wrapping_sub(1);
                self.requantize(&x, y, *multipliers, *shift, last)
            }
            Operator::ChannelScale { multipliers, shift } => {
                let x = x();
                let first = usize::from(x.by_position);
                self.requantize(&x, y, *multipliers, *shift, first)
            }
            Operator::Add => Ok(self.add(&x(), &self.input(node, 1), y)),
            Operator::Multiply { shift } => {
                let (x, other) = (x(), self.input(node, 1));
                let axes = shared_axes(&x, &other);
                let product = vec![
                    self.making.own(x.tensor),
                    self.making.factor(other.tensor, x.shape.axes(axes)),
                ];
                let value = Integer::product(1, product);
                self.making.round(&rounding(y, value, *shift))
            }
            Operator::Clamp => {
                let x = x();
                if x.interval.lo >= y.interval.lo && x.interval.hi <= y.interval.hi {
                    return Ok(self
                        .making
                        .view(x.tensor, &y.shape, y.interval, y.shape.all()));
                }
                let value = self.making.integer(x.tensor);
                self.making.round(&rounding(y, value, 0))
            }
            Operator::Table { table } => {
                let x = x();
                let entries = (x.interval.hi - x.interval.lo + 1) as u64;
                let elements = self.making.elements(*table);
                let values = self.making.constant(*table, &[entries], elements)?;
                let making = &mut self.making;
                Ok(making.looked_up(values, x.interval.lo, x.tensor, y.interval))
            }
            Operator::Reshape => Ok(self.reshape(x().tensor, &y.shape, y.interval)),
            Operator::Transpose { permutation } => {
                Ok(self.transpose(&x(), y, permutation.as_slice()))
            }
            Operator::Concat { axis: of } => Ok(self.concat(node, y, axis(of))),
            Operator::Slice {
                axis: of,
                start,
                step,
            } => {
                let by = (u64::from(*step), i64::from(*start));
                let x = x().tensor;
                Ok(self.making.moved(x, &y.shape, y.interval, axis(of), by))
            }
            Operator::Pad {
                axis: of,
                before,
                value,
            } => Ok(self.pad(&x(), y, axis(of), *before, i128::from(*value))),
            _ => self.of_rows(node, y),
        }
    }

    /// Operators on rows, sequences, and trees.
    fn of_rows(&mut self, node: &Node, y: &Value) -> Result<usize, Code> {
        let x = || self.input(node, 0);
        match &node.operator {
            Operator::Embed {
                table,
                multipliers,
                shift,
            } => self.embed(node, &x(), y, (*table, *multipliers), *shift),
            Operator::RmsNorm { eps, fraction } => self.norm(&x(), y, *eps, *fraction, false),
            Operator::LayerNorm { eps, fraction } => self.norm(&x(), y, *eps, *fraction, true),
            Operator::Rope { cosines, sines } => self.rope(&x(), y, [*cosines, *sines]),
            Operator::Attention {
                multiplier,
                shift,
                output_shift,
                window,
            } => {
                let operands = [0, 1, 2].map(|at| self.input(node, at));
                let score = (i128::from(*multiplier), u32::from(*shift));
                let (up, window) = (u32::from(*output_shift), u64::from(*window));
                self.attention(&operands, y, score, up, window)
            }
            Operator::Softmax { multiplier, shift } => {
                let score = (i128::from(*multiplier), u32::from(*shift));
                self.softmax(&x(), y, score)
            }
            Operator::Trees(of) => {
                if y.by_position {
                    return Err("proof.unsupported");
                }
                let x = x();
                self.trees(&x, y.interval, of)
            }
            _ => Err("proof.unsupported"),
        }
    }
}

/// To the range of a result.
pub(crate) fn rounding(y: &Value, value: Integer, shift: u8) -> Rounding {
    Rounding {
        shape: y.shape.clone(),
        value,
        shift: shift.into(),
        lo: y.interval.lo,
        hi: y.interval.hi,
        quotients: None,
    }
}
