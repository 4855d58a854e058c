//! Rounding, clamping and multiplication (specs/05-proof.md §8.6).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::build::{Builder, Number, NumberLayout, Operand};
use super::check::{Check, Monomial, Wire};
use super::identity::{Interval, Summand, levels};
use super::recipe::{Recipe, Round};
use super::rule::TensorId;
use super::shape::Shape;
use super::{ColumnKind, Unsupported};

/// Σ sign·a·b.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) sign: i64,
    pub(super) a: Operand,
    pub(super) b: Option<Operand>,
}

impl Product {
    fn interval(&self) -> Interval {
        let b = self.b.as_ref().map_or(Interval::of(1), |b| b.interval);
        self.a.interval.times(b).scaled(self.sign.into())
    }
}

/// Which operands are cut into digits.
#[derive(Debug, Clone, Copy)]
struct Mode {
    a: bool,
    b: bool,
    result: bool,
}

/// From the cheapest to what always works.
const MODES: [Mode; 6] = [
    Mode {
        a: false,
        b: false,
        result: false,
    },
    Mode {
        a: false,
        b: false,
        result: true,
    },
    Mode {
        a: true,
        b: false,
        result: false,
    },
    Mode {
        a: true,
        b: false,
        result: true,
    },
    Mode {
        a: true,
        b: true,
        result: false,
    },
    Mode {
        a: true,
        b: true,
        result: true,
    },
];

/// A part of an operand: 2^place · sign · wire.
#[derive(Debug, Clone, Copy)]
struct Part {
    place: u32,
    sign: i64,
    wire: Option<usize>,
    interval: Interval,
}

/// The wires of a check, each once.
#[derive(Debug, Default)]
struct Wires(Vec<Wire>);

impl Wires {
    fn at(&mut self, wire: &Wire) -> usize {
        if let Some(at) = self.0.iter().position(|other| other == wire) {
            return at;
        }
        self.0.push(wire.clone());
        self.0.len().saturating_sub(1)
    }
}

/// All columns of a rounding.
struct Columns {
    y: TensorId,
    remainder: Number,
    bit: Option<TensorId>,
    high: Number,
    room: Option<Number>,
    tie: Option<TensorId>,
    over: Option<TensorId>,
    under: Option<TensorId>,
    excess: Option<Number>,
    inverse: Option<TensorId>,
}

/// What is to be rounded.
pub(super) struct Rounding {
    pub(super) shape: Shape,
    pub(super) products: Vec<Product>,
    pub(super) shift: u32,
    pub(super) lo: i64,
    pub(super) hi: i64,
}

impl Rounding {
    fn half(&self) -> i128 {
        if self.shift == 0 {
            0
        } else {
            1_i128 << self.shift.saturating_sub(1)
        }
    }

    /// Interval of ⌊(V + half) / 2^s⌋.
    fn quotients(&self) -> Interval {
        let all = self
            .products
            .iter()
            .fold(Interval::of(self.half()), |sum, p| sum.plus(p.interval()));
        Interval {
            lo: all.lo.wrapping_shr(self.shift),
            hi: all.hi.wrapping_shr(self.shift),
        }
    }
}

