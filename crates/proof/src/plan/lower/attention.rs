//! Scores, exponential weights, softmax and attention (specs/05-proof.md §9.3).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::{Node, exp_weight};

use super::super::build::{Number, Operand, Shared};
use super::super::check::Monomial;
use super::super::division::Division;
use super::super::identity::Interval;
use super::super::integer::{Cells, Integer, Item, split_layout};
use super::super::map::Seen;
use super::super::recipe::{Distances, Recipe};
use super::super::round::Rounding;
use super::super::rule::{Factor, Public, Rule, Sum, TensorId, Variable};
use super::super::select::Candidates;
use super::super::shape::Shape;
use super::super::{ColumnKind, Lookup, Map, Unsupported};
use super::moves::stride;
use super::{Lower, MALFORMED, interval_of, refuse, shape_of};

/// From this distance on weights are zero (04 §1.4).
const FAR: u32 = 16_384;
/// Largest weight.
const HEAVIEST: i128 = 16_384;
/// Bits of a sum of products that is known as an element of F.
const SUM_BITS: u32 = 29;

/// Exponential weights of some candidates.
struct Weighted {
    /// Over the domain: zero where candidates do not count.
    weights: TensorId,
    /// Their sum over the choices, over the cells.
    sum: TensorId,
    /// The sum, and 1 where no candidate counts.
    divisor: TensorId,
}

/// Dot products over a domain, for any tensor in the place of q.
struct Products<'d, F> {
    domain: &'d Shape,
    sum: F,
}

/// Columns of distances to maxima.
struct Columns {
    maximum: TensorId,
    chosen: TensorId,
    key: TensorId,
    rest: Option<Number>,
}

fn free(variables: impl IntoIterator<Item = usize>) -> Vec<Variable> {
    variables.into_iter().map(Variable::Free).collect()
}

fn bound(variables: impl IntoIterator<Item = usize>) -> Vec<Variable> {
    variables.into_iter().map(Variable::Bound).collect()
}

