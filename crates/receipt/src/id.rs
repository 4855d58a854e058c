//! Receipt ids: UUID version 7 (RFC 9562 §5.7), allocated before a request is forwarded.

use core::fmt;
use core::str::FromStr;

use crate::ReceiptError;
use crate::cbor::Decoder;

/// Id of a receipt. Ids of one node sort by the time at which they were allocated.
///
/// ```
/// use proofmark_receipt::ReceiptId;
/// let id = ReceiptId::from_parts(0x0199_0000_0000, [0xff; 10]);
/// assert_eq!(id.to_string(), "01990000-0000-7fff-bfff-ffffffffffff");
/// assert_eq!(id.to_string().parse::<ReceiptId>().unwrap(), id);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId([u8; 16]);

impl ReceiptId {
    /// A new id from milliseconds since the Unix epoch (48 bits are used) and ten random bytes (74 bits are used).
    pub fn from_parts(unix_ms: u64, random: [u8; 10]) -> Self {
        let [_, _, t0, t1, t2, t3, t4, t5] = unix_ms.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        Self([
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            0x70 | (r0 & 0x0f),
            r1,
            0x80 | (r2 & 0x3f),
            r3,
            r4,
            r5,
            r6,
            r7,
            r8,
            r9,
        ])
    }

    /// An id from its bytes, which must have version 7 and the RFC variant.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, ReceiptError> {
        let [_, _, _, _, _, _, version, _, variant, ..] = bytes;
        if version >> 4 == 7 && variant >> 6 == 2 {
            Ok(Self(bytes))
        } else {
            Err(ReceiptError::Malformed {
                expected: "a UUID of version 7",
                at: 6,
            })
        }
    }

    /// Reads an id; the error stands where it begins.
    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        let error = d.malformed("a UUID of version 7");
        Self::from_bytes(d.array_of()?).map_err(|_| error)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Milliseconds since the Unix epoch at which the node says it was allocated.
    pub fn unix_ms(&self) -> u64 {
        let [t0, t1, t2, t3, t4, t5, ..] = self.0;
        u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5])
    }
}

impl fmt::Display for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptId({self})")
    }
}

impl FromStr for ReceiptId {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let error = |at| ReceiptError::Malformed {
            expected: "a receipt id such as 01990000-0000-7fff-bfff-ffffffffffff",
            at,
        };
        if text.len() != 36 {
            return Err(error(0));
        }
        let mut bytes = [0_u8; 16];
        let mut digits = 0_usize;
        for (at, c) in text.bytes().enumerate() {
            let value = match c {
                b'-' if matches!(at, 8 | 13 | 18 | 23) => continue,
                b'0'..=b'9' if !matches!(at, 8 | 13 | 18 | 23) => c.wrapping_sub(b'0'),
                b'a'..=b'f' if !matches!(at, 8 | 13 | 18 | 23) => {
                    c.wrapping_sub(b'a').wrapping_add(10)
                }
                _ => return Err(error(at)),
            };
            let byte = bytes.get_mut(digits / 2).ok_or(error(at))?;
            *byte = (*byte << 4) | value;
            digits = digits.saturating_add(1);
        }
        Self::from_bytes(bytes)
    }
}
