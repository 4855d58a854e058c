//! Fraud proofs and transcripts as bytes: another receipt, another key, damage, size.

use proofmark_program::arbitrary::Random;
use proofmark_receipt::{Evidence, SignedReceipt};
use proofmark_referee::{
    Challenger, Event, Executor, FraudProof, Game, MAX_PROOF_BYTES, RefereeError, Subject, Trace,
    Transcript,
};

use crate::world::World;

/// A receipt whose last id is not what the program gives, and the proof of it.
pub(crate) fn convicted(seed: u64) -> (World, SignedReceipt, FraudProof, Transcript) {
    let mut world = World::new(seed);
    let case = world.case.clone();
    let checked = case.checked();
    let mut answer = world.answer(&checked, 2);
    answer.sampling.temperature = 0;
    let last = answer.ids.len() - 1;
    // Greedy gives one id; two others can't both be it.
    let fed = Trace::of(&checked, &Subject::Answer(answer.clone())).unwrap();
    let row = fed.layout().next_row(last as u64 - 1).unwrap();
    let right = fed.rows().get(row, 0..1).unwrap()[0];
    answer.ids[last] = (u32::try_from(right).unwrap() + 1) % world.vocabulary();
    let (receipt, opening) = world.receipt(&answer);
    let trace = Trace::of(&checked, &Subject::Answer(answer)).unwrap();
    let executor = Executor {
        key: &world.node,
        trace: &trace,
    };
    let challenger = Challenger {
        key: &world.challenger,
        trace: &trace,
        weights: checked.weights(),
        weights_tree: &world.tree,
    };
    let challenge = Game::challenge(opening, &world.challenger);
    let mut game = Game::open(receipt.clone(), world.node.public(), &challenge).unwrap();
    let mut events = vec![Event::Move(challenge)];
    while game.turn().is_some() {
        let executed = executor.answer(&game).unwrap();
        let bytes = executed
            .or_else(|| challenger.answer(&game).unwrap())
            .unwrap();
        game.accept(&bytes).unwrap();
        events.push(Event::Move(bytes));
    }
    let proof = game.verdict().unwrap().proof.clone().unwrap();
    let transcript = Transcript {
        receipt: receipt.as_bytes().to_vec(),
        executor: world.node.public(),
        referee: None,
        events,
    };
    (world, receipt, proof, transcript)
}

/// A seed whose vocabulary has more than one id.
pub(crate) fn seed() -> u64 {
    (0..)
        .find(|seed| World::new(*seed).vocabulary() > 2)
        .unwrap()
}

#[test]
fn a_fraud_proof_is_of_one_receipt_and_one_key() {
    let (mut world, receipt, proof, _) = convicted(seed());
    let key = world.node.public();
    let fraud = proof.judge(&receipt, &key).unwrap();
    assert!(
        fraud.to_string().contains("another value than the receipt"),
        "{fraud}"
    );
    assert_eq!(FraudProof::decode(&proof.encode()), Ok(proof.clone()));
    let evidence: Evidence = proof.attach(&receipt);
    assert!(
        evidence
            .check(&receipt.claims().id, &receipt.digest())
            .is_ok()
    );

    let code = |proof: &FraudProof, receipt: &SignedReceipt| {
        proof.judge(receipt, &key).unwrap_err().code()
    };
    // Another receipt of the same ids: the statement is not about it.
    let mut claims = receipt.claims().clone();
    claims.issued_at += 1;
    let other = SignedReceipt::sign(claims, &world.node).unwrap();
    assert_eq!(code(&proof, &other), "referee.statement");
    // Another answer.
    let case = world.case.clone();
    let checked = case.checked();
    let answer = world.answer(&checked, 1);
    let (other, _) = world.receipt(&answer);
    assert_eq!(code(&proof, &other), "referee.malformed");
    // Another key.
    let wrong = proof
        .judge(&receipt, &world.challenger.public())
        .unwrap_err();
    assert_eq!(wrong.code(), "referee.statement");
    assert_eq!(world.kid(), receipt.kid());
    // Without its step.
    let mut bare = proof.clone();
    bare.step = None;
    assert_eq!(bare.judge(&receipt, &key), Err(RefereeError::Honest));
    // Another closure.
    let mut other = proof.clone();
    other.subject.manifest[20] ^= 1;
    assert_eq!(code(&other, &receipt), "referee.malformed");
    let mut other = proof.clone();
    *other.subject.program.last_mut().unwrap() ^= 1;
    assert_eq!(code(&other, &receipt), "referee.malformed");
    // Other ids and salts.
    let mut other = proof.clone();
    other.subject.answer.ids[0] ^= 1;
    assert_eq!(code(&other, &receipt), "referee.malformed");
    let mut other = proof;
    other.subject.prompt.salts[0][0] ^= 1;
    assert_eq!(code(&other, &receipt), "referee.malformed");
}

#[test]
fn damaged_proofs_show_nothing_and_nothing_panics() {
    let (world, receipt, proof, transcript) = convicted(seed());
    let key = world.node.public();
    let bytes = proof.encode();
    for length in 0..bytes.len().min(3_000) {
        assert!(FraudProof::decode(&bytes[..length]).is_err(), "{length}");
    }
    let mut random = Random::new(1);
    for round in 0..6_000 {
        let mut bytes = bytes.clone();
        for _ in 0..1 + round % 3 {
            let at = random.below(bytes.len() as u32) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        let shown = FraudProof::decode(&bytes).and_then(|proof| proof.judge(&receipt, &key));
        // Two flips may cancel out.
        assert!(shown.is_err() || bytes == proof.encode(), "round {round}");
    }
    assert!(transcript.judge().unwrap().verdict.proof.is_some());
    let bytes = transcript.encode();
    for _ in 0..2_000 {
        let mut bytes = bytes.clone();
        let at = random.below(bytes.len() as u32) as usize;
        bytes[at] ^= 1 << random.below(8);
        let judged = Transcript::decode(&bytes).and_then(|transcript| transcript.judge());
        assert!(judged.is_err(), "byte {at}");
    }
    let mut short = transcript.clone();
    short.events.pop();
    assert!(short.judge().is_err());
    let huge = vec![0; MAX_PROOF_BYTES + 1];
    assert_eq!(
        FraudProof::decode(&huge).unwrap_err().code(),
        "referee.too-large"
    );
}
