//! Maps (§8.3), each as the list of its ones.

use std::rc::Rc;

use proofmark_field::{E, eq_table};

use crate::shape::{Shape, pick};

/// A matrix of zeros and ones between variables of a result and bound ones.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub(crate) rows: Vec<usize>,
    bound: Vec<usize>,
    ones: Rc<Vec<(usize, usize)>>,
    /// What evaluating it counts for (§8.14).
    pub(crate) steps: u64,
}

/// Variables of an axis, and its length.
pub(crate) type Axis = (Vec<usize>, u64);

/// `bound = stride·outer + dilation·inner + offset`.
pub(crate) struct Window {
    pub(crate) outer: Axis,
    pub(crate) stride: u64,
    /// Without variables where it is summed.
    pub(crate) inner: Axis,
    pub(crate) dilation: u64,
    pub(crate) offset: i64,
    pub(crate) bound: Axis,
}

impl Map {
    fn new(rows: Vec<usize>, bound: Vec<usize>, ones: Vec<(usize, usize)>, steps: u64) -> Self {
        let ones = Rc::new(ones);
        Self {
            rows,
            bound,
            ones,
            steps,
        }
    }

    pub(crate) fn window(of: Window) -> Self {
        let mut ones = Vec::new();
        for outer in 0..of.outer.1 {
            for inner in 0..of.inner.1 {
                let at = (outer * of.stride + inner * of.dilation) as i64 + of.offset;
                if (0..of.bound.1 as i64).contains(&at) {
                    let row = match of.inner.0.len() {
                        0 => outer,
                        bits => outer << bits | inner,
                    };
                    ones.push((row as usize, at as usize));
                }
            }
        }
        let steps = of.outer.1 * of.inner.1;
        Self::new([of.outer.0, of.inner.0].concat(), of.bound.0, ones, steps)
    }

    /// bound = stride·outer + offset.
    pub(crate) fn stride(outer: Axis, stride: u64, offset: i64, bound: Axis) -> Self {
        Self::window(Window {
            outer,
            stride,
            inner: (vec![], 1),
            dilation: 0,
            offset,
            bound,
        })
    }

    /// bound = outer.
    pub(crate) fn tie(outer: Axis, bound: Axis) -> Self {
        Self::stride(outer, 1, 0, bound)
    }

    pub(crate) fn flat(result: &Shape, operand: &Shape) -> Self {
        let ones = result.padded().into_iter().zip(operand.padded()).collect();
        let all = |of: &Shape| (0..of.variables()).collect();
        Self::new(all(result), all(operand), ones, result.elements())
    }

    /// bound ≤ row.
    pub(crate) fn up_to(rows: Vec<usize>, bound: Vec<usize>, length: u64) -> Self {
        let row = |row| (0..=row).map(move |column| (row, column));
        let ones = (0..length as usize).flat_map(row).collect();
        Self::new(rows, bound, ones, length)
    }

    pub(crate) fn gather(rows: Vec<usize>, bound: Vec<usize>, indices: &[usize]) -> Self {
        let ones: Vec<_> = indices.iter().copied().enumerate().collect();
        let steps = ones.len() as u64;
        Self::new(rows, bound, ones, steps)
    }

    /// j ≤ t and, with a window, j > t − window; the rows being (j, t), the bound one t.
    pub(crate) fn seen(rows: Vec<usize>, bound: Vec<usize>, length: u64, window: u64) -> Self {
        let mut ones = Vec::new();
        for j in 0..length {
            for t in j..length {
                if window == 0 || j + window > t {
                    ones.push(((j << bound.len() | t) as usize, t as usize));
                }
            }
        }
        Self::new(rows, bound, ones, length)
    }

    pub(crate) fn evaluate(&self, point: &[E], bound: &[E]) -> E {
        let rows = eq_table(&pick(point, &self.rows));
        let columns = eq_table(&pick(bound, &self.bound));
        let ones = self.ones.iter();
        ones.map(|(row, column)| rows[*row] * columns[*column])
            .sum()
    }

    /// Of the rows that have a one: at most one each.
    pub(crate) fn rows_with_ones(&self, point: &[E]) -> E {
        let rows = eq_table(&pick(point, &self.rows));
        self.ones.iter().map(|(row, _)| rows[*row]).sum()
    }
}
