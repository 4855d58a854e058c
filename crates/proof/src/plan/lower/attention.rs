//! Scores, softmax and attention (specs/05-proof.md §9.3).

use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::Node;

use super::super::build::Operand;
use super::super::division::Division;
use super::super::identity::Interval;
use super::super::integer::{Cells, Integer, Item, split_layout};
use super::super::map::Seen;
use super::super::round::Rounding;
use super::super::rule::{Factor, Sum, TensorId, Variable};
use super::super::select::Candidates;
use super::super::shape::Shape;
use super::super::{Map, Unsupported};
use super::exponential::{HEAVIEST, Weighted};
use super::moves::stride;
use super::{Lower, MALFORMED, interval_of, refuse, shape_of};

/// Bits of a sum of products that is known as an element of F.
const SUM_BITS: u32 = 29;

/// Dot products over a domain, for any tensor in the place of q.
struct Products<'d, F> {
    domain: &'d Shape,
    sum: F,
}

fn free(variables: impl IntoIterator<Item = usize>) -> Vec<Variable> {
    variables.into_iter().map(Variable::Free).collect()
}

fn bound(variables: impl IntoIterator<Item = usize>) -> Vec<Variable> {
    variables.into_iter().map(Variable::Bound).collect()
}

impl Lower<'_> {
    /// `rshift(x·m, s)` where it counts and 0 elsewhere, which no range clamps, and its interval. x has this range.
    fn score(
        &mut self,
        mut cells: Cells,
        x: Integer,
        range: Interval,
        valid: Option<TensorId>,
        (multiplier, shift): (i32, u8),
    ) -> Result<(TensorId, Interval), Unsupported> {
        let b = &mut self.builder;
        let x = match x.items.as_slice() {
            [
                Item {
                    place: 0,
                    coefficient: 1,
                    ..
                },
            ] => x,
            // A range wider than the field: as digits.
            _ => {
                let layout = b.narrow_layout(range)?;
                let number = b.derive(&mut cells, &x, layout)?;
                b.own_number(&number, &cells.shape)
            }
        };
        let counted = valid.map_or(Integer::constant(1), |valid| b.integer(valid));
        let value = x.times(&counted).scaled(multiplier.into());
        let half = (1_i128 << shift).wrapping_shr(1);
        let all = range.scaled(multiplier.into()).plus(Interval::of(half));
        let quotients = Interval {
            lo: all.lo.min(half).wrapping_shr(shift.into()),
            hi: all.hi.max(half).wrapping_shr(shift.into()),
        };
        // All integers of some bits, so that the digits need no other bound.
        let bits = (0..31)
            .find(|bits| {
                let power = 1_i128 << bits;
                power > quotients.lo.saturating_neg() && power > quotients.hi
            })
            .ok_or(Unsupported::new("scores wider than the field"))?;
        let power = 1_i64 << bits;
        let rounding = Rounding {
            shape: cells.shape.clone(),
            value,
            shift: shift.into(),
            lo: power.saturating_neg(),
            hi: power.saturating_sub(1),
            quotients: Some(quotients),
        };
        let u = self.builder.round_in(cells, &rounding)?;
        Ok((u, quotients))
    }

    pub(super) fn softmax(
        &mut self,
        node: &Node,
        multiplier: i32,
        shift: u8,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let (scores, interval) = self.score(
            Cells::new(&shape_of(&of)),
            self.builder.integer(x),
            interval_of(&of),
            None,
            (multiplier, shift),
        )?;
        let last = of.shape.len().checked_sub(1).ok_or(MALFORMED)?;
        let candidates = self.choosing(scores, interval, last);
        let valid = self.builder.inside(&candidates.shape, &[]);
        let weighted = self.exponential(&candidates, valid)?;
        let domain = candidates.shape;
        let choices = domain.axis(1).start;
        let quotient = self.builder.divide(&Division {
            shape: domain.clone(),
            dividend: self.builder.integer(weighted.weights).shifted(15),
            divisor: Integer::whole(
                self.builder
                    .operand_at(weighted.divisor, (choices..domain.variables()).collect()),
            ),
            quotient: Interval { lo: 0, hi: 32_768 },
        })?;
        let y = self.builder.round(&Rounding {
            shape: domain.clone(),
            ..Self::rounding(node, self.builder.integer(quotient.tensor), 0)
        })?;
        // The axis that was in front is the last one again.
        let shape = shape_of(&node.result);
        let variables = shape.axis(last).chain(shape.axes(0..last)).collect();
        Ok(self.view_as(y, &node.result, variables))
    }

    pub(super) fn attention(
        &mut self,
        node: &Node,
        multiplier: i32,
        shift: u8,
        output_shift: u8,
        window: u32,
    ) -> Result<TensorId, Unsupported> {
        let ((q, q_of), (k, k_of), (v, v_of)) = (
            self.input(node, 0)?,
            self.input(node, 1)?,
            self.input(node, 2)?,
        );
        let (&[positions, heads, d], &[_, groups, _], &[_, _, e]) = (
            q_of.shape.as_slice(),
            k_of.shape.as_slice(),
            v_of.shape.as_slice(),
        ) else {
            return Err(MALFORMED);
        };
        let each = heads.checked_div(groups).ok_or(MALFORMED)?;
        let by_group = Shape::new(&[positions, groups, each, d]);
        let q = self.reshape(q, &by_group, interval_of(&q_of));
        // Scores of position j (first) for position t: [j, t, g, i].
        let domain = Shape::new(&[positions, positions, groups, each]);
        let contracted = Shape::new(&[groups, d]);
        let seen = Map::Seen(Seen {
            rows: domain.axes([0, 1]),
            bound: domain.axis(1).collect(),
            length: positions,
            window,
        });
        let valid = self.builder.inside(&domain, &[seen]);
        let group = |s: &Shape, axis: usize| (s.axis(axis).collect(), s.length(axis));
        let tie = |of: &Shape, axis: usize, bound: &Shape, to: usize| {
            stride(group(of, axis), 1, 0, group(bound, to))
        };
        let dots = interval_of(&q_of)
            .times(interval_of(&k_of))
            .scaled(d.into());
        let products = Products {
            domain: &domain,
            sum: |q| Sum {
                maps: vec![tie(&domain, 2, &contracted, 0)],
                factors: vec![
                    Factor {
                        tensor: q,
                        variables: [
                            free(domain.axis(1)),
                            bound(contracted.axis(0)),
                            free(domain.axis(3)),
                            bound(contracted.axis(1)),
                        ]
                        .concat(),
                    },
                    Factor {
                        tensor: k,
                        variables: [free(domain.axis(0)), bound(contracted.axes([0, 1]))].concat(),
                    },
                ],
                bound: contracted.clone(),
            },
        };
        let x = self.dots(q, k, dots, &products)?;
        let cells = Cells::new(&domain);
        let (scores, interval) = self.score(cells, x, dots, Some(valid), (multiplier, shift))?;
        let candidates = Candidates {
            shape: domain.clone(),
            choosing: 1,
            candidates: scores,
            interval,
            maps: Vec::new(),
        };
        let weighted = self.exponential(&candidates, valid)?;
        let many = if window == 0 {
            positions
        } else {
            positions.min(window)
        };
        let weighted_values =
            self.weighted_values(v, interval_of(&v_of), &weighted, &domain, e, many)?;
        let result = Shape::new(&[positions, groups, each, e]);
        let values = interval_of(&v_of).scaled(1_i128 << output_shift);
        let quotient = self.builder.divide(&Division {
            shape: result.clone(),
            dividend: weighted_values.shifted(output_shift.into()),
            divisor: Integer::whole(self.builder.operand_at(weighted.divisor, result.axes(0..3))),
            quotient: values,
        })?;
        let y = if i128::from(node.result.lo) <= values.lo && values.hi <= node.result.hi.into() {
            quotient.tensor
        } else {
            let rounding = Rounding {
                shape: result,
                quotients: Some(values),
                ..Self::rounding(node, quotient.value, 0)
            };
            self.builder.round(&rounding)?
        };
        Ok(self.reshape(y, &shape_of(&node.result), interval_of(&node.result)))
    }

    /// Dot products of this range: a tensor, or from digits of q if the range is wider than the field.
    fn dots(
        &mut self,
        q: TensorId,
        k: TensorId,
        range: Interval,
        products: &Products<'_, impl Fn(TensorId) -> Sum>,
    ) -> Result<Integer, Unsupported> {
        let width = self.builder.factor_bits();
        if split_layout(range, width).is_ok() {
            let sum = self.builder.sum(products.domain, range, (products.sum)(q));
            return Ok(self.builder.integer(sum));
        }
        let of_k = self.builder.interval(k);
        let k_shape = self.builder.shape(k);
        let (last, d) = (k_shape.axis(2), k_shape.length(2));
        let all = of_k.scaled(d.into());
        let reach = all.lo.saturating_neg().max(all.hi);
        let room = SUM_BITS.saturating_sub(i128::BITS.saturating_sub(reach.leading_zeros()));
        if room == 0 {
            return refuse("scores wider than the field");
        }
        let q_shape = self.builder.shape(q);
        let mut cells = Cells::new(&q_shape);
        let operand = self.builder.operand(q);
        let digits = self.builder.digits(&mut cells, &operand, width.min(room))?;
        self.builder.cells(cells);
        let mut total = Integer::default();
        for item in &digits.items {
            for factor in &item.factors {
                let interval = factor.interval.times(all);
                let sum = (products.sum)(factor.wire.tensor);
                let sum = self.builder.sum(products.domain, interval, sum);
                total = total.plus(self.builder.integer(sum).shifted(item.place));
            }
        }
        // Σ (D − o)·k = Σ D·k − o·Σ k.
        let keys = Shape::new(&[k_shape.length(0), k_shape.length(1)]);
        let sum = Sum {
            bound: Shape::new(&[d]),
            maps: Vec::new(),
            factors: vec![Factor {
                tensor: k,
                variables: [free(0..last.start), bound(0..last.len())].concat(),
            }],
        };
        let sum = self.builder.sum(&keys, all, sum);
        let sum = self.builder.operand_at(sum, products.domain.axes([0, 2]));
        Ok(total.plus(Integer::whole(sum).times(&Integer::constant(digits.constant))))
    }

    /// Σ_j w_j·v_j for [t, g, i] and each element of v, from digits of v.
    fn weighted_values(
        &mut self,
        v: TensorId,
        range: Interval,
        weighted: &Weighted,
        domain: &Shape,
        e: u32,
        many: u32,
    ) -> Result<Integer, Unsupported> {
        let [positions, groups, each] = [1, 2, 3].map(|axis| domain.length(axis));
        let own = self.builder.shape(v);
        let summands = u32::BITS.saturating_sub(many.leading_zeros());
        let width = SUM_BITS.saturating_sub(14).saturating_sub(summands);
        let width = width.min(self.builder.factor_bits());
        if width == 0 {
            return refuse("attention over more than 2^14 positions");
        }
        let mut cells = Cells::new(&own);
        let operand = Operand {
            interval: range,
            ..self.builder.operand(v)
        };
        let digits = self.builder.digits(&mut cells, &operand, width)?;
        self.builder.cells(cells);
        let result = Shape::new(&[positions, groups, each, e]);
        let line = Shape::new(&[positions, groups]);
        let group = |s: &Shape, axis: usize| (s.axis(axis).collect(), s.length(axis));
        let mut total = Integer::default();
        for item in &digits.items {
            let [factor] = item.factors.as_slice() else {
                return Err(MALFORMED);
            };
            let most = factor
                .interval
                .hi
                .saturating_mul(HEAVIEST)
                .saturating_mul(many.into());
            let sum = Sum {
                bound: line.clone(),
                maps: vec![stride(group(&result, 1), 1, 0, group(&line, 1))],
                factors: vec![
                    Factor {
                        tensor: weighted.weights,
                        variables: [
                            bound(line.axis(0)),
                            free(result.axis(0)),
                            bound(line.axis(1)),
                            free(result.axis(2)),
                        ]
                        .concat(),
                    },
                    Factor {
                        tensor: factor.wire.tensor,
                        variables: [bound(line.axes([0, 1])), free(result.axis(3))].concat(),
                    },
                ],
            };
            let sum = self.builder.sum(&result, Interval { lo: 0, hi: most }, sum);
            total = total.plus(Integer::whole(self.builder.operand(sum)).shifted(item.place));
        }
        if digits.constant != 0 {
            let sum = self.builder.operand_at(weighted.sum, result.axes(0..3));
            total = total.plus(Integer::whole(sum).times(&Integer::constant(digits.constant)));
        }
        Ok(total)
    }
}
