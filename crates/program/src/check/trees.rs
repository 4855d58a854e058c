//! Tree ensembles (§3.6): every walk ends, in a leaf that exists.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "at most 2^24 trees of leaves of at most 2^31, in i64"
)]

use alloc::vec;
use alloc::vec::Vec;

use super::{Scope, Span};
use crate::ProgramError;
use crate::graph::{ConstantId, TreeConstants};
use crate::weights::{ElementType, MAX_ELEMENTS, TensorView};

/// What a feature of -1 says: the node is a leaf.
const LEAF: i32 = -1;

impl<'s, B: AsRef<[u8]>> Scope<'s, B> {
    pub(super) fn trees(&self, trees: &TreeConstants) -> Result<Span, ProgramError> {
        let (x, y) = (self.input(0)?, self.result());
        let (&[features], &[outputs]) = (x.shape.as_slice(), y.shape.as_slice()) else {
            return Err(self.fault("input and result have one dimension"));
        };
        self.require(
            x.by_position == y.by_position,
            "the result is not by position as the input is",
        )?;
        let vector = |id| self.constant(id, &[ElementType::I32]);
        let feature = vector(trees.feature)?;
        let nodes = feature.shape();
        self.require(nodes.len() == 1, "the nodes of trees have one dimension")?;
        let of_nodes = |id| self.constant_of(id, ElementType::I32, nodes);
        let threshold = of_nodes(trees.threshold)?;
        let (left, right, leaf) = (
            of_nodes(trees.left)?,
            of_nodes(trees.right)?,
            of_nodes(trees.leaf)?,
        );
        let values = vector(trees.values)?;
        let &[leaves, width] = values.shape() else {
            return Err(
                self.constant_fault(trees.values, "it has another shape than its operator takes")
            );
        };
        self.require(
            width == outputs,
            "the leaves have another number of outputs",
        )?;
        let base = self.constant_of(trees.base, ElementType::I32, &[outputs])?;
        let count = feature.len();
        let work = (count as u64).saturating_mul(u64::from(outputs));
        self.require(work <= MAX_ELEMENTS, "more than 2^28 nodes times outputs")?;
        let mut shape = Vec::with_capacity(count);
        for (index, feature) in feature.iter().enumerate() {
            let at = |view: TensorView<'_>| view.at(index).and_then(|x| usize::try_from(x).ok());
            let child = |view| at(view).filter(|child| *child > index && *child < count);
            let found = if feature == LEAF {
                at(leaf)
                    .filter(|leaf| *leaf < usize::try_from(leaves).unwrap_or(0))
                    .map(TreeNode::Leaf)
            } else if u32::try_from(feature).is_ok_and(|feature| feature < features) {
                child(left)
                    .zip(child(right))
                    .map(|(left, right)| TreeNode::Split(left, right))
            } else {
                None
            };
            let found = found.ok_or_else(|| {
                self.fault("a node of a tree refers to what is not there, or to an earlier node")
            })?;
            if matches!(found, TreeNode::Split(..)) {
                // What a comparison with other ranks gives is known without them.
                let ranks = i64::from(x.lo)..=i64::from(x.hi) + 1;
                self.require(
                    threshold
                        .at(index)
                        .is_some_and(|threshold| ranks.contains(&threshold.into())),
                    "a threshold of a tree is beyond the ranks that there are",
                )?;
            }
            shape.push(found);
        }
        let roots = self.roots(trees.roots, count)?;
        let mut all: Option<Span> = None;
        for output in 0..usize::try_from(outputs).unwrap_or(0) {
            let b = base.at(output).map_or(0, i64::from);
            let value = |leaf: usize| {
                let index = leaf
                    .checked_mul(usize::try_from(outputs).unwrap_or(0))?
                    .checked_add(output)?;
                values.at(index)
            };
            let (sum, partial) = ensemble(&shape, &roots, b, value);
            self.within_i32("a sum of leaves", partial)?;
            all = Some(all.map_or(sum, |all| all.union(sum)));
        }
        all.ok_or_else(|| self.fault("no outputs"))
    }

    fn roots(&self, id: ConstantId, count: usize) -> Result<Vec<usize>, ProgramError> {
        let view = self.constant(id, &[ElementType::I32])?;
        self.require(view.shape().len() == 1, "the roots have one dimension")?;
        let root = |root: i32| usize::try_from(root).ok().filter(|root| *root < count);
        let roots: Option<Vec<usize>> = view.iter().map(root).collect();
        roots.ok_or_else(|| self.fault("a root is not there"))
    }
}

enum TreeNode {
    Leaf(usize),
    Split(usize, usize),
}

/// Interval of one output, and of all its partial sums.
fn ensemble(
    shape: &[TreeNode],
    roots: &[usize],
    base: i64,
    value: impl Fn(usize) -> Option<i32>,
) -> (Span, Span) {
    let mut below: Vec<(i32, i32)> = vec![(0, 0); shape.len()];
    for (index, node) in shape.iter().enumerate().rev() {
        let span = |below: &[(i32, i32)], child: usize| below.get(child).copied().unwrap_or((0, 0));
        let found = match *node {
            TreeNode::Leaf(leaf) => {
                let value = value(leaf).unwrap_or(0);
                (value, value)
            }
            TreeNode::Split(left, right) => {
                let (left, right) = (span(&below, left), span(&below, right));
                (left.0.min(right.0), left.1.max(right.1))
            }
        };
        if let Some(place) = below.get_mut(index) {
            *place = found;
        }
    }
    let (mut lo, mut hi, mut least, mut most) = (base, base, base.min(0), base.max(0));
    for root in roots {
        let (a, b) = below.get(*root).copied().unwrap_or((0, 0));
        lo += i64::from(a);
        hi += i64::from(b);
        least += i64::from(a.min(0));
        most += i64::from(b.max(0));
    }
    (Span::new(lo, hi), Span::new(least, most))
}
