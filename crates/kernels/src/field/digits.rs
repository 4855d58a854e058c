//! Products of int8 matrices with field elements, which are digits of 8 bits to AVX-512 VNNI and words of 64 bits elsewhere.
//!
//! A word of an element is four digits of 8 bits, and Σ digit·weight over at most 2^12 terms is below 2^31: the sums are exact,
//! and so is their recombination modulo p.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "vector loads and stores")
)]

use proofmark_field::{DEGREE, E, F, P};

use super::vector::P_INVERSE;
#[cfg(target_arch = "x86_64")]
use crate::isa::Kind;
use crate::isa::compiled;
use crate::{Isa, Pool};

/// Columns that are summed at a time.
const STRIP: usize = 64;

/// Rows whose sums are exact in 32 bits, for digits of 8 bits.
const TILE: usize = 1 << 12;

/// Digit vectors that are multiplied at a time.
#[cfg(target_arch = "x86_64")]
const GROUP: usize = 6;

/// Vectors a_q of elements that rows of an int8 matrix are weighted with, tile by tile.
#[derive(Debug)]
pub struct Columns {
    isa: Isa,
    count: usize,
    tile_rows: usize,
    /// Canonical words [count, tile_rows], or digits as the kernel reads them.
    words: Vec<u32>,
}

impl Columns {
    /// `vectors` is [count, tile_rows]; a matrix of more rows is cut into tiles of as many.
    ///
    /// # Panics
    /// If lengths differ, or `tile_rows` is above [`Columns::tile_rows`]'s answer for it.
    #[must_use]
    pub fn new(isa: Isa, vectors: &[F], tile_rows: usize) -> Self {
        assert!(tile_rows > 0 && vectors.len().is_multiple_of(tile_rows));
        assert_eq!(Self::tile_rows(tile_rows), tile_rows, "a tile of rows");
        let count = vectors.len() / tile_rows;
        let canonical: Vec<u32> = vectors.iter().map(|value| value.canonical()).collect();
        let words = match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => digits(&canonical, count, tile_rows),
            _ => canonical,
        };
        Self {
            isa,
            count,
            tile_rows,
            words,
        }
    }

    /// How many of `rows` rows, a power of two, a tile has.
    #[must_use]
    pub const fn tile_rows(rows: usize) -> usize {
        if rows < TILE { rows } else { TILE }
    }

    /// For each strip of at most 64 columns of `matrix`, [rows, width], and each of its tiles, calls `take` with the tile's number,
    /// `Σ_h a_q[h]·m[h, column]` as [count, 64], and the strip's part of `out`, of which `each` belong to a column.
    ///
    /// # Panics
    /// If lengths differ, or the width is no multiple of 16.
    pub fn for_each_strip<T: Send>(
        &self,
        pool: &Pool,
        matrix: &[i8],
        width: usize,
        out: &mut [T],
        each: usize,
        take: impl Fn(usize, &[F], &mut [T]) + Sync,
    ) {
        assert!(width.is_multiple_of(16) && matrix.len().is_multiple_of(width * self.tile_rows));
        assert_eq!(out.len(), width * each, "values for each column");
        pool.for_each_chunk(out, STRIP * each, |strip, out| {
            let first = strip * STRIP;
            let columns = STRIP.min(width - first);
            let mut sums = vec![F::ZERO; self.count * STRIP];
            let mut scratch = Scratch::default();
            for (tile, rows) in matrix.chunks_exact(width * self.tile_rows).enumerate() {
                self.sum(&rows[first..], width, columns, &mut scratch, &mut sums);
                take(tile, &sums, out);
            }
        });
    }

    fn sum(
        &self,
        rows: &[i8],
        width: usize,
        columns: usize,
        scratch: &mut Scratch,
        sums: &mut [F],
    ) {
        match self.isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => {
                scratch.gather(rows, width, columns, self.tile_rows);
                let groups = (self.count * 4).div_ceil(GROUP);
                scratch.sums.resize(groups * GROUP * STRIP, 0);
                let (quads, digits, out) = (&scratch.quads, &self.words, &mut scratch.sums);
                // SAFETY: an `Isa` is made only where the processor has the features.
                unsafe { avx512::columns(quads, digits, out) };
                let (isa, digit_sums) = (self.isa, scratch.sums.as_slice());
                compiled!(isa, <> recombine(digit_sums: &[i32], sums: &mut [F]));
            }
            _ => {
                let _ = scratch;
                let (isa, words, tile_rows) = (self.isa, self.words.as_slice(), self.tile_rows);
                compiled!(isa, <> wide(rows: &[i8], width: usize, columns: usize, words: &[u32], tile_rows: usize, sums: &mut [F]));
            }
        }
    }
}

