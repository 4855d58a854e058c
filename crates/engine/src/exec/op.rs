//! Operators of a plan that make each row by itself.

use proofmark_kernels::{
    Bounds, Isa, Norm, Requant, Window, arg_max, clamp, layer_norm, matmul, max_pool, multiply,
    requantize, rms_norm, rope, softmax, sum_pool, transpose,
};

use super::shape::{Axis, Move};
use super::trees::Trees;
use super::value::{View, ViewMut, with_view, with_view_mut};

/// Multipliers and shift of a requantization.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) multipliers: Vec<i32>,
    pub(crate) shift: u32,
    pub(crate) bounds: Bounds,
}

impl Scale {
    pub(crate) fn bytes(&self) -> usize {
        4 * self.multipliers.len()
    }

    pub(crate) fn requant(&self) -> Requant<'_> {
        Requant {
            multipliers: &self.multipliers,
            shift: self.shift,
            bounds: self.bounds,
        }
    }
}

/// A table of the program, in the type that its file has.
#[derive(Debug, Clone)]
pub(crate) enum Entries {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
}

impl Entries {
    fn bytes(&self) -> usize {
        match self {
            Self::I8(x) => x.len(),
            Self::I16(x) => 2 * x.len(),
            Self::I32(x) => 4 * x.len(),
        }
    }

    fn at(&self, index: usize) -> i32 {
        match self {
            Self::I8(x) => i32::from(x[index]),
            Self::I16(x) => i32::from(x[index]),
            Self::I32(x) => x[index],
        }
    }
}

/// What makes a row of a result from rows of its inputs.
#[derive(Debug)]
pub(crate) enum RowOp {
    /// The row as it is: a gather, or a reshape that changes the type.
    Copy,
    Embed {
        table: Entries,
        scale: Scale,
    },
    Requantize(Scale),
    /// y is repeated along x.
    Add,
    Multiply {
        shift: u32,
        bounds: Bounds,
    },
    Clamp(Bounds),
    Table {
        lo: i32,
        entries: Entries,
    },
    RmsNorm {
        norm: Norm,
        d: usize,
    },
    LayerNorm {
        norm: Norm,
        d: usize,
    },
    Rope {
        d: usize,
        cosines: Vec<i16>,
        sines: Vec<i16>,
        half: usize,
        bounds: Bounds,
    },
    Softmax {
        n: usize,
        multiplier: i32,
        shift: u32,
        bounds: Bounds,
    },
    MaxPool {
        shape: [usize; 3],
        window: Window,
    },
    SumPool {
        shape: [usize; 3],
        window: Window,
    },
    MatMul {
        dimensions: [usize; 3],
    },
    /// Elements before the moves, and one move per input.
    Move {
        fill: i32,
        moves: Vec<Move>,
    },
    ReduceSum(Axis),
    ReduceMax(Axis),
    ArgMax {
        n: usize,
    },
    Trees(Trees),
    /// [rows, columns] as [columns, rows]: the other layout of an image.
    Relayout {
        rows: usize,
        columns: usize,
    },
    /// A multiplier per index of the first dimension.
    ChannelScale {
        scale: Scale,
        inner: usize,
    },
}

/// Inputs of a row.
pub(crate) struct RowInputs<'a> {
    pub(crate) views: &'a [View<'a>],
    /// The row's position in its sequence.
    pub(crate) position: usize,
}

