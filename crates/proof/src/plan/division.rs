//! Quotients by a number of each cell (specs/05-proof.md §8.9).

use alloc::boxed::Box;

use super::build::Builder;
use super::identity::Interval;
use super::integer::{Cells, Integer};
use super::number::Number;
use super::parity::Parity;
use super::recipe::{Divide, Inverse, Recipe};
use super::rule::TensorId;
use super::shape::Shape;
use super::{ColumnKind, Unsupported};

/// What is to be divided.
pub(super) struct Division {
    pub(super) shape: Shape,
    /// N.
    pub(super) dividend: Integer,
    /// Z, at least 1 in every cell: a tensor, or a constant.
    pub(super) divisor: Integer,
    /// Interval of the quotient, where the dividend and the divisor are what they should be.
    pub(super) quotient: Interval,
}

/// A quotient, as lo + bit + 2·high.
pub(super) struct Quotient {
    pub(super) value: Integer,
    pub(super) tensor: TensorId,
}

impl Builder {
    /// `rdiv(N, Z)` in every cell of the domain; zero where N is.
    pub(super) fn divide(&mut self, division: &Division) -> Result<Quotient, Unsupported> {
        let shape = &division.shape;
        let mut cells = Cells::new(shape);
        let Interval { lo, hi } = division.quotient;
        let bit = self.column(shape, ColumnKind::Bit);
        let tie = self.column(shape, ColumnKind::Bit);
        let up_to = |hi: i128| Interval { lo: 0, hi };
        let layout = self.narrow_layout(up_to(hi.saturating_sub(lo).wrapping_shr(1)))?;
        let high = self.number(shape, layout);
        let largest = division.divisor.interval().hi.saturating_mul(2);
        let layout = self.layout(up_to(largest.saturating_sub(1)))?;
        let remainder = self.number(shape, layout.clone());
        let inverse = self.column(shape, ColumnKind::Inverse);
        let lo = i64::try_from(lo).unwrap_or(0);
        self.recipe(Recipe::Divide(Box::new(Divide {
            shape: shape.clone(),
            dividend: (division.dividend.products(), division.dividend.constant),
            divisor: (division.divisor.products(), division.divisor.constant),
            lo,
            bit,
            tie,
            high: high.clone(),
            remainder: remainder.clone(),
        })));
        self.recipe(Recipe::Inverse(Box::new(Inverse {
            shape: shape.clone(),
            bit,
            lo_odd: lo & 1 == 1,
            number: remainder.clone(),
            inverse,
        })));
        for flag in [bit, tie] {
            cells.bit(flag);
        }
        let value = self.halved_integer(shape, lo, Some(bit), &high);
        let tensor = self.halved(shape, division.quotient, lo, Some(bit), &high);
        // 2N + Z = 2Z·(y + tie) + ρ with 0 ≤ ρ < 2Z.
        let mut divisor = Integer::constant(division.divisor.constant);
        for item in &division.divisor.items {
            for factor in &item.factors {
                let width = self.factor_bits();
                divisor = divisor.plus(self.digits(&mut cells, factor, width)?);
            }
        }
        let rest = self.own_number(&remainder, shape);
        let above = value.clone().plus(self.integer(tie));
        let equation = division
            .dividend
            .clone()
            .shifted(1)
            .plus(divisor.clone())
            .minus(divisor.times(&above).shifted(1))
            .minus(rest.clone());
        self.zero(&mut cells, &equation)?;
        let whole = division.divisor.clone();
        let room = whole.shifted(1).minus(Integer::constant(1)).minus(rest);
        self.derive(&mut cells, &room, layout)?;
        let parity = Parity {
            remainder: &remainder,
            tie: Some(tie),
            bit: Some(bit),
            lo_odd: lo & 1 == 1,
            clamped: [None; 2],
            inverse: Some(inverse),
        };
        parity.constrain(&mut cells);
        self.cells(cells);
        Ok(Quotient { value, tensor })
    }

    /// A number that is not zero where lo + bit is odd.
    pub(super) fn nonzero_where_odd(
        &mut self,
        cells: &mut Cells,
        number: &Number,
        bit: TensorId,
        lo_odd: bool,
    ) {
        let shape = cells.shape.clone();
        let inverse = self.column(&shape, ColumnKind::Inverse);
        self.recipe(Recipe::Inverse(Box::new(Inverse {
            shape,
            bit,
            lo_odd,
            number: number.clone(),
            inverse,
        })));
        let parity = Parity {
            remainder: number,
            tie: None,
            bit: Some(bit),
            lo_odd,
            clamped: [None; 2],
            inverse: Some(inverse),
        };
        parity.constrain(cells);
    }
}
