//! The payload of a record of the receipts log: the signed receipt, and its sealed contents if they are kept.
//!
//! ```text
//! payload = [1, receipt: bstr, sealed: bstr / null]      ; deterministic CBOR, specs/01-receipt.md §1
//! ```

use proofmark_receipt::cbor::{Decoder, Encoder};

use super::StoreError;
use super::error::{Malformation as _, open_version};

const VERSION: u64 = 1;

/// A record's payload, its parts as slices of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The signed receipt.
    pub receipt: &'a [u8],
    /// The contents, sealed.
    pub sealed: Option<&'a [u8]>,
}

impl<'a> Payload<'a> {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let sealed = self.sealed.map_or(0, <[u8]>::len);
        let mut e = Encoder::with_capacity(self.receipt.len() + sealed + 16);
        e.array(3).uint(VERSION).bytes(self.receipt);
        match self.sealed {
            Some(sealed) => e.bytes(sealed),
            None => e.null(),
        };
        e.into_bytes()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] and [`StoreError::Version`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, StoreError> {
        let what = "record";
        let mut d = Decoder::new(bytes);
        open_version(&mut d, what, 3, VERSION)?;
        let receipt = d.bytes().or_malformed(what)?;
        let sealed = if d.peek_null() {
            d.null().or_malformed(what)?;
            None
        } else {
            Some(d.bytes().or_malformed(what)?)
        };
        d.finish().or_malformed(what)?;
        Ok(Self { receipt, sealed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_read_back_and_nothing_else_is() {
        for sealed in [None, Some(&b"sealed"[..]), Some(&b""[..])] {
            let payload = Payload {
                receipt: b"receipt",
                sealed,
            };
            let bytes = payload.encode();
            assert!(Payload::decode(&bytes).is_ok_and(|read| read == payload));
            for end in 0..bytes.len() {
                assert!(Payload::decode(&bytes[..end]).is_err(), "cut at {end}");
            }
            let longer = [&bytes[..], b"x"].concat();
            assert!(Payload::decode(&longer).is_err());
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let later = Encoder::new()
            .array(3)
            .uint(2)
            .null()
            .null()
            .clone()
            .into_bytes();
        let version = StoreError::Version {
            what: "record",
            expected: 1,
            got: 2,
        };
        assert_eq!(Payload::decode(&later).err(), Some(version));
    }
}
