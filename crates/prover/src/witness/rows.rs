//! Columns of operators over rows: quotients, norms, weights of distances.

use proofmark_proof::plan::{Distances, Divide, Draw, Inverse, Key, Mean, Norm, Shape, TensorId};

use super::Filling;
use super::recipes::{Inverses, value};
use crate::ProverError;

/// Variables of the last axis.
fn last(shape: &Shape) -> usize {
    shape.axis(shape.lengths().len().saturating_sub(1)).len()
}

/// The nearest integer to a / b, the even one of two.
fn rounded(a: i128, b: i128) -> i128 {
    let twice = 2 * a + b;
    let up = twice.div_euclid(2 * b);
    let tie = twice.rem_euclid(2 * b) == 0 && up & 1 == 1;
    up - i128::from(tie)
}

fn narrow(value: i128) -> Result<i64, ProverError> {
    i64::try_from(value).map_err(|_| ProverError::Overflow)
}

impl Filling<'_> {
    pub(super) fn one_hot(&mut self, index: TensorId, real: TensorId, length: u32, hot: TensorId) {
        let width = Shape::new(&[length]).variables();
        let indices = &self.values[index];
        let mut bits = vec![0; indices.len() << width];
        for (cell, (place, real)) in indices.iter().zip(&self.values[real]).enumerate() {
            bits[cell << width | *place as usize & ((1 << width) - 1)] = *real;
        }
        self.values[hot] = bits;
    }

    pub(super) fn best(&mut self, shape: &Shape, values: TensorId, chosen: TensorId) {
        let (rows, width) = (shape.length(0) as usize, shape.length(1) as usize);
        let inner = last(shape);
        let mut bits = vec![0; 1 << shape.variables()];
        for (row, elements) in self.values[values]
            .chunks(1 << inner)
            .enumerate()
            .take(rows)
        {
            let real = elements[..width].iter().enumerate();
            let first = real.max_by_key(|(at, x)| (**x, std::cmp::Reverse(*at)));
            if let Some((at, _)) = first {
                bits[row << inner | at] = 1;
            }
        }
        self.values[chosen] = bits;
    }

    pub(super) fn key(&mut self, of: &Key) -> Result<(), ProverError> {
        let terms = self.terms(&of.shape, &of.integer.0);
        let (unit, far) = (i128::from(of.unit), i128::from(of.far));
        let (mut keys, mut low, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for cell in 0..1_usize << of.shape.variables() {
            let x = of.integer.1 + value(&terms, cell);
            let key = (x / unit).min(far);
            keys.push(key as i32);
            low.push(narrow(x % unit)?);
            rest.push(narrow((x / unit - key) * unit)?);
        }
        drop(terms);
        self.values[of.key] = keys;
        self.digits(&of.low, &low)?;
        self.digits(&of.rest, &rest)
    }

    pub(super) fn draw(&mut self, draw: &Draw) -> Result<(), ProverError> {
        let terms = self.terms(&draw.shape, &draw.total.0);
        let mut columns = [0, 1, 2, 3].map(|_| Vec::new());
        for row in 0..1_usize << draw.shape.variables() {
            let total = draw.total.1 + value(&terms, row);
            let u = draw.draws.get(row).copied().unwrap_or(0);
            // At most 2^62 · 2^64.
            let product = total as u128 * u128::from(u);
            let [totals, scaled, low, high] = &mut columns;
            totals.push(narrow(total)?);
            scaled.push((product >> 64) as i64);
            low.push((product & 0xffff_ffff) as i64);
            high.push((product >> 32 & 0xffff_ffff) as i64);
        }
        drop(terms);
        let [totals, scaled, low, high] = columns;
        self.digits(&draw.z, &totals)?;
        self.digits(&draw.scaled, &scaled)?;
        self.digits(&draw.remainder[0], &low)?;
        self.digits(&draw.remainder[1], &high)
    }

    pub(super) fn divide(&mut self, divide: &Divide) -> Result<(), ProverError> {
        let dividend_terms = self.terms(&divide.shape, &divide.dividend.0);
        let divisor_terms = self.terms(&divide.shape, &divide.divisor.0);
        let cells = 1_usize << divide.shape.variables();
        let mut columns = [0, 1, 2, 3].map(|_| Vec::with_capacity(cells));
        for cell in 0..cells {
            let dividend = divide.dividend.1 + value(&dividend_terms, cell);
            let divisor = (divide.divisor.1 + value(&divisor_terms, cell)).max(1);
            let quotient = rounded(dividend, divisor);
            let twice = 2 * dividend + divisor;
            let up = twice.div_euclid(2 * divisor);
            let above = quotient - i128::from(divide.lo);
            let [bit, tie, high, remainder] = &mut columns;
            bit.push(narrow(above & 1)?);
            tie.push(narrow(up - quotient)?);
            high.push(narrow(above >> 1)?);
            remainder.push(narrow(twice.rem_euclid(2 * divisor))?);
        }
        let [bit, tie, high, remainder] = columns;
        let bits = |column: Vec<i64>| column.into_iter().map(|x| x as i32).collect();
        self.values[divide.bit] = bits(bit);
        self.values[divide.tie] = bits(tie);
        self.digits(&divide.high, &high)?;
        self.digits(&divide.remainder, &remainder)
    }

    pub(super) fn inverse(&mut self, inverse: &Inverse) {
        let mut known = Inverses::default();
        let column = (0..1_usize << inverse.shape.variables()).map(|cell| {
            let odd = (self.values[inverse.bit][cell] == 1) != inverse.lo_odd;
            if odd {
                let digits = inverse.number.digits.iter();
                known.of(digits.map(|d| i64::from(self.values[d.0][cell])).sum())
            } else {
                0
            }
        });
        let column = column.collect();
        self.values[inverse.inverse] = column;
    }

    pub(super) fn mean(&mut self, mean: &Mean) -> Result<(), ProverError> {
        let inner = last(&mean.shape);
        let length = i128::from(mean.shape.lengths().last().copied().unwrap_or(1));
        let means = self.values[mean.x].chunks(1 << inner).map(|row| {
            let sum: i128 = row.iter().map(|x| i128::from(*x)).sum();
            narrow(rounded(sum, length) - i128::from(mean.lo))
        });
        let above: Vec<i64> = means.collect::<Result<_, _>>()?;
        self.values[mean.bit] = above.iter().map(|x| (x & 1) as i32).collect();
        let high: Vec<i64> = above.iter().map(|x| x >> 1).collect();
        self.digits(&mean.high, &high)
    }

    pub(super) fn norm(&mut self, norm: &Norm) -> Result<(), ProverError> {
        let inner = last(&norm.shape);
        let mut columns = [0, 1, 2, 3].map(|_| Vec::new());
        let mut exponents = Vec::new();
        for row in self.values[norm.z].chunks(1 << inner) {
            let squares: u128 = row
                .iter()
                .map(|z| u128::from(z.unsigned_abs()).pow(2))
                .sum();
            let sum = u128::from(norm.eps) + squares;
            let exponent = sum.ilog2() / 2;
            let power = 1_u128 << (2 * exponent + 60);
            let (quotient, remainder) = (power / sum, power % sum);
            let root = quotient.isqrt() as i128 - (1 << 29);
            let [sums, quotients, remainders, roots] = &mut columns;
            sums.push(narrow(sum as i128)?);
            quotients.push(narrow(quotient as i128)?);
            remainders.push(narrow(remainder as i128)?);
            roots.push(narrow(root)?);
            exponents.push(exponent);
        }
        for (e, &bit) in (norm.first_exponent..).zip(&norm.exponents) {
            self.values[bit] = exponents.iter().map(|at| i32::from(*at == e)).collect();
        }
        let [sums, quotients, remainders, roots] = columns;
        self.digits(&norm.sum, &sums)?;
        self.digits(&norm.quotient, &quotients)?;
        self.digits(&norm.remainder, &remainders)?;
        self.digits(&norm.root, &roots)
    }

    pub(super) fn distances(&mut self, of: &Distances) -> Result<(), ProverError> {
        let cell_variables = of.shape.variables() - of.choices;
        let (choices, cells) = (1 << of.choices, 1 << cell_variables);
        let mut maximum = vec![0; cells];
        let mut chosen = vec![0; choices * cells];
        let mut key = vec![of.far; choices * cells];
        let mut rest = vec![0_i64; choices * cells];
        let (values, valid) = (&self.values[of.candidates], &self.values[of.valid]);
        // Without a rest the key is the distance.
        let most = if of.rest.is_some() {
            i64::from(of.far)
        } else {
            i64::MAX
        };
        for (cell, maximum) in maximum.iter_mut().enumerate() {
            let places = || {
                (0..choices)
                    .map(|k| k * cells + cell)
                    .filter(|at| valid[*at] == 1)
            };
            let Some(best) = places().map(|at| values[at]).max() else {
                continue;
            };
            *maximum = best;
            if let Some(first) = places().find(|at| values[*at] == best) {
                chosen[first] = 1;
            }
            for at in places() {
                let distance = i64::from(best) - i64::from(values[at]);
                key[at] = distance.min(most) as i32;
                rest[at] = distance - distance.min(most);
            }
        }
        self.values[of.maximum] = maximum;
        self.values[of.chosen] = chosen;
        self.values[of.key] = key;
        match &of.rest {
            Some(number) => self.digits(number, &rest),
            None => Ok(()),
        }
    }
}
