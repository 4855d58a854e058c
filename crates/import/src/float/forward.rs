//! The forward pass, layer by layer.

use super::ops::{Heads, add_bias, attend, multiply, normalize, rotate};
use crate::ImportError;
use crate::config::{Activation, DecoderConfig};
use crate::decoder::{DecoderSource, LayerWeights, Matrix};

/// Rows of logits that are made at a time.
const HEAD_ROWS: usize = 64;

/// Places in a layer whose values are shown to an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// Residual stream before the first layer.
    Embedded,
    /// Normalized, times the gain, without the bias: input of query, key and value.
    AttentionNormed,
    /// Query as multiplied.
    QueryRaw,
    /// Key as multiplied.
    KeyRaw,
    /// Query as it enters the scores.
    Query,
    /// Key as it enters the scores.
    Key,
    /// Value.
    Value,
    /// Input of the output matrix.
    Attended,
    /// What the attention adds to the residual stream.
    AttentionOut,
    /// Residual stream in the middle of the layer.
    Middle,
    /// Input of the feed-forward part, as [`Site::AttentionNormed`].
    MlpNormed,
    /// Before the activation: the gate, or the only product.
    Gate,
    /// What the activated gate is multiplied with.
    Up,
    /// Input of the last matrix.
    Inner,
    /// What the feed-forward part adds to the residual stream.
    MlpOut,
    /// Residual stream after the layer.
    Residual,
    /// Input of the head, as [`Site::AttentionNormed`].
    FinalNormed,
}

/// Sees values of a forward pass.
pub trait Observe {
    /// Rows of `width` values at a place; `layer` counts from 0, and is the number of layers for [`Site::FinalNormed`].
    fn values(&mut self, _layer: usize, _site: Site, _width: usize, _values: &[f32]) {}

    /// The logits (nats) of one position of one sequence.
    fn logits(&mut self, _sequence: usize, _position: usize, _row: &[f32]) {}
}

/// Runs all sequences and shows everything to the observer.
///
/// # Errors
/// The weights cannot be read, an id is not in the vocabulary, or a sequence is longer than the model allows.
pub fn forward(
    source: &DecoderSource,
    sequences: &[Vec<u32>],
    observer: &mut dyn Observe,
) -> Result<(), ImportError> {
    let config = &source.config;
    let embedding = source.embedding()?;
    let mut x = embed(source, &embedding, sequences)?;
    let head = source.head()?;
    observer.values(0, Site::Embedded, config.hidden, &x);
    let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
    for layer in 0..config.layers {
        let weights = source.layer(layer)?;
        let mut pass = Pass {
            config,
            layer,
            weights: &weights,
            observer,
        };
        pass.attention(&mut x, &lengths);
        pass.feed_forward(&mut x);
    }
    let norm = source.final_norm()?;
    let mut normed = normalize(&x, &norm, config.norm_eps, config.layer_norm());
    observer.values(config.layers, Site::FinalNormed, config.hidden, &normed);
    add_bias(&mut normed, &norm.bias);
    let head = head.as_ref().unwrap_or(&embedding);
    let places: Vec<(usize, usize)> = lengths
        .iter()
        .enumerate()
        .flat_map(|(sequence, length)| (0..*length).map(move |at| (sequence, at)))
        .collect();
    let rows = normed.chunks(HEAD_ROWS * config.hidden);
    for (rows, places) in rows.zip(places.chunks(HEAD_ROWS)) {
        let logits = multiply(head, rows);
        for (row, (sequence, at)) in logits.chunks_exact(head.rows).zip(places) {
            observer.logits(*sequence, *at, row);
        }
    }
    Ok(())
}

fn embed(
    source: &DecoderSource,
    embedding: &Matrix,
    sequences: &[Vec<u32>],
) -> Result<Vec<f32>, ImportError> {
    let d = source.config.hidden;
    let positions = source.positions()?;
    let mut x = Vec::new();
    for ids in sequences {
        if ids.len() > source.config.max_positions {
            return Err(ImportError::TooLarge {
                what: "tokens",
                at: "a sequence".into(),
                got: ids.len() as u64,
                limit: source.config.max_positions as u64,
            });
        }
        for (at, id) in ids.iter().enumerate() {
            let start = *id as usize * d;
            let row = embedding.weight.get(start..start + d).ok_or_else(|| {
                ImportError::unsupported(format!("token id {id}"), "outside of the vocabulary")
            })?;
            let from = x.len();
            x.extend_from_slice(row);
            if let Some(positions) = &positions {
                let learned = positions
                    .weight
                    .get(at * d..(at + 1) * d)
                    .unwrap_or_default();
                let own = x.iter_mut().skip(from);
                own.zip(learned).for_each(|(x, p)| *x += p);
            }
        }
    }
    Ok(x)
}

