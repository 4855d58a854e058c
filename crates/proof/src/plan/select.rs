//! Maxima (specs/05-proof.md §8.8).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::build::Builder;
use super::check::{Check, Monomial, Wire};
use super::identity::Interval;
use super::number::NumberLayout;
use super::recipe::{Recipe, Select};
use super::rule::{Factor, Mask, Public, Rule, Sum, TensorId, Term, Variable};
use super::shape::Shape;
use super::{ColumnKind, Map, Unsupported};

/// Candidates for maxima: axes that choose, then axes of cells.
pub(super) struct Candidates {
    /// The domain.
    pub(super) shape: Shape,
    /// How many axes choose.
    pub(super) choosing: usize,
    /// Over the domain; zero where they do not count.
    pub(super) candidates: TensorId,
    /// Interval of those that count.
    pub(super) interval: Interval,
    /// Which count, besides those within all lengths.
    pub(super) maps: Vec<Map>,
}

/// What a selection gives.
pub(super) struct Selected {
    /// Over the cells.
    pub(super) maximum: TensorId,
    /// Over the domain: 1 at the chosen place, 0 elsewhere.
    pub(super) chosen: TensorId,
}

impl Builder {
    /// The maximum of each cell's candidates; the first of equals is chosen if `first`.
    pub(super) fn select(
        &mut self,
        from: &Candidates,
        first: bool,
    ) -> Result<Selected, Unsupported> {
        let shape = &from.shape;
        let cells = Shape::new(shape.lengths().get(from.choosing..).unwrap_or(&[]));
        let choices = shape.axis(from.choosing).start;
        let all: Vec<usize> = (0..shape.variables()).collect();
        let cell_variables: Vec<usize> = (choices..shape.variables()).collect();
        let valid = self.inside(shape, &from.maps);
        let real = self.inside(&cells, &[]);
        let bound = |x: i128| i64::try_from(x).unwrap_or(0);
        let maximum = self.column(
            &cells,
            ColumnKind::Free {
                lo: bound(from.interval.lo),
                hi: bound(from.interval.hi),
            },
        );
        let chosen = self.column(shape, ColumnKind::Bit);
        let width = Interval {
            lo: 0,
            hi: from.interval.hi.saturating_sub(from.interval.lo),
        };
        // Both the distance and what it is claimed to be are known modulo p.
        let fits = |layout: &NumberLayout| width.plus(layout.interval()).fits_field();
        let layout = Some(self.layout(width)?)
            .filter(fits)
            .or_else(|| NumberLayout::tight(width, self.digit_bits()).filter(fits))
            .ok_or(Unsupported::new(
                "a maximum over a range wider than the field",
            ))?;
        let distance = self.number(shape, layout);
        self.recipe(Recipe::Select(Box::new(Select {
            shape: shape.clone(),
            choices,
            candidates: from.candidates,
            valid,
            maximum,
            chosen,
            distance: distance.clone(),
            strict: first,
        })));
        let own = |tensor: TensorId| Wire {
            tensor,
            variables: all.clone(),
        };
        let of_cell = |tensor: TensorId| Wire {
            tensor,
            variables: cell_variables.clone(),
        };
        let mut wires = vec![
            own(valid),
            own(chosen),
            own(from.candidates),
            of_cell(maximum),
            of_cell(real),
        ];
        let [v, c, x, m, r] = [0, 1, 2, 3, 4];
        // Where it counts: maximum − candidate is the distance, plus one before the chosen place if that has to be the first.
        let mut apart = vec![Monomial::product(1, v, m), Monomial::linear(-1, x)];
        let mut nothing_chosen = Vec::new();
        for &(tensor, place) in &distance.digits {
            wires.push(own(tensor));
            let digit = wires.len().saturating_sub(1);
            let value = 1_i64 << place.min(62);
            apart.push(Monomial::linear(value.saturating_neg(), digit));
            nothing_chosen.push(Monomial::product(value, c, digit));
        }
        if first {
            let before = self.before(shape, choices, chosen);
            wires.push(own(before));
            apart.push(Monomial::product(-1, v, wires.len().saturating_sub(1)));
        }
        let constraints = vec![
            apart,
            nothing_chosen,
            vec![Monomial::product(1, c, c), Monomial::linear(-1, c)],
            vec![Monomial::linear(1, c), Monomial::product(-1, c, v)],
            // Beyond the real cells there is no maximum.
            vec![Monomial::linear(1, m), Monomial::product(-1, r, m)],
        ];
        self.check(Check {
            shape: shape.clone(),
            wires,
            constraints,
        });
        // One place is chosen in each real cell.
        let count = self.over_choices(
            shape,
            choices,
            &cells,
            chosen,
            Interval { lo: 0, hi: 1 },
            Vec::new(),
        );
        let difference = self.linear(&cells, Interval::of(0), &[(1, count), (-1, real)], 0);
        self.plan.zeros.push(difference);
        Ok(Selected { maximum, chosen })
    }

