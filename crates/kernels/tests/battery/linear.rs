//! Linear: shapes with tails, extremes, both spans, all outputs, ranges of outputs, threads.

use proofmark_kernels::{
    Bounds, Output, PANEL, PackedActivations, PackedLinear, Pool, Requant, Span,
};
use proptest::prelude::*;

use crate::{any_i8, any_i16, each_isa, reference};

#[derive(Debug, Clone)]
struct Case {
    n: usize,
    k: usize,
    rows: usize,
    span: Span,
    w: Vec<i8>,
    x: Vec<i16>,
    bias: Vec<i32>,
    m: Vec<i32>,
    s: u32,
}

fn cases() -> impl Strategy<Value = Case> {
    let n = prop_oneof![Just(1_usize), Just(64), 1_usize..200];
    let k = prop_oneof![Just(0_usize), Just(1), Just(4), Just(64), 1_usize..150];
    (n, k, 0_usize..15, any::<bool>(), any::<bool>()).prop_flat_map(|(n, k, rows, narrow, each)| {
        let x = if narrow {
            prop_oneof![-128_i16..=127, Just(-128), Just(127)].boxed()
        } else {
            any_i16().boxed()
        };
        let m = if each { n } else { 1 };
        (
            proptest::collection::vec(any_i8(), n * k),
            proptest::collection::vec(x, rows * k),
            proptest::collection::vec(-1_000_000_i32..1_000_000, n),
            proptest::collection::vec(prop_oneof![-65_535_i32..=65_535, Just(65_535)], m),
            0_u32..40,
        )
            .prop_map(move |(w, x, bias, m, s)| Case {
                n,
                k,
                rows,
                span: if narrow { Span::I8 } else { Span::I16 },
                w,
                x,
                bias,
                m,
                s,
            })
    })
}

/// Runs a case on every instruction set, whole and in two ranges, on one thread and on three.
fn check(case: &Case) {
    let &Case {
        n,
        k,
        rows,
        span,
        s,
        ..
    } = case;
    let sums = if k == 0 {
        case.bias
            .iter()
            .cycle()
            .take(rows * n)
            .map(|&b| i128::from(b))
            .collect()
    } else {
        reference::linear(&case.w, &case.bias, &case.x, n, k)
    };
    let bounds = Bounds::new(-30_000, 32_767);
    let requantized: Vec<i16> = sums
        .iter()
        .enumerate()
        .map(|(at, &a)| {
            let m = case.m[if case.m.len() == 1 { 0 } else { at % n }];
            reference::rq(a, m, s, bounds.lo(), bounds.hi()) as i16
        })
        .collect();
    let pool = Pool::new(3);
    let requant = Requant {
        multipliers: &case.m,
        shift: s,
        bounds,
    };
    for isa in each_isa() {
        let linear = PackedLinear::pack(isa, &case.w, Some(&case.bias), n, k);
        let mut x = PackedActivations::new();
        x.pack(isa, &case.x, rows, k, span);
        let mut raw = vec![0; rows * n];
        linear.run(&x, 0..n, Output::Raw(&mut raw));
        assert!(
            raw.iter().map(|&a| i128::from(a)).eq(sums.iter().copied()),
            "{isa:?}: {case:?}"
        );
        let mut narrow = vec![0; rows * n];
        linear.run_on(&pool, &x, Output::I16(&mut narrow, requant));
        assert_eq!(narrow, requantized, "{isa:?}");
        let mut wide = vec![0; rows * n];
        linear.run(&x, 0..n, Output::I32(&mut wide, requant));
        assert!(
            wide.iter()
                .zip(&requantized)
                .all(|(&a, &b)| a == i32::from(b)),
            "{isa:?}"
        );
        let cut = PANEL.min(n);
        for range in [0..cut, cut..n] {
            if !range.start.is_multiple_of(PANEL) {
                continue;
            }
            let mut part = vec![0; rows * range.len()];
            linear.run(&x, range.clone(), Output::I16(&mut part, requant));
            for r in 0..rows {
                assert_eq!(
                    part[r * range.len()..][..range.len()],
                    requantized[r * n..][range.clone()],
                    "{isa:?}, outputs {range:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linear_is_its_definition(case in cases()) {
        check(&case);
    }
}

/// Weights and activations at the ends of their ranges, as long as the accumulator allows: 128·32768·511 < 2^31.
#[test]
fn sums_at_the_bound_of_the_accumulator_are_exact() {
    for (w, x) in [
        (-128_i8, i16::MIN),
        (-128, i16::MAX),
        (127, i16::MIN),
        (127, i16::MAX),
    ] {
        let (n, k, rows) = (80, 511, 7);
        check(&Case {
            n,
            k,
            rows,
            span: Span::I16,
            w: vec![w; n * k],
            x: vec![x; rows * k],
            bias: vec![0; n],
            m: vec![65_535],
            s: 30,
        });
    }
    // Narrow: 128·128·131,071 < 2^31.
    for (w, x) in [(-128_i8, -128_i16), (127, -128), (-128, 127)] {
        let (n, k) = (17, 131_071);
        check(&Case {
            n,
            k,
            rows: 1,
            span: Span::I8,
            w: vec![w; n * k],
            x: vec![x; k],
            bias: vec![0; n],
            m: vec![-65_535],
            s: 46,
        });
    }
}

#[test]
#[should_panic(expected = "outputs 16..100 of 100")]
fn a_range_that_begins_inside_a_panel_is_refused() {
    let isa = each_isa()[0];
    let linear = PackedLinear::pack(isa, &[0; 100], None, 100, 1);
    let mut x = PackedActivations::new();
    x.pack(isa, &[1], 1, 1, Span::I16);
    linear.run(&x, 16..100, Output::Raw(&mut [0; 84]));
}

#[test]
#[should_panic(expected = "out is [1, 100]")]
fn an_output_of_another_length_is_refused() {
    let isa = each_isa()[0];
    let linear = PackedLinear::pack(isa, &[0; 100], None, 100, 1);
    let mut x = PackedActivations::new();
    x.pack(isa, &[1], 1, 1, Span::I16);
    linear.run(&x, 0..100, Output::Raw(&mut [0; 99]));
}

#[test]
#[should_panic(expected = "inputs of the activations")]
fn activations_of_another_width_are_refused() {
    let isa = each_isa()[0];
    let linear = PackedLinear::pack(isa, &[0; 8], None, 4, 2);
    let mut x = PackedActivations::new();
    x.pack(isa, &[1, 2, 3], 1, 3, Span::I16);
    linear.run(&x, 0..4, Output::Raw(&mut [0; 4]));
}
