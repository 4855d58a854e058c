//! The tables of the specification's sources, exact validity against adaptive providers, and properties.

use proptest::prelude::*;

use super::*;
use crate::{Money, Rate};

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

const RATES: [&str; 5] = ["10%", "5%", "1%", "0.5%", "0.1%"];

/// Clean audits needed: c = 1 alone at 95 / 99 / 99.9 %, mixture at 95 / 99 %.
#[test]
fn the_table_of_sample_sizes() {
    let table = [
        [29, 32, 44, 48, 66],
        [59, 65, 90, 98, 135],
        [299, 329, 459, 498, 688],
        [598, 659, 919, 997, 1_379],
        [2_995, 3_298, 4_603, 4_994, 6_905],
    ];
    for (text, row) in RATES.iter().zip(table) {
        let (e, one) = (rate(text), Rate::ONE);
        let ours = [
            clean_audits_needed(e, one, rate("5%")),
            audits_needed(0, e, one, rate("5%")),
            clean_audits_needed(e, one, rate("1%")),
            audits_needed(0, e, one, rate("1%")),
            clean_audits_needed(e, one, rate("0.1%")),
        ];
        assert_eq!(ours, row.map(Some), "{text}");
        // With no findings Clopper–Pearson is the same number.
        assert_eq!(fixed_audits_needed(0, e, one, rate("5%")), Some(row[0]));
    }
}

#[test]
fn the_table_with_findings() {
    for (alpha, fixed, anytime) in [
        ("5%", [473, 628, 773], [694, 911, 1_114]),
        ("1%", [662, 838, 1_001], [891, 1_116, 1_330]),
    ] {
        for (findings, (n, e)) in (1..).zip(fixed.into_iter().zip(anytime)) {
            let (one_percent, alpha) = (rate("1%"), rate(alpha));
            assert_eq!(
                fixed_audits_needed(findings, one_percent, Rate::ONE, alpha),
                Some(n)
            );
            assert_eq!(
                audits_needed(findings, one_percent, Rate::ONE, alpha),
                Some(e)
            );
        }
    }
}

#[test]
fn the_table_of_detection_power() {
    for (power, at_95, at_99) in [
        ("0.95", 314, 483),
        ("0.8", 373, 574),
        ("0.5", 598, 919),
        ("0.1", 2_995, 4_603),
    ] {
        let n = |alpha| clean_audits_needed(rate("1%"), rate(power), rate(alpha));
        assert_eq!((n("5%"), n("1%")), (Some(at_95), Some(at_99)), "{power}");
    }
}

#[test]
fn the_table_without_replacement() {
    for (population, text, at_95, at_99) in [
        (1_000, "1%", 258, 368),
        (1_000, "0.1%", 950, 990),
        (10_000, "1%", 294, 448),
        (10_000, "0.1%", 2_588, 3_689),
        (100, "10%", 25, 36),
        (100, "1%", 95, 99),
    ] {
        let n = |alpha| draws_needed(population, rate(text), rate(alpha));
        assert_eq!(
            (n("5%"), n("1%")),
            (Some(at_95), Some(at_99)),
            "{population} {text}"
        );
    }
    assert_eq!(draws_needed(0, rate("1%"), rate("5%")), None);
    assert_eq!(draws_needed(10, rate("100%"), rate("5%")), Some(1));
}

/// Both ways to compute the hypergeometric number agree where the one hands over to the other.
#[test]
fn large_populations_continue_small_ones() {
    let (five, one) = (rate("5%"), rate("1%"));
    let below = draws_needed(409_600, one, five).unwrap();
    let above = draws_needed(409_700, one, five).unwrap();
    assert!(below <= above && above <= below + 1, "{below} {above}");
    assert_eq!(draws_needed(1_000_000_000, one, five), Some(299));
}

