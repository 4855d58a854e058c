//! Norms (§9.2).

use crate::Code;
use crate::integer::{Factor, Integer, Interval, Layout, Number};
use crate::making::{Cells, Making};
use crate::map::Map;
use crate::operators::{Lowering, Value, rounding};
use crate::plan::{Rule, Term, bound, free};
use crate::rounding::Rounding;
use crate::shape::Shape;

/// All axes, and all but the last.
struct Rows {
    shape: Shape,
    rows: Shape,
    /// d.
    length: u64,
    /// 2^k.
    padded: i128,
}

impl Lowering<'_> {
    pub(crate) fn norm(
        &mut self,
        x: &Value,
        y: &Value,
        eps: u64,
        fraction: u8,
        centered: bool,
    ) -> Result<usize, Code> {
        let making = &mut self.making;
        let last = x.shape.0.len() - 1;
        let length = x.shape.0[last];
        let rows = Rows {
            shape: x.shape.clone(),
            rows: Shape(x.shape.0[..last].to_vec()),
            length,
            padded: length.next_power_of_two().into(),
        };
        let Interval { lo, hi } = x.interval;
        let (z, mean, reach) = if centered {
            let (z, bit) = making.centered(x, &rows);
            (z, Some(bit), hi - lo)
        } else {
            (x.tensor, None, hi.abs().max(lo.abs()))
        };
        let k = rows.padded.trailing_zeros();
        let width = (28_u32.saturating_sub(k) / 2).min(making.narrow());
        if width == 0 {
            return Err("proof.unsupported");
        }
        let mut cells = Cells::new(&rows.shape);
        let z = making.own(z);
        let digits = making.digits(&mut cells, &z, width)?;
        if let Some(bit) = mean {
            making.mean(&digits, &rows, bit, lo)?;
        }
        let largest = i128::from(eps) + i128::from(length) * reach * reach;
        let squares = making.squares(&digits, &rows);
        let (scale, exponent) = making.inverse_root(squares, eps.into(), largest, &rows.rows)?;
        let scale = making.number_at(&scale, &rows.rows.all());
        let result = 1 << fraction;
        let rounding = Rounding {
            shape: rows.shape.clone(),
            shift: exponent + 30 - u32::from(fraction),
            quotients: Some(Interval::new(-result, result)),
            ..rounding(y, &digits * &scale, 0)
        };
        making.round_with(&cells, &rounding)
    }
}

