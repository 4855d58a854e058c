//! Evidence and countersignatures beside the signed bytes (specs/01-receipt.md §7, §10.4).

use alloc::string::String;
use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::digest::sha256;
use crate::{ClaimsDigest, EvidenceDigest, KeyId, ReceiptError, ReceiptId, Suite};

/// A piece of evidence about one receipt. Decoding shows only its shape; what it binds is checked by the verifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What kind of evidence, such as `replay`.
    pub kind: String,
    /// The receipt that it is about.
    pub receipt: ReceiptId,
    /// The claims that it is about.
    pub claims: ClaimsDigest,
    /// Attached, or promised.
    pub state: EvidenceState,
    /// Who made it.
    pub by: Option<KeyId>,
    /// Until when a pending one is promised, Unix seconds.
    pub deadline: Option<u64>,
    /// Digest of the data.
    pub digest: Option<EvidenceDigest>,
    /// The data.
    pub data: Option<Vec<u8>>,
    /// Where the data can be had.
    pub location: Option<String>,
}

/// Whether evidence is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceState {
    /// Promised: it claims nothing yet.
    Pending,
    /// There.
    Attached,
}

/// A signature over a batch head that covers this receipt's claims digest; only its shape is known to this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countersignature {
    /// Suite.
    pub suite: Suite,
    /// Key.
    pub kid: KeyId,
    /// Signature over the batch head.
    pub signature: Vec<u8>,
    /// Index in the batch.
    pub index: u64,
    /// Size of the batch.
    pub size: u64,
    /// Inclusion path in the batch.
    pub path: Vec<[u8; 32]>,
}

impl Evidence {
    /// Evidence that is here: its data, about a receipt with these claims, by the key that signed the data if one did.
    pub fn attached(
        kind: &str,
        receipt: ReceiptId,
        claims: ClaimsDigest,
        by: Option<KeyId>,
        data: Vec<u8>,
    ) -> Self {
        Self {
            kind: kind.into(),
            receipt,
            claims,
            state: EvidenceState::Attached,
            by,
            deadline: None,
            digest: Some(Self::digest_of(&data)),
            data: Some(data),
            location: None,
        }
    }

    /// Digest of evidence data.
    pub fn digest_of(data: &[u8]) -> EvidenceDigest {
        EvidenceDigest(sha256(&[b"proofmark/receipt/1/evidence\n", data]))
    }

    /// Checks that this is about the receipt `receipt` with the claims `claims`, and that its data is what its digest
    /// says. Whether the data shows anything is not checked.
    pub fn check(&self, receipt: &ReceiptId, claims: &ClaimsDigest) -> Result<(), ReceiptError> {
        if self.receipt != *receipt || self.claims != *claims {
            return Err(ReceiptError::EvidenceOtherReceipt);
        }
        if let (Some(expected), Some(data)) = (self.digest, &self.data) {
            let got = Self::digest_of(data);
            if got != expected {
                return Err(ReceiptError::EvidenceDigestMismatch { expected, got });
            }
        }
        Ok(())
    }

    pub(crate) fn encode(&self, e: &mut Encoder) {
        let optional = [
            self.by.is_some(),
            self.deadline.is_some(),
            self.digest.is_some(),
            self.data.is_some(),
            self.location.is_some(),
        ];
        let present = optional.iter().filter(|there| **there).count();
        e.map(present.saturating_add(4))
            .uint(0)
            .text(&self.kind)
            .uint(1)
            .bytes(self.receipt.as_bytes());
        e.uint(2)
            .bytes(self.claims.as_bytes())
            .uint(3)
            .uint(match self.state {
                EvidenceState::Pending => 0,
                EvidenceState::Attached => 1,
            });
        if let Some(by) = &self.by {
            e.uint(4).bytes(by.as_bytes());
        }
        if let Some(deadline) = self.deadline {
            e.uint(5).uint(deadline);
        }
        if let Some(digest) = &self.digest {
            e.uint(6).bytes(digest.as_bytes());
        }
        if let Some(data) = &self.data {
            e.uint(7).bytes(data);
        }
        if let Some(location) = &self.location {
            e.uint(8).text(location);
        }
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        let mut map = d.map()?;
        let (mut kind, mut receipt, mut claims, mut state) = (None, None, None, None);
        let (mut by, mut deadline, mut digest, mut data, mut location) =
            (None, None, None, None, None);
        while let Some(key) = d.next_key(&mut map)? {
            match key {
                0 => kind = Some(d.text()?.into()),
                1 => receipt = Some(ReceiptId::decode(d)?),
                2 => claims = Some(ClaimsDigest(d.array_of()?)),
                3 if d.uint_max(1, "a state of evidence")? == 0 => {
                    state = Some(EvidenceState::Pending);
                }
                3 => state = Some(EvidenceState::Attached),
                4 => by = Some(KeyId(d.array_of()?)),
                5 => deadline = Some(d.uint()?),
                6 => digest = Some(EvidenceDigest(d.array_of()?)),
                7 => data = Some(d.bytes()?.to_vec()),
                8 => location = Some(d.text()?.into()),
                _ => return Err(d.malformed("a member of evidence")),
            }
        }
        let missing = || d.malformed("all members of evidence");
        Ok(Self {
            kind: kind.ok_or_else(missing)?,
            receipt: receipt.ok_or_else(missing)?,
            claims: claims.ok_or_else(missing)?,
            state: state.ok_or_else(missing)?,
            by,
            deadline,
            digest,
            data,
            location,
        })
    }
}

impl Countersignature {
    pub(crate) fn encode(&self, e: &mut Encoder) {
        e.array(4)
            .uint(self.suite.id().into())
            .bytes(self.kid.as_bytes())
            .bytes(&self.signature);
        e.array(3)
            .uint(self.index)
            .uint(self.size)
            .array(self.path.len());
        for hash in &self.path {
            e.bytes(hash);
        }
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        d.array_exact(4)?;
        let suite = Suite::decode(d)?;
        let kid = KeyId(d.array_of()?);
        let signature = d.bytes()?.to_vec();
        d.array_exact(3)?;
        let (index, size) = (d.uint()?, d.uint()?);
        let too_long = d.malformed("a path of at most 64 hashes");
        let path = d.list(Decoder::array_of)?;
        if path.len() > 64 {
            return Err(too_long);
        }
        Ok(Self {
            suite,
            kid,
            signature,
            index,
            size,
            path,
        })
    }
}
