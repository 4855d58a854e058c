//! The plan (§8), as far as trees need it.

use proofmark_field::{E, F, eq, eq_table};

/// Lengths of axes (§8.1).
#[derive(Debug, Clone)]
pub(crate) struct Shape(pub(crate) Vec<u64>);

/// ⌈log n⌉.
pub(crate) fn variables(length: u64) -> usize {
    length.next_power_of_two().trailing_zeros() as usize
}

impl Shape {
    pub(crate) fn variables(&self) -> usize {
        self.0.iter().map(|n| variables(*n)).sum()
    }

    /// Variables of an axis.
    pub(crate) fn axis(&self, axis: usize) -> std::ops::Range<usize> {
        let start = self.0[..axis].iter().map(|n| variables(*n)).sum();
        start..start + variables(self.0[axis])
    }

    /// The polynomial of a vector of all elements, in row-major order.
    pub(crate) fn evaluate(&self, elements: &[i32], point: &[E]) -> E {
        let weights = eq_table(point);
        let mut sum = E::ZERO;
        for (flat, element) in (0_u64..).zip(elements) {
            let (mut rest, mut index, mut shift) = (flat, 0, 0);
            for &length in self.0.iter().rev() {
                index |= (rest % length) << shift;
                rest /= length;
                shift += variables(length);
            }
            sum += weights[index as usize].scale(F::from_i32(*element));
        }
        sum
    }

    /// Π of masks [0, to) or [from, to) of axes.
    pub(crate) fn masks(&self, masks: &[Mask], point: &[E]) -> E {
        let of = |mask: &Mask| {
            let weights = eq_table(&point[self.axis(mask.axis)]);
            weights[..mask.to as usize].iter().copied().sum::<E>()
        };
        masks.iter().map(of).fold(E::ONE, |product, x| product * x)
    }

    /// The mask of all lengths.
    pub(crate) fn real(&self) -> Vec<Mask> {
        let mask = |(axis, to): (usize, &u64)| Mask { axis, to: *to };
        self.0.iter().enumerate().map(mask).collect()
    }
}

/// Indices of an axis below an end.
#[derive(Debug, Clone)]
pub(crate) struct Mask {
    pub(crate) axis: usize,
    pub(crate) to: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) shape: Shape,
    pub(crate) rule: Rule,
}

/// §8.2.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    Input(usize),
    Output(usize),
    Positions,
    Inside(Vec<Mask>),
    Column(usize),
    Constant(usize),
    Linear(Vec<Term>),
    Sum(Sum),
}

#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) coefficient: i64,
    pub(crate) tensor: Option<(usize, Vec<usize>)>,
    pub(crate) masks: Vec<Mask>,
}

/// A sum of one factor over bound variables, maybe through a window of stride 1.
#[derive(Debug, Clone)]
pub(crate) struct Sum {
    pub(crate) bound: usize,
    pub(crate) window: Option<Window>,
    pub(crate) factor: usize,
    pub(crate) places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Free(usize),
    Bound(usize),
}

/// bound = outer + offset.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) outer: std::ops::Range<usize>,
    pub(crate) outer_length: u64,
    pub(crate) offset: i64,
    pub(crate) bound_length: u64,
}

impl Window {
    pub(crate) fn evaluate(&self, point: &[E], bound: &[E]) -> E {
        let (rows, columns) = (eq_table(&point[self.outer.clone()]), eq_table(bound));
        let mut sum = E::ZERO;
        for (row, weight) in rows.iter().take(self.outer_length as usize).enumerate() {
            let column = row as i64 + self.offset;
            if (0..self.bound_length as i64).contains(&column) {
                sum += *weight * columns[column as usize];
            }
        }
        sum
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Digit(u32),
    Other,
}

/// A constraint is a sum of coefficient · Π wires.
pub(crate) type Constraint = Vec<(i64, Vec<usize>)>;

/// Constraints over wires that all have the variables of the domain.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) variables: usize,
    pub(crate) wires: Vec<usize>,
    pub(crate) constraints: Vec<Constraint>,
}

#[derive(Debug, Default)]
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
    pub(crate) fn tensor(&mut self, shape: &Shape, rule: Rule) -> usize {
        let shape = shape.clone();
        self.tensors.push(Tensor { shape, rule });
        self.tensors.len() - 1
    }

    pub(crate) fn column(&mut self, shape: &Shape, kind: Kind) -> usize {
        let tensor = self.tensor(shape, Rule::Column(self.columns.len()));
        self.columns.push((tensor, kind));
        tensor
    }

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
