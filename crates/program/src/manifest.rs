//! The manifest: what belongs to a model, and the digest that names it (§6.3).

use alloc::string::String;
use alloc::vec::Vec;

use proofmark_receipt::cbor::{Decoder, Encoder, MapReader};

use crate::digest::{CLOSURE_DOMAIN, FileDigest, sha256};
use crate::{ClosureDigest, ProgramDigest, ProgramError, TensorDigest, WeightsRoot};

/// Key 0 of a manifest.
pub const MANIFEST_PROFILE: &str = "proofmark:model:draft-1";
/// Largest manifest in bytes.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;
/// Path of the program in a model's directory.
pub const PROGRAM_PATH: &str = "program.cbor";
/// Path of the weights in a model's directory.
pub const WEIGHTS_PATH: &str = "weights.safetensors";
const MAX_FILES: usize = 256;
const MAX_PATH_BYTES: usize = 256;
const MAX_ENTRIES: usize = 4_096;

/// A model, whole: everything that decides about its answers, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// For people; 1 to 256 bytes.
    pub name: String,
    /// Digest of `program.cbor`.
    pub program: ProgramDigest,
    /// Root of `weights.safetensors`.
    pub weights: WeightsRoot,
    /// All files, in ascending order of their paths.
    pub files: Vec<ModelFile>,
    /// What was imported.
    pub source: Source,
    /// How it was imported: enough to do it again.
    pub recipe: Facts,
    /// What the import lost.
    pub loss: Option<Facts>,
    /// An input with the digest of its output: a machine that gets another one is not exact.
    pub golden: Option<Golden>,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Relative, with slashes; parts have letters, digits, dots, underscores and hyphens, and do not begin with a dot.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub digest: FileDigest,
}

/// Where a program comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Such as `safetensors`, `gguf`, `onnx`.
    pub format: String,
    /// SHA-256 over the list of the float model's files.
    pub digest: FileDigest,
    /// For people, such as a repository and its revision; may be empty.
    pub text: String,
}

/// Names with texts or integers, in ascending order of the names.
pub type Facts = Vec<(String, Fact)>;

/// A text or an integer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A text of at most 4,096 bytes.
    Text(String),
    /// An integer.
    Integer(i64),
}

/// An input and the digest of its output (§6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Golden {
    /// Token ids, and the digest of the logits of all rows.
    Decoder {
        /// Ids.
        ids: Vec<u32>,
        /// Digest of `[ids, vocabulary]`.
        logits: TensorDigest,
    },
    /// Named inputs and digests of named outputs, in the program's order.
    Tensor {
        /// Elements of each input.
        inputs: Vec<(String, Vec<i32>)>,
        /// Digest of each output.
        outputs: Vec<(String, TensorDigest)>,
    },
}

impl Manifest {
    /// The file. Fails for a manifest that [`Manifest::decode`] would not read.
    pub fn encode(&self) -> Result<Vec<u8>, ProgramError> {
        self.check()?;
        let mut e = Encoder::new();
        let optional = [self.loss.is_some(), self.golden.is_some()];
        e.map(
            optional
                .into_iter()
                .filter(|there| *there)
                .count()
                .saturating_add(7),
        );
        e.uint(0).text(MANIFEST_PROFILE);
        e.uint(1).text(&self.name);
        e.uint(2).bytes(&self.program.0);
        e.uint(3).bytes(&self.weights.0);
        e.uint(4).array(self.files.len());
        for file in &self.files {
            e.array(3)
                .text(&file.path)
                .uint(file.size)
                .bytes(&file.digest.0);
        }
        let source = &self.source;
        e.uint(5)
            .array(3)
            .text(&source.format)
            .bytes(&source.digest.0)
            .text(&source.text);
        e.uint(6);
        write_facts(&self.recipe, &mut e);
        if let Some(loss) = &self.loss {
            e.uint(7);
            write_facts(loss, &mut e);
        }
        if let Some(golden) = &self.golden {
            e.uint(8);
            write_golden(golden, &mut e);
        }
        let file = e.into_bytes();
        within(file.len())?;
        Ok(file)
    }

