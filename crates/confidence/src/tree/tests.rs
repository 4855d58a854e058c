//! The worked example, and trees against truth tables.

use proptest::prelude::*;

use super::*;

fn atom(probability: &str, fixed: u64) -> Atom {
    Atom {
        probability: probability.parse().unwrap(),
        fixed: Some(Money::dollars(fixed)),
        marginal: Money::ZERO,
        scope: Scope::Global,
    }
}

/// The worked example of the sources: 0 key.provider; 1–5 hardware; 6–8 audit; 9 proof; 10–12 common.
fn example() -> (Vec<Atom>, AtomSet) {
    let atoms = vec![
        atom("1", 0),
        atom("0.02", 20_000),
        atom("0.02", 20_000),
        atom("0.05", 5_000),
        atom("0.01", 100_000),
        atom("0.005", 50_000),
        atom("0.001", 1_000_000),
        atom("0.02", 30_000),
        atom("0.001", 200_000),
        atom("0.01", 100_000),
        atom("0.001", 100_000),
        atom("0.001", 1_000_000),
        atom("1e-9", 1_000_000_000),
    ];
    (atoms, (10..13).collect())
}

fn support(range: std::ops::Range<usize>, residual: &str) -> Support {
    Support {
        rests_on: range.collect(),
        residual: residual.parse().unwrap(),
    }
}

fn tree(supports: &[Support]) -> FaultTree {
    let (atoms, common) = example();
    FaultTree::new(&atoms, common, supports, "1e-6".parse().unwrap()).unwrap()
}

#[test]
fn the_worked_example() {
    let (signature, tee) = (support(0..1, "0"), support(1..6, "0"));
    let (audit, replay, proof) = (
        support(6..9, "0.99"),
        support(6..9, "0"),
        support(9..10, "1e-12"),
    );
    let dollars = Money::dollars;
    for (name, supports, bounds, cost, cut) in [
        (
            "signature",
            vec![signature],
            ["1", "1", "1"],
            dollars(0),
            vec![0],
        ),
        (
            "tee",
            vec![tee],
            ["0.107", "0.107", "0.107"],
            dollars(5_000),
            vec![3],
        ),
        // An unaudited receipt needs no broken auditor: bad luck, number 13, is free.
        (
            "tee and coin",
            vec![tee, audit],
            ["0.107", "0.107", "0.107"],
            dollars(5_000),
            vec![3, 13],
        ),
        (
            "tee and replay",
            vec![tee, replay],
            ["0.024", "0.0043", "0.0063"],
            dollars(35_000),
            vec![3, 7],
        ),
        (
            "proof",
            vec![proof],
            ["0.012", "0.012", "0.012"],
            dollars(100_000),
            vec![9],
        ),
        // After two strong evidences the verifier itself is the weakest link.
        (
            "proof and tee",
            vec![proof, tee],
            ["0.012", "0.0031", "0.0039"],
            dollars(100_000),
            vec![10],
        ),
    ] {
        let tree = tree(&supports);
        let ours = [
            tree.bound(),
            tree.scenario(Rate::ZERO),
            tree.scenario("10%".parse().unwrap()),
        ];
        for (ours, expected) in ours.iter().zip(bounds) {
            let expected: f64 = expected.parse().unwrap();
            // The table rounds to two digits.
            assert!(
                (ours.as_f64() - expected).abs() < 0.02 * expected + 1e-5,
                "{name}: {ours} {expected}"
            );
        }
        let cheapest = tree.cheapest(1).unwrap();
        assert_eq!(cheapest.cost, Some(cost), "{name}");
        assert_eq!(cheapest.atoms.iter().collect::<Vec<_>>(), cut, "{name}");
    }
}

#[test]
fn a_common_assumption_counts_once() {
    let (atoms, common) = example();
    let shared = Support {
        rests_on: [9, 10].into_iter().collect(),
        residual: Rate::ZERO,
    };
    let tree = FaultTree::new(&atoms, common, &[shared], Rate::ZERO).unwrap();
    assert_eq!(tree.bound(), "0.012000001".parse().unwrap());
    assert_eq!(tree.single_points(), [9, 10, 11, 12].into_iter().collect());
}

#[test]
fn luck_below_the_floor_cannot_be_used() {
    let supports = [support(9..10, "1e-6")];
    assert_eq!(tree(&supports).cheapest(1).unwrap().atoms, AtomSet::one(9));
    let supports = [support(9..10, "2e-6")];
    let lucky = tree(&supports).cheapest(1).unwrap();
    assert_eq!(
        (lucky.cost, lucky.atoms),
        (Some(Money::ZERO), AtomSet::one(13))
    );
}

