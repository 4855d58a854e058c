//! The parameters of an opening: how many levels, their codes and their queries (specs/05-proof.md §5.1 and §6).

use alloc::format;
use alloc::vec::Vec;

use super::Shape;
use crate::field::TWO_ADICITY;
use crate::soundness::{Account, Probability};
use crate::{Incoming, Rejection};

/// Levels of an opening at most.
pub const MAX_LEVELS: usize = 6;

/// Bits of work that a nonce does, at most.
pub const MAX_WORK_BITS: u32 = 20;

/// Bits that an opening's account has at least.
pub const REQUIRED_BITS: u32 = 112;

/// Queries of a level at most.
const MAX_QUERIES: u32 = 1024;

/// Logarithm of the length of the vector that is sent at the end, at most.
const MAX_LOG2_LAST: u32 = 14;

/// One level of an opening: a code, and how often it is queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Lanes that are folded.
    pub log2_width: u32,
    /// Values in a lane.
    pub log2_message: u32,
    /// Positions of the code for a value of the message.
    pub log2_inverse_rate: u32,
    /// Positions that are drawn and opened.
    pub queries: u32,
    /// Bits of work before positions are drawn.
    pub work_bits: u32,
}

impl Level {
    /// Positions of the code.
    #[must_use]
    pub const fn log2_length(&self) -> u32 {
        self.log2_message.saturating_add(self.log2_inverse_rate)
    }

    /// The chance that a word which is not within half the code's distance of a codeword agrees with one at a position:
    /// 1 − (1 − ρ)/2 = (1 + ρ)/2, ρ = 2^−`log2_inverse_rate`.
    fn agreement(&self) -> Probability {
        let inverse_rate = 1_u64.checked_shl(self.log2_inverse_rate).unwrap_or(0);
        Probability::ratio(
            inverse_rate.saturating_add(1),
            inverse_rate.saturating_mul(2),
        )
    }

    /// The chance that no position catches a wrong fold, paid for with work.
    fn missed(&self) -> Probability {
        self.agreement().power(self.queries).halved(self.work_bits)
    }
}

/// The parameters of an opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    levels: Vec<Level>,
}

impl Plan {
    /// The plan that provers use for commitments of this shape: its account has [`REQUIRED_BITS`] or more.
    #[must_use]
    pub fn for_shape(shape: &Shape) -> Self {
        // Vectors of up to 2^10 elements are sent; longer ones are committed to in 2^4 or 2^5 lanes at a low rate.
        const SENT: u32 = 10;
        let work_bits = match shape.log2_size() {
            0..18 => 12,
            18..22 => 16,
            22..25 => 18,
            _ => MAX_WORK_BITS,
        };
        let mut levels = Vec::new();
        let mut width = shape.log2_width();
        let mut inverse_rate = shape.log2_inverse_rate();
        let mut message = shape.log2_message();
        loop {
            let mut level = Level {
                log2_width: width,
                log2_message: message,
                log2_inverse_rate: inverse_rate,
                queries: 0,
                work_bits,
            };
            // Two bits more than an opening has to have: up to three levels, and what is not queries.
            let enough = Probability::ONE.halved(REQUIRED_BITS.saturating_add(2));
            while level.queries < MAX_QUERIES && level.missed().centibits() < enough.centibits() {
                level.queries = level.queries.saturating_add(1);
            }
            levels.push(level);
            if message <= SENT || levels.len() >= MAX_LEVELS {
                return Self { levels };
            }
            width = if message > 14 { 5 } else { 4 };
            message = message.saturating_sub(width);
            inverse_rate = 4.min(TWO_ADICITY.saturating_sub(message));
        }
    }

    /// The levels, the committed polynomial's first.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// A plan of these levels for commitments of this shape: what [`for_shape`](Self::for_shape) is measured against.
    ///
    /// # Errors
    /// `proof.malformed` if the levels do not fit the shape or each other, or are beyond the bounds of §5.1.
    pub fn new(shape: &Shape, levels: Vec<Level>) -> Result<Self, Rejection> {
        let malformed = |expected| Rejection::Malformed { expected, at: 0 };
        if levels.is_empty() || levels.len() > MAX_LEVELS {
            return Err(malformed("one to six levels"));
        }
        let mut size = shape.log2_size();
        for (number, level) in levels.iter().enumerate() {
            let first = Shape::new(size, level.log2_width, level.log2_inverse_rate)?;
            let fits = first.log2_message() == level.log2_message
                && (number > 0 || first == *shape)
                && level.queries <= MAX_QUERIES
                && level.work_bits <= MAX_WORK_BITS;
            if !fits {
                return Err(malformed("a level within bounds"));
            }
            size = level.log2_message;
        }
        if size > MAX_LOG2_LAST {
            return Err(malformed("a last vector within bounds"));
        }
        Ok(Self { levels })
    }

    /// The bytes: the number of levels; for each its logarithms of lanes and of the inverse rate and its bits of work, a byte
    /// each, and its queries in two.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let byte = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        let mut bytes = Vec::with_capacity(self.levels.len().saturating_mul(5).saturating_add(1));
        bytes.push(u8::try_from(self.levels.len()).unwrap_or(u8::MAX));
        for level in &self.levels {
            bytes.push(byte(level.log2_width));
            bytes.push(byte(level.log2_inverse_rate));
            bytes.push(byte(level.work_bits));
            bytes.extend(
                u16::try_from(level.queries)
                    .unwrap_or(u16::MAX)
                    .to_le_bytes(),
            );
        }
        bytes
    }

    /// Receives the plan of an opening.
    pub(super) fn receive(shape: &Shape, incoming: &mut Incoming<'_>) -> Result<Self, Rejection> {
        let at = incoming.bound().at();
        let count = incoming.receive("levels", 1)?.first().copied().unwrap_or(0);
        let malformed = Rejection::Malformed {
            expected: "a plan within bounds",
            at,
        };
        let count = usize::from(count);
        if count > MAX_LEVELS {
            return Err(malformed);
        }
        let bytes = incoming.receive("plan", count.saturating_mul(5))?;
        let mut size = shape.log2_size();
        let mut levels = Vec::with_capacity(count);
        for level in bytes.chunks_exact(5) {
            let &[width, inverse_rate, work, low, high] = level else {
                return Err(malformed);
            };
            let log2_width = u32::from(width);
            size = size.checked_sub(log2_width).ok_or(malformed)?;
            levels.push(Level {
                log2_width,
                log2_message: size,
                log2_inverse_rate: u32::from(inverse_rate),
                queries: u32::from(u16::from_le_bytes([low, high])),
                work_bits: u32::from(work),
            });
        }
        Self::new(shape, levels).map_err(|_| malformed)
    }

    /// The account of an opening with these parameters (§6).
    #[must_use]
    pub fn account(&self) -> Account {
        let mut account = Account::new();
        for (number, level) in self.levels.iter().enumerate() {
            let width = u64::from(level.log2_width);
            let length = 1_u64.checked_shl(level.log2_length()).unwrap_or(u64::MAX);
            let last = number.saturating_add(1) == self.levels.len();
            account.add(
                format!("opening, level {number}: sumcheck"),
                Probability::field(width.saturating_mul(2)),
            );
            account.add(
                format!("opening, level {number}: proximity of the folded lanes"),
                Probability::field(width.saturating_mul(length)),
            );
            account.add(
                format!("opening, level {number}: queries and work"),
                level.missed(),
            );
            if !last {
                account.add(
                    format!("opening, level {number}: batching of the queries"),
                    Probability::field(u64::from(level.queries)),
                );
            }
        }
        account
    }
}
