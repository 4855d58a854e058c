//! Any single-bit change of a bundle is rejected, or lies in one of the ranges listed here with its reason.

mod common;

use std::ops::Range;

use common::{NOW, World, report};
use proofmark_receipt::Bundle;
use proofmark_verify::{Presented, Requirement, Roots, verify};

/// A range of bytes in which a flip is not rejected, which verdict it gets instead, and why.
struct Exception {
    range: Range<usize>,
    exit_codes: &'static [u8],
    reason: &'static str,
}

fn find(haystack: &[u8], needle: &[u8]) -> Range<usize> {
    let at = haystack
        .windows(needle.len())
        .position(|window| window == needle)
        .expect("needle is in the bundle");
    at..at + needle.len()
}

/// The lines of a note in `bundle` after the blank line that are not by `by`.
fn signature_lines<'n>(note: &'n [u8], name: &str) -> &'n str {
    let text = std::str::from_utf8(note).unwrap();
    text.lines()
        .find(|line| line.starts_with(&format!("— {name} ")))
        .unwrap()
}

fn exceptions(bundle: &Bundle, bytes: &[u8]) -> Vec<Exception> {
    let statement = find(bytes, bundle.key_statement.as_ref().unwrap());
    let in_statement = |needle: &[u8]| {
        let range = find(&bytes[statement.clone()], needle);
        statement.start + range.start..statement.start + range.end
    };
    let alg = |range: Range<usize>| Exception {
        range,
        exit_codes: &[12],
        reason: "names another signature algorithm, which this version can't check",
    };
    let mut exceptions = vec![
        alg(find(bytes, &[0x01, 0x32, 0x03])),
        alg(in_statement(&[0x01, 0x32, 0x04])),
        Exception {
            range: find(bytes, b"proofmark:receipt:draft-1"),
            exit_codes: &[12],
            reason: "names another profile of receipts, which this version can't check",
        },
    ];
    exceptions.push(Exception {
        // With the head of the text, whose length changes what is read as the name.
        range: 1..find(bytes, b"proofmark:bundle:draft-1").end,
        exit_codes: &[12],
        reason: "names another version of the format, which this one can't check",
    });
    // Name and key id say by whom a signature is. Changed, it is by nobody known, and is ignored as C2SP demands
    // (signed-note); then a cosignature is missing.
    for note in [
        bundle.log_proof.as_ref().unwrap(),
        &bundle.snapshot.as_ref().unwrap().checkpoint,
    ] {
        for witness in 0..3 {
            let name = format!("witness-{witness}.example");
            let line = signature_lines(note, &name);
            let at = find(bytes, note).start + find(note, line.as_bytes()).start;
            let name_at = at + "— ".len();
            // Name, space, and the base64 of the 4-byte key id: the sixth character has two bits of the signature.
            exceptions.push(Exception {
                range: name_at..name_at + name.len() + 1 + 6,
                exit_codes: &[11, 12],
                reason: "a signature by an unknown key is ignored: one cosignature less than required",
            });
        }
    }
    exceptions
}

#[test]
fn every_flipped_bit_is_rejected_or_listed() {
    let world = World::new(1);
    let mut bundle = world.bundle();
    bundle.disclosures = world.disclosures();
    let bytes = bundle.encode();
    let roots = world.roots();
    let requirement: Requirement = "logged,witnessed,unrevoked,answer,question"
        .parse()
        .unwrap();
    let check = |bytes: &[u8]| {
        verify(
            bytes,
            &Presented::default(),
            &requirement,
            &roots,
            NOW + 100,
        )
    };
    assert_eq!(check(&bytes).verdict().exit_code(), 0);

    let exceptions = exceptions(&bundle, &bytes);
    let mut used = vec![0_usize; exceptions.len()];
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let report = check(&flipped);
            let exit_code = report.verdict().exit_code();
            if exit_code == 10 {
                continue;
            }
            let listed = exceptions.iter().position(|exception| {
                exception.range.contains(&at) && exception.exit_codes.contains(&exit_code)
            });
            let Some(listed) = listed else {
                panic!(
                    "bit {bit} of byte {at} ({:?}): {}",
                    bytes[at] as char,
                    report.verdict()
                );
            };
            used[listed] += 1;
        }
    }
    for (exception, used) in exceptions.iter().zip(used) {
        assert!(
            used > 0,
            "not needed: {} ({:?})",
            exception.reason,
            exception.range
        );
    }
}

#[test]
fn every_flipped_bit_of_a_strangers_bundle_is_not_accepted() {
    let bytes = World::new(1).bundle().encode();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let report = verify(
            &flipped,
            &Presented::default(),
            &Requirement::default(),
            &Roots::default(),
            NOW + 100,
        );
        assert!(
            matches!(report.verdict().exit_code(), 10 | 12),
            "byte {at}: {}",
            report.verdict()
        );
    }
}

#[test]
fn truncated_bundles_are_rejected() {
    let world = World::new(1);
    let bytes = world.bundle().encode();
    for len in 0..bytes.len() {
        let report = verify(
            &bytes[..len],
            &Presented::default(),
            &Requirement::default(),
            &world.roots(),
            NOW + 100,
        );
        assert_eq!(report.verdict().exit_code(), 10, "{len} bytes");
    }
}

#[test]
fn removing_an_unsigned_part_only_lowers_what_is_shown() {
    let world = World::new(1);
    let mut full = world.bundle();
    full.disclosures = world.disclosures();
    let removals: [fn(&mut Bundle); 5] = [
        |b| b.key_statement = None,
        |b| b.log_proof = None,
        |b| b.snapshot = None,
        |b| b.promise = None,
        |b| b.disclosures.clear(),
    ];
    let whole = report(&full, &world.roots(), "");
    for removal in removals {
        let mut less = full.clone();
        removal(&mut less);
        let report = report(&less, &world.roots(), "");
        assert!(
            report
                .grades()
                .iter()
                .all(|grade| whole.grades().contains(grade))
        );
    }
}
