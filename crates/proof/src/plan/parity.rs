//! Ties of a rounding go to the even neighbour (specs/05-proof.md §8.6).

use alloc::vec::Vec;

use super::check::Monomial;
use super::integer::Cells;
use super::number::Number;
use super::rule::TensorId;

/// Ties go to the even neighbour.
pub(super) struct Parity<'c> {
    pub(super) remainder: &'c Number,
    pub(super) tie: Option<TensorId>,
    /// The result's lowest bit, counted from a bound that may be odd.
    pub(super) bit: Option<TensorId>,
    pub(super) lo_odd: bool,
    /// Where the result is not the quotient.
    pub(super) clamped: [Option<TensorId>; 2],
    pub(super) inverse: Option<TensorId>,
}

impl Parity<'_> {
    pub(super) fn constrain(&self, cells: &mut Cells) {
        let remainder: Vec<usize> = self
            .remainder
            .digits
            .iter()
            .map(|d| cells.own(d.0))
            .collect();
        // A tie has no remainder.
        if let Some(tie) = self.tie {
            let tie = cells.own(tie);
            let products = remainder.iter().map(|&d| Monomial::product(1, tie, d));
            cells.constraints.push(products.collect());
        }
        let Some(inverse) = self.inverse else {
            return;
        };
        // An odd result that is not clamped has a remainder: odd·(1 − over − under) = Σ digits · inverse.
        let inverse = cells.own(inverse);
        let bit = self.bit.map(|bit| cells.own(bit));
        let clamped = self.clamped.map(|flag| flag.map(|id| cells.own(id)));
        let mut sum: Vec<Monomial> = remainder
            .iter()
            .map(|&d| Monomial::product(-1, d, inverse))
            .collect();
        let (sign, opposite) = if self.lo_odd { (-1, 1) } else { (1, -1) };
        if self.lo_odd {
            sum.push(Monomial::constant(1));
            let flags = clamped.iter().flatten();
            sum.extend(flags.map(|&flag| Monomial::linear(-1, flag)));
        }
        if let Some(bit) = bit {
            sum.push(Monomial::linear(sign, bit));
            let flags = clamped.iter().flatten();
            sum.extend(flags.map(|&flag| Monomial::product(opposite, bit, flag)));
        }
        cells.constraints.push(sum);
    }
}
