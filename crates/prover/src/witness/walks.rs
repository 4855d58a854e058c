//! Walks through trees.

use proofmark_program::{Operator, Program};
use proofmark_proof::plan::Walk;

use super::Filling;
use super::recipes::Inverses;
use crate::ProverError;

impl Filling<'_> {
    pub(super) fn walk(&mut self, walk: &Walk) -> Result<(), ProverError> {
        let cells = 1 << walk.shape.variables();
        let row = 1 << walk.shape.axis(1).len();
        let [mut nodes, mut lefts, mut rights, mut inverse] = [(); 4].map(|()| vec![0_i32; cells]);
        let mut distance = vec![0_i64; cells];
        let mut inverses = Inverses::default();
        let [roots, feature, threshold, left, right, x] = [
            walk.roots,
            walk.feature,
            walk.threshold,
            walk.left,
            walk.right,
            walk.x,
        ]
        .map(|tensor| &self.values[tensor]);
        let places = walk.shape.length(1) as usize;
        let roots = roots.iter().take(walk.shape.length(0) as usize);
        for (tree, &root) in roots.enumerate() {
            let mut node = root as usize;
            for place in 0..places {
                let cell = tree * row + place;
                nodes[cell] = node as i32;
                let Ok(split) = usize::try_from(feature[node]) else {
                    continue;
                };
                // A walk that is longer than there are places ends here: the constraints fail.
                if place + 1 == places {
                    break;
                }
                let (value, limit) = (i64::from(x[split]), i64::from(threshold[node]));
                inverse[cell] = inverses.of(split as i64 + 1);
                if value < limit {
                    lefts[cell] = 1;
                    distance[cell] = limit - 1 - value;
                    node = left[node] as usize;
                } else {
                    rights[cell] = 1;
                    distance[cell] = value - limit;
                    node = right[node] as usize;
                }
            }
        }
        self.values[walk.node] = nodes;
        self.values[walk.goes_left] = lefts;
        self.values[walk.goes_right] = rights;
        self.values[walk.inverse] = inverse;
        self.digits(&walk.distance, &distance)
    }
}

/// Places of the longest walk from a root to a leaf of any trees of a checked program; 1 if it has none.
#[must_use]
pub fn longest_walk(program: &Program, constants: &[Vec<i32>]) -> u32 {
    let mut longest = 1;
    for node in &program.nodes {
        let Operator::Trees(trees) = &node.operator else {
            continue;
        };
        let of = |id: proofmark_program::ConstantId| constants[id.0 as usize].as_slice();
        let (feature, left, right) = (of(trees.feature), of(trees.left), of(trees.right));
        // Children have larger indices.
        let mut below = vec![1; feature.len()];
        for at in (0..feature.len()).rev().filter(|at| feature[*at] >= 0) {
            let child = |child: &[i32]| below[child[at] as usize];
            below[at] = 1 + child(left).max(child(right));
        }
        let roots = of(trees.roots).iter();
        longest = roots
            .map(|&root| below[root as usize])
            .fold(longest, u32::max);
    }
    longest
}
