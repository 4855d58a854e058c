//! Policies: errors with their places, one canonical text, evaluation by its laws.

use std::collections::{BTreeMap, BTreeSet};

use proofmark_verify::Required;
use proptest::prelude::*;

use super::*;
use crate::audit::{Ledger, Population};
use crate::{AssumptionTable, Date, Facts, Money, Origin, Party, Rate, Threats};

const CLOSURE: [u8; 32] = [0xab; 32];

const LOAN: &str = r#"
# A policy for loans.
policy "acme/loan-v3" version 2 {
  adversary = [provider, network, auditor]
  confidence = 99%
  luck_floor = 1e-6
  freshness <= 600s
  below = flag
  on_unknown = deny
  accept {
    table
    hardware:tdx <= 2% until 2027-03-01
    physical.access <= 1%
  }
  threats T01..T07, T09 require covered or audited(rate <= 0.5%, confidence >= 99.5%, power >= 0.95, window <= 30d)
  threats T20 ignore "we do not care about replays"
  for model "sha256:abababababababababababababababababababababababababababababababab" {
    require logged and (replayed or attested or proven)
    when value >= $5_000 { require replayed(k >= 2) or proven }
    require cost_to_cheat(n = 1) >= 10 * value
  }
  for model * { require signed and logged and audited(count <= 330) }
}
"#;