impl Builder {
    /// `clamp(rshift(Σ sign·a·b, s), lo, hi)` in every cell of the domain; zero where all products are.
    pub(super) fn round(&mut self, rounding: &Rounding) -> Result<TensorId, Unsupported> {
        let shape = &rounding.shape;
        let (columns, ones) = self.round_columns(rounding)?;
        let mode = MODES
            .into_iter()
            .find(|mode| self.try_mode(rounding, &columns, *mode).is_some())
            .ok_or(Unsupported {
                what: "a product that is too wide for its constraints",
            })?;
        self.recipe(Recipe::Round(Box::new(Round {
            shape: shape.clone(),
            products: rounding
                .products
                .iter()
                .map(|p| {
                    (
                        p.sign,
                        p.a.wire.clone(),
                        p.b.as_ref().map(|b| b.wire.clone()),
                    )
                })
                .collect(),
            shift: rounding.shift,
            lo: rounding.lo,
            hi: rounding.hi,
            remainder: columns.remainder.clone(),
            bit: columns.bit,
            high: columns.high.clone(),
            room: columns.room.clone(),
            tie: columns.tie,
            over: columns.over,
            under: columns.under,
            excess: columns.excess.clone(),
            inverse: columns.inverse,
        })));
        let y = self.round_result(shape, rounding, &columns);
        let columns = Columns { y, ..columns };
        let mut wires = Wires::default();
        let mut constraints = self.round_constraints(rounding, &columns, &mut wires, ones);
        let mut summands = result_summands(self, rounding, &columns, mode, &mut wires);
        for product in &rounding.products {
            let a = self.parts(shape, &product.a, mode.a, &mut wires, &mut constraints)?;
            let b = match &product.b {
                Some(b) => self.parts(shape, b, mode.b, &mut wires, &mut constraints)?,
                None => vec![ONE],
            };
            summands.extend(cross(product.sign, &a, &b));
        }
        self.identity(
            shape,
            &summands,
            result_constant(rounding, mode),
            &mut wires,
            &mut constraints,
        )?;
        self.check(Check {
            shape: shape.clone(),
            wires: wires.0,
            constraints,
        });
        Ok(y)
    }

    fn round_columns(
        &mut self,
        rounding: &Rounding,
    ) -> Result<(Columns, Vec<TensorId>), Unsupported> {
        let (shape, rounded) = (&rounding.shape, rounding.shift > 0);
        let width = i128::from(rounding.hi).saturating_sub(i128::from(rounding.lo));
        let quotients = rounding.quotients();
        let mut ones = Vec::new();
        let mut flag = |this: &mut Self, wanted: bool| {
            wanted.then(|| {
                let id = this.column(shape, ColumnKind::Bit);
                ones.push(id);
                id
            })
        };
        let bit = flag(self, rounded && width > 0);
        let tie = flag(self, rounded);
        let over = flag(self, quotients.hi > rounding.hi.into());
        let under = flag(
            self,
            quotients.lo < rounding.lo.into() || rounded && quotients.lo == rounding.lo.into(),
        );
        let zero = |hi: i128| Interval { lo: 0, hi };
        let remainder = self.layout(zero((1_i128 << rounding.shift).saturating_sub(1)))?;
        let remainder = self.number(shape, remainder);
        let high_bits = if bit.is_some() {
            width.wrapping_shr(1)
        } else {
            width
        };
        let high = self.layout(zero(high_bits))?;
        let high = self.number(shape, high);
        let full = u64::try_from(width).is_ok_and(|w| w.wrapping_add(1).is_power_of_two());
        let room = if full || width == 0 {
            None
        } else {
            let layout = self.layout(zero(width))?;
            Some(self.number(shape, layout))
        };
        let excess = if over.is_some() || under.is_some() {
            let above = quotients
                .hi
                .saturating_sub(rounding.hi.into())
                .saturating_sub(1);
            let below = i128::from(rounding.lo)
                .saturating_sub(1)
                .saturating_sub(quotients.lo);
            let layout = self.layout(zero(above.max(below).max(0)))?;
            Some(self.number(shape, layout))
        } else {
            None
        };
        let inverse = rounded.then(|| self.column(shape, ColumnKind::Inverse));
        let columns = Columns {
            y: 0,
            remainder,
            bit,
            high,
            room,
            tie,
            over,
            under,
            excess,
            inverse,
        };
        Ok((columns, ones))
    }

    /// The result, as lo + bit + 2·high.
    fn round_result(&mut self, shape: &Shape, rounding: &Rounding, columns: &Columns) -> TensorId {
        let up = u32::from(columns.bit.is_some());
        let mut parts: Vec<(i64, TensorId)> = columns
            .high
            .digits
            .iter()
            .map(|&(tensor, place)| (1_i64 << place.saturating_add(up).min(62), tensor))
            .collect();
        parts.extend(columns.bit.map(|bit| (1, bit)));
        let interval = Interval {
            lo: rounding.lo.into(),
            hi: rounding.hi.into(),
        };
        self.linear(shape, interval, &parts, rounding.lo)
    }

