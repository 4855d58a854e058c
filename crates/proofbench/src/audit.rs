//! Audits by coin against providers that adapt, and beacons against those who would choose them.

use proofmark_confidence::audit::{
    Beacon, BeaconSource, Commitment, Ledger, Outcome as Audited, Reveal, Round, Stratum,
    commitment, count_at_most, lower_limit, upper_limit,
};
use proofmark_confidence::{Rate, Threat};
use proofmark_testkit::SeededRng;
use sha2::{Digest as _, Sha256};

use crate::cell::{Cell, Outcome, protocol};
use crate::error::fixture;
use crate::{Attack, BenchError, Method, Plan};

/// Origin of the audited log.
const ORIGIN: &str = "bench.example/receipts";

/// Providers that adapt to their audits, and one that does not.
const ADAPTIVE: [&str; 4] = [
    "t07-two-percent",
    "t07-patient",
    "t07-cheap-first",
    "t07-until-caught",
];

/// One history: a stretch of a log, audited to its end.
struct History {
    cheats: u64,
    findings: u64,
    /// Whether at any moment there were more cheats than the audit's bound on their number.
    bound_broken: bool,
}

/// What a provider decides by.
struct Seen {
    leaves: u64,
    cheats: u64,
    findings: u64,
    large: bool,
    draw: u64,
}

fn cheats(attack: &str, seen: &Seen, coin: Rate) -> bool {
    match attack {
        "t07-two-percent" => seen.draw.is_multiple_of(50),
        // 1 − (1 − p)^C ≤ 1/5.
        "t07-patient" => {
            let caught = 1.0 - (1.0 - coin.as_f64()).powf(seen.cheats as f64 + 1.0);
            caught <= 0.2
        }
        "t07-cheap-first" => !seen.large && seen.draw.is_multiple_of(10),
        // Everything, until the first finding.
        "t07-until-caught" => seen.findings == 0,
        _ => seen.draw.is_multiple_of(2) && seen.leaves > 0,
    }
}

