//! Decoders of given shapes with random weights: for benchmarks and tests, where only size and arithmetic matter.
//!
//! Their answers are noise. Real models come from `proofmark-import`.

mod image;

use proofmark_program::{
    ConstantId, ElementType, FileDigest, Interface, Manifest, ModelFile, NodeId, NodeType,
    Operator, PROGRAM_PATH, Program, ProgramBuilder, ProgramError, Source, WEIGHTS_PATH, Weights,
    WeightsWriter, program_digest, weights_root,
};
use sha2::{Digest as _, Sha256};

use crate::chat::SpecialTokens;
use crate::model::{
    GENERATION_PATH, GenerationConfig, MANIFEST_PATH, TEMPLATE_PATH, TOKENIZER_PATH,
};
use crate::samples::byte_level;

pub use image::ImageShape;

/// A Llama-like decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LlamaShape {
    /// Number of ids.
    pub vocabulary: u32,
    /// Longest sequence.
    pub max_positions: u32,
    /// Elements of the residual stream.
    pub width: u32,
    /// Blocks.
    pub layers: u32,
    /// Heads of queries.
    pub heads: u32,
    /// Heads of keys and values.
    pub groups: u32,
    /// Elements of a head.
    pub head: u32,
    /// Elements between the matrices of a feed-forward network.
    pub inner: u32,
}

/// The shape of a model of 15 million parameters (dim 288, 6 layers).
pub const LLAMA_15M: LlamaShape = LlamaShape {
    vocabulary: 32_000,
    max_positions: 1024,
    width: 288,
    layers: 6,
    heads: 6,
    groups: 6,
    head: 48,
    inner: 768,
};
/// The shape of a model of 110 million parameters (dim 768, 12 layers).
pub const LLAMA_110M: LlamaShape = LlamaShape {
    vocabulary: 32_000,
    max_positions: 1024,
    width: 768,
    layers: 12,
    heads: 12,
    groups: 12,
    head: 64,
    inner: 2048,
};
/// The shape of a model of 1.1 billion parameters (dim 2048, 22 layers, 4 key heads).
pub const LLAMA_1_1B: LlamaShape = LlamaShape {
    vocabulary: 32_000,
    max_positions: 2048,
    width: 2048,
    layers: 22,
    heads: 32,
    groups: 4,
    head: 64,
    inner: 5632,
};

/// Standard deviation of uniform weights in ±127.
const WEIGHT_SIGMA: u64 = 73;
/// Range of queries and keys; their standard deviation is an eighth.
const SCORE_RANGE: i32 = 2047;
/// Range of what goes into the activation table.
const GATE_RANGE: i32 = 4095;
/// Fractional bits of norms.
const NORM_FRACTION: u8 = 20;
/// Range of what a layer adds to the residual stream; its standard deviation is an eighth.
const DELTA_RANGE: i32 = 1 << 16;
const LOGIT_RANGE: i32 = 1 << 24;
/// Bytes of the tokenizer's ids and control tokens.
const LEAST_VOCABULARY: u32 = 261;

impl LlamaShape {
    /// Bytes of weights that a step reads.
    pub fn weight_bytes(&self) -> u64 {
        let [d, inner] = [self.width, self.inner].map(u64::from);
        let queries = u64::from(self.heads * self.head);
        let keys = u64::from(self.groups * self.head);
        let layer = 2 * d * queries + 2 * d * keys + 3 * d * inner;
        layer * u64::from(self.layers) + d * u64::from(self.vocabulary)
    }

    /// The program with random weights; embedding and output share a table.
    ///
    /// # Errors
    /// [`ProgramError`] for a shape that no program can have.
    pub fn program(&self, seed: u64) -> Result<(Program, Weights), ProgramError> {
        let mut maker = Maker {
            shape: *self,
            builder: ProgramBuilder::new(),
            writer: WeightsWriter::new(),
            random: seed,
        };
        let (logits, hidden) = maker.decoder()?;
        let program = maker.builder.finish(Interface::Decoder {
            vocabulary: self.vocabulary,
            max_positions: self.max_positions,
            logits,
            hidden: Some(hidden),
        })?;
        Ok((program, Weights::open(maker.writer.finish()?)?))
    }

