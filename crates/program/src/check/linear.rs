//! Operators that sum products: linear, conv, matmul, attention, sum_pool.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "operands are at most 2^63 in i128, with at most 2^28 summands; sums of weights are at most 2^36 in i64"
)]

use super::{Scope, Span, WIDE};
use crate::ProgramError;
use crate::graph::{ConstantId, NodeType, Window2d};
use crate::weights::{ElementType, MAX_DIMENSION};

/// Largest fraction of an attention's result (§3.3).
const MAX_OUTPUT_SHIFT: u8 = 16;
/// Weight of the best position (§1.4).
const MAX_WEIGHT: i128 = 16_384;

impl<B: AsRef<[u8]>> Scope<'_, B> {
    pub(super) fn linear(
        &self,
        weight: ConstantId,
        bias: Option<ConstantId>,
    ) -> Result<Span, ProgramError> {
        let (x, y) = (self.input(0)?, self.result());
        let ends = x.shape.split_last().zip(y.shape.split_last());
        let ((&k, x_lead), (&n, y_lead)) =
            ends.ok_or_else(|| self.fault("there is no last dimension"))?;
        let same = x_lead == y_lead && x.by_position == y.by_position;
        self.require(same, "the leading dimensions are not the input's")?;
        self.sums(x, weight, &[n, k], bias)
    }

    /// Interval of `bias[c] + Σ weight[c, ..] · x` over all c, every partial sum being in i32 (§4.1).
    fn sums(
        &self,
        x: &NodeType,
        weight: ConstantId,
        shape: &[u32],
        bias: Option<ConstantId>,
    ) -> Result<Span, ProgramError> {
        self.operand(x)?;
        let weights = self.constant_of(weight, ElementType::I8, shape)?;
        let channels = shape.first().copied().unwrap_or(0);
        let biases = match bias {
            Some(bias) => Some(self.constant_of(bias, ElementType::I32, &[channels])?),
            None => None,
        };
        let per_channel = weights
            .len()
            .checked_div(usize::try_from(channels).unwrap_or(0))
            .unwrap_or(0);
        let mut all: Option<Span> = None;
        for (channel, row) in weights.bytes().chunks_exact(per_channel.max(1)).enumerate() {
            let b = biases
                .and_then(|biases| biases.at(channel))
                .map_or(0, i128::from);
            let products = products(row, Span::of(x));
            let partial = Span {
                lo: products.lo + b.min(0),
                hi: products.hi + b.max(0),
            };
            self.within_i32("a sum of products", partial)?;
            let sum = Span {
                lo: products.lo + b,
                hi: products.hi + b,
            };
            all = Some(all.map_or(sum, |all| all.union(sum)));
        }
        all.ok_or_else(|| self.fault("no channels"))
    }

    pub(super) fn conv(
        &self,
        weight: ConstantId,
        bias: Option<ConstantId>,
        window: &Window2d,
        groups: u32,
    ) -> Result<Span, ProgramError> {
        let (x, y) = (self.input(0)?, self.result());
        let (&[channels, ..], &[outputs, ..]) = (x.shape.as_slice(), y.shape.as_slice()) else {
            return Err(self.fault("the input is not [channels, rows, columns]"));
        };
        self.window(x, y, window)?;
        let divides =
            groups >= 1 && channels.is_multiple_of(groups) && outputs.is_multiple_of(groups);
        self.require(divides, "the groups do not divide the channels")?;
        let [rows, columns] = window.kernel;
        let inner = channels.checked_div(groups).unwrap_or(0);
        self.sums(x, weight, &[outputs, inner, rows, columns], bias)
    }

    /// Shapes of a window operator: `[channels, rows, columns]` to `[anything, rows, columns]` (§3.5).
    fn window(&self, x: &NodeType, y: &NodeType, window: &Window2d) -> Result<(), ProgramError> {
        let (&[_, h, w], &[_, rows, columns]) = (x.shape.as_slice(), y.shape.as_slice()) else {
            return Err(self.fault("the input is not [channels, rows, columns]"));
        };
        self.require(
            x.by_position == y.by_position,
            "the result is not by position as the input is",
        )?;
        let numbers = [window.kernel, window.strides, window.dilations];
        let positive = numbers
            .as_flattened()
            .iter()
            .all(|n| (1..=MAX_DIMENSION).contains(n));
        self.require(
            positive && window.pads.iter().all(|pad| *pad <= MAX_DIMENSION),
            "a window's number is out of bounds",
        )?;
        let ([kh, kw], [sh, sw], [dh, dw]) = (window.kernel, window.strides, window.dilations);
        let [top, left, bottom, right] = window.pads;
        let fits = outputs(h, top, bottom, kh, sh, dh) == Some(u64::from(rows))
            && outputs(w, left, right, kw, sw, dw) == Some(u64::from(columns));
        self.require(
            fits,
            "the result does not have as many rows and columns as there are windows",
        )
    }

    pub(super) fn pool(&self, window: &Window2d, sum: bool) -> Result<Span, ProgramError> {
        let (x, y) = (self.input(0)?, self.result());
        self.window(x, y, window)?;
        self.require(
            x.shape.first() == y.shape.first(),
            "a pooling keeps the channels",
        )?;
        let [kh, kw] = window.kernel;
        if sum {
            let count = i128::from(kh) * i128::from(kw);
            let sum = Span {
                lo: Span::of(x).lo * count,
                hi: Span::of(x).hi * count,
            };
            self.within_i32("a sum", sum)?;
            return Ok(sum);
        }
        let [top, left, _, _] = window.pads;
        let (&[_, h, w], &[_, rows, columns]) = (x.shape.as_slice(), y.shape.as_slice()) else {
            return Err(self.fault("the input is not [channels, rows, columns]"));
        };
        let [sh, sw] = window.strides;
        let reaches = |count: u32, stride: u32, before: u32, kernel: u32, size: u32| {
            let last = (u64::from(count) - 1) * u64::from(stride);
            before < kernel && last < u64::from(size) + u64::from(before)
        };
        let inside = reaches(rows, sh, top, kh, h) && reaches(columns, sw, left, kw, w);
        self.require(inside, "a window lies outside of the input")?;
        Ok(Span::of(x))
    }

    pub(super) fn matmul(&self) -> Result<Span, ProgramError> {
        let (a, b, y) = (self.input(0)?, self.input(1)?, self.result());
        let (&[ref a_lead @ .., p, k], &[ref b_lead @ .., k2, q], &[ref y_lead @ .., p2, q2]) =
            (a.shape.as_slice(), b.shape.as_slice(), y.shape.as_slice())
        else {
            return Err(self.fault("a matrix has two dimensions"));
        };
        let lead = a_lead == b_lead && a_lead == y_lead;
        let rows = a.by_position == b.by_position && a.by_position == y.by_position;
        self.require(
            lead && rows && (k, p, q) == (k2, p2, q2),
            "the dimensions do not fit",
        )?;
        self.dot(a, b, k)
    }

    /// Interval of `Σ a · b` over `k` products.
    fn dot(&self, a: &NodeType, b: &NodeType, k: u32) -> Result<Span, ProgramError> {
        self.operand(a)?;
        self.operand(b)?;
        let product = Span::of(a).times(Span::of(b));
        let sum = Span {
            lo: product.lo * i128::from(k),
            hi: product.hi * i128::from(k),
        };
        self.within_i32("a sum of products", sum)?;
        Ok(sum)
    }

    /// Attention (§3.3).
    pub(super) fn attention(
        &self,
        multiplier: i32,
        shift: u8,
        output_shift: u8,
        window: u32,
    ) -> Result<Span, ProgramError> {
        let (q, k, v, y) = (
            self.input(0)?,
            self.input(1)?,
            self.input(2)?,
            self.result(),
        );
        let (&[heads, d], &[groups, d2], &[groups2, e], &[heads2, e2]) = (
            q.shape.as_slice(),
            k.shape.as_slice(),
            v.shape.as_slice(),
            y.shape.as_slice(),
        ) else {
            return Err(self.fault("queries, keys and values are [heads, width]"));
        };
        let rows = [q, k, v, y].iter().all(|x| x.by_position);
        self.require(rows, "attention is by position")?;
        let same = (d, groups, heads, e) == (d2, groups2, heads2, e2);
        self.require(
            same && heads.is_multiple_of(groups),
            "the dimensions do not fit",
        )?;
        self.require(
            output_shift <= MAX_OUTPUT_SHIFT,
            "the output's shift is larger than 16",
        )?;
        let dots = self.dot(q, k, d)?;
        self.scores(dots, multiplier, shift)?;
        self.operand(v)?;
        let all = self.program.max_positions();
        let seen = i128::from(if window == 0 { all } else { all.min(window) });
        let (v, one) = (Span::of(v), 1_i128 << output_shift);
        let weighted = seen * MAX_WEIGHT * one;
        self.within_wide(
            "a weighted sum",
            Span {
                lo: v.lo * weighted,
                hi: v.hi * weighted,
            },
        )?;
        debug_assert!(seen * MAX_WEIGHT < WIDE);
        // A weighted mean of v, times 2^a, rounded.
        Ok(self.clamped(Span {
            lo: v.lo * one,
            hi: v.hi * one,
        }))
    }
}

