//! Float tensors of the import: shapes and double-precision elements.
//!
//! Doubles hold every f32 and every integer below 2^53 exactly, so one representation serves weights, shapes and activations, and sums
//! are those of real numbers for all purposes of a loss report.

use crate::error::{Result, malformed, too_large};

/// Most elements of one tensor of a model (2^28, as in specs/04-program.md §2.1).
pub(crate) const MAX_ELEMENTS: u64 = 1 << 28;
/// Most dimensions.
pub(crate) const MAX_RANK: usize = 6;

/// What the elements stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Floating point.
    Real,
    /// Integers.
    Integer,
    /// Zero or one.
    Boolean,
}

/// A dense tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Elements, as many as the product of the dimensions.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor of these elements; `None` if their number is not the product of the dimensions.
    pub fn new(shape: Vec<usize>, data: Vec<f64>) -> Option<Self> {
        (elements(&shape) == Some(data.len())).then_some(Self { shape, data })
    }

    /// One number, without dimensions.
    pub(crate) fn scalar(value: f64) -> Self {
        Self {
            shape: Vec::new(),
            data: vec![value],
        }
    }

    /// A list of numbers.
    pub(crate) fn list(data: Vec<f64>) -> Self {
        Self {
            shape: vec![data.len()],
            data,
        }
    }

    pub(crate) fn filled(shape: Vec<usize>, value: f64) -> Result<Self> {
        let count = checked_elements(&shape)?;
        Ok(Self {
            data: vec![value; count],
            shape,
        })
    }

    /// The same elements in another shape of as many.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        if elements(shape) != Some(self.data.len()) {
            return Err(malformed(format!(
                "{:?} cannot have the shape {shape:?}",
                self.shape
            )));
        }
        Ok(Self {
            shape: shape.to_vec(),
            data: self.data.clone(),
        })
    }

    /// The dimensions in another order: dimension j of the result is `permutation[j]` of this.
    pub(crate) fn transposed(&self, permutation: &[usize]) -> Self {
        let strides = strides(&self.shape);
        let shape: Vec<usize> = permutation.iter().map(|&p| self.shape[p]).collect();
        let taken: Vec<usize> = permutation.iter().map(|&p| strides[p]).collect();
        let data = indices(&shape)
            .map(|index| self.data[dot(&index, &taken)])
            .collect();
        Self { shape, data }
    }

    /// The integers of a shape or of a list of axes.
    pub(crate) fn integers(&self) -> Vec<i64> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates: 2^63 - 1 is how exporters write \"to the end\""
        )]
        self.data.iter().map(|&x| x as i64).collect()
    }

    /// Smallest and largest element, zero included.
    pub(crate) fn span(&self) -> (f64, f64) {
        self.data
            .iter()
            .fold((0.0, 0.0), |(lo, hi): (f64, f64), &x| {
                (lo.min(x), hi.max(x))
            })
    }
}

/// Product of the dimensions, if it is in bounds.
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1_u64, |product, &d| {
            product
                .checked_mul(d as u64)
                .filter(|&product| product <= MAX_ELEMENTS)
        })
        .and_then(|count| usize::try_from(count).ok())
}

/// As [`elements`], with an error that says what is wrong.
pub(crate) fn checked_elements(shape: &[usize]) -> Result<usize> {
    elements(shape).ok_or_else(|| {
        let got = shape
            .iter()
            .fold(1, |product: u64, &d| product.saturating_mul(d as u64));
        too_large("elements", format!("shape {shape:?}"), got, MAX_ELEMENTS)
    })
}

/// Row-major strides.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Strides of `shape` as seen from `target`, to which it broadcasts: 0 where it repeats.
pub(crate) fn broadcast_strides(shape: &[usize], target: &[usize]) -> Vec<usize> {
    let own = strides(shape);
    let missing = target.len() - shape.len();
    (0..target.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(at) if shape[at] != 1 => own[at],
            _ => 0,
        })
        .collect()
}

/// Shape of elementwise results (numpy's rule); `None` if the shapes do not go together.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| {
        (axis + shape.len())
            .checked_sub(rank)
            .map_or(1, |at| shape[at])
    };
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Every index of a shape, in row-major order.
pub(crate) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    let count: usize = shape.iter().product();
    (0..count).scan(vec![0; shape.len()], move |index, _| {
        let now = index.clone();
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
        Some(now)
    })
}

/// Offset of an index.
pub(crate) fn dot(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}