    /// All files of a model with such a program: paths with contents. The tokenizer's ids are bytes; a vocabulary of at least 261 has
    /// its control tokens, too.
    ///
    /// # Errors
    /// As [`Self::program`].
    pub fn files(&self, seed: u64) -> Result<Vec<(String, Vec<u8>)>, ProgramError> {
        if self.vocabulary < LEAST_VOCABULARY {
            return Err(ProgramError::Program {
                what: "the vocabulary is smaller than the tokenizer's",
            });
        }
        let (program, weights) = self.program(seed)?;
        let generation = GenerationConfig {
            end_ids: vec![258],
            special_tokens: SpecialTokens(vec![("eos_token".to_owned(), "<|im_end|>".to_owned())]),
            ..GenerationConfig::default()
        };
        let template = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}\
            {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
        let program = program.encode()?;
        let weights = weights.into_inner();
        let mut manifest = Manifest {
            name: "random".to_owned(),
            program: program_digest(&program),
            weights: weights_root(&weights),
            files: Vec::new(),
            source: Source {
                format: "random".to_owned(),
                digest: FileDigest([0; 32]),
                text: String::new(),
            },
            recipe: Vec::new(),
            loss: None,
            golden: None,
        };
        let mut files = vec![
            (TEMPLATE_PATH.to_owned(), template.as_bytes().to_vec()),
            (
                GENERATION_PATH.to_owned(),
                generation.to_json().into_bytes(),
            ),
            (PROGRAM_PATH.to_owned(), program),
            (TOKENIZER_PATH.to_owned(), byte_level().into_bytes()),
            (WEIGHTS_PATH.to_owned(), weights),
        ];
        files.sort();
        manifest.files = files
            .iter()
            .map(|(path, bytes)| ModelFile {
                path: path.clone(),
                size: bytes.len() as u64,
                digest: FileDigest(Sha256::digest(bytes).into()),
            })
            .collect();
        files.push((MANIFEST_PATH.to_owned(), manifest.encode()?));
        Ok(files)
    }
}

/// A node with the standard deviation that its elements have, about.
#[derive(Clone, Copy)]
struct Signal {
    node: NodeId,
    sigma: u64,
}

struct Maker {
    shape: LlamaShape,
    builder: ProgramBuilder,
    writer: WeightsWriter,
    random: u64,
}

impl Maker {
    fn decoder(&mut self) -> Result<(NodeId, NodeId), ProgramError> {
        let LlamaShape {
            vocabulary, width, ..
        } = self.shape;
        let table = self.weights("embedding", vocabulary, width)?;
        let (multipliers, shift) = self.scale(
            "embedding.scale",
            u64::from(DELTA_RANGE.unsigned_abs()) / 8,
            WEIGHT_SIGMA,
        )?;
        let ids = self.builder.node(
            "ids",
            Operator::Tokens,
            &[],
            NodeType::by_position(&[], 0, i32::try_from(vocabulary - 1).unwrap_or(i32::MAX)),
        );
        let embed = Operator::Embed {
            table,
            multipliers,
            shift,
        };
        let mut range = DELTA_RANGE;
        let mut residual = self.node("embed", embed, &[ids], &[width], range);
        for layer in 0..self.shape.layers {
            for part in ["attention", "feed-forward"] {
                let name = format!("layers.{layer}.{part}");
                let x = self.norm(&name, residual)?;
                let delta = match part {
                    "attention" => self.attention(&name, x)?,
                    _ => self.feed_forward(&name, x)?,
                };
                range += DELTA_RANGE;
                let sum = format!("{name}.sum");
                residual = self.node(&sum, Operator::Add, &[residual, delta], &[width], range);
            }
        }
        let hidden = self.norm("final", residual)?;
        let sums = self.sums("logits", hidden, table, vocabulary);
        let logits = self.requantized("logits.scale", sums, vocabulary, 1 << 17, LOGIT_RANGE)?;
        Ok((logits.node, hidden.node))
    }

    /// The range of inputs of a matrix with so many columns: no sum of products leaves 32 bits.
    fn input_range(&self, columns: u32) -> i32 {
        let most = i64::from(i32::MAX) / (127 * i64::from(columns));
        i32::try_from(most.min(8191)).unwrap_or(8191)
    }

    fn node(
        &mut self,
        name: &str,
        operator: Operator,
        inputs: &[NodeId],
        shape: &[u32],
        range: i32,
    ) -> NodeId {
        self.builder.node(
            name,
            operator,
            inputs,
            NodeType::by_position(shape, -range, range),
        )
    }

