//! What moves elements and leaves them as they are.

use super::{Builder, Node};
use crate::error::Result;
use crate::graph::{Op, Place, ValueId};
use crate::tensor::{Element, broadcast};

impl Builder {
    pub(super) fn reshaped(
        &mut self,
        x: ValueId,
        shape: &[usize],
        place: &Place,
    ) -> Result<ValueId> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        self.push(Op::Reshape, &[x], shape.to_vec(), place)
    }

    pub(super) fn transposed(
        &mut self,
        x: ValueId,
        order: &[usize],
        place: &Place,
    ) -> Result<ValueId> {
        if order.iter().enumerate().all(|(at, &from)| at == from) {
            return Ok(x);
        }
        let shape = self.shape(x);
        let result = order.iter().map(|&from| shape[from]).collect();
        self.push(Op::Transpose(order.to_vec()), &[x], result, place)
    }

    /// Integers of a constant input, or else of an attribute.
    fn list(&self, node: &Node<'_>, index: usize, name: &str) -> Result<Option<Vec<i64>>> {
        match node.optional(index) {
            Some(id) => match self.constant_of(id) {
                Some(tensor) => Ok(Some(tensor.integers())),
                None => Err(node.unsupported(&format!("its {name} are computed from the input"))),
            },
            None => Ok(node.ints(name).map(<[i64]>::to_vec)),
        }
    }

    pub(super) fn reshaping(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let x = node.input(0)?;
        let shape = self.shape(x);
        let result = match node.operator() {
            "Flatten" => {
                let axis = node.int("axis", 1);
                let rank = i64::try_from(shape.len()).unwrap_or(0);
                let axis = usize::try_from(if axis < 0 {
                    axis.saturating_add(rank)
                } else {
                    axis
                })
                .ok()
                .filter(|&axis| axis <= shape.len())
                .ok_or_else(|| node.malformed("its axis is out of bounds"))?;
                vec![
                    shape[..axis].iter().product(),
                    shape[axis..].iter().product(),
                ]
            }
            "Squeeze" => {
                let axes = match self.list(node, 1, "axes")? {
                    Some(axes) => axes
                        .into_iter()
                        .map(|axis| node.axis(axis, shape.len()))
                        .collect::<Result<Vec<_>>>()?,
                    None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
                };
                if axes.iter().any(|&axis| shape[axis] != 1) {
                    return Err(node.malformed("a dimension that it takes out is not 1"));
                }
                let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
                kept.map(|axis| shape[axis]).collect()
            }
            "Unsqueeze" => {
                let axes = self
                    .list(node, 1, "axes")?
                    .ok_or_else(|| node.malformed("it has no axes"))?;
                let rank = shape.len() + axes.len().min(64);
                let axes = axes
                    .into_iter()
                    .map(|axis| node.axis(axis, rank))
                    .collect::<Result<Vec<_>>>()?;
                let mut old = shape.iter();
                (0..rank)
                    .map(|axis| {
                        if axes.contains(&axis) {
                            Some(1)
                        } else {
                            old.next().copied()
                        }
                    })
                    .collect::<Option<Vec<_>>>()
                    .filter(|_| old.next().is_none())
                    .ok_or_else(|| node.malformed("its axes repeat"))?
            }
            "Expand" => {
                let target = self.target(node)?;
                let grown = broadcast(&shape, &target)
                    .ok_or_else(|| node.malformed("the shapes do not go together"))?;
                if self.constant_of(x).is_some() {
                    return self.repeated(node, x, grown);
                }
                if grown.iter().product::<usize>() != shape.iter().product::<usize>() {
                    return Err(node.unsupported("that repeats an activation"));
                }
                grown
            }
            _ => self.reshape_target(node, &shape)?,
        };
        let counts = |shape: &[usize]| shape.iter().product::<usize>();
        if counts(&result) != counts(&shape) {
            return Err(node.malformed(&format!("{shape:?} cannot have the shape {result:?}")));
        }
        self.reshaped(x, &result, &node.place)
    }

    pub(super) fn target(&self, node: &Node<'_>) -> Result<Vec<usize>> {
        self.list(node, 1, "shape")?
            .unwrap_or_default()
            .into_iter()
            .map(|d| usize::try_from(d).map_err(|_| node.malformed("a dimension is negative")))
            .collect()
    }

    /// The shape that `Reshape` asks for: 0 keeps a dimension, -1 takes what is left.
    fn reshape_target(&self, node: &Node<'_>, shape: &[usize]) -> Result<Vec<usize>> {
        let wanted = self
            .list(node, 1, "shape")?
            .ok_or_else(|| node.malformed("it has no shape"))?;
        let keep_zero = node.int("allowzero", 0) == 0;
        let mut result = Vec::with_capacity(wanted.len().min(64));
        let mut open = None;
        for (axis, &size) in wanted.iter().enumerate() {
            result.push(match size {
                0 if keep_zero => *shape
                    .get(axis)
                    .ok_or_else(|| node.malformed("it keeps a dimension that is not there"))?,
                -1 if open.is_none() => {
                    open = Some(axis);
                    1
                }
                size => {
                    usize::try_from(size).map_err(|_| node.malformed("a dimension is negative"))?
                }
            });
        }
        if let Some(axis) = open {
            let known = result
                .iter()
                .try_fold(1_usize, |product, &d| product.checked_mul(d))
                .filter(|&known| known > 0)
                .ok_or_else(|| node.malformed("its shape is empty or huge"))?;
            result[axis] = shape.iter().product::<usize>() / known;
        }
        // A batch dimension that was written down as some other number cannot be told from a mistake: it is refused by the caller's count.
        Ok(result)
    }

    pub(super) fn transpose_node(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let x = node.input(0)?;
        let rank = self.shape(x).len();
        let order = match node.ints("perm") {
            None => (0..rank).rev().collect(),
            Some(given) => given
                .iter()
                .map(|&axis| node.axis(axis, rank))
                .collect::<Result<Vec<_>>>()?,
        };
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted != (0..rank).collect::<Vec<_>>() {
            return Err(node.malformed("its permutation is none"));
        }
        self.transposed(x, &order, &node.place)
    }

    pub(super) fn concat(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let inputs = (0..node.inputs.len())
            .map(|index| node.input(index))
            .collect::<Result<Vec<_>>>()?;
        let first = self.shape(node.input(0)?);
        let axis = node.axis(node.int("axis", 1), first.len())?;
        let constant = |id: &ValueId| self.constant_of(*id).is_some();
        if inputs.iter().any(constant) && !inputs.iter().all(constant) {
            return Err(node.unsupported("of an activation and a constant"));
        }
        self.concatenated(node, &inputs, axis)
    }

    pub(super) fn concatenated(
        &mut self,
        node: &Node<'_>,
        inputs: &[ValueId],
        axis: usize,
    ) -> Result<ValueId> {
        let mut shape = self.shape(inputs[0]);
        for id in &inputs[1..] {
            let other = self.shape(*id);
            let fits = other.len() == shape.len()
                && (0..shape.len()).all(|at| at == axis || other[at] == shape[at]);
            if !fits {
                return Err(node.malformed("its inputs do not fit each other"));
            }
            shape[axis] += other[axis];
        }
        self.push(Op::Concat { axis }, inputs, shape, &node.place)
    }

    pub(super) fn slice_node(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let mut x = node.input(0)?;
        let rank = self.shape(x).len();
        let starts = self.list(node, 1, "starts")?.unwrap_or_default();
        let ends = self.list(node, 2, "ends")?.unwrap_or_default();
        let count = i64::try_from(starts.len()).unwrap_or(0);
        let axes = self
            .list(node, 3, "axes")?
            .unwrap_or_else(|| (0..count).collect());
        let steps = self
            .list(node, 4, "steps")?
            .unwrap_or_else(|| vec![1; starts.len()]);
        if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
            return Err(node.malformed("its lists have different lengths"));
        }
        for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
            let axis = node.axis(axis, rank)?;
            let length = i64::try_from(self.shape(x)[axis]).unwrap_or(0);
            let within = |at: i64| {
                if at < 0 {
                    at.saturating_add(length)
                } else {
                    at
                }
                .clamp(0, length)
            };
            if step < 1 {
                return Err(node.unsupported("backwards"));
            }
            let (start, end) = (within(start), within(end));
            let taken = (end - start).max(0);
            let taken = taken / step + i64::from(taken % step != 0);
            let as_size = |v: i64| usize::try_from(v).unwrap_or(0);
            x = self.sliced(node, x, axis, as_size(start), as_size(step), as_size(taken))?;
        }
        Ok(x)
    }

    fn sliced(
        &mut self,
        node: &Node<'_>,
        x: ValueId,
        axis: usize,
        start: usize,
        step: usize,
        count: usize,
    ) -> Result<ValueId> {
        let mut shape = self.shape(x);
        if count == shape[axis] && start == 0 {
            return Ok(x);
        }
        shape[axis] = count;
        // A step beyond the end takes one element; the program's attribute is 32 bits wide.
        let step = if count <= 1 { 1 } else { step };
        self.push(Op::Slice { axis, start, step }, &[x], shape, &node.place)
    }

    pub(super) fn split(&mut self, node: &Node<'_>) -> Result<Vec<ValueId>> {
        let x = node.input(0)?;
        let shape = self.shape(x);
        let axis = node.axis(node.int("axis", 0), shape.len())?;
        let parts = node.outputs();
        let sizes: Vec<usize> = match self.list(node, 1, "split")? {
            Some(sizes) => sizes
                .iter()
                .filter_map(|&s| usize::try_from(s).ok())
                .collect(),
            None => {
                let chunk = shape[axis].div_ceil(parts.max(1));
                (0..parts)
                    .map(|part| chunk.min(shape[axis].saturating_sub(part * chunk)))
                    .collect()
            }
        };
        let total = sizes
            .iter()
            .try_fold(0_usize, |sum, &size| sum.checked_add(size));
        if sizes.len() != parts || total != Some(shape[axis]) {
            return Err(node.malformed("its parts do not make up the whole"));
        }
        let mut start = 0;
        let mut outputs = Vec::with_capacity(parts);
        for size in sizes {
            outputs.push(self.sliced(node, x, axis, start, 1, size)?);
            start += size;
        }
        Ok(outputs)
    }

    pub(super) fn pad(&mut self, node: &Node<'_>) -> Result<ValueId> {
        if node.text("mode", "constant") != "constant" {
            return Err(node.unsupported("in another mode than constant"));
        }
        let mut x = node.input(0)?;
        let rank = self.shape(x).len();
        let pads = self
            .list(node, 1, "pads")?
            .ok_or_else(|| node.malformed("it has no pads"))?;
        let value = match node.optional(2) {
            None => node.float("value", 0.0),
            Some(id) => match self.constant_of(id) {
                Some(tensor) if tensor.data.len() == 1 => tensor.data[0],
                _ => return Err(node.unsupported("its value is computed")),
            },
        };
        if !value.is_finite() {
            return Err(node.unsupported("with a value that is not finite"));
        }
        let axes = match self.list(node, 3, "axes")? {
            None => (0..rank).collect(),
            Some(axes) => axes
                .into_iter()
                .map(|axis| node.axis(axis, rank))
                .collect::<Result<Vec<_>>>()?,
        };
        if pads.len() != 2 * axes.len() {
            return Err(node.malformed("it has too many or too few pads"));
        }
        for (at, &axis) in axes.iter().enumerate() {
            let size = |v: i64| {
                usize::try_from(v)
                    .ok()
                    .filter(|&v| v <= 1 << 24)
                    .ok_or_else(|| node.unsupported("with negative or huge pads"))
            };
            let (before, after) = (size(pads[at])?, size(pads[at + axes.len()])?);
            if before + after == 0 {
                continue;
            }
            let mut shape = self.shape(x);
            shape[axis] += before + after;
            x = self.push(
                Op::Pad {
                    axis,
                    before,
                    value,
                },
                &[x],
                shape,
                &node.place,
            )?;
        }
        Ok(x)
    }

    /// Rows of a dimension by constant indices.
    pub(super) fn gather(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let rank = self.shape(node.input(0)?).len();
        let axis = node.axis(node.int("axis", 0), rank)?;
        self.gathered(node, node.input(0)?, node.input(1)?, axis)
    }

    pub(super) fn gathered(
        &mut self,
        node: &Node<'_>,
        x: ValueId,
        indices: ValueId,
        axis: usize,
    ) -> Result<ValueId> {
        let Some(indices) = self.constant_of(indices).cloned() else {
            return Err(node.unsupported("its indices are computed"));
        };
        let shape = self.shape(x);
        if indices.data.len() > 1024 {
            return Err(node.unsupported("of more than 1024 indices"));
        }
        let mut parts = Vec::new();
        for index in indices.integers() {
            let index = node.axis(index, shape[axis])?;
            parts.push(self.sliced(node, x, axis, index, 1, 1)?);
        }
        if parts.is_empty() {
            return Err(node.unsupported("of nothing"));
        }
        let joined = if parts.len() == 1 {
            parts[0]
        } else {
            self.concatenated(node, &parts, axis)?
        };
        let mut result = shape[..axis].to_vec();
        result.extend_from_slice(&indices.shape);
        result.extend_from_slice(&shape[axis + 1..]);
        self.reshaped(joined, &result, &node.place)
    }

    /// What changes nothing in inference.
    pub(super) fn pass(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let x = node.input(0)?;
        if node.operator() == "Dropout" && node.outputs() > 1 {
            return Err(node.unsupported("its mask is not imported"));
        }
        if node.operator() == "Dropout"
            && let Some(training) = node.optional(2)
            && self.constant_of(training).is_none_or(|t| t.data != [0.0])
        {
            return Err(node.unsupported("in training mode"));
        }
        if node.operator() != "Cast" {
            return Ok(x);
        }
        let to = i32::try_from(node.int("to", 0))
            .ok()
            .and_then(|to| tract_onnx::pb::tensor_proto::DataType::try_from(to).ok())
            .and_then(crate::proto::element)
            .ok_or_else(|| node.unsupported("to a type that is not imported"))?;
        let from = self.graph.value(x).element;
        if let Some(mut tensor) = self.constant_of(x).cloned() {
            for value in &mut tensor.data {
                *value = match to {
                    Element::Real => *value,
                    Element::Integer => value.trunc(),
                    Element::Boolean => f64::from(u8::from(*value != 0.0)),
                };
            }
            return self.constant(tensor, to, &node.place.node);
        }
        match (from, to) {
            (from, to) if from == to => Ok(x),
            (Element::Integer, Element::Real) => {
                // The same numbers; the copy says that they are real from here on.
                let shape = self.shape(x);
                let id = self.push(Op::Reshape, &[x], shape, &node.place)?;
                self.graph.values[id.0].element = Element::Real;
                Ok(id)
            }
            _ => Err(node.unsupported("of an activation to integers or truth values")),
        }
    }
}
