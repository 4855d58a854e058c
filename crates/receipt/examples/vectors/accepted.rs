//! Inputs that are accepted.

use proofmark_receipt::{
    Bundle, DisclosedTree, Disclosure, Evidence, EvidenceState, FieldTree, ReceiptLeaf,
    RegistryLeaf, SignedReceipt, TEXT_PIECE_BYTES,
};

use crate::case::{Case, Expected, Format};
use crate::fixture::{self, Exchange, Result};
use crate::forge;

fn accepted(name: &'static str, description: &'static str, format: Format, bytes: Vec<u8>) -> Case {
    Case {
        name,
        description,
        format,
        bytes,
        expected: Expected::Accepted,
    }
}

/// A bundle with receipt, key statement and everything disclosed.
pub(crate) fn bundle(exchange: &Exchange) -> Result<Bundle> {
    Ok(Bundle {
        key_statement: Some(fixture::signed_key_statement()?.as_bytes().to_vec()),
        disclosures: exchange.disclosures(),
        ..Bundle::of(exchange.issue()?.as_bytes().to_vec())
    })
}

/// The user's message of [`fixture::chat`] alone, out of the request.
pub(crate) fn one_message() -> Result<Disclosure> {
    let exchange = fixture::chat();
    let key = exchange.salts().scope("received");
    let mut tree = FieldTree::new();
    for (name, value) in &exchange.received.fields {
        tree.push(key.commit(&format!("fields/{name}"), value.as_bytes()));
    }
    let index = 2;
    let (name, value) = &exchange.received.fields[index];
    let name = format!("fields/{name}");
    Ok(Disclosure::Leaf {
        scope: "received".into(),
        tree: DisclosedTree::Fields,
        index: index as u64,
        salt: key.salt(&name),
        name,
        value: value.clone().into_bytes(),
        path: tree.path(index as u64).ok_or("no such field")?,
    })
}

/// One piece of the text of the first choice of [`fixture::chat`].
pub(crate) fn one_piece(index: u64) -> Result<Disclosure> {
    let exchange = fixture::chat();
    let key = exchange.salts().scope("output/0");
    let text = exchange.said[0].text.as_bytes();
    let name = format!("text/{index}");
    let piece = text.chunks(TEXT_PIECE_BYTES).nth(usize::try_from(index)?);
    Ok(Disclosure::Leaf {
        scope: "output/0".into(),
        tree: DisclosedTree::Text,
        index,
        salt: key.salt(&name),
        name,
        value: piece.ok_or("no such piece")?.to_vec(),
        path: proofmark_receipt::commit_text(&key, text)
            .path(index)
            .ok_or("no such piece")?,
    })
}

/// Evidence about `receipt`, which is promised.
pub(crate) fn pending(receipt: &SignedReceipt) -> Evidence {
    Evidence {
        kind: "replay".into(),
        receipt: receipt.claims().id,
        claims: receipt.digest(),
        state: EvidenceState::Pending,
        by: Some(fixture::stranger_key().kid()),
        deadline: Some(fixture::NOW + 3_600),
        digest: Some(Evidence::digest_of(b"a trace")),
        data: Some(b"a trace".to_vec()),
        location: Some("https://example.org/evidence/1".into()),
    }
}

fn deprecated_algorithm() -> Result<Vec<u8>> {
    let key = fixture::node_key();
    let header = forge::protected(forge::RECEIPT_TYP, -8, &key);
    let payload = fixture::chat().claims()?.encode();
    Ok(forge::sign(&header, &payload, &fixture::NODE_SEED))
}

fn receipts() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, description, exchange) in [
        (
            "relayed-chat",
            "a chat with two choices, answered by a provider, everything disclosed",
            fixture::chat(),
        ),
        (
            "relayed-stream",
            "a stream that the provider broke after two events, everything disclosed",
            fixture::stream(),
        ),
        (
            "relayed-tools",
            "a chat answered with two tool calls, everything disclosed",
            fixture::tools(),
        ),
        (
            "relayed-embeddings",
            "embeddings of two inputs, everything disclosed",
            fixture::embeddings(),
        ),
        (
            "relayed-attachments",
            "an image in the request and one by reference, everything disclosed",
            fixture::attachments(),
        ),
        (
            "relayed-provider-error",
            "a request that the provider did not answer",
            fixture::provider_error(),
        ),
    ] {
        let bytes = bundle(&exchange)?.encode();
        cases.push(accepted(name, description, Format::Bundle, bytes));
    }
    let executed = executed()?;
    cases.push(accepted(
        "executed-chat",
        "a chat that the signer executed, with token ids and parameters",
        Format::Bundle,
        executed.encode(),
    ));
    Ok(cases)
}

