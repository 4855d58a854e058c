//! safetensors files: a header of JSON, then little-endian data.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proofmark_openai::{JsonText, Members, RawJson};

use crate::tensor::{Allowance, elements};
use crate::{MAX_TENSORS, NamedTensors, Numbers, Tensor, TensorError};

/// Longest header.
const MAX_HEADER_BYTES: usize = 1 << 20;
/// Member of the header that is no tensor: no tensor has this name.
pub const METADATA: &str = "__metadata__";

fn malformed(what: &'static str) -> TensorError {
    TensorError::Malformed {
        format: "safetensors",
        what,
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Safetensors {
    /// The tensors, in the order of the header.
    pub tensors: NamedTensors,
    /// Texts of `__metadata__`.
    pub metadata: Vec<(String, String)>,
}

impl Safetensors {
    /// A text of the metadata.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.metadata.iter().find(|(of, _)| of == name);
        found.map(|(_, text)| text.as_str())
    }
}

/// Reads a file of at most `max_elements` numbers.
///
/// # Errors
/// [`TensorError`].
pub fn read_safetensors(bytes: &[u8], max_elements: usize) -> Result<Safetensors, TensorError> {
    let cut = || malformed("it is cut off");
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = usize::try_from(u64::from_le_bytes(*head))
        .ok()
        .filter(|length| *length <= MAX_HEADER_BYTES)
        .ok_or_else(|| malformed("a header of more than 1 MiB"))?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = Members::parse(header).map_err(|_| malformed("the header is not JSON"))?;
    let mut found = Safetensors {
        tensors: Vec::new(),
        metadata: Vec::new(),
    };
    let mut allowance = Allowance::new(max_elements);
    for (name, entry) in header.iter() {
        if name.as_ref() == METADATA {
            found.metadata = metadata(entry)?;
            continue;
        }
        if found.tensors.len() == MAX_TENSORS {
            return Err(TensorError::TooLarge {
                what: "tensors",
                limit: MAX_TENSORS as u64,
            });
        }
        let tensor = tensor(entry, data, &mut allowance)?;
        found.tensors.push((name.as_ref().to_owned(), tensor));
    }
    Ok(found)
}

fn metadata(entry: RawJson<'_>) -> Result<Vec<(String, String)>, TensorError> {
    let expected = || malformed("__metadata__ is an object of texts");
    let entries = entry.entries().ok_or_else(expected)?;
    entries
        .map(|(name, value)| Some((name.into_owned(), value.as_str()?.into_owned())))
        .collect::<Option<_>>()
        .ok_or_else(expected)
}

fn tensor(
    entry: RawJson<'_>,
    data: &[u8],
    allowance: &mut Allowance,
) -> Result<Tensor, TensorError> {
    let expected = || malformed("a tensor has dtype, shape and data_offsets");
    let dtype = entry.member("dtype").and_then(RawJson::as_str);
    let dtype = dtype.ok_or_else(expected)?;
    let shape = crate::json::read_shape(entry.member("shape").ok_or_else(expected)?)?;
    let offsets = entry.member("data_offsets").and_then(RawJson::elements);
    let offsets: Option<Vec<usize>> = offsets
        .ok_or_else(expected)?
        .take(3)
        .map(|offset| usize::try_from(offset.as_u64()?).ok())
        .collect();
    let Some(&[start, end]) = offsets.as_deref() else {
        return Err(expected());
    };
    let bytes = data.get(start..end);
    let bytes = bytes.ok_or_else(|| malformed("a tensor is cut off"))?;
    allowance.take(elements(&shape).unwrap_or(usize::MAX))?;
    let numbers = numbers(&dtype, bytes, "safetensors")?;
    Tensor::new(shape, numbers)
        .ok_or_else(|| malformed("a tensor has not as many elements as its shape has places"))
}

/// Little-endian elements, types as safetensors names them. Takes at most eight times as much memory as the bytes.
pub(crate) fn numbers(
    dtype: &str,
    bytes: &[u8],
    format: &'static str,
) -> Result<Numbers, TensorError> {
    let malformed = |what| TensorError::Malformed { format, what };
    macro_rules! of {
        ($type:ty) => {{
            let (chunks, rest) = bytes.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return Err(malformed("a number is cut off"));
            }
            chunks.iter().map(|bytes| <$type>::from_le_bytes(*bytes))
        }};
    }
    Ok(match dtype {
        "F64" => Numbers::Real(of!(f64).collect()),
        "F32" => Numbers::Real(of!(f32).map(f64::from).collect()),
        "F16" => Numbers::Real(of!(u16).map(half).collect()),
        "BF16" => Numbers::Real(
            of!(u16)
                .map(|bits| f64::from(f32::from_bits(u32::from(bits) << 16)))
                .collect(),
        ),
        "I64" => Numbers::Integer(of!(i64).collect()),
        "I32" => Numbers::Integer(of!(i32).map(i64::from).collect()),
        "I16" => Numbers::Integer(of!(i16).map(i64::from).collect()),
        "I8" => Numbers::Integer(of!(i8).map(i64::from).collect()),
        "U64" => {
            let all: Option<Vec<i64>> = of!(u64).map(|x| i64::try_from(x).ok()).collect();
            Numbers::Integer(all.ok_or_else(|| malformed("an integer beyond 63 bits"))?)
        }
        "U32" => Numbers::Integer(of!(u32).map(i64::from).collect()),
        "U16" => Numbers::Integer(of!(u16).map(i64::from).collect()),
        "U8" | "BOOL" => Numbers::Integer(of!(u8).map(i64::from).collect()),
        _ => return Err(malformed("a type of numbers that is not read")),
    })
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match (bits >> 10) & 0x1f {
        0 => fraction * f64::from_bits(0x3e70_0000_0000_0000), // 2^−24
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => {
            let power = u64::from(exponent).saturating_add(1_008) << 52;
            (1.0 + fraction / 1_024.0) * f64::from_bits(power)
        }
    };
    if bits >> 15 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

/// Writes a file: real numbers as F64, integers as I64, in the given order.
#[must_use]
pub fn write_safetensors(tensors: &[(&str, &Tensor)], metadata: &[(&str, &str)]) -> Vec<u8> {
    let pieces = tensors.iter().map(|(name, tensor)| {
        let (dtype, bytes): (_, Vec<u8>) = match tensor.numbers() {
            Numbers::Real(numbers) => {
                let bytes = numbers.iter().flat_map(|x| x.to_le_bytes());
                ("F64", bytes.collect())
            }
            Numbers::Integer(numbers) => {
                let bytes = numbers.iter().flat_map(|x| x.to_le_bytes());
                ("I64", bytes.collect())
            }
        };
        (*name, dtype, tensor.shape(), bytes)
    });
    write_pieces(&pieces.collect::<Vec<_>>(), metadata)
}

/// The file of tensors as name, type, shape and data.
pub(crate) fn write_pieces(
    pieces: &[(&str, &str, &[u32], Vec<u8>)],
    metadata: &[(&str, &str)],
) -> Vec<u8> {
    let mut entries = Vec::new();
    if !metadata.is_empty() {
        let texts = metadata
            .iter()
            .map(|(name, text)| (*name, JsonText::string(text)));
        entries.push((METADATA, JsonText::object(texts)));
    }
    let mut start = 0_usize;
    for (name, dtype, shape, bytes) in pieces {
        let end = start.saturating_add(bytes.len());
        let shape = shape.iter().map(|length| JsonText::uint((*length).into()));
        let entry = [
            ("dtype", JsonText::string(dtype)),
            ("shape", JsonText::array(shape)),
            (
                "data_offsets",
                JsonText::array([start, end].map(|at| JsonText::uint(at as u64))),
            ),
        ];
        entries.push((name, JsonText::object(entry)));
        start = end;
    }
    let mut header = JsonText::object(entries).into_json();
    // The data begins at a multiple of 8.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut file = Vec::with_capacity(start.saturating_add(header.len()).saturating_add(8));
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(header.to_string().as_bytes());
    for (.., bytes) in pieces {
        file.extend_from_slice(bytes);
    }
    file
}
