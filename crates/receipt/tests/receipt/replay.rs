//! Replay verdicts: what decodes, and what contradicts itself.

use proofmark_receipt::{
    ReceiptError, ReplayEvidence, ReplayStep, ReplayVerdict, SignedReplay, TokenDifference,
};

use crate::fixture::{self, node_key};
use crate::forge::{self, Entries, Envelope};

/// The `typ` of a replay verdict.
pub(crate) const REPLAY_TYP: &str = "application/proofmark-replay+cose";

/// A verdict about the executed chat: the third id of the answer came out differently.
pub(crate) fn signed_replay() -> SignedReplay {
    let (_, claims) = fixture::executed().unwrap();
    let verdict = ReplayVerdict {
        receipt: claims.id,
        claims: claims.digest(),
        closure: [0xb1; 32],
        engine: [0xb4; 32],
        replayed_at: fixture::ISSUED_AT + 60,
        rendered: ReplayStep::Same,
        tokenized: ReplayStep::Same,
        executed: ReplayStep::Differs,
        detokenized: ReplayStep::NotChecked,
        compared: 256,
        difference: Some(TokenDifference {
            choice: 0,
            position: 2,
            expected: 7,
            got: 131_074,
        }),
    };
    SignedReplay::sign(&verdict, &node_key()).unwrap()
}

fn members() -> Entries {
    let signed = signed_replay();
    Entries::of(&Envelope::of(signed.as_bytes()).unwrap().payload).unwrap()
}

fn decode(members: &Entries) -> Result<SignedReplay, ReceiptError> {
    let header = forge::protected(REPLAY_TYP, -19, &node_key());
    let bytes = forge::sign(&header, &members.clone().encode(), &fixture::NODE_SEED);
    SignedReplay::decode(&bytes)
}

fn is_malformed(result: &Result<SignedReplay, ReceiptError>) -> bool {
    matches!(result, Err(ReceiptError::ReplayMalformed { .. }))
}

#[test]
fn evidence_comes_back_as_it_was() {
    let evidence = ReplayEvidence {
        signed: signed_replay(),
        key_statement: b"a statement".to_vec(),
    };
    assert_eq!(
        ReplayEvidence::decode(&evidence.encode()),
        Ok(evidence.clone())
    );
    let attached = evidence.attach();
    let verdict = evidence.signed.unverified();
    assert_eq!(attached.check(&verdict.receipt, &verdict.claims), Ok(()));
    let mut longer = evidence.encode();
    longer.push(0);
    assert_eq!(
        ReplayEvidence::decode(&longer).unwrap_err().code(),
        "receipt.replay.malformed"
    );
}

#[test]
fn every_member_counts_but_the_difference() {
    assert!(decode(&members()).is_ok());
    for (key, _) in members().0 {
        assert_eq!(
            is_malformed(&decode(&members().without(key))),
            key != 8,
            "{key}"
        );
    }
    assert!(is_malformed(&decode(&members().with(9, |e| {
        e.uint(0);
    }))));
}

#[test]
fn a_difference_is_where_the_execution_differs() {
    let with_steps = |steps: [u64; 4]| {
        decode(&members().without(6).with(6, |e| {
            e.array(4);
            for step in steps {
                e.uint(step);
            }
        }))
    };
    assert_eq!(
        with_steps([1, 1, 2, 0]).unwrap().unverified().executed,
        ReplayStep::Differs
    );
    assert!(is_malformed(&with_steps([1, 1, 1, 1])));
    assert!(is_malformed(&with_steps([1, 1, 3, 1])));
    let no_difference = decode(&members().without(8).with(8, |e| {
        e.array(4).uint(0).uint(2).uint(7).uint(7);
    }));
    assert!(is_malformed(&no_difference));
}