    /// Reads a file, canonical bytes only.
    pub fn decode(file: &[u8]) -> Result<Self, ProgramError> {
        within(file.len())?;
        let mut d = Decoder::new(file);
        let mut map = d.map()?;
        let mut next = Keys {
            d: &mut d,
            map: &mut map,
        };
        let profile = next.required(0, |d| Ok(d.text()?))?;
        if profile != MANIFEST_PROFILE {
            return Err(ProgramError::VersionUnknown {
                got: profile.into(),
            });
        }
        let name = next.required(1, |d| Ok(d.text()?.into()))?;
        let program = ProgramDigest(next.required(2, |d| Ok(d.array_of()?))?);
        let weights = WeightsRoot(next.required(3, |d| Ok(d.array_of()?))?);
        let files = next.required(4, read_files)?;
        let source = next.required(5, |d| {
            d.array_exact(3)?;
            Ok(Source {
                format: d.text()?.into(),
                digest: FileDigest(d.array_of()?),
                text: d.text()?.into(),
            })
        })?;
        let recipe = next.required(6, read_facts)?;
        let mut manifest = Self {
            name,
            program,
            weights,
            files,
            source,
            recipe,
            loss: None,
            golden: None,
        };
        while let Some(key) = d.next_key(&mut map)? {
            match key {
                7 => manifest.loss = Some(read_facts(&mut d)?),
                8 => manifest.golden = Some(read_golden(&mut d)?),
                _ => return Err(d.malformed("a key of a manifest").into()),
            }
        }
        d.finish()?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The closure digest: it names the model, whole.
    pub fn closure_digest(&self) -> Result<ClosureDigest, ProgramError> {
        Ok(closure_digest(&self.encode()?))
    }

    /// The entry of a path.
    pub fn file(&self, path: &str) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Checks that a file of the model has the size and the SHA-256 that the manifest names.
    pub fn check_file(
        &self,
        path: &str,
        size: u64,
        digest: &FileDigest,
    ) -> Result<(), ProgramError> {
        match self.file(path) {
            Some(file) if file.size == size && file.digest == *digest => Ok(()),
            _ => Err(ProgramError::DigestMismatch { path: path.into() }),
        }
    }

    /// Checks the digest of `program.cbor`.
    pub fn check_program(&self, digest: &ProgramDigest) -> Result<(), ProgramError> {
        if self.program == *digest {
            return Ok(());
        }
        Err(ProgramError::DigestMismatch {
            path: PROGRAM_PATH.into(),
        })
    }

    /// Checks the root of `weights.safetensors`.
    pub fn check_weights(&self, root: &WeightsRoot) -> Result<(), ProgramError> {
        if self.weights == *root {
            return Ok(());
        }
        Err(ProgramError::DigestMismatch {
            path: WEIGHTS_PATH.into(),
        })
    }

    fn check(&self) -> Result<(), ProgramError> {
        let fault = |what| Err(ProgramError::Program { what });
        if !(1..=256).contains(&self.name.len()) || !(1..=64).contains(&self.source.format.len()) {
            return fault("a manifest's name has 1 to 256 bytes, its format 1 to 64");
        }
        if self.files.len() > MAX_FILES || !self.files.iter().all(|file| is_path(&file.path)) {
            return fault("a manifest has at most 256 files, each with a relative path");
        }
        if !self.files.is_sorted_by(|a, b| a.path < b.path) {
            return fault("a manifest's paths are not in ascending order");
        }
        if self.file(PROGRAM_PATH).is_none() || self.file(WEIGHTS_PATH).is_none() {
            return fault("a manifest without program.cbor or weights.safetensors");
        }
        for facts in [Some(&self.recipe), self.loss.as_ref()]
            .into_iter()
            .flatten()
        {
            let short = |text: &str, least| (least..=4096).contains(&text.len());
            let fine = |(name, fact): &(String, Fact)| {
                short(name, 1) && !matches!(fact, Fact::Text(text) if !short(text, 0))
            };
            let ascending = facts.is_sorted_by(|a, b| a.0 < b.0);
            if facts.len() > MAX_ENTRIES || !ascending || !facts.iter().all(fine) {
                return fault("a manifest's facts are out of order or out of bounds");
            }
        }
        Ok(())
    }
}

/// Closure digest of a manifest's bytes (§6.3).
pub fn closure_digest(file: &[u8]) -> ClosureDigest {
    ClosureDigest(sha256(&[CLOSURE_DOMAIN, file]))
}

/// Whether a path stays below the model's directory on every system.
fn is_path(path: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && part.bytes().all(allowed)
    };
    path.len() <= MAX_PATH_BYTES && path.split('/').all(part)
}

