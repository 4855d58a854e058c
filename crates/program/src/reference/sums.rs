//! Operators that sum products, trees (§3.3, §3.5, §3.6).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "the checker has proven the bounds of §4.1; indices are below the products of checked dimensions"
)]

use alloc::vec::Vec;

use super::pointwise::weights;
use super::{Step, Value, exact};
use crate::arithmetic::rdiv;
use crate::graph::{ConstantId, TreeConstants, Window2d};

fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The place of the input under a place of the kernel, if it is inside.
fn place(
    output: usize,
    kernel: usize,
    stride: u32,
    dilation: u32,
    before: u32,
    length: usize,
) -> Option<usize> {
    let at = output * size(stride) + kernel * size(dilation);
    at.checked_sub(size(before)).filter(|at| *at < length)
}

impl<B: AsRef<[u8]>> Step<'_, B> {
    fn biases(&self, bias: Option<ConstantId>) -> impl Fn(usize) -> i64 {
        let bias = bias.map(|bias| self.constant(bias));
        move |channel| bias.map_or(0, |bias| bias.at(channel))
    }

    pub(super) fn linear(&self, weight: ConstantId, bias: Option<ConstantId>) -> Vec<i32> {
        let (x, weight, bias) = (self.input(0), self.constant(weight), self.biases(bias));
        let (k, n) = (
            x.width(),
            self.result().shape.last().copied().map_or(0, size),
        );
        let mut y = Vec::new();
        for row in x.elements.chunks(k) {
            let row = Value {
                of: x.of,
                elements: row,
            };
            for c in 0..n {
                let sum: i64 = (0..k).map(|j| weight.at(c * k + j) * row.at(j)).sum();
                y.push(exact(bias(c) + sum));
            }
        }
        y
    }

    pub(super) fn matmul(&self) -> Vec<i32> {
        let (a, b) = (self.input(0), self.input(1));
        let rank = a.of.shape.len();
        let (p, k, q) = (a.length(rank.saturating_sub(2)), a.width(), b.width());
        let mut y = Vec::new();
        for (a_matrix, b_matrix) in a.elements.chunks(p * k).zip(b.elements.chunks(k * q)) {
            let (a, b) = (
                Value {
                    of: a.of,
                    elements: a_matrix,
                },
                Value {
                    of: b.of,
                    elements: b_matrix,
                },
            );
            for i in 0..p {
                for c in 0..q {
                    y.push(exact(
                        (0..k).map(|j| a.at(i * k + j) * b.at(j * q + c)).sum(),
                    ));
                }
            }
        }
        y
    }

    /// Attention (§3.3).
    pub(super) fn attention(
        &self,
        multiplier: i32,
        shift: u8,
        output_shift: u8,
        window: u32,
    ) -> Vec<i32> {
        let [q, k, v] = [0, 1, 2].map(|at| self.inputs.get(at).copied());
        let (Some(q), Some(k), Some(v)) = (q, k, v) else {
            return Vec::new();
        };
        let (heads, groups, d, e) = (q.length(0), k.length(0), q.width(), v.width());
        let per_group = heads / groups;
        let t = self.position;
        let first = if window == 0 {
            0
        } else {
            (t + 1).saturating_sub(size(window))
        };
        let mut y = Vec::new();
        for head in 0..heads {
            let group = head / per_group;
            let query = q.row(t);
            let mut scores = Vec::new();
            for j in first..=t {
                let key = k.row(j);
                let sum = (0..d)
                    .map(|i| query.at(head * d + i) * key.at(group * d + i))
                    .sum();
                scores.push(Self::score(sum, multiplier, shift));
            }
            let (weights, sum) = weights(&scores);
            for i in 0..e {
                let terms = weights
                    .iter()
                    .zip(first..)
                    .map(|(w, j)| i128::from(w * v.row(j).at(group * e + i)));
                let weighted: i128 = terms.sum();
                y.push(self.clamped(rdiv(weighted << output_shift, i128::from(sum))));
            }
        }
        y
    }

    /// Convolution (§3.5).
    pub(super) fn conv(
        &self,
        weight: ConstantId,
        bias: Option<ConstantId>,
        window: &Window2d,
        groups: u32,
    ) -> Vec<i32> {
        let (x, weight, bias) = (self.input(0), self.constant(weight), self.biases(bias));
        let (channels, h, w) = (x.length(0), x.length(1), x.length(2));
        let y_of = Value {
            of: self.result(),
            elements: &[],
        };
        let (outputs, rows, columns) = (y_of.length(0), y_of.length(1), y_of.length(2));
        let (inner, per_group) = (channels / size(groups), outputs / size(groups));
        let [kh, kw] = window.kernel.map(size);
        let ([sh, sw], [dh, dw], [top, left, _, _]) =
            (window.strides, window.dilations, window.pads);
        let mut y = Vec::new();
        for o in 0..outputs {
            for r in 0..rows {
                for c in 0..columns {
                    let mut sum = bias(o);
                    for (p, i, j) in triples(inner, kh, kw) {
                        let inside = place(r, i, sh, dh, top, h).zip(place(c, j, sw, dw, left, w));
                        if let Some((row, column)) = inside {
                            let channel = o / per_group * inner + p;
                            let factor = weight.at(((o * inner + p) * kh + i) * kw + j);
                            sum += factor * x.at((channel * h + row) * w + column);
                        }
                    }
                    y.push(exact(sum));
                }
            }
        }
        y
    }

    /// Pooling (§3.5).
    pub(super) fn pool(&self, window: &Window2d, sum: bool) -> Vec<i32> {
        let x = self.input(0);
        let (h, w) = (x.length(1), x.length(2));
        let y_of = Value {
            of: self.result(),
            elements: &[],
        };
        let (channels, rows, columns) = (y_of.length(0), y_of.length(1), y_of.length(2));
        let [kh, kw] = window.kernel.map(size);
        let ([sh, sw], [top, left, _, _]) = (window.strides, window.pads);
        let mut y = Vec::new();
        for (channel, r, c) in triples(channels, rows, columns) {
            let places = triples(1, kh, kw).filter_map(|(_, i, j)| {
                let inside = place(r, i, sh, 1, top, h).zip(place(c, j, sw, 1, left, w));
                inside.map(|(row, column)| x.at((channel * h + row) * w + column))
            });
            let value: i64 = if sum {
                places.sum()
            } else {
                places.max().unwrap_or(0)
            };
            y.push(exact(value));
        }
        y
    }

    /// Trees (§3.6).
    pub(super) fn trees(&self, trees: &TreeConstants) -> Vec<i32> {
        let x = self.input(0);
        let at = |id: ConstantId, index: usize| self.constant(id).at(index);
        let mut sums: Vec<i64> = self
            .constant(trees.base)
            .all()
            .into_iter()
            .map(i64::from)
            .collect();
        let outputs = sums.len();
        for root in self.constant(trees.roots).all() {
            let mut node = usize::try_from(root).unwrap_or(0);
            while let Ok(feature) = usize::try_from(at(trees.feature, node)) {
                let child = if x.at(feature) < at(trees.threshold, node) {
                    trees.left
                } else {
                    trees.right
                };
                node = usize::try_from(at(child, node)).unwrap_or(0);
            }
            let leaf = usize::try_from(at(trees.leaf, node)).unwrap_or(0);
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum += at(trees.values, leaf * outputs + c);
            }
        }
        sums.into_iter().map(exact).collect()
    }
}

/// All (a, b, c) below the given lengths, the last running fastest.
fn triples(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}
