//! Sums of products, as integers.

use proofmark_proof::plan::{Map, Shape, Sum, Variable};

use super::Filling;
use crate::ProverError;

/// At most so many of a result's variables are shared out among threads.
const MOST_SHARED: usize = 6;

/// Offsets that a choice adds to the indices of the result and of the factors.
#[derive(Debug, Clone, Copy, Default)]
struct Offsets {
    result: usize,
    factors: [usize; 2],
}

impl Offsets {
    fn plus(self, other: Self) -> Self {
        Self {
            result: self.result + other.result,
            factors: [
                self.factors[0] + other.factors[0],
                self.factors[1] + other.factors[1],
            ],
        }
    }
}

/// Where the variables of result and bound axes stand in the indices.
struct Layout<'l> {
    result: usize,
    factors: Vec<&'l [Variable]>,
}

impl Layout<'_> {
    /// Offsets of setting this variable to one.
    fn bit(&self, variable: Variable) -> Offsets {
        let mut offsets = Offsets::default();
        if let Variable::Free(at) = variable {
            offsets.result = 1 << (self.result - 1 - at);
        }
        for (offset, variables) in offsets.factors.iter_mut().zip(&self.factors) {
            if let Some(at) = variables.iter().position(|v| *v == variable) {
                *offset = 1 << (variables.len() - 1 - at);
            }
        }
        offsets
    }

    /// Offsets of an index over these variables.
    fn index(&self, variables: &[Variable], index: usize) -> Offsets {
        variables
            .iter()
            .rev()
            .enumerate()
            .filter(|(bit, _)| index >> bit & 1 == 1)
            .fold(Offsets::default(), |sum, (_, variable)| {
                sum.plus(self.bit(*variable))
            })
    }

    /// Offsets of all indices over these variables.
    fn all(&self, variables: &[Variable]) -> Vec<Offsets> {
        variables
            .iter()
            .fold(vec![Offsets::default()], |offsets, variable| {
                let bit = self.bit(*variable);
                offsets.iter().flat_map(|at| [*at, at.plus(bit)]).collect()
            })
    }
}

impl Filling<'_> {
    /// A sum of products over all indices of the result.
    pub(super) fn sum(&self, shape: &Shape, sum: &Sum) -> Result<Vec<i32>, ProverError> {
        let variables = shape.variables();
        let layout = Layout {
            result: variables,
            factors: sum
                .factors
                .iter()
                .map(|factor| factor.variables.as_slice())
                .collect(),
        };
        let rows: Vec<usize> = sum.maps.iter().flat_map(Map::rows).collect();
        let columns: Vec<usize> = sum.maps.iter().flat_map(Map::bound).collect();
        // Choices of each map, then those of result variables that no map has: each result element is visited once per choice.
        let mut outer: Vec<Vec<Offsets>> = Vec::new();
        for map in &sum.maps {
            let rows: Vec<Variable> = map.rows().into_iter().map(Variable::Free).collect();
            let bound: Vec<Variable> = map.bound().into_iter().map(Variable::Bound).collect();
            let mut choices = Vec::new();
            map.entries(|entry| {
                choices.push(
                    layout
                        .index(&rows, entry.row)
                        .plus(layout.index(&bound, entry.column)),
                );
            });
            outer.push(choices);
        }
        let rest = |count: usize, taken: &[usize]| {
            (0..count)
                .filter(|v| !taken.contains(v))
                .collect::<Vec<_>>()
        };
        // The result's first variables, if no map has them, are shared out among threads.
        let shared = (0..variables.min(MOST_SHARED)).take_while(|v| !rows.contains(v));
        let shared: Vec<Variable> = shared.map(Variable::Free).collect();
        let free = rest(variables, &rows).into_iter().skip(shared.len());
        outer.push(layout.all(&free.map(Variable::Free).collect::<Vec<_>>()));
        let bound = rest(sum.bound.variables(), &columns);
        let inner = layout.all(&bound.into_iter().map(Variable::Bound).collect::<Vec<_>>());
        let factors: Vec<&[i32]> = sum
            .factors
            .iter()
            .map(|factor| self.values[factor.tensor].as_slice())
            .collect();
        let starts = layout.all(&shared);
        let mut sums = vec![0_i64; 1 << variables];
        let part = sums.len() >> shared.len();
        self.pool.for_each_chunk(&mut sums, part, |number, sums| {
            let start = Offsets {
                result: 0,
                ..starts[number]
            };
            let add = |at: Offsets| sums[at.result] += products(&factors, at, &inner);
            visit(&outer, start, &mut { add });
        });
        if sums.iter().any(|sum| i32::try_from(*sum).is_err()) {
            return Err(ProverError::Overflow);
        }
        Ok(self.cells(sums.len(), |at| sums[at] as i32))
    }
}

/// Calls `add` for every choice of one entry from each list.
fn visit(lists: &[Vec<Offsets>], at: Offsets, add: &mut impl FnMut(Offsets)) {
    match lists.split_first() {
        Some((first, rest)) => {
            for choice in first {
                visit(rest, at.plus(*choice), add);
            }
        }
        None => add(at),
    }
}

/// Σ over the inner choices of the product of the factors.
fn products(factors: &[&[i32]], at: Offsets, inner: &[Offsets]) -> i64 {
    match *factors {
        [a] => inner
            .iter()
            .map(|s| i64::from(a[at.factors[0] + s.factors[0]]))
            .sum(),
        [a, b] => {
            let contiguous = inner.len() > 1
                && [0, 1].iter().all(|f| {
                    inner[1].factors[*f] == 1
                        && inner[inner.len() - 1].factors[*f] == inner.len() - 1
                });
            if contiguous {
                let [i, j] = at.factors;
                return a[i..i + inner.len()]
                    .iter()
                    .zip(&b[j..j + inner.len()])
                    .map(|(x, y)| i64::from(*x) * i64::from(*y))
                    .sum();
            }
            inner
                .iter()
                .map(|s| {
                    let (x, y) = (
                        a[at.factors[0] + s.factors[0]],
                        b[at.factors[1] + s.factors[1]],
                    );
                    i64::from(x) * i64::from(y)
                })
                .sum()
        }
        _ => 0,
    }
}