impl RowOp {
    /// Makes one row.
    pub(crate) fn run(&self, isa: Isa, inputs: &RowInputs<'_>, mut out: ViewMut<'_>) {
        let x = inputs.views[0];
        match self {
            Self::Copy => out.copy_from(x),
            Self::Embed { table, scale } => {
                let d = out.len() / x.len();
                for at in 0..x.len() {
                    let id = index(x.at(at));
                    embed(isa, table, scale, id, &mut out.part(at * d, d));
                }
            }
            Self::Requantize(scale) => requantize_row(isa, scale, x, out),
            Self::Add => add_rows(isa, x, inputs.views[1], out),
            Self::Multiply { shift, bounds } => {
                multiply_rows(isa, x, inputs.views[1], (*shift, *bounds), out);
            }
            Self::Clamp(bounds) => {
                with_view!(x, x => with_view_mut!(out, out => clamp(isa, x, *bounds, out)));
            }
            Self::Table { lo, entries } => lookup(x, *lo, entries, out),
            Self::RmsNorm { norm, d } => {
                x.widened(|x| with_view_mut!(out, out => rms_norm(isa, x, *d, norm, out)));
            }
            Self::LayerNorm { norm, d } => {
                x.widened(|x| with_view_mut!(out, out => layer_norm(isa, x, *d, norm, out)));
            }
            Self::Rope {
                d,
                cosines,
                sines,
                half,
                bounds,
            } => {
                let at = inputs.position * half..(inputs.position + 1) * half;
                let angles = (&cosines[at.clone()], &sines[at]);
                rotate(isa, x, *d, angles, *bounds, out);
            }
            Self::Softmax {
                n,
                multiplier,
                shift,
                bounds,
            } => {
                let scores = (*multiplier, *shift, *bounds);
                x.widened(|x| softmax_rows(isa, x, *n, scores, &mut out));
            }
            Self::MaxPool { shape, window } => pool_max(isa, x, *shape, window, out),
            Self::SumPool { shape, window } => pool_sum(isa, x, *shape, window, &mut out),
            Self::Relayout { rows, columns } => relayout(x, *rows, *columns, &mut out),
            Self::MatMul { dimensions } => {
                matmuls(isa, x, inputs.views[1], *dimensions, &mut out);
            }
            Self::Move { fill, moves } => {
                if moves
                    .iter()
                    .map(|m| m.shape.iter().product::<usize>())
                    .sum::<usize>()
                    < out.len()
                {
                    (0..out.len()).for_each(|index| out.set(index, *fill));
                }
                for (x, part) in inputs.views.iter().zip(moves) {
                    part.run(*x, &mut out);
                }
            }
            Self::ReduceSum(axis) => axis.reduce(x, &mut out, |a, b| a + b),
            Self::ReduceMax(axis) => axis.reduce(x, &mut out, i64::max),
            Self::ArgMax { n } => arg_max_rows(x, *n, &mut out),
            Self::Trees(trees) => trees.run(x, &mut out),
            Self::ChannelScale { scale, inner } => scale_channels(isa, scale, *inner, x, &mut out),
        }
    }

    /// Bytes of its tables and weights.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Embed { table, scale } => table.bytes() + scale.bytes(),
            Self::Requantize(scale) | Self::ChannelScale { scale, .. } => scale.bytes(),
            Self::Table { entries, .. } => entries.bytes(),
            Self::Rope { cosines, sines, .. } => 2 * (cosines.len() + sines.len()),
            Self::Trees(trees) => trees.bytes(),
            _ => 0,
        }
    }

    /// About how many elementary steps an element of the result takes: decides whether threads are worth it.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::MatMul { dimensions } => dimensions[1],
            Self::MaxPool { window, .. } | Self::SumPool { window, .. } => {
                8 * window.kernel[0] * window.kernel[1]
            }
            Self::ReduceSum(axis) | Self::ReduceMax(axis) => 2 * axis.length,
            Self::ArgMax { n } => *n,
            Self::Trees(trees) => trees.cost(),
            _ => 1,
        }
    }
}

/// An element as an index; the declared range makes it one.
fn index(element: i32) -> usize {
    usize::try_from(element).unwrap_or(0)
}

