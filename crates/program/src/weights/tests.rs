//! The weights file: one form only, whatever the header says.

use std::string::{String, ToString as _};
use std::vec::Vec;

use super::*;
use crate::{WEIGHTS_LEAF_BYTES, WeightsHasher, weights_root};

fn sample() -> Vec<u8> {
    let mut writer = WeightsWriter::new();
    writer.i8("b", &[2, 3], &[1, -1, 127, -128, 0, 5]).unwrap();
    writer.i32("z/y-1_2.w", &[1], &[i32::MIN]).unwrap();
    writer.i16("a", &[3], &[-32_768, 0, 32_767]).unwrap();
    writer.i8("a.b", &[1], &[9]).unwrap();
    writer.finish().unwrap()
}

/// A file with this header and data, padded.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut header = header.to_string();
    while !(header.len() + 8).is_multiple_of(ALIGNMENT) {
        header.push(' ');
    }
    raw(&header, data)
}

fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

#[test]
fn what_is_written_is_read() {
    let bytes = sample();
    let weights = Weights::open(bytes.as_slice()).unwrap();
    let names: Vec<&str> = weights.tensors().map(|tensor| tensor.name()).collect();
    assert_eq!(names, ["z/y-1_2.w", "a", "a.b", "b"]);
    let b = weights.tensor("b").unwrap();
    assert_eq!(
        (b.element(), b.shape(), b.len()),
        (ElementType::I8, &[2, 3][..], 6)
    );
    assert_eq!(b.to_vec(), [1, -1, 127, -128, 0, 5]);
    assert_eq!((b.at(3), b.at(6)), (Some(-128), None));
    assert_eq!(
        weights.tensor("a").unwrap().to_i16().unwrap(),
        [-32_768, 0, 32_767]
    );
    assert_eq!(
        weights.tensor("z/y-1_2.w").unwrap().to_i32().unwrap(),
        [i32::MIN]
    );
    assert!(b.to_i16().is_none() && b.to_i32().is_none() && weights.tensor("c").is_none());
    for tensor in weights.tensors() {
        assert!(
            tensor
                .file_offset()
                .is_multiple_of(tensor.element().bytes())
        );
    }
    assert!(Weights::open(file("{}", &[])).is_ok());
}

#[test]
fn the_writer_refuses_what_no_reader_reads() {
    let mut writer = WeightsWriter::new();
    for name in ["", "a b", "é", "a\"", &"n".repeat(129)] {
        assert!(writer.i8(name, &[1], &[0]).is_err(), "{name}");
    }
    assert!(writer.i8(&"n".repeat(128), &[1], &[0]).is_ok());
    assert!(writer.i8("a", &[], &[0]).is_err());
    assert!(writer.i8("a", &[2], &[0]).is_err());
    assert!(writer.i8("a", &[0], &[]).is_err());
    assert!(writer.i8("a", &[1; 7], &[0]).is_err());
    writer.i8("a", &[1], &[0]).unwrap();
    writer.i16("a", &[1], &[0]).unwrap();
    assert!(writer.contains("a") && writer.finish().is_err());
}

