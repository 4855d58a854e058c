//! Operators that exist only on constants and shapes: exporters compute shapes with them.

use super::{Builder, Node};
use crate::error::Result;
use crate::graph::ValueId;
use crate::tensor::{Element, Tensor, broadcast, broadcast_strides, dot, indices};

impl Builder {
    pub(super) fn host(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (tensor, element) = match node.operator() {
            "Constant" => self.constant_node(node)?,
            "Shape" | "Size" => (self.shape_node(node)?, Element::Integer),
            "ConstantOfShape" => {
                let shape = self
                    .arguments(node)?
                    .first()
                    .map(Tensor::integers)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|d| {
                        usize::try_from(d).map_err(|_| node.malformed("a dimension is negative"))
                    })
                    .collect::<Result<Vec<_>>>()?;
                let (value, element) = match node.tensor("value")? {
                    Some((value, element)) if value.data.len() == 1 => (value.data[0], element),
                    None => (0.0, Element::Real),
                    Some(_) => return Err(node.malformed("its value is not one number")),
                };
                (Tensor::filled(shape, value)?, element)
            }
            "Range" => (self.range(node)?, Element::Integer),
            "Not" => (
                self.mapped(node, |v| f64::from(u8::from(v[0] == 0.0)))?,
                Element::Boolean,
            ),
            "Where" => (
                self.mapped(node, |v| if v[0] != 0.0 { v[1] } else { v[2] })?,
                node.optional(1)
                    .map_or(Element::Real, |id| self.graph.value(id).element),
            ),
            "Mod" => (
                self.mapped(node, |v| v[0] - (v[0] / v[1]).floor() * v[1])?,
                Element::Integer,
            ),
            "Tile" => return Err(node.unsupported("is not an operator of exact programs")),
            other => {
                let truth = |f: fn(f64, f64) -> bool| {
                    self.mapped(node, move |v| f64::from(u8::from(f(v[0], v[1]))))
                };
                let tensor = match other {
                    "Equal" => truth(|a, b| a == b)?,
                    "Less" => truth(|a, b| a < b)?,
                    "Greater" => truth(|a, b| a > b)?,
                    "And" => truth(|a, b| a != 0.0 && b != 0.0)?,
                    _ => truth(|a, b| a != 0.0 || b != 0.0)?,
                };
                (tensor, Element::Boolean)
            }
        };
        self.constant(tensor, element, &node.place.node)
    }

    fn arguments(&self, node: &Node<'_>) -> Result<Vec<Tensor>> {
        node.inputs
            .iter()
            .flatten()
            .map(|id| {
                self.constant_of(*id)
                    .cloned()
                    .ok_or_else(|| node.unsupported("of activations (it exists for shapes only)"))
            })
            .collect()
    }

    /// Elementwise, with broadcasting.
    fn mapped(&self, node: &Node<'_>, f: impl Fn(&[f64]) -> f64) -> Result<Tensor> {
        let arguments = self.arguments(node)?;
        let needed = match node.operator() {
            "Not" => 1,
            "Where" => 3,
            _ => 2,
        };
        if arguments.len() != needed {
            return Err(node.malformed("it has too few or too many inputs"));
        }
        let mut shape = Vec::new();
        for argument in &arguments {
            shape = broadcast(&shape, &argument.shape)
                .ok_or_else(|| node.malformed("the shapes do not go together"))?;
        }
        crate::tensor::checked_elements(&shape)?;
        let strides: Vec<Vec<usize>> = arguments
            .iter()
            .map(|argument| broadcast_strides(&argument.shape, &shape))
            .collect();
        let data = indices(&shape)
            .map(|index| {
                let values: Vec<f64> = arguments
                    .iter()
                    .zip(&strides)
                    .map(|(argument, strides)| argument.data[dot(&index, strides)])
                    .collect();
                f(&values)
            })
            .collect();
        Ok(Tensor { shape, data })
    }

    /// A constant repeated to a larger shape.
    pub(super) fn repeated(
        &mut self,
        node: &Node<'_>,
        x: ValueId,
        shape: Vec<usize>,
    ) -> Result<ValueId> {
        crate::tensor::checked_elements(&shape)?;
        let element = self.graph.value(x).element;
        let tensor = self
            .constant_of(x)
            .cloned()
            .unwrap_or_else(|| Tensor::scalar(0.0));
        let strides = broadcast_strides(&tensor.shape, &shape);
        let data = indices(&shape)
            .map(|index| tensor.data[dot(&index, &strides)])
            .collect();
        self.constant(Tensor { shape, data }, element, &node.place.node)
    }

    #[expect(clippy::cast_precision_loss, reason = "single integers of a model")]
    fn constant_node(&self, node: &Node<'_>) -> Result<(Tensor, Element)> {
        if let Some(constant) = node.tensor("value")? {
            return Ok(constant);
        }
        if node.has("value_float") {
            return Ok((
                Tensor::scalar(node.float("value_float", 0.0)),
                Element::Real,
            ));
        }
        if node.has("value_int") {
            return Ok((
                Tensor::scalar(node.int("value_int", 0) as f64),
                Element::Integer,
            ));
        }
        if let Some(values) = node.floats("value_floats") {
            let values = values.iter().copied().map(f64::from).collect();
            return Ok((Tensor::list(values), Element::Real));
        }
        if let Some(values) = node.ints("value_ints") {
            let values = values.iter().map(|&v| v as f64).collect();
            return Ok((Tensor::list(values), Element::Integer));
        }
        Err(node.unsupported("of texts, or of sparse tensors"))
    }

    #[expect(clippy::cast_precision_loss, reason = "dimensions")]
    fn shape_node(&self, node: &Node<'_>) -> Result<Tensor> {
        let shape = self.shape(node.input(0)?);
        if node.operator() == "Size" {
            return Ok(Tensor::scalar(shape.iter().product::<usize>() as f64));
        }
        let rank = i64::try_from(shape.len()).unwrap_or(0);
        let bound = |name: &str, default: i64| {
            let at = node.int(name, default);
            let at = if at < 0 { at.saturating_add(rank) } else { at };
            usize::try_from(at.clamp(0, rank)).unwrap_or(0)
        };
        let (start, end) = (bound("start", 0), bound("end", rank));
        let taken = shape.get(start..end).unwrap_or_default();
        Ok(Tensor::list(taken.iter().map(|&d| d as f64).collect()))
    }

    fn range(&self, node: &Node<'_>) -> Result<Tensor> {
        let arguments = self.arguments(node)?;
        let [start, limit, delta] = arguments.as_slice() else {
            return Err(node.malformed("it does not have three inputs"));
        };
        let first = |tensor: &Tensor| {
            tensor
                .data
                .first()
                .copied()
                .filter(|v| v.is_finite())
                .ok_or_else(|| node.malformed("a bound is missing"))
        };
        let (start, limit, delta) = (first(start)?, first(limit)?, first(delta)?);
        let count = ((limit - start) / delta).ceil();
        if count.is_nan() || count > 65_536.0 {
            return Err(node.unsupported("of more than 65,536 numbers"));
        }
        let mut data = Vec::new();
        let mut at = start;
        while (delta > 0.0 && at < limit) || (delta < 0.0 && at > limit) {
            data.push(at);
            at = start + delta * f64::from(u32::try_from(data.len()).unwrap_or(u32::MAX));
        }
        Ok(Tensor::list(data))
    }
}
