use ciborium::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use super::{Decoder, Encoder, MAX_DEPTH, MAX_ELEMENTS, MAX_TEXT_BYTES, MAX_TOTAL_ELEMENTS};
use crate::ReceiptError;
use crate::tests::seeded;

fn encoded(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut e = Encoder::new();
    write(&mut e);
    e.into_bytes()
}

/// Whether `bytes` are one canonical item.
fn is_item(bytes: &[u8]) -> bool {
    let mut d = Decoder::new(bytes);
    d.item().is_ok() && d.finish().is_ok()
}

fn by_ciborium(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// §1.1 over what another implementation parsed; `depth` is how many levels are left.
fn is_in_subset(value: &Value, depth: usize) -> bool {
    let Some(below) = depth.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Integer(_) | Value::Bytes(_) | Value::Bool(_) | Value::Null => true,
        Value::Text(text) => text.len() as u64 <= MAX_TEXT_BYTES,
        Value::Array(items) => items.iter().all(|item| is_in_subset(item, below)),
        Value::Map(entries) => {
            let keys: Vec<Vec<u8>> = entries.iter().map(|(key, _)| by_ciborium(key)).collect();
            keys.windows(2).all(|pair| pair[0] < pair[1])
                && entries
                    .iter()
                    .all(|(key, value)| is_in_subset(key, below) && is_in_subset(value, below))
        }
        _ => false,
    }
}

/// What [`is_item`] has to say, by another implementation: parse, compare with the subset, write again.
fn is_item_by_ciborium(bytes: &[u8]) -> bool {
    let parsed: Result<Value, _> = ciborium::from_reader(bytes);
    parsed.is_ok_and(|value| is_in_subset(&value, MAX_DEPTH) && by_ciborium(&value) == bytes)
}

fn write_value(e: &mut Encoder, value: &Value) {
    match value {
        Value::Integer(number) => match i64::try_from(*number) {
            Ok(small) => e.int(small),
            Err(_) => e.uint(u64::try_from(*number).unwrap()),
        },
        Value::Bytes(bytes) => e.bytes(bytes),
        Value::Text(text) => e.text(text),
        Value::Bool(value) => e.bool(*value),
        Value::Null => e.null(),
        Value::Array(items) => {
            e.array(items.len());
            items.iter().for_each(|item| write_value(e, item));
            e
        }
        Value::Map(entries) => {
            e.map(entries.len());
            for (key, value) in entries {
                write_value(e, key);
                write_value(e, value);
            }
            e
        }
        other => panic!("not of the subset: {other:?}"),
    };
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..70_000).prop_map(Value::from),
        vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        any::<String>().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let entries = vec((inner.clone(), inner.clone()), 0..6);
        prop_oneof![
            vec(inner, 0..30).prop_map(Value::Array),
            entries.prop_map(|mut entries| {
                entries.sort_by_key(|(key, _)| by_ciborium(key));
                entries.dedup_by_key(|(key, _)| by_ciborium(key));
                Value::Map(entries)
            }),
        ]
    })
}

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn writes_what_another_implementation_writes(value in value()) {
        let ours = encoded(|e| write_value(e, &value));
        prop_assert_eq!(&ours, &by_ciborium(&value));
        prop_assert!(is_item(&ours));
    }

    #[test]
    fn accepts_what_another_implementation_finds_canonical(
        value in value(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = by_ciborium(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        prop_assert_eq!(is_item(&bytes), is_item_by_ciborium(&bytes));
        bytes.truncate(cut.index(bytes.len()));
        prop_assert_eq!(is_item(&bytes), is_item_by_ciborium(&bytes));
    }

    #[test]
    fn any_bytes_are_read_as_another_implementation_reads_them(bytes in vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(is_item(&bytes), is_item_by_ciborium(&bytes));
    }

    #[test]
    fn no_reader_panics(bytes in vec(any::<u8>(), 0..80)) {
        let d = Decoder::new(&bytes);
        let _ = d.clone().uint();
        let _ = d.clone().int();
        let _ = d.clone().bytes();
        let _ = d.clone().array_of::<32>();
        let _ = d.clone().text_or_null();
        let _ = d.clone().bool();
        let _ = d.clone().null();
        let _ = d.clone().tag(18);
        let _ = d.clone().list(Decoder::uint);
        let mut d = d;
        if let Ok(mut map) = d.map() {
            while let Ok(Some(_)) = d.next_key(&mut map) {
                if d.item().is_err() {
                    break;
                }
            }
        }
    }
}

#[test]
fn integers_of_rfc_8949() {
    for (value, hex) in [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (255, "18ff"),
        (256, "190100"),
        (65_535, "19ffff"),
        (65_536, "1a00010000"),
        (4_294_967_295, "1affffffff"),
        (4_294_967_296, "1b0000000100000000"),
        (i64::MAX, "1b7fffffffffffffff"),
        (-1, "20"),
        (-24, "37"),
        (-25, "3818"),
        (-70_004, "3a00011173"),
        (i64::MIN, "3b7fffffffffffffff"),
    ] {
        let bytes = encoded(|e| {
            e.int(value);
        });
        let written: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, hex);
        assert_eq!(Decoder::new(&bytes).int().unwrap(), value);
    }
}

#[test]
fn a_head_longer_than_needed_is_malformed() {
    for major in 0..=6_u8 {
        for (head, value) in [
            (vec![24], 23_u64),
            (vec![25, 0], 255),
            (vec![26, 0, 0], 65_535),
            (vec![27, 0, 0, 0, 0], 4_294_967_295),
        ] {
            let width = [0, 1, 2, 4, 8][usize::from(head[0] - 23)];
            let mut bytes = vec![major << 5 | head[0]];
            bytes.extend_from_slice(&value.to_be_bytes()[8 - width..]);
            let mut d = Decoder::new(&bytes);
            assert!(d.head("an item").is_err(), "{bytes:02x?}");
        }
        for info in 28..=31 {
            let bytes = [major << 5 | info, 0, 0xff];
            assert!(Decoder::new(&bytes).head("an item").is_err());
        }
    }
}

