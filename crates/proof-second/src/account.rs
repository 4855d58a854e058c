//! What an opening is worth (§6.2).

use crate::opening::Level;

/// log |E|.
fn log2_field() -> f64 {
    5.0 * 2_130_706_433_f64.log2()
}

/// A count over |E|, drawn by challenges that are not quite uniform (§6.4).
pub(crate) fn field(count: f64) -> f64 {
    count * (-log2_field()).exp2() * (1.0 + (-30_f64).exp2())
}

/// Bits of a chance, rounded down.
pub(crate) fn bits(chance: f64) -> u32 {
    (-chance.log2()).floor().max(0.0) as u32
}

/// The sum of all terms of an opening.
pub(crate) fn opening(levels: &[Level]) -> f64 {
    let mut sum = 0.0;
    for (number, level) in levels.iter().enumerate() {
        let w = f64::from(level.w);
        let length = f64::from(level.after + level.rate).exp2();
        let (t, g) = (f64::from(level.queries), f64::from(level.work));
        sum += field(2.0 * w) + field(w * length);
        let missed = f64::midpoint(1.0, (-f64::from(level.rate)).exp2());
        sum += missed.powf(t) * (-g).exp2();
        if number + 1 < levels.len() {
            sum += field(t);
        }
    }
    sum
}
