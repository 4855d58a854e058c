//! What `verify` leaves open because it is independent of framing: that the very events of a stream are those that the
//! gateway sent, and that the provider's words beside an answer's content are those in the receipt.

use proofmark_openai::{Answer, DONE, Operation, SseParser};
use proofmark_receipt::{Claims, Execution, ReceiptSecret, Salts, SignedReceipt, StreamChain};

/// A receipt repeats a longer text of the provider in part.
const CLAIM_TEXT_BYTES: usize = 1024;

/// Checks the answer `body` against the claims of the receipt in `bundle`, which `verify` accepted.
pub(super) fn check(
    receipt: &SignedReceipt,
    secret: &ReceiptSecret,
    body: &[u8],
    max_bytes: usize,
) -> Result<(), String> {
    let claims = receipt.claims();
    if claims.operation.stream {
        check_events(claims, &Salts::new(secret, &claims.id), body, max_bytes)
    } else {
        check_words(claims, body)
    }
}

/// specs/01-receipt.md §5.6: every event but `[DONE]`, in order, and nothing behind it.
fn check_events(
    claims: &Claims,
    salts: &Salts,
    body: &[u8],
    max_bytes: usize,
) -> Result<(), String> {
    let claimed = claims
        .stream
        .as_ref()
        .ok_or("the receipt says nothing about the events of the stream")?;
    let mut chain = StreamChain::new(&claims.id, salts.scope("stream"));
    let mut parser = SseParser::new(max_bytes);
    let mut rest = body;
    let unreadable = |_| "the stream cannot be read".to_owned();
    let mut done = false;
    let mut push = |data: &str| match (done, data == DONE) {
        (true, _) => Err("something stands behind the end of the stream".to_owned()),
        (false, true) => {
            done = true;
            Ok(())
        }
        (false, false) => {
            chain.push(data.as_bytes());
            Ok(())
        }
    };
    while let Some(event) = parser.next_event(&mut rest).map_err(unreadable)? {
        push(event.data)?;
    }
    if let Some(event) = parser.finish().map_err(unreadable)? {
        push(event.data)?;
    }
    if chain.claim() == *claimed {
        Ok(())
    } else {
        Err("the events are not those that the receipt is about".to_owned())
    }
}

/// Model, fingerprint, tier, token counts and finish reasons of an answer in one piece.
fn check_words(claims: &Claims, body: &[u8]) -> Result<(), String> {
    let known = Operation::ALL
        .into_iter()
        .find(|operation| operation.name() == claims.operation.name);
    let operation = known.ok_or("the receipt is about an unknown operation")?;
    if operation == Operation::Infer {
        // All that it says is in its tensors.
        return Ok(());
    }
    let answer = Answer::parse(operation, body).map_err(|error| error.to_string())?;
    let same = |got: &Option<String>, claimed: &Option<String>| {
        got.as_deref().map(cut) == claimed.as_deref()
    };
    let differs = |what: &str| {
        Err(format!(
            "the {what} of the answer is not what the receipt says"
        ))
    };
    if let Execution::Relayed { provider, .. } = &claims.execution {
        if !same(&answer.model, &provider.served_model) {
            return differs("model");
        }
        if !same(&answer.system_fingerprint, &provider.fingerprint)
            || !same(&answer.service_tier, &provider.service_tier)
        {
            return differs("fingerprint or service tier");
        }
    }
    let usage = answer
        .usage
        .as_ref()
        .map(|usage| (usage.input_tokens, usage.output_tokens));
    if usage
        != claims
            .usage
            .as_ref()
            .map(|(_, usage)| (usage.input_tokens, usage.output_tokens))
    {
        return differs("token count");
    }
    let reasons = claims.finish.iter().flat_map(|(_, reasons)| reasons);
    let claimed = reasons.map(|finish| (u64::from(finish.index), finish.reason.as_deref()));
    let got = answer
        .choices
        .iter()
        .map(|choice| (choice.index, choice.finish_reason.as_deref().map(cut)));
    if got.eq(claimed) {
        Ok(())
    } else {
        differs("finish reason")
    }
}

fn cut(text: &str) -> &str {
    text.split_at(text.floor_char_boundary(CLAIM_TEXT_BYTES)).0
}
