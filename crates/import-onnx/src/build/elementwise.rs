//! Activation functions, and sums, products and their like of two tensors.

use super::{Builder, Node};
use crate::error::Result;
use crate::function::{Function, Term, Unary};
use crate::graph::{Affine, Binary, Op, Place, ValueId};
use crate::tensor::{Element, Tensor, broadcast, broadcast_strides, dot, indices};

impl Builder {
    /// Everything that works on single elements; what is none of that is refused here.
    pub(super) fn unary_node(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let gate = |gate: Vec<Term>| {
            let mut terms = vec![Term::Argument];
            terms.extend(gate);
            let last = terms.len() - 1;
            terms.push(Term::Binary(Binary::Mul, 0, last));
            Function { terms }
        };
        let function = match node.operator() {
            "Relu" => Function::unary(Unary::Clip(0.0, f64::INFINITY)),
            "Clip" => {
                let bound = |index, name, default| match node.optional(index) {
                    None => Ok(node.float(name, default)),
                    Some(id) => match self.constant_of(id) {
                        Some(tensor) if tensor.data.len() == 1 => Ok(tensor.data[0]),
                        _ => Err(node.unsupported("its bounds are computed")),
                    },
                };
                let lo = bound(1, "min", f64::NEG_INFINITY)?;
                let hi = bound(2, "max", f64::INFINITY)?;
                if lo.is_nan() || hi.is_nan() {
                    return Err(node.unsupported("a bound is not a number"));
                }
                Function::unary(Unary::Clip(lo.min(hi), hi))
            }
            "LeakyRelu" => Function::unary(Unary::LeakyRelu(node.float("alpha", 0.01))),
            "Elu" => Function::unary(Unary::Elu(node.float("alpha", 1.0))),
            "Celu" => Function::unary(Unary::Celu(node.float("alpha", 1.0))),
            "Selu" => Function::unary(Unary::Selu(
                node.float("alpha", 1.673_263_192_176_818_8),
                node.float("gamma", 1.050_701_022_148_132_3),
            )),
            "HardSigmoid" => Function::unary(Unary::HardSigmoid(
                node.float("alpha", 0.2),
                node.float("beta", 0.5),
            )),
            "ThresholdedRelu" => Function::unary(Unary::ThresholdedRelu(node.float("alpha", 1.0))),
            "HardSwish" => gate(vec![Term::Unary(Unary::HardSigmoid(1.0 / 6.0, 0.5), 0)]),
            "Mish" => gate(vec![
                Term::Unary(Unary::Softplus, 0),
                Term::Unary(Unary::Tanh, 1),
            ]),
            "Gelu" if node.text("approximate", "none") == "tanh" => {
                Function::unary(Unary::GeluTanh)
            }
            "Gelu" => gate(vec![
                Term::Constant(core::f64::consts::FRAC_1_SQRT_2),
                Term::Binary(Binary::Mul, 0, 1),
                Term::Unary(Unary::Erf, 2),
                Term::Constant(1.0),
                Term::Binary(Binary::Add, 3, 4),
                Term::Constant(0.5),
                Term::Binary(Binary::Mul, 5, 6),
            ]),
            other => Function::unary(
                plain(other)
                    .ok_or_else(|| node.unsupported("is not an operator of exact programs"))?,
            ),
        };
        let x = node.input(0)?;
        self.push(Op::Function(function), &[x], self.shape(x), &node.place)
    }

    pub(super) fn binary_node(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let binary = match node.operator() {
            "Add" => Binary::Add,
            "Sub" => Binary::Sub,
            "Mul" => Binary::Mul,
            "Div" => Binary::Div,
            _ => Binary::Pow,
        };
        self.binary(node, binary, node.input(0)?, node.input(1)?)
    }

    /// `Max`, `Min`, `Sum` and `Mean` of any number of tensors.
    pub(super) fn variadic(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let binary = match node.operator() {
            "Max" => Binary::Max,
            "Min" => Binary::Min,
            _ => Binary::Add,
        };
        let mut sum = node.input(0)?;
        for index in 1..node.inputs.len() {
            sum = self.binary(node, binary, sum, node.input(index)?)?;
        }
        if node.operator() == "Mean" {
            #[expect(clippy::cast_precision_loss, reason = "the number of inputs of a node")]
            let factor = 1.0 / node.inputs.len() as f64;
            return self.scaled(sum, factor, &node.place);
        }
        Ok(sum)
    }

