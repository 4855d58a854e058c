//! Numbers from a seed (SplitMix64), with a taste for the extremes.

use alloc::vec::Vec;

/// A source of numbers: the same for the same seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        (self.bits() % u64::from(bound)) as u32
    }

    /// One of some values.
    pub fn among<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }

    /// A number in [lo, hi].
    pub fn within(&mut self, lo: i32, hi: i32) -> i32 {
        let span = i64::from(hi) - i64::from(lo) + 1;
        let offset = (self.bits() % span.unsigned_abs()) as i64;
        i32::try_from(i64::from(lo) + offset).unwrap()
    }

    /// Numbers in [lo, hi]: all the same extreme, both extremes, or any.
    pub fn elements(&mut self, count: usize, lo: i32, hi: i32) -> Vec<i32> {
        let how = self.below(6);
        let one = |random: &mut Self| match how {
            0 => lo,
            1 => hi,
            2 => random.among(&[lo, hi, 0]),
            _ => random.within(lo, hi),
        };
        (0..count).map(|_| one(self)).collect()
    }

    /// A dimension, often one.
    pub(super) fn dimension(&mut self) -> u32 {
        self.among(&[1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 33])
    }

    /// A shape of this rank with at most a few thousand elements.
    pub(super) fn shape(&mut self, rank: u32) -> Vec<u32> {
        let mut shape: Vec<u32> = (0..rank).map(|_| self.dimension()).collect();
        while shape.iter().product::<u32>() > 1_500 {
            let at = self.below(rank) as usize;
            shape[at] = shape[at].div_ceil(2);
        }
        shape
    }

    /// A range for 16-bit operands.
    pub(super) fn range(&mut self) -> (i32, i32) {
        let lo = self.among(&[0, -1, -127, -2_047, -32_768]);
        (lo, self.among(&[0, 1, 255, 2_047, 32_767]))
    }
}