    fn round_constraints(
        &mut self,
        rounding: &Rounding,
        columns: &Columns,
        wires: &mut Wires,
        ones: Vec<TensorId>,
    ) -> Vec<Vec<Monomial>> {
        let mut constraints = Vec::new();
        let mut own = |this: &Self, id: TensorId| wires.at(&this.operand(id).wire);
        for id in ones {
            let w = own(self, id);
            constraints.push(vec![Monomial::product(1, w, w), Monomial::linear(-1, w)]);
        }
        let y = own(self, columns.y);
        // hi − result has digits of its own.
        if let Some(room) = &columns.room {
            let mut sum = vec![
                Monomial::linear(1, y),
                Monomial::constant(rounding.hi.saturating_neg()),
            ];
            for &(tensor, place) in &room.digits {
                sum.push(Monomial::linear(1_i64 << place.min(62), own(self, tensor)));
            }
            constraints.push(sum);
        }
        let over = columns.over.map(|id| own(self, id));
        let under = columns.under.map(|id| own(self, id));
        // Clamped: the result is the bound.
        for (flag, bound) in [(over, rounding.hi), (under, rounding.lo)] {
            if let Some(flag) = flag {
                constraints.push(vec![
                    Monomial::linear(bound, flag),
                    Monomial::product(-1, flag, y),
                ]);
            }
        }
        let remainder: Vec<usize> = columns
            .remainder
            .digits
            .iter()
            .map(|d| own(self, d.0))
            .collect();
        // A tie has no remainder.
        if let Some(tie) = columns.tie {
            let tie = own(self, tie);
            constraints.push(
                remainder
                    .iter()
                    .map(|&d| Monomial::product(1, tie, d))
                    .collect(),
            );
        }
        // An odd result that is not clamped has a remainder: odd·(1 − over − under) = Σ digits · inverse.
        if let Some(inverse) = columns.inverse {
            let inverse = own(self, inverse);
            let bit = columns.bit.map(|bit| own(self, bit));
            let lo_odd = rounding.lo & 1 == 1;
            let mut sum: Vec<Monomial> = remainder
                .iter()
                .map(|&d| Monomial::product(-1, d, inverse))
                .collect();
            let (sign, opposite) = if lo_odd { (-1, 1) } else { (1, -1) };
            let flags = [over, under];
            if lo_odd {
                sum.push(Monomial::constant(1));
                sum.extend(
                    flags
                        .iter()
                        .flatten()
                        .map(|&flag| Monomial::linear(-1, flag)),
                );
            }
            if let Some(bit) = bit {
                sum.push(Monomial::linear(sign, bit));
                sum.extend(
                    flags
                        .iter()
                        .flatten()
                        .map(|&flag| Monomial::product(opposite, bit, flag)),
                );
            }
            constraints.push(sum);
        }
        constraints
    }

    /// An operand whole, or its digits with the constraint that they are its digits.
    fn parts(
        &mut self,
        shape: &Shape,
        operand: &Operand,
        split: bool,
        wires: &mut Wires,
        constraints: &mut Vec<Vec<Monomial>>,
    ) -> Result<Vec<Part>, Unsupported> {
        let whole = wires.at(&operand.wire);
        if !split {
            return Ok(vec![Part {
                place: 0,
                sign: 1,
                wire: Some(whole),
                interval: operand.interval,
            }]);
        }
        let layout = self.factor_layout(operand.interval)?;
        let own = self.shape(operand.wire.tensor);
        let number = self.number(&own, layout);
        self.recipe(Recipe::Digits {
            source: operand.wire.tensor,
            number: number.clone(),
        });
        let mut sum = vec![
            Monomial::linear(-1, whole),
            Monomial::constant(number.layout.offset.saturating_neg()),
        ];
        let mut parts = Vec::new();
        for (&(tensor, place), &(_, width)) in number.digits.iter().zip(&number.layout.digits) {
            let wire = wires.at(&Wire {
                tensor,
                variables: operand.wire.variables.clone(),
            });
            sum.push(Monomial::linear(1_i64 << place.min(62), wire));
            parts.push(digit_part(place, width, Some(wire)));
        }
        parts.extend(offset_part(&number.layout));
        let _ = shape;
        constraints.push(sum);
        Ok(parts)
    }