struct Pass<'a> {
    config: &'a DecoderConfig,
    layer: usize,
    weights: &'a LayerWeights,
    observer: &'a mut dyn Observe,
}

impl Pass<'_> {
    fn see(&mut self, site: Site, width: usize, values: &[f32]) {
        self.observer.values(self.layer, site, width, values);
    }

    fn attention(&mut self, x: &mut [f32], lengths: &[usize]) {
        let (c, w) = (self.config, self.weights);
        let norm = &w.attention_norm;
        let mut normed = normalize(x, norm, c.norm_eps, c.layer_norm());
        self.see(Site::AttentionNormed, c.hidden, &normed);
        add_bias(&mut normed, &norm.bias);
        let (q_width, kv_width) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let mut q = multiply(&w.query, &normed);
        let mut k = multiply(&w.key, &normed);
        let v = multiply(&w.value, &normed);
        self.see(Site::QueryRaw, q_width, &q);
        self.see(Site::KeyRaw, kv_width, &k);
        if let (Some(query_norm), Some(key_norm)) = (&w.query_norm, &w.key_norm) {
            q = normalize(&q, query_norm, c.norm_eps, false);
            k = normalize(&k, key_norm, c.norm_eps, false);
        }
        let heads = Heads {
            heads: c.heads,
            kv_heads: c.kv_heads,
            head_dim: c.head_dim,
            window: c.windows.get(self.layer).copied().unwrap_or(0),
            scale: c.score_scale,
        };
        let frequencies = c.rope.as_ref().map(crate::config::Rope::frequencies);
        let mut attended = Vec::with_capacity(q.len());
        let (mut q_at, mut kv_at) = (0, 0);
        for length in lengths {
            let (q_end, kv_end) = (q_at + length * q_width, kv_at + length * kv_width);
            let (Some(q), Some(k), Some(v)) = (
                q.get_mut(q_at..q_end),
                k.get_mut(kv_at..kv_end),
                v.get(kv_at..kv_end),
            ) else {
                continue;
            };
            if let Some(frequencies) = &frequencies {
                rotate(q, q_width, c.head_dim, frequencies);
                rotate(k, kv_width, c.head_dim, frequencies);
            }
            attended.extend(attend(q, k, v, heads));
            (q_at, kv_at) = (q_end, kv_end);
        }
        self.see(Site::Query, q_width, &q);
        self.see(Site::Key, kv_width, &k);
        self.see(Site::Value, kv_width, &v);
        self.see(Site::Attended, q_width, &attended);
        let out = multiply(&w.output, &attended);
        self.see(Site::AttentionOut, c.hidden, &out);
        x.iter_mut().zip(&out).for_each(|(x, y)| *x += y);
        self.see(Site::Middle, c.hidden, x);
    }

    fn feed_forward(&mut self, x: &mut [f32]) {
        let (c, w) = (self.config, self.weights);
        let norm = &w.mlp_norm;
        let mut normed = normalize(x, norm, c.norm_eps, c.layer_norm());
        self.see(Site::MlpNormed, c.hidden, &normed);
        add_bias(&mut normed, &norm.bias);
        let up = multiply(&w.up, &normed);
        let act = |x: f32| c.activation.apply(f64::from(x)) as f32;
        let inner: Vec<f32> = if let Some(gate) = w
            .gate
            .as_ref()
            .filter(|_| c.activation == Activation::GatedSilu)
        {
            let gate = multiply(gate, &normed);
            self.see(Site::Gate, c.intermediate, &gate);
            self.see(Site::Up, c.intermediate, &up);
            gate.iter().zip(&up).map(|(g, u)| act(*g) * u).collect()
        } else {
            self.see(Site::Gate, c.intermediate, &up);
            up.iter().map(|u| act(*u)).collect()
        };
        self.see(Site::Inner, c.intermediate, &inner);
        let out = multiply(&w.down, &inner);
        self.see(Site::MlpOut, c.hidden, &out);
        x.iter_mut().zip(&out).for_each(|(x, y)| *x += y);
        self.see(Site::Residual, c.hidden, x);
    }
}
