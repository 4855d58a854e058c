//! Sampled ids: each is what the sampler (04 §7.2) takes from the logits of the position before it (specs/05-proof.md §9.4).

use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::NodeId;

use super::super::build::Builder;
use super::super::identity::Interval;
use super::super::integer::{Cells, Integer, Item};
use super::super::rule::{Factor, Public, Rule, Sum, TensorId, Variable};
use super::super::shape::Shape;
use super::super::{Map, Unsupported};
use super::{Lower, MALFORMED, interval_of, refuse};
use crate::generation::{Generation, unsupported_parameter};

/// Logits of the positions that ids were sampled at.
pub(super) struct Rows {
    /// [ids, vocabulary].
    pub(super) shape: Shape,
    /// Each row.
    pub(super) values: TensorId,
    /// Each row, as digits.
    pub(super) logits: Integer,
    /// The logit of each row's id, as digits over the rows.
    pub(super) sampled: Integer,
    /// Range of logits.
    pub(super) range: Interval,
    /// 1 in all cells that are none of padding.
    pub(super) real: TensorId,
    /// 1 at ids below the row's.
    pub(super) before: TensorId,
}

impl Lower<'_> {
    pub(super) fn generation(
        &mut self,
        logits: NodeId,
        generation: &Generation<'_>,
    ) -> Result<(), Unsupported> {
        if let Some(name) = unsupported_parameter(generation.parameters) {
            return refuse(name);
        }
        let rows = self.rows(logits, generation)?;
        if generation.parameters.temperature == 0 {
            return self.greedy(&rows);
        }
        self.drawn(&rows, generation)
    }

    fn rows(&mut self, logits: NodeId, generation: &Generation<'_>) -> Result<Rows, Unsupported> {
        let of = self.type_of(logits)?.clone();
        let &[positions, vocabulary] = of.shape.as_slice() else {
            return Err(MALFORMED);
        };
        let tensor = self.tensor(logits)?;
        let count = u32::try_from(generation.generated.len()).map_err(|_| MALFORMED)?;
        let first = positions.checked_sub(count).ok_or(MALFORMED)?;
        let all = Shape::new(&[positions, vocabulary]);
        let shape = Shape::new(&[count, vocabulary]);
        let line = Shape::new(&[count]);
        // A rounded tensor is its digits; any other is the integer that its range has.
        let digits = match self.builder.digits_of_rounded(tensor) {
            Some(digits) => digits,
            None => {
                let mut cells = Cells::new(&all);
                let operand = self.builder.operand(tensor);
                let width = self.builder.digit_bits();
                let digits = self.builder.digits(&mut cells, &operand, width)?;
                self.builder.cells(cells);
                digits
            }
        };
        let bits = u32::try_from(all.axis(1).len()).map_err(|_| MALFORMED)?;
        let places: Option<Vec<u32>> = (first..)
            .zip(generation.generated)
            .map(|(position, id)| Some(position.checked_shl(bits)? | id))
            .collect();
        let places = places.ok_or(MALFORMED)?;
        let (mut of_rows, mut of_ids) = (Vec::new(), Vec::new());
        for item in &digits.items {
            let [factor] = item.factors.as_slice() else {
                return Err(MALFORMED);
            };
            let (digit, interval) = (factor.wire.tensor, factor.interval);
            let row = self.along(digit, &shape, 0, interval, 1, first.into());
            let picked = Sum {
                bound: all.clone(),
                maps: vec![Map::Gather {
                    rows: (0..line.variables()).collect(),
                    ids: places.clone(),
                    bound: (0..all.variables()).collect(),
                }],
                factors: vec![Factor {
                    tensor: digit,
                    variables: (0..all.variables()).map(Variable::Bound).collect(),
                }],
            };
            let picked = self.builder.sum(&line, interval, picked);
            let over_rows = self.builder.operand_at(picked, shape.axis(0).collect());
            for (items, operand) in [
                (&mut of_rows, self.builder.operand(row)),
                (&mut of_ids, over_rows),
            ] {
                items.push(Item {
                    factors: vec![operand],
                    ..item.clone()
                });
            }
        }
        let values = self.along(tensor, &shape, 0, interval_of(&of), 1, first.into());
        let integer = |items| Integer {
            items,
            constant: digits.constant,
        };
        let real = self.builder.inside(&shape, &[]);
        let before = self.builder.tensor(
            &shape,
            Interval { lo: 0, hi: 1 },
            Rule::Public(Public::Below(generation.generated.to_vec())),
        );
        Ok(Rows {
            logits: integer(of_rows),
            sampled: integer(of_ids),
            range: interval_of(&of),
            values,
            shape,
            real,
            before,
        })
    }

    /// Temperature 0: no logit is larger than that of the row's id, and none before it as large.
    fn greedy(&mut self, rows: &Rows) -> Result<(), Unsupported> {
        let b: &mut Builder = &mut self.builder;
        let mut cells = Cells::new(&rows.shape);
        let distance = rows
            .sampled
            .clone()
            .minus(rows.logits.clone())
            .times(&b.integer(rows.real))
            .minus(b.integer(rows.before));
        let layout = b.layout(Interval {
            lo: 0,
            hi: rows.range.hi.saturating_sub(rows.range.lo),
        })?;
        b.derive(&mut cells, &distance, layout)?;
        b.cells(cells);
        Ok(())
    }
}
