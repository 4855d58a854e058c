//! Sequences: programs by position as programs of tensors whose first axis is the position (specs/05-proof.md §9.1).

use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::{ConstantId, Interface, Node, NodeId, Operator, Program};

use super::super::build::Operand;
use super::super::identity::Interval;
use super::super::integer::{Cells, Item};
use super::super::rule::{Factor, Public, Rule, Sum, TensorId, Variable};
use super::super::shape::Shape;
use super::super::{ColumnKind, Map, Recipe, Unsupported};
use super::pointwise::{MULTIPLIERS, element_interval};
use super::{Lower, MALFORMED, interval_of, shape_of};
use crate::plan::build::Builder;

/// The node with the positions as first axis of its result, and its own axes after it.
pub(super) fn unrolled(node: &Node, positions: u32) -> Node {
    let mut node = node.clone();
    if !node.result.by_position {
        return node;
    }
    node.result.shape.insert(0, positions);
    match &mut node.operator {
        Operator::Concat { axis }
        | Operator::Slice { axis, .. }
        | Operator::Pad { axis, .. }
        | Operator::ReduceSum { axis }
        | Operator::ReduceMax { axis } => *axis = axis.saturating_add(1),
        Operator::Transpose { permutation } => {
            for place in permutation.iter_mut() {
                *place = place.saturating_add(1);
            }
            permutation.insert(0, 0);
        }
        _ => {}
    }
    node
}

/// Which nodes the logits depend on; all of them in a tensor program.
pub(super) fn needed(program: &Program) -> Vec<bool> {
    let Interface::Decoder { logits, .. } = &program.interface else {
        return vec![true; program.nodes.len()];
    };
    let mut needed = vec![false; program.nodes.len()];
    let at = |id: NodeId| usize::try_from(id.0).unwrap_or(usize::MAX);
    let mark = |needed: &mut Vec<bool>, id: NodeId| {
        if let Some(place) = needed.get_mut(at(id)) {
            *place = true;
        }
    };
    mark(&mut needed, *logits);
    for (index, node) in program.nodes.iter().enumerate().rev() {
        if needed.get(index) == Some(&true) {
            for input in &node.inputs {
                mark(&mut needed, *input);
            }
        }
    }
    needed
}

