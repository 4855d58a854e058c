//! Errors: of opening a model, and of asking one.

use std::path::PathBuf;

/// Why a model was not opened, or an engine not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be read. Nothing is known of the model.
    #[error("{path}: {source}")]
    Unavailable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the model is not what its name says.
    #[error("{file}: {reason}")]
    Malformed {
        /// Path in the model directory.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A file is not the one that the manifest names (`program.digest-mismatch`).
    #[error("{file} is not the file that the manifest names")]
    DigestMismatch {
        /// Path in the model directory.
        file: String,
    },
    /// The program, its weights or its manifest are malformed, leave their ranges, or are not those that belong together.
    #[error(transparent)]
    Program(#[from] proofmark_program::ProgramError),
    /// The program asks for something that this engine cannot run.
    #[error("node {node}: {reason}")]
    Unsupported {
        /// Name of the node.
        node: String,
        /// What is not supported.
        reason: String,
    },
    /// More memory is needed than is allowed. Nothing was allocated.
    #[error("{needed} bytes of memory are needed, {limit} are allowed")]
    Memory {
        /// Bytes that weights, scratch and one sequence need.
        needed: u64,
        /// Bytes that the options allow.
        limit: u64,
    },
    /// The model does not compute what its manifest says that it computes on the golden input: this build or this machine is broken.
    #[error("the self-test computed {got}, the manifest says {expected}")]
    SelfTest {
        /// Digest in the manifest, in hexadecimal.
        expected: String,
        /// Digest of what was computed, in hexadecimal.
        got: String,
    },
    /// The operating system gave no thread.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl ModelError {
    pub(crate) fn malformed(file: &str, reason: impl core::fmt::Display) -> Self {
        Self::Malformed {
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// Why a request was not answered, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Messages or tools are not the JSON that they have to be. The caller's fault.
    #[error("{what}: {reason}")]
    Malformed {
        /// `messages`, `tools`, ….
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The model's chat template refuses these messages, with its own words.
    #[error("the chat template refuses: {message}")]
    TemplateRefused {
        /// What the template raised.
        message: String,
    },
    /// The chat template failed, or did more work than is allowed.
    #[error("the chat template failed: {message}")]
    TemplateFailed {
        /// What went wrong, and where.
        message: String,
    },
    /// The model has no chat template.
    #[error("the model has no chat template: it completes text")]
    NoTemplate,
    /// A message holds the text of a control token in a place where it cannot be told from the template's own.
    #[error("a message contains {token:?}, which cannot be kept apart from the template's own")]
    ControlToken {
        /// Text of the token.
        token: String,
    },
    /// The text could not be encoded.
    #[error("the tokenizer failed: {message}")]
    Tokenizer {
        /// Why.
        message: String,
    },
    /// An id is not in the vocabulary.
    #[error("token id {id} is not below {vocabulary}")]
    TokenId {
        /// The id.
        id: u32,
        /// Ids are below this.
        vocabulary: u32,
    },
    /// There is nothing to continue.
    #[error("the prompt has no tokens")]
    EmptyPrompt,
    /// Prompt and answer do not fit. Nothing was cut off, nothing was run.
    #[error(
        "the prompt has {prompt} tokens and at most {max_tokens} were asked for, {positions} fit"
    )]
    ContextTooLong {
        /// Tokens of the prompt.
        prompt: u64,
        /// Tokens that the request asks for at most.
        max_tokens: u64,
        /// Positions of the model, or fewer where memory allows fewer.
        positions: u64,
    },
    /// A parameter is out of its bounds.
    #[error("{name}: {reason}")]
    Parameter {
        /// Name in the API.
        name: &'static str,
        /// Which bound.
        reason: String,
    },
    /// An input of a tensor program is not one that it takes. The caller's fault.
    #[error("input {name:?}: {reason}")]
    Input {
        /// The input, as the caller or the program names it.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The model cannot do this at all, such as embeddings without a hidden node.
    #[error("this model does not offer {what}")]
    NotOffered {
        /// What was asked for.
        what: &'static str,
    },
    /// As many requests wait as may wait. Ask again later.
    #[error("{waiting} requests are waiting already")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// The engine was shut down.
    #[error("the engine has stopped")]
    Stopped,
}
