//! The header and the tensors' places. Nothing is allocated before the file was found to have as many bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use super::FORMAT;
use super::blocks::BlockType;
use super::metadata::{Metadata, Value};
use crate::ImportError;
use crate::files::Pieces;
use crate::tensors::{FloatTensor, TensorStore, count_elements};

const KEYS_MAX: u64 = 65_536;
const TENSORS_MAX: u64 = 65_536;
const NAME_MAX_BYTES: u64 = 65_536;
const TEXT_MAX_BYTES: u64 = 16 << 20;
const LIST_MAX: u64 = 4 << 20;
const DIMENSIONS_MAX: u32 = 8;
const ALIGNMENT: u64 = 32;

#[derive(Debug)]
struct Place {
    block: BlockType,
    /// Row-major: the file's order, reversed.
    shape: Vec<u64>,
    at: u64,
    bytes: u64,
}

/// A GGUF file whose header was read.
#[derive(Debug)]
pub(crate) struct GgufFile {
    pieces: Pieces,
    tensors: BTreeMap<String, Place>,
}

impl GgufFile {
    pub(crate) fn open(path: &Path) -> Result<(Self, Metadata), ImportError> {
        let pieces = Pieces::open(path)?;
        let file = File::open(path).map_err(|source| ImportError::io(path, source))?;
        let mut header = Header {
            path,
            reader: BufReader::with_capacity(1 << 16, file),
            at: 0,
            length: pieces.length(),
        };
        if header.array::<4>()? != *b"GGUF" {
            return Err(header.malformed("not a GGUF file"));
        }
        let version = header.u32()?;
        if !(2..=3).contains(&version) {
            return Err(ImportError::unsupported(
                format!("GGUF version {version}"),
                path.display().to_string(),
            ));
        }
        let tensors = header.count("tensors", TENSORS_MAX)?;
        let keys = header.count("keys", KEYS_MAX)?;
        let mut metadata = Metadata::default();
        for _ in 0..keys {
            let key = header.text(NAME_MAX_BYTES)?;
            let kind = header.u32()?;
            let value = header.value(kind)?;
            if metadata.0.insert(key, value).is_some() {
                return Err(header.malformed("a key stands twice"));
            }
        }
        let mut places = BTreeMap::new();
        for _ in 0..tensors {
            let (name, place) = header.tensor()?;
            if places.insert(name, place).is_some() {
                return Err(header.malformed("a tensor stands twice"));
            }
        }
        let alignment = match metadata.integer("general.alignment") {
            None => ALIGNMENT,
            Some(n) => u64::try_from(n)
                .ok()
                .filter(|n| n.is_power_of_two() && *n <= 1 << 20)
                .ok_or_else(|| header.malformed("an alignment that is not one"))?,
        };
        let start = header.at.next_multiple_of(alignment);
        for (name, place) in &mut places {
            let at = start.checked_add(place.at);
            let fits = at.and_then(|at| at.checked_add(place.bytes));
            match (at, fits) {
                (Some(at), Some(end)) if end <= pieces.length() => place.at = at,
                _ => {
                    return Err(ImportError::malformed(
                        FORMAT,
                        "data beyond the file's end",
                        name,
                    ));
                }
            }
        }
        let file = Self {
            pieces,
            tensors: places,
        };
        Ok((file, metadata))
    }
}

struct Header<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    at: u64,
    length: u64,
}

