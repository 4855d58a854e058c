//! COSE_Sign1 (RFC 9052 §4.2) with exactly the headers of specs/01-receipt.md §3.2.

use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::{KeyId, PublicKey, ReceiptError, SigningKey, Suite};

const SIGN1_TAG: u64 = 18;
const HEADER_ALG: i64 = 1;
const HEADER_CONTENT_TYPE: i64 = 3;
const HEADER_KID: i64 = 4;
const HEADER_TYP: i64 = 16;
/// What older writers call Ed25519 (RFC 9864 §4.2).
const ALG_EDDSA_DEPRECATED: i64 = -8;
const CONTENT_TYPE_EAT: &str = "application/eat+cwt";

/// What kind of object is signed; part of the signed bytes, so that none passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typ {
    /// A receipt (§3).
    Receipt,
    /// A key statement (§8.2).
    KeyStatement,
    /// A revocation (§8.3).
    Revocation,
    /// An operator statement (§8.4).
    Operator,
    /// A replay verdict (§7.2).
    Replay,
    /// A trace statement (specs/08-referee.md §3).
    Trace,
    /// A move of a dispute (specs/08-referee.md §6).
    Dispute,
    /// An audit statement (specs/06-confidence.md §9).
    Audit,
    /// A weights statement (§8.7).
    Weights,
}

impl Typ {
    /// The `typ` header (RFC 9596).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Receipt => "application/proofmark-receipt+cose",
            Self::KeyStatement => "application/proofmark-key-statement+cose",
            Self::Revocation => "application/proofmark-revocation+cose",
            Self::Operator => "application/proofmark-operator+cose",
            Self::Replay => "application/proofmark-replay+cose",
            Self::Trace => "application/proofmark-trace+cose",
            Self::Dispute => "application/proofmark-dispute+cose",
            Self::Audit => "application/proofmark-audit+cose",
            Self::Weights => "application/proofmark-weights+cose",
        }
    }
}

/// A COSE_Sign1 of one of our types: parsed, **not** verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sign1 {
    pub(crate) kid: KeyId,
    pub(crate) protected: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

fn protected_header(typ: Typ, kid: &KeyId) -> Vec<u8> {
    let mut e = Encoder::with_capacity(128);
    let receipt = typ == Typ::Receipt;
    e.map(if receipt { 4 } else { 3 })
        .int(HEADER_ALG)
        .int(Suite::Ed25519.cose_alg());
    if receipt {
        e.int(HEADER_CONTENT_TYPE).text(CONTENT_TYPE_EAT);
    }
    e.int(HEADER_KID)
        .bytes(kid.as_bytes())
        .int(HEADER_TYP)
        .text(typ.media_type());
    e.into_bytes()
}

/// Room for protected header and payload with what stands around them, a signature included.
fn overhead(protected: usize, payload: usize) -> usize {
    protected.saturating_add(payload).saturating_add(128)
}

/// RFC 9052 §4.4: `["Signature1", protected, external_aad, payload]`.
fn sig_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut e = Encoder::with_capacity(overhead(protected.len(), payload.len()));
    e.array(4)
        .text("Signature1")
        .bytes(protected)
        .bytes(&[])
        .bytes(payload);
    e.into_bytes()
}

fn envelope(protected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut e = Encoder::with_capacity(overhead(protected.len(), payload.len()));
    e.tag(SIGN1_TAG)
        .array(4)
        .bytes(protected)
        .map(0)
        .bytes(payload)
        .bytes(signature);
    e.into_bytes()
}

/// Signs `payload` as a `typ`; returns the tagged COSE_Sign1, and what [`decode`] would make of it.
pub(crate) fn sign(typ: Typ, key: &SigningKey, payload: Vec<u8>) -> (Vec<u8>, Sign1) {
    let protected = protected_header(typ, &key.kid());
    let signature = key.sign(&sig_structure(&protected, &payload));
    let bytes = envelope(&protected, &payload, &signature);
    let sign1 = Sign1 {
        kid: key.kid(),
        protected,
        payload,
        signature: signature.to_vec(),
    };
    (bytes, sign1)
}

fn decode_protected(bytes: &[u8], typ: Typ) -> Result<KeyId, ReceiptError> {
    let mut d = Decoder::new(bytes);
    let mut map = d.map()?;
    let (mut alg, mut content_type, mut kid, mut found_typ) = (None, None, None, None);
    while let Some(label) = d.next_key(&mut map)? {
        match label {
            HEADER_ALG => alg = Some(d.int()?),
            HEADER_CONTENT_TYPE => content_type = Some(d.text()?),
            HEADER_KID => kid = Some(KeyId(d.array_of()?)),
            HEADER_TYP => found_typ = Some(d.text()?),
            _ => return Err(d.malformed("a known header")),
        }
    }
    d.finish()?;
    if found_typ != Some(typ.media_type()) {
        return Err(d.malformed("the type of object that is wanted here"));
    }
    if content_type != (typ == Typ::Receipt).then_some(CONTENT_TYPE_EAT) {
        return Err(d.malformed("the content type of this type"));
    }
    match alg {
        Some(alg) if alg == Suite::Ed25519.cose_alg() || alg == ALG_EDDSA_DEPRECATED => {}
        Some(alg) => return Err(ReceiptError::AlgorithmUnsupported { alg }),
        None => return Err(d.malformed("an algorithm")),
    }
    kid.ok_or(d.malformed("a key id"))
}

/// Parses a tagged COSE_Sign1 of the type `typ`.
pub(crate) fn decode(bytes: &[u8], typ: Typ) -> Result<Sign1, ReceiptError> {
    let mut d = Decoder::new(bytes);
    d.tag(SIGN1_TAG)?;
    d.array_exact(4)?;
    let protected = d.bytes()?;
    let mut unprotected = d.map()?;
    if d.next_key(&mut unprotected)?.is_some() {
        return Err(d.malformed("an empty unprotected header"));
    }
    let payload = d.bytes()?;
    let signature = d.bytes()?;
    d.finish()?;
    let kid = decode_protected(protected, typ)?;
    Ok(Sign1 {
        kid,
        protected: protected.to_vec(),
        payload: payload.to_vec(),
        signature: signature.to_vec(),
    })
}

impl Sign1 {
    /// Verifies with `key`, whose id must be the header's.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), ReceiptError> {
        if key.kid() != self.kid {
            return Err(ReceiptError::KidMismatch);
        }
        key.verify(
            &sig_structure(&self.protected, &self.payload),
            &self.signature,
        )
    }
}
