//! How fast memory can be read: the yardstick of whatever reads weights.

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "calls code compiled for the instruction set that was detected"
    )
)]

use crate::Isa;
use crate::aligned::Aligned;
use crate::isa::compiled;

/// Words that are summed at a time: four vectors of the widest kind.
const BLOCK: usize = 32;

/// Memory to read, where weights lie too: in large pages, if the system has them.
#[derive(Debug)]
pub struct Reading {
    isa: Isa,
    words: Aligned<u64>,
}

impl Reading {
    /// Memory of so many bytes, rounded down to whole blocks of 256, each word being one.
    #[must_use]
    pub fn new(isa: Isa, bytes: usize) -> Self {
        let mut words = Aligned::zeros(bytes / size_of::<u64>() / BLOCK * BLOCK);
        words.as_mut_slice().fill(1);
        Self { isa, words }
    }

    /// Bytes that are read when all parts are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.words.as_slice())
    }

    /// Reads one of so many nearly equal parts, front to back: the sum of its words, that is their number.
    ///
    /// # Panics
    /// If there is no such part.
    #[must_use]
    pub fn sum(&self, part: usize, parts: usize) -> u64 {
        assert!(part < parts, "part {part} of {parts}");
        let words = self.words.as_slice();
        let blocks = words.len() / BLOCK;
        let (start, end) = (blocks * part / parts, blocks * (part + 1) / parts);
        let words = &words[start * BLOCK..end * BLOCK];
        compiled!(self.isa, <> sum_of(words: &[u64]) -> u64)
    }
}

#[inline(always)]
fn sum_of(words: &[u64]) -> u64 {
    let mut sums = [0_u64; BLOCK];
    for block in words.chunks_exact(BLOCK) {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_once() {
        for isa in Isa::available() {
            let reading = Reading::new(isa, 256 * 7 + 255);
            assert_eq!(reading.bytes(), 256 * 7);
            for parts in [1, 2, 3, 8] {
                let words: u64 = (0..parts).map(|part| reading.sum(part, parts)).sum();
                assert_eq!(words, 32 * 7);
            }
        }
    }
}
