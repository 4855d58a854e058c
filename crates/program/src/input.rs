//! How numbers of callers become integers, and integers numbers (§5.2, §5.3). The only place with floating point: one product and one
//! rounding, both defined by IEEE 754.

use alloc::vec::Vec;

use crate::ProgramError;
use crate::graph::{InputKind, NodeType, OutputKind, Program, TensorInput};
use crate::weights::{ElementType, TensorView, Weights};

/// An input's numbers as a caller has them.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// Real numbers; an f32 is widened.
    Real(&'a [f64]),
    /// Integers.
    Integer(&'a [i64]),
}

/// `clamp(rne((x − zero) · k), lo, hi)` for each x (§5.2).
fn encode_real(x: f64, scale: f64, zero: f64, lo: i32, hi: i32) -> Option<i32> {
    if !x.is_finite() {
        return None;
    }
    Some(round_to_i32((x - zero) * scale, lo, hi))
}

/// The nearest integer, ties to even, clamped. Infinities clamp; the argument is no NaN.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "shifts are below 64 and sums below 2^54; beyond the integers of 32 bits nothing is cast"
)]
fn round_to_i32(x: f64, lo: i32, hi: i32) -> i32 {
    let magnitude = x.abs();
    let rounded = if magnitude >= 4_294_967_296.0 {
        i64::from(u32::MAX)
    } else {
        // Below 2^32: the integer part and the rest are exact.
        let whole = magnitude as i64;
        let rest = magnitude - whole as f64;
        let up = rest > 0.5 || (rest == 0.5 && whole & 1 == 1);
        whole + i64::from(up)
    };
    let signed = if x < 0.0 { -rounded } else { rounded };
    i32::try_from(signed.clamp(i64::from(lo), i64::from(hi))).unwrap_or(lo)
}

impl TensorInput {
    /// Turns a caller's numbers into the elements of this input. `result` is the type of the input's node; `constant` finds the
    /// thresholds of a rank input.
    pub fn encode<'w>(
        &self,
        result: &NodeType,
        numbers: Numbers<'_>,
        constant: impl Fn(crate::ConstantId) -> Option<TensorView<'w>>,
    ) -> Result<Vec<i32>, ProgramError> {
        let fault = |why| ProgramError::input(&self.name, why);
        let count = match numbers {
            Numbers::Real(numbers) => numbers.len(),
            Numbers::Integer(numbers) => numbers.len(),
        };
        if count as u64 != result.elements() {
            return Err(fault(
                "it has another number of elements than the program takes",
            ));
        }
        match &self.kind {
            InputKind::Real {
                scale_bits,
                zero_bits,
            } => {
                let (scale, zero) = (f64::from_bits(*scale_bits), f64::from_bits(*zero_bits));
                let encode = |x| encode_real(x, scale, zero, result.lo, result.hi);
                reals(numbers)
                    .map(encode)
                    .collect::<Option<_>>()
                    .ok_or_else(|| fault("a number is not finite"))
            }
            InputKind::Integer => {
                let integers: Option<Vec<i32>> = match numbers {
                    Numbers::Integer(numbers) => {
                        numbers.iter().map(|x| i32::try_from(*x).ok()).collect()
                    }
                    Numbers::Real(_) => return Err(fault("it takes integers")),
                };
                let inside = |x: &i32| (result.lo..=result.hi).contains(x);
                let integers = integers.filter(|integers| integers.iter().all(inside));
                integers.ok_or_else(|| fault("an integer is out of the input's range"))
            }
            InputKind::Rank {
                thresholds,
                offsets,
                strict,
            } => {
                let views = constant(*thresholds).zip(constant(*offsets));
                let (thresholds, offsets) =
                    views.ok_or_else(|| fault("its thresholds are missing"))?;
                let rank = |(feature, x)| rank(&thresholds, &offsets, feature, x, *strict);
                let ranks = reals(numbers).enumerate().map(rank);
                ranks
                    .collect::<Option<_>>()
                    .ok_or_else(|| fault("not a number"))
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest double, ties to even, as the specification has it"
)]
fn reals(numbers: Numbers<'_>) -> impl Iterator<Item = f64> {
    let (reals, integers) = match numbers {
        Numbers::Real(reals) => (reals, &[][..]),
        Numbers::Integer(integers) => (&[][..], integers),
    };
    reals
        .iter()
        .copied()
        .chain(integers.iter().map(|x| *x as f64))
}

/// The thresholds of one feature, as indices.
fn bounds(offsets: &TensorView<'_>, feature: usize) -> Option<(usize, usize)> {
    let at = |index: usize| usize::try_from(offsets.at(index)?).ok();
    Some((at(feature)?, at(feature.checked_add(1)?)?))
}

fn threshold(thresholds: &TensorView<'_>, index: usize) -> Option<f32> {
    Some(f32::from_bits(u32::from_le_bytes(
        thresholds.at(index)?.to_le_bytes(),
    )))
}

/// Rank of x among a feature's thresholds (§5.3); `None` if x is not a number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to f32 is what the specification says"
)]
fn rank(
    thresholds: &TensorView<'_>,
    offsets: &TensorView<'_>,
    feature: usize,
    x: f64,
    strict: bool,
) -> Option<i32> {
    let x = x as f32;
    if x.is_nan() {
        return None;
    }
    let (start, end) = bounds(offsets, feature)?;
    // Ascending: those that are passed come first.
    let (mut low, mut high) = (start, end);
    while low < high {
        let middle = low.midpoint(high);
        let passed = threshold(thresholds, middle)?;
        if if strict { x > passed } else { x >= passed } {
            low = middle.checked_add(1)?;
        } else {
            high = middle;
        }
    }
    i32::try_from(low.checked_sub(start)?).ok()
}

