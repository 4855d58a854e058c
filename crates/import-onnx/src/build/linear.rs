//! Matrix products and convolutions.

use super::{Builder, Node};
use crate::error::Result;
use crate::graph::{Affine, Binary, Op, Place, ValueId, Window};
use crate::tensor::{Tensor, broadcast};

impl Builder {
    pub(super) fn gemm(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (mut a, mut b) = (node.input(0)?, node.input(1)?);
        if self.shape(a).len() != 2 || self.shape(b).len() != 2 {
            return Err(node.malformed("its matrices are not of rank 2"));
        }
        if node.int("transA", 0) != 0 {
            a = self.transposed(a, &[1, 0], &node.place)?;
        }
        if node.int("transB", 0) != 0 {
            b = self.transposed(b, &[1, 0], &node.place)?;
        }
        let mut product = self.matmul(node, a, b)?;
        let alpha = node.float("alpha", 1.0);
        if alpha != 1.0 {
            product = self.scaled(product, alpha, &node.place)?;
        }
        let Some(mut c) = node.optional(2) else {
            return Ok(product);
        };
        let beta = node.float("beta", 1.0);
        if beta != 1.0 {
            c = self.scaled(c, beta, &node.place)?;
        }
        self.binary(node, Binary::Add, product, c)
    }

    pub(super) fn matmul_node(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (mut a, mut b) = (node.input(0)?, node.input(1)?);
        let (left, right) = (self.shape(a), self.shape(b));
        if left.is_empty() || right.is_empty() {
            return Err(node.malformed("a factor is a single number"));
        }
        if left.len() == 1 {
            a = self.reshaped(a, &[1, left[0]], &node.place)?;
        }
        if right.len() == 1 {
            b = self.reshaped(b, &[right[0], 1], &node.place)?;
        }
        let product = self.matmul(node, a, b)?;
        let mut shape = self.shape(product);
        if right.len() == 1 {
            shape.pop();
        }
        if left.len() == 1 {
            shape.remove(shape.len() - usize::from(right.len() > 1) - 1);
        }
        self.reshaped(product, &shape, &node.place)
    }

    /// The product over the last dimension of `a` and the last but one of `b`.
    pub(super) fn matmul(&mut self, node: &Node<'_>, a: ValueId, b: ValueId) -> Result<ValueId> {
        let (left, right) = (self.shape(a), self.shape(b));
        let (k, n) = (right[right.len() - 2], right[right.len() - 1]);
        if left.last() != Some(&k) {
            return Err(
                node.malformed(&format!("shapes {left:?} and {right:?} do not go together"))
            );
        }
        let matrix = |shape: &[usize]| shape[..shape.len() - 2].iter().all(|&d| d == 1);
        if let Some(constant) = self.constant_of(b).filter(|_| matrix(&right)) {
            let weight = constant.reshaped(&[k, n])?.transposed(&[1, 0]);
            let mut shape = left;
            if let Some(last) = shape.last_mut() {
                *last = n;
            }
            while shape.len() < right.len() {
                shape.insert(0, 1);
            }
            return self.linear(a, weight, vec![0.0; n], shape, false, &node.place);
        }
        if self.constant_of(a).is_some() && matrix(&left) {
            // (A·x)ᵀ = xᵀ·Aᵀ
            let swap = |rank: usize| -> Vec<usize> {
                let mut order: Vec<usize> = (0..rank).collect();
                order.swap(rank - 2, rank - 1);
                order
            };
            let a = self.transposed(a, &swap(left.len()), &node.place)?;
            let b = self.transposed(b, &swap(right.len()), &node.place)?;
            let product = self.matmul(node, b, a)?;
            let rank = self.shape(product).len();
            return self.transposed(product, &swap(rank), &node.place);
        }
        let rank = left.len().max(right.len());
        let (a, b) = (
            self.with_rank(a, rank, &node.place)?,
            self.with_rank(b, rank, &node.place)?,
        );
        let (left, right) = (self.shape(a), self.shape(b));
        if left[..rank - 2] != right[..rank - 2]
            || self.constant_of(a).is_some() != self.constant_of(b).is_some()
        {
            return Err(node.unsupported(
                if broadcast(&left[..rank - 2], &right[..rank - 2]).is_some() {
                    "with a broadcast over matrices, or a stack of constant matrices"
                } else {
                    "its shapes do not go together"
                },
            ));
        }
        let mut shape = left;
        shape[rank - 1] = n;
        self.push(Op::MatMul, &[a, b], shape, &node.place)
    }

    fn with_rank(&mut self, x: ValueId, rank: usize, place: &Place) -> Result<ValueId> {
        let mut shape = self.shape(x);
        while shape.len() < rank {
            shape.insert(0, 1);
        }
        self.reshaped(x, &shape, place)
    }

    pub(super) fn linear(
        &mut self,
        x: ValueId,
        weight: Tensor,
        bias: Vec<f64>,
        shape: Vec<usize>,
        fine: bool,
        place: &Place,
    ) -> Result<ValueId> {
        self.finite(&weight.data, place)?;
        self.finite(&bias, place)?;
        self.push(Op::Linear { weight, bias, fine }, &[x], shape, place)
    }

    /// Weights that are not numbers have no program.
    pub(super) fn finite(&self, values: &[f64], place: &Place) -> Result<()> {
        if values.iter().all(|v| v.is_finite()) {
            return Ok(());
        }
        Err(crate::error::unsupported(
            place,
            "a weight is not a finite number",
        ))
    }

