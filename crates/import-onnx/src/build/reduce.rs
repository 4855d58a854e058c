//! Sums, means and extremes over dimensions.

use super::{Builder, Node};
use crate::error::Result;
use crate::graph::{Op, ValueId};

impl Builder {
    pub(super) fn reduce(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let mut x = node.input(0)?;
        let shape = self.shape(x);
        let given = match node.optional(1) {
            Some(id) => match self.constant_of(id) {
                Some(axes) => Some(axes.integers()),
                None => return Err(node.unsupported("its axes are computed")),
            },
            None => node.ints("axes").map(<[i64]>::to_vec),
        };
        let mut axes = match given {
            Some(axes) if !axes.is_empty() => axes
                .into_iter()
                .map(|axis| node.axis(axis, shape.len()))
                .collect::<Result<Vec<_>>>()?,
            _ if node.int("noop_with_empty_axes", 0) != 0 => return Ok(x),
            _ => (0..shape.len()).collect(),
        };
        axes.sort_unstable();
        axes.dedup();
        let minimum = node.operator() == "ReduceMin";
        if minimum {
            x = self.scaled(x, -1.0, &node.place)?;
        }
        for &axis in axes.iter().rev() {
            let mut rest = self.shape(x);
            let length = rest.remove(axis);
            #[expect(clippy::cast_precision_loss, reason = "a dimension")]
            let op = match node.operator() {
                "ReduceMean" => Op::Sum {
                    axis,
                    factor: 1.0 / length as f64,
                },
                "ReduceSum" => Op::Sum { axis, factor: 1.0 },
                _ => Op::Max { axis },
            };
            x = self.push(op, &[x], rest, &node.place)?;
        }
        if minimum {
            x = self.scaled(x, -1.0, &node.place)?;
        }
        if node.int("keepdims", 1) != 0 {
            let mut kept = shape;
            for &axis in &axes {
                kept[axis] = 1;
            }
            x = self.reshaped(x, &kept, &node.place)?;
        }
        Ok(x)
    }

    pub(super) fn arg_max(&mut self, node: &Node<'_>) -> Result<ValueId> {
        if node.int("select_last_index", 0) != 0 {
            return Err(node.unsupported("with the last index of equals"));
        }
        let x = node.input(0)?;
        let shape = self.shape(x);
        let axis = node.axis(node.int("axis", 0), shape.len())?;
        let (last, _) = self.axis_last(x, axis, &node.place)?;
        let mut rest = shape.clone();
        rest.remove(axis);
        let y = self.push(Op::ArgMax, &[last], rest, &node.place)?;
        if node.int("keepdims", 1) == 0 {
            return Ok(y);
        }
        let mut kept = shape;
        kept[axis] = 1;
        self.reshaped(y, &kept, &node.place)
    }
}