fn table() -> AssumptionTable {
    AssumptionTable::advisory().unwrap()
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// A rooted, logged, witnessed, executed receipt that discloses everything, and nothing more.
fn facts() -> Facts {
    use Required::{Answer, Logged, Question, Relayed, Signed, Unrevoked, Witnessed};
    Facts {
        origin: Origin::Executed {
            closure: CLOSURE,
            caller_seed: true,
        },
        reached: [
            Relayed, Signed, Logged, Witnessed, Unrevoked, Answer, Question,
        ]
        .into(),
        witnessed_at: Some(1_800_000_000),
        issued_at: Some(1_799_999_999),
        value: Some(Money::dollars(100)),
        ..Facts::nothing(1_800_000_100)
    }
}

fn replayed(mut facts: Facts, names: &[&str]) -> Facts {
    facts.reached.insert(Required::Replayed);
    facts
        .replayers
        .extend(names.iter().map(|name| (*name).to_owned()));
    facts
}

fn audit(audited: u64, findings: u64) -> Population {
    Population {
        auditor: "audit-co".into(),
        log: "lab.example/receipts".into(),
        from: 0,
        to: 100_000,
        audited_at: 1_800_000_000,
        coin: rate("1%"),
        ledger: Ledger {
            auditable: 100_000,
            selected: audited,
            audited,
            findings,
            ..Ledger::default()
        },
        power: Rate::ONE,
        power_alpha: Rate::ZERO,
    }
}

fn outcome(policy: &str, facts: &Facts) -> Outcome {
    Policy::parse(policy)
        .unwrap()
        .evaluate(facts, &table())
        .outcome
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    for (text, message) in [
        (
            "policy",
            "line 1, column 7: expected the policy's name in quotation marks, found the end of the text",
        ),
        (
            "policy \"a\" version 1 {\n  thread T01",
            "line 2, column 3: expected `adversary`, `confidence`, `luck_floor`, `freshness`, `below`, `on_unknown`, `accept`, `threats`, `for` or `}`, found `thread`",
        ),
        (
            "policy \"a\" version 1 { for model * { require logged und answer } }",
            "line 1, column 53: expected `require`, `when` or `}`, found `und`",
        ),
        (
            "policy \"a\" version 1 { for model * { require loged } }",
            "line 1, column 46: expected `(`, `audited`, `probability`, `cost_to_cheat`, `replayed_here` or a grade (`logged`, `witnessed`, `replayed`, `attested`, `proven` …), found `loged`",
        ),
        (
            "policy \"a\" version 1 { on_unknown = allow }",
            "line 1, column 37: expected `deny`: what is unknown never lets an answer through, found `allow`",
        ),
        (
            "policy \"a\" version 1 { threats T25 ignore \"x\" }",
            "line 1, column 32: expected a threat, `T01` to `T24`, found `T25`",
        ),
        (
            "policy \"a\" version 1 { threats T05..T03 ignore \"x\" }",
            "line 1, column 37: expected a threat not before T05, found `T03`",
        ),
        (
            "policy \"ä\" version 1 { confidence = 200% }",
            "line 1, column 37: expected a rate such as 0.5%, 0.005 or 5e-3, found `200%`",
        ),
        (
            "policy \"a\" version 1 { confidence = 99% confidence = 99% }",
            "line 1, column 41: expected `confidence` only once, found `confidence`",
        ),
        (
            "policy \"a\nb\" version 1 {}",
            "line 1, column 8: expected a string of at most 256 bytes on one line, without backslashes, found something that does not end so",
        ),
        (
            "policy \"a\" version 1 { ; }",
            "line 1, column 24: expected a word, a number, a string or one of { } ( ) [ ] , = * <= >= .., found ';'",
        ),
        (
            "policy \"a\" version 1 { for model * { require audited(power >= 1) } }",
            "line 1, column 64: expected `, rate <= …` or `, count <= …`, found `)`",
        ),
        (
            "policy \"a\" version 1 { for model * { require audited(rate <= 1%, rate <= 2%) } }",
            "line 1, column 66: expected each limit once, found `rate`",
        ),
        (
            "policy \"a\" version 1 { accept { a <= 1% a <= 2% } }",
            "line 1, column 41: expected each assumption once, found `a`",
        ),
        (
            "policy \"a\" version 1 { for model * { require covered } }",
            "line 1, column 46: expected `(`, `audited`, `probability`, `cost_to_cheat`, `replayed_here` or a grade (`logged`, `witnessed`, `replayed`, `attested`, `proven` …), found `covered`",
        ),
        (
            "policy \"a\" version 1 { } x",
            "line 1, column 26: expected the end of the text, found `x`",
        ),
    ] {
        let error = Policy::parse(text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
        assert_eq!(
            (error.code(), error.place().is_some()),
            ("policy.malformed", true)
        );
    }
}

#[test]
fn what_means_nothing_has_a_code() {
    for (items, code) in [
        ("", "policy.empty"),
        ("for model * { }", "policy.empty"),
        (
            "for model * { require logged } for model * { require answer }",
            "policy.model-twice",
        ),
        (
            "threats T01 require covered threats T01..T02 ignore \"x\" for model * { }",
            "policy.threat-twice",
        ),
        (
            "for model * { require cost_to_cheat >= $5 }",
            "policy.threats-missing",
        ),
        (
            "for model * { require probability <= 1% }",
            "policy.threats-missing",
        ),
        (
            "for model * { when value >= $1 { when value >= $2 { require audited(rate <= 1%) } } }",
            "policy.value-of-one",
        ),
        (
            "for model * { require audited(rate <= 1%, confidence >= 95%) }",
            "policy.alpha-exceeded",
        ),
        (
            "for model * { require audited(rate <= 1%, confidence >= 99%) and audited(rate <= 2%) }",
            "policy.alpha-exceeded",
        ),
        (
            "for model * { require audited(rate <= 1%, confidence >= 100%) }",
            "policy.alpha-exceeded",
        ),
    ] {
        let error = Policy::parse(&format!("policy \"a\" version 1 {{ {items} }}")).unwrap_err();
        assert_eq!(error.code(), code, "{items}: {error}");
    }
    let deep = format!(
        "policy \"a\" version 1 {{ for model * {{ require {}logged{} }} }}",
        "(".repeat(33),
        ")".repeat(33)
    );
    assert_eq!(Policy::parse(&deep).unwrap_err().code(), "policy.too-large");
    let long = format!(
        "policy \"a\" version 1 {{ for model * {{ require logged{} }} }}",
        " or logged".repeat(1_024)
    );
    assert_eq!(Policy::parse(&long).unwrap_err().code(), "policy.too-large");
    let nested = format!(
        "policy \"a\" version 1 {{ for model * {{ {} }} }}",
        "when value >= $1 {".repeat(40)
    );
    assert_eq!(
        Policy::parse(&nested).unwrap_err().code(),
        "policy.too-large"
    );
    assert_eq!(
        Policy::parse(&" ".repeat(65_537)).unwrap_err().code(),
        "policy.too-large"
    );
    assert_eq!(
        Policy::from_json(&" ".repeat(65_537)).unwrap_err().code(),
        "policy.too-large"
    );
}

#[test]
fn one_policy_has_one_canonical_text_in_every_form() {
    let policy = Policy::parse(LOAN).unwrap();
    let text = policy.to_string();
    assert_eq!(Policy::parse(&text).unwrap(), policy);
    assert_eq!(
        Policy::from_json(&policy.to_json()).unwrap().to_string(),
        text
    );
    assert_eq!(
        Policy::from_toml(&policy.to_toml()).unwrap().to_string(),
        text
    );
    assert!(
        text.contains("freshness <= 10m")
            && text.contains("threats T01..T07, T09 require covered or audited(")
    );
    let other = Policy::parse(&LOAN.replace("version 2", "version 3")).unwrap();
    assert_ne!(policy.digest(), other.digest());
    assert_eq!(policy.digest(), Policy::parse(&text).unwrap().digest());
}

#[test]
fn forms_are_read_strictly() {
    let good = r#"{"policy":"a","version":1,"models":[{"model":"*","clauses":[{"require":{"all":["logged",{"any":["replayed","proven"]}]}}]}]}"#;
    assert_eq!(Policy::from_json(good).unwrap().models.len(), 1);
    for (from, to) in [
        ("\"version\":1", "\"version\":1,\"extra\":2"),
        ("\"require\"", "\"requires\""),
        ("[\"replayed\",\"proven\"]", "[]"),
        ("logged", "loged"),
        ("\"*\"", "\"fable\""),
        ("\"policy\":\"a\"", "\"policy\":\"a\\\"b\""),
        ("\"version\":1", "\"version\":1,\"freshness\":\"soon\""),
        (
            "\"version\":1",
            "\"version\":1,\"accept\":{\"assumptions\":[{\"id\":\"A\",\"at_most\":\"1%\"}]}",
        ),
        (
            "\"version\":1",
            "\"version\":1,\"threats\":[{\"threats\":[\"T01\"]}]",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let error = Policy::from_json(&good.replace(from, to)).unwrap_err();
        assert_eq!(error.code(), "policy.malformed", "{to}: {error}");
    }
}

#[test]
fn grades_count_only_when_reached() {
    let policy = "policy \"a\" version 1 { for model * { require logged and replayed } }";
    assert_eq!(outcome(policy, &facts()), Outcome::Denied);
    assert_eq!(
        outcome(policy, &replayed(facts(), &["audit-co"])),
        Outcome::Satisfied
    );
    let mut unknown = facts();
    unknown
        .unchecked
        .insert(Required::Replayed, "receipt.replay.unknown-replayer".into());
    assert_eq!(outcome(policy, &unknown), Outcome::Undecided);
    let either = "policy \"a\" version 1 { for model * { require logged or replayed } }";
    assert_eq!(outcome(either, &unknown), Outcome::Satisfied);
}

#[test]
fn a_refutation_vetoes_whatever_else_holds() {
    let policy = "policy \"a\" version 1 { for model * { require logged } }";
    let refuted = Facts {
        refutation: Some("receipt.replay.differs".into()),
        ..replayed(facts(), &["a", "b"])
    };
    let decision = Policy::parse(policy).unwrap().evaluate(&refuted, &table());
    assert_eq!(
        (decision.outcome, decision.veto.as_deref()),
        (Outcome::Vetoed, Some("receipt.replay.differs"))
    );
    assert!(
        Policy::parse(policy)
            .unwrap()
            .what_would_satisfy(&refuted, &table())
            .is_empty()
    );
}

#[test]
fn nothing_satisfies_without_a_rooted_issuer() {
    let policy = "policy \"a\" version 1 { threats T19 require covered for model * { } }";
    assert_eq!(outcome(policy, &facts()), Outcome::Satisfied);
    assert_eq!(outcome(policy, &Facts::nothing(0)), Outcome::Denied);
    let mut unknown = Facts::nothing(0);
    unknown
        .unchecked
        .insert(Required::Relayed, "receipt.issuer.unknown".into());
    assert_eq!(outcome(policy, &unknown), Outcome::Undecided);
}

#[test]
fn values_decide_what_is_asked() {
    let policy = "policy \"a\" version 1 { for model * { require logged when value >= $5_000 { require replayed(k >= 2) } } }";
    let worth = |value: Option<u64>| Facts {
        value: value.map(Money::dollars),
        ..facts()
    };
    assert_eq!(outcome(policy, &worth(Some(4_999))), Outcome::Satisfied);
    assert_eq!(outcome(policy, &worth(Some(5_000))), Outcome::Denied);
    assert_eq!(outcome(policy, &worth(None)), Outcome::Undecided);
    assert_eq!(
        outcome(policy, &replayed(worth(Some(5_000)), &["a"])),
        Outcome::Denied
    );
    assert_eq!(
        outcome(policy, &replayed(worth(Some(5_000)), &["a", "b"])),
        Outcome::Satisfied
    );
    assert_eq!(
        outcome(policy, &replayed(worth(None), &["a", "b"])),
        Outcome::Satisfied
    );
}

#[test]
fn threats_are_covered_only_by_what_is_accepted() {
    let accepting = "policy \"a\" version 1 { accept { table } threats T01..T12 require covered for model * { } }";
    let strict = accepting.replace("accept { table }", "");
    let good = replayed(facts(), &["audit-co"]);
    assert_eq!(outcome(accepting, &good), Outcome::Satisfied);
    assert_eq!(outcome(&strict, &good), Outcome::Denied);
    assert_eq!(outcome(accepting, &facts()), Outcome::Denied);
    // One replayer may be the adversary's: then it takes two.
    let suspicious = accepting.replace("{ accept", "{ adversary = [provider, auditor] accept");
    assert_eq!(outcome(&suspicious, &good), Outcome::Denied);
    assert_eq!(
        outcome(&suspicious, &replayed(facts(), &["a", "b"])),
        Outcome::Satisfied
    );
    // An acceptance that is over is none.
    let until = |date: &str| {
        strict.replace("threats", &format!("accept {{ verifier.software <= 1% crypto.primitives <= 1% model.identity <= 1% engine.software <= 1% replayer <= 1% until {date} }} threats"))
    };
    assert_eq!(outcome(&until("2027-01-15"), &good), Outcome::Denied);
    assert_eq!(outcome(&until("2027-01-16"), &good), Outcome::Satisfied);
}

#[test]
fn what_could_not_be_checked_leaves_threats_undecided() {
    let policy =
        "policy \"a\" version 1 { accept { table } threats T01 require covered for model * { } }";
    let mut unknown = facts();
    unknown
        .unchecked
        .insert(Required::Replayed, "receipt.replay.unknown-replayer".into());
    assert_eq!(outcome(policy, &unknown), Outcome::Undecided);
}

#[test]
fn cheating_has_to_cost_enough() {
    let policy = |limit: &str| {
        format!(
            "policy \"a\" version 1 {{ accept {{ table }} threats T01..T07 require covered for model * {{ require {limit} }} }}"
        )
    };
    let good = replayed(facts(), &["audit-co"]);
    // The cheapest way is to bribe the replayer, for $30,000; the answer is worth $100.
    assert_eq!(
        outcome(&policy("cost_to_cheat >= $30_000"), &good),
        Outcome::Satisfied
    );
    assert_eq!(
        outcome(&policy("cost_to_cheat >= $30_001"), &good),
        Outcome::Denied
    );
    assert_eq!(
        outcome(&policy("cost_to_cheat(n = 1) >= 300 * value"), &good),
        Outcome::Satisfied
    );
    assert_eq!(
        outcome(&policy("cost_to_cheat(n = 1) >= 301 * value"), &good),
        Outcome::Denied
    );
    let unknown = Facts {
        value: None,
        ..good.clone()
    };
    assert_eq!(
        outcome(&policy("cost_to_cheat >= value"), &unknown),
        Outcome::Undecided
    );
    // 0.2 % common, 2 % the replayer, 0.5 % the engine, and a billionth.
    assert_eq!(
        outcome(&policy("probability <= 2.8%"), &good),
        Outcome::Satisfied
    );
    assert_eq!(
        outcome(&policy("probability <= 2.7%"), &good),
        Outcome::Denied
    );
}

#[test]
fn audits_speak_of_populations_within_one_budget() {
    let policy =
        |term: &str| format!("policy \"a\" version 1 {{ for model * {{ require {term} }} }}");
    let with = |audited, findings| Facts {
        audits: vec![audit(audited, findings)],
        ..facts()
    };
    let one = policy("audited(rate <= 1%)");
    assert_eq!(outcome(&one, &with(498, 0)), Outcome::Satisfied);
    assert_eq!(outcome(&one, &with(497, 0)), Outcome::Denied);
    assert_eq!(outcome(&one, &with(498, 1)), Outcome::Denied);
    assert_eq!(outcome(&one, &facts()), Outcome::Denied);
    // Two terms share the 1 % that the policy may err with, so each needs more.
    let two = policy("audited(rate <= 1%) and audited(count <= 100000)");
    assert_eq!(outcome(&two, &with(498, 0)), Outcome::Denied);
    assert_eq!(outcome(&two, &with(569, 0)), Outcome::Satisfied);
    assert_eq!(
        outcome(
            &policy("audited(rate <= 1%, power >= 0.5, window <= 1h, audits >= 100)"),
            &with(498, 0)
        ),
        Outcome::Satisfied
    );
    assert_eq!(
        outcome(&policy("audited(rate <= 1%, window <= 99s)"), &with(498, 0)),
        Outcome::Denied
    );
    assert_eq!(
        outcome(&policy("audited(rate <= 1%, audits >= 499)"), &with(498, 0)),
        Outcome::Denied
    );
    assert_eq!(
        outcome(&policy("audited(count <= 497)"), &with(498, 0)),
        Outcome::Satisfied
    );
    assert_eq!(
        outcome(&policy("audited(count <= 496)"), &with(498, 0)),
        Outcome::Denied
    );
    let weak = Facts {
        audits: vec![Population {
            power: rate("50%"),
            ..audit(498, 0)
        }],
        ..facts()
    };
    assert_eq!(
        outcome(&policy("audited(rate <= 1%, power >= 95%)"), &weak),
        Outcome::Denied
    );
}

/// A population bound never makes a threat covered for one receipt.
#[test]
fn a_sample_covers_no_single_receipt() {
    let policy =
        "policy \"a\" version 1 { accept { table } threats T01 require covered for model * { } }";
    let sampled = Facts {
        audits: vec![audit(100_000, 0)],
        ..facts()
    };
    assert_eq!(outcome(policy, &sampled), Outcome::Denied);
    let either = policy.replace("covered", "covered or audited(rate <= 1%)");
    assert_eq!(outcome(&either, &sampled), Outcome::Satisfied);
    let decision = Policy::parse(&either).unwrap().evaluate(&sampled, &table());
    let line = &decision.assessment.unwrap().lines[0];
    assert_eq!(line.state, crate::ThreatState::Sampled);
    assert_eq!(line.probability_at_most, Rate::ONE);
}

/// Nor does it say anything of threats that no replay of the population sees.
#[test]
fn a_sample_bounds_only_what_replays_see() {
    let policy = |threats: &str| {
        format!(
            "policy \"a\" version 1 {{ accept {{ table }} threats {threats} require covered or audited(rate <= 1%) for model * {{ }} }}"
        )
    };
    let sampled = |caller_seed| Facts {
        origin: Origin::Executed {
            closure: CLOSURE,
            caller_seed,
        },
        audits: vec![audit(100_000, 0)],
        ..facts()
    };
    let all = policy("T01..T13, T21");
    assert_eq!(outcome(&all, &sampled(true)), Outcome::Satisfied);
    // A node that chose the seed could have tried many.
    assert_eq!(outcome(&all, &sampled(false)), Outcome::Denied);
    let decision = Policy::parse(&all)
        .unwrap()
        .evaluate(&sampled(false), &table());
    let why = &decision.clauses[0].why;
    assert!(
        why.iter()
            .any(|why| why.contains("the node chose the seed")),
        "{why:?}"
    );
    assert_eq!(outcome(&policy("T14"), &sampled(true)), Outcome::Denied);
    let mut unwitnessed = sampled(true);
    unwitnessed.reached.remove(&Required::Witnessed);
    assert_eq!(outcome(&policy("T17"), &unwitnessed), Outcome::Denied);
}

#[test]
fn models_have_their_own_blocks() {
    let named = "policy \"a\" version 1 { for model \"sha256:abababababababababababababababababababababababababababababababab\" { require logged } }";
    assert_eq!(outcome(named, &facts()), Outcome::Satisfied);
    assert_eq!(
        outcome(
            named,
            &Facts {
                origin: Origin::Executed {
                    closure: [1; 32],
                    caller_seed: true
                },
                ..facts()
            }
        ),
        Outcome::Denied
    );
    assert_eq!(
        outcome(
            named,
            &Facts {
                origin: Origin::Relayed,
                ..facts()
            }
        ),
        Outcome::Denied
    );
}

#[test]
fn old_receipts_are_not_fresh() {
    let policy = "policy \"a\" version 1 { freshness <= 100s for model * { require logged } }";
    assert_eq!(outcome(policy, &facts()), Outcome::Satisfied);
    assert_eq!(
        outcome(
            policy,
            &Facts {
                now: 1_800_000_101,
                ..facts()
            }
        ),
        Outcome::Denied
    );
    assert_eq!(
        outcome(
            policy,
            &Facts {
                witnessed_at: None,
                issued_at: None,
                ..facts()
            }
        ),
        Outcome::Undecided
    );
}

#[test]
fn what_would_satisfy_does_and_nothing_less_does() {
    let policy = Policy::parse(LOAN).unwrap();
    let facts = Facts {
        now: 1_800_000_100,
        ..facts()
    };
    let decision = policy.evaluate(&facts, &table());
    assert_eq!(decision.outcome, Outcome::Denied);
    assert!(
        decision
            .clauses
            .iter()
            .any(|clause| clause.holds == Truth::False && !clause.why.is_empty())
    );
    let sets = policy.what_would_satisfy(&facts, &table());
    assert!(sets.contains(&vec![Step::ReplayedByTwo]), "{sets:?}");
    assert!(sets.contains(&vec![Step::Proven]), "{sets:?}");
    for set in &sets {
        let others = sets.iter().filter(|other| *other != set);
        assert!(
            others
                .into_iter()
                .all(|other| !other.iter().all(|step| set.contains(step))),
            "{sets:?}"
        );
    }
}

#[test]
fn the_loan_policy_as_a_whole() {
    let two = replayed(facts(), &["a", "b"]);
    assert_eq!(outcome(LOAN, &two), Outcome::Satisfied);
    // An adversary among the replayers: one alone is not enough, though sampled it would be.
    let one = replayed(facts(), &["a"]);
    assert_eq!(outcome(LOAN, &one), Outcome::Denied);
    let sampled = Facts {
        audits: vec![audit(1_300, 0)],
        ..one
    };
    assert_eq!(
        outcome(LOAN, &sampled),
        Outcome::Denied,
        "the replayer is free, so cheating costs nothing"
    );
    let dear = Facts {
        value: Some(Money::dollars(1_000_000)),
        ..two
    };
    assert_eq!(outcome(LOAN, &dear), Outcome::Denied);
}

// --- laws ---

fn any_rate() -> impl Strategy<Value = Rate> {
    (1_u64..=1_000).prop_map(|thousandths| Rate::from_units(thousandths * 1_000_000_000).unwrap())
}

fn any_required() -> impl Strategy<Value = Required> {
    // `audited` alone says nothing: in policies it has limits.
    let grades = Required::all().filter(|required| *required != Required::Audited);
    prop::sample::select(grades.collect::<Vec<_>>())
}

fn any_audit_term() -> impl Strategy<Value = AuditTerm> {
    let limit = prop_oneof![any_rate().prop_map(Ok), (0_u64..1_000).prop_map(Err)];
    (
        limit,
        prop::option::of(any_rate()),
        prop::option::of(0_u64..200_000),
        prop::option::of(0_u64..1_000),
    )
        .prop_map(|(limit, power, window_s, audits)| AuditTerm {
            rate: limit.ok(),
            count: limit.err(),
            confidence: None,
            power,
            window_s,
            audits,
        })
}

fn any_term(in_threats: bool) -> BoxedStrategy<Expr> {
    let shared = prop_oneof![
        any_required().prop_map(Term::Grade),
        Just(Term::ReplayedHere),
        (1_u32..4).prop_map(Term::ReplayedBy),
        any_audit_term().prop_map(Term::Audited),
    ];
    let amount = prop_oneof![
        (0_u64..100_000).prop_map(|d| Amount::Money(Money::dollars(d))),
        (0_u32..100).prop_map(Amount::Values)
    ];
    let own = if in_threats {
        Just(Term::Covered).boxed()
    } else {
        prop_oneof![
            any_rate().prop_map(Term::Probability),
            (1_u32..4, amount)
                .prop_map(|(receipts, at_least)| Term::CostToCheat { receipts, at_least }),
        ]
        .boxed()
    };
    prop_oneof![shared, own].prop_map(Expr::Term).boxed()
}

fn any_expr(in_threats: bool) -> impl Strategy<Value = Expr> {
    any_term(in_threats).prop_recursive(3, 12, 3, |inner| {
        let parts = prop::collection::vec(inner, 2..4);
        prop_oneof![parts.clone().prop_map(Expr::All), parts.prop_map(Expr::Any)]
    })
}

fn any_clause() -> impl Strategy<Value = Clause> {
    let unaudited = any_expr(false).prop_filter("no population for one answer", |expr| {
        let mut audited = false;
        expr.visit(&mut |term| audited |= matches!(term, Term::Audited(_)));
        !audited
    });
    let when = (
        (0_u64..10_000).prop_map(Money::dollars),
        prop::collection::vec(unaudited.prop_map(Clause::Require), 0..3),
    );
    prop_oneof![
        3 => any_expr(false).prop_map(Clause::Require),
        1 => when.prop_map(|(at_least, clauses)| Clause::WhenValue { at_least, clauses }),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let clauses = || prop::collection::vec(any_clause(), 1..4);
    let demand = prop_oneof![
        any_expr(true).prop_map(Demand::Require),
        "[a-z ]{0,20}".prop_map(Demand::Ignore)
    ];
    let adversary = prop::collection::btree_set(
        prop::sample::select(vec![
            Party::Provider,
            Party::Network,
            Party::Auditor,
            Party::Log,
        ]),
        0..4,
    );
    (
        (
            "[a-zA-Z0-9/ .-]{0,20}",
            any::<u32>(),
            adversary,
            prop::option::of(0_u64..1_000_000),
        ),
        (
            any::<bool>(),
            any::<bool>(),
            any_expr(true),
            prop::option::of((1_u8..=24, demand)),
        ),
        (clauses(), prop::option::of(clauses())),
        prop::collection::btree_map(
            "[a-z][a-z0-9-]{0,8}",
            (
                any_rate(),
                prop::option::of(Just("2027-03-01".parse::<Date>().unwrap())),
            ),
            0..3,
        ),
    )
        .prop_map(
            |(
                (name, version, adversary, freshness_s),
                (accept_table, flag, first, second),
                (own, other),
                accepted,
            )| {
                let mut threats = vec![ThreatRule {
                    threats: Threats::of([1, 2, 3, 9]),
                    demand: Demand::Require(first),
                }];
                if let Some((number, demand)) =
                    second.filter(|(number, _)| ![1, 2, 3, 9].contains(number))
                {
                    threats.push(ThreatRule {
                        threats: Threats::of([number]),
                        demand,
                    });
                }
                let mut models = vec![ModelBlock {
                    model: Some(CLOSURE),
                    clauses: own,
                }];
                models.extend(other.map(|clauses| ModelBlock {
                    model: None,
                    clauses,
                }));
                Policy {
                    adversary,
                    freshness_s,
                    below: if flag { Below::Flag } else { Below::Withhold },
                    accept_table,
                    accepted,
                    threats,
                    models,
                    ..Policy::new(name, version)
                }
            },
        )
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let origin = prop_oneof![
        4 => any::<bool>().prop_map(|caller_seed| Origin::Executed { closure: CLOSURE, caller_seed }),
        1 => Just(Origin::Relayed),
        1 => Just(Origin::Unknown),
    ];
    let names = || {
        prop::collection::btree_set(
            prop::sample::select(vec!["a".to_owned(), "b".into(), "c".into()]),
            0..3,
        )
    };
    let audits = prop::collection::vec(
        (1_u64..2_000, 0_u64..2).prop_map(|(n, s)| audit(n, s)),
        0..2,
    );
    (
        (
            origin,
            prop::collection::btree_set(any_required(), 0..10),
            prop::collection::btree_set(any_required(), 0..4),
        ),
        (any::<bool>(), names(), any::<bool>(), names(), audits),
        (
            prop::option::weighted(0.1, Just("receipt.replay.differs".to_owned())),
            prop::option::of(0_u64..10_000),
            prop::option::of(Just(1_799_990_000_u64)),
        ),
    )
        .prop_map(
            |(
                (origin, mut reached, unchecked),
                (nonce, replayers, replayed_here, platforms, audits),
                (refutation, value, witnessed_at),
            )| {
                reached.insert(Required::Relayed);
                let unchecked: BTreeMap<Required, String> = unchecked
                    .into_iter()
                    .filter(|required| !reached.contains(required))
                    .map(|required| (required, "some.code".into()))
                    .collect();
                Facts {
                    origin,
                    reached,
                    unchecked,
                    nonce,
                    replayers,
                    replayed_here,
                    proof_vouchers: BTreeSet::new(),
                    platforms,
                    audits,
                    refutation,
                    witnessed_at,
                    issued_at: Some(1_799_990_000),
                    value: value.map(Money::dollars),
                    now: 1_800_000_000,
                }
            },
        )
}

/// More knowledge, nothing of which refutes.
fn any_addition() -> impl Strategy<
    Value = (
        BTreeSet<Required>,
        BTreeSet<String>,
        bool,
        bool,
        Option<Population>,
    ),
> {
    (
        prop::collection::btree_set(any_required(), 0..4),
        prop::collection::btree_set(prop::sample::select(vec!["a".to_owned(), "d".into()]), 0..2),
        any::<bool>(),
        any::<bool>(),
        prop::option::of((1_u64..5_000).prop_map(|n| audit(n, 0))),
    )
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Vetoed => 0,
        Outcome::Denied => 1,
        Outcome::Undecided => 2,
        Outcome::Satisfied => 3,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    /// One canonical text, whatever the policy and the form.
    #[test]
    fn policies_are_read_as_they_are_written(policy in any_policy()) {
        let text = policy.to_string();
        let again = Policy::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(again.to_string(), text.clone());
        prop_assert_eq!(&again, &policy);
        prop_assert_eq!(Policy::from_json(&policy.to_json()).unwrap().to_string(), text.clone());
        prop_assert_eq!(Policy::from_toml(&policy.to_toml()).unwrap().to_string(), text);
    }

    /// Total, and only true clauses satisfy; refuted receipts never do.
    #[test]
    fn only_what_is_known_to_hold_satisfies(policy in any_policy(), facts in any_facts()) {
        let decision = policy.evaluate(&facts, &table());
        let all_true = decision.clauses.iter().all(|clause| clause.holds == Truth::True);
        prop_assert_eq!(decision.outcome == Outcome::Satisfied, all_true && facts.refutation.is_none());
        prop_assert_eq!(decision.outcome == Outcome::Vetoed, facts.refutation.is_some());
        for clause in &decision.clauses {
            prop_assert_eq!(clause.holds == Truth::True, clause.why.is_empty(), "{:?}", clause);
        }
    }

    /// What was unknown and is found not to be there never turns a denial into a satisfaction.
    #[test]
    fn unknown_is_never_better_than_known(policy in any_policy(), facts in any_facts()) {
        let known = Facts { unchecked: BTreeMap::new(), ..facts.clone() };
        let with = policy.evaluate(&facts, &table()).outcome;
        let without = policy.evaluate(&known, &table()).outcome;
        prop_assert_eq!(with == Outcome::Satisfied, without == Outcome::Satisfied);
    }

    /// More evidence that refutes nothing never worsens anything; neither does accepting more.
    #[test]
    fn more_evidence_never_worsens(policy in any_policy(), facts in any_facts(), (grades, replayers, here, accept, population) in any_addition()) {
        let before = policy.evaluate(&facts, &table());
        let mut more = facts.clone();
        for grade in grades {
            more.unchecked.remove(&grade);
            more.reached.insert(grade);
        }
        if more.reached.contains(&Required::Replayed) {
            more.replayers.insert("d".into());
        }
        if more.reached.contains(&Required::Attested) {
            more.platforms.insert("d".into());
        }
        more.replayers.extend(replayers);
        more.replayed_here |= here;
        more.audits.extend(population);
        let mut generous = policy.clone();
        generous.accept_table |= accept;
        let after = generous.evaluate(&more, &table());
        // What was unknown may turn out to be too little: Undecided becomes Denied. Nothing else gets worse.
        if more.unchecked == facts.unchecked {
            prop_assert!(rank(after.outcome) >= rank(before.outcome), "{:?} {:?}", before, after);
        }
        prop_assert!(before.outcome != Outcome::Satisfied || after.outcome == Outcome::Satisfied, "{:?} {:?}", before, after);
        for (old, new) in before.assessment.unwrap().lines.iter().zip(&after.assessment.unwrap().lines) {
            prop_assert!(new.probability_at_most <= old.probability_at_most);
            let cost = |line: &crate::ThreatLine| line.cheapest.as_ref().map_or(u64::MAX, |way| way.cost.map_or(u64::MAX, Money::micros));
            prop_assert!(cost(new) >= cost(old), "{:?} {:?}", old, new);
        }
    }

    /// The order and number of audits do not matter, and a second look gives the same.
    #[test]
    fn order_and_repetition_do_not_matter(policy in any_policy(), facts in any_facts()) {
        let mut twice = facts.clone();
        twice.audits.extend(facts.audits.iter().rev().cloned());
        prop_assert_eq!(policy.evaluate(&twice, &table()).outcome, policy.evaluate(&facts, &table()).outcome);
    }

    /// The audit terms together never exceed the policy's budget.
    #[test]
    fn the_budget_is_never_exceeded(policy in any_policy()) {
        let spent = policy.audit_terms().iter().map(|term| policy.alpha_of(term).units()).sum::<u64>();
        prop_assert!(spent <= policy.confidence.complement().units());
    }

    /// Whatever would satisfy does.
    #[test]
    fn what_would_satisfy_is_minimal(policy in any_policy(), facts in any_facts()) {
        let sets = policy.what_would_satisfy(&facts, &table());
        if policy.evaluate(&facts, &table()).outcome != Outcome::Satisfied && facts.refutation.is_none() {
            for set in &sets {
                prop_assert!(!set.is_empty() && set.len() <= 3);
            }
        } else {
            prop_assert!(sets.is_empty());
        }
        for (i, set) in sets.iter().enumerate() {
            for other in sets.iter().take(i) {
                prop_assert!(!other.iter().all(|step| set.contains(step)));
            }
        }
    }

    /// The parser takes any text, and what it takes it writes so that it is read the same.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        if let Ok(policy) = Policy::parse(&text) {
            prop_assert_eq!(Policy::parse(&policy.to_string()).unwrap(), policy);
        }
        let wrapped = format!("policy \"a\" version 1 {{ for model * {{ require {text} }} }}");
        if let Ok(policy) = Policy::parse(&wrapped) {
            prop_assert_eq!(Policy::parse(&policy.to_string()).unwrap(), policy);
        }
    }
}
