//! `proofmark model`: exact models of a data directory.

mod commit;
mod eval;
mod import;
mod questions;
mod stored;

use clap::Subcommand;
use proofmark_hub::HubError;
use proofmark_import::ImportError;

use crate::error::{CommandError, CommandResult};
use crate::ui::Ui;

/// Subcommands of `proofmark model`.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Make an exact model of a float one: a Hugging Face directory, a GGUF or an ONNX file.
    Import(import::Import),
    /// The exact models of the data directory.
    List(stored::List),
    /// What a model is made of, and what its import lost.
    Show(stored::Show),
    /// Read every byte of a model, compare with its digest, and compute its golden example.
    Verify(stored::Verify),
    /// Remove a name, and the model with its last name.
    Rm(stored::Rm),
    /// Measure a model on held-out text, or by questions.
    Eval(eval::Eval),
    /// Compute the commitment to a model's weights that proofs name, and sign and publish it.
    Commit(commit::Commit),
    /// Compute the commitment that somebody else signed again, and sign what comes out.
    Recommit(commit::Recommit),
}

impl Model {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Import(command) => command.json,
            Self::List(command) => command.json,
            Self::Show(command) => command.json,
            Self::Verify(command) => command.json,
            Self::Rm(_) => false,
            Self::Eval(command) => command.json,
            Self::Commit(command) => command.wants_json(),
            Self::Recommit(command) => command.wants_json(),
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Import(command) => command.run(ui),
            Self::List(command) => command.run(ui),
            Self::Show(command) => command.run(ui),
            Self::Verify(command) => command.run(ui),
            Self::Rm(command) => command.run(ui),
            Self::Eval(command) => command.run(ui),
            Self::Commit(command) => command.run(ui),
            Self::Recommit(command) => command.run(ui),
        }
    }
}

impl From<HubError> for CommandError {
    fn from(error: HubError) -> Self {
        let code = error.code();
        let what = error.to_string();
        let hint = match &error {
            HubError::NotFound { .. } => Some("see what is there: proofmark model list"),
            HubError::NameTaken { .. } => {
                Some("give another --name, or remove that one: proofmark model rm NAME")
            }
            HubError::Ambiguous { .. } => Some("give more digits of the digest"),
            HubError::Stray { .. } => {
                Some("remove the file, or the model: proofmark model rm DIGEST")
            }
            _ => None,
        };
        let command_error = match error.kind() {
            proofmark_hub::ErrorKind::Malformed => Self::usage(what),
            proofmark_hub::ErrorKind::Rejected => Self::rejected(what),
            proofmark_hub::ErrorKind::Unavailable => Self::could_not_check(what),
        };
        let command_error = command_error.code(code).because(error);
        match hint {
            Some(hint) => command_error.hint(hint),
            None => command_error,
        }
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        let code = error.code();
        let what = error.to_string();
        // A source is named on the command line: that it cannot be used is the caller's to change.
        Self::usage(what).code(code).because(error)
    }
}
