//! Writing a weights file.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::header::{data_bytes, is_name};
use super::{ALIGNMENT, ElementType, MAX_HEADER_BYTES, MAX_TENSORS};
use crate::ProgramError;

struct Tensor {
    element: ElementType,
    name: String,
    shape: Vec<u32>,
    data: Vec<u8>,
}

/// Collects constants and writes the canonical file (§6.2), whatever the order in which they came.
#[derive(Default)]
pub struct WeightsWriter {
    tensors: Vec<Tensor>,
}

impl WeightsWriter {
    /// Without tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an I8 tensor.
    pub fn i8(&mut self, name: &str, shape: &[u32], elements: &[i8]) -> Result<(), ProgramError> {
        let data = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.push(ElementType::I8, name, shape, data)
    }

    /// Adds an I16 tensor.
    pub fn i16(&mut self, name: &str, shape: &[u32], elements: &[i16]) -> Result<(), ProgramError> {
        let data = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.push(ElementType::I16, name, shape, data)
    }

    /// Adds an I32 tensor.
    pub fn i32(&mut self, name: &str, shape: &[u32], elements: &[i32]) -> Result<(), ProgramError> {
        let data = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.push(ElementType::I32, name, shape, data)
    }

    /// Adds a tensor of which the little-endian bytes are there already.
    pub fn push(
        &mut self,
        element: ElementType,
        name: &str,
        shape: &[u32],
        data: Vec<u8>,
    ) -> Result<(), ProgramError> {
        let fault = |what| ProgramError::Constant {
            name: name.into(),
            what,
        };
        if !is_name(name) {
            return Err(fault(
                "a name has 1 to 128 letters, digits, dots, underscores, hyphens and slashes",
            ));
        }
        if data_bytes(element, shape) != Some(data.len() as u64) {
            return Err(fault(
                "the shape is out of bounds or has another number of elements",
            ));
        }
        self.tensors.push(Tensor {
            element,
            name: name.into(),
            shape: shape.to_vec(),
            data,
        });
        Ok(())
    }

    /// Whether a tensor of this name was added.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.iter().any(|tensor| tensor.name == name)
    }

    /// The file. It needs memory for all tensors twice; [`WeightsWriter::finish_with`] does not.
    pub fn finish(self) -> Result<Vec<u8>, ProgramError> {
        let mut file = Vec::new();
        self.finish_with(|bytes| file.extend_from_slice(bytes))?;
        Ok(file)
    }

    /// Hands the file to `take`, piece by piece in order; each tensor's memory is released once it was taken.
    pub fn finish_with(mut self, mut take: impl FnMut(&[u8])) -> Result<(), ProgramError> {
        self.tensors
            .sort_by(|a, b| (a.element, &a.name).cmp(&(b.element, &b.name)));
        let header = self.header()?;
        take(&(header.len() as u64).to_le_bytes());
        take(header.as_bytes());
        for tensor in self.tensors {
            take(&tensor.data);
        }
        Ok(())
    }

    fn header(&self) -> Result<String, ProgramError> {
        if self.tensors.len() > MAX_TENSORS {
            let got = self.tensors.len() as u64;
            return Err(ProgramError::TooLarge {
                what: "tensors",
                limit: MAX_TENSORS as u64,
                got,
            });
        }
        let mut names: Vec<&str> = self
            .tensors
            .iter()
            .map(|tensor| tensor.name.as_str())
            .collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            if let [a, b] = pair
                && a == b
            {
                return Err(ProgramError::Constant {
                    name: (*a).into(),
                    what: "added twice",
                });
            }
        }
        let mut header = String::from("{");
        let mut start = 0_u64;
        for (at, tensor) in self.tensors.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let end = start.saturating_add(tensor.data.len() as u64);
            let shape: Vec<String> = tensor.shape.iter().map(|d| format!("{d}")).collect();
            let (name, dtype, shape) = (&tensor.name, tensor.element.name(), shape.join(","));
            header.push_str(&format!(
                "{comma}\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{start},{end}]}}"
            ));
            start = end;
        }
        header.push('}');
        while !header.len().saturating_add(8).is_multiple_of(ALIGNMENT) {
            header.push(' ');
        }
        let got = header.len() as u64;
        if got > MAX_HEADER_BYTES {
            return Err(ProgramError::TooLarge {
                what: "bytes of a weights header",
                limit: MAX_HEADER_BYTES,
                got,
            });
        }
        Ok(header)
    }
}
