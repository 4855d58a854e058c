//! GGUF files, made here of the fixtures: the same logits as the directories, and errors for damaged files.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};

use proofmark_import::float::{Observe, forward};
use proofmark_import::{ErrorKind, ImportError, SafetensorsFile, TensorStore as _, open_source};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/fixtures")
        .join(name)
}

#[derive(Default)]
struct Logits(Vec<f32>);

impl Observe for Logits {
    fn logits(&mut self, _: usize, _: usize, row: &[f32]) {
        self.0.extend_from_slice(row);
    }
}

enum Value<'a> {
    U32(u32),
    F32(f32),
    Text(&'a str),
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Integers(Vec<i32>),
}

/// Writes GGUF files.
#[derive(Default)]
struct Writer {
    keys: Vec<u8>,
    key_count: u64,
    infos: Vec<u8>,
    info_count: u64,
    data: Vec<u8>,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Writer {
    fn key(&mut self, key: &str, value: Value<'_>) {
        self.key_count += 1;
        let out = &mut self.keys;
        text(out, key);
        match value {
            Value::U32(x) => {
                out.extend(4_u32.to_le_bytes());
                out.extend(x.to_le_bytes());
            }
            Value::F32(x) => {
                out.extend(6_u32.to_le_bytes());
                out.extend(x.to_le_bytes());
            }
            Value::Text(x) => {
                out.extend(8_u32.to_le_bytes());
                text(out, x);
            }
            Value::Texts(list) => {
                out.extend(9_u32.to_le_bytes());
                out.extend(8_u32.to_le_bytes());
                out.extend((list.len() as u64).to_le_bytes());
                list.iter().for_each(|x| text(out, x));
            }
            Value::Floats(list) => {
                out.extend(9_u32.to_le_bytes());
                out.extend(6_u32.to_le_bytes());
                out.extend((list.len() as u64).to_le_bytes());
                list.iter().for_each(|x| out.extend(x.to_le_bytes()));
            }
            Value::Integers(list) => {
                out.extend(9_u32.to_le_bytes());
                out.extend(5_u32.to_le_bytes());
                out.extend((list.len() as u64).to_le_bytes());
                list.iter().for_each(|x| out.extend(x.to_le_bytes()));
            }
        }
    }

    fn tensor(&mut self, name: &str, shape: &[u64], kind: u32, data: &[u8]) {
        self.info_count += 1;
        text(&mut self.infos, name);
        self.infos.extend((shape.len() as u32).to_le_bytes());
        shape
            .iter()
            .rev()
            .for_each(|d| self.infos.extend(d.to_le_bytes()));
        self.infos.extend(kind.to_le_bytes());
        self.infos.extend((self.data.len() as u64).to_le_bytes());
        self.data.extend(data);
        self.data.resize(self.data.len().next_multiple_of(32), 0);
    }

    fn file(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend(self.info_count.to_le_bytes());
        out.extend(self.key_count.to_le_bytes());
        out.extend(&self.keys);
        out.extend(&self.infos);
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(&self.data);
        out
    }
}

fn floats(data: &[f32]) -> Vec<u8> {
    data.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Halves of each head to pairs side by side, as the converter of llama.cpp stores queries and keys of Llama.
fn interleave(data: &[f32], columns: usize, head_dim: usize) -> Vec<f32> {
    let half = head_dim / 2;
    let mut out = Vec::new();
    for head in data.chunks_exact(head_dim * columns) {
        for at in 0..head_dim {
            let row = if at % 2 == 0 { at / 2 } else { half + at / 2 };
            out.extend_from_slice(&head[row * columns..(row + 1) * columns]);
        }
    }
    out
}

/// A fixture of Llama's form as a GGUF file.
fn convert(name: &str, architecture: &str, rms_eps: f32, theta: f32) -> Writer {
    let model = open_source(&fixture(name)).unwrap();
    let c = &model.decoder.config;
    let mut writer = Writer::default();
    writer.key("general.architecture", Value::Text(architecture));
    let mut key = |key: &str, value| writer.key(&format!("{architecture}.{key}"), value);
    key("block_count", Value::U32(c.layers as u32));
    key("context_length", Value::U32(c.max_positions as u32));
    key("embedding_length", Value::U32(c.hidden as u32));
    key("feed_forward_length", Value::U32(c.intermediate as u32));
    key("attention.head_count", Value::U32(c.heads as u32));
    key("attention.head_count_kv", Value::U32(c.kv_heads as u32));
    key("attention.key_length", Value::U32(c.head_dim as u32));
    key("attention.layer_norm_rms_epsilon", Value::F32(rms_eps));
    key("rope.freq_base", Value::F32(theta));
    let file = SafetensorsFile::open(&fixture(name).join("model.safetensors")).unwrap();
    let map = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers", "blk"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    for from in file.names() {
        let tensor = file.tensor(&from).unwrap().unwrap();
        let to = map
            .iter()
            .fold(from.clone(), |name, (a, b)| name.replace(a, b));
        let columns = if tensor.shape.len() == 2 {
            tensor.shape[1] as usize
        } else {
            1
        };
        let paired = architecture == "llama" && (to.contains("attn_q.") || to.contains("attn_k."));
        let data = if paired {
            interleave(&tensor.data, columns, c.head_dim)
        } else {
            tensor.data
        };
        writer.tensor(&to, &tensor.shape, 0, &floats(&data));
    }
    writer
}

fn open(bytes: &[u8]) -> Result<proofmark_import::FloatModel, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    open_source(&path)
}

