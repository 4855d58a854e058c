//! Everything that another implementation, or another target, has to get the same: to the bit where it is binary64.

#![expect(
    clippy::expect_used,
    reason = "a generator that ends with its first problem"
)]

use proofmark_confidence::audit::{
    Alarm, Beacon, Commitment, Reveal, Round, audits_needed, canaries_needed, clean_audits_needed,
    commitment, count_at_most, count_at_most_clean, draws_needed, fixed_audits_needed, joint_risk,
    log_count_evidence, log_evidence, lower_limit, rate_at_most, upper_limit, value_at_most,
};
use proofmark_confidence::policy::Policy;
use proofmark_confidence::{AssumptionTable, Facts, Money, Origin, Rate};
use proofmark_verify::Required;
use serde_json::{Value, json};

/// The policies of the documentation, by name.
pub(crate) const EXAMPLES: [(&str, &str); 3] = [
    (
        "bank",
        include_str!("../../../../docs/policies/bank.policy"),
    ),
    (
        "market",
        include_str!("../../../../docs/policies/market.policy"),
    ),
    (
        "agent",
        include_str!("../../../../docs/policies/agent.policy"),
    ),
];

fn rate(text: &str) -> Rate {
    text.parse().expect("a rate")
}

fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// vectors/confidence/audit.json
pub(crate) fn audit() -> Value {
    let mut plans = Vec::new();
    for text in ["10%", "5%", "1%", "0.5%", "0.1%"] {
        for alpha in ["5%", "1%", "0.1%"] {
            let (e, a) = (rate(text), rate(alpha));
            plans.push(json!({
                "rate": text, "alpha": alpha,
                "clean": clean_audits_needed(e, Rate::ONE, a),
                "clean_power_0.8": clean_audits_needed(e, rate("0.8"), a),
                "findings_0_to_3": ([0, 1, 2, 3].map(|s| audits_needed(s, e, Rate::ONE, a))),
                "fixed_findings_0_to_3": ([0, 1, 2, 3].map(|s| fixed_audits_needed(s, e, Rate::ONE, a))),
                "draws_of_1000": draws_needed(1_000, e, a),
                "draws_of_1000000": draws_needed(1_000_000, e, a),
            }));
        }
    }
    let mut counts = Vec::new();
    for coin in ["0.1%", "1%", "5%", "10%"] {
        for alpha in ["5%", "1%"] {
            let (p, a) = (rate(coin), rate(alpha));
            counts.push(json!({
                "coin": coin, "alpha": alpha,
                "clean": count_at_most_clean(p, Rate::ONE, a),
                "findings_0_to_3": ([0, 1, 2, 3].map(|s| count_at_most(s, p, Rate::ONE, a))),
            }));
        }
    }
    let mut evidence = Vec::new();
    for (n, s, e) in [
        (1, 0, 0.5),
        (299, 0, 0.01),
        (498, 0, 0.01),
        (891, 1, 0.01),
        (10_000, 7, 0.003),
        (1, 1, 1e-12),
    ] {
        evidence.push(json!({
            "audited": n, "findings": s, "rate": e, "log_evidence": bits(log_evidence(n, s, e)),
            "log_count_evidence": bits(log_count_evidence(n, s, rate("1%"), rate("0.95"))),
            "rate_at_most_95": rate_at_most(n, s, Rate::ONE, rate("5%")).units(),
            "rate_at_most_99_power_0.9": rate_at_most(n, s, rate("0.9"), rate("1%")).units(),
        }));
    }
    let limits: Vec<Value> = [
        (0, 3_000),
        (1, 60),
        (2, 300),
        (59, 59),
        (500, 1_000),
        (999_000, 1_000_000),
    ]
    .iter()
    .map(|(k, n)| {
        json!({
            "successes": k, "trials": n,
            "upper_95": upper_limit(*k, *n, rate("5%")).units(),
            "lower_95": lower_limit(*k, *n, rate("5%")).units(),
        })
    })
    .collect();
    let mut alarm = Alarm::new(rate("0.1%")).expect("a rate below 1/2");
    let alarms: Vec<Value> = (0..100)
        .map(|look| {
            alarm.observe(look % 33 == 0);
            json!([
                bits(alarm.log_evidence()),
                bits(alarm.log_change_evidence())
            ])
        })
        .collect();
    json!({
        "plans": plans, "counts": counts, "evidence": evidence, "limits": limits,
        "joint_risk": ([0, 299, 459, 2_995].map(|n| joint_risk(n, Rate::ONE).units())),
        "canaries_95": (["0.95", "0.99"].map(|d| canaries_needed(rate(d), rate("5%")))),
        "value_2000_95": value_at_most(Money::dollars(2_000), Rate::ONE, rate("5%"), false).micros(),
        "alarm_flags_every_33rd_at_0.1%": alarms,
    })
}

