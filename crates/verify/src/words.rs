//! What an answer says beside its choices, against the claims: model, fingerprint, tier, token counts, finish reasons,
//! and the very events of a stream.

use proofmark_openai::{Answer, DONE, SseParser};
use proofmark_receipt::{Claims, Execution, Salts, StreamChain};

use crate::answer::{AnswerMismatch, Form};

/// A claim repeats a longer text of the provider in part (specs/01-receipt.md §1.3).
const CLAIM_TEXT_BYTES: usize = 1024;

/// Compares the words of an answer with the claims. Whoever was answered in one piece and shows one piece shows all of
/// them; another framing may lack some, and those that it has must be the claimed ones. Finish reasons are never left out.
pub(crate) fn check_words(
    claims: &Claims,
    answer: &Answer,
    form: Form,
) -> Result<(), AnswerMismatch> {
    let whole = form == Form::Json && !claims.operation.stream;
    let differs = |what| Err(AnswerMismatch::Words { what });
    let same = |got: &Option<String>, claimed: Option<&str>| match got.as_deref().map(cut) {
        None if !whole => true,
        got => got == claimed.map(cut),
    };
    match &claims.execution {
        Execution::Relayed { provider, .. } => {
            if !same(&answer.model, provider.served_model.as_deref()) {
                return differs("model");
            }
            if !same(&answer.system_fingerprint, provider.fingerprint.as_deref()) {
                return differs("fingerprint");
            }
            if !same(&answer.service_tier, provider.service_tier.as_deref()) {
                return differs("service tier");
            }
        }
        Execution::Executed(executed) => {
            if !same(&answer.model, Some(&executed.model)) {
                return differs("model");
            }
        }
    }
    let counted = |usage: &proofmark_openai::Usage| (usage.input_tokens, usage.output_tokens);
    let claimed = |usage: &proofmark_receipt::Usage| (usage.input_tokens, usage.output_tokens);
    let usage = answer.usage.as_ref().map(counted);
    if (whole || usage.is_some()) && usage != claims.usage.as_ref().map(|(_, usage)| claimed(usage))
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

/// specs/01-receipt.md §5.6: every event but `[DONE]`, in order, and nothing behind it.
pub(crate) fn check_events(
    claims: &Claims,
    salts: &Salts,
    stream: &[u8],
) -> Result<(), AnswerMismatch> {
    let Some(claimed) = &claims.stream else {
        return Ok(());
    };
    let mut chain = StreamChain::new(&claims.id, salts.scope("stream"));
    let mut parser = SseParser::new(stream.len().max(1));
    let mut rest = stream;
    let mut done = false;
    let mut push = |data: &str| {
        if done {
            return Err(AnswerMismatch::Events);
        }
        if data == DONE {
            done = true;
        } else {
            chain.push(data.as_bytes());
        }
        Ok(())
    };
    let unreadable = |_| AnswerMismatch::Events;
    while let Some(event) = parser.next_event(&mut rest).map_err(unreadable)? {
        push(event.data)?;
    }
    if let Some(event) = parser.finish().map_err(unreadable)? {
        push(event.data)?;
    }
    if chain.claim() == *claimed {
        Ok(())
    } else {
        Err(AnswerMismatch::Events)
    }
}
