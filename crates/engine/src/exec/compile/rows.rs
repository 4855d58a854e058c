//! Operators that make each row by itself.

use proofmark_kernels::{Bounds, Norm, Window};
use proofmark_program::{ConstantId, Node, Operator, TreeConstants, Window2d};

use super::{Compiler, at, shape};
use crate::error::ModelError;
use crate::exec::op::{Entries, RowOp, Scale};
use crate::exec::plan::Work;
use crate::exec::shape::{Axis, Move, strides};
use crate::exec::trees::{TreeNode, Trees};
use crate::exec::value::{Value, is_narrow};

impl<B: AsRef<[u8]>> Compiler<'_, B> {
    /// One instruction for the node.
    pub(super) fn row_op(&mut self, index: usize) -> Result<(), ModelError> {
        let program = self.program;
        let node = &program.program().nodes[index];
        let rows = self.rows_of(index);
        let inputs = node
            .inputs
            .iter()
            .map(|input| self.input(at(*input), rows))
            .collect::<Result<Vec<Value>, _>>()?;
        let op = self.operator(index, node, &inputs)?;
        let out = self.make(index, rows);
        self.push(Work::Row(op), inputs, out, index);
        Ok(())
    }

    fn operator(&self, index: usize, node: &Node, inputs: &[Value]) -> Result<RowOp, ModelError> {
        let result = &node.result;
        let bounds = Bounds::new(result.lo, result.hi);
        let x = node.inputs.first().map(|id| &self.nodes()[at(*id)].result);
        let x_shape = x.map(shape).unwrap_or_default();
        let last = x_shape.last().copied().unwrap_or(1);
        Ok(match &node.operator {
            Operator::Embed {
                table,
                multipliers,
                shift,
            } => RowOp::Embed {
                table: self.entries(index, *table)?,
                scale: self.scale(*multipliers, *shift, result)?,
            },
            Operator::Requantize { multipliers, shift } => {
                RowOp::Requantize(self.scale(*multipliers, *shift, result)?)
            }
            Operator::ChannelScale { multipliers, shift } => RowOp::ChannelScale {
                scale: self.scale(*multipliers, *shift, result)?,
                inner: x_shape.iter().skip(1).product(),
            },
            Operator::Add => RowOp::Add,
            Operator::Multiply { shift } => RowOp::Multiply {
                shift: u32::from(*shift),
                bounds,
            },
            Operator::Clamp => RowOp::Clamp(bounds),
            Operator::Table { table } => self.table(index, inputs[0], *table)?,
            Operator::RmsNorm { eps, fraction } => RowOp::RmsNorm {
                norm: norm(*eps, *fraction, bounds),
                d: last,
            },
            Operator::LayerNorm { eps, fraction } => RowOp::LayerNorm {
                norm: norm(*eps, *fraction, bounds),
                d: last,
            },
            Operator::Rope { cosines, sines } => {
                self.rope(index, last, (*cosines, *sines), bounds)?
            }
            Operator::Softmax { multiplier, shift } => RowOp::Softmax {
                n: last,
                multiplier: *multiplier,
                shift: u32::from(*shift),
                bounds,
            },
            Operator::MatMul => matmul(&x_shape, &shape(result)),
            Operator::Trees(trees) => RowOp::Trees(self.trees(index, trees)?),
            Operator::ReduceSum { axis } => {
                RowOp::ReduceSum(Axis::of(&x_shape, usize::from(*axis)))
            }
            Operator::ReduceMax { axis } => {
                RowOp::ReduceMax(Axis::of(&x_shape, usize::from(*axis)))
            }
            Operator::ArgMax => RowOp::ArgMax { n: last },
            _ => self.moves(index, node, &x_shape)?,
        })
    }

    pub(super) fn table(
        &self,
        index: usize,
        x: Value,
        id: ConstantId,
    ) -> Result<RowOp, ModelError> {
        let entries = self.entries(index, id)?;
        let result = &self.nodes()[index].result;
        // In the type of the result, so that a lookup is one load.
        let entries = match (is_narrow(result.lo, result.hi), entries) {
            (true, Entries::I32(wide)) => Entries::I16(wide.iter().map(|v| *v as i16).collect()),
            (false, Entries::I16(narrow)) => {
                Entries::I32(narrow.iter().map(|v| i32::from(*v)).collect())
            }
            (_, entries) => entries,
        };
        Ok(RowOp::Table { lo: x.lo, entries })
    }

    fn rope(
        &self,
        index: usize,
        d: usize,
        (cosines, sines): (ConstantId, ConstantId),
        bounds: Bounds,
    ) -> Result<RowOp, ModelError> {
        let angles = self.constant(index, cosines)?;
        let half = angles.shape().last().map_or(0, |half| *half as usize);
        Ok(RowOp::Rope {
            d,
            cosines: angles.to_i16().unwrap_or_default(),
            sines: self.constant(index, sines)?.to_i16().unwrap_or_default(),
            half,
            bounds,
        })
    }

    fn trees(&self, index: usize, trees: &TreeConstants) -> Result<Trees, ModelError> {
        let values = |id| Ok::<_, ModelError>(self.constant(index, id)?.to_vec());
        let (feature, threshold) = (values(trees.feature)?, values(trees.threshold)?);
        let (left, right) = (values(trees.left)?, values(trees.right)?);
        let leaf = values(trees.leaf)?;
        let nodes = (0..feature.len())
            .map(|node| TreeNode {
                feature: feature[node],
                threshold: threshold[node],
                left: left[node],
                right: right[node],
                leaf: leaf[node],
            })
            .collect();
        Ok(Trees {
            roots: values(trees.roots)?,
            nodes,
            values: values(trees.values)?,
            base: values(trees.base)?,
        })
    }

    /// Operators that only move elements.
    fn moves(&self, index: usize, node: &Node, x: &[usize]) -> Result<RowOp, ModelError> {
        let out = shape(&node.result);
        let (from, to) = (strides(x), strides(&out));
        let one = |part: Move| RowOp::Move {
            fill: 0,
            moves: vec![part],
        };
        Ok(match &node.operator {
            Operator::Transpose { permutation } => one(Move {
                from: (
                    0,
                    permutation
                        .iter()
                        .map(|axis| from[usize::from(*axis)])
                        .collect(),
                ),
                to: (0, to),
                shape: out,
            }),
            Operator::Slice { axis, start, step } => {
                let axis = usize::from(*axis);
                let first = *start as usize * from[axis];
                let mut steps = from;
                steps[axis] *= *step as usize;
                one(Move {
                    from: (first, steps),
                    to: (0, to),
                    shape: out,
                })
            }
            Operator::Pad {
                axis,
                before,
                value,
            } => RowOp::Move {
                fill: *value,
                moves: vec![Move {
                    shape: x.to_vec(),
                    from: (0, from),
                    to: (*before as usize * to[usize::from(*axis)], to),
                }],
            },
            Operator::Concat { axis } => {
                let axis = usize::from(*axis);
                let mut at_axis = 0;
                let moves = node.inputs.iter().map(|input| {
                    let part = shape(&self.nodes()[at(*input)].result);
                    let first = at_axis * to[axis];
                    at_axis += part[axis];
                    Move {
                        from: (0, strides(&part)),
                        to: (first, to.clone()),
                        shape: part,
                    }
                });
                RowOp::Move {
                    fill: 0,
                    moves: moves.collect(),
                }
            }
            _ => return Err(self.unsupported(index, "an operator that this engine does not know")),
        })
    }
}