/// vectors/confidence/coins.json
pub(crate) fn coins() -> Value {
    let reveals = [1_u8, 2].map(|kid| Reveal {
        kid: [kid; 32],
        secret: [kid + 10; 32],
    });
    let committed = reveals.map(|Reveal { kid, secret }| Commitment {
        kid,
        digest: commitment(&kid, &secret),
    });
    let round = Round::new(committed.to_vec()).expect("a round");
    let void = round
        .void(&reveals[..1])
        .expect("a secret")
        .expect("withheld");
    let beacons = [
        Beacon::from_parts(1, 4_242, [9; 32]).expect("a round"),
        Beacon::from_parts(2, 800_000, [8; 32]).expect("a block"),
        round.open(&reveals).expect("revealed"),
        void,
    ];
    let rows: Vec<Value> = beacons
        .iter()
        .map(|beacon| {
            let coins = beacon.coins("lab.example/receipts");
            let selected = |coin: &str| -> Vec<u64> {
                (0..1_000).filter(|i| coins.selects(*i, &[1; 36], rate(coin))).collect()
            };
            json!({
                "kind": beacon.kind().0, "number": beacon.kind().1, "value": hex(&beacon.value),
                "origin": "lab.example/receipts", "leaf": hex(&[1; 36]),
                "coins_0_to_7": (0..8).map(|i| format!("{:016x}", coins.toss(i, &[1; 36]))).collect::<Vec<_>>(),
                "selected_of_1000_at_1%": selected("1%"),
            })
        })
        .collect();
    json!({
        "commitment_kid_01_secret_0b": hex(&commitment(&[1; 32], &[11; 32])),
        "round_kids_01_02_secrets_0b_0c": hex(&round.digest()),
        "beacons": rows,
    })
}

/// Facts by a short name.
pub(crate) fn situations() -> Vec<(&'static str, Facts)> {
    use Required::{Answer, Logged, Question, Relayed, Replayed, Signed, Unrevoked, Witnessed};
    let executed = |grades: &[Required], replayers: &[&str]| Facts {
        origin: Origin::Executed {
            closure: [7; 32],
            caller_seed: true,
        },
        reached: [Relayed, Signed, Logged, Answer, Question]
            .iter()
            .chain(grades)
            .copied()
            .collect(),
        replayers: replayers.iter().map(|name| (*name).to_owned()).collect(),
        nonce: true,
        witnessed_at: grades.contains(&Witnessed).then_some(1_800_000_000),
        issued_at: Some(1_799_999_999),
        value: Some(Money::dollars(10)),
        ..Facts::nothing(1_800_000_100)
    };
    let relayed = Facts {
        origin: Origin::Relayed,
        reached: [Relayed, Logged].into(),
        ..executed(&[], &[])
    };
    let mut unchecked = executed(&[Witnessed, Unrevoked], &[]);
    unchecked
        .unchecked
        .insert(Replayed, "receipt.replay.unknown-replayer".into());
    let two = executed(
        &[Witnessed, Unrevoked, Replayed],
        &["audit-co", "university"],
    );
    let refuted = Facts {
        refutation: Some("receipt.replay.differs".into()),
        ..two.clone()
    };
    vec![
        ("relayed", relayed),
        ("executed", executed(&[], &[])),
        ("witnessed", executed(&[Witnessed, Unrevoked], &[])),
        ("replay-not-rooted", unchecked),
        (
            "replayed-by-one",
            executed(&[Witnessed, Unrevoked, Replayed], &["audit-co"]),
        ),
        ("replayed-by-two", two.clone()),
        (
            "replayed-by-two-whose-seed-the-node-chose",
            Facts {
                origin: Origin::Executed {
                    closure: [7; 32],
                    caller_seed: false,
                },
                ..two.clone()
            },
        ),
        (
            "replayed-by-one-worth-1000",
            Facts {
                value: Some(Money::dollars(1_000)),
                ..executed(&[Witnessed, Unrevoked, Replayed], &["audit-co"])
            },
        ),
        (
            "replayed-by-two-worth-1000000",
            Facts {
                value: Some(Money::dollars(1_000_000)),
                ..two
            },
        ),
        ("refuted", refuted),
        ("nothing", Facts::nothing(1_800_000_100)),
    ]
}

/// vectors/confidence/policy.json
pub(crate) fn policy() -> Value {
    let table = AssumptionTable::advisory().expect("the shipped table");
    let policies: Vec<Value> = EXAMPLES
        .iter()
        .map(|(name, text)| {
            let policy = Policy::parse(text).expect("an example");
            let decisions: Vec<Value> = situations()
                .iter()
                .map(|(situation, facts)| {
                    let decision = policy.evaluate(facts, &table);
                    let clauses: Vec<Value> = decision
                        .clauses
                        .iter()
                        .map(|clause| json!([clause.clause, clause.holds]))
                        .collect();
                    let steps = policy.what_would_satisfy(facts, &table);
                    json!({
                        "situation": situation, "outcome": decision.outcome, "veto": decision.veto,
                        "clauses": clauses, "what_would_satisfy": steps,
                    })
                })
                .collect();
            json!({ "name": name, "canonical": policy.to_string(), "digest": hex(&policy.digest()), "decisions": decisions })
        })
        .collect();
    let errors: Vec<Value> = [
        "policy",
        "policy \"a\" version 1 { thread T01 }",
        "policy \"a\" version 1 { for model * { require logged und answer } }",
        "policy \"a\" version 1 { on_unknown = allow }",
        "policy \"a\" version 1 { threats T25 ignore \"x\" }",
        "policy \"a\" version 1 { confidence = 200% }",
        "policy \"a\" version 1 { }",
        "policy \"a\" version 1 { for model * { require probability <= 1% } }",
        "policy \"a\" version 1 { for model * { when value >= $1 { require audited(rate <= 1%) } } }",
        "policy \"a\" version 1 { for model * { require audited(rate <= 1%, confidence >= 95%) } }",
    ]
    .iter()
    .map(|text| {
        let error = Policy::parse(text).expect_err("an error");
        let place = error.place().map(|place| [place.line, place.column]);
        json!({ "text": text, "code": error.code(), "place": place })
    })
    .collect();
    json!({ "policies": policies, "errors": errors })
}

/// The files, by name.
pub(crate) fn files() -> [(&'static str, Value); 3] {
    [
        ("audit.json", audit()),
        ("coins.json", coins()),
        ("policy.json", policy()),
    ]
}
