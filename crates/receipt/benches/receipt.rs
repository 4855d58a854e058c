//! CPU time of a receipt per answer, for a request and an answer of 1 KiB each.
//!
//! `cargo bench -p proofmark-receipt`. The whole receipt (`issue`) has to stay under 100 µs.

#[expect(dead_code, reason = "the vectors are made of more than this")]
#[path = "../examples/vectors/fixture.rs"]
mod fixture;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use fixture::{Exchange, Request, Said, node_key};
use proofmark_receipt::{Bundle, Claims, Issuer, SignedReceipt, StatementDigest};

fn main() {
    divan::main();
}

fn issuer() -> Issuer {
    Issuer {
        kid: node_key().kid(),
        statement: StatementDigest([7; 32]),
    }
}

/// A chat with a body of 1 KiB and its forwarded twin, an answer of 1.5 KiB as it arrived, and its text of 1 KiB.
fn typical() -> Exchange {
    let message = format!(
        r#"{{"role":"user","content":"{}"}}"#,
        "question ".repeat(100)
    );
    let members: [(&str, &[&str]); 5] = [
        ("model", &[r#""small""#]),
        (
            "messages",
            &[r#"{"role":"system","content":"Answer briefly."}"#, &message],
        ),
        ("temperature", &["0.7"]),
        ("max_tokens", &["1024"]),
        ("user", &[r#""u-1""#]),
    ];
    Exchange {
        received: Request::of(&members, &["messages"]),
        forwarded: Request::of(&members, &["messages"]),
        answer: Some(vec![b'a'; 1_536]),
        said: vec![Said::of(&"answer. ".repeat(128), &[("role", "assistant")])],
        reasons: vec![Some("stop")],
        ..fixture::chat()
    }
}

fn claims() -> Claims {
    typical().claims_by(issuer())
}

fn receipt() -> Option<SignedReceipt> {
    SignedReceipt::sign(claims(), &node_key()).ok()
}

/// Everything: salts, commitments, claims, digest, signature.
#[divan::bench]
fn issue(bencher: Bencher<'_, '_>) {
    let (exchange, issuer, key) = (typical(), issuer(), node_key());
    bencher.bench(|| SignedReceipt::sign(black_box(&exchange).claims_by(issuer), &key));
}

/// Salts and commitments of a relayed exchange.
#[divan::bench]
fn commit(bencher: Bencher<'_, '_>) {
    let (exchange, issuer) = (typical(), issuer());
    bencher.bench(|| black_box(&exchange).claims_by(issuer));
}

/// Encoding, checks, digest and signature of claims that are there.
#[divan::bench]
fn sign(bencher: Bencher<'_, '_>) {
    let key = node_key();
    bencher
        .with_inputs(claims)
        .bench_values(|claims| SignedReceipt::sign(claims, &key));
}

#[divan::bench]
fn claims_digest(bencher: Bencher<'_, '_>) {
    let claims = claims();
    bencher.bench(|| black_box(&claims).digest());
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let bytes = receipt().map(|receipt| receipt.as_bytes().to_vec());
    let bytes = bytes.unwrap_or_default();
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench(|| SignedReceipt::decode(black_box(&bytes)));
}

#[divan::bench]
fn verify_signature(bencher: Bencher<'_, '_>) {
    let (receipt, key) = (receipt(), node_key().public());
    bencher.bench(|| {
        receipt
            .as_ref()
            .map(|receipt| black_box(receipt).verify_signature(&key))
    });
}

/// Decoding a bundle with everything disclosed, and checking each disclosure.
#[divan::bench]
fn check_disclosures(bencher: Bencher<'_, '_>) {
    let bytes = Bundle {
        disclosures: typical().disclosures(),
        ..Bundle::of(Vec::new())
    }
    .encode();
    let claims = claims();
    bencher.bench(|| {
        Bundle::decode(black_box(&bytes)).map(|bundle| {
            bundle
                .disclosures
                .iter()
                .all(|disclosure| disclosure.check(&claims).is_ok())
        })
    });
}
