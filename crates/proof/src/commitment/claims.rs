//! Linear claims on a vector, whose coefficients are products over its variables (specs/05-proof.md §5.3).

use alloc::vec;
use alloc::vec::Vec;

use crate::field::{E, F, eq, evaluate};

/// A vector of coefficients T.
#[derive(Debug, Clone)]
enum Form {
    /// T(b) = eq(r, b).
    Point(Vec<E>),
    /// T(b) = x^index(b).
    Powers(F),
}

/// Σ_k c_k·T_k: what the sum Σ_b T(b)·u(b) is claimed for.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    forms: Vec<(E, Form)>,
}

impl Claims {
    pub(super) fn at(point: &[E]) -> Self {
        let forms = vec![(E::ONE, Form::Point(point.to_vec()))];
        Self { forms }
    }

    pub(super) fn add_powers(&mut self, coefficient: E, x: F) {
        self.forms.push((coefficient, Form::Powers(x)));
    }

    /// Sets the last variables, of which there are as many as challenges, to the challenges.
    pub(super) fn bind(&mut self, challenges: &[E]) {
        for (coefficient, form) in &mut self.forms {
            match form {
                Form::Point(point) => {
                    let rest = point.len().saturating_sub(challenges.len());
                    let bound = point.split_off(rest);
                    *coefficient *= eq(&bound, challenges);
                }
                Form::Powers(x) => {
                    // The last variable's weight is x, the one before it has x².
                    for &s in challenges.iter().rev() {
                        *coefficient *= E::ONE - s + s * *x;
                        *x = x.square();
                    }
                }
            }
        }
    }

    /// Σ_b T(b)·u(b).
    pub(super) fn evaluate(&self, u: &[E]) -> E {
        let terms = self.forms.iter().map(|(coefficient, form)| {
            let value = match form {
                Form::Point(point) => evaluate(u, point).unwrap_or_default(),
                Form::Powers(x) => horner(u, *x),
            };
            *coefficient * value
        });
        terms.sum()
    }
}

/// Σ_h u[h]·x^h.
pub(super) fn horner(u: &[E], x: F) -> E {
    u.iter().rfold(E::ZERO, |sum, &value| sum * x + value)
}
