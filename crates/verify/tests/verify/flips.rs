//! Any single-bit change of a bundle is rejected, or lies in one of the ranges listed here with its reason.

use std::ops::Range;

use crate::world::{NOW, World, report};
use proofmark_receipt::Bundle;
use proofmark_verify::{Presented, Requirement, Roots, Verdict, verify};

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

/// With the two bytes of the head before a text, whose length changes what is read as the name.
fn with_head(text: Range<usize>) -> Range<usize> {
    text.start - 2..text.end
}

/// The lines of a note in `bundle` after the blank line that are not by `by`.
fn signature_lines<'n>(note: &'n [u8], name: &str) -> &'n str {
    let text = std::str::from_utf8(note).unwrap();
    text.lines()
        .find(|line| line.starts_with(&format!("— {name} ")))
        .unwrap()
}

fn exceptions(bundle: &Bundle, bytes: &[u8]) -> Vec<Exception> {
    let mut exceptions = vec![
        Exception {
            range: find(bytes, &[0x01, 0x32, 0x03]),
            exit_codes: &[12],
            reason: "names another signature algorithm, which this version can't check",
        },
        Exception {
            range: with_head(find(bytes, b"proofmark:receipt:draft-1")),
            exit_codes: &[12],
            reason: "names another profile of receipts, which this version can't check",
        },
    ];
    exceptions.push(Exception {
        range: with_head(find(bytes, b"proofmark:bundle:draft-1")),
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
    let not_rejected = |range: Range<usize>| -> Vec<(usize, u32, Verdict)> {
        let flips = range.flat_map(|at| (0..8).map(move |bit| (at, bit)));
        flips
            .filter_map(|(at, bit)| {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let verdict = check(&flipped).verdict().clone();
                (verdict.exit_code() != 10).then_some((at, bit, verdict))
            })
            .collect()
    };
    let middle = bytes.len() / 2;
    let found = std::thread::scope(|scope| {
        let first = scope.spawn(|| not_rejected(0..middle));
        let mut found = not_rejected(middle..bytes.len());
        found.extend(first.join().unwrap());
        found
    });
    let mut used = vec![0_usize; exceptions.len()];
    let mut unlisted = Vec::new();
    for (at, bit, verdict) in found {
        let listed = exceptions.iter().position(|exception| {
            exception.range.contains(&at) && exception.exit_codes.contains(&verdict.exit_code())
        });
        match listed {
            Some(listed) => used[listed] += 1,
            None => unlisted.push(format!(
                "bit {bit} of byte {at} ({:?}): {verdict}",
                bytes[at] as char
            )),
        }
    }
    assert!(unlisted.is_empty(), "{}", unlisted.join("\n"));
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
