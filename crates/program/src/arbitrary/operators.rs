//! How each operator is applied to what is there.

use alloc::vec;
use alloc::vec::Vec;

use super::Maker;
use crate::ConstantId;
use crate::graph::{NodeId, NodeType, Operator, TreeConstants, Window2d};

const MULTIPLIER: i32 = 65_535;

impl Maker {
    fn i8(&mut self, shape: &[u32]) -> ConstantId {
        let name = self.name("i8");
        let count = shape.iter().product::<u32>() as usize;
        let elements: Vec<i8> = self
            .random
            .elements(count, -128, 127)
            .into_iter()
            .map(|x| x as i8)
            .collect();
        self.weights.i8(&name, shape, &elements).unwrap();
        self.builder.constant(&name)
    }

    fn i16(&mut self, shape: &[u32], lo: i32, hi: i32) -> ConstantId {
        let name = self.name("i16");
        let count = shape.iter().product::<u32>() as usize;
        let elements: Vec<i16> = self
            .random
            .elements(count, lo, hi)
            .into_iter()
            .map(|x| x as i16)
            .collect();
        self.weights.i16(&name, shape, &elements).unwrap();
        self.builder.constant(&name)
    }

    fn i32(&mut self, shape: &[u32], elements: &[i32]) -> ConstantId {
        let name = self.name("i32");
        self.weights.i32(&name, shape, elements).unwrap();
        self.builder.constant(&name)
    }

    fn biases(&mut self, count: u32) -> Vec<i32> {
        let reach = self.reach as i32;
        self.random.elements(count as usize, -reach, reach)
    }

    fn multipliers(&mut self, count: u32) -> ConstantId {
        let elements = self
            .random
            .elements(count as usize, -MULTIPLIER, MULTIPLIER);
        self.i32(&[count], &elements)
    }

    /// A shift that brings values up to `largest`, times a multiplier, to about 16 bits.
    fn shift(&mut self, largest: u64) -> u8 {
        let bits = 64 - largest.leading_zeros() + 16;
        (bits.saturating_sub(15) + self.random.below(4)).saturating_sub(2) as u8
    }

    fn any(&mut self) -> NodeId {
        let at = self.random.below(self.pool.len() as u32) as usize;
        if self.random.below(2) == 0 {
            *self.pool.last().unwrap()
        } else {
            self.pool[at]
        }
    }

    fn typed(of: &NodeType, shape: &[u32], lo: i64, hi: i64) -> NodeType {
        NodeType {
            by_position: of.by_position,
            shape: shape.to_vec(),
            lo: i32::try_from(lo.min(0)).unwrap(),
            hi: i32::try_from(hi.max(0)).unwrap(),
        }
    }

    /// A node with the elements of `x` in [-limit, limit] and in 16 bits.
    fn narrow(&mut self, x: NodeId, limit: i64) -> NodeId {
        let limit = limit.min(32_767) as i32;
        let of = self.of(x);
        if of.lo >= -limit && of.hi <= limit {
            return x;
        }
        let channels = of.shape.last().copied().unwrap_or(1);
        let count = self.random.among(&[1, channels]);
        let multipliers = self.multipliers(count);
        let shift = self.shift(u64::from(of.max_abs()));
        let (lo, hi) = self.random.range();
        let result = Self::typed(
            &of,
            &of.shape,
            i64::from(lo.max(-limit)),
            i64::from(hi.min(limit)),
        );
        self.add(Operator::Requantize { multipliers, shift }, &[x], result)
    }

    pub(super) fn embed(&mut self, ids: NodeId, rows: u32, width: u32) -> NodeId {
        let table = if self.random.below(2) == 0 {
            self.i8(&[rows, width])
        } else {
            self.i16(&[rows, width], -32_768, 32_767)
        };
        let count = self.random.among(&[1, rows]);
        let multipliers = self.multipliers(count);
        let of = self.of(ids);
        let shape: Vec<u32> = of.shape.iter().copied().chain([width]).collect();
        let shift = self.shift(32_768);
        let result = Self::typed(&of, &shape, -30_000, 32_767);
        self.add(
            Operator::Embed {
                table,
                multipliers,
                shift,
            },
            &[ids],
            result,
        )
    }

