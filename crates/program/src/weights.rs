//! The weights file: canonical safetensors (§6.2).

use alloc::string::String;
use alloc::vec::Vec;

use crate::ProgramError;

mod header;
mod writer;

pub(crate) use header::{elements as shape_elements, is_name};
pub use writer::WeightsWriter;

/// Largest number of tensors in a weights file.
pub const MAX_TENSORS: usize = 16_384;
/// Largest header in bytes.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;
/// Longest name of a constant in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Largest number of elements of a tensor (§2.1).
pub const MAX_ELEMENTS: u64 = 1 << 28;
/// Largest dimension (§2.1).
pub const MAX_DIMENSION: u32 = 1 << 24;
/// Largest number of dimensions (§2.1).
pub const MAX_DIMENSIONS: usize = 6;
/// The data begins at a multiple of this.
pub(crate) const ALIGNMENT: usize = 64;

/// Type of the elements of a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementType {
    /// 32-bit two's complement, little-endian. The types stand in the order of the file.
    I32,
    /// 16-bit two's complement, little-endian.
    I16,
    /// 8-bit two's complement.
    I8,
}

impl ElementType {
    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::I32 => 4,
            Self::I16 => 2,
            Self::I8 => 1,
        }
    }

    /// The name in the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
        }
    }
}

/// Where a tensor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) element: ElementType,
    pub(crate) shape: Vec<u32>,
    /// Offset in the file.
    pub(crate) start: usize,
    /// End in the file.
    pub(crate) end: usize,
}

/// Where the tensors of a weights file are.
#[derive(Debug, Clone)]
pub struct WeightsHeader {
    /// In the order of the file.
    entries: Vec<Entry>,
    /// Indices of entries in ascending order of their names.
    by_name: Vec<u32>,
}

/// Type, shape and place of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorPlace<'a> {
    /// Type of the elements.
    pub element: ElementType,
    /// Dimensions, row-major; at least one.
    pub shape: &'a [u32],
    /// Offset of the first element in the file.
    pub start: usize,
    /// Offset behind the last.
    pub end: usize,
}

impl WeightsHeader {
    /// Reads the header of a file of `file_bytes` bytes of which `head` is the beginning, with the header whole, and accepts the
    /// canonical form only. Never allocates more than a small multiple of the header's bytes.
    pub fn read(head: &[u8], file_bytes: usize) -> Result<Self, ProgramError> {
        let entries = header::parse(head, file_bytes)?;
        let mut by_name: Vec<u32> = (0..).take(entries.len()).collect();
        let name = |id: &u32| entry(&entries, *id).map(|entry| entry.name.as_str());
        by_name.sort_unstable_by(|a, b| name(a).cmp(&name(b)));
        let repeated = by_name.windows(2).any(|pair| match pair {
            [a, b] => name(a) == name(b),
            _ => false,
        });
        if repeated {
            return Err(ProgramError::Malformed {
                expected: "tensors with different names",
                at: 8,
            });
        }
        Ok(Self { entries, by_name })
    }

    /// Where the tensor of this name is.
    pub fn place(&self, name: &str) -> Option<TensorPlace<'_>> {
        let entry = self.find(name)?;
        Some(TensorPlace {
            element: entry.element,
            shape: &entry.shape,
            start: entry.start,
            end: entry.end,
        })
    }

    fn find(&self, name: &str) -> Option<&Entry> {
        let found = self.by_name.binary_search_by(|id| {
            entry(&self.entries, *id)
                .map_or("", |entry| entry.name.as_str())
                .cmp(name)
        });
        entry(&self.entries, *self.by_name.get(found.ok()?)?)
    }
}

/// A weights file in memory, its header read and checked. `B` holds the bytes: a slice, a vector, a mapped file.
#[derive(Debug, Clone)]
pub struct Weights<B = Vec<u8>> {
    bytes: B,
    header: WeightsHeader,
}

