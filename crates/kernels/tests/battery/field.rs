//! Kernels over the fields of proofs against their definitions, element by element.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]

use proofmark_field::{E, F, P, eq_table};
use proofmark_kernels::field::{
    Code, Columns, DigestWords, Form, Fractions, Planes, Rows, evaluate_integers, find_nonce,
    fold_rows, fold_words, form_round, form_word_round, hash_pairs, hash_rows, pair_round,
    product_round, sum_integers, sum_words, to_field, word_round,
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
            prop_assert_eq!(pair_round(&left, &right, &pool, isa), (constant, leading), "{:?}", isa);
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

/// Integers without a pattern, the extremes among them.
fn integers(seed: u64, count: usize) -> Vec<i32> {
    let signed = |word: u32| match word % 8 {
        0 => i32::MIN,
        1 => i32::MAX,
        2 => P.cast_signed(),
        3 => -P.cast_signed(),
        _ => word.cast_signed(),
    };
    words(seed).map(signed).take(count).collect()
}

fn planes(values: &[E]) -> Planes {
    Planes::new(values.len(), |i| values[i])
}

/// The polynomial's value at x that is `low` at 0 and `high` at 1.
fn line(low: E, high: E, x: u32) -> E {
    low + (high - low) * E::new(x)
}

/// Lengths with and without whole vectors.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..70, (1_usize..300).prop_map(|n| 16 * n)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rounds_of_products_are_their_definition(half in lengths(), factors in 1_usize..4, degree in 1_usize..5, seed: u64) {
        let tables: Vec<Vec<E>> = (0..factors as u64).map(|t| extensions(seed ^ t, 2 * half)).collect();
        let words = elements(seed ^ 9, 2 * half);
        let at = |x: u32| -> E {
            (0..half).map(|i| tables.iter().fold(E::ONE, |all, table| all * line(table[i], table[half + i], x))).sum()
        };
        let with_words = |x: u32| -> E {
            (0..half).map(|i| line(E::from_base(words[i]), E::from_base(words[half + i]), x) * line(tables[0][i], tables[0][half + i], x)).sum()
        };
        for isa in each_isa() {
            let pool = Pool::new(2);
            let vectors: Vec<Planes> = tables.iter().map(|table| planes(table)).collect();
            let all: Vec<&Planes> = vectors.iter().collect();
            let found = product_round(&all, degree, &pool, isa);
            for (x, value) in [0, 2, 3, 4].into_iter().zip(found).take(degree) {
                prop_assert_eq!(value, at(x), "{:?} at {}", isa, x);
            }
            prop_assert_eq!(word_round(&words, &vectors[0], &pool, isa), [with_words(0), with_words(2)], "{:?}", isa);
            let z = extensions(seed ^ 11, 1)[0];
            let bound = Planes::bound(&words, z, &pool, isa);
            let expected: Vec<E> = (0..half).map(|i| E::from_base(words[i]) + z * (words[half + i] - words[i])).collect();
            prop_assert_eq!(bound.to_vec(), expected, "{:?}", isa);
        }
    }

    #[test]
    fn rounds_of_forms_are_their_definition(half in lengths(), count in 1_usize..4, seed: u64) {
        let linear = extensions(seed, 2 * half);
        let weights = extensions(seed ^ 1, half);
        let words: Vec<Vec<F>> = (0..count as u64).map(|t| elements(seed ^ (2 + t), 2 * half)).collect();
        let coefficients = extensions(seed ^ 8, count);
        let products: Vec<(usize, usize, E)> = coefficients.iter().enumerate().map(|(a, &c)| (a, (a + 1) % count, c)).collect();
        let of = |a: usize, i: usize| E::from_base(words[a][i]);
        let zero: E = (0..half).map(|i| {
            weights[i] * products.iter().fold(linear[i], |sum, &(a, b, c)| sum + c * of(a, i) * of(b, i))
        }).sum();
        let leading: E = (0..half).map(|i| {
            let step = |a: usize| of(a, half + i) - of(a, i);
            weights[i] * products.iter().fold(E::ZERO, |sum, &(a, b, c)| sum + c * step(a) * step(b))
        }).sum();
        for isa in each_isa() {
            let pool = Pool::new(2);
            let (linear, weights) = (planes(&linear), planes(&weights));
            let form = Form { linear: &linear, wires: words.as_slice(), products: &products };
            prop_assert_eq!(form_word_round(&form, &weights, &pool, isa), (zero, leading), "{:?}", isa);
            let wires: Vec<Planes> = words.iter().map(|wire| Planes::new(2 * half, |i| E::from_base(wire[i]))).collect();
            let form = Form { linear: &linear, wires: wires.as_slice(), products: &products };
            prop_assert_eq!(form_round(&form, &weights, &pool, isa), (zero, leading), "{:?}", isa);
        }
    }

    #[test]
    fn fractions_are_added_and_summed_by_definition(half in lengths(), from in 0_usize..20, seed: u64) {
        let size = 2 * half;
        let [n0, n1, d0, d1]: [Vec<E>; 4] = std::array::from_fn(|t| extensions(seed ^ t as u64, size));
        let (weights, batch) = (extensions(seed ^ 4, half), extensions(seed ^ 5, 1)[0]);
        let q = |a: E, b: E, c: E, d: E| a * d + b * c + batch * c * d;
        let zero: E = (0..half).map(|i| weights[i] * q(n0[i], n1[i], d0[i], d1[i])).sum();
        let leading: E = (0..half).map(|i| {
            let step = |t: &[E]| t[half + i] - t[i];
            weights[i] * q(step(&n0), step(&n1), step(&d0), step(&d1))
        }).sum();
        let begin = from.min(size);
        for isa in each_isa() {
            let pool = Pool::new(2);
            let tables = [&n0, &n1, &d0, &d1].map(|table| planes(table));
            let fractions = Fractions { numerators: [&tables[0], &tables[1]], denominators: [&tables[2], &tables[3]] };
            prop_assert_eq!(fractions.round(batch, &planes(&weights), &pool, isa), (zero, leading), "{:?}", isa);
            let (numerators, denominators) = fractions.add(begin..size, &pool, isa);
            for (at, i) in (begin..size).enumerate() {
                prop_assert_eq!(numerators.at(at), n0[i] * d1[i] + n1[i] * d0[i], "{:?}", isa);
                prop_assert_eq!(denominators.at(at), d0[i] * d1[i], "{:?}", isa);
            }
            let mut sums = planes(&n0);
            sums.sum_first(&pool, isa);
            let expected: Vec<E> = (0..half).map(|i| n0[i] + n0[half + i]).collect();
            prop_assert_eq!(sums.to_vec(), expected, "{:?}", isa);
        }
    }

    #[test]
    fn integers_meet_weights_by_definition(variables in 0_usize..13, rows in 0_usize..40, width in lengths(), seed: u64) {
        let values = integers(seed, 1 << variables);
        let point = extensions(seed ^ 1, variables);
        let table = eq_table(&point);
        let of = |value: i32| F::from_i32(value);
        let expected: E = values.iter().zip(&table).map(|(&value, &weight)| weight * of(value)).sum();
        let matrix = integers(seed ^ 2, rows * width);
        let weights = extensions(seed ^ 3, rows);
        let [start, slope] = [extensions(seed ^ 4, 1)[0], extensions(seed ^ 5, 1)[0]];
        for isa in each_isa() {
            let pool = Pool::new(2);
            let mut converted = vec![F::ZERO; values.len()];
            to_field(&values, &mut converted, &pool, isa);
            prop_assert_eq!(&converted, &values.iter().copied().map(of).collect::<Vec<_>>(), "{:?}", isa);
            prop_assert_eq!(evaluate_integers(&values, &point, &pool, isa), expected, "{:?}", isa);
            let sums = sum_integers(&matrix, width, &weights, &pool, isa);
            for w in 0..width {
                let expected: E = weights.iter().enumerate().map(|(h, &weight)| weight * of(matrix[h * width + w])).sum();
                prop_assert_eq!(sums.at(w), expected, "{:?}", isa);
            }
            let mut eq = Planes::eq(&point, &pool, isa);
            prop_assert_eq!(eq.to_vec(), table.clone(), "{:?}", isa);
            eq.add_eq(0, &point, start, &pool, isa);
            eq.add_multiples(0..values.len(), slope, &values, &pool, isa);
            for (i, &value) in values.iter().enumerate() {
                prop_assert_eq!(eq.at(i), table[i] + start * table[i] + slope * of(value), "{:?}", isa);
            }
            eq.set_affine(0..values.len(), start, slope, &values, &pool, isa);
            for (i, &value) in values.iter().enumerate() {
                prop_assert_eq!(eq.at(i), start + slope * of(value), "{:?}", isa);
            }
        }
    }
}

#[test]
fn sums_over_wide_matrices_are_exact() {
    let (width, rows) = (5_000, 70);
    let (matrix, weights) = (integers(3, width * rows), extensions(4, rows));
    for isa in each_isa() {
        let sums = sum_integers(&matrix, width, &weights, &Pool::new(3), isa);
        for w in 0..width {
            let column = weights.iter().enumerate();
            let expected: E = column
                .map(|(h, &weight)| weight * F::from_i32(matrix[h * width + w]))
                .sum();
            assert_eq!(sums.at(w), expected, "{isa:?}");
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
