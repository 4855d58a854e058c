//! Values of all tensors of a plan: what the program computes, and the columns that show it.

mod recipes;
mod rows;
mod sums;
mod walks;

use std::borrow::Cow;

use proofmark_kernels::Pool;
use proofmark_proof::field::F;
use proofmark_proof::plan::{
    ColumnKind, Map, Mask, Plan, Public, Recipe, Rule, Scheduled, Shape, Tensor, TensorId, Term,
    padded,
};

use crate::ProverError;
pub use walks::longest_walk;

/// Elements that a thread computes at a time.
const PIECE: usize = 1 << 13;

/// What a prover is given.
#[derive(Debug, Clone, Copy)]
pub struct Given<'g> {
    /// Elements of each input, in the order of the interface.
    pub inputs: &'g [&'g [i32]],
    /// Elements of each constant, in the program's order.
    pub constants: &'g [Vec<i32>],
}

/// Values of every tensor over its padded indices; inverses as their representatives below p.
#[derive(Debug, Clone)]
pub struct Witness {
    /// By tensor.
    pub values: Vec<Vec<i32>>,
}

impl Witness {
    /// Computes everything.
    ///
    /// # Errors
    /// The given lengths are not the plan's, or a value leaves its type: the program was not checked.
    pub fn compute(plan: &Plan, given: Given<'_>, pool: &Pool) -> Result<Self, ProverError> {
        Self::compute_by(plan, given, pool, &mut |recipe, witness| {
            witness.follow(recipe, pool)
        })
    }

    /// Computes everything but the columns that recipes are for, which `fill` fills.
    ///
    /// # Errors
    /// As [`Witness::compute`], and those of `fill`.
    pub fn compute_by(
        plan: &Plan,
        given: Given<'_>,
        pool: &Pool,
        fill: &mut dyn FnMut(&Recipe, &mut Self) -> Result<(), ProverError>,
    ) -> Result<Self, ProverError> {
        let mut witness = Self {
            values: vec![Vec::new(); plan.tensors.len()],
        };
        let mut recipes = plan.recipes.iter().peekable();
        for (id, tensor) in plan.tensors.iter().enumerate() {
            while let Some(Scheduled { recipe, .. }) =
                recipes.next_if(|scheduled| scheduled.after <= id)
            {
                fill(recipe, &mut witness)?;
            }
            witness.with(pool, |filling| filling.tensor(plan, given, id, tensor))?;
        }
        for Scheduled { recipe, .. } in recipes {
            fill(recipe, &mut witness)?;
        }
        witness.count(plan);
        Ok(witness)
    }

    /// Fills the columns of a recipe.
    ///
    /// # Errors
    /// A value has no digits.
    pub fn follow(&mut self, recipe: &Recipe, pool: &Pool) -> Result<(), ProverError> {
        self.with(pool, |filling| filling.follow(recipe))
    }

    fn with<T>(&mut self, pool: &Pool, task: impl FnOnce(&mut Filling<'_>) -> T) -> T {
        let mut filling = Filling {
            values: std::mem::take(&mut self.values),
            pool,
        };
        let done = task(&mut filling);
        self.values = filling.values;
        done
    }

    /// Elements of a tensor, without padding.
    #[must_use]
    pub fn elements(&self, shape: &Shape, tensor: TensorId) -> Vec<i32> {
        let values = &self.values[tensor];
        padded(shape).map(|at| values[at]).collect()
    }

    /// Counts how often each row of each table is looked up.
    pub fn count(&mut self, plan: &Plan) {
        let mut digits = vec![0_i32; 2 << plan.digit_bits];
        for column in &plan.columns {
            if let ColumnKind::Digit(bits) = column.kind {
                for value in &self.values[column.tensor] {
                    // A digit that is none has no row.
                    let row = usize::try_from(*value)
                        .ok()
                        .map(|value| (1 << bits) + value);
                    if let Some(count) = row.and_then(|row| digits.get_mut(row)) {
                        *count += 1;
                    }
                }
            }
        }
        for column in &plan.columns {
            match column.kind {
                ColumnKind::Multiplicity(None) => {
                    self.values[column.tensor] = std::mem::take(&mut digits);
                }
                ColumnKind::Multiplicity(Some(table)) => {
                    let rows = 1 << plan.tensors[column.tensor].shape.variables();
                    let mut counts = vec![0_i32; rows];
                    for lookup in plan.lookups.iter().filter(|lookup| lookup.table == table) {
                        for key in &self.values[lookup.keys.0] {
                            if let Some(count) = usize::try_from(*key)
                                .ok()
                                .and_then(|key| counts.get_mut(key))
                            {
                                *count += 1;
                            }
                        }
                    }
                    self.values[column.tensor] = counts;
                }
                _ => {}
            }
        }
    }
}

/// A witness in the making, by threads.
struct Filling<'p> {
    values: Vec<Vec<i32>>,
    pool: &'p Pool,
}

