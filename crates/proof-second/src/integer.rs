//! Integers of the plan and identities between them (§8.5).

use std::ops::{Add, Mul, Sub};

/// p.
pub(crate) const P: i128 = 2_130_706_433;

/// Integers from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) lo: i128,
    pub(crate) hi: i128,
}

impl Interval {
    pub(crate) const fn new(lo: i128, hi: i128) -> Self {
        Self { lo, hi }
    }

    pub(crate) fn times(self, other: Self) -> Self {
        let ends = [self.lo, self.hi].map(|a| [other.lo, other.hi].map(|b| a.saturating_mul(b)));
        let ends = ends.as_flattened();
        Self {
            lo: *ends.iter().min().unwrap_or(&0),
            hi: *ends.iter().max().unwrap_or(&0),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            lo: self.lo.saturating_add(other.lo),
            hi: self.hi.saturating_add(other.hi),
        }
    }

    /// Within (−p, p).
    pub(crate) fn fits(self) -> bool {
        -P < self.lo && self.hi < P
    }
}

/// How a number is cut into digits.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Place and width of each digit.
    pub(crate) digits: Vec<(u32, u32)>,
    /// o.
    pub(crate) offset: i128,
}

fn bits(x: i128) -> u32 {
    i128::BITS - x.leading_zeros()
}

impl Layout {
    /// The number for an interval.
    pub(crate) fn of(interval: Interval, width: u32) -> Self {
        let offset = if interval.lo >= 0 {
            0
        } else {
            (-interval.lo).cast_unsigned().next_power_of_two() as i128
        };
        let end = bits(interval.hi + offset);
        let digit = |place: u32| (place, width.min(end - place));
        Self {
            digits: (0..end).step_by(width as usize).map(digit).collect(),
            offset,
        }
    }

    /// The tight number for an interval.
    pub(crate) fn tight(interval: Interval, width: u32) -> Self {
        let plain = Self::of(interval, width);
        let count = interval.hi + plain.offset + 1;
        let k = bits(count) - 1;
        let rest = count - (1 << k);
        if rest == 0 {
            return plain;
        }
        let mut layout = Self::of(Interval::new(0, (1 << k) - 1), width);
        layout.offset = plain.offset;
        let l = bits(rest);
        let j = width.min(l);
        let most = ((1_i128 << j) - 1) << (l - j);
        let place = if most < rest { l - j + 1 } else { l - j };
        layout.digits.push((place, j));
        layout
    }

    /// All integers that the digits can stand for.
    pub(crate) fn interval(&self) -> Interval {
        let most = self
            .digits
            .iter()
            .map(|(place, width)| ((1_i128 << width) - 1) << place);
        Interval::new(-self.offset, most.sum::<i128>() - self.offset)
    }
}

/// Digits in columns.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    /// Tensor and place of each digit.
    pub(crate) digits: Vec<(usize, u32)>,
    pub(crate) layout: Layout,
}

/// A tensor with its variables among a domain's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) tensor: usize,
    pub(crate) variables: Vec<usize>,
}

/// A wire, and what its cells are between.
#[derive(Debug, Clone)]
pub(crate) struct Factor {
    pub(crate) wire: Wire,
    pub(crate) interval: Interval,
}

/// coefficient·2^exponent·Π factors.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) coefficient: i128,
    pub(crate) exponent: u32,
    pub(crate) factors: Vec<Factor>,
}

impl Term {
    fn interval(&self) -> Interval {
        let one = Interval::new(self.coefficient, self.coefficient);
        self.factors
            .iter()
            .fold(one, |product, factor| product.times(factor.interval))
    }
}

/// Σ terms + constant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Integer {
    pub(crate) terms: Vec<Term>,
    pub(crate) constant: i128,
}

impl Integer {
    pub(crate) const fn constant(constant: i128) -> Self {
        Self {
            terms: Vec::new(),
            constant,
        }
    }

    pub(crate) fn of(factor: Factor) -> Self {
        Self::product(1, vec![factor])
    }

    pub(crate) fn product(coefficient: i128, factors: Vec<Factor>) -> Self {
        let term = Term {
            coefficient,
            exponent: 0,
            factors,
        };
        Self {
            terms: vec![term],
            constant: 0,
        }
    }

