//! The code of activations (specs/09-fingerprint.md §2).

use proofmark_receipt::{Evidence, SignedReceipt};

use crate::FingerprintError;
use crate::compare::Comparison;
use crate::polynomial::{PRIME, evaluate, interpolate};

/// Largest fingerprint in bytes.
pub const MAX_BYTES: usize = 1 << 20;
const MAX_WIDTH: u32 = 1 << 16;
const MAX_CHUNK: u32 = 256;
const MAX_TOP: u32 = 512;
const MAX_POSITIONS: u32 = 1 << 17;

/// What is fingerprinted: rows of `width` values, `chunk` positions at a time, of each chunk the `top` largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Values of a position.
    pub width: u32,
    /// Positions of a chunk.
    pub chunk: u32,
    /// Values that a chunk keeps.
    pub top: u32,
}

impl Parameters {
    /// 128 values of 32 positions each, as TOPLOC publishes: 258 bytes for 32 tokens.
    pub fn published(width: u32) -> Self {
        Self {
            width,
            chunk: 32,
            top: 128,
        }
    }

    /// Refuses what is beyond the bounds of §1.
    ///
    /// # Errors
    /// [`FingerprintError::Parameters`].
    pub fn check(&self) -> Result<(), FingerprintError> {
        let refused = |what| Err(FingerprintError::Parameters { what });
        if self.width == 0 || self.width > MAX_WIDTH {
            return refused("the width is 0 or above 65,536");
        }
        if self.chunk == 0 || self.chunk > MAX_CHUNK {
            return refused("a chunk has no position, or more than 256");
        }
        if self.top == 0 || self.top > MAX_TOP || self.top > self.width {
            return refused("a chunk keeps no value, more than 512, or more than a row has");
        }
        Ok(())
    }

    fn values(&self, positions: u32) -> u64 {
        u64::from(self.width).saturating_mul(positions.into())
    }
}

/// One chunk: the modulus that tells its indices apart, and the polynomial through their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) modulus: u16,
    pub(crate) coefficients: Vec<u16>,
}

/// What is left of the last hidden states of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    pub(crate) parameters: Parameters,
    pub(crate) positions: u32,
    pub(crate) chunks: Vec<Chunk>,
}

/// Evidence type of a fingerprint.
const FINGERPRINT_EVIDENCE: &str = "fingerprint";

impl Fingerprint {
    /// Of rows of the last hidden states, one for each token of the answer, in order.
    ///
    /// # Errors
    /// Parameters beyond their bounds, rows that are not whole, a value that is no number.
    pub fn of(parameters: Parameters, rows: &[f32]) -> Result<Self, FingerprintError> {
        parameters.check()?;
        let positions = positions_of(&parameters, rows.len())?;
        let mut chunks = Vec::new();
        for values in chunks_of(&parameters, rows) {
            let largest = largest(values?, parameters.top);
            let modulus = modulus_of(&largest);
            let points: Vec<(u32, u32)> = largest
                .iter()
                .map(|(index, bits)| (residue(*index, modulus), u32::from(*bits)))
                .collect();
            chunks.push(Chunk {
                modulus,
                coefficients: interpolate(&points),
            });
        }
        Ok(Self {
            parameters,
            positions,
            chunks,
        })
    }

    /// What it is of.
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// Positions that it covers.
    pub fn positions(&self) -> u32 {
        self.positions
    }

    /// Compares it with rows of a run of one's own, over the same tokens.
    ///
    /// # Errors
    /// Another number of rows, or a value that is no number.
    pub fn compare(&self, rows: &[f32]) -> Result<Comparison, FingerprintError> {
        let expected = self.parameters.values(self.positions);
        if expected != rows.len() as u64 {
            return Err(FingerprintError::Length {
                expected,
                got: rows.len() as u64,
            });
        }
        let mut comparison = Comparison::default();
        for (values, chunk) in chunks_of(&self.parameters, rows).zip(&self.chunks) {
            for (index, own) in largest(values?, self.parameters.top) {
                let claimed = evaluate(&chunk.coefficients, residue(index, chunk.modulus));
                comparison.add(own, claimed);
            }
        }
        Ok(comparison)
    }

    /// This as evidence about a receipt. It discloses: whoever can guess prompt and answer can tell whether they were these.
    pub fn attach(&self, receipt: &SignedReceipt) -> Evidence {
        Evidence::attached(
            FINGERPRINT_EVIDENCE,
            receipt.claims().id,
            receipt.digest(),
            None,
            self.encode(),
        )
    }
}

