//! Rounding, clamping and multiplication (specs/05-proof.md §8.6).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::build::{Builder, Rounded};
use super::check::Monomial;
use super::identity::Interval;
use super::integer::{Cells, Integer, Item, split_layout};
use super::number::Number;
use super::parity::Parity;
use super::recipe::{Recipe, Round};
use super::rule::TensorId;
use super::shape::Shape;
use super::{ColumnKind, Unsupported};

/// Which operands are cut into digits.
#[derive(Debug, Clone, Copy)]
struct Mode {
    a: bool,
    b: bool,
    result: bool,
}

const fn mode(a: bool, b: bool, result: bool) -> Mode {
    Mode { a, b, result }
}

/// From the cheapest to what always works.
const MODES: [Mode; 6] = [
    mode(false, false, false),
    mode(false, false, true),
    mode(true, false, false),
    mode(true, false, true),
    mode(true, true, false),
    mode(true, true, true),
];

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
    pub(super) value: Integer,
    pub(super) shift: u32,
    pub(super) lo: i64,
    pub(super) hi: i64,
    /// Interval of ⌊value / 2^s + 1/2⌋, where it is narrower than the operands' intervals say.
    pub(super) quotients: Option<Interval>,
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
        self.quotients.unwrap_or_else(|| {
            let all = self.value.interval().plus(Interval::of(self.half()));
            Interval {
                lo: all.lo.wrapping_shr(self.shift),
                hi: all.hi.wrapping_shr(self.shift),
            }
        })
    }
}

impl Builder {
    /// `clamp(rshift(V, s), lo, hi)` in every cell of the domain; zero where V is.
    pub(super) fn round(&mut self, rounding: &Rounding) -> Result<TensorId, Unsupported> {
        self.round_in(Cells::new(&rounding.shape), rounding)
    }

