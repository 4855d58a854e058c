//! From the float graph to an exact program.
//!
//! Every value becomes an integer tensor with one scale: number = integer · scale. Accumulators of weighted steps are requantized at
//! once, with multipliers that are exact: the scales of the weights are chosen so. What rounding and int8 weights can do to a number is
//! carried along as a bound.

mod arithmetic;
mod elementwise;
mod forest;
mod interface;
mod scales;
mod spatial;
mod weights;

use std::collections::HashMap;

use proofmark_import::{Builder, Built, Elements};
use proofmark_program::{ConstantId, NodeId, NodeType, Operator};

use crate::error::{Result, refused, unsupported};
use crate::graph::{Graph, Op, Place, Step, ValueId};
use crate::plan::Plan;

pub(crate) use interface::Lowered;
pub(crate) use scales::rounded;

/// An integer tensor of the program and what it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Int {
    pub(crate) node: NodeId,
    pub(crate) shape: Vec<usize>,
    /// Positive: number = integer · scale.
    pub(crate) scale: f64,
    pub(crate) lo: i32,
    pub(crate) hi: i32,
    /// How far the number can be from the float one, if nothing was clamped.
    pub(crate) error: f64,
}

impl Int {
    pub(crate) fn max_abs(&self) -> i32 {
        self.hi.max(-self.lo)
    }

    /// Largest number.
    pub(crate) fn reach(&self) -> f64 {
        f64::from(self.max_abs()) * self.scale
    }
}

pub(crate) struct Lowerer<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) plan: &'a Plan,
    pub(crate) out: Builder,
    values: HashMap<ValueId, Int>,
    /// What the program takes, for inputs that are numbers.
    taken: HashMap<ValueId, Int>,
    /// Program inputs that are ranks, and their trees' constants.
    pub(crate) ranks: HashMap<ValueId, forest::Ranks>,
    /// Counts names.
    names: usize,
}

/// Lowers the whole graph.
pub(crate) fn lower(graph: &Graph, plan: &Plan) -> Result<Lowered> {
    let mut lowerer = Lowerer {
        graph,
        plan,
        out: Builder::new(),
        values: HashMap::new(),
        taken: HashMap::new(),
        ranks: HashMap::new(),
        names: 0,
    };
    lowerer.inputs()?;
    for step in &graph.steps {
        let result = lowerer.step(step)?;
        lowerer.values.insert(step.output, result);
    }
    lowerer.finish()
}

