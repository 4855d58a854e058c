//! Files and manifest of an imported model (§6.3).

use std::path::Path;

use proofmark_program::{
    CheckedProgram, Fact, Facts, FileDigest, Golden, Interface, Manifest, PROGRAM_PATH,
    ProgramDigest, Source, WEIGHTS_PATH, WeightsRoot, tensor_digest,
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::evaluate::{Executor, TensorExecutor};
use crate::{DecoderOptions, ImportError, Imported, LossReport, TextFiles};

/// Path of the tokenizer in a model's directory.
pub const TOKENIZER_PATH: &str = "tokenizer.json";
/// Path of the chat template.
pub const TEMPLATE_PATH: &str = "chat_template.jinja";
/// Path of what ends a generation, and of defaults.
pub const GENERATION_PATH: &str = "generation.json";
/// Ids of the golden input.
const GOLDEN_IDS: usize = 16;
/// Most elements of the golden input of a tensor program.
const GOLDEN_ELEMENTS: usize = 200_000;
/// Longest text of a fact.
const FACT_MAX_BYTES: usize = 4096;

/// A model ready to be stored: its manifest lacks sizes and digests of files, which the store puts in.
#[derive(Debug)]
pub struct Packed {
    /// The manifest.
    pub manifest: Manifest,
    /// Paths with bytes.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What a decoder was made of, for its manifest.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Name for people.
    pub name: &'a str,
    /// `safetensors`, `gguf` or `onnx`.
    pub format: &'a str,
    /// Digest over the list of the float model's files.
    pub digest: FileDigest,
    /// For people.
    pub text: &'a str,
}

/// Digest of the list of files: lines of SHA-256 and path, ascending (§6.3). Each file is read in pieces.
///
/// # Errors
/// A file cannot be read.
pub fn source_digest(files: &[std::path::PathBuf], root: &Path) -> Result<FileDigest, ImportError> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for path in files {
        let shown = path.strip_prefix(root).unwrap_or(path);
        let shown = if shown.as_os_str().is_empty() {
            Path::new(path.file_name().unwrap_or_default())
        } else {
            shown
        };
        let mut file = std::fs::File::open(path).map_err(|source| ImportError::io(path, source))?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = std::io::Read::read(&mut file, &mut buffer)
                .map_err(|source| ImportError::io(path, source))?;
            match buffer.get(..count) {
                Some(bytes) if !bytes.is_empty() => hasher.update(bytes),
                _ => break,
            }
        }
        let digest = FileDigest(hasher.finalize().into());
        lines.push((shown.to_string_lossy().into_owned(), digest.to_string()));
    }
    lines.sort();
    let mut list = Sha256::new();
    for (path, digest) in lines {
        list.update(format!("{digest}  {path}\n"));
    }
    Ok(FileDigest(list.finalize().into()))
}

/// Puts an imported decoder and its text files together.
///
/// # Errors
/// The program cannot be encoded or run.
pub fn pack_decoder(
    imported: Imported,
    text: &TextFiles,
    origin: Origin<'_>,
    options: DecoderOptions,
    executor: &mut dyn Executor,
) -> Result<Packed, ImportError> {
    let tokenizer = text
        .tokenizer
        .clone()
        .ok_or_else(|| ImportError::missing(TOKENIZER_PATH, origin.name))?;
    let Interface::Decoder { vocabulary, .. } = imported.program.program().interface else {
        return Err(ImportError::unsupported(
            "a tensor program",
            "packing of decoders",
        ));
    };
    let golden = golden(&imported, vocabulary, executor)?;
    let (program, weights) = imported.program.into_parts();
    let mut files = vec![
        (PROGRAM_PATH.to_owned(), program.encode()?),
        (WEIGHTS_PATH.to_owned(), weights.into_inner()),
        (TOKENIZER_PATH.to_owned(), tokenizer),
        (GENERATION_PATH.to_owned(), generation(text)),
    ];
    if let Some(template) = &text.chat_template {
        files.push((TEMPLATE_PATH.to_owned(), template.clone().into_bytes()));
    }
    let recipe = recipe(&imported.loss.data, options);
    let manifest = manifest(origin, recipe, &imported.loss, Some(golden));
    Ok(Packed { manifest, files })
}

/// Puts an imported tensor program together. `example` holds the integers of every input for one run, which becomes the golden example;
/// `recipe` is what else reproduces the import, in ascending order of names other than `importer`.
///
/// # Errors
/// The program cannot be encoded or run.
pub fn pack_tensors(
    imported: Imported,
    recipe: Facts,
    origin: Origin<'_>,
    example: &[Vec<i32>],
    executor: &mut dyn TensorExecutor,
) -> Result<Packed, ImportError> {
    // An example that would fill the manifest is left out.
    let elements: usize = example.iter().map(Vec::len).sum();
    let golden = (elements <= GOLDEN_ELEMENTS)
        .then(|| golden_tensors(&imported.program, example, executor))
        .transpose()?;
    let (program, weights) = imported.program.into_parts();
    let files = vec![
        (PROGRAM_PATH.to_owned(), program.encode()?),
        (WEIGHTS_PATH.to_owned(), weights.into_inner()),
    ];
    let mut recipe: Facts = recipe
        .into_iter()
        .map(|(name, fact)| match fact {
            Fact::Text(text) => (name, Fact::Text(cut(text))),
            integer => (name, integer),
        })
        .collect();
    recipe.push(("importer".into(), importer()));
    recipe.sort_by(|a, b| a.0.cmp(&b.0));
    let manifest = manifest(origin, recipe, &imported.loss, golden);
    Ok(Packed { manifest, files })
}

