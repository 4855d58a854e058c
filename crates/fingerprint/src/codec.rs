//! The bytes of a fingerprint (specs/09-fingerprint.md §2.4).

use proofmark_receipt::cbor::{Decoder, Encoder};

use crate::activations::{Chunk, Fingerprint, MAX_BYTES, Parameters};
use crate::{FingerprintError, PRIME};

const PROFILE: &str = "proofmark:fingerprint:draft-1";

fn malformed(what: &'static str) -> FingerprintError {
    FingerprintError::Malformed { what }
}

impl Fingerprint {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        e.array(6)
            .text(PROFILE)
            .uint(self.parameters.width.into())
            .uint(self.parameters.chunk.into())
            .uint(self.parameters.top.into())
            .uint(self.positions.into())
            .array(self.chunks.len());
        for chunk in &self.chunks {
            let mut bytes = chunk.modulus.to_be_bytes().to_vec();
            bytes.extend(chunk.coefficients.iter().flat_map(|c| c.to_be_bytes()));
            e.bytes(&bytes);
        }
        e.into_bytes()
    }

    /// Decodes it; nothing is compared.
    ///
    /// # Errors
    /// [`FingerprintError::Malformed`], [`FingerprintError::Encoding`] and [`FingerprintError::Parameters`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FingerprintError> {
        if bytes.len() > MAX_BYTES {
            return Err(malformed("at most 1 MiB"));
        }
        let mut d = Decoder::new(bytes);
        d.array_exact(6)?;
        if d.text()? != PROFILE {
            return Err(malformed("another version"));
        }
        let parameters = Parameters {
            width: d.u32()?,
            chunk: d.u32()?,
            top: d.u32()?,
        };
        parameters.check()?;
        let positions = d.u32()?;
        let count = positions.div_ceil(parameters.chunk);
        if positions == 0 || d.array()? != u64::from(count) {
            return Err(malformed("as many chunks as its positions have"));
        }
        let mut chunks = Vec::new();
        for _ in 0..count {
            chunks.push(chunk(d.bytes()?, parameters.top)?);
        }
        d.finish()?;
        Ok(Self {
            parameters,
            positions,
            chunks,
        })
    }
}

fn chunk(bytes: &[u8], top: u32) -> Result<Chunk, FingerprintError> {
    let (words, rest) = bytes.as_chunks::<2>();
    let mut words = words.iter().map(|word| u16::from_be_bytes(*word));
    let modulus = words.next().unwrap_or(0);
    let coefficients: Vec<u16> = words.collect();
    let in_field = |c: &u16| u32::from(*c) < PRIME;
    // A row holds as many values as are kept, so every chunk has all of them.
    if !rest.is_empty()
        || modulus == 0
        || u32::from(modulus) > PRIME
        || coefficients.len() != top as usize
        || !coefficients.iter().all(in_field)
    {
        return Err(malformed("a modulus and all coefficients, below the prime"));
    }
    Ok(Chunk {
        modulus,
        coefficients,
    })
}