impl Lowerer<'_> {
    fn step(&mut self, step: &Step) -> Result<Int> {
        let name = self.name(&step.place);
        let x = step.inputs[0];
        let shape = self.graph.shape(step.output).to_vec();
        match &step.op {
            Op::Linear { weight, bias, fine } => self.linear(step, &name, weight, bias, *fine),
            Op::Conv {
                weight,
                bias,
                window,
                groups,
            } => self.conv(step, &name, weight, bias, (window, *groups)),
            Op::MatMul => self.matmul(step, &name),
            Op::Function(function) => self.function(step, &name, function),
            Op::Affine(affine) => self.affine(step, &name, affine),
            Op::Binary(binary) => self.binary(step, &name, *binary),
            Op::MaxPool(window) => self.max_pool(step, &name, window),
            Op::AveragePool { window, counts } => self.average_pool(step, &name, window, counts),
            Op::Sum { axis, factor } => self.sum(step, &name, *axis, *factor),
            Op::Max { axis } => {
                let x = self.shaped(x, &name)?;
                let op = Operator::ReduceMax { axis: small(*axis) };
                Ok(self.unary(&name, op, &x, shape, x.lo, x.hi))
            }
            Op::Reshape => {
                let x = self.narrow(x, &name)?;
                Ok(self.view(&x, &shape, &name))
            }
            Op::Transpose(order) => {
                let x = self.shaped(x, &name)?;
                Ok(self.transposed(&x, order, &name))
            }
            Op::Concat { axis } => self.concat(step, &name, *axis),
            Op::Slice { axis, start, step } => {
                let x = self.shaped(x, &name)?;
                let op = Operator::Slice {
                    axis: small(*axis),
                    start: wide(*start),
                    step: wide(*step),
                };
                Ok(self.unary(&name, op, &x, shape, x.lo, x.hi))
            }
            Op::Pad {
                axis,
                before,
                value,
            } => self.pad(step, &name, (*axis, *before, *value)),
            Op::Softmax => self.softmax(step, &name),
            Op::Normalize {
                centered,
                eps,
                factor,
            } => self.normalize(step, &name, *centered, (*eps, *factor)),
            Op::ArgMax => {
                let x = self.shaped(x, &name)?;
                let last = x
                    .shape
                    .last()
                    .map_or(1, |n| i32::try_from(*n).unwrap_or(i32::MAX));
                Ok(self.index(&name, Operator::ArgMax, &x, shape, last - 1))
            }
            Op::Positive => {
                let x = self.shaped(x, &name)?;
                Ok(self.index(&name, Operator::Clamp, &x, shape, 1))
            }
            Op::Label(labels) => self.label(step, &name, labels),
            Op::Trees(forest) => self.trees(step, &name, forest),
        }
    }

    /// A name for nodes and constants: the operator and a number.
    fn name(&mut self, place: &Place) -> String {
        self.names += 1;
        let operator: String = place
            .operator
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(40)
            .collect();
        format!("{:05}.{operator}", self.names)
    }

    /// A second name from the first.
    pub(crate) fn sub(&mut self, name: &str, part: &str) -> String {
        self.names += 1;
        format!("{name}.{part}{}", self.names)
    }

    pub(crate) fn refuse(&self, step: &Step, reason: &str) -> crate::error::ImportError {
        unsupported(&step.place, reason)
    }

    /// The value as it was made.
    pub(crate) fn raw(&self, id: ValueId) -> Result<Int> {
        if let Some(int) = self.values.get(&id) {
            return Ok(int.clone());
        }
        if self.ranks.contains_key(&id) {
            return Err(refused(
                "an input of trees that is also used for something else",
                format!("input {:?}", self.graph.value(id).name),
            ));
        }
        Err(refused(
            "a constant beside activations",
            format!("value {:?}", self.graph.value(id).name),
        ))
    }

    /// The value within its limit: requantized, once, if it was made larger.
    pub(crate) fn narrow(&mut self, id: ValueId, name: &str) -> Result<Int> {
        let int = self.raw(id)?;
        let limit = self.plan.limit(id);
        if int.max_abs() <= limit {
            return Ok(int);
        }
        let (lo, hi) = self.range(id, &int);
        let target = hi.max(-lo) / f64::from(limit);
        let name = self.sub(name, "narrow");
        let int = self.rescaled(&int, target, (lo, hi), &name)?;
        self.values.insert(id, int.clone());
        Ok(int)
    }

    /// As [`Lowerer::narrow`], in the shape that the model has.
    pub(crate) fn shaped(&mut self, id: ValueId, name: &str) -> Result<Int> {
        let int = self.narrow(id, name)?;
        let shape = self.graph.shape(id).to_vec();
        Ok(self.view(&int, &shape, name))
    }

    /// The planned range, no wider than what the integers can reach. Never empty.
    pub(crate) fn range(&self, id: ValueId, int: &Int) -> (f64, f64) {
        let (lo, hi) = self.plan.ranges[id.0];
        let (least, most) = (f64::from(int.lo) * int.scale, f64::from(int.hi) * int.scale);
        usable((lo.max(least), hi.min(most)))
    }

    /// The planned range of a step's result, cut by its clip and by what it can reach.
    pub(crate) fn target(&self, step: &Step, reach: (f64, f64)) -> (f64, f64) {
        let (lo, hi) = self.plan.ranges[step.output.0];
        let (lo, hi) = (lo.max(reach.0), hi.min(reach.1));
        let (lo, hi) = match step.clip {
            Some((least, most)) => (lo.max(least), hi.min(most)),
            None => (lo, hi),
        };
        usable((lo, hi))
    }

    /// The same elements in another shape.
    pub(crate) fn view(&mut self, int: &Int, shape: &[usize], name: &str) -> Int {
        if int.shape == shape {
            return int.clone();
        }
        let name = self.sub(name, "view");
        self.unary(
            &name,
            Operator::Reshape,
            int,
            shape.to_vec(),
            int.lo,
            int.hi,
        )
    }

    /// A node with one input that keeps the scale.
    pub(crate) fn unary(
        &mut self,
        name: &str,
        operator: Operator,
        x: &Int,
        shape: Vec<usize>,
        lo: i32,
        hi: i32,
    ) -> Int {
        let node = self.node(name, operator, &[x.node], &shape, lo, hi);
        Int {
            node,
            shape,
            lo,
            hi,
            ..x.clone()
        }
    }

    /// An index.
    fn index(
        &mut self,
        name: &str,
        operator: Operator,
        x: &Int,
        shape: Vec<usize>,
        most: i32,
    ) -> Int {
        // What an index is off by says nothing where the numbers behind it are; it is right wherever they are far enough apart.
        let error = if x.error == 0.0 { 0.0 } else { f64::INFINITY };
        Int {
            scale: 1.0,
            error,
            ..self.unary(name, operator, x, shape, 0, most)
        }
    }

    pub(crate) fn transposed(&mut self, x: &Int, order: &[usize], name: &str) -> Int {
        if order.iter().enumerate().all(|(at, &from)| at == from) {
            return x.clone();
        }
        let shape = order.iter().map(|&from| x.shape[from]).collect();
        let permutation = order.iter().map(|&from| small(from)).collect();
        let name = self.sub(name, "transpose");
        self.unary(
            &name,
            Operator::Transpose { permutation },
            x,
            shape,
            x.lo,
            x.hi,
        )
    }

    pub(crate) fn node(
        &mut self,
        name: &str,
        operator: Operator,
        inputs: &[NodeId],
        shape: &[usize],
        lo: i32,
        hi: i32,
    ) -> NodeId {
        let result = NodeType {
            by_position: false,
            shape: shape.iter().map(|&d| wide(d)).collect(),
            lo: lo.min(0),
            hi: hi.max(0),
        };
        self.out.node(name, operator, inputs, result)
    }

    pub(crate) fn constant(
        &mut self,
        name: &str,
        part: &str,
        shape: &[usize],
        elements: Elements,
    ) -> Result<ConstantId> {
        let shape: Vec<u32> = shape.iter().map(|&d| wide(d)).collect();
        let name = self.sub(name, part);
        self.out.constant(name, &shape, elements)
    }

    /// Cuts a result to the clip of its step.
    pub(crate) fn clipped(&mut self, step: &Step, x: Int, name: &str) -> Int {
        let (lo, hi) = match step.clip {
            None => return x,
            Some((lo, hi)) => (
                rounded(lo / x.scale, x.lo, x.hi),
                rounded(hi / x.scale, x.lo, x.hi),
            ),
        };
        if (lo, hi) == (x.lo, x.hi) {
            return x;
        }
        let name = self.sub(name, "clip");
        let (shape, error) = (x.shape.clone(), x.error + x.scale / 2.0);
        Int {
            error,
            ..self.unary(&name, Operator::Clamp, &x, shape, lo, hi)
        }
    }

    pub(crate) fn built(self, interface: proofmark_program::Interface) -> Built {
        self.out.finish(interface)
    }
}

/// A range with something in it.
fn usable((lo, hi): (f64, f64)) -> (f64, f64) {
    let (lo, hi) = (lo.min(0.0), hi.max(0.0));
    if hi - lo < f64::MIN_POSITIVE * 1e16 {
        return (lo.min(0.0), 1e-9);
    }
    (lo, hi)
}

/// An axis; ranks are at most 6.
pub(crate) fn small(axis: usize) -> u8 {
    u8::try_from(axis).unwrap_or(u8::MAX)
}

/// A dimension; products of dimensions are at most 2^28.
pub(crate) fn wide(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