impl Filling<'_> {
    /// Computes a tensor that no recipe is for.
    fn tensor(
        &mut self,
        plan: &Plan,
        given: Given<'_>,
        id: TensorId,
        tensor: &Tensor,
    ) -> Result<(), ProverError> {
        let shape = &tensor.shape;
        let values = match &tensor.rule {
            Rule::Public(Public::Input(index)) => {
                let elements = given.inputs.get(*index).copied().unwrap_or(&[]);
                scatter(shape, elements, "elements of an input")?
            }
            Rule::Public(Public::Output(index)) => {
                let output = plan.outputs.get(*index).copied().unwrap_or(id);
                self.values[output].clone()
            }
            Rule::Public(Public::Positions) => {
                let mut line = vec![0; 1 << shape.variables()];
                for (value, at) in line.iter_mut().zip(0..).take(shape.length(0) as usize) {
                    *value = at;
                }
                line
            }
            Rule::Public(Public::Values(values)) => {
                scatter(shape, values, "elements of a public tensor")?
            }
            Rule::Public(Public::Below(ends)) => below(shape, ends),
            Rule::Public(Public::Inside { masks, maps }) => inside(shape, masks, maps),
            Rule::Constant(index) => {
                let elements = given.constants.get(*index).map_or(&[][..], Vec::as_slice);
                scatter(shape, elements, "elements of a constant")?
            }
            // A recipe fills it.
            Rule::Column(_) => return Ok(()),
            Rule::Linear(terms) => self.linear(shape, terms),
            Rule::Sum(sum) => self.sum(shape, sum)?,
        };
        self.values[id] = values;
        Ok(())
    }

    /// f of each of so many cells, which threads share out.
    fn cells<T: Clone + Default + Send>(
        &self,
        count: usize,
        f: impl Fn(usize) -> T + Sync,
    ) -> Vec<T> {
        cells(self.pool, count, f)
    }

    fn linear(&self, shape: &Shape, terms: &[Term]) -> Vec<i32> {
        let variables = shape.variables();
        let terms: Vec<_> = terms
            .iter()
            .map(|term| {
                let tensor = term.tensor.as_ref().map(|(tensor, places)| {
                    let projection = Projection::new(variables, places);
                    (self.values[*tensor].as_slice(), projection)
                });
                (term.coefficient, Masks::new(shape, &term.masks), tensor)
            })
            .collect();
        // What leaves the type is no value of a checked program; the constraints then fail.
        self.cells(1 << variables, |at| {
            let value =
                |(coefficient, masks, tensor): &(i64, Masks, Option<(&[i32], Projection)>)| {
                    if !masks.allow(at) {
                        return 0;
                    }
                    match tensor {
                        Some((values, projection)) => {
                            coefficient * i64::from(values[projection.at(at)])
                        }
                        None => *coefficient,
                    }
                };
            terms.iter().map(value).sum::<i64>() as i32
        })
    }
}

/// f of each of so many cells, which threads share out.
pub(crate) fn cells<T: Clone + Default + Send>(
    pool: &Pool,
    count: usize,
    f: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let mut cells = vec![T::default(); count];
    pool.for_each_chunk(&mut cells, PIECE, |piece, cells| {
        for (cell, at) in cells.iter_mut().zip(piece * PIECE..) {
            *cell = f(at);
        }
    });
    cells
}

