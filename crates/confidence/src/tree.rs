//! Fault trees over assumptions: minimal cut sets, bounds without independence, the cheapest cut
//! (specs/06-confidence.md §5).

use crate::{Money, Rate, Scope};

/// Most assumptions in one tree, luck included.
pub const ATOMS_MAX: usize = 64;
/// Most evidences in one tree.
pub const EVIDENCE_MAX: usize = 12;

/// A set of assumptions of one tree, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AtomSet(u64);

impl AtomSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// The set with assumption number `atom` alone; empty for a number of [`ATOMS_MAX`] or more.
    pub fn one(atom: usize) -> Self {
        let shift = u32::try_from(atom).unwrap_or(u32::MAX);
        Self(1_u64.checked_shl(shift).unwrap_or(0))
    }

    /// Members of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they share a member.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every member of `self` is one of `other`.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// How many members.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of the members, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let atom = rest.trailing_zeros();
            // Takes the lowest member away.
            rest &= rest.checked_sub(1)?;
            usize::try_from(atom).ok()
        })
    }
}

impl FromIterator<usize> for AtomSet {
    fn from_iter<T: IntoIterator<Item = usize>>(atoms: T) -> Self {
        atoms
            .into_iter()
            .fold(Self::EMPTY, |set, atom| set.union(Self::one(atom)))
    }
}

/// Figures of one assumption in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Atom {
    /// Upper bound on the probability that it fails.
    pub probability: Rate,
    /// What it takes to break it once; none: no money does.
    pub fixed: Option<Money>,
    /// What each exploited receipt costs beyond that.
    pub marginal: Money,
    /// What else breaks with it.
    pub scope: Scope,
}

/// One evidence: it fails if one of its assumptions fails, or by bad luck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Support {
    /// What it rests on.
    pub rests_on: AtomSet,
    /// Probability that it shows nothing although all assumptions hold.
    pub residual: Rate,
}

/// The top event of one threat: a common assumption fails, or every evidence does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultTree {
    atoms: Vec<Atom>,
    common: AtomSet,
    supports: Vec<Support>,
}

/// Why there is no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// More assumptions than a tree holds.
    #[error("one assessment rests on {got} assumptions; at most {ATOMS_MAX}")]
    TooManyAtoms {
        /// How many.
        got: usize,
    },
    /// More evidences than a tree holds.
    #[error("{got} evidences cover one threat; at most {EVIDENCE_MAX}")]
    TooManyEvidences {
        /// How many.
        got: usize,
    },
    /// A member that is no assumption of the tree.
    #[error("a set names an assumption that the tree does not have")]
    UnknownAtom,
}

/// A cut set with what it costs to make all of it fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The assumptions.
    pub atoms: AtomSet,
    /// Cost for the number of receipts asked for; none: a member has no figure.
    pub cost: Option<Money>,
    /// What else breaks with all of them.
    pub radius: Scope,
}

/// How cuts are compared: price first or size first; what cannot be bought comes last.
type Key = (bool, u64, u64, u64);

/// A set of assumptions with its price so far.
#[derive(Debug, Clone, Copy)]
struct Weighed {
    set: AtomSet,
    cost: Option<Money>,
}

impl Weighed {
    const NOTHING: Self = Self {
        set: AtomSet::EMPTY,
        cost: Some(Money::ZERO),
    };

    fn with(self, atom: usize, price: Option<Money>) -> Self {
        Self {
            set: self.set.union(AtomSet::one(atom)),
            cost: self.cost.and_then(|cost| Some(cost.plus(price?))),
        }
    }

    fn key(self, by_size: bool) -> Key {
        let cost = self.cost.map_or(u64::MAX, Money::micros);
        let size = self.set.len() as u64;
        // Of two sets the one with the lowest differing member comes first: members are in the order of ids.
        let order = !self.set.0.reverse_bits();
        if by_size {
            (false, size, cost, order)
        } else {
            (self.cost.is_none(), cost, size, order)
        }
    }
}

