//! Proofs of inference as evidence: the proofs, and all that their verifier needs (specs/01-receipt.md §7.5).

use alloc::string::String;
use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::{ClaimsDigest, Evidence, ReceiptError, ReceiptId, VouchedWeights};

/// The type of evidence that a proof of inference is.
pub const PROOF_EVIDENCE: &str = "proof";
/// Most statements about the weights beside one proof.
pub const MAX_VOUCHERS: usize = 64;

/// Where the verifier has the weights from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofWeights {
    /// A commitment to them.
    Committed {
        /// Its bytes (specs/05-proof.md §11.2).
        commitment: Vec<u8>,
        /// Who says that it is the model's.
        vouchers: Vec<VouchedWeights>,
    },
    /// The verifier has them itself.
    Public,
}

/// The data of a piece of evidence of the type [`PROOF_EVIDENCE`]. Decoding shows only its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofEvidence {
    /// The proof system, such as `proofmark:proof:draft-1`.
    pub system: String,
    /// The model's manifest, whose digest is the closure (specs/04-program.md §6.3).
    pub manifest: Vec<u8>,
    /// The program's file, whose digest is in the manifest.
    pub program: Vec<u8>,
    /// The weights.
    pub weights: ProofWeights,
    /// One proof for each independent run, in their order.
    pub proofs: Vec<Vec<u8>>,
}

impl ProofEvidence {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        e.array(5)
            .text(&self.system)
            .bytes(&self.manifest)
            .bytes(&self.program);
        match &self.weights {
            ProofWeights::Committed {
                commitment,
                vouchers,
            } => {
                e.array(3).uint(0).bytes(commitment).array(vouchers.len());
                vouchers.iter().for_each(|voucher| voucher.put(&mut e));
            }
            ProofWeights::Public => {
                e.array(1).uint(1);
            }
        }
        e.array(self.proofs.len());
        for proof in &self.proofs {
            e.bytes(proof);
        }
        e.into_bytes()
    }

    /// Decodes it; nothing is verified.
    pub fn decode(data: &[u8]) -> Result<Self, ReceiptError> {
        let mut d = Decoder::new(data);
        Self::read(&mut d)
            .and_then(|evidence| d.finish().map(|()| evidence))
            .map_err(ReceiptError::in_proof)
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        d.array_exact(5)?;
        let system = d.text()?.into();
        let (manifest, program) = (d.bytes()?.to_vec(), d.bytes()?.to_vec());
        let expected = d.malformed("weights of a proof");
        let parts = d.array()?;
        let weights = match (d.uint_max(1, "a mode of weights")?, parts) {
            (0, 3) => {
                let commitment = d.bytes()?.to_vec();
                let too_many = d.malformed("at most 64 statements about the weights");
                let vouchers = d.list(VouchedWeights::read)?;
                if vouchers.len() > MAX_VOUCHERS {
                    return Err(too_many);
                }
                ProofWeights::Committed {
                    commitment,
                    vouchers,
                }
            }
            (1, 1) => ProofWeights::Public,
            _ => return Err(expected),
        };
        let none = d.malformed("at least one proof");
        let proofs = d.list(|d| d.bytes().map(<[u8]>::to_vec))?;
        if proofs.is_empty() {
            return Err(none);
        }
        Ok(Self {
            system,
            manifest,
            program,
            weights,
            proofs,
        })
    }

    /// This as evidence about a receipt.
    pub fn attach(&self, receipt: ReceiptId, claims: ClaimsDigest) -> Evidence {
        Evidence::attached(PROOF_EVIDENCE, receipt, claims, None, self.encode())
    }
}