fn manifest(
    origin: Origin<'_>,
    recipe: Facts,
    loss: &LossReport,
    golden: Option<Golden>,
) -> Manifest {
    Manifest {
        name: origin.name.to_owned(),
        program: ProgramDigest([0; 32]),
        weights: WeightsRoot([0; 32]),
        files: Vec::new(),
        source: Source {
            format: origin.format.to_owned(),
            digest: origin.digest,
            text: cut(origin.text.to_owned()),
        },
        recipe,
        loss: Some(loss.to_facts()),
        golden,
    }
}

fn golden_tensors(
    program: &CheckedProgram,
    example: &[Vec<i32>],
    executor: &mut dyn TensorExecutor,
) -> Result<Golden, ImportError> {
    let Interface::Tensor { inputs, outputs } = &program.program().interface else {
        return Err(ImportError::unsupported(
            "a decoder",
            "packing of tensor programs",
        ));
    };
    let elements: Vec<&[i32]> = example.iter().map(Vec::as_slice).collect();
    let results = executor.outputs(program, &elements)?;
    let digests = outputs.iter().zip(&results).map(|(output, elements)| {
        let node = program.program().node(output.node);
        let shape = node.map_or(&[][..], |node| node.result.shape.as_slice());
        (output.name.clone(), tensor_digest(shape, elements))
    });
    Ok(Golden::Tensor {
        outputs: digests.collect(),
        inputs: inputs
            .iter()
            .zip(example)
            .map(|(input, elements)| (input.name.clone(), elements.clone()))
            .collect(),
    })
}

fn importer() -> Fact {
    Fact::Text(format!("proofmark-import {}", env!("CARGO_PKG_VERSION")))
}

/// Ids spread over the vocabulary, and the digest of their logits.
fn golden(
    imported: &Imported,
    vocabulary: u32,
    executor: &mut dyn Executor,
) -> Result<Golden, ImportError> {
    let count = GOLDEN_IDS as u32;
    let ids: Vec<u32> = (0..count)
        .map(|at| (at * (vocabulary / count).max(1) + at) % vocabulary)
        .collect();
    let logits = executor.logits(&imported.program, &ids)?;
    let logits = tensor_digest(&[count, vocabulary], &logits);
    Ok(Golden::Decoder { ids, logits })
}

fn recipe(data: &str, options: DecoderOptions) -> Facts {
    let integer = |value: usize| Fact::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let share = match options.share_embedding {
        None => "by size",
        Some(true) => "yes",
        Some(false) => "no",
    };
    vec![
        ("calibration".into(), Fact::Text(cut(data.to_owned()))),
        ("importer".into(), importer()),
        ("max-positions".into(), integer(options.max_positions)),
        // Between 0 and a million.
        (
            "percentile-millionths".into(),
            Fact::Integer((options.percentile * 1e6).round() as i64),
        ),
        ("share-embedding".into(), Fact::Text(share.into())),
    ]
}

/// `generation.json`.
fn generation(text: &TextFiles) -> Vec<u8> {
    let mut members = Map::new();
    members.insert("add_special".into(), true.into());
    members.insert("end_ids".into(), text.end_ids.clone().into());
    if !text.sampling.is_empty() {
        let defaults = text.sampling.iter();
        let defaults: Map<String, Value> = defaults
            .map(|(name, value)| (name.clone(), Value::from(value.to_string())))
            .collect();
        members.insert("defaults".into(), defaults.into());
    }
    for (name, token) in &text.special {
        members.insert(name.clone(), token.as_str().into());
    }
    Value::Object(members).to_string().into_bytes()
}

fn cut(mut text: String) -> String {
    let mut end = FACT_MAX_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

impl LossReport {
    /// The report as facts of a manifest: texts by name, numbers as decimals.
    pub fn to_facts(&self) -> Facts {
        let mut facts: Vec<(String, String)> = vec![("data".into(), self.data.clone())];
        let mut put = |name: &str, value: String| facts.push((name.to_owned(), value));
        if let Some(loss) = &self.decoder {
            put("decoder.kl-nats", format!("{:.6}", loss.kl_nats));
            put(
                "decoder.logit-error-max",
                format!("{:.6}", loss.logit_max_error),
            );
            put(
                "decoder.logit-error-rms",
                format!("{:.6}", loss.logit_rms_error),
            );
            put(
                "decoder.perplexity-exact",
                format!("{:.6}", loss.perplexity_exact),
            );
            put(
                "decoder.perplexity-float",
                format!("{:.6}", loss.perplexity_float),
            );
            put("decoder.tokens", loss.tokens.to_string());
            put(
                "decoder.top1-agreement",
                format!("{:.6}", loss.top1_agreement),
            );
        }
        if let Some(loss) = &self.tensor {
            put("tensor.error-max", format!("{:.9e}", loss.max_error));
            put("tensor.error-rms", format!("{:.9e}", loss.rms_error));
            put("tensor.rows", loss.rows.to_string());
            if let Some(share) = loss.top1_agreement {
                put("tensor.top1-agreement", format!("{share:.6}"));
            }
        }
        for (at, clamp) in self.clamps.iter().enumerate() {
            let text = format!("{}: {} of {}", clamp.node, clamp.clamped, clamp.of);
            put(&format!("clamp.{at:04}"), text);
        }
        for (at, note) in self.notes.iter().enumerate() {
            put(&format!("note.{at:04}"), note.clone());
        }
        facts.sort();
        facts
            .into_iter()
            .map(|(name, text)| (name, Fact::Text(cut(text))))
            .collect()
    }
}
