//! Tree ensembles: each tree's walk from its root to a leaf (specs/05-proof.md §8.10).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::{ConstantId, ElementType, Node, TreeConstants};

use super::super::build::Builder;
use super::super::check::{Check, Monomial, Wire};
use super::super::identity::Interval;
use super::super::number::{Number, NumberLayout};
use super::super::recipe::{Recipe, Walk};
use super::super::rule::{Factor, Mask, Public, Rule, Sum, TensorId, Term, Variable};
use super::super::shape::Shape;
use super::super::{ColumnKind, Unsupported};
use super::lookups::Rows;
use super::pointwise::element_interval;
use super::{Lower, MALFORMED, interval_of, refuse};

/// Any element of a constant.
const ANY: ColumnKind = ColumnKind::Free {
    lo: i32::MIN as i64,
    hi: i32::MAX as i64,
};

/// Columns over the places of the walks.
struct Steps {
    places: Shape,
    node: TensorId,
    goes_left: TensorId,
    goes_right: TensorId,
    distance: Number,
    inverse: TensorId,
}

/// What the nodes of the walks are.
struct Read {
    /// Feature + 1; 0 in leaves and beyond the lengths.
    split: TensorId,
    threshold: TensorId,
    left: TensorId,
    right: TensorId,
    /// Of the node's feature.
    value: TensorId,
}

