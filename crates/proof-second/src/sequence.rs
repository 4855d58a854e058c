//! Embeddings and rotary positions (§9.1, §9.2).

use proofmark_program::{ConstantId, Node, Operator};

use crate::Code;
use crate::integer::{Integer, Interval};
use crate::making::Cells;
use crate::map::Map;
use crate::operators::{Lowering, MULTIPLIERS, Value, rounding};
use crate::plan::{bound, free};
use crate::rounding::Rounding;
use crate::shape::Shape;

/// Which row a cell takes.
enum Choice {
    Known(Vec<usize>),
    Hot(usize),
}

/// Entries of rotary tables.
const ROTATION: Interval = Interval::new(-16_384, 16_384);

impl Lowering<'_> {
    pub(crate) fn embed(
        &mut self,
        node: &Node,
        x: &Value,
        y: &Value,
        (table, multipliers): (ConstantId, ConstantId),
        shift: u8,
    ) -> Result<usize, Code> {
        let lengths = self.making.lengths(table);
        let elements = self.making.elements(table);
        let values = self.making.constant(table, &lengths, elements)?;
        let one = self.making.lengths(multipliers) == [1];
        let count = if one { 1 } else { lengths[0] };
        let m = self.making.constant(multipliers, &[count], MULTIPLIERS)?;
        let from = &self.program.nodes[node.inputs[0].0 as usize];
        let choice = match from.operator {
            Operator::Tokens => {
                Choice::Known(self.sequence.iter().map(|id| *id as usize).collect())
            }
            Operator::Positions => Choice::Known((0..self.sequence.len()).collect()),
            _ => Choice::Hot(self.one_hot(x, lengths[0])),
        };
        let row = self.picked(&choice, &x.shape, &y.shape, values, lengths[0]);
        let scale = if one {
            self.making.factor(m, vec![])
        } else {
            let picked = self.picked(&choice, &x.shape, &x.shape, m, lengths[0]);
            self.making.factor(picked, x.shape.all())
        };
        let value = Integer::product(1, vec![self.making.own(row), scale]);
        self.making.round(&rounding(y, value, shift))
    }

    /// The row that each cell takes.
    fn picked(
        &mut self,
        choice: &Choice,
        cells: &Shape,
        result: &Shape,
        table: usize,
        rows: u64,
    ) -> usize {
        let line = Shape(vec![rows]);
        let rest = free(cells.variables()..result.variables());
        let mut factors = vec![(table, [bound(line.axis(0)), rest].concat())];
        let mut maps = vec![];
        match choice {
            Choice::Known(ids) => maps.push(Map::gather(cells.all(), line.all(), ids)),
            Choice::Hot(hot) => {
                factors.push((*hot, [free(cells.all()), bound(line.axis(0))].concat()));
            }
        }
        let interval = self.making.interval(table);
        self.making.sum(result, interval, &line, maps, factors)
    }

    fn one_hot(&mut self, x: &Value, rows: u64) -> usize {
        let making = &mut self.making;
        let cells = &x.shape;
        let shape = Shape([cells.0.as_slice(), &[rows]].concat());
        let real = making.inside(cells, vec![]);
        let hot = making.bit(&shape);
        let mut check = Cells::new(&shape);
        check.bit(hot);
        making.check(check);
        let line = Shape(vec![rows]);
        let indices = making.indices(rows);
        let of_hot = (hot, [free(cells.all()), bound(line.axis(0))].concat());
        let of_index = (indices, bound(line.axis(0)));
        let bit = Interval::new(0, 1);
        let count = making.sum(cells, bit, &line, vec![], vec![of_hot.clone()]);
        let range = Interval::new(0, rows.into());
        let index = making.sum(cells, range, &line, vec![], vec![of_hot, of_index]);
        making.equal(count, real);
        making.equal(index, x.tensor);
        hot
    }

    pub(crate) fn rope(
        &mut self,
        x: &Value,
        y: &Value,
        tables: [ConstantId; 2],
    ) -> Result<usize, Code> {
        let [positions, heads, width] = [0, 1, 2].map(|axis| x.shape.0[axis]);
        let lengths = self.making.lengths(tables[0]);
        let half = lengths[1];
        let turned = Shape(vec![positions, heads, half]);
        let seen = Shape(vec![positions, half]);
        let making = &mut self.making;
        let mut rows = Vec::new();
        for table in tables {
            let table = making.constant(table, &lengths, ROTATION)?;
            let table = making.moved(table, &seen, ROTATION, 0, (1, 0));
            rows.push(making.factor(table, turned.axes([0, 2])));
        }
        let mut part = |shape: &Shape, start: u64| {
            let by = (1, start as i64);
            making.moved(x.tensor, shape, x.interval, 2, by)
        };
        let parts = [0, half].map(|start| part(&turned, start));
        let [a, b] = parts.map(|part| making.own(part));
        let product = |sign, a: &crate::integer::Factor, b: &crate::integer::Factor| {
            Integer::product(sign, vec![a.clone(), b.clone()])
        };
        let (c, s) = (&rows[0], &rows[1]);
        let values = [
            product(1, &a, c) + product(-1, &b, s),
            product(1, &b, c) + product(1, &a, s),
        ];
        let mut placed = Vec::new();
        for (value, start) in values.into_iter().zip([0, half]) {
            let rounding = Rounding {
                shape: turned.clone(),
                ..rounding(y, value, 14)
            };
            let part = making.round(&rounding)?;
            let by = (1, -(start as i64));
            placed.push((1, making.moved(part, &y.shape, y.interval, 2, by)));
        }
        let end = 2 * half;
        if end < width {
            let rest = Shape(vec![positions, heads, width - end]);
            let part = making.moved(x.tensor, &rest, x.interval, 2, (1, end as i64));
            let rounding = Rounding {
                shape: rest,
                ..rounding(y, making.integer(part), 0)
            };
            let part = making.round(&rounding)?;
            let by = (1, -(end as i64));
            placed.push((1, making.moved(part, &y.shape, y.interval, 2, by)));
        }
        Ok(making.linear(&y.shape, y.interval, &placed, 0))
    }
}
