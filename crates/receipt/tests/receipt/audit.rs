//! Audit statements: what decodes, and what does not add up.

use proofmark_receipt::{AuditEvidence, AuditStatement, ReceiptError, SignedAudit};

use crate::fixture::{self, node_key};
use crate::forge::{self, Entries, Envelope};

/// The `typ` of an audit statement.
pub(crate) const AUDIT_TYP: &str = "application/proofmark-audit+cose";

fn statement() -> AuditStatement {
    AuditStatement {
        log: "lab.example/receipts+vkey".into(),
        size: 100,
        root: [1; 32],
        sealed_at: fixture::ISSUED_AT,
        from: 10,
        to: 40,
        beacon: (2, 7, [2; 32]),
        coin: 10_000_000_000,
        auditable: 20,
        without_permission: 6,
        relayed: 4,
        selected: 5,
        audited: 4,
        findings: 1,
        power: 990_000_000_000,
        power_alpha: 1_000_000_000,
        audited_at: fixture::ISSUED_AT + 60,
        verdicts: [3; 32],
    }
}

pub(crate) fn signed() -> SignedAudit {
    SignedAudit::sign(&statement(), &node_key()).unwrap()
}

#[test]
fn statements_come_back_as_they_were() {
    let evidence = AuditEvidence {
        signed: signed(),
        key_statement: b"a statement".to_vec(),
    };
    assert_eq!(
        AuditEvidence::decode(&evidence.encode()),
        Ok(evidence.clone())
    );
    assert_eq!(
        evidence.signed.verify(&node_key().public()),
        Ok(&statement())
    );
    let mut longer = evidence.encode();
    longer.push(0);
    assert_eq!(
        AuditEvidence::decode(&longer).unwrap_err().code(),
        "receipt.audit.malformed"
    );
    for at in 0..evidence.encode().len() {
        assert!(
            AuditEvidence::decode(&evidence.encode()[..at]).is_err(),
            "{at}"
        );
    }
}

/// Every bit of the signed bytes counts.
#[test]
fn no_bit_can_be_changed() {
    let bytes = signed().as_bytes().to_vec();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let verified = SignedAudit::decode(&changed)
            .and_then(|audit| audit.verify(&node_key().public()).map(drop));
        assert!(verified.is_err(), "{bit}");
    }
}

#[test]
fn numbers_add_up() {
    let changes: [fn(&mut AuditStatement); 10] = [
        |s| s.to = 101,
        |s| s.from = 41,
        |s| s.relayed = 5,
        |s| s.auditable = u64::MAX,
        |s| s.findings = 5,
        |s| s.audited = 6,
        |s| s.selected = 21,
        |s| s.sealed_at = s.audited_at + 1,
        |s| s.coin = 1_000_000_000_001,
        |s| s.beacon.0 = 0,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut statement = statement();
        change(&mut statement);
        let result = SignedAudit::sign(&statement, &node_key());
        assert!(
            matches!(result, Err(ReceiptError::AuditMalformed { .. })),
            "{number}"
        );
    }
}

#[test]
fn all_members_are_there_and_no_others() {
    let members = Entries::of(&Envelope::of(signed().as_bytes()).unwrap().payload).unwrap();
    let decode = |members: &Entries| {
        let header = forge::protected(AUDIT_TYP, -19, &node_key());
        SignedAudit::decode(&forge::sign(
            &header,
            &members.clone().encode(),
            &fixture::NODE_SEED,
        ))
    };
    assert_eq!(decode(&members).unwrap(), signed());
    for key in 0..12 {
        let fewer = members.clone().without(key);
        assert!(decode(&fewer).is_err(), "{key}");
    }
    // Signed as something else it is nothing.
    let header = forge::protected("application/proofmark-replay+cose", -19, &node_key());
    let other = forge::sign(&header, &members.encode(), &fixture::NODE_SEED);
    assert_eq!(
        SignedAudit::decode(&other).unwrap_err().code(),
        "receipt.audit.malformed"
    );
}
