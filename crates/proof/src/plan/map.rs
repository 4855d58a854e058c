//! Sparse matrices between indices of a result and indices of an operand (specs/05-proof.md §8.3).

use alloc::vec;
use alloc::vec::Vec;

use super::shape::{Shape, pick};
use crate::field::{E, eq_table};
use crate::halves::Halves;

/// A matrix of zeros and ones, with rows indexed by variables of the result and columns by bound variables.
#[derive(Debug, Clone)]
pub enum Map {
    /// Ones where `bound = stride·outer + dilation·inner + offset`.
    Window(Window),
    /// Ones where the elements have the same place in row-major order, all axes of the result against all bound axes.
    Flat {
        /// Shape of the result.
        result: Shape,
        /// Shape of the operand.
        operand: Shape,
    },
    /// Ones where bound = `ids[row]`.
    Gather {
        /// Variables of the result that index the rows.
        rows: Vec<usize>,
        /// Column of each row.
        ids: Vec<u32>,
        /// Bound variables.
        bound: Vec<usize>,
    },
    /// Ones where bound ≤ row, both below `length`.
    UpTo {
        /// Variables of the result that index the rows.
        rows: Vec<usize>,
        /// Bound variables.
        bound: Vec<usize>,
        /// Length of both axes.
        length: u32,
    },
    /// Ones where a position sees another, and is the bound one.
    Seen(Seen),
}

/// Positions t that see j: `j ≤ t`, and `t − window < j` unless the window is 0.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Variables of the result that index j, then those that index t.
    pub rows: Vec<usize>,
    /// Bound variables, which index t.
    pub bound: Vec<usize>,
    /// Number of positions.
    pub length: u32,
    /// Positions that each sees, itself included; 0 is all.
    pub window: u32,
}

impl Seen {
    /// The first position that t sees.
    fn first(&self, t: usize) -> usize {
        match usize::try_from(self.window) {
            Ok(window) if window > 0 => t.saturating_add(1).saturating_sub(window),
            _ => 0,
        }
    }

    fn positions(&self) -> core::ops::Range<usize> {
        0..usize::try_from(self.length).unwrap_or(0)
    }

    /// For each t: eq(point, t)·Σ eq(point, j) over the j that it sees.
    fn row(&self, point: &[E]) -> Vec<E> {
        let (keys, queries) = self.rows.split_at(self.bound.len().min(self.rows.len()));
        let (keys, mut queries) = (
            eq_table(&pick(point, keys)),
            eq_table(&pick(point, queries)),
        );
        let mut sums = vec![E::ZERO];
        let mut sum = E::ZERO;
        for weight in keys {
            sum += weight;
            sums.push(sum);
        }
        let to = |at: usize| sums.get(at).copied().unwrap_or_default();
        for (t, weight) in queries.iter_mut().enumerate() {
            *weight = if self.positions().contains(&t) {
                let within = to(t.saturating_add(1)).minus(to(self.first(t)));
                weight.times(within)
            } else {
                E::ZERO
            };
        }
        queries
    }
}

/// An affine relation between up to two axes of the result and a bound axis.
#[derive(Debug, Clone)]
pub struct Window {
    /// Variables of the outer index, and its length.
    pub outer: (Vec<usize>, u32),
    /// Factor of the outer index.
    pub stride: u32,
    /// The inner index: its variables, or none if all its values are summed.
    pub inner: Option<Vec<usize>>,
    /// Length of the inner index.
    pub inner_length: u32,
    /// Factor of the inner index.
    pub dilation: u32,
    /// What is added.
    pub offset: i64,
    /// Bound variables, and the length of their axis.
    pub bound: (Vec<usize>, u32),
}

/// An entry of a map: indices over the map's row variables (outer before inner) and bound variables, each as padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Index over [`Map::rows`].
    pub row: usize,
    /// Index over [`Map::bound`].
    pub column: usize,
}

impl Map {
    /// Variables of the result that index the rows.
    #[must_use]
    pub fn rows(&self) -> Vec<usize> {
        match self {
            Self::Window(window) => window
                .outer
                .0
                .iter()
                .chain(window.inner.iter().flatten())
                .copied()
                .collect(),
            Self::Flat { result, .. } => (0..result.variables()).collect(),
            Self::Gather { rows, .. } | Self::UpTo { rows, .. } | Self::Seen(Seen { rows, .. }) => {
                rows.clone()
            }
        }
    }

    /// Bound variables that index the columns.
    #[must_use]
    pub fn bound(&self) -> Vec<usize> {
        match self {
            Self::Window(window) => window.bound.0.clone(),
            Self::Flat { operand, .. } => (0..operand.variables()).collect(),
            Self::Gather { bound, .. }
            | Self::UpTo { bound, .. }
            | Self::Seen(Seen { bound, .. }) => bound.clone(),
        }
    }

