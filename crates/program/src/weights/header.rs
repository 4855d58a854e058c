//! The header: one spelling of JSON, read strictly and written the same.

use alloc::string::String;
use alloc::vec::Vec;

use super::{
    ALIGNMENT, ElementType, Entry, MAX_DIMENSION, MAX_DIMENSIONS, MAX_ELEMENTS, MAX_HEADER_BYTES,
    MAX_NAME_BYTES, MAX_TENSORS,
};
use crate::ProgramError;

/// Bytes of the length that a file begins with.
const PREFIX: usize = 8;

/// Whether a constant may have this name: it needs no escapes in JSON.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

/// Number of elements of a shape within the bounds of §2.1; dimensions may not be zero.
pub(crate) fn elements(shape: &[u32]) -> Option<u64> {
    if shape.len() > MAX_DIMENSIONS {
        return None;
    }
    shape.iter().try_fold(1_u64, |product, &dimension| {
        let product = product.checked_mul(u64::from(dimension))?;
        ((1..=MAX_DIMENSION).contains(&dimension) && product <= MAX_ELEMENTS).then_some(product)
    })
}

/// Bytes of the elements of a constant of this shape.
pub(super) fn data_bytes(element: ElementType, shape: &[u32]) -> Option<u64> {
    if shape.is_empty() {
        return None;
    }
    elements(shape)?.checked_mul(element.bytes() as u64)
}

struct Scanner<'a> {
    /// The beginning of the file, the header at least.
    file: &'a [u8],
    at: usize,
    end: usize,
    /// Length of the file.
    length: usize,
}

impl<'a> Scanner<'a> {
    fn fault(&self, expected: &'static str) -> ProgramError {
        ProgramError::Malformed {
            expected,
            at: self.at,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.file.get(self.at..self.end).unwrap_or(&[])
    }

    fn skip(&mut self, text: &'static str) -> Result<(), ProgramError> {
        if self.eat(text) {
            Ok(())
        } else {
            Err(self.fault(text))
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text.as_bytes());
        if found {
            self.at = self.at.saturating_add(text.len());
        }
        found
    }

    fn name(&mut self) -> Result<&'a str, ProgramError> {
        let len = self
            .rest()
            .iter()
            .take(MAX_NAME_BYTES.saturating_add(1))
            .take_while(|b| **b != b'"')
            .count();
        let name = self
            .rest()
            .get(..len)
            .and_then(|bytes| core::str::from_utf8(bytes).ok());
        let name = name
            .filter(|name| is_name(name))
            .ok_or(self.fault("a name"))?;
        self.at = self.at.saturating_add(len);
        self.skip("\"")?;
        Ok(name)
    }

    fn number(&mut self) -> Result<u64, ProgramError> {
        let digits = self
            .rest()
            .iter()
            .take(17)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let text = self.rest().get(..digits).unwrap_or(&[]);
        let canonical = (1..=16).contains(&digits) && (digits == 1 || text.first() != Some(&b'0'));
        if !canonical {
            return Err(self.fault("a number"));
        }
        self.at = self.at.saturating_add(digits);
        let digit = |b: &u8| u64::from(b.wrapping_sub(b'0'));
        Ok(text
            .iter()
            .fold(0, |sum: u64, b| sum.wrapping_mul(10).wrapping_add(digit(b))))
    }

    fn shape(&mut self) -> Result<Vec<u32>, ProgramError> {
        let mut shape = Vec::new();
        loop {
            let fault = self.fault("a dimension");
            let dimension = u32::try_from(self.number()?).map_err(|_| fault.clone())?;
            if shape.len() == MAX_DIMENSIONS {
                return Err(fault);
            }
            shape.push(dimension);
            if !self.eat(",") {
                self.skip("]")?;
                return Ok(shape);
            }
        }
    }

    /// `name":{"dtype":"I8","shape":[1,2],"data_offsets":[0,2]}`, its data at `start` behind `data`.
    fn entry(&mut self, data: usize, start: u64) -> Result<Entry, ProgramError> {
        let name = String::from(self.name()?);
        self.skip(":{\"dtype\":\"")?;
        let types = [ElementType::I32, ElementType::I16, ElementType::I8];
        let element = types.into_iter().find(|element| self.eat(element.name()));
        let element = element.ok_or(self.fault("I32, I16 or I8"))?;
        self.skip("\",\"shape\":[")?;
        let shape = self.shape()?;
        let bytes = data_bytes(element, &shape).ok_or(self.fault("a shape within its bounds"))?;
        self.skip(",\"data_offsets\":[")?;
        let fault = self.fault("data without gaps, as long as the shape says");
        let first = self.number()?;
        self.skip(",")?;
        let last = self.number()?;
        self.skip("]}")?;
        if first != start || start.checked_add(bytes) != Some(last) {
            return Err(fault);
        }
        let place = |offset: u64| usize::try_from(offset).ok()?.checked_add(data);
        let (start, end) = place(first).zip(place(last)).ok_or(fault.clone())?;
        if end > self.length {
            return Err(fault);
        }
        Ok(Entry {
            name,
            element,
            shape,
            start,
            end,
        })
    }
}

/// Reads the header of a file of `file_length` bytes that begins with `file`.
pub(super) fn parse(file: &[u8], file_length: usize) -> Result<Vec<Entry>, ProgramError> {
    let fault = ProgramError::Malformed {
        expected: "the length of the header",
        at: 0,
    };
    let length = file
        .first_chunk::<PREFIX>()
        .map(|bytes| u64::from_le_bytes(*bytes));
    let length = length.ok_or(fault.clone())?;
    if length > MAX_HEADER_BYTES {
        return Err(ProgramError::TooLarge {
            what: "bytes of a weights header",
            limit: MAX_HEADER_BYTES,
            got: length,
        });
    }
    let data = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_add(PREFIX))
        .ok_or(fault.clone())?;
    if data > file.len() || !data.is_multiple_of(ALIGNMENT) {
        return Err(fault);
    }
    let mut scanner = Scanner {
        file,
        at: PREFIX,
        end: data,
        length: file_length,
    };
    scanner.skip("{")?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut start = 0_u64;
    while !scanner.eat("}") {
        if entries.len() == MAX_TENSORS {
            return Err(ProgramError::TooLarge {
                what: "tensors",
                limit: MAX_TENSORS as u64,
                got: MAX_TENSORS as u64,
            });
        }
        if !entries.is_empty() {
            scanner.skip(",")?;
        }
        let fault = scanner.fault("tensors by descending width of their elements, then by name");
        scanner.skip("\"")?;
        let entry = scanner.entry(data, start)?;
        start = start.saturating_add(entry.end.saturating_sub(entry.start) as u64);
        if entries
            .last()
            .is_some_and(|last| (last.element, &last.name) >= (entry.element, &entry.name))
        {
            return Err(fault);
        }
        entries.push(entry);
    }
    let padding = scanner.rest();
    if padding.len() >= ALIGNMENT || padding.iter().any(|b| *b != b' ') {
        return Err(scanner.fault("spaces up to the next multiple of 64"));
    }
    if usize::try_from(start)
        .ok()
        .and_then(|start| data.checked_add(start))
        != Some(file_length)
    {
        return Err(ProgramError::Malformed {
            expected: "the end of the data",
            at: file_length,
        });
    }
    Ok(entries)
}
