//! Proof evidence and weights statements: what decodes, and what does not.

use proofmark_receipt::{
    Evidence, ProofEvidence, ProofWeights, ReceiptError, RegistryKind, RegistryLeaf, SignedWeights,
    VouchedWeights, WeightsStatement,
};

use crate::fixture::{self, node_key};
use crate::forge::{self, Entries, Envelope};

/// The `typ` of a weights statement.
pub(crate) const WEIGHTS_TYP: &str = "application/proofmark-weights+cose";

fn statement() -> WeightsStatement {
    WeightsStatement {
        closure: [1; 32],
        system: "proofmark:proof:draft-1".into(),
        weights: [2; 32],
        computed_at: fixture::ISSUED_AT,
    }
}

pub(crate) fn signed_weights() -> SignedWeights {
    SignedWeights::sign(&statement(), &node_key()).unwrap()
}

fn voucher() -> VouchedWeights {
    VouchedWeights {
        signed: signed_weights(),
        key_statement: b"a statement".to_vec(),
    }
}

pub(crate) fn evidence(vouchers: usize) -> ProofEvidence {
    ProofEvidence {
        system: "proofmark:proof:draft-1".into(),
        manifest: b"a manifest".to_vec(),
        program: b"a program".to_vec(),
        weights: ProofWeights::Committed {
            commitment: vec![3; 40],
            vouchers: vec![voucher(); vouchers],
        },
        proofs: vec![b"a proof".to_vec(), Vec::new()],
    }
}

#[test]
fn evidence_comes_back_as_it_was() {
    let mut public = evidence(0);
    public.weights = ProofWeights::Public;
    for evidence in [evidence(0), evidence(2), evidence(64), public] {
        let data = evidence.encode();
        assert_eq!(ProofEvidence::decode(&data), Ok(evidence.clone()));
        let receipt = fixture::chat().issue().unwrap();
        let attached = evidence.attach(receipt.claims().id, receipt.digest());
        assert_eq!(
            attached.check(&receipt.claims().id, &receipt.digest()),
            Ok(())
        );
        assert_eq!(attached.digest, Some(Evidence::digest_of(&data)));
    }
}

#[test]
fn evidence_of_another_shape_is_malformed() {
    let code = |data: &[u8]| ProofEvidence::decode(data).unwrap_err().code();
    let data = evidence(1).encode();
    for at in 0..data.len() {
        let cut = code(&data[..at]);
        assert!(cut.starts_with("receipt."), "{at}: {cut}");
    }
    assert_eq!(
        code(&[data.as_slice(), &[0]].concat()),
        "receipt.proof.malformed"
    );
    assert_eq!(code(&evidence(65).encode()), "receipt.proof.malformed");
    let mut none = evidence(0);
    none.proofs.clear();
    assert_eq!(code(&none.encode()), "receipt.proof.malformed");
    // A mode with the parts of another, and a mode that is none.
    for (weights, what) in [
        (&[0x81, 0x00][..], "a commitment without bytes"),
        (&[0x82, 0x01, 0x40], "public weights with a commitment"),
        (&[0x81, 0x02], "another mode"),
    ] {
        let mut data = vec![0x85, 0x61, b's', 0x40, 0x40];
        data.extend_from_slice(weights);
        data.extend_from_slice(&[0x81, 0x40]);
        assert_eq!(code(&data), "receipt.proof.malformed", "{what}");
    }
    // More proofs than bytes that are left.
    let many = [
        0x85, 0x61, b's', 0x40, 0x40, 0x81, 0x01, 0x9a, 0xff, 0xff, 0xff, 0xff,
    ];
    assert!(code(&many).starts_with("receipt."));
}

#[test]
fn weights_statements_come_back_and_only_whole() {
    let vouched = voucher();
    assert_eq!(
        VouchedWeights::decode(&vouched.encode()),
        Ok(vouched.clone())
    );
    assert_eq!(
        vouched.signed.verify(&node_key().public()),
        Ok(&statement())
    );
    let file = vouched.encode();
    for at in 0..file.len() {
        assert!(VouchedWeights::decode(&file[..at]).is_err(), "{at}");
    }
    let payload = Envelope::of(signed_weights().as_bytes()).unwrap().payload;
    let signed = |payload: &[u8]| {
        let header = forge::protected(WEIGHTS_TYP, -19, &node_key());
        SignedWeights::decode(&forge::sign(&header, payload, &fixture::NODE_SEED))
    };
    assert!(signed(&payload).is_ok());
    let members = Entries::of(&payload).unwrap();
    for missing in 0..5 {
        let cut = members.clone().without(missing).encode();
        assert_eq!(
            signed(&cut).unwrap_err().code(),
            "receipt.weights.malformed",
            "{missing}"
        );
    }
    let more = members.with(5, |e| {
        e.uint(0);
    });
    assert_eq!(
        signed(&more.encode()).unwrap_err().code(),
        "receipt.weights.malformed"
    );
}

#[test]
fn weights_statements_have_a_kind_in_the_registry() {
    let leaf = RegistryLeaf::weights(&signed_weights());
    let decoded = RegistryLeaf::decode(&leaf.encode()).unwrap();
    assert_eq!(decoded.kind, RegistryKind::Weights);
    assert_eq!(
        SignedWeights::decode(&decoded.statement),
        Ok(signed_weights())
    );
    let another = SignedWeights::decode(crate::audit::signed().as_bytes());
    assert!(matches!(
        another,
        Err(ReceiptError::WeightsMalformed { .. })
    ));
}