#[test]
fn what_has_no_price_is_no_cheap_way() {
    let (mut atoms, common) = example();
    for atom in [3, 10, 11, 12] {
        atoms[atom].fixed = None;
    }
    let tree = FaultTree::new(&atoms, common, &[support(1..6, "0")], Rate::ZERO).unwrap();
    assert_eq!(tree.cheapest(1).unwrap().cost, Some(Money::dollars(20_000)));
    let only = FaultTree::new(&atoms, common, &[support(3..4, "0")], Rate::ZERO).unwrap();
    assert_eq!(only.cheapest(1).unwrap().cost, None);
}

#[test]
fn no_evidence_is_free() {
    let tree = tree(&[]);
    assert_eq!(
        (tree.bound(), tree.scenario(Rate::ZERO)),
        (Rate::ONE, Rate::ONE)
    );
    let cheapest = tree.cheapest(1).unwrap();
    assert_eq!(
        (cheapest.cost, cheapest.atoms),
        (Some(Money::ZERO), AtomSet::EMPTY)
    );
    assert_eq!(tree.minimal_cut_sets(10), Some(vec![AtomSet::EMPTY]));
}

#[test]
fn trees_are_bounded() {
    let (atoms, common) = example();
    let many = vec![support(0..1, "0"); EVIDENCE_MAX + 1];
    assert!(matches!(
        FaultTree::new(&atoms, common, &many, Rate::ZERO),
        Err(TreeError::TooManyEvidences { .. })
    ));
    let wide = vec![atom("0", 1); ATOMS_MAX];
    let lucky = support(0..1, "1%");
    assert!(matches!(
        FaultTree::new(&wide, AtomSet::EMPTY, &[lucky], Rate::ZERO),
        Err(TreeError::TooManyAtoms { .. })
    ));
    let unknown = support(13..14, "0");
    assert_eq!(
        FaultTree::new(&atoms, common, &[unknown], Rate::ZERO),
        Err(TreeError::UnknownAtom)
    );
    let full = FaultTree::new(
        &wide,
        AtomSet::EMPTY,
        &[support(0..32, "0"), support(32..64, "0")],
        Rate::ZERO,
    );
    assert_eq!(full.unwrap().minimal_cut_sets(1_023), None);
}

/// Whether the failure of `failed` lets the cheat through, by the definition.
fn top_event(common: AtomSet, supports: &[Support], failed: AtomSet) -> bool {
    failed.meets(common)
        || supports
            .iter()
            .all(|support| failed.meets(support.rests_on))
}

#[derive(Debug, Clone)]
struct Random {
    atoms: Vec<Atom>,
    common: AtomSet,
    supports: Vec<Support>,
}

fn any_tree() -> impl Strategy<Value = Random> {
    let scope = prop_oneof![
        Just(Scope::Receipt),
        Just(Scope::Device),
        Just(Scope::Global)
    ];
    let atom = (
        0_u64..1_000_000_000_000,
        prop::option::weighted(0.9, 0_u64..50),
        0_u64..3,
        scope,
    );
    let atom = atom.prop_map(|(p, fixed, marginal, scope)| Atom {
        probability: Rate::from_units(p / 8).unwrap(),
        fixed: fixed.map(Money::dollars),
        marginal: Money::dollars(marginal),
        scope,
    });
    (1_usize..=12)
        .prop_flat_map(move |count| {
            let set = || {
                prop::collection::vec(0..count, 1..5)
                    .prop_map(|atoms| atoms.into_iter().collect::<AtomSet>())
            };
            let supports = prop::collection::vec(set(), 0..5);
            let common =
                prop::collection::vec(0..count, 0..2).prop_map(|atoms| atoms.into_iter().collect());
            (prop::collection::vec(atom.clone(), count), common, supports)
        })
        .prop_map(|(atoms, common, supports)| Random {
            atoms,
            common,
            supports: supports
                .into_iter()
                .map(|rests_on| Support {
                    rests_on,
                    residual: Rate::ZERO,
                })
                .collect(),
        })
}

impl Random {
    fn tree(&self) -> FaultTree {
        FaultTree::new(&self.atoms, self.common, &self.supports, Rate::ZERO).unwrap()
    }