/// The executed chat, everything disclosed.
pub(crate) fn executed() -> Result<Bundle> {
    let (exchange, claims) = fixture::executed()?;
    let receipt = SignedReceipt::sign(claims, &fixture::node_key())?;
    Ok(Bundle {
        receipt: receipt.as_bytes().to_vec(),
        disclosures: fixture::executed_disclosures(&exchange),
        ..bundle(&exchange)?
    })
}

fn parts() -> Result<Vec<Case>> {
    let receipt = fixture::chat().issue()?;
    let whole = bundle(&fixture::chat())?;
    let everything = Bundle {
        snapshot: Some(fixture::snapshot(fixture::registry_leaves()?)?),
        evidence: vec![pending(&receipt)],
        log_proof: Some(b"c2sp.org/tlog-proof@v1\n".to_vec()),
        registry_proof: Some(b"c2sp.org/tlog-proof@v1\n".to_vec()),
        promise: Some(b"a promise".to_vec()),
        ..whole.clone()
    };
    let partial = Bundle {
        disclosures: vec![one_message()?, one_piece(0)?, one_piece(2)?],
        ..whole.clone()
    };
    let mut with_unknown = fixture::chat().claims()?;
    with_unknown.unknown = vec![(60, vec![0x82, 0x03, 0xa1, 0x00, 0xf5])];
    let with_unknown = SignedReceipt::sign(with_unknown, &fixture::node_key())?;
    let b = Format::Bundle;
    Ok(vec![
        accepted(
            "bare-receipt",
            "a receipt that is no bundle",
            b,
            receipt.as_bytes().to_vec(),
        ),
        accepted(
            "bundle-every-part",
            "a bundle with a snapshot, evidence that is only promised, and parts that are opaque here",
            b,
            everything.encode(),
        ),
        accepted(
            "disclosed-in-part",
            "one message and two pieces of the text disclosed, nothing else",
            b,
            partial.encode(),
        ),
        accepted(
            "algorithm-eddsa",
            "signed under the older algorithm id of Ed25519",
            b,
            deprecated_algorithm()?,
        ),
        accepted(
            "claim-unknown",
            "a claim of a later version that may be ignored",
            b,
            with_unknown.as_bytes().to_vec(),
        ),
    ])
}

fn statements() -> Result<Vec<Case>> {
    let revocation = fixture::signed_revocation()?;
    let leaf = ReceiptLeaf::of(fixture::chat().issue()?.claims());
    let later = forge::item(|e| {
        e.array(3)
            .text("proofmark/registry/1")
            .text("model")
            .bytes(&[1, 2, 3]);
    });
    let mut leaves = fixture::registry_leaves()?;
    leaves.push(RegistryLeaf::revocation(&revocation).encode());
    Ok(vec![
        accepted(
            "key-statement",
            "a key statement with all members",
            Format::KeyStatement,
            fixture::signed_key_statement()?.as_bytes().to_vec(),
        ),
        accepted(
            "operator-statement",
            "an operator statement",
            Format::OperatorStatement,
            fixture::signed_operator_statement()?.as_bytes().to_vec(),
        ),
        accepted(
            "revocation",
            "a revocation",
            Format::Revocation,
            revocation.as_bytes().to_vec(),
        ),
        accepted(
            "registry-leaf",
            "the leaf of a revocation",
            Format::RegistryLeaf,
            RegistryLeaf::revocation(&revocation).encode(),
        ),
        accepted(
            "registry-leaf-later-kind",
            "a leaf of a kind that is skipped",
            Format::RegistryLeaf,
            later,
        ),
        accepted(
            "snapshot",
            "a registry snapshot with a revocation",
            Format::Snapshot,
            fixture::snapshot(leaves)?.encode(),
        ),
        accepted(
            "log-leaf",
            "the leaf of a relayed receipt with audit permission",
            Format::LogLeaf,
            leaf.encode().to_vec(),
        ),
    ])
}

pub(crate) fn cases() -> Result<Vec<Case>> {
    let mut cases = receipts()?;
    cases.extend(parts()?);
    cases.extend(statements()?);
    Ok(cases)
}
