//! Receipts that are no canonical CBOR of the right shape, or not signed by the key that they name.

use proofmark_receipt::cbor::Encoder;

use crate::case::{Case, Expected, Format};
use crate::fixture::{self, Result};
use crate::forge::{self, Entries, Envelope, label};

fn rejected(
    name: &'static str,
    description: &'static str,
    code: &'static str,
    bytes: Vec<u8>,
) -> Case {
    Case {
        name,
        description,
        format: Format::Bundle,
        bytes,
        expected: Expected::Rejected(code),
    }
}

fn unavailable(
    name: &'static str,
    description: &'static str,
    code: &'static str,
    bytes: Vec<u8>,
) -> Case {
    Case {
        expected: Expected::CouldNotCheck(code),
        ..rejected(name, description, code, bytes)
    }
}

fn claims() -> Result<Entries> {
    Entries::of(&fixture::chat().claims()?.encode())
}

/// The receipt of the chat with one claim set to something else.
fn with(label: i64, write: impl FnOnce(&mut Encoder)) -> Result<Vec<u8>> {
    Ok(forge::receipt(&claims()?.with(label, write).encode()))
}

/// Arrays in arrays, `depth` items deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = vec![0x81; depth - 1];
    bytes.push(0x00);
    bytes
}

fn encodings() -> Result<Vec<Case>> {
    const CODE: &str = "receipt.malformed";
    let receipt = fixture::chat().issue()?.as_bytes().to_vec();
    let payload = claims()?;
    let trailing = [receipt.as_slice(), &[0x00]].concat();
    let truncated = receipt.split_last().map(|(_, rest)| rest.to_vec());
    let mut indefinite = payload.encode();
    indefinite[0] = 0xbf;
    // The map of the chat has at least 24 entries: its head has two bytes.
    indefinite.remove(1);
    indefinite.push(0xff);
    let mut swapped = payload.clone();
    swapped.0.swap(0, 1);
    let mut twice = payload.clone();
    twice.0.insert(1, twice.0[0].clone());
    let issued_at = fixture::ISSUED_AT.to_be_bytes();
    let long_head = [&[0x1b], issued_at.as_slice()].concat();
    let claim = |position, bytes: &[u8]| {
        with(label(position), |e| {
            e.array(2).uint(3).raw(bytes);
        })
    };
    Ok(vec![
        rejected(
            "malformed-trailing-byte",
            "a byte after the receipt",
            CODE,
            trailing,
        ),
        rejected(
            "malformed-truncated",
            "the last byte is missing",
            CODE,
            truncated.ok_or("an empty receipt")?,
        ),
        rejected(
            "malformed-indefinite-map",
            "a payload of indefinite length",
            CODE,
            forge::receipt(&indefinite),
        ),
        rejected(
            "malformed-long-head",
            "an integer in more bytes than it needs",
            CODE,
            with(6, |e| {
                e.raw(&long_head);
            })?,
        ),
        rejected(
            "malformed-key-order",
            "two claims not in canonical order",
            CODE,
            forge::receipt(&swapped.encode()),
        ),
        rejected(
            "malformed-key-twice",
            "one claim twice",
            CODE,
            forge::receipt(&twice.encode()),
        ),
        rejected(
            "malformed-float",
            "a floating-point number in a claim of a later version",
            CODE,
            claim(60, &[0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0])?,
        ),
        rejected(
            "malformed-undefined",
            "the simple value undefined",
            CODE,
            claim(60, &[0xf7])?,
        ),
        rejected(
            "malformed-tag",
            "a tag in a claim of a later version",
            CODE,
            claim(60, &[0xc1, 0x00])?,
        ),
        rejected(
            "malformed-utf8",
            "a text that is not UTF-8",
            CODE,
            claim(60, &[0x62, 0xc3, 0x28])?,
        ),
        rejected(
            "malformed-nesting",
            "a claim of a later version that is 17 items deep",
            CODE,
            with(label(60), |e| {
                e.array(2).uint(0).raw(&nested(16));
            })?,
        ),
        rejected(
            "malformed-map-key-order",
            "a map in a claim of a later version whose keys are not in order",
            CODE,
            claim(60, &[0xa2, 0x01, 0x00, 0x00, 0x00])?,
        ),
    ])
}