#[test]
fn the_table_of_counts() {
    for (coin, at_95, at_99) in [
        ("0.1%", 2_994, 4_602),
        ("1%", 298, 458),
        ("5%", 58, 89),
        ("10%", 28, 43),
    ] {
        let c = |alpha| count_at_most_clean(rate(coin), Rate::ONE, rate(alpha));
        assert_eq!((c("5%"), c("1%")), (at_95, at_99), "{coin}");
    }
    for (coin, alpha, row) in [
        ("1%", "5%", [328, 693, 910, 1_113]),
        ("1%", "1%", [497, 890, 1_115, 1_329]),
        ("5%", "5%", [64, 136, 179, 219]),
        ("5%", "1%", [97, 175, 219, 261]),
    ] {
        for (findings, c) in (0..).zip(row) {
            let ours = count_at_most(findings, rate(coin), Rate::ONE, rate(alpha));
            assert_eq!(ours, c, "{coin} {alpha} {findings}");
        }
    }
}

#[test]
fn the_value_form() {
    let most =
        |alpha, goes_on| value_at_most(Money::dollars(2_000), Rate::ONE, rate(alpha), goes_on);
    let dollars = |money: Money| money.micros() as f64 / 1e6;
    assert_eq!(dollars(most("5%", false)).round(), 5_991.0);
    assert_eq!(dollars(most("1%", false)).round(), 9_210.0);
    assert!(most("5%", true) > most("5%", false));
    assert_eq!(
        value_at_most(Money::dollars(1), Rate::ZERO, rate("5%"), false),
        Money::MAX
    );
}

#[test]
fn joint_risk_canaries_and_deterrence() {
    for (n, percent) in [(299, "0.123"), (459, "0.080"), (2_995, "0.012")] {
        let risk = joint_risk(n, Rate::ONE).as_f64() * 100.0;
        assert_eq!(format!("{risk:.3}"), percent, "{n}");
    }
    assert_eq!(joint_risk(0, Rate::ONE), Rate::ONE);
    // d ≥ α^(1/m): 59 canaries show .9505 but not more.
    assert_eq!(canaries_needed(rate("0.95"), rate("5%")), Some(59));
    assert_eq!(canaries_needed(rate("0.9901"), rate("5%")), Some(302));
    let commodity = Deterrence {
        coin: rate("1%"),
        power: rate("0.99"),
        gain: "$0.002".parse().unwrap(),
        delay_receipts: 10_000,
        recoverable: rate("90%"),
        forfeited: Money::ZERO,
    };
    let stake = |d: Deterrence| d.stake_needed().unwrap().micros() as f64 / 1e6;
    assert_eq!(format!("{:.2}", stake(commodity)), "22.44");
    assert_eq!(
        format!(
            "{:.2}",
            stake(Deterrence {
                delay_receipts: 0,
                ..commodity
            })
        ),
        "0.22"
    );
    let targeted = Deterrence {
        gain: Money::dollars(50_000),
        delay_receipts: 0,
        ..commodity
    };
    assert_eq!(format!("{:.2}", stake(targeted) / 1e6), "5.56");
}

/// Clopper–Pearson limits of reference tables.
#[test]
fn limits_of_fixed_numbers() {
    let upper = |k, n| upper_limit(k, n, rate("5%")).as_f64();
    assert_eq!(format!("{:.3}", upper(1, 60)), "0.077");
    assert_eq!(format!("{:.4}", upper(2, 300)), "0.0208");
    assert_eq!(format!("{:.6}", upper(0, 3_000)), "0.000998");
    assert_eq!(upper_limit(5, 5, rate("5%")), Rate::ONE);
    assert_eq!(lower_limit(0, 5, rate("5%")), Rate::ZERO);
    // No misses among 59: the power is at least 95 %.
    assert_eq!(
        format!("{:.4}", lower_limit(59, 59, rate("5%")).as_f64()),
        "0.9505"
    );
    // Sample sizes for many cells at once (Bonferroni).
    for (cells, row) in [(40.0, [131, 666, 6_682]), (100.0, [149, 757, 7_598])] {
        for (miss, n) in ["5%", "1%", "0.1%"].into_iter().zip(row) {
            let alpha = Rate::at_least(0.05 / cells);
            assert_eq!(clean_audits_needed(rate(miss), Rate::ONE, alpha), Some(n));
        }
    }
}