    /// Digits of a tensor: the field element must have one integer only that they can stand for.
    fn factor_layout(&self, interval: Interval) -> Result<NumberLayout, Unsupported> {
        let fits = |layout: &NumberLayout| {
            let digits = layout.interval();
            let p = i128::from(crate::field::P);
            interval.lo.saturating_add(p) > digits.hi && interval.hi.saturating_sub(p) < digits.lo
        };
        NumberLayout::of(interval, self.factor_bits())
            .filter(fits)
            .or_else(|| NumberLayout::tight(interval, self.factor_bits()).filter(fits))
            .ok_or(Unsupported {
                what: "a declared range wider than the field",
            })
    }

    fn try_mode(&self, rounding: &Rounding, columns: &Columns, mode: Mode) -> Option<()> {
        let mut wires = Wires::default();
        let mut summands = result_summands(self, rounding, columns, mode, &mut wires);
        for product in &rounding.products {
            let parts = |operand: &Operand, split: bool| {
                if !split {
                    return Some(vec![Part {
                        place: 0,
                        sign: 1,
                        wire: None,
                        interval: operand.interval,
                    }]);
                }
                let layout = self.factor_layout(operand.interval).ok()?;
                let mut parts: Vec<Part> = layout
                    .digits
                    .iter()
                    .map(|&(place, width)| digit_part(place, width, None))
                    .collect();
                parts.extend(offset_part(&layout));
                Some(parts)
            };
            let a = parts(&product.a, mode.a)?;
            let b = match &product.b {
                Some(b) => parts(b, mode.b)?,
                None => vec![ONE],
            };
            summands.extend(cross(product.sign, &a, &b));
        }
        levels(&summands, result_constant(rounding, mode), |carry| {
            self.carry_interval(carry)
        })
        .map(|_| ())
    }

    fn carry_interval(&self, carry: Interval) -> Interval {
        NumberLayout::of(carry, self.digit_bits()).map_or(carry, |layout| layout.interval())
    }

    /// Σ summands + constant = 0 as constraints, with columns for the carries.
    fn identity(
        &mut self,
        shape: &Shape,
        summands: &[Summand],
        constant: i128,
        wires: &mut Wires,
        constraints: &mut Vec<Vec<Monomial>>,
    ) -> Result<(), Unsupported> {
        let found =
            levels(summands, constant, |carry| self.carry_interval(carry)).ok_or(Unsupported {
                what: "an identity that is too wide for its constraints",
            })?;
        let mut incoming: Vec<Monomial> = Vec::new();
        for level in found {
            let mut monomials = level.monomials;
            monomials.append(&mut incoming);
            let mut constraint = monomials.clone();
            constraint.push(Monomial::constant(level.constant));
            if let Some((bits, interval)) = level.carry {
                let layout = self.layout(interval)?;
                let number = self.number(shape, layout);
                self.recipe(Recipe::Carry {
                    shape: shape.clone(),
                    wires: wires.0.clone(),
                    monomials,
                    constant: level.constant,
                    bits,
                    number: number.clone(),
                });
                for &(tensor, place) in &number.digits {
                    let wire = wires.at(&self.operand(tensor).wire);
                    let value = 1_i64 << place.min(62);
                    constraint.push(Monomial::linear(
                        value.saturating_mul(1_i64 << bits).saturating_neg(),
                        wire,
                    ));
                    incoming.push(Monomial::linear(value, wire));
                }
                let offset = number.layout.offset;
                constraint.push(Monomial::constant(offset.saturating_mul(1_i64 << bits)));
                incoming.push(Monomial::constant(offset.saturating_neg()));
            }
            constraints.push(constraint);
        }
        Ok(())
    }
}