/// Number of windows along one axis: `⌊(size + before + after − dilation·(kernel − 1) − 1) / stride⌋ + 1`.
fn outputs(
    size: u32,
    before: u32,
    after: u32,
    kernel: u32,
    stride: u32,
    dilation: u32,
) -> Option<u64> {
    let padded = u64::from(size) + u64::from(before) + u64::from(after);
    let extent = u64::from(dilation) * (u64::from(kernel) - 1) + 1;
    Some(padded.checked_sub(extent)?.checked_div(u64::from(stride))? + 1)
}

/// Interval of every partial sum of `weight · x` over one channel's weights; it contains 0.
fn products(row: &[u8], x: Span) -> Span {
    let (mut positive, mut negative) = (0_i64, 0_i64);
    for piece in row.chunks(1 << 16) {
        // At most 2^16 weights of at most 2^7 each.
        let (mut up, mut down) = (0_i32, 0_i32);
        for byte in piece {
            let weight = i32::from(i8::from_le_bytes([*byte]));
            up += weight.max(0);
            down -= weight.min(0);
        }
        positive += i64::from(up);
        negative += i64::from(down);
    }
    let (positive, negative) = (i128::from(positive), i128::from(negative));
    Span {
        lo: positive * x.lo - negative * x.hi,
        hi: positive * x.hi - negative * x.lo,
    }
}