impl<B: AsRef<[u8]>> Weights<B> {
    /// Reads the header of a whole file, as [`WeightsHeader::read`]. The elements are not looked at: any bytes are integers.
    pub fn open(bytes: B) -> Result<Self, ProgramError> {
        let header = WeightsHeader::read(bytes.as_ref(), bytes.as_ref().len())?;
        Ok(Self { bytes, header })
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        self.view(self.header.find(name)?)
    }

    /// All tensors, in the order of the file.
    pub fn tensors(&self) -> impl Iterator<Item = TensorView<'_>> {
        let entries = self.header.entries.iter();
        entries.filter_map(|entry| self.view(entry))
    }

    /// Where the tensors are.
    pub fn header(&self) -> &WeightsHeader {
        &self.header
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Gives the bytes back.
    pub fn into_inner(self) -> B {
        self.bytes
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> Option<TensorView<'a>> {
        Some(TensorView {
            name: &entry.name,
            element: entry.element,
            shape: &entry.shape,
            start: entry.start,
            bytes: self.bytes.as_ref().get(entry.start..entry.end)?,
        })
    }
}

fn entry(entries: &[Entry], id: u32) -> Option<&Entry> {
    entries.get(usize::try_from(id).ok()?)
}

/// One tensor of a weights file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorView<'a> {
    name: &'a str,
    element: ElementType,
    shape: &'a [u32],
    start: usize,
    bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// Name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Type of the elements.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Dimensions, row-major; at least one.
    pub fn shape(&self) -> &'a [u32] {
        self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes
            .len()
            .checked_div(self.element.bytes())
            .unwrap_or(0)
    }

    /// Whether there are no elements; never so in a file that was opened.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The elements' bytes, little-endian.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Offset of the first element in the file.
    pub fn file_offset(&self) -> usize {
        self.start
    }

    /// The elements in row-major order, whatever their type.
    pub fn iter(&self) -> impl Iterator<Item = i32> + Clone + use<'a> {
        let element = self.element;
        self.bytes
            .chunks_exact(element.bytes())
            .map(move |bytes| value(element, bytes))
    }

    /// The elements from `start` up to, without, `end` in row-major order; `None` if they are not all there.
    pub fn range(&self, start: usize, end: usize) -> Option<impl Iterator<Item = i32> + use<'a>> {
        let (element, width) = (self.element, self.element.bytes());
        let bytes = self
            .bytes
            .get(start.checked_mul(width)?..end.checked_mul(width)?)?;
        let elements = bytes.chunks_exact(width);
        Some(elements.map(move |bytes| value(element, bytes)))
    }

    /// The element at a row-major index.
    pub fn at(&self, index: usize) -> Option<i32> {
        let width = self.element.bytes();
        let start = index.checked_mul(width)?;
        let bytes = self.bytes.get(start..start.checked_add(width)?)?;
        Some(value(self.element, bytes))
    }

    /// All elements.
    pub fn to_vec(&self) -> Vec<i32> {
        self.iter().collect()
    }

    /// All elements, if they are I8.
    pub fn to_i8(&self) -> Option<Vec<i8>> {
        (self.element == ElementType::I8)
            .then(|| self.bytes.iter().map(|b| i8::from_le_bytes([*b])).collect())
    }

    /// All elements, if they are I16.
    pub fn to_i16(&self) -> Option<Vec<i16>> {
        (self.element == ElementType::I16).then(|| {
            let pairs = self.bytes.chunks_exact(2).filter_map(|b| b.try_into().ok());
            pairs.map(i16::from_le_bytes).collect()
        })
    }

    /// All elements, if they are I32.
    pub fn to_i32(&self) -> Option<Vec<i32>> {
        (self.element == ElementType::I32).then(|| self.to_vec())
    }
}

impl ElementType {
    /// The element that these little-endian bytes are; 0 if they are not as many as it has.
    pub fn value(self, bytes: &[u8]) -> i32 {
        value(self, bytes)
    }
}

fn value(element: ElementType, bytes: &[u8]) -> i32 {
    match (element, bytes) {
        (ElementType::I8, &[a]) => i32::from(i8::from_le_bytes([a])),
        (ElementType::I16, &[a, b]) => i32::from(i16::from_le_bytes([a, b])),
        (ElementType::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
