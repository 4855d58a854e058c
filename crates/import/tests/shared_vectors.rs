//! stories260K, a real decoder of 260 thousand parameters in the format of llama2.c, converted here. Compiled with feature
//! `shared-vectors` only, and fails without `PROOFMARK_SHARED`: it never passes without having run.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unreachable,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use proofmark_import::config::{Activation, DecoderConfig, Family, Rope, RopeScaling};
use proofmark_import::decoder::{DecoderSource, Names};
use proofmark_import::float::greedy;
use proofmark_import::{DecoderOptions, FloatTensor, ReferenceExecutor, TokenData, import_decoder};

const BEGINNING: &str =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park.";

fn shared(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("PROOFMARK_SHARED")
        .expect("PROOFMARK_SHARED must name the folder with models/");
    std::fs::read(PathBuf::from(folder).join("models").join(name)).unwrap()
}

/// Rows of each head from pairs side by side to halves.
fn separate_pairs(rows: &[f32], columns: usize, head_dim: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len());
    for head in rows.chunks_exact(head_dim * columns) {
        for parity in 0..2 {
            for pair in 0..head_dim / 2 {
                let start = (2 * pair + parity) * columns;
                out.extend_from_slice(&head[start..start + columns]);
            }
        }
    }
    out
}

fn stories() -> DecoderSource {
    let bytes = shared("stories260K.bin");
    let header: Vec<usize> = bytes[..28]
        .chunks(4)
        .map(|w| i32::from_le_bytes(w.try_into().unwrap()) as usize)
        .collect();
    let [dim, hidden, layers, heads, kv_heads, vocabulary, positions] = header[..] else {
        unreachable!()
    };
    let mut floats = bytes[28..]
        .chunks_exact(4)
        .map(|w| f32::from_le_bytes(w.try_into().unwrap()));
    let mut take = |count: usize| -> Vec<f32> { floats.by_ref().take(count).collect() };
    let head_dim = dim / heads;
    let kv = kv_heads * head_dim;
    let mut tensors = BTreeMap::new();
    let mut put = |name: String, shape: &[usize], data: Vec<f32>| {
        let shape = shape.iter().map(|d| *d as u64).collect();
        tensors.insert(name, FloatTensor { shape, data });
    };
    put(
        "model.embed_tokens.weight".into(),
        &[vocabulary, dim],
        take(vocabulary * dim),
    );
    let mut per_layer = |part: &str, rows: usize, columns: usize, pairs: bool| {
        for layer in 0..layers {
            let mut data = take(rows * columns);
            if pairs {
                data = separate_pairs(&data, columns, head_dim);
            }
            let shape = if rows == 1 {
                vec![columns]
            } else {
                vec![rows, columns]
            };
            put(format!("model.layers.{layer}.{part}.weight"), &shape, data);
        }
    };
    per_layer("input_layernorm", 1, dim, false);
    per_layer("self_attn.q_proj", dim, dim, true);
    per_layer("self_attn.k_proj", kv, dim, true);
    per_layer("self_attn.v_proj", kv, dim, false);
    per_layer("self_attn.o_proj", dim, dim, false);
    per_layer("post_attention_layernorm", 1, dim, false);
    per_layer("mlp.gate_proj", hidden, dim, false);
    per_layer("mlp.down_proj", dim, hidden, false);
    per_layer("mlp.up_proj", hidden, dim, false);
    put("model.norm.weight".into(), &[dim], take(dim));
    let config = DecoderConfig {
        family: Family::Llama,
        vocabulary,
        hidden: dim,
        layers,
        heads,
        kv_heads,
        head_dim,
        intermediate: hidden,
        max_positions: positions,
        norm_eps: 1e-5,
        rope: Some(Rope {
            theta: 10_000.0,
            dimensions: head_dim,
            scaling: RopeScaling::None,
            factors: Vec::new(),
        }),
        windows: vec![0; layers],
        tied: true,
        qkv_bias: false,
        output_bias: false,
        mlp_bias: false,
        qk_norm: false,
        activation: Activation::GatedSilu,
        score_scale: 1.0 / (head_dim as f64).sqrt(),
    };
    DecoderSource::open(config, Box::new(tensors), Names::Llama).unwrap()
}

/// Texts of tokens in llama2.c's tokenizer file: length of the longest, then score, length and bytes of each.
fn pieces() -> Vec<String> {
    let bytes = shared("tok512.bin");
    let mut rest = &bytes[4..];
    let mut pieces = Vec::new();
    while rest.len() >= 8 {
        let length = i32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        pieces.push(String::from_utf8_lossy(&rest[8..8 + length]).into_owned());
        rest = &rest[8 + length..];
    }
    pieces
}

#[test]
fn the_float_model_tells_its_story_and_the_exact_one_is_within_a_percent() {
    let source = stories();
    let pieces = pieces();
    let story = greedy(&source, &[1], 200).unwrap();
    let text: String = story[1..]
        .iter()
        .map(|id| pieces[*id as usize].as_str())
        .collect();
    assert!(text.trim_start().starts_with(BEGINNING), "{text}");

    // Sampled text of the model itself: what it expects and what it does not.
    let mut random = 1_u64;
    let mut sequences = vec![story];
    for start in 0..12_u32 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let word = (random >> 33) as u32 % 500 + 3;
        sequences.push(greedy(&source, &[1, 403, word, 300 + start], 96).unwrap());
    }
    let held_out = sequences.split_off(7);
    let data = TokenData {
        label: "greedy stories from random beginnings".into(),
        calibration: sequences,
        held_out,
    };
    for share in [true, false] {
        let options = DecoderOptions {
            share_embedding: Some(share),
            ..DecoderOptions::default()
        };
        let mut executor = ReferenceExecutor::default();
        let imported = import_decoder(&source, &data, options, &mut executor, &mut |_| ()).unwrap();
        println!("embedding stored once: {share}\n{}", imported.loss);
        let loss = imported.loss.decoder.unwrap();
        assert!(
            (loss.perplexity_exact / loss.perplexity_float - 1.0).abs() < 0.01,
            "{loss:?}"
        );
    }
}
