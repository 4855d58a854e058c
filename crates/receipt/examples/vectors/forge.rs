//! Bytes that no correct writer makes: payloads with a claim too few or of another shape, signed all the same.

use ed25519_dalek::Signer as _;
use proofmark_receipt::SigningKey;
use proofmark_receipt::cbor::{Decoder, Encoder};

use crate::fixture::Result;

pub(crate) const RECEIPT_TYP: &str = "application/proofmark-receipt+cose";
pub(crate) const KEY_STATEMENT_TYP: &str = "application/proofmark-key-statement+cose";
pub(crate) const REVOCATION_TYP: &str = "application/proofmark-revocation+cose";
pub(crate) const OPERATOR_TYP: &str = "application/proofmark-operator+cose";

/// Label of the private claim at `position`.
pub(crate) fn label(position: u8) -> i64 {
    -70_000 - i64::from(position)
}

/// One CBOR item.
pub(crate) fn item(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut e = Encoder::new();
    write(&mut e);
    e.into_bytes()
}

/// A map as its entries, for editing.
#[derive(Clone)]
pub(crate) struct Entries(pub(crate) Vec<(i64, Vec<u8>)>);

impl Entries {
    pub(crate) fn of(map: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(map);
        let mut reader = d.map()?;
        let mut entries = Vec::new();
        while let Some(key) = d.next_key(&mut reader)? {
            entries.push((key, d.item()?.to_vec()));
        }
        d.finish()?;
        Ok(Self(entries))
    }

    pub(crate) fn without(mut self, key: i64) -> Self {
        self.0.retain(|(k, _)| *k != key);
        self
    }

    /// Sets an entry; a new one goes where its encoded key sorts.
    pub(crate) fn with(self, key: i64, write: impl FnOnce(&mut Encoder)) -> Self {
        let mut entries = self.without(key);
        entries.0.push((key, item(write)));
        entries.0.sort_by_key(|(k, _)| {
            item(|e| {
                e.int(*k);
            })
        });
        entries
    }

    pub(crate) fn value(&self, key: i64) -> &[u8] {
        self.0
            .iter()
            .find(|(k, _)| *k == key)
            .map_or(&[], |(_, value)| value)
    }

    /// The map's bytes, entries in the order in which they stand.
    pub(crate) fn encode(&self) -> Vec<u8> {
        item(|e| {
            e.map(self.0.len());
            for (key, value) in &self.0 {
                e.int(*key).raw(value);
            }
        })
    }
}

/// The parts of a COSE_Sign1.
pub(crate) struct Envelope {
    pub(crate) protected: Vec<u8>,
    pub(crate) unprotected: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Envelope {
    pub(crate) fn of(sign1: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(sign1);
        d.tag(18)?;
        d.array_exact(4)?;
        Ok(Self {
            protected: d.bytes()?.to_vec(),
            unprotected: d.item()?.to_vec(),
            payload: d.bytes()?.to_vec(),
            signature: d.bytes()?.to_vec(),
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        item(|e| {
            e.tag(18)
                .array(4)
                .bytes(&self.protected)
                .raw(&self.unprotected)
                .bytes(&self.payload)
                .bytes(&self.signature);
        })
    }
}

/// The protected header of an object of type `typ` by `key`, under the algorithm id `alg`.
pub(crate) fn protected(typ: &str, alg: i64, key: &SigningKey) -> Vec<u8> {
    let is_receipt = typ == RECEIPT_TYP;
    item(|e| {
        e.map(if is_receipt { 4 } else { 3 }).int(1).int(alg);
        if is_receipt {
            e.int(3).text("application/eat+cwt");
        }
        e.int(4).bytes(key.kid().as_bytes()).int(16).text(typ);
    })
}

/// A COSE_Sign1 over any bytes, signed with the seed of a key.
pub(crate) fn sign(protected: &[u8], payload: &[u8], seed: &[u8; 32]) -> Vec<u8> {
    let to_sign = item(|e| {
        e.array(4)
            .text("Signature1")
            .bytes(protected)
            .bytes(&[])
            .bytes(payload);
    });
    let signature = ed25519_dalek::SigningKey::from_bytes(seed).sign(&to_sign);
    Envelope {
        protected: protected.to_vec(),
        unprotected: vec![0xa0],
        payload: payload.to_vec(),
        signature: signature.to_bytes().to_vec(),
    }
    .encode()
}

/// A receipt over `payload`, signed by the node key of the fixture.
pub(crate) fn receipt(payload: &[u8]) -> Vec<u8> {
    let header = protected(RECEIPT_TYP, -19, &crate::fixture::node_key());
    sign(&header, payload, &crate::fixture::NODE_SEED)
}

/// A statement over `payload`, signed by the operator key of the fixture.
pub(crate) fn statement(typ: &str, payload: &[u8]) -> Vec<u8> {
    let header = protected(typ, -19, &crate::fixture::operator_key());
    sign(&header, payload, &crate::fixture::OPERATOR_SEED)
}