    /// With another coefficient.
    pub(crate) fn scaled(mut self, by: i128) -> Self {
        for term in &mut self.terms {
            term.coefficient *= by;
        }
        self.constant *= by;
        self
    }

    /// With another exponent.
    pub(crate) fn shifted(mut self, by: u32) -> Self {
        for term in &mut self.terms {
            term.exponent += by;
        }
        self.constant <<= by;
        self
    }

    /// Terms, then the pieces of the constant.
    fn with_pieces(&self) -> Vec<Term> {
        let mut all = self.terms.clone();
        let (mut rest, mut exponent) = (self.constant.abs(), 0);
        while rest > 0 {
            let zeros = rest.trailing_zeros();
            exponent += zeros;
            rest >>= zeros;
            all.push(Term {
                coefficient: (rest % 8192) * self.constant.signum(),
                exponent,
                factors: vec![],
            });
            exponent += 13;
            rest >>= 13;
        }
        all
    }
}

impl Add for Integer {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        self.constant += other.constant;
        self
    }
}

impl Sub for Integer {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other.scaled(-1)
    }
}

impl Mul for &Integer {
    type Output = Integer;

    fn mul(self, other: Self) -> Integer {
        let mut product = Integer::default();
        for a in self.with_pieces() {
            for b in other.with_pieces() {
                let term = Term {
                    coefficient: a.coefficient * b.coefficient,
                    exponent: a.exponent + b.exponent,
                    factors: [a.factors.clone(), b.factors].concat(),
                };
                if term.factors.is_empty() {
                    product.constant += term.coefficient << term.exponent;
                } else {
                    product.terms.push(term);
                }
            }
        }
        product
    }
}

/// Terms, with coefficients less the base's power, and a constant are 2^δ times the next carry; or zero.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) terms: Vec<(i128, Vec<Wire>)>,
    pub(crate) constant: i128,
    /// δ and the interval of the carry.
    pub(crate) carry: Option<(u32, Interval)>,
}

/// The levels that say that an integer is zero.
pub(crate) fn levels(integer: &Integer, digit_bits: u32) -> Option<Vec<Level>> {
    let mut found = Vec::new();
    let (mut base, mut carry) = (0, Interval::new(0, 0));
    let terms: Vec<&Term> = integer
        .terms
        .iter()
        .filter(|t| t.coefficient != 0)
        .collect();
    // Of terms with exponents in [base, end), the constant and the carry.
    let sum = |base: u32, end: u32, constant: i128, carry: Interval| {
        let mut sum = carry.plus(Interval::new(constant, constant));
        for term in terms.iter().filter(|t| (base..end).contains(&t.exponent)) {
            let by = term.exponent - base;
            if by > 124 {
                return None;
            }
            sum = sum.plus(term.interval().times(Interval::new(1 << by, 1 << by)));
        }
        Some(sum)
    };
    let level = |base: u32, end: u32| {
        let within = terms.iter().filter(|t| (base..end).contains(&t.exponent));
        let wires = |term: &Term| term.factors.iter().map(|f| f.wire.clone()).collect();
        within
            .map(|term| (term.coefficient << (term.exponent - base), wires(term)))
            .collect()
    };
    loop {
        let constant = integer.constant >> base;
        if sum(base, u32::MAX, constant, carry)?.fits() {
            found.push(Level {
                terms: level(base, u32::MAX),
                constant,
                carry: None,
            });
            return Some(found);
        }
        let (delta, next) = (1..=30).rev().find_map(|delta| {
            let low = constant & ((1 << delta) - 1);
            let s = sum(base, base + delta, low, carry)?;
            let next = Interval::new(-(-s.lo >> delta), s.hi >> delta);
            if bits(next.hi.max(-next.lo)) > 62 {
                return None;
            }
            let stands_for = Layout::of(next, digit_bits).interval();
            let minus = Interval::new(-(1 << delta), -(1 << delta));
            let left = s.plus(stands_for.times(minus));
            left.fits().then_some((delta, next))
        })?;
        found.push(Level {
            terms: level(base, base + delta),
            constant: constant & ((1 << delta) - 1),
            carry: Some((delta, next)),
        });
        base += delta;
        carry = Layout::of(next, digit_bits).interval();
    }
}
