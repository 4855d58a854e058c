//! Steps 3 to 7 of §7.2, by selection: no sort of the whole vocabulary.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "gaps are at most 2^41, those with a weight at most 2^34; weights at most 2^40, 2^22 of them, so sums are below 2^63"
)]

use alloc::vec::Vec;

use super::{ONE, SamplingParameters};
use crate::arithmetic::SAMPLING_WEIGHTS;

/// `94,548 · 10^6 / (65,536 · T)` is this over `256 · T`.
const GAP_FACTOR: u64 = 369_328_125;
/// Factors of two below the maximum from which on a weight is 0.
const VANISHED: u64 = 41;

/// An id with a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// How far its logit is below the maximum.
    gap: u64,
    id: u32,
    weight: u64,
}

impl Candidate {
    /// The order of step 4.
    fn rank(&self) -> (u64, u32) {
        (self.gap, self.id)
    }
}

/// The id of the largest logit, the lowest of equals.
pub(super) fn arg_max(logits: &[i64]) -> u32 {
    let mut best: Option<(i64, u32)> = None;
    for (logit, id) in logits.iter().zip(0..) {
        if best.is_none_or(|(largest, _)| *logit > largest) {
            best = Some((*logit, id));
        }
    }
    best.map_or(0, |(_, id)| id)
}

/// Step 3: the ids with a weight, ascending. `temperature` is in millionths and not 0.
pub(super) fn weigh(logits: &[i64], temperature: u32, candidates: &mut Vec<Candidate>) {
    candidates.clear();
    let max = logits.iter().copied().max().unwrap_or(0);
    let divisor = 256 * u64::from(temperature);
    // From this gap on δ / 65,536 is at least 41.
    let vanished = VANISHED * 65_536 * divisor / GAP_FACTOR + 1;
    let by = Divisor::new(divisor);
    for (logit, id) in logits.iter().zip(0..) {
        let gap = max.abs_diff(*logit);
        if gap > vanished {
            continue;
        }
        let product = gap * GAP_FACTOR;
        let (floor, rest) = by.divide(product);
        let up = 2 * rest > divisor || (2 * rest == divisor && floor & 1 == 1);
        let delta = floor + u64::from(up);
        let whole = delta >> 16;
        if whole >= VANISHED {
            continue;
        }
        let entry = usize::try_from((delta & 0xffff) >> 4).unwrap_or(0);
        let weight = SAMPLING_WEIGHTS.get(entry).copied().unwrap_or(0) >> whole;
        if weight > 0 {
            candidates.push(Candidate { gap, id, weight });
        }
    }
}

/// A divisor of many numbers: a multiplication by its inverse, and a correction.
#[derive(Debug, Clone, Copy)]
struct Divisor {
    divisor: u64,
    /// 2^64 / divisor, rounded down.
    inverse: u64,
}

impl Divisor {
    /// `divisor` is above 1.
    fn new(divisor: u64) -> Self {
        let divisor = divisor.max(2);
        let inverse = (1_u128 << 64) / u128::from(divisor);
        Self {
            divisor,
            inverse: u64::try_from(inverse).unwrap_or(u64::MAX),
        }
    }

    /// Quotient and remainder. The inverse is less than 1 too small, so the first guess at the quotient is at most 1 too small.
    #[inline]
    fn divide(self, number: u64) -> (u64, u64) {
        let wide = u128::from(number) * u128::from(self.inverse);
        let guess = u64::try_from(wide >> 64).unwrap_or(0);
        let rest = number - guess * self.divisor;
        if rest >= self.divisor {
            (guess + 1, rest - self.divisor)
        } else {
            (guess, rest)
        }
    }
}

/// Sum of the weights.
pub(super) fn total(candidates: &[Candidate]) -> u64 {
    candidates.iter().map(|candidate| candidate.weight).sum()
}

/// Steps 4 to 6. An id without a weight stands behind all that have one, so leaving it out changes no step.
pub(super) fn restrict(candidates: &mut Vec<Candidate>, parameters: &SamplingParameters) {
    let mut sorted = true;
    let top_k = usize::try_from(parameters.top_k).unwrap_or(usize::MAX);
    if top_k > 0 && top_k < candidates.len() {
        candidates.select_nth_unstable_by_key(top_k - 1, Candidate::rank);
        candidates.truncate(top_k);
        sorted = false;
    }
    if parameters.top_p < ONE {
        let target = u128::from(total(candidates)) * u128::from(parameters.top_p);
        let count = prefix(candidates, target);
        candidates.truncate(count);
        sorted = false;
    }
    if parameters.min_p > 0 {
        let best = candidates
            .iter()
            .map(|candidate| candidate.weight)
            .max()
            .unwrap_or(0);
        let least = u128::from(best) * u128::from(parameters.min_p);
        candidates.retain(|candidate| u128::from(candidate.weight) * u128::from(ONE) >= least);
    }
    if !sorted {
        candidates.sort_unstable_by_key(|candidate| candidate.id);
    }
}

/// Puts the shortest prefix of the order whose sum times 10^6 reaches `target` first, and counts it.
fn prefix(candidates: &mut [Candidate], target: u128) -> usize {
    // The count is in (low, high]; what is before `low` sums to `sum`.
    let (mut low, mut high, mut sum) = (0, candidates.len(), 0_u64);
    while high - low > 1 {
        let middle = (high - low) / 2;
        let Some(window) = candidates.get_mut(low..high) else {
            break;
        };
        window.select_nth_unstable_by_key(middle, Candidate::rank);
        let before = window.get(..middle).map_or(0, total);
        if u128::from(sum + before) * u128::from(ONE) >= target {
            high = low + middle;
        } else {
            sum += before;
            low += middle;
        }
    }
    high
}

/// Step 7: the candidates ascend by id.
pub(super) fn pick(candidates: &[Candidate], draw: u64) -> u32 {
    let bound = u128::from(draw) * u128::from(total(candidates));
    // sum · 2^64 > bound, for an integer sum.
    let bound = u64::try_from(bound >> 64).unwrap_or(u64::MAX);
    let mut sum = 0_u64;
    for candidate in candidates {
        sum += candidate.weight;
        if sum > bound {
            return candidate.id;
        }
    }
    candidates.last().map_or(0, |candidate| candidate.id)
}

#[cfg(test)]
mod tests {
    use super::Divisor;

    #[test]
    fn a_quotient_by_the_inverse_is_the_quotient() {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state
        };
        for round in 0..200_000 {
            let divisor = (next() >> (round % 63)).max(2);
            let multiple = next() / divisor * divisor;
            for number in [
                next(),
                next() >> 20,
                multiple,
                multiple.wrapping_sub(1),
                0,
                u64::MAX,
            ] {
                let quotient = Divisor::new(divisor).divide(number);
                assert_eq!(
                    quotient,
                    (number / divisor, number % divisor),
                    "{number} / {divisor}"
                );
            }
        }
    }
}