    pub(super) fn sum(&mut self, x: NodeId, y: NodeId) -> NodeId {
        let (a, b) = (self.of(x), self.of(y));
        let lo = i64::from(a.lo) + i64::from(b.lo);
        let hi = i64::from(a.hi) + i64::from(b.hi);
        self.add(Operator::Add, &[x, y], Self::typed(&a, &a.shape, lo, hi))
    }

    /// One dimension.
    pub(super) fn flat(&mut self, x: NodeId) -> NodeId {
        let of = self.of(x);
        let result = NodeType {
            shape: vec![of.elements() as u32],
            ..of
        };
        self.add(Operator::Reshape, &[x], result)
    }

    pub(super) fn linear_to(&mut self, x: NodeId, n: u32) -> NodeId {
        let k = self.of(x).shape.last().copied().unwrap_or(1);
        let x = self.narrow(x, self.reach / 128 / i64::from(k));
        let of = self.of(x);
        let weight = self.i8(&[n, k]);
        let bias = (self.random.below(2) == 0).then(|| {
            let elements = self.biases(n);
            self.i32(&[n], &elements)
        });
        let shape: Vec<u32> = of
            .shape
            .iter()
            .rev()
            .skip(1)
            .rev()
            .copied()
            .chain([n])
            .collect();
        let reach = 128 * i64::from(k) * i64::from(of.max_abs())
            + if bias.is_some() { self.reach } else { 0 };
        let reach = reach.min(i64::from(i32::MAX));
        let result = Self::typed(&of, &shape, -reach, reach);
        self.add(Operator::Linear { weight, bias }, &[x], result)
    }

    /// Applies the operator with this number somewhere, if it fits there.
    pub(super) fn apply(&mut self, code: u8) -> bool {
        let x = self.any();
        let of = self.of(x);
        match code {
            4 if !of.shape.is_empty() => {
                let n = self.random.dimension();
                self.linear_to(x, n);
            }
            5 | 28 => return self.requantize(x, code == 28),
            6 | 7 => return self.pair(x, code == 7),
            8 => {
                let (lo, hi) = self.random.range();
                self.add(
                    Operator::Clamp,
                    &[x],
                    Self::typed(&of, &of.shape, i64::from(lo), i64::from(hi)),
                );
            }
            9 => self.table(x),
            10 | 11 | 14 if !of.shape.is_empty() => self.rows(x, code),
            12 | 13 => return self.positional(x, code),
            15..=17 => return self.window(x, code),
            18 => return self.matmul(x),
            19 => {
                self.flat(x);
            }
            3 | 26 if !of.shape.is_empty() => {
                let width = of.shape.last().copied().unwrap_or(1);
                let result = Self::typed(
                    &of,
                    &of.shape[..of.shape.len() - 1],
                    0,
                    i64::from(width) - 1,
                );
                let ids = self.add(Operator::ArgMax, &[x], result);
                if code == 3 && of.elements() < 500 {
                    let d = self.random.dimension();
                    self.embed(ids, width, d);
                    return true;
                }
                return code == 26;
            }
            20..=25 => return self.movement(x, code),
            27 => return self.trees(x),
            29 => {
                let rank = 1 + self.random.below(3);
                let shape = self.random.shape(rank);
                let value = self.i8(&shape);
                self.add(
                    Operator::Constant { value },
                    &[],
                    NodeType::fixed(&shape, -128, 127),
                );
            }
            _ => return code == 0,
        }
        true
    }

    fn requantize(&mut self, x: NodeId, by_channel: bool) -> bool {
        let of = self.of(x);
        let shift = self.shift(u64::from(of.max_abs()));
        let (lo, hi) = self.random.range();
        let result = Self::typed(&of, &of.shape, i64::from(lo) * 3, i64::from(hi) * 5);
        let operator = if by_channel {
            let Some(channels) = of.shape.first().copied() else {
                return false;
            };
            Operator::ChannelScale {
                multipliers: self.multipliers(channels),
                shift,
            }
        } else {
            let channels = of.shape.last().copied().unwrap_or(1);
            let count = self.random.among(&[1, channels]);
            Operator::Requantize {
                multipliers: self.multipliers(count),
                shift,
            }
        };
        self.add(operator, &[x], result);
        true
    }

