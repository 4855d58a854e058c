//! What deciding costs: `cargo bench -p proofmark-confidence`. A policy has to be evaluated within 50 µs, cut sets over 40
//! assumptions within 1 ms, the books of a million receipts within 1 s.

use std::collections::BTreeSet;

use divan::{Bencher, black_box};
use proofmark_confidence::audit::{
    Beacon, Ledger, Outcome, Stratum, audits_needed, count_at_most, rate_at_most,
};
use proofmark_confidence::policy::Policy;
use proofmark_confidence::{
    AssumptionTable, Atom, AtomSet, Facts, FaultTree, Money, Origin, Rate, Scope, Support,
};
use proofmark_verify::Required;

const POLICY: &str = include_str!("../../../docs/policies/bank.policy");

fn main() {
    divan::main();
}

fn facts(replayers: &[&str]) -> Facts {
    let reached: BTreeSet<Required> = Required::all()
        .filter(|required| !matches!(required, Required::Attested | Required::Proven))
        .collect();
    Facts {
        origin: Origin::Executed {
            closure: [7; 32],
            caller_seed: true,
        },
        reached,
        replayers: replayers.iter().map(|name| (*name).to_owned()).collect(),
        witnessed_at: Some(1_800_000_000),
        value: Some(Money::dollars(10_000)),
        ..Facts::nothing(1_800_000_100)
    }
}

/// The bank's policy over an executed receipt that two parties re-executed.
#[divan::bench]
fn evaluate_policy(bencher: Bencher<'_, '_>) {
    let (policy, table) = (Policy::parse(POLICY).ok(), AssumptionTable::advisory().ok());
    let facts = facts(&["audit-co", "university"]);
    bencher.bench(|| {
        Some(
            policy
                .as_ref()?
                .evaluate(black_box(&facts), table.as_ref()?),
        )
    });
}

/// What would satisfy it, for a receipt that nobody re-executed.
#[divan::bench]
fn what_would_satisfy(bencher: Bencher<'_, '_>) {
    let (policy, table) = (Policy::parse(POLICY).ok(), AssumptionTable::advisory().ok());
    let mut facts = facts(&[]);
    facts.reached.remove(&Required::Replayed);
    bencher.bench(|| {
        Some(
            policy
                .as_ref()?
                .what_would_satisfy(black_box(&facts), table.as_ref()?),
        )
    });
}

#[divan::bench]
fn parse_policy() -> Option<Policy> {
    Policy::parse(black_box(POLICY)).ok()
}

/// 4 common assumptions and 36 in `supports` evidences of equal size that share none.
fn forty(supports: usize) -> Option<FaultTree> {
    let atom = |number: u64| Atom {
        probability: Rate::from_units(number).unwrap_or(Rate::ZERO),
        fixed: Money::from_micros(number.wrapping_mul(2_654_435_761) % 1_000_003),
        marginal: Money::ZERO,
        scope: Scope::Global,
    };
    let atoms: Vec<Atom> = (1..=40).map(atom).collect();
    let width = 36 / supports;
    let support = |number: usize| Support {
        rests_on: (4 + number * width..4 + (number + 1) * width).collect(),
        residual: Rate::ZERO,
    };
    let evidence: Vec<Support> = (0..supports).map(support).collect();
    let common: AtomSet = (0..4).collect();
    FaultTree::new(&atoms, common, &evidence, Rate::ZERO).ok()
}

/// All minimal cut sets over 40 assumptions: 4 + 18², 4 + 12³, 4 + 9⁴.
#[divan::bench(args = [2, 3, 4])]
fn minimal_cut_sets(bencher: Bencher<'_, '_>, supports: usize) {
    let tree = forty(supports);
    bencher.bench(|| black_box(tree.as_ref())?.minimal_cut_sets(1 << 16));
}

/// The cheapest of them.
#[divan::bench(args = [2, 4, 6, 12])]
fn cheapest_cut(bencher: Bencher<'_, '_>, supports: usize) {
    let tree = forty(supports);
    bencher.bench(|| black_box(tree.as_ref())?.cheapest(1));
}

/// A million leaves: coin of each, books, and what follows for the rate and the count.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn books_of_a_million_receipts() -> Option<(Rate, u64)> {
    let percent: Rate = "1%".parse().ok()?;
    let beacon = Beacon::from_parts(1, 4_242, [9; 32])?;
    let coins = beacon.coins("bench.example/receipts");
    let mut ledger = Ledger::default();
    let mut leaf = [0_u8; 36];
    for index in 0..1_000_000_u64 {
        leaf[28..].copy_from_slice(&index.to_be_bytes());
        ledger.offer(Stratum::Auditable);
        if coins.selects(index, black_box(&leaf), percent) {
            ledger.record(Outcome::Same);
        }
    }
    let rate = rate_at_most(ledger.audited, ledger.findings, Rate::ONE, percent);
    Some((
        rate,
        count_at_most(ledger.findings, percent, Rate::ONE, percent),
    ))
}

#[divan::bench]
fn plan() -> Option<u64> {
    let percent: Rate = "1%".parse().ok()?;
    audits_needed(black_box(0), percent, Rate::ONE, percent)
}