fn embed(isa: Isa, table: &Entries, scale: &Scale, id: usize, out: &mut ViewMut<'_>) {
    let d = out.len();
    let multiplier = match scale.multipliers.as_slice() {
        [one] => *one,
        all => all[id],
    };
    let scale = Requant {
        multipliers: &[multiplier],
        shift: scale.shift,
        bounds: scale.bounds,
    };
    let mut wide = [0; 256];
    for start in (0..d).step_by(wide.len()) {
        let piece = wide.len().min(d - start);
        for (offset, wide) in wide[..piece].iter_mut().enumerate() {
            *wide = table.at(id * d + start + offset);
        }
        let out = out.part(start, piece);
        with_view_mut!(out, out => requantize(isa, &wide[..piece], &scale, piece, out));
    }
}

fn requantize_row(isa: Isa, scale: &Scale, x: View<'_>, mut out: ViewMut<'_>) {
    let channels = scale.multipliers.len();
    if let View::Wide(x) = x {
        with_view_mut!(out, out => requantize(isa, x, &scale.requant(), channels, out));
        return;
    }
    // Pieces of 256 of each run over the channels.
    let run = if channels == 1 { x.len() } else { channels };
    for start in (0..x.len()).step_by(run) {
        x.part(start, run).pieces(|offset, piece| {
            let multipliers = match channels {
                1 => &scale.multipliers[..],
                _ => &scale.multipliers[offset..offset + piece.len()],
            };
            let scale = Requant {
                multipliers,
                shift: scale.shift,
                bounds: scale.bounds,
            };
            let out = out.part(start + offset, piece.len());
            with_view_mut!(out, out => requantize(isa, piece, &scale, piece.len(), out));
        });
    }
}

fn add_rows(isa: Isa, x: View<'_>, y: View<'_>, mut out: ViewMut<'_>) {
    for start in (0..x.len()).step_by(y.len().max(1)) {
        let x = x.part(start, y.len());
        let out = out.part(start, y.len());
        with_view!(x, x => with_view!(y, y => with_view_mut!(out, out => {
            proofmark_kernels::add(isa, x, y, out);
        })));
    }
}

fn multiply_rows(
    isa: Isa,
    x: View<'_>,
    y: View<'_>,
    (shift, bounds): (u32, Bounds),
    mut out: ViewMut<'_>,
) {
    for start in (0..x.len()).step_by(y.len().max(1)) {
        let x = x.part(start, y.len());
        let out = out.part(start, y.len());
        with_view!(x, x => with_view!(y, y => with_view_mut!(out, out => {
            multiply(isa, x, y, shift, bounds, out);
        })));
    }
}

fn lookup(x: View<'_>, lo: i32, entries: &Entries, mut out: ViewMut<'_>) {
    match (entries, &mut out) {
        (Entries::I16(table), ViewMut::Narrow(out)) => {
            with_view!(x, x => proofmark_kernels::table(x, lo, table, out));
        }
        (Entries::I32(table), ViewMut::Wide(out)) => {
            with_view!(x, x => proofmark_kernels::table(x, lo, table, out));
        }
        (entries, out) => {
            for at in 0..x.len() {
                out.set(at, entries.at(index(x.at(at) - lo)));
            }
        }
    }
}

fn rotate(
    isa: Isa,
    x: View<'_>,
    d: usize,
    (cosines, sines): (&[i16], &[i16]),
    bounds: Bounds,
    mut out: ViewMut<'_>,
) {
    if let (View::Narrow(x), ViewMut::Narrow(out)) = (x, &mut out) {
        rope(isa, x, d, cosines, sines, bounds, out);
        return;
    }
    let half = cosines.len();
    let clamped = |value: i64| value.clamp(i64::from(bounds.lo()), i64::from(bounds.hi())) as i32;
    for head in (0..x.len()).step_by(d) {
        for i in 0..half {
            let (a, b) = (i64::from(x.at(head + i)), i64::from(x.at(head + i + half)));
            let (c, s) = (i64::from(cosines[i]), i64::from(sines[i]));
            out.set(
                head + i,
                clamped(proofmark_kernels::rshift(a * c - b * s, 14)),
            );
            out.set(
                head + i + half,
                clamped(proofmark_kernels::rshift(b * c + a * s, 14)),
            );
        }
        for i in 2 * half..d {
            out.set(head + i, clamped(i64::from(x.at(head + i))));
        }
    }
}