impl FaultTree {
    /// A tree. Luck above `luck_floor` becomes an assumption that costs nothing; below, nobody can use it.
    pub fn new(
        atoms: &[Atom],
        common: AtomSet,
        supports: &[Support],
        luck_floor: Rate,
    ) -> Result<Self, TreeError> {
        if supports.len() > EVIDENCE_MAX {
            return Err(TreeError::TooManyEvidences {
                got: supports.len(),
            });
        }
        let known: AtomSet = (0..atoms.len().min(ATOMS_MAX)).collect();
        let mut tree = Self {
            atoms: atoms.to_vec(),
            common,
            supports: supports.to_vec(),
        };
        let sets = supports.iter().map(|support| support.rests_on);
        if !sets.chain([common]).all(|set| set.is_within(known)) {
            return Err(TreeError::UnknownAtom);
        }
        for support in &mut tree.supports {
            if support.residual > luck_floor {
                support.rests_on = support.rests_on.union(AtomSet::one(tree.atoms.len()));
                tree.atoms.push(Atom {
                    // The residual itself is counted once, in the bounds.
                    probability: Rate::ZERO,
                    fixed: Some(Money::ZERO),
                    marginal: Money::ZERO,
                    scope: Scope::Receipt,
                });
            }
        }
        if tree.atoms.len() > ATOMS_MAX {
            return Err(TreeError::TooManyAtoms {
                got: tree.atoms.len(),
            });
        }
        Ok(tree)
    }

    fn probability(&self, set: AtomSet) -> Rate {
        set.iter()
            .filter_map(|atom| self.atoms.get(atom))
            .fold(Rate::ZERO, |sum, atom| sum.plus(atom.probability))
    }

    /// Upper bound on the failure of `support` beyond the common assumptions.
    fn failure(&self, support: &Support) -> Rate {
        let own = AtomSet(support.rests_on.0 & !self.common.0);
        self.probability(own).plus(support.residual)
    }

    /// Upper bound on the probability of undetected cheating, whatever the assumptions have to do with each other (§5.3).
    pub fn bound(&self) -> Rate {
        let least = self
            .supports
            .iter()
            .map(|support| self.failure(support))
            .min();
        self.probability(self.common)
            .plus(least.unwrap_or(Rate::ONE))
    }

    /// The same if failures of evidences are independent apart from the share `beta` (§5.4). A scenario, no bound.
    pub fn scenario(&self, beta: Rate) -> Rate {
        let failures = || self.supports.iter().map(|support| self.failure(support));
        let Some(least) = failures().min() else {
            return Rate::ONE;
        };
        let product = failures().fold(Rate::ONE, Rate::times);
        let mixed = beta.complement().times(product).plus(beta.times(least));
        self.probability(self.common).plus(mixed)
    }

    /// Which supports have assumption `atom`, as bits.
    fn hits(&self, atom: usize) -> usize {
        let one = AtomSet::one(atom);
        let mut bits = 0_usize;
        for (number, support) in self.supports.iter().enumerate() {
            if support.rests_on.meets(one) {
                bits |= 1_usize
                    .checked_shl(u32::try_from(number).unwrap_or(u32::MAX))
                    .unwrap_or(0);
            }
        }
        bits
    }

    fn price(&self, atom: usize, receipts: u64) -> Option<Money> {
        let atom = self.atoms.get(atom)?;
        Some(atom.fixed?.plus(atom.marginal.times(receipts)))
    }

    fn cut(&self, atoms: AtomSet, receipts: u64) -> Cut {
        let mut prices = atoms.iter().map(|atom| self.price(atom, receipts));
        let scopes = atoms.iter().filter_map(|atom| self.atoms.get(atom));
        Cut {
            atoms,
            cost: prices.try_fold(Money::ZERO, |sum, price| Some(sum.plus(price?))),
            radius: scopes
                .map(|atom| atom.scope)
                .min()
                .unwrap_or(Scope::Receipt),
        }
    }

