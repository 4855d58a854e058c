//! Tables of functions of one integer, and of rotary positions.

use proofmark_program::ConstantId;

use crate::config::{Activation, Rope};
use crate::quantize::matrix::{power, round};
use crate::{Builder, Elements, ImportError};

/// Reach of an activation's argument: 16,383 entries.
pub(crate) const ARGUMENT_REACH: i32 = 8191;

/// A table of an activation: one unit of the argument is worth 2^−`argument_bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActivationTable {
    pub(crate) argument_bits: i32,
    /// One unit of the result is worth 2^−`result_bits`.
    pub(crate) result_bits: i32,
    /// Reach of the result.
    pub(crate) reach: i32,
}

impl ActivationTable {
    /// For arguments up to `largest` in magnitude, and results within ± `reach`.
    pub(crate) fn new(largest: f64, reach: i32) -> Self {
        let room = f64::from(ARGUMENT_REACH) / largest.max(1e-6);
        let argument_bits = (room.log2().floor() as i32).clamp(-16, 20);
        // No activation exceeds its argument's magnitude.
        let finer = (f64::from(reach) / f64::from(ARGUMENT_REACH))
            .log2()
            .floor() as i32;
        Self {
            argument_bits,
            result_bits: argument_bits + finer,
            reach,
        }
    }

    pub(crate) fn name(self) -> String {
        format!("tables.activation.{}.{}", self.argument_bits, self.reach)
    }

    pub(crate) fn values(self, activation: Activation) -> Vec<i16> {
        (-ARGUMENT_REACH..=ARGUMENT_REACH)
            .map(|x| {
                let y = activation.apply(f64::from(x) * power(-self.argument_bits));
                // `reach` is at most 32,767.
                round(y * power(self.result_bits), self.reach) as i16
            })
            .collect()
    }
}

/// Cosines and sines of rotary positions in Q14.
pub(crate) fn rotary(
    builder: &mut Builder,
    rope: &Rope,
    positions: usize,
) -> Result<[ConstantId; 2], ImportError> {
    let frequencies = rope.frequencies();
    let table = |function: fn(f64) -> f64| -> Vec<i16> {
        (0..positions)
            .flat_map(|t| {
                // Within ±16,384.
                let turn = move |w: &f64| round(function(t as f64 * w) * 16_384.0, 16_384) as i16;
                frequencies.iter().map(turn)
            })
            .collect()
    };
    let shape = [
        u32::try_from(positions).unwrap_or(u32::MAX),
        u32::try_from(frequencies.len()).unwrap_or(u32::MAX),
    ];
    let cosines = table(f64::cos);
    let sines = table(f64::sin);
    Ok([
        builder.constant("tables.rotary.cosines", &shape, Elements::I16(cosines))?,
        builder.constant("tables.rotary.sines", &shape, Elements::I16(sines))?,
    ])
}
