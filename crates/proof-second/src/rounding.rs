//! Rounding (§8.6) and division (§8.11).

use crate::Code;
use crate::integer::{Integer, Interval, Number};
use crate::making::{Cells, Making, TOO_WIDE};
use crate::shape::Shape;

/// `clamp(rshift(V, s), lo, hi)`.
#[derive(Debug)]
pub(crate) struct Rounding {
    pub(crate) shape: Shape,
    pub(crate) value: Integer,
    pub(crate) shift: u32,
    pub(crate) lo: i128,
    pub(crate) hi: i128,
    /// [q, Q], if it does not follow from the operands.
    pub(crate) quotients: Option<Interval>,
}

/// Whether the first operand, the second and the result are digits.
type Ways = (bool, bool, bool);

const WAYS: [Ways; 6] = [
    (false, false, false),
    (false, false, true),
    (true, false, false),
    (true, false, true),
    (true, true, false),
    (true, true, true),
];

/// Interval of an integer.
fn interval(of: &Integer) -> Interval {
    let mut sum = Interval::new(of.constant, of.constant);
    for term in &of.terms {
        let weight = term.coefficient << term.exponent;
        let product = term.factors.iter();
        sum = sum.plus(
            product.fold(Interval::new(weight, weight), |product, factor| {
                product.times(factor.interval)
            }),
        );
    }
    sum
}

impl Making {
    pub(crate) fn round(&mut self, of: &Rounding) -> Result<usize, Code> {
        self.round_with(&Cells::new(&of.shape), of)
    }

    /// In a check that has constraints already.
    pub(crate) fn round_with(&mut self, cells: &Cells, of: &Rounding) -> Result<usize, Code> {
        for ways in WAYS {
            let mut attempt = self.clone();
            if let Ok(y) = attempt.round_in(cells.clone(), of, ways) {
                *self = attempt;
                return Ok(y);
            }
        }
        Err(TOO_WIDE)
    }

    fn round_in(&mut self, mut cells: Cells, of: &Rounding, ways: Ways) -> Result<usize, Code> {
        let &Rounding { shift, lo, hi, .. } = of;
        let shape = &of.shape;
        let half = if shift == 0 { 0 } else { 1_i128 << (shift - 1) };
        let quotients = of.quotients.unwrap_or_else(|| {
            let all = interval(&of.value);
            Interval::new((all.lo + half) >> shift, (all.hi + half) >> shift)
        });
        let wide = self.wide();
        let rounds = shift > 0;
        let mut flag = |wanted: bool| wanted.then(|| self.bit(shape));
        let b = flag(rounds && hi > lo);
        let t = flag(rounds);
        let o = flag(quotients.hi > hi);
        let u = flag(quotients.lo < lo || quotients.lo == lo && rounds);
        let rest = self.up_to(shape, (1 << shift) - 1, wide);
        let high = if b.is_some() { (hi - lo) / 2 } else { hi - lo };
        let h = self.up_to(shape, high, wide);
        let full = (hi - lo + 1).cast_unsigned().is_power_of_two();
        let room = (!full).then(|| self.up_to(shape, hi - lo, wide));
        let beyond = (quotients.hi - hi - 1).max(lo - 1 - quotients.lo).max(0);
        let excess = (o.is_some() || u.is_some()).then(|| self.up_to(shape, beyond, wide));
        let i = rounds.then(|| self.field(shape));
        let y = self.halve(shape, Interval::new(lo, hi), lo, b, &h);
        for bit in [b, t, o, u].into_iter().flatten() {
            cells.bit(bit);
        }
        let whole = cells.own(y);
        if let Some(room) = &room {
            let mut constraint = vec![(1, vec![whole]), (-hi, vec![])];
            for &(digit, place) in &room.digits {
                constraint.push((1 << place, vec![cells.own(digit)]));
            }
            cells.constraints.push(constraint);
        }
        for (flag, end) in [(o, hi), (u, lo)] {
            if let Some(flag) = flag {
                let flag = cells.own(flag);
                let constraint = vec![(end, vec![flag]), (-1, vec![flag, whole])];
                cells.constraints.push(constraint);
            }
        }
        if let (Some(t), Some(i)) = (t, i) {
            self.ties(&mut cells, &rest, t);
            self.odd(&mut cells, &rest, (b, lo), [o, u], i);
        }
        // The quotient, its wires before the operands'.
        let mut quotient = if ways.2 {
            self.halves(lo, b, &h)
        } else {
            self.integer(y)
        };
        if let Some(t) = t {
            quotient = quotient + self.integer(t);
        }
        for (flag, sign) in [(o, 1), (u, -1)] {
            if let (Some(flag), Some(excess)) = (flag, &excess) {
                let more = self.number_of(excess) + Integer::constant(1);
                quotient = quotient + (&self.integer(flag) * &more).scaled(sign);
            }
        }
        let result = quotient.shifted(shift) + self.number_of(&rest) - Integer::constant(half);
        for factor in result.terms.iter().flat_map(|term| &term.factors) {
            cells.wire(&factor.wire);
        }
        let mut value = Integer::constant(of.value.constant);
        for term in &of.value.terms {
            let mut product = Integer::constant(1);
            for (factor, cut) in term.factors.iter().zip([ways.0, ways.1]) {
                let factor = if cut {
                    self.digits(&mut cells, factor, self.narrow())?
                } else {
                    Integer::of(factor.clone())
                };
                product = &product * &factor;
            }
            value = value + product.scaled(term.coefficient).shifted(term.exponent);
        }
        self.zero(&mut cells, &(value - result))?;
        self.check(cells);
        Ok(y)
    }

