//! Norms (specs/05-proof.md §9.2).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::Node;

use super::super::build::{Builder, Operand};
use super::super::check::Monomial;
use super::super::identity::Interval;
use super::super::integer::{Cells, Integer, Item};
use super::super::number::NumberLayout;
use super::super::recipe::{Mean, Norm, Recipe};
use super::super::round::Rounding;
use super::super::rule::{Factor, Sum, TensorId, Term, Variable};
use super::super::shape::Shape;
use super::super::{ColumnKind, Unsupported};
use super::moves::stride;
use super::{Lower, interval_of, refuse, shape_of};
use crate::plan::Rule;

/// Bits of a sum of products of digits that is known as an element of F.
const SUM_BITS: usize = 28;

/// A row-wise operator: rows, and the elements of each.
struct Rows {
    /// All axes.
    shape: Shape,
    /// All but the last.
    rows: Shape,
}

impl Rows {
    fn of(shape: &Shape) -> Self {
        let lengths = shape.lengths();
        let rows = Shape::new(
            lengths
                .get(..lengths.len().saturating_sub(1))
                .unwrap_or(&[]),
        );
        Self {
            shape: shape.clone(),
            rows,
        }
    }

    fn length(&self) -> u32 {
        self.shape.lengths().last().copied().unwrap_or(1)
    }

    /// Variables of the last axis.
    fn inner(&self) -> usize {
        self.shape.variables().saturating_sub(self.rows.variables())
    }
}

const fn up_to(hi: i128) -> Interval {
    Interval { lo: 0, hi }
}

