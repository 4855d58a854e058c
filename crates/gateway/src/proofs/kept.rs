//! Proofs on the disk, sealed under their receipts' content keys (specs/03-http.md §6.3).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use proofmark_receipt::{ProofEvidence, ReceiptId, Salts};

use crate::ambient::Entropy;
use crate::store::{open_proof, seal_proof};

/// Largest file that is read: a bundle carries no larger proof.
const MAX_BYTES: u64 = proofmark_receipt::BUNDLE_MAX_BYTES as u64;

/// A directory with one file for each proof.
#[derive(Debug, Clone)]
pub struct KeptProofs {
    directory: PathBuf,
}

impl KeptProofs {
    /// Proofs in this directory, which is made when the first one is kept.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn path(&self, id: &ReceiptId) -> PathBuf {
        self.directory.join(format!("{id}.proof"))
    }

    /// Seals and keeps a proof: whole, or not at all.
    pub(crate) fn keep(
        &self,
        id: &ReceiptId,
        evidence: &[u8],
        salts: &Salts,
        entropy: &dyn Entropy,
    ) -> io::Result<()> {
        let mut nonce = [0; 12];
        entropy.fill(&mut nonce).map_err(io::Error::other)?;
        let sealed = seal_proof(evidence, salts, id, nonce)
            .ok_or_else(|| io::Error::other("a proof that cannot be sealed"))?;
        fs::create_dir_all(&self.directory)?;
        let (path, unfinished) = (self.path(id), self.directory.join(format!(".{id}")));
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(&sealed)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    }

    /// Whether there is a proof; nothing is read.
    pub(crate) fn has(&self, id: &ReceiptId) -> bool {
        self.path(id).is_file()
    }

    /// The proof, if there is one that was sealed for this receipt under its secret.
    pub(crate) fn read(&self, id: &ReceiptId, salts: &Salts) -> Option<ProofEvidence> {
        let path = self.path(id);
        let length = fs::metadata(&path).ok()?.len();
        if length > MAX_BYTES {
            return None;
        }
        let sealed = fs::read(&path).ok()?;
        let evidence = open_proof(&sealed, salts, id).ok()?;
        ProofEvidence::decode(&evidence).ok()
    }

    /// Removes a proof.
    pub(crate) fn remove(&self, id: &ReceiptId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}
