//! `proofmark log prove`.

use std::path::PathBuf;

use clap::Args;
use proofmark_tlog::{TileError, TlogProof, inclusion_proof, leaf_hash, verify_inclusion};

use super::source::LogArgs;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::ui::{GOOD, Ui};

/// Arguments of `proofmark log prove`.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// Index of the entry, from 0.
    index: u64,
    #[command(flatten)]
    log: LogArgs,
    /// Write the proof into this file instead of the standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Prove {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let source = self.log.open()?;
        let checkpoint = source.verified_checkpoint()?;
        let entry = source.files.entry(self.index, checkpoint.size())?;
        let hashes = inclusion_proof(checkpoint.size(), self.index, &mut |tile| {
            source.files.tile(tile)
        })
        .map_err(unreadable)?;
        let leaf = leaf_hash(&entry);
        verify_inclusion(
            self.index,
            checkpoint.size(),
            &leaf,
            checkpoint.root(),
            &hashes,
        )
        .map_err(|error| {
            CommandError::rejected("the entry does not lead to the root of the checkpoint")
                .code(error.code())
                .because(error)
                .hint("keep a copy of the files: they are evidence against the log or its mirror")
        })?;
        let proof =
            TlogProof::new(self.index, hashes, checkpoint.note().clone()).map_err(|error| {
                CommandError::internal("the proof cannot be put together").because(error)
            })?;
        match &self.out {
            None => ui.print_bytes(proof.encode().as_bytes())?,
            Some(path) => {
                files::replace(path, proof.encode().as_bytes(), 0o644)?;
                let size = checkpoint.size();
                writeln!(
                    ui.out(),
                    "{GOOD}✔{GOOD:#} entry {} of {size} is in the log; proof in {}",
                    self.index,
                    path.display()
                )?;
            }
        }
        Ok(ExitStatus::OK)
    }
}

/// The error of the files where they were the problem, that of the tiles otherwise.
pub(super) fn unreadable(error: TileError<CommandError>) -> CommandError {
    match error {
        TileError::Read { source, .. } => source,
        other => {
            let what = match &other {
                TileError::Length { tile, .. } => format!("{tile} is damaged"),
                _ => "the tree cannot be read".to_owned(),
            };
            CommandError::rejected(what).code(other.code())
        }
    }
}
