//! Normalizations and softmax.

use super::{Builder, Node};
use crate::error::Result;
use crate::graph::{Op, Place, ValueId};
use crate::tensor::Tensor;

impl Builder {
    fn parameter(&self, node: &Node<'_>, index: usize) -> Result<Tensor> {
        self.constant_of(node.input(index)?)
            .cloned()
            .ok_or_else(|| node.unsupported("a parameter of it is computed"))
    }

    pub(super) fn batch_normalization(&mut self, node: &Node<'_>) -> Result<ValueId> {
        if node.int("training_mode", 0) != 0 || node.outputs() > 1 {
            return Err(node.unsupported("in training mode"));
        }
        let x = node.input(0)?;
        let shape = self.shape(x);
        let parameters: Vec<Vec<f64>> = (1..5)
            .map(|index| self.parameter(node, index).map(|tensor| tensor.data))
            .collect::<Result<_>>()?;
        if shape.len() < 2 || parameters.iter().any(|p| p.len() != shape[1]) {
            return Err(node.malformed("its parameters do not fit its input"));
        }
        let eps = node.float("epsilon", 1e-5);
        let scale: Vec<f64> = parameters[0]
            .iter()
            .zip(&parameters[3])
            .map(|(gain, variance)| gain / (variance + eps).sqrt())
            .collect();
        let offset = parameters[1]
            .iter()
            .zip(&parameters[2])
            .zip(&scale)
            .map(|((bias, mean), scale)| bias - mean * scale)
            .collect();
        self.by_channel(x, scale, offset, &node.place)
    }

    #[expect(clippy::cast_precision_loss, reason = "lengths of rows")]
    pub(super) fn instance_normalization(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let x = node.input(0)?;
        let shape = self.shape(x);
        let (gain, bias) = (self.parameter(node, 1)?.data, self.parameter(node, 2)?.data);
        if shape.len() < 3 || gain.len() != shape[1] || bias.len() != shape[1] {
            return Err(node.malformed("its parameters do not fit its input"));
        }
        let length: usize = shape[2..].iter().product();
        let eps = node.float("epsilon", 1e-5) * length as f64;
        let rows = self.reshaped(x, &[shape[0], shape[1], length], &node.place)?;
        let y = self.normalized(rows, true, eps, (length as f64).sqrt(), &node.place)?;
        let y = self.reshaped(y, &shape, &node.place)?;
        self.by_channel(y, gain, bias, &node.place)
    }

    #[expect(clippy::cast_precision_loss, reason = "lengths of rows")]
    pub(super) fn layer_normalization(&mut self, node: &Node<'_>) -> Result<ValueId> {
        if node.outputs() > 1 {
            return Err(node.unsupported("its mean and deviation are not imported"));
        }
        let x = node.input(0)?;
        let shape = self.shape(x);
        let axis = node.axis(node.int("axis", -1), shape.len())?;
        let length: usize = shape[axis..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        let gain = self.parameter(node, 1)?.data;
        let bias = match node.optional(2) {
            Some(_) => self.parameter(node, 2)?.data,
            None => vec![0.0; length],
        };
        if gain.len() != length || bias.len() != length {
            return Err(node.malformed("its parameters do not fit its input"));
        }
        let eps = node.float("epsilon", 1e-5) * length as f64;
        let rows = self.reshaped(x, &[outer, length], &node.place)?;
        let y = self.normalized(rows, true, eps, (length as f64).sqrt(), &node.place)?;
        let y = self.by_channel(y, gain, bias, &node.place)?;
        self.reshaped(y, &shape, &node.place)
    }

    pub(super) fn lp_normalization(&mut self, node: &Node<'_>) -> Result<ValueId> {
        if node.int("p", 2) != 2 {
            return Err(node.unsupported("with another norm than the second"));
        }
        let x = node.input(0)?;
        let rank = self.shape(x).len();
        let axis = node.axis(node.int("axis", -1), rank)?;
        let (x, back) = self.axis_last(x, axis, &node.place)?;
        let y = self.normalized(x, false, 0.0, 1.0, &node.place)?;
        self.transposed(y, &back, &node.place)
    }

    pub(super) fn normalized(
        &mut self,
        x: ValueId,
        centered: bool,
        eps: f64,
        factor: f64,
        place: &Place,
    ) -> Result<ValueId> {
        self.finite(&[eps, factor], place)?;
        let op = Op::Normalize {
            centered,
            eps,
            factor,
        };
        self.push(op, &[x], self.shape(x), place)
    }

    pub(super) fn softmax(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let x = node.input(0)?;
        let shape = self.shape(x);
        let (default, flat) = if self.opset < 13 {
            (1, true)
        } else {
            (-1, false)
        };
        let axis = node.axis(node.int("axis", default), shape.len())?;
        if flat {
            // Until version 12 everything from the axis on is one row.
            let outer: usize = shape[..axis].iter().product();
            let inner: usize = shape[axis..].iter().product();
            let rows = self.reshaped(x, &[outer, inner], &node.place)?;
            let y = self.push(Op::Softmax, &[rows], vec![outer, inner], &node.place)?;
            return self.reshaped(y, &shape, &node.place);
        }
        let (x, back) = self.axis_last(x, axis, &node.place)?;
        let y = self.push(Op::Softmax, &[x], self.shape(x), &node.place)?;
        self.transposed(y, &back, &node.place)
    }

    /// The axis moved to the end, and the permutation that moves it back.
    pub(super) fn axis_last(
        &mut self,
        x: ValueId,
        axis: usize,
        place: &Place,
    ) -> Result<(ValueId, Vec<usize>)> {
        let rank = self.shape(x).len();
        let mut order: Vec<usize> = (0..rank).collect();
        order.remove(axis);
        order.push(axis);
        let mut back = vec![0; rank];
        for (to, &from) in order.iter().enumerate() {
            back[from] = to;
        }
        Ok((self.transposed(x, &order, place)?, back))
    }
}
