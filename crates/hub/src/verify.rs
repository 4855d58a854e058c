//! Files and their digests.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use proofmark_program::{
    FileDigest, Manifest, ModelFile, PROGRAM_PATH, ProgramDigest, WEIGHTS_PATH, WeightsHasher,
    WeightsRoot, program_digest, weights_root,
};
use sha2::{Digest as _, Sha256};

use crate::HubError;

/// SHA-256 of bytes.
pub fn file_digest(bytes: &[u8]) -> FileDigest {
    FileDigest(Sha256::digest(bytes).into())
}

/// Puts sizes and digests of files into a manifest: its program, its weights and its list of files.
pub fn pack(manifest: &mut Manifest, files: &[(String, Vec<u8>)]) {
    manifest.files = files
        .iter()
        .map(|(path, bytes)| ModelFile {
            path: path.clone(),
            size: bytes.len() as u64,
            digest: file_digest(bytes),
        })
        .collect();
    manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
    for (path, bytes) in files {
        match path.as_str() {
            PROGRAM_PATH => manifest.program = program_digest(bytes),
            WEIGHTS_PATH => manifest.weights = weights_root(bytes),
            _ => {}
        }
    }
}

/// Reads a file of exactly this size and hashes it; for the weights also as a tree.
pub(crate) fn hash_file(
    path: &Path,
    size: u64,
    as_weights: bool,
) -> Result<Option<Hashes>, HubError> {
    let file = File::open(path).map_err(HubError::io(path))?;
    if file.metadata().map_err(HubError::io(path))?.len() != size {
        return Ok(None);
    }
    let mut left = file.take(size.saturating_add(1));
    let mut plain = Sha256::new();
    let mut tree = as_weights.then(WeightsHasher::new);
    let mut buffer = vec![0; 1 << 20];
    let mut read_bytes: u64 = 0;
    loop {
        let count = left.read(&mut buffer).map_err(HubError::io(path))?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        read_bytes = read_bytes.saturating_add(count as u64);
        plain.update(bytes);
        if let Some(tree) = &mut tree {
            tree.update(bytes);
        }
    }
    if read_bytes != size {
        return Ok(None);
    }
    Ok(Some(Hashes {
        file: FileDigest(plain.finalize().into()),
        weights: tree.map(WeightsHasher::finish),
    }))
}

/// Digests of a file.
#[derive(Debug)]
pub(crate) struct Hashes {
    pub(crate) file: FileDigest,
    pub(crate) weights: Option<WeightsRoot>,
}

/// The digest of a program's bytes.
pub(crate) fn digest_of_program(bytes: &[u8]) -> ProgramDigest {
    program_digest(bytes)
}