fn norm(eps: u64, fraction: u8, bounds: Bounds) -> Norm {
    Norm {
        eps,
        fraction: u32::from(fraction),
        bounds,
    }
}

/// [C, h, w]
pub(super) fn image(shape: &[usize]) -> [usize; 3] {
    match shape {
        [channels, h, w] => [*channels, *h, *w],
        _ => [shape.iter().product(), 1, 1],
    }
}

pub(super) fn kernel_window(window: &Window2d) -> Window {
    Window {
        kernel: window.kernel.map(|d| d as usize),
        strides: window.strides.map(|d| d as usize),
        pads: window.pads.map(|d| d as usize),
        dilations: window.dilations.map(|d| d as usize),
    }
}

/// [.., p, k] by [.., k, q].
fn matmul(x: &[usize], out: &[usize]) -> RowOp {
    let dimension = |shape: &[usize], from_end: usize| {
        shape
            .len()
            .checked_sub(from_end)
            .map_or(1, |axis| shape[axis])
    };
    RowOp::MatMul {
        dimensions: [dimension(x, 2), dimension(x, 1), dimension(out, 1)],
    }
}

/// A scale for each channel of a group.
pub(super) fn group_scale(scale: &Scale, group: usize, outputs: usize) -> Scale {
    let multipliers = match scale.multipliers.as_slice() {
        [one] => vec![*one],
        all => all[group * outputs..(group + 1) * outputs].to_vec(),
    };
    Scale {
        multipliers,
        shift: scale.shift,
        bounds: scale.bounds,
    }
}
