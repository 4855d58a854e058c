//! The plan of a proof: which tensors, columns, constraints and lookups a program has (specs/05-proof.md §8). Prover and verifier
//! derive it from the program and from lengths alone.

use alloc::vec::Vec;

use proofmark_program::ElementType;

mod build;
mod check;
mod cost;
mod division;
mod identity;
mod integer;
mod lower;
mod map;
mod number;
mod parity;
mod recipe;
mod round;
mod rule;
mod select;
mod shape;
mod stack;

pub use check::{Check, Form, Monomial, Wire};
pub use cost::{MAX_STEPS, MAX_TENSORS};
pub use identity::{Interval, Level, Summand, levels};
pub use lower::{ConstantType, constant_types, has_walks, plan, plan_generation};
pub use map::{Entry, Map, Seen, Window, padded};
pub use number::{Number, NumberLayout};
pub use recipe::{
    Distances, Divide, Draw, Inverse, Key, Mean, Norm, Recipe, Round, Scheduled, Select, Walk,
};
pub use rule::{Factor, Mask, Public, Rule, Sum, Tensor, TensorId, Term, Variable};
pub use shape::{Shape, below, pick};
pub use stack::{Slot, Stack};

/// Largest number of variables of a tensor.
pub const MAX_TENSOR_VARIABLES: usize = 28;
/// Largest number of variables of the witness and of the leaves of lookups.
pub const MAX_STACK_VARIABLES: usize = 30;
/// Bits of digits that a proof may choose from.
pub const DIGIT_BITS: core::ops::RangeInclusive<u32> = 8..=16;

/// Places of a tree's walk that a proof may choose from.
pub const WALK: core::ops::RangeInclusive<u32> = 1..=1024;

/// What a proof chooses of its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choices {
    /// Largest width of a digit, of [`DIGIT_BITS`].
    pub digit_bits: u32,
    /// Places of a tree's walk, of [`WALK`]: no leaf is reached that lies deeper. Of no account without trees.
    pub walk: u32,
}

/// What is proven, step by step.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Largest width of a digit.
    pub digit_bits: u32,
    /// Places of a tree's walk, if there are trees.
    pub walk: Option<u32>,
    /// Tensors; each depends on earlier ones only.
    pub tensors: Vec<Tensor>,
    /// Columns of the witness.
    pub columns: Vec<Column>,
    /// Constraints.
    pub checks: Vec<Check>,
    /// Tensors that are zero everywhere.
    pub zeros: Vec<TensorId>,
    /// The tensor of each output.
    pub outputs: Vec<TensorId>,
    /// Lookups, apart from the digits'.
    pub lookups: Vec<Lookup>,
    /// Tables, apart from the digits'.
    pub tables: Vec<Table>,
    /// Constants of the program, in the program's order.
    pub constants: Vec<Constant>,
    /// How a prover fills columns.
    pub recipes: Vec<Scheduled>,
}

/// A column of the witness.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its tensor.
    pub tensor: TensorId,
    /// What constrains it by itself.
    pub kind: ColumnKind,
}

/// Kinds of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Integers in [0, 2^bits), by a lookup.
    Digit(u32),
    /// 0 or 1, by a constraint of its check.
    Bit,
    /// Integers that other constraints keep in this interval.
    Free {
        /// Smallest.
        lo: i64,
        /// Largest.
        hi: i64,
    },
    /// Inverses in F, or zero.
    Inverse,
    /// How often each row of a table is looked up: of the digits' table, or of `tables[i]`.
    Multiplicity(Option<usize>),
}

/// Every cell of a domain has its keys in a table.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Index in [`Plan::tables`].
    pub table: usize,
    /// First and second key: tensors of one shape.
    pub keys: (TensorId, TensorId),
}

/// A table of rows (i, `values[i]`).
#[derive(Debug, Clone)]
pub struct Table {
    /// The values, a tensor of one axis.
    pub values: TensorId,
    /// How often each row is looked up: a column.
    pub multiplicity: TensorId,
}

/// A constant of the program.
#[derive(Debug, Clone)]
pub struct Constant {
    /// Type of its elements.
    pub element: ElementType,
    /// Its shape.
    pub shape: Shape,
}

impl Plan {
    /// Indices of the columns of digits, in their order, and of all others.
    #[must_use]
    pub fn column_groups(&self) -> [Vec<usize>; 2] {
        let (digits, others) = (0..self.columns.len()).partition(|&at| {
            self.columns
                .get(at)
                .is_some_and(|column| matches!(column.kind, ColumnKind::Digit(_)))
        });
        [digits, others]
    }

    /// Variables of a tensor.
    #[must_use]
    pub fn variables(&self, tensor: TensorId) -> usize {
        self.tensors.get(tensor).map_or(0, |t| t.shape.variables())
    }

    /// The column that counts the rows of the digits' table.
    #[must_use]
    pub fn digit_multiplicity(&self) -> Option<TensorId> {
        self.columns
            .iter()
            .find(|column| column.kind == ColumnKind::Multiplicity(None))
            .map(|column| column.tensor)
    }

    /// The slot of each column in [`Plan::witness`].
    #[must_use]
    pub fn column_slots(&self) -> Vec<usize> {
        let mut slots = alloc::vec![0; self.columns.len()];
        for (slot, column) in self.column_groups().concat().into_iter().enumerate() {
            if let Some(place) = slots.get_mut(column) {
                *place = slot;
            }
        }
        slots
    }

    fn column_variables(&self, columns: &[usize]) -> Vec<usize> {
        columns
            .iter()
            .filter_map(|&at| self.columns.get(at))
            .map(|column| self.variables(column.tensor))
            .collect()
    }

    /// The witness: slots for the digits, then for the other columns, in the order of [`Plan::column_groups`].
    #[must_use]
    pub fn witness(&self) -> Stack {
        let groups = self.column_groups();
        Stack::of(&groups.map(|group| self.column_variables(&group)))
    }

    /// Leaves of the lookups: the digits as in the witness, then lookups, then the digits' table and the other tables.
    #[must_use]
    pub fn leaves(&self) -> Stack {
        let [digits, _] = self.column_groups();
        let lookups = self.lookups.iter().map(|l| self.variables(l.keys.0));
        let digit_table = usize::try_from(self.digit_bits)
            .unwrap_or(0)
            .saturating_add(1);
        let tables = self.tables.iter().map(|t| self.variables(t.values));
        Stack::of(&[
            self.column_variables(&digits),
            lookups.collect(),
            core::iter::once(digit_table).chain(tables).collect(),
        ])
    }
}

/// A program that this version cannot prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    /// What is not supported.
    pub what: &'static str,
    /// The code of specs/05-proof.md.
    pub code: &'static str,
}

impl Unsupported {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self {
            what,
            code: "proof.unsupported",
        }
    }

    /// More than a verifier does for anybody.
    pub(crate) const fn limit(what: &'static str) -> Self {
        Self {
            what,
            code: "proof.limit",
        }
    }
}