    /// As [`Builder::round`], with constraints that are there already.
    pub(super) fn round_in(
        &mut self,
        mut cells: Cells,
        rounding: &Rounding,
    ) -> Result<TensorId, Unsupported> {
        let (columns, ones) = self.round_columns(rounding)?;
        let mode = MODES
            .into_iter()
            .find(|mode| self.mode_works(rounding, &columns, *mode))
            .ok_or(Unsupported::new(
                "a product that is too wide for its constraints",
            ))?;
        self.recipe(Recipe::Round(Box::new(Round {
            shape: rounding.shape.clone(),
            products: rounding.value.products(),
            constant: rounding.value.constant,
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
        let y = self.round_result(rounding, &columns);
        let columns = Columns { y, ..columns };
        for id in ones {
            cells.bit(id);
        }
        round_constraints(rounding, &columns, &mut cells);
        let rounded = self.rounded(rounding, &columns, mode.result);
        // The columns' wires stand before the operands'.
        for factor in rounded.items.iter().flat_map(|item| &item.factors) {
            cells.at(&factor.wire);
        }
        let mut value = Integer::constant(rounding.value.constant);
        for item in &rounding.value.items {
            value = value.plus(self.split(&mut cells, item, mode)?);
        }
        self.zero(&mut cells, &value.minus(rounded))?;
        self.cells(cells);
        Ok(y)
    }

    /// An item with its operands whole or as digits.
    fn split(
        &mut self,
        cells: &mut Cells,
        item: &Item,
        mode: Mode,
    ) -> Result<Integer, Unsupported> {
        let mut product = Integer::constant(1);
        for (factor, split) in item.factors.iter().zip([mode.a, mode.b]) {
            let factor = if split {
                self.digits(cells, factor, self.factor_bits())?
            } else {
                Integer::whole(factor.clone())
            };
            product = product.times(&factor);
        }
        Ok(product.scaled(item.coefficient).shifted(item.place))
    }

    fn mode_works(&self, rounding: &Rounding, columns: &Columns, mode: Mode) -> bool {
        let mut value = Integer::constant(rounding.value.constant);
        for item in &rounding.value.items {
            let mut product = Integer::constant(1);
            for (factor, split) in item.factors.iter().zip([mode.a, mode.b]) {
                let factor = if split {
                    let Ok(layout) = split_layout(factor.interval, self.factor_bits()) else {
                        return false;
                    };
                    Integer::digits_of_layout(&layout, factor)
                } else {
                    Integer::whole(factor.clone())
                };
                product = product.times(&factor);
            }
            value = value.plus(product.scaled(item.coefficient).shifted(item.place));
        }
        let result = self.rounded(rounding, columns, mode.result);
        self.provable(&value.minus(result))
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
    fn round_result(&mut self, rounding: &Rounding, columns: &Columns) -> TensorId {
        let interval = Interval {
            lo: rounding.lo.into(),
            hi: rounding.hi.into(),
        };
        self.halved(
            &rounding.shape,
            interval,
            rounding.lo,
            columns.bit,
            &columns.high,
        )
    }

    /// lo + bit + 2·high, or lo + high without a bit, as a tensor that keeps its digits.
    pub(super) fn halved(
        &mut self,
        shape: &Shape,
        interval: Interval,
        lo: i64,
        bit: Option<TensorId>,
        high: &Number,
    ) -> TensorId {
        let up = u32::from(bit.is_some());
        let mut parts: Vec<(i64, TensorId)> = high
            .digits
            .iter()
            .map(|&(tensor, place)| (1_i64 << place.saturating_add(up).min(62), tensor))
            .collect();
        parts.extend(bit.map(|bit| (1, bit)));
        let tensor = self.linear(shape, interval, &parts, lo);
        self.rounded.push(Rounded {
            tensor,
            lo,
            bit,
            high: high.clone(),
        });
        tensor
    }

    /// The digits that a tensor is made of; none of one that is no result of a rounding.
    pub(super) fn digits_of_rounded(&self, tensor: TensorId) -> Option<Integer> {
        let of = self.rounded.iter().find(|of| of.tensor == tensor)?;
        Some(self.halved_integer(&self.shape(tensor), of.lo, of.bit, &of.high))
    }

    /// lo + bit + 2·high as an integer.
    pub(super) fn halved_integer(
        &self,
        domain: &Shape,
        lo: i64,
        bit: Option<TensorId>,
        high: &Number,
    ) -> Integer {
        let high = self
            .own_number(high, domain)
            .shifted(u32::from(bit.is_some()));
        let low = bit.map_or_else(Integer::default, |bit| self.integer(bit));
        high.plus(low).plus(Integer::constant(lo.into()))
    }

    /// 2^s·(y + tie + (1 + excess)·(over − under)) + ρ − half.
    fn rounded(&self, rounding: &Rounding, columns: &Columns, digits: bool) -> Integer {
        let shape = &rounding.shape;
        let mut quotient = if digits {
            self.halved_integer(shape, rounding.lo, columns.bit, &columns.high)
        } else {
            let mut y = self.operand(columns.y);
            y.interval = Interval {
                lo: rounding.lo.into(),
                hi: rounding.hi.into(),
            };
            Integer::whole(y)
        };
        if let Some(tie) = columns.tie {
            quotient = quotient.plus(self.integer(tie));
        }
        let excess = columns.excess.as_ref().map_or_else(
            || Integer::constant(1),
            |excess| self.own_number(excess, shape).plus(Integer::constant(1)),
        );
        for (flag, sign) in [(columns.over, 1), (columns.under, -1)] {
            if let Some(flag) = flag {
                quotient = quotient.plus(self.integer(flag).times(&excess).scaled(sign));
            }
        }
        quotient
            .shifted(rounding.shift)
            .plus(self.own_number(&columns.remainder, shape))
            .minus(Integer::constant(rounding.half()))
    }
}

fn round_constraints(rounding: &Rounding, columns: &Columns, cells: &mut Cells) {
    let y = cells.own(columns.y);
    // hi − result has digits of its own.
    if let Some(room) = &columns.room {
        let mut sum = vec![
            Monomial::linear(1, y),
            Monomial::constant(rounding.hi.saturating_neg()),
        ];
        for &(tensor, place) in &room.digits {
            sum.push(Monomial::linear(1_i64 << place.min(62), cells.own(tensor)));
        }
        cells.constraints.push(sum);
    }
    let over = columns.over.map(|id| cells.own(id));
    let under = columns.under.map(|id| cells.own(id));
    // Clamped: the result is the bound.
    for (flag, bound) in [(over, rounding.hi), (under, rounding.lo)] {
        if let Some(flag) = flag {
            cells.constraints.push(vec![
                Monomial::linear(bound, flag),
                Monomial::product(-1, flag, y),
            ]);
        }
    }
    let parity = Parity {
        remainder: &columns.remainder,
        tie: columns.tie,
        bit: columns.bit,
        lo_odd: rounding.lo & 1 == 1,
        clamped: [columns.over, columns.under],
        inverse: columns.inverse,
    };
    parity.constrain(cells);
}
