//! The forward pass.

use super::quantize::{rounded, scaled_group};
use super::weights::{FloatModel, Matrix, settle, wrong};
use super::{FloatError, Summation};

/// Keys and values of the positions that were read.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// For each layer, keys and values, one row after the other.
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    positions: usize,
}

/// What a step gives, one row for each id that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Last hidden states after the final norm, [`FloatModel::width`] values each.
    pub hidden: Vec<f32>,
    /// Logits in nats, [`FloatModel::vocabulary`] values each.
    pub logits: Vec<f32>,
}

impl FloatModel {
    /// Reads `ids` after what `cache` holds.
    ///
    /// # Errors
    /// An id that the vocabulary does not have, or more positions than the model has.
    pub fn step(&self, cache: &mut Cache, ids: &[u32]) -> Result<Rows, FloatError> {
        let width = self.width();
        let first = cache.positions;
        if first + ids.len() > self.max_positions() {
            return Err(wrong("more positions than it has"));
        }
        let mut x = Vec::with_capacity(ids.len() * width);
        for id in ids {
            let start = *id as usize * width;
            let row = self.embedding.values.get(start..start + width);
            x.extend_from_slice(row.ok_or_else(|| wrong(format!("the id {id}")))?);
        }
        cache.layers.resize(self.layers.len(), Default::default());
        for (layer, kept) in self.layers.iter().zip(&mut cache.layers) {
            let [query, key, value, output, gate, up, down] = &layer.matrices;
            let normed = self.normalized(&x, &layer.attention_norm);
            let mut q = self.multiply(query, &normed);
            let (mut k, mut v) = (self.multiply(key, &normed), self.multiply(value, &normed));
            self.rotate(&mut q, self.heads, first);
            self.rotate(&mut k, self.kv_heads, first);
            if let Some(bits) = self.variant.cache_bits {
                let levels = f32::from((1_u16 << (bits - 1)) - 1);
                for head in k
                    .chunks_mut(self.head_dim)
                    .chain(v.chunks_mut(self.head_dim))
                {
                    scaled_group(head, levels);
                }
            }
            kept.0.extend_from_slice(&k);
            kept.1.extend_from_slice(&v);
            let attended = self.attend(&q, &kept.0, &kept.1, first);
            self.add(&mut x, &self.multiply(output, &attended));
            let normed = self.normalized(&x, &layer.mlp_norm);
            let (gates, ups) = (self.multiply(gate, &normed), self.multiply(up, &normed));
            let mut inner: Vec<f32> = gates
                .iter()
                .zip(&ups)
                .map(|(g, u)| g / (1.0 + (-g).exp()) * u)
                .collect();
            settle(&mut inner, &self.variant);
            self.add(&mut x, &self.multiply(down, &inner));
        }
        cache.positions += ids.len();
        let hidden = self.normalized(&x, &self.norm);
        let logits = self.multiply(&self.embedding, &hidden);
        Ok(Rows { hidden, logits })
    }

    fn add(&self, x: &mut [f32], y: &[f32]) {
        x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
        settle(x, &self.variant);
    }

    fn normalized(&self, x: &[f32], gain: &[f32]) -> Vec<f32> {
        let mut y = Vec::with_capacity(x.len());
        for row in x.chunks_exact(gain.len()) {
            let square = self.dot(row, row);
            let factor = 1.0 / (square / row.len() as f32 + self.eps).sqrt();
            y.extend(row.iter().zip(gain).map(|(v, gain)| v * factor * gain));
        }
        settle(&mut y, &self.variant);
        y
    }

    /// `y = W x` for each row of `x`.
    fn multiply(&self, matrix: &Matrix, x: &[f32]) -> Vec<f32> {
        let (rows, columns) = (matrix.rows, matrix.columns);
        let mut y = vec![0.0; x.len() / columns * rows];
        // Each row of weights is read once for all positions.
        for (r, weights) in matrix.values.chunks_exact(columns).enumerate() {
            for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(rows)) {
                y[r] = self.dot(weights, x);
            }
        }
        settle(&mut y, &self.variant);
        y
    }

    fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        match self.variant.summation {
            Summation::Lanes => lanes::<16>(a, b),
            Summation::Halves => {
                let middle = a.len() / 2;
                lanes::<4>(&a[..middle], &b[..middle]) + lanes::<4>(&a[middle..], &b[middle..])
            }
            Summation::Reversed => lanes_reversed(a, b),
            Summation::Sequential => a.iter().zip(b).map(|(a, b)| a * b).sum(),
        }
    }

    fn rotate(&self, x: &mut [f32], heads: usize, first: usize) {
        let half = self.head_dim / 2;
        for (row, values) in x.chunks_exact_mut(heads * self.head_dim).enumerate() {
            let position = (first + row) as f64;
            for head in values.chunks_exact_mut(self.head_dim) {
                let (low, high) = head.split_at_mut(half);
                for (i, (a, b)) in low.iter_mut().zip(high).enumerate() {
                    let frequency = self.theta.powf(-(i as f64) / half as f64);
                    let (sine, cosine) = (position * frequency).sin_cos();
                    let (sine, cosine) = (sine as f32, cosine as f32);
                    (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
                }
            }
        }
        settle(x, &self.variant);
    }

    fn attend(&self, q: &[f32], keys: &[f32], values: &[f32], first: usize) -> Vec<f32> {
        let dim = self.head_dim;
        let (q_width, kv_width) = (self.heads * dim, self.kv_heads * dim);
        let group = self.heads / self.kv_heads;
        let scale = 1.0 / (dim as f32).sqrt();
        let mut y = vec![0.0; q.len()];
        let mut scores = Vec::new();
        for (t, (q, y)) in q
            .chunks_exact(q_width)
            .zip(y.chunks_exact_mut(q_width))
            .enumerate()
        {
            for (head, (query, out)) in q.chunks_exact(dim).zip(y.chunks_exact_mut(dim)).enumerate()
            {
                let at = head / group * dim;
                scores.clear();
                let seen = keys.chunks_exact(kv_width).take(first + t + 1);
                scores.extend(seen.map(|key| self.dot(query, &key[at..at + dim]) * scale));
                let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                scores.iter_mut().for_each(|s| *s = (*s - most).exp());
                let total: f32 = scores.iter().sum();
                for (weight, value) in scores.iter().zip(values.chunks_exact(kv_width)) {
                    let mut weight = weight / total;
                    if self.variant.bfloat16 {
                        weight = rounded(weight);
                    }
                    for (out, value) in out.iter_mut().zip(&value[at..at + dim]) {
                        *out += weight * value;
                    }
                }
            }
        }
        settle(&mut y, &self.variant);
        y
    }
}

fn lanes<const N: usize>(a: &[f32], b: &[f32]) -> f32 {
    let (a_all, a_rest) = a.as_chunks::<N>();
    let (b_all, b_rest) = b.as_chunks::<N>();
    let mut sums = [0.0_f32; N];
    for (a, b) in a_all.iter().zip(b_all) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

fn lanes_reversed(a: &[f32], b: &[f32]) -> f32 {
    let (a_rest, a_all) = a.as_rchunks::<16>();
    let (b_rest, b_all) = b.as_rchunks::<16>();
    let mut sums = [0.0_f32; 16];
    for (a, b) in a_all.iter().zip(b_all).rev() {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().rev().sum::<f32>() + rest
}