/// Exact worst case over every adaptive provider whose cheat rates are multiples of 1/`steps`: the probability that ever
/// the rate is certified while the running mean of the true rates is at least ε. Backward dynamic programming over
/// (audits, findings, sum of rates).
fn worst_case(rate: f64, alpha: f64, audits: usize, steps: usize) -> f64 {
    let width = audits * steps + 1;
    let mut later = vec![vec![0.0_f64; width]; audits + 2];
    for n in (0..=audits).rev() {
        let mut now = vec![vec![0.0_f64; width]; audits + 2];
        for findings in 0..=n {
            let certified =
                n > 0 && log_evidence(n as u64, findings as u64, rate) >= -libm::log(alpha);
            for sum in 0..=n * steps {
                let is_at_least = sum as f64 >= rate * (n * steps) as f64 - 1e-9;
                now[findings][sum] = if certified && is_at_least {
                    1.0
                } else if n == audits {
                    0.0
                } else {
                    let value = |step: usize| {
                        let theta = step as f64 / steps as f64;
                        theta * later[findings + 1][sum + step]
                            + (1.0 - theta) * later[findings][sum + step]
                    };
                    (0..=steps).map(value).fold(0.0, f64::max)
                };
            }
        }
        later = now;
    }
    later[0][0]
}

#[test]
fn no_adaptive_provider_fools_the_audit() {
    for (rate, alpha, audits, exact) in [
        (0.2, 0.10, 24, "0.06872"),
        (0.2, 0.05, 24, "0.03518"),
        (0.3, 0.05, 20, "0.02825"),
        (0.1, 0.10, 36, "0.07179"),
    ] {
        let worst = worst_case(rate, alpha, audits, 10);
        assert_eq!(format!("{worst:.5}"), exact);
        assert!(worst <= alpha);
    }
}

/// The same for coins: every strategy of whether to cheat next, given what was found.
#[test]
fn no_adaptive_provider_fools_the_count() {
    for (coin, alpha, cheats) in [
        ("10%", "5%", 120_usize),
        ("50%", "10%", 40),
        ("2%", "5%", 200),
    ] {
        let (p, threshold) = (rate(coin).as_f64(), -libm::log(rate(alpha).as_f64()));
        // Cheating on is the only move that can be excluded wrongly, so the worst case is to go on until it is.
        let mut reach = vec![0.0_f64; cheats + 2];
        reach[0] = 1.0;
        let mut fooled = 0.0;
        for c in 1..=cheats {
            let mut next = vec![0.0_f64; cheats + 2];
            for (s, probability) in reach
                .iter()
                .enumerate()
                .filter(|(_, probability)| **probability > 0.0)
            {
                next[s + 1] += probability * p;
                next[s] += probability * (1.0 - p);
            }
            for (s, probability) in next.iter_mut().enumerate() {
                if log_count_evidence(c as u64, s as u64, rate(coin), Rate::ONE) >= threshold {
                    fooled += *probability;
                    *probability = 0.0;
                }
            }
            reach = next;
        }
        assert!(
            fooled > 0.0 && fooled <= rate(alpha).as_f64(),
            "{coin}: {fooled}"
        );
    }
}