    pub(super) fn conv(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let x = node.input(0)?;
        let Some(weight) = self.constant_of(node.input(1)?).cloned() else {
            return Err(node.unsupported("its weights are computed"));
        };
        let shape = self.shape(x);
        if shape.len() != weight.shape.len() || !(3..=4).contains(&shape.len()) {
            return Err(node.unsupported("in other than one or two dimensions"));
        }
        if shape[0] != 1 {
            return Err(node.unsupported("on several rows at once; export the model for one row"));
        }
        let groups = usize::try_from(node.int("group", 1))
            .ok()
            .filter(|&g| g > 0 && weight.shape[0] % g == 0 && shape[1] == weight.shape[1] * g)
            .ok_or_else(|| node.malformed("channels, weights and groups do not go together"))?;
        let spatial = &shape[2..];
        let window = self.window(node, &weight.shape[2..], spatial)?;
        let bias = match node.optional(2) {
            None => vec![0.0; weight.shape[0]],
            Some(id) => match self.constant_of(id) {
                Some(bias) if bias.data.len() == weight.shape[0] => bias.data.clone(),
                _ => return Err(node.unsupported("its bias is computed or has a wrong size")),
            },
        };
        self.finite(&weight.data, &node.place)?;
        self.finite(&bias, &node.place)?;
        let plane = two_dimensions(spatial);
        let out = window
            .output(plane)
            .ok_or_else(|| node.malformed("its window does not fit"))?;
        let x = self.reshaped(x, &[1, shape[1], plane[0], plane[1]], &node.place)?;
        let outputs = weight.shape[0];
        let weight =
            weight.reshaped(&[outputs, weight.shape[1], window.kernel[0], window.kernel[1]])?;
        let result = vec![1, outputs, out[0], out[1]];
        let op = Op::Conv {
            weight,
            bias,
            window,
            groups,
        };
        let y = self.push(op, &[x], result, &node.place)?;
        if spatial.len() == 1 {
            return self.reshaped(y, &[1, outputs, out[1]], &node.place);
        }
        Ok(y)
    }

    /// Window of a convolution or pooling over one or two dimensions; one dimension becomes the second of two.
    pub(super) fn window(
        &self,
        node: &Node<'_>,
        kernel: &[usize],
        spatial: &[usize],
    ) -> Result<Window> {
        let rank = spatial.len();
        let sizes =
            |name: &str, length: usize, default: usize, least: usize| -> Result<Vec<usize>> {
                let Some(given) = node.ints(name).filter(|given| !given.is_empty()) else {
                    return Ok(vec![default; length]);
                };
                let values: Vec<usize> = given
                    .iter()
                    .filter_map(|&v| usize::try_from(v).ok())
                    .filter(|&v| v >= least && v <= 1 << 16)
                    .collect();
                if values.len() == given.len() && values.len() == length {
                    Ok(values)
                } else {
                    Err(node.unsupported(&format!("{name} are {given:?}")))
                }
            };
        let strides = sizes("strides", rank, 1, 1)?;
        let dilations = sizes("dilations", rank, 1, 1)?;
        if kernel.iter().any(|&k| k == 0 || k > 1 << 16) {
            return Err(node.malformed("its kernel is empty or huge"));
        }
        let pads = match node.text("auto_pad", "NOTSET").as_str() {
            "NOTSET" | "" => sizes("pads", 2 * rank, 0, 0)?,
            "VALID" => vec![0; 2 * rank],
            mode @ ("SAME_UPPER" | "SAME_LOWER") => {
                let mut pads = vec![0; 2 * rank];
                for axis in 0..rank {
                    let reach = dilations[axis] * (kernel[axis] - 1) + 1;
                    let steps = spatial[axis].div_ceil(strides[axis]) - 1;
                    let all = (steps * strides[axis] + reach).saturating_sub(spatial[axis]);
                    let less = all / 2;
                    let (before, after) = match mode {
                        "SAME_UPPER" => (less, all - less),
                        _ => (all - less, less),
                    };
                    pads[axis] = before;
                    pads[axis + rank] = after;
                }
                pads
            }
            _ => return Err(node.malformed("auto_pad has an unknown mode")),
        };
        Ok(if rank == 1 {
            Window {
                kernel: [1, kernel[0]],
                strides: [1, strides[0]],
                pads: [0, pads[0], 0, pads[1]],
                dilations: [1, dilations[0]],
            }
        } else {
            Window {
                kernel: [kernel[0], kernel[1]],
                strides: [strides[0], strides[1]],
                pads: [pads[0], pads[1], pads[2], pads[3]],
                dilations: [dilations[0], dilations[1]],
            }
        })
    }

    /// One scale and offset for each index of dimension 1.
    pub(super) fn by_channel(
        &mut self,
        x: ValueId,
        scale: Vec<f64>,
        offset: Vec<f64>,
        place: &Place,
    ) -> Result<ValueId> {
        let shape = self.shape(x);
        self.finite(&scale, place)?;
        self.finite(&offset, place)?;
        let affine = Affine {
            outer: shape[0],
            inner: shape[2..].iter().product(),
            scale,
            offset,
        };
        self.push(Op::Affine(affine), &[x], shape, place)
    }
}

/// `[length]` as `[1, length]`.
pub(super) fn two_dimensions(spatial: &[usize]) -> [usize; 2] {
    match *spatial {
        [rows, columns] => [rows, columns],
        [length] => [1, length],
        _ => [1, 1],
    }
}