#[test]
fn floats_and_other_simple_values_are_malformed() {
    for bytes in [
        &[0xf7][..],
        &[0xe0],
        &[0xf8, 0x20],
        &[0xf8, 0x16],
        &[0xf9, 0x3c, 0x00],
        &[0xfa, 0, 0, 0, 0],
        &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xff],
    ] {
        assert!(!is_item(bytes), "{bytes:02x?}");
        assert!(Decoder::new(bytes).bool().is_err(), "{bytes:02x?}");
        assert!(Decoder::new(bytes).null().is_err(), "{bytes:02x?}");
    }
}

#[test]
fn a_length_is_compared_with_what_is_left() {
    for major in [2_u8, 3, 4, 5] {
        let mut bytes = vec![major << 5 | 27];
        bytes.extend_from_slice(&u64::MAX.to_be_bytes());
        bytes.extend_from_slice(&[0; 100]);
        assert!(matches!(
            Decoder::new(&bytes).item(),
            Err(ReceiptError::Malformed { .. } | ReceiptError::TooLarge { .. })
        ));
    }
    // Three elements announced, two bytes left.
    let error = Decoder::new(&[0x83, 0, 0]).array().unwrap_err();
    assert_eq!(error.code(), "receipt.malformed");
    // Two entries announced, three bytes left.
    let error = Decoder::new(&[0xa2, 0, 0, 1]).map().unwrap_err();
    assert_eq!(error.code(), "receipt.malformed");
}

#[test]
fn bounds_are_inclusive() {
    let text = |len: u64| {
        encoded(|e| {
            e.text(&"a".repeat(usize::try_from(len).unwrap()));
        })
    };
    assert!(Decoder::new(&text(MAX_TEXT_BYTES)).text().is_ok());
    let error = Decoder::new(&text(MAX_TEXT_BYTES + 1)).text().unwrap_err();
    assert_eq!(error.code(), "receipt.too-large");

    let array = |len: u64| {
        encoded(|e| {
            e.array(usize::try_from(len).unwrap());
            (0..len).for_each(|_| {
                e.uint(0);
            });
        })
    };
    assert!(is_item(&array(MAX_ELEMENTS)));
    let error = Decoder::new(&array(MAX_ELEMENTS + 1)).item().unwrap_err();
    assert_eq!(error.code(), "receipt.too-large");

    let nested = |depth: usize| {
        let mut bytes = vec![0x81; depth - 1];
        bytes.push(0);
        bytes
    };
    assert!(is_item(&nested(MAX_DEPTH)));
    assert!(!is_item(&nested(MAX_DEPTH + 1)));
}

#[test]
fn all_arrays_and_maps_together_are_bounded() {
    // Four full arrays, one after the other, are all that one reader opens.
    let full = encoded(|e| {
        e.array(65_536);
        (0..65_536).for_each(|_| {
            e.array(0);
        });
    });
    assert_eq!(MAX_TOTAL_ELEMENTS, 4 * MAX_ELEMENTS);
    let mut bytes = full.repeat(4);
    let mut d = Decoder::new(&bytes);
    (0..4).for_each(|_| {
        d.item().unwrap();
    });
    bytes.extend_from_slice(&[0x81, 0x00]);
    let mut d = Decoder::new(&bytes);
    (0..4).for_each(|_| {
        d.item().unwrap();
    });
    let error = d.item().unwrap_err();
    assert!(
        matches!(error, ReceiptError::TooLarge { got: 262_145, .. }),
        "{error}"
    );
}

#[test]
fn map_keys_ascend() {
    let keys = |keys: &[i64]| {
        encoded(|e| {
            e.map(keys.len());
            keys.iter().for_each(|key| {
                e.int(*key).null();
            });
        })
    };
    let read = |bytes: &[u8]| -> Result<Vec<i64>, ReceiptError> {
        let mut d = Decoder::new(bytes);
        let mut map = d.map()?;
        let mut found = Vec::new();
        while let Some(key) = d.next_key(&mut map)? {
            d.null()?;
            found.push(key);
        }
        Ok(found)
    };
    let sorted = [0, 23, 24, 265, -1, -24, -25, -70_004];
    assert_eq!(read(&keys(&sorted)).unwrap(), sorted);
    for wrong in [&[1, 0][..], &[1, 1], &[-1, 0], &[-2, -1], &[256, 3]] {
        assert!(read(&keys(wrong)).is_err(), "{wrong:?}");
        assert!(!is_item(&keys(wrong)), "{wrong:?}");
    }
    assert!(!is_item(&[0xa2, 0x61, b'b', 0, 0x61, b'a', 0]));
}

#[test]
fn errors_stand_where_the_fault_is() {
    let at = |error: ReceiptError| match error {
        ReceiptError::Malformed { at, .. } => at,
        other => panic!("{other}"),
    };
    let bytes = [0x82, 0x01, 0x20];
    let mut d = Decoder::new(&bytes);
    d.array_exact(2).unwrap();
    d.uint().unwrap();
    assert_eq!(at(d.clone().uint().unwrap_err()), 2);
    assert_eq!(at(d.clone().finish().unwrap_err()), 2);
    assert_eq!(at(Decoder::new(&[0xf5]).null().unwrap_err()), 0);
    assert_eq!(at(Decoder::new(&[0xf6]).bool().unwrap_err()), 0);
}