/// Whoever recomputes a fixed-n interval after every audit and stops when it certifies is wrong far too often; the
/// e-process is not. Exact, at the true rate ε.
#[test]
fn peeking_at_fixed_intervals_fails_and_the_process_does_not() {
    let (e, audits) = (0.05, 400_usize);
    let wrong = |certified: &dyn Fn(u64, u64) -> bool| {
        let mut reach = vec![0.0_f64; audits + 2];
        reach[0] = 1.0;
        let mut wrong = 0.0;
        for n in 1..=audits {
            for s in (0..n).rev() {
                let moved = reach[s] * e;
                reach[s + 1] += moved;
                reach[s] -= moved;
            }
            for (s, probability) in reach.iter_mut().enumerate().take((n + 1).min(61)) {
                if *probability > 0.0 && certified(n as u64, s as u64) {
                    wrong += *probability;
                    *probability = 0.0;
                }
            }
        }
        wrong
    };
    let fixed = wrong(&|n, s| s < n && binomial_cdf(s, n, e) <= 0.05);
    let process = wrong(&|n, s| log_evidence(n, s, e) >= -libm::log(0.05));
    assert_eq!(format!("{fixed:.3}"), "0.168");
    assert!(process <= 0.05 && process > 0.03, "{process}");
}

/// C(N−K, n)/C(N, n) as a fraction, for small populations.
fn miss_exactly(population: u64, bad: u64, drawn: u64) -> (u128, u128) {
    (0..drawn).fold((1, 1), |(above, below), i| {
        let good = (population - bad).saturating_sub(i);
        (above * u128::from(good), below * u128::from(population - i))
    })
}

#[test]
fn draws_are_the_hypergeometric_number_exactly() {
    for population in 1..=24_u64 {
        for bad in 1..=population {
            let share = Rate::at_least(bad as f64 / population as f64 - 1e-12);
            for (alpha, above, below) in [("5%", 1, 20), ("1%", 1, 100), ("50%", 1, 2)] {
                let exact = (1..=population).find(|drawn| {
                    let (miss, all) = miss_exactly(population, bad, *drawn);
                    miss * below <= all * above
                });
                let ours = draws_needed(population, share, rate(alpha));
                let (miss, all) = miss_exactly(population, bad, exact.unwrap());
                if miss * below == all * above {
                    // On a tie rounding goes to the safe side.
                    assert!(
                        ours == exact || ours == exact.map(|n| n + 1),
                        "{population} {bad} {alpha}"
                    );
                } else {
                    assert_eq!(ours, exact, "{population} {bad} {alpha}");
                }
            }
        }
    }
}

#[test]
fn alarms_and_merging() {
    let mut alarm = Alarm::new(rate("0.1%")).unwrap();
    for look in 0..100 {
        alarm.observe(look % 33 == 0 && look < 99);
    }
    // Three flags in 100 where one in 1,000 is tolerated.
    assert!(alarm.rings(rate("1%")) && alarm.change_rings(rate("1%")));
    let mut quiet = Alarm::new(rate("0.1%")).unwrap();
    for _ in 0..10_000 {
        quiet.observe(false);
    }
    assert!(!quiet.rings(rate("50%")) && quiet.log_evidence() < 0.0);
    assert!(Alarm::new(Rate::ZERO).is_none() && Alarm::new(rate("50%")).is_none());
    let (a, b) = (libm::log(30.0), libm::log(10.0));
    assert!((libm::exp(merge_any(&[a, b])) - 20.0).abs() < 1e-9);
    assert!((libm::exp(merge_sequential(&[a, b])) - 300.0).abs() < 1e-9);
    assert_eq!((merge_any(&[]), merge_sequential(&[])), (0.0, 0.0));
    // e-BH at 10 %: thresholds 4/(0.1·rank) = 40, 20, 13.3, 10.
    let logs = [
        libm::log(45.0),
        libm::log(21.0),
        libm::log(5.0),
        libm::log(9.0),
    ];
    assert_eq!(discoveries(&logs, rate("10%")), [0, 1]);
    assert!(discoveries(&[], rate("10%")).is_empty());
}