/// Elements at their padded places.
fn scatter(shape: &Shape, elements: &[i32], what: &'static str) -> Result<Vec<i32>, ProverError> {
    let mut values = vec![0; 1 << shape.variables()];
    let expected: u64 = shape.lengths().iter().map(|n| u64::from(*n)).product();
    if elements.len() as u64 != expected {
        return Err(ProverError::Length {
            what,
            expected,
            got: elements.len() as u64,
        });
    }
    for (at, element) in padded(shape).zip(elements) {
        values[at] = *element;
    }
    Ok(values)
}

/// 1 at the indices of the last axis that are below the end of their row.
fn below(shape: &Shape, ends: &[u32]) -> Vec<i32> {
    let mut values = vec![0; 1 << shape.variables()];
    let last = shape.axis(shape.lengths().len().saturating_sub(1)).len();
    for (row, end) in values.chunks_mut(1 << last).zip(ends) {
        for value in row.iter_mut().take(*end as usize) {
            *value = 1;
        }
    }
    values
}

fn inside(shape: &Shape, masks: &[Mask], maps: &[Map]) -> Vec<i32> {
    let variables = shape.variables();
    let masks = Masks::new(shape, masks);
    let maps: Vec<(Projection, Vec<bool>)> = maps
        .iter()
        .map(|map| {
            let rows = map.rows();
            let mut has = vec![false; 1 << rows.len()];
            map.entries(|entry| has[entry.row] = true);
            (Projection::new(variables, &rows), has)
        })
        .collect();
    (0..1_usize << variables)
        .map(|at| {
            let all = maps.iter().all(|(projection, has)| has[projection.at(at)]);
            i32::from(all && masks.allow(at))
        })
        .collect()
}

/// Bits of an index picked into another: variable j of the result is variable `places[j]` of the index.
#[derive(Debug, Clone)]
pub struct Projection {
    low: Vec<usize>,
    high: Vec<usize>,
    low_bits: usize,
}

impl Projection {
    /// From indices of this many variables.
    #[must_use]
    pub fn new(variables: usize, places: &[usize]) -> Self {
        let low_bits = variables / 2;
        let picked = |index: usize| {
            places.iter().fold(0, |sum, place| {
                sum << 1 | (index >> (variables - 1 - place) & 1)
            })
        };
        Self {
            low: (0..1 << low_bits).map(picked).collect(),
            high: (0..1 << (variables - low_bits))
                .map(|index| picked(index << low_bits))
                .collect(),
            low_bits,
        }
    }

    /// Values at the picked bits of all indices of so many variables.
    #[must_use]
    pub fn apply<'v>(&self, variables: usize, values: &'v [i32], pool: &Pool) -> Cow<'v, [i32]> {
        let size = 1 << variables;
        if size == values.len() && self.is_identity() {
            return Cow::Borrowed(values);
        }
        Cow::Owned(cells(pool, size, |at| values[self.at(at)]))
    }

    fn is_identity(&self) -> bool {
        let low = self.low.iter().enumerate().all(|(at, &to)| at == to);
        let mut high = self.high.iter().enumerate();
        low && high.all(|(at, &to)| at << self.low_bits == to)
    }

    /// The picked bits of an index.
    #[inline]
    #[must_use]
    pub fn at(&self, index: usize) -> usize {
        self.high[index >> self.low_bits] | self.low[index & ((1 << self.low_bits) - 1)]
    }
}

/// Intervals of axes.
struct Masks {
    /// Shift and mask of an axis' bits, and its interval.
    axes: Vec<(usize, usize, std::ops::Range<usize>)>,
}

impl Masks {
    fn new(shape: &Shape, masks: &[Mask]) -> Self {
        let axes = masks
            .iter()
            .map(|mask| {
                let axis = shape.axis(mask.axis);
                let shift = shape.variables() - axis.end;
                (
                    shift,
                    (1 << axis.len()) - 1,
                    mask.from as usize..mask.to as usize,
                )
            })
            .filter(|(_, bits, range)| *range != (0..bits + 1))
            .collect();
        Self { axes }
    }

    #[inline]
    fn allow(&self, at: usize) -> bool {
        self.axes
            .iter()
            .all(|(shift, bits, range)| range.contains(&(at >> shift & bits)))
    }
}

/// Integers as elements of F.
#[must_use]
pub fn base(values: &[i32]) -> Vec<F> {
    values.iter().map(|value| F::from_i32(*value)).collect()
}
