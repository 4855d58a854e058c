//! `proofmark audit attach`.

use std::path::PathBuf;

use clap::Args;
use proofmark_receipt::{
    AuditEvidence, BUNDLE_MAX_BYTES, Bundle, STATEMENT_MAX_BYTES, SignedReceipt,
};

use crate::error::{CommandResult, ExitStatus};
use crate::files;
use crate::ui::Ui;

/// Arguments of `proofmark audit attach`.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The statement, as `audit run` wrote it.
    statement: PathBuf,
    /// Bundles of receipts in the range that was audited; they are written anew.
    #[arg(required = true)]
    bundles: Vec<PathBuf>,
}

impl Attach {
    pub(crate) fn run(self, _: &mut Ui) -> CommandResult {
        // Statement and key statement.
        let evidence =
            AuditEvidence::decode(&files::read(&self.statement, 2 * STATEMENT_MAX_BYTES + 64)?)?;
        for path in &self.bundles {
            let mut bundle = Bundle::decode(&files::read(path, BUNDLE_MAX_BYTES)?)?;
            let receipt = SignedReceipt::decode(&bundle.receipt)?;
            let attached = evidence.attach(receipt.claims().id, receipt.digest());
            if !bundle.evidence.contains(&attached) {
                bundle.evidence.push(attached);
            }
            files::replace(path, &bundle.encode(), 0o600)?;
        }
        Ok(ExitStatus::OK)
    }
}
