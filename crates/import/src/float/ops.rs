//! Arithmetic of the float forward pass.

use crate::decoder::{Matrix, Norm};

/// Products with fewer multiplications than this are not worth a second thread.
const THREAD_WORTH: usize = 1 << 20;

/// `y = W x + b` for each row of `x`.
pub fn multiply(matrix: &Matrix, x: &[f32]) -> Vec<f32> {
    let (n, k) = (matrix.rows, matrix.columns);
    let count = x.len() / k.max(1);
    let mut transposed = vec![0.0; n * count];
    let threads = if n * k * count < THREAD_WORTH {
        1
    } else {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    };
    let rows_each = n.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let weights = matrix.weight.chunks(rows_each * k.max(1));
        let mut parts: Vec<_> = transposed
            .chunks_mut(rows_each * count.max(1))
            .zip(weights)
            .collect();
        let own = parts.pop();
        for (out, weight) in parts {
            scope.spawn(move || multiply_rows(weight, x, k, out));
        }
        if let Some((out, weight)) = own {
            multiply_rows(weight, x, k, out);
        }
    });
    let mut y = vec![0.0; n * count];
    for (r, row) in transposed.chunks_exact(count.max(1)).enumerate() {
        let bias = matrix.bias.get(r).copied().unwrap_or(0.0);
        for (value, out) in row.iter().zip(y.iter_mut().skip(r).step_by(n)) {
            *out = value + bias;
        }
    }
    y
}

/// Row-major products of rows of weights with all rows of `x`: `out[row][x row]`.
fn multiply_rows(weight: &[f32], x: &[f32], k: usize, out: &mut [f32]) {
    let count = x.len() / k.max(1);
    for (w, out) in weight.chunks_exact(k).zip(out.chunks_exact_mut(count)) {
        for (x, out) in x.chunks_exact(k).zip(out) {
            *out = dot(w, x);
        }
    }
}

/// Sum of products in 16 lanes.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a16, a_rest) = a.as_chunks::<16>();
    let (b16, b_rest) = b.as_chunks::<16>();
    let mut lanes = [0.0_f32; 16];
    for (a, b) in a16.iter().zip(b16) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Norm of each row: by root mean square, or with the mean taken off; times the gain, without the bias.
pub(crate) fn normalize(x: &[f32], norm: &Norm, eps: f64, subtract_mean: bool) -> Vec<f32> {
    let width = norm.gain.len().max(1);
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let mean = if subtract_mean {
            row.iter().map(|v| f64::from(*v)).sum::<f64>() / width as f64
        } else {
            0.0
        };
        let square: f64 = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
        let factor = 1.0 / (square / width as f64 + eps).sqrt();
        y.extend(
            row.iter()
                .zip(&norm.gain)
                .map(|(v, gain)| ((f64::from(*v) - mean) * factor * f64::from(*gain)) as f32),
        );
    }
    y
}

/// Adds a row to every row.
pub(crate) fn add_bias(x: &mut [f32], bias: &[f32]) {
    if bias.is_empty() {
        return;
    }
    for row in x.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(v, b)| *v += b);
    }
}

/// Turns the halves of each head against each other; `width` elements are one position.
pub(crate) fn rotate(x: &mut [f32], width: usize, head_dim: usize, frequencies: &[f64]) {
    let half = frequencies.len();
    for (position, row) in x.chunks_exact_mut(width).enumerate() {
        for head in row.chunks_exact_mut(head_dim) {
            let Some((first, rest)) = head.split_at_mut_checked(half) else {
                continue;
            };
            for ((a, b), frequency) in first.iter_mut().zip(rest).zip(frequencies) {
                let (sine, cosine) = (position as f64 * frequency).sin_cos();
                let (x, y) = (f64::from(*a), f64::from(*b));
                *a = (x * cosine - y * sine) as f32;
                *b = (y * cosine + x * sine) as f32;
            }
        }
    }
}

/// Shape of an attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) window: usize,
    pub(crate) scale: f64,
}

/// Causal attention over one sequence.
pub(crate) fn attend(q: &[f32], k: &[f32], v: &[f32], shape: Heads) -> Vec<f32> {
    let d = shape.head_dim;
    let (q_width, kv_width) = (shape.heads * d, shape.kv_heads * d);
    let positions = q.len() / q_width.max(1);
    let each = shape.heads / shape.kv_heads.max(1);
    let mut y = vec![0.0; q.len()];
    let mut scores: Vec<f64> = Vec::new();
    let cut = |all: &[f32], at: usize, width: usize, head: usize| {
        let start = at * width + head * d;
        all.get(start..start + d).unwrap_or_default().to_vec()
    };
    for t in 0..positions {
        let first = if shape.window == 0 {
            0
        } else {
            (t + 1).saturating_sub(shape.window)
        };
        for head in 0..shape.heads {
            let group = head / each.max(1);
            let query = cut(q, t, q_width, head);
            scores.clear();
            scores.extend((first..=t).map(|j| {
                let start = j * kv_width + group * d;
                let key = k.get(start..start + d).unwrap_or_default();
                f64::from(dot(&query, key)) * shape.scale
            }));
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            scores.iter_mut().for_each(|s| *s = (*s - largest).exp());
            let total: f64 = scores.iter().sum();
            let start = t * q_width + head * d;
            let Some(out) = y.get_mut(start..start + d) else {
                continue;
            };
            for (j, weight) in (first..=t).zip(&scores) {
                let weight = (weight / total) as f32;
                let start = j * kv_width + group * d;
                let value = v.get(start..start + d).unwrap_or_default();
                out.iter_mut()
                    .zip(value)
                    .for_each(|(o, v)| *o += weight * v);
            }
        }
    }
    y
}
