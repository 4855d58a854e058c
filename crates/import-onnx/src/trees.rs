//! Tree ensembles: every branch brought to one form, "left where x < threshold", without changing which leaf any number reaches.

use crate::error::{Result, malformed, too_large};

/// Most nodes of an ensemble, and most values of its leaves together.
const MAX_TREE_NODES: usize = 1 << 22;
const MAX_LEAF_VALUES: usize = 1 << 24;

/// How a branch compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Leaf,
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
}

impl Mode {
    pub(crate) fn of(text: &str) -> Option<Self> {
        Some(match text {
            "LEAF" => Self::Leaf,
            "BRANCH_LEQ" => Self::Leq,
            "BRANCH_LT" => Self::Lt,
            "BRANCH_GTE" => Self::Gte,
            "BRANCH_GT" => Self::Gt,
            "BRANCH_EQ" => Self::Eq,
            "BRANCH_NEQ" => Self::Neq,
            _ => return None,
        })
    }
}

/// A node as files have it.
#[derive(Debug, Clone)]
pub(crate) struct FileNode {
    pub(crate) tree: i64,
    pub(crate) id: i64,
    pub(crate) mode: Mode,
    pub(crate) feature: i64,
    pub(crate) threshold: f32,
    pub(crate) if_true: i64,
    pub(crate) if_false: i64,
}

/// A node of a [`Forest`]. Children have larger indices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TreeNode {
    /// Left where `x[feature] < threshold`.
    Branch {
        feature: usize,
        threshold: f32,
        left: usize,
        right: usize,
    },
    /// Row of the leaf values.
    Leaf(usize),
}

/// Trees whose leaves add up.
#[derive(Debug, Clone)]
pub(crate) struct Forest {
    pub(crate) features: usize,
    pub(crate) outputs: usize,
    pub(crate) roots: Vec<usize>,
    pub(crate) nodes: Vec<TreeNode>,
    /// `[leaves, outputs]`.
    pub(crate) values: Vec<f64>,
    /// `[outputs]`.
    pub(crate) base: Vec<f64>,
}

/// What the leaves hold, by (tree, node): pairs of output and value.
pub(crate) type Leaves = std::collections::HashMap<(i64, i64), Vec<(usize, f64)>>;

impl Forest {
    /// Takes the nodes of a file. Trees begin where the tree's number changes.
    pub(crate) fn new(
        file: &[FileNode],
        leaves: &Leaves,
        features: usize,
        outputs: usize,
    ) -> Result<Self> {
        if file.len() > MAX_TREE_NODES {
            return Err(too_large(
                "nodes",
                "a tree ensemble",
                file.len() as u64,
                MAX_TREE_NODES as u64,
            ));
        }
        let mut places = std::collections::HashMap::with_capacity(file.len());
        for (at, node) in file.iter().enumerate() {
            if places.insert((node.tree, node.id), at).is_some() {
                return Err(malformed(format!(
                    "tree {} has node {} twice",
                    node.tree, node.id
                )));
            }
        }
        let mut forest = Self {
            features,
            outputs,
            roots: Vec::new(),
            nodes: Vec::with_capacity(file.len()),
            values: Vec::new(),
            base: vec![0.0; outputs],
        };
        let mut seen = vec![false; file.len()];
        let mut previous = None;
        for (at, node) in file.iter().enumerate() {
            if previous != Some(node.tree) {
                forest.grow(at, file, &places, leaves, &mut seen)?;
            }
            previous = Some(node.tree);
        }
        Ok(forest)
    }

