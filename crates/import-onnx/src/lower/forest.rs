//! Tree ensembles: ranks instead of numbers, and leaves in fixed point.

use proofmark_import::Elements;
use proofmark_program::{ConstantId, Operator, TreeConstants};

use super::{Int, Lowerer, rounded};
use crate::error::{Result, refused, too_large};
use crate::graph::{Graph, Op, Step, ValueId};
use crate::trees::{Forest, TreeNode};

/// An input that is known by its ranks.
pub(crate) struct Ranks {
    pub(crate) node: proofmark_program::NodeId,
    pub(crate) thresholds: ConstantId,
    pub(crate) offsets: ConstantId,
    /// Ascending, finite, by feature.
    pub(crate) of: Vec<Vec<f32>>,
}

/// The graph's input that trees look at, through steps that only change its shape.
pub(crate) fn source(graph: &Graph, id: ValueId) -> ValueId {
    let mut at = id;
    while let Some(step) = graph.steps.iter().find(|step| step.output == at) {
        match step.op {
            Op::Reshape => at = step.inputs[0],
            _ => break,
        }
    }
    at
}

/// Inputs that only trees look at, with their thresholds, finite and ascending by feature.
pub(crate) fn ranked(graph: &Graph) -> Result<Vec<(ValueId, Vec<Vec<f32>>)>> {
    let mut found: Vec<(ValueId, Vec<Vec<f32>>)> = Vec::new();
    for step in &graph.steps {
        let Op::Trees(forest) = &step.op else {
            continue;
        };
        let input = source(graph, step.inputs[0]);
        if !graph.inputs.contains(&input) {
            return Err(crate::error::unsupported(
                &step.place,
                "on computed features: ranks exist for inputs (and for inputs behind one Scaler)",
            ));
        }
        let thresholds = forest.thresholds();
        let at = match found.iter().position(|(id, _)| *id == input) {
            Some(at) => at,
            None => {
                found.push((input, vec![Vec::new(); forest.features]));
                found.len() - 1
            }
        };
        let of = &mut found[at].1;
        if of.len() != forest.features {
            return Err(refused(
                "trees over different numbers of features",
                "one input",
            ));
        }
        for (all, new) in of.iter_mut().zip(thresholds) {
            all.extend(new.into_iter().filter(|t| t.is_finite()));
            all.sort_by(f32::total_cmp);
            all.dedup();
        }
    }
    Ok(found)
}

impl Lowerer<'_> {
    /// The constants of an input of ranks.
    pub(crate) fn rank_input(&mut self, id: ValueId, of: Vec<Vec<f32>>) -> Result<()> {
        let name = self.graph.value(id).name.clone();
        let mut offsets = vec![0];
        let mut bits = Vec::new();
        for thresholds in &of {
            for threshold in thresholds {
                bits.push(i32::from_le_bytes(threshold.to_bits().to_le_bytes()));
            }
            offsets.push(i32::try_from(bits.len()).unwrap_or(i32::MAX));
        }
        if bits.is_empty() {
            return Err(refused("trees without a branch", format!("input {name:?}")));
        }
        let most = of.iter().map(Vec::len).max().unwrap_or(0);
        let most = i32::try_from(most)
            .map_err(|_| too_large("thresholds", &name, most as u64, 1 << 31))?;
        let (count, features) = (bits.len(), of.len());
        let thresholds = self.constant("ranks", "thresholds", &[count], Elements::I32(bits))?;
        let offsets = self.constant("ranks", "offsets", &[features + 1], Elements::I32(offsets))?;
        let node = self.node(
            &name.clone(),
            Operator::Input { name },
            &[],
            &[features],
            0,
            most,
        );
        self.ranks.insert(
            id,
            Ranks {
                node,
                thresholds,
                offsets,
                of,
            },
        );
        Ok(())
    }

    /// Leaves in units of a power of two, as small as the sums allow.
    pub(crate) fn trees(&mut self, step: &Step, name: &str, forest: &Forest) -> Result<Int> {
        let input = source(self.graph, step.inputs[0]);
        let Some(ranks) = self.ranks.get(&input) else {
            return Err(self.refuse(step, "on something that is not an input"));
        };
        let input = ranks.node;
        let columns = Columns::new(forest, &ranks.of);
        let fixed = Fixed::new(forest);
        let (trees, nodes, leaves) = (forest.roots.len(), forest.nodes.len(), fixed.leaves);
        let roots = forest.roots.iter().map(|&root| index(root)).collect();
        let column = |this: &mut Self, part: &str, shape: &[usize], values: Vec<i32>| {
            this.constant(name, part, shape, Elements::I32(values))
        };
        let constants = TreeConstants {
            roots: column(self, "roots", &[trees], roots)?,
            feature: column(self, "feature", &[nodes], columns.feature)?,
            threshold: column(self, "threshold", &[nodes], columns.threshold)?,
            left: column(self, "left", &[nodes], columns.left)?,
            right: column(self, "right", &[nodes], columns.right)?,
            leaf: column(self, "leaf", &[nodes], columns.leaf)?,
            values: column(self, "values", &[leaves, forest.outputs], fixed.values)?,
            base: column(self, "base", &[forest.outputs], fixed.base)?,
        };
        let shape = vec![forest.outputs];
        let (lo, hi) = (fixed.lo, fixed.hi);
        let node = self.node(name, Operator::Trees(constants), &[input], &shape, lo, hi);
        Ok(Int {
            node,
            shape,
            scale: fixed.scale,
            lo,
            hi,
            error: fixed.error,
        })
    }
}

