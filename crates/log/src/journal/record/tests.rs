use proptest::prelude::*;

use super::*;

const NONCE: Nonce = [7; 16];

fn sealed(record: &Record) -> Vec<u8> {
    let mut image = RecordImage::encode(record);
    image.seal(41, 9, true, 1_700_000_000_123, &NONCE);
    image.as_bytes().to_vec()
}

fn decode(bytes: &[u8]) -> Result<StoredRecord, RecordFault> {
    let header = RecordHeader::decode(bytes, &NONCE)?;
    let record = bytes
        .get(..header.record_len())
        .ok_or(RecordFault::Truncated)?;
    header.check_body(record)?;
    header.to_stored(record)
}

fn example() -> Record {
    Record {
        key: RecordKey::from_bytes([3; 16]),
        entry: Bytes::from_static(b"leaf"),
        meta: Bytes::from_static(b"m"),
        secret: Some(RecordSecret::from_bytes([5; 32])),
        payload: Bytes::from_static(b"payload"),
    }
}

prop_compose! {
    fn any_record()(
        key in any::<[u8; 16]>(),
        entry in prop::collection::vec(any::<u8>(), 0..300),
        meta in prop::collection::vec(any::<u8>(), 0..=255),
        secret in any::<Option<[u8; 32]>>(),
        payload in prop::collection::vec(any::<u8>(), 0..2000),
    ) -> Record {
        Record {
            key: RecordKey::from_bytes(key),
            entry: entry.into(),
            meta: meta.into(),
            // All zero is what an erased secret looks like.
            secret: secret.map(|mut secret| { secret[0] |= 1; RecordSecret::from_bytes(secret) }),
            payload: payload.into(),
        }
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(record in any_record()) {
        let bytes = sealed(&record);
        prop_assert_eq!(bytes.len() % ALIGN, 0);
        let stored = decode(&bytes).unwrap();
        prop_assert_eq!(stored, StoredRecord {
            index: 41,
            key: record.key,
            entry: record.entry,
            meta: record.meta,
            secret: record.secret,
            secret_erased: false,
            payload: record.payload,
            appended_at_ms: 1_700_000_000_123,
        });
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&bytes).is_err());
    }
}

#[test]
fn every_single_bit_counts() {
    let bytes = sealed(&example());
    for at in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[at / 8] ^= 1 << (at % 8);
        let fault = decode(&altered).expect_err("an altered record was accepted");
        let expected = match at / 8 {
            0..8 => vec![RecordFault::Magic],
            8..HEADER_LEN => vec![RecordFault::HeaderDigest],
            HEADER_LEN..BODY_START => vec![RecordFault::Secret],
            _ => vec![RecordFault::BodyDigest, RecordFault::Padding],
        };
        assert!(expected.contains(&fault), "bit {at}: {fault:?}");
    }
}

#[test]
fn every_cut_is_noticed() {
    let bytes = sealed(&example());
    for len in 0..bytes.len() {
        assert_eq!(
            decode(&bytes[..len]),
            Err(RecordFault::Truncated),
            "{len} bytes"
        );
    }
}

#[test]
fn an_erased_secret_leaves_the_record_valid() {
    let mut bytes = sealed(&example());
    bytes[HEADER_LEN..BODY_START].fill(0);
    let stored = decode(&bytes).unwrap();
    assert_eq!(stored.secret, None);
    assert!(stored.secret_erased);
    assert_eq!(stored.payload, example().payload);
}

#[test]
fn a_half_erased_secret_is_not_taken_for_a_secret() {
    let mut bytes = sealed(&example());
    bytes[HEADER_LEN..HEADER_LEN + 20].fill(0);
    assert_eq!(decode(&bytes), Err(RecordFault::Secret));
}

#[test]
fn a_record_of_another_segment_is_not_a_record() {
    let bytes = sealed(&example());
    assert_eq!(
        RecordHeader::decode(&bytes, &[8; 16]),
        Err(RecordFault::HeaderDigest)
    );
}

#[test]
fn impossible_flags_and_lengths_are_refused() {
    for (at, value) in [(55, 4), (48, 0xff)] {
        let mut bytes = sealed(&example());
        bytes[at] = value;
        let digest = header_digest(&NONCE, &bytes[..HEADER_DIGEST_START]);
        bytes[HEADER_DIGEST_START..HEADER_LEN].copy_from_slice(&digest);
        assert_eq!(decode(&bytes), Err(RecordFault::Header));
    }
}

#[test]
fn debug_shows_no_secret() {
    let secret = RecordSecret::from_bytes([0xab; 32]);
    assert_eq!(format!("{secret:?}"), "RecordSecret(..)");
    let stored = decode(&sealed(&example())).unwrap();
    let hexadecimal = format!("{stored:x?}");
    assert!(!hexadecimal.contains("5, 5"), "{hexadecimal}");
}
