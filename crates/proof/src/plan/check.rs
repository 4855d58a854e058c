//! Constraints that hold in every cell of a domain (specs/05-proof.md §8.4).

use alloc::vec::Vec;

use super::rule::TensorId;
use super::shape::Shape;
use crate::field::{E, F};

/// Constraints over the cells of one domain, proven together.
#[derive(Debug, Clone)]
pub struct Check {
    /// The domain.
    pub shape: Shape,
    /// Tensors that the constraints speak of.
    pub wires: Vec<Wire>,
    /// Polynomials that are zero in every cell.
    pub constraints: Vec<Vec<Monomial>>,
}

/// A tensor as seen from a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// Which.
    pub tensor: TensorId,
    /// For each of its variables, the variable of the domain.
    pub variables: Vec<usize>,
}

/// coefficient · Π wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monomial {
    /// An integer.
    pub coefficient: i64,
    /// Up to two wires.
    pub wires: [Option<usize>; 2],
}

impl Monomial {
    /// A constant.
    #[must_use]
    pub const fn constant(coefficient: i64) -> Self {
        Self {
            coefficient,
            wires: [None, None],
        }
    }

    /// coefficient · wire.
    #[must_use]
    pub const fn linear(coefficient: i64, wire: usize) -> Self {
        Self {
            coefficient,
            wires: [Some(wire), None],
        }
    }

    /// coefficient · a · b.
    #[must_use]
    pub const fn product(coefficient: i64, a: usize, b: usize) -> Self {
        Self {
            coefficient,
            wires: [Some(a), Some(b)],
        }
    }
}

/// A quadratic form: what all constraints of a check are together, weighted by powers of a challenge.
#[derive(Debug, Clone)]
pub struct Form {
    /// The constant.
    pub constant: E,
    /// Coefficient of each wire.
    pub linear: Vec<E>,
    /// Products of two wires.
    pub products: Vec<(usize, usize, E)>,
}

impl Check {
    /// Σ γ^j · constraint_j.
    #[must_use]
    pub fn form(&self, gamma: E) -> Form {
        let mut form = Form {
            constant: E::ZERO,
            linear: alloc::vec![E::ZERO; self.wires.len()],
            products: Vec::new(),
        };
        let mut power = E::ONE;
        for constraint in &self.constraints {
            for monomial in constraint {
                let weight = power.scale(F::from_i64(monomial.coefficient));
                match monomial.wires {
                    [Some(a), Some(b)] => {
                        let (a, b) = (a.min(b), a.max(b));
                        match form.products.iter_mut().find(|p| (p.0, p.1) == (a, b)) {
                            Some(product) => product.2 += weight,
                            None => form.products.push((a, b, weight)),
                        }
                    }
                    [Some(a), None] | [None, Some(a)] => {
                        if let Some(place) = form.linear.get_mut(a) {
                            *place += weight;
                        }
                    }
                    [None, None] => form.constant += weight,
                }
            }
            power = power.times(gamma);
        }
        form
    }
}

impl Form {
    /// Its value, given those of the wires.
    #[must_use]
    pub fn evaluate(&self, wires: &[E]) -> E {
        let linear: E = self
            .linear
            .iter()
            .zip(wires)
            .map(|(&a, &w)| a.times(w))
            .sum();
        let at = |wire: usize| wires.get(wire).copied().unwrap_or_default();
        let products: E = self
            .products
            .iter()
            .map(|&(a, b, weight)| weight.times(at(a)).times(at(b)))
            .sum();
        self.constant.plus(linear).plus(products)
    }
}
