//! Operators that move elements: reshape, transpose, concat, slice, pad, reduce.

use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::Node;

use super::super::build::Builder;
use super::super::identity::Interval;
use super::super::rule::{Factor, Mask, Rule, Sum, TensorId, Term, Variable};
use super::super::select::Candidates;
use super::super::shape::Shape;
use super::super::{Map, Public, Unsupported, Window};
use super::{Lower, MALFORMED, interval_of, same_padding, shape_of};

/// A relation between an axis of the result and a bound axis: `bound = stride·outer + offset`.
pub(super) fn stride(
    outer: (Vec<usize>, u32),
    stride: u32,
    offset: i64,
    bound: (Vec<usize>, u32),
) -> Map {
    Map::Window(Window {
        outer,
        stride,
        inner: None,
        inner_length: 1,
        dilation: 0,
        offset,
        bound,
    })
}

impl Lower<'_> {
    /// The same elements in another shape.
    pub(super) fn reshape(&mut self, tensor: TensorId, to: &Shape, interval: Interval) -> TensorId {
        let from = self.builder.shape(tensor);
        if same_padding(&from, to) {
            return self
                .builder
                .view(tensor, to, (0..to.variables()).collect(), interval);
        }
        let sum = Sum {
            bound: from.clone(),
            maps: vec![Map::Flat {
                result: to.clone(),
                operand: from.clone(),
            }],
            factors: vec![Factor {
                tensor,
                variables: (0..from.variables()).map(Variable::Bound).collect(),
            }],
        };
        self.builder.sum(to, interval, sum)
    }

    pub(super) fn reshape_node(&mut self, node: &Node) -> Result<TensorId, Unsupported> {
        let (x, _) = self.input(node, 0)?;
        Ok(self.reshape(x, &shape_of(&node.result), interval_of(&node.result)))
    }

    pub(super) fn transpose(
        &mut self,
        node: &Node,
        permutation: &[u8],
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let result = shape_of(&node.result);
        let mut variables = Vec::new();
        for axis in 0..of.shape.len() {
            let place = permutation
                .iter()
                .position(|p| usize::from(*p) == axis)
                .ok_or(MALFORMED)?;
            variables.extend(result.axis(place));
        }
        Ok(self.view_as(x, &node.result, variables))
    }

    /// A tensor of `shape` that takes one axis of x by a relation, the others as they are.
    pub(super) fn along(
        &mut self,
        x: TensorId,
        shape: &Shape,
        axis: usize,
        interval: Interval,
        step: u32,
        offset: i64,
    ) -> TensorId {
        let from = self.builder.shape(x);
        let length = from.length(axis);
        let bound = Shape::new(&[length]);
        let variables = (0..from.lengths().len())
            .flat_map(|a| -> Vec<Variable> {
                if a == axis {
                    bound.axis(0).map(Variable::Bound).collect()
                } else {
                    shape.axis(a).map(Variable::Free).collect()
                }
            })
            .collect();
        let map = stride(
            (shape.axis(axis).collect(), shape.length(axis)),
            step,
            offset,
            (bound.axis(0).collect(), length),
        );
        let sum = Sum {
            bound,
            maps: vec![map],
            factors: vec![Factor {
                tensor: x,
                variables,
            }],
        };
        self.builder.sum(shape, interval, sum)
    }

    pub(super) fn slice(
        &mut self,
        node: &Node,
        axis: u8,
        start: u32,
        step: u32,
    ) -> Result<TensorId, Unsupported> {
        let (x, _) = self.input(node, 0)?;
        let (shape, interval) = (shape_of(&node.result), interval_of(&node.result));
        Ok(self.along(x, &shape, axis.into(), interval, step, start.into()))
    }

    pub(super) fn concat(&mut self, node: &Node, axis: u8) -> Result<TensorId, Unsupported> {
        let (shape, interval) = (shape_of(&node.result), interval_of(&node.result));
        let (mut parts, mut start) = (Vec::new(), 0_i64);
        for at in 0..node.inputs.len() {
            let (x, of) = self.input(node, at)?;
            let part = self.along(
                x,
                &shape,
                axis.into(),
                interval_of(&of),
                1,
                start.saturating_neg(),
            );
            parts.push((1, part));
            let length = of.shape.get(usize::from(axis)).ok_or(MALFORMED)?;
            start = start.saturating_add(i64::from(*length));
        }
        Ok(self.builder.linear(&shape, interval, &parts, 0))
    }

    pub(super) fn pad(
        &mut self,
        node: &Node,
        axis: u8,
        before: u32,
        value: i32,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let (shape, interval) = (shape_of(&node.result), interval_of(&node.result));
        let axis = usize::from(axis);
        let length = *of.shape.get(axis).ok_or(MALFORMED)?;
        let inner = self.along(
            x,
            &shape,
            axis,
            interval_of(&of),
            1,
            i64::from(before).saturating_neg(),
        );
        let everywhere = Builder::masks(&shape, 0..shape.lengths().len());
        let inside: Vec<Mask> = everywhere
            .iter()
            .map(|mask| {
                if mask.axis == axis {
                    Mask {
                        axis,
                        from: before,
                        to: before.saturating_add(length),
                    }
                } else {
                    *mask
                }
            })
            .collect();
        let value = i64::from(value);
        let mut terms = vec![Term {
            coefficient: 1,
            tensor: Some((inner, (0..shape.variables()).collect())),
            masks: Vec::new(),
        }];
        if value != 0 {
            for (coefficient, masks) in [(value, everywhere), (value.saturating_neg(), inside)] {
                terms.push(Term {
                    coefficient,
                    tensor: None,
                    masks,
                });
            }
        }
        Ok(self.builder.tensor(&shape, interval, Rule::Linear(terms)))
    }

    pub(super) fn reduce_sum(&mut self, node: &Node, axis: u8) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let (shape, axis) = (shape_of(&node.result), usize::from(axis));
        let bound = Shape::new(&[*of.shape.get(axis).ok_or(MALFORMED)?]);
        let variables = (0..of.shape.len())
            .flat_map(|a| -> Vec<Variable> {
                match a.cmp(&axis) {
                    core::cmp::Ordering::Less => shape.axis(a).map(Variable::Free).collect(),
                    core::cmp::Ordering::Equal => bound.axis(0).map(Variable::Bound).collect(),
                    core::cmp::Ordering::Greater => shape
                        .axis(a.saturating_sub(1))
                        .map(Variable::Free)
                        .collect(),
                }
            })
            .collect();
        let sum = Sum {
            bound,
            maps: Vec::new(),
            factors: vec![Factor {
                tensor: x,
                variables,
            }],
        };
        Ok(self.builder.sum(&shape, interval_of(&node.result), sum))
    }

    /// x with this axis in front, as candidates for a maximum.
    pub(super) fn choosing(&mut self, x: TensorId, interval: Interval, axis: usize) -> Candidates {
        let of = self.builder.shape(x);
        let mut lengths = of.lengths().to_vec();
        if axis < lengths.len() {
            let length = lengths.remove(axis);
            lengths.insert(0, length);
        }
        let shape = Shape::new(&lengths);
        let variables = (0..lengths.len())
            .flat_map(|a| match a.cmp(&axis) {
                core::cmp::Ordering::Less => shape.axis(a.saturating_add(1)),
                core::cmp::Ordering::Equal => shape.axis(0),
                core::cmp::Ordering::Greater => shape.axis(a),
            })
            .collect();
        let candidates = self.builder.view(x, &shape, variables, interval);
        Candidates {
            shape,
            choosing: 1,
            candidates,
            interval,
            maps: Vec::new(),
        }
    }

    fn candidates(&mut self, node: &Node, axis: usize) -> Result<Candidates, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        Ok(self.choosing(x, interval_of(&of), axis))
    }

    pub(super) fn reduce_max(&mut self, node: &Node, axis: u8) -> Result<TensorId, Unsupported> {
        let candidates = self.candidates(node, axis.into())?;
        let selected = self.builder.select(&candidates, false)?;
        let all = (0..shape_of(&node.result).variables()).collect();
        Ok(self.view_as(selected.maximum, &node.result, all))
    }

    pub(super) fn arg_max(&mut self, node: &Node) -> Result<TensorId, Unsupported> {
        let last = node.result.shape.len();
        let candidates = self.candidates(node, last)?;
        let selected = self.builder.select(&candidates, true)?;
        let (domain, cells) = (&candidates.shape, shape_of(&node.result));
        let choices = domain.axis(0).end;
        let line = Shape::new(&[domain.length(0)]);
        let indices = self.builder.tensor(
            &line,
            Interval {
                lo: 0,
                hi: i128::from(domain.length(0)),
            },
            Rule::Public(Public::Positions),
        );
        let chosen = (0..domain.variables())
            .map(|v| {
                if v < choices {
                    Variable::Bound(v)
                } else {
                    Variable::Free(v.saturating_sub(choices))
                }
            })
            .collect();
        let sum = Sum {
            bound: line,
            maps: Vec::new(),
            factors: vec![
                Factor {
                    tensor: selected.chosen,
                    variables: chosen,
                },
                Factor {
                    tensor: indices,
                    variables: (0..choices).map(Variable::Bound).collect(),
                },
            ],
        };
        Ok(self.builder.sum(&cells, interval_of(&node.result), sum))
    }
}
