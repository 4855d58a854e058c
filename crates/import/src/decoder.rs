//! A float decoder's weights by their role, whatever they are called.

use std::collections::BTreeSet;
use std::fmt;

use crate::ImportError;
use crate::config::{Activation, DecoderConfig};
use crate::tensors::TensorStore;

/// How tensors are called and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// As `transformers` calls them for Llama, Mistral and Qwen.
    Llama,
    /// As `transformers` calls them for GPT-2, matrices transposed.
    Gpt2,
    /// As GGUF files call them.
    Gguf,
}

/// A matrix with or without bias: `y = W x + b`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Row-major.
    pub weight: Vec<f32>,
    /// One per row, or empty.
    pub bias: Vec<f32>,
}

/// A norm's gain and bias.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Norm {
    /// Factors.
    pub gain: Vec<f32>,
    /// Added, or empty.
    pub bias: Vec<f32>,
}

/// Weights of one layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerWeights {
    /// Before the attention.
    pub attention_norm: Norm,
    /// Query.
    pub query: Matrix,
    /// Key.
    pub key: Matrix,
    /// Value.
    pub value: Matrix,
    /// Output of the attention.
    pub output: Matrix,
    /// Of each head's query.
    pub query_norm: Option<Norm>,
    /// Of each head's key.
    pub key_norm: Option<Norm>,
    /// Before the feed-forward part.
    pub mlp_norm: Norm,
    /// Through the activation, where it is gated.
    pub gate: Option<Matrix>,
    /// Into the feed-forward part.
    pub up: Matrix,
    /// Out of it.
    pub down: Matrix,
}

/// A decoder's configuration and weights, read when they are asked for.
pub struct DecoderSource {
    /// Shape.
    pub config: DecoderConfig,
    store: Box<dyn TensorStore + Send + Sync>,
    names: Names,
    prefix: &'static str,
}

impl fmt::Debug for DecoderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecoderSource")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Which tensor of a layer, or of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Embedding,
    Positions,
    FinalNorm,
    Head,
    AttentionNorm,
    Query,
    Key,
    Value,
    Fused,
    Output,
    QueryNorm,
    KeyNorm,
    MlpNorm,
    Gate,
    Up,
    Down,
}

impl DecoderSource {
    /// Checks that the tensors are those that the configuration needs, with its shapes, and that no other is there.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or is one that this family does not have.
    pub fn open(
        config: DecoderConfig,
        store: Box<dyn TensorStore + Send + Sync>,
        names: Names,
    ) -> Result<Self, ImportError> {
        let all = store.names();
        let prefix = match names {
            Names::Llama => "model.",
            Names::Gpt2 if all.iter().any(|name| name.starts_with("transformer.")) => {
                "transformer."
            }
            Names::Gpt2 | Names::Gguf => "",
        };
        let mut source = Self {
            config,
            store,
            names,
            prefix,
        };
        source.settle_tie()?;
        source.check_tensors(&all)?;
        Ok(source)
    }

    /// GGUF files and some directories say by the presence of a head whether the embedding is one.
    fn settle_tie(&mut self) -> Result<(), ImportError> {
        let head = self.name(Role::Head, 0);
        let there = self.store.shape(&head).is_some();
        if self.names == Names::Gguf {
            self.config.tied = !there;
        } else if !there && !self.config.tied {
            return Err(ImportError::missing(format!("tensor {head}"), "weights"));
        }
        Ok(())
    }

    fn check_tensors(&self, all: &[String]) -> Result<(), ImportError> {
        let mut expected = BTreeSet::new();
        for (name, shape) in self.expected() {
            match self.store.shape(&name) {
                None => return Err(ImportError::missing(format!("tensor {name}"), "weights")),
                Some(found) if found != shape => {
                    return Err(ImportError::malformed(
                        "weights",
                        format!("shape {found:?} where the configuration has {shape:?}"),
                        name,
                    ));
                }
                Some(_) => expected.insert(name),
            };
        }
        for name in all {
            let buffer = [
                ".rotary_emb.inv_freq",
                ".attn.bias",
                ".attn.masked_bias",
                "rope_freqs.weight",
            ]
            .iter()
            .any(|end| name.ends_with(end));
            let unused_head = self.config.tied && *name == self.name(Role::Head, 0);
            if !expected.contains(name) && !buffer && !unused_head {
                return Err(ImportError::unsupported(
                    format!("tensor {name}"),
                    format!("family {}", self.config.family.name()),
                ));
            }
        }
        Ok(())
    }