impl Lower<'_> {
    pub(super) fn trees(
        &mut self,
        node: &Node,
        constants: &TreeConstants,
    ) -> Result<TensorId, Unsupported> {
        if node.result.by_position {
            return refuse("trees by position");
        }
        let (x, of) = self.input(node, 0)?;
        let walk = self.builder.plan.walk.ok_or(MALFORMED)?;
        let trees = self.constant_type(constants.roots)?.shape.length(0);
        let nodes = self.constant_type(constants.feature)?.shape.length(0);
        let [feature, threshold, left, right, leaf] = [
            constants.feature,
            constants.threshold,
            constants.left,
            constants.right,
            constants.leaf,
        ]
        .map(|id| self.integers(id, &[nodes]));
        let roots = self.integers(constants.roots, &[trees])?;
        let steps = self.steps(&Shape::new(&[trees, walk]), interval_of(&of))?;
        let (feature, threshold, left, right) = (feature?, threshold?, left?, right?);
        self.builder.recipe(Recipe::Walk(Box::new(Walk {
            shape: steps.places.clone(),
            roots,
            feature,
            threshold,
            left,
            right,
            x,
            node: steps.node,
            goes_left: steps.goes_left,
            goes_right: steps.goes_right,
            distance: steps.distance.clone(),
            inverse: steps.inverse,
        })));
        let of_node = |values| Rows {
            values,
            entries: nodes,
            first: 0,
        };
        let mut at = |values| self.looked_up(of_node(values), steps.node, ANY);
        let (feature, threshold, left, right) = (at(feature), at(threshold), at(left), at(right));
        let split = self.split(&steps.places, feature);
        let read = Read {
            split,
            threshold,
            left,
            right,
            value: self.value_of(x, split),
        };
        self.constrain(&steps, &read);
        let first = self.place(&steps, 0);
        let line = self.builder.shape(first);
        let start = self
            .builder
            .linear(&line, Interval::of(0), &[(1, first), (-1, roots)], 0);
        self.builder.plan.zeros.push(start);
        let last = self.place(&steps, walk.saturating_sub(1));
        let leaf = self.looked_up(of_node(leaf?), last, ANY);
        self.leaf_values(node, constants, leaf)
    }

    fn integers(&mut self, id: ConstantId, shape: &[u32]) -> Result<TensorId, Unsupported> {
        self.constant(id, shape, element_interval(ElementType::I32))
    }

    fn steps(&mut self, places: &Shape, ranks: Interval) -> Result<Steps, Unsupported> {
        let node = self.builder.column(places, ANY);
        let goes_left = self.builder.column(places, ColumnKind::Bit);
        let goes_right = self.builder.column(places, ColumnKind::Bit);
        let width = Interval {
            lo: 0,
            hi: ranks.hi.saturating_sub(ranks.lo),
        };
        // A threshold is at most one beyond the ranks; how far a rank is from it, and what that is claimed to be, are known modulo p.
        let farthest = Interval {
            lo: width.hi.saturating_add(1).saturating_neg(),
            hi: width.hi,
        };
        let fits = |layout: &NumberLayout| farthest.plus(layout.interval().scaled(-1)).fits_field();
        let layout = Some(self.builder.layout(width)?)
            .filter(fits)
            .or_else(|| NumberLayout::tight(width, self.builder.digit_bits()).filter(fits))
            .ok_or(Unsupported::new("trees over ranks wider than the field"))?;
        Ok(Steps {
            places: places.clone(),
            node,
            goes_left,
            goes_right,
            distance: self.builder.number(places, layout),
            inverse: self.builder.column(places, ColumnKind::Inverse),
        })
    }

    /// Feature + 1 within the lengths.
    fn split(&mut self, places: &Shape, feature: TensorId) -> TensorId {
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: Some((feature, (0..places.variables()).collect())),
                masks: vec![],
            },
            Term {
                coefficient: 1,
                tensor: None,
                masks: Builder::masks(places, 0..places.lengths().len()),
            },
        ];
        let any = element_interval(ElementType::I32);
        self.builder.tensor(places, any, Rule::Linear(terms))
    }

    /// The value of the feature, looked up in rows (0, 0), (1 + j, x[j]).
    fn value_of(&mut self, x: TensorId, split: TensorId) -> TensorId {
        let features = self.builder.shape(x).length(0);
        let rows = Shape::new(&[features.saturating_add(1)]);
        let interval = self.builder.interval(x);
        let rows = self.along(x, &rows, 0, interval, 1, -1);
        let table = self.builder.counted(rows);
        let bound = |end: i128| i64::try_from(end).unwrap_or(0);
        let kind = ColumnKind::Free {
            lo: bound(interval.lo),
            hi: bound(interval.hi),
        };
        self.builder.read(table, split, kind)
    }

    fn constrain(&mut self, steps: &Steps, read: &Read) {
        let places = &steps.places;
        let interval = self.builder.interval(steps.node);
        let next = self.along(steps.node, places, 1, interval, 1, 1);
        let real = self.builder.inside(places, &[]);
        let going = Public::Inside {
            masks: [places.length(0), places.length(1).saturating_sub(1)]
                .into_iter()
                .enumerate()
                .map(|(axis, to)| Mask { axis, from: 0, to })
                .collect(),
            maps: vec![],
        };
        let bit = Interval { lo: 0, hi: 1 };
        let going = self.builder.tensor(places, bit, Rule::Public(going));
        let mut wires: Vec<Wire> = [
            steps.node,
            steps.goes_left,
            steps.goes_right,
            steps.inverse,
            read.split,
            read.threshold,
            read.left,
            read.right,
            read.value,
            next,
            real,
            going,
        ]
        .map(|tensor| self.builder.operand(tensor).wire)
        .into();
        let [n, l, r, i, g, t, a, b, v, next, real, w] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let (one, two) = (Monomial::linear, Monomial::product);
        let mut apart = vec![
            two(1, l, t),
            two(-1, l, v),
            one(-1, l),
            two(1, r, v),
            two(-1, r, t),
        ];
        for &(tensor, place) in &steps.distance.digits {
            let value = 1_i64 << place.min(62);
            apart.push(one(value.saturating_neg(), wires.len()));
            wires.push(self.builder.operand(tensor).wire);
        }
        let constraints = vec![
            vec![two(1, l, l), one(-1, l)],
            vec![two(1, r, r), one(-1, r)],
            vec![two(1, l, r)],
            vec![one(1, l), one(1, r), two(-1, l, w), two(-1, r, w)],
            // A walk ends in leaves, and goes on elsewhere.
            vec![one(1, g), two(-1, l, g), two(-1, r, g)],
            vec![one(1, l), one(1, r), two(-1, g, i)],
            vec![one(1, n), two(-1, real, n)],
            vec![
                two(1, w, n),
                two(1, l, a),
                two(-1, l, n),
                two(1, r, b),
                two(-1, r, n),
                one(-1, next),
            ],
            apart,
        ];
        self.builder.check(Check {
            shape: places.clone(),
            wires,
            constraints,
        });
    }

    /// The node of each walk at this place.
    fn place(&mut self, steps: &Steps, place: u32) -> TensorId {
        let line = Shape::new(&[steps.places.length(0), 1]);
        let interval = self.builder.interval(steps.node);
        self.along(steps.node, &line, 1, interval, 1, place.into())
    }

    /// base + Σ values of the leaves.
    fn leaf_values(
        &mut self,
        node: &Node,
        constants: &TreeConstants,
        leaf: TensorId,
    ) -> Result<TensorId, Unsupported> {
        let shape = self.constant_type(constants.values)?.shape.clone();
        let &[leaves, outputs] = shape.lengths() else {
            return Err(MALFORMED);
        };
        let any = element_interval(ElementType::I32);
        let values = self.integers(constants.values, &[leaves, outputs])?;
        let base = self.integers(constants.base, &[outputs])?;
        let width = u32::try_from(Shape::axis_variables(outputs)).map_err(|_| MALFORMED)?;
        let entries = u64::from(leaves) << width.min(32);
        let entries = u32::try_from(entries)
            .map_err(|_| Unsupported::new("a tensor of more than 2^28 elements"))?;
        let flat = Shape::new(&[entries]);
        let all = (0..flat.variables()).collect();
        let values = self.builder.view(values, &flat, all, any);
        let line = Shape::new(&[outputs]);
        let outputs_axis = self.builder.tensor(
            &line,
            Interval {
                lo: 0,
                hi: outputs.into(),
            },
            Rule::Public(Public::Positions),
        );
        let cells = Shape::new(&[self.builder.shape(leaf).length(0), outputs]);
        let terms = vec![
            Term {
                coefficient: 1_i64 << width.min(32),
                tensor: Some((leaf, cells.axis(0).collect())),
                masks: Builder::masks(&cells, [1]),
            },
            Term {
                coefficient: 1,
                tensor: Some((outputs_axis, cells.axis(1).collect())),
                masks: Builder::masks(&cells, [0]),
            },
        ];
        let index = self.builder.tensor(&cells, any, Rule::Linear(terms));
        let rows = Rows {
            values,
            entries,
            first: 0,
        };
        let value = self.looked_up(rows, index, ANY);
        let trees = cells.axis(0).len();
        let of_tree = |variable: usize| {
            if variable < trees {
                Variable::Bound(variable)
            } else {
                Variable::Free(variable.saturating_sub(trees))
            }
        };
        let sum = Sum {
            bound: Shape::new(&[cells.length(0)]),
            maps: vec![],
            factors: vec![Factor {
                tensor: value,
                variables: (0..cells.variables()).map(of_tree).collect(),
            }],
        };
        let sum = self.builder.sum(&line, any, sum);
        let interval = interval_of(&node.result);
        Ok(self
            .builder
            .linear(&line, interval, &[(1, sum), (1, base)], 0))
    }
}
