//! Commitments to multilinear polynomials, and the verifier of their openings (specs/05-proof.md §4 and §5).
//!
//! The 2^n values are a matrix whose lanes are words of a Reed–Solomon code; a Merkle tree has the positions of the code for
//! its leaves. An opening folds the lanes at random, which leaves a shorter vector that is committed to in the same way, until
//! one is short enough to be sent; positions of each tree, drawn at random, tie each vector to the one before.

mod claims;
mod merkle;
mod opening;
mod plan;
#[cfg(test)]
mod tests;

use crate::field::TWO_ADICITY;
use crate::reader::{Digest, Reader};
use crate::{Rejection, Transcript};
pub use merkle::{leaf_key, missing_siblings, node_key};
pub use opening::{position, verify};
pub use plan::{Level, MAX_LEVELS, MAX_WORK_BITS, Plan, REQUIRED_BITS};

/// Bytes of a [`Commitment`].
pub const COMMITMENT_BYTES: usize = 35;

/// How the values of a polynomial lie in a code: 2^`log2_size` values in 2^`log2_width` lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    log2_size: u8,
    log2_width: u8,
    log2_inverse_rate: u8,
}

impl Shape {
    /// Smallest number of lanes, a power of two.
    pub const MIN_LOG2_WIDTH: u32 = 4;
    /// Largest number of lanes.
    pub const MAX_LOG2_WIDTH: u32 = 12;
    /// Largest redundancy of the code: 2^6 positions for a value.
    pub const MAX_LOG2_INVERSE_RATE: u32 = 6;

    /// A shape within the bounds of §4.1.
    ///
    /// # Errors
    /// `proof.malformed` beyond them.
    pub fn new(log2_size: u32, log2_width: u32, log2_inverse_rate: u32) -> Result<Self, Rejection> {
        let within = (Self::MIN_LOG2_WIDTH..=Self::MAX_LOG2_WIDTH).contains(&log2_width)
            && (1..=Self::MAX_LOG2_INVERSE_RATE).contains(&log2_inverse_rate)
            && log2_size
                .checked_sub(log2_width)
                .is_some_and(|message| message.saturating_add(log2_inverse_rate) <= TWO_ADICITY);
        let byte = |value: u32| u8::try_from(value).ok().filter(|_| within);
        match (byte(log2_size), byte(log2_width), byte(log2_inverse_rate)) {
            (Some(log2_size), Some(log2_width), Some(log2_inverse_rate)) => Ok(Self {
                log2_size,
                log2_width,
                log2_inverse_rate,
            }),
            _ => Err(Rejection::Malformed {
                expected: "a shape within bounds",
                at: 0,
            }),
        }
    }

    /// The shape that provers use for 2^`log2_size` values, 2^4 to 2^32 of them.
    ///
    /// # Errors
    /// `proof.malformed` for other sizes.
    pub fn for_size(log2_size: u32) -> Result<Self, Rejection> {
        // A position holds all lanes: more of them make proofs longer, fewer make the next level's vector longer.
        let log2_width = match log2_size {
            0..=12 => 4,
            13..=22 => log2_size.saturating_sub(4) / 2,
            23..=25 => 9,
            _ => log2_size.saturating_sub(17),
        };
        let log2_message = log2_size.saturating_sub(log2_width);
        let log2_inverse_rate = TWO_ADICITY.saturating_sub(log2_message).min(2);
        Self::new(log2_size, log2_width, log2_inverse_rate)
    }

    /// Variables of the polynomial.
    #[must_use]
    pub const fn log2_size(&self) -> u32 {
        self.log2_size as u32
    }

    /// Lanes.
    #[must_use]
    pub const fn log2_width(&self) -> u32 {
        self.log2_width as u32
    }

    /// Positions of the code for a value of the message.
    #[must_use]
    pub const fn log2_inverse_rate(&self) -> u32 {
        self.log2_inverse_rate as u32
    }

    /// Values in a lane.
    #[must_use]
    pub const fn log2_message(&self) -> u32 {
        self.log2_size().saturating_sub(self.log2_width())
    }

    /// Positions of the code.
    #[must_use]
    pub const fn log2_length(&self) -> u32 {
        self.log2_message().saturating_add(self.log2_inverse_rate())
    }
}

/// A commitment to the values of a multilinear polynomial over F. It binds once it is in the transcript, and hides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment {
    /// How the values lie.
    pub shape: Shape,
    /// Root of the Merkle tree.
    pub root: Digest,
}

impl Commitment {
    /// The three logarithms, a byte each, and the root.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; COMMITMENT_BYTES] {
        let mut bytes = [0; COMMITMENT_BYTES];
        let shape = [
            self.shape.log2_size,
            self.shape.log2_width,
            self.shape.log2_inverse_rate,
        ];
        for (place, byte) in bytes.iter_mut().zip(shape.iter().chain(&self.root)) {
            *place = *byte;
        }
        bytes
    }

    /// Reads a commitment.
    ///
    /// # Errors
    /// `proof.malformed` if bytes are missing or the shape is beyond its bounds.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Rejection> {
        let at = reader.at();
        let [size, width, rate] = [reader.u8()?, reader.u8()?, reader.u8()?].map(u32::from);
        let shape = Shape::new(size, width, rate).map_err(|_| Rejection::Malformed {
            expected: "a shape within bounds",
            at,
        })?;
        let root = reader.digest()?;
        Ok(Self { shape, root })
    }

    /// Says the commitment; before any challenge that depends on the polynomial.
    pub fn absorb(&self, transcript: &mut Transcript) {
        transcript.absorb("commitment", &self.to_bytes());
    }
}