const ONE: Part = Part {
    place: 0,
    sign: 1,
    wire: None,
    interval: Interval { lo: 1, hi: 1 },
};

fn digit_part(place: u32, width: u32, wire: Option<usize>) -> Part {
    Part {
        place,
        sign: 1,
        wire,
        interval: Interval {
            lo: 0,
            hi: (1_i128 << width).saturating_sub(1),
        },
    }
}

fn offset_part(layout: &NumberLayout) -> Option<Part> {
    layout.offset_place().map(|place| Part {
        place,
        sign: -1,
        ..ONE
    })
}

fn cross(sign: i64, a: &[Part], b: &[Part]) -> Vec<Summand> {
    a.iter()
        .flat_map(|a| b.iter().map(move |b| (a, b)))
        .map(|(a, b)| Summand {
            exponent: a.place.saturating_add(b.place),
            sign: sign.saturating_mul(a.sign).saturating_mul(b.sign),
            wires: [a.wire, b.wire],
            interval: a.interval.times(b.interval),
        })
        .collect()
}

/// half − 2^s·lo where the result is cut into digits, which count from lo.
fn result_constant(rounding: &Rounding, mode: Mode) -> i128 {
    let lo = if mode.result {
        i128::from(rounding.lo)
    } else {
        0
    };
    rounding
        .half()
        .saturating_sub(lo.saturating_mul(1_i128 << rounding.shift))
}

/// −2^s·Y − ρ, with Y = y + tie + (1 + excess)·(over − under).
fn result_summands(
    builder: &Builder,
    rounding: &Rounding,
    columns: &Columns,
    mode: Mode,
    wires: &mut Wires,
) -> Vec<Summand> {
    let s = rounding.shift;
    let mut at = |id: TensorId| Some(wires.at(&builder.operand(id).wire));
    let single = |exponent: u32, sign: i64, wire: Option<usize>, interval: Interval| Summand {
        exponent,
        sign,
        wires: [wire, None],
        interval,
    };
    let bit_interval = Interval { lo: 0, hi: 1 };
    let mut summands = Vec::new();
    if mode.result {
        let up = u32::from(columns.bit.is_some());
        for (&(tensor, place), &(_, width)) in
            columns.high.digits.iter().zip(&columns.high.layout.digits)
        {
            let part = digit_part(place, width, at(tensor));
            summands.push(single(
                s.saturating_add(up).saturating_add(place),
                -1,
                part.wire,
                part.interval,
            ));
        }
        if let Some(bit) = columns.bit {
            summands.push(single(s, -1, at(bit), bit_interval));
        }
    } else {
        let interval = Interval {
            lo: rounding.lo.into(),
            hi: rounding.hi.into(),
        };
        summands.push(single(s, -1, at(columns.y), interval));
    }
    if let Some(tie) = columns.tie {
        summands.push(single(s, -1, at(tie), bit_interval));
    }
    for (flag, sign) in [(columns.over, -1), (columns.under, 1)] {
        let Some(flag) = flag.and_then(&mut at) else {
            continue;
        };
        summands.push(single(s, sign, Some(flag), bit_interval));
        let Some(excess) = &columns.excess else {
            continue;
        };
        for (&(tensor, place), &(_, width)) in excess.digits.iter().zip(&excess.layout.digits) {
            let part = digit_part(place, width, at(tensor));
            summands.push(Summand {
                exponent: s.saturating_add(place),
                sign,
                wires: [Some(flag), part.wire],
                interval: part.interval,
            });
        }
    }
    for (&(tensor, place), &(_, width)) in columns
        .remainder
        .digits
        .iter()
        .zip(&columns.remainder.layout.digits)
    {
        let part = digit_part(place, width, at(tensor));
        summands.push(single(place, -1, part.wire, part.interval));
    }
    summands
}