impl Lower<'_> {
    /// `clamp(rshift(z·r, e + 30 − f), lo, hi)`, z being x or x less its mean.
    pub(super) fn norm(
        &mut self,
        node: &Node,
        eps: u64,
        fraction: u8,
        centered: bool,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let rows = Rows::of(&shape_of(&of));
        let (z, mean, reach) = if centered {
            let range = interval_of(&of);
            let (z, mean) = self.centered(x, &rows, range)?;
            (z, Some(mean), range.hi.saturating_sub(range.lo))
        } else {
            (x, None, i128::from(of.max_abs()))
        };
        // Sums over a row of products of two digits are in the field.
        let inner = rows.inner();
        let width = SUM_BITS.saturating_sub(inner).wrapping_shr(1);
        let width = u32::try_from(width)
            .unwrap_or(0)
            .min(self.builder.factor_bits());
        if width == 0 {
            return refuse("a norm over rows of more than 2^26 elements");
        }
        let mut cells = Cells::new(&rows.shape);
        let operand = self.builder.operand(z);
        let digits = self.builder.digits(&mut cells, &operand, width)?;
        if let Some(mean) = mean {
            self.mean(&mean, &digits, &rows)?;
        }
        let largest = reach
            .saturating_mul(reach)
            .saturating_mul(rows.length().into())
            .saturating_add(eps.into());
        let squares = self.squares(&digits, &rows);
        let root = self.inverse_root(&squares, z, &rows.shape, eps, largest, &rows.rows)?;
        let scale = Integer::number(
            &self.builder,
            &root.scale,
            &(0..rows.rows.variables()).collect::<Vec<usize>>(),
        );
        let result = 1_i128 << fraction;
        let rounding = Rounding {
            shape: rows.shape.clone(),
            quotients: Some(Interval {
                lo: result.saturating_neg(),
                hi: result,
            }),
            shift: root
                .exponent
                .saturating_add(30)
                .saturating_sub(fraction.into()),
            ..Self::rounding(node, digits.times(&scale), 0)
        };
        self.builder.round_in(cells, &rounding)
    }

    /// Σ z² over each row, from z's digits; padding counts the digits of 0, which stand for 0.
    fn squares(&mut self, digits: &Integer, rows: &Rows) -> Integer {
        let mut total = Integer::default();
        let padded = 1_i128 << rows.inner();
        let items = &digits.items;
        for (at, a) in items.iter().enumerate() {
            for (more, b) in items.iter().skip(at).enumerate() {
                // Two digits may have the same place, where a number is tight.
                let twice = u32::from(more > 0);
                let sum = self.row_sum(&[a, b], rows);
                let place = a.place.saturating_add(b.place).saturating_add(twice);
                total = total.plus(Integer::whole(sum).shifted(place));
            }
        }
        if digits.constant != 0 {
            // (D − o)² = D² − 2oD + o².
            for a in items {
                let sum = Integer::whole(self.row_sum(&[a], rows)).shifted(a.place);
                let factor = Integer::constant(digits.constant.saturating_mul(2));
                total = total.plus(sum.times(&factor));
            }
            let squares = digits.constant.saturating_mul(digits.constant);
            total = total.plus(Integer::constant(squares.saturating_mul(padded)));
        }
        total
    }

    /// Σ over each row of one digit, or of the product of two.
    fn row_sum(&mut self, items: &[&Item], rows: &Rows) -> Operand {
        let split = rows.rows.variables();
        let tensors = items
            .iter()
            .flat_map(|item| item.factors.iter().map(|factor| factor.wire.tensor));
        let tensors: Vec<TensorId> = tensors.collect();
        let mut interval = Interval::of(1_i128 << rows.inner());
        for tensor in &tensors {
            interval = interval.times(self.builder.interval(*tensor));
        }
        let sum = if tensors.len() == 1 {
            let last = Shape::new(&[rows.length()]);
            let variables = (0..rows.shape.variables())
                .map(|v| {
                    if v < split {
                        Variable::Free(v)
                    } else {
                        Variable::Bound(v.saturating_sub(split))
                    }
                })
                .collect();
            Sum {
                bound: last,
                maps: Vec::new(),
                factors: tensors
                    .into_iter()
                    .map(|tensor| Factor {
                        tensor,
                        variables: Vec::clone(&variables),
                    })
                    .collect(),
            }
        } else {
            // Two tensors have the row's variables, so these are bound and tied to the result's.
            let tie = |axis: usize| {
                // Padding of the axis as well: its cells have digits, too.
                let variables: Vec<usize> = rows.rows.axis(axis).collect();
                let whole = rows.rows.length(axis).next_power_of_two();
                let side = (variables, whole);
                stride(side.clone(), 1, 0, side)
            };
            Sum {
                bound: rows.shape.clone(),
                maps: (0..rows.rows.lengths().len()).map(tie).collect(),
                factors: tensors
                    .into_iter()
                    .map(|tensor| Factor {
                        tensor,
                        variables: (0..rows.shape.variables()).map(Variable::Bound).collect(),
                    })
                    .collect(),
            }
        };
        let sum = self.builder.sum(&rows.rows, interval, sum);
        self.builder.operand(sum)
    }

    /// For S = eps + squares of each row: r·2^(E − e), r being the largest integer with r²·S ≤ 2^(2e + 60).
    fn inverse_root(
        &mut self,
        squares: &Integer,
        z: TensorId,
        shape: &Shape,
        eps: u64,
        largest: i128,
        rows: &Shape,
    ) -> Result<Root, Unsupported> {
        let log = |x: i128| x.max(1).ilog2().wrapping_shr(1);
        let (first, last) = (log(eps.into()), log(largest));
        let mut cells = Cells::new(rows);
        let b = &mut self.builder;
        let number = |b: &mut Builder, interval| -> Result<_, Unsupported> {
            let layout = b.narrow_layout(interval)?;
            Ok(b.number(rows, layout))
        };
        let sum = number(b, up_to(largest))?;
        let exponents: Vec<TensorId> = (first..=last)
            .map(|_| b.column(rows, ColumnKind::Bit))
            .collect();
        let quotient = number(b, up_to(1 << 60))?;
        let remainder = number(b, up_to(largest.saturating_sub(1)))?;
        let lowest = 1_i128 << 29;
        let layout = NumberLayout::tight(up_to(lowest), b.factor_bits())
            .ok_or(Unsupported::new("an integer of more than 63 bits"))?;
        let root = b.number(rows, layout);
        b.recipe(Recipe::Norm(Box::new(Norm {
            shape: shape.clone(),
            z,
            eps,
            sum: sum.clone(),
            first_exponent: first,
            exponents: exponents.clone(),
            quotient: quotient.clone(),
            remainder: remainder.clone(),
            root: root.clone(),
        })));
        let [s, q, rest, r] = [&sum, &quotient, &remainder, &root].map(|n| b.own_number(n, rows));
        let r = r.plus(Integer::constant(lowest));
        let total = squares.clone().plus(Integer::constant(eps.into()));
        b.zero(&mut cells, &total.minus(s.clone()))?;
        // One exponent.
        let mut one = vec![Monomial::constant(-1)];
        let (mut power, mut scale) = (Integer::default(), Integer::default());
        for (e, &bit) in (first..).zip(&exponents) {
            cells.bit(bit);
            one.push(Monomial::linear(1, cells.own(bit)));
            let bit = b.integer(bit);
            power = power.plus(bit.clone().shifted(e.saturating_mul(2).saturating_add(60)));
            scale = scale.plus(bit.shifted(last.saturating_sub(e)));
        }
        cells.constraints.push(one);
        // q·S + rest = 4^e·2^60 with rest < S, then r² ≤ q < (r + 1)².
        b.zero(&mut cells, &q.times(&s).plus(rest.clone()).minus(power))?;
        let below = s.minus(rest).minus(Integer::constant(1));
        let layout = b.layout(up_to(largest.saturating_sub(1)))?;
        b.derive(&mut cells, &below, layout)?;
        let layout = b.layout(up_to(1 << 31))?;
        let tail = b.derive(&mut cells, &q.minus(r.times(&r)), layout.clone())?;
        let room = r.clone().scaled(2).minus(b.own_number(&tail, rows));
        b.derive(&mut cells, &room, layout)?;
        let bits = last.saturating_sub(first).saturating_add(30);
        let layout = b.narrow_layout(up_to(1 << bits))?;
        let scale = b.derive(&mut cells, &r.times(&scale), layout)?;
        b.cells(cells);
        Ok(Root {
            scale,
            exponent: last,
        })
    }

    /// x less a number for each row; [`Lower::mean`] says which.
    fn centered(
        &mut self,
        x: TensorId,
        rows: &Rows,
        range: Interval,
    ) -> Result<(TensorId, MeanOf), Unsupported> {
        let b = &mut self.builder;
        let bit = b.column(&rows.rows, ColumnKind::Bit);
        let width = range.hi.saturating_sub(range.lo);
        let layout = b.layout(up_to(width.wrapping_shr(1)))?;
        let high = b.number(&rows.rows, layout);
        let lo = i64::try_from(range.lo).unwrap_or(0);
        b.recipe(Recipe::Mean(Box::new(Mean {
            shape: rows.shape.clone(),
            x,
            lo,
            bit,
            high: high.clone(),
        })));
        let mean = b.halved(&rows.rows, range, lo, Some(bit), &high);
        let last = rows.shape.lengths().len().saturating_sub(1);
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: Some((x, (0..rows.shape.variables()).collect())),
                masks: Vec::new(),
            },
            Term {
                coefficient: -1,
                tensor: Some((mean, (0..rows.rows.variables()).collect())),
                masks: Builder::masks(&rows.shape, [last]),
            },
        ];
        // Whatever the mean's digits are.
        let reach = high
            .layout
            .interval()
            .hi
            .saturating_mul(2)
            .saturating_add(1);
        let interval = Interval {
            lo: reach.saturating_neg(),
            hi: width,
        };
        let z = b.tensor(&rows.shape, interval, Rule::Linear(terms));
        let lo_odd = lo & 1 == 1;
        Ok((z, MeanOf { bit, lo_odd }))
    }

    /// The mean is the sum divided by the length, ties to the even one: t = 2·Σ z + d is in [0, 2d], and at its ends for even
    /// means only.
    fn mean(&mut self, mean: &MeanOf, digits: &Integer, rows: &Rows) -> Result<(), Unsupported> {
        let padded = 1_i128 << rows.inner();
        let mut sum = Integer::constant(digits.constant.saturating_mul(padded));
        for item in &digits.items {
            let part = self.row_sum(&[item], rows);
            sum = sum.plus(Integer::whole(part).shifted(item.place));
        }
        let d = i128::from(rows.length());
        let ends = up_to(d.saturating_mul(2));
        let b = &mut self.builder;
        let mut cells = Cells::new(&rows.rows);
        cells.bit(mean.bit);
        let layout = b.layout(ends)?;
        let twice = sum.scaled(2).plus(Integer::constant(d));
        let t = b.derive(&mut cells, &twice, layout.clone())?;
        let room = Integer::constant(ends.hi).minus(b.own_number(&t, &rows.rows));
        let room = b.derive(&mut cells, &room, layout)?;
        for end in [&t, &room] {
            b.nonzero_where_odd(&mut cells, end, mean.bit, mean.lo_odd);
        }
        b.cells(cells);
        Ok(())
    }
}

/// Where a mean of rows stands.
struct MeanOf {
    /// Its lowest bit, counted from a bound.
    bit: TensorId,
    /// Whether that bound is odd.
    lo_odd: bool,
}

/// r·2^(E − e) for each row, and E.
struct Root {
    scale: super::super::number::Number,
    exponent: u32,
}
