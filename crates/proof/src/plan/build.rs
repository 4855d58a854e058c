//! Putting a plan together: tensors, columns, numbers (specs/05-proof.md §8).

use alloc::vec;
use alloc::vec::Vec;

use super::check::{Check, Wire};
use super::identity::Interval;
use super::integer::Split;
use super::number::{Number, NumberLayout};
use super::recipe::{Recipe, Scheduled};
use super::rule::{Factor, Mask, Rule, Sum, Tensor, TensorId, Term, Variable};
use super::shape::Shape;
use super::{
    Choices, Column, ColumnKind, Constant, Lookup, MAX_STACK_VARIABLES, MAX_TENSOR_VARIABLES, Map,
    Plan, Table, Unsupported, Window,
};

/// Widest digit that is multiplied with a multiplier of 17 bits.
const FACTOR_BITS: u32 = 13;

/// A plan in the making.
pub(super) struct Builder {
    pub(super) plan: Plan,
    /// Tensors whose digits are columns already.
    pub(super) splits: Vec<Split>,
    /// Tensors that are lo + bit + 2·digits of a number.
    pub(super) rounded: Vec<Rounded>,
    /// Tables that several lookups share, by what they hold.
    pub(super) shared: Vec<(Shared, usize)>,
}

/// A tensor as lo + bit + 2·high, or lo + high without a bit.
#[derive(Debug, Clone)]
pub(super) struct Rounded {
    pub(super) tensor: TensorId,
    pub(super) lo: i64,
    pub(super) bit: Option<TensorId>,
    pub(super) high: Number,
}

/// What a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    /// A vector.
    Rows(TensorId),
    /// Exponential weights.
    Exponential,
    /// Bits of the sampler's weights, from this place.
    Sampling(u32),
}

/// A tensor as an operand of cells: with its variables as those of a domain.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) wire: Wire,
    pub(super) interval: Interval,
}

impl Builder {
    pub(super) fn new(choices: Choices, walk: Option<u32>, constants: Vec<Constant>) -> Self {
        Self {
            plan: Plan {
                digit_bits: choices.digit_bits,
                walk,
                tensors: Vec::new(),
                columns: Vec::new(),
                checks: Vec::new(),
                zeros: Vec::new(),
                outputs: Vec::new(),
                lookups: Vec::new(),
                tables: Vec::new(),
                constants,
                recipes: Vec::new(),
            },
            splits: Vec::new(),
            rounded: Vec::new(),
            shared: Vec::new(),
        }
    }

    pub(super) fn digit_bits(&self) -> u32 {
        self.plan.digit_bits
    }

    pub(super) fn factor_bits(&self) -> u32 {
        self.plan.digit_bits.min(FACTOR_BITS)
    }

    pub(super) fn tensor(&mut self, shape: &Shape, interval: Interval, rule: Rule) -> TensorId {
        let id = self.plan.tensors.len();
        let bound = |x: i128| i64::try_from(x).unwrap_or(i64::MAX);
        self.plan.tensors.push(Tensor {
            shape: shape.clone(),
            lo: bound(interval.lo),
            hi: bound(interval.hi),
            rule,
        });
        id
    }

    pub(super) fn shape(&self, id: TensorId) -> Shape {
        self.plan
            .tensors
            .get(id)
            .map_or_else(|| Shape::new(&[]), |t| t.shape.clone())
    }

    pub(super) fn interval(&self, id: TensorId) -> Interval {
        self.plan
            .tensors
            .get(id)
            .map_or(Interval::of(0), |t| Interval {
                lo: i128::from(t.lo),
                hi: i128::from(t.hi),
            })
    }

    pub(super) fn column(&mut self, shape: &Shape, kind: ColumnKind) -> TensorId {
        let interval = match kind {
            ColumnKind::Digit(bits) => Interval {
                lo: 0,
                hi: (1_i128 << bits).saturating_sub(1),
            },
            ColumnKind::Bit => Interval { lo: 0, hi: 1 },
            ColumnKind::Free { lo, hi } => Interval {
                lo: lo.into(),
                hi: hi.into(),
            },
            ColumnKind::Inverse | ColumnKind::Multiplicity(_) => Interval {
                lo: 0,
                hi: i128::from(crate::field::P),
            },
        };
        let column = self.plan.columns.len();
        let id = self.tensor(shape, interval, Rule::Column(column));
        self.plan.columns.push(Column { tensor: id, kind });
        id
    }

    pub(super) fn number(&mut self, shape: &Shape, layout: NumberLayout) -> Number {
        let digits = layout
            .digits
            .iter()
            .map(|&(place, width)| (self.column(shape, ColumnKind::Digit(width)), place))
            .collect();
        Number { digits, layout }
    }

    /// A layout with this builder's digits.
    pub(super) fn layout(&self, interval: Interval) -> Result<NumberLayout, Unsupported> {
        NumberLayout::of(interval, self.digit_bits())
            .ok_or(Unsupported::new("an integer of more than 63 bits"))
    }

    /// A layout with digits that may be multiplied with each other.
    pub(super) fn narrow_layout(&self, interval: Interval) -> Result<NumberLayout, Unsupported> {
        NumberLayout::of(interval, self.factor_bits())
            .ok_or(Unsupported::new("an integer of more than 63 bits"))
    }

