//! Where the files of a model are, for whoever needs them beside the engine.

use std::path::PathBuf;
use std::{fs, io};

use proofmark_engine::MANIFEST_PATH;
use proofmark_program::{PROGRAM_PATH, WEIGHTS_PATH};

/// Where the files of a model are. An engine keeps weights in its own layout only; proofs read the files again.
///
/// Trust: nobody needs to be trusted with them: what is read is checked against the manifest, and that against the closure.
#[derive(Debug, Clone)]
pub enum ModelOrigin {
    /// In a directory.
    Directory(PathBuf),
    /// In memory, by their paths.
    Inside(&'static [(&'static str, &'static [u8])]),
}

/// What a proof reads of a model.
pub(crate) struct ProvenFiles {
    pub(crate) manifest: Vec<u8>,
    pub(crate) program: Vec<u8>,
    pub(crate) weights: Vec<u8>,
}

impl ModelOrigin {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self {
            Self::Directory(directory) => fs::read(directory.join(path)),
            Self::Inside(files) => files
                .iter()
                .find(|(of, _)| *of == path)
                .map(|(_, bytes)| bytes.to_vec())
                .ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    /// Reads what a proof needs.
    pub(crate) fn proven_files(&self) -> io::Result<ProvenFiles> {
        Ok(ProvenFiles {
            manifest: self.read(MANIFEST_PATH)?,
            program: self.read(PROGRAM_PATH)?,
            weights: self.read(WEIGHTS_PATH)?,
        })
    }
}
