//! A tensor: a shape with as many numbers as it has places.

use alloc::string::String;
use alloc::vec::Vec;

use crate::TensorError;

/// Most dimensions of a tensor (specs/04-program.md §2.1), and one for rows.
pub const MAX_DIMENSIONS: usize = 7;
/// Most elements of all tensors of a request, and of an answer.
pub const MAX_ELEMENTS: usize = 1 << 22;
/// Most tensors of a request, an answer or a file.
pub const MAX_TENSORS: usize = 1_000;
/// Longest name of a tensor in an answer, in bytes: programs have no longer ones (specs/04-program.md §4.2).
pub const MAX_NAME_BYTES: usize = 256;

/// Tensors with their names, which differ.
pub type NamedTensors = Vec<(String, Tensor)>;

/// The numbers of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Real numbers, as doubles.
    Real(Vec<f64>),
    /// Integers.
    Integer(Vec<i64>),
}

impl Numbers {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Real(numbers) => numbers.len(),
            Self::Integer(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All as doubles, an integer as the nearest one.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest double is what is asked for"
    )]
    pub fn into_reals(self) -> Vec<f64> {
        match self {
            Self::Real(numbers) => numbers,
            Self::Integer(numbers) => numbers.into_iter().map(|x| x as f64).collect(),
        }
    }
}

/// A shape with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<u32>,
    numbers: Numbers,
}

impl Tensor {
    /// A tensor, if there are as many numbers as the shape has places, at least one, and not too many dimensions.
    #[must_use]
    pub fn new(shape: Vec<u32>, numbers: Numbers) -> Option<Self> {
        let fits = shape.len() <= MAX_DIMENSIONS && elements(&shape) == Some(numbers.len());
        (fits && !numbers.is_empty()).then_some(Self { shape, numbers })
    }

    /// Lengths of the dimensions.
    #[must_use]
    pub fn shape(&self) -> &[u32] {
        &self.shape
    }

    /// The numbers, row-major.
    #[must_use]
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Shape and numbers.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u32>, Numbers) {
        (self.shape, self.numbers)
    }
}

/// Places of a shape; `None` beyond what can be counted.
pub(crate) fn elements(shape: &[u32]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &dimension| {
        product.checked_mul(usize::try_from(dimension).ok()?)
    })
}

/// Counts elements against a bound, before anything is allocated for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    limit: usize,
    left: usize,
}

impl Allowance {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    pub(crate) fn take(&mut self, elements: usize) -> Result<(), TensorError> {
        match self.left.checked_sub(elements) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(TensorError::TooLarge {
                what: "elements of tensors",
                limit: self.limit as u64,
            }),
        }
    }
}