    /// All tensors with their shapes as stored.
    fn expected(&self) -> Vec<(String, Vec<u64>)> {
        let c = &self.config;
        let d = c.hidden as u64;
        let mut list = Vec::new();
        let (q, kv) = (
            (c.heads * c.head_dim) as u64,
            (c.kv_heads * c.head_dim) as u64,
        );
        let inner = c.intermediate as u64;
        let mut matrix = |role: Role, layer: usize, rows: u64, columns: u64, bias: bool| {
            let name = self.name(role, layer);
            if bias {
                list.push((bias_of(&name), vec![rows]));
            }
            let transposed = self.names == Names::Gpt2
                && !matches!(role, Role::Embedding | Role::Positions | Role::Head);
            let shape = if transposed {
                vec![columns, rows]
            } else {
                vec![rows, columns]
            };
            list.push((name, shape));
        };
        matrix(Role::Embedding, 0, c.vocabulary as u64, d, false);
        if c.rope.is_none() {
            matrix(Role::Positions, 0, c.max_positions as u64, d, false);
        }
        if !c.tied {
            matrix(Role::Head, 0, c.vocabulary as u64, d, false);
        }
        for layer in 0..c.layers {
            if self.fused() {
                matrix(Role::Fused, layer, q + 2 * kv, d, c.qkv_bias);
            } else {
                matrix(Role::Query, layer, q, d, c.qkv_bias);
                matrix(Role::Key, layer, kv, d, c.qkv_bias);
                matrix(Role::Value, layer, kv, d, c.qkv_bias);
            }
            matrix(Role::Output, layer, d, q, c.output_bias);
            if c.activation == Activation::GatedSilu {
                matrix(Role::Gate, layer, inner, d, c.mlp_bias);
            }
            matrix(Role::Up, layer, inner, d, c.mlp_bias);
            matrix(Role::Down, layer, d, inner, c.mlp_bias);
        }
        let mut norm = |role: Role, layer: usize, width: u64, bias: bool| {
            let name = self.name(role, layer);
            if bias {
                list.push((bias_of(&name), vec![width]));
            }
            list.push((name, vec![width]));
        };
        let bias = c.layer_norm();
        norm(Role::FinalNorm, 0, d, bias);
        for layer in 0..c.layers {
            norm(Role::AttentionNorm, layer, d, bias);
            norm(Role::MlpNorm, layer, d, bias);
            if c.qk_norm {
                norm(Role::QueryNorm, layer, c.head_dim as u64, false);
                norm(Role::KeyNorm, layer, c.head_dim as u64, false);
            }
        }
        list
    }

    /// Whether query, key and value are one matrix: always so for GPT-2.
    fn fused(&self) -> bool {
        self.config.layer_norm()
    }

