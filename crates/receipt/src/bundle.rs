//! The bundle: one file with a receipt and all that is needed to check it offline (specs/01-receipt.md §10).

use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::{Countersignature, Disclosure, Evidence, ReceiptError};

/// Bound of §1.3.
pub const BUNDLE_MAX_BYTES: usize = 32 * 1024 * 1024;
const MAGIC: &str = "proofmark:bundle:draft-1";
/// First byte of a tagged COSE_Sign1: a bare receipt.
const COSE_SIGN1_FIRST_BYTE: u8 = 0xd2;

/// A receipt with what was attached to it. Everything in it is untrusted until it is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The signed receipt.
    pub receipt: Vec<u8>,
    /// The signed key statement that it names.
    pub key_statement: Option<Vec<u8>>,
    /// tlog-proof@v1 of the receipt's leaf in the receipts log.
    pub log_proof: Option<Vec<u8>>,
    /// tlog-proof@v1 of the key statement's leaf in the registry log.
    pub registry_proof: Option<Vec<u8>>,
    /// Snapshot of the registry log, for revocation.
    pub snapshot: Option<Snapshot>,
    /// Evidence.
    pub evidence: Vec<Evidence>,
    /// Countersignatures.
    pub countersignatures: Vec<Countersignature>,
    /// Inclusion promise of the receipts log.
    pub promise: Option<Vec<u8>>,
    /// What the holder of the secret shows.
    pub disclosures: Vec<Disclosure>,
}

/// All leaves of a registry log at one checkpoint (§8.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The checkpoint, a signed note.
    pub checkpoint: Vec<u8>,
    /// Every leaf, from index 0.
    pub leaves: Vec<Vec<u8>>,
}

impl Snapshot {
    fn put(&self, e: &mut Encoder) {
        e.array(2).bytes(&self.checkpoint).array(self.leaves.len());
        for leaf in &self.leaves {
            e.bytes(leaf);
        }
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        d.array_exact(2)?;
        let checkpoint = d.bytes()?.to_vec();
        Ok(Self {
            checkpoint,
            leaves: d.list(|d| d.bytes().map(<[u8]>::to_vec))?,
        })
    }

    /// The snapshot as a file of its own.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        self.put(&mut e);
        e.into_bytes()
    }

    /// Decodes a snapshot file.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        check_size("bytes of a snapshot", bytes)?;
        let mut d = Decoder::new(bytes);
        Self::read(&mut d)
            .and_then(|snapshot| d.finish().map(|()| snapshot))
            .map_err(ReceiptError::in_revocation)
    }
}

fn check_size(what: &'static str, bytes: &[u8]) -> Result<(), ReceiptError> {
    if bytes.len() > BUNDLE_MAX_BYTES {
        return Err(ReceiptError::TooLarge {
            what,
            limit: BUNDLE_MAX_BYTES,
            got: bytes.len(),
        });
    }
    Ok(())
}

/// An optional array is absent rather than empty: one encoding for one bundle.
fn non_empty_list<'a, T>(
    d: &mut Decoder<'a>,
    read: impl FnMut(&mut Decoder<'a>) -> Result<T, ReceiptError>,
) -> Result<Vec<T>, ReceiptError> {
    let error = d.malformed("an array with elements");
    let list = d.list(read)?;
    if list.is_empty() {
        Err(error)
    } else {
        Ok(list)
    }
}

impl Bundle {
    /// A bundle with nothing but a receipt.
    pub fn of(receipt: Vec<u8>) -> Self {
        Self {
            receipt,
            ..Self::default()
        }
    }

    /// The file's bytes. A bundle over the bounds of §1.3 does not decode.
    pub fn encode(&self) -> Vec<u8> {
        let present = [
            self.key_statement.is_some(),
            self.log_proof.is_some(),
            self.registry_proof.is_some(),
            self.snapshot.is_some(),
            !self.evidence.is_empty(),
            !self.countersignatures.is_empty(),
            self.promise.is_some(),
            !self.disclosures.is_empty(),
        ];
        let mut e = Encoder::new();
        e.array(2).text(MAGIC).map(
            present
                .iter()
                .filter(|there| **there)
                .count()
                .saturating_add(1),
        );
        e.uint(0).bytes(&self.receipt);
        for (key, part) in [
            (1, &self.key_statement),
            (2, &self.log_proof),
            (3, &self.registry_proof),
        ] {
            if let Some(bytes) = part {
                e.uint(key).bytes(bytes);
            }
        }
        if let Some(snapshot) = &self.snapshot {
            snapshot.put(e.uint(4));
        }
        if !self.evidence.is_empty() {
            e.uint(5).array(self.evidence.len());
            self.evidence
                .iter()
                .for_each(|evidence| evidence.encode(&mut e));
        }
        if !self.countersignatures.is_empty() {
            e.uint(6).array(self.countersignatures.len());
            self.countersignatures
                .iter()
                .for_each(|countersignature| countersignature.encode(&mut e));
        }
        if let Some(promise) = &self.promise {
            e.uint(7).bytes(promise);
        }
        if !self.disclosures.is_empty() {
            e.uint(8).array(self.disclosures.len());
            self.disclosures
                .iter()
                .for_each(|disclosure| disclosure.encode(&mut e));
        }
        e.into_bytes()
    }

    /// Decodes a bundle, or a bare receipt as a bundle with nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        check_size("bytes of a bundle", bytes)?;
        if bytes.first() == Some(&COSE_SIGN1_FIRST_BYTE) {
            return Ok(Self::of(bytes.to_vec()));
        }
        let mut d = Decoder::new(bytes);
        d.array_exact(2)?;
        let magic = d.text()?;
        if magic != MAGIC {
            return Err(ReceiptError::VersionUnknown { got: magic.into() });
        }
        let mut map = d.map()?;
        let mut receipt = None;
        let mut bundle = Self::default();
        while let Some(key) = d.next_key(&mut map)? {
            match key {
                0 => receipt = Some(d.bytes()?.to_vec()),
                1 => bundle.key_statement = Some(d.bytes()?.to_vec()),
                2 => bundle.log_proof = Some(d.bytes()?.to_vec()),
                3 => bundle.registry_proof = Some(d.bytes()?.to_vec()),
                4 => bundle.snapshot = Some(Snapshot::read(&mut d)?),
                5 => bundle.evidence = non_empty_list(&mut d, Evidence::decode)?,
                6 => bundle.countersignatures = non_empty_list(&mut d, Countersignature::decode)?,
                7 => bundle.promise = Some(d.bytes()?.to_vec()),
                8 => bundle.disclosures = non_empty_list(&mut d, Disclosure::decode)?,
                _ => return Err(d.malformed("a part of a bundle")),
            }
        }
        d.finish()?;
        bundle.receipt = receipt.ok_or(d.malformed("a receipt"))?;
        Ok(bundle)
    }
}