impl Lower<'_> {
    /// `rshift(x·m, s)` where it counts and 0 elsewhere, which no range clamps, and its interval. x has this range.
    fn score(
        &mut self,
        mut cells: Cells,
        x: Integer,
        range: Interval,
        valid: Option<TensorId>,
        (multiplier, shift): (i32, u8),
    ) -> Result<(TensorId, Interval), Unsupported> {
        let b = &mut self.builder;
        let x = match x.items.as_slice() {
            [
                Item {
                    place: 0,
                    coefficient: 1,
                    ..
                },
            ] => x,
            // A range wider than the field: as digits.
            _ => {
                let layout = b.narrow_layout(range)?;
                let number = b.derive(&mut cells, &x, layout)?;
                b.own_number(&number, &cells.shape)
            }
        };
        let counted = valid.map_or(Integer::constant(1), |valid| b.integer(valid));
        let value = x.times(&counted).scaled(multiplier.into());
        let half = (1_i128 << shift).wrapping_shr(1);
        let all = range.scaled(multiplier.into()).plus(Interval::of(half));
        let quotients = Interval {
            lo: all.lo.min(half).wrapping_shr(shift.into()),
            hi: all.hi.max(half).wrapping_shr(shift.into()),
        };
        // All integers of some bits, so that the digits need no other bound.
        let bits = (0..31)
            .find(|bits| {
                let power = 1_i128 << bits;
                power > quotients.lo.saturating_neg() && power > quotients.hi
            })
            .ok_or(Unsupported::new("scores wider than the field"))?;
        let power = 1_i64 << bits;
        let rounding = Rounding {
            shape: cells.shape.clone(),
            value,
            shift: shift.into(),
            lo: power.saturating_neg(),
            hi: power.saturating_sub(1),
            quotients: Some(quotients),
        };
        let u = self.builder.round_in(cells, &rounding)?;
        Ok((u, quotients))
    }

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
    fn exponential(&mut self, from: &Candidates, valid: TensorId) -> Result<Weighted, Unsupported> {
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

    pub(super) fn softmax(
        &mut self,
        node: &Node,
        multiplier: i32,
        shift: u8,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let (scores, interval) = self.score(
            Cells::new(&shape_of(&of)),
            self.builder.integer(x),
            interval_of(&of),
            None,
            (multiplier, shift),
        )?;
        let last = of.shape.len().checked_sub(1).ok_or(MALFORMED)?;
        let candidates = self.choosing(scores, interval, last);
        let valid = self.builder.inside(&candidates.shape, &[]);
        let weighted = self.exponential(&candidates, valid)?;
        let domain = candidates.shape;
        let choices = domain.axis(1).start;
        let quotient = self.builder.divide(&Division {
            shape: domain.clone(),
            dividend: self.builder.integer(weighted.weights).shifted(15),
            divisor: Integer::whole(
                self.builder
                    .operand_at(weighted.divisor, (choices..domain.variables()).collect()),
            ),
            quotient: Interval { lo: 0, hi: 32_768 },
        })?;
        let y = self.builder.round(&Rounding {
            shape: domain.clone(),
            ..Self::rounding(node, self.builder.integer(quotient.tensor), 0)
        })?;
        // The axis that was in front is the last one again.
        let shape = shape_of(&node.result);
        let variables = shape.axis(last).chain(shape.axes(0..last)).collect();
        Ok(self.view_as(y, &node.result, variables))
    }

    pub(super) fn attention(
        &mut self,
        node: &Node,
        multiplier: i32,
        shift: u8,
        output_shift: u8,
        window: u32,
    ) -> Result<TensorId, Unsupported> {
        let ((q, q_of), (k, k_of), (v, v_of)) = (
            self.input(node, 0)?,
            self.input(node, 1)?,
            self.input(node, 2)?,
        );
        let (&[positions, heads, d], &[_, groups, _], &[_, _, e]) = (
            q_of.shape.as_slice(),
            k_of.shape.as_slice(),
            v_of.shape.as_slice(),
        ) else {
            return Err(MALFORMED);
        };
        let each = heads.checked_div(groups).ok_or(MALFORMED)?;
        let by_group = Shape::new(&[positions, groups, each, d]);
        let q = self.reshape(q, &by_group, interval_of(&q_of));
        // Scores of position j (first) for position t: [j, t, g, i].
        let domain = Shape::new(&[positions, positions, groups, each]);
        let contracted = Shape::new(&[groups, d]);
        let seen = Map::Seen(Seen {
            rows: domain.axes([0, 1]),
            bound: domain.axis(1).collect(),
            length: positions,
            window,
        });
        let valid = self.builder.inside(&domain, &[seen]);
        let group = |s: &Shape, axis: usize| (s.axis(axis).collect(), s.length(axis));
        let tie = |of: &Shape, axis: usize, bound: &Shape, to: usize| {
            stride(group(of, axis), 1, 0, group(bound, to))
        };
        let dots = interval_of(&q_of)
            .times(interval_of(&k_of))
            .scaled(d.into());
        let products = Products {
            domain: &domain,
            sum: |q| Sum {
                maps: vec![tie(&domain, 2, &contracted, 0)],
                factors: vec![
                    Factor {
                        tensor: q,
                        variables: [
                            free(domain.axis(1)),
                            bound(contracted.axis(0)),
                            free(domain.axis(3)),
                            bound(contracted.axis(1)),
                        ]
                        .concat(),
                    },
                    Factor {
                        tensor: k,
                        variables: [free(domain.axis(0)), bound(contracted.axes([0, 1]))].concat(),
                    },
                ],
                bound: contracted.clone(),
            },
        };
        let x = self.dots(q, k, dots, &products)?;
        let cells = Cells::new(&domain);
        let (scores, interval) = self.score(cells, x, dots, Some(valid), (multiplier, shift))?;
        let candidates = Candidates {
            shape: domain.clone(),
            choosing: 1,
            candidates: scores,
            interval,
            maps: Vec::new(),
        };
        let weighted = self.exponential(&candidates, valid)?;
        let many = if window == 0 {
            positions
        } else {
            positions.min(window)
        };
        let weighted_values =
            self.weighted_values(v, interval_of(&v_of), &weighted, &domain, e, many)?;
        let result = Shape::new(&[positions, groups, each, e]);
        let values = interval_of(&v_of).scaled(1_i128 << output_shift);
        let quotient = self.builder.divide(&Division {
            shape: result.clone(),
            dividend: weighted_values.shifted(output_shift.into()),
            divisor: Integer::whole(self.builder.operand_at(weighted.divisor, result.axes(0..3))),
            quotient: values,
        })?;
        let y = if i128::from(node.result.lo) <= values.lo && values.hi <= node.result.hi.into() {
            quotient.tensor
        } else {
            let rounding = Rounding {
                shape: result,
                quotients: Some(values),
                ..Self::rounding(node, quotient.value, 0)
            };
            self.builder.round(&rounding)?
        };
        Ok(self.reshape(y, &shape_of(&node.result), interval_of(&node.result)))
    }

    /// Dot products of this range: a tensor, or from digits of q if the range is wider than the field.
    fn dots(
        &mut self,
        q: TensorId,
        k: TensorId,
        range: Interval,
        products: &Products<'_, impl Fn(TensorId) -> Sum>,
    ) -> Result<Integer, Unsupported> {
        let width = self.builder.factor_bits();
        if split_layout(range, width).is_ok() {
            let sum = self.builder.sum(products.domain, range, (products.sum)(q));
            return Ok(self.builder.integer(sum));
        }
        let of_k = self.builder.interval(k);
        let k_shape = self.builder.shape(k);
        let (last, d) = (k_shape.axis(2), k_shape.length(2));
        let all = of_k.scaled(d.into());
        let reach = all.lo.saturating_neg().max(all.hi);
        let room = SUM_BITS.saturating_sub(i128::BITS.saturating_sub(reach.leading_zeros()));
        if room == 0 {
            return refuse("scores wider than the field");
        }
        let q_shape = self.builder.shape(q);
        let mut cells = Cells::new(&q_shape);
        let operand = self.builder.operand(q);
        let digits = self.builder.digits(&mut cells, &operand, width.min(room))?;
        self.builder.cells(cells);
        let mut total = Integer::default();
        for item in &digits.items {
            for factor in &item.factors {
                let interval = factor.interval.times(all);
                let sum = (products.sum)(factor.wire.tensor);
                let sum = self.builder.sum(products.domain, interval, sum);
                total = total.plus(self.builder.integer(sum).shifted(item.place));
            }
        }
        // Σ (D − o)·k = Σ D·k − o·Σ k.
        let keys = Shape::new(&[k_shape.length(0), k_shape.length(1)]);
        let sum = Sum {
            bound: Shape::new(&[d]),
            maps: Vec::new(),
            factors: vec![Factor {
                tensor: k,
                variables: [free(0..last.start), bound(0..last.len())].concat(),
            }],
        };
        let sum = self.builder.sum(&keys, all, sum);
        let sum = self.builder.operand_at(sum, products.domain.axes([0, 2]));
        Ok(total.plus(Integer::whole(sum).times(&Integer::constant(digits.constant))))
    }

    /// Σ_j w_j·v_j for [t, g, i] and each element of v, from digits of v.
    fn weighted_values(
        &mut self,
        v: TensorId,
        range: Interval,
        weighted: &Weighted,
        domain: &Shape,
        e: u32,
        many: u32,
    ) -> Result<Integer, Unsupported> {
        let [positions, groups, each] = [1, 2, 3].map(|axis| domain.length(axis));
        let own = self.builder.shape(v);
        let summands = u32::BITS.saturating_sub(many.leading_zeros());
        let width = SUM_BITS.saturating_sub(14).saturating_sub(summands);
        let width = width.min(self.builder.factor_bits());
        if width == 0 {
            return refuse("attention over more than 2^14 positions");
        }
        let mut cells = Cells::new(&own);
        let operand = Operand {
            interval: range,
            ..self.builder.operand(v)
        };
        let digits = self.builder.digits(&mut cells, &operand, width)?;
        self.builder.cells(cells);
        let result = Shape::new(&[positions, groups, each, e]);
        let line = Shape::new(&[positions, groups]);
        let group = |s: &Shape, axis: usize| (s.axis(axis).collect(), s.length(axis));
        let mut total = Integer::default();
        for item in &digits.items {
            let [factor] = item.factors.as_slice() else {
                return Err(MALFORMED);
            };
            let most = factor
                .interval
                .hi
                .saturating_mul(HEAVIEST)
                .saturating_mul(many.into());
            let sum = Sum {
                bound: line.clone(),
                maps: vec![stride(group(&result, 1), 1, 0, group(&line, 1))],
                factors: vec![
                    Factor {
                        tensor: weighted.weights,
                        variables: [
                            bound(line.axis(0)),
                            free(result.axis(0)),
                            bound(line.axis(1)),
                            free(result.axis(2)),
                        ]
                        .concat(),
                    },
                    Factor {
                        tensor: factor.wire.tensor,
                        variables: [bound(line.axes([0, 1])), free(result.axis(3))].concat(),
                    },
                ],
            };
            let sum = self.builder.sum(&result, Interval { lo: 0, hi: most }, sum);
            total = total.plus(Integer::whole(self.builder.operand(sum)).shifted(item.place));
        }
        if digits.constant != 0 {
            let sum = self.builder.operand_at(weighted.sum, result.axes(0..3));
            total = total.plus(Integer::whole(sum).times(&Integer::constant(digits.constant)));
        }
        Ok(total)
    }
}
