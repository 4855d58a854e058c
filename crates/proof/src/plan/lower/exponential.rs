//! Exponential weights of distances to maxima (specs/05-proof.md §8.12).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::exp_weight;

use super::super::build::Shared;
use super::super::check::Monomial;
use super::super::identity::Interval;
use super::super::integer::Cells;
use super::super::number::Number;
use super::super::recipe::{Distances, Recipe};
use super::super::rule::{Public, Rule, TensorId};
use super::super::select::Candidates;
use super::super::shape::Shape;
use super::super::{ColumnKind, Lookup, Unsupported};
use super::{Lower, refuse};

/// From this distance on weights are zero (04 §1.4).
const FAR: u32 = 16_384;
/// Largest weight.
pub(super) const HEAVIEST: i128 = 16_384;

/// Exponential weights of some candidates.
pub(super) struct Weighted {
    /// Over the domain: zero where candidates do not count.
    pub(super) weights: TensorId,
    /// Their sum over the choices, over the cells.
    pub(super) sum: TensorId,
    /// The sum, and 1 where no candidate counts.
    pub(super) divisor: TensorId,
}

/// Columns of distances to maxima.
struct Columns {
    maximum: TensorId,
    chosen: TensorId,
    key: TensorId,
    rest: Option<Number>,
}

impl Lower<'_> {
    /// The table of exponential weights by distance.
    fn exponential_table(&mut self) -> usize {
        self.builder.shared_table(Shared::Exponential, |builder| {
            let rows = Shape::new(&[FAR]);
            let values = (0..FAR).map(|d| i32::try_from(exp_weight(d.into())).unwrap_or(0));
            let near = builder.tensor(
                &rows,
                Interval {
                    lo: 0,
                    hi: HEAVIEST,
                },
                Rule::Public(Public::Values(values.collect())),
            );
            // As many rows again, of weight zero.
            (near, Shape::new(&[FAR.saturating_mul(2)]))
        })
    }

    /// Weights w(M − x) of candidates, M being the largest of each cell's.
    pub(super) fn exponential(
        &mut self,
        from: &Candidates,
        valid: TensorId,
    ) -> Result<Weighted, Unsupported> {
        let table = self.exponential_table();
        let b = &mut self.builder;
        let shape = &from.shape;
        let cells = Shape::new(shape.lengths().get(from.choosing..).unwrap_or(&[]));
        let choices = shape.axis(from.choosing).start;
        let real = b.inside(&cells, &[]);
        let bound_of = |x: i128| i64::try_from(x).unwrap_or(0);
        let maximum = b.column(
            &cells,
            ColumnKind::Free {
                lo: bound_of(from.interval.lo),
                hi: bound_of(from.interval.hi),
            },
        );
        let chosen = b.column(shape, ColumnKind::Bit);
        let rows = FAR.saturating_mul(2);
        let key = b.column(
            shape,
            ColumnKind::Free {
                lo: 0,
                hi: i64::from(rows).saturating_sub(1),
            },
        );
        let width = from.interval.hi.saturating_sub(from.interval.lo);
        let more = width.saturating_sub(FAR.into());
        let rest = if width < rows.into() {
            None
        } else {
            let layout = b.layout(Interval { lo: 0, hi: more })?;
            Some(b.number(shape, layout))
        };
        let reach = rest
            .as_ref()
            .map_or(0, |rest| rest.layout.interval().hi)
            .saturating_add(rows.into());
        if !Interval::of(width.saturating_add(reach)).fits_field() {
            return refuse("scores wider than the field");
        }
        let far = i32::try_from(FAR).unwrap_or(0);
        b.recipe(Recipe::Distances(Box::new(Distances {
            shape: shape.clone(),
            choices,
            candidates: from.candidates,
            valid,
            maximum,
            chosen,
            key,
            far,
            rest: rest.clone(),
        })));
        let weights = b.column(
            shape,
            ColumnKind::Free {
                lo: 0,
                hi: bound_of(HEAVIEST),
            },
        );
        let values = b.plan.tables.get(table).map_or(0, |table| table.values);
        b.recipe(Recipe::Table {
            key,
            rows: values,
            result: weights,
        });
        b.lookup(Lookup {
            table,
            keys: (key, weights),
        });
        let columns = Columns {
            maximum,
            chosen,
            key,
            rest,
        };
        self.distance_constraints(from, &cells, valid, real, &columns);
        let b = &mut self.builder;
        // One place is chosen in each real cell.
        let bit = Interval { lo: 0, hi: 1 };
        let count = b.over_choices(shape, choices, &cells, chosen, bit, Vec::new());
        let difference = b.linear(&cells, Interval::of(0), &[(1, count), (-1, real)], 0);
        b.plan.zeros.push(difference);
        let most = (0..from.choosing).fold(HEAVIEST, |most, axis| {
            most.saturating_mul(shape.length(axis).into())
        });
        let range = Interval { lo: 0, hi: most };
        let sum = b.over_choices(shape, choices, &cells, weights, range, Vec::new());
        let divisor = b.linear(&cells, range, &[(1, sum), (-1, real)], 1);
        Ok(Weighted {
            weights,
            sum,
            divisor,
        })
    }

    fn distance_constraints(
        &mut self,
        from: &Candidates,
        cells: &Shape,
        valid: TensorId,
        real: TensorId,
        columns: &Columns,
    ) {
        let Columns {
            maximum,
            chosen,
            key,
            rest,
        } = columns;
        let (b, shape) = (&mut self.builder, &from.shape);
        let choices = shape.variables().saturating_sub(cells.variables());
        let of_cell: Vec<usize> = (choices..shape.variables()).collect();
        let mut check = Cells::new(shape);
        check.bit(*chosen);
        let [v, c, x, k] = [valid, *chosen, from.candidates, *key].map(|id| check.own(id));
        let [m, r] = [*maximum, real].map(|id| {
            let wire = b.operand_at(id, of_cell.clone()).wire;
            check.at(&wire)
        });
        // Where it counts: maximum − candidate = key + rest; elsewhere the key is far. Only a far key has a rest.
        let far = i64::from(FAR);
        let mut apart = vec![
            Monomial::product(1, v, m),
            Monomial::linear(-1, x),
            Monomial::linear(-1, k),
            Monomial::constant(far),
            Monomial::linear(far.saturating_neg(), v),
        ];
        for &(tensor, place) in rest.iter().flat_map(|rest| &rest.digits) {
            let digit = check.own(tensor);
            let value = 1_i64 << place.min(62);
            apart.push(Monomial::linear(value.saturating_neg(), digit));
            check.constraints.push(vec![
                Monomial::product(1, digit, k),
                Monomial::linear(far.saturating_neg(), digit),
            ]);
        }
        check.constraints.push(apart);
        check.constraints.push(vec![Monomial::product(1, c, k)]);
        check
            .constraints
            .push(vec![Monomial::linear(1, m), Monomial::product(-1, r, m)]);
        b.cells(check);
    }
}