#[test]
fn logits_are_those_of_transformers() {
    for (name, architecture, eps, theta) in [
        ("llama-gqa", "llama", 1e-5, 1e4),
        ("llama-tied-bias", "llama", 1e-6, 1e4),
        ("qwen2", "qwen2", 1e-6, 1e6),
        ("qwen3", "qwen3", 1e-6, 1e6),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, convert(name, architecture, eps, theta).file()).unwrap();
        let model = open_source(&path).unwrap();
        let expected = SafetensorsFile::open(&fixture(name).join("expected.safetensors")).unwrap();
        let ids = expected
            .integers("input_ids")
            .unwrap()
            .iter()
            .map(|id| *id as u32)
            .collect();
        let expected = expected.tensor("logits").unwrap().unwrap().data;
        let mut logits = Logits::default();
        forward(&model.decoder, &[ids], &mut logits).unwrap();
        let worst = logits
            .0
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(
            worst < 2e-4 && logits.0.len() == expected.len(),
            "{name}: {worst}"
        );
        assert!(model.text.tokenizer.is_none() && model.text.tokenizer_missing.is_some());
    }
}

#[test]
fn tokenizers_are_converted() {
    let mut writer = convert("llama-gqa", "llama", 1e-5, 1e4);
    let tokens: Vec<String> = [
        "<unk>", "<s>", "</s>", "▁", "h", "e", "l", "o", "he", "ll", "hell", "hello", "▁hello",
    ]
    .map(str::to_owned)
    .into();
    writer.key("tokenizer.ggml.model", Value::Text("llama"));
    writer.key(
        "tokenizer.ggml.scores",
        Value::Floats(
            (0..13)
                .map(|i| if i < 8 { 0.0 } else { -(i as f32) })
                .collect(),
        ),
    );
    writer.key(
        "tokenizer.ggml.token_type",
        Value::Integers(vec![2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
    );
    writer.key("tokenizer.ggml.tokens", Value::Texts(tokens));
    writer.key("tokenizer.ggml.bos_token_id", Value::U32(1));
    writer.key("tokenizer.ggml.eos_token_id", Value::U32(2));
    let model = open(&writer.file()).unwrap();
    let tokenizer = model.text.tokenizer.unwrap();
    assert_eq!(
        proofmark_import::encode(&tokenizer, "hello</s>").unwrap(),
        [12, 2]
    );
    assert_eq!(model.text.end_ids, [2]);

    let mut writer = convert("qwen2", "qwen2", 1e-6, 1e6);
    writer.key("tokenizer.ggml.model", Value::Text("gpt2"));
    writer.key("tokenizer.ggml.pre", Value::Text("qwen2"));
    writer.key(
        "tokenizer.ggml.tokens",
        Value::Texts(["a", "b", "1", "ab", "<|end|>"].map(str::to_owned).into()),
    );
    writer.key(
        "tokenizer.ggml.token_type",
        Value::Integers(vec![1, 1, 1, 1, 3]),
    );
    writer.key("tokenizer.ggml.merges", Value::Texts(vec!["a b".into()]));
    let model = open(&writer.file()).unwrap();
    let ids = proofmark_import::encode(&model.text.tokenizer.unwrap(), "ab11<|end|>ba").unwrap();
    assert_eq!(ids, [3, 2, 2, 4, 1, 0]);
}

#[test]
fn damaged_files_are_errors() {
    let whole = convert("llama-gqa", "llama", 1e-5, 1e4).file();
    let header = whole.len() - 100_000;
    for length in (0..4096).chain([header, whole.len() - 1]) {
        assert!(open(&whole[..length]).is_err(), "{length}");
    }
    // Counts and lengths of 2^63 and the like: tensors, keys, the first key's length.
    for at in [8, 16, 24] {
        for value in [u64::MAX, 1 << 63, 1 << 40] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            assert!(
                matches!(
                    open(&bytes).map_err(|e| e.kind()),
                    Err(ErrorKind::Malformed)
                ),
                "{at} {value}"
            );
        }
    }
    let mut version = whole;
    version[4] = 1;
    assert!(matches!(
        open(&version),
        Err(ImportError::Unsupported { .. })
    ));
}

#[test]
fn what_is_not_supported_is_named() {
    let refused = |change: &dyn Fn(&mut Writer), name: &str| {
        let mut writer = convert("llama-gqa", "llama", 1e-5, 1e4);
        change(&mut writer);
        let error = open(&writer.file()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    refused(
        &|w| w.key("llama.expert_count", Value::U32(8)),
        "mixture of experts",
    );
    refused(
        &|w| w.key("llama.logit_scale", Value::F32(0.5)),
        "llama.logit_scale",
    );
    refused(
        &|w| w.key("llama.rope.scaling.type", Value::Text("yarn")),
        "yarn",
    );
    refused(
        &|w| w.tensor("blk.0.ffn_gate_exps.weight", &[4], 0, &[0; 16]),
        "ffn_gate_exps",
    );
    refused(
        &|w| w.tensor("blk.9.new", &[32], 2, &[0; 18]),
        "element type 2",
    );
    refused(
        &|w| w.tensor("blk.9.new", &[1 << 40, 1 << 40], 0, &[]),
        "elements",
    );
    refused(&|w| w.tensor("blk.9.new", &[4096], 0, &[0; 64]), "beyond");
}

#[test]
fn weights_that_are_not_numbers_are_refused_when_read() {
    let mut writer = convert("llama-gqa", "llama", 1e-5, 1e4);
    for byte in writer.data.iter_mut().take(4) {
        *byte = 0xff;
    }
    // The header is sound.
    open(&writer.file()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.gguf");
    std::fs::write(&path, writer.file()).unwrap();
    let model = open_source(&path).unwrap();
    let error = forward(&model.decoder, &[vec![1]], &mut Logits::default()).unwrap_err();
    assert!(matches!(error, ImportError::Quantization { .. }), "{error}");
}