fn shapes() -> Result<Vec<Case>> {
    const CODE: &str = "receipt.malformed";
    let envelope = Envelope::of(fixture::chat().issue()?.as_bytes())?;
    let header =
        |entries: &Entries| forge::sign(&entries.encode(), &envelope.payload, &fixture::NODE_SEED);
    let protected = Entries::of(&envelope.protected)?;
    let unprotected = Envelope {
        unprotected: vec![0xa1, 0x04, 0x41, 0x00],
        ..Envelope::of(fixture::chat().issue()?.as_bytes())?
    };
    let statement = fixture::signed_key_statement()?;
    let mut version_4 = *fixture::receipt_id(1).as_bytes();
    version_4[6] = 0x4f;
    Ok(vec![
        rejected(
            "malformed-unprotected-header",
            "an unprotected header, which nobody signed",
            CODE,
            unprotected.encode(),
        ),
        rejected(
            "malformed-statement-as-receipt",
            "a key statement in the place of a receipt",
            CODE,
            statement.as_bytes().to_vec(),
        ),
        rejected(
            "malformed-typ",
            "claims signed under the type of a key statement",
            CODE,
            header(&protected.clone().with(16, |e| {
                e.text(forge::KEY_STATEMENT_TYP);
            })),
        ),
        rejected(
            "malformed-content-type",
            "another content type",
            CODE,
            header(&protected.clone().with(3, |e| {
                e.text("application/cbor");
            })),
        ),
        rejected(
            "malformed-header",
            "a header that the specification does not have",
            CODE,
            header(&protected.with(2, |e| {
                e.array(1).int(1);
            })),
        ),
        rejected(
            "malformed-label",
            "a label that is no claim's",
            CODE,
            with(8, |e| {
                e.uint(0);
            })?,
        ),
        rejected(
            "malformed-label-registered",
            "a registered claim under its private label as well",
            CODE,
            with(label(2), |e| {
                e.array(2).uint(0).uint(fixture::ISSUED_AT);
            })?,
        ),
        rejected(
            "malformed-nonce",
            "a nonce of 7 bytes",
            CODE,
            with(10, |e| {
                e.bytes(&[0; 7]);
            })?,
        ),
        rejected(
            "malformed-id",
            "an id that is a UUID of version 4",
            CODE,
            with(7, |e| {
                e.bytes(&version_4);
            })?,
        ),
        rejected(
            "malformed-claim",
            "an operation without the stream member",
            CODE,
            with(label(6), |e| {
                e.array(2).uint(0).array(1).text("chat.completions");
            })?,
        ),
    ])
}

fn bounds() -> Result<Vec<Case>> {
    const CODE: &str = "receipt.too-large";
    let filler = vec![0; 65_536];
    Ok(vec![
        rejected(
            "too-large-receipt",
            "a receipt of more than 64 KiB",
            CODE,
            with(label(60), |e| {
                e.array(2).uint(0).bytes(&filler);
            })?,
        ),
        rejected(
            "too-large-text",
            "a text of 4,097 bytes",
            CODE,
            with(label(11), |e| {
                e.array(2).uint(1).text(&"m".repeat(4_097));
            })?,
        ),
    ])
}