/// False alarms of the alarm process, exactly, at the tolerated rate itself: never more than α over 120 looks.
#[test]
fn an_honest_detector_rarely_rings() {
    let (q0, alpha) = (0.05, rate("10%"));
    let ringing = |flags: usize, looks: usize| {
        let mut alarm = Alarm::new(rate("5%")).unwrap();
        (0..looks).for_each(|look| alarm.observe(look < flags));
        alarm.rings(alpha)
    };
    let mut reach = vec![0.0_f64; 122];
    reach[0] = 1.0;
    let mut rung = 0.0;
    for n in 1..=120 {
        for s in (0..n).rev() {
            let moved = reach[s] * q0;
            reach[s + 1] += moved;
            reach[s] -= moved;
        }
        for (s, probability) in reach.iter_mut().enumerate().take(n + 1) {
            if *probability > 1e-15 && ringing(s, n) {
                rung += *probability;
                *probability = 0.0;
            }
        }
    }
    assert!(rung > 0.001 && rung <= 0.1, "{rung}");
}

#[test]
fn beacons_and_coins() {
    let beacon = Beacon::from_parts(1, 7, [9; 32]).unwrap();
    assert_eq!(beacon.kind(), (1, 7));
    assert!(
        Beacon::from_parts(4, 0, [9; 32]).is_none() && Beacon::from_parts(0, 0, [9; 32]).is_none()
    );
    let coins = beacon.coins("log.example/receipts");
    let selected = |coin: &str| {
        (0..20_000_u64)
            .filter(|i| coins.selects(*i, &i.to_be_bytes(), rate(coin)))
            .count()
    };
    assert_eq!((selected("0"), selected("100%")), (0, 20_000));
    // 20,000 tosses at 5 %: mean 1,000, standard deviation 31.
    assert!((850..1_150).contains(&selected("5%")), "{}", selected("5%"));
    // Another beacon, log, index or leaf is another coin.
    let coin = coins.toss(3, b"leaf");
    let others = [
        Beacon::from_parts(1, 8, [9; 32])
            .unwrap()
            .coins("log.example/receipts")
            .toss(3, b"leaf"),
        Beacon::from_parts(2, 7, [9; 32])
            .unwrap()
            .coins("log.example/receipts")
            .toss(3, b"leaf"),
        Beacon::from_parts(1, 7, [8; 32])
            .unwrap()
            .coins("log.example/receipts")
            .toss(3, b"leaf"),
        beacon.coins("log.example/receipt").toss(3, b"leaf"),
        coins.toss(4, b"leaf"),
        coins.toss(3, b"feal"),
    ];
    assert!(others.iter().all(|other| *other != coin));
}

fn committed(kid: u8, secret: u8) -> (Commitment, Reveal) {
    let (kid, secret) = ([kid; 32], [secret; 32]);
    let digest = commitment(&kid, &secret);
    (Commitment { kid, digest }, Reveal { kid, secret })
}

#[test]
fn a_round_opens_with_every_secret_that_was_committed_to() {
    let [(ca, a), (cb, b), (_, stranger)] = [committed(1, 10), committed(2, 20), committed(3, 30)];
    let round = Round::new(vec![cb, ca]).unwrap();
    assert_eq!(round, Round::new(vec![ca, cb]).unwrap());
    let beacon = round.open(&[a, b]).unwrap();
    assert_eq!(round.open(&[b, a]).unwrap(), beacon);
    assert_eq!(beacon.kind(), (3, 0));
    let secret = [21; 32];
    let refused = [
        (
            vec![a, Reveal { secret, ..b }],
            RoundError::NotCommitted { kid: b.kid },
        ),
        (
            vec![a, b, stranger],
            RoundError::Stranger { kid: stranger.kid },
        ),
        (vec![a, a], RoundError::Twice),
        (vec![a], RoundError::Withheld { kids: vec![b.kid] }),
        (
            vec![],
            RoundError::Withheld {
                kids: vec![a.kid, b.kid],
            },
        ),
    ];
    for (reveals, error) in refused {
        assert_eq!(round.open(&reveals), Err(error));
    }
    // The same secrets in another round are another beacon: nobody drops out of one unnoticed.
    let alone = Round::new(vec![ca]).unwrap().open(&[a]).unwrap();
    assert_ne!(alone.value, beacon.value);
    assert_eq!(Round::new(vec![]), Err(RoundError::Size { got: 0 }));
    assert_eq!(Round::new(vec![ca, ca]), Err(RoundError::Twice));
    let many = (0..65).map(|kid| committed(kid, 1).0).collect();
    assert_eq!(Round::new(many), Err(RoundError::Size { got: 65 }));
}

