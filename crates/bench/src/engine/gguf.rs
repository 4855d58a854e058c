//! A GGUF file (version 3) of a Llama shape with random Q8_0 weights and no vocabulary, for llama.cpp to be measured with.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use proofmark_engine::shapes::LlamaShape;

const MAGIC: &[u8; 4] = b"GGUF";
const VERSION: u32 = 3;
/// Type numbers of metadata values.
const U32: u32 = 4;
const F32: u32 = 6;
const STRING: u32 = 8;
/// Type numbers of tensors.
const TENSOR_F32: u32 = 0;
const TENSOR_Q8_0: u32 = 8;
/// Data begin at multiples of this.
const ALIGNMENT: u64 = 32;
/// A Q8_0 block: a half-precision scale and 32 weights.
const BLOCK: u64 = 32;
const BLOCK_BYTES: u64 = 34;
/// 2^-12 in half precision: weights of about ±0.03.
const SCALE: [u8; 2] = 0x0C00_u16.to_le_bytes();

struct Tensor {
    name: String,
    /// Length of a row first.
    dimensions: Vec<u64>,
    kind: u32,
}

impl Tensor {
    fn matrix(name: String, columns: u32, rows: u32) -> Self {
        Self {
            name,
            dimensions: vec![u64::from(columns), u64::from(rows)],
            kind: TENSOR_Q8_0,
        }
    }

    fn gain(name: String, length: u32) -> Self {
        Self {
            name,
            dimensions: vec![u64::from(length)],
            kind: TENSOR_F32,
        }
    }

    fn bytes(&self) -> u64 {
        let elements: u64 = self.dimensions.iter().product();
        match self.kind {
            TENSOR_F32 => 4 * elements,
            _ => elements / BLOCK * BLOCK_BYTES,
        }
    }
}

fn tensors(shape: &LlamaShape) -> Vec<Tensor> {
    let LlamaShape { width, inner, .. } = *shape;
    let (queries, keys) = (shape.heads * shape.head, shape.groups * shape.head);
    let mut all = vec![
        Tensor::matrix("token_embd.weight".into(), width, shape.vocabulary),
        Tensor::gain("output_norm.weight".into(), width),
    ];
    for layer in 0..shape.layers {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        all.extend([
            Tensor::gain(name("attn_norm"), width),
            Tensor::matrix(name("attn_q"), width, queries),
            Tensor::matrix(name("attn_k"), width, keys),
            Tensor::matrix(name("attn_v"), width, keys),
            Tensor::matrix(name("attn_output"), queries, width),
            Tensor::gain(name("ffn_norm"), width),
            Tensor::matrix(name("ffn_gate"), width, inner),
            Tensor::matrix(name("ffn_up"), width, inner),
            Tensor::matrix(name("ffn_down"), inner, width),
        ]);
    }
    all
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn metadata(shape: &LlamaShape) -> (u64, Vec<u8>) {
    let mut out = Vec::new();
    let mut count = 0;
    let texts = [
        ("general.architecture", "llama"),
        ("tokenizer.ggml.model", "no_vocab"),
    ];
    for (key, value) in texts {
        string(&mut out, key);
        out.extend(STRING.to_le_bytes());
        string(&mut out, value);
        count += 1;
    }
    let numbers = [
        ("general.file_type", 7),
        ("llama.vocab_size", shape.vocabulary),
        ("llama.context_length", shape.max_positions),
        ("llama.embedding_length", shape.width),
        ("llama.block_count", shape.layers),
        ("llama.feed_forward_length", shape.inner),
        ("llama.rope.dimension_count", shape.head),
        ("llama.attention.head_count", shape.heads),
        ("llama.attention.head_count_kv", shape.groups),
    ];
    for (key, value) in numbers {
        string(&mut out, key);
        out.extend(U32.to_le_bytes());
        out.extend(value.to_le_bytes());
        count += 1;
    }
    string(&mut out, "llama.attention.layer_norm_rms_epsilon");
    out.extend(F32.to_le_bytes());
    out.extend(1e-5_f32.to_le_bytes());
    (count + 1, out)
}

/// Writes the model.
pub(super) fn write_random_llama(path: &Path, shape: &LlamaShape) -> io::Result<()> {
    let tensors = tensors(shape);
    let (count, metadata) = metadata(shape);
    let mut header = Vec::new();
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend(count.to_le_bytes());
    header.extend(metadata);
    let mut offset = 0_u64;
    for tensor in &tensors {
        string(&mut header, &tensor.name);
        header.extend((tensor.dimensions.len() as u32).to_le_bytes());
        for dimension in &tensor.dimensions {
            header.extend(dimension.to_le_bytes());
        }
        header.extend(tensor.kind.to_le_bytes());
        header.extend(offset.to_le_bytes());
        offset = (offset + tensor.bytes()).next_multiple_of(ALIGNMENT);
    }
    header.resize(header.len().next_multiple_of(ALIGNMENT as usize), 0);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&header)?;
    let mut random = 1_u64;
    for tensor in &tensors {
        data(&mut out, tensor, &mut random)?;
        let padding = tensor.bytes().next_multiple_of(ALIGNMENT) - tensor.bytes();
        out.write_all(&[0; ALIGNMENT as usize][..padding as usize])?;
    }
    out.flush()
}

fn data(out: &mut impl Write, tensor: &Tensor, random: &mut u64) -> io::Result<()> {
    if tensor.kind == TENSOR_F32 {
        for _ in 0..tensor.bytes() / 4 {
            out.write_all(&1_f32.to_le_bytes())?;
        }
        return Ok(());
    }
    for _ in 0..tensor.bytes() / BLOCK_BYTES {
        out.write_all(&SCALE)?;
        for _ in 0..BLOCK / 8 {
            // xorshift64: only the bytes' spread matters
            *random ^= *random << 13;
            *random ^= *random >> 7;
            *random ^= *random << 17;
            out.write_all(&random.to_le_bytes())?;
        }
    }
    Ok(())
}
