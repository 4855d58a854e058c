//! The commitment to a model's weights (specs/05-proof.md §11).

use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::ElementType;

use crate::commitment::Commitment;
use crate::plan::{ConstantType, MAX_TENSOR_VARIABLES, Shape, Stack};
use crate::{Digest, Reader, Rejection};

/// Separates the digest W from everything else that is hashed.
const SEPARATOR: &[u8] = b"proofmark/proof/1/weights\n";

/// Smallest stack that is committed to.
const MIN_VARIABLES: usize = 4;

/// A commitment to all constants of a program as bytes, and their types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightsCommitment {
    /// The constants' types, in the program's order.
    pub types: Vec<ConstantType>,
    /// To the stack of their bytes.
    pub commitment: Commitment,
}

impl WeightsCommitment {
    /// For each constant u8(bytes of an element), u8(dimensions) and the dimensions in four bytes; then the commitment.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for constant in &self.types {
            bytes.push(u8::try_from(constant.element.bytes()).unwrap_or(0));
            bytes.push(u8::try_from(constant.shape.len()).unwrap_or(u8::MAX));
            for dimension in &constant.shape {
                bytes.extend(dimension.to_le_bytes());
            }
        }
        bytes.extend(self.commitment.to_bytes());
        bytes
    }

    /// Reads the bytes of a commitment to so many constants.
    ///
    /// # Errors
    /// `proof.malformed`.
    pub fn decode(bytes: &[u8], constants: usize) -> Result<Self, Rejection> {
        let mut reader = Reader::new(bytes);
        let mut types = Vec::new();
        for _ in 0..constants {
            let unknown = reader.malformed("an element of 1, 2 or 4 bytes");
            let element = match reader.u8()? {
                1 => ElementType::I8,
                2 => ElementType::I16,
                4 => ElementType::I32,
                _ => return Err(unknown),
            };
            let beyond = reader.malformed("a constant within bounds");
            let dimensions = reader.u8()?;
            let shape = (0..dimensions).map(|_| reader.u32());
            let shape = shape.collect::<Result<Vec<u32>, _>>()?;
            let in_bounds = |length: &u32| (1..=1 << MAX_TENSOR_VARIABLES).contains(length);
            if !shape.iter().all(in_bounds) || Shape::new(&shape).variables() > MAX_TENSOR_VARIABLES
            {
                return Err(beyond);
            }
            types.push(ConstantType { element, shape });
        }
        let commitment = Commitment::decode(&mut reader)?;
        reader.finish()?;
        Ok(Self { types, commitment })
    }

    /// W: BLAKE3 over a separator and the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Self::digest_of(&self.to_bytes())
    }

    /// W of a commitment's bytes.
    #[must_use]
    pub fn digest_of(bytes: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(SEPARATOR);
        hasher.update(bytes);
        *hasher.finalize().as_bytes()
    }

    /// The stack, if the commitment is to one of its size.
    ///
    /// # Errors
    /// `proof.weights`.
    pub fn stack(&self) -> Result<Limbs, Rejection> {
        let limbs = Limbs::of(&self.types);
        let committed = usize::try_from(self.commitment.shape.log2_size());
        if committed == Ok(limbs.variables()) {
            Ok(limbs)
        } else {
            Err(Rejection::failed(
                "proof.weights",
                "the commitment to the weights is of another size than the weights",
            ))
        }
    }
}

/// Where the bytes of each constant stand: an element of b bytes is `Σ 256^j·limb_j`, the lower limbs being bytes less 128.
#[derive(Debug, Clone)]
pub struct Limbs {
    stack: Stack,
    /// First slot and number of limbs of each constant.
    places: Vec<(usize, usize)>,
}

impl Limbs {
    /// Slots for constants of these types: constant by constant, the lowest limb first.
    #[must_use]
    pub fn of(types: &[ConstantType]) -> Self {
        let (mut sizes, mut places) = (Vec::new(), Vec::new());
        for constant in types {
            let variables = Shape::new(&constant.shape).variables();
            let limbs = constant.element.bytes();
            places.push((sizes.len(), limbs));
            sizes.extend(vec![variables; limbs]);
        }
        Self {
            stack: Stack::of(&[sizes]),
            places,
        }
    }

    /// Slots.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Variables of the polynomial that is committed to.
    #[must_use]
    pub fn variables(&self) -> usize {
        self.stack.variables().max(MIN_VARIABLES)
    }

    /// First slot and number of limbs of a constant.
    #[must_use]
    pub fn place(&self, constant: usize) -> Option<(usize, usize)> {
        self.places.get(constant).copied()
    }

    /// Limb `number` of an element.
    #[must_use]
    pub fn limb(element: i32, number: usize, of: ElementType) -> i8 {
        let [byte, ..] = (element >> number.saturating_mul(8).min(24)).to_le_bytes();
        if number.saturating_add(1) == of.bytes() {
            i8::from_le_bytes([byte])
        } else {
            // byte − 128
            i8::from_le_bytes([byte ^ 0x80])
        }
    }

    /// Σ 128·256^j over the lower limbs: what the limbs lack.
    #[must_use]
    pub fn offset(limbs: usize) -> u32 {
        (1..limbs).fold(0, |sum, _| (sum << 8) | 128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limbs_are_the_element() {
        for (of, elements) in [
            (ElementType::I8, vec![-128, -1, 0, 127]),
            (ElementType::I16, vec![-32_768, -1, 0, 255, 256, 32_767]),
            (ElementType::I32, vec![i32::MIN, -1, 0, 65_535, i32::MAX]),
        ] {
            for element in elements {
                let limbs = of.bytes();
                let sum: i64 = (0..limbs)
                    .map(|j| i64::from(Limbs::limb(element, j, of)) << (8 * j))
                    .sum();
                assert_eq!(sum + i64::from(Limbs::offset(limbs)), i64::from(element));
            }
        }
    }
}