#[test]
fn who_withholds_spares_nothing() {
    let [(ca, a), (cb, b)] = [committed(1, 10), committed(2, 20)];
    let round = Round::new(vec![ca, cb]).unwrap();
    assert_eq!(round.void(&[b, a]), Ok(None));
    let beacon = round.void(&[a]).unwrap().unwrap();
    assert_eq!(beacon.kind(), (3, 1));
    assert_eq!(Beacon::from_parts(3, 1, beacon.value), Some(beacon));
    let coins = beacon.coins("log.example/receipts");
    assert!((0..1_000).all(|index| coins.selects(index, b"leaf", Rate::from_units(1).unwrap())));
    // A secret of somebody else voids nothing either.
    let foreign = Reveal { kid: [9; 32], ..a };
    assert_eq!(
        round.void(&[foreign]),
        Err(RoundError::Stranger { kid: [9; 32] })
    );
}

fn population(audited: u64, findings: u64) -> Population {
    Population {
        auditor: "audit-co".into(),
        log: "log.example/receipts".into(),
        from: 0,
        to: 100_000,
        audited_at: 1_800_000_000,
        coin: rate("1%"),
        ledger: Ledger {
            auditable: 90_000,
            without_permission: 10_000,
            relayed: 0,
            selected: audited,
            audited,
            findings,
        },
        power: Rate::ONE,
        power_alpha: Rate::ZERO,
    }
}

#[test]
fn a_population_says_what_follows_and_no_more() {
    let clean = population(498, 0);
    assert!(clean.certifies(rate("1%"), rate("1%")));
    assert!(!population(497, 0).certifies(rate("1%"), rate("1%")));
    assert!(clean.rate_at_most(rate("1%")) <= rate("1%"));
    assert_eq!(clean.count_at_most(rate("5%")), 328);
    assert_eq!(clean.ledger.share_without_permission(), rate("10%"));
    // What could not be audited for the auditor's own reasons counts against the bound on the count.
    let mut gap = clean.clone();
    gap.ledger.selected += 1;
    assert_eq!(gap.count_at_most(rate("5%")), 693);
    // A bound on the power that was itself estimated takes its error off.
    let weak = Population {
        power: rate("0.95"),
        power_alpha: rate("1%"),
        ..clean
    };
    assert!(!weak.certifies(rate("50%"), rate("1%")) && weak.rate_at_most(rate("1%")) == Rate::ONE);
    assert!(weak.certifies(rate("1.2%"), rate("5%")));
    assert_eq!(weak.count_at_most(rate("1%")), 90_000);
}

#[test]
fn books_balance() {
    let mut ledger = Ledger::default();
    for stratum in [
        Stratum::Auditable,
        Stratum::Auditable,
        Stratum::WithoutPermission,
        Stratum::Relayed,
    ] {
        ledger.offer(stratum);
    }
    ledger.record(Outcome::Same);
    ledger.record(Outcome::Finding);
    ledger.record(Outcome::NotAudited);
    let expected = Ledger {
        auditable: 2,
        without_permission: 1,
        relayed: 1,
        selected: 3,
        audited: 2,
        findings: 1,
    };
    assert_eq!((ledger, ledger.leaves()), (expected, 4));
    assert_eq!(ledger.plus(&ledger).findings, 2);
    assert_eq!(Ledger::default().share_without_permission(), Rate::ZERO);
}

