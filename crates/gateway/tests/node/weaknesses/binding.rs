//! 4, 5 and 7: to what a receipt is bound, whose time it shows, and over which bytes it is.

use proofmark_receipt::{ReceiptSecret, SignedReceipt};
use proofmark_verify::{Presented, RowName, State};
use sha2::{Digest as _, Sha256};

use super::{CHAT, Got, NOW, answer, assert_accepted, assert_rejected, chat, judged, request};
use crate::harness::Node;

fn hash(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn w4_a_receipt_cannot_be_replayed_for_the_same_question_asked_again() {
    let node = Node::start().await;
    let body = chat("mock-1", "Hello");
    let ask = async |nonce: &str| {
        let headers = [("x-proofmark-nonce", nonce)];
        Got::of(&node, node.post_with(None, CHAT, &headers, &body).await).await
    };
    let (first, second) = (ask("AAECAwQFBgc").await, ask("CAkKCwwNDg8").await);
    assert_eq!(
        first.answered.json()["choices"],
        second.answered.json()["choices"]
    );
    let (mine, yours) = (first.claims(), second.claims());
    assert_ne!(mine.id, yours.id);
    let digest = |got: &Got| {
        SignedReceipt::decode(&got.opened().receipt)
            .unwrap()
            .digest()
    };
    assert_ne!(digest(&first), digest(&second));
    let nonce = |bytes: &'static [u8]| Presented {
        nonce: Some(bytes),
        ..Presented::default()
    };
    assert_accepted(&node, &first.bundle, &nonce(&[0, 1, 2, 3, 4, 5, 6, 7]));
    let replayed = nonce(&[8, 9, 10, 11, 12, 13, 14, 15]);
    assert_rejected(&node, &first.bundle, &replayed, "receipt.nonce.mismatch");
    assert_accepted(&node, &second.bundle, &replayed);
    // Evidence and proofs of the one do not serve the other.
    let mut spliced = second.opened();
    spliced.receipt = first.opened().receipt;
    assert_rejected(
        &node,
        &spliced.encode(),
        &Presented::default(),
        "receipt.disclosure.mismatch",
    );
    spliced.disclosures.clear();
    assert_rejected(
        &node,
        &spliced.encode(),
        &Presented::default(),
        "log.inclusion.root-mismatch",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn w4_caller_and_session_are_inside() {
    let node = Node::start().await;
    let (_, key) = node.key("mine", None, None);
    let body = chat("mock-1", "Hello");
    let receipt_of = async |headers: &[(&'static str, &str)]| {
        let answered = node.post_with(Some(&key), CHAT, headers, &body).await;
        let path = format!("/v1/receipts/{}", answered.header("x-proofmark-receipt"));
        let receipt = node.get(Some(&key), &path).await;
        SignedReceipt::decode(&receipt.body).unwrap()
    };
    let first = receipt_of(&[]).await;
    let id = first.claims().id.to_string();
    let second = receipt_of(&[("x-proofmark-previous", id.as_str())]).await;
    assert_eq!(
        second.claims().previous,
        Some((first.claims().id, first.digest()))
    );
    let callers = [first.claims().caller, second.claims().caller].map(Option::unwrap);
    assert_ne!(
        callers[0], callers[1],
        "bound to the key, and not linkable by strangers"
    );
}

/// A prompt of one word: whoever guesses it finds nothing in the receipt to compare the guess with.
#[tokio::test(flavor = "multi_thread")]
async fn w4_an_unsalted_guess_finds_nothing() {
    let node = Node::start().await;
    let body = chat("mock-1", "yes");
    let (first, second) = (
        Got::asked(&node, &body).await,
        Got::asked(&node, &body).await,
    );
    let (mine, yours) = (first.claims(), second.claims());
    assert_eq!(mine.received.length, yours.received.length);
    assert_ne!(mine.received.raw, yours.received.raw);
    assert_ne!(mine.received.fields_root, yours.received.fields_root);
    assert_ne!(mine.output[0].text_root, yours.output[0].text_root);
    assert_ne!(mine.output[0].fields_root, yours.output[0].fields_root);
    assert_ne!(
        first.relayed().answer.unwrap().1,
        second.relayed().answer.unwrap().1
    );

    let sent = body.to_string();
    let receipt = first.opened().receipt;
    let message = body["messages"][0].to_string();
    for guess in [
        sent.as_bytes(),
        message.as_bytes(),
        b"yes",
        b"You said: yes",
    ] {
        for found in [guess.to_vec(), hash(guess), hash(&[&[0], guess].concat())] {
            let places = receipt
                .windows(found.len())
                .filter(|window| *window == found);
            assert_eq!(places.count(), 0, "{guess:?}");
        }
    }
    // The right guess with a guessed secret opens nothing.
    let mut closed = first.opened();
    closed.disclosures.clear();
    let guess = Presented {
        request: Some(sent.as_bytes()),
        secret: Some(ReceiptSecret::new([0; 32])),
        ..Presented::default()
    };
    assert_rejected(&node, &closed.encode(), &guess, "receipt.question.mismatch");
    let report = judged(&node, &closed.encode(), &request(sent.as_bytes()), "");
    assert_eq!(
        (report.verdict().exit_code(), report.verdict().code()),
        (12, Some("receipt.secret.missing"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn w5_the_issuers_clock_is_never_shown_as_somebody_elses() {
    let node = Node::start().await;
    let got = Got::asked(&node, &chat("mock-1", "Hello")).await;
    let report = judged(&node, &got.bundle, &Presented::default(), "logged");
    let row = report.row(RowName::Time).unwrap();
    assert_eq!(
        row.state,
        State::CouldNotCheck {
            code: "log.unwitnessed"
        }
    );
    assert!(
        row.text.contains("by the issuer's clock only"),
        "{}",
        row.text
    );
    assert!(
        report
            .still_trust()
            .iter()
            .any(|text| text.contains("the issuer's clock"))
    );
    let report = judged(&node, &got.bundle, &Presented::default(), "witnessed");
    assert_eq!(report.verdict().exit_code(), 11, "{report:?}");
    // A clock that runs ahead is caught by the verifier's own.
    node.clock.0.jump_to_unix_ms((NOW + 3_600) * 1_000);
    let ahead = Got::asked(&node, &chat("mock-1", "Hello")).await;
    assert_rejected(
        &node,
        &ahead.bundle,
        &Presented::default(),
        "receipt.issued-in-future",
    );
}

/// Odd but valid JSON: numbers, escapes, spaces and order of members are those of the bytes.
const ODD: &str = "{ \"temperature\" : 1.10,\"messages\":[ {\"content\" : [{\"text\":\"caf\\u00e9 \\/ \\ud83d\\ude00\",\"type\":\"text\"}],\n\"role\":\"user\"} ],\"top_p\":1e-1, \"model\":\"mock-1\" }";

#[tokio::test(flavor = "multi_thread")]
async fn w7_what_is_signed_is_the_bytes_and_no_rendering_of_them() {
    let node = Node::start().await;
    let outgoing = crate::support::request(http::Method::POST, CHAT, None, &[], ODD);
    let answered = crate::support::Answered::read(node.client.send(outgoing).await.unwrap()).await;
    let got = Got::of(&node, answered).await;
    assert_eq!(got.body("received"), ODD.as_bytes());
    assert_eq!(node.mock.requests().pop().unwrap().body, ODD.as_bytes());
    assert_accepted(&node, &got.bundle, &request(ODD.as_bytes()));
    let same: serde_json::Value = serde_json::from_str(ODD).unwrap();
    for rendered in [
        same.to_string(),
        serde_json::to_string_pretty(&same).unwrap(),
    ] {
        assert_rejected(
            &node,
            &got.bundle,
            &request(rendered.as_bytes()),
            "receipt.question.mismatch",
        );
    }
    // An answer is compared by what it says: a client that renders it anew still has the same one.
    let rendered = serde_json::to_string_pretty(&got.answered.json()).unwrap();
    assert_ne!(rendered.as_bytes(), got.answered.body);
    assert_accepted(&node, &got.bundle, &answer(rendered.as_bytes()));
}