    fn pair(&mut self, x: NodeId, product: bool) -> bool {
        let of = self.of(x);
        let fits = |maker: &Self, y: &NodeId| {
            let other = maker.of(*y);
            of.shape.ends_with(&other.shape) && (of.by_position || !other.by_position)
        };
        let others: Vec<NodeId> = self
            .pool
            .iter()
            .copied()
            .filter(|y| fits(self, y))
            .collect();
        let y = self.random.among(&others);
        let other = self.of(y);
        if product {
            let reach = u64::from(of.max_abs()) * u64::from(other.max_abs());
            let shift = self.shift(reach).saturating_sub(16);
            let (lo, hi) = self.random.range();
            self.add(
                Operator::Multiply { shift },
                &[x, y],
                Self::typed(&of, &of.shape, i64::from(lo), i64::from(hi)),
            );
        } else if i64::from(of.max_abs()) + i64::from(other.max_abs()) < 2 * self.reach {
            self.sum(x, y);
        } else {
            return false;
        }
        true
    }

    fn table(&mut self, x: NodeId) {
        let x = self.narrow(x, 2_000);
        let of = self.of(x);
        let entries = (of.hi - of.lo + 1) as u32;
        let wide = self.random.below(2) == 0;
        let reach = if wide {
            (2 * self.reach).min(i64::from(i32::MAX)) as i32
        } else {
            32_767
        };
        let table = if wide {
            let elements = self.random.elements(entries as usize, -reach, reach);
            self.i32(&[entries], &elements)
        } else {
            self.i16(&[entries], -reach, reach)
        };
        self.add(
            Operator::Table { table },
            &[x],
            Self::typed(&of, &of.shape, -i64::from(reach), i64::from(reach)),
        );
    }

    fn rows(&mut self, x: NodeId, code: u8) {
        let x = self.narrow(x, 1 << 15);
        let of = self.of(x);
        let eps = self.random.among(&[1, 3, 1 << 20, 1 << 40]);
        let fraction = self.random.among(&[0, 1, 10, 14, 30]);
        let (operator, hi) = match code {
            10 => (Operator::RmsNorm { eps, fraction }, 1 << 14),
            11 => (Operator::LayerNorm { eps, fraction }, 30_000),
            _ => {
                let multiplier = self.random.within(-MULTIPLIER, MULTIPLIER);
                let shift = self.random.among(&[4, 8, 14, 20]);
                (Operator::Softmax { multiplier, shift }, 32_768)
            }
        };
        self.add(operator, &[x], Self::typed(&of, &of.shape, -hi, hi));
    }

    /// Rotary positions and attention.
    fn positional(&mut self, x: NodeId, code: u8) -> bool {
        let of = self.of(x);
        let elements = of.elements() as u32;
        if !of.by_position || elements > 400 {
            return false;
        }
        let heads = [1, 2, 3, 4, 6]
            .into_iter()
            .filter(|heads| elements.is_multiple_of(*heads))
            .max()
            .unwrap_or(1);
        let d = elements / heads;
        let reach = if code == 13 {
            (self.reach as u32 / d).isqrt()
        } else {
            32_767
        };
        let x = self.narrow(x, i64::from(reach));
        let shaped = NodeType {
            shape: vec![heads, d],
            ..self.of(x)
        };
        let q = self.add(Operator::Reshape, &[x], shaped.clone());
        if code == 12 {
            if d < 2 {
                return false;
            }
            let half = 1 + self.random.below(d / 2);
            let rows = self.max_positions;
            let cosines = self.i16(&[rows, half], -16_384, 16_384);
            let sines = self.i16(&[rows, half], -16_384, 16_384);
            let (lo, hi) = self.random.range();
            let result = Self::typed(&shaped, &shaped.shape, i64::from(lo), i64::from(hi));
            self.add(Operator::Rope { cosines, sines }, &[q], result);
            return true;
        }
        let groups = [1, 2, 3, 4, 6]
            .into_iter()
            .filter(|groups| heads.is_multiple_of(*groups))
            .nth(self.random.below(2) as usize)
            .unwrap_or(1);
        let mut parts = Vec::new();
        for width in [d, self.random.among(&[1, d, 5])] {
            let flat = self.flat(q);
            let projected = self.linear_to(flat, groups * width);
            let projected = self.narrow(projected, i64::from(reach));
            let result = NodeType {
                shape: vec![groups, width],
                ..self.of(projected)
            };
            parts.push(self.add(Operator::Reshape, &[projected], result));
        }
        let [k, v] = parts[..] else {
            return false;
        };
        let width = self.of(v).shape[1];
        let operator = Operator::Attention {
            multiplier: self.random.within(-MULTIPLIER, MULTIPLIER),
            shift: self.random.among(&[16, 20, 24, 30]),
            output_shift: self.random.among(&[0, 1, 7, 16]),
            window: self.random.among(&[0, 0, 1, 3, 64]),
        };
        self.add(
            operator,
            &[q, k, v],
            Self::typed(&shaped, &[heads, width], -100_000, 1_000_000),
        );
        true
    }

