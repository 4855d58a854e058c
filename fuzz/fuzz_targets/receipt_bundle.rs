//! Bundles and snapshots have one encoding: what decodes is encoded back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_receipt::{Bundle, SignedReceipt, Snapshot};

fuzz_target!(|data: &[u8]| {
    if let Ok(bundle) = Bundle::decode(data) {
        // A bare receipt is a bundle of nothing else; its own encoding is the receipt's affair.
        assert!(bundle.encode() == data || bundle == Bundle::of(data.to_vec()));
        if let Ok(receipt) = SignedReceipt::decode(&bundle.receipt) {
            for evidence in &bundle.evidence {
                let _ = evidence.check(&receipt.claims().id, &receipt.digest());
            }
            for disclosure in &bundle.disclosures {
                let _ = disclosure.check(receipt.claims());
            }
        }
    }
    if let Ok(snapshot) = Snapshot::decode(data) {
        assert_eq!(snapshot.encode(), data);
    }
});
