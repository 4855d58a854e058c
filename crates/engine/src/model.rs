//! A model: everything that its closure digest names, checked and ready to run.

use std::path::Path;

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{
    CheckedProgram, ClosureDigest, Golden, Interface, Manifest, ModelFile, PROGRAM_PATH, Program,
    TensorDigest, WEIGHTS_PATH, Weights, closure_digest, program_digest, tensor_digest,
    weights_root,
};
use sha2::{Digest as _, Sha256};

use crate::chat::{ChatTemplate, RenderedPrompt};
use crate::error::{ModelError, RequestError};
use crate::exec::{Decoder, TensorRunner};
use crate::serve::Prompt;
use crate::text::Tokenizer;

mod estimate;
mod files;
mod generation;

pub use estimate::MemoryEstimate;
pub use files::ModelFiles;
pub use generation::GenerationConfig;

/// Path of the tokenizer in a model's directory.
pub const TOKENIZER_PATH: &str = "tokenizer.json";
/// Path of the chat template.
pub const TEMPLATE_PATH: &str = "chat_template.jinja";
/// Path of the ends and defaults of generations.
pub const GENERATION_PATH: &str = "generation.json";
/// Path of the manifest.
pub const MANIFEST_PATH: &str = "manifest.cbor";

/// How a model is opened; none of it changes a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelOptions {
    /// Instruction set of the kernels.
    pub isa: Isa,
    /// A model that needs more bytes than this while it is loaded, or to run one sequence, is refused before it is read.
    pub memory_bytes: u64,
}

impl Default for ModelOptions {
    /// The best instruction set of this processor, 8 GiB.
    fn default() -> Self {
        Self {
            isa: Isa::detect(),
            memory_bytes: 8 << 30,
        }
    }
}

/// A decoder with its tokenizer, or a tensor program.
///
/// Opening it checked every file against the manifest, proved the program's ranges with its weights (spec 04 §4), and computed the
/// manifest's golden example.
#[derive(Debug)]
pub struct Model {
    manifest: Manifest,
    closure: ClosureDigest,
    interface: Interface,
    decoder: Option<Decoder>,
    /// What a tensor program is compiled from, once per runner.
    tensors: Option<CheckedProgram>,
    tokenizer: Option<Tokenizer>,
    template: Option<ChatTemplate>,
    generation: GenerationConfig,
    isa: Isa,
}

impl Model {
    /// Opens the directory of a model.
    ///
    /// # Errors
    /// [`ModelError`]: which file, and what is wrong with it.
    pub fn open(directory: &Path, options: &ModelOptions) -> Result<Self, ModelError> {
        Self::from_files(ModelFiles::Directory(directory), options)
    }

