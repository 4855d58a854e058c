//! Tree ensembles (spec 04 §3.6).

use super::value::{View, ViewMut};

/// A node of a tree: an inner one, or a leaf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeNode {
    /// -1 in a leaf.
    pub(crate) feature: i32,
    pub(crate) threshold: i32,
    pub(crate) left: i32,
    pub(crate) right: i32,
    /// Row of the values, in a leaf.
    pub(crate) leaf: i32,
}

/// An ensemble, checked: children have larger indices than their parents, all indices are in bounds.
#[derive(Debug)]
pub(crate) struct Trees {
    pub(crate) roots: Vec<i32>,
    pub(crate) nodes: Vec<TreeNode>,
    /// [leaves, outputs]
    pub(crate) values: Vec<i32>,
    pub(crate) base: Vec<i32>,
}

impl Trees {
    pub(crate) fn run(&self, x: View<'_>, out: &mut ViewMut<'_>) {
        let outputs = self.base.len();
        let mut sums: Vec<i64> = self.base.iter().map(|base| i64::from(*base)).collect();
        for &root in &self.roots {
            let leaf = self.leaf(x, root);
            for (sum, value) in sums.iter_mut().zip(&self.values[leaf * outputs..]) {
                *sum += i64::from(*value);
            }
        }
        for (index, sum) in sums.into_iter().enumerate() {
            // The declared range of the result is in i32 (spec 04 §4.1).
            out.set(index, sum as i32);
        }
    }

    fn leaf(&self, x: View<'_>, root: i32) -> usize {
        let mut node = &self.nodes[root as usize];
        while let Ok(feature) = usize::try_from(node.feature) {
            let next = if x.at(feature) < node.threshold {
                node.left
            } else {
                node.right
            };
            node = &self.nodes[next as usize];
        }
        node.leaf as usize
    }

    pub(crate) fn bytes(&self) -> usize {
        20 * self.nodes.len() + 4 * (self.roots.len() + self.values.len() + self.base.len())
    }

    pub(crate) fn cost(&self) -> usize {
        16 * self.roots.len()
    }
}
