//! Columns from the tensors before them.

use std::sync::atomic::{AtomicBool, Ordering};

use proofmark_proof::field::{F, P};
use proofmark_proof::plan::{Monomial, Number, Recipe, Round, Select, Shape, TensorId, Wire};

use super::{Filling, PIECE, Projection};
use crate::ProverError;

/// A wire's values over a domain.
pub(super) struct Reader<'w> {
    values: &'w [i32],
    projection: Projection,
}

impl Reader<'_> {
    pub(super) fn at(&self, index: usize) -> i64 {
        i64::from(self.values[self.projection.at(index)])
    }
}

impl Filling<'_> {
    pub(super) fn reader(&self, shape: &Shape, wire: &Wire) -> Reader<'_> {
        Reader {
            values: &self.values[wire.tensor],
            projection: Projection::new(shape.variables(), &wire.variables),
        }
    }

    pub(super) fn terms(&self, shape: &Shape, products: &[(i128, Vec<Wire>)]) -> Vec<Term<'_>> {
        products
            .iter()
            .map(|(weight, wires)| Term {
                weight: *weight,
                factors: wires.iter().map(|wire| self.reader(shape, wire)).collect(),
            })
            .collect()
    }

    /// Fills the columns of a recipe.
    pub(super) fn follow(&mut self, recipe: &Recipe) -> Result<(), ProverError> {
        match recipe {
            Recipe::Digits { source, number } => {
                let values: Vec<i64> = self.values[*source].iter().map(|x| i64::from(*x)).collect();
                self.digits(number, &values)
            }
            Recipe::Round(round) => self.round(round),
            Recipe::Carry {
                shape,
                wires,
                monomials,
                constant,
                bits,
                number,
            } => {
                let carries = self.carries(shape, wires, monomials, *constant, *bits);
                self.digits(number, &carries)
            }
            Recipe::Integer {
                shape,
                products,
                constant,
                number,
            } => {
                let values = self.integers(shape, products, *constant)?;
                self.digits(number, &values)
            }
            Recipe::Table { key, rows, result } => {
                let rows = &self.values[*rows];
                let keys = &self.values[*key];
                let looked = self.cells(keys.len(), |cell| {
                    let key = usize::try_from(keys[cell]).ok();
                    key.and_then(|key| rows.get(key)).copied().unwrap_or(0)
                });
                self.values[*result] = looked;
                Ok(())
            }
            Recipe::Select(select) => self.select(select),
            Recipe::Walk(walk) => self.walk(walk),
            Recipe::OneHot {
                index,
                real,
                length,
                hot,
            } => {
                self.one_hot(*index, *real, *length, *hot);
                Ok(())
            }
            Recipe::Best {
                shape,
                values,
                chosen,
            } => {
                self.best(shape, *values, *chosen);
                Ok(())
            }
            Recipe::Key(key) => self.key(key),
            Recipe::Draw(draw) => self.draw(draw),
            Recipe::Divide(divide) => self.divide(divide),
            Recipe::Inverse(inverse) => {
                self.inverse(inverse);
                Ok(())
            }
            Recipe::Mean(mean) => self.mean(mean),
            Recipe::Norm(norm) => self.norm(norm),
            Recipe::Distances(distances) => self.distances(distances),
        }
    }

    /// ⌊(Σ monomials + constant) / 2^bits⌋ in every cell.
    fn carries(
        &self,
        shape: &Shape,
        wires: &[Wire],
        monomials: &[Monomial],
        constant: i64,
        bits: u32,
    ) -> Vec<i64> {
        let readers: Vec<Reader<'_>> = wires.iter().map(|wire| self.reader(shape, wire)).collect();
        self.cells(1 << shape.variables(), |cell| {
            let products = monomials.iter().map(|m| monomial(m, &readers, cell));
            (constant + products.sum::<i64>()) >> bits
        })
    }

    /// Σ weight·Π wires + constant in every cell.
    fn integers(
        &self,
        shape: &Shape,
        products: &[(i128, Vec<Wire>)],
        constant: i128,
    ) -> Result<Vec<i64>, ProverError> {
        let terms = self.terms(shape, products);
        let wide = self.cells(1 << shape.variables(), |cell| {
            i64::try_from(constant + value(&terms, cell)).ok()
        });
        let narrow: Option<Vec<i64>> = wide.into_iter().collect();
        narrow.ok_or(ProverError::Overflow)
    }

    /// Values as digits.
    pub(super) fn digits(&mut self, number: &Number, values: &[i64]) -> Result<(), ProverError> {
        let (layout, count) = (&number.layout, number.digits.len());
        // Of each value all digits, one after the other.
        let mut all = vec![0; values.len() * count];
        let overflow = AtomicBool::new(false);
        self.pool
            .for_each_chunk(&mut all, PIECE * count.max(1), |piece, all| {
                let values = values[piece * PIECE..].iter();
                for (digits, value) in all.chunks_exact_mut(count.max(1)).zip(values) {
                    if layout.write_digits(*value, digits).is_none() {
                        overflow.store(true, Ordering::Relaxed);
                    }
                }
            });
        // Without digits there is one value only.
        let none = count == 0
            && values
                .iter()
                .any(|value| layout.write_digits(*value, &mut []).is_none());
        if none || overflow.into_inner() {
            return Err(ProverError::Overflow);
        }
        let columns: Vec<Vec<i32>> = (0..count)
            .map(|digit| self.cells(values.len(), |at| all[at * count + digit]))
            .collect();
        for (&(tensor, _), column) in number.digits.iter().zip(columns) {
            self.values[tensor] = column;
        }
        Ok(())
    }

    fn round(&mut self, round: &Round) -> Result<(), ProverError> {
        let terms = self.terms(&round.shape, &round.products);
        let cells: Vec<Rounded> = self.cells(1 << round.shape.variables(), |cell| {
            Rounded::of(round.constant + value(&terms, cell), round)
        });
        drop(terms);
        let column = |f: &dyn Fn(&Rounded) -> i64| cells.iter().map(f).collect::<Vec<i64>>();
        self.digits(&round.remainder, &column(&|cell| cell.remainder))?;
        let low = u32::from(round.bit.is_some());
        self.digits(
            &round.high,
            &column(&|cell| (cell.result - round.lo) >> low),
        )?;
        if let Some(room) = &round.room {
            self.digits(room, &column(&|cell| round.hi - cell.result))?;
        }
        if let Some(excess) = &round.excess {
            self.digits(excess, &column(&|cell| cell.excess))?;
        }
        let mut flag = |id: Option<TensorId>, f: &dyn Fn(&Rounded) -> i64| {
            if let Some(id) = id {
                self.values[id] = cells.iter().map(|cell| f(cell) as i32).collect();
            }
        };
        flag(round.bit, &|cell| (cell.result - round.lo) & 1);
        flag(round.tie, &|cell| cell.tie.into());
        flag(round.over, &|cell| cell.over.into());
        flag(round.under, &|cell| cell.under.into());
        let mut inverses = Inverses::default();
        if let Some(id) = round.inverse {
            let digit_sum = |remainder: i64| {
                round
                    .remainder
                    .layout
                    .digits
                    .iter()
                    .map(|(place, width)| remainder >> place & ((1 << width) - 1))
                    .sum::<i64>()
            };
            self.values[id] = cells
                .iter()
                .map(|cell| {
                    let odd = cell.result & 1 == 1 && !cell.over && !cell.under;
                    if odd {
                        inverses.of(digit_sum(cell.remainder))
                    } else {
                        0
                    }
                })
                .collect();
        }
        Ok(())
    }

    fn select(&mut self, select: &Select) -> Result<(), ProverError> {
        let cell_variables = select.shape.variables() - select.choices;
        let (choices, cells) = (1 << select.choices, 1 << cell_variables);
        let mut maximum = vec![0; cells];
        let mut chosen = vec![0; choices * cells];
        let mut distance = vec![0_i64; choices * cells];
        let (values, valid) = (&self.values[select.candidates], &self.values[select.valid]);
        for cell in 0..cells {
            let places = || (0..choices).filter(|k| valid[k * cells + cell] == 1);
            let Some(best) = places().map(|k| values[k * cells + cell]).max() else {
                continue;
            };
            let first = places()
                .find(|k| values[k * cells + cell] == best)
                .unwrap_or(0);
            maximum[cell] = best;
            chosen[first * cells + cell] = 1;
            for k in places() {
                let nearer = i64::from(select.strict && k < first);
                distance[k * cells + cell] =
                    i64::from(best) - i64::from(values[k * cells + cell]) - nearer;
            }
        }
        self.values[select.maximum] = maximum;
        self.values[select.chosen] = chosen;
        self.digits(&select.distance, &distance)
    }
}

