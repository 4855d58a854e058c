//! Deterministic CBOR (RFC 8949 §4.2.1) as specs/01-receipt.md §1 narrows it: a writer whose output is canonical when
//! map entries are written in order, and a reader that accepts canonical bytes only.

use alloc::vec::Vec;

use crate::ReceiptError;

/// Levels of an item of unknown shape that a reader follows, the item itself counted.
pub const MAX_DEPTH: usize = 16;
/// Largest number of elements of one array, and of entries of one map.
pub const MAX_ELEMENTS: u64 = 65_536;
/// Largest number of elements and entries of all arrays and maps that one reader opens. An element of one byte can
/// become a structure of many, so this is what bounds memory.
pub const MAX_TOTAL_ELEMENTS: u64 = 262_144;
/// Longest text in bytes.
pub const MAX_TEXT_BYTES: u64 = 4_096;

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// Writes CBOR items one after the other. Arrays and maps are opened with their number of elements; whoever opens a
/// map writes its entries sorted by encoded key.
#[derive(Debug, Default, Clone)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for `bytes` before it has to grow.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
        }
    }

    /// The bytes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// The bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, value: u64) -> &mut Self {
        let major = major << 5;
        let bytes = value.to_be_bytes();
        let [.., b4, b5, b6, b7] = bytes;
        if value < 24 {
            self.out.push(major | b7);
        } else if value <= 0xff {
            self.out.extend_from_slice(&[major | 24, b7]);
        } else if value <= 0xffff {
            self.out.extend_from_slice(&[major | 25, b6, b7]);
        } else if value <= 0xffff_ffff {
            self.out.extend_from_slice(&[major | 26, b4, b5, b6, b7]);
        } else {
            self.out.push(major | 27);
            self.out.extend_from_slice(&bytes);
        }
        self
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    /// A signed integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        match u64::try_from(value) {
            Ok(unsigned) => self.head(UINT, unsigned),
            // -1 - n in CBOR is the bitwise complement of a negative n in two's complement.
            Err(_) => self.head(NEGATIVE, u64::from_be_bytes((!value).to_be_bytes())),
        }
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(BYTES, value.len() as u64);
        self.out.extend_from_slice(value);
        self
    }

    /// A text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(TEXT, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
        self
    }

    /// Opens an array of `len` elements.
    pub fn array(&mut self, len: usize) -> &mut Self {
        self.head(ARRAY, len as u64)
    }

    /// Opens a map of `len` entries.
    pub fn map(&mut self, len: usize) -> &mut Self {
        self.head(MAP, len as u64)
    }

    /// A tag before the next item.
    pub fn tag(&mut self, tag: u64) -> &mut Self {
        self.head(TAG, tag)
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.head(SIMPLE, if value { 21 } else { 20 })
    }

    /// `null`.
    pub fn null(&mut self) -> &mut Self {
        self.head(SIMPLE, 22)
    }

    /// A text, or null.
    pub fn text_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// One item that is encoded already.
    pub fn raw(&mut self, item: &[u8]) -> &mut Self {
        self.out.extend_from_slice(item);
        self
    }
}

/// Reads canonical CBOR. Every method fails with [`ReceiptError::Malformed`] where the bytes are something else, and
/// with the offset at which they are; with [`ReceiptError::TooLarge`] where a bound of §1.3 is exceeded.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Elements and entries that may still be opened.
    elements_left: u64,
}

fn too_large(what: &'static str, limit: u64, got: u64) -> ReceiptError {
    let saturate = |value| usize::try_from(value).unwrap_or(usize::MAX);
    ReceiptError::TooLarge {
        what,
        limit: saturate(limit),
        got: saturate(got),
    }
}

/// Progress through one map: how many entries are left, and the last key, so that order and uniqueness are checked.
#[derive(Debug)]
pub struct MapReader<'a> {
    left: u64,
    last_key: Option<&'a [u8]>,
}

