//! add-checkpoint requests and the witness's decision.

use proofmark_tlog::{
    AddCheckpointRequest, Checkpoint, Decision, EMPTY_ROOT, ErrorKind, Hash, MAX_PROOF_HASHES,
    MAX_REQUEST_BYTES, NoteSigner, Origin, Refusal, VerifiedCheckpoint, VerifierKey,
    WitnessRequestError, WitnessedState, judge_add_checkpoint, leaf_hash, sign_checkpoint,
    verify_cosignature,
};

use crate::{
    checkpoints::time,
    naive::NaiveTree,
    notes::{cosigner, signer},
};

const LOG: &str = "log.example.com/receipts";

fn log() -> NoteSigner {
    signer(LOG, 1)
}

fn keys() -> [VerifierKey; 1] {
    [log().vkey().clone()]
}

fn signed(size: u64, root: Hash) -> VerifiedCheckpoint {
    let origin = Origin::parse(LOG).unwrap();
    sign_checkpoint(&Checkpoint { origin, size, root }, &log()).unwrap()
}

/// An honest request from `old` to `new`.
fn request(old: u64, new: u64) -> AddCheckpointRequest {
    let tree = NaiveTree::default();
    let proof = if old == 0 || old > new {
        Vec::new()
    } else {
        tree.consistency(old, new)
    };
    AddCheckpointRequest::new(old, proof, signed(new, tree.root(0, new)).note().clone()).unwrap()
}

fn state(size: u64, at: u64) -> WitnessedState {
    WitnessedState {
        size,
        root: NaiveTree::default().root(0, size),
        time: time(at),
    }
}

fn refusal(
    state: Option<&WitnessedState>,
    request: &AddCheckpointRequest,
    keys: &[VerifierKey],
) -> Refusal {
    match judge_add_checkpoint(state, request, keys) {
        Decision::Refuse(refusal) => refusal,
        Decision::Cosign(accepted) => panic!("accepted {accepted:?}"),
    }
}

#[test]
fn a_growing_log_is_cosigned_step_by_step() {
    let witness = cosigner("w", 2);
    let mut last = None;
    for (at, (old, new)) in [(0, 0), (0, 0), (0, 1), (1, 4), (4, 4), (4, 5), (5, 300)]
        .into_iter()
        .enumerate()
    {
        let Decision::Cosign(accepted) =
            judge_add_checkpoint(last.as_ref(), &request(old, new), &keys())
        else {
            panic!("{old} to {new} refused")
        };
        let (state, line) = accepted.cosign(&witness, time(at as u64));
        assert_eq!((state.size, state.time), (new, time(at as u64)));
        assert_eq!(
            verify_cosignature(accepted.checkpoint(), &line, witness.vkey()),
            Ok(state.time)
        );
        last = Some(state);
    }
}

#[test]
fn time_never_goes_back() {
    let Decision::Cosign(accepted) =
        judge_add_checkpoint(Some(&state(4, 100)), &request(4, 5), &keys())
    else {
        panic!("refused")
    };
    let (next, line) = accepted.cosign(&cosigner("w", 2), time(99));
    assert_eq!(next.time, time(100));
    assert_eq!(
        verify_cosignature(accepted.checkpoint(), &line, cosigner("w", 2).vkey()),
        Ok(time(100))
    );
    assert_eq!(
        accepted.cosign(&cosigner("w", 2), time(101)).0.time,
        time(101)
    );
}

