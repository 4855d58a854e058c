//! Commitments and openings, the prover's side (specs/05-proof.md §4 and §5).

mod code;
mod opening;
mod tree;

use proofmark_field::F;
use proofmark_proof::commitment::{Commitment, Shape};

use crate::{Machine, ProverError};
pub use opening::{open, open_with};
use tree::Tree;

/// The values of a polynomial on the hypercube, variable 0 being the most significant bit of an index.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Small integers; nothing but them and the tree is kept.
    I8(&'a [i8]),
    /// Elements of the base field; the code's positions are kept.
    Base(&'a [F]),
}

impl Values<'_> {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::I8(values) => values.len(),
            Self::Base(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn at(&self, index: usize) -> F {
        match self {
            Self::I8(values) => F::from_i32(i32::from(values[index])),
            Self::Base(values) => values[index],
        }
    }
}

/// A commitment with what its openings need.
#[derive(Debug)]
pub struct Committed<'a> {
    commitment: Commitment,
    values: Values<'a>,
    tree: Tree,
}

impl Committed<'_> {
    /// What the verifier gets.
    #[must_use]
    pub const fn commitment(&self) -> &Commitment {
        &self.commitment
    }
}

/// Commits to the polynomial of these values.
///
/// # Errors
/// If the number of values is not that of the shape.
pub fn commit<'a>(
    machine: Machine<'_>,
    values: Values<'a>,
    shape: Shape,
) -> Result<Committed<'a>, ProverError> {
    let expected = 1_u64 << shape.log2_size();
    if values.len() as u64 != expected {
        return Err(ProverError::Length {
            what: "values of a polynomial",
            expected,
            got: values.len() as u64,
        });
    }
    let _ = machine;
    let rows: Vec<F> = (0..values.len()).map(|index| values.at(index)).collect();
    let width = 1 << shape.log2_width();
    let tree = Tree::new(code::encode(&rows, width, shape.log2_inverse_rate()), width);
    Ok(Committed {
        commitment: Commitment {
            shape,
            root: tree.root(),
        },
        values,
        tree,
    })
}