/// A tile's strip of columns as the kernel reads it, and the sums of digits.
#[derive(Default)]
struct Scratch {
    #[cfg(target_arch = "x86_64")]
    quads: Vec<[i8; 4 * STRIP]>,
    #[cfg(target_arch = "x86_64")]
    sums: Vec<i32>,
}

#[cfg(target_arch = "x86_64")]
impl Scratch {
    /// Four rows of 64 columns at a time, column by column; what is missing is 0.
    fn gather(&mut self, rows: &[i8], width: usize, columns: usize, tile_rows: usize) {
        self.quads.resize(tile_rows.div_ceil(4), [0; 4 * STRIP]);
        for (number, quad) in self.quads.iter_mut().enumerate() {
            let mut lines = [[0_i8; STRIP]; 4];
            for (i, line) in lines.iter_mut().enumerate() {
                let row = 4 * number + i;
                if row < tile_rows {
                    line[..columns].copy_from_slice(&rows[row * width..][..columns]);
                }
            }
            // SAFETY: called for this instruction set only.
            unsafe { avx512::interleave(&lines, quad) };
        }
    }
}

/// The digits of [count, rows] words: by groups of six digit vectors, then four rows, [6][4] bytes.
#[cfg(target_arch = "x86_64")]
fn digits(words: &[u32], count: usize, rows: usize) -> Vec<u32> {
    let (groups, quads) = ((4 * count).div_ceil(GROUP), rows.div_ceil(4));
    let mut digits = vec![0_u32; groups * quads * GROUP];
    for (q, words) in words.chunks_exact(rows).enumerate() {
        for (quad, words) in words.chunks(4).enumerate() {
            for digit in 0..4 {
                let vector = 4 * q + digit;
                let place = &mut digits[(vector / GROUP * quads + quad) * GROUP + vector % GROUP];
                for (row, word) in words.iter().enumerate() {
                    *place |= (word >> (8 * digit) & 0xff) << (8 * row);
                }
            }
        }
    }
    digits
}

/// 2^96 mod p: what makes value/2^32 a word in Montgomery's form.
const R_CUBED: F = F::from_u64(((1_u128 << 64) % P as u128) as u64);

