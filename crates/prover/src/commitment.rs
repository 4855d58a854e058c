//! Commitments and openings, the prover's side (specs/05-proof.md §4 and §5).

mod lanes;
mod memory;
mod opening;
mod tree;

use proofmark_field::F;
use proofmark_kernels::field::Rows;
use proofmark_proof::commitment::{Commitment, Shape};

use crate::{Machine, ProverError};
pub use memory::memory_bytes;
pub use opening::{open, open_with};
use tree::Tree;

/// Up to this many values, positions of a code of small integers are kept: keeping them is cheaper than computing some again.
const LOG2_KEPT: u32 = 20;

/// The values of a polynomial on the hypercube, variable 0 being the most significant bit of an index.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Small integers. Of many, nothing but they themselves and the tree is kept.
    I8(&'a [i8]),
    /// Elements of the base field. The code's positions are kept: four words for a value at the usual rate.
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
    let (rows, keep) = match values {
        Values::I8(values) => (Rows::I8(values), shape.log2_size() <= LOG2_KEPT),
        Values::Base(values) => (Rows::Base(values), true),
    };
    let code = (shape.log2_message(), shape.log2_inverse_rate());
    let tree = Tree::new(machine, rows, 1 << shape.log2_width(), code, keep);
    Ok(Committed {
        commitment: Commitment {
            shape,
            root: tree.root(),
        },
        values,
        tree,
    })
}