fn any_rate() -> impl Strategy<Value = Rate> {
    (1_u64..1_000_000_000_000).prop_map(|units| Rate::from_units(units).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// U_n falls with n, rises with S, and is what E_n certifies.
    #[test]
    fn the_certified_rate_is_monotone(n in 1_u64..50_000, s in 0_u64..20, alpha in any_rate()) {
        let at = |n, s| rate_at_most(n, s, Rate::ONE, alpha);
        let here = at(n, s);
        prop_assert!(at(n + 1, s) <= here);
        prop_assert!(at(n, s + 1) >= here);
        if here < Rate::ONE {
            prop_assert!(certifies(n, s, here, Rate::ONE, alpha));
            let below = Rate::from_units(here.units() - 1).unwrap();
            prop_assert!(!certifies(n, s, below, Rate::ONE, alpha));
        }
    }

    /// c = 1 alone is 1 − α^(1/n).
    #[test]
    fn the_clean_number_is_the_closed_form(e in 1_000_000_u64..900_000_000_000, alpha in any_rate()) {
        let e = Rate::from_units(e).unwrap();
        let n = clean_audits_needed(e, Rate::ONE, alpha).unwrap();
        let exceeds = |n: u64| 1.0 - libm::pow(alpha.as_f64(), 1.0 / n as f64);
        prop_assert!(exceeds(n) <= e.as_f64() * (1.0 + 1e-6));
        if n > 1 {
            prop_assert!(exceeds(n - 1) >= e.as_f64() * (1.0 - 1e-6));
        }
        prop_assert!(audits_needed(0, e, Rate::ONE, alpha).unwrap() >= n);
    }

    #[test]
    fn the_most_cheats_are_monotone(s in 0_u64..20, coin in any_rate(), alpha in any_rate()) {
        let at = |s, coin| count_at_most(s, coin, Rate::ONE, alpha);
        let more = coin.plus(Rate::from_units(1_000_000_000).unwrap());
        prop_assert!(at(s + 1, coin) >= at(s, coin));
        prop_assert!(at(s, more) <= at(s, coin));
        prop_assert!(count_at_most_clean(coin, Rate::ONE, alpha) <= at(0, coin));
    }

    /// The joint risk is the largest θ(1−θ)^n/d.
    #[test]
    fn the_joint_risk_is_the_maximum(n in 0_u64..5_000) {
        let bound = joint_risk(n, Rate::ONE).as_f64();
        for step in 0..=1_000 {
            let theta = f64::from(step) / 1_000.0;
            prop_assert!(theta * libm::pow(1.0 - theta, n as f64) <= bound + 1e-11);
        }
        let best = 1.0 / (n as f64 + 1.0);
        prop_assert!((best * libm::pow(1.0 - best, n as f64) - bound).abs() < 1e-9);
    }

    /// Clopper–Pearson against a sum of all terms.
    #[test]
    fn the_distribution_is_the_sum(n in 1_u64..200, k in 0_u64..200, p in 0.03_f64..0.97) {
        let k = k.min(n);
        let mut term = libm::pow(1.0 - p, n as f64);
        let mut sum = term;
        for i in 1..=k {
            term *= (n - i + 1) as f64 / i as f64 * p / (1.0 - p);
            sum += term;
        }
        prop_assert!((binomial_cdf(k, n, p) - sum.min(1.0)).abs() < 1e-8, "{} {}", binomial_cdf(k, n, p), sum);
    }

    #[test]
    fn limits_enclose_what_was_seen(n in 1_u64..2_000, k in 0_u64..2_000, alpha in any_rate()) {
        let k = k.min(n);
        let alpha = alpha.min("50%".parse().unwrap());
        let seen = k as f64 / n as f64;
        prop_assert!(upper_limit(k, n, alpha).as_f64() >= seen - 1e-9);
        prop_assert!(lower_limit(k, n, alpha).as_f64() <= seen + 1e-9);
    }
}