/// An integer of less than 2^57, as an element.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
fn element(value: i64) -> F {
    // p·2^27 > 2^57 makes it positive and keeps it below 2^32·p.
    let positive = (value + (i64::from(P) << 27)).cast_unsigned();
    let low = (positive as u32).wrapping_mul(P_INVERSE);
    let difference =
        ((positive >> 32) as u32).wrapping_sub(((u64::from(low) * u64::from(P)) >> 32) as u32);
    // value/2^32 is the word of value/2^64.
    F::from_word(difference.min(difference.wrapping_add(P))) * R_CUBED
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
fn recombine(digit_sums: &[i32], sums: &mut [F]) {
    for (sums, digits) in sums
        .chunks_exact_mut(STRIP)
        .zip(digit_sums.chunks_exact(4 * STRIP))
    {
        for (column, sum) in sums.iter_mut().enumerate() {
            // Where the interleaving leaves the column.
            let place = column % 16 / 4 * 16 + column / 16 * 4 + column % 4;
            let value = (0..4).fold(0, |value, digit| {
                value + (i64::from(digits[digit * STRIP + place]) << (8 * digit))
            });
            *sum = element(value);
        }
    }
}

/// The same without digits.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
fn wide(
    rows: &[i8],
    width: usize,
    columns: usize,
    words: &[u32],
    tile_rows: usize,
    sums: &mut [F],
) {
    for (words, sums) in words
        .chunks_exact(tile_rows)
        .zip(sums.chunks_exact_mut(STRIP))
    {
        let mut values = [0_i64; STRIP];
        for (row, &word) in words.iter().enumerate() {
            let word = word.cast_signed();
            for (value, &weight) in values.iter_mut().zip(&rows[row * width..][..columns]) {
                *value += i64::from(word) * i64::from(weight);
            }
        }
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = element(value);
        }
    }
}

/// `Σ_w weights[w]·m[h, w]` for each row of `matrix`, [rows, width], width a multiple of 16 and at most 2^12.
///
/// # Panics
/// If lengths differ.
#[must_use]
pub fn fold_rows(pool: &Pool, isa: Isa, matrix: &[i8], weights: &[E]) -> Vec<E> {
    const TASK: usize = 512;
    let width = weights.len();
    assert!(
        width.is_multiple_of(16)
            && width > 0
            && width <= TILE
            && matrix.len().is_multiple_of(width)
    );
    let mut out = vec![E::ZERO; matrix.len() / width];
    let words: Vec<u32> = (0..DEGREE)
        .flat_map(|c| weights.iter().map(move |w| w.0[c].canonical()))
        .collect();
    #[cfg(target_arch = "x86_64")]
    let prepared = match isa.kind() {
        Kind::Avx512Vnni => row_digits(&words, width),
        _ => Vec::new(),
    };
    pool.for_each_chunk(&mut out, TASK, |task, out| {
        let rows = &matrix[task * TASK * width..][..out.len() * width];
        match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => {
                let mut sums = vec![[0_i32; 32]; out.len()];
                // SAFETY: an `Isa` is made only where the processor has the features.
                unsafe { avx512::rows(rows, width, &prepared, &mut sums) };
                for (sum, place) in sums.iter().zip(out) {
                    *place = E(std::array::from_fn(|c| {
                        element((0..4).fold(0, |value, digit| value + (i64::from(sum[4 * c + digit]) << (8 * digit))))
                    }));
                }
            }
            _ => {
                let words = words.as_slice();
                compiled!(isa, <> wide_rows(rows: &[i8], width: usize, words: &[u32], out: &mut [E]));
            }
        }
    });
    out
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled for the caller's instruction set"
)]
fn wide_rows(rows: &[i8], width: usize, words: &[u32], out: &mut [E]) {
    for (row, place) in rows.chunks_exact(width).zip(out) {
        let mut words = words.chunks_exact(width);
        *place = E(std::array::from_fn(|_| {
            let words = words.next().unwrap_or_default();
            let terms = row.iter().zip(words);
            element(terms.fold(0, |sum, (&m, &w)| {
                sum + i64::from(m) * i64::from(w.cast_signed())
            }))
        }));
    }
}

