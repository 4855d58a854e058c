use super::*;

fn approximate(p: Probability) -> f64 {
    f64::from(p.centibits()) / 100.0
}

#[test]
fn bounds_are_those_of_floating_point_and_never_below() {
    for (n, d) in [
        (1_u64, 2_u64),
        (3, 4),
        (5, 8),
        (1, 3),
        (u64::MAX - 1, u64::MAX),
        (7, u64::MAX),
    ] {
        let exact = (d as f64 / n as f64).log2();
        let p = Probability::ratio(n, d);
        assert!((approximate(p) - exact).abs() < 0.011, "{n}/{d}");
        for count in [0, 1, 2, 163, 265] {
            let power = approximate(p.power(count));
            assert!(
                (power - exact * f64::from(count)).abs() < 0.011,
                "({n}/{d})^{count}"
            );
        }
        for (m, e) in [(1_u64, 1_u64 << 40), (3, 5)] {
            let sum = p.plus(Probability::ratio(m, e));
            let exact = -(n as f64 / d as f64 + m as f64 / e as f64).min(1.0).log2();
            assert!(
                (approximate(sum) - exact).abs() < 0.011,
                "{n}/{d} + {m}/{e}"
            );
        }
    }
    let log_p = f64::from(crate::field::P).log2();
    for count in [1_u64, 2, 3, 40, 1 << 20, u64::MAX] {
        let exact = 5.0 * log_p - (count as f64).log2();
        assert!(
            (approximate(Probability::field(count)) - exact).abs() < 0.011,
            "{count}"
        );
    }
}

#[test]
fn small_terms_count_and_sums_end_at_one() {
    let small = Probability::field(1);
    let mut account = Account::new();
    assert_eq!(account.bits(), u32::MAX / 100);
    account.add("a", Probability::ratio(1, 1 << 50).halved(62));
    assert_eq!((account.bits(), account.require(112)), (112, Ok(())));
    account.add("b", small);
    assert_eq!(account.bits(), 111);
    assert_eq!(
        account.require(112).map_err(|e| e.code()),
        Err("proof.weak")
    );
    let mut other = Account::new();
    other.add("c", Probability::ONE);
    account.extend(other);
    assert_eq!((account.bits(), account.terms().len()), (0, 3));
    assert_eq!(Probability::ONE.plus(small), Probability::ONE);
    assert_eq!(Probability::ratio(1, 0), Probability::ONE);
    assert_eq!(Probability::ratio(0, 3), Probability::ZERO);
}
