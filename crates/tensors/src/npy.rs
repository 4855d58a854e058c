//! NumPy's .npy files, versions 1 to 3.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::safetensors::numbers;
use crate::tensor::{Allowance, elements};
use crate::{MAX_DIMENSIONS, Numbers, Tensor, TensorError};

/// Longest header.
const MAX_HEADER_BYTES: usize = 64 << 10;

fn malformed(what: &'static str) -> TensorError {
    TensorError::Malformed {
        format: "npy",
        what,
    }
}

/// Reads a file of at most `max_elements` numbers: little-endian, rows first.
///
/// # Errors
/// [`TensorError`].
pub fn read_npy(bytes: &[u8], max_elements: usize) -> Result<Tensor, TensorError> {
    let cut = || malformed("it is cut off");
    let rest = bytes
        .strip_prefix(b"\x93NUMPY")
        .ok_or_else(|| malformed("it does not begin as one"))?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
            (u32::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            (u32::from_le_bytes(*length), rest)
        }
        _ => return Err(malformed("an unknown version")),
    };
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_HEADER_BYTES)
        .ok_or_else(|| malformed("a header of more than 64 KiB"))?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = core::str::from_utf8(header).map_err(|_| malformed("the header is no text"))?;
    if after(header, "fortran_order").is_none_or(|rest| !rest.starts_with("False")) {
        return Err(malformed("columns come first"));
    }
    let dtype = dtype(header).ok_or_else(|| malformed("a type of numbers that is not read"))?;
    let shape = shape(header).ok_or_else(|| malformed("the shape cannot be read"))?;
    Allowance::new(max_elements).take(elements(&shape).unwrap_or(usize::MAX))?;
    Tensor::new(shape, numbers(dtype, data, "npy")?)
        .ok_or_else(|| malformed("not as many numbers as the shape has places"))
}

/// What stands behind a key of the header, which is a dictionary of Python's.
fn after<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let (_, rest) = header.split_once(key)?;
    let rest = rest.strip_prefix(['\'', '"'])?.trim_start();
    Some(rest.strip_prefix(':')?.trim_start())
}

/// The type as safetensors names it.
fn dtype(header: &str) -> Option<&'static str> {
    let rest = after(header, "descr")?.strip_prefix(['\'', '"'])?;
    let name = rest.split(['\'', '"']).next()?;
    Some(match name.trim_start_matches(['<', '|', '=']) {
        "f8" => "F64",
        "f4" => "F32",
        "f2" => "F16",
        "i8" => "I64",
        "i4" => "I32",
        "i2" => "I16",
        "i1" => "I8",
        "u8" => "U64",
        "u4" => "U32",
        "u2" => "U16",
        "u1" | "b1" => "U8",
        _ => return None,
    })
}

fn shape(header: &str) -> Option<Vec<u32>> {
    let (inside, _) = after(header, "shape")?.strip_prefix('(')?.split_once(')')?;
    let mut lengths = Vec::new();
    for length in inside.split(',').map(str::trim).filter(|l| !l.is_empty()) {
        if lengths.len() == MAX_DIMENSIONS {
            return None;
        }
        lengths.push(length.parse().ok()?);
    }
    Some(lengths)
}

/// Writes a file of version 1: real numbers as f8, integers as i8 (NumPy's names, in bytes).
#[must_use]
pub fn write_npy(tensor: &Tensor) -> Vec<u8> {
    let (descr, data): (_, Vec<u8>) = match tensor.numbers() {
        Numbers::Real(numbers) => (
            "<f8",
            numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ),
        Numbers::Integer(numbers) => (
            "<i8",
            numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ),
    };
    let lengths: String = tensor.shape().iter().map(|l| format!("{l}, ")).collect();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({lengths}), }}");
    // The data begins at a multiple of 64; 10 bytes stand before the header.
    while !header.len().saturating_add(11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = Vec::from(b"\x93NUMPY\x01\x00");
    // 7 dimensions and the rest are below 256 bytes.
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    file
}