fn index(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

/// The nodes' constants.
#[derive(Default)]
struct Columns {
    feature: Vec<i32>,
    threshold: Vec<i32>,
    left: Vec<i32>,
    right: Vec<i32>,
    leaf: Vec<i32>,
}

impl Columns {
    fn new(forest: &Forest, of: &[Vec<f32>]) -> Self {
        let mut columns = Self::default();
        for node in &forest.nodes {
            let (feature, threshold, left, right, leaf) = match *node {
                TreeNode::Leaf(row) => (-1, 0, 0, 0, index(row)),
                TreeNode::Branch {
                    feature,
                    threshold,
                    left,
                    right,
                } => {
                    // x < t where fewer thresholds than those up to t are passed. Everything is below infinity, nothing below minus
                    // infinity, which is what these numbers say too.
                    let passed = of[feature].partition_point(|t| *t <= threshold);
                    let rank = if threshold == f32::INFINITY {
                        passed + 1
                    } else {
                        passed
                    };
                    (index(feature), index(rank), index(left), index(right), 0)
                }
            };
            columns.feature.push(feature);
            columns.threshold.push(threshold);
            columns.left.push(left);
            columns.right.push(right);
            columns.leaf.push(leaf);
        }
        columns
    }
}

/// The leaves' values.
struct Fixed {
    values: Vec<i32>,
    base: Vec<i32>,
    leaves: usize,
    scale: f64,
    lo: i32,
    hi: i32,
    error: f64,
}

impl Fixed {
    fn new(forest: &Forest) -> Self {
        let outputs = forest.outputs;
        // Smallest and largest sum of each output.
        let mut lo = forest.base.clone();
        let mut hi = forest.base.clone();
        let mut reach: Vec<f64> = forest.base.iter().map(|b| b.abs()).collect();
        for (tree, &root) in forest.roots.iter().enumerate() {
            let end = forest
                .roots
                .get(tree + 1)
                .copied()
                .unwrap_or(forest.nodes.len());
            for output in 0..outputs {
                let leaves = forest.nodes[root..end]
                    .iter()
                    .filter_map(|node| match node {
                        TreeNode::Leaf(row) => Some(forest.values[row * outputs + output]),
                        TreeNode::Branch { .. } => None,
                    });
                let (least, most) = leaves
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
                        (lo.min(v), hi.max(v))
                    });
                lo[output] += least;
                hi[output] += most;
                reach[output] += least.abs().max(most.abs());
            }
        }
        let reach = reach.into_iter().fold(f64::MIN_POSITIVE * 1e20, f64::max);
        let scale = 2_f64.powi(exponent(reach));
        #[expect(clippy::cast_precision_loss, reason = "the number of trees")]
        let error = (forest.roots.len() as f64 + 1.0) * scale / 2.0;
        let integer = |v: &f64| rounded(v / scale, -i32::MAX, i32::MAX);
        let least = lo.iter().copied().fold(0.0, f64::min) - error;
        let most = hi.iter().copied().fold(0.0, f64::max) + error;
        Self {
            values: forest.values.iter().map(integer).collect(),
            base: forest.base.iter().map(integer).collect(),
            leaves: forest.values.len() / outputs,
            scale,
            lo: rounded((least / scale).floor(), -i32::MAX, 0),
            hi: rounded((most / scale).ceil(), 0, i32::MAX),
            error,
        }
    }
}

/// The exponent of the unit in which a sum of this reach is at most 2^30.
fn exponent(reach: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "exponents of doubles")]
    let exponent = reach.log2().ceil() as i32;
    exponent - 30
}