impl Making {
    /// z and b.
    fn centered(&mut self, x: &Value, rows: &Rows) -> (usize, usize) {
        let Interval { lo, hi } = x.interval;
        let b = self.bit(&rows.rows);
        let h = self.up_to(&rows.rows, (hi - lo) / 2, self.wide());
        let mean = self.halve(&rows.rows, x.interval, lo, Some(b), &h);
        let last = rows.shape.0.len() - 1;
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: Some((x.tensor, rows.shape.all())),
                masks: vec![],
            },
            Term {
                coefficient: -1,
                tensor: Some((mean, rows.rows.all())),
                masks: rows.shape.real_of([last]),
            },
        ];
        // Whatever the digits of h are.
        let reach = 2 * h.layout.interval().hi + 1;
        let interval = Interval::new(-reach, hi - lo);
        let z = self.tensor(&rows.shape, interval, Rule::Linear(terms));
        (z, b)
    }

    /// Σ over each row of a digit, or of the product of two.
    fn row_sum(&mut self, digits: &[&Factor], rows: &Rows) -> Integer {
        let split = rows.rows.variables();
        let padded = Interval::new(rows.padded, rows.padded);
        let interval = digits
            .iter()
            .fold(padded, |product, digit| product.times(digit.interval));
        let sum = if let [digit] = digits {
            let line = Shape(vec![rows.length]);
            let places = [free(0..split), bound(line.axis(0))].concat();
            let factors = vec![(digit.wire.tensor, places)];
            self.sum(&rows.rows, interval, &line, vec![], factors)
        } else {
            let tie = |axis| {
                let (variables, length) = rows.rows.side(axis);
                let whole = (variables, length.next_power_of_two());
                Map::tie(whole.clone(), whole)
            };
            let maps = (0..rows.rows.0.len()).map(tie).collect();
            let all = bound(rows.shape.all());
            let factors = digits.iter().map(|digit| (digit.wire.tensor, all.clone()));
            let factors = factors.collect();
            self.sum(&rows.rows, interval, &rows.shape, maps, factors)
        };
        self.integer(sum)
    }

    /// t = 2·Σz + d is in [0, 2d], and at its ends for even means only.
    fn mean(&mut self, digits: &Integer, rows: &Rows, b: usize, lo: i128) -> Result<(), Code> {
        let mut sum = Integer::constant(digits.constant * rows.padded);
        for term in &digits.terms {
            let part = self.row_sum(&[&term.factors[0]], rows);
            sum = sum + part.shifted(term.exponent);
        }
        let d = i128::from(rows.length);
        let layout = Layout::of(Interval::new(0, 2 * d), self.wide());
        let mut cells = Cells::new(&rows.rows);
        cells.bit(b);
        let twice = sum.scaled(2) + Integer::constant(d);
        let t = self.derive(&mut cells, twice, &layout)?;
        let rest = Integer::constant(2 * d) - self.number_of(&t);
        let rest = self.derive(&mut cells, rest, &layout)?;
        for number in [&t, &rest] {
            let i = self.field(&rows.rows);
            self.odd(&mut cells, number, (Some(b), lo), [None, None], i);
        }
        self.check(cells);
        Ok(())
    }

    /// Σz².
    fn squares(&mut self, digits: &Integer, rows: &Rows) -> Integer {
        let mut total = Integer::default();
        for (at, a) in digits.terms.iter().enumerate() {
            for (more, b) in digits.terms[at..].iter().enumerate() {
                let sum = self.row_sum(&[&a.factors[0], &b.factors[0]], rows);
                let twice = u32::from(more > 0);
                total = total + sum.shifted(a.exponent + b.exponent + twice);
            }
        }
        let minus = digits.constant;
        if minus != 0 {
            for a in &digits.terms {
                let sum = self.row_sum(&[&a.factors[0]], rows).shifted(a.exponent);
                total = total + &sum * &Integer::constant(2 * minus);
            }
            total = total + Integer::constant(minus * minus * rows.padded);
        }
        total
    }

    /// R and E.
    fn inverse_root(
        &mut self,
        squares: Integer,
        eps: i128,
        largest: i128,
        rows: &Shape,
    ) -> Result<(Number, u32), Code> {
        let (first, last) = (eps.ilog2() / 2, largest.ilog2() / 2);
        let (narrow, wide) = (self.narrow(), self.wide());
        let sum = self.up_to(rows, largest, narrow);
        let bits: Vec<usize> = (first..=last).map(|_| self.bit(rows)).collect();
        let quotient = self.up_to(rows, 1 << 60, narrow);
        let remainder = self.up_to(rows, largest - 1, narrow);
        let tight = Layout::tight(Interval::new(0, 1 << 29), narrow);
        let root = self.number(rows, &tight);
        let [s, q, rest, r] = [&sum, &quotient, &remainder, &root].map(|n| self.number_of(n));
        let r = r + Integer::constant(1 << 29);
        let mut cells = Cells::new(rows);
        let total = squares + Integer::constant(eps);
        self.zero(&mut cells, &(total - s.clone()))?;
        let (mut one, mut power, mut scale) =
            (vec![(-1, vec![])], Integer::default(), Integer::default());
        for (e, &bit) in (first..).zip(&bits) {
            cells.bit(bit);
            one.push((1, vec![cells.own(bit)]));
            let bit = self.integer(bit);
            power = power + bit.clone().shifted(2 * e + 60);
            scale = scale + bit.shifted(last - e);
        }
        cells.constraints.push(one);
        self.zero(&mut cells, &(&q * &s + rest.clone() - power))?;
        let layout = |hi: i128| Layout::of(Interval::new(0, hi), wide);
        let below = s - rest - Integer::constant(1);
        self.derive(&mut cells, below, &layout(largest - 1))?;
        let tail = self.derive(&mut cells, q - &r * &r, &layout(1 << 31))?;
        let room = r.clone().scaled(2) - self.number_of(&tail);
        self.derive(&mut cells, room, &layout(1 << 31))?;
        let most = Interval::new(0, 1 << (30 + last - first));
        let scale = self.derive(&mut cells, &r * &scale, &Layout::of(most, narrow))?;
        self.check(cells);
        Ok((scale, last))
    }
}
