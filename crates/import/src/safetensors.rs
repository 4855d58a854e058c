//! Safetensors files with floats: a strict reader. The header may not claim what the file does not have, tensors cover the data
//! without overlap or gap, and names are unique.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::ImportError;
use crate::files::Pieces;
use crate::tensors::{FloatTensor, TensorStore, bfloat_to_f32, count_elements, half_to_f32};

const FORMAT: &str = "safetensors";
/// Longest header: the bound of the format's own implementation is 100 MB.
const HEADER_MAX_BYTES: u64 = 64 << 20;
const TENSORS_MAX: usize = 65_536;
const RANK_MAX: usize = 8;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The header: tensors by name, `__metadata__` passed over.
#[derive(Debug, Default)]
struct Header(BTreeMap<String, Entry>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<BTreeMap<String, String>>()?;
                        continue;
                    }
                    let entry = map.next_value()?;
                    if header.0.len() == TENSORS_MAX {
                        return Err(de::Error::custom("too many tensors"));
                    }
                    if header.0.insert(name, entry).is_some() {
                        return Err(de::Error::custom("a name stands twice"));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Element types that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    /// Of a known size, and not a number that a float model is made of.
    Other(u64),
}

impl Kind {
    fn parse(dtype: &str) -> Option<Self> {
        Some(match dtype {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "I64" => Self::I64,
            "U64" => Self::Other(8),
            "I32" | "U32" => Self::Other(4),
            "I16" | "U16" => Self::Other(2),
            "I8" | "U8" | "BOOL" | "F8_E4M3" | "F8_E5M2" => Self::Other(1),
            _ => return None,
        })
    }

    fn bytes(self) -> u64 {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(bytes) => bytes,
        }
    }
}

#[derive(Debug)]
struct Place {
    kind: Kind,
    shape: Vec<u64>,
    at: u64,
    bytes: u64,
}

/// One file, its tensors read when they are asked for.
#[derive(Debug)]
pub struct SafetensorsFile {
    pieces: Pieces,
    tensors: BTreeMap<String, Place>,
}

impl SafetensorsFile {
    /// Reads the header and checks it against the file's length.
    ///
    /// # Errors
    /// The file cannot be read, or is not a safetensors file of floats.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let pieces = Pieces::open(path)?;
        let shown = path.display().to_string();
        let length = pieces.read(0, 8.min(pieces.length()))?;
        let Ok(length) = <[u8; 8]>::try_from(length.as_slice()) else {
            return Err(ImportError::malformed(FORMAT, "no header", shown));
        };
        let length = u64::from_le_bytes(length);
        if length > HEADER_MAX_BYTES {
            return Err(ImportError::TooLarge {
                what: "header bytes",
                at: shown,
                got: length,
                limit: HEADER_MAX_BYTES,
            });
        }
        let header = pieces.read(8, length)?;
        let tensors = check_header(&header, pieces.length() - 8 - length, &shown)?;
        Ok(Self { pieces, tensors })
    }

    /// Integers of an I64 tensor, such as token ids.
    ///
    /// # Errors
    /// There is no such tensor, it is of another type, or it cannot be read.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>, ImportError> {
        let at = || self.pieces.path().display().to_string();
        let place = self
            .tensors
            .get(name)
            .filter(|place| place.kind == Kind::I64)
            .ok_or_else(|| ImportError::missing(format!("I64 tensor {name}"), at()))?;
        let bytes = self.pieces.read(place.at, place.bytes)?;
        let (words, _) = bytes.as_chunks::<8>();
        Ok(words.iter().map(|word| i64::from_le_bytes(*word)).collect())
    }
}

/// Tensors of a header over `data` bytes, places counted from the file's start.
fn check_header(
    header: &[u8],
    data: u64,
    at: &str,
) -> Result<BTreeMap<String, Place>, ImportError> {
    let malformed = |what: String| ImportError::malformed(FORMAT, what, at);
    let start = header.len() as u64 + 8;
    let parsed: Header =
        serde_json::from_slice(header).map_err(|error| malformed(error.to_string()))?;
    let mut order: Vec<[u64; 2]> = Vec::with_capacity(parsed.0.len());
    let mut tensors = BTreeMap::new();
    for (name, entry) in parsed.0 {
        let kind = Kind::parse(&entry.dtype).ok_or_else(|| {
            ImportError::unsupported(format!("element type {}", entry.dtype), &name)
        })?;
        if entry.shape.len() > RANK_MAX {
            return Err(malformed(format!(
                "{name} has {} dimensions",
                entry.shape.len()
            )));
        }
        let bytes = count_elements(&entry.shape, &name)? * kind.bytes();
        let [begin, end] = entry.data_offsets;
        if begin > end || end > data || end - begin != bytes {
            return Err(malformed(format!(
                "{name} claims bytes {begin} to {end} of {data} for {bytes}"
            )));
        }
        order.push([begin, end]);
        let place = Place {
            kind,
            shape: entry.shape,
            at: start + begin,
            bytes,
        };
        tensors.insert(name, place);
    }
    order.sort_unstable();
    let mut covered = 0;
    for [begin, end] in order {
        if begin != covered {
            return Err(malformed(format!(
                "tensors overlap or leave a gap at {begin}"
            )));
        }
        covered = end;
    }
    if covered != data {
        return Err(malformed(format!(
            "{} bytes belong to no tensor",
            data - covered
        )));
    }
    Ok(tensors)
}

impl TensorStore for SafetensorsFile {
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
        let read = || self.pieces.read(place.at, place.bytes);
        let halves = |convert: fn(u16) -> f32| -> Result<Vec<f32>, ImportError> {
            let bytes = read()?;
            let (words, _) = bytes.as_chunks::<2>();
            Ok(words
                .iter()
                .map(|w| convert(u16::from_le_bytes(*w)))
                .collect())
        };
        let data = match place.kind {
            Kind::F16 => halves(half_to_f32)?,
            Kind::Bf16 => halves(bfloat_to_f32)?,
            Kind::F32 => {
                let bytes = read()?;
                let (words, _) = bytes.as_chunks::<4>();
                words.iter().map(|w| f32::from_le_bytes(*w)).collect()
            }
            Kind::F64 => {
                let bytes = read()?;
                let (words, _) = bytes.as_chunks::<8>();
                words
                    .iter()
                    .map(|w| f64::from_le_bytes(*w) as f32)
                    .collect()
            }
            Kind::I64 | Kind::Other(_) => {
                return Err(ImportError::unsupported("a tensor of integers", name));
            }
        };
        Ok(Some(FloatTensor {
            shape: place.shape.clone(),
            data,
        }))
    }
}