/// Status, code and named size of a refusal.
type Answer = (u16, &'static str, Option<u64>);

const CONFLICT: Answer = (409, "log.witness.size-conflict", Some(4));
const PROOF: Answer = (422, "log.witness.proof-refused", None);

fn answer(
    state: Option<&WitnessedState>,
    request: &AddCheckpointRequest,
    keys: &[VerifierKey],
) -> Answer {
    let refusal = refusal(state, request, keys);
    (refusal.status(), refusal.code(), refusal.conflicting_size())
}

#[test]
fn requests_that_do_not_fit_have_their_status_and_code() {
    let four = Some(&state(4, 100));
    assert_eq!(
        answer(None, &request(0, 4), &[]),
        (404, "log.witness.origin-unknown", None)
    );
    let stranger = signer(LOG, 9).vkey().clone();
    assert_eq!(
        answer(None, &request(0, 4), &[stranger]),
        (403, "log.witness.signature-refused", None)
    );
    assert_eq!(
        answer(four, &request(5, 4), &keys()),
        (400, "log.witness.request-malformed", None)
    );
    assert_eq!(
        refusal(four, &request(5, 4), &keys()).kind(),
        ErrorKind::Malformed
    );
    // Behind, ahead, and a first contact that says it is not the first.
    assert_eq!(answer(four, &request(3, 5), &keys()), CONFLICT);
    assert_eq!(answer(four, &request(5, 6), &keys()), CONFLICT);
    assert_eq!(answer(four, &request(0, 6), &keys()), CONFLICT);
    assert_eq!(
        answer(None, &request(3, 4), &keys()),
        (409, "log.witness.size-conflict", Some(0))
    );
    // An older checkpoint is never cosigned again.
    assert_eq!(answer(four, &request(3, 3), &keys()), CONFLICT);
    assert_eq!(
        refusal(four, &request(3, 3), &keys()).kind(),
        ErrorKind::Rejected
    );
}

#[test]
fn forks_and_bad_proofs_have_their_status_and_code() {
    let remembered = state(4, 100);
    let four = Some(&remembered);
    let fork = |old: u64, new: u64, proof: Vec<Hash>| {
        AddCheckpointRequest::new(old, proof, signed(new, leaf_hash(b"fork")).note().clone())
            .unwrap()
    };
    assert_eq!(
        answer(four, &fork(4, 4, vec![]), &keys()),
        (409, "log.witness.root-conflict", Some(4))
    );
    let honest = request(4, 6).proof().to_vec();
    assert_eq!(answer(four, &fork(4, 6, honest.clone()), &keys()), PROOF);
    let unproven = AddCheckpointRequest::new(4, vec![], request(4, 6).note().clone()).unwrap();
    assert_eq!(answer(four, &unproven, &keys()), PROOF);
    assert_eq!(
        refusal(four, &unproven, &keys()).kind(),
        ErrorKind::Rejected
    );
    let superfluous = AddCheckpointRequest::new(0, honest, request(0, 6).note().clone()).unwrap();
    assert_eq!(answer(None, &superfluous, &keys()), PROOF);
    // A witness that remembers another root refuses the honest log: it saw a fork.
    let elsewhere = WitnessedState {
        root: EMPTY_ROOT,
        ..remembered
    };
    assert_eq!(answer(Some(&elsewhere), &request(4, 6), &keys()), PROOF);
}

#[test]
fn a_second_signature_that_is_wrong_refuses() {
    let key = log();
    let mut note = request(0, 4).note().clone();
    note.add_signature(request(0, 5).note().signatures()[0].clone())
        .unwrap();
    let request = AddCheckpointRequest::new(0, vec![], note).unwrap();
    assert_eq!(refusal(None, &request, &[key.vkey().clone()]).status(), 403);
}

#[test]
fn requests_print_and_parse() {
    for (old, new) in [(0, 1), (3, 300), (7, 8), (5, 5)] {
        let request = request(old, new);
        let text = request.encode();
        assert!(text.starts_with(&format!("old {old}\n")));
        let parsed = AddCheckpointRequest::parse(text.as_bytes()).unwrap();
        assert_eq!(parsed, request);
        assert_eq!((parsed.old_size(), parsed.origin().as_str()), (old, LOG));
    }
    let text = request(3, 7).encode();
    for bad in [
        String::new(),
        text.replace("old 3", "old 03"),
        text.replace("old 3", "old  3"),
        text.replace("old 3", "3"),
        text.replace("old 3\n", ""),
        text.replacen("\n\n", "\n", 1),
        text.replace('\n', "\r\n"),
        text.replace("old 3\n", "old 3\nAAAA\n"),
        text.replace(&format!("{LOG}\n7\n"), &format!("{LOG}\n07\n")),
        format!("{text}\n"),
        text.trim_end().into(),
    ] {
        let error = AddCheckpointRequest::parse(bad.as_bytes()).expect_err(&bad);
        assert_eq!(
            (error.code(), error.kind()),
            ("log.witness.request-malformed", ErrorKind::Malformed)
        );
        assert_eq!(Refusal::from(error).status(), 400);
    }
    let hash = EMPTY_ROOT.to_string() + "\n";
    let with = |count: usize| {
        text.split_once('\n')
            .map(|(_, rest)| {
                format!(
                    "old 3\n{}{}",
                    hash.repeat(count),
                    rest.split_once("\n\n")
                        .map(|(_, note)| format!("\n{note}"))
                        .unwrap()
                )
            })
            .unwrap()
    };
    assert!(AddCheckpointRequest::parse(with(MAX_PROOF_HASHES).as_bytes()).is_ok());
    assert_eq!(
        AddCheckpointRequest::parse(with(MAX_PROOF_HASHES + 1).as_bytes()),
        Err(WitnessRequestError::TooManyHashes)
    );
    let long = vec![b'x'; MAX_REQUEST_BYTES + 1];
    assert_eq!(
        AddCheckpointRequest::parse(&long),
        Err(WitnessRequestError::TooLong { got: long.len() })
    );
    assert_eq!(
        AddCheckpointRequest::parse(b"\xff\n\n"),
        Err(WitnessRequestError::Text)
    );
}
