//! `proofmark audit commit` and `audit reveal`: an auditor's part in a round whose randomness nobody of it chooses.
//!
//! Trust: whoever reads the secrets before the population is fixed knows a part of the coins.

use std::path::{Path, PathBuf};

use clap::Args;
use proofmark_confidence::audit::{Commitment, Reveal, commitment};
use proofmark_receipt::{RegistryKind, RegistryLeaf};
use serde_json::json;

use super::beacon::{Committed, Revealed};
use crate::commands::replay::signer;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::hex::{hex, hex32};
use crate::host::append_leaf;
use crate::ui::Ui;

/// Arguments of `proofmark audit commit`.
#[derive(Debug, Args)]
pub(crate) struct Commit {
    /// Data directory of the auditor: node key and secrets. Made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `proofmark audit reveal`.
#[derive(Debug, Args)]
pub(crate) struct RevealCommand {
    /// The commitment, as `audit commit` printed it. Reveal it once the population is fixed, not before.
    #[arg(value_name = "KID:DIGEST")]
    commitment: Committed,
    /// Data directory of the auditor.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn secret_path(data: &Path, digest: &[u8; 32]) -> PathBuf {
    data.join("audits")
        .join("secrets")
        .join(format!("{}.secret", hex(digest)))
}

impl Commit {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let text = self.make()?.to_string();
        if self.json {
            ui.print_json(&json!({ "commitment": text }))?;
        } else {
            writeln!(ui.out(), "{text}")?;
        }
        Ok(ExitStatus::OK)
    }

    /// Draws a secret, keeps it, and says publicly what its digest is.
    pub(super) fn make(&self) -> Result<Committed, CommandError> {
        let kid = *signer(&self.data)?.key.public().kid().as_bytes();
        let mut secret = [0_u8; 32];
        getrandom::fill(&mut secret).map_err(|error| {
            CommandError::internal("no random numbers").because(error.to_string())
        })?;
        let digest = commitment(&kid, &secret);
        let path = secret_path(&self.data, &digest);
        files::replace(&path, hex(&secret).as_bytes(), 0o600)?;
        // In the auditor's own registry log its witnesses say when it was there.
        let leaf = RegistryLeaf {
            kind: RegistryKind::Other("audit-commitment".into()),
            statement: [kid, digest].concat(),
        };
        append_leaf(&self.data, &leaf)?;
        Ok(Committed(Commitment { kid, digest }))
    }
}

impl RevealCommand {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let text = self.open()?.to_string();
        if self.json {
            ui.print_json(&json!({ "reveal": text }))?;
        } else {
            writeln!(ui.out(), "{text}")?;
        }
        Ok(ExitStatus::OK)
    }

    /// The secret that was committed to.
    pub(super) fn open(&self) -> Result<Revealed, CommandError> {
        let Committed(Commitment { kid, digest }) = self.commitment;
        let text = files::read_text(&secret_path(&self.data, &digest), 64)?;
        let secret = hex32(text.trim()).filter(|secret| commitment(&kid, secret) == digest);
        let secret = secret.ok_or_else(|| CommandError::internal("the secret is damaged"))?;
        Ok(Revealed(Reveal { kid, secret }))
    }
}
