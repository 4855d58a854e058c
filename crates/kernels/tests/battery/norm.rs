//! Norms.

use proofmark_kernels::{Bounds, Isa, Norm, layer_norm, rms_norm};
use proptest::prelude::*;

use crate::{each_isa, reference};

/// The definition, r found by bisection.
fn norm(z: &[i128], norm: &Norm) -> Vec<i32> {
    let sum = i128::from(norm.eps) + z.iter().map(|z| z * z).sum::<i128>();
    let e = (0..64).find(|e| sum < 1 << (2 * e + 2)).unwrap_or(64);
    let (mut low, mut high) = (0_i128, 1 << 31);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle * middle <= (1 << (2 * e + 60)) / sum {
            low = middle;
        } else {
            high = middle;
        }
    }
    let clamp = |q: i128| q.clamp(i128::from(norm.bounds.lo()), i128::from(norm.bounds.hi()));
    z.iter()
        .map(|z| clamp(reference::rshift(z * low, e + 30 - norm.fraction)) as i32)
        .collect()
}

fn check(x: &[i32], d: usize, attributes: &Norm) {
    let rows = || {
        x.chunks_exact(d)
            .map(|row| row.iter().map(|&x| i128::from(x)).collect::<Vec<_>>())
    };
    let scaled: Vec<i32> = rows().flat_map(|z| norm(&z, attributes)).collect();
    let centered: Vec<i32> = rows()
        .flat_map(|z| {
            let mean = reference::rdiv(z.iter().sum(), d as i128);
            norm(&z.iter().map(|z| z - mean).collect::<Vec<_>>(), attributes)
        })
        .collect();
    for isa in each_isa() {
        let mut y = vec![0_i32; x.len()];
        rms_norm(isa, x, d, attributes, &mut y);
        assert_eq!(y, scaled, "{isa:?}, rms_norm");
        layer_norm(isa, x, d, attributes, &mut y);
        assert_eq!(y, centered, "{isa:?}, layer_norm");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn norms_are_their_definition(
        bits in 1_u32..29,
        rows in 1_usize..4,
        d in prop_oneof![Just(1_usize), Just(2), 1_usize..70],
        seed in proptest::collection::vec(any::<i32>(), 210),
        eps in prop_oneof![Just(1_u64), 1_u64..1 << 40],
        fraction in 0_u32..=30,
        narrow in any::<bool>(),
    ) {
        let x: Vec<i32> = seed[..rows * d].iter().map(|&x| x >> (31 - bits)).collect();
        let bounds = if narrow { Bounds::new(-1000, 1001) } else { Bounds::I32 };
        check(&x, d, &Norm { eps, fraction, bounds });
    }
}

#[test]
fn rows_of_zeros_and_rows_at_the_bound() {
    let attributes = Norm {
        eps: 1,
        fraction: 30,
        bounds: Bounds::I32,
    };
    check(&[0; 12], 4, &attributes);
    check(&[i32::MIN / 2; 3], 3, &attributes);
    check(&[1 << 30, -(1 << 30), (1 << 30) - 1], 3, &attributes);
    check(&[1, -1, 1, -1, 2], 5, &attributes);
}

#[test]
fn results_may_be_narrow() {
    let mut y = [0_i16; 2];
    let attributes = Norm {
        eps: 1,
        fraction: 10,
        bounds: Bounds::I16,
    };
    rms_norm(Isa::detect(), &[3, 4], 2, &attributes, &mut y);
    // 1024·3/√26, 1024·4/√26.
    assert_eq!(y, [602, 803]);
}

#[test]
#[should_panic(expected = "wider than the results' type")]
fn a_range_that_the_type_does_not_hold_is_refused() {
    let attributes = Norm {
        eps: 1,
        fraction: 10,
        bounds: Bounds::I32,
    };
    rms_norm(Isa::SCALAR, &[3, 4], 2, &attributes, &mut [0_i16; 2]);
}
