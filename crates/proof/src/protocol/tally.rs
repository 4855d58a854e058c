//! What the interactive part adds to the chance of deceit (specs/05-proof.md §12).

/// Counts of degrees: a term's chance is its count divided by |E|.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rounds of sumchecks, each by its degree.
    pub rounds: u64,
    /// Random points at which something has to be zero everywhere.
    pub points: u64,
    /// Powers of challenges that weight claims and constraints.
    pub batches: u64,
    /// Leaves of fractions.
    pub lookups: u64,
}

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl Tally {
    /// A random point of this many variables.
    pub fn points(&mut self, variables: usize) {
        self.points = self.points.saturating_add(count(variables));
    }

    /// The rounds of one sumcheck.
    pub fn rounds(&mut self, variables: usize, degree: usize) {
        self.rounds = self
            .rounds
            .saturating_add(count(variables).saturating_mul(count(degree)));
    }

    /// This many things weighted by powers of one challenge.
    pub fn batch(&mut self, things: usize) {
        self.batches = self.batches.saturating_add(count(things.saturating_sub(1)));
    }

    pub(super) fn check(&mut self, variables: usize, constraints: usize) {
        self.points(variables);
        self.rounds(variables, 3);
        self.batch(constraints);
    }

    pub(super) fn sum(&mut self, variables: usize, degree: usize, claims: usize) {
        self.rounds(variables, degree);
        self.batch(claims);
    }

    pub(super) fn fractions(&mut self, variables: usize) {
        // Two for the product of all denominators, which has degree two in the fingerprint's challenges.
        let leaves = u32::try_from(variables)
            .ok()
            .and_then(|n| 2_u64.checked_shl(n))
            .unwrap_or(u64::MAX);
        self.lookups = self.lookups.saturating_add(leaves);
        for layer in 0..variables {
            self.rounds(layer, 3);
            self.batch(2);
            self.points(1);
        }
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rounds
            .saturating_add(self.points)
            .saturating_add(self.batches)
            .saturating_add(self.lookups)
    }
}
