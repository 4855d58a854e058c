//! Elementwise operators, rope, matmul.

use proofmark_kernels::{
    Bounds, Requant, add, clamp, matmul, multiply, requantize, rope, table, widen,
};
use proptest::prelude::*;

use crate::{any_i16, any_i32, each_isa, reference};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requantization_is_its_definition(
        rows in 0_usize..5,
        multipliers in proptest::collection::vec(prop_oneof![-65_535_i32..=65_535, Just(65_535), Just(0)], 1..70),
        seed in proptest::collection::vec(any_i32(), 350),
        shift in 0_u32..=62,
        ends in (any::<i16>(), any::<i16>()),
        one in any::<bool>(),
    ) {
        let channels = multipliers.len();
        let m = if one { &multipliers[..1] } else { &multipliers[..] };
        let x = &seed[..rows * channels];
        let bounds = Bounds::new(i32::from(ends.0.min(ends.1)), i32::from(ends.0.max(ends.1)));
        for (bounds, wide) in [(bounds, false), (Bounds::I16, false), (Bounds::I32, true)] {
            let requant = Requant { multipliers: m, shift, bounds };
            let expected: Vec<i32> = x.iter().enumerate().map(|(at, &x)| {
                reference::rq(i128::from(x), m[if one { 0 } else { at % channels }], shift, bounds.lo(), bounds.hi())
            }).collect();
            for isa in each_isa() {
                let mut y = vec![0_i32; x.len()];
                requantize(isa, x, &requant, channels, &mut y);
                prop_assert_eq!(&y, &expected, "{:?}", isa);
                if !wide {
                    let mut y = vec![0_i16; x.len()];
                    requantize(isa, x, &requant, channels, &mut y);
                    prop_assert!(y.iter().map(|&y| i32::from(y)).eq(expected.iter().copied()), "{:?}", isa);
                }
            }
        }
    }

    #[test]
    fn ties_round_to_even(odd in -32_767_i32..32_767, shift in 1_u32..=16) {
        // (2·odd + 1)·2^(s−1) / 2^s is a tie.
        let x = vec![(2 * odd + 1) << (shift - 1); 37];
        for isa in each_isa() {
            let mut y = vec![0_i32; x.len()];
            let requant = Requant { multipliers: &[1], shift, bounds: Bounds::I32 };
            requantize(isa, &x, &requant, 1, &mut y);
            prop_assert!(y.iter().all(|y| y % 2 == 0 && (y - odd == 0 || y - odd == 1)), "{:?}: {:?}", isa, y);
        }
    }

    #[test]
    fn sums_products_and_clamps(
        pairs in proptest::collection::vec((any_i16(), any_i16()), 0..100),
        wide in proptest::collection::vec(-1_073_741_824_i32..1_073_741_824, 100),
        shift in 0_u32..=62,
    ) {
        let (x, y): (Vec<i16>, Vec<i16>) = pairs.into_iter().unzip();
        let wide = &wide[..x.len()];
        let bounds = Bounds::new(-20_000, 30_000);
        for isa in each_isa() {
            let mut out = vec![0_i32; x.len()];
            widen(isa, &x, &mut out);
            prop_assert!(out.iter().zip(&x).all(|(&out, &x)| out == i32::from(x)));
            add(isa, wide, &x, &mut out);
            prop_assert!(out.iter().zip(wide).zip(&x).all(|((&out, &w), &x)| out == w + i32::from(x)));
            let mut narrow = vec![0_i16; x.len()];
            multiply(isa, &x, &y, shift, bounds, &mut narrow);
            for ((&out, &x), &y) in narrow.iter().zip(&x).zip(&y) {
                prop_assert_eq!(i32::from(out), reference::rq(i128::from(x) * i128::from(y), 1, shift, -20_000, 30_000));
            }
            multiply(isa, wide, &y, shift, Bounds::I32, &mut out);
            for ((&out, &x), &y) in out.iter().zip(wide).zip(&y) {
                prop_assert_eq!(out, reference::rq(i128::from(x) * i128::from(y), 1, shift, i32::MIN, i32::MAX));
            }
            clamp(isa, wide, bounds, &mut narrow);
            prop_assert!(narrow.iter().zip(wide).all(|(&out, &x)| i32::from(out) == x.clamp(-20_000, 30_000)));
        }
    }

    #[test]
    fn rope_is_its_definition(
        heads in 0_usize..4,
        half in 0_usize..40,
        rest in 0_usize..5,
        seed in proptest::collection::vec(any_i16(), 4 * 85),
        angles in proptest::collection::vec((-16_384_i16..=16_384, -16_384_i16..=16_384), 40),
        narrow in any::<bool>(),
    ) {
        let d = 2 * half + rest;
        prop_assume!(d > 0);
        let x = &seed[..heads * d];
        let (c, s): (Vec<i16>, Vec<i16>) = angles[..half].iter().copied().unzip();
        let bounds = if narrow { Bounds::new(-999, 1000) } else { Bounds::I16 };
        let value = |p: i64| reference::rq(i128::from(p), 1, 14, bounds.lo(), bounds.hi()) as i16;
        let mut expected = vec![0; x.len()];
        for (x, y) in x.chunks_exact(d).zip(expected.chunks_exact_mut(d)) {
            for i in 0..half {
                let (x0, x1) = (i64::from(x[i]), i64::from(x[i + half]));
                let (c, s) = (i64::from(c[i]), i64::from(s[i]));
                y[i] = value(x0 * c - x1 * s);
                y[i + half] = value(x1 * c + x0 * s);
            }
            for i in 2 * half..d {
                y[i] = value(i64::from(x[i]) << 14);
            }
        }
        for isa in each_isa() {
            let mut y = vec![0; x.len()];
            rope(isa, x, d, &c, &s, bounds, &mut y);
            prop_assert_eq!(&y, &expected, "{:?}", isa);
        }
    }

    #[test]
    fn matmul_is_its_definition(
        p in 0_usize..6, k in 0_usize..20, q in 0_usize..20,
        seed in proptest::collection::vec(-4000_i16..4000, 520),
    ) {
        let (x, y) = (&seed[..p * k], &seed[120..120 + k * q]);
        for isa in each_isa() {
            let mut out = vec![7; p * q];
            matmul(isa, x, y, [p, k, q], &mut out);
            for i in 0..p {
                for c in 0..q {
                    let sum: i32 = (0..k).map(|j| i32::from(x[i * k + j]) * i32::from(y[j * q + c])).sum();
                    prop_assert_eq!(out[i * q + c], sum, "{:?}", isa);
                }
            }
        }
    }
}

#[test]
fn tables_are_read_from_their_lowest_argument() {
    let mut y = [0_i16; 3];
    table(&[-2_i32, 0, 1], -2, &[10, 11, 12, 13_i16], &mut y);
    assert_eq!(y, [10, 12, 13]);
    let all: Vec<i32> = (0..65_536).collect();
    let mut y = [0_i32; 2];
    table(&[i16::MIN, i16::MAX], -32_768, &all, &mut y);
    assert_eq!(y, [0, 65_535]);
}

#[test]
#[should_panic(expected = "out of bounds")]
fn an_argument_below_a_table_is_refused() {
    table(&[-3_i32], -2, &[1_i32, 2], &mut [0_i32]);
}

#[test]
#[should_panic(expected = "2 multipliers, 3 channels")]
fn a_multiplier_that_is_missing_is_refused() {
    let requant = Requant {
        multipliers: &[1, 2],
        shift: 0,
        bounds: Bounds::I32,
    };
    requantize(
        proofmark_kernels::Isa::SCALAR,
        &[0; 3],
        &requant,
        3,
        &mut [0_i32; 3],
    );
}