    fn norm(&mut self, name: &str, x: NodeId) -> Result<Signal, ProgramError> {
        let width = self.shape.width;
        let operator = Operator::RmsNorm {
            eps: 1,
            fraction: NORM_FRACTION,
        };
        let node = self.node(
            &format!("{name}.norm"),
            operator,
            &[x],
            &[width],
            1 << NORM_FRACTION,
        );
        let sigma = (1 << NORM_FRACTION) / u64::from(width).isqrt();
        let range = self.input_range(width);
        let target = u64::from(range.unsigned_abs()) / 8;
        self.requantized(
            &format!("{name}.input"),
            Signal { node, sigma },
            width,
            target,
            range,
        )
    }

    /// Sums of products; their standard deviation is that of independent terms.
    fn sums(&mut self, name: &str, x: Signal, weight: ConstantId, outputs: u32) -> Signal {
        let columns = self
            .builder
            .result(x.node)
            .and_then(|r| r.shape.last().copied());
        let columns = u64::from(columns.unwrap_or(1));
        let operator = Operator::Linear { weight, bias: None };
        let node = self.node(
            &format!("{name}.sums"),
            operator,
            &[x.node],
            &[outputs],
            i32::MAX,
        );
        Signal {
            node,
            sigma: (x.sigma * WEIGHT_SIGMA * columns.isqrt()).max(1),
        }
    }

    fn linear(
        &mut self,
        name: &str,
        x: Signal,
        outputs: u32,
        target: u64,
        range: i32,
    ) -> Result<Signal, ProgramError> {
        let columns = self
            .builder
            .result(x.node)
            .and_then(|r| r.shape.last().copied());
        let weight = self.weights(name, outputs, columns.unwrap_or(1))?;
        let sums = self.sums(name, x, weight, outputs);
        self.requantized(&format!("{name}.scale"), sums, outputs, target, range)
    }

    fn requantized(
        &mut self,
        name: &str,
        x: Signal,
        width: u32,
        target: u64,
        range: i32,
    ) -> Result<Signal, ProgramError> {
        let (multipliers, shift) = self.scale(name, target, x.sigma)?;
        let operator = Operator::Requantize { multipliers, shift };
        Ok(Signal {
            node: self.node(name, operator, &[x.node], &[width], range),
            sigma: target,
        })
    }

    fn attention(&mut self, name: &str, x: Signal) -> Result<NodeId, ProgramError> {
        let LlamaShape {
            width,
            heads,
            groups,
            head,
            ..
        } = self.shape;
        let sigma = u64::from(SCORE_RANGE.unsigned_abs()) / 8;
        let mut rotated = Vec::new();
        for (part, count) in [("query", heads), ("key", groups)] {
            let name = format!("{name}.{part}");
            let flat = self.linear(&name, x, count * head, sigma, SCORE_RANGE)?;
            let split = self.node(
                &format!("{name}.heads"),
                Operator::Reshape,
                &[flat.node],
                &[count, head],
                SCORE_RANGE,
            );
            let operator = self.rope()?;
            rotated.push(self.node(
                &format!("{name}.rope"),
                operator,
                &[split],
                &[count, head],
                SCORE_RANGE,
            ));
        }
        let range = self.input_range(heads * head);
        let target = u64::from(range.unsigned_abs()) / 4;
        let values = self.linear(&format!("{name}.value"), x, groups * head, target, range)?;
        let split = self.node(
            &format!("{name}.value.heads"),
            Operator::Reshape,
            &[values.node],
            &[groups, head],
            range,
        );
        rotated.push(split);
        // Scores have a standard deviation of two factors of two.
        let score = sigma * sigma * u64::from(head).isqrt();
        let operator = Operator::Attention {
            multiplier: 256,
            shift: u8::try_from((score * 256 / 2048).ilog2()).unwrap_or(0),
            output_shift: 0,
            window: 0,
        };
        let mixed = self.node(
            &format!("{name}.mix"),
            operator,
            &rotated,
            &[heads, head],
            range,
        );
        let flat = self.node(
            &format!("{name}.flat"),
            Operator::Reshape,
            &[mixed],
            &[heads * head],
            range,
        );
        let mixed = Signal {
            node: flat,
            sigma: target / 2,
        };
        let delta = u64::from(DELTA_RANGE.unsigned_abs()) / 8;
        Ok(self
            .linear(&format!("{name}.output"), mixed, width, delta, DELTA_RANGE)?
            .node)
    }