    /// An input of three dimensions, made if there is none.
    fn image(&mut self, x: NodeId) -> NodeId {
        let of = self.of(x);
        if of.shape.len() == 3 {
            return x;
        }
        let elements = of.elements() as u32;
        let rows = [1, 2, 3, 4, 5]
            .into_iter()
            .filter(|rows| elements.is_multiple_of(*rows))
            .max()
            .unwrap_or(1);
        let result = NodeType {
            shape: vec![1, rows, elements / rows],
            ..of
        };
        self.add(Operator::Reshape, &[x], result)
    }

    fn window(&mut self, x: NodeId, code: u8) -> bool {
        let x = self.image(x);
        let shape = self.of(x).shape;
        let (channels, sizes) = (shape[0], [shape[1], shape[2]]);
        let mut window = Window2d {
            kernel: [1; 2],
            strides: [1; 2],
            pads: [0; 4],
            dilations: [1; 2],
        };
        let mut results = [0; 2];
        for at in 0..2 {
            let kernel = self.random.among(&[1, 2, 3, 5]);
            let (before, after) = (self.random.below(kernel), self.random.below(kernel));
            let dilation = if code == 15 {
                self.random.among(&[1, 1, 2])
            } else {
                1
            };
            let stride = 1 + self.random.below(3);
            let Some(room) = (sizes[at] + before + after).checked_sub(dilation * (kernel - 1) + 1)
            else {
                return false;
            };
            results[at] = room / stride + 1;
            if (results[at] - 1) * stride >= sizes[at] + before {
                return false;
            }
            window.kernel[at] = kernel;
            window.strides[at] = stride;
            window.dilations[at] = dilation;
            window.pads[at] = before;
            window.pads[at + 2] = after;
        }
        let [kh, kw] = window.kernel;
        let summands = i64::from(kh * kw);
        if code != 15 {
            let of = self.of(x);
            let factor = if code == 17 { summands } else { 1 };
            if i64::from(of.max_abs()) * factor >= 2 * self.reach {
                return false;
            }
            let result = Self::typed(
                &of,
                &[channels, results[0], results[1]],
                i64::from(of.lo) * factor,
                i64::from(of.hi) * factor,
            );
            let operator = if code == 16 {
                Operator::MaxPool { window }
            } else {
                Operator::SumPool { window }
            };
            self.add(operator, &[x], result);
            return true;
        }
        let groups = [1, 2, 3]
            .into_iter()
            .filter(|groups| channels.is_multiple_of(*groups))
            .max()
            .unwrap_or(1);
        let groups = self.random.among(&[1, groups, channels]);
        let outputs = groups * self.random.among(&[1, 2, 3]);
        let inner = channels / groups;
        let x = self.narrow(x, self.reach / 128 / (summands * i64::from(inner)));
        let of = self.of(x);
        let weight = self.i8(&[outputs, inner, kh, kw]);
        let bias = (self.random.below(2) == 0).then(|| {
            let elements = self.biases(outputs);
            self.i32(&[outputs], &elements)
        });
        let reach = (2 * self.reach).min(i64::from(i32::MAX));
        let result = Self::typed(&of, &[outputs, results[0], results[1]], -reach, reach);
        self.add(
            Operator::Conv {
                weight,
                bias,
                window,
                groups,
            },
            &[x],
            result,
        );
        true
    }

    /// `x · xᵀ`.
    fn matmul(&mut self, x: NodeId) -> bool {
        let of = self.of(x);
        let [.., p, k] = of.shape[..] else {
            return false;
        };
        if of.elements() * u64::from(p) > 20_000 {
            return false;
        }
        let x = self.narrow(x, (self.reach / i64::from(k)).isqrt());
        let of = self.of(x);
        let rank = of.shape.len();
        let mut shape = of.shape.clone();
        shape.swap(rank - 1, rank - 2);
        let mut permutation: Vec<u8> = (0..rank as u8).collect();
        permutation.swap(rank - 1, rank - 2);
        let result = NodeType {
            shape: shape.clone(),
            ..of.clone()
        };
        let y = self.add(Operator::Transpose { permutation }, &[x], result);
        shape[rank - 1] = p;
        shape[rank - 2] = p;
        let reach = i64::from(of.max_abs()) * i64::from(of.max_abs()) * i64::from(k);
        self.add(
            Operator::MatMul,
            &[x, y],
            Self::typed(&of, &shape, -reach, reach),
        );
        true
    }

