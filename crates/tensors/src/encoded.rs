//! Encoded tensors: specs/04-program.md §6.5.

use alloc::string::String;
use alloc::vec::Vec;

use proofmark_receipt::ReceiptError;
use proofmark_receipt::cbor::{Decoder, Encoder};

use crate::tensor::elements;
use crate::{MAX_DIMENSIONS, MAX_TENSORS};

/// The integers that a program took or gave, under their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedTensor {
    /// Name in the program's interface.
    pub name: String,
    /// Lengths of the dimensions.
    pub shape: Vec<u32>,
    /// As many as the shape has places, row-major.
    pub elements: Vec<i32>,
    /// Of a real output, the bits of the double that an element is shown as a multiple of; `None` for inputs and integers.
    pub scale_bits: Option<u64>,
}

impl EncodedTensor {
    fn write(&self, e: &mut Encoder, as_output: bool) {
        e.array(if as_output { 5 } else { 4 })
            .text(&self.name)
            .bool(false)
            .array(self.shape.len());
        for length in &self.shape {
            e.uint((*length).into());
        }
        let bytes: Vec<u8> = self.elements.iter().flat_map(|x| x.to_le_bytes()).collect();
        e.bytes(&bytes);
        if as_output {
            match self.scale_bits {
                Some(bits) => e.uint(bits),
                None => e.null(),
            };
        }
    }

    fn read(d: &mut Decoder<'_>, as_output: bool) -> Result<Self, ReceiptError> {
        let expected = d.malformed("an encoded tensor");
        d.array_exact(if as_output { 5 } else { 4 })?;
        let name = d.text()?.into();
        if d.bool()? {
            return Err(expected);
        }
        let mut shape = Vec::new();
        for _ in 0..d.array()? {
            shape.push(d.u32()?);
            if shape.len() > MAX_DIMENSIONS {
                return Err(expected);
            }
        }
        let (chunks, rest) = d.bytes()?.as_chunks::<4>();
        if !rest.is_empty() || elements(&shape) != Some(chunks.len()) {
            return Err(expected);
        }
        let elements = chunks.iter().map(|x| i32::from_le_bytes(*x)).collect();
        let scale_bits = if !as_output {
            None
        } else if d.peek_null() {
            d.null()?;
            None
        } else {
            Some(d.uint()?)
        };
        Ok(Self {
            name,
            shape,
            elements,
            scale_bits,
        })
    }

    /// The bytes of the inputs of one run, in the order of the program's interface.
    #[must_use]
    pub fn encode_inputs(inputs: &[Self]) -> Vec<u8> {
        let mut e = Encoder::new();
        e.array(inputs.len());
        for input in inputs {
            input.write(&mut e, false);
        }
        e.into_bytes()
    }

    /// Reads the inputs of one run.
    ///
    /// # Errors
    /// [`ReceiptError`]: not canonical, or not of this shape.
    pub fn decode_inputs(bytes: &[u8]) -> Result<Vec<Self>, ReceiptError> {
        let mut d = Decoder::new(bytes);
        let too_many = d.malformed("at most 1,000 tensors");
        let count = d.array()?;
        if count > MAX_TENSORS as u64 {
            return Err(too_many);
        }
        let inputs = (0..count)
            .map(|_| Self::read(&mut d, false))
            .collect::<Result<_, _>>()?;
        d.finish()?;
        Ok(inputs)
    }

    /// The bytes of one output.
    #[must_use]
    pub fn encode_output(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        self.write(&mut e, true);
        e.into_bytes()
    }

    /// Reads one output.
    ///
    /// # Errors
    /// As [`Self::decode_inputs`].
    pub fn decode_output(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let mut d = Decoder::new(bytes);
        let output = Self::read(&mut d, true)?;
        d.finish()?;
        Ok(output)
    }

    /// The number that an element is shown as: a multiple of the scale, or itself.
    pub fn shown(&self) -> impl Iterator<Item = f64> {
        let scale = self.scale_bits.map_or(1.0, f64::from_bits);
        self.elements.iter().map(move |q| f64::from(*q) * scale)
    }
}
