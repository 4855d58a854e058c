//! What `verify` leaves open because it is about how an answer was delivered: that it names this receipt, that nothing
//! stands beside what a receipt is about, and that of a stream only the events are let through.

use bytes::Bytes;
use proofmark_openai::{Members, RawJson, SseParser};
use proofmark_receipt::{Bundle, Claims, DisclosedValues, ReceiptId};

/// Members of an answer in one piece that `verify` compared, that this module compares, or that say nothing.
const COMPARED: [&str; 10] = [
    "id",
    "object",
    "created",
    "model",
    "system_fingerprint",
    "service_tier",
    "choices",
    "data",
    "usage",
    "proofmark",
];

/// Checks that an answer in one piece names its receipt. Returns the members that the receipt alone is not about.
pub(super) fn check_whole(id: &ReceiptId, body: &[u8]) -> Result<Vec<String>, String> {
    let members = Members::parse_answer(body).map_err(|error| error.to_string())?;
    let text =
        |value: Option<RawJson<'_>>| value.and_then(|value| Some(value.as_str()?.into_owned()));
    if let Some(named) = members.get_non_null("id")
        && !["chatcmpl-", "cmpl-"]
            .iter()
            .any(|prefix| text(Some(named)) == Some(format!("{prefix}{id}")))
    {
        return Err("the answer has the id of another one".to_owned());
    }
    if let Some(pointer) = members.get_non_null("proofmark")
        && text(pointer.member("id")) != Some(id.to_string())
    {
        return Err("the answer points to another receipt".to_owned());
    }
    let beside = members.iter().map(|(name, _)| name.as_ref());
    Ok(beside
        .filter(|name| !COMPARED.contains(name))
        .map(str::to_owned)
        .collect())
}

/// Checks members of an answer against the provider's own words, which `bundle` opens.
pub(super) fn check_opened(
    claims: &Claims,
    bundle: &Bundle,
    beside: &[String],
    body: &[u8],
) -> Result<(), String> {
    let opened = bundle.disclosures.iter().find_map(|disclosure| {
        disclosure.check(claims).ok()?;
        match disclosure {
            proofmark_receipt::Disclosure::Scope {
                scope,
                values: DisclosedValues::Body(bytes),
                ..
            } if scope == "answer" => Some(bytes),
            _ => None,
        }
    });
    let of_provider = opened.and_then(|bytes| Members::parse_answer(bytes).ok());
    let answer = Members::parse_answer(body).map_err(|error| error.to_string())?;
    for name in beside {
        let said = of_provider.as_ref().and_then(|members| members.get(name));
        if said.is_none() || said.map(RawJson::as_json) != answer.get(name).map(RawJson::as_json) {
            return Err(format!(
                "the receipt does not show that the provider said {name:?}"
            ));
        }
    }
    Ok(())
}

/// The events of a stream that was verified, and nothing that stood between them: a receipt is about their data only.
pub(super) fn events_only(body: &[u8], max_bytes: usize) -> Result<Bytes, String> {
    let mut parser = SseParser::new(max_bytes);
    let mut rest = body;
    let mut stream = Vec::with_capacity(body.len());
    let mut push = |data: &str| {
        for line in data.split('\n') {
            stream.extend_from_slice(b"data: ");
            stream.extend_from_slice(line.as_bytes());
            stream.push(b'\n');
        }
        stream.push(b'\n');
    };
    let unreadable = |_| "the stream cannot be read".to_owned();
    while let Some(event) = parser.next_event(&mut rest).map_err(unreadable)? {
        push(event.data);
    }
    if let Some(event) = parser.finish().map_err(unreadable)? {
        push(event.data);
    }
    Ok(stream.into())
}