    /// Transpose, concat, slice, pad, reductions.
    fn movement(&mut self, x: NodeId, code: u8) -> bool {
        let of = self.of(x);
        let rank = of.shape.len();
        if rank == 0 || of.elements() > 3_000 {
            return false;
        }
        let axis = self.random.below(rank as u32) as u8;
        let at = usize::from(axis);
        let (mut shape, length) = (of.shape.clone(), of.shape[at]);
        let (mut lo, mut hi) = (i64::from(of.lo), i64::from(of.hi));
        let mut inputs = vec![x];
        let operator = match code {
            20 => {
                let mut permutation: Vec<u8> = (0..rank as u8).collect();
                permutation.rotate_left(at);
                shape.rotate_left(at);
                Operator::Transpose { permutation }
            }
            21 => {
                inputs = vec![x; 1 + self.random.below(3) as usize];
                shape[at] *= inputs.len() as u32;
                Operator::Concat { axis }
            }
            22 => {
                let start = self.random.below(length);
                let step = 1 + self.random.below(3);
                shape[at] = 1 + self.random.below((length - start).div_ceil(step));
                Operator::Slice { axis, start, step }
            }
            23 => {
                let (before, after) = (self.random.below(3), self.random.below(3));
                shape[at] += before + after;
                let value = self.random.within(-7, 7);
                (lo, hi) = (lo.min(i64::from(value)), hi.max(i64::from(value)));
                Operator::Pad {
                    axis,
                    before,
                    value,
                }
            }
            24 => {
                (lo, hi) = (lo * i64::from(length), hi * i64::from(length));
                if lo < -2 * self.reach || hi >= 2 * self.reach {
                    return false;
                }
                shape.remove(at);
                Operator::ReduceSum { axis }
            }
            _ => {
                shape.remove(at);
                Operator::ReduceMax { axis }
            }
        };
        self.add(operator, &inputs, Self::typed(&of, &shape, lo, hi));
        true
    }

    fn trees(&mut self, x: NodeId) -> bool {
        let x = self.flat(x);
        let of = self.of(x);
        let features = of.shape[0];
        let outputs = self.random.among(&[1, 1, 3]);
        let trees = 1 + self.random.below(4);
        let (mut roots, mut split) = (Vec::new(), Vec::new());
        let [mut threshold, mut left, mut right, mut leaf] = [const { Vec::new() }; 4];
        let mut leaves = 0;
        for _ in 0..trees {
            // A whole tree of 2^depth leaves, node i having the children 2i + 1 and 2i + 2.
            let depth = self.random.below(4);
            let (root, inner) = (split.len() as i32, (1 << depth) - 1);
            roots.push(root);
            for i in 0..2 * inner + 1 {
                let inside = i < inner;
                split.push(if inside {
                    self.random.below(features) as i32
                } else {
                    -1
                });
                threshold.push(self.random.within(of.lo, of.hi));
                left.push(if inside { root + 2 * i + 1 } else { 0 });
                right.push(if inside { root + 2 * i + 2 } else { 0 });
                leaf.push(if inside { 0 } else { leaves });
                leaves += i32::from(!inside);
            }
        }
        let values = self
            .random
            .elements(leaves as usize * outputs as usize, -100_000, 99_999);
        let base = self.biases(outputs);
        let nodes = split.len() as u32;
        let operator = Operator::Trees(TreeConstants {
            roots: self.i32(&[trees], &roots),
            feature: self.i32(&[nodes], &split),
            threshold: self.i32(&[nodes], &threshold),
            left: self.i32(&[nodes], &left),
            right: self.i32(&[nodes], &right),
            leaf: self.i32(&[nodes], &leaf),
            values: self.i32(&[leaves as u32, outputs], &values),
            base: self.i32(&[outputs], &base),
        });
        self.add(
            operator,
            &[x],
            Self::typed(&of, &[outputs], -self.reach - 400_000, self.reach + 400_000),
        );
        true
    }
}