fn positions_of(parameters: &Parameters, values: usize) -> Result<u32, FingerprintError> {
    let width = parameters.width as usize;
    let rows = values.checked_div(width).unwrap_or(0);
    if rows == 0 || rows.checked_mul(width) != Some(values) {
        return Err(FingerprintError::Length {
            expected: parameters.values(u32::try_from(rows).unwrap_or(u32::MAX).max(1)),
            got: values as u64,
        });
    }
    u32::try_from(rows)
        .ok()
        .filter(|rows| *rows <= MAX_POSITIONS)
        .ok_or(FingerprintError::Parameters {
            what: "more than 131,072 positions",
        })
}

type Values = Result<Vec<u16>, FingerprintError>;

/// The values of each chunk as bfloat16.
fn chunks_of<'r>(parameters: &Parameters, rows: &'r [f32]) -> impl Iterator<Item = Values> + 'r {
    let size = (parameters.width as usize).saturating_mul(parameters.chunk as usize);
    rows.chunks(size.max(1)).enumerate().map(move |(c, chunk)| {
        let start = c.saturating_mul(size);
        let rounded = chunk.iter().enumerate().map(|(at, value)| {
            bfloat16(*value).ok_or(FingerprintError::NotFinite {
                at: start.saturating_add(at) as u64,
            })
        });
        rounded.collect()
    })
}

/// The nearest bfloat16, ties to even; `None` if that is no finite number.
fn bfloat16(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let odd = (bits >> 16) & 1;
    let rounded = bits.wrapping_add(0x7fff).wrapping_add(odd) >> 16;
    let rounded = u16::try_from(rounded & 0xffff).ok()?;
    // Rounding carries a finite number to infinity at most.
    let finite = value.is_finite() && rounded & 0x7f80 != 0x7f80;
    finite.then_some(rounded)
}

/// The `top` largest by magnitude with their indices: larger first, of equals the one with the lower index.
fn largest(values: Vec<u16>, top: u32) -> Vec<(u32, u16)> {
    let mut all: Vec<(u32, u16)> = (0_u32..).zip(values).collect();
    let order = |a: &(u32, u16), b: &(u32, u16)| {
        let magnitude = |v: u16| v & 0x7fff;
        magnitude(b.1).cmp(&magnitude(a.1)).then(a.0.cmp(&b.0))
    };
    let top = (top as usize).min(all.len());
    if top < all.len() {
        all.select_nth_unstable_by(top, order);
        all.truncate(top);
    }
    all.sort_unstable_by(order);
    all
}

fn residue(index: u32, modulus: u16) -> u32 {
    index.checked_rem(modulus.into()).unwrap_or(0)
}

/// The largest modulus up to the field's order under which the indices differ. There is one: 512 indices have fewer than 131,000
/// differences of which each excludes few moduli; should there be none, the largest is taken, and the comparison suffers.
fn modulus_of(values: &[(u32, u16)]) -> u16 {
    let most = u16::try_from(PRIME).unwrap_or(u16::MAX);
    let mut seen = vec![0_u16; usize::from(most).saturating_add(1)];
    // More than any chunk needs.
    for tried in 0..1_024_u16 {
        let modulus = most.wrapping_sub(tried);
        let mark = tried.wrapping_add(1);
        let distinct = values.iter().all(|(index, _)| {
            let place = seen.get_mut(residue(*index, modulus) as usize);
            place.is_some_and(|place| core::mem::replace(place, mark) != mark)
        });
        if distinct {
            return modulus;
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_and_to_even() {
        for (value, bits) in [
            (1.0_f32, 0x3f80),
            (-2.0, 0xc000),
            (f32::from_bits(0x3f80_8000), 0x3f80),
            (f32::from_bits(0x3f81_8000), 0x3f82),
            (f32::from_bits(0x3f80_8001), 0x3f81),
            (0.0, 0),
        ] {
            assert_eq!(bfloat16(value), Some(bits), "{value}");
        }
        for value in [f32::NAN, f32::INFINITY, f32::MAX, f32::NEG_INFINITY] {
            assert_eq!(bfloat16(value), None, "{value}");
        }
    }

    #[test]
    fn the_largest_are_taken_in_a_fixed_order() {
        let values = vec![0x3f80, 0xbf80, 0x4000, 0x3f80];
        assert_eq!(largest(values, 3), [(2, 0x4000), (0, 0x3f80), (1, 0xbf80)]);
    }

    #[test]
    fn indices_that_the_order_of_the_field_folds_get_another_modulus() {
        assert_eq!(modulus_of(&[(3, 0), (8, 0)]), 65_497);
        assert_eq!(modulus_of(&[(3, 0), (3 + PRIME, 0)]), 65_496);
    }
}