/// Checks the thresholds of a rank input (§5.3): finite, ascending, and as many as the input's range says at most.
pub(crate) fn check_ranks<B: AsRef<[u8]>>(
    program: &Program,
    weights: &Weights<B>,
    input: &TensorInput,
    result: &NodeType,
) -> Result<(), ProgramError> {
    let InputKind::Rank {
        thresholds,
        offsets,
        ..
    } = input.kind
    else {
        return Ok(());
    };
    let vector = |id| {
        let name = program.constant_name(id).unwrap_or_default();
        let view = weights
            .tensor(name)
            .filter(|view| view.element() == ElementType::I32 && view.shape().len() == 1);
        view.ok_or_else(|| ProgramError::Constant {
            name: name.into(),
            what: "it is missing, or not I32 with one dimension",
        })
    };
    let (thresholds, offsets) = (vector(thresholds)?, vector(offsets)?);
    let fault = |what| {
        Err(ProgramError::Constant {
            name: thresholds.name().into(),
            what,
        })
    };
    let &[features] = result.shape.as_slice() else {
        return fault("an input of ranks has one dimension");
    };
    let features = usize::try_from(features).unwrap_or(usize::MAX);
    let ends = (
        offsets.at(0),
        offsets
            .at(features)
            .and_then(|end| usize::try_from(end).ok()),
    );
    if Some(offsets.len()) != features.checked_add(1) || ends != (Some(0), Some(thresholds.len())) {
        return fault("the offsets are not those of all features");
    }
    for feature in 0..features {
        let Some((start, end)) = bounds(&offsets, feature)
            .filter(|(start, end)| start <= end && *end <= thresholds.len())
        else {
            return fault("the offsets do not ascend");
        };
        let count = end.saturating_sub(start);
        if i32::try_from(count).is_ok_and(|count| count > result.hi) {
            return fault("a feature has more thresholds than its range has ranks");
        }
        let mut last = f32::NEG_INFINITY;
        for index in start..end {
            match threshold(&thresholds, index) {
                Some(next) if next.is_finite() && next > last => last = next,
                _ => return fault("thresholds are not finite numbers in ascending order"),
            }
        }
    }
    Ok(())
}

impl OutputKind {
    /// The number that an element is shown as (§5.2).
    pub fn decode(&self, element: i32) -> f64 {
        match self {
            Self::Real { scale_bits } => f64::from(element) * f64::from_bits(*scale_bits),
            Self::Integer => f64::from(element),
        }
    }
}

#[cfg(test)]
mod tests;