impl<'a> Decoder<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            elements_left: MAX_TOTAL_ELEMENTS,
        }
    }

    /// The error for the place where the reader stands.
    pub fn malformed(&self, expected: &'static str) -> ReceiptError {
        ReceiptError::Malformed {
            expected,
            at: self.at,
        }
    }

    /// Succeeds at the end of the input only.
    pub fn finish(&self) -> Result<(), ReceiptError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.malformed("the end"))
        }
    }

    fn take(&mut self, len: u64, expected: &'static str) -> Result<&'a [u8], ReceiptError> {
        let error = self.malformed(expected);
        let end = usize::try_from(len)
            .ok()
            .and_then(|len| self.at.checked_add(len))
            .ok_or(error.clone())?;
        let slice = self.bytes.get(self.at..end).ok_or(error)?;
        self.at = end;
        Ok(slice)
    }

    /// Major type of the next item.
    fn peek_major(&self) -> Option<u8> {
        self.bytes.get(self.at).map(|byte| byte >> 5)
    }

    fn head(&mut self, expected: &'static str) -> Result<(u8, u64), ReceiptError> {
        let start = self.clone();
        let first = self
            .take(1, expected)?
            .first()
            .copied()
            .ok_or(start.malformed(expected))?;
        let (major, info) = (first >> 5, first & 0x1f);
        let (width, least) = match info {
            0..=23 => return Ok((major, u64::from(info))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(start.malformed(expected)),
        };
        let mut value = 0_u64;
        for byte in self.take(width, expected)? {
            value = (value << 8) | u64::from(*byte);
        }
        // A longer head than needed is not canonical. With that, no float has the value of a simple value that is read.
        if value < least {
            return Err(start.malformed(expected));
        }
        Ok((major, value))
    }

    fn expect(&mut self, major: u8, expected: &'static str) -> Result<u64, ReceiptError> {
        let error = self.malformed(expected);
        let (found, value) = self.head(expected)?;
        if found == major {
            Ok(value)
        } else {
            Err(error)
        }
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, ReceiptError> {
        self.expect(UINT, "an unsigned integer")
    }

    /// An unsigned integer of at most `max`.
    pub fn uint_max(&mut self, max: u64, expected: &'static str) -> Result<u64, ReceiptError> {
        let error = self.malformed(expected);
        let value = self.expect(UINT, expected)?;
        if value <= max { Ok(value) } else { Err(error) }
    }

    /// An unsigned integer that fits in 32 bits.
    pub fn u32(&mut self) -> Result<u32, ReceiptError> {
        let error = self.malformed("an unsigned 32-bit integer");
        u32::try_from(self.uint()?).map_err(|_| error)
    }

    /// An unsigned integer that fits in 8 bits.
    pub fn u8(&mut self) -> Result<u8, ReceiptError> {
        let error = self.malformed("an unsigned 8-bit integer");
        u8::try_from(self.uint()?).map_err(|_| error)
    }

    /// A signed integer that fits in 64 bits.
    pub fn int(&mut self) -> Result<i64, ReceiptError> {
        let error = self.malformed("an integer");
        let (major, value) = self.head("an integer")?;
        let positive = i64::try_from(value).map_err(|_| error.clone())?;
        match major {
            UINT => Ok(positive),
            NEGATIVE => Ok(!positive),
            _ => Err(error),
        }
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], ReceiptError> {
        let len = self.expect(BYTES, "a byte string")?;
        self.take(len, "a byte string")
    }

    /// A byte string of exactly `N` bytes.
    pub fn array_of<const N: usize>(&mut self) -> Result<[u8; N], ReceiptError> {
        let error = self.malformed("a byte string of fixed length");
        <[u8; N]>::try_from(self.bytes()?).map_err(|_| error)
    }

    /// A text string of at most [`MAX_TEXT_BYTES`].
    pub fn text(&mut self) -> Result<&'a str, ReceiptError> {
        let error = self.malformed("a text string");
        let len = self.expect(TEXT, "a text string")?;
        if len > MAX_TEXT_BYTES {
            return Err(too_large("bytes of a text", MAX_TEXT_BYTES, len));
        }
        core::str::from_utf8(self.take(len, "a text string")?).map_err(|_| error)
    }

    /// A text string, or null.
    pub fn text_or_null(&mut self) -> Result<Option<&'a str>, ReceiptError> {
        if self.peek_null() {
            self.null()?;
            return Ok(None);
        }
        self.text().map(Some)
    }

    /// Whether the next item is null.
    pub fn peek_null(&self) -> bool {
        self.bytes.get(self.at) == Some(&0xf6)
    }

    /// Whether the next item is a text string.
    pub fn peek_text(&self) -> bool {
        self.peek_major() == Some(TEXT)
    }

    /// Whether the next item is an unsigned integer.
    pub fn peek_uint(&self) -> bool {
        self.peek_major() == Some(UINT)
    }

    /// `null`.
    pub fn null(&mut self) -> Result<(), ReceiptError> {
        let error = self.malformed("null");
        match self.expect(SIMPLE, "null")? {
            22 => Ok(()),
            _ => Err(error),
        }
    }

    /// `true` or `false`.
    pub fn bool(&mut self) -> Result<bool, ReceiptError> {
        let error = self.malformed("a boolean");
        match self.expect(SIMPLE, "a boolean")? {
            20 => Ok(false),
            21 => Ok(true),
            _ => Err(error),
        }
    }

    /// The tag `tag`.
    pub fn tag(&mut self, tag: u64) -> Result<(), ReceiptError> {
        let error = self.malformed("a tag");
        if self.expect(TAG, "a tag")? == tag {
            Ok(())
        } else {
            Err(error)
        }
    }

    fn elements(
        &mut self,
        major: u8,
        least_bytes: u64,
        expected: &'static str,
    ) -> Result<u64, ReceiptError> {
        let error = self.malformed(expected);
        let len = self.expect(major, expected)?;
        let left = self.bytes.len().saturating_sub(self.at) as u64;
        if len.saturating_mul(least_bytes) > left {
            return Err(error);
        }
        if len > MAX_ELEMENTS {
            return Err(too_large("elements of an array or map", MAX_ELEMENTS, len));
        }
        self.elements_left = self.elements_left.checked_sub(len).ok_or(too_large(
            "elements of all arrays and maps",
            MAX_TOTAL_ELEMENTS,
            MAX_TOTAL_ELEMENTS
                .saturating_sub(self.elements_left)
                .saturating_add(len),
        ))?;
        Ok(len)
    }

    /// Opens an array; its number of elements is bounded by the bytes that are left.
    pub fn array(&mut self) -> Result<u64, ReceiptError> {
        self.elements(ARRAY, 1, "an array")
    }

    /// Reads an array, each element with `read`. Memory grows with what was read, never with what was announced.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, ReceiptError>,
    ) -> Result<Vec<T>, ReceiptError> {
        let len = self.array()?;
        (0..len).map(|_| read(self)).collect()
    }

    /// Opens an array of exactly `len` elements.
    pub fn array_exact(&mut self, len: u64) -> Result<(), ReceiptError> {
        let error = self.malformed("an array of fixed length");
        if self.array()? == len {
            Ok(())
        } else {
            Err(error)
        }
    }

    /// Opens a map.
    pub fn map(&mut self) -> Result<MapReader<'a>, ReceiptError> {
        Ok(MapReader {
            left: self.elements(MAP, 2, "a map")?,
            last_key: None,
        })
    }

    /// The next integer key of `map`, after the value before it was read; `None` at its end. Keys out of order and
    /// repeated keys are malformed.
    pub fn next_key(&mut self, map: &mut MapReader<'a>) -> Result<Option<i64>, ReceiptError> {
        let Some(left) = map.left.checked_sub(1) else {
            return Ok(None);
        };
        map.left = left;
        let start = self.clone();
        let key = self.int()?;
        let encoded = self
            .bytes
            .get(start.at..self.at)
            .ok_or(start.malformed("a map key"))?;
        if map.last_key.is_some_and(|last| last >= encoded) {
            return Err(start.malformed("map keys in order"));
        }
        map.last_key = Some(encoded);
        Ok(Some(key))
    }

    /// One whole item of any shape, checked to be canonical, as its bytes.
    pub fn item(&mut self) -> Result<&'a [u8], ReceiptError> {
        let start = self.at;
        self.skip(MAX_DEPTH)?;
        self.bytes
            .get(start..self.at)
            .ok_or(self.malformed("an item"))
    }

    fn skip(&mut self, depth: usize) -> Result<(), ReceiptError> {
        let error = self.malformed("an item");
        let below = depth.checked_sub(1).ok_or(self.malformed("less nesting"))?;
        match self.peek_major().ok_or(error.clone())? {
            UINT | NEGATIVE => self.head("an item").map(|_| ()),
            BYTES => self.bytes().map(|_| ()),
            TEXT => self.text().map(|_| ()),
            ARRAY => {
                for _ in 0..self.array()? {
                    self.skip(below)?;
                }
                Ok(())
            }
            MAP => self.skip_map(below),
            SIMPLE if self.peek_null() => self.null(),
            SIMPLE => self.bool().map(|_| ()),
            _ => Err(error),
        }
    }

    fn skip_map(&mut self, below: usize) -> Result<(), ReceiptError> {
        let mut last_key: Option<&'a [u8]> = None;
        for _ in 0..self.elements(MAP, 2, "a map")? {
            let start = self.clone();
            self.skip(below)?;
            let key = self
                .bytes
                .get(start.at..self.at)
                .ok_or(start.malformed("a map key"))?;
            if last_key.is_some_and(|last| last >= key) {
                return Err(start.malformed("map keys in order"));
            }
            last_key = Some(key);
            self.skip(below)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
