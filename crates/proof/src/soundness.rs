//! How likely a false statement passes: named terms and their sum (specs/05-proof.md §6).

mod probability;
#[cfg(test)]
mod tests;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::Rejection;
pub use probability::Probability;

/// A way in which a false statement may pass, and how likely it is at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Where it lies in the protocol.
    pub name: Cow<'static, str>,
    /// A bound, for one attempt.
    pub probability: Probability,
}

/// The terms of a proof. Their sum bounds the chance that a false statement passes one attempt, BLAKE3 being a random
/// oracle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    terms: Vec<Term>,
}

impl Account {
    /// No terms.
    #[must_use]
    pub const fn new() -> Self {
        Self { terms: Vec::new() }
    }

    /// Adds a term.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, probability: Probability) {
        let name = name.into();
        self.terms.push(Term { name, probability });
    }

    /// Adds the terms of a part of the proof.
    pub fn extend(&mut self, part: Self) {
        self.terms.extend(part.terms);
    }

    /// The terms, in the order of the protocol.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Their sum.
    #[must_use]
    pub fn total(&self) -> Probability {
        let terms = self.terms.iter();
        terms.fold(Probability::ZERO, |sum, term| sum.plus(term.probability))
    }

    /// −log of the sum, rounded down.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.total().centibits().checked_div(100).unwrap_or(0)
    }

    /// Refuses less than `required` bits.
    ///
    /// # Errors
    /// `proof.weak`.
    pub fn require(&self, required: u32) -> Result<(), Rejection> {
        let bits = self.bits();
        if bits < required {
            return Err(Rejection::Weak { bits, required });
        }
        Ok(())
    }
}