    /// The best cut: dynamic programming over the sets of evidences that are met, at most 2^12 of them.
    fn best(&self, receipts: u64, by_size: bool) -> Option<AtomSet> {
        let width = u32::try_from(self.supports.len()).unwrap_or(u32::MAX);
        let states = 1_usize.checked_shl(width).unwrap_or(1);
        let mut best: Vec<Option<Weighed>> = vec![None; states];
        if let Some(first) = best.first_mut() {
            *first = Some(Weighed::NOTHING);
        }
        for atom in 0..self.atoms.len() {
            let hits = self.hits(atom);
            if hits == 0 {
                continue;
            }
            let price = self.price(atom, receipts);
            // Downwards, so that an assumption is taken once.
            for state in (0..states).rev() {
                let to = state | hits;
                let Some(weighed) = best.get(state).copied().flatten().filter(|_| to != state)
                else {
                    continue;
                };
                let candidate = weighed.with(atom, price);
                if let Some(slot) = best.get_mut(to)
                    && slot.is_none_or(|old| candidate.key(by_size) < old.key(by_size))
                {
                    *slot = Some(candidate);
                }
            }
        }
        let alone = |atom| Weighed::NOTHING.with(atom, self.price(atom, receipts));
        let all = self
            .common
            .iter()
            .map(alone)
            .chain(best.last().copied().flatten());
        all.min_by_key(|weighed| weighed.key(by_size))
            .map(|weighed| weighed.set)
    }

    /// The cheapest way to cheat on `receipts` receipts (§5.5). Without evidence it is the empty set: cheating is free. None: there is no way.
    pub fn cheapest(&self, receipts: u64) -> Option<Cut> {
        self.best(receipts, false)
            .map(|set| self.cut(set, receipts))
    }

    /// The cut set of the fewest assumptions, the cheapest of those.
    pub fn smallest(&self, receipts: u64) -> Option<Cut> {
        self.best(receipts, true).map(|set| self.cut(set, receipts))
    }

    /// All minimal cut sets in ascending order, or `None` if there are more than `limit` (§5.2).
    pub fn minimal_cut_sets(&self, limit: usize) -> Option<Vec<AtomSet>> {
        let mut sets = vec![AtomSet::EMPTY];
        for support in &self.supports {
            sets = extend(&sets, AtomSet(support.rests_on.0 & !self.common.0), limit)?;
        }
        if self.supports.is_empty() {
            return Some(sets);
        }
        sets.extend(self.common.iter().map(AtomSet::one));
        sets.sort_unstable();
        (sets.len() <= limit).then_some(sets)
    }

    /// The assumptions that alone let the cheat through (§5.6).
    pub fn single_points(&self) -> AtomSet {
        let in_all = self.supports.iter().map(|support| support.rests_on.0);
        let shared = in_all.reduce(|a, b| a & b).unwrap_or(0);
        AtomSet(shared).union(self.common)
    }
}

/// Minimal sets that meet what `sets` meet, and `evidence` as well (Berge's multiplication).
fn extend(sets: &[AtomSet], evidence: AtomSet, limit: usize) -> Option<Vec<AtomSet>> {
    let (meeting, missing): (Vec<AtomSet>, Vec<AtomSet>) =
        sets.iter().partition(|set| set.meets(evidence));
    let mut extended = meeting.clone();
    for atom in evidence.iter() {
        let one = AtomSet::one(atom);
        // A set that already meets the evidence can lie within an extension by `atom` only if `atom` is all that it has of it.
        let rivals: Vec<AtomSet> = meeting
            .iter()
            .filter(|set| AtomSet(set.0 & evidence.0) == one)
            .copied()
            .collect();
        for set in &missing {
            let candidate = set.union(one);
            if !rivals.iter().any(|rival| rival.is_within(candidate)) {
                extended.push(candidate);
            }
        }
        if extended.len() > limit {
            return None;
        }
    }
    Some(extended)
}

#[cfg(test)]
mod tests;
