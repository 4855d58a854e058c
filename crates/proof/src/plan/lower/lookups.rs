//! Tensors that are looked up in others (specs/05-proof.md §8.9).

use alloc::vec;

use super::super::build::{Builder, Shared};
use super::super::identity::Interval;
use super::super::recipe::Recipe;
use super::super::rule::{Rule, TensorId, Term};
use super::super::shape::Shape;
use super::super::{ColumnKind, Lookup, Table};
use super::Lower;

/// A vector that is looked up in, and which of its entries is the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    /// The entries.
    pub(super) values: TensorId,
    /// How many.
    pub(super) entries: u32,
    /// The index that the first one is for.
    pub(super) first: i64,
}

impl Lower<'_> {
    /// `rows[index]` in every cell of the index; zero beyond its lengths.
    pub(super) fn looked_up(&mut self, rows: Rows, index: TensorId, kind: ColumnKind) -> TensorId {
        // One row more than entries, for cells beyond the lengths: (entries, 0).
        let shape = Shape::new(&[rows.entries.saturating_add(1)]);
        let table = self
            .builder
            .shared_table(Shared::Rows(rows.values), |_| (rows.values, shape));
        let key = self.key(rows, index);
        self.builder.read(table, key, kind)
    }

    /// Indices from 0; the row after the last beyond the lengths.
    fn key(&mut self, rows: Rows, index: TensorId) -> TensorId {
        let shape = self.builder.shape(index);
        let entries = i64::from(rows.entries);
        let beyond = rows.first.saturating_add(entries);
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: Some((index, (0..shape.variables()).collect())),
                masks: vec![],
            },
            Term {
                coefficient: entries,
                tensor: None,
                masks: vec![],
            },
            Term {
                coefficient: beyond.saturating_neg(),
                tensor: None,
                masks: Builder::masks(&shape, 0..shape.lengths().len()),
            },
        ];
        let range = Interval {
            lo: 0,
            hi: entries.into(),
        };
        self.builder.tensor(&shape, range, Rule::Linear(terms))
    }
}

impl Builder {
    /// A table of these rows, with a count of each.
    pub(in crate::plan) fn counted(&mut self, values: TensorId) -> usize {
        let rows = self.shape(values);
        let table = self.plan.tables.len();
        let multiplicity = self.column(&rows, ColumnKind::Multiplicity(Some(table)));
        self.table(Table {
            values,
            multiplicity,
        })
    }

    /// What a table has at these keys.
    pub(super) fn read(&mut self, table: usize, key: TensorId, kind: ColumnKind) -> TensorId {
        let shape = self.shape(key);
        let result = self.column(&shape, kind);
        let rows = self.plan.tables.get(table);
        let rows = rows.map_or(key, |table| table.values);
        self.recipe(Recipe::Table { key, rows, result });
        self.lookup(Lookup {
            table,
            keys: (key, result),
        });
        result
    }
}
