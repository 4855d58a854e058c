//! Receipts, statements and leaves have one encoding: what decodes is encoded back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_receipt::{
    Claims, ReceiptLeaf, RegistryLeaf, SignedKeyStatement, SignedOperatorStatement, SignedReceipt,
    SignedRevocation, SigningKey, to_json,
};

fuzz_target!(|data: &[u8]| {
    let stranger = SigningKey::from_seed(&[7; 32]).public();
    if let Ok(receipt) = SignedReceipt::decode(data) {
        assert_eq!(receipt.as_bytes(), data);
        assert_eq!(receipt.claims().digest(), receipt.digest());
        let _ = to_json(&receipt);
        assert!(receipt.kid() == stranger.kid() || receipt.verify_signature(&stranger).is_err());
    }
    if let Ok(claims) = Claims::decode(data) {
        assert_eq!(claims.encode(), data);
        let _ = ReceiptLeaf::of(&claims);
    }
    if let Ok(statement) = SignedKeyStatement::decode(data) {
        assert_eq!(statement.as_bytes(), data);
    }
    if let Ok(statement) = SignedOperatorStatement::decode(data) {
        assert_eq!(statement.as_bytes(), data);
    }
    if let Ok(revocation) = SignedRevocation::decode(data) {
        assert_eq!(revocation.as_bytes(), data);
    }
    if let Ok(leaf) = RegistryLeaf::decode(data) {
        assert_eq!(leaf.encode(), data);
    }
    if let Ok(leaf) = ReceiptLeaf::decode(data) {
        assert_eq!(leaf.encode(), *data);
    }
});