#[test]
fn other_spellings_are_malformed() {
    let good = r#"{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#;
    assert!(Weights::open(file(good, &[1, 2])).is_ok());
    let wrong = [
        r#"{ "a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#,
        r#"{"a":{"shape":[2],"dtype":"I8","data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"F8","shape":[2],"data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"I8","shape":[02],"data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"I8","shape":[],"data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"I8","shape":[2,0],"data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"I8","shape":[16777217],"data_offsets":[0,16777217]}}"#,
        r#"{"a":{"dtype":"I8","shape":[1,1,1,1,1,1,2],"data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}}"#,
        r#"{"a":{"dtype":"I8","shape":[3],"data_offsets":[0,3]}}"#,
        r#"{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#,
        r#"{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},}"#,
        r#"{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}x"#,
        r#"{"":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#,
        r#"{"a\n":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#,
        r#"{"__metadata__":{},"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#,
        r#"{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}}"#,
        r#"{"b":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}}"#,
        r#"{"a":{"dtype":"I8","shape":[99999999999999999],"data_offsets":[0,2]}}"#,
        "",
        "{",
        "null",
    ];
    for header in wrong {
        assert_eq!(
            Weights::open(file(header, &[1, 2])).unwrap_err().code(),
            "program.malformed",
            "{header}"
        );
    }
    let two = r#"{"b":{"dtype":"I16","shape":[1],"data_offsets":[0,2]},"a":{"dtype":"I8","shape":[1],"data_offsets":[2,3]}}"#;
    assert!(Weights::open(file(two, &[1, 2, 3])).is_ok());
    let by_width = r#"{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"I16","shape":[1],"data_offsets":[1,3]}}"#;
    assert!(Weights::open(file(by_width, &[1, 2, 3])).is_err());
    let same_name = r#"{"a":{"dtype":"I16","shape":[1],"data_offsets":[0,2]},"a":{"dtype":"I8","shape":[1],"data_offsets":[2,3]}}"#;
    assert!(Weights::open(file(same_name, &[1, 2, 3])).is_err());
    // Padding: as much as is needed, no more, and of spaces.
    let padded = String::from_utf8(file(good, &[])[8..].to_vec()).unwrap();
    assert!(Weights::open(raw(&padded, &[1, 2])).is_ok());
    assert!(Weights::open(raw(good, &[1, 2])).is_err());
    assert!(Weights::open(raw(&(padded.clone() + &" ".repeat(64)), &[1, 2])).is_err());
    assert!(Weights::open(raw(&padded.replace(' ', "\n"), &[1, 2])).is_err());
}

#[test]
fn announced_lengths_are_bounded() {
    let mut huge = sample();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(
        Weights::open(huge.as_slice()).unwrap_err().code(),
        "program.too-large"
    );
    huge[..8].copy_from_slice(&(MAX_HEADER_BYTES + 1).to_le_bytes());
    assert_eq!(
        Weights::open(huge.as_slice()).unwrap_err().code(),
        "program.too-large"
    );
    huge[..8].copy_from_slice(&MAX_HEADER_BYTES.to_le_bytes());
    assert_eq!(
        Weights::open(huge.as_slice()).unwrap_err().code(),
        "program.malformed"
    );
    let many: Vec<String> = (0..=MAX_TENSORS)
        .map(|at| {
            std::format!(
                r#""{at:05}":{{"dtype":"I8","shape":[1],"data_offsets":[{at},{}]}}"#,
                at + 1
            )
        })
        .collect();
    let header = |count: usize| std::format!("{{{}}}", many[..count].join(","));
    assert!(Weights::open(file(&header(MAX_TENSORS), &[0; MAX_TENSORS])).is_ok());
    let error = Weights::open(file(&header(MAX_TENSORS + 1), &[0; MAX_TENSORS + 1])).unwrap_err();
    assert_eq!(error.code(), "program.too-large");
}

#[test]
fn every_damage_to_a_header_is_seen_or_is_another_file() {
    let bytes = sample();
    let weights = Weights::open(bytes.as_slice()).unwrap();
    let data = weights
        .tensors()
        .map(|tensor| tensor.file_offset())
        .min()
        .unwrap();
    for at in 0..bytes.len() {
        assert!(Weights::open(&bytes[..at]).is_err(), "cut at {at}");
    }
    for at in 0..data {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(other) = Weights::open(damaged.as_slice()) {
                let mut writer = WeightsWriter::new();
                for tensor in other.tensors() {
                    writer
                        .push(
                            tensor.element(),
                            tensor.name(),
                            tensor.shape(),
                            tensor.bytes().to_vec(),
                        )
                        .unwrap();
                }
                assert_eq!(writer.finish().unwrap(), damaged, "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn the_root_does_not_depend_on_pieces() {
    let bytes: Vec<u8> = (0..5 * WEIGHTS_LEAF_BYTES + 17)
        .map(|at| (at % 251) as u8)
        .collect();
    for length in [
        0,
        1,
        WEIGHTS_LEAF_BYTES,
        WEIGHTS_LEAF_BYTES + 1,
        bytes.len(),
    ] {
        let whole = weights_root(&bytes[..length]);
        for piece in [
            1_000,
            WEIGHTS_LEAF_BYTES - 1,
            WEIGHTS_LEAF_BYTES + 5,
            100_000,
        ] {
            let mut hasher = WeightsHasher::new();
            bytes[..length]
                .chunks(piece)
                .for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), whole, "{length} {piece}");
        }
    }
    assert_ne!(weights_root(&bytes[..5]), weights_root(&bytes[..6]));
}
