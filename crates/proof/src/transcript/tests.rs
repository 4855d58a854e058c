use super::*;
use crate::Rejection;

fn said(labels: &[(&str, &[u8])]) -> Vec<u8> {
    let mut transcript = Transcript::new("test");
    for (label, bytes) in labels {
        transcript.absorb(label, bytes);
    }
    transcript.squeeze("end", 32)
}

#[test]
fn every_bit_that_was_said_changes_every_challenge() {
    let one = said(&[("a", b"bc")]);
    for other in [
        &[("a", b"bd".as_slice())][..],
        &[("ab", b"c")],
        &[("a", b"b"), ("a", b"c")],
        &[("a", b"bc"), ("", b"")],
        &[],
    ] {
        assert_ne!(said(other), one);
    }
    let other = Transcript::new("another").squeeze("end", 32);
    assert_ne!(other, said(&[]));
}

#[test]
fn asking_changes_what_comes_after() {
    let mut asked = Transcript::new("test");
    let mut silent = asked.clone();
    let first = asked.challenge("r");
    assert_ne!(first, silent.challenge("s"));
    assert_ne!(asked.challenge("r"), first);
    // More bytes are not a continuation of fewer: the count is part of the question.
    let mut transcript = Transcript::new("test");
    let short = transcript.clone().squeeze("x", 8);
    assert_ne!(transcript.squeeze("x", 16)[..8], short[..]);
}

#[test]
fn both_ends_see_the_same() {
    let mut out = Outgoing::new(Transcript::new("test"));
    let values = [E::X, E::ONE];
    out.send("bytes", b"abc");
    out.send_extensions("values", &values);
    out.send_bases("words", &[F::TWO]);
    out.send_bound(b"leaf");
    let challenge = out.transcript().challenge("r");
    let proof = out.finish();

    let mut incoming = Incoming::new(Transcript::new("test"), &proof);
    assert_eq!(incoming.receive("bytes", 3).unwrap(), b"abc");
    assert_eq!(incoming.receive_extensions("values", 2).unwrap(), values);
    assert_eq!(incoming.receive_bases("words", 1).unwrap(), [F::TWO]);
    assert!(incoming.finish().is_err());
    assert_eq!(incoming.bound().bytes(4).unwrap(), b"leaf");
    assert_eq!(incoming.transcript().challenge("r"), challenge);
    incoming.finish().unwrap();
}

#[test]
fn lengths_beyond_the_proof_and_words_beyond_p_are_malformed() {
    let proof = [0xff; 64];
    let mut incoming = Incoming::new(Transcript::new("test"), &proof);
    for result in [
        incoming.receive("x", 65).map(|_| ()),
        incoming.receive_extensions("x", usize::MAX).map(|_| ()),
        incoming.receive_extensions("x", 1).map(|_| ()),
        incoming.clone().receive_bases("x", 1).map(|_| ()),
        incoming.bound().digests(usize::MAX / 2).map(|_| ()),
    ] {
        assert_eq!(
            result.map_err(|e: Rejection| e.code()),
            Err("proof.malformed")
        );
    }
}

#[test]
fn indices_are_below_their_bound_and_reach_all_of_it() {
    let mut transcript = Transcript::new("test");
    let mut seen = [0; 8];
    for index in transcript.indices("i", 4096, 3) {
        seen[index as usize] += 1;
    }
    assert!(seen.iter().all(|&n| n > 400), "{seen:?}");
    assert_eq!(transcript.indices("i", 3, 0), [0, 0, 0]);
}

#[test]
fn work_is_done_for_the_state_that_it_was_done_for() {
    let mut transcript = Transcript::new("test");
    let work = transcript.work();
    let nonce = (0..).find(|&nonce| work.is_done(nonce, 10)).unwrap();
    assert!(work.is_done(nonce, 10) && work.is_done(nonce, 0));
    assert!(!work.is_done(nonce, 64));
    transcript.absorb("x", b"");
    assert!((0..64).any(|n| !transcript.work().is_done(nonce.wrapping_add(n), 10)));
}