    /// `x · factor`.
    pub(super) fn scaled(&mut self, x: ValueId, factor: f64, place: &Place) -> Result<ValueId> {
        let shape = self.shape(x);
        let affine = Affine {
            outer: 1,
            inner: shape.iter().product(),
            scale: vec![factor],
            offset: vec![0.0],
        };
        self.push(Op::Affine(affine), &[x], shape, place)
    }

    pub(super) fn binary(
        &mut self,
        node: &Node<'_>,
        binary: Binary,
        a: ValueId,
        b: ValueId,
    ) -> Result<ValueId> {
        let (left, right) = (self.shape(a), self.shape(b));
        let shape = broadcast(&left, &right).ok_or_else(|| {
            node.malformed(&format!("shapes {left:?} and {right:?} do not go together"))
        })?;
        match (self.constant_of(a).cloned(), self.constant_of(b).cloned()) {
            (Some(_), Some(_)) => {
                let id = self.push(Op::Binary(binary), &[a, b], shape, &node.place)?;
                if binary == Binary::Div && self.graph.value(a).element == Element::Integer {
                    return self.truncated(id);
                }
                Ok(id)
            }
            (None, Some(constant)) => self.with_constant(node, binary, a, &constant, shape, false),
            (Some(constant), None) => self.with_constant(node, binary, b, &constant, shape, true),
            (None, None) if matches!(binary, Binary::Div | Binary::Pow) => {
                self.both_of_one(node, binary, a, b, shape)
            }
            (None, None) => self.push(Op::Binary(binary), &[a, b], shape, &node.place),
        }
    }

    /// Division and powers of two activations exist where both turn out to be functions of one tensor; the fusing pass decides.
    fn both_of_one(
        &mut self,
        node: &Node<'_>,
        binary: Binary,
        a: ValueId,
        b: ValueId,
        shape: Vec<usize>,
    ) -> Result<ValueId> {
        if self.shape(a) != shape || self.shape(b) != shape {
            return Err(node.unsupported("of two activations"));
        }
        self.push(Op::Binary(binary), &[a, b], shape, &node.place)
    }

    fn truncated(&mut self, id: ValueId) -> Result<ValueId> {
        let mut tensor = self
            .constant_of(id)
            .cloned()
            .unwrap_or_else(|| Tensor::scalar(0.0));
        for value in &mut tensor.data {
            *value = value.trunc();
        }
        self.constant(tensor, Element::Integer, "quotient")
    }

    /// One side is a constant.
    fn with_constant(
        &mut self,
        node: &Node<'_>,
        binary: Binary,
        x: ValueId,
        constant: &Tensor,
        shape: Vec<usize>,
        swapped: bool,
    ) -> Result<ValueId> {
        if self.shape(x) != shape {
            let Some(grown) = self.only_ones_added(x, &shape) else {
                return Err(node.unsupported("a constant makes the activation larger"));
            };
            let x = self.push(Op::Reshape, &[x], grown, &node.place)?;
            return self.with_constant(node, binary, x, constant, shape, swapped);
        }
        if constant.data.iter().any(|v| !v.is_finite()) {
            return Err(node.unsupported("a constant is not a finite number"));
        }
        if matches!(binary, Binary::Div | Binary::Pow)
            && self.graph.value(x).element == Element::Integer
        {
            return Err(node.unsupported("of integers, which truncates"));
        }
        let uniform = constant.data.iter().all(|v| *v == constant.data[0]);
        let affine = match (binary, swapped) {
            (Binary::Add, _) => Some((1.0, 1.0, false)),
            (Binary::Sub, false) => Some((1.0, -1.0, false)),
            (Binary::Sub, true) => Some((-1.0, 1.0, false)),
            (Binary::Mul, _) => Some((0.0, 0.0, false)),
            (Binary::Div, false) => Some((0.0, 0.0, true)),
            _ => None,
        };
        if let Some((scale, offset, inverse)) = affine {
            let (outer, inner, values) = channels(constant, &shape);
            let (scale, offset) = if offset == 0.0 {
                let factor = |v: &f64| if inverse { 1.0 / v } else { *v };
                (values.iter().map(factor).collect(), vec![0.0; values.len()])
            } else {
                (
                    vec![scale; values.len()],
                    values.iter().map(|v| v * offset).collect(),
                )
            };
            let affine = Affine {
                outer,
                inner,
                scale,
                offset,
            };
            if affine.scale.iter().any(|v| !v.is_finite()) {
                return Err(node.unsupported("divides by zero"));
            }
            return self.push(Op::Affine(affine), &[x], shape, &node.place);
        }
        if !uniform && matches!(binary, Binary::Max | Binary::Min) {
            // max(x, c) = c + max(x - c, 0)
            let bounds = if binary == Binary::Max {
                (0.0, f64::INFINITY)
            } else {
                (f64::NEG_INFINITY, 0.0)
            };
            let clip = Op::Function(Function::unary(Unary::Clip(bounds.0, bounds.1)));
            let above = self.with_constant(node, Binary::Sub, x, constant, shape.clone(), false)?;
            let above = self.push(clip, &[above], shape.clone(), &node.place)?;
            return self.with_constant(node, Binary::Add, above, constant, shape, false);
        }
        if !uniform {
            return Err(node.unsupported("with a constant that is not one number"));
        }
        let (first, second) = if swapped { (1, 0) } else { (0, 1) };
        let function = match binary {
            Binary::Max => Function::unary(Unary::Clip(constant.data[0], f64::INFINITY)),
            Binary::Min => Function::unary(Unary::Clip(f64::NEG_INFINITY, constant.data[0])),
            _ => Function {
                terms: vec![
                    Term::Argument,
                    Term::Constant(constant.data[0]),
                    Term::Binary(binary, first, second),
                ],
            },
        };
        self.push(Op::Function(function), &[x], shape, &node.place)
    }

