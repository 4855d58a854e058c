//! Operators that move elements, and those on single ones (§9.1, §9.6).

use proofmark_program::{ConstantId, Node};

use crate::Code;
use crate::choosing::Candidates;
use crate::integer::{Integer, Interval};
use crate::map::Map;
use crate::operators::{Lowering, MULTIPLIERS, Value, rounding};
use crate::plan::{Rule, Term, bound};
use crate::shape::{Mask, Shape};

impl Lowering<'_> {
    /// A view with an axis in front, as candidates.
    pub(crate) fn choosing(&mut self, x: &Value, axis: usize) -> Candidates {
        let mut order: Vec<usize> = (0..x.shape.0.len()).collect();
        order.remove(axis);
        order.insert(0, axis);
        let shape = Shape(order.iter().map(|axis| x.shape.0[*axis]).collect());
        let place = |axis: usize| order.iter().position(|other| *other == axis).unwrap_or(0);
        let variables = shape.axes((0..order.len()).map(place));
        let view = self.making.view(x.tensor, &shape, x.interval, variables);
        Candidates {
            shape,
            choosing: 1,
            x: view,
            interval: x.interval,
        }
    }

    pub(crate) fn requantize(
        &mut self,
        x: &Value,
        y: &Value,
        multipliers: ConstantId,
        shift: u8,
        axis: usize,
    ) -> Result<usize, Code> {
        let (lengths, variables) = if self.making.lengths(multipliers) == [1] {
            (vec![1], vec![])
        } else {
            (vec![x.shape.0[axis]], x.shape.axis(axis).collect())
        };
        let m = self.making.constant(multipliers, &lengths, MULTIPLIERS)?;
        let product = vec![self.making.own(x.tensor), self.making.factor(m, variables)];
        let value = Integer::product(1, product);
        self.making.round(&rounding(y, value, shift))
    }

    pub(crate) fn add(&mut self, x: &Value, other: &Value, y: &Value) -> usize {
        let axes = shared_axes(x, other);
        let rest = (0..x.shape.0.len()).filter(|axis| !axes.contains(axis));
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: Some((x.tensor, x.shape.all())),
                masks: vec![],
            },
            Term {
                coefficient: 1,
                masks: x.shape.real_of(rest),
                tensor: Some((other.tensor, x.shape.axes(axes.iter().copied()))),
            },
        ];
        self.making
            .tensor(&y.shape, y.interval, Rule::Linear(terms))
    }

    pub(crate) fn reshape(&mut self, x: usize, to: &Shape, interval: Interval) -> usize {
        let from = self.making.shape(x);
        if from.padded() == to.padded() && from.variables() == to.variables() {
            return self.making.view(x, to, interval, to.all());
        }
        let map = Map::flat(to, &from);
        let factors = vec![(x, bound(from.all()))];
        self.making.sum(to, interval, &from, vec![map], factors)
    }

    pub(crate) fn transpose(&mut self, x: &Value, y: &Value, permutation: &[u8]) -> usize {
        let lead = usize::from(y.by_position);
        let own = permutation.iter().map(|of| usize::from(*of) + lead);
        let order: Vec<usize> = (0..lead).chain(own).collect();
        let place = |axis: usize| order.iter().position(|of| *of == axis).unwrap_or(0);
        let variables = y.shape.axes((0..order.len()).map(place));
        self.making.view(x.tensor, &y.shape, y.interval, variables)
    }

    pub(crate) fn concat(&mut self, node: &Node, y: &Value, axis: usize) -> usize {
        let (mut parts, mut start) = (Vec::new(), 0);
        for at in 0..node.inputs.len() {
            let x = self.input(node, at);
            let making = &mut self.making;
            let part = making.moved(x.tensor, &y.shape, x.interval, axis, (1, -start));
            parts.push((1, part));
            start += x.shape.0[axis] as i64;
        }
        self.making.linear(&y.shape, y.interval, &parts, 0)
    }

    pub(crate) fn pad(
        &mut self,
        x: &Value,
        y: &Value,
        axis: usize,
        before: u32,
        value: i128,
    ) -> usize {
        let by = (1, -i64::from(before));
        let moved = self.making.moved(x.tensor, &y.shape, x.interval, axis, by);
        let mut middle = y.shape.real();
        middle[axis] = Mask {
            axis,
            from: before.into(),
            to: u64::from(before) + x.shape.0[axis],
        };
        let mut terms = vec![Term {
            coefficient: 1,
            tensor: Some((moved, y.shape.all())),
            masks: vec![],
        }];
        if value != 0 {
            for (coefficient, masks) in [(value, y.shape.real()), (-value, middle)] {
                terms.push(Term {
                    coefficient,
                    tensor: None,
                    masks,
                });
            }
        }
        self.making
            .tensor(&y.shape, y.interval, Rule::Linear(terms))
    }
}

/// Axes of x that the other operand has: the positions if it is by position, and its own, which are x's last ones.
pub(crate) fn shared_axes(x: &Value, other: &Value) -> Vec<usize> {
    let lead = usize::from(other.by_position);
    let own = other.shape.0.len() - lead;
    (0..lead)
        .chain(x.shape.0.len() - own..x.shape.0.len())
        .collect()
}