    /// Adds the tree whose root is `root`, parents before children.
    fn grow(
        &mut self,
        root: usize,
        file: &[FileNode],
        places: &std::collections::HashMap<(i64, i64), usize>,
        leaves: &Leaves,
        seen: &mut [bool],
    ) -> Result<()> {
        self.roots.push(self.nodes.len());
        // Pairs of the file's node and its place here, which is reserved when its parent is written.
        let mut open = std::collections::VecDeque::from([(root, self.reserve())]);
        while let Some((at, place)) = open.pop_front() {
            let node = &file[at];
            if std::mem::replace(&mut seen[at], true) {
                return Err(malformed(format!(
                    "node {} of tree {} has two parents",
                    node.id, node.tree
                )));
            }
            if node.mode == Mode::Leaf {
                self.nodes[place] = self.leaf(leaves.get(&(node.tree, node.id)))?;
                continue;
            }
            let feature = usize::try_from(node.feature)
                .ok()
                .filter(|&feature| feature < self.features)
                .ok_or_else(|| malformed(format!("a tree looks at feature {}", node.feature)))?;
            if node.threshold.is_nan() {
                return Err(malformed("a threshold is not a number"));
            }
            let child = |id: i64| {
                places
                    .get(&(node.tree, id))
                    .copied()
                    .ok_or_else(|| malformed(format!("tree {} has no node {id}", node.tree)))
            };
            let (if_true, if_false) = (child(node.if_true)?, child(node.if_false)?);
            // Adding zero makes -0 and 0 one threshold, as comparisons have it.
            let below = node.threshold + 0.0;
            let above = below.next_up();
            let equality = matches!(node.mode, Mode::Eq | Mode::Neq);
            let middle = equality.then(|| self.reserve());
            let (true_place, false_place) = (self.reserve(), self.reserve());
            open.push_back((if_true, true_place));
            open.push_back((if_false, false_place));
            let branch = |threshold, left, right| TreeNode::Branch {
                feature,
                threshold,
                left,
                right,
            };
            self.nodes[place] = match (node.mode, middle) {
                (Mode::Lt, _) => branch(below, true_place, false_place),
                (Mode::Gte, _) => branch(below, false_place, true_place),
                (Mode::Gt, _) => branch(above, false_place, true_place),
                // x == t: neither x < t nor x ≥ the number after t.
                (Mode::Eq, Some(middle)) => {
                    self.nodes[middle] = branch(above, true_place, false_place);
                    branch(below, false_place, middle)
                }
                (Mode::Neq, Some(middle)) => {
                    self.nodes[middle] = branch(above, false_place, true_place);
                    branch(below, true_place, middle)
                }
                _ => branch(above, true_place, false_place),
            };
        }
        Ok(())
    }

    fn reserve(&mut self) -> usize {
        self.nodes.push(TreeNode::Leaf(0));
        self.nodes.len() - 1
    }

    fn leaf(&mut self, values: Option<&Vec<(usize, f64)>>) -> Result<TreeNode> {
        let row = self.values.len() / self.outputs;
        if self.values.len() + self.outputs > MAX_LEAF_VALUES {
            return Err(too_large(
                "leaf values",
                "a tree ensemble",
                (self.values.len() + self.outputs) as u64,
                MAX_LEAF_VALUES as u64,
            ));
        }
        self.values.extend(std::iter::repeat_n(0.0, self.outputs));
        for &(output, value) in values.into_iter().flatten() {
            if !value.is_finite() {
                return Err(malformed("a leaf is not a finite number"));
            }
            match self.values.get_mut(row * self.outputs + output) {
                Some(sum) if output < self.outputs => *sum += value,
                _ => return Err(malformed(format!("a leaf adds to output {output}"))),
            }
        }
        Ok(TreeNode::Leaf(row))
    }

    /// The row of leaf values that each tree reaches.
    pub(crate) fn leaves(&self, x: &[f64]) -> Vec<usize> {
        self.roots
            .iter()
            .map(|&root| {
                let mut at = root;
                loop {
                    match self.nodes[at] {
                        TreeNode::Leaf(row) => return row,
                        TreeNode::Branch {
                            feature,
                            threshold,
                            left,
                            right,
                        } => {
                            at = if x[feature] < f64::from(threshold) {
                                left
                            } else {
                                right
                            };
                        }
                    }
                }
            })
            .collect()
    }

    /// Sums of the leaves that each row of features reaches.
    pub(crate) fn sums(&self, x: &[f64]) -> Vec<f64> {
        let mut out = Vec::new();
        for row in x.chunks(self.features) {
            let start = out.len();
            out.extend_from_slice(&self.base);
            for leaf in self.leaves(row) {
                for output in 0..self.outputs {
                    out[start + output] += self.values[leaf * self.outputs + output];
                }
            }
        }
        out
    }

