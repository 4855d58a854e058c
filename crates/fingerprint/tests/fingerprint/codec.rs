//! Bytes: canonical, bounded, and nothing panics.

use proofmark_fingerprint::{Fingerprint, FingerprintError, Parameters, Sampling, TokenCheck};
use proptest::prelude::*;

fn fingerprint() -> Fingerprint {
    let rows: Vec<f32> = (0..10 * 6).map(|i| ((i * 37 % 101) as f32).sin()).collect();
    let parameters = Parameters {
        width: 6,
        chunk: 4,
        top: 5,
    };
    Fingerprint::of(parameters, &rows).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let fingerprint = fingerprint();
    assert_eq!(fingerprint.positions(), 10);
    let bytes = fingerprint.encode();
    assert_eq!(Fingerprint::decode(&bytes).unwrap(), fingerprint);
}

#[test]
fn the_size_is_that_of_the_specification() {
    let rows: Vec<f32> = (0..32 * 256).map(|i| (i as f32 * 0.7).cos()).collect();
    let bytes = Fingerprint::of(Parameters::published(256), &rows)
        .unwrap()
        .encode();
    // 258 bytes and the head of their byte string, after profile, four numbers and two array heads.
    assert_eq!(bytes.len(), 258 + 3 + 1 + 31 + 3 + 2 + 2 + 2 + 1);
}

#[test]
fn every_changed_byte_is_refused_or_another_fingerprint() {
    let fingerprint = fingerprint();
    let bytes = fingerprint.encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Ok(other) = Fingerprint::decode(&changed) {
                assert_ne!(other, fingerprint);
                assert_eq!(other.encode(), changed);
            }
        }
    }
    assert!(Fingerprint::decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    let parameters = Parameters {
        width: 6,
        chunk: 4,
        top: 5,
    };
    let code = |result: Result<Fingerprint, FingerprintError>| result.unwrap_err().code();
    let of = |parameters, rows: &[f32]| Fingerprint::of(parameters, rows);
    assert_eq!(code(of(parameters, &[])), "fingerprint.values");
    assert_eq!(code(of(parameters, &[0.0; 7])), "fingerprint.values");
    assert_eq!(code(of(parameters, &[f32::NAN; 6])), "fingerprint.values");
    for (width, chunk, top) in [
        (0, 4, 1),
        (6, 0, 1),
        (6, 4, 0),
        (6, 4, 7),
        (65_537, 4, 1),
        (600, 4, 513),
        (6, 257, 1),
    ] {
        let parameters = Parameters { width, chunk, top };
        assert_eq!(code(of(parameters, &[0.0; 6])), "fingerprint.parameters");
    }
    let compared = fingerprint().compare(&[0.0; 6]);
    assert_eq!(compared.unwrap_err().code(), "fingerprint.values");
    let sampling = Sampling {
        temperature: 1.0,
        top_p: 1.0,
        seed: 1,
    };
    let token = TokenCheck::default().add(&[0.0; 4], &sampling, 0, 4);
    assert_eq!(token.unwrap_err().code(), "fingerprint.values");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Fingerprint::decode(&bytes);
    }

    #[test]
    fn no_numbers_panic(
        rows in proptest::collection::vec(any::<f32>(), 0..64),
        temperature in any::<f64>(), top_p in any::<f64>(), claimed in any::<u32>(),
        width in 0_u32..9, chunk in 0_u32..9, top in 0_u32..9,
    ) {
        let parameters = Parameters { width, chunk, top };
        if let Ok(fingerprint) = Fingerprint::of(parameters, &rows) {
            prop_assert_eq!(fingerprint.compare(&rows).unwrap().ulps, 0);
            prop_assert_eq!(&Fingerprint::decode(&fingerprint.encode()).unwrap(), &fingerprint);
        }
        let sampling = Sampling { temperature, top_p, seed: 3 };
        let mut check = TokenCheck::default();
        if check.add(&rows, &sampling, 0, claimed).is_ok() {
            prop_assert!((0.0..=4.0).contains(&check.distance()));
        }
    }
}