    fn subsets(&self) -> impl Iterator<Item = AtomSet> {
        (0..1_u64 << self.atoms.len()).map(AtomSet)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Cut sets are the minimal rows of the truth table; the cheapest and the smallest are among them.
    #[test]
    fn cut_sets_are_the_truth_table(random in any_tree(), receipts in 1_u64..4) {
        let tree = random.tree();
        let failing: Vec<AtomSet> =
            random.subsets().filter(|set| top_event(random.common, &random.supports, *set)).collect();
        let minimal: Vec<AtomSet> = failing
            .iter()
            .filter(|set| !failing.iter().any(|other| other != *set && other.is_within(**set)))
            .copied()
            .collect();
        prop_assert_eq!(tree.minimal_cut_sets(1 << 12).unwrap(), minimal.clone());
        let priced = |set: &AtomSet| tree.cut(*set, receipts).cost.map_or(u64::MAX, Money::micros);
        let cheapest = tree.cheapest(receipts);
        prop_assert_eq!(
            cheapest.map(|cut| cut.cost.map_or(u64::MAX, Money::micros)),
            minimal.iter().map(priced).min()
        );
        prop_assert!(cheapest.is_none_or(|cut| failing.contains(&cut.atoms)));
        let smallest = tree.smallest(receipts);
        prop_assert_eq!(smallest.map(|cut| cut.atoms.len()), minimal.iter().map(|set| set.len()).min());
        let single = minimal.iter().filter(|set| set.len() == 1).fold(AtomSet::EMPTY, |all, set| all.union(*set));
        if !random.supports.is_empty() {
            prop_assert_eq!(tree.single_points(), single);
        }
    }

    /// The bound holds for every joint distribution: here for mixtures of failing together, apart, and in random groups.
    #[test]
    fn the_bound_holds_whatever_the_dependence(random in any_tree(), groups in prop::collection::vec(0_usize..4, 12)) {
        let tree = random.tree();
        // Atoms of one group share one uniform number; groups are independent. Thresholds cut each uniform into cells.
        let cells = |group: usize| {
            let members = (0..random.atoms.len()).filter(|atom| groups[*atom] == group);
            let mut edges: Vec<f64> = members.map(|atom| random.atoms[atom].probability.as_f64()).collect();
            edges.extend([0.0, 1.0]);
            edges.sort_by(f64::total_cmp);
            edges
        };
        let edges: Vec<Vec<f64>> = (0..4).map(cells).collect();
        let mut outcomes = vec![(1.0_f64, AtomSet::EMPTY)];
        for (group, edges) in edges.iter().enumerate() {
            let mut next = Vec::new();
            for pair in edges.windows(2).filter(|pair| pair[1] > pair[0]) {
                let failed = (0..random.atoms.len())
                    .filter(|atom| groups[*atom] == group && random.atoms[*atom].probability.as_f64() > pair[0]);
                let failed: AtomSet = failed.collect();
                next.extend(outcomes.iter().map(|(p, set)| (p * (pair[1] - pair[0]), set.union(failed))));
            }
            outcomes = next;
        }
        let exact: f64 = outcomes
            .iter()
            .filter(|(_, set)| top_event(random.common, &random.supports, *set))
            .map(|(p, _)| p)
            .sum();
        prop_assert!(exact <= tree.bound().as_f64() + 1e-9, "{exact} {}", tree.bound());
    }

    /// Independent ≤ with a common cause ≤ without assumption; another evidence never worsens anything.
    #[test]
    fn more_evidence_never_worsens(random in any_tree(), extra in prop::collection::vec(0_usize..12, 1..5), beta in 0_u64..=1_000_000_000_000) {
        let tree = random.tree();
        let beta = Rate::from_units(beta).unwrap();
        // Products are rounded up, by a unit for each evidence.
        let slack = Rate::from_units(16).unwrap();
        prop_assert!(tree.scenario(Rate::ZERO) <= tree.scenario(beta).plus(slack));
        prop_assert!(tree.scenario(beta) <= tree.bound().plus(slack));
        let rests_on: AtomSet = extra.into_iter().map(|atom| atom % random.atoms.len()).collect();
        let mut more = random.clone();
        more.supports.push(Support { rests_on, residual: Rate::ZERO });
        let more = more.tree();
        prop_assert!(more.bound() <= tree.bound());
        let price = |tree: &FaultTree| tree.cheapest(1).map_or(u64::MAX, |cut| cut.cost.map_or(u64::MAX, Money::micros));
        prop_assert!(price(&more) >= price(&tree));
    }
}
