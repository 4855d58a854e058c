//! Operators that look at one element, one row or one vector at a time.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "operands are at most 2^63 in i128, with at most 2^28 summands"
)]

use super::{MAX_MULTIPLIER, Scope, Span};
use crate::ProgramError;
use crate::arithmetic::{clamp, rshift};
use crate::graph::{ConstantId, Interface, NodeType, Operator};
use crate::weights::ElementType;

/// Largest number of fractional bits of a norm (§3.1).
const MAX_FRACTION: u8 = 30;
/// Largest table (§3, row 9).
const MAX_TABLE: i128 = 65_536;
/// One in the rotary tables (§3.2).
const ROPE_ONE: i32 = 16_384;

impl<B: AsRef<[u8]>> Scope<'_, B> {
    /// The interval after clamping to the declared range.
    pub(super) fn clamped(&self, span: Span) -> Span {
        let NodeType { lo, hi, .. } = *self.result();
        Span::new(clamp(span.lo, lo, hi), clamp(span.hi, lo, hi))
    }

    fn same_type_as(&self, x: &NodeType) -> Result<(), ProgramError> {
        let y = self.result();
        let same = x.shape == y.shape && x.by_position == y.by_position;
        self.require(same, "the result has another shape than the input")
    }

    /// Tokens and positions.
    pub(super) fn ids(&self) -> Result<Span, ProgramError> {
        let y = self.result();
        self.require(
            y.by_position && y.shape.is_empty(),
            "ids are by position, without dimensions",
        )?;
        let Interface::Decoder {
            vocabulary,
            max_positions,
            ..
        } = self.program.interface
        else {
            return Err(self.fault("only decoders have positions"));
        };
        let count = match self.node.operator {
            Operator::Tokens => vocabulary,
            _ => max_positions,
        };
        Ok(Span::new(0, i128::from(count) - 1))
    }

    pub(super) fn value(&self, value: ConstantId) -> Result<Span, ProgramError> {
        let y = self.result();
        let view = self.constant(
            value,
            &[ElementType::I8, ElementType::I16, ElementType::I32],
        )?;
        self.require(
            !y.by_position && view.shape() == y.shape,
            "the result has another shape than the constant",
        )?;
        Span::around(view.iter().map(i128::from)).ok_or_else(|| self.fault("no elements"))
    }

    pub(super) fn embed(
        &self,
        table: ConstantId,
        multipliers: ConstantId,
        shift: u8,
    ) -> Result<Span, ProgramError> {
        let (x, y) = (self.input(0)?, self.result());
        self.shift(shift)?;
        let view = self.constant(table, &[ElementType::I8, ElementType::I16])?;
        let &[rows, width] = view.shape() else {
            return Err(self.constant_fault(table, "it has another shape than its operator takes"));
        };
        let shape = x.shape.iter().copied().chain([width]);
        self.require(
            x.by_position == y.by_position && y.shape.iter().copied().eq(shape),
            "the result is not the input's shape and the table's width",
        )?;
        self.within("an index", Span::of(x), 0, i128::from(rows) - 1)?;
        let scales = self.multipliers(multipliers, Some(rows), true)?;
        let width = usize::try_from(width).unwrap_or(usize::MAX);
        let mut elements = view.iter();
        let mut all: Option<Span> = None;
        for row in 0..usize::try_from(rows).unwrap_or(usize::MAX) {
            // As many multipliers as rows, or one.
            let m = scales.at(row).or(scales.at(0)).unwrap_or(0);
            let Some(span) = Span::around(elements.by_ref().take(width).map(i128::from)) else {
                break;
            };
            let span = self.scaled(span, m, shift);
            all = Some(all.map_or(span, |all| all.union(span)));
        }
        all.ok_or_else(|| self.fault("no elements"))
    }

    /// Interval of `rq(a; m, s, lo, hi)` for a in `span`.
    fn scaled(&self, span: Span, m: i32, shift: u8) -> Span {
        let at = |a: i128| rshift(a * i128::from(m), shift);
        let (a, b) = (at(span.lo), at(span.hi));
        self.clamped(Span {
            lo: a.min(b),
            hi: a.max(b),
        })
    }

    pub(super) fn requantize(
        &self,
        multipliers: ConstantId,
        shift: u8,
    ) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        self.same_type_as(x)?;
        self.scaled_by_channel(x, x.shape.last().copied(), multipliers, shift, true)
    }

    pub(super) fn channel_scale(
        &self,
        multipliers: ConstantId,
        shift: u8,
    ) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        self.same_type_as(x)?;
        self.scaled_by_channel(x, x.shape.first().copied(), multipliers, shift, false)
    }

    fn scaled_by_channel(
        &self,
        x: &NodeType,
        channels: Option<u32>,
        multipliers: ConstantId,
        shift: u8,
        one_for_all: bool,
    ) -> Result<Span, ProgramError> {
        self.shift(shift)?;
        let scales = self.multipliers(multipliers, channels, one_for_all)?;
        let spans = scales.iter().map(|m| self.scaled(Span::of(x), m, shift));
        spans
            .reduce(Span::union)
            .ok_or_else(|| self.fault("no elements"))
    }

    /// Inputs of add and multiply: the second is broadcast over the first.
    fn broadcast(&self) -> Result<(Span, Span), ProgramError> {
        let (x, y) = (self.input(0)?, self.input(1)?);
        self.same_type_as(x)?;
        let fits = x.shape.ends_with(&y.shape) && (x.by_position || !y.by_position);
        self.require(fits, "the second input's shape is no suffix of the first's")?;
        Ok((Span::of(x), Span::of(y)))
    }

    pub(super) fn add(&self) -> Result<Span, ProgramError> {
        let (x, y) = self.broadcast()?;
        Ok(Span {
            lo: x.lo + y.lo,
            hi: x.hi + y.hi,
        })
    }

    pub(super) fn multiply(&self, shift: u8) -> Result<Span, ProgramError> {
        self.shift(shift)?;
        let (x, y) = self.broadcast()?;
        let product = x.times(y);
        self.within_wide("a product", product)?;
        Ok(self.clamped(Span {
            lo: rshift(product.lo, shift),
            hi: rshift(product.hi, shift),
        }))
    }

    pub(super) fn clamp(&self) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        self.same_type_as(x)?;
        Ok(self.clamped(Span::of(x)))
    }

    pub(super) fn table(&self, table: ConstantId) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        self.same_type_as(x)?;
        let entries = i128::from(x.hi) - i128::from(x.lo) + 1;
        self.require(
            entries <= MAX_TABLE,
            "the input's range is wider than a table",
        )?;
        let view = self.constant(table, &[ElementType::I16, ElementType::I32])?;
        if view.shape().len() != 1 || view.len() as i128 != entries {
            return Err(self.constant_fault(table, "it does not cover the input's range"));
        }
        Span::around(view.iter().map(i128::from)).ok_or_else(|| self.fault("no elements"))
    }

    /// Both norms (§3.1).
    pub(super) fn norm(
        &self,
        eps: u64,
        fraction: u8,
        centered: bool,
    ) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        self.same_type_as(x)?;
        self.require(eps >= 1, "eps is 0")?;
        self.require(fraction <= MAX_FRACTION, "more than 30 fractional bits")?;
        let width = x
            .shape
            .last()
            .copied()
            .ok_or_else(|| self.fault("there is no last dimension"))?;
        let z = if centered {
            let spread = i128::from(x.hi) - i128::from(x.lo);
            Span {
                lo: -spread,
                hi: spread,
            }
        } else {
            Span::of(x)
        };
        let most = z.max_abs();
        let sum = i128::from(eps) + i128::from(width) * most * most;
        self.within_wide("the sum of squares", Span { lo: 0, hi: sum })?;
        self.within_wide(
            "a product",
            Span {
                lo: -(most << 30),
                hi: most << 30,
            },
        )?;
        // |z| < √S and r ≤ 2^(e+30) / √S.
        let one = 1_i128 << fraction;
        let lo = if z.lo == 0 { 0 } else { -one };
        let hi = if z.hi == 0 { 0 } else { one };
        Ok(self.clamped(Span { lo, hi }))
    }

    /// Rotary position (§3.2).
    pub(super) fn rope(
        &self,
        cosines: ConstantId,
        sines: ConstantId,
    ) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        self.same_type_as(x)?;
        let &[_, width] = x.shape.as_slice() else {
            return Err(self.fault("the input is not [heads, width]"));
        };
        self.require(x.by_position, "the input is not by position")?;
        let view = self.constant(cosines, &[ElementType::I16])?;
        let &[rows, half] = view.shape() else {
            return Err(
                self.constant_fault(cosines, "it has another shape than its operator takes")
            );
        };
        let fits = rows == self.program.max_positions() && half <= width / 2;
        self.require(
            fits,
            "the tables are not [max_positions, at most half of the width]",
        )?;
        let other = self.constant_of(sines, ElementType::I16, view.shape())?;
        if view.iter().chain(other.iter()).any(|x| x.abs() > ROPE_ONE) {
            return Err(self.constant_fault(
                cosines,
                "an entry of the rotary tables is larger than 16,384",
            ));
        }
        let most = 2 * Span::of(x).max_abs();
        Ok(self.clamped(Span {
            lo: -most,
            hi: most,
        }))
    }

    /// Scores that are `rshift(a · m, s)` for a in `span`: both in their types (§4.1).
    pub(super) fn scores(
        &self,
        span: Span,
        multiplier: i32,
        shift: u8,
    ) -> Result<(), ProgramError> {
        self.shift(shift)?;
        self.require(
            multiplier.unsigned_abs() <= MAX_MULTIPLIER.unsigned_abs(),
            "a multiplier is larger than 65,535",
        )?;
        let ends = [span.lo, span.hi].map(|a| rshift(a * i128::from(multiplier), shift));
        let score = Span::around(ends).ok_or_else(|| self.fault("no scores"))?;
        self.within("a score", score, -i128::from(i32::MAX), i32::MAX)
    }

    pub(super) fn softmax(&self, multiplier: i32, shift: u8) -> Result<Span, ProgramError> {
        let x = self.input(0)?;
        self.same_type_as(x)?;
        self.require(!x.shape.is_empty(), "there is no last dimension")?;
        self.scores(Span::of(x), multiplier, shift)?;
        Ok(self.clamped(Span::new(0, 1 << 15)))
    }
}

impl Span {
    /// Products of elements of both.
    pub(super) fn times(self, other: Self) -> Self {
        let corners = [
            self.lo * other.lo,
            self.lo * other.hi,
            self.hi * other.lo,
            self.hi * other.hi,
        ];
        corners
            .into_iter()
            .fold(Self { lo: 0, hi: 0 }, |span, x| Self {
                lo: span.lo.min(x),
                hi: span.hi.max(x),
            })
    }
}