    /// Thresholds of each feature, ascending.
    pub(crate) fn thresholds(&self) -> Vec<Vec<f32>> {
        let mut of = vec![Vec::new(); self.features];
        for node in &self.nodes {
            if let TreeNode::Branch {
                feature, threshold, ..
            } = node
            {
                of[*feature].push(*threshold);
            }
        }
        for thresholds in &mut of {
            thresholds.sort_by(f32::total_cmp);
            thresholds.dedup();
        }
        of
    }

    /// The trees over numbers that become features by non-decreasing functions in f32: a number is below the new threshold exactly where
    /// its feature is below the old one.
    pub(crate) fn before(&mut self, function: impl Fn(usize, f32) -> f32) {
        for node in &mut self.nodes {
            if let TreeNode::Branch {
                feature, threshold, ..
            } = node
            {
                *threshold = first_not_below(*threshold, |x| function(*feature, x));
            }
        }
    }
}

/// The smallest number x with `f(x) >= threshold`, f being non-decreasing; infinity if there is none.
fn first_not_below(threshold: f32, f: impl Fn(f32) -> f32) -> f32 {
    // Numbers in their order, as integers.
    let number = |key: i64| {
        let bits = u32::try_from(key.unsigned_abs()).unwrap_or(0);
        let magnitude = f32::from_bits(bits);
        if key < 0 { -magnitude } else { magnitude }
    };
    let infinity = i64::from(f32::INFINITY.to_bits());
    let (mut below, mut at) = (-infinity, infinity);
    while at - below > 1 {
        let middle = below + (at - below) / 2;
        if f(number(middle)) >= threshold {
            at = middle;
        } else {
            below = middle;
        }
    }
    number(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump(mode: Mode, threshold: f32) -> Forest {
        let leaf = |id| FileNode {
            tree: 0,
            id,
            mode: Mode::Leaf,
            feature: 0,
            threshold: 0.0,
            if_true: 0,
            if_false: 0,
        };
        let root = FileNode {
            id: 0,
            mode,
            threshold,
            if_true: 1,
            if_false: 2,
            ..leaf(0)
        };
        let leaves = Leaves::from([((0, 1), vec![(0, 1.0)]), ((0, 2), vec![(0, 0.0)])]);
        Forest::new(&[root, leaf(1), leaf(2)], &leaves, 1, 1).unwrap()
    }

    #[test]
    fn every_mode_goes_where_it_went() {
        let numbers = [
            -1.5_f32,
            -0.0,
            0.0,
            0.1,
            0.1_f32.next_up(),
            0.1_f32.next_down(),
            7.0,
        ];
        for threshold in [0.0_f32, -0.0, 0.1, 7.0, f32::MAX] {
            for x in numbers {
                for (mode, expected) in [
                    (Mode::Lt, x < threshold),
                    (Mode::Leq, x <= threshold),
                    (Mode::Gt, x > threshold),
                    (Mode::Gte, x >= threshold),
                    (Mode::Eq, x == threshold),
                    (Mode::Neq, x != threshold),
                ] {
                    let got = stump(mode, threshold).sums(&[f64::from(x)]);
                    assert_eq!(
                        got,
                        [f64::from(u8::from(expected))],
                        "{x} {mode:?} {threshold}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_cycle_is_refused() {
        let node = |id, if_true, if_false| FileNode {
            tree: 0,
            id,
            mode: Mode::Lt,
            feature: 0,
            threshold: 0.0,
            if_true,
            if_false,
        };
        assert!(Forest::new(&[node(0, 0, 0)], &Leaves::new(), 1, 1).is_err());
        assert!(Forest::new(&[node(0, 1, 1), node(1, 0, 0)], &Leaves::new(), 1, 1).is_err());
        assert!(Forest::new(&[node(0, 5, 5)], &Leaves::new(), 1, 1).is_err());
    }

    #[test]
    fn thresholds_before_a_scaler_are_exact() {
        let (offset, scale) = (0.3_f32, 1.7_f32);
        let f = |x: f32| (x - offset) * scale;
        for threshold in [-2.0_f32, 0.0, 0.123_456, 55.5] {
            let first = first_not_below(threshold, f);
            assert!(f(first) >= threshold);
            assert!(f(first.next_down()) < threshold);
        }
    }
}