    /// Calls `visit` for each one of the matrix; entries may repeat where an inner index is summed.
    pub fn entries(&self, mut visit: impl FnMut(Entry)) {
        match self {
            Self::Window(window) => window.entries(visit),
            Self::Flat { result, operand } => {
                for (row, column) in padded(result).zip(padded(operand)) {
                    visit(Entry { row, column });
                }
            }
            Self::Gather { ids, .. } => {
                for (row, id) in ids.iter().enumerate() {
                    visit(Entry {
                        row,
                        column: usize::try_from(*id).unwrap_or(usize::MAX),
                    });
                }
            }
            Self::UpTo { length, .. } => {
                let length = usize::try_from(*length).unwrap_or(0);
                for row in 0..length {
                    for column in 0..=row {
                        visit(Entry { row, column });
                    }
                }
            }
            Self::Seen(seen) => {
                for t in seen.positions() {
                    for j in seen.first(t)..=t {
                        visit(Entry {
                            row: j << seen.bound.len() | t,
                            column: t,
                        });
                    }
                }
            }
        }
    }

    /// Σ over rows of eq(point, row)·matrix[row, ..]: a vector over the bound variables, `point` being that of the result.
    #[must_use]
    pub fn row(&self, point: &[E]) -> Vec<E> {
        if let Self::Seen(seen) = self {
            return seen.row(point);
        }
        let rows = eq_table(&pick(point, &self.rows()));
        let columns = u32::try_from(self.bound().len())
            .ok()
            .and_then(|n| 1_usize.checked_shl(n))
            .unwrap_or(0);
        let mut vector = vec![E::ZERO; columns];
        if let Self::UpTo { length, .. } = self {
            // Row i has ones up to column i: sums from the end.
            let length = usize::try_from(*length).unwrap_or(0);
            let mut sum = E::ZERO;
            for (place, &weight) in vector.iter_mut().zip(&rows).take(length).rev() {
                sum += weight;
                *place = sum;
            }
            return vector;
        }
        self.entries(|entry| {
            if let (Some(place), Some(&weight)) =
                (vector.get_mut(entry.column), rows.get(entry.row))
            {
                *place += weight;
            }
        });
        vector
    }

    /// The matrix' polynomial: rows at `point` of the result, columns at `bound` of all bound variables.
    #[must_use]
    pub fn evaluate(&self, point: &[E], bound: &[E]) -> E {
        let columns = Halves::new(&pick(bound, &self.bound()));
        if let Self::Seen(seen) = self {
            let row = seen.row(point).into_iter().enumerate();
            return row.map(|(t, weight)| weight.times(columns.at(t))).sum();
        }
        let rows = Halves::new(&pick(point, &self.rows()));
        let mut sum = E::ZERO;
        if let Self::UpTo { length, .. } = self {
            // The columns up to each row.
            let mut up_to = E::ZERO;
            for index in 0..usize::try_from(*length).unwrap_or(0) {
                up_to += columns.at(index);
                sum += rows.at(index).times(up_to);
            }
            return sum;
        }
        self.entries(|entry| sum += rows.at(entry.row).times(columns.at(entry.column)));
        sum
    }

    /// Σ eq(point, row) over the rows that have an entry, for a map with at most one in a row.
    #[must_use]
    pub fn rows_sum(&self, point: &[E]) -> E {
        if let Self::Seen(seen) = self {
            return seen.row(point).into_iter().sum();
        }
        let rows = Halves::new(&pick(point, &self.rows()));
        let mut sum = E::ZERO;
        self.entries(|entry| sum += rows.at(entry.row));
        sum
    }
}

impl Window {
    fn entries(&self, mut visit: impl FnMut(Entry)) {
        let inner_variables = self.inner.as_ref().map_or(0, Vec::len);
        for outer in 0..self.outer.1 {
            for inner in 0..self.inner_length {
                let at = i64::from(outer)
                    .saturating_mul(i64::from(self.stride))
                    .saturating_add(i64::from(inner).saturating_mul(i64::from(self.dilation)))
                    .saturating_add(self.offset);
                let Ok(column) = u32::try_from(at) else {
                    continue;
                };
                if column >= self.bound.1 {
                    continue;
                }
                let row = if self.inner.is_some() {
                    usize::try_from(outer).unwrap_or(usize::MAX) << inner_variables
                        | usize::try_from(inner).unwrap_or(usize::MAX)
                } else {
                    usize::try_from(outer).unwrap_or(usize::MAX)
                };
                visit(Entry {
                    row,
                    column: usize::try_from(column).unwrap_or(usize::MAX),
                });
            }
        }
    }
}

/// Padded indices of a shape's elements, in row-major order.
pub fn padded(shape: &Shape) -> impl Iterator<Item = usize> {
    let lengths = shape.lengths().to_vec();
    let total = lengths
        .iter()
        .fold(1_u64, |product, &n| product.saturating_mul(u64::from(n)));
    (0..total).map(move |flat| {
        let (mut rest, mut index, mut shift) = (flat, 0_usize, 0_usize);
        for &length in lengths.iter().rev() {
            let length = u64::from(length.max(1));
            let at = rest.checked_rem(length).unwrap_or(0);
            rest = rest.checked_div(length).unwrap_or(0);
            index |= usize::try_from(at).unwrap_or(0) << shift;
            shift = shift.saturating_add(Shape::axis_variables(u32::try_from(length).unwrap_or(1)));
        }
        index
    })
}