    /// `shape`, if x has it but for leading ones.
    fn only_ones_added(&self, x: ValueId, shape: &[usize]) -> Option<Vec<usize>> {
        let own = self.graph.shape(x);
        let added = shape.len().checked_sub(own.len())?;
        (added > 0 && shape[..added].iter().all(|&d| d == 1) && shape[added..] == *own)
            .then(|| shape.to_vec())
    }

    /// `max(x, 0) + slope · min(x, 0)`.
    pub(super) fn prelu(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (x, slope) = (node.input(0)?, node.input(1)?);
        let Some(slope) = self.constant_of(slope).cloned() else {
            return Err(node.unsupported("its slope is computed"));
        };
        let shape = self.shape(x);
        if slope.data.iter().all(|v| *v == slope.data[0]) {
            let function = Function::unary(Unary::LeakyRelu(slope.data[0]));
            return self.push(Op::Function(function), &[x], shape, &node.place);
        }
        let clip = |lo, hi| Op::Function(Function::unary(Unary::Clip(lo, hi)));
        let above = self.push(clip(0.0, f64::INFINITY), &[x], shape.clone(), &node.place)?;
        let below = self.push(
            clip(f64::NEG_INFINITY, 0.0),
            &[x],
            shape.clone(),
            &node.place,
        )?;
        let below = self.with_constant(node, Binary::Mul, below, &slope, shape, false)?;
        self.binary(node, Binary::Add, above, below)
    }
}

fn plain(operator: &str) -> Option<Unary> {
    Some(match operator {
        "Abs" => Unary::Abs,
        "Neg" => Unary::Neg,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Erf" => Unary::Erf,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Tanh" => Unary::Tanh,
        "Sigmoid" => Unary::Sigmoid,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Sign" => Unary::Sign,
        _ => return None,
    })
}

/// The constant seen as one value for each channel of `[outer, channels, inner]`. It broadcasts to `shape`.
pub(super) fn channels(constant: &Tensor, shape: &[usize]) -> (usize, usize, Vec<f64>) {
    let strides = broadcast_strides(&constant.shape, shape);
    let varies = |axis: &usize| strides[*axis] != 0;
    let uniform = constant.data.iter().all(|v| *v == constant.data[0]);
    let first = (0..shape.len()).find(varies).filter(|_| !uniform);
    let last = (0..shape.len()).rfind(varies);
    match (first, last) {
        (Some(first), Some(last)) => {
            let values = indices(&shape[first..=last])
                .map(|index| constant.data[dot(&index, &strides[first..=last])])
                .collect();
            (
                shape[..first].iter().product(),
                shape[last + 1..].iter().product(),
                values,
            )
        }
        _ => (1, shape.iter().product(), vec![constant.data[0]]),
    }
}