fn softmax_rows(
    isa: Isa,
    x: &[i32],
    n: usize,
    (multiplier, shift, bounds): (i32, u32, Bounds),
    out: &mut ViewMut<'_>,
) {
    if let ViewMut::Wide(out) = out {
        softmax(isa, x, n, multiplier, shift, bounds, out);
        return;
    }
    let mut wide = vec![0; out.len()];
    softmax(isa, x, n, multiplier, shift, bounds, &mut wide);
    out.copy_from(View::Wide(&wide));
}

fn relayout(x: View<'_>, rows: usize, columns: usize, out: &mut ViewMut<'_>) {
    match (x, out) {
        (View::Narrow(x), ViewMut::Narrow(out)) => transpose(x, rows, columns, out),
        (View::Wide(x), ViewMut::Wide(out)) => transpose(x, rows, columns, out),
        // A value and its other layout are of one type.
        _ => {}
    }
}

fn pool_max(isa: Isa, x: View<'_>, shape: [usize; 3], window: &Window, mut out: ViewMut<'_>) {
    match (x, &mut out) {
        (View::Narrow(x), ViewMut::Narrow(out)) => max_pool(isa, x, shape, window, out),
        (View::Wide(x), ViewMut::Wide(out)) => max_pool(isa, x, shape, window, out),
        (x, out) => {
            let mut wide = vec![0; out.len()];
            x.widened(|x| max_pool(isa, x, shape, window, &mut wide));
            out.copy_from(View::Wide(&wide));
        }
    }
}

fn pool_sum(isa: Isa, x: View<'_>, shape: [usize; 3], window: &Window, out: &mut ViewMut<'_>) {
    if let ViewMut::Wide(out) = out {
        with_view!(x, x => sum_pool(isa, x, shape, window, out));
        return;
    }
    let mut wide = vec![0; out.len()];
    with_view!(x, x => sum_pool(isa, x, shape, window, &mut wide));
    out.copy_from(View::Wide(&wide));
}

fn matmuls(isa: Isa, x: View<'_>, y: View<'_>, [p, k, q]: [usize; 3], out: &mut ViewMut<'_>) {
    // Operands of products have 16 bits (spec 04 §4.1).
    let (View::Narrow(x), View::Narrow(y)) = (x, y) else {
        return;
    };
    let mut narrow = Vec::new();
    let sums: &mut [i32] = match out {
        ViewMut::Wide(out) => out,
        ViewMut::Narrow(out) => {
            narrow.resize(out.len(), 0);
            &mut narrow
        }
    };
    let pairs = x.chunks_exact(p * k).zip(y.chunks_exact(k * q));
    for ((x, y), sums) in pairs.zip(sums.chunks_exact_mut(p * q)) {
        matmul(isa, x, y, [p, k, q], sums);
    }
    if !narrow.is_empty() {
        out.copy_from(View::Wide(&narrow));
    }
}

fn arg_max_rows(x: View<'_>, n: usize, out: &mut ViewMut<'_>) {
    for index in 0..out.len() {
        let largest = x.part(index * n, n).widened(arg_max).unwrap_or(0);
        out.set(index, i32::try_from(largest).unwrap_or(i32::MAX));
    }
}

fn scale_channels(isa: Isa, scale: &Scale, inner: usize, x: View<'_>, out: &mut ViewMut<'_>) {
    for (channel, multiplier) in scale.multipliers.iter().enumerate() {
        let scale = Scale {
            multipliers: vec![*multiplier],
            shift: scale.shift,
            bounds: scale.bounds,
        };
        requantize_row(
            isa,
            &scale,
            x.part(channel * inner, inner),
            out.part(channel * inner, inner),
        );
    }
}