    fn name(&self, role: Role, layer: usize) -> String {
        let (prefix, names) = (self.prefix, self.names);
        let whole = match (names, role) {
            (Names::Llama, Role::Embedding) => Some("embed_tokens.weight"),
            (Names::Llama, Role::FinalNorm) => Some("norm.weight"),
            (Names::Llama | Names::Gpt2, Role::Head) => return "lm_head.weight".into(),
            (Names::Gpt2, Role::Embedding) => Some("wte.weight"),
            (Names::Gpt2, Role::Positions) => Some("wpe.weight"),
            (Names::Gpt2, Role::FinalNorm) => Some("ln_f.weight"),
            (Names::Gguf, Role::Embedding) => Some("token_embd.weight"),
            (Names::Gguf, Role::Positions) => Some("position_embd.weight"),
            (Names::Gguf, Role::FinalNorm) => Some("output_norm.weight"),
            (Names::Gguf, Role::Head) => Some("output.weight"),
            _ => None,
        };
        if let Some(name) = whole {
            return format!("{prefix}{name}");
        }
        let (folder, [llama, gpt2, gguf]) = match names {
            Names::Llama => ("layers", part_names(role)),
            Names::Gpt2 => ("h", part_names(role)),
            Names::Gguf => ("blk", part_names(role)),
        };
        let part = match names {
            Names::Llama => llama,
            Names::Gpt2 => gpt2,
            Names::Gguf => gguf,
        };
        format!("{prefix}{folder}.{layer}.{part}.weight")
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, ImportError> {
        let tensor = self
            .store
            .tensor(name)?
            .ok_or_else(|| ImportError::missing(format!("tensor {name}"), "weights"))?;
        if let Some(at) = tensor.data.iter().position(|x| !x.is_finite()) {
            return Err(ImportError::quantization(
                name,
                format!(
                    "element {at} is {}",
                    tensor.data.get(at).copied().unwrap_or(f32::NAN)
                ),
            ));
        }
        Ok(tensor.data)
    }

    fn matrix(
        &self,
        role: Role,
        layer: usize,
        [rows, columns]: [usize; 2],
        bias: bool,
    ) -> Result<Matrix, ImportError> {
        let name = self.name(role, layer);
        let mut weight = self.read(&name)?;
        let stored_as_is = matches!(role, Role::Embedding | Role::Positions | Role::Head);
        if self.names == Names::Gpt2 && !stored_as_is {
            weight = transpose(&weight, columns, rows);
        }
        let bias = if bias {
            self.read(&bias_of(&name))?
        } else {
            Vec::new()
        };
        Ok(Matrix {
            rows,
            columns,
            weight,
            bias,
        })
    }

    fn norm(&self, role: Role, layer: usize) -> Result<Norm, ImportError> {
        let name = self.name(role, layer);
        let bias = if self.config.layer_norm() {
            self.read(&bias_of(&name))?
        } else {
            Vec::new()
        };
        Ok(Norm {
            gain: self.read(&name)?,
            bias,
        })
    }

    /// Token embeddings, `[vocabulary, hidden]`.
    ///
    /// # Errors
    /// As all that read: the bytes cannot be read, or are not finite numbers.
    pub fn embedding(&self) -> Result<Matrix, ImportError> {
        let c = &self.config;
        self.matrix(Role::Embedding, 0, [c.vocabulary, c.hidden], false)
    }

    /// Learned positions, `[max_positions, hidden]`.
    ///
    /// # Errors
    /// As [`DecoderSource::embedding`].
    pub fn positions(&self) -> Result<Option<Matrix>, ImportError> {
        let c = &self.config;
        if c.rope.is_some() {
            return Ok(None);
        }
        self.matrix(Role::Positions, 0, [c.max_positions, c.hidden], false)
            .map(Some)
    }

    /// The norm before the head.
    ///
    /// # Errors
    /// As [`DecoderSource::embedding`].
    pub fn final_norm(&self) -> Result<Norm, ImportError> {
        self.norm(Role::FinalNorm, 0)
    }

    /// The head, unless it is the embedding.
    ///
    /// # Errors
    /// As [`DecoderSource::embedding`].
    pub fn head(&self) -> Result<Option<Matrix>, ImportError> {
        let c = &self.config;
        if c.tied {
            return Ok(None);
        }
        self.matrix(Role::Head, 0, [c.vocabulary, c.hidden], false)
            .map(Some)
    }

    /// One layer.
    ///
    /// # Errors
    /// As [`DecoderSource::embedding`].
    pub fn layer(&self, layer: usize) -> Result<LayerWeights, ImportError> {
        let c = &self.config;
        let (d, q, kv) = (c.hidden, c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let (query, key, value) = if self.fused() {
            let fused = self.matrix(Role::Fused, layer, [q + 2 * kv, d], c.qkv_bias)?;
            (fused.part(0, q), fused.part(q, kv), fused.part(q + kv, kv))
        } else {
            (
                self.permuted(Role::Query, layer, [q, d])?,
                self.permuted(Role::Key, layer, [kv, d])?,
                self.matrix(Role::Value, layer, [kv, d], c.qkv_bias)?,
            )
        };
        let head_norm = |role| c.qk_norm.then(|| self.norm(role, layer)).transpose();
        let gated = c.activation == Activation::GatedSilu;
        Ok(LayerWeights {
            attention_norm: self.norm(Role::AttentionNorm, layer)?,
            query,
            key,
            value,
            output: self.matrix(Role::Output, layer, [d, q], c.output_bias)?,
            query_norm: head_norm(Role::QueryNorm)?,
            key_norm: head_norm(Role::KeyNorm)?,
            mlp_norm: self.norm(Role::MlpNorm, layer)?,
            gate: gated
                .then(|| self.matrix(Role::Gate, layer, [c.intermediate, d], c.mlp_bias))
                .transpose()?,
            up: self.matrix(Role::Up, layer, [c.intermediate, d], c.mlp_bias)?,
            down: self.matrix(Role::Down, layer, [d, c.intermediate], c.mlp_bias)?,
        })
    }

    /// Query or key; GGUF stores those of Llama and Mistral with pairs of dimensions side by side.
    fn permuted(&self, role: Role, layer: usize, shape: [usize; 2]) -> Result<Matrix, ImportError> {
        use crate::config::Family;
        let mut matrix = self.matrix(role, layer, shape, self.config.qkv_bias)?;
        let interleaved = matches!(self.config.family, Family::Llama | Family::Mistral);
        if self.names == Names::Gguf && interleaved {
            matrix.separate_pairs(self.config.head_dim);
        }
        Ok(matrix)
    }
}

impl Matrix {
    /// `count` rows from `start`.
    fn part(&self, start: usize, count: usize) -> Self {
        let weight = self.weight.iter().skip(start * self.columns);
        let bias = self.bias.iter().skip(start);
        Self {
            rows: count,
            columns: self.columns,
            weight: weight.take(count * self.columns).copied().collect(),
            bias: bias.take(count).copied().collect(),
        }
    }

    /// Rows of each head from pairs side by side (0 1 | 2 3 | …) to halves (0 2 … | 1 3 …).
    pub fn separate_pairs(&mut self, head_dim: usize) {
        let half = head_dim / 2;
        let from = |row: usize| {
            let (head, at) = (row / head_dim, row % head_dim);
            head * head_dim
                + if at < half {
                    2 * at
                } else {
                    2 * (at - half) + 1
                }
        };
        let columns = self.columns;
        self.weight = (0..self.rows)
            .flat_map(|row| {
                let start = from(row) * columns;
                self.weight.get(start..start + columns).unwrap_or_default()
            })
            .copied()
            .collect();
        if !self.bias.is_empty() {
            self.bias = (0..self.rows)
                .filter_map(|row| self.bias.get(from(row)).copied())
                .collect();
        }
    }
}

fn part_names(role: Role) -> [&'static str; 3] {
    match role {
        Role::AttentionNorm => ["input_layernorm", "ln_1", "attn_norm"],
        Role::Query => ["self_attn.q_proj", "", "attn_q"],
        Role::Key => ["self_attn.k_proj", "", "attn_k"],
        Role::Value => ["self_attn.v_proj", "", "attn_v"],
        Role::Fused => ["", "attn.c_attn", "attn_qkv"],
        Role::Output => ["self_attn.o_proj", "attn.c_proj", "attn_output"],
        Role::QueryNorm => ["self_attn.q_norm", "", "attn_q_norm"],
        Role::KeyNorm => ["self_attn.k_norm", "", "attn_k_norm"],
        Role::MlpNorm => ["post_attention_layernorm", "ln_2", "ffn_norm"],
        Role::Gate => ["mlp.gate_proj", "", "ffn_gate"],
        Role::Up => ["mlp.up_proj", "mlp.c_fc", "ffn_up"],
        Role::Down => ["mlp.down_proj", "mlp.c_proj", "ffn_down"],
        Role::Embedding | Role::Positions | Role::FinalNorm | Role::Head => ["", "", ""],
    }
}

fn bias_of(name: &str) -> String {
    format!("{}bias", name.strip_suffix("weight").unwrap_or(name))
}

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|c| values.iter().skip(c).step_by(columns.max(1)).take(rows))
        .copied()
        .collect()
}