fn rules() -> Result<Vec<Case>> {
    let claims = claims()?;
    let without = |position| forge::receipt(&claims.clone().without(label(position)).encode());
    let provenance = |position: u8, by: u64| {
        let value = claims.value(label(position));
        with(label(position), |e| {
            e.array(2).uint(by).raw(value.get(2..).unwrap_or_default());
        })
    };
    let profile = |text: &str| {
        let later = claims.clone().with(265, |e| {
            e.text(text);
        });
        // A later version may have labels that this one does not know, before the profile too.
        forge::receipt(
            &later
                .with(8, |e| {
                    e.map(0);
                })
                .encode(),
        )
    };
    Ok(vec![
        rejected(
            "claim-missing-output",
            "no output",
            "receipt.claim.missing",
            without(14),
        ),
        rejected(
            "claim-missing-execution",
            "neither relayed nor executed",
            "receipt.claim.missing",
            without(10),
        ),
        rejected(
            "claim-missing-asked",
            "relayed, and nothing asked",
            "receipt.claim.missing",
            without(11),
        ),
        rejected(
            "claim-missing-profile",
            "no profile",
            "receipt.claim.missing",
            forge::receipt(&claims.clone().without(265).encode()),
        ),
        rejected(
            "claim-provenance-asked",
            "what the caller asked, signed as observed",
            "receipt.claim.provenance",
            provenance(11, 0)?,
        ),
        rejected(
            "claim-provenance-provider",
            "what the provider says of itself, signed as observed",
            "receipt.claim.provenance",
            provenance(12, 0)?,
        ),
        rejected(
            "claim-provenance-audit",
            "an audit permission, signed as observed",
            "receipt.claim.provenance",
            provenance(23, 0)?,
        ),
        rejected(
            "claim-provenance-unknown",
            "a claim of a later version with a provenance that is none",
            "receipt.claim.provenance",
            with(label(60), |e| {
                e.array(2).uint(4).uint(0);
            })?,
        ),
        unavailable(
            "claim-unknown-critical",
            "a claim of a later version that must not be ignored",
            "receipt.claim.unknown-critical",
            with(label(40), |e| {
                e.array(2).uint(0).uint(1);
            })?,
        ),
        unavailable(
            "version-unknown-profile",
            "a later profile",
            "receipt.version-unknown",
            profile("proofmark:receipt:2"),
        ),
    ])
}

fn signatures() -> Result<Vec<Case>> {
    let receipt = fixture::chat().issue()?.as_bytes().to_vec();
    let payload = fixture::chat().claims()?.encode();
    let node = forge::protected(forge::RECEIPT_TYP, -19, &fixture::node_key());
    let stranger = forge::protected(forge::RECEIPT_TYP, -19, &fixture::stranger_key());
    let es256 = forge::protected(forge::RECEIPT_TYP, -9, &fixture::node_key());
    let mut flipped = receipt.clone();
    if let Some(byte) = flipped.last_mut() {
        *byte ^= 1;
    }
    let edited = Envelope {
        payload: Entries::of(&payload)?
            .with(6, |e| {
                e.uint(fixture::ISSUED_AT + 1);
            })
            .encode(),
        ..Envelope::of(&receipt)?
    };
    let short = Envelope {
        signature: vec![0; 63],
        ..Envelope::of(&receipt)?
    };
    Ok(vec![
        rejected(
            "signature-flipped",
            "one bit of the signature changed",
            "receipt.signature.invalid",
            flipped,
        ),
        rejected(
            "signature-edited-claims",
            "a claim changed after it was signed",
            "receipt.signature.invalid",
            edited.encode(),
        ),
        rejected(
            "signature-by-stranger",
            "signed by another key than the header names",
            "receipt.signature.invalid",
            forge::sign(&node, &payload, &fixture::STRANGER_SEED),
        ),
        rejected(
            "signature-short",
            "a signature of 63 bytes",
            "receipt.signature.invalid",
            short.encode(),
        ),
        rejected(
            "kid-mismatch",
            "the header names another key than the issuer claim, and that key signed",
            "receipt.signature.kid-mismatch",
            forge::sign(&stranger, &payload, &fixture::STRANGER_SEED),
        ),
        unavailable(
            "algorithm-unsupported",
            "signed under the algorithm id of suite 2",
            "receipt.algorithm.unsupported",
            forge::sign(&es256, &payload, &fixture::NODE_SEED),
        ),
    ])
}

pub(crate) fn cases() -> Result<Vec<Case>> {
    let mut cases = encodings()?;
    cases.extend(shapes()?);
    cases.extend(bounds()?);
    cases.extend(rules()?);
    cases.extend(signatures()?);
    Ok(cases)
}