    /// lo + b + 2·h, or lo + h, as a tensor.
    pub(crate) fn halve(
        &mut self,
        shape: &Shape,
        interval: Interval,
        lo: i128,
        b: Option<usize>,
        h: &Number,
    ) -> usize {
        let up = u32::from(b.is_some());
        let digits = h.digits.iter();
        let mut parts: Vec<(i128, usize)> = digits
            .map(|(digit, place)| (1 << (place + up), *digit))
            .collect();
        parts.extend(b.map(|b| (1, b)));
        let y = self.linear(shape, interval, &parts, lo);
        let as_halves = self.halves(lo, b, h);
        self.halved.push((y, as_halves));
        y
    }

    /// lo + b + 2·h as an integer.
    pub(crate) fn halves(&self, lo: i128, b: Option<usize>, h: &Number) -> Integer {
        let sum = self.number_of(h).shifted(u32::from(b.is_some()));
        let sum = match b {
            Some(b) => sum + self.integer(b),
            None => sum,
        };
        sum + Integer::constant(lo)
    }

    /// t·Σdigits = 0.
    fn ties(&self, cells: &mut Cells, rest: &Number, t: usize) {
        let digits: Vec<usize> = rest.digits.iter().map(|d| cells.own(d.0)).collect();
        let t = cells.own(t);
        let constraint = digits.into_iter().map(|digit| (1, vec![t, digit]));
        cells.constraints.push(constraint.collect());
    }

    /// `odd·(1 − o − u) − i·Σdigits = 0`, odd being b, or 1 − b for odd lo.
    pub(crate) fn odd(
        &self,
        cells: &mut Cells,
        rest: &Number,
        (b, lo): (Option<usize>, i128),
        flags: [Option<usize>; 2],
        i: usize,
    ) {
        let digits: Vec<usize> = rest.digits.iter().map(|d| cells.own(d.0)).collect();
        let i = cells.own(i);
        let b = b.map(|b| cells.own(b));
        let flags: Vec<usize> = flags.into_iter().flatten().map(|f| cells.own(f)).collect();
        // odd = start + sign·b.
        let (start, sign) = if lo.rem_euclid(2) == 1 {
            (1, -1)
        } else {
            (0, 1)
        };
        let mut constraint = vec![(start, vec![])];
        constraint.extend(flags.iter().map(|flag| (-start, vec![*flag])));
        if let Some(b) = b {
            constraint.push((sign, vec![b]));
            constraint.extend(flags.iter().map(|flag| (-sign, vec![b, *flag])));
        }
        constraint.extend(digits.iter().map(|digit| (-1, vec![i, *digit])));
        cells.constraints.push(constraint);
    }

    /// rdiv(N, Z), with the quotient's interval: as an integer and as a tensor.
    pub(crate) fn divide(
        &mut self,
        shape: &Shape,
        dividend: Integer,
        divisor: &Integer,
        quotient: Interval,
    ) -> Result<(Integer, usize), Code> {
        let Interval { lo, hi } = quotient;
        let b = self.bit(shape);
        let t = self.bit(shape);
        let h = self.up_to(shape, (hi - lo) / 2, self.narrow());
        let most = Interval::new(0, 2 * interval(divisor).hi - 1);
        let rest = self.up_to(shape, most.hi, self.wide());
        let i = self.field(shape);
        let y = self.halve(shape, quotient, lo, Some(b), &h);
        let value = self.halves(lo, Some(b), &h);
        let mut cells = Cells::new(shape);
        cells.bit(b);
        cells.bit(t);
        let mut z = Integer::constant(divisor.constant);
        for factor in divisor.terms.iter().flat_map(|term| &term.factors) {
            z = z + self.digits(&mut cells, factor, self.narrow())?;
        }
        let remainder = self.number_of(&rest);
        let above = value.clone() + self.integer(t);
        let identity = dividend.shifted(1) + z.clone() - (&z * &above).shifted(1);
        self.zero(&mut cells, &(identity - remainder.clone()))?;
        let room = divisor.clone().shifted(1) - Integer::constant(1) - remainder;
        self.derive(&mut cells, room, &rest.layout)?;
        self.ties(&mut cells, &rest, t);
        self.odd(&mut cells, &rest, (Some(b), lo), [None, None], i);
        self.check(cells);
        Ok((value, y))
    }
}