impl Header<'_> {
    fn malformed(&self, what: &str) -> ImportError {
        ImportError::malformed(FORMAT, what, format!("byte {}", self.at))
    }

    fn left(&self) -> u64 {
        self.length.saturating_sub(self.at)
    }

    fn bytes(&mut self, count: u64, limit: u64) -> Result<Vec<u8>, ImportError> {
        if count > self.left() || count > limit {
            return Err(self.malformed("a length beyond the file's end or beyond all bounds"));
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
        self.reader
            .read_exact(&mut bytes)
            .map_err(|source| ImportError::io(self.path, source))?;
        self.at += count;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImportError> {
        if N as u64 > self.left() {
            return Err(self.malformed("the end of the file"));
        }
        let mut bytes = [0; N];
        self.reader
            .read_exact(&mut bytes)
            .map_err(|source| ImportError::io(self.path, source))?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, ImportError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ImportError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn count(&mut self, what: &'static str, limit: u64) -> Result<u64, ImportError> {
        let got = self.u64()?;
        if got > limit {
            return Err(ImportError::TooLarge {
                what,
                at: self.path.display().to_string(),
                got,
                limit,
            });
        }
        Ok(got)
    }

    fn text(&mut self, limit: u64) -> Result<String, ImportError> {
        let length = self.u64()?;
        let bytes = self.bytes(length, limit)?;
        // Vocabularies have tokens that are no UTF-8 by themselves in no known converter; damaged ones are shown as such.
        String::from_utf8(bytes).map_err(|_| self.malformed("a text that is not UTF-8"))
    }

    fn value(&mut self, kind: u32) -> Result<Value, ImportError> {
        Ok(match kind {
            0 => Value::Integer(i128::from(self.array::<1>()?[0])),
            1 => Value::Integer(i128::from(i8::from_le_bytes(self.array()?))),
            2 => Value::Integer(i128::from(u16::from_le_bytes(self.array()?))),
            3 => Value::Integer(i128::from(i16::from_le_bytes(self.array()?))),
            4 => Value::Integer(i128::from(self.u32()?)),
            5 => Value::Integer(i128::from(i32::from_le_bytes(self.array()?))),
            6 => Value::Number(f64::from(f32::from_le_bytes(self.array()?))),
            7 => Value::Flag(self.array::<1>()?[0] != 0),
            8 => Value::Text(self.text(TEXT_MAX_BYTES)?),
            9 => self.list()?,
            10 => Value::Integer(i128::from(self.u64()?)),
            11 => Value::Integer(i128::from(i64::from_le_bytes(self.array()?))),
            12 => Value::Number(f64::from_le_bytes(self.array()?)),
            _ => return Err(self.malformed("a value of an unknown type")),
        })
    }

    fn list(&mut self) -> Result<Value, ImportError> {
        let kind = self.u32()?;
        let count = self.count("elements", LIST_MAX)?;
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10 | 11 | 12 => 8,
            _ => return Err(self.malformed("a list of lists or of an unknown type")),
        };
        if count * width > self.left() {
            return Err(self.malformed("a list beyond the file's end"));
        }
        match kind {
            8 => (0..count)
                .map(|_| self.text(TEXT_MAX_BYTES))
                .collect::<Result<_, _>>()
                .map(Value::Texts),
            6 | 12 => (0..count)
                .map(|_| match self.value(kind)? {
                    Value::Number(number) => Ok(number as f32),
                    _ => Err(self.malformed("a number")),
                })
                .collect::<Result<_, _>>()
                .map(Value::Numbers),
            _ => (0..count)
                .map(|_| match self.value(kind)? {
                    Value::Integer(integer) => i64::try_from(integer)
                        .map_err(|_| self.malformed("an integer beyond 63 bits")),
                    Value::Flag(flag) => Ok(i64::from(flag)),
                    _ => Err(self.malformed("an integer")),
                })
                .collect::<Result<_, _>>()
                .map(Value::Integers),
        }
    }

    fn tensor(&mut self) -> Result<(String, Place), ImportError> {
        let name = self.text(NAME_MAX_BYTES)?;
        let dimensions = self.u32()?;
        if dimensions > DIMENSIONS_MAX {
            return Err(self.malformed("a tensor with too many dimensions"));
        }
        let mut shape = (0..dimensions)
            .map(|_| self.u64())
            .collect::<Result<Vec<u64>, _>>()?;
        shape.reverse();
        let kind = self.u32()?;
        let block = BlockType::parse(kind)
            .ok_or_else(|| ImportError::unsupported(format!("element type {kind}"), &name))?;
        let elements = count_elements(&shape, &name)?;
        let width = shape.last().copied().unwrap_or(1);
        if !width.is_multiple_of(block.elements()) {
            return Err(ImportError::malformed(
                FORMAT,
                "rows are no whole blocks",
                name,
            ));
        }
        let place = Place {
            bytes: elements / block.elements() * block.bytes(),
            block,
            shape,
            at: self.u64()?,
        };
        Ok((name, place))
    }
}

impl TensorStore for GgufFile {
    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<u64>> {
        self.tensors.get(name).map(|place| place.shape.clone())
    }

    fn tensor(&self, name: &str) -> Result<Option<FloatTensor>, ImportError> {
        let Some(place) = self.tensors.get(name) else {
            return Ok(None);
        };
        let bytes = self.pieces.read(place.at, place.bytes)?;
        Ok(Some(FloatTensor {
            shape: place.shape.clone(),
            data: place.block.decode(&bytes),
        }))
    }
}
