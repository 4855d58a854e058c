//! Scores, softmax and attention (§9.3).

use crate::Code;
use crate::choosing::{Candidates, Weighted};
use crate::integer::{Factor, Integer, Interval, Layout};
use crate::making::{Cells, has_digits};
use crate::map::Map;
use crate::operators::{Lowering, Value, rounding};
use crate::plan::{bound, free};
use crate::rounding::Rounding;
use crate::shape::Shape;

fn bits(x: i128) -> u32 {
    i128::BITS - x.leading_zeros()
}

impl Lowering<'_> {
    /// The rounding of x·m by s, or of x·v·m; and the interval of its quotients.
    fn score(
        &mut self,
        mut cells: Cells,
        x: Integer,
        range: Interval,
        valid: Option<usize>,
        (m, s): (i128, u32),
    ) -> Result<(usize, Interval), Code> {
        let making = &mut self.making;
        let whole =
            matches!(x.terms.as_slice(), [one] if one.exponent == 0 && one.coefficient == 1);
        let x = if whole {
            x
        } else {
            let layout = Layout::of(range, making.narrow());
            let number = making.derive(&mut cells, x, &layout)?;
            making.number_of(&number)
        };
        let counts = match valid {
            Some(valid) => making.integer(valid),
            None => Integer::constant(1),
        };
        let half = (1 << s) >> 1;
        let all = range
            .times(Interval::new(m, m))
            .plus(Interval::new(half, half));
        let quotients = Interval::new(all.lo.min(half) >> s, all.hi.max(half) >> s);
        let n = (0..31)
            .find(|n| 1 << n > quotients.hi && 1 << n > -quotients.lo)
            .ok_or("proof.unsupported")?;
        let rounding = Rounding {
            shape: cells.shape.clone(),
            value: (&x * &counts).scaled(m),
            shift: s,
            lo: -(1 << n),
            hi: (1 << n) - 1,
            quotients: Some(quotients),
        };
        Ok((making.round_with(&cells, &rounding)?, quotients))
    }

    pub(crate) fn softmax(
        &mut self,
        x: &Value,
        y: &Value,
        score: (i128, u32),
    ) -> Result<usize, Code> {
        let whole = self.making.integer(x.tensor);
        let cells = Cells::new(&x.shape);
        let (u, interval) = self.score(cells, whole, x.interval, None, score)?;
        let last = x.shape.0.len() - 1;
        let scores = Value {
            tensor: u,
            interval,
            ..x.clone()
        };
        let candidates = self.choosing(&scores, last);
        let making = &mut self.making;
        let domain = &candidates.shape;
        let valid = making.inside(domain, vec![]);
        let weighted = making.exponential(&candidates, valid)?;
        let cells: Vec<usize> = (domain.axis(0).end..domain.variables()).collect();
        let divisor = Integer::of(making.factor(weighted.divisor, cells));
        let dividend = making.integer(weighted.weights).shifted(15);
        let quotients = Interval::new(0, 32_768);
        let (_, quotient) = making.divide(domain, dividend, &divisor, quotients)?;
        let rounding = Rounding {
            shape: domain.clone(),
            ..rounding(y, making.integer(quotient), 0)
        };
        let result = making.round(&rounding)?;
        let order = std::iter::once(last).chain(0..last);
        Ok(making.view(result, &y.shape, y.interval, y.shape.axes(order)))
    }

    pub(crate) fn attention(
        &mut self,
        [q, k, v]: &[Value; 3],
        y: &Value,
        score: (i128, u32),
        up: u32,
        window: u64,
    ) -> Result<usize, Code> {
        let &[positions, heads, d] = q.shape.0.as_slice() else {
            return Err("proof.unsupported");
        };
        let (groups, e) = (k.shape.0[1], v.shape.0[2]);
        let each = heads / groups;
        let by_group = Shape(vec![positions, groups, each, d]);
        let queries = self.reshape(q.tensor, &by_group, q.interval);
        let domain = Shape(vec![positions, positions, groups, each]);
        let rows = domain.axes([0, 1]);
        let seen = Map::seen(rows, domain.axis(1).collect(), positions, window);
        let valid = self.making.inside(&domain, vec![seen]);
        let count = Interval::new(d.into(), d.into());
        let range = q.interval.times(k.interval).times(count);
        let x = self.dots(queries, k, range, &domain, d)?;
        let cells = Cells::new(&domain);
        let (u, interval) = self.score(cells, x, range, Some(valid), score)?;
        let candidates = Candidates {
            shape: domain.clone(),
            choosing: 1,
            x: u,
            interval,
        };
        let weighted = self.making.exponential(&candidates, valid)?;
        let most = if window == 0 {
            positions
        } else {
            positions.min(window)
        };
        let result = Shape(vec![positions, groups, each, e]);
        let values = self.weighted_values(v, &weighted, &result, most)?;
        let making = &mut self.making;
        let by = Interval::new(1 << up, 1 << up);
        let quotients = v.interval.times(by);
        let divisor = making.factor(weighted.divisor, result.axes(0..3));
        let dividend = values.shifted(up);
        let (halves, mut out) =
            making.divide(&result, dividend, &Integer::of(divisor), quotients)?;
        if y.interval.lo > quotients.lo || quotients.hi > y.interval.hi {
            out = making.round(&Rounding {
                shape: result,
                quotients: Some(quotients),
                ..rounding(y, halves, 0)
            })?;
        }
        Ok(self.reshape(out, &y.shape, y.interval))
    }

    /// Σ_d q·k over [j, t, g, i]: a tensor, or from digits of q.
    fn dots(
        &mut self,
        q: usize,
        k: &Value,
        range: Interval,
        domain: &Shape,
        d: u64,
    ) -> Result<Integer, Code> {
        let making = &mut self.making;
        let summed = Shape(vec![domain.0[2], d]);
        let product = |making: &mut crate::making::Making, q: usize, range: Interval| {
            let of_q = [
                free(domain.axis(1)),
                bound(summed.axis(0)),
                free(domain.axis(3)),
                bound(summed.axis(1)),
            ];
            let of_k = [free(domain.axis(0)), bound(summed.axes([0, 1]))];
            let tie = Map::tie(domain.side(2), summed.side(0));
            let factors = vec![(q, of_q.concat()), (k.tensor, of_k.concat())];
            let sum = making.sum(domain, range, &summed, vec![tie], factors);
            making.integer(sum)
        };
        if has_digits(range, making.narrow()) {
            return Ok(product(making, q, range));
        }
        let all = k.interval.times(Interval::new(d.into(), d.into()));
        let room = 29_u32.saturating_sub(bits(all.hi.max(-all.lo)));
        if room == 0 {
            return Err("proof.unsupported");
        }
        let mut cells = Cells::new(&making.shape(q));
        let operand = making.own(q);
        let digits = making.digits(&mut cells, &operand, room.min(making.narrow()))?;
        making.check(cells);
        let mut total = Integer::default();
        for term in &digits.terms {
            let digit = &term.factors[0];
            let interval = digit.interval.times(all);
            let sum = product(making, digit.wire.tensor, interval);
            total = total + sum.shifted(term.exponent);
        }
        let keys = Shape(k.shape.0[..2].to_vec());
        let line = Shape(vec![d]);
        let places = [free(keys.all()), bound(line.axis(0))].concat();
        let sum = making.sum(&keys, all, &line, vec![], vec![(k.tensor, places)]);
        let sum = Integer::of(making.factor(sum, domain.axes([0, 2])));
        Ok(total + &sum * &Integer::constant(digits.constant))
    }

    /// Σ_j w·v over [t, g, i, e].
    fn weighted_values(
        &mut self,
        v: &Value,
        weighted: &Weighted,
        result: &Shape,
        most: u64,
    ) -> Result<Integer, Code> {
        let making = &mut self.making;
        let width = 15_u32
            .saturating_sub(bits(most.into()))
            .min(making.narrow());
        if width == 0 {
            return Err("proof.unsupported");
        }
        let mut cells = Cells::new(&v.shape);
        let operand = Factor {
            interval: v.interval,
            ..making.own(v.tensor)
        };
        let digits = making.digits(&mut cells, &operand, width)?;
        making.check(cells);
        let line = Shape(vec![result.0[0], result.0[1]]);
        let mut total = Integer::default();
        for term in &digits.terms {
            let digit = &term.factors[0];
            let of_weights = [
                bound(line.axis(0)),
                free(result.axis(0)),
                bound(line.axis(1)),
                free(result.axis(2)),
            ];
            let of_digit = [bound(line.axes([0, 1])), free(result.axis(3))];
            let tie = Map::tie(result.side(1), line.side(1));
            let factors = vec![
                (weighted.weights, of_weights.concat()),
                (digit.wire.tensor, of_digit.concat()),
            ];
            let hi = digit.interval.hi * 16_384 * i128::from(most);
            let sum = making.sum(result, Interval::new(0, hi), &line, vec![tie], factors);
            total = total + making.integer(sum).shifted(term.exponent);
        }
        let sum = Integer::of(making.factor(weighted.sum, result.axes(0..3)));
        Ok(total + &sum * &Integer::constant(digits.constant))
    }
}
