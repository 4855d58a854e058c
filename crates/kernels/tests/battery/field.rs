//! Kernels over the fields of proofs against their definitions, element by element.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]

use proofmark_field::{E, F, P};
use proofmark_kernels::field::{
    Code, Columns, DigestWords, Planes, Rows, find_nonce, fold_rows, fold_words, hash_pairs,
    hash_rows, sum_words,
};
use proofmark_kernels::{Isa, Pool};
use proptest::prelude::*;

use super::{any_i8, each_isa};

/// Words without a pattern, the extremes of the field often among them.
fn words(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        let word = (state >> 32) as u32;
        Some(match word % 16 {
            0 => P - 1,
            1 => 0,
            _ => word,
        })
    })
}

fn elements(seed: u64, count: usize) -> Vec<F> {
    words(seed).map(F::new).take(count).collect()
}

fn extensions(seed: u64, count: usize) -> Vec<E> {
    let mut words = words(seed).map(F::new);
    let element = |_| E(std::array::from_fn(|_| words.next().unwrap()));
    (0..count).map(element).collect()
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn digest(key: &DigestWords, message: &[u8]) -> DigestWords {
    let key: [u8; 32] = bytes(key).try_into().unwrap();
    let digest = blake3::keyed_hash(&key, message);
    let mut words = digest.as_bytes().chunks_exact(4);
    std::array::from_fn(|_| u32::from_le_bytes(words.next().unwrap().try_into().unwrap()))
}

const KEY: DigestWords = [1, 2, 3, 4, 5, 6, 7, u32::MAX];

/// x of a position: the root of unity to the power of the reversed bits.
fn place(position: usize, log2_length: u32) -> F {
    let reversed = (position as u64)
        .reverse_bits()
        .checked_shr(64 - log2_length)
        .unwrap_or(0);
    F::root_of_unity(log2_length).unwrap().pow(reversed)
}

fn check_code(
    isa: Isa,
    rows: Rows<'_>,
    values: &[F],
    lanes: usize,
    shape: (u32, u32),
    positions: &[usize],
) {
    let (log2_message, log2_inverse_rate) = shape;
    let pool = Pool::new(2);
    let code = Code::new(log2_message, log2_inverse_rate);
    let kept = code.encode(&pool, isa, rows, lanes, &KEY, true);
    let gone = code.encode(&pool, isa, rows, lanes, &KEY, false);
    assert_eq!(gone.leaves, kept.leaves);
    assert!(gone.words.is_none());
    let length = 1_usize << (log2_message + log2_inverse_rate);
    assert_eq!(kept.leaves.len(), length);
    let code_words = kept.words.unwrap();
    let code_words = code_words.as_slice();
    assert_eq!(code_words.len(), length * lanes);
    for &position in positions.iter().filter(|&&position| position < length) {
        let x = place(position, log2_message + log2_inverse_rate);
        let mut expected = vec![F::ZERO; lanes];
        for row in values.chunks_exact(lanes).rev() {
            for (sum, &value) in expected.iter_mut().zip(row) {
                *sum = *sum * x + value;
            }
        }
        let found = &code_words[position * lanes..][..lanes];
        let expected: Vec<u32> = expected.iter().map(|value| value.canonical()).collect();
        assert_eq!(found, expected, "{isa:?}, position {position}");
        assert_eq!(
            kept.leaves[position],
            digest(&KEY, &bytes(found)),
            "{isa:?}"
        );
    }
}

#[test]
fn code_words_are_values_of_polynomials_and_leaves_their_digests() {
    for isa in each_isa() {
        for log2_message in 0..6 {
            for (log2_inverse_rate, lanes) in [(1, 16), (2, 80), (3, 64), (1, 272), (2, 1040)] {
                let count = lanes << log2_message;
                let small: Vec<i8> = words(9).map(|word| word as i8).take(count).collect();
                let values: Vec<F> = small.iter().map(|&x| F::from_i32(i32::from(x))).collect();
                let all: Vec<usize> = (0..1 << (log2_message + log2_inverse_rate)).collect();
                let shape = (log2_message, log2_inverse_rate);
                check_code(isa, Rows::I8(&small), &values, lanes, shape, &all);
                let values = elements(u64::from(log2_message), count);
                check_code(isa, Rows::Base(&values), &values, lanes, shape, &all);
            }
        }
    }
}

#[test]
fn long_codes_too() {
    for isa in each_isa() {
        for log2_message in [7, 8, 13, 14] {
            let values = elements(u64::from(log2_message), 16 << log2_message);
            let some = [
                0,
                1,
                2,
                127,
                128,
                4097,
                (1 << log2_message) - 1,
                1 << log2_message,
                (2 << log2_message) - 1,
            ];
            check_code(
                isa,
                Rows::Base(&values),
                &values,
                16,
                (log2_message, 1),
                &some,
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn digests_are_those_of_blake3(count in 0_usize..40, blocks in 1_usize..70, seed: u64) {
        let words: Vec<u32> = words(seed).take(count * blocks * 16).collect();
        for isa in each_isa() {
            let mut out = vec![[0; 8]; count];
            hash_rows(isa, &KEY, &words, blocks * 16, &mut out);
            for (row, found) in words.chunks_exact(blocks * 16).zip(&out) {
                prop_assert_eq!(*found, digest(&KEY, &bytes(row)), "{:?}", isa);
            }
            let mut parents = vec![[0; 8]; count / 2];
            hash_pairs(&Pool::new(2), isa, &KEY, &out[..count / 2 * 2], &mut parents);
            for (pair, found) in out.chunks_exact(2).zip(&parents) {
                prop_assert_eq!(*found, digest(&KEY, &bytes(pair.as_flattened())), "{:?}", isa);
            }
        }
    }

    #[test]
    fn sums_over_int8_matrices_are_exact(
        log2_rows in 0_u32..7, sixteens in 1_usize..10, count in 1_usize..9, value in any_i8(), seed: u64,
    ) {
        let (rows, width) = (1_usize << log2_rows, 16 * sixteens);
        let matrix: Vec<i8> = words(seed).map(|word| if word % 4 == 0 { value } else { word as i8 }).take(rows * width).collect();
        let tile_rows = Columns::tile_rows(rows);
        let vectors = elements(seed, count * tile_rows);
        let weights = extensions(seed, width);
        let element = |h: usize, w: usize| F::from_i32(i32::from(matrix[h * width + w]));
        for isa in each_isa() {
            let pool = Pool::new(2);
            let columns = Columns::new(isa, &vectors, tile_rows);
            let mut out = vec![F::ZERO; width * count];
            columns.for_each_strip(&pool, &matrix, width, &mut out, count, |tile, sums, out| {
                assert_eq!(tile, 0);
                for (column, out) in out.chunks_exact_mut(count).enumerate() {
                    for (q, out) in out.iter_mut().enumerate() {
                        *out = sums[q * 64 + column];
                    }
                }
            });
            for (w, out) in out.chunks_exact(count).enumerate() {
                for (q, &out) in out.iter().enumerate() {
                    let expected: F = (0..rows).map(|h| vectors[q * tile_rows + h] * element(h, w)).sum();
                    prop_assert_eq!(out, expected, "{:?}", isa);
                }
            }
            let folded = fold_rows(&pool, isa, &matrix, &weights);
            for (h, &found) in folded.iter().enumerate() {
                let expected: E = weights.iter().enumerate().map(|(w, &weight)| weight * element(h, w)).sum();
                prop_assert_eq!(found, expected, "{:?}", isa);
            }
        }
    }

    #[test]
    fn sums_over_matrices_of_elements_are_exact(rows in 0_usize..200, sixteens in 1_usize..6, seed: u64) {
        let width = 16 * sixteens;
        let matrix = elements(seed, rows * width);
        let (columns, lines) = (extensions(seed, width), extensions(seed ^ 1, rows));
        for isa in each_isa() {
            let pool = Pool::new(2);
            for (h, &found) in fold_words(&pool, isa, &matrix, &columns).iter().enumerate() {
                let expected: E = columns.iter().enumerate().map(|(w, &weight)| weight * matrix[h * width + w]).sum();
                prop_assert_eq!(found, expected, "{:?}", isa);
            }
            for (w, &found) in sum_words(&pool, isa, &matrix, width, &lines).iter().enumerate() {
                let expected: E = lines.iter().enumerate().map(|(h, &weight)| weight * matrix[h * width + w]).sum();
                prop_assert_eq!(found, expected, "{:?}", isa);
            }
        }
    }

    #[test]
    fn rounds_of_a_sumcheck_are_its_definition(half in 1_usize..6000, places in 0_usize..5, seed: u64) {
        let (a, b) = (extensions(seed, 2 * half), extensions(seed ^ 1, 2 * half));
        let z = extensions(seed ^ 2, 1)[0];
        let (coefficients, xs) = (extensions(seed ^ 3, places), elements(seed ^ 4, places));
        let constant: E = (0..half).map(|i| a[i] * b[i]).sum();
        let leading: E = (0..half).map(|i| (a[half + i] - a[i]) * (b[half + i] - b[i])).sum();
        for isa in each_isa() {
            let pool = Pool::new(2);
            let mut left = Planes::new(2 * half, |i| a[i]);
            let right = Planes::new(2 * half, |i| b[i]);
            prop_assert_eq!(left.product_round(&right, &pool, isa), (constant, leading), "{:?}", isa);
            left.bind(z, &pool, isa);
            prop_assert_eq!(left.len(), half);
            for i in 0..half {
                prop_assert_eq!(left.at(i), a[i] + (a[half + i] - a[i]) * z, "{:?}", isa);
            }
            left.add_powers(&coefficients, &xs, &pool, isa);
            for i in (0..half).step_by(61).chain([half - 1]) {
                let terms = coefficients.iter().zip(&xs).map(|(&c, x)| c * x.pow(i as u64));
                let expected = terms.fold(a[i] + (a[half + i] - a[i]) * z, |sum, term| sum + term);
                prop_assert_eq!(left.at(i), expected, "{:?}", isa);
            }
        }
    }
}

#[test]
fn digits_at_their_extremes_stay_exact() {
    // The longest tile with the largest digits and the most negative weights.
    let rows = Columns::tile_rows(1 << 13);
    let matrix = vec![-128_i8; 2 * rows * 16];
    for canonical in [P - 1, 0x7eff_ffff, 0x00ff_ffff] {
        let value = F::new(canonical);
        let expected = value * F::from_i64(-128 * rows as i64);
        for isa in each_isa() {
            let columns = Columns::new(isa, &vec![value; rows], rows);
            let mut out = vec![F::ZERO; 16];
            columns.for_each_strip(&Pool::new(1), &matrix, 16, &mut out, 1, |_, sums, out| {
                for (out, &sum) in out.iter_mut().zip(sums) {
                    *out += sum;
                }
            });
            assert_eq!(out, vec![expected + expected; 16], "{isa:?}");
            let folded = fold_rows(
                &Pool::new(1),
                isa,
                &matrix,
                &vec![E::from_base(value); rows],
            );
            assert_eq!(folded, vec![E::from_base(expected); 32], "{isa:?}");
        }
    }
}

#[test]
fn the_least_nonce_is_found_by_any_number_of_threads() {
    let prefix = [7; 8];
    let work = |nonce: u64| {
        digest(
            &KEY,
            &[bytes(&prefix), nonce.to_le_bytes().to_vec()].concat(),
        )[0]
    };
    for bits in [0, 1, 8, 13] {
        let expected = (0..)
            .find(|&nonce| work(nonce).trailing_zeros() >= bits)
            .unwrap();
        for isa in each_isa() {
            for threads in [1, 3] {
                assert_eq!(
                    find_nonce(&Pool::new(threads), isa, &KEY, &prefix, bits),
                    expected,
                    "{isa:?}"
                );
            }
        }
    }
}
