//! How a report reads.

use proofmark_verify::Roots;

use super::*;

fn shown(bundle: &[u8], explained: bool) -> String {
    let requirement = Requirement::default();
    let report = verify(
        bundle,
        &Presented::default(),
        &requirement,
        &Roots::default(),
        1_800_000_000,
    );
    let mut out = Vec::new();
    write_report(&mut out, &report, &requirement, explained).unwrap();
    anstream::adapter::strip_bytes(&out)
        .into_vec()
        .try_into()
        .unwrap()
}

#[test]
fn a_rejection_begins_with_its_cause() {
    let text = shown(b"junk", false);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("REJECTED  the file is not a receipt"),
        "{text}"
    );
    assert!(
        lines[1].starts_with("Why: ") && lines[2].starts_with("What to do: "),
        "{text}"
    );
    assert_eq!(
        lines[3],
        "Code:       receipt.malformed  (specs/01-receipt.md §1)"
    );
}

#[test]
fn nonces_are_bounded_base64url() {
    assert_eq!(parse_nonce("AAAAAAAAAAA").unwrap(), Nonce(vec![0; 8]));
    assert_eq!(parse_nonce("AAAAAAAAAAA=").unwrap(), Nonce(vec![0; 8]));
    for bad in ["", "AAAA", "AAAAAAAAAA+", &"A".repeat(120)] {
        assert!(parse_nonce(bad).is_err(), "{bad}");
    }
}