    fn rope(&mut self) -> Result<Operator, ProgramError> {
        let LlamaShape {
            max_positions,
            head,
            ..
        } = self.shape;
        let half = head / 2;
        if !self.writer.contains("rope.cosines") {
            let angles = |quarter: i64| -> Vec<i16> {
                let turn = |t: i64, i: i64| t * (65_536 >> (1 + i % 12)) + quarter * 16_384;
                (0..i64::from(max_positions))
                    .flat_map(|t| (0..i64::from(half)).map(move |i| sine(turn(t, i))))
                    .collect()
            };
            self.writer
                .i16("rope.cosines", &[max_positions, half], &angles(1))?;
            self.writer
                .i16("rope.sines", &[max_positions, half], &angles(0))?;
        }
        Ok(Operator::Rope {
            cosines: self.builder.constant("rope.cosines"),
            sines: self.builder.constant("rope.sines"),
        })
    }

    fn feed_forward(&mut self, name: &str, x: Signal) -> Result<NodeId, ProgramError> {
        let LlamaShape { width, inner, .. } = self.shape;
        let sigma = u64::from(GATE_RANGE.unsigned_abs()) / 8;
        let gate = self.linear(&format!("{name}.gate"), x, inner, sigma, GATE_RANGE)?;
        let up = self.linear(&format!("{name}.up"), x, inner, sigma, GATE_RANGE)?;
        if !self.writer.contains("activation") {
            // Like SiLU: nothing far below zero, the input far above.
            let entries: Vec<i16> = (-GATE_RANGE..=GATE_RANGE)
                .map(|x| i16::try_from(x * (x + 1536).clamp(0, 3072) / 3072).unwrap_or(0))
                .collect();
            let length = u32::try_from(entries.len()).unwrap_or(0);
            self.writer.i16("activation", &[length], &entries)?;
        }
        let operator = Operator::Table {
            table: self.builder.constant("activation"),
        };
        let active = self.node(
            &format!("{name}.active"),
            operator,
            &[gate.node],
            &[inner],
            GATE_RANGE,
        );
        let range = self.input_range(inner);
        let operator = Operator::Multiply { shift: 9 };
        let product = self.node(
            &format!("{name}.product"),
            operator,
            &[active, up.node],
            &[inner],
            range,
        );
        let product = Signal {
            node: product,
            sigma: sigma * sigma / 2 / 512,
        };
        let delta = u64::from(DELTA_RANGE.unsigned_abs()) / 8;
        Ok(self
            .linear(&format!("{name}.down"), product, width, delta, DELTA_RANGE)?
            .node)
    }

    /// One multiplier and a shift that bring a standard deviation to another.
    fn scale(
        &mut self,
        name: &str,
        target: u64,
        sigma: u64,
    ) -> Result<(ConstantId, u8), ProgramError> {
        let mut shift = 0_u8;
        let ratio = |shift: u8| (u128::from(target) << shift) / u128::from(sigma.max(1));
        while shift < 40 && ratio(shift + 1) <= 65_535 {
            shift += 1;
        }
        let multiplier = i32::try_from(ratio(shift).max(1)).unwrap_or(65_535);
        let name = format!("{name}.multiplier");
        self.writer.i32(&name, &[1], &[multiplier])?;
        Ok((self.builder.constant(&name), shift))
    }

    fn weights(&mut self, name: &str, rows: u32, columns: u32) -> Result<ConstantId, ProgramError> {
        let data = random_weights(&mut self.random, rows as usize * columns as usize);
        let name = format!("{name}.weight");
        self.writer
            .push(ElementType::I8, &name, &[rows, columns], data)?;
        Ok(self.builder.constant(&name))
    }
}

/// Bytes of int8 weights, uniform in ±127.
fn random_weights(random: &mut u64, count: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(count + 8);
    while data.len() < count {
        // splitmix64
        *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Never -128: the range is symmetric.
        data.extend(
            (z ^ (z >> 31))
                .to_le_bytes()
                .map(|b| if b == 0x80 { 0 } else { b }),
        );
    }
    data.truncate(count);
    data
}

/// About `16384 · sin(2π · turn / 65536)`: two parabolas.
fn sine(turn: i64) -> i16 {
    let phase = turn.rem_euclid(65_536);
    let (half, sign) = (phase % 32_768, if phase < 32_768 { 1 } else { -1 });
    let height = half * (32_768 - half) / 16_384;
    i16::try_from(sign * height).unwrap_or(0)
}