impl Lower<'_> {
    /// The ids of the sequence.
    pub(super) fn tokens(&mut self, node: &Node) -> TensorId {
        let ids = self.ids.iter().map(|id| i32::try_from(*id).unwrap_or(0));
        let values = Public::Values(ids.collect());
        self.builder.tensor(
            &shape_of(&node.result),
            interval_of(&node.result),
            Rule::Public(values),
        )
    }

    /// 0, 1, … for each position.
    pub(super) fn positions(&mut self, node: &Node) -> TensorId {
        self.builder.tensor(
            &shape_of(&node.result),
            interval_of(&node.result),
            Rule::Public(Public::Positions),
        )
    }

    /// The ids of a node, if the statement has them.
    fn public_ids(&self, id: NodeId) -> Option<Vec<u32>> {
        match self.program.node(id)?.operator {
            Operator::Tokens => Some(self.ids.clone()),
            Operator::Positions => (0..).take(self.ids.len()).map(Some).collect(),
            _ => None,
        }
    }

    /// Rows of a table and their multipliers, rounded.
    pub(super) fn embed(
        &mut self,
        node: &Node,
        table: ConstantId,
        multipliers: ConstantId,
        shift: u8,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let constant = self.constant_type(table)?;
        let (element, lengths) = (constant.element, constant.shape.lengths().to_vec());
        let &[rows, width] = lengths.as_slice() else {
            return Err(MALFORMED);
        };
        let values = self.constant(table, &[rows, width], element_interval(element))?;
        let one_for_all = self.constant_type(multipliers)?.shape.lengths() == [1];
        let m = self.constant(
            multipliers,
            &[if one_for_all { 1 } else { rows }],
            MULTIPLIERS,
        )?;
        let id = *node.inputs.first().ok_or(MALFORMED)?;
        let (ids, cells) = (self.public_ids(id), shape_of(&of));
        let choice = match ids {
            Some(ids) => Choice::Known(ids),
            None => Choice::Hot(self.one_hot(x, &cells, rows)?),
        };
        let shape = shape_of(&node.result);
        let picked = self.pick_rows(&choice, rows, &cells, &shape, values);
        let scale = if one_for_all {
            self.builder.operand_at(m, Vec::new())
        } else {
            let picked = self.pick_rows(&choice, rows, &cells, &cells, m);
            self.builder
                .operand_at(picked, (0..cells.variables()).collect())
        };
        let product = Item::product(1, self.builder.operand(picked), scale);
        self.builder
            .round(&Self::rounding(node, product.into(), shift))
    }

    /// Row `choice` of a table for each cell.
    fn pick_rows(
        &mut self,
        choice: &Choice,
        rows: u32,
        cells: &Shape,
        result: &Shape,
        table: TensorId,
    ) -> TensorId {
        let line = Shape::new(&[rows]);
        let bound = || line.axis(0).map(Variable::Bound);
        let rest = (cells.variables()..result.variables()).map(Variable::Free);
        let mut factors = vec![Factor {
            tensor: table,
            variables: bound().chain(rest).collect(),
        }];
        let mut maps = Vec::new();
        match choice {
            Choice::Known(ids) => maps.push(Map::Gather {
                rows: (0..cells.variables()).collect(),
                ids: ids.clone(),
                bound: line.axis(0).collect(),
            }),
            Choice::Hot(hot) => factors.push(Factor {
                tensor: *hot,
                variables: (0..cells.variables())
                    .map(Variable::Free)
                    .chain(bound())
                    .collect(),
            }),
        }
        let interval = self.builder.interval(table);
        let sum = Sum {
            bound: line,
            maps,
            factors,
        };
        self.builder.sum(result, interval, sum)
    }

    /// 1 at the index that a cell has, 0 elsewhere: [cells .., n].
    fn one_hot(&mut self, x: TensorId, cells: &Shape, n: u32) -> Result<TensorId, Unsupported> {
        let shape = Shape::new(&[cells.lengths(), &[n]].concat());
        let real = self.builder.inside(cells, &[]);
        let hot = self.builder.column(&shape, ColumnKind::Bit);
        self.builder.recipe(Recipe::OneHot {
            index: x,
            real,
            length: n,
            hot,
        });
        let mut check = Cells::new(&shape);
        check.bit(hot);
        self.builder.cells(check);
        // One place in each real cell, and the sum over places of their index is the index.
        let line = Shape::new(&[n]);
        let range = Interval {
            lo: 0,
            hi: n.into(),
        };
        let indices = self
            .builder
            .tensor(&line, range, Rule::Public(Public::Positions));
        let split = cells.variables();
        let of_hot = Factor {
            tensor: hot,
            variables: (0..split)
                .map(Variable::Free)
                .chain(line.axis(0).map(Variable::Bound))
                .collect(),
        };
        let of_index = Factor {
            tensor: indices,
            variables: line.axis(0).map(Variable::Bound).collect(),
        };
        let over = |builder: &mut Builder, factors: Vec<Factor>, interval: Interval| {
            builder.sum(
                cells,
                interval,
                Sum {
                    bound: line.clone(),
                    maps: Vec::new(),
                    factors,
                },
            )
        };
        let count = over(
            &mut self.builder,
            vec![of_hot.clone()],
            Interval { lo: 0, hi: 1 },
        );
        let index = over(&mut self.builder, vec![of_hot, of_index], range);
        for (a, b) in [(count, real), (index, x)] {
            let zero = self
                .builder
                .linear(cells, Interval::of(0), &[(1, a), (-1, b)], 0);
            self.builder.plan.zeros.push(zero);
        }
        Ok(hot)
    }

    /// Rotary positions: halves of the first 2·half elements of each head turned against each other.
    pub(super) fn rope(
        &mut self,
        node: &Node,
        cosines: ConstantId,
        sines: ConstantId,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let &[positions, heads, width] = of.shape.as_slice() else {
            return Err(MALFORMED);
        };
        let lengths = self.constant_type(cosines)?.shape.lengths().to_vec();
        let &[rows, half] = lengths.as_slice() else {
            return Err(MALFORMED);
        };
        let turned = Shape::new(&[positions, heads, half]);
        let (range, whole) = (interval_of(&of), shape_of(&of));
        let tables = [cosines, sines].map(|id| -> Result<Operand, Unsupported> {
            let table = self.constant(id, &[rows, half], ROTATION)?;
            let seen = Shape::new(&[positions, half]);
            let table = self.along(table, &seen, 0, ROTATION, 1, 0);
            Ok(self.builder.operand_at(table, turned.axes([0, 2])))
        });
        let [cosines, sines] = tables;
        let (cosines, sines) = (cosines?, sines?);
        let parts = [0, half].map(|start| {
            let part = self.along(x, &turned, 2, range, 1, start.into());
            self.builder.operand(part)
        });
        let [a, b] = parts;
        let product = |sign, x: &Operand, y: &Operand| {
            super::super::integer::Integer::from(Item::product(sign, x.clone(), y.clone()))
        };
        let values = [
            product(1, &a, &cosines).plus(product(-1, &b, &sines)),
            product(1, &b, &cosines).plus(product(1, &a, &sines)),
        ];
        let result = interval_of(&node.result);
        let mut placed = Vec::new();
        for (value, start) in values.into_iter().zip([0, half]) {
            let rounding = super::super::round::Rounding {
                shape: turned.clone(),
                ..Self::rounding(node, value, 14)
            };
            let y = self.builder.round(&rounding)?;
            let offset = i64::from(start).saturating_neg();
            placed.push((1, self.along(y, &whole, 2, result, 1, offset)));
        }
        let end = half.saturating_mul(2);
        if end < width {
            let rest = Shape::new(&[positions, heads, width.saturating_sub(end)]);
            let x = self.along(x, &rest, 2, range, 1, end.into());
            let rounding = super::super::round::Rounding {
                shape: rest,
                ..Self::rounding(node, self.builder.integer(x), 0)
            };
            let y = self.builder.round(&rounding)?;
            let offset = i64::from(end).saturating_neg();
            placed.push((1, self.along(y, &whole, 2, result, 1, offset)));
        }
        Ok(self.builder.linear(&whole, result, &placed, 0))
    }
}

/// Which row of a table a cell takes.
enum Choice {
    /// The statement says it.
    Known(Vec<u32>),
    /// Bits of the witness, [cells .., rows].
    Hot(TensorId),
}

/// Entries of rotary tables (04 §3.2).
const ROTATION: Interval = Interval {
    lo: -16_384,
    hi: 16_384,
};