/// The digits of [5, width] words: by four columns, [32][4] bytes, of which 20 digits are used.
#[cfg(target_arch = "x86_64")]
fn row_digits(words: &[u32], width: usize) -> Vec<u32> {
    let mut digits = vec![0_u32; width / 4 * 32];
    for (c, words) in words.chunks_exact(width).enumerate() {
        for (quad, words) in words.chunks_exact(4).enumerate() {
            for digit in 0..4 {
                for (column, word) in words.iter().enumerate() {
                    digits[quad * 32 + 4 * c + digit] |=
                        (word >> (8 * digit) & 0xff) << (8 * column);
                }
            }
        }
    }
    digits
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::{GROUP, STRIP};

    /// Four rows of 64 columns, so that the four values of a column are one word: vector v has columns 16k + 4v + j at place
    /// 4k + j.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn interleave(lines: &[[i8; STRIP]; 4], quad: &mut [i8; 4 * STRIP]) {
        // SAFETY: 64 bytes each.
        let [a, b, c, d] =
            std::array::from_fn(|i| unsafe { _mm512_loadu_si512(lines[i].as_ptr().cast()) });
        let (ab_low, ab_high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
        let vectors = [
            _mm512_unpacklo_epi16(ab_low, cd_low),
            _mm512_unpackhi_epi16(ab_low, cd_low),
            _mm512_unpacklo_epi16(ab_high, cd_high),
            _mm512_unpackhi_epi16(ab_high, cd_high),
        ];
        for (vector, place) in vectors.into_iter().zip(quad.chunks_exact_mut(STRIP)) {
            // SAFETY: 64 bytes.
            unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), vector) };
        }
    }

    /// Sums over four rows at a time: [groups · 6][64], columns where the interleaving leaves them.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn columns(quads: &[[i8; 4 * STRIP]], digits: &[u32], out: &mut [i32]) {
        for (digits, out) in digits
            .chunks_exact(quads.len() * GROUP)
            .zip(out.chunks_exact_mut(GROUP * STRIP))
        {
            let mut sums = [[_mm512_setzero_si512(); 4]; GROUP];
            for (quad, digits) in quads.iter().zip(digits.chunks_exact(GROUP)) {
                // SAFETY: four times 64 bytes.
                let columns: [__m512i; 4] = std::array::from_fn(|v| unsafe {
                    _mm512_loadu_si512(quad.as_ptr().add(v * STRIP).cast())
                });
                for (sums, &digit) in sums.iter_mut().zip(digits) {
                    let digit = _mm512_set1_epi32(digit.cast_signed());
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = _mm512_dpbusd_epi32(*sum, digit, column);
                    }
                }
            }
            for (sum, place) in sums.as_flattened().iter().zip(out.chunks_exact_mut(16)) {
                // SAFETY: 16 numbers of four bytes.
                unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), *sum) };
            }
        }
    }

    /// Sums over four columns at a time of 32 digit vectors, for each row.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn rows(rows: &[i8], width: usize, digits: &[u32], out: &mut [[i32; 32]]) {
        const AT_ONCE: usize = 8;
        for (rows, out) in rows.chunks(AT_ONCE * width).zip(out.chunks_mut(AT_ONCE)) {
            let mut sums = [[_mm512_setzero_si512(); 2]; AT_ONCE];
            let last = out.len() - 1;
            for (quad, digits) in digits.chunks_exact(32).enumerate() {
                // SAFETY: twice 16 words.
                let digits: [__m512i; 2] = std::array::from_fn(|v| unsafe {
                    _mm512_loadu_si512(digits.as_ptr().add(16 * v).cast())
                });
                for (i, sums) in sums.iter_mut().enumerate() {
                    // Rows beyond the last are the last once more.
                    let at = i.min(last) * width + 4 * quad;
                    // SAFETY: four values of a row, for quad < width/4.
                    let values = unsafe { rows.as_ptr().add(at).cast::<i32>().read_unaligned() };
                    let values = _mm512_set1_epi32(values);
                    for (sum, digits) in sums.iter_mut().zip(digits) {
                        *sum = _mm512_dpbusd_epi32(*sum, digits, values);
                    }
                }
            }
            for (sums, place) in sums.iter().zip(out) {
                for (sum, place) in sums.iter().zip(place.chunks_exact_mut(16)) {
                    // SAFETY: 16 numbers of four bytes.
                    unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), *sum) };
                }
            }
        }
    }
}