    /// 1 within all lengths of a shape and in the rows of the maps, 0 elsewhere.
    pub(super) fn inside(&mut self, shape: &Shape, maps: &[Map]) -> TensorId {
        let rows: Vec<usize> = maps.iter().flat_map(Map::rows).collect();
        // A variable is in one factor only: products of polynomials are then multilinear.
        let free = |axis: &usize| !shape.axis(*axis).any(|variable| rows.contains(&variable));
        let axes = (0..shape.lengths().len()).filter(free);
        self.tensor(
            shape,
            Interval { lo: 0, hi: 1 },
            Rule::Public(Public::Inside {
                masks: Self::masks(shape, axes),
                maps: maps.to_vec(),
            }),
        )
    }

    /// Σ over the choices of a tensor of the domain.
    pub(super) fn over_choices(
        &mut self,
        shape: &Shape,
        choices: usize,
        cells: &Shape,
        tensor: TensorId,
        interval: Interval,
        maps: Vec<Map>,
    ) -> TensorId {
        let variables = (0..shape.variables())
            .map(|v| {
                if v < choices {
                    Variable::Bound(v)
                } else {
                    Variable::Free(v.saturating_sub(choices))
                }
            })
            .collect();
        let bound: Vec<u32> = shape
            .lengths()
            .iter()
            .copied()
            .take(shape.lengths().len().saturating_sub(cells.lengths().len()))
            .collect();
        self.sum(
            cells,
            interval,
            Sum {
                bound: Shape::new(&bound),
                maps,
                factors: vec![Factor { tensor, variables }],
            },
        )
    }

    /// 1 at places before the chosen one, 0 from it on: 1 − Σ over choices up to this one, which is one axis.
    fn before(&mut self, shape: &Shape, choices: usize, chosen: TensorId) -> TensorId {
        let length = shape.length(0);
        let rows: Vec<usize> = (0..choices).collect();
        let variables = (0..shape.variables())
            .map(|v| {
                if v < choices {
                    Variable::Bound(v)
                } else {
                    Variable::Free(v)
                }
            })
            .collect();
        let bit = Interval { lo: 0, hi: 1 };
        let up_to = self.sum(
            shape,
            bit,
            Sum {
                bound: Shape::new(&[length]),
                maps: vec![Map::UpTo {
                    rows: rows.clone(),
                    bound: rows,
                    length,
                }],
                factors: vec![Factor {
                    tensor: chosen,
                    variables,
                }],
            },
        );
        let all: Vec<usize> = (0..shape.variables()).collect();
        let axes = shape.lengths().len();
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: None,
                masks: (0..axes)
                    .map(|axis| Mask {
                        axis,
                        from: 0,
                        to: shape.length(axis),
                    })
                    .collect(),
            },
            Term {
                coefficient: -1,
                tensor: Some((up_to, all)),
                masks: Vec::new(),
            },
        ];
        self.tensor(shape, bit, Rule::Linear(terms))
    }
}