/// Plays one history. Every leaf has real bytes, and its coin is that of specs/06-confidence.md §8.4; one leaf in ten is about a stake
/// above which every answer is audited.
fn history(attack: &str, plan: &Plan, number: u64) -> History {
    let mut rng = SeededRng::new(plan.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let beacon = Beacon {
        source: BeaconSource::Drand { round: number + 1 },
        value: rng.bytes(),
    };
    let coins = beacon.coins(ORIGIN);
    let coin = plan.coin;
    let mut ledger = Ledger::default();
    let (mut made, mut broken) = (0_u64, false);
    let bound = |findings| count_at_most(findings, coin, Rate::ONE, plan.alpha);
    let mut at_most = bound(0);
    for index in 0..plan.sizes.audited_leaves {
        let large = rng.below(10) == 0;
        let seen = Seen {
            leaves: index,
            cheats: made,
            findings: ledger.findings,
            large,
            draw: rng.next_u64() >> 8,
        };
        let cheated = cheats(attack, &seen, coin);
        made += u64::from(cheated);
        // Before the coin: whoever looks now sees the findings so far.
        broken |= made > at_most;
        let leaf: [u8; 36] = rng.bytes();
        ledger.offer(Stratum::Auditable);
        let always = attack == "t07-cheap-first" && large;
        if !always && !coins.selects(index, &leaf, coin) {
            continue;
        }
        ledger.record(if cheated {
            Audited::Finding
        } else {
            Audited::Same
        });
        if cheated {
            at_most = bound(ledger.findings);
        }
    }
    History {
        cheats: made,
        findings: ledger.findings,
        bound_broken: broken,
    }
}

fn measured(plan: &Plan, answers: u64, flagged: u64, false_alarms: u64) -> Outcome {
    Outcome::Measured {
        answers,
        flagged,
        power_at_least: lower_limit(flagged, answers, plan.alpha),
        power_at_most: upper_limit(flagged, answers, plan.alpha),
        // A replay is an equality: a finding is no statistic.
        false_alarms_for: Rate::ZERO,
        false_alarms_at_most: upper_limit(false_alarms, answers, plan.alpha),
    }
}

/// Cells of the attack on audits; none if it is one of another group.
pub(crate) fn cells(plan: &Plan, attack: &Attack) -> Result<Vec<Cell>, BenchError> {
    let outcome = match attack.id {
        "t07-two-percent" | "t07-patient" | "t07-cheap-first" | "t07-until-caught"
        | "t07-part-time" => {
            let histories = plan.sizes.audit_histories;
            let (mut found, mut false_alarms) = (0, 0);
            for number in 0..histories {
                let history = history(attack.id, plan, number);
                let cheated = history.cheats > 0;
                found += u64::from(cheated && history.findings > 0);
                false_alarms += u64::from(!cheated && history.findings > 0);
            }
            measured(plan, histories, found, false_alarms)
        }
        "t23-own-checkpoint" => own_checkpoint(plan),
        "t23-withheld" => withheld(plan)?,
        "t23-false-secret" => false_secret(plan)?,
        "t23-silent" => silent(plan),
        _ => return Ok(elsewhere(attack)),
    };
    Ok(vec![Cell::new(attack, Method::Audit, outcome)])
}

/// For each provider that adapts, the histories in which there were at some moment more cheats than the audit's bound on their number, of
/// how many: at most the error of the bound.
pub(crate) fn bounds(plan: &Plan) -> Vec<(String, u64, u64)> {
    let histories = plan.sizes.audit_histories;
    let broken = |attack: &str| {
        let broken = |number: &u64| history(attack, plan, *number).bound_broken;
        (0..histories).filter(broken).count() as u64
    };
    ADAPTIVE
        .iter()
        .map(|attack| ((*attack).to_owned(), broken(attack), histories))
        .collect()
}

/// Threats that a coin over replays sees as a replay does, on the leaves that it draws, and those that it does not.
fn elsewhere(attack: &Attack) -> Vec<Cell> {
    let threat = Threat::new(attack.threat).map_or_else(String::new, |t| t.name().to_owned());
    let outcome = match attack.threat {
        19 | 22 => Outcome::NotApplicable {
            why: "there is no quote and no proof".into(),
        },
        14.. => Outcome::NoClaim {
            why: format!("a bound on the population says nothing of {threat}"),
        },
        _ => return Vec::new(),
    };
    vec![Cell::new(attack, Method::Audit, outcome)]
}

/// The log's operator would take its own checkpoint for the beacon: the specification has no such kind. What it would gain is counted.
fn own_checkpoint(plan: &Plan) -> Outcome {
    let refused = Beacon::from_parts(0, 0, [0; 32]).is_none()
        && Beacon::from_parts(4, 0, [0; 32]).is_none()
        && Beacon::from_parts(255, 0, [0; 32]).is_none();
    let spared = grind(plan, 1 << 16);
    if refused {
        Outcome::Caught {
            tries: 3,
            how: format!(
                "no kind of beacon is the log's own; were there one, 65,536 tries would have spared {spared} of 20 cheats, where 1 try spares {} on average",
                20.0 * (1.0 - plan.coin.as_f64())
            ),
        }
    } else {
        Outcome::Missed {
            tries: 3,
            caught: 0,
            how: "the log's own checkpoint was taken for a beacon".into(),
        }
    }
}

/// Most of 20 cheats that some of `tries` checkpoints of one's own spares.
fn grind(plan: &Plan, tries: u64) -> u64 {
    let mut rng = SeededRng::new(plan.seed ^ 0x6121);
    let cheats: Vec<[u8; 36]> = (0..20).map(|_| rng.bytes()).collect();
    let mut best = 0;
    for attempt in 0..tries {
        let value = Sha256::digest(attempt.to_be_bytes()).into();
        let beacon = Beacon {
            source: BeaconSource::CommitReveal,
            value,
        };
        let coins = beacon.coins(ORIGIN);
        let drawn = |(index, leaf): &(u64, &[u8; 36])| coins.selects(*index, *leaf, plan.coin);
        let spared = 20 - (0..).zip(&cheats).filter(drawn).count() as u64;
        best = best.max(spared);
        if best == 20 {
            return 20;
        }
    }
    best
}

fn auditors(rng: &mut SeededRng) -> Result<(Round, Vec<Reveal>), BenchError> {
    let reveals: Vec<Reveal> = (0..3)
        .map(|_| Reveal {
            kid: rng.bytes(),
            secret: rng.bytes(),
        })
        .collect();
    let committed = reveals.iter().map(|reveal| Commitment {
        kid: reveal.kid,
        digest: commitment(&reveal.kid, &reveal.secret),
    });
    Ok((fixture(Round::new(committed.collect()), "round")?, reveals))
}

/// The last auditor sees both ways – with its secret and without – and takes the one that spares its friend's one bad leaf, if either
/// does: the choice of two.
fn withheld(plan: &Plan) -> Result<Outcome, BenchError> {
    let mut rng = SeededRng::new(plan.seed ^ 0x3117);
    let tries = plan.sizes.audit_histories;
    let (mut gained, mut spared) = (0, 0);
    let half = Rate::from_units(Rate::ONE.units() / 2).unwrap_or(Rate::ONE);
    for _ in 0..tries {
        let (round, all) = auditors(&mut rng)?;
        let leaf: [u8; 36] = rng.bytes();
        let fewer = all.get(..all.len() - 1).unwrap_or_default();
        let spares = |b: &Beacon| !b.coins(ORIGIN).selects(0, &leaf, half);
        let honest = spares(&fixture(round.open(&all), "beacon")?);
        let silent = match (round.open(fewer), round.void(fewer)) {
            (Ok(beacon), _) => spares(&beacon),
            (Err(_), Ok(Some(void))) => spares(&void),
            (Err(_), _) => return Err(BenchError::Fixture { what: "void round" }),
        };
        spared += u64::from(honest);
        gained += u64::from(silent && !honest);
    }
    Ok(if gained == 0 {
        Outcome::Caught {
            tries,
            how: format!(
                "the round is void and everything is audited: an even coin spares a leaf {spared} times of {tries}, silence spares none more"
            ),
        }
    } else {
        Outcome::Missed {
            tries,
            caught: tries - gained,
            how: format!("silence spares {gained} leaves of {tries} that the coins had drawn"),
        }
    })
}

fn false_secret(plan: &Plan) -> Result<Outcome, BenchError> {
    let mut rng = SeededRng::new(plan.seed ^ 0xfa15e);
    let mut tries = Vec::new();
    for _ in 0..plan.sizes.tries.max(4) {
        let (round, mut all) = auditors(&mut rng)?;
        let honest = round.open(&all).is_ok();
        if let Some(last) = all.last_mut() {
            last.secret = rng.bytes();
        }
        tries.push(match (honest, round.open(&all)) {
            (true, Err(error)) => Ok(error.to_string()),
            _ => Err("another secret than was committed to".into()),
        });
    }
    Ok(protocol(&tries))
}

/// Bad leaves that are drawn are not opened: by §8.5 each is a finding.
fn silent(plan: &Plan) -> Outcome {
    let mut rng = SeededRng::new(plan.seed ^ 0x5113);
    let histories = plan.sizes.audit_histories;
    let mut found = 0;
    for _ in 0..histories {
        let beacon = Beacon {
            source: BeaconSource::Drand { round: 1 },
            value: rng.bytes(),
        };
        let coins = beacon.coins(ORIGIN);
        let mut ledger = Ledger::default();
        for index in 0..plan.sizes.audited_leaves {
            let bad = rng.below(50) == 0;
            let leaf: [u8; 36] = rng.bytes();
            ledger.offer(Stratum::Auditable);
            if coins.selects(index, &leaf, plan.coin) {
                let opened = !bad;
                ledger.record(if opened {
                    Audited::Same
                } else {
                    Audited::Finding
                });
            }
        }
        found += u64::from(ledger.findings > 0);
    }
    measured(plan, histories, found, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let mut plan = Plan::new(7, true, 1);
        plan.sizes.audited_leaves = 600;
        plan.sizes.audit_histories = 300;
        plan
    }

    #[test]
    fn no_provider_breaks_the_bound_more_often_than_the_error() {
        let plan = plan();
        for (attack, broken, histories) in bounds(&plan) {
            let at_least = lower_limit(broken, histories, "1%".parse().unwrap());
            assert!(at_least <= plan.alpha, "{attack}: {broken} of {histories}");
        }
    }

    #[test]
    fn two_percent_are_found_and_a_patient_cheat_seldom() {
        let plan = plan();
        let share = |attack: &str| {
            let found = (0..plan.sizes.audit_histories)
                .filter(|number| history(attack, &plan, *number).findings > 0)
                .count();
            found as f64 / plan.sizes.audit_histories as f64
        };
        // 1 − (1 − p/50)^600 with a coin of 10 %: 70 %.
        assert!((0.6..0.8).contains(&share("t07-two-percent")));
        assert!(share("t07-until-caught") > 0.99);
        assert!(share("t07-patient") < 0.35);
    }

    #[test]
    fn grinding_an_own_checkpoint_would_pay() {
        let plan = plan();
        assert!(grind(&plan, 1 << 10) > grind(&plan, 1));
        assert!(matches!(own_checkpoint(&plan), Outcome::Caught { .. }));
        assert!(matches!(withheld(&plan), Ok(Outcome::Caught { .. })));
        assert!(matches!(false_secret(&plan), Ok(Outcome::Caught { .. })));
    }
}