    pub(super) fn recipe(&mut self, recipe: Recipe) {
        let after = self.plan.tensors.len();
        self.plan.recipes.push(Scheduled { after, recipe });
    }

    pub(super) fn check(&mut self, check: Check) {
        if !check.constraints.is_empty() {
            self.plan.checks.push(check);
        }
    }

    pub(super) fn lookup(&mut self, lookup: Lookup) {
        self.plan.lookups.push(lookup);
    }

    pub(super) fn table(&mut self, table: Table) -> usize {
        self.plan.tables.push(table);
        self.plan.tables.len().saturating_sub(1)
    }

    /// A table that is made once: its values, and the rows that it has with those of value zero.
    pub(super) fn shared_table(
        &mut self,
        what: Shared,
        make: impl FnOnce(&mut Self) -> (TensorId, Shape),
    ) -> usize {
        if let Some((_, table)) = self.shared.iter().find(|(known, _)| *known == what) {
            return *table;
        }
        let (values, rows) = make(self);
        let values = self.widened(values, &rows);
        let table = self.counted(values);
        self.shared.push((what, table));
        table
    }

    /// A vector with a longer axis.
    fn widened(&mut self, vector: TensorId, rows: &Shape) -> TensorId {
        let (from, interval) = (self.shape(vector), self.interval(vector));
        if from.variables() == rows.variables() {
            let all = (0..rows.variables()).collect();
            return self.view(vector, rows, all, interval);
        }
        let side = |of: &Shape| (of.axis(0).collect(), of.length(0));
        let map = Map::Window(Window {
            outer: side(rows),
            stride: 1,
            inner: None,
            inner_length: 1,
            dilation: 0,
            offset: 0,
            bound: side(&from),
        });
        let factor = Factor {
            tensor: vector,
            variables: from.axis(0).map(Variable::Bound).collect(),
        };
        let sum = Sum {
            bound: from,
            maps: vec![map],
            factors: vec![factor],
        };
        self.sum(rows, interval, sum)
    }

    /// An operand over its own domain.
    pub(super) fn operand(&self, tensor: TensorId) -> Operand {
        let variables = (0..self.shape(tensor).variables()).collect();
        self.operand_at(tensor, variables)
    }

    pub(super) fn operand_at(&self, tensor: TensorId, variables: Vec<usize>) -> Operand {
        Operand {
            wire: Wire { tensor, variables },
            interval: self.interval(tensor),
        }
    }

    /// Σ coefficient · tensor, without masks, all of one shape, plus a constant in every cell.
    pub(super) fn linear(
        &mut self,
        shape: &Shape,
        interval: Interval,
        parts: &[(i64, TensorId)],
        constant: i64,
    ) -> TensorId {
        let all: Vec<usize> = (0..shape.variables()).collect();
        let mut terms: Vec<Term> = parts
            .iter()
            .map(|&(coefficient, tensor)| Term {
                coefficient,
                tensor: Some((tensor, all.clone())),
                masks: Vec::new(),
            })
            .collect();
        if constant != 0 {
            terms.push(Term {
                coefficient: constant,
                tensor: None,
                masks: Vec::new(),
            });
        }
        self.tensor(shape, interval, Rule::Linear(terms))
    }

    /// A tensor seen with other variables, as the same elements.
    pub(super) fn view(
        &mut self,
        tensor: TensorId,
        shape: &Shape,
        variables: Vec<usize>,
        interval: Interval,
    ) -> TensorId {
        let term = Term {
            coefficient: 1,
            tensor: Some((tensor, variables)),
            masks: Vec::new(),
        };
        self.tensor(shape, interval, Rule::Linear(vec![term]))
    }

    pub(super) fn sum(&mut self, shape: &Shape, interval: Interval, sum: Sum) -> TensorId {
        self.tensor(shape, interval, Rule::Sum(sum))
    }

    /// The plan, if its sizes are within bounds.
    pub(super) fn finish(mut self) -> Result<Plan, Unsupported> {
        let rows = 2_u32.checked_shl(self.digit_bits()).unwrap_or(0);
        self.column(&Shape::new(&[rows]), ColumnKind::Multiplicity(None));
        let plan = self.plan;
        let small = |tensor: &Tensor| tensor.shape.variables() <= MAX_TENSOR_VARIABLES;
        let bound = |sum: &Tensor| match &sum.rule {
            Rule::Sum(sum) => sum.bound.variables() <= MAX_TENSOR_VARIABLES,
            _ => true,
        };
        if !plan.tensors.iter().all(|t| small(t) && bound(t)) {
            return Err(Unsupported::new("a tensor of more than 2^28 elements"));
        }
        // Fewer leaves than p, so that multiplicities are numbers.
        if plan.leaves().variables() > MAX_STACK_VARIABLES
            || plan.witness().variables() > MAX_STACK_VARIABLES
        {
            return Err(Unsupported::new("an inference of more than 2^30 cells"));
        }
        Ok(plan)
    }

    /// Masks of these axes' real lengths.
    pub(super) fn masks(shape: &Shape, axes: impl IntoIterator<Item = usize>) -> Vec<Mask> {
        axes.into_iter()
            .map(|axis| Mask {
                axis,
                from: 0,
                to: shape.length(axis),
            })
            .collect()
    }
}