    /// Opens a model from files in memory, such as one that is part of the executable: paths with contents.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(files: &[(&str, &[u8])], options: &ModelOptions) -> Result<Self, ModelError> {
        Self::from_files(ModelFiles::Memory(files), options)
    }

    fn from_files(files: ModelFiles<'_>, options: &ModelOptions) -> Result<Self, ModelError> {
        let manifest_bytes =
            files.read(MANIFEST_PATH, proofmark_program::MAX_MANIFEST_BYTES as u64)?;
        let manifest = Manifest::decode(&manifest_bytes)?;
        let program = read_program(&files, &manifest)?;
        let estimate = MemoryEstimate::of(&program, listed(&manifest, WEIGHTS_PATH)?.size);
        estimate.check(options.memory_bytes)?;
        let interface = program.interface.clone();
        let program = program.check(read_weights(&files, &manifest)?)?;
        let is_decoder = matches!(interface, Interface::Decoder { .. });
        let (decoder, tensors) = if is_decoder {
            (Some(Decoder::new(&program, options.isa)?), None)
        } else {
            (None, Some(program))
        };
        let text = TextFiles::read(&files, &manifest, is_decoder)?;
        let model = Self {
            closure: closure_digest(&manifest_bytes),
            manifest,
            interface,
            decoder,
            tensors,
            tokenizer: text.tokenizer,
            template: text.template,
            generation: text.generation,
            isa: options.isa,
        };
        model.check_text()?;
        model.self_test()?;
        Ok(model)
    }

    /// Name in the manifest.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Digest that names the model, whole.
    pub fn closure(&self) -> ClosureDigest {
        self.closure
    }

    /// What goes in and comes out of the program.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Number of ids of a decoder; 0 of a tensor program.
    pub fn vocabulary(&self) -> u32 {
        match self.interface {
            Interface::Decoder { vocabulary, .. } => vocabulary,
            Interface::Tensor { .. } => 0,
        }
    }

    /// Longest sequence of a decoder; 0 of a tensor program.
    pub fn max_positions(&self) -> u32 {
        match self.interface {
            Interface::Decoder { max_positions, .. } => max_positions,
            Interface::Tensor { .. } => 0,
        }
    }

    /// Whether conversations can be answered.
    pub fn has_chat_template(&self) -> bool {
        self.template.is_some()
    }

    /// Whether embeddings can be made.
    pub fn has_embeddings(&self) -> bool {
        self.decoder
            .as_ref()
            .is_some_and(|decoder| decoder.hidden_width() > 0)
    }

    /// The tokenizer of a decoder.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// Ends and defaults of generations.
    pub fn generation(&self) -> &GenerationConfig {
        &self.generation
    }

    /// Whether an id ends an answer.
    pub fn is_end(&self, id: u32) -> bool {
        self.generation.end_ids.contains(&id)
    }

    /// Instruction set of the kernels.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    pub(crate) fn decoder(&self) -> Option<&Decoder> {
        self.decoder.as_ref()
    }

    /// A tensor program ready to run, with buffers of its own.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for a decoder, or a node that this engine cannot run.
    pub fn tensor_runner(&self, threads: usize) -> Result<TensorRunner, ModelError> {
        match &self.tensors {
            Some(program) => TensorRunner::new(program, self.isa, threads),
            None => Err(ModelError::Unsupported {
                node: self.name().to_owned(),
                reason: "a decoder has no named inputs".to_owned(),
            }),
        }
    }

    /// A tensor program with its weights: what inputs and outputs are encoded by.
    pub fn tensor_program(&self) -> Option<&CheckedProgram> {
        self.tensors.as_ref()
    }

    /// A prompt as text and ids. The same prompt gives the same ids, on any machine and at any time.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn prompt(&self, prompt: &Prompt) -> Result<RenderedPrompt, RequestError> {
        let tokenizer = self.tokenizer.as_ref();
        let tokenizer = tokenizer.ok_or(RequestError::NotOffered { what: "text" })?;
        let rendered = match prompt {
            Prompt::Chat(chat) => {
                let template = self.template.as_ref().ok_or(RequestError::NoTemplate)?;
                template.prompt(tokenizer, chat)?
            }
            Prompt::Text(text) => RenderedPrompt {
                text: text.clone(),
                ids: tokenizer.encode_trusted(text, self.generation.add_special)?,
            },
            Prompt::Ids(ids) => {
                self.check_ids(ids)?;
                RenderedPrompt {
                    text: tokenizer.decode(ids)?,
                    ids: ids.clone(),
                }
            }
        };
        if rendered.ids.is_empty() {
            return Err(RequestError::EmptyPrompt);
        }
        self.check_ids(&rendered.ids)?;
        Ok(rendered)
    }

    pub(crate) fn check_ids(&self, ids: &[u32]) -> Result<(), RequestError> {
        let vocabulary = self.vocabulary();
        match ids.iter().find(|id| **id >= vocabulary) {
            Some(id) => Err(RequestError::TokenId {
                id: *id,
                vocabulary,
            }),
            None => Ok(()),
        }
    }

    fn check_text(&self) -> Result<(), ModelError> {
        if self.decoder.is_none() {
            return Ok(());
        }
        let bound = self.vocabulary();
        if self.generation.end_ids.iter().any(|id| *id >= bound) {
            return Err(ModelError::malformed(
                GENERATION_PATH,
                format!("an end id is not below {bound}"),
            ));
        }
        Ok(())
    }

    /// Computes the manifest's golden example.
    ///
    /// # Errors
    /// [`ModelError::SelfTest`] if the result is another: nothing that this build computes on this machine can be believed.
    pub fn self_test(&self) -> Result<(), ModelError> {
        match (&self.manifest.golden, &self.decoder) {
            (Some(Golden::Decoder { ids, logits }), Some(decoder)) => {
                self.check_ids(ids)
                    .map_err(|e| ModelError::malformed(MANIFEST_PATH, e))?;
                if ids.is_empty() || ids.len() > decoder.max_positions() {
                    return Err(ModelError::malformed(
                        MANIFEST_PATH,
                        "the golden example does not fit",
                    ));
                }
                same(*logits, golden_logits(decoder, ids))
            }
            (Some(Golden::Tensor { inputs, outputs }), None) => {
                self.tensor_self_test(inputs, outputs)
            }
            _ => Ok(()),
        }
    }

    fn tensor_self_test(
        &self,
        inputs: &[(String, Vec<i32>)],
        outputs: &[(String, TensorDigest)],
    ) -> Result<(), ModelError> {
        let mut runner = self.tensor_runner(1)?;
        let inputs: Vec<&[i32]> = inputs
            .iter()
            .map(|(_, elements)| elements.as_slice())
            .collect();
        let computed = runner
            .run(1, &inputs)
            .map_err(|e| ModelError::malformed(MANIFEST_PATH, e))?;
        let Some(program) = &self.tensors else {
            return Ok(());
        };
        let Interface::Tensor { outputs: named, .. } = &self.interface else {
            return Ok(());
        };
        if named.len() != outputs.len() {
            return Err(ModelError::malformed(
                MANIFEST_PATH,
                "the golden example has other outputs",
            ));
        }
        for ((output, (_, expected)), elements) in named.iter().zip(outputs).zip(&computed) {
            let node = program.program().nodes.get(output.node.0 as usize);
            let shape = node
                .map(|node| node.result.shape.clone())
                .unwrap_or_default();
            same(*expected, tensor_digest(&shape, elements))?;
        }
        Ok(())
    }
}