fn within(bytes: usize) -> Result<(), ProgramError> {
    if bytes <= MAX_MANIFEST_BYTES {
        return Ok(());
    }
    Err(ProgramError::TooLarge {
        what: "bytes of a manifest",
        limit: MAX_MANIFEST_BYTES as u64,
        got: bytes as u64,
    })
}

struct Keys<'k, 'a> {
    d: &'k mut Decoder<'a>,
    map: &'k mut MapReader<'a>,
}

impl<'a> Keys<'_, 'a> {
    fn required<T>(
        &mut self,
        key: i64,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, ProgramError>,
    ) -> Result<T, ProgramError> {
        let at = self.d.clone();
        if self.d.next_key(self.map)? != Some(key) {
            return Err(at.malformed("the next key of a manifest").into());
        }
        read(self.d)
    }
}

fn read_files(d: &mut Decoder<'_>) -> Result<Vec<ModelFile>, ProgramError> {
    Ok(d.list(|d| {
        d.array_exact(3)?;
        Ok(ModelFile {
            path: d.text()?.into(),
            size: d.uint()?,
            digest: FileDigest(d.array_of()?),
        })
    })?)
}

fn write_facts(facts: &Facts, e: &mut Encoder) {
    e.array(facts.len());
    for (name, fact) in facts {
        e.array(2).text(name);
        match fact {
            Fact::Text(text) => e.text(text),
            Fact::Integer(integer) => e.int(*integer),
        };
    }
}

fn read_facts(d: &mut Decoder<'_>) -> Result<Facts, ProgramError> {
    Ok(d.list(|d| {
        d.array_exact(2)?;
        let name = d.text()?.into();
        let fact = if d.peek_text() {
            Fact::Text(d.text()?.into())
        } else {
            Fact::Integer(d.int()?)
        };
        Ok((name, fact))
    })?)
}

fn write_golden(golden: &Golden, e: &mut Encoder) {
    match golden {
        Golden::Decoder { ids, logits } => {
            e.array(3).uint(0).array(ids.len());
            for id in ids {
                e.uint(u64::from(*id));
            }
            e.bytes(&logits.0);
        }
        Golden::Tensor { inputs, outputs } => {
            e.array(3).uint(1).array(inputs.len());
            for (name, elements) in inputs {
                let bytes: Vec<u8> = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
                e.array(2).text(name).bytes(&bytes);
            }
            e.array(outputs.len());
            for (name, digest) in outputs {
                e.array(2).text(name).bytes(&digest.0);
            }
        }
    }
}

fn read_golden(d: &mut Decoder<'_>) -> Result<Golden, ProgramError> {
    d.array_exact(3)?;
    if d.uint_max(1, "a kind of program")? == 0 {
        let ids = d.list(Decoder::u32)?;
        return Ok(Golden::Decoder {
            ids,
            logits: TensorDigest(d.array_of()?),
        });
    }
    let inputs = d.list(|d| {
        d.array_exact(2)?;
        let name = d.text()?.into();
        let error = d.malformed("little-endian 32-bit integers");
        let bytes = d.bytes()?;
        if !bytes.len().is_multiple_of(4) {
            return Err(error);
        }
        let words = bytes.chunks_exact(4).filter_map(|b| b.try_into().ok());
        Ok((name, words.map(i32::from_le_bytes).collect()))
    })?;
    let outputs = d.list(|d| {
        d.array_exact(2)?;
        Ok((d.text()?.into(), TensorDigest(d.array_of()?)))
    })?;
    Ok(Golden::Tensor { inputs, outputs })
}
