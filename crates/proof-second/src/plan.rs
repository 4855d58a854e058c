//! The plan (§8): what there is, and where it stands in stacks.

use std::rc::Rc;

use proofmark_field::{E, eq};

use crate::integer::{Interval, Wire};
use crate::map::Map;
use crate::shape::{Mask, Shape, variables};

#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) shape: Shape,
    pub(crate) interval: Interval,
    pub(crate) rule: Rule,
}

/// §8.2.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    /// Elements that the verifier knows.
    Given(Rc<Vec<i32>>),
    /// 1 at the indices of the last axis that are below the end of the row; and all of it, written out.
    Below(Vec<u32>, Rc<Vec<i32>>),
    /// Π of masks and of the rows of maps that have a one.
    Inside(Vec<Mask>, Vec<Map>),
    Column(usize),
    Constant(usize),
    Linear(Vec<Term>),
    Sum(Sum),
}

#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) coefficient: i128,
    pub(crate) tensor: Option<(usize, Vec<usize>)>,
    pub(crate) masks: Vec<Mask>,
}

#[derive(Debug, Clone)]
pub(crate) struct Sum {
    /// Bound variables.
    pub(crate) bound: usize,
    pub(crate) maps: Vec<Map>,
    /// One or two tensors, with a place for each of their variables.
    pub(crate) factors: Vec<(usize, Vec<Place>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Free(usize),
    Bound(usize),
}

/// Places among the result's variables.
pub(crate) fn free(of: impl IntoIterator<Item = usize>) -> Vec<Place> {
    of.into_iter().map(Place::Free).collect()
}

/// Places among the bound variables.
pub(crate) fn bound(of: impl IntoIterator<Item = usize>) -> Vec<Place> {
    of.into_iter().map(Place::Bound).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Digit(u32),
    Other,
}

/// A constraint is a sum of coefficient · Π wires.
pub(crate) type Constraint = Vec<(i128, Vec<usize>)>;

#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) variables: usize,
    pub(crate) wires: Vec<Wire>,
    pub(crate) constraints: Vec<Constraint>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) digit_bits: u32,
    pub(crate) tensors: Vec<Tensor>,
    /// Tensor and kind.
    pub(crate) columns: Vec<(usize, Kind)>,
    pub(crate) checks: Vec<Check>,
    pub(crate) zeros: Vec<usize>,
    /// Table, key, value.
    pub(crate) lookups: Vec<(usize, usize, usize)>,
    /// Values, count.
    pub(crate) tables: Vec<(usize, usize)>,
}

impl Plan {
    /// Digits first, then all other columns.
    pub(crate) fn order(&self) -> (Vec<usize>, Vec<usize>) {
        (0..self.columns.len()).partition(|at| matches!(self.columns[*at].1, Kind::Digit(_)))
    }

    fn sizes(&self, columns: &[usize]) -> Vec<usize> {
        let size = |at: &usize| self.tensors[self.columns[*at].0].shape.variables();
        columns.iter().map(size).collect()
    }

    /// §8.7: a slot for each digit, then for each other column.
    pub(crate) fn witness(&self) -> Stack {
        let (digits, others) = self.order();
        Stack::of(&[self.sizes(&digits), self.sizes(&others)])
    }

    /// §10.2: a slot for each digit, each lookup, the table of digits, each other table.
    pub(crate) fn leaves(&self) -> Stack {
        let size = |tensor: usize| self.tensors[tensor].shape.variables();
        let lookups = self.lookups.iter().map(|lookup| size(lookup.1)).collect();
        let mut tables = vec![self.digit_bits as usize + 1];
        tables.extend(self.tables.iter().map(|table| size(table.0)));
        Stack::of(&[self.sizes(&self.order().0), lookups, tables])
    }
}

/// Slots of a stack (§8.7).
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) variables: usize,
    /// Offset and variables.
    slots: Vec<(u64, usize)>,
}

impl Stack {
    pub(crate) fn of(groups: &[Vec<usize>]) -> Self {
        let (mut slots, mut end) = (Vec::new(), 0_u64);
        for group in groups {
            let first = slots.len();
            slots.resize(first + group.len(), (0, 0));
            let mut order: Vec<usize> = (0..group.len()).collect();
            order.sort_by_key(|at| std::cmp::Reverse(group[*at]));
            for at in order {
                let offset = end.next_multiple_of(1 << group[at]);
                slots[first + at] = (offset, group[at]);
                end = offset + (1 << group[at]);
            }
        }
        Self {
            variables: variables(end.max(1)),
            slots,
        }
    }

    /// What a slot weighs at a point, and the point within it.
    pub(crate) fn split<'r>(&self, slot: usize, point: &'r [E]) -> (E, &'r [E]) {
        let (offset, size) = self.slots[slot];
        let (first, rest) = point.split_at(point.len() - size);
        let bits: Vec<E> = (0..first.len())
            .map(|i| E::new((offset >> size >> (first.len() - 1 - i) & 1) as u32))
            .collect();
        (eq(&bits, first), rest)
    }
}
