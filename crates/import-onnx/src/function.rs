//! Functions of one number: what activations are, and what becomes a lookup table.

use crate::graph::Binary;

/// A function of one real number, as a sequence of terms; the last one is the result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub(crate) terms: Vec<Term>,
}

/// One term. Indices are those of earlier terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Term {
    /// The argument.
    Argument,
    Constant(f64),
    Unary(Unary, usize),
    Binary(Binary, usize, usize),
}

/// Elementwise operations on one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unary {
    Abs,
    Neg,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Erf,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    Softplus,
    Softsign,
    Floor,
    Ceil,
    Round,
    Sign,
    Clip(f64, f64),
    LeakyRelu(f64),
    Elu(f64),
    Celu(f64),
    Selu(f64, f64),
    HardSigmoid(f64, f64),
    ThresholdedRelu(f64),
    GeluTanh,
}

impl Unary {
    pub(crate) fn apply(self, x: f64) -> f64 {
        match self {
            Self::Abs => x.abs(),
            Self::Neg => -x,
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Reciprocal => 1.0 / x,
            Self::Erf => erf(x),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(x),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Sign if x == 0.0 => 0.0,
            Self::Sign => x.signum(),
            // max, then min: the order that the operator has when its bounds cross.
            Self::Clip(lo, hi) => x.max(lo).min(hi),
            Self::LeakyRelu(alpha) => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::Elu(alpha) => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Celu(alpha) => x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0),
            Self::Selu(alpha, gamma) => gamma * if x <= 0.0 { alpha * x.exp_m1() } else { x },
            Self::HardSigmoid(alpha, beta) => (alpha * x + beta).clamp(0.0, 1.0),
            Self::ThresholdedRelu(alpha) => {
                if x > alpha {
                    x
                } else {
                    0.0
                }
            }
            Self::GeluTanh => {
                let inner = (2.0 / core::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
        }
    }
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The error function: its Maclaurin series below 3, a continued fraction of the complement from there on
/// (Abramowitz and Stegun, 7.1.6 and 7.1.14). Both are good to about 1e-13 there.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    let value = if a < 3.0 {
        let mut term = a;
        let mut sum = a;
        let mut n = 0.0;
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
        }
        2.0 / core::f64::consts::PI.sqrt() * (-a * a).exp() * sum
    } else {
        let fraction = (1..=60)
            .rev()
            .fold(a, |below, n| a + 0.5 * f64::from(n) / below);
        1.0 - (-a * a).exp() / (core::f64::consts::PI.sqrt() * fraction)
    };
    value.copysign(x)
}

impl Function {
    /// `f(x)` for one operation.
    pub(crate) fn unary(unary: Unary) -> Self {
        Self {
            terms: vec![Term::Argument, Term::Unary(unary, 0)],
        }
    }

    /// The value at `x`. NaN where it is not defined.
    pub(crate) fn at(&self, x: f64) -> f64 {
        let mut values: Vec<f64> = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let value = match *term {
                Term::Argument => x,
                Term::Constant(value) => value,
                Term::Unary(unary, a) => unary.apply(values[a]),
                Term::Binary(binary, a, b) => binary.apply(values[a], values[b]),
            };
            values.push(value);
        }
        values.last().copied().unwrap_or(x)
    }

    /// `[lo, hi]` if this is nothing but `clamp(x, lo, hi)`.
    pub(crate) fn as_clip(&self) -> Option<(f64, f64)> {
        let mut bounds = (f64::NEG_INFINITY, f64::INFINITY);
        for (at, term) in self.terms.iter().enumerate() {
            match *term {
                Term::Argument if at == 0 => {}
                Term::Unary(Unary::Clip(lo, hi), from) if from + 1 == at && lo <= hi => {
                    bounds = (bounds.0.clamp(lo, hi), bounds.1.clamp(lo, hi));
                }
                _ => return None,
            }
        }
        Some(bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_has_its_known_values() {
        // Abramowitz and Stegun, table 7.1, and symmetry.
        for (x, value) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813),
            (1.0, 0.842_700_792_950),
            (2.0, 0.995_322_265_019),
            (2.999_999_9, 0.999_977_909_490),
            (3.0, 0.999_977_909_503),
        ] {
            assert!((erf(x) - value).abs() < 2e-11, "{x}: {}", erf(x));
            assert!((erf(-x) + value).abs() < 2e-11, "{x}");
        }
    }

    #[test]
    fn a_chain_of_clips_is_a_clip() {
        let relu6 = Function {
            terms: vec![
                Term::Argument,
                Term::Unary(Unary::Clip(0.0, f64::INFINITY), 0),
                Term::Unary(Unary::Clip(-1.0, 6.0), 1),
            ],
        };
        assert_eq!(relu6.as_clip(), Some((0.0, 6.0)));
        assert_eq!(Function::unary(Unary::Tanh).as_clip(), None);
    }
}
