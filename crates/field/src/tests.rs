//! Against Plonky3's fields, which are the same: same modulus, same polynomial x⁵ + x² − 1.

use std::vec::Vec;

use p3_field::extension::QuinticTrinomialExtensionField;
use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing, PrimeField32, TwoAdicField};
use p3_koala_bear::KoalaBear;
use proptest::prelude::*;

use crate::*;

type P3 = QuinticTrinomialExtensionField<KoalaBear>;

fn any_word() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => any::<u32>(),
        1 => Just(0), 1 => Just(1), 1 => Just(P - 1), 1 => Just(P), 1 => Just(u32::MAX),
        1 => Just(P / 2), 1 => Just(1 << 31),
    ]
}

fn any_e() -> impl Strategy<Value = E> {
    [any_word(), any_word(), any_word(), any_word(), any_word()]
        .prop_map(|words| E(words.map(F::new)))
}

fn theirs(value: E) -> P3 {
    P3::from_basis_coefficients_fn(|i| KoalaBear::from_u32(value.0[i].canonical()))
}

fn ours(value: P3) -> E {
    let words: &[KoalaBear] = value.as_basis_coefficients_slice();
    E(std::array::from_fn(|i| F::new(words[i].as_canonical_u32())))
}

proptest! {
    #[test]
    fn base_arithmetic_is_arithmetic_modulo_p(a in any_word(), b in any_word(), e in any::<u64>()) {
        let (x, y) = (F::new(a), F::new(b));
        let p = u64::from(P);
        let (m, n) = (u64::from(a) % p, u64::from(b) % p);
        prop_assert_eq!(u64::from((x + y).canonical()), (m + n) % p);
        prop_assert_eq!(u64::from((x - y).canonical()), (m + p - n) % p);
        prop_assert_eq!(u64::from((x * y).canonical()), m * n % p);
        prop_assert_eq!(u64::from((-x).canonical()), (p - m) % p);
        prop_assert_eq!(F::from_u64(e).canonical(), u32::try_from(e % p).unwrap());
        prop_assert_eq!(F::from_word(x.to_word()), x);
        prop_assert_eq!(x.pow(e).canonical(), KoalaBear::from_u64(m).exp_u64(e).as_canonical_u32());
        prop_assert_eq!(x.inverse().map(|i| i * x), (m != 0).then_some(F::ONE));
        prop_assert_eq!(F::from_canonical(a).is_some(), a < P);
    }

    #[test]
    fn signed_integers_are_their_residues(a in any::<i32>(), b in any::<i64>()) {
        let p = i64::from(P);
        prop_assert_eq!(i64::from(F::from_i32(a).canonical()), i64::from(a).rem_euclid(p));
        prop_assert_eq!(i64::from(F::from_i64(b).canonical()), b.rem_euclid(p));
    }

    #[test]
    fn the_extension_is_that_of_plonky3(a in any_e(), b in any_e(), c in any_word(), e in any::<u64>()) {
        let (x, y) = (theirs(a), theirs(b));
        prop_assert_eq!(a + b, ours(x + y));
        prop_assert_eq!(a - b, ours(x - y));
        prop_assert_eq!(a * b, ours(x * y));
        prop_assert_eq!(-a, ours(-x));
        prop_assert_eq!(a * F::new(c), ours(x * KoalaBear::from_u64(u64::from(c))));
        prop_assert_eq!(a.inverse(), x.try_inverse().map(ours));
        prop_assert_eq!(a.pow(e), ours(x.exp_u64(e)));
        prop_assert_eq!(a.frobenius(), ours(x.exp_u64(u64::from(P))));
    }

    #[test]
    fn evaluation_is_the_sum_with_eq(values in prop::collection::vec(any_e(), 8), r in prop::collection::vec(any_e(), 3)) {
        let sum: E = values.iter().zip(eq_table(&r)).map(|(&v, w)| v * w).sum();
        prop_assert_eq!(evaluate(&values, &r), Some(sum));
        prop_assert_eq!(evaluate(&values[..7], &r), None);
        for (index, weight) in eq_table(&r).into_iter().enumerate() {
            // Variable 0 is the most significant bit.
            let bits: Vec<E> = (0..3).map(|i| E::new((index >> (2 - i) & 1) as u32)).collect();
            prop_assert_eq!(eq(&r, &bits), weight);
            prop_assert_eq!(evaluate(&values, &bits), Some(values[index]));
        }
    }
}

#[test]
fn extremes_multiply_as_in_plonky3() {
    // Sums of products that come closest to the bound of the word.
    for words in [
        [P - 1; 5],
        [1; 5],
        [P - 1, 0, P - 1, 0, P - 1],
        [0, 0, 0, 0, P - 1],
    ] {
        let a = E(words.map(F::from_reduced));
        for words in [
            [P - 1; 5],
            [0, P - 1, P - 1, P - 1, 0],
            [P - 1, P - 1, 0, 0, P - 1],
        ] {
            let b = E(words.map(F::from_reduced));
            assert_eq!(a * b, ours(theirs(a) * theirs(b)));
        }
    }
}

#[test]
fn roots_of_unity_have_their_order_and_are_those_of_plonky3() {
    for k in 0..=TWO_ADICITY {
        let root = F::root_of_unity(k).unwrap();
        assert_eq!(
            root.canonical(),
            KoalaBear::two_adic_generator(k as usize).as_canonical_u32()
        );
        assert_eq!(root.pow(1 << k), F::ONE);
        assert!(k == 0 || root.pow(1 << (k - 1)) == -F::ONE);
    }
    assert_eq!(F::root_of_unity(TWO_ADICITY + 1), None);
}

#[test]
fn the_polynomial_has_no_root_and_x_is_its_root() {
    assert_eq!(E::X.pow(5) + E::X.square(), E::ONE);
    // x^(p^5) = x, and not x^p = x: of a prime degree, so the field is one.
    let mut power = E::X;
    for i in 0..DEGREE {
        assert!(i == 0 || power != E::X);
        power = power.frobenius();
    }
    assert_eq!(power, E::X);
}
