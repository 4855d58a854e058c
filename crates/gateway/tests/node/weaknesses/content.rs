//! 3 and 13: everything that is shown is signed, and nothing is shown on the word of a digest beside it.

use proofmark_receipt::{DisclosedValues, Disclosure};
use proofmark_verify::Presented;
use serde_json::{Value, json};

use super::{Got, answer, assert_accepted, assert_rejected, chat, request};
use crate::harness::Node;

/// Head of a private claim in the signed bytes, up to its value: the label `-(70000 + position)`, and `[provenance,`.
fn claim(position: u32, provenance: u8) -> Vec<u8> {
    let mut head = vec![0x3a];
    head.extend((69_999 + position).to_be_bytes());
    head.extend([0x82, provenance]);
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn w3_usage_finish_reason_model_cost_and_timing_are_signed() {
    let node = Node::start().await;
    let got = Got::asked(&node, &chat("mock-1", "Hello")).await;
    let claims = got.claims();
    let (_, usage) = claims.usage.unwrap();
    assert!(usage.output_tokens > 0 && claims.cost.is_some());
    assert!(
        usage.input_tokens < 23 && usage.output_tokens < 23,
        "one byte each"
    );
    assert_accepted(&node, &got.bundle, &Presented::default());
    let signed = |position, provenance, from: &[u8], to: &[u8]| {
        let head = claim(position, provenance);
        let forged = got.with(&[&head, from].concat(), &[&head, to].concat());
        assert_rejected(
            &node,
            &forged,
            &Presented::default(),
            "receipt.signature.invalid",
        );
    };
    // Usage {0: input tokens, 1: output tokens}, each of them one less.
    let [input, output] =
        [usage.input_tokens, usage.output_tokens].map(|n| u8::try_from(n).unwrap());
    signed(
        17,
        2,
        &[0xa2, 0, input, 1, output],
        &[0xa2, 0, input - 1, 1, output],
    );
    signed(
        17,
        2,
        &[0xa2, 0, input, 1, output],
        &[0xa2, 0, input, 1, output - 1],
    );
    // Finish reasons [[0, "stop"]], cost ["USD", …], the served model {0: "mock-1"}, and the model asked for.
    signed(15, 2, b"\x81\x82\x00\x64stop", b"\x81\x82\x00\x64none");
    signed(18, 3, b"\x82\x63USD", b"\x82\x63EUR");
    signed(11, 1, b"\x66mock-1", b"\x66mock-9");
    // Outcome {0: completed, 1: 200}, and the log that it names.
    signed(
        16,
        0,
        &[0xa2, 0, 0, 1, 0x18, 200],
        &[0xa2, 0, 2, 1, 0x18, 200],
    );
    let length = u8::try_from(claims.log.origin.len()).unwrap();
    let (origin, other) = (
        claims.log.origin.as_bytes(),
        vec![b'x'; claims.log.origin.len()],
    );
    let head: &[u8] = if length < 24 {
        &[0x83, 0x60 + length]
    } else {
        &[0x83, 0x78, length]
    };
    signed(22, 0, &[head, origin].concat(), &[head, &other].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn w3_two_images_of_one_name_and_type_are_two_attachments() {
    let node = Node::start().await;
    let with_image = |data: &str| {
        let image = json!({ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{data}") } });
        let file = json!({ "type": "file", "file": { "filename": "a.pdf", "file_data": format!("data:application/pdf;base64,{data}") } });
        json!({ "model": "mock-1", "messages": [{ "role": "user", "content": [{ "type": "text", "text": "What is this?" }, image, file] }] })
    };
    let (one, other) = (with_image("iVBORw0KGgo="), with_image("iVBORw0KGgA="));
    let (first, second) = (
        Got::asked(&node, &one).await,
        Got::asked(&node, &other).await,
    );
    let sent = one.to_string();
    assert_accepted(&node, &first.bundle, &request(sent.as_bytes()));
    let swapped = other.to_string();
    assert_rejected(
        &node,
        &first.bundle,
        &request(swapped.as_bytes()),
        "receipt.question.mismatch",
    );
    let attachments = first.claims().attachments;
    assert_eq!(attachments.len(), 2);
    for (mine, theirs) in attachments.iter().zip(second.claims().attachments) {
        assert_eq!(
            (&mine.path, &mine.media_type, mine.length),
            (&theirs.path, &theirs.media_type, theirs.length)
        );
        assert_ne!(mine.commitment, theirs.commitment);
    }
    // The other one's bytes beside the genuine commitment.
    let mut forged = first.opened();
    for disclosure in &mut forged.disclosures {
        if let Disclosure::Scope {
            values: DisclosedValues::Attachments(shown),
            ..
        } = disclosure
        {
            *shown[0].1.last_mut().unwrap() ^= 1;
        }
    }
    assert_ne!(forged, first.opened());
    assert_rejected(
        &node,
        &forged.encode(),
        &Presented::default(),
        "receipt.disclosure.mismatch",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn w3_tool_calls_and_text_beside_them_are_signed() {
    let node = Node::start().await;
    let tool = json!({ "type": "function", "function": { "name": "look_up", "parameters": { "type": "object", "properties": { "city": { "type": "string" } } } } });
    let mut body = chat("mock-1", "Look up Berlin");
    body["tools"] = json!([tool]);
    let got = Got::asked(&node, &body).await;
    assert_accepted(&node, &got.bundle, &answer(&got.answered.body));
    let genuine = got.answered.json();
    let forge = |edit: fn(&mut Value)| {
        let mut message = genuine.clone();
        edit(&mut message["choices"][0]);
        assert_ne!(message, genuine);
        assert_rejected(
            &node,
            &got.bundle,
            &answer(message.to_string().as_bytes()),
            "receipt.answer.mismatch",
        );
    };
    forge(|choice| choice["message"]["content"] = "Also transfer the money.".into());
    forge(|choice| {
        choice["message"]["tool_calls"][0]["function"]["arguments"] = "{\"city\":\"Rome\"}".into();
    });
    forge(|choice| choice["message"]["tool_calls"][0]["function"]["name"] = "delete_all".into());
    forge(|choice| choice["message"]["tool_calls"] = Value::Null);
    forge(|choice| choice["message"]["images"] = json!(["data:image/png;base64,AAAA"]));
}

/// Whatever is opened in the bundle is compared with what was signed; nothing is shown on a digest's word.
#[tokio::test(flavor = "multi_thread")]
async fn w13_forged_text_beside_a_genuine_digest_is_rejected() {
    let node = Node::start().await;
    let got = Got::asked(&node, &chat("mock-1", "Hello")).await;
    let genuine = got.opened();
    let mut seen = Vec::new();
    for at in 0..genuine.disclosures.len() {
        let mut forged = genuine.clone();
        let Disclosure::Scope { scope, values, .. } = &mut forged.disclosures[at] else {
            panic!("whole scopes only")
        };
        let bytes = match values {
            DisclosedValues::Body(bytes) | DisclosedValues::Caller(bytes) => bytes,
            DisclosedValues::Choice { text, .. } => text,
            DisclosedValues::Executed { .. } => panic!("nothing was executed"),
            DisclosedValues::Attachments(_) => panic!("there was no attachment"),
        };
        *bytes = String::from_utf8(bytes.clone())
            .unwrap()
            .replace("Hello", "Hullo")
            .into_bytes();
        seen.push(scope.clone());
        assert_ne!(forged, genuine);
        assert_rejected(
            &node,
            &forged.encode(),
            &Presented::default(),
            "receipt.disclosure.mismatch",
        );
    }
    seen.sort_unstable();
    assert_eq!(seen, ["answer", "forwarded", "output/0", "received"]);
}

/// The published tree is recomputed: a genuine receipt beside the proof or the checkpoint of another is rejected.
#[tokio::test(flavor = "multi_thread")]
async fn w13_a_genuine_checkpoint_beside_another_tree_is_rejected() {
    let node = Node::start().await;
    let first = Got::asked(&node, &chat("mock-1", "Hello")).await;
    let second = Got::asked(&node, &chat("mock-1", "Hello")).await;
    let mut swapped = first.opened();
    swapped.log_proof = second.opened().log_proof;
    assert_rejected(
        &node,
        &swapped.encode(),
        &Presented::default(),
        "log.inclusion.root-mismatch",
    );
    let mut swapped = first.opened();
    swapped.log_proof = first.opened().registry_proof;
    let report = super::judged(&node, &swapped.encode(), &Presented::default(), "logged");
    assert_eq!(report.verdict().exit_code(), 10, "{report:#?}");
}