/// Reads and checks `program.cbor`.
fn read_program(files: &ModelFiles<'_>, manifest: &Manifest) -> Result<Program, ModelError> {
    let bytes = files.read(PROGRAM_PATH, proofmark_program::MAX_PROGRAM_BYTES as u64)?;
    manifest.check_program(&program_digest(&bytes))?;
    Ok(Program::decode(&bytes)?)
}

fn read_weights(files: &ModelFiles<'_>, manifest: &Manifest) -> Result<Weights, ModelError> {
    let bytes = files.read(WEIGHTS_PATH, listed(manifest, WEIGHTS_PATH)?.size)?;
    manifest.check_weights(&weights_root(&bytes))?;
    Ok(Weights::open(bytes)?)
}

fn listed<'a>(manifest: &'a Manifest, path: &str) -> Result<&'a ModelFile, ModelError> {
    manifest
        .file(path)
        .ok_or_else(|| ModelError::malformed(MANIFEST_PATH, format!("it does not list {path}")))
}

/// What a decoder has besides its program.
#[derive(Default)]
struct TextFiles {
    tokenizer: Option<Tokenizer>,
    template: Option<ChatTemplate>,
    generation: GenerationConfig,
}

impl TextFiles {
    /// The tokenizer and `generation.json` are required of a decoder, the chat template is not.
    fn read(
        files: &ModelFiles<'_>,
        manifest: &Manifest,
        is_decoder: bool,
    ) -> Result<Self, ModelError> {
        if !is_decoder {
            return Ok(Self::default());
        }
        let read = |path: &str| {
            let file = listed(manifest, path)?;
            let bytes = files.read(path, file.size)?;
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            if digest == file.digest.0 && bytes.len() as u64 == file.size {
                Ok(bytes)
            } else {
                Err(ModelError::DigestMismatch {
                    file: path.to_owned(),
                })
            }
        };
        let generation = GenerationConfig::from_json(&read(GENERATION_PATH)?)?;
        let template = match manifest.file(TEMPLATE_PATH) {
            None => None,
            Some(_) => {
                let source = String::from_utf8(read(TEMPLATE_PATH)?)
                    .map_err(|e| ModelError::malformed(TEMPLATE_PATH, e))?;
                Some(ChatTemplate::new(
                    &source,
                    generation.special_tokens.clone(),
                )?)
            }
        };
        Ok(Self {
            tokenizer: Some(Tokenizer::from_json(&read(TOKENIZER_PATH)?)?),
            template,
            generation,
        })
    }
}

/// Digest of the logits of all rows of a sequence.
fn golden_logits(decoder: &Decoder, ids: &[u32]) -> TensorDigest {
    let logits = decoder.all_logits(&Pool::new(1), ids);
    let dimension = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    tensor_digest(
        &[dimension(ids.len()), dimension(decoder.vocabulary())],
        &logits,
    )
}

fn same(expected: TensorDigest, got: TensorDigest) -> Result<(), ModelError> {
    if expected == got {
        return Ok(());
    }
    Err(ModelError::SelfTest {
        expected: expected.to_string(),
        got: got.to_string(),
    })
}