/// weight·Π factors.
pub(super) struct Term<'w> {
    weight: i128,
    factors: Vec<Reader<'w>>,
}

pub(super) fn value(terms: &[Term<'_>], cell: usize) -> i128 {
    let product = |term: &Term<'_>| {
        let factors = term.factors.iter();
        factors.fold(term.weight, |product, factor| {
            product * i128::from(factor.at(cell))
        })
    };
    terms.iter().map(product).sum()
}

fn monomial(monomial: &Monomial, readers: &[Reader<'_>], cell: usize) -> i64 {
    monomial
        .wires
        .iter()
        .flatten()
        .fold(monomial.coefficient, |product, wire| {
            product * readers[*wire].at(cell)
        })
}

/// A value rounded and clamped, with the witness of both.
#[derive(Clone, Default)]
struct Rounded {
    result: i64,
    remainder: i64,
    tie: bool,
    over: bool,
    under: bool,
    excess: i64,
}

impl Rounded {
    fn of(value: i128, round: &Round) -> Self {
        let shift = round.shift;
        let half = if shift == 0 { 0 } else { 1_i128 << (shift - 1) };
        let up = (value + half) >> shift;
        let remainder = value + half - (up << shift);
        // A tie goes to the even neighbour.
        let tie = shift > 0 && remainder == 0 && up & 1 == 1;
        let nearest = up - i128::from(tie);
        let (lo, hi) = (i128::from(round.lo), i128::from(round.hi));
        let (over, under) = (nearest > hi, nearest < lo);
        let result = nearest.clamp(lo, hi);
        // up = result + tie where it is not clamped; otherwise hi + 1 + excess, or lo − 1 − excess (+ tie for a tie at lo).
        let (tie, excess) = if over {
            (false, up - hi - 1)
        } else if under {
            let at_bound = up == lo;
            (at_bound, lo - 1 - up + i128::from(at_bound))
        } else {
            (tie, 0)
        };
        Self {
            result: result as i64,
            remainder: remainder as i64,
            tie,
            over,
            under,
            excess: excess as i64,
        }
    }
}

/// Inverses modulo p of small numbers, kept.
#[derive(Default)]
pub(super) struct Inverses {
    known: std::collections::BTreeMap<i64, i32>,
}

impl Inverses {
    pub(super) fn of(&mut self, value: i64) -> i32 {
        debug_assert!(value >= 0 && value < i64::from(P));
        *self.known.entry(value).or_insert_with(|| {
            F::from_i64(value)
                .inverse()
                .map_or(0, |inverse| inverse.canonical() as i32)
        })
    }
}
